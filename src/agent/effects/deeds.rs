//! Deeds: whether one is done already, told by what Plane holds by now.

use uuid::Uuid;

use crate::{
    domain::{
        deed::{Deed, Grouping, RelationKind},
        ids::{WorkItemId, WorkspaceId},
        write::{Target, Written},
    },
    plane::{Carried, PlaneApi, PlaneError, html::same_text},
};

/// What a deed has become, if it was accepted.
pub(super) fn written(deed: &Deed, carried: Carried) -> Written {
    let id = carried.made.unwrap_or_else(|| subject(deed));
    let ignored = if carried.took { Vec::new() } else { vec![format!("{}{}", what(deed), why_not(deed))] };
    Written::Done { id, key: None, ignored, overtaken: Vec::new() }
}

/// What became of earlier attempts. `None`: it is not done.
pub(super) async fn look_up(
    plane: &dyn PlaneApi,
    workspace: WorkspaceId,
    deed: &Deed,
) -> Result<Option<Written>, PlaneError> {
    let done = |is_done: bool| is_done.then(|| Written::done(subject(deed)));
    Ok(match deed {
        Deed::EditComment { item, comment, before, after, .. } => {
            let now = plane.comment(workspace, item.project, item.id, *comment).await?;
            if same_text(after, &now.html) {
                done(true)
            } else if same_text(before, &now.html) {
                None
            } else {
                Some(Written::Overtaken { fields: vec![what(deed).to_owned()] })
            }
        }
        Deed::DeleteComment { item, comment, .. } => {
            done(found(plane.comment(workspace, item.project, item.id, *comment).await)?.is_none())
        }
        Deed::DeleteWorkItem { item } | Deed::ArchiveWorkItem { item } => {
            done(found(plane.work_item(workspace, item.project, item.id).await)?.is_none())
        }
        Deed::UnarchiveWorkItem { item } => {
            done(found(plane.work_item(workspace, item.project, item.id).await)?.is_some())
        }
        Deed::Relate { item, relation, other } => done(related(plane, workspace, *item, *relation, *other).await?),
        Deed::Unrelate { item, relation, other } => done(!related(plane, workspace, *item, *relation, *other).await?),
        Deed::AddLink { item, url, .. } => {
            let links = plane.known_links(workspace, *item).await?;
            links.into_iter().find(|(_, link)| link.url == *url).map(|(id, _)| Written::done(id.0))
        }
        Deed::DeleteLink { item, link, .. } => {
            done(plane.known_links(workspace, *item).await?.iter().all(|(id, _)| id != link))
        }
        Deed::CreateLabel { project, name, .. } => {
            let labels = plane.labels(workspace, *project).await?;
            labels.into_iter().find(|label| label.name == *name).map(|label| Written::done(label.id.0))
        }
        Deed::DeleteLabel { project, label } => {
            done(plane.labels(workspace, *project).await?.iter().all(|known| known.id != *label))
        }
        Deed::PutInto { item, grouping, .. } => {
            done(plane.grouped(workspace, item.project, *grouping).await?.contains(&item.id))
        }
        Deed::TakeOut { item, grouping } => {
            done(!plane.grouped(workspace, item.project, *grouping).await?.contains(&item.id))
        }
        Deed::TriageIntake { item, before, after } => {
            let now = plane.intake_item(workspace, *item).await?.verdict.number();
            if now == after.number() {
                done(true)
            } else if now == before.number() {
                None
            } else {
                Some(Written::Overtaken { fields: vec![what(deed).to_owned()] })
            }
        }
        // There was none of this name when it was planned.
        Deed::CreatePage { project, name, .. } => {
            let pages = plane.pages(workspace, *project).await?;
            pages.into_iter().find(|page| page.name == *name).map(|page| Written::done(page.id.0))
        }
    })
}

