//! Comments that clients create, edit and delete. Nothing about them is sanitised, as in the real server.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    api::{Answer, missing, stray},
    edition::Edition,
    json,
    listing::Refusal,
    serve::Call,
    thread, webhook,
    world::{Comment, World},
    writes::{external, taken},
};
use crate::domain::ids::{CommentId, ProjectId, UserId, WorkItemId, WorkspaceId};

/// Where a comment is: its workspace, project and work item.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) home: WorkspaceId,
    pub(super) project: ProjectId,
    pub(super) item: WorkItemId,
}

pub(super) fn create(world: &mut World, call: &Call, place: Place, body: &Value) -> Answer {
    if body.get("comment_html").is_none() {
        stray(world, call, "sent a comment without `comment_html`");
    }
    let html = comment_html(body)?.unwrap_or_else(|| "<p></p>".to_owned());
    let external = external(body);
    let bot = world.workspace(place.home).map(|workspace| workspace.bot).ok_or_else(missing)?;
    let workspace = world.workspaces.iter_mut().find(|workspace| workspace.id == place.home).ok_or_else(missing)?;
    let project = workspace.project(place.project);
    let all = project.into_iter().flat_map(|project| &project.items).flat_map(|item| &item.comments);
    if !call.checked
        && let Some(existing) = all.into_iter().find(|comment| comment.external.same_as(&external))
    {
        return Err(taken("Work item comment", existing.id));
    }
    let now = Timestamp::now();
    let comment = Comment {
        id: CommentId(Uuid::new_v4()),
        html,
        access: body.get("access").and_then(Value::as_str).unwrap_or("INTERNAL").to_owned(),
        actor: bot,
        updated_by: None,
        // The version of the API that has `parent` in its documentation does not take it either.
        parent: None,
        external,
        created_at: now,
        updated_at: now,
        run: None,
    };
    let id = comment.id;
    let found = workspace.project_mut(place.project).and_then(|project| project.item_mut(place.item));
    let Some(record) = found else {
        return Err((400, json!({"error": "The payload is not valid"})));
    };
    record.comments.push(comment);
    written(world, call, place, id, bot, &[("created", None)]);
    let mut answer = shown(world, place, id)?;
    json::merge(&mut answer, json!({"updated_by": bot}));
    if let Value::Object(answer) = &mut answer {
        answer.remove("is_member");
    }
    Ok((201, answer))
}

pub(super) fn update(world: &mut World, call: &Call, place: Place, id: CommentId, body: &Value) -> Answer {
    let html = comment_html(body)?;
    let external = external(body);
    let bot = world.workspace(place.home).map(|workspace| workspace.bot).ok_or_else(missing)?;
    let workspace = world.workspaces.iter_mut().find(|workspace| workspace.id == place.home).ok_or_else(missing)?;
    let project = workspace.project(place.project).ok_or_else(missing)?;
    let mut all = project.items.iter().flat_map(|item| &item.comments);
    if all.any(|comment| comment.id != id && comment.external.same_as(&external)) {
        // The server names the comment that is being changed, not the one that has the pair.
        return Err(taken("Work item comment", id));
    }
    let record = workspace.project_mut(place.project).and_then(|project| project.item_mut(place.item));
    let comments = record.map(|item| &mut item.comments).ok_or_else(missing)?;
    let comment = comments.iter_mut().find(|comment| comment.id == id).ok_or_else(missing)?;
    let (own, was_last_word) = (comment.actor == bot, thread::is_last_word(comment));
    let before = comment.clone();
    if let Some(html) = html {
        comment.html = html;
    }
    if body.get("external_id").is_some() || body.get("external_source").is_some() {
        comment.external = external;
    }
    (comment.updated_at, comment.updated_by) = (Timestamp::now(), Some(bot));
    let unchanged = comment.html == before.html && comment.external.same_as(&before.external);
    if !own {
        stray(world, call, "touches a comment of somebody else");
    }
    if was_last_word && !unchanged {
        stray(world, call, "edits its last word");
    }
    // One delivery for each key of the request, whether its value is new or not.
    let keys: Vec<_> = body.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect();
    let changes: Vec<_> = keys.iter().map(|key| ("updated", Some((key.as_str(), before.html.as_str())))).collect();
    if unchanged {
        webhook::tell_of_comment(world, place, id, bot, &changes);
    } else {
        written(world, call, place, id, bot, &changes);
    }
    Ok((200, shown(world, place, id)?))
}

pub(super) fn delete(world: &mut World, call: &Call, place: Place, id: CommentId) -> Answer {
    let bot = world.workspace(place.home).map(|workspace| workspace.bot).ok_or_else(missing)?;
    let item = world.item_mut(place.item).ok_or_else(missing)?;
    let at = item.comments.iter().position(|comment| comment.id == id).ok_or_else(missing)?;
    let gone = item.comments.remove(at);
    if gone.actor != bot {
        stray(world, call, "touches a comment of somebody else");
    }
    if thread::is_last_word(&gone) {
        stray(world, call, "deletes its last word");
    }
    Ok((204, Value::Null))
}

/// What a write of the agent's leads to besides: the conversation moves on, and the webhook tells of it.
fn written(
    world: &mut World,
    call: &Call,
    place: Place,
    id: CommentId,
    bot: UserId,
    changes: &[(&str, Option<(&str, &str)>)],
) {
    if world.edition == Edition::Community {
        for misstep in thread::absorb(world, place.item, id) {
            stray(world, call, &misstep);
        }
    }
    webhook::tell_of_comment(world, place, id, bot, changes);
}

fn shown(world: &World, place: Place, id: CommentId) -> Result<Value, Refusal> {
    let workspace = world.workspace(place.home).ok_or_else(missing)?;
    let project = workspace.project(place.project).ok_or_else(missing)?;
    let record = project.item(place.item).ok_or_else(missing)?;
    let comment = record.comments.iter().find(|comment| comment.id == id).ok_or_else(missing)?;
    Ok(json::comment(workspace, project, record, comment))
}

fn comment_html(body: &Value) -> Result<Option<String>, Refusal> {
    match body.get("comment_html") {
        // A comment without words is accepted, as it is from a client that misspells the key.
        None => Ok(None),
        Some(Value::String(html)) => Ok(Some(html.clone())),
        Some(Value::Null) => Err((400, json!({"comment_html": ["This field may not be null."]}))),
        Some(_) => Err((400, json!({"comment_html": ["Not a valid string."]}))),
    }
}
