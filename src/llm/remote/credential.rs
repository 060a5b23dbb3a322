//! A provider's key: one that stays, or one that a program prints and that runs out.

use std::{process::Stdio, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use tokio::{process::Command, sync::Mutex, time::Instant};

use crate::{config::CredentialConfig, llm::LlmError};

/// How long the program may take.
const COMMAND_PATIENCE: Duration = Duration::from_secs(30);

/// Where a key comes from.
pub(super) enum Credential {
    None,
    Fixed(SecretString),
    Command { command: Vec<String>, keep: Duration, printed: Mutex<Option<(SecretString, Instant)>> },
}

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
                if let Some((key, at)) = printed.as_ref()
                    && at.elapsed() < *keep
                {
                    return Ok(Some(key.clone()));
                }
                let key = run(command).await?;
                *printed = Some((key.clone(), Instant::now()));
                Ok(Some(key))
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
                    if printed.as_ref().is_some_and(|(key, _)| same(key)) {
                        *printed = None;
                    }
                }
                true
            }
        }
    }
}

async fn run(command: &[String]) -> Result<SecretString, LlmError> {
    let trouble = |what: String| LlmError::Unauthorized { status: 401, message: what };
    let (program, arguments) = command.split_first().ok_or_else(|| trouble("no program prints the key".to_owned()))?;
    let mut running = Command::new(program);
    running.args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(COMMAND_PATIENCE, running.output()).await;
    let output = output
        .map_err(|_elapsed| trouble(format!("{program}, which should print the key, took too long")))?
        .map_err(|error| trouble(format!("{program}, which should print the key, cannot be run: {error}")))?;
    if !output.status.success() {
        return Err(trouble(format!("{program}, which should print the key, failed: {}", output.status)));
    }
    match String::from_utf8(output.stdout) {
        Ok(key) if !key.trim().is_empty() => Ok(key.trim().to_owned().into()),
        Ok(_) | Err(_) => Err(trouble(format!("{program} printed no key"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printing(script: &str, keep: Duration) -> Credential {
        let command = ["sh", "-c", script].map(str::to_owned).to_vec();
        Credential::new(Some(&CredentialConfig::Command { command, keep }))
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
}
