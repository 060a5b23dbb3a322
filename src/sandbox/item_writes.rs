//! Creating and changing work items, with what a real server does to what it is sent: it checks some
//! values, drops others without a word, and ignores every key it does not know.

use std::{collections::BTreeMap, str::FromStr};

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    api::{Answer, missing, stray},
    json,
    serve::Call,
    world::{Change, Item, Project, Workspace, World},
    writes::{external, taken},
};
use crate::domain::ids::{EstimateId, LabelId, ProjectId, StateId, UserId, WorkItemId, WorkspaceId};

const WRITABLE: [&str; 12] = [
    "name",
    "description_html",
    "priority",
    "state",
    "labels",
    "assignees",
    "parent",
    "start_date",
    "target_date",
    "estimate_point",
    "external_source",
    "external_id",
];
const PRIORITIES: [&str; 5] = ["urgent", "high", "medium", "low", "none"];
/// Who has less cannot be assigned.
const MEMBER: u8 = 15;

type Errors = BTreeMap<&'static str, Value>;

pub(super) fn create(world: &mut World, call: &Call, home: WorkspaceId, project: ProjectId, body: &Value) -> Answer {
    note_foreign_keys(world, call, body);
    let external = external(body);
    let workspace = world.workspaces.iter_mut().find(|workspace| workspace.id == home).ok_or_else(missing)?;
    let bot = workspace.bot;
    let record = workspace.project(project).ok_or_else(missing)?;
    if !call.checked
        && let Some(existing) = record.items.iter().find(|item| item.external.same_as(&external))
    {
        return Err(taken("Issue", existing.id));
    }
    let now = Timestamp::now();
    let mut item = Item {
        external,
        history: vec![change(bot, now, "created", None, (None, None))],
        ..Item::blank(record, bot, now).ok_or_else(missing)?
    };
    let mut body = body.clone();
    if body.get("name").is_none() {
        return Err((400, json!({"name": ["This field is required."]})));
    }
    strip_external(&mut body);
    set_fields(&mut item, record, workspace, &body)?;
    let id = item.id;
    workspace.project_mut(project).ok_or_else(missing)?.items.push(item);
    shown(workspace, project, id, 201)
}

pub(super) fn update(
    world: &mut World,
    call: &Call,
    home: WorkspaceId,
    (project, id): (ProjectId, WorkItemId),
    body: &Value,
) -> Answer {
    note_foreign_keys(world, call, body);
    if body.get("external_id").is_some() {
        stray(world, call, "moves a work item's external id");
    }
    let workspace = world.workspaces.iter_mut().find(|workspace| workspace.id == home).ok_or_else(missing)?;
    let (bot, now) = (workspace.bot, Timestamp::now());
    let record = workspace.project(project).ok_or_else(missing)?;
    let before = record.item(id).ok_or_else(missing)?;
    let mut draft = before.clone();
    set_fields(&mut draft, record, workspace, body)?;
    // The log tells what was asked for, also where nothing came of it.
    let asked = body.as_object().into_iter().flatten().map(|(field, value)| {
        let old = json::item(workspace, record, before).get(field).map(ToString::to_string);
        change(bot, now, "updated", Some(field), (old, Some(value.to_string())))
    });
    draft.history.extend(asked);
    let item = workspace.project_mut(project).and_then(|project| project.item_mut(id)).ok_or_else(missing)?;
    *item = Item { updated_at: now, updated_by: Some(bot), ..draft };
    shown(workspace, project, id, 200)
}

fn shown(workspace: &Workspace, project: ProjectId, id: WorkItemId, status: u16) -> Answer {
    let project = workspace.project(project).ok_or_else(missing)?;
    let item = project.item(id).ok_or_else(missing)?;
    Ok((status, json::item(workspace, project, item)))
}

/// Keys that a real server would ignore or, worse, take.
fn note_foreign_keys(world: &mut World, call: &Call, body: &Value) {
    let foreign: Vec<String> = body.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect();
    for key in foreign.iter().filter(|key| !WRITABLE.contains(&key.as_str())) {
        stray(world, call, &format!("sets {key}, which no client should"));
    }
}

fn strip_external(body: &mut Value) {
    if let Value::Object(body) = body {
        body.remove("external_id");
        body.remove("external_source");
    }
}

