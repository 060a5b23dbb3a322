//! Plane as the agent sees it: one trait with exactly the calls we make, in domain values.
//!
//! [`PlaneApi`] is the seam; [`client`] speaks to a real server, tests wrap it to inject faults.
//! Plane's JSON is private to `wire`.

mod budget;
pub mod client;
pub mod credentials;
mod deed;
pub mod facts;
pub mod html;
pub mod markdown;
pub mod oauth;
pub mod plain;
mod project;
pub mod signature;
pub mod thread;
pub mod webhook;
mod wire;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use self::thread::Heard;
pub use self::{
    budget::WritePass,
    deed::{Carried, DeedApi},
    project::ProjectApi,
};
use crate::domain::{
    activity::{Draft, Posted, RunActivity},
    disposition::Disposition,
    event::RunInfo,
    ids::{CommentId, FileId, PageId, ProjectId, StepKey, WorkItemId, WorkspaceId},
    work_item::{
        Attachment, Change, Comment, Document, FileContent, ItemTitle, Label, Link, Page, Person, Project, Relation,
        SearchHit, State, WorkItem,
    },
    write::{ItemFields, Target},
};

/// What Plane says of a path it does not have; of a record it does not have it says something else.
const NO_SUCH_PATH: &str = "Page not found.";

/// The calls we make to Plane. Every call stays inside the given workspace and is authenticated
/// with that workspace's installation.
#[async_trait]
pub trait PlaneApi: DeedApi + ProjectApi {
    /// Posts one activity. Not idempotent by itself: after an unknown outcome list the activities
    /// and look for the draft's key.
    async fn post_activity(&self, workspace: WorkspaceId, run: &RunInfo, draft: &Draft) -> Result<Posted, PlaneError>;

    /// All activities of a run, oldest first.
    async fn run_activities(&self, run: &RunInfo) -> Result<Vec<RunActivity>, PlaneError>;

    /// What Plane knows of a run, and its status.
    async fn run(&self, run: &RunInfo) -> Result<(RunInfo, RunStatus), PlaneError>;

    /// The least time between two pieces of progress, where the channel wants one.
    fn progress_gap(&self) -> Option<Duration> {
        None
    }

    async fn work_item(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        id: WorkItemId,
    ) -> Result<WorkItem, PlaneError>;

    /// Finds a work item by its key, such as `MOB-12`; the identifier is upper-cased before use.
    async fn work_item_by_key(
        &self,
        workspace: WorkspaceId,
        identifier: &str,
        sequence: u64,
    ) -> Result<WorkItem, PlaneError>;

    /// One page of a project's work items; `page` counts from 0, `per_page` is at most 100.
    async fn work_items(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        order: ItemOrder,
        page: u32,
        per_page: u32,
    ) -> Result<Page<WorkItem>, PlaneError>;

    /// Searches names and numbers (Plane does not search descriptions); `None` means every project.
    async fn search(
        &self,
        workspace: WorkspaceId,
        project: Option<ProjectId>,
        query: &str,
        limit: u32,
    ) -> Result<Vec<SearchHit>, PlaneError>;

    /// One page of a work item's comments, newest first; `page` counts from 0.
    async fn comments(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        id: WorkItemId,
        page: u32,
        per_page: u32,
    ) -> Result<Page<Comment>, PlaneError>;

    /// The comments of a work item with all that tells what they are to the agent: the newest, and at least those
    /// written since then.
    async fn overheard(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        id: WorkItemId,
        since: Timestamp,
    ) -> Result<Vec<Heard>, PlaneError>;

    async fn comment(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        id: WorkItemId,
        comment: CommentId,
    ) -> Result<Comment, PlaneError>;

    /// The newest `limit` (at most 100) entries of a work item's change log, newest first.
    async fn history(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        id: WorkItemId,
        limit: u32,
    ) -> Result<Page<Change>, PlaneError>;

    /// Where people find this workspace's work items: the address up to the key, such as
    /// `https://app.plane.so/acme/browse/`. `None` for a workspace that is not known.
    fn browse(&self, workspace: WorkspaceId) -> Option<String>;

    /// How a work item stands to others. Some editions know no such list and answer 404.
    async fn relations(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        id: WorkItemId,
    ) -> Result<Vec<Relation>, PlaneError>;

    /// The newest links of a work item, at most 100.
    async fn links(&self, workspace: WorkspaceId, project: ProjectId, id: WorkItemId)
    -> Result<Page<Link>, PlaneError>;

    async fn attachments(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        id: WorkItemId,
    ) -> Result<Vec<Attachment>, PlaneError>;

    /// What is in a file of the work item's project, be it attached or shown in a text, from its
    /// beginning and at most so many bytes. Plane only names where it lies; no credential goes there.
    async fn file(
        &self,
        workspace: WorkspaceId,
        item: Target,
        file: FileId,
        limit_bytes: usize,
    ) -> Result<FileContent, PlaneError>;

