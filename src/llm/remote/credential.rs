//! A provider's key: one that stays, or one that a program prints and that runs out.

use std::{
    io::{self, ErrorKind},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use tokio::{io::AsyncReadExt, process::Command, sync::Mutex, time::Instant};

use crate::{config::CredentialConfig, llm::LlmError};

/// How long the program may take.
const COMMAND_PATIENCE: Duration = Duration::from_secs(30);
/// How long a failure of it is remembered, so that those who waited do not run it one after another.
const FAILURE_KEPT: Duration = Duration::from_secs(3);
/// Most bytes read of what it prints; no key is as long.
const MAX_PRINTED_BYTES: usize = 64 << 10;

/// Where a key comes from.
pub(super) enum Credential {
    None,
    Fixed(SecretString),
    Command { command: Vec<String>, keep: Duration, printed: Mutex<Option<(Printed, Instant)>> },
}

/// What came of running the program.
type Printed = Result<SecretString, LlmError>;

impl Credential {
    pub(super) fn new(config: Option<&CredentialConfig>) -> Self {
        match config {
            None => Self::None,
            Some(CredentialConfig::Secret(secret)) => Self::Fixed(secret.clone()),
            Some(CredentialConfig::Command { command, keep }) => {
                Self::Command { command: command.clone(), keep: *keep, printed: Mutex::new(None) }
            }
        }
    }

    /// The key, if it is known without asking anyone.
    pub(super) fn fixed(&self) -> Option<&SecretString> {
        match self {
            Self::Fixed(key) => Some(key),
            Self::None | Self::Command { .. } => None,
        }
    }

    /// The key to send. Callers that come while the program runs wait for what it prints.
    pub(super) async fn key(&self) -> Result<Option<SecretString>, LlmError> {
        match self {
            Self::None => Ok(None),
            Self::Fixed(key) => Ok(Some(key.clone())),
            Self::Command { command, keep, printed } => {
                let mut printed = printed.lock().await;
                if let Some((outcome, at)) = printed.as_ref()
                    && at.elapsed() < if outcome.is_ok() { *keep } else { FAILURE_KEPT }
                {
                    return outcome.clone().map(Some);
                }
                let outcome = run(command).await;
                *printed = Some((outcome.clone(), Instant::now()));
                outcome.map(Some)
            }
        }
    }

    /// Makes sure that a key which was refused is not sent again; whether there can be another.
    pub(super) fn forget(&self, refused: Option<&SecretString>) -> bool {
        match self {
            Self::None | Self::Fixed(_) => false,
            Self::Command { printed, .. } => {
                // Held only while the program runs, and then a newer key comes anyway.
                if let Ok(mut printed) = printed.try_lock() {
                    let same = |key: &SecretString| {
                        refused.is_some_and(|refused| refused.expose_secret() == key.expose_secret())
                    };
                    if printed.as_ref().is_some_and(|(outcome, _)| outcome.as_ref().is_ok_and(same)) {
                        *printed = None;
                    }
                }
                true
            }
        }
    }
}

/// A program that is missing or prints no key is the operator's to mend; anything else may pass.
async fn run(command: &[String]) -> Printed {
    let wrong = |what: String| LlmError::Unauthorized { status: 401, message: what };
    let (program, arguments) = command.split_first().ok_or_else(|| wrong("no program prints the key".to_owned()))?;
    let trouble = |what: String, timed_out| LlmError::Transport {
        message: format!("{program}, which should print the key, {what}"),
        timed_out,
    };
    let (status, printed) = tokio::time::timeout(COMMAND_PATIENCE, output_of(program, arguments))
        .await
        .map_err(|_elapsed| trouble("took too long".to_owned(), true))?
        .map_err(|error| {
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) {
                return wrong(format!("{program}, which should print the key, cannot be run: {error}"));
            }
            trouble(format!("cannot be run: {error}"), false)
        })?;
    if printed.len() > MAX_PRINTED_BYTES {
        return Err(wrong(format!("{program} printed more than a key")));
    }
    if !status.success() {
        return Err(trouble(format!("failed: {status}"), false));
    }
    match String::from_utf8(printed) {
        Ok(key) if !key.trim().is_empty() => Ok(key.trim().to_owned().into()),
        Ok(_) | Err(_) => Err(wrong(format!("{program} printed no key"))),
    }
}

