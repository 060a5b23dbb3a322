//! Changes around a work item: its comments, links, relations, its archiving and its end. With what a real
//! server lets pass, and a complaint where a client should not have tried.

use jiff::Timestamp;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::{
    api::{Answer, missing, stray},
    json,
    route::OfItem,
    serve::Call,
    world::{Link, Project, Workspace, World},
};
use crate::domain::ids::{LabelId, ProjectId, UserId, WorkItemId, WorkspaceId};

/// Who has this role may do anything in a project.
const ADMIN: u8 = 20;
const RELATIONS: [(&str, &str); 8] = [
    ("blocking", "blocked_by"),
    ("blocked_by", "blocking"),
    ("duplicate", "duplicate"),
    ("relates_to", "relates_to"),
    ("start_before", "start_after"),
    ("start_after", "start_before"),
    ("finish_before", "finish_after"),
    ("finish_after", "finish_before"),
];

/// An answer without a body.
const NOTHING: Answer = Ok((204, Value::Null));

/// Where a change is made.
type Place = (WorkspaceId, ProjectId, WorkItemId);

/// Carries out a write inside a work item, other than to its fields.
pub(super) fn handle(world: &mut World, call: &Call, at: Place, place: &OfItem, body: &Value) -> Answer {
    match place {
        OfItem::Itself => delete_item(world, at),
        OfItem::Links => add_link(world, call, at, body),
        OfItem::Link(link) => {
            let (_, project) = project(world, at)?;
            let links = &mut project.item_mut(at.2).ok_or_else(missing)?.links;
            let place = links.iter().position(|known| known.id == *link).ok_or_else(missing)?;
            links.remove(place);
            NOTHING
        }
        OfItem::Relations => relate(world, at, body),
        OfItem::RemoveRelation => {
            let other = item_id(body.get("related_issue")).ok_or_else(missing)?;
            let (_, project) = project(world, at)?;
            for (one, other) in [(at.2, other), (other, at.2)] {
                project.item_mut(one).ok_or_else(missing)?.relations.retain(|(_, related)| *related != other);
            }
            NOTHING
        }
        OfItem::Archive => archive(world, at),
        OfItem::Unarchive => {
            let (_, project) = project(world, at)?;
            let place = project.archived.iter().position(|item| item.id == at.2).ok_or_else(missing)?;
            let item = project.archived.remove(place);
            project.items.push(item);
            NOTHING
        }
        OfItem::Comments | OfItem::Comment(_) | OfItem::Changes | OfItem::Attachments | OfItem::Attachment(_) => {
            Err(missing())
        }
    }
}

pub(super) fn delete_label(world: &mut World, home: WorkspaceId, project: ProjectId, label: LabelId) -> Answer {
    let workspace = world.workspaces.iter_mut().find(|workspace| workspace.id == home).ok_or_else(missing)?;
    let project = workspace.project_mut(project).ok_or_else(missing)?;
    let place = project.labels.iter().position(|known| known.id == label).ok_or_else(missing)?;
    project.labels.remove(place);
    for item in &mut project.items {
        item.labels.retain(|known| *known != label);
    }
    NOTHING
}

/// The bot and the project.
fn project(world: &mut World, (home, project, _): Place) -> Result<(UserId, &mut Project), (u16, Value)> {
    let workspace = world.workspaces.iter_mut().find(|workspace| workspace.id == home).ok_or_else(missing)?;
    let bot = workspace.bot;
    Ok((bot, workspace.project_mut(project).ok_or_else(missing)?))
}

fn workspace(world: &World, home: WorkspaceId) -> Result<&Workspace, (u16, Value)> {
    world.workspace(home).ok_or_else(missing)
}

fn item_id(value: Option<&Value>) -> Option<WorkItemId> {
    value?.as_str()?.parse().ok()
}

fn delete_item(world: &mut World, at: Place) -> Answer {
    let home = workspace(world, at.0)?;
    let is_admin = home.people.iter().any(|person| person.id == home.bot && person.role >= ADMIN);
    let (bot, project) = project(world, at)?;
    let place = project.items.iter().position(|item| item.id == at.2).ok_or_else(missing)?;
    if !is_admin && project.items[place].created_by != bot {
        return Err((403, json!({"error": "Only admin or creator can delete the work item"})));
    }
    let gone = project.items.remove(place);
    project.highest = project.highest.max(gone.sequence);
    for item in &mut project.items {
        item.relations.retain(|(_, other)| *other != gone.id);
        item.parent = item.parent.filter(|parent| *parent != gone.id);
    }
    NOTHING
}

