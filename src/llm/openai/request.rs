//! Writes the body of a Chat Completions request.

use serde_json::{Map, Value, json};

use super::adapt::{Effort, Learned};
use crate::{
    config::{MaxTokensField, ModelConfig, SystemRole},
    domain::talk::{AssistantMessage, Message, ToolCall, ToolOffer},
    llm::{Request, card::ModelCard},
};

/// Longest name of a tool that providers take.
const MAX_NAME_CHARS: usize = 64;
/// Fields that a configured extra field may not replace.
const OWN_FIELDS: [&str; 3] = ["messages", "tools", "stream"];

/// The body for `request`, in the light of what the provider refused before.
pub(super) fn body(config: &ModelConfig, card: &ModelCard, learned: &Learned, request: &Request) -> Value {
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(config.model));
    body.insert("messages".to_owned(), Value::Array(messages(config, card, &request.messages)));
    body.insert("stream".to_owned(), json!(true));
    if config.stream_usage && !learned.no_stream_options {
        body.insert("stream_options".to_owned(), json!({ "include_usage": true }));
    }
    if !request.tools.is_empty() {
        body.insert("tools".to_owned(), Value::Array(request.tools.iter().map(offer).collect()));
        if let Some(parallel) = config.parallel_tool_calls.filter(|_| !learned.no_parallel_tool_calls) {
            body.insert("parallel_tool_calls".to_owned(), json!(parallel));
        }
    }
    if let Some(limit) = config.card.max_output_tokens {
        let field = match learned.max_tokens_field.unwrap_or(card.max_tokens_field) {
            MaxTokensField::MaxTokens => "max_tokens",
            MaxTokensField::MaxCompletionTokens => "max_completion_tokens",
        };
        body.insert(field.to_owned(), json!(limit));
    }
    if let Some(temperature) = config.temperature.filter(|_| card.temperature && !learned.no_temperature) {
        // By way of its decimal text, since 0.2 as f32 is not 0.2 as f64.
        let decimal: f64 = temperature.to_string().parse().unwrap_or(f64::from(temperature));
        body.insert("temperature".to_owned(), json!(decimal));
    }
    match learned.effort {
        Effort::AsConfigured => {
            if let Some(effort) = &config.reasoning_effort {
                body.insert("reasoning_effort".to_owned(), json!(effort));
            }
        }
        Effort::SaidNone => {
            body.insert("reasoning_effort".to_owned(), json!("none"));
        }
        Effort::Dropped => {}
    }
    for (field, value) in &config.extra_body {
        if !OWN_FIELDS.contains(&field.as_str()) {
            body.insert(field.clone(), value.clone());
        }
    }
    Value::Object(body)
}

/// The messages, with exactly one result right after each call: providers refuse anything else.
fn messages(config: &ModelConfig, card: &ModelCard, conversation: &[Message]) -> Vec<Value> {
    let mut written = Vec::with_capacity(conversation.len());
    let mut rest = conversation.iter().peekable();
    while let Some(message) = rest.next() {
        match message {
            Message::System { text } => {
                let role = match card.system_role {
                    SystemRole::System => "system",
                    SystemRole::Developer => "developer",
                };
                written.push(json!({ "role": role, "content": text }));
            }
            Message::User { text } => written.push(json!({ "role": "user", "content": text })),
            Message::Assistant(said) => {
                if said.text.is_empty() && said.calls.is_empty() {
                    continue;
                }
                written.push(assistant(&config.name, said));
                let mut results: Vec<(&str, &str)> = Vec::new();
                while let Some(Message::Tool { call_id, text }) =
                    rest.next_if(|next| matches!(next, Message::Tool { .. }))
                {
                    results.push((call_id, text));
                }
                for call in &said.calls {
                    let result = results.iter().find(|(call_id, _)| *call_id == call.id).map(|(_, text)| *text);
                    written.push(json!({
                        "role": "tool",
                        "tool_call_id": call.id,
                        "content": result.map_or("(this call was not carried out)", |text| if text.is_empty() { "(no result)" } else { text }),
                    }));
                }
            }
            // A result without its call, as trimming may leave it.
            Message::Tool { .. } => {}
        }
    }
    written
}

fn assistant(model_name: &str, said: &AssistantMessage) -> Value {
    let own = said.raw.as_ref().filter(|raw| raw.model == model_name);
    let mut message = own.map(|raw| raw.fields.clone()).unwrap_or_default();
    message.insert("role".to_owned(), json!("assistant"));
    message.insert("content".to_owned(), if said.text.is_empty() { Value::Null } else { json!(said.text) });
    // The opaque fields of calls carry no name of their own. Without a tag on the message nothing
    // tells them foreign; with another model's tag they are.
    let is_foreign = said.raw.is_some() && own.is_none();
    if !said.calls.is_empty() {
        let calls = said.calls.iter().map(|written| call(written, is_foreign)).collect();
        message.insert("tool_calls".to_owned(), Value::Array(calls));
    }
    Value::Object(message)
}

fn call(call: &ToolCall, is_foreign: bool) -> Value {
    let mut written = if is_foreign { Map::new() } else { call.raw.clone() };
    written.insert("id".to_owned(), json!(call.id));
    written.insert("type".to_owned(), json!("function"));
    written.insert(
        "function".to_owned(),
        json!({ "name": sendable_name(&call.name), "arguments": sendable_arguments(&call.arguments) }),
    );
    Value::Object(written)
}

/// Providers refuse a history that holds a name the model made up with characters they do not allow.
fn sendable_name(name: &str) -> String {
    let allowed = |letter: char| {
        if letter.is_ascii_alphanumeric() || letter == '_' || letter == '-' { letter } else { '_' }
    };
    name.chars().take(MAX_NAME_CHARS).map(allowed).collect()
}

/// Several servers parse the arguments of the history and fail on malformed ones. What the model
/// wrote stays readable for it.
fn sendable_arguments(arguments: &str) -> String {
    if arguments.trim().is_empty() {
        return "{}".to_owned();
    }
    if serde_json::from_str::<Map<String, Value>>(arguments).is_ok() {
        return arguments.to_owned();
    }
    json!({ "malformed_arguments": arguments }).to_string()
}

fn offer(tool: &ToolOffer) -> Value {
    json!({
        "type": "function",
        "function": { "name": tool.name, "description": tool.description, "parameters": tool.parameters },
    })
}
