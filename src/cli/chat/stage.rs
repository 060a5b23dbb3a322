//! A Plane in which runs are played: what is read is read in the real one, and what an agent says to a
//! person is shown here instead of posted there.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::screen::Heard;
use crate::{
    domain::{
        activity::{Draft, Posted, RunActivity, RunActivityKind},
        deed::{Deed, Grouping},
        event::RunInfo,
        ids::{
            ActivityId, CommentId, CycleId, FileId, LinkId, ModuleId, PageId, ProjectId, RunId, StepKey, WorkItemId,
            WorkspaceId,
        },
        intake::IntakeItem,
        plans::{Cycle, Module, PageTitle},
        work_item::{
            Attachment, Change, Comment, Document, Estimate, FileContent, ItemTitle, Label, Link, Page, Person,
            Project, Relation, SearchHit, State, WorkItem,
        },
        write::{ItemFields, Target},
    },
    plane::{Carried, DeedApi, ItemOrder, PlaneApi, PlaneError, ProjectApi, RunStatus, WritePass, thread},
};

type Got<T> = Result<T, PlaneError>;

pub(super) struct Stage {
    real: Arc<dyn PlaneApi>,
    tell: mpsc::UnboundedSender<Heard>,
    /// What was said so far, by run.
    shown: Mutex<Vec<(RunInfo, RunActivity)>>,
}

impl Stage {
    pub(super) fn new(real: Arc<dyn PlaneApi>, tell: mpsc::UnboundedSender<Heard>) -> Self {
        Self { real, tell, shown: Mutex::default() }
    }

    fn shown(&self, run: RunId) -> Vec<(RunInfo, RunActivity)> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.iter().filter(|(info, _)| info.id == run).cloned().collect()
    }
}

#[async_trait]
impl DeedApi for Stage {
    async fn carry_out(&self, _: WorkspaceId, _: &Deed, _: StepKey, _: WritePass) -> Got<Carried> {
        Err(only_played())
    }

    async fn known_links(&self, workspace: WorkspaceId, item: Target) -> Got<Vec<(LinkId, Link)>> {
        self.real.known_links(workspace, item).await
    }

    async fn grouped(&self, workspace: WorkspaceId, project: ProjectId, grouping: Grouping) -> Got<Vec<WorkItemId>> {
        self.real.grouped(workspace, project, grouping).await
    }

    async fn intake(&self, workspace: WorkspaceId, project: ProjectId) -> Got<Vec<IntakeItem>> {
        self.real.intake(workspace, project).await
    }

    async fn intake_item(&self, workspace: WorkspaceId, item: Target) -> Got<IntakeItem> {
        self.real.intake_item(workspace, item).await
    }

    async fn estimates(&self, workspace: WorkspaceId, project: ProjectId) -> Got<Vec<Estimate>> {
        self.real.estimates(workspace, project).await
    }
}

#[async_trait]
impl ProjectApi for Stage {
    async fn cycles(&self, workspace: WorkspaceId, project: ProjectId) -> Got<Vec<Cycle>> {
        self.real.cycles(workspace, project).await
    }

    async fn modules(&self, workspace: WorkspaceId, project: ProjectId) -> Got<Vec<Module>> {
        self.real.modules(workspace, project).await
    }

    async fn cycle_items(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        cycle: CycleId,
        page: u32,
        per_page: u32,
    ) -> Got<Page<WorkItem>> {
        self.real.cycle_items(workspace, project, cycle, page, per_page).await
    }

    async fn module_items(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        module: ModuleId,
        page: u32,
        per_page: u32,
    ) -> Got<Page<WorkItem>> {
        self.real.module_items(workspace, project, module, page, per_page).await
    }

    async fn pages(&self, workspace: WorkspaceId, project: ProjectId) -> Got<Vec<PageTitle>> {
        self.real.pages(workspace, project).await
    }
}

