//! [`PlaneApi`] over HTTP.

mod caller;
mod channel;
mod comment;
mod deed;
mod file;
mod made;
mod project;
pub(in crate::plane) mod transport;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::Value;
use url::Url;

use self::caller::{Call, Caller};
use self::channel::Channel;
pub use self::transport::http_client;
use super::{
    ItemOrder, PlaneApi, PlaneError, RunStatus,
    budget::{Lane, WritePass},
    credentials::Credentials,
    thread::Heard,
    wire::{attached, list, record, write},
};
use crate::{
    config::PlaneConfig,
    domain::{
        activity::{Draft, Posted, RunActivity},
        event::RunInfo,
        ids::{CommentId, FileId, PageId, ProjectId, StepKey, WorkItemId, WorkspaceId},
        work_item::{
            Attachment, Change, Comment, Document, FileContent, ItemTitle, Label, Link, Page, Person, Project,
            Relation, SearchHit, State, WorkItem,
        },
        write::{ItemFields, Target},
    },
};

/// What Plane is asked to expand in work items, so that names come with the first request.
const ITEM_EXPANSION: (&str, &str) = ("expand", "state,assignees,labels,project,created_by,parent");
/// Pages of a hundred comments read in search of one that was added lately.
const MOST_COMMENT_PAGES: u32 = 30;
/// The group of the hidden state of items not yet accepted.
const TRIAGE_GROUP: &str = "triage";

/// Speaks to a real Plane server. Retries what may be repeated, and nothing else.
pub struct PlaneClient {
    caller: Caller,
    credentials: Arc<Credentials>,
    web_url: Url,
    channel: Channel,
}

impl PlaneClient {
    /// `http` has to follow no redirects, as the one from [`http_client`].
    #[must_use]
    pub fn new(http: reqwest::Client, config: &PlaneConfig, credentials: Arc<Credentials>) -> Self {
        let web_url = config.web_url.clone();
        let channel = Channel::new(&config.channel);
        Self { caller: Caller::new(http, config, Arc::clone(&credentials)), credentials, web_url, channel }
    }
}

#[async_trait]
impl PlaneApi for PlaneClient {
    async fn post_activity(&self, workspace: WorkspaceId, run: &RunInfo, draft: &Draft) -> Result<Posted, PlaneError> {
        self.channel.post(&self.caller, run, draft, self.browse(workspace).as_deref()).await
    }

    async fn run_activities(&self, run: &RunInfo) -> Result<Vec<RunActivity>, PlaneError> {
        self.channel.activities(&self.caller, run).await
    }

    async fn run(&self, run: &RunInfo) -> Result<(RunInfo, RunStatus), PlaneError> {
        self.channel.status(&self.caller, run).await
    }

    fn progress_gap(&self) -> Option<Duration> {
        self.channel.progress_gap()
    }

    async fn work_item(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        id: WorkItemId,
    ) -> Result<WorkItem, PlaneError> {
        let what = "the work item";
        let path = ["projects", &project.to_string(), "work-items", &id.to_string()];
        let query = [(ITEM_EXPANSION.0, ITEM_EXPANSION.1.to_owned())];
        let body = self.caller.get(&Call { workspace, what, path: &path, query: &query, lane: Lane::Read }).await?;
        readable(what, record::work_item(&body, Some(project)))
    }

    async fn work_item_by_key(
        &self,
        workspace: WorkspaceId,
        identifier: &str,
        sequence: u64,
    ) -> Result<WorkItem, PlaneError> {
        let what = "the work item";
        // Plane compares the identifier letter by letter and answers 403 to any other spelling.
        let path = ["work-items", &format!("{}-{sequence}", identifier.trim().to_uppercase())];
        let query = [(ITEM_EXPANSION.0, ITEM_EXPANSION.1.to_owned())];
        let body = self.caller.get(&Call { workspace, what, path: &path, query: &query, lane: Lane::Read }).await?;
        readable(what, record::work_item(&body, None))
    }

    async fn work_items(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        order: ItemOrder,
        page: u32,
        per_page: u32,
    ) -> Result<Page<WorkItem>, PlaneError> {
        let path = ["projects", &project.to_string(), "work-items"];
        let order = match order {
            ItemOrder::NewestFirst => "-created_at",
            ItemOrder::RecentlyUpdatedFirst => "-updated_at",
            ItemOrder::MostUrgentFirst => "priority",
        };
        let query = [(ITEM_EXPANSION.0, ITEM_EXPANSION.1.to_owned()), ("order_by", order.to_owned())];
        let call = Call { workspace, what: "the work items", path: &path, query: &query, lane: Lane::Read };
        self.caller.page(&call, page, per_page, |row| record::work_item(row, Some(project))).await
    }

