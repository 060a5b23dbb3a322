//! One planned write: whether it is in Plane already, and making it.
//!
//! The first attempt goes straight ahead if it need not wait. Any later one looks first: a create is looked up
//! by its key, an update is compared with what the work item holds by now. Plane tells two creates of one key apart
//! only if they come one after the other, so nobody may look while an earlier attempt may still be
//! under way; whoever calls waits for that.

mod deeds;
pub mod undo;

use crate::{
    domain::{
        ids::{StepKey, WorkspaceId},
        work_item::WorkItem,
        write::{FieldChange, ItemFields, PlannedWrite, Write, Written},
    },
    plane::{PlaneApi, PlaneError, WritePass, html::same_text},
};

/// What became of earlier attempts. `None`: the write is not there.
///
/// # Errors
/// What Plane answers.
pub async fn look_up(
    plane: &dyn PlaneApi,
    workspace: WorkspaceId,
    key: StepKey,
    write: &Write,
) -> Result<Option<Written>, PlaneError> {
    Ok(match write {
        Write::AddComment { item, html } => {
            plane.comment_of_step(workspace, *item, html, key).await?.map(|comment| Written::done(comment.0))
        }
        Write::CreateWorkItem { project, identifier, fields } => {
            let found = plane.work_item_of_step(workspace, *project, fields, key).await?;
            found.map(|item| created(identifier.as_deref(), fields, &item))
        }
        Write::UpdateWorkItem { item, before, after } => {
            let now = plane.work_item(workspace, item.project, item.id).await?;
            compared(before, after, &now)
        }
        Write::Deed(deed) => deeds::look_up(plane, workspace, deed).await?,
    })
}

/// What else has happened to what a change is about since it was planned. Nothing has been sent of it, or
/// Plane has refused it, so even what is as was meant is somebody else's doing. `None`: it is still as it was.
///
/// # Errors
/// What Plane answers.
pub async fn overtaken(
    plane: &dyn PlaneApi,
    workspace: WorkspaceId,
    write: &Write,
) -> Result<Option<Written>, PlaneError> {
    let fields = match write {
        // What adds something takes nothing from anybody.
        Write::AddComment { .. } | Write::CreateWorkItem { .. } => Vec::new(),
        Write::UpdateWorkItem { item, before, .. } => {
            let now = plane.work_item(workspace, item.project, item.id).await?;
            before.differing_from(&before.as_held_by(&now), same_text)
        }
        Write::Deed(deed) => deeds::overtaken(plane, workspace, deed).await?.into_iter().collect(),
    };
    Ok((!fields.is_empty()).then(|| Written::Overtaken { fields: owned(fields) }))
}

/// Makes the change. The request goes out at once: `pass` is the right to it.
///
/// # Errors
/// What Plane answers; [`PlaneError::outcome_unknown`] tells whether it may have been made all the same.
pub async fn perform(
    plane: &dyn PlaneApi,
    workspace: WorkspaceId,
    key: StepKey,
    write: &Write,
    pass: WritePass,
) -> Result<Written, PlaneError> {
    Ok(match write {
        Write::AddComment { item, html } => {
            Written::done(plane.add_comment(workspace, *item, html, key, pass).await?.0)
        }
        Write::CreateWorkItem { project, identifier, fields } => {
            let item = plane.create_work_item(workspace, *project, fields, key, pass).await?;
            created(identifier.as_deref(), fields, &item)
        }
        Write::UpdateWorkItem { item, after, .. } => {
            let now = plane.update_work_item(workspace, *item, after, pass).await?;
            let ignored = owned(after.differing_from(&after.as_held_by(&now), same_text));
            Written::Done { id: item.id.0, key: None, ignored, overtaken: Vec::new() }
        }
        Write::Deed(deed) => {
            let carried = plane.carry_out(workspace, deed, key, pass).await?;
            deeds::written(deed, carried)
        }
    })
}

fn created(identifier: Option<&str>, fields: &ItemFields, item: &WorkItem) -> Written {
    let key = identifier.map(|identifier| format!("{identifier}-{}", item.sequence));
    let ignored = owned(fields.differing_from(&fields.as_held_by(item), same_text));
    Written::Done { id: item.id.0, key, ignored, overtaken: Vec::new() }
}

