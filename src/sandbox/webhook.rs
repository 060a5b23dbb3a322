//! Agent webhooks as Plane sends them: bodies, the exact bytes, the signature, the delivery.

use std::{fmt::Write as _, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use super::{
    comment_writes::Place,
    edition::Edition,
    json,
    plan::{Shape, Which},
    run::{Activity, Run},
    world::{Person, Workspace, World, time},
};
use crate::domain::ids::{CommentId, UserId, WorkItemId};

const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);

/// The name of the event and its exact body.
pub(super) fn event(
    which: Which,
    shape: Shape,
    workspace: &Workspace,
    client_id: &str,
    run: &Run,
    prompt: &Activity,
) -> (String, Vec<u8>) {
    let name = match which {
        Which::Created => "agent_run_create",
        Which::Prompt => "agent_run_user_prompt",
    };
    let flat = flat_body(which, client_id, run, prompt);
    let body = match shape {
        Shape::Flat => flat,
        Shape::Wrapped => json!({
            "event": name, "action": "created", "webhook_id": workspace.webhook, "workspace_id": workspace.id,
            "data": flat, "activity": null,
        }),
    };
    (name.to_owned(), python_json(&body).into_bytes())
}

/// Queues the webhooks about a comment: one for each action, with the changed field and what the comment said
/// before. The body shows the comment as it is by now. Only the Community edition sends them here; elsewhere
/// an app hears of its runs.
pub(super) fn tell_of_comment(
    world: &mut World,
    place: Place,
    comment: CommentId,
    by: UserId,
    changes: &[(&str, Option<(&str, &str)>)],
) {
    if world.edition != Edition::Community {
        return;
    }
    let events: Vec<_> = changes
        .iter()
        .filter_map(|(action, change)| comment_event(world, place, comment, by, action, *change))
        .collect();
    world.due.extend(events);
}

/// The webhook about what somebody did with a comment.
pub(super) fn comment_event(
    world: &World,
    place: Place,
    comment: CommentId,
    by: UserId,
    action: &str,
    change: Option<(&str, &str)>,
) -> Option<(String, Vec<u8>)> {
    let workspace = world.workspace(place.home)?;
    let project = workspace.project(place.project)?;
    let item = project.item(place.item)?;
    let comment = item.comments.iter().find(|known| known.id == comment)?;
    let mut data = json::comment(workspace, project, item, comment);
    if let Value::Object(data) = &mut data {
        data.remove("is_member");
    }
    let actor = workspace.people.iter().find(|person| person.id == by)?;
    let body = json!({
        "event": "issue_comment", "action": action, "webhook_id": workspace.webhook, "workspace_id": workspace.id,
        "data": data,
        "activity": {
            "field": change.map(|(field, _)| field),
            "new_value": change.map(|(field, _)| if field == "comment_html" { comment.html.as_str() } else { "" }),
            "old_value": change.map(|(field, before)| if field == "comment_html" { before } else { "" }),
            "actor": actor.to_json(), "old_identifier": null, "new_identifier": null,
        },
    });
    Some(("issue_comment".to_owned(), python_json(&body).into_bytes()))
}

/// Queues the webhook about a work item whose assignees were others before.
pub(super) fn tell_of_assignment(world: &mut World, item: WorkItemId, actor: UserId, before: &[UserId]) {
    if world.edition != Edition::Community {
        return;
    }
    let found = world.workspaces.iter().find_map(|workspace| {
        let project = workspace.projects.iter().find(|project| project.item(item).is_some())?;
        Some((workspace, project, project.item(item)?))
    });
    let Some((workspace, project, item)) = found else { return };
    let person = |id: &UserId| workspace.people.iter().find(|person| person.id == *id).map(Person::to_json);
    let mut data = json::item(workspace, project, item);
    data["assignees"] = item.assignees.iter().filter_map(person).collect();
    let body = json!({
        "event": "issue", "action": "updated", "webhook_id": workspace.webhook, "workspace_id": workspace.id,
        "data": data,
        "activity": {
            "field": "assignees", "new_value": item.assignees, "old_value": before, "actor": person(&actor),
            "old_identifier": null, "new_identifier": null,
        },
    });
    world.due.push(("issue".to_owned(), python_json(&body).into_bytes()));
}

/// What Plane puts into `X-Plane-Signature`.
pub(super) fn signature(secret: &str, body: &[u8]) -> String {
    // HMAC takes keys of any length, so the error cannot occur.
    Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_or_else(
        |_| String::new(),
        |mut mac| {
            mac.update(body);
            hex::encode(mac.finalize().into_bytes())
        },
    )
}

