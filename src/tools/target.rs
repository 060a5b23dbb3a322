//! Which work item a call means: the run's own, or one named by key or id.

use super::{ToolCx, ToolError};
use crate::domain::{
    ids::{ProjectId, WorkItemId},
    work_item::WorkItem,
};

/// A work item as a model names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    /// The one the run is about.
    Current,
    Key {
        identifier: String,
        sequence: u64,
    },
    Id(WorkItemId),
}

/// Reads `MOB-12`, a UUID, or nothing.
pub(super) fn parse(text: Option<&str>) -> Result<Named, ToolError> {
    let text = text.unwrap_or_default().trim().trim_start_matches('#');
    if text.is_empty() || text.eq_ignore_ascii_case("current") || text.eq_ignore_ascii_case("this") {
        return Ok(Named::Current);
    }
    if let Ok(id) = text.parse() {
        return Ok(Named::Id(id));
    }
    let key = text.rsplit_once('-').and_then(|(identifier, number)| {
        let plain = !identifier.is_empty() && identifier.chars().all(char::is_alphanumeric);
        plain
            .then(|| number.parse().ok())?
            .map(|sequence| Named::Key { identifier: identifier.to_uppercase(), sequence })
    });
    key.ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        ToolError::NoSuchThing(format!(
            "{shown:?} names no work item. Use a key such as MOB-12, an id, or leave it out for the current work item; \
             to find one by words use search_work_items."
        ))
    })
}

/// Fetches the work item that is meant.
pub(super) async fn work_item(text: Option<&str>, cx: &ToolCx<'_>) -> Result<WorkItem, ToolError> {
    match parse(text)? {
        Named::Key { identifier, sequence } => by_key(&identifier, sequence, cx).await,
        Named::Id(id) => Ok(cx.plane.work_item(cx.workspace, current_project(cx)?, id).await?),
        Named::Current => {
            let (project, id) = current(cx)?;
            Ok(cx.plane.work_item(cx.workspace, project, id).await?)
        }
    }
}

/// Project and id of the work item that is meant, without a request where they are known.
pub(super) async fn located(text: Option<&str>, cx: &ToolCx<'_>) -> Result<(ProjectId, WorkItemId), ToolError> {
    match parse(text)? {
        Named::Current => current(cx),
        Named::Id(id) => Ok((current_project(cx)?, id)),
        Named::Key { identifier, sequence } => {
            let item = by_key(&identifier, sequence, cx).await?;
            Ok((item.project.id, item.id))
        }
    }
}

/// A work item of any project that everyone who speaks can see.
async fn by_key(identifier: &str, sequence: u64, cx: &ToolCx<'_>) -> Result<WorkItem, ToolError> {
    let item = cx.plane.work_item_by_key(cx.workspace, identifier, sequence).await?;
    if cx.sees(item.project.id).await? {
        return Ok(item);
    }
    Err(ToolError::NoSuchThing(format!(
        "There is no work item {identifier}-{sequence} that the person who asks can see."
    )))
}

/// The run's project.
pub(super) fn current_project(cx: &ToolCx<'_>) -> Result<ProjectId, ToolError> {
    cx.run.project.ok_or_else(|| ToolError::NoSuchThing("This run belongs to no project.".to_owned()))
}

fn current(cx: &ToolCx<'_>) -> Result<(ProjectId, WorkItemId), ToolError> {
    match (cx.run.project, cx.run.work_item) {
        (Some(project), Some(id)) => Ok((project, id)),
        (None, _) | (_, None) => {
            Err(ToolError::NoSuchThing("This run belongs to no work item; name one by its key.".to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_items_are_named_the_way_people_and_models_do() {
        let key = |identifier: &str, sequence| Named::Key { identifier: identifier.to_owned(), sequence };
        assert_eq!(parse(None).unwrap(), Named::Current);
        assert_eq!(parse(Some(" this ")).unwrap(), Named::Current);
        assert_eq!(parse(Some("mob-12")).unwrap(), key("MOB", 12));
        assert_eq!(parse(Some("#MOB-2")).unwrap(), key("MOB", 2));
        let id = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";
        assert_eq!(parse(Some(id)).unwrap(), Named::Id(id.parse().unwrap()));
        for bad in ["MOB-", "-3", "MOB 3", "../x-3", "login crash"] {
            assert!(parse(Some(bad)).is_err(), "{bad}");
        }
    }
}
