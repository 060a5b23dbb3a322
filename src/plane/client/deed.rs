//! Changes other than to a work item's own fields, over HTTP.

use async_trait::async_trait;
use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

use super::{PlaneClient, caller::Call};
use crate::{
    domain::{
        deed::Deed,
        ids::{LinkId, StepKey, WorkspaceId},
        work_item::Link,
        write::Target,
    },
    plane::{
        Carried, DeedApi, PlaneError, WritePass,
        budget::Lane,
        wire::{attached, deed as wire, list},
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
        let request = request(deed, key);
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        let call = Call { workspace, what: request.what, path: &path, query: &[], lane: Lane::Write };
        match self.caller.act(request.method, &call, request.body.as_ref(), pass).await {
            Ok(answer) => Ok(carried(deed, &answer)),
            // Under our own key it is ours; a label that only has the name is somebody else's.
            Err(PlaneError::Taken { id, message, .. }) if message.contains("external id") => {
                Ok(Carried { made: Some(id), took: true })
            }
            Err(error) => Err(error),
        }
    }

    async fn known_links(&self, workspace: WorkspaceId, item: Target) -> Result<Vec<(LinkId, Link)>, PlaneError> {
        let path = ["projects", &item.project.to_string(), "work-items", &item.id.to_string(), "links"];
        let query = [("fields", "id,title,url".to_owned())];
        let call = Call { workspace, what: "the links", path: &path, query: &query, lane: Lane::Read };
        Ok(self.caller.page(&call, 0, 100, attached::known_link).await?.items)
    }
}

/// A deed as it is sent.
struct Request {
    what: &'static str,
    method: Method,
    /// Below the workspace.
    path: Vec<String>,
    body: Option<Value>,
}

fn request(deed: &Deed, key: StepKey) -> Request {
    let (what, method, rest, body) = match deed {
        Deed::EditComment { comment, after, .. } => (
            "the change of the comment",
            Method::PATCH,
            vec!["comments".to_owned(), comment.to_string()],
            Some(wire::comment(after)),
        ),
        Deed::DeleteComment { comment, .. } => {
            ("the removal of the comment", Method::DELETE, vec!["comments".to_owned(), comment.to_string()], None)
        }
        Deed::DeleteWorkItem { .. } => ("the removal of the work item", Method::DELETE, Vec::new(), None),
        Deed::ArchiveWorkItem { .. } => ("archiving", Method::POST, vec!["archive".to_owned()], None),
        Deed::UnarchiveWorkItem { .. } => ("unarchiving", Method::DELETE, vec!["unarchive".to_owned()], None),
        Deed::Relate { relation, other, .. } => {
            ("the new relation", Method::POST, vec!["relations".to_owned()], Some(wire::relation(*relation, *other)))
        }
        Deed::Unrelate { other, .. } => (
            "the removal of the relation",
            Method::POST,
            vec!["relations".to_owned(), "remove".to_owned()],
            Some(wire::no_relation(*other)),
        ),
        Deed::AddLink { url, title, .. } => {
            ("the new link", Method::POST, vec!["links".to_owned()], Some(wire::link(url, title)))
        }
        Deed::DeleteLink { link, .. } => {
            ("the removal of the link", Method::DELETE, vec!["links".to_owned(), link.to_string()], None)
        }
        Deed::CreateLabel { name, color, .. } => {
            ("the new label", Method::POST, vec!["labels".to_owned()], Some(wire::label(name, color, key)))
        }
        Deed::DeleteLabel { label, .. } => {
            ("the removal of the label", Method::DELETE, vec!["labels".to_owned(), label.to_string()], None)
        }
    };
    let mut path = vec!["projects".to_owned(), deed.project().to_string()];
    if let Some(item) = deed.item() {
        path.extend(["work-items".to_owned(), item.to_string()]);
    }
    path.extend(rest);
    Request { what, method, path, body }
}

/// What an answer shows of the deed.
fn carried(deed: &Deed, answer: &Value) -> Carried {
    let made = wire::made(answer);
    match deed {
        Deed::AddLink { .. } | Deed::CreateLabel { .. } => Carried { made, took: true },
        // Two work items stand to one another in one way only; a second one is accepted and dropped.
        Deed::Relate { .. } => {
            Carried { made: None, took: list::page(answer, wire::made).is_some_and(|page| !page.items.is_empty()) }
        }
        Deed::EditComment { .. }
        | Deed::DeleteComment { .. }
        | Deed::DeleteWorkItem { .. }
        | Deed::ArchiveWorkItem { .. }
        | Deed::UnarchiveWorkItem { .. }
        | Deed::Unrelate { .. }
        | Deed::DeleteLink { .. }
        | Deed::DeleteLabel { .. } => Carried { made: None::<Uuid>, took: true },
    }
}
