//! How each kind of server says the same things: bodies and streams as they go over the wire, and how
//! a request in its words is read.

use aileron::config::RemoteKind;
use serde_json::{Value, json};

use super::provider::Answer;

/// What a server says in one answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spoken {
    pub(crate) reasoning: Vec<&'static str>,
    pub(crate) text: Vec<&'static str>,
    /// Id, name, and the arguments in the pieces they stream in.
    pub(crate) calls: Vec<(&'static str, &'static str, Vec<&'static str>)>,
    pub(crate) end: End,
}

/// How an answer ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum End {
    #[default]
    Done,
    /// The limit of tokens.
    Length,
    /// Withheld for its content.
    Filtered,
    /// The server gives up in the middle, saying that it is overloaded.
    Overloaded,
    /// The bytes just stop.
    Nothing,
}

pub(crate) const KINDS: [RemoteKind; 4] =
    [RemoteKind::OpenAi, RemoteKind::OpenAiResponses, RemoteKind::Azure, RemoteKind::Anthropic];

/// The stream a server of this kind sends.
pub(crate) fn stream(kind: RemoteKind, spoken: &Spoken) -> String {
    let events = match kind {
        RemoteKind::OpenAi | RemoteKind::Azure => chat(spoken),
        RemoteKind::OpenAiResponses => responses(spoken),
        RemoteKind::Anthropic => messages(spoken),
    };
    let mut text = String::new();
    for event in events {
        // Every kind names its events but Chat Completions, and clients must not need the names.
        if let Some(name) = event["type"].as_str() {
            text.push_str(&format!("event: {name}\n"));
        }
        text.push_str(&format!("data: {event}\n\n"));
    }
    let chat = matches!(kind, RemoteKind::OpenAi | RemoteKind::Azure);
    if chat && !matches!(spoken.end, End::Overloaded | End::Nothing) {
        text.push_str("data: [DONE]\n\n");
    }
    text
}

pub(crate) fn answer(kind: RemoteKind, spoken: &Spoken) -> Answer {
    Answer::stream([stream(kind, spoken)])
}

fn chat(spoken: &Spoken) -> Vec<Value> {
    let delta = |delta: Value| json!({ "choices": [{ "index": 0, "delta": delta }] });
    let mut events = vec![delta(json!({ "role": "assistant", "content": "" }))];
    events.extend(spoken.reasoning.iter().map(|part| delta(json!({ "reasoning_content": part }))));
    events.extend(spoken.text.iter().map(|part| delta(json!({ "content": part }))));
    for (index, (id, name, _)) in spoken.calls.iter().enumerate() {
        let function = json!({ "name": name, "arguments": "" });
        events.push(delta(
            json!({ "tool_calls": [{ "index": index, "id": id, "type": "function", "function": function }] }),
        ));
    }
    for (index, part) in interleaved(spoken) {
        events.push(delta(json!({ "tool_calls": [{ "index": index, "function": { "arguments": part } }] })));
    }
    let reason = match spoken.end {
        End::Done if spoken.calls.is_empty() => "stop",
        End::Done => "tool_calls",
        End::Length => "length",
        End::Filtered => "content_filter",
        End::Overloaded => {
            events.push(json!({ "error": { "message": "overloaded", "type": "overloaded_error", "code": 503 } }));
            return events;
        }
        End::Nothing => return events,
    };
    events.push(json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] }));
    events.push(json!({ "choices": [], "usage": {
        "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
        "prompt_tokens_details": { "cached_tokens": 60 }, "completion_tokens_details": { "reasoning_tokens": 5 },
    } }));
    events
}

/// The pieces of all arguments, each call's first piece before any second one.
fn interleaved(spoken: &Spoken) -> Vec<(usize, &'static str)> {
    let longest = spoken.calls.iter().map(|(_, _, pieces)| pieces.len()).max().unwrap_or(0);
    let pieces = (0..longest).flat_map(|at| {
        spoken.calls.iter().enumerate().filter_map(move |(index, (_, _, pieces))| Some((index, *pieces.get(at)?)))
    });
    pieces.collect()
}

