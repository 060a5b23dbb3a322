//! Changes other than to a work item's own fields, over HTTP.

use async_trait::async_trait;
use reqwest::Method;
use serde_json::Value;

use super::{PlaneClient, caller::Call, made, readable};
use crate::{
    domain::{
        deed::{Deed, Grouping},
        ids::{LinkId, ProjectId, StepKey, WorkItemId, WorkspaceId},
        intake::IntakeItem,
        work_item::{Estimate, Link},
        write::Target,
    },
    plane::{
        Carried, DeedApi, PlaneError, WritePass,
        budget::Lane,
        wire::{attached, deed as wire, list, plans, write},
    },
};

#[async_trait]
impl DeedApi for PlaneClient {
    async fn carry_out(
        &self,
        workspace: WorkspaceId,
        deed: &Deed,
        key: StepKey,
        pass: WritePass,
    ) -> Result<Carried, PlaneError> {
        let ((what, method, body), path) = (request(deed, key), path(deed));
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let call = Call { workspace, what, path: &path, query: &[], lane: Lane::Write };
        let answer = match (deed, body) {
            (Deed::CreateLabel { name, .. }, Some(body)) => {
                let is_ours = |record: &Value| write::is_called(record, name, None);
                made::make(&self.caller, &call, body, key, pass, is_ours).await?
            }
            (Deed::CreatePage { name, html, .. }, Some(body)) => {
                let is_ours = |record: &Value| write::is_called(record, name, Some(html));
                made::make(&self.caller, &call, body, key, pass, is_ours).await?
            }
            (_, body) => self.caller.act(method, &call, body.as_ref(), pass).await?,
        };
        Ok(carried(deed, &answer))
    }

    async fn known_links(&self, workspace: WorkspaceId, item: Target) -> Result<Vec<(LinkId, Link)>, PlaneError> {
        let path = ["projects", &item.project.to_string(), "work-items", &item.id.to_string(), "links"];
        let query = [("fields", "id,title,url".to_owned())];
        let call = Call { workspace, what: "the links", path: &path, query: &query, lane: Lane::Read };
        Ok(self.caller.page(&call, 0, 100, attached::known_link).await?.items)
    }