/// Posts one signed delivery; 0 where there was no answer.
pub(super) async fn deliver(http: &reqwest::Client, target: &str, secret: &str, event: &str, body: Vec<u8>) -> u16 {
    let signature = signature(secret, &body);
    let delivery = Uuid::new_v4().to_string();
    let headers = [
        ("content-type", "application/json"),
        ("user-agent", "Autopilot"),
        ("x-plane-delivery", delivery.as_str()),
        ("x-plane-event", event),
        ("x-plane-signature", signature.as_str()),
    ];
    post(http, target, &headers, body).await
}

/// Posts these bytes with these headers; 0 where there was no answer.
pub(super) async fn post(http: &reqwest::Client, target: &str, headers: &[(&str, &str)], body: Vec<u8>) -> u16 {
    let request = headers.iter().fold(http.post(target), |request, (name, value)| request.header(*name, *value));
    let answer = request.timeout(DELIVERY_TIMEOUT).body(body).send().await;
    answer.map_or(0, |answer| answer.status().as_u16())
}

fn flat_body(which: Which, client_id: &str, run: &Run, prompt: &Activity) -> Value {
    let run_json = json!({
        "id": run.id, "agent_user": run.agent_user, "creator": run.creator, "issue": run.issue, "project": run.project,
        "workspace": run.workspace, "comment": run.comment, "source_comment": run.comment,
        "status": run.status.as_str(), "type": "comment_thread", "started_at": time(run.started_at),
    });
    let mut body = json!({
        "type": "agent_run", "action": "created", "agent_run": run_json, "agent_user_id": run.agent_user,
        "app_client_id": client_id, "comment_id": prompt.comment, "issue_id": run.issue, "project_id": run.project,
        "workspace_id": run.workspace,
    });
    match which {
        Which::Created => {}
        Which::Prompt => {
            body["type"] = "agent_run_activity".into();
            body["action"] = "prompted".into();
            body["agent_run_activity"] = run.activity_json(prompt);
        }
    }
    body
}

/// What Python's `json.dumps` makes of it: spaces after separators, everything beyond ASCII escaped.
fn python_json(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value);
    text
}

fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => {
            let _ = write!(text, "{number}");
        }
        Value::String(string) => write_string(text, string),
        Value::Array(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                write_value(text, value);
            }
            text.push(']');
        }
        Value::Object(map) => {
            text.push('{');
            for (index, (key, value)) in map.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                write_string(text, key);
                text.push_str(": ");
                write_value(text, value);
            }
            text.push('}');
        }
    }
}

fn write_string(text: &mut String, string: &str) {
    text.push('"');
    for unit in string.encode_utf16() {
        match char::from_u32(unit.into()) {
            Some('"') => text.push_str("\\\""),
            Some('\\') => text.push_str("\\\\"),
            Some('\n') => text.push_str("\\n"),
            Some('\r') => text.push_str("\\r"),
            Some('\t') => text.push_str("\\t"),
            Some('\u{8}') => text.push_str("\\b"),
            Some('\u{c}') => text.push_str("\\f"),
            Some(plain @ ' '..='~') => text.push(plain),
            // Halves of a surrogate pair are no characters and end here too.
            Some(_) | None => {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "plane_wh_0123456789abcdef0123456789abcdef";

    #[test]
    fn bytes_and_signatures_are_those_of_a_real_server() {
        assert_eq!(
            signature(SECRET, python_json(&json!({})).as_bytes()),
            "f283dc8b25272ac4787da96acdbf7e1b6dd939bf9be6446aa6d1632d6ab94cc8"
        );
        let inner = python_json(&json!({"comment_html": "<p>café → 🚀</p>", "edited_at": null}));
        let body = format!(r#"{{"event": "issue_comment", "data": {inner}}}"#);
        assert_eq!(body.len(), 111);
        assert_eq!(
            signature(SECRET, body.as_bytes()),
            "2b83772abd7dc93b6da66126e2e4673f9caacb13000b397fa9b8c8eee6767d65"
        );
    }

    #[test]
    fn what_is_written_reads_back_as_the_same_json() {
        let value = json!({"a": [1, -2.5, true, null, []], "b\"\\\n\u{1}\u{7f}": "\u{10ffff}é", "c": {}});
        assert_eq!(serde_json::from_str::<Value>(&python_json(&value)).unwrap(), value);
    }
}
