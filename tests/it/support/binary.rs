//! The real binary as a child process, with nothing of the developer's environment.

use std::{
    fs::{File, OpenOptions},
    path::Path,
    process::{ExitStatus, Stdio},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    task::JoinSet,
};

use super::within;

/// Environment variables by name.
pub(crate) type Settings = std::collections::BTreeMap<String, String>;

/// A child that runs until it is told to stop, such as `aileron serve`.
pub(crate) struct Running {
    child: Child,
    lines: Option<Lines<BufReader<ChildStdout>>>,
    /// Reads standard output to its end, so that the child never blocks on it.
    drain: JoinSet<()>,
}

/// A child that came to its end.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Running {
    /// Starts the binary in `home`; its standard error is appended to `home/stderr.log`.
    pub(crate) fn start(home: &Path, arguments: &[&str], settings: &Settings) -> Self {
        Self::start_with(home, arguments, settings, Stdio::null())
    }

    /// Starts the binary with an open standard input.
    pub(crate) fn talking(home: &Path, arguments: &[&str], settings: &Settings) -> Self {
        Self::start_with(home, arguments, settings, Stdio::piped())
    }

    fn start_with(home: &Path, arguments: &[&str], settings: &Settings, stdin: Stdio) -> Self {
        let stderr = OpenOptions::new().create(true).append(true).open(home.join("stderr.log")).unwrap();
        let mut child = spawn(home, arguments, settings, stdin, Stdio::from(stderr));
        let lines = child.stdout.take().map(|stdout| BufReader::new(stdout).lines());
        Self { child, lines, drain: JoinSet::new() }
    }

    /// Writes a line to standard input.
    pub(crate) async fn write(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("standard input is open");
        stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        stdin.flush().await.unwrap();
    }

    /// Ends standard input.
    pub(crate) fn hang_up(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Awaits a line on standard output that holds `marker`, and returns the lines up to it.
    pub(crate) async fn until_line(&mut self, marker: &str) -> Vec<String> {
        let lines = self.lines.as_mut().expect("standard output was not read otherwise");
        let mut seen = Vec::new();
        let search = async {
            while let Ok(Some(line)) = lines.next_line().await {
                let found = line.contains(marker);
                seen.push(line);
                if found {
                    return true;
                }
            }
            false
        };
        let found = within(&format!("a line with {marker:?} on standard output"), search).await;
        assert!(found, "standard output ended without {marker:?}:\n{}", seen.join("\n"));
        seen
    }

    /// Awaits a line on standard output that holds `marker`, and returns what follows it. `None` if
    /// the child ends before.
    pub(crate) async fn line_after(&mut self, marker: &str) -> Option<String> {
        let mut lines = self.lines.take().expect("standard output is read once");
        let search = async {
            while let Some(line) = lines.next_line().await.ok()? {
                if let Some((_, rest)) = line.split_once(marker) {
                    return Some(rest.trim().to_owned());
                }
            }
            None
        };
        let found = within(&format!("a line with {marker:?} on standard output"), search).await;
        self.drain.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        found
    }

    /// Sends a signal, named as `kill` names it.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().expect("the child runs").to_string();
        let sent = std::process::Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
        assert!(sent.success(), "kill -{name} {pid} failed");
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("the child runs")
    }

    /// Awaits the end of the child.
    pub(crate) async fn exit(&mut self) -> ExitStatus {
        within("the end of the process", self.child.wait()).await.unwrap()
    }

    /// Ends the child without letting it do anything more.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

/// Runs the binary to its end.
pub(crate) async fn run(home: &Path, arguments: &[&str], settings: &Settings) -> Finished {
    run_with(home, arguments, settings, b"").await
}

/// Runs the binary to its end with this on standard input.
pub(crate) async fn run_with(home: &Path, arguments: &[&str], settings: &Settings, input: &[u8]) -> Finished {
    let what = format!("the end of `aileron {}`", arguments.join(" "));
    let mut child = spawn(home, arguments, settings, Stdio::piped(), Stdio::piped());
    let mut stdin = child.stdin.take().expect("standard input is open");
    stdin.write_all(input).await.unwrap();
    drop(stdin);
    let output = within(&what, child.wait_with_output()).await.unwrap();
    Finished {
        status: output.status,
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Writes a file into `home` and returns its path as text.
pub(crate) fn write(home: &Path, name: &str, text: &str) -> String {
    let path = home.join(name);
    std::io::Write::write_all(&mut File::create(&path).unwrap(), text.as_bytes()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn spawn(home: &Path, arguments: &[&str], settings: &Settings, stdin: Stdio, stderr: Stdio) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aileron"));
    command.args(arguments).env_clear().envs(settings).current_dir(home);
    command.env("PATH", "/usr/bin:/bin").env("RUST_BACKTRACE", "1");
    command.stdin(stdin).stdout(Stdio::piped()).stderr(stderr).kill_on_drop(true);
    command.spawn().expect("the binary starts")
}
