//! Cycles, modules and pages over HTTP.

use async_trait::async_trait;

use super::{ITEM_EXPANSION, PlaneClient, caller::Call};
use crate::{
    domain::{
        ids::{CycleId, ModuleId, ProjectId, WorkspaceId},
        plans::{Cycle, Module, PageTitle},
        work_item::{Page, WorkItem},
    },
    plane::{PlaneError, ProjectApi, budget::Lane, wire::plans},
};

#[async_trait]
impl ProjectApi for PlaneClient {
    async fn cycles(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Vec<Cycle>, PlaneError> {
        let path = ["projects", &project.to_string(), "cycles"];
        let call = Call { workspace, what: "the cycles", path: &path, query: &[], lane: Lane::Read };
        self.caller.whole_list(&call, plans::cycle, |cycle| cycle.id).await
    }

    async fn modules(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Vec<Module>, PlaneError> {
        let path = ["projects", &project.to_string(), "modules"];
        let call = Call { workspace, what: "the modules", path: &path, query: &[], lane: Lane::Read };
        self.caller.whole_list(&call, plans::module, |module| module.id).await
    }

    async fn cycle_items(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        cycle: CycleId,
        page: u32,
        per_page: u32,
    ) -> Result<Page<WorkItem>, PlaneError> {
        let path = ["projects", &project.to_string(), "cycles", &cycle.to_string(), "cycle-issues"];
        let query = [(ITEM_EXPANSION.0, ITEM_EXPANSION.1.to_owned())];
        let call = Call { workspace, what: "the cycle", path: &path, query: &query, lane: Lane::Read };
        self.caller.page(&call, page, per_page, |row| plans::member_item(row, project)).await
    }

    async fn module_items(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        module: ModuleId,
        page: u32,
        per_page: u32,
    ) -> Result<Page<WorkItem>, PlaneError> {
        let path = ["projects", &project.to_string(), "modules", &module.to_string(), "module-issues"];
        let query = [(ITEM_EXPANSION.0, ITEM_EXPANSION.1.to_owned())];
        let call = Call { workspace, what: "the module", path: &path, query: &query, lane: Lane::Read };
        self.caller.page(&call, page, per_page, |row| plans::member_item(row, project)).await
    }

    async fn pages(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Vec<PageTitle>, PlaneError> {
        let path = ["projects", &project.to_string(), "pages"];
        let query = [("type", "public".to_owned())];
        let call = Call { workspace, what: "the pages", path: &path, query: &query, lane: Lane::Read };
        self.caller.whole_list(&call, plans::page_title, |page| page.id).await
    }
}