#[async_trait]
impl PlaneApi for Stage {
    async fn post_activity(&self, _: WorkspaceId, run: &RunInfo, draft: &Draft) -> Got<Posted> {
        let id = ActivityId(uuid::Uuid::new_v4());
        let kind = if draft.saying.is_terminal() { RunActivityKind::Ending } else { RunActivityKind::Other };
        let activity = RunActivity {
            id,
            actor: run.agent_user,
            created_at: Some(Timestamp::now()),
            step: Some(draft.key.to_string()),
            kind,
        };
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).push((run.clone(), activity));
        // Whoever listened may have left.
        let _ = self.tell.send(Heard::Said(draft.saying.clone()));
        Ok(Posted { id, comment: None, at: None })
    }

    async fn run_activities(&self, run: &RunInfo) -> Got<Vec<RunActivity>> {
        Ok(self.shown(run.id).into_iter().map(|(_, activity)| activity).collect())
    }

    async fn run(&self, run: &RunInfo) -> Got<(RunInfo, RunStatus)> {
        let last = self.shown(run.id).pop();
        let status = match last.as_ref().map(|(_, activity)| &activity.kind) {
            Some(RunActivityKind::Ending) => RunStatus::Completed,
            Some(RunActivityKind::Prompt { .. } | RunActivityKind::Other) | None => RunStatus::InProgress,
        };
        let unknown =
            || PlaneError::NotFound { what: "the run", message: format!("nothing was said in {}", run.workspace) };
        Ok((last.map(|(info, _)| info).ok_or_else(unknown)?, status))
    }

    fn browse(&self, workspace: WorkspaceId) -> Option<String> {
        self.real.browse(workspace)
    }

    async fn relations(&self, workspace: WorkspaceId, project: ProjectId, id: WorkItemId) -> Got<Vec<Relation>> {
        self.real.relations(workspace, project, id).await
    }

    async fn links(&self, workspace: WorkspaceId, project: ProjectId, id: WorkItemId) -> Got<Page<Link>> {
        self.real.links(workspace, project, id).await
    }

    async fn attachments(&self, workspace: WorkspaceId, project: ProjectId, id: WorkItemId) -> Got<Vec<Attachment>> {
        self.real.attachments(workspace, project, id).await
    }

    async fn file(&self, workspace: WorkspaceId, item: Target, file: FileId, limit: usize) -> Got<FileContent> {
        self.real.file(workspace, item, file, limit).await
    }

    async fn titles(&self, workspace: WorkspaceId, project: ProjectId) -> Got<Page<ItemTitle>> {
        self.real.titles(workspace, project).await
    }

    async fn work_item(&self, workspace: WorkspaceId, project: ProjectId, id: WorkItemId) -> Got<WorkItem> {
        self.real.work_item(workspace, project, id).await
    }

    async fn work_item_by_key(&self, workspace: WorkspaceId, identifier: &str, sequence: u64) -> Got<WorkItem> {
        self.real.work_item_by_key(workspace, identifier, sequence).await
    }

    async fn work_items(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        order: ItemOrder,
        page: u32,
        per_page: u32,
    ) -> Got<Page<WorkItem>> {
        self.real.work_items(workspace, project, order, page, per_page).await
    }

    async fn search(
        &self,
        workspace: WorkspaceId,
        project: Option<ProjectId>,
        query: &str,
        limit: u32,
    ) -> Got<Vec<SearchHit>> {
        self.real.search(workspace, project, query, limit).await
    }

    async fn comments(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        id: WorkItemId,
        page: u32,
        per_page: u32,
    ) -> Got<Page<Comment>> {
        self.real.comments(workspace, project, id, page, per_page).await
    }

    async fn overheard(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        id: WorkItemId,
        since: Timestamp,
    ) -> Got<Vec<thread::Heard>> {
        self.real.overheard(workspace, project, id, since).await
    }

    async fn comment(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        id: WorkItemId,
        comment: CommentId,
    ) -> Got<Comment> {
        self.real.comment(workspace, project, id, comment).await
    }

    async fn history(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        id: WorkItemId,
        limit: u32,
    ) -> Got<Page<Change>> {
        self.real.history(workspace, project, id, limit).await
    }

    async fn project(&self, workspace: WorkspaceId, project: ProjectId) -> Got<Project> {
        self.real.project(workspace, project).await
    }

    async fn page(&self, workspace: WorkspaceId, project: ProjectId, page: PageId) -> Got<Document> {
        self.real.page(workspace, project, page).await
    }

    async fn states(&self, workspace: WorkspaceId, project: ProjectId) -> Got<Vec<State>> {
        self.real.states(workspace, project).await
    }

    async fn labels(&self, workspace: WorkspaceId, project: ProjectId) -> Got<Vec<Label>> {
        self.real.labels(workspace, project).await
    }

    async fn members(&self, workspace: WorkspaceId, project: ProjectId) -> Got<Vec<Person>> {
        self.real.members(workspace, project).await
    }

    async fn workspace_members(&self, workspace: WorkspaceId) -> Got<Vec<Person>> {
        self.real.workspace_members(workspace).await
    }

    async fn write_pass(&self, _: WorkspaceId) -> Got<WritePass> {
        Err(only_played())
    }

    async fn add_comment(&self, _: WorkspaceId, _: Target, _: &str, _: StepKey, _: WritePass) -> Got<CommentId> {
        Err(only_played())
    }

    async fn comment_of_step(&self, _: WorkspaceId, _: Target, _: &str, _: StepKey) -> Got<Option<CommentId>> {
        Err(only_played())
    }

    async fn create_work_item(
        &self,
        _: WorkspaceId,
        _: ProjectId,
        _: &ItemFields,
        _: StepKey,
        _: WritePass,
    ) -> Got<WorkItem> {
        Err(only_played())
    }

    async fn work_item_of_step(
        &self,
        _: WorkspaceId,
        _: ProjectId,
        _: &ItemFields,
        _: StepKey,
    ) -> Got<Option<WorkItem>> {
        Err(only_played())
    }

    async fn update_work_item(&self, _: WorkspaceId, _: Target, _: &ItemFields, _: WritePass) -> Got<WorkItem> {
        Err(only_played())
    }
}

/// The tools that change something are not offered in a chat; should one be called all the same, it
/// ends here.
fn only_played() -> PlaneError {
    let message = "nothing is changed from a chat".to_owned();
    PlaneError::Refused { what: "the change", status: 403, message }
}