fn responses(spoken: &Spoken) -> Vec<Value> {
    let mut events = vec![
        json!({ "type": "response.created", "response": { "id": "resp_1", "status": "in_progress", "output": [] } }),
    ];
    let mut output = Vec::new();
    if !spoken.reasoning.is_empty() {
        let index = output.len();
        events.push(json!({ "type": "response.output_item.added", "output_index": index,
            "item": { "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "part" } }));
        events.push(json!({ "type": "response.reasoning_summary_part.added", "item_id": "rs_1", "output_index": index, "summary_index": 0 }));
        for part in &spoken.reasoning {
            events.push(json!({ "type": "response.reasoning_summary_text.delta", "item_id": "rs_1",
                "output_index": index, "summary_index": 0, "delta": part }));
        }
        let item = json!({ "type": "reasoning", "id": "rs_1", "encrypted_content": "sealed",
            "summary": [{ "type": "summary_text", "text": spoken.reasoning.concat() }] });
        events.push(json!({ "type": "response.output_item.done", "output_index": index, "item": item }));
        output.push(item);
    }
    response_text(spoken, &mut events, &mut output);
    let first = output.len();
    for (at, (id, name, _)) in spoken.calls.iter().enumerate() {
        events.push(json!({ "type": "response.output_item.added", "output_index": first + at,
            "item": { "type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": name, "arguments": "" } }));
    }
    for (at, part) in interleaved(spoken) {
        let id = spoken.calls[at].0;
        events.push(json!({ "type": "response.function_call_arguments.delta", "item_id": format!("fc_{id}"),
            "output_index": first + at, "delta": part }));
    }
    for (at, (id, name, pieces)) in spoken.calls.iter().enumerate() {
        let item = json!({ "type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": name,
            "arguments": pieces.concat(), "status": "completed" });
        if spoken.end == End::Done {
            events.push(json!({ "type": "response.output_item.done", "output_index": first + at, "item": item }));
        }
        output.push(item);
    }
    let usage = json!({ "input_tokens": 100, "output_tokens": 20,
        "input_tokens_details": { "cached_tokens": 60 }, "output_tokens_details": { "reasoning_tokens": 5 } });
    let end = |kind: &str, status: &str, reason: Value| {
        json!({ "type": kind, "response": { "id": "resp_1", "object": "response", "status": status, "output": output,
            "incomplete_details": reason, "usage": usage, "error": null } })
    };
    events.extend(match spoken.end {
        End::Done => Some(end("response.completed", "completed", Value::Null)),
        End::Length => Some(end("response.incomplete", "incomplete", json!({ "reason": "max_output_tokens" }))),
        End::Filtered => Some(end("response.incomplete", "incomplete", json!({ "reason": "content_filter" }))),
        End::Overloaded => {
            Some(json!({ "type": "response.failed", "response": { "object": "response", "status": "failed",
            "error": { "code": "server_error", "message": "overloaded" } } }))
        }
        End::Nothing => None,
    });
    events
}

fn response_text(spoken: &Spoken, events: &mut Vec<Value>, output: &mut Vec<Value>) {
    if !spoken.text.is_empty() {
        let index = output.len();
        events.push(json!({ "type": "response.output_item.added", "output_index": index,
            "item": { "type": "message", "id": "msg_1", "role": "assistant", "content": [] } }));
        for part in &spoken.text {
            events.push(json!({ "type": "response.output_text.delta", "item_id": "msg_1", "output_index": index,
                "content_index": 0, "delta": part }));
        }
        let item = json!({ "type": "message", "id": "msg_1", "role": "assistant", "phase": "commentary", "status": "completed",
            "content": [{ "type": "output_text", "text": spoken.text.concat(), "annotations": [] }] });
        // A message cut off is never said to be done.
        if matches!(spoken.end, End::Done | End::Length) {
            events.push(json!({ "type": "response.output_item.done", "output_index": index, "item": item }));
        }
        output.push(item);
    }
}

fn messages(spoken: &Spoken) -> Vec<Value> {
    let mut events = vec![
        json!({ "type": "message_start", "message": { "id": "msg_1", "type": "message", "role": "assistant", "content": [],
            "usage": { "input_tokens": 40, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 0, "output_tokens": 1 } } }),
        json!({ "type": "ping" }),
    ];
    let mut index = 0;
    let mut block = |events: &mut Vec<Value>, start: Value, deltas: Vec<Value>| {
        events.push(json!({ "type": "content_block_start", "index": index, "content_block": start }));
        events.extend(
            deltas.into_iter().map(|delta| json!({ "type": "content_block_delta", "index": index, "delta": delta })),
        );
        events.push(json!({ "type": "content_block_stop", "index": index }));
        index += 1;
    };
    if !spoken.reasoning.is_empty() {
        let mut deltas: Vec<_> =
            spoken.reasoning.iter().map(|part| json!({ "type": "thinking_delta", "thinking": part })).collect();
        deltas.push(json!({ "type": "signature_delta", "signature": "c2lnbmVk" }));
        block(&mut events, json!({ "type": "thinking", "thinking": "", "signature": "" }), deltas);
        block(&mut events, json!({ "type": "redacted_thinking", "data": "cmVkYWN0ZWQ=" }), Vec::new());
    }
    if !spoken.text.is_empty() {
        let deltas = spoken.text.iter().map(|part| json!({ "type": "text_delta", "text": part })).collect();
        block(&mut events, json!({ "type": "text", "text": "" }), deltas);
    }
    for (id, name, pieces) in &spoken.calls {
        let deltas = pieces.iter().map(|part| json!({ "type": "input_json_delta", "partial_json": part })).collect();
        block(&mut events, json!({ "type": "tool_use", "id": id, "name": name, "input": {} }), deltas);
    }
    let reason = match spoken.end {
        End::Done if spoken.calls.is_empty() => "end_turn",
        End::Done => "tool_use",
        End::Length => "max_tokens",
        End::Filtered => "refusal",
        End::Overloaded => {
            events.push(json!({ "type": "error", "error": { "type": "overloaded_error", "message": "overloaded" } }));
            return events;
        }
        End::Nothing => return events,
    };
    events.push(json!({ "type": "message_delta", "delta": { "stop_reason": reason, "stop_sequence": null },
        "usage": { "output_tokens": 20, "output_tokens_details": { "thinking_tokens": 5 } } }));
    events.push(json!({ "type": "message_stop" }));
    events
}

/// The body of a failure as a server of this kind writes it.
pub(crate) fn failure(kind: RemoteKind, label: &str, message: &str) -> String {
    match kind {
        RemoteKind::Anthropic => json!({ "type": "error", "error": { "type": label, "message": message } }),
        RemoteKind::OpenAi | RemoteKind::OpenAiResponses | RemoteKind::Azure => {
            json!({ "error": { "message": message, "type": label, "code": label, "param": null } })
        }
    }
    .to_string()
}

/// A message of a request, in no one's words: who speaks, the text, calls (id, name, arguments) and the
/// call it is the result of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Heard {
    pub(crate) role: &'static str,
    pub(crate) text: String,
    pub(crate) calls: Vec<(String, String, Value)>,
    pub(crate) result_of: Option<String>,
}

/// Reads a request, and panics where a server of this kind would refuse it.
pub(crate) fn heard(kind: RemoteKind, body: &Value) -> Vec<Heard> {
    assert_eq!(body["stream"], true);
    let heard = match kind {
        RemoteKind::OpenAi | RemoteKind::Azure => heard_chat(body),
        RemoteKind::OpenAiResponses => heard_responses(body),
        RemoteKind::Anthropic => heard_messages(body),
    };
    let mut open: Vec<&str> = Vec::new();
    for message in &heard {
        match &message.result_of {
            Some(id) => {
                let at = open.iter().position(|open| open == id);
                open.remove(at.unwrap_or_else(|| panic!("a result without a call: {id}")));
            }
            // Parallel calls of Responses are items of their own.
            None if !message.calls.is_empty() && kind == RemoteKind::OpenAiResponses => {}
            None => assert!(open.is_empty(), "calls without results before {message:?}"),
        }
        open.extend(message.calls.iter().map(|(id, _, _)| id.as_str()));
        for (id, name, arguments) in &message.calls {
            assert!(!id.is_empty() && id.len() <= 64 && !name.is_empty() && arguments.is_object(), "{message:?}");
        }
    }
    assert!(open.is_empty(), "calls without results at the end: {open:?}");
    heard
}

fn spoken_by(role: &'static str, text: &str) -> Heard {
    Heard { role, text: text.to_owned(), calls: Vec::new(), result_of: None }
}

fn parsed(arguments: &Value) -> Value {
    serde_json::from_str(arguments.as_str().expect("arguments are text")).expect("arguments are JSON")
}

fn heard_chat(body: &Value) -> Vec<Heard> {
    let messages = body["messages"].as_array().unwrap().iter();
    messages
        .map(|message| {
            let text = message["content"].as_str().unwrap_or_default();
            match message["role"].as_str().unwrap() {
                "system" | "developer" => spoken_by("system", text),
                "user" => spoken_by("user", text),
                "tool" => Heard {
                    result_of: Some(message["tool_call_id"].as_str().unwrap().to_owned()),
                    ..spoken_by("tool", text)
                },
                "assistant" => {
                    let calls = message["tool_calls"].as_array().into_iter().flatten().map(|call| {
                        let function = &call["function"];
                        let word = |value: &Value| value.as_str().unwrap().to_owned();
                        (word(&call["id"]), word(&function["name"]), parsed(&function["arguments"]))
                    });
                    Heard { calls: calls.collect(), ..spoken_by("assistant", text) }
                }
                other => panic!("a role out of place: {other}"),
            }
        })
        .collect()
}

fn heard_responses(body: &Value) -> Vec<Heard> {
    assert_eq!(body["store"], false);
    let mut heard = vec![spoken_by("system", body["instructions"].as_str().unwrap())];
    let mut expects_more = false;
    for item in body["input"].as_array().unwrap() {
        let kind = item["type"].as_str().unwrap_or("message");
        match kind {
            "message" => {
                let text = match &item["content"] {
                    Value::Array(parts) => parts.iter().map(|part| part["text"].as_str().unwrap()).collect(),
                    Value::String(text) => text.clone(),
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => panic!("no text: {item}"),
                };
                let role = if item["role"] == "user" { "user" } else { "assistant" };
                heard.push(spoken_by(role, &text));
            }
            "reasoning" => {
                assert!(item["encrypted_content"].is_string(), "reasoning that the server cannot read: {item}");
                expects_more = true;
                continue;
            }
            "function_call" => {
                let word = |field: &str| item[field].as_str().unwrap().to_owned();
                let call = (word("call_id"), word("name"), parsed(&item["arguments"]));
                heard.push(Heard { calls: vec![call], ..spoken_by("assistant", "") });
            }
            "function_call_output" => heard.push(Heard {
                result_of: Some(item["call_id"].as_str().unwrap().to_owned()),
                ..spoken_by("tool", item["output"].as_str().unwrap())
            }),
            other => panic!("an item out of place: {other}"),
        }
        assert!(!expects_more || kind != "function_call_output", "reasoning without what followed it");
        expects_more = false;
    }
    heard
}

fn heard_messages(body: &Value) -> Vec<Heard> {
    assert!(body["max_tokens"].as_u64().unwrap() > 0);
    let system: Vec<_> =
        body["system"].as_array().into_iter().flatten().map(|block| block["text"].as_str().unwrap()).collect();
    let mut heard = vec![spoken_by("system", &system.join("\n\n"))];
    let messages = body["messages"].as_array().unwrap();
    assert_eq!(messages[0]["role"], "user", "the person speaks first");
    let mut before = "";
    for message in messages {
        let role = if message["role"] == "user" { "user" } else { "assistant" };
        assert_ne!(role, before, "two messages of one role in a row");
        before = role;
        let blocks = message["content"].as_array().unwrap();
        assert!(!blocks.is_empty(), "a message without blocks");
        let mut said = spoken_by(role, "");
        let mut text_began = false;
        for block in blocks {
            match block["type"].as_str().unwrap() {
                "text" => {
                    let text = block["text"].as_str().unwrap();
                    assert!(!text.trim().is_empty(), "an empty block of text");
                    said.text.push_str(text);
                    text_began = true;
                }
                "tool_use" => {
                    let word = |field: &str| block[field].as_str().unwrap().to_owned();
                    let id = word("id");
                    assert!(id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'), "{id}");
                    said.calls.push((id, word("name"), block["input"].clone()));
                }
                "tool_result" => {
                    assert!(!text_began, "results come before text");
                    heard.push(Heard {
                        result_of: Some(block["tool_use_id"].as_str().unwrap().to_owned()),
                        ..spoken_by("tool", block["content"].as_str().unwrap())
                    });
                }
                "thinking" => assert_eq!(block["signature"], "c2lnbmVk", "a signature was changed"),
                "redacted_thinking" => assert_eq!(block["data"], "cmVkYWN0ZWQ="),
                other => panic!("a block out of place: {other}"),
            }
        }
        if !said.text.is_empty() || !said.calls.is_empty() {
            heard.push(said);
        }
    }
    heard
}
