//! The comments of a work item, read for whoever asks.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    MOST_COMMENT_PAGES,
    caller::{Call, Caller},
};
use crate::{
    domain::{
        ids::{CommentId, ProjectId, StepKey, UserId, WorkItemId, WorkspaceId},
        work_item::{Comment, Page},
        write::Target,
    },
    plane::{
        PlaneError,
        budget::Lane,
        thread::Heard,
        wire::{fields::Fields, record, spoken, write},
    },
};

/// Comments looked at for what no webhook told of, at a time.
const OVERHEARD_PER_PAGE: u32 = 50;

/// One page of those that last, newest first.
pub(super) async fn page(
    caller: &Caller,
    workspace: WorkspaceId,
    item: Target,
    (number, per_page): (u32, u32),
    bot: Option<UserId>,
) -> Result<Page<Comment>, PlaneError> {
    let path = ["projects", &item.project.to_string(), "work-items", &item.id.to_string(), "comments"];
    let query = [("expand", "actor".to_owned())];
    let call = Call { workspace, what: "the comments", path: &path, query: &query, lane: Lane::Read };
    let read = |row: &Value| Some((spoken::is_progress(row, bot), record::comment(row)?));
    let found = caller.page(&call, number, per_page, read).await?;
    // What only shows our own progress is gone in a moment.
    let lasting = found.items.into_iter().filter(|(is_progress, _)| !is_progress).map(|(_, comment)| comment);
    Ok(Page { items: lasting.collect(), total: found.total, more: found.more })
}

/// Those that may have been written or changed since then: the newest, and as many more as were written since.
pub(super) async fn overheard(
    caller: &Caller,
    workspace: WorkspaceId,
    project: ProjectId,
    id: WorkItemId,
    since: Timestamp,
) -> Result<Vec<Heard>, PlaneError> {
    let path = ["projects", &project.to_string(), "work-items", &id.to_string(), "comments"];
    let call = Call { workspace, what: "the comments", path: &path, query: &[], lane: Lane::Read };
    let mut heard: Vec<Heard> = Vec::new();
    for number in 0..MOST_COMMENT_PAGES {
        let page = caller.page(&call, number, OVERHEARD_PER_PAGE, spoken::spoken).await?;
        let is_behind = page.items.last().is_none_or(|oldest| oldest.written_at.is_some_and(|at| at < since));
        let comments = page.items.into_iter();
        heard.extend(comments.map(|comment| Heard { workspace, project, work_item: id, comment, edited_from: None }));
        if is_behind || !page.more {
            break;
        }
    }
    Ok(heard)
}

/// The one of ours that was added under the key and says the same.
pub(super) async fn of_step(
    caller: &Caller,
    workspace: WorkspaceId,
    item: Target,
    (key, html): (StepKey, &str),
    bot: Option<UserId>,
) -> Result<Option<CommentId>, PlaneError> {
    let path = ["projects", &item.project.to_string(), "work-items", &item.id.to_string(), "comments"];
    let call = Call { workspace, what: "the comments", path: &path, query: &[], lane: Lane::Write };
    let read = |row: &Value| {
        Some((Fields::of(row)?.id("id")?, write::is_of(row, key) && write::is_planned_comment(row, html, bot)))
    };
    // Newest first, so what was added lately is on the first page.
    for number in 0..MOST_COMMENT_PAGES {
        let page = caller.page(&call, number, 100, read).await?;
        if let Some((id, _)) = page.items.into_iter().find(|(_, is_ours)| *is_ours) {
            return Ok(Some(id));
        }
        if !page.more {
            break;
        }
    }
    Ok(None)
}
