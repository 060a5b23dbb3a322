//! Taking a change back: what does that, and whether it is still ours to take back.
//!
//! What somebody has changed since is left alone. A work item that was made is taken back only if nobody
//! but its maker has touched it; of fields that were set, those that still hold what was set.

use uuid::Uuid;

use super::deeds::{self, found};
use crate::{
    domain::{
        deed::{Deed, Grouping},
        ids::{CommentId, LabelId, LinkId, UserId, WorkItemId, WorkspaceId},
        intake::Verdict,
        work_item::{Person, Words, WorkItem},
        write::{ItemFields, Receipt, Target, Write, Written},
    },
    plane::{ItemOrder, PlaneApi, PlaneError, html::same_text},
};

/// Entries of a change log and comments that are looked through for what others did.
const LOOKED_THROUGH: u32 = 100;

/// What takes a change back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inverse {
    /// This puts it back.
    Write(Box<Write>),
    /// Nothing does, for this reason.
    Impossible(&'static str),
}

/// What of a change is still as it was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ours {
    /// What takes that back and touches nothing else.
    pub write: Write,
    /// Fields that somebody has changed since, by name; they stay as they are.
    pub left_alone: Vec<&'static str>,
}

/// What puts back what a receipt tells of, if nothing of it has changed since.
#[must_use]
pub fn inverse(receipt: &Receipt) -> Inverse {
    let Written::Done { id, ignored, overtaken, .. } = &receipt.written else {
        return Inverse::Impossible("it was not done, because someone else had changed it");
    };
    Inverse::Write(Box::new(match &receipt.write {
        Write::AddComment { item, html } => {
            Write::Deed(Deed::DeleteComment { item: *item, comment: CommentId(*id), html: html.clone(), own: true })
        }
        Write::CreateWorkItem { project, .. } => {
            Write::Deed(Deed::DeleteWorkItem { item: Target { project: *project, id: WorkItemId(*id) } })
        }
        Write::UpdateWorkItem { item, before, after } => {
            let done: Vec<_> = after
                .differing_from(before, same_text)
                .into_iter()
                .filter(|field| !ignored.iter().chain(overtaken).any(|other| other == field))
                .collect();
            if done.is_empty() {
                return Inverse::Impossible("Plane had taken none of it");
            }
            back(*item, before, after, &done)
        }
        Write::Deed(_) if !ignored.is_empty() => return Inverse::Impossible("Plane had not taken it"),
        Write::Deed(deed) => return inverse_of(deed, *id),
    }))
}

/// Sets these fields to what they held before.
fn back(item: Target, before: &ItemFields, after: &ItemFields, fields: &[&str]) -> Write {
    let mut before = before.only(fields);
    // Plane refuses an empty description, but not one without words.
    if let Some(html) = before.description_html.as_mut().filter(|html| html.is_empty()) {
        "<p></p>".clone_into(html);
    }
    Write::UpdateWorkItem { item, before: after.only(fields), after: before }
}

fn inverse_of(deed: &Deed, id: Uuid) -> Inverse {
    let back = match deed.clone() {
        Deed::EditComment { item, comment, before, after, own } => {
            Deed::EditComment { item, comment, before: after, after: before, own }
        }
        Deed::DeleteComment { item, html, .. } => return Inverse::Write(Box::new(Write::AddComment { item, html })),
        Deed::DeleteWorkItem { .. } => return Inverse::Impossible("a deleted work item does not come back"),
        Deed::DeleteLabel { .. } => return Inverse::Impossible("a deleted label does not come back to its work items"),
        Deed::ArchiveWorkItem { item } => Deed::UnarchiveWorkItem { item },
        Deed::UnarchiveWorkItem { item } => Deed::ArchiveWorkItem { item },
        Deed::Relate { item, relation, other } => Deed::Unrelate { item, relation, other },
        Deed::Unrelate { item, relation, other } => Deed::Relate { item, relation, other },
        Deed::AddLink { item, url, title } => Deed::DeleteLink { item, link: LinkId(id), url, title },
        Deed::DeleteLink { item, url, title, .. } => Deed::AddLink { item, url, title },
        Deed::CreateLabel { project, .. } => Deed::DeleteLabel { project, label: LabelId(id) },
        Deed::PutInto { item, grouping: Grouping::Cycle(cycle), from: Some(earlier) } => {
            Deed::PutInto { item, grouping: Grouping::Cycle(earlier), from: Some(cycle) }
        }
        Deed::PutInto { item, grouping, .. } => Deed::TakeOut { item, grouping },
        Deed::TakeOut { item, grouping } => Deed::PutInto { item, grouping, from: None },
        Deed::TriageIntake { after: Verdict::Accepted, .. } => {
            return Inverse::Impossible("an accepted work item does not go back into the intake");
        }
        Deed::TriageIntake { item, before, after } => Deed::TriageIntake { item, before: after, after: before },
        Deed::CreatePage { .. } => return Inverse::Impossible("Plane's API takes no page away"),
    };
    Inverse::Write(Box::new(Write::Deed(back)))
}

