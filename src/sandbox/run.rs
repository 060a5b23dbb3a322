//! Agent runs and their status machine.

use std::{collections::BTreeSet, fmt, time::Instant};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::world::time;
use crate::domain::ids::{ActivityId, CommentId, ProjectId, RunId, UserId, WorkItemId, WorkspaceId};

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Created,
    InProgress,
    Awaiting,
    Completed,
    Stopping,
    Stopped,
    Failed,
    Stale,
}

impl Status {
    /// Plane's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::InProgress => "in_progress",
            Self::Awaiting => "awaiting",
            Self::Completed => "completed",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Stale => "stale",
        }
    }

    /// Whether the agent has something to do in it.
    #[must_use]
    pub fn is_live(self) -> bool {
        match self {
            Self::Created | Self::InProgress | Self::Stopping | Self::Stale => true,
            Self::Awaiting | Self::Completed | Self::Stopped | Self::Failed => false,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an activity is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivityKind {
    /// What a person said.
    Prompt,
    Thought,
    Action,
    Response,
    Elicitation,
    Error,
}

impl ActivityKind {
    /// Plane's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Thought => "thought",
            Self::Action => "action",
            Self::Response => "response",
            Self::Elicitation => "elicitation",
            Self::Error => "error",
        }
    }

    /// Whether it ends the agent's turn.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Prompt | Self::Thought | Self::Action => false,
            Self::Response | Self::Elicitation | Self::Error => true,
        }
    }

    /// Whether Plane shows it only until the next one comes.
    #[must_use]
    pub fn is_ephemeral(self) -> bool {
        match self {
            Self::Thought | Self::Action => true,
            Self::Prompt | Self::Response | Self::Elicitation | Self::Error => false,
        }
    }
}

/// One activity as it is kept.
#[derive(Debug, Clone)]
pub(super) struct Activity {
    pub(super) id: ActivityId,
    pub(super) kind: ActivityKind,
    /// With `type`, and `body` or `action` and `parameters`.
    pub(super) content: Map<String, Value>,
    pub(super) content_metadata: Value,
    pub(super) signal: String,
    pub(super) signal_metadata: Value,
    pub(super) actor: UserId,
    pub(super) comment: Option<CommentId>,
    pub(super) created_at: Timestamp,
}

/// One run as it is kept.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) id: RunId,
    pub(super) workspace: WorkspaceId,
    pub(super) project: ProjectId,
    pub(super) issue: WorkItemId,
    pub(super) agent_user: UserId,
    pub(super) creator: UserId,
    pub(super) comment: CommentId,
    pub(super) status: Status,
    pub(super) started_at: Timestamp,
    pub(super) ended_at: Option<Timestamp>,
    pub(super) stopped: Option<(Timestamp, UserId)>,
    pub(super) updated_at: Timestamp,
    /// When it was last updated, for the stale timer.
    pub(super) touched: Instant,
    pub(super) activities: Vec<Activity>,
    /// Every event that was made of it: header name and exact body.
    pub(super) events: Vec<(String, Vec<u8>)>,
    /// The step keys seen, to notice a repeated effect.
    pub(super) steps: BTreeSet<String>,
}

impl Run {
    /// One that nothing was said in yet.
    pub(super) fn new(id: RunId, workspace: WorkspaceId, place: (ProjectId, WorkItemId), people: [UserId; 2]) -> Self {
        let ((project, issue), [agent_user, creator], now) = (place, people, Timestamp::now());
        Self {
            id,
            workspace,
            project,
            issue,
            agent_user,
            creator,
            comment: CommentId(id.0),
            status: Status::Created,
            started_at: now,
            ended_at: None,
            stopped: None,
            updated_at: now,
            touched: Instant::now(),
            activities: Vec::new(),
            events: Vec::new(),
            steps: BTreeSet::new(),
        }
    }