/// How the program ended, and what it printed: at most one byte more than a key may have.
async fn output_of(program: &str, arguments: &[String]) -> io::Result<(ExitStatus, Vec<u8>)> {
    let mut running = Command::new(program);
    running.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = running.spawn()?;
    let mut printed = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_PRINTED_BYTES as u64 + 1).read_to_end(&mut printed).await?;
    }
    if printed.len() > MAX_PRINTED_BYTES {
        child.start_kill()?;
    }
    Ok((child.wait().await?, printed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printing(script: &str, keep: Duration) -> Credential {
        let command = ["sh", "-c", script].map(str::to_owned).to_vec();
        Credential::new(Some(&CredentialConfig::Command { command, keep }))
    }

    /// A program that notes each run and then does as the script says.
    fn counted(dir: &tempfile::TempDir, script: &str) -> Credential {
        printing(&format!("echo x >> {}/n; {script}", dir.path().display()), Duration::from_secs(60))
    }

    fn runs(dir: &tempfile::TempDir) -> usize {
        std::fs::read_to_string(dir.path().join("n")).map_or(0, |runs| runs.lines().count())
    }

    async fn key(credential: &Credential) -> Result<String, String> {
        let key = credential.key().await;
        key.map(|key| key.unwrap().expose_secret().to_owned()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_printed_key_is_kept_until_it_is_refused_or_old() {
        let dir = tempfile::tempdir().unwrap();
        let script = format!("echo x >> {0}/n; wc -l < {0}/n", dir.path().display());
        let credential = printing(&script, Duration::from_secs(60));
        assert_eq!(
            (key(&credential).await.unwrap(), key(&credential).await.unwrap()),
            ("1".to_owned(), "1".to_owned())
        );
        assert!(credential.forget(Some(&"1".to_owned().into())));
        assert_eq!(key(&credential).await.unwrap(), "2");
        // An older call's refusal says nothing of the newer key.
        credential.forget(Some(&"1".to_owned().into()));
        assert_eq!(key(&credential).await.unwrap(), "2");
        let credential = printing(&script, Duration::ZERO);
        assert_ne!(key(&credential).await, key(&credential).await);
    }

    #[tokio::test]
    async fn a_program_that_prints_none_is_named_without_its_arguments() {
        for script in ["exit 3", "true", "printf '\\377'"] {
            let error = key(&printing(script, Duration::ZERO)).await.unwrap_err();
            assert!(error.contains("sh") && !error.contains(script), "{error}");
        }
        let missing = CredentialConfig::Command { command: vec!["no-such-program".to_owned()], keep: Duration::ZERO };
        assert!(key(&Credential::new(Some(&missing))).await.unwrap_err().contains("no-such-program"));
        assert!(!Credential::new(None).forget(None));
    }

    #[tokio::test]
    async fn what_may_pass_is_told_from_what_the_operator_must_mend() {
        for (script, may_pass) in [("exit 3", true), ("kill -9 $$", true), ("true", false), ("yes", false)] {
            let error = printing(script, Duration::ZERO).key().await.unwrap_err();
            assert_eq!(matches!(error, LlmError::Transport { timed_out: false, .. }), may_pass, "{script}: {error}");
            assert_eq!(matches!(error, LlmError::Unauthorized { .. }), !may_pass, "{script}: {error}");
        }
        for program in ["no-such-program", "/etc/passwd"] {
            let error = run(&[program.to_owned()]).await.unwrap_err();
            assert!(matches!(error, LlmError::Unauthorized { .. }), "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_takes_too_long_may_do_better_next_time() {
        let start = Instant::now();
        let error = printing("sleep 60", Duration::ZERO).key().await.unwrap_err();
        assert!(matches!(error, LlmError::Transport { timed_out: true, .. }), "{error}");
        assert_eq!(start.elapsed().as_secs(), COMMAND_PATIENCE.as_secs());
    }

    #[tokio::test]
    async fn those_who_wait_share_a_failure() {
        let dir = tempfile::tempdir().unwrap();
        let credential = counted(&dir, "sleep 0.1; exit 3");
        let (one, two, three) = tokio::join!(credential.key(), credential.key(), credential.key());
        assert!(one.is_err() && two.is_err() && three.is_err());
        assert_eq!(runs(&dir), 1);
        tokio::time::pause();
        tokio::time::advance(FAILURE_KEPT).await;
        tokio::time::resume();
        assert!(credential.key().await.is_err());
        assert_eq!(runs(&dir), 2);
    }

    #[tokio::test]
    async fn no_more_is_read_than_a_key_can_be() {
        let long = |count: usize| format!("head -c {count} /dev/zero | tr '\\0' k");
        let key = printing(&long(MAX_PRINTED_BYTES), Duration::ZERO).key().await.unwrap().unwrap();
        assert_eq!(key.expose_secret().len(), MAX_PRINTED_BYTES);
        let error = printing(&long(1 << 20), Duration::ZERO).key().await.unwrap_err();
        assert!(matches!(error, LlmError::Unauthorized { .. }), "{error}");
    }
}