/// What somebody else has changed of what a deed is done to, where nothing of the deed was sent.
pub(super) async fn overtaken(
    plane: &dyn PlaneApi,
    workspace: WorkspaceId,
    deed: &Deed,
) -> Result<Option<&'static str>, PlaneError> {
    if let Deed::DeleteComment { item, comment, html, .. } = deed {
        let now = found(plane.comment(workspace, item.project, item.id, *comment).await)?;
        let is_same = now.is_some_and(|now| same_text(html, &now.html));
        return Ok((!is_same).then(|| what(deed)));
    }
    if let Deed::PutInto { item, from: Some(from), .. } = deed
        && !plane.grouped(workspace, item.project, Grouping::Cycle(*from)).await?.contains(&item.id)
    {
        return Ok(Some(what(deed)));
    }
    // What looks done is somebody else's doing.
    Ok(look_up(plane, workspace, deed).await?.map(|_| what(deed)))
}

/// What was asked for, or `None` where it is gone.
pub(super) fn found<T>(answer: Result<T, PlaneError>) -> Result<Option<T>, PlaneError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(PlaneError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn related(
    plane: &dyn PlaneApi,
    workspace: WorkspaceId,
    item: Target,
    kind: RelationKind,
    other: WorkItemId,
) -> Result<bool, PlaneError> {
    let relations = plane.relations(workspace, item.project, item.id).await?;
    Ok(relations.iter().any(|relation| relation.kind == kind.as_str() && relation.other == other))
}

/// What a deed is done to; for what makes a record that is not yet there, where it is to be.
fn subject(deed: &Deed) -> Uuid {
    match deed {
        Deed::EditComment { comment, .. } | Deed::DeleteComment { comment, .. } => comment.0,
        Deed::DeleteWorkItem { item }
        | Deed::ArchiveWorkItem { item }
        | Deed::UnarchiveWorkItem { item }
        | Deed::Relate { item, .. }
        | Deed::Unrelate { item, .. }
        | Deed::AddLink { item, .. }
        | Deed::PutInto { item, .. }
        | Deed::TakeOut { item, .. }
        | Deed::TriageIntake { item, .. } => item.id.0,
        Deed::DeleteLink { link, .. } => link.0,
        Deed::CreateLabel { project, .. } | Deed::CreatePage { project, .. } => project.0,
        Deed::DeleteLabel { label, .. } => label.0,
    }
}

/// What a deed changes, by name.
fn what(deed: &Deed) -> &'static str {
    match deed {
        Deed::EditComment { .. } | Deed::DeleteComment { .. } => "the comment",
        Deed::DeleteWorkItem { .. } | Deed::ArchiveWorkItem { .. } | Deed::UnarchiveWorkItem { .. } => "the work item",
        Deed::Relate { .. } | Deed::Unrelate { .. } => "the relation",
        Deed::AddLink { .. } | Deed::DeleteLink { .. } => "the link",
        Deed::CreateLabel { .. } | Deed::DeleteLabel { .. } => "the label",
        Deed::PutInto { grouping, .. } | Deed::TakeOut { grouping, .. } => match grouping {
            Grouping::Cycle(_) => "the cycle",
            Grouping::Module(_) => "the module",
        },
        Deed::TriageIntake { .. } => "the decision",
        Deed::CreatePage { .. } => "the page",
    }
}

/// Why Plane may have accepted a deed and not done it, where that is known.
fn why_not(deed: &Deed) -> &'static str {
    match deed {
        Deed::Relate { .. } => " (the two work items stand to one another in another way already)",
        Deed::TriageIntake { .. } => " (Plane lets only admins of the project decide on its intake)",
        Deed::EditComment { .. }
        | Deed::DeleteComment { .. }
        | Deed::DeleteWorkItem { .. }
        | Deed::ArchiveWorkItem { .. }
        | Deed::UnarchiveWorkItem { .. }
        | Deed::Unrelate { .. }
        | Deed::AddLink { .. }
        | Deed::DeleteLink { .. }
        | Deed::CreateLabel { .. }
        | Deed::DeleteLabel { .. }
        | Deed::PutInto { .. }
        | Deed::TakeOut { .. }
        | Deed::CreatePage { .. } => "",
    }
}