    /// Adds an activity and moves the status on. `Err` says why the client should not have sent it;
    /// the activity is refused only where the run was stopped.
    pub(super) fn absorb(&mut self, activity: Activity) -> Result<(), Misstep> {
        let misstep = self.misstep(&activity);
        if self.status == Status::Stopped && activity.kind != ActivityKind::Prompt {
            return Err(misstep.unwrap_or(Misstep::AfterStop(activity.kind)));
        }
        // What pressing stop does to the status is done where it is pressed.
        if activity.signal != "stop" {
            self.status = self.status_after(activity.kind);
        }
        let over = activity.kind.is_terminal() && activity.kind != ActivityKind::Elicitation;
        self.ended_at = over.then_some(activity.created_at);
        self.updated_at = activity.created_at;
        self.touched = Instant::now();
        self.activities.push(activity);
        misstep.map_or(Ok(()), Err)
    }

    /// A person presses stop.
    pub(super) fn stop(&mut self, by: UserId) {
        if self.status.is_live() || self.status == Status::Awaiting {
            self.status = Status::Stopping;
            self.stopped = Some((Timestamp::now(), by));
        }
    }

    /// The run as Plane answers it.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "id": self.id, "agent_user": self.agent_user, "creator": self.creator, "workspace": self.workspace,
            "project": self.project, "issue": self.issue, "comment": self.comment, "source_comment": self.comment,
            "status": self.status.as_str(), "type": "comment_thread", "started_at": time(self.started_at),
            "ended_at": self.ended_at.map(time), "stopped_at": self.stopped.map(|(at, _)| time(at)),
            "stopped_by": self.stopped.map(|(_, by)| by), "external_link": null, "error_metadata": {},
            "created_at": time(self.started_at), "updated_at": time(self.updated_at),
        })
    }

    /// An activity of this run as Plane answers it.
    pub(super) fn activity_json(&self, activity: &Activity) -> Value {
        json!({
            "id": activity.id, "agent_run": self.id, "type": activity.kind.as_str(), "content": activity.content,
            "content_metadata": activity.content_metadata, "ephemeral": activity.kind.is_ephemeral(),
            "signal": activity.signal, "signal_metadata": activity.signal_metadata, "actor": activity.actor,
            "comment": activity.comment, "project": self.project, "workspace": self.workspace,
            "created_at": time(activity.created_at), "updated_at": time(activity.created_at),
        })
    }

    fn status_after(&self, kind: ActivityKind) -> Status {
        match (self.status, kind) {
            (Status::Stopping, ActivityKind::Response) => Status::Stopped,
            (_, ActivityKind::Error) => Status::Failed,
            // A stop stays pending, whatever was still on its way when the person pressed it.
            (Status::Stopping, _) => Status::Stopping,
            (_, ActivityKind::Response) => Status::Completed,
            (_, ActivityKind::Elicitation) => Status::Awaiting,
            (_, ActivityKind::Thought | ActivityKind::Action) => Status::InProgress,
            (Status::Created, ActivityKind::Prompt) if self.activities.is_empty() => Status::Created,
            (_, ActivityKind::Prompt) => Status::InProgress,
        }
    }

    /// A turn may answer several prompts at once, but there are never more endings than prompts.
    fn misstep(&mut self, activity: &Activity) -> Option<Misstep> {
        if activity.kind == ActivityKind::Prompt {
            return None;
        }
        let step = activity.content_metadata.pointer("/aileron/step").and_then(Value::as_str);
        if let Some(step) = step
            && !self.steps.insert(step.to_owned())
        {
            return Some(Misstep::RepeatedStep(step.to_owned()));
        }
        if self.status == Status::Stopped {
            return Some(Misstep::AfterStop(activity.kind));
        }
        let prompts = self.activities.iter().filter(|a| a.kind == ActivityKind::Prompt).count();
        let endings = self.activities.iter().filter(|a| a.kind.is_terminal()).count();
        (endings >= prompts).then_some(Misstep::NothingToAnswer(activity.kind))
    }
}

/// Something an agent should not have posted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misstep {
    #[error("posted step {0} twice")]
    RepeatedStep(String),
    #[error("posted {} after the run was stopped", .0.as_str())]
    AfterStop(ActivityKind),
    #[error("posted {} after every prompt had been answered", .0.as_str())]
    NothingToAnswer(ActivityKind),
}
