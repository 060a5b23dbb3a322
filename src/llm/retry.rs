//! The one place where model calls are tried again.

use std::time::Duration;

use async_trait::async_trait;

use super::{Delta, LlmError, Model, OnDelta, Reply, Request, card::ModelCard};
use crate::{config::RemoteConfig, domain::disposition::Disposition};

/// The wait before the first retry where the provider names none; it doubles from there.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The doubling ends here.
const LONGEST_BACKOFF: Duration = Duration::from_secs(20);

/// The longest wait where another model can take over.
const LONGEST_WAIT_BEFORE_ANOTHER: Duration = Duration::from_secs(5);

/// How often and how patiently to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries after the first.
    pub max_retries: u32,
    /// Longest wait a provider may ask for; beyond it the error is returned at once, so that the
    /// person can be told.
    pub max_wait: Duration,
    /// Whether one that kept us waiting until our patience ran out may do so again.
    pub after_timeouts: bool,
}

/// A model whose passing failures are waited out.
pub struct Retrying<M> {
    model: M,
    policy: RetryPolicy,
}

impl<M: Model> Retrying<M> {
    pub fn new(model: M, policy: RetryPolicy) -> Self {
        Self { model, policy }
    }
}

#[async_trait]
impl<M: Model> Model for Retrying<M> {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn card(&self) -> &ModelCard {
        self.model.card()
    }

    async fn complete(&self, request: &Request, on_delta: OnDelta<'_>) -> Result<Reply, LlmError> {
        let mut retries = 0;
        loop {
            let error = match self.model.complete(request, on_delta).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            let Some(wait) = self.policy.wait_after(&error, retries, fastrand::f64()) else {
                return Err(error);
            };
            retries += 1;
            tracing::warn!(
                model = self.name(),
                retries,
                wait_ms = wait.as_millis(),
                reason = error.in_short(),
                "the model is asked again"
            );
            on_delta(Delta::Restarted { reason: error.in_short().to_owned(), wait });
            tokio::time::sleep(wait).await;
        }
    }
}

impl RetryPolicy {
    /// As the provider's settings say.
    #[must_use]
    pub fn of(provider: &RemoteConfig) -> Self {
        Self { max_retries: provider.max_retries, max_wait: provider.max_retry_wait, after_timeouts: true }
    }

    /// The same where another model can take over: one more try, no long wait, and none for one that
    /// already took all the time there was.
    #[must_use]
    pub fn impatient(self) -> Self {
        Self {
            max_retries: self.max_retries.min(1),
            max_wait: self.max_wait.min(LONGEST_WAIT_BEFORE_ANOTHER),
            after_timeouts: false,
        }
    }

