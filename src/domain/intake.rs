//! What waits at a project's door: work items that are not yet accepted.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    ids::WorkItemId,
    work_item::{Person, Priority},
};

/// A work item in the intake. Until it is accepted it is in no list and cannot be read by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntakeItem {
    pub item: WorkItemId,
    /// The number in `MOB-12`, which it has already.
    pub sequence: u64,
    pub name: String,
    pub description_html: String,
    pub priority: Priority,
    pub verdict: Verdict,
    pub created_by: Option<Person>,
    pub created_at: Option<Timestamp>,
}

/// What was decided about a work item in the intake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing yet.
    Pending,
    Accepted,
    Declined,
    /// It is to be looked at again then; Plane may not say when.
    Snoozed(Option<Timestamp>),
    /// Of this one, if Plane says which.
    Duplicate(Option<WorkItemId>),
}

impl Verdict {
    /// Reads Plane's number, with what belongs to it.
    #[must_use]
    pub fn read(status: i64, snoozed_till: Option<Timestamp>, duplicate_to: Option<WorkItemId>) -> Option<Self> {
        Some(match status {
            -2 => Self::Pending,
            -1 => Self::Declined,
            0 => Self::Snoozed(snoozed_till),
            1 => Self::Accepted,
            2 => Self::Duplicate(duplicate_to),
            _ => return None,
        })
    }

    /// Plane's number for it.
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            Self::Pending => -2,
            Self::Declined => -1,
            Self::Snoozed(_) => 0,
            Self::Accepted => 1,
            Self::Duplicate(_) => 2,
        }
    }

    /// In a word, such as "declined".
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Snoozed(_) => "snoozed",
            Self::Duplicate(_) => "duplicate",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_numbers_are_read_as_they_are_written() {
        for verdict in [
            Verdict::Pending,
            Verdict::Accepted,
            Verdict::Declined,
            Verdict::Snoozed(Some(Timestamp::UNIX_EPOCH)),
            Verdict::Duplicate(Some(WorkItemId(uuid::Uuid::nil()))),
        ] {
            let (till, of) = match verdict {
                Verdict::Snoozed(till) => (till, None),
                Verdict::Duplicate(of) => (None, of),
                Verdict::Pending | Verdict::Accepted | Verdict::Declined => (None, None),
            };
            assert_eq!(Verdict::read(verdict.number(), till, of), Some(verdict));
            let text = serde_json::to_string(&verdict).unwrap();
            assert_eq!(serde_json::from_str::<Verdict>(&text).unwrap(), verdict, "{text}");
        }
        assert_eq!(Verdict::read(7, None, None), None);
    }
}
