//! A project's records as the agent reads them: names resolved, HTML still as Plane stores it.

use jiff::{Timestamp, civil::Date};

use super::{
    ids::{CommentId, EstimateId, FileId, LabelId, ProjectId, RunId, StateId, UserId, WorkItemId},
    role::Role,
};

/// A work item with what it points to, as far as Plane expanded it.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkItem {
    pub id: WorkItemId,
    pub project: ProjectRef,
    /// The number in `MOB-12`.
    pub sequence: u64,
    pub name: String,
    pub description_html: String,
    pub priority: Priority,
    pub state: Option<StateRef>,
    pub labels: Vec<LabelRef>,
    pub assignees: Vec<Person>,
    pub created_by: Option<Person>,
    pub parent: Option<ParentRef>,
    pub start_date: Option<Date>,
    pub target_date: Option<Date>,
    pub estimate: Option<EstimateId>,
    pub created_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
}

impl WorkItem {
    /// The key people use, such as `MOB-12`; `None` if the project's identifier is unknown.
    #[must_use]
    pub fn key(&self) -> Option<String> {
        let identifier = self.project.identifier.as_deref()?;
        Some(format!("{identifier}-{}", self.sequence))
    }
}

/// A project, or only its id where Plane did not expand it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectRef {
    pub id: ProjectId,
    pub identifier: Option<String>,
    pub name: Option<String>,
}

/// A state by id, with its name where known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRef {
    pub id: StateId,
    pub name: Option<String>,
    pub group: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelRef {
    pub id: LabelId,
    pub name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParentRef {
    pub id: WorkItemId,
    pub project: Option<ProjectId>,
    pub sequence: Option<u64>,
}

/// A person or bot; the names are empty where Plane gave only the id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub id: UserId,
    pub display_name: String,
    pub full_name: String,
    /// Their role where they are listed, if Plane tells it there.
    pub role: Option<Role>,
    /// Whether it is no person; `None` where Plane does not tell, as Community Edition does not.
    pub is_bot: Option<bool>,
}

impl Person {
    /// Someone of whom only the id is known.
    #[must_use]
    pub fn unnamed(id: UserId) -> Self {
        Self { id, display_name: String::new(), full_name: String::new(), role: None, is_bot: None }
    }

    /// How a person is written in text for the model: `@maya`, or a part of the id if the name is
    /// unknown.
    #[must_use]
    pub fn handle(&self) -> String {
        if self.display_name.is_empty() {
            let id = self.id.to_string();
            return format!("@user:{}", id.get(..8).unwrap_or(&id));
        }
        format!("@{}", self.display_name)
    }
}

/// Plane's five priorities, and whatever a later version may add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Priority {
    None,
    Low,
    Medium,
    High,
    Urgent,
    Other(String),
}

impl Priority {
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Urgent => "urgent",
            Self::Other(text) => text,
        }
    }
}

impl Priority {
    /// Smaller is more urgent; what is not known comes last.
    #[must_use]
    pub fn rank(&self) -> u8 {
        match self {
            Self::Urgent => 0,
            Self::High => 1,
            Self::Medium => 2,
            Self::Low => 3,
            Self::None => 4,
            Self::Other(_) => 5,
        }
    }
}

impl From<&str> for Priority {
    fn from(text: &str) -> Self {
        match text {
            "none" | "" => Self::None,
            "low" => Self::Low,
            "medium" => Self::Medium,
            "high" => Self::High,
            "urgent" => Self::Urgent,
            other => Self::Other(other.to_owned()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    pub id: CommentId,
    pub html: String,
    pub author: Option<Person>,
    pub created_at: Option<Timestamp>,
    pub edited: bool,
    pub words: Words,
    /// The run in which a tool of the agent added it, by what is written under it; anyone may write that
    /// under theirs.
    pub added_by: Option<RunId>,
}

/// Whose words a comment holds. Plane lets whoever is in a project change what somebody else wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// The author's.
    Authors,
    /// Somebody else has changed them since.
    Changed,
    /// Somebody else wrote them in the author's name, such as an import.
    Lent,
}

/// One line of a work item's change log. It tells what was requested, which Plane may have
/// ignored: the log is no proof that a change happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub at: Option<Timestamp>,
    pub actor: Option<Person>,
    pub verb: String,
    pub field: Option<String>,
    pub old: Option<String>,
    pub new: Option<String>,
}

/// A hit of the search, which tells no more than this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchHit {
    pub id: WorkItemId,
    pub project: ProjectId,
    pub key: String,
    pub name: String,
}

/// A page of a project, which Plane calls by the same word as one page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub name: String,
    pub html: String,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Records in all pages.
    pub total: u64,
    /// Whether another page follows.
    pub more: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub id: StateId,
    pub name: String,
    /// `backlog`, `unstarted`, `started`, `completed`, `cancelled`.
    pub group: String,
    pub is_default: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub id: LabelId,
    pub name: String,
    pub description: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    pub id: ProjectId,
    pub identifier: String,
    pub name: String,
    pub description: String,
    /// An IANA name such as `Europe/Berlin`; empty where Plane tells none.
    pub time_zone: String,
}

/// What a list of work items tells of each in a line: enough to name it and to place it in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemTitle {
    pub id: WorkItemId,
    pub sequence: u64,
    pub name: String,
    pub parent: Option<WorkItemId>,
    pub state: Option<StateRef>,
}

/// How a work item stands to another, seen from the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// In Plane's word, such as `blocked_by`.
    pub kind: String,
    pub other: WorkItemId,
    pub project: Option<ProjectId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Empty where nobody gave one.
    pub title: String,
    pub url: String,
}

/// A file on a work item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    pub id: Option<FileId>,
    pub name: String,
    /// Such as `image/png`; empty where Plane tells none.
    pub media_type: String,
    pub bytes: Option<u64>,
}

/// What is in a file, from its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileContent {
    pub bytes: Vec<u8>,
    /// Whether that is all of it.
    pub whole: bool,
}

/// One value of the estimate a project uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Estimate {
    pub id: EstimateId,
    /// As people read it, such as "3" or "M".
    pub value: String,
}