    /// The project's newest work items, at most 100, in a line each. The children of a work item are
    /// found among them, and the names behind ids.
    async fn titles(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Page<ItemTitle>, PlaneError>;

    async fn project(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Project, PlaneError>;

    /// A page of the project: its title and its text.
    async fn page(&self, workspace: WorkspaceId, project: ProjectId, page: PageId) -> Result<Document, PlaneError>;

    /// The project's states in board order; Plane leaves out the hidden triage state.
    async fn states(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Vec<State>, PlaneError>;

    async fn labels(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Vec<Label>, PlaneError>;

    /// The project's members. Community Edition also lists removed ones and tells no role.
    async fn members(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Vec<Person>, PlaneError>;

    /// Everyone in the workspace, with their role in it. Plane does not tell it to guests.
    async fn workspace_members(&self, workspace: WorkspaceId) -> Result<Vec<Person>, PlaneError>;

    /// Waits for the right to send one change. Nothing has been sent when this is given up.
    async fn write_pass(&self, workspace: WorkspaceId) -> Result<WritePass, PlaneError>;

    /// Adds a comment under `key`. One of ours that has the key already and says the same counts as this
    /// one, but Plane does not keep two requests at the same time apart: never send one key twice at
    /// once, and after an unknown outcome look first.
    async fn add_comment(
        &self,
        workspace: WorkspaceId,
        item: Target,
        html: &str,
        key: StepKey,
        pass: WritePass,
    ) -> Result<CommentId, PlaneError>;

    /// The comment of ours that was added under `key` and says `html`. Plane has no look-up for it, so
    /// the comments are read.
    async fn comment_of_step(
        &self,
        workspace: WorkspaceId,
        item: Target,
        html: &str,
        key: StepKey,
    ) -> Result<Option<CommentId>, PlaneError>;

    /// Creates a work item under `key`, with the same care as [`PlaneApi::add_comment`]. The record is
    /// not expanded: it holds ids, no names.
    async fn create_work_item(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        fields: &ItemFields,
        key: StepKey,
        pass: WritePass,
    ) -> Result<WorkItem, PlaneError>;

    /// The work item of ours that was created under `key` from `fields`.
    async fn work_item_of_step(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        fields: &ItemFields,
        key: StepKey,
    ) -> Result<Option<WorkItem>, PlaneError>;

    /// Sets fields of a work item. Plane drops some values without a word, so compare what it answers;
    /// the record is not expanded.
    async fn update_work_item(
        &self,
        workspace: WorkspaceId,
        item: Target,
        fields: &ItemFields,
        pass: WritePass,
    ) -> Result<WorkItem, PlaneError>;
}

/// The orders a list of work items can have. Plane answers 500 to an unknown one, so there is no
/// other way to name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemOrder {
    NewestFirst,
    RecentlyUpdatedFirst,
    MostUrgentFirst,
}

/// Where a run stands, in Plane's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunStatus {
    Created,
    InProgress,
    Awaiting,
    Completed,
    Stopping,
    Stopped,
    Failed,
    Stale,
    /// A status this version does not know.
    Other(String),
}

/// A failed call. No variant holds a token, and none holds a body longer than a sentence.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PlaneError {
    /// No installation covers this workspace.
    #[error("no installation for workspace {0}: install the app there, or set plane.fixed in the config")]
    NotInstalled(WorkspaceId),
    /// The token is refused and could not be renewed.
    #[error("Plane refused the credentials of workspace {slug}: {message}")]
    Unauthorized { slug: String, message: String },
    /// Plane hides non-existence behind this too.
    #[error("Plane does not allow {what}: {message}")]
    Forbidden { what: &'static str, message: String },
    #[error("Plane does not know {what}: {message}")]
    NotFound { what: &'static str, message: String },
    /// Plane understood the call and refuses it (400, 402, 405, 409, 413, 422).
    #[error("Plane refused {what} with status {status}: {message}")]
    Refused { what: &'static str, status: u16, message: String },
    #[error("Plane limits our requests")]
    RateLimited { retry_after: Option<Duration> },
    /// A record with the same external id, or the same name, is there already.
    #[error("Plane has {what} already: {message}")]
    Taken { what: &'static str, id: uuid::Uuid, message: String },
    /// 5xx, or a proxy's page.
    #[error("Plane failed at {what} with status {status}: {message}")]
    Server { what: &'static str, status: u16, message: String, retry_after: Option<Duration> },
    /// No answer: refused, reset, timed out. Whether the call took effect is unknown.
    #[error("no answer from Plane to {what}: {message}")]
    Transport { what: &'static str, message: String },
    /// The answer is not what the contract says.
    #[error("Plane answered {what} with something unreadable: {message}")]
    Malformed { what: &'static str, message: String },
    /// The installation's token could not be saved or read.
    #[error("the installation could not be read or saved: {0}")]
    Book(String),
}

impl PlaneError {
    /// Who acts on it.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::RateLimited { retry_after } | Self::Server { retry_after, .. } => {
                Disposition::Retry { after: *retry_after }
            }
            Self::Transport { .. } | Self::Malformed { .. } | Self::Book(_) => Disposition::Retry { after: None },
            Self::Forbidden { .. } | Self::NotFound { .. } | Self::Refused { .. } | Self::Taken { .. } => {
                Disposition::TellModel
            }
            Self::NotInstalled(_) | Self::Unauthorized { .. } => Disposition::GiveUp,
        }
    }

    /// Whether this Plane has no such call at all, as editions differ in what they have.
    #[must_use]
    pub fn no_such_call(&self) -> bool {
        match self {
            Self::NotFound { message, .. } => message == NO_SUCH_PATH,
            Self::Refused { status, .. } => *status == 405,
            Self::NotInstalled(_)
            | Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::RateLimited { .. }
            | Self::Taken { .. }
            | Self::Server { .. }
            | Self::Transport { .. }
            | Self::Malformed { .. }
            | Self::Book(_) => false,
        }
    }

    /// Whether the call may have taken effect although it failed.
    #[must_use]
    pub fn outcome_unknown(&self) -> bool {
        match self {
            Self::Transport { .. } | Self::Server { .. } | Self::Malformed { .. } => true,
            Self::NotInstalled(_)
            | Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::Refused { .. }
            | Self::Taken { .. }
            | Self::RateLimited { .. }
            | Self::Book(_) => false,
        }
    }
}