/// Whether an update of `before` to `after` has happened, judged by what the work item holds now. Plane
/// makes all changes of one request or none, so a single field that holds what was meant tells of all.
///
/// What somebody has changed back in the meantime looks as if it had never happened, and is done again.
fn compared(before: &ItemFields, after: &ItemFields, now: &WorkItem) -> Option<Written> {
    let held = after.as_held_by(now);
    let changed = after.differing_from(before, same_text);
    let missing = after.differing_from(&held, same_text);
    let moved = before.differing_from(&held, same_text);
    let happened = changed.iter().any(|field| !missing.contains(field));
    let (overtaken, ignored): (Vec<_>, Vec<_>) = missing.into_iter().partition(|field| moved.contains(field));
    if happened {
        let (ignored, overtaken) = (owned(ignored), owned(overtaken));
        return Some(Written::Done { id: now.id.0, key: None, ignored, overtaken });
    }
    (!overtaken.is_empty()).then(|| Written::Overtaken { fields: owned(overtaken) })
}

fn owned(fields: Vec<&'static str>) -> Vec<String> {
    fields.into_iter().map(str::to_owned).collect()
}

/// What became of a write, for the model.
pub(super) fn told_to_model(planned: &PlannedWrite, written: &Written) -> String {
    let changes = planned.changes.iter().map(FieldChange::to_string).map(|line| format!("\n- {line}"));
    match written {
        Written::Done { key, ignored, overtaken, .. } => {
            let called = key.as_ref().map(|key| format!(" as {key}")).unwrap_or_default();
            let mut text = format!("Done{called}: {}.{}", planned.summary, changes.collect::<String>());
            if !ignored.is_empty() {
                let fields = ignored.join(", ");
                text.push_str(&format!("\nPlane accepted the request but did not take: {fields}. Tell the person."));
            }
            if !overtaken.is_empty() {
                let fields = overtaken.join(", ");
                text.push_str(&format!(
                    "\nBy now {fields} holds something else again, set by someone else or by Plane."
                ));
            }
            text
        }
        Written::Overtaken { fields } => format!(
            "Not done: someone else has changed {} in the meantime, and it was left as it is now. Read the work item \
             again before you go on; then you may call this again.",
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::{
        ids::{ProjectId, UserId, WorkItemId},
        work_item::{Person, Priority, ProjectRef},
    };

    fn item(priority: &str, assignees: &[u128]) -> WorkItem {
        let person = |id: &u128| Person::unnamed(UserId(Uuid::from_u128(*id)));
        WorkItem {
            id: WorkItemId(Uuid::nil()),
            project: ProjectRef { id: ProjectId(Uuid::nil()), identifier: None, name: None },
            sequence: 1,
            name: "n".to_owned(),
            description_html: String::new(),
            priority: Priority::from(priority),
            state: None,
            labels: Vec::new(),
            assignees: assignees.iter().map(person).collect(),
            created_by: None,
            parent: None,
            estimate: None,
            start_date: None,
            target_date: None,
            created_at: None,
            updated_at: None,
            completed_at: None,
        }
    }

    fn fields(priority: &str, assignees: &[u128]) -> ItemFields {
        ItemFields {
            priority: Some(priority.to_owned()),
            assignees: Some(assignees.iter().map(|id| UserId(Uuid::from_u128(*id))).collect()),
            ..ItemFields::default()
        }
    }

    #[test]
    fn what_an_update_left_behind_tells_whether_it_happened() {
        let (before, after) = (fields("none", &[1]), fields("high", &[2]));
        let done = |ignored: &[&str], overtaken: &[&str]| {
            let list = |fields: &[&str]| fields.iter().map(|field| (*field).to_owned()).collect();
            Some(Written::Done { id: Uuid::nil(), key: None, ignored: list(ignored), overtaken: list(overtaken) })
        };
        let overtaken = |fields: &[&str]| {
            Some(Written::Overtaken { fields: fields.iter().map(|field| (*field).to_owned()).collect() })
        };
        let cases: [(&str, WorkItem, Option<Written>); 7] = [
            ("nothing happened", item("none", &[1]), None),
            ("all of it happened", item("high", &[2]), done(&[], &[])),
            ("the assignee was dropped in favour of the old one", item("high", &[1]), done(&["assignees"], &[])),
            ("the assignee was dropped, which left nobody", item("high", &[]), done(&[], &["assignees"])),
            ("it happened and a person changed the priority after", item("low", &[2]), done(&[], &["priority"])),
            ("a person changed one field instead", item("low", &[1]), overtaken(&["priority"])),
            ("a person changed both", item("urgent", &[3]), overtaken(&["priority", "assignees"])),
        ];
        for (name, now, expected) in cases {
            assert_eq!(compared(&before, &after, &now), expected, "{name}");
        }
    }
}