fn set_fields(item: &mut Item, project: &Project, workspace: &Workspace, body: &Value) -> Result<(), (u16, Value)> {
    let mut errors = Errors::new();
    let mut cross = None;
    for (field, value) in body.as_object().into_iter().flatten() {
        let outcome = match field.as_str() {
            "name" => text(value, true).map(|name| item.name = name),
            "description_html" => match value.as_str() {
                Some("") => {
                    cross.get_or_insert("Invalid HTML passed");
                    Ok(())
                }
                _ => text(value, false).map(|html| item.description_html = format!("<div>{html}</div>")),
            },
            "priority" => priority(value).map(|priority| item.priority = priority),
            "state" => state(value, project, workspace).map(|state| match state {
                Some(state) => item.state = state,
                None => {
                    cross.get_or_insert("State is not valid please pass a valid state_id");
                }
            }),
            "labels" => ids(value, |id| all_labels(workspace).any(|label| label.0 == id)).map(|ids| {
                item.labels = ids.into_iter().map(LabelId).filter(|id| project.label(*id).is_some()).collect();
            }),
            "assignees" => ids(value, |id| workspace.people.iter().any(|person| person.id.0 == id)).map(|ids| {
                let may = |id: &UserId| workspace.people.iter().any(|person| person.id == *id && person.role >= MEMBER);
                item.assignees = ids.into_iter().map(UserId).filter(may).collect();
            }),
            "parent" => reference(value, |id| project.item(WorkItemId(id)).is_some())
                .map(|parent| item.parent = parent.map(WorkItemId)),
            "start_date" => date(value).map(|date| item.start_date = date),
            "target_date" => date(value).map(|date| item.target_date = date),
            "estimate_point" => reference(value, |id| project.estimates.iter().any(|(known, _)| known.0 == id))
                .map(|estimate| item.estimate = estimate.map(EstimateId)),
            _ => Ok(()),
        };
        if let (Err(error), Some(known)) = (outcome, WRITABLE.into_iter().find(|known| known == field)) {
            errors.insert(known, error);
        }
    }
    let both = body.get("start_date").is_some() && body.get("target_date").is_some();
    if both && item.start_date > item.target_date && item.target_date.is_some() {
        cross.get_or_insert("Start date cannot exceed target date");
    }
    if !errors.is_empty() {
        return Err((400, json!(errors)));
    }
    if let Some(message) = cross {
        return Err((400, json!({"non_field_errors": [message]})));
    }
    let is_done = project.state(item.state).is_some_and(|state| state.group == "completed");
    item.completed_at = if is_done { item.completed_at.or(Some(Timestamp::now())) } else { None };
    Ok(())
}

fn all_labels(workspace: &Workspace) -> impl Iterator<Item = LabelId> {
    workspace.projects.iter().flat_map(|project| &project.labels).map(|label| label.id)
}

fn text(value: &Value, is_name: bool) -> Result<String, Value> {
    let Some(text) = value.as_str() else { return Err(null_or(value, "Not a valid string.")) };
    if !is_name {
        return Ok(text.to_owned());
    }
    match text.trim() {
        "" => Err(json!(["This field may not be blank."])),
        name if name.chars().count() > 255 => Err(json!(["Ensure this field has no more than 255 characters."])),
        name => Ok(name.to_owned()),
    }
}

fn priority(value: &Value) -> Result<String, Value> {
    match value.as_str() {
        Some(priority) if PRIORITIES.contains(&priority) => Ok(priority.to_owned()),
        Some(priority) => Err(json!([format!("\"{priority}\" is not a valid choice.")])),
        None => Err(null_or(value, "Not a valid string.")),
    }
}

/// `None` for a state of another project.
fn state(value: &Value, project: &Project, workspace: &Workspace) -> Result<Option<StateId>, Value> {
    if value.is_null() {
        return Ok(project.states.iter().find(|state| state.group == "backlog").map(|state| state.id));
    }
    let id = uuid(value)?;
    let mut all = workspace.projects.iter().flat_map(|project| &project.states);
    if !all.any(|state| state.id.0 == id) {
        return Err(json!([unknown(id)]));
    }
    Ok(project.state(StateId(id)).map(|state| state.id))
}

fn ids(value: &Value, exists: impl Fn(Uuid) -> bool) -> Result<Vec<Uuid>, Value> {
    let Some(list) = value.as_array() else {
        return Err(null_or(value, "Expected a list of items but got type \"str\"."));
    };
    let mut found = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let at = |error: Value| json!({ index.to_string(): error });
        let id = uuid(value).map_err(at)?;
        if !exists(id) {
            return Err(at(json!([unknown(id)])));
        }
        found.push(id);
    }
    Ok(found)
}

fn reference(value: &Value, exists: impl Fn(Uuid) -> bool) -> Result<Option<Uuid>, Value> {
    if value.is_null() {
        return Ok(None);
    }
    let id = uuid(value)?;
    if exists(id) { Ok(Some(id)) } else { Err(json!([unknown(id)])) }
}

fn date(value: &Value) -> Result<Option<String>, Value> {
    if value.is_null() {
        return Ok(None);
    }
    let parsed = value.as_str().and_then(|text| jiff::civil::Date::from_str(text).ok());
    let wrong = || json!(["Date has wrong format. Use one of these formats instead: YYYY-MM-DD."]);
    parsed.map(|date| Some(date.to_string())).ok_or_else(wrong)
}

fn uuid(value: &Value) -> Result<Uuid, Value> {
    let text = value.as_str().unwrap_or_default();
    Uuid::parse_str(text).map_err(|_| json!([format!("“{text}” is not a valid UUID.")]))
}

fn unknown(id: Uuid) -> String {
    format!("Invalid pk \"{id}\" - object does not exist.")
}

fn null_or(value: &Value, otherwise: &str) -> Value {
    if value.is_null() { json!(["This field may not be null."]) } else { json!([otherwise]) }
}

fn change(
    actor: UserId,
    at: Timestamp,
    verb: &str,
    field: Option<&str>,
    (old, new): (Option<String>, Option<String>),
) -> Change {
    let sentence = field.map_or_else(|| "created the work item".to_owned(), |field| format!("updated the {field}"));
    let (verb, field) = (verb.to_owned(), field.map(str::to_owned));
    Change { id: Uuid::new_v4(), verb, field, old, new, sentence, actor, at }
}
