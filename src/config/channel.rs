//! How people and the agent reach one another in Plane: through agent runs, or through comments.

use std::time::Duration;

use crate::domain::ids::{ProjectId, UserId};

/// Where a conversation takes place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelConfig {
    /// In agent runs, which Plane opens when the agent is mentioned.
    Runs,
    /// In the comments of work items, where Plane has no agent runs.
    Comments(CommentsConfig),
}

/// What makes a comment a request, and how it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommentsConfig {
    /// The user the agent writes as.
    pub bot: UserId,
    /// What a comment that is meant for the agent may begin with, besides a mention; in lower case.
    pub names: Vec<String>,
    /// How long after the last word of a conversation a comment by the same person belongs to it although
    /// it does not mention the agent; zero is never.
    pub reply_window: Duration,
    /// What becomes of the comment that shows progress.
    pub progress: Progress,
    /// Whose comments are never requests, such as other bots'.
    pub ignore: Vec<UserId>,
    /// How often comments are looked for that no webhook tells of; zero is never.
    pub poll: Duration,
    /// The projects they are looked for in.
    pub projects: Vec<ProjectId>,
    /// Whether the assignment of a work item to the agent's user is a request.
    pub on_assignment: bool,
    /// The name of a label that is a request when it is put on a work item.
    pub label: Option<String>,
}

/// What becomes of the comment that shows progress when the turn ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    /// It is edited into the answer.
    Become,
    /// It is deleted, and the answer is a comment of its own.
    Remove,
    /// There is none.
    None,
}
