//! Carries out a planned write once, however often it is tried.
//!
//! The first attempt goes straight ahead. Any later one looks first: a create is looked up by its key,
//! an update is compared with what the work item holds by now. Plane tells two creates of one key apart
//! only if they come one after the other, so a later attempt must not begin while an earlier one may
//! still be under way; whoever calls waits for that.

use crate::{
    domain::{
        ids::{StepKey, WorkspaceId},
        work_item::WorkItem,
        write::{FieldChange, ItemFields, PlannedWrite, Target, Write, Written},
    },
    plane::{PlaneApi, PlaneError},
    tools::same_text,
};

/// Whether the write may have happened already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    First,
    Again,
}

/// Makes sure that the write is in Plane.
pub(super) async fn carry_out(
    plane: &dyn PlaneApi,
    workspace: WorkspaceId,
    key: StepKey,
    write: &Write,
    attempt: Attempt,
) -> Result<Written, PlaneError> {
    match write {
        Write::AddComment { item, html } => {
            let found = match attempt {
                Attempt::First => None,
                Attempt::Again => plane.comment_of_step(workspace, *item, key).await?,
            };
            let comment = match found {
                Some(comment) => comment,
                None => plane.add_comment(workspace, *item, html, key).await?,
            };
            Ok(Written::Done { id: comment.0, key: None, ignored: Vec::new() })
        }
        Write::CreateWorkItem { project, identifier, fields } => {
            let found = match attempt {
                Attempt::First => None,
                Attempt::Again => plane.work_item_of_step(workspace, *project, key).await?,
            };
            let item = match found {
                Some(item) => item,
                None => plane.create_work_item(workspace, *project, fields, key).await?,
            };
            let called = identifier.as_ref().map(|identifier| format!("{identifier}-{}", item.sequence));
            Ok(Written::Done { id: item.id.0, key: called, ignored: not_taken(fields, &item) })
        }
        Write::UpdateWorkItem { item, before, after } => {
            update(plane, workspace, *item, (before, after), attempt).await
        }
    }
}

async fn update(
    plane: &dyn PlaneApi,
    workspace: WorkspaceId,
    target: Target,
    (before, after): (&ItemFields, &ItemFields),
    attempt: Attempt,
) -> Result<Written, PlaneError> {
    let done = |ignored| Written::Done { id: target.id.0, key: None, ignored };
    if attempt == Attempt::Again {
        let item = plane.work_item(workspace, target.project, target.id).await?;
        let held = after.as_held_by(&item);
        let missing = after.differing_from(&held, same_text);
        if missing.is_empty() {
            return Ok(done(Vec::new()));
        }
        let moved = before.differing_from(&held, same_text);
        let foreign: Vec<_> =
            missing.iter().filter(|field| moved.contains(field)).map(|field| (*field).to_owned()).collect();
        if !foreign.is_empty() {
            return Ok(Written::Overtaken { fields: foreign });
        }
    }
    let item = plane.update_work_item(workspace, target, after).await?;
    Ok(done(not_taken(after, &item)))
}

/// The fields that Plane left as they were although it accepted the request, by its own answer.
fn not_taken(meant: &ItemFields, item: &WorkItem) -> Vec<String> {
    meant.differing_from(&meant.as_held_by(item), same_text).into_iter().map(str::to_owned).collect()
}

/// What became of a write, for the model.
pub(super) fn told_to_model(planned: &PlannedWrite, written: &Written) -> String {
    let changes = planned.changes.iter().map(FieldChange::to_string).map(|line| format!("\n- {line}"));
    match written {
        Written::Done { key, ignored, .. } => {
            let called = key.as_ref().map(|key| format!(" as {key}")).unwrap_or_default();
            let mut text = format!("Done{called}: {}.{}", planned.summary, changes.collect::<String>());
            if !ignored.is_empty() {
                text.push_str(&format!(
                    "\nPlane accepted the request but did not take: {}. Tell the person.",
                    ignored.join(", ")
                ));
            }
            text
        }
        Written::Overtaken { fields } => format!(
            "Not done: someone else changed {} in the meantime. Read the work item again before you go on.",
            fields.join(", ")
        ),
    }
}

/// The same in a few words for people.
pub(super) fn told_to_people(written: &Written) -> String {
    match written {
        Written::Done { key, ignored, .. } => {
            let called = key.as_ref().map(|key| format!(": {key}")).unwrap_or_default();
            let except = if ignored.is_empty() { String::new() } else { format!(", except {}", ignored.join(", ")) };
            format!("done{called}{except}")
        }
        Written::Overtaken { .. } => "not done: changed by someone else meanwhile".to_owned(),
    }
}