/// What of a receipt is still as it was left and can be taken back; `None` if nothing is.
///
/// # Errors
/// What Plane answers where it cannot be told.
pub async fn still_ours(
    plane: &dyn PlaneApi,
    workspace: WorkspaceId,
    receipt: &Receipt,
) -> Result<Option<Ours>, PlaneError> {
    let (Inverse::Write(write), Written::Done { id, ignored, .. }) = (inverse(receipt), &receipt.written) else {
        return Ok(None);
    };
    let untouched = match &receipt.write {
        Write::AddComment { item, html } => {
            let comment = found(plane.comment(workspace, item.project, item.id, CommentId(*id)).await)?;
            comment.is_some_and(|comment| same_text(html, &comment.html))
        }
        Write::CreateWorkItem { project, fields, .. } => {
            let item = Target { project: *project, id: WorkItemId(*id) };
            match found(plane.work_item(workspace, item.project, item.id).await)? {
                Some(now) => {
                    is_as_made(fields, ignored, &now) && nobody_else_touched(plane, workspace, item, &now).await?
                }
                None => false,
            }
        }
        Write::UpdateWorkItem { item, .. } => {
            let now = found(plane.work_item(workspace, item.project, item.id).await)?;
            return Ok(now.and_then(|now| unchanged(&write, &now)));
        }
        Write::Deed(deed) => is_as_left(plane, workspace, deed, *id).await?,
    };
    Ok(untouched.then(|| Ours { write: *write, left_alone: Vec::new() }))
}

/// The part of an update back whose fields still hold what was set.
fn unchanged(write: &Write, now: &WorkItem) -> Option<Ours> {
    let Write::UpdateWorkItem { item, before: set, after: earlier } = write else { return None };
    let changed_since = set.differing_from(&set.as_held_by(now), same_text);
    let ours: Vec<_> = set.names().into_iter().filter(|field| !changed_since.contains(field)).collect();
    let write = back(*item, earlier, set, &ours);
    (!ours.is_empty()).then_some(Ours { write, left_alone: changed_since })
}

/// One that does not even have the name that was meant is not the one that was to be made.
fn is_as_made(fields: &ItemFields, ignored: &[String], now: &WorkItem) -> bool {
    let differing = fields.differing_from(&fields.as_held_by(now), same_text);
    !ignored.iter().any(|field| field == "name")
        && differing.iter().all(|field| ignored.iter().any(|known| known == field))
}

/// Whether all that was said and done at a work item since it was made is its maker's, and nothing hangs
/// below it.
async fn nobody_else_touched(
    plane: &dyn PlaneApi,
    workspace: WorkspaceId,
    item: Target,
    now: &WorkItem,
) -> Result<bool, PlaneError> {
    let Some(maker) = now.created_by.as_ref().map(|person| person.id) else { return Ok(false) };
    let by_maker = |person: &Option<Person>| who(person) == Some(maker);
    let (comments, changes, titles) = tokio::try_join!(
        plane.comments(workspace, item.project, item.id, 0, LOOKED_THROUGH),
        plane.history(workspace, item.project, item.id, LOOKED_THROUGH),
        plane.titles(workspace, item.project),
    )?;
    let said = comments.items.iter().all(|comment| by_maker(&comment.author) && comment.words == Words::Authors);
    let done = changes.items.iter().all(|change| by_maker(&change.actor));
    let is_parent = titles.items.iter().any(|other| other.parent == Some(item.id));
    Ok(said && done && !comments.more && !changes.more && !is_parent)
}

fn who(person: &Option<Person>) -> Option<UserId> {
    person.as_ref().map(|person| person.id)
}

async fn is_as_left(plane: &dyn PlaneApi, workspace: WorkspaceId, deed: &Deed, id: Uuid) -> Result<bool, PlaneError> {
    match deed {
        Deed::AddLink { item, .. } => {
            let links = plane.known_links(workspace, *item).await?;
            Ok(links.iter().any(|(known, _)| known.0 == id))
        }
        Deed::CreateLabel { project, name, .. } => {
            let labels = plane.labels(workspace, *project).await?;
            if !labels.iter().any(|label| label.id.0 == id && label.name == *name) {
                return Ok(false);
            }
            // With the label its use would go, too.
            let order = ItemOrder::RecentlyUpdatedFirst;
            let items = plane.work_items(workspace, *project, order, 0, LOOKED_THROUGH).await?;
            let used = items.items.iter().flat_map(|item| &item.labels).any(|label| label.id.0 == id);
            Ok(!used && !items.more)
        }
        Deed::EditComment { .. }
        | Deed::DeleteComment { .. }
        | Deed::DeleteWorkItem { .. }
        | Deed::ArchiveWorkItem { .. }
        | Deed::UnarchiveWorkItem { .. }
        | Deed::Relate { .. }
        | Deed::Unrelate { .. }
        | Deed::DeleteLink { .. }
        | Deed::DeleteLabel { .. }
        | Deed::PutInto { .. }
        | Deed::TakeOut { .. }
        | Deed::TriageIntake { .. }
        | Deed::CreatePage { .. } => match deeds::look_up(plane, workspace, deed).await {
            Ok(Some(Written::Done { .. })) => Ok(true),
            Ok(Some(Written::Overtaken { .. }) | None) | Err(PlaneError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        },
    }
}

#[cfg(test)]
mod tests;
