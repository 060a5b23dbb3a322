//! When signed webhooks came, as far as this process knows.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// When the last one came.
#[derive(Debug)]
pub struct Arrivals {
    since: Timestamp,
    /// In seconds since 1970; 0 is never.
    last: AtomicI64,
}

/// What is told of it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ArrivalLine {
    /// From when on it was watched.
    pub since: Timestamp,
    pub last: Option<Timestamp>,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self { since: Timestamp::now(), last: AtomicI64::new(0) }
    }
}

impl Arrivals {
    pub(super) fn note(&self) {
        self.last.store(Timestamp::now().as_second(), Ordering::Relaxed);
    }

    pub(super) fn line(&self) -> ArrivalLine {
        let last = self.last.load(Ordering::Relaxed);
        ArrivalLine { since: self.since, last: (last > 0).then(|| Timestamp::from_second(last).ok()).flatten() }
    }
}
