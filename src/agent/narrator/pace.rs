//! How fast a narrator speaks.

use std::time::Duration;

/// How fast a narrator speaks.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Least time between two thoughts.
    pub thought_gap: Duration,
    /// Least time between two actions; what ends meanwhile is told together.
    pub action_gap: Duration,
    /// How long an action that has ended waits for company.
    pub action_company: Duration,
    /// How long a started tool call is held back in case it ends at once.
    pub action_grace: Duration,
    /// Longest silence. Plane calls a run stale after five minutes, and people lose faith earlier.
    pub heartbeat: Duration,
    /// How long pending actions may take to be said before the terminal activity.
    pub farewell: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            thought_gap: Duration::from_secs(2),
            action_gap: Duration::from_secs(1),
            action_company: Duration::from_millis(250),
            action_grace: Duration::from_millis(400),
            heartbeat: Duration::from_secs(45),
            farewell: Duration::from_secs(3),
        }
    }
}

impl Pace {
    /// The same with at least this much time between two things said.
    #[must_use]
    pub fn no_faster_than(self, gap: Option<Duration>) -> Self {
        let gap = gap.unwrap_or_default();
        Self { thought_gap: self.thought_gap.max(gap), action_gap: self.action_gap.max(gap), ..self }
    }
}
