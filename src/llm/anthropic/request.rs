//! Writes the body of a Messages request.

use serde_json::{Map, Value, json};

use crate::{
    config::{PromptCache, ReasoningStyle},
    domain::talk::ToolOffer,
    llm::{
        Request,
        remote::Speaker,
        render::{Said, Turn, cache_control, turns},
    },
};

/// Under this name the blocks of a reply are kept.
pub(super) const BLOCKS: &str = "content";
/// The limit of a reply must be said; beyond this few replies go.
const USUAL_MAX_TOKENS: u32 = 32_000;
/// The smallest budget for thinking the provider takes.
const LEAST_THINKING: u32 = 1_024;

pub(super) fn body(speaker: &Speaker, request: &Request) -> Map<String, Value> {
    let (config, card) = (&speaker.config, &speaker.card);
    let turns = turns(&request.messages, speaker);
    let max_tokens = config.card.max_output_tokens.unwrap_or(card.max_output.min(USUAL_MAX_TOKENS));
    let (thinking, output_config) = thinking(speaker, &turns, max_tokens);
    let mut body = Map::new();
    let mut set = |field: &str, value: Value| drop(body.insert(field.to_owned(), value));
    set("model", json!(config.model));
    set("max_tokens", json!(max_tokens));
    set("stream", json!(true));
    let (system, messages) = conversation(&turns, config.prompt_cache);
    if !system.is_empty() {
        set("system", Value::Array(system));
    }
    set("messages", Value::Array(messages));
    if !request.tools.is_empty() {
        set("tools", Value::Array(offers(&request.tools, config.prompt_cache)));
        if speaker.parallel_tools() == Some(false) {
            set("tool_choice", json!({ "type": "auto", "disable_parallel_tool_use": true }));
        }
    }
    let called = if request.tools.is_empty() { called(&turns) } else { Vec::new() };
    if !called.is_empty() {
        set("tools", Value::Array(called));
        set("tool_choice", json!({ "type": "none" }));
    }
    // With a budget for thinking only the provider's own temperature is allowed.
    let thinks = thinking.as_ref().is_some_and(|thinking| thinking["type"] == "enabled");
    if let Some(temperature) = speaker.temperature().filter(|_| !thinks) {
        set("temperature", temperature);
    }
    for (field, value) in [("thinking", thinking), ("output_config", output_config)] {
        if let Some(value) = value {
            set(field, value);
        }
    }
    body
}

