//! Who acts on an error. Every error of a lower layer answers this one question.

use std::time::Duration;

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// It may pass: try again, not before `after` where the other side said so.
    Retry { after: Option<Duration> },
    /// The model can mend it: bad arguments, an unknown name.
    TellModel,
    /// Trying again cannot help.
    GiveUp,
}

impl Disposition {
    /// Whether it may pass by itself.
    #[must_use]
    pub fn is_retry(self) -> bool {
        matches!(self, Self::Retry { .. })
    }
}