    /// How long to wait after `error`, when `retries` were made before; `None` to give up. `chance`
    /// from 0 to 1 spreads the waits of several callers.
    fn wait_after(&self, error: &LlmError, retries: u32, chance: f64) -> Option<Duration> {
        let told = match error.disposition() {
            Disposition::Retry { after } => after,
            Disposition::TellModel | Disposition::GiveUp => return None,
        };
        let is_timeout = matches!(error, LlmError::Transport { timed_out: true, .. });
        if retries >= self.max_retries || (is_timeout && !self.after_timeouts) {
            return None;
        }
        match told {
            Some(told) if told > self.max_wait => None,
            // Never sooner than told.
            Some(told) => Some(told + FIRST_WAIT.mul_f64(chance)),
            None => {
                let backoff =
                    FIRST_WAIT.saturating_mul(2_u32.saturating_pow(retries)).min(LONGEST_BACKOFF).min(self.max_wait);
                Some(backoff.mul_f64(1.0 - chance / 4.0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::Mutex};

    use tokio::time::Instant;

    use super::*;
    use crate::{
        domain::talk::{AssistantMessage, Finish},
        llm::card::UNKNOWN,
    };

    /// Answers with these results in turn.
    struct Scripted(Mutex<VecDeque<Result<Reply, LlmError>>>);

    #[async_trait]
    impl Model for Scripted {
        fn name(&self) -> &str {
            "scripted"
        }

        fn card(&self) -> &ModelCard {
            &UNKNOWN
        }

        async fn complete(&self, _request: &Request, _on_delta: OnDelta<'_>) -> Result<Reply, LlmError> {
            self.0.lock().unwrap().pop_front().expect("a call more than the script has")
        }
    }

    const POLICY: RetryPolicy = RetryPolicy { max_retries: 3, max_wait: Duration::from_secs(60), after_timeouts: true };

    fn down(retry_after_secs: Option<u64>) -> Result<Reply, LlmError> {
        Err(LlmError::Unavailable { retry_after: retry_after_secs.map(Duration::from_secs), message: "m".to_owned() })
    }

    fn answer() -> Result<Reply, LlmError> {
        let message = AssistantMessage { text: "hello".to_owned(), ..AssistantMessage::default() };
        Ok(Reply { message, finish: Finish::Done, usage: None })
    }

    /// The outcome, the waits that were told, the time it took, and how many results were left.
    async fn run(
        script: impl IntoIterator<Item = Result<Reply, LlmError>>,
    ) -> (Result<Reply, LlmError>, Vec<Duration>, Duration, usize) {
        run_with(POLICY, script).await
    }

    async fn run_with(
        policy: RetryPolicy,
        script: impl IntoIterator<Item = Result<Reply, LlmError>>,
    ) -> (Result<Reply, LlmError>, Vec<Duration>, Duration, usize) {
        let model = Retrying::new(Scripted(Mutex::new(script.into_iter().collect())), policy);
        let waits = Mutex::new(Vec::new());
        let start = Instant::now();
        let request = Request { messages: Vec::new(), tools: Vec::new() };
        let outcome = model
            .complete(&request, &|delta| {
                if let Delta::Restarted { wait, .. } = delta {
                    waits.lock().unwrap().push(wait);
                }
            })
            .await;
        let left = model.model.0.lock().unwrap().len();
        (outcome, waits.into_inner().unwrap(), start.elapsed(), left)
    }

    #[tokio::test(start_paused = true)]
    async fn a_passing_failure_is_waited_out_and_told() {
        let (outcome, waits, elapsed, _) = run([down(None), down(None), answer()]).await;
        assert_eq!(outcome.unwrap().message.text, "hello");
        assert_eq!(waits.len(), 2);
        assert!(waits[0] <= FIRST_WAIT && waits[1] > waits[0], "{waits:?}");
        assert!(elapsed >= waits.iter().sum());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_the_provider_names_is_never_cut_short() {
        let (outcome, waits, elapsed, _) = run([down(Some(30)), answer()]).await;
        assert!(outcome.is_ok());
        assert!(waits[0] >= Duration::from_secs(30) && elapsed >= Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_beyond_the_cap_ends_the_call_at_once() {
        let (outcome, waits, elapsed, _) = run([down(Some(61)), answer()]).await;
        assert!(matches!(outcome, Err(LlmError::Unavailable { retry_after: Some(_), .. })));
        assert!(waits.is_empty() && elapsed.is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn tries_are_bounded() {
        let (outcome, waits, _, left) = run((0..9).map(|_| down(None))).await;
        assert!(matches!(outcome, Err(LlmError::Unavailable { .. })));
        assert_eq!((waits.len(), left), (3, 5));
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_pass_is_not_tried_again() {
        let refused = Err(LlmError::OutOfCredit { message: "m".to_owned() });
        let (outcome, waits, _, left) = run([refused, answer()]).await;
        assert!(matches!(outcome, Err(LlmError::OutOfCredit { .. })));
        assert_eq!((waits.len(), left), (0, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_is_not_repeated_where_another_model_can_take_over() {
        let lost = |timed_out| Err(LlmError::Transport { message: "m".to_owned(), timed_out });
        for (policy, timed_out, is_repeated) in
            [(POLICY, true, true), (POLICY.impatient(), false, true), (POLICY.impatient(), true, false)]
        {
            let (outcome, _, _, left) = run_with(policy, [lost(timed_out), answer()]).await;
            assert_eq!((outcome.is_ok(), left), (is_repeated, usize::from(!is_repeated)), "{policy:?} {timed_out}");
        }
    }

    #[test]
    fn no_number_of_retries_overflows_the_backoff() {
        let policy = RetryPolicy { max_retries: u32::MAX, ..POLICY };
        let error = LlmError::Truncated { message: String::new() };
        assert_eq!(policy.wait_after(&error, u32::MAX - 1, 0.0), Some(LONGEST_BACKOFF));
    }
}
