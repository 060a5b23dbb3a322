//! What a provider demands of a Chat Completions request. A broken rule is a complaint.

use std::collections::BTreeSet;

use serde_json::Value;

/// Every rule the request breaks, in words.
pub(super) fn complaints(body: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    if body["model"].as_str().unwrap_or_default().is_empty() {
        complaints.push("the request names no model".to_owned());
    }
    if body["stream"] != Value::Bool(true) {
        complaints.push("the request does not ask for a stream".to_owned());
    }
    check_tools(body, &mut complaints);
    match body["messages"].as_array() {
        Some(messages) if !messages.is_empty() => check_messages(messages, &mut complaints),
        Some(_) | None => complaints.push("the request has no messages".to_owned()),
    }
    complaints
}

fn check_tools(body: &Value, complaints: &mut Vec<String>) {
    let Some(tools) = body.get("tools") else {
        if body.get("tool_choice").is_some() {
            complaints.push("tool_choice without tools".to_owned());
        }
        return;
    };
    let Some(tools) = tools.as_array().filter(|tools| !tools.is_empty()) else {
        complaints.push("`tools` is there but holds none".to_owned());
        return;
    };
    let mut names = BTreeSet::new();
    for tool in tools {
        let function = &tool["function"];
        let name = function["name"].as_str().unwrap_or_default();
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if tool["type"] != "function" || name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
            complaints.push(format!("a tool without a proper type or name: {tool}"));
        }
        if !names.insert(name.to_owned()) {
            complaints.push(format!("the tool {name} is offered twice"));
        }
        if function["description"].as_str().unwrap_or_default().is_empty() {
            complaints.push(format!("the tool {name} has no description"));
        }
        if function["parameters"]["type"] != "object" {
            complaints.push(format!("the parameters of {name} are not an object schema: {}", function["parameters"]));
        }
    }
}

fn check_messages(messages: &[Value], complaints: &mut Vec<String>) {
    let mut unanswered: BTreeSet<String> = BTreeSet::new();
    for (at, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        if role != "tool" && !unanswered.is_empty() {
            complaints.push(format!("message {at} ({role}) comes while tool calls wait for results: {unanswered:?}"));
            unanswered.clear();
        }
        match role {
            "system" | "developer" if at == 0 => check_text(at, message, complaints),
            "user" => check_text(at, message, complaints),
            "assistant" => unanswered = check_assistant(at, message, complaints),
            "tool" => {
                let id = message["tool_call_id"].as_str().unwrap_or_default();
                if !unanswered.remove(id) {
                    complaints.push(format!("message {at} is the result of no open tool call: {id:?}"));
                }
                if !message["content"].is_string() {
                    complaints.push(format!("message {at}, a tool result, has no text"));
                }
            }
            _ => complaints.push(format!("message {at} has a role out of place: {role:?}")),
        }
    }
    if !unanswered.is_empty() {
        complaints.push(format!("the request ends with tool calls without results: {unanswered:?}"));
    }
    if messages.last().is_some_and(|last| last["role"] == "assistant") {
        complaints.push("the request ends with the assistant's own message".to_owned());
    }
}

fn check_text(at: usize, message: &Value, complaints: &mut Vec<String>) {
    if message["role"] == "user" && message["content"].is_array() {
        return check_parts(at, &message["content"], complaints);
    }
    if message["content"].as_str().unwrap_or_default().trim().is_empty() {
        complaints.push(format!("message {at} ({}) is empty", message["role"]));
    }
}

/// Text, and pictures that are in the request itself.
fn check_parts(at: usize, content: &Value, complaints: &mut Vec<String>) {
    for part in content.as_array().into_iter().flatten() {
        let is_text = part["type"] == "text" && part["text"].as_str().is_some_and(|text| !text.trim().is_empty());
        let url = part["image_url"]["url"].as_str().unwrap_or_default();
        let is_picture = part["type"] == "image_url"
            && url.strip_prefix("data:image/").is_some_and(|rest| rest.contains(";base64,") && rest.len() > 20);
        if !is_text && !is_picture {
            complaints.push(format!("message {at} has a part that is neither text nor a picture"));
        }
    }
}

/// Checks an assistant message and returns the ids of its calls.
fn check_assistant(at: usize, message: &Value, complaints: &mut Vec<String>) -> BTreeSet<String> {
    let calls = message["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default();
    if message.get("tool_calls").is_some() && calls.is_empty() {
        complaints.push(format!("message {at} has an empty list of tool calls"));
    }
    if calls.is_empty() {
        check_text(at, message, complaints);
    }
    let mut ids = BTreeSet::new();
    for call in calls {
        let id = call["id"].as_str().unwrap_or_default();
        if id.is_empty() || !ids.insert(id.to_owned()) {
            complaints.push(format!("message {at} has a tool call with no id of its own: {call}"));
        }
        if call["type"] != "function"
            || !call["function"]["name"].is_string()
            || !call["function"]["arguments"].is_string()
        {
            complaints.push(format!("message {at} has a malformed tool call: {call}"));
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(messages: &Value) -> Value {
        json!({"model": "m", "stream": true, "messages": messages})
    }

    #[test]
    fn an_answered_parallel_call_is_fine() {
        let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "read", "arguments": "{}"}});
        let body = request(&json!([
            {"role": "system", "content": "s"},
            {"role": "user", "content": "u"},
            {"role": "assistant", "content": null, "tool_calls": [call("a"), call("b")]},
            {"role": "tool", "tool_call_id": "b", "content": "2"},
            {"role": "tool", "tool_call_id": "a", "content": "1"},
        ]));
        assert_eq!(complaints(&body), Vec::<String>::new());
    }

    #[test]
    fn an_unanswered_call_a_stray_result_and_an_empty_message_are_told() {
        let call = json!({"id": "a", "type": "function", "function": {"name": "read", "arguments": "{}"}});
        let open = request(&json!([{"role": "assistant", "tool_calls": [call]}, {"role": "user", "content": "go on"}]));
        assert_eq!(complaints(&open).len(), 1);
        let stray = request(&json!([{"role": "tool", "tool_call_id": "x", "content": "?"}]));
        assert_eq!(complaints(&stray).len(), 1);
        let empty = request(&json!([{"role": "user", "content": " "}]));
        assert_eq!(complaints(&empty).len(), 1);
    }

    #[test]
    fn a_tool_needs_a_name_a_description_and_an_object_schema() {
        let mut body = request(&json!([{"role": "user", "content": "u"}]));
        body["tools"] = json!([{"type": "function", "function": {"name": "a b", "description": "", "parameters": {}}}]);
        assert_eq!(complaints(&body).len(), 3);
    }
}