/// What is said of thinking, and of effort.
fn thinking(speaker: &Speaker, turns: &[Turn<'_>], max_tokens: u32) -> (Option<Value>, Option<Value>) {
    let effort = speaker.config.reasoning_effort.as_deref();
    match (speaker.card.reasoning, effort) {
        (ReasoningStyle::None | ReasoningStyle::Effort, None) | (ReasoningStyle::Budget, None | Some("none")) => {
            (None, None)
        }
        (ReasoningStyle::Adaptive, Some("none")) => (Some(json!({ "type": "disabled" })), None),
        (ReasoningStyle::Adaptive, None) => (Some(adaptive()), None),
        (ReasoningStyle::Adaptive, Some(effort)) => (Some(adaptive()), Some(json!({ "effort": effort }))),
        (ReasoningStyle::None | ReasoningStyle::Effort, Some(effort)) => (None, Some(json!({ "effort": effort }))),
        (ReasoningStyle::Budget, Some(effort)) => {
            let wanted = match effort {
                "minimal" => LEAST_THINKING,
                "low" => 2_048,
                "medium" => 8_192,
                "high" => 16_384,
                other => other.parse().unwrap_or(24_576),
            };
            let budget = wanted.max(LEAST_THINKING).min(max_tokens.saturating_sub(LEAST_THINKING));
            let fits = budget >= LEAST_THINKING && may_think(turns);
            (fits.then(|| json!({ "type": "enabled", "budget_tokens": budget })), None)
        }
    }
}

fn adaptive() -> Value {
    json!({ "type": "adaptive", "display": "summarized" })
}

/// In the middle of a round of tools that was begun without thinking, as by another model, none can
/// begin: the provider wants to see the thinking that led to the calls.
fn may_think(turns: &[Turn<'_>]) -> bool {
    let last = turns.iter().rev().find(|turn| !matches!(turn, Turn::System(_)));
    match last {
        Some(Turn::Said(said)) if !said.calls.is_empty() => own_blocks(said).is_some_and(|blocks| {
            let kind = blocks.first().and_then(|block| block.get("type")).and_then(Value::as_str);
            matches!(kind, Some("thinking" | "redacted_thinking"))
        }),
        Some(Turn::Said(_) | Turn::User(_) | Turn::Picture(..) | Turn::System(_)) | None => true,
    }
}

/// The system's blocks and the messages, with at most three places marked for the cache: the tools
/// make four, which is as many as the provider takes.
fn conversation(turns: &[Turn<'_>], cache: PromptCache) -> (Vec<Value>, Vec<Value>) {
    let mut system = Vec::new();
    let mut messages: Vec<Message> = Vec::new();
    for turn in turns {
        match turn {
            Turn::System("") => {}
            Turn::System(text) => system.push(block(text)),
            Turn::User(text) => add(&mut messages, "user", if text.is_empty() { vec![] } else { vec![block(text)] }),
            Turn::Picture(caption, picture) => {
                let source =
                    json!({ "type": "base64", "media_type": picture.media_type, "data": picture.base64.as_str() });
                add(&mut messages, "user", vec![block(caption), json!({ "type": "image", "source": source })]);
            }
            Turn::Said(said) => {
                let blocks = own_blocks(said).unwrap_or_else(|| plain_blocks(said));
                add(&mut messages, "assistant", blocks);
                let results = said
                    .calls
                    .iter()
                    .map(|call| json!({ "type": "tool_result", "tool_use_id": call.id, "content": call.result }));
                add(&mut messages, "user", results.collect());
            }
        }
    }
    if messages.first().is_some_and(|first| first.role != "user") {
        // As trimming may leave it; the provider wants the person to speak first.
        messages.insert(0, Message { role: "user", blocks: vec![block("(The conversation goes on.)")] });
    }
    if cache != PromptCache::Off {
        // What stays the same for every run comes first.
        mark(system.first_mut(), cache);
        let people = messages.iter_mut().rev().filter(|message| message.role == "user").take(2);
        people.for_each(|message| mark(message.blocks.last_mut(), cache));
    }
    let written = messages.into_iter().map(|message| json!({ "role": message.role, "content": message.blocks }));
    (system, written.collect())
}

struct Message {
    role: &'static str,
    blocks: Vec<Value>,
}

/// Adds blocks; the results of calls and what a person then says are one message.
fn add(messages: &mut Vec<Message>, role: &'static str, mut blocks: Vec<Value>) {
    if blocks.is_empty() {
        return;
    }
    match messages.last_mut() {
        Some(last) if last.role == role => last.blocks.append(&mut blocks),
        Some(_) | None => messages.push(Message { role, blocks }),
    }
}

fn mark(block: Option<&mut Value>, cache: PromptCache) {
    if let Some(Value::Object(block)) = block {
        block.insert("cache_control".to_owned(), cache_control(cache));
    }
}

fn block(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

/// The blocks as they came, if they still say what the message says.
fn own_blocks(said: &Said<'_>) -> Option<Vec<Value>> {
    let blocks = said.own?.get(BLOCKS)?.as_array().filter(|blocks| !blocks.is_empty())?;
    let kind = |block: &Value| block.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let calls = blocks.iter().filter(|block| kind(block) == "tool_use");
    let ids: Vec<_> = calls.map(|block| block.get("id").and_then(Value::as_str).unwrap_or_default()).collect();
    (ids == said.calls.iter().map(|call| call.id.as_str()).collect::<Vec<_>>()).then(|| blocks.clone())
}

fn plain_blocks(said: &Said<'_>) -> Vec<Value> {
    let mut blocks = Vec::new();
    if !said.text.trim().is_empty() {
        blocks.push(block(said.text.trim_end()));
    }
    blocks.extend(
        said.calls
            .iter()
            .map(|call| json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": call.input() })),
    );
    blocks
}

/// The tools that were called before, for a request that offers none: a conversation with calls in it is
/// refused without their names.
fn called(turns: &[Turn<'_>]) -> Vec<Value> {
    let mut names: Vec<&str> = Vec::new();
    for turn in turns {
        let Turn::Said(said) = turn else { continue };
        for call in &said.calls {
            if !names.contains(&call.name.as_str()) {
                names.push(&call.name);
            }
        }
    }
    let tool =
        |name| json!({ "name": name, "description": "Not to be called now.", "input_schema": { "type": "object" } });
    names.into_iter().map(tool).collect()
}

fn offers(tools: &[ToolOffer], cache: PromptCache) -> Vec<Value> {
    let mut offers: Vec<Value> = tools
        .iter()
        .map(|tool| json!({ "name": tool.name, "description": tool.description, "input_schema": tool.parameters }))
        .collect();
    if cache != PromptCache::Off {
        mark(offers.last_mut(), cache);
    }
    offers
}
