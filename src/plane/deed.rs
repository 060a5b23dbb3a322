//! Changes other than to a work item's own fields.

use async_trait::async_trait;
use uuid::Uuid;

use super::{PlaneError, WritePass};
use crate::domain::{
    deed::{Deed, Grouping},
    ids::{LinkId, ProjectId, StepKey, WorkItemId, WorkspaceId},
    intake::IntakeItem,
    work_item::{Estimate, Link},
    write::Target,
};

/// A part of [`super::PlaneApi`]. What an edition does not have answers 404 or 405, as
/// [`PlaneError::no_such_call`] tells.
#[async_trait]
pub trait DeedApi: Send + Sync {
    /// Carries it out. Plane takes `key` where it makes a record that can be looked up by it, with the same
    /// care as [`super::PlaneApi::add_comment`]; everything else has to be looked for by what it is.
    async fn carry_out(
        &self,
        workspace: WorkspaceId,
        deed: &Deed,
        key: StepKey,
        pass: WritePass,
    ) -> Result<Carried, PlaneError>;

    /// The newest links of a work item with their ids, at most 100.
    async fn known_links(&self, workspace: WorkspaceId, item: Target) -> Result<Vec<(LinkId, Link)>, PlaneError>;

    /// The values of the estimate the project uses, in its order; none where it uses none.
    async fn estimates(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Vec<Estimate>, PlaneError>;

    /// The ids of all work items in a cycle or module.
    async fn grouped(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        grouping: Grouping,
    ) -> Result<Vec<WorkItemId>, PlaneError>;

    /// What is in the project's intake, whatever was decided about it. Plane leaves out what was snoozed until
    /// a time that has passed.
    async fn intake(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Vec<IntakeItem>, PlaneError>;

    async fn intake_item(&self, workspace: WorkspaceId, item: Target) -> Result<IntakeItem, PlaneError>;
}

/// What Plane made of a deed it accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carried {
    /// What was made; `None` where nothing new was.
    pub made: Option<Uuid>,
    /// Whether the answer shows what was asked for. Plane accepts some things without doing them.
    pub took: bool,
}
