//! The commands, one file each.

mod audit;
mod chat;
mod check;
mod demo;
mod inspect;
mod logs;
mod prompts;
mod serve;
mod shown;
mod side;
mod usage;
mod writes;

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    config::{
        Config,
        load::{self, Sources},
    },
    tools,
};

/// An LLM agent for Plane: mention it in a work item and it answers there.
#[derive(Debug, Parser)]
#[command(name = "aileron", version)]
pub struct Cli {
    /// The configuration file; `aileron.toml` in the working directory is used if there is one.
    #[arg(long, global = true, env = "AILERON_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Receive Plane's webhooks and answer.
    Serve,
    /// Check configuration, prompts and tools, try the model and Plane, and say what to mend.
    Check(check::Options),
    /// Try it here and now against a stand-in Plane, with no account and no key.
    Demo(demo::Options),
    /// Look at the texts people can edit, and at what the model would get.
    Prompts(prompts::Options),
    /// Talk with the agent here, about the stand-in's work items or real ones; nothing is posted to Plane.
    Chat(chat::Options),
    /// List the workspaces the app is installed in.
    Installations(inspect::Options),
    /// List signed webhooks that could not be read.
    Letters(inspect::Options),
    /// Tell what was changed in Plane, who asked for it and who approved it.
    Audit(audit::Options),
    /// Switch all changes off or on, or say how that stands.
    Writes(writes::Options),
    /// Tell what the models cost, by day, workspace, model or run.
    Usage(usage::Options),
}

/// Runs a command to its end.
#[must_use]
pub fn main(cli: Cli) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::new(error).context("the async runtime does not start")),
    };
    let changing = tools::all().into_iter().filter(|tool| tool.effect().changes()).map(|tool| tool.name());
    let sources = Sources { changing_tools: Some(changing.collect()), ..Sources::of_process(cli.config) };
    let result = runtime.block_on(async {
        match cli.command {
            Command::Serve => serve::main(&sources).await,
            Command::Check(options) => check::main(&sources, &options).await,
            Command::Demo(options) => demo::main(&sources, &options).await,
            Command::Prompts(options) => prompts::main(&sources, &options).await,
            Command::Chat(options) => chat::main(&sources, &options).await,
            Command::Installations(options) => inspect::installations(&sources, &options).await,
            Command::Letters(options) => inspect::letters(&sources, &options).await,
            Command::Audit(options) => audit::main(&sources, &options).await,
            Command::Writes(options) => writes::main(&sources, &options),
            Command::Usage(options) => usage::main(&sources, &options).await,
        }
    });
    // A blocking task that hangs must not keep a finished command alive.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match result {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

/// Loads the configuration or tells everything that is wrong with it.
fn configured(sources: &Sources) -> anyhow::Result<Config> {
    load::load(sources).map_err(|problems| {
        let list = problems.iter().map(|problem| format!("\n  {problem}")).collect::<String>();
        anyhow::anyhow!("the configuration cannot be used:{list}\nEvery key is described in aileron.default.toml; `aileron check` tries it all.")
    })
}

#[expect(clippy::print_stderr, reason = "this is where a command's failure is told")]
fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("aileron: {error:#}");
    ExitCode::FAILURE
}

/// One line for the person who runs the command.
fn say(line: &str) {
    put(&format!("{line}\n"));
}

/// Writes at once and without a line end. Whoever no longer reads, as `head` does, misses it.
fn put(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(printable(text).as_bytes()).and_then(|()| out.flush());
}

/// Without what a terminal would obey: models and work items may hold any text.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_given_text_and_no_orders() {
        let text = printable("a\u{1b}]52;c;ZXZpbA==\u{7} b\r\n\tc\u{9b}2J é");
        assert_eq!(text, "a]52;c;ZXZpbA== b\n\tc2J é");
    }
}
