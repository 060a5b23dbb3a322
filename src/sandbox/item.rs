//! Work items and all that hangs on them.

use jiff::Timestamp;
use uuid::Uuid;

use super::{plan::CommentPicture, world::Project};
use crate::domain::ids::{CommentId, EstimateId, LabelId, RunId, StateId, UserId, WorkItemId};

/// `external_source` and `external_id`, which make a create repeatable where both are given.
#[derive(Clone, Default)]
pub(super) struct External {
    pub(super) source: Option<String>,
    pub(super) id: Option<String>,
}

impl External {
    /// Whether both halves are given and equal.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.source.is_some() && self.id.is_some() && self.source == other.source && self.id == other.id
    }
}

#[derive(Clone)]
pub(super) struct Item {
    pub(super) id: WorkItemId,
    pub(super) sequence: u64,
    pub(super) name: String,
    pub(super) description_html: String,
    pub(super) priority: String,
    pub(super) state: StateId,
    pub(super) assignees: Vec<UserId>,
    pub(super) labels: Vec<LabelId>,
    pub(super) parent: Option<WorkItemId>,
    pub(super) start_date: Option<String>,
    pub(super) target_date: Option<String>,
    pub(super) estimate: Option<EstimateId>,
    pub(super) external: External,
    pub(super) created_by: UserId,
    pub(super) updated_by: Option<UserId>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) completed_at: Option<Timestamp>,
    /// Oldest first.
    pub(super) comments: Vec<Comment>,
    /// Oldest first.
    pub(super) history: Vec<Change>,
    pub(super) links: Vec<Link>,
    /// Relation type and the other item.
    pub(super) relations: Vec<(String, WorkItemId)>,
    pub(super) attachments: Vec<Attachment>,
}

#[derive(Clone)]
pub(super) struct Comment {
    pub(super) id: CommentId,
    pub(super) html: String,
    pub(super) access: String,
    pub(super) actor: UserId,
    /// Who changed it last, if anyone did.
    pub(super) updated_by: Option<UserId>,
    pub(super) parent: Option<CommentId>,
    pub(super) external: External,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    /// The run this comment belongs to, for the page.
    pub(super) run: Option<RunId>,
}

/// One entry of a work item's change log.
#[derive(Clone)]
pub(super) struct Change {
    pub(super) id: Uuid,
    pub(super) verb: String,
    pub(super) field: Option<String>,
    pub(super) old: Option<String>,
    pub(super) new: Option<String>,
    pub(super) sentence: String,
    pub(super) actor: UserId,
    pub(super) at: Timestamp,
}

#[derive(Clone)]
pub(super) struct Link {
    pub(super) id: Uuid,
    pub(super) title: String,
    pub(super) url: String,
    pub(super) created_by: UserId,
    pub(super) created_at: Timestamp,
}

#[derive(Clone)]
pub(super) struct Attachment {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) media_type: String,
    pub(super) content: Vec<u8>,
    /// Whether it is attached; one that is not is shown in a text.
    pub(super) listed: bool,
    pub(super) created_by: UserId,
    pub(super) created_at: Timestamp,
}

impl Item {
    /// The next one of a project, with nothing in it; none if the project has no states.
    pub(super) fn blank(project: &Project, author: UserId, now: Timestamp) -> Option<Self> {
        let state = project.states.iter().find(|state| state.group == "backlog").or(project.states.first())?;
        Some(Self {
            id: WorkItemId(Uuid::new_v4()),
            sequence: project.items.iter().map(|item| item.sequence).max().unwrap_or(0).max(project.highest) + 1,
            name: String::new(),
            description_html: "<p></p>".to_owned(),
            priority: "none".to_owned(),
            state: state.id,
            assignees: Vec::new(),
            labels: Vec::new(),
            parent: None,
            start_date: None,
            target_date: None,
            estimate: None,
            external: External::default(),
            created_by: author,
            updated_by: None,
            created_at: now,
            updated_at: now,
            completed_at: None,
            comments: Vec::new(),
            history: Vec::new(),
            links: Vec::new(),
            relations: Vec::new(),
            attachments: Vec::new(),
        })
    }

    pub(super) fn picture_of(&self, comment: &Comment, author: String) -> CommentPicture {
        CommentPicture {
            id: comment.id,
            author,
            html: comment.html.clone(),
            external_source: comment.external.source.clone(),
            external_id: comment.external.id.clone(),
            created_at: comment.created_at,
        }
    }
}
