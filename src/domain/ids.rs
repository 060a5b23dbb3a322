//! Identifiers. Plane's ids are UUIDs, so a path built from them cannot be steered by a payload.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One newtype per kind of id, so that a project's id cannot be passed where a run's is meant.
macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            /// Lower case with hyphens: Plane answers 404 to any other spelling.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )*};
}

uuid_ids! {
    /// A Plane workspace: what webhooks carry and installations are kept under.
    WorkspaceId,
    /// A project in a workspace.
    ProjectId,
    /// A work item (Plane's API also calls it an issue).
    WorkItemId,
    /// An agent run: one conversation with one agent, in one comment thread.
    RunId,
    /// One activity of a run: a person's prompt, or something the agent said.
    ActivityId,
    /// A comment on a work item.
    CommentId,
    /// A file Plane keeps: what is in it never changes.
    FileId,
    /// A link on a work item.
    LinkId,
    /// A page of a project.
    PageId,
    /// A cycle of a project: a stretch of days with work items in it.
    CycleId,
    /// A module of a project: work items that belong to one undertaking.
    ModuleId,
    /// A person or a bot.
    UserId,
    /// A workflow state of a project.
    StateId,
    /// A label of a project.
    LabelId,
    /// One value of the estimate a project uses, such as "3" or "M".
    EstimateId,
    /// One app installed in one workspace; also the credential its bot token is renewed with.
    InstallationId,
}

/// Names one effect of one run for good: the same step is never carried out twice under one key.
///
/// It travels with every effect (`content_metadata.aileron.step` of an activity, `external_id` of a
/// created record), so that after a crash Plane itself can tell whether the effect happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepKey {
    pub run: RunId,
    /// Counts the run's turns, from a number that is the store's own.
    pub turn: u32,
    /// Counts the turn's steps from 0.
    pub step: u32,
    /// Tells apart several effects of one step, such as parallel tool calls; 0 for the only one.
    pub part: u32,
}

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.run, self.turn, self.step, self.part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_prints_in_the_only_spelling_plane_accepts() {
        let id: RunId = "66666666-6666-4666-8666-66666666ABCD".parse().unwrap();
        assert_eq!(id.to_string(), "66666666-6666-4666-8666-66666666abcd");
    }

    #[test]
    fn a_step_key_fits_an_external_id() {
        let run = RunId(Uuid::nil());
        let key = StepKey { run, turn: u32::MAX, step: u32::MAX, part: u32::MAX };
        assert!(key.to_string().len() <= 255);
    }
}