fn archive(world: &mut World, at: Place) -> Answer {
    let (_, project) = project(world, at)?;
    let place = project.items.iter().position(|item| item.id == at.2).ok_or_else(missing)?;
    let state = project.state(project.items[place].state).map(|state| state.group.as_str());
    if !matches!(state, Some("completed" | "cancelled")) {
        let message = "Can only archive completed or cancelled state group work items";
        return Err((400, json!({ "error": message })));
    }
    let item = project.items.remove(place);
    project.highest = project.highest.max(item.sequence);
    project.archived.push(item);
    NOTHING
}

/// A work item has an address once only, and its title may be left out.
fn add_link(world: &mut World, call: &Call, at: Place, body: &Value) -> Answer {
    let foreign = body.as_object().into_iter().flatten().find(|(key, _)| !["url", "title"].contains(&key.as_str()));
    if let Some((key, _)) = foreign {
        stray(world, call, &format!("sets {key}, which no link has"));
    }
    let Some(url) = body.get("url").and_then(Value::as_str) else {
        return Err((400, json!({"url": ["This field is required."]})));
    };
    let parsed = Url::parse(url).ok().filter(Url::has_host);
    match parsed.as_ref().map(Url::scheme) {
        Some("http" | "https") => {}
        Some(_) => return Err((400, json!({"url": ["Invalid URL scheme."]}))),
        None => return Err((400, json!({"url": ["Invalid URL format."]}))),
    }
    let title = body.get("title").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (bot, project) = project(world, at)?;
    let links = &mut project.item_mut(at.2).ok_or_else(missing)?.links;
    if links.iter().any(|link| link.url == url) {
        return Err((400, json!({"error": "URL already exists for this Issue"})));
    }
    let id = Uuid::new_v4();
    links.push(Link { id, title, url: url.to_owned(), created_by: bot, created_at: Timestamp::now() });
    let home = workspace(world, at.0)?;
    let project = home.project(at.1).ok_or_else(missing)?;
    let item = project.item(at.2).ok_or_else(missing)?;
    let link = item.links.iter().find(|link| link.id == id).ok_or_else(missing)?;
    Ok((201, json::link(home, project, item, link)))
}

/// Two work items stand to one another in one way; what comes later is accepted and dropped.
fn relate(world: &mut World, at: Place, body: &Value) -> Answer {
    let kind = body.get("relation_type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let Some((_, inverse)) = RELATIONS.into_iter().find(|(name, _)| *name == kind) else {
        return Err((400, json!({"relation_type": [format!("\"{kind}\" is not a valid choice.")]})));
    };
    let others = body.get("issues").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if others.is_empty() {
        return Err((400, json!({"issues": ["Ensure this field has at least 1 elements."]})));
    }
    let (bot, project) = project(world, at)?;
    let mut shown = Vec::new();
    for other in others {
        let known = item_id(Some(other)).filter(|other| project.item(*other).is_some());
        let other = known.ok_or_else(|| (400, json!({"error": "The payload is not valid"})))?;
        let item = project.item_mut(at.2).ok_or_else(missing)?;
        let before = item.relations.iter().find(|(_, related)| *related == other).map(|(kind, _)| kind.clone());
        if before.as_ref().is_some_and(|before| *before != kind) {
            continue;
        }
        if before.is_none() {
            item.relations.push((kind.clone(), other));
            project.item_mut(other).ok_or_else(missing)?.relations.push((inverse.to_owned(), at.2));
        }
        let item = project.item(other).ok_or_else(missing)?;
        // The stored form, which knows one direction only.
        let stored =
            if matches!(kind.as_str(), "blocking" | "start_before" | "finish_before") { inverse } else { &kind };
        shown.push(json!({
            "id": item.id, "project_id": at.1, "sequence_id": item.sequence, "relation_type": stored,
            "name": item.name, "state_id": item.state, "priority": item.priority, "created_by": bot,
            "updated_by": bot,
        }));
    }
    Ok((201, shown.into()))
}
