//! What the agent asks of a project beside its work items: cycles, modules, pages.

use async_trait::async_trait;

use super::PlaneError;
use crate::domain::{
    ids::{CycleId, ModuleId, ProjectId, WorkspaceId},
    plans::{Cycle, Module, PageTitle},
    work_item::{Page, WorkItem},
};

/// A part of [`super::PlaneApi`]. A project may have any of these switched off, which Plane answers with
/// 400, and editions lack some, which is a 404.
#[async_trait]
pub trait ProjectApi: Send + Sync {
    /// The project's cycles, the archived ones left out, in no order to rely on.
    async fn cycles(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Vec<Cycle>, PlaneError>;

    /// The project's modules, the archived ones left out, in no order to rely on.
    async fn modules(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Vec<Module>, PlaneError>;

    /// One page of the work items in a cycle; `page` counts from 0, `per_page` is at most 100.
    async fn cycle_items(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        cycle: CycleId,
        page: u32,
        per_page: u32,
    ) -> Result<Page<WorkItem>, PlaneError>;

    /// One page of the work items in a module, as [`ProjectApi::cycle_items`].
    async fn module_items(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        module: ModuleId,
        page: u32,
        per_page: u32,
    ) -> Result<Page<WorkItem>, PlaneError>;

    /// The project's pages that everyone in it may read, without their texts.
    async fn pages(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Vec<PageTitle>, PlaneError>;
}