    async fn search(
        &self,
        workspace: WorkspaceId,
        project: Option<ProjectId>,
        query: &str,
        limit: u32,
    ) -> Result<Vec<SearchHit>, PlaneError> {
        let mut parameters = vec![
            ("search", query.to_owned()),
            ("limit", limit.clamp(1, 100).to_string()),
            ("workspace_search", project.is_none().to_string()),
        ];
        parameters.extend(project.map(|project| ("project_id", project.to_string())));
        let call = Call {
            workspace,
            what: "the search",
            path: &["work-items", "search"],
            query: &parameters,
            lane: Lane::Read,
        };
        let body = self.caller.get(&call).await?;
        Ok(readable(call.what, list::page(&body, record::search_hit))?.items)
    }

    async fn comments(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        id: WorkItemId,
        page: u32,
        per_page: u32,
    ) -> Result<Page<Comment>, PlaneError> {
        comment::page(
            &self.caller,
            workspace,
            Target { project, id },
            (page, per_page),
            self.credentials.bot(workspace),
        )
        .await
    }

    async fn overheard(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        id: WorkItemId,
        since: Timestamp,
    ) -> Result<Vec<Heard>, PlaneError> {
        comment::overheard(&self.caller, workspace, project, id, since).await
    }

    async fn comment(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        id: WorkItemId,
        comment: CommentId,
    ) -> Result<Comment, PlaneError> {
        let what = "the comment";
        let path = ["projects", &project.to_string(), "work-items", &id.to_string(), "comments", &comment.to_string()];
        let query = [("expand", "actor".to_owned())];
        let body = self.caller.get(&Call { workspace, what, path: &path, query: &query, lane: Lane::Read }).await?;
        readable(what, record::comment(&body))
    }

    async fn history(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        id: WorkItemId,
        limit: u32,
    ) -> Result<Page<Change>, PlaneError> {
        let path = ["projects", &project.to_string(), "work-items", &id.to_string(), "activities"];
        let query = [("expand", "actor".to_owned()), ("order_by", "-created_at".to_owned())];
        let call = Call { workspace, what: "the change log", path: &path, query: &query, lane: Lane::Read };
        self.caller.page(&call, 0, limit, record::change).await
    }

    fn browse(&self, workspace: WorkspaceId) -> Option<String> {
        let slug = self.credentials.slug(workspace)?;
        let mut url = self.web_url.clone();
        url.path_segments_mut().ok()?.pop_if_empty().extend([slug.as_str(), "browse", ""]);
        Some(url.into())
    }

    async fn relations(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        id: WorkItemId,
    ) -> Result<Vec<Relation>, PlaneError> {
        let what = "the relations";
        let path = ["projects", &project.to_string(), "work-items", &id.to_string(), "relations"];
        let body = self.caller.get(&Call { workspace, what, path: &path, query: &[], lane: Lane::Read }).await?;
        readable(what, attached::relations(&body))
    }

    async fn links(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        id: WorkItemId,
    ) -> Result<Page<Link>, PlaneError> {
        let path = ["projects", &project.to_string(), "work-items", &id.to_string(), "links"];
        // The rows carry pictures of the pages they lead to, which nobody needs here.
        let query = [("fields", "title,url".to_owned())];
        let call = Call { workspace, what: "the links", path: &path, query: &query, lane: Lane::Read };
        self.caller.page(&call, 0, 100, attached::link).await
    }

    async fn attachments(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        id: WorkItemId,
    ) -> Result<Vec<Attachment>, PlaneError> {
        let what = "the attachments";
        let path = ["projects", &project.to_string(), "work-items", &id.to_string(), "attachments"];
        let body = self.caller.get(&Call { workspace, what, path: &path, query: &[], lane: Lane::Read }).await?;
        Ok(readable(what, list::page(&body, attached::attachment))?.items)
    }

    async fn file(
        &self,
        workspace: WorkspaceId,
        item: Target,
        file: FileId,
        limit_bytes: usize,
    ) -> Result<FileContent, PlaneError> {
        self.caller.file(workspace, item, file, limit_bytes).await
    }

