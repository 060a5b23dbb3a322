//! Writes the body of a Chat Completions request.

use serde_json::{Map, Value, json};

use crate::{
    config::{MaxTokensField, PromptCache, SystemRole},
    domain::talk::ToolOffer,
    llm::{
        Request,
        remote::Speaker,
        render::{Call, Said, Turn, cache_control, turns},
    },
};

/// The body for `request`.
pub(super) fn body(speaker: &Speaker, request: &Request) -> Map<String, Value> {
    let (config, card) = (&speaker.config, &speaker.card);
    let mut body = Map::new();
    let mut set = |field: &str, value: Value| drop(body.insert(field.to_owned(), value));
    set("model", json!(config.model));
    set("messages", Value::Array(messages(speaker, request)));
    set("stream", json!(true));
    if config.stream_usage {
        set("stream_options", json!({ "include_usage": true }));
    }
    if !request.tools.is_empty() {
        set("tools", Value::Array(request.tools.iter().map(offer).collect()));
        if let Some(parallel) = speaker.parallel_tools() {
            set("parallel_tool_calls", json!(parallel));
        }
    }
    if let Some(limit) = config.card.max_output_tokens {
        let field = match card.max_tokens_field {
            MaxTokensField::MaxTokens => "max_tokens",
            MaxTokensField::MaxCompletionTokens => "max_completion_tokens",
        };
        set(field, json!(limit));
    }
    if let Some(temperature) = speaker.temperature() {
        set("temperature", temperature);
    }
    if let Some(effort) = &config.reasoning_effort {
        set("reasoning_effort", json!(effort));
    }
    if let Some(seed) = config.seed {
        set("seed", json!(seed));
    }
    body
}

fn messages(speaker: &Speaker, request: &Request) -> Vec<Value> {
    let role = match speaker.card.system_role {
        SystemRole::System => "system",
        SystemRole::Developer => "developer",
    };
    let mut written = Vec::with_capacity(request.messages.len());
    for turn in turns(&request.messages, speaker) {
        match turn {
            Turn::System(text) => written.push(json!({ "role": role, "content": text })),
            Turn::User(text) => written.push(json!({ "role": "user", "content": text })),
            Turn::Picture(caption, picture) => written.push(json!({ "role": "user", "content": [
                { "type": "text", "text": caption },
                { "type": "image_url", "image_url": { "url": picture.data_url() } },
            ] })),
            Turn::Said(said) => {
                written.push(assistant(&said));
                written.extend(
                    said.calls
                        .iter()
                        .map(|call| json!({ "role": "tool", "tool_call_id": call.id, "content": call.result })),
                );
            }
        }
    }
    if asks_for_breakpoints(speaker) {
        mark(&mut written, speaker.config.prompt_cache);
    }
    written
}

/// Claude behind OpenRouter caches only what is marked, and the mark stands in a content part.
fn asks_for_breakpoints(speaker: &Speaker) -> bool {
    let (id, config) = (speaker.config.model.as_str(), &speaker.config);
    config.prompt_cache != PromptCache::Off && speaker.is_at("openrouter.ai") && id.starts_with("anthropic/")
}

/// Marks the system's message and the last one.
fn mark(messages: &mut [Value], cache: PromptCache) {
    let last = messages.len().saturating_sub(1);
    for (at, message) in messages.iter_mut().enumerate() {
        if at != 0 && at != last {
            continue;
        }
        match message.get_mut("content") {
            Some(Value::String(text)) if !text.is_empty() => {
                let part = json!([{ "type": "text", "text": text, "cache_control": cache_control(cache) }]);
                message["content"] = part;
            }
            Some(Value::Array(parts)) => {
                if let Some(Value::Object(part)) = parts.last_mut() {
                    part.insert("cache_control".to_owned(), cache_control(cache));
                }
            }
            Some(Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {}
        }
    }
}

fn assistant(said: &Said<'_>) -> Value {
    let mut message = said.own.cloned().unwrap_or_default();
    message.insert("role".to_owned(), json!("assistant"));
    message.insert("content".to_owned(), if said.text.is_empty() { Value::Null } else { json!(said.text) });
    if !said.calls.is_empty() {
        message.insert("tool_calls".to_owned(), Value::Array(said.calls.iter().map(call).collect()));
    }
    Value::Object(message)
}

fn call(call: &Call<'_>) -> Value {
    let mut written = call.own.cloned().unwrap_or_default();
    written.insert("id".to_owned(), json!(call.id));
    written.insert("type".to_owned(), json!("function"));
    written.insert("function".to_owned(), json!({ "name": call.name, "arguments": call.arguments }));
    Value::Object(written)
}

fn offer(tool: &ToolOffer) -> Value {
    json!({
        "type": "function",
        "function": { "name": tool.name, "description": tool.description, "parameters": tool.parameters },
    })
}
