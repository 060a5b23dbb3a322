//! What a run came to, in a few words: kept under its work item, so that a later mention there does not
//! start cold.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    domain::ids::WorkspaceId,
    tools::{When, describe::shortened},
};

const ASKED_CHARS: usize = 300;
const ANSWERED_CHARS: usize = 600;

/// The last exchange of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gist {
    pub workspace: WorkspaceId,
    pub at: Timestamp,
    /// Whether other exchanges came before this one.
    pub went_on: bool,
    /// Who asked, such as `@maya`.
    #[serde(default)]
    pub by: Option<String>,
    pub asked: String,
    pub answered: String,
}

impl Gist {
    /// The texts are cut to what is worth recalling.
    #[must_use]
    pub fn new(workspace: WorkspaceId, at: Timestamp, went_on: bool, by: Option<String>, talk: (&str, &str)) -> Self {
        let (asked, answered) = (shortened(talk.0, ASKED_CHARS), shortened(talk.1, ANSWERED_CHARS));
        Self { workspace, at, went_on, by, asked, answered }
    }

    #[must_use]
    pub fn encode(&self) -> String {
        // Plain data with string keys, which serde_json always encodes.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// `None` for what another version wrote; it is not recalled.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// One line for the model.
    #[must_use]
    pub fn to_line(&self, when: &When) -> String {
        let by = self.by.as_deref().unwrap_or("Someone");
        let asked =
            if self.asked.is_empty() { "mentioned you".to_owned() } else { format!("asked: “{}”", self.asked) };
        let before = if self.went_on { " in the end" } else { "" };
        format!("- {}: {by}{before} {asked}. You answered: “{}”", when.moment(self.at), self.answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gist_is_short_and_survives_the_store() {
        let workspace = WorkspaceId(uuid::Uuid::nil());
        let at = "2026-11-20T10:00:00Z".parse().unwrap();
        let gist = Gist::new(workspace, at, true, Some("@maya".to_owned()), ("What\nis this?", &"crash ".repeat(500)));
        assert_eq!(Gist::decode(&gist.encode()), Some(gist.clone()));
        let line = gist.to_line(&When::new("UTC", "2026-11-24T10:00:00Z".parse().unwrap()));
        assert!(line.starts_with(
            "- 2026-11-20 10:00 (4 days ago): @maya in the end asked: “What is this?”. You answered: “crash"
        ));
        assert!(line.chars().count() < 1_000 && line.lines().count() == 1, "{line}");
        assert_eq!(Gist::decode("{\"of\": \"another version\"}"), None);
    }
}
