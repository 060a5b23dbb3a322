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
    let ignored = if carried.took { Vec::new() } else { vec![what(deed).to_owned()] };
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

/// What a deed changes, as it is named where Plane did not take it.
fn what(deed: &Deed) -> &'static str {
    match deed {
        Deed::EditComment { .. } | Deed::DeleteComment { .. } => "the comment",
        Deed::DeleteWorkItem { .. } | Deed::ArchiveWorkItem { .. } | Deed::UnarchiveWorkItem { .. } => "the work item",
        Deed::Relate { .. } => "the relation (the two work items stand to one another in another way already)",
        Deed::Unrelate { .. } => "the relation",
        Deed::AddLink { .. } | Deed::DeleteLink { .. } => "the link",
        Deed::CreateLabel { .. } | Deed::DeleteLabel { .. } => "the label",
        Deed::PutInto { grouping, .. } | Deed::TakeOut { grouping, .. } => match grouping {
            Grouping::Cycle(_) => "the cycle",
            Grouping::Module(_) => "the module",
        },
        Deed::TriageIntake { .. } => "the decision (Plane lets only admins of the project decide on its intake)",
        Deed::CreatePage { .. } => "the page",
    }
}
