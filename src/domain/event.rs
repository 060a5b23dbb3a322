//! What Plane tells us: the events of agent runs, normalised from every webhook shape.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{ActivityId, CommentId, ProjectId, RunId, UserId, WorkItemId, WorkspaceId};

/// A run as an event or the API describes it. What Plane may leave out is optional.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    pub id: RunId,
    pub workspace: WorkspaceId,
    pub project: Option<ProjectId>,
    pub work_item: Option<WorkItemId>,
    /// The bot user this run talks to; its own activities and comments are not prompts.
    pub agent_user: Option<UserId>,
    /// The person who started the run.
    pub creator: Option<UserId>,
    /// The comment at the root of the thread.
    pub comment: Option<CommentId>,
    /// The comment that started the run.
    pub source_comment: Option<CommentId>,
}

impl RunInfo {
    /// Fills what is unknown here from `other`; what is known stays.
    pub fn merge(&mut self, other: &Self) {
        self.project = self.project.or(other.project);
        self.work_item = self.work_item.or(other.work_item);
        self.agent_user = self.agent_user.or(other.agent_user);
        self.creator = self.creator.or(other.creator);
        self.comment = self.comment.or(other.comment);
        self.source_comment = self.source_comment.or(other.source_comment);
    }
}

/// Something a person said to the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// `None` when only the run's source comment is known, not the prompt activity.
    pub activity: Option<ActivityId>,
    /// HTML or plain text, as Plane sent it.
    pub body: String,
    pub actor: Option<UserId>,
    /// When Plane says it was written, or `None` where it does not say.
    pub written_at: Option<Timestamp>,
}

/// A signed, valid event of an agent run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEvent {
    pub run: RunInfo,
    pub kind: RunEventKind,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEventKind {
    /// A run was created. Its prompt usually comes in an event of its own, before or after.
    Started,
    /// A person wrote something.
    Prompted(Prompt),
    /// A person pressed stop.
    StopRequested(Prompt),
}

impl RunEvent {
    /// What the event is deduplicated by, for good. Plane draws a new delivery id for every
    /// retry, so the delivery id says nothing.
    #[must_use]
    pub fn key(&self) -> EventKey {
        match &self.kind {
            RunEventKind::Started => EventKey(format!("run:{}", self.run.id)),
            RunEventKind::Prompted(prompt) | RunEventKind::StopRequested(prompt) => prompt.activity.map_or_else(
                || EventKey(format!("source:{}", self.run.id)),
                |activity| EventKey(format!("activity:{activity}")),
            ),
        }
    }
}

/// The name an event keeps under every delivery of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EventKey(pub String);