    async fn titles(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Page<ItemTitle>, PlaneError> {
        let path = ["projects", &project.to_string(), "work-items"];
        let query = [
            ("fields", "id,name,sequence_id,parent,state".to_owned()),
            ("expand", "state".to_owned()),
            ("order_by", "-created_at".to_owned()),
        ];
        let call = Call { workspace, what: "the work items", path: &path, query: &query, lane: Lane::Read };
        self.caller.page(&call, 0, 100, record::title).await
    }

    async fn project(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Project, PlaneError> {
        let what = "the project";
        let path = ["projects", &project.to_string()];
        let body = self.caller.get(&Call { workspace, what, path: &path, query: &[], lane: Lane::Read }).await?;
        readable(what, record::project(&body))
    }

    async fn page(&self, workspace: WorkspaceId, project: ProjectId, page: PageId) -> Result<Document, PlaneError> {
        let what = "the page";
        let path = ["projects", &project.to_string(), "pages", &page.to_string()];
        let body = self.caller.get(&Call { workspace, what, path: &path, query: &[], lane: Lane::Read }).await?;
        readable(what, record::document(&body))
    }

    async fn states(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Vec<State>, PlaneError> {
        let path = ["projects", &project.to_string(), "states"];
        let call = Call { workspace, what: "the states", path: &path, query: &[], lane: Lane::Read };
        let mut placed = self.caller.whole_list(&call, record::placed_state, |(_, state)| state.id).await?;
        placed.sort_by(|(left, _), (right, _)| left.total_cmp(right));
        Ok(placed.into_iter().map(|(_, state)| state).filter(|state| state.group != TRIAGE_GROUP).collect())
    }

    async fn labels(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Vec<Label>, PlaneError> {
        let path = ["projects", &project.to_string(), "labels"];
        let call = Call { workspace, what: "the labels", path: &path, query: &[], lane: Lane::Read };
        self.caller.whole_list(&call, record::label, |label| label.id).await
    }

    async fn members(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Vec<Person>, PlaneError> {
        let path = ["projects", &project.to_string(), "project-members"];
        let call = Call { workspace, what: "the members", path: &path, query: &[], lane: Lane::Read };
        self.caller.whole_list(&call, record::member, |person| person.id).await
    }

    async fn workspace_members(&self, workspace: WorkspaceId) -> Result<Vec<Person>, PlaneError> {
        let what = "the workspace's members";
        let call = Call { workspace, what, path: &["members"], query: &[], lane: Lane::Read };
        Ok(readable(what, list::page(&self.caller.get(&call).await?, record::member))?.items)
    }

    async fn write_pass(&self, workspace: WorkspaceId) -> Result<WritePass, PlaneError> {
        self.caller.write_pass(workspace).await
    }

    async fn add_comment(
        &self,
        workspace: WorkspaceId,
        item: Target,
        html: &str,
        key: StepKey,
        pass: WritePass,
    ) -> Result<CommentId, PlaneError> {
        let what = "the new comment";
        let path = ["projects", &item.project.to_string(), "work-items", &item.id.to_string(), "comments"];
        let call = Call { workspace, what, path: &path, query: &[], lane: Lane::Write };
        let (body, bot) = (write::comment(html, key), self.credentials.bot(workspace));
        let is_ours = |record: &Value| write::is_planned_comment(record, html, bot);
        let body = made::make(&self.caller, &call, body, key, pass, is_ours).await?;
        Ok(readable(what, record::comment(&body))?.id)
    }

    async fn comment_of_step(
        &self,
        workspace: WorkspaceId,
        item: Target,
        html: &str,
        key: StepKey,
    ) -> Result<Option<CommentId>, PlaneError> {
        comment::of_step(&self.caller, workspace, item, (key, html), self.credentials.bot(workspace)).await
    }

    async fn create_work_item(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        fields: &ItemFields,
        key: StepKey,
        pass: WritePass,
    ) -> Result<WorkItem, PlaneError> {
        let what = "the new work item";
        let path = ["projects", &project.to_string(), "work-items"];
        let call = Call { workspace, what, path: &path, query: &[], lane: Lane::Write };
        let (body, bot) = (write::new_work_item(fields, key), self.credentials.bot(workspace));
        let is_ours = |record: &Value| write::is_planned_work_item(record, fields, bot);
        let body = made::make(&self.caller, &call, body, key, pass, is_ours).await?;
        readable(what, record::work_item(&body, Some(project)))
    }

    async fn work_item_of_step(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        fields: &ItemFields,
        key: StepKey,
    ) -> Result<Option<WorkItem>, PlaneError> {
        let bot = self.credentials.bot(workspace);
        made::work_item_of_step(&self.caller, workspace, project, (key, fields), bot).await
    }

    async fn update_work_item(
        &self,
        workspace: WorkspaceId,
        item: Target,
        fields: &ItemFields,
        pass: WritePass,
    ) -> Result<WorkItem, PlaneError> {
        let what = "the change of the work item";
        let path = ["projects", &item.project.to_string(), "work-items", &item.id.to_string()];
        let call = Call { workspace, what, path: &path, query: &[], lane: Lane::Write };
        let body = self.caller.change(Method::PATCH, &call, &write::item_change(fields), pass).await?;
        readable(what, record::work_item(&body, Some(item.project)))
    }
}

fn readable<T>(what: &'static str, value: Option<T>) -> Result<T, PlaneError> {
    value.ok_or_else(|| PlaneError::Malformed { what, message: "JSON without an id, or of another shape".to_owned() })
}