    async fn estimates(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Vec<Estimate>, PlaneError> {
        let what = "the estimates";
        let project = project.to_string();
        let path = ["projects", &project, "estimates"];
        let body = self.caller.get(&Call { workspace, what, path: &path, query: &[], lane: Lane::Read }).await?;
        // A project uses one; editions give it as such or in a list.
        let Some(used) = wire::made(&body).or_else(|| list::page(&body, wire::made)?.items.pop()) else {
            return Ok(Vec::new());
        };
        let path = ["projects", &project, "estimates", &used.to_string(), "estimate-points"];
        let body = self.caller.get(&Call { workspace, what, path: &path, query: &[], lane: Lane::Read }).await?;
        Ok(readable(what, list::page(&body, plans::estimate))?.items)
    }

    async fn grouped(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        grouping: Grouping,
    ) -> Result<Vec<WorkItemId>, PlaneError> {
        let [group, id, members] = within(grouping);
        let path = ["projects", &project.to_string(), &group, &id, &members];
        let query = [("fields", "id,name".to_owned())];
        let call = Call { workspace, what: "what is in it", path: &path, query: &query, lane: Lane::Read };
        let read = |row: &Value| plans::member_item(row, project).map(|item| item.id);
        self.caller.whole_list(&call, read, |id| *id).await
    }

    async fn intake(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Vec<IntakeItem>, PlaneError> {
        let path = ["projects", &project.to_string(), "intake-issues"];
        let query = [("expand", "created_by".to_owned())];
        let call = Call { workspace, what: "the intake", path: &path, query: &query, lane: Lane::Read };
        self.caller.whole_list(&call, wire::intake_item, |entry| entry.item).await
    }

    async fn intake_item(&self, workspace: WorkspaceId, item: Target) -> Result<IntakeItem, PlaneError> {
        let what = "the work item in the intake";
        let path = ["projects", &item.project.to_string(), "intake-issues", &item.id.to_string()];
        let query = [("expand", "created_by".to_owned())];
        let body = self.caller.get(&Call { workspace, what, path: &path, query: &query, lane: Lane::Read }).await?;
        readable(what, wire::intake_item(&body))
    }
}

/// How a deed is called, and how it is sent.
fn request(deed: &Deed, key: StepKey) -> (&'static str, Method, Option<Value>) {
    match deed {
        Deed::EditComment { after, .. } => ("the change of the comment", Method::PATCH, Some(wire::comment(after))),
        Deed::DeleteComment { .. } => ("the removal of the comment", Method::DELETE, None),
        Deed::DeleteWorkItem { .. } => ("the removal of the work item", Method::DELETE, None),
        Deed::ArchiveWorkItem { .. } => ("archiving", Method::POST, None),
        Deed::UnarchiveWorkItem { .. } => ("unarchiving", Method::DELETE, None),
        Deed::Relate { relation, other, .. } => {
            ("the new relation", Method::POST, Some(wire::relation(*relation, *other)))
        }
        Deed::Unrelate { other, .. } => ("the removal of the relation", Method::POST, Some(wire::no_relation(*other))),
        Deed::AddLink { url, title, .. } => ("the new link", Method::POST, Some(wire::link(url, title))),
        Deed::DeleteLink { .. } => ("the removal of the link", Method::DELETE, None),
        Deed::CreateLabel { name, color, .. } => ("the new label", Method::POST, Some(wire::label(name, color, key))),
        Deed::DeleteLabel { .. } => ("the removal of the label", Method::DELETE, None),
        Deed::CreatePage { name, html, .. } => ("the new page", Method::POST, Some(wire::page(name, html, key))),
        Deed::PutInto { item, .. } => ("putting it there", Method::POST, Some(wire::members(item.id))),
        Deed::TakeOut { .. } => ("taking it out", Method::DELETE, None),
        Deed::TriageIntake { after, .. } => ("the decision", Method::PATCH, Some(wire::verdict(*after))),
    }
}

/// Where it is sent, below the workspace.
fn path(deed: &Deed) -> Vec<String> {
    let (project, item) = deed.place();
    let mut path = vec!["projects".to_owned(), project.to_string()];
    let owned = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
    let at_item: Vec<String> = item.into_iter().flat_map(|item| ["work-items".to_owned(), item.to_string()]).collect();
    path.extend(match deed {
        Deed::EditComment { comment, .. } | Deed::DeleteComment { comment, .. } => {
            [at_item, owned(&["comments", &comment.to_string()])].concat()
        }
        Deed::DeleteWorkItem { .. } => at_item,
        Deed::ArchiveWorkItem { .. } => [at_item, owned(&["archive"])].concat(),
        Deed::UnarchiveWorkItem { .. } => [at_item, owned(&["unarchive"])].concat(),
        Deed::Relate { .. } => [at_item, owned(&["relations"])].concat(),
        Deed::Unrelate { .. } => [at_item, owned(&["relations", "remove"])].concat(),
        Deed::AddLink { .. } => [at_item, owned(&["links"])].concat(),
        Deed::DeleteLink { link, .. } => [at_item, owned(&["links", &link.to_string()])].concat(),
        Deed::CreateLabel { .. } => owned(&["labels"]),
        Deed::DeleteLabel { label, .. } => owned(&["labels", &label.to_string()]),
        Deed::CreatePage { .. } => owned(&["pages"]),
        Deed::PutInto { grouping, .. } => within(*grouping).to_vec(),
        Deed::TakeOut { item, grouping } => [within(*grouping).to_vec(), vec![item.id.to_string()]].concat(),
        Deed::TriageIntake { item, .. } => owned(&["intake-issues", &item.id.to_string()]),
    });
    path
}

/// Where the work items of a cycle or module are, below the project.
fn within(grouping: Grouping) -> [String; 3] {
    match grouping {
        Grouping::Cycle(id) => ["cycles", &id.to_string(), "cycle-issues"].map(str::to_owned),
        Grouping::Module(id) => ["modules", &id.to_string(), "module-issues"].map(str::to_owned),
    }
}

/// What an answer shows of the deed.
fn carried(deed: &Deed, answer: &Value) -> Carried {
    let took = |took| Carried { made: None, took };
    match deed {
        Deed::AddLink { .. } | Deed::CreateLabel { .. } | Deed::CreatePage { .. } => {
            Carried { made: wire::made(answer), took: true }
        }
        // Two work items stand to one another in one way only; a second one is accepted and dropped.
        Deed::Relate { .. } => took(list::page(answer, wire::made).is_some_and(|page| !page.items.is_empty())),
        // Whoever may not decide is answered as if they had.
        Deed::TriageIntake { after, .. } => {
            took(wire::intake_item(answer).is_some_and(|entry| entry.verdict.number() == after.number()))
        }
        Deed::EditComment { .. }
        | Deed::DeleteComment { .. }
        | Deed::DeleteWorkItem { .. }
        | Deed::ArchiveWorkItem { .. }
        | Deed::UnarchiveWorkItem { .. }
        | Deed::Unrelate { .. }
        | Deed::DeleteLink { .. }
        | Deed::DeleteLabel { .. }
        | Deed::PutInto { .. }
        | Deed::TakeOut { .. } => took(true),
    }
}
