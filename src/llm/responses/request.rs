//! Writes the body of a Responses request.

use serde_json::{Map, Value, json};

use crate::{
    config::ReasoningStyle,
    domain::talk::ToolOffer,
    llm::{
        Request,
        remote::Speaker,
        render::{Said, Turn, turns},
    },
};

/// Under this name a reply's items are kept.
pub(super) const ITEMS: &str = "output";

pub(super) fn body(speaker: &Speaker, request: &Request) -> Map<String, Value> {
    let config = &speaker.config;
    let mut body = Map::new();
    let mut set = |field: &str, value: Value| drop(body.insert(field.to_owned(), value));
    let (instructions, input) = conversation(speaker, request);
    set("model", json!(config.model));
    set("instructions", json!(instructions));
    set("input", Value::Array(input));
    set("stream", json!(true));
    set("store", json!(false));
    if !request.tools.is_empty() {
        set("tools", Value::Array(request.tools.iter().map(offer).collect()));
        if let Some(parallel) = speaker.parallel_tools() {
            set("parallel_tool_calls", json!(parallel));
        }
    }
    if let Some(limit) = config.card.max_output_tokens {
        set("max_output_tokens", json!(limit));
    }
    if let Some(temperature) = speaker.temperature() {
        set("temperature", temperature);
    }
    if speaker.card.reasoning != ReasoningStyle::None || config.reasoning_effort.is_some() {
        let mut reasoning = Map::from_iter([("summary".to_owned(), json!("auto"))]);
        if let Some(effort) = &config.reasoning_effort {
            reasoning.insert("effort".to_owned(), json!(effort));
        }
        set("reasoning", Value::Object(reasoning));
        set("include", json!(["reasoning.encrypted_content"]));
    }
    body
}

/// The instructions, and everything else as items.
fn conversation(speaker: &Speaker, request: &Request) -> (String, Vec<Value>) {
    let mut instructions: Vec<&str> = Vec::new();
    let mut items = Vec::new();
    for turn in turns(&request.messages, speaker) {
        match turn {
            Turn::System(text) => instructions.push(text),
            Turn::User(text) => items.push(json!({ "role": "user", "content": text })),
            Turn::Picture(caption, picture) => items.push(json!({ "role": "user", "content": [
                { "type": "input_text", "text": caption },
                { "type": "input_image", "image_url": picture.data_url(), "detail": "auto" },
            ] })),
            Turn::Said(said) => {
                match own_items(&said) {
                    Some(own) => items.extend(own),
                    None => items.extend(plain_items(&said)),
                }
                items.extend(
                    said.calls.iter().map(
                        |call| json!({ "type": "function_call_output", "call_id": call.id, "output": call.result }),
                    ),
                );
            }
        }
    }
    (instructions.join("\n\n"), items)
}

/// The items as they came, if they still say what the message says.
fn own_items(said: &Said<'_>) -> Option<Vec<Value>> {
    let items = said.own?.get(ITEMS)?.as_array().filter(|items| !items.is_empty())?;
    let is = |item: &&Value, kind: &str| item.get("type").and_then(Value::as_str) == Some(kind);
    let calls = items.iter().filter(|item| is(item, "function_call"));
    let ids: Vec<_> = calls.map(|item| item.get("call_id").and_then(Value::as_str).unwrap_or_default()).collect();
    if ids != said.calls.iter().map(|call| call.id.as_str()).collect::<Vec<_>>() {
        return None;
    }
    // Nothing is kept at the provider, so reasoning that is not in the item itself is lost, and what
    // followed it must then not refer to it.
    let is_lost = |item: &&Value| is(item, "reasoning") && item.get("encrypted_content").is_none_or(Value::is_null);
    if !items.iter().any(|item| is_lost(&item)) {
        return Some(items.clone());
    }
    let kept = items.iter().filter(|item| !is(item, "reasoning")).cloned();
    Some(kept.map(without_id).collect())
}

fn without_id(mut item: Value) -> Value {
    if let Value::Object(fields) = &mut item {
        fields.remove("id");
    }
    item
}

fn plain_items(said: &Said<'_>) -> Vec<Value> {
    let mut items = Vec::new();
    if !said.text.is_empty() {
        items.push(json!({ "role": "assistant", "content": said.text }));
    }
    items.extend(said.calls.iter().map(
        |call| json!({ "type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments }),
    ));
    items
}

fn offer(tool: &ToolOffer) -> Value {
    json!({
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": false,
    })
}
