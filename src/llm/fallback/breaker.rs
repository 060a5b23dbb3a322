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
const PATIENCE: u32 = 3;
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

/// A call that was let through. Dropped without a word, as when it is cut off, it has shown nothing.
#[derive(Debug)]
pub(super) struct Trial<'a> {
    breaker: &'a Breaker,
    /// Whether this is the one call that tries an open one.
    probe: Option<Duration>,
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
        Some(Trial { breaker: self, probe, told: false })
    }

    /// Lets a call through whatever happened before.
    pub(super) fn pass(&self) -> Trial<'_> {
        Trial { breaker: self, probe: None, told: false }
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
        let rest_before = match *state {
            State::Closed { .. } => None,
            State::Open { rest, .. } | State::Tried { rest } => Some(rest),
        };
        let next_rest = rest_before.map_or(FIRST_REST, |rest| (rest * 2).min(LONGEST_REST));
        let open = |rest: Duration| State::Open { until: Instant::now() + rest, rest };
        *state = match error {
            // The request was at fault, and another may well succeed.
            LlmError::TooLong { .. } | LlmError::Filtered { .. } | LlmError::Refused { .. } => match *state {
                State::Tried { .. } => State::default(),
                kept @ (State::Closed { .. } | State::Open { .. }) => kept,
            },
            LlmError::Unauthorized { .. }
            | LlmError::NotFound { .. }
            | LlmError::OutOfCredit { .. }
            | LlmError::NoTools { .. } => open(LONGEST_REST),
            LlmError::RateLimited { retry_after: Some(wait), .. } => open((*wait).clamp(FIRST_REST, LONGEST_REST)),
            LlmError::RateLimited { .. }
            | LlmError::Unavailable { .. }
            | LlmError::BadToolCall { .. }
            | LlmError::Truncated { .. }
            | LlmError::Transport { .. } => match *state {
                State::Closed { failures } if failures + 1 < PATIENCE => State::Closed { failures: failures + 1 },
                State::Closed { .. } | State::Open { .. } | State::Tried { .. } => open(next_rest),
            },
        };
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if let (false, Some(rest)) = (self.told, self.probe) {
            let mut state = self.breaker.lock();
            if matches!(*state, State::Tried { .. }) {
                *state = State::Open { until: Instant::now(), rest };
            }
        }
    }
}
