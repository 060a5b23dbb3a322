//! Remembers that a model keeps failing, so that not every call has to find out anew.
//!
//! Closed, calls pass. After some failures in a row it opens, and calls pass it by. After a while it
//! lets a single one through: if that succeeds it closes, if not it stays open twice as long.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::llm::LlmError;

/// Failures in a row that may pass by themselves, before it opens.
pub(super) const PATIENCE: u32 = 3;
/// A call that is cut off after longer than this without a reply has failed: nobody waits for ever.
const LONGEST_SILENCE: Duration = Duration::from_secs(120);
/// How long it stays open at first.
const FIRST_REST: Duration = Duration::from_secs(30);
/// How long at most. It is also the rest of a model whose operator has to act.
const LONGEST_REST: Duration = Duration::from_secs(600);

/// The memory of one model's failures.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
        rest: Duration,
    },
    /// One call tries whether it works again.
    Tried {
        rest: Duration,
    },
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl State {
    fn open(rest: Duration) -> Self {
        Self::Open { until: Instant::now() + rest, rest }
    }

    /// What follows from one more failure that may pass by itself.
    fn after_failure(self) -> Self {
        match self {
            Self::Closed { failures } if failures + 1 < PATIENCE => Self::Closed { failures: failures + 1 },
            Self::Closed { .. } => Self::open(FIRST_REST),
            Self::Open { rest, .. } | Self::Tried { rest } => Self::open((rest * 2).min(LONGEST_REST)),
        }
    }
}

/// A call that was let through. Dropped without a word, as when it is cut off, it has shown nothing,
/// unless it had all the time it could need.
#[derive(Debug)]
pub(super) struct Trial<'a> {
    breaker: &'a Breaker,
    /// Whether this is the one call that tries an open one.
    probe: Option<Duration>,
    began: Instant,
    told: bool,
}

impl Breaker {
    /// Lets a call through, unless it is to pass this model by.
    pub(super) fn try_pass(&self) -> Option<Trial<'_>> {
        let mut state = self.lock();
        let probe = match *state {
            State::Closed { .. } => None,
            State::Open { until, rest } if Instant::now() >= until => {
                *state = State::Tried { rest };
                Some(rest)
            }
            State::Open { .. } | State::Tried { .. } => return None,
        };
        Some(self.trial(probe))
    }

    /// Lets a call through whatever happened before.
    pub(super) fn pass(&self) -> Trial<'_> {
        self.trial(None)
    }

    fn trial(&self, probe: Option<Duration>) -> Trial<'_> {
        Trial { breaker: self, probe, began: Instant::now(), told: false }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trial<'_> {
    pub(super) fn succeeded(mut self) {
        self.told = true;
        *self.breaker.lock() = State::default();
    }

    pub(super) fn failed(mut self, error: &LlmError) {
        self.told = true;
        let mut state = self.breaker.lock();
        *state = match error {
            // The request was at fault, and another may well succeed.
            LlmError::TooLong { .. } | LlmError::Filtered { .. } | LlmError::Refused { .. } => match *state {
                State::Tried { .. } => State::default(),
                kept @ (State::Closed { .. } | State::Open { .. }) => kept,
            },
            LlmError::Unauthorized { .. }
            | LlmError::NotFound { .. }
            | LlmError::OutOfCredit { .. }
            | LlmError::NoTools { .. } => State::open(LONGEST_REST),
            LlmError::RateLimited { retry_after: Some(wait), .. } => {
                State::open((*wait).clamp(FIRST_REST, LONGEST_REST))
            }
            LlmError::RateLimited { .. }
            | LlmError::Unavailable { .. }
            | LlmError::BadToolCall { .. }
            | LlmError::Truncated { .. }
            | LlmError::Transport { .. } => state.after_failure(),
        };
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if self.told {
            return;
        }
        let was_silent = self.began.elapsed() > LONGEST_SILENCE;
        let mut state = self.breaker.lock();
        *state = match (*state, self.probe) {
            (State::Tried { .. }, Some(_)) | (State::Closed { .. }, _) if was_silent => state.after_failure(),
            (State::Tried { .. }, Some(rest)) => State::Open { until: Instant::now(), rest },
            // What others found out since counts for more.
            (kept @ (State::Closed { .. } | State::Open { .. } | State::Tried { .. }), _) => kept,
        };
    }
}
