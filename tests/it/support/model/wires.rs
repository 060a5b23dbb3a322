//! The same script in other servers' words: requests read into Chat Completions' form, so that one set of
//! rules judges them all, and answers written in each wire's own events.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::{Frame, Piece};

/// What a route of the scripted model speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Chat,
    Responses,
    Messages,
}

/// The request as Chat Completions would have it.
pub(super) fn as_chat(wire: Wire, body: &Value) -> Value {
    let (messages, tools) = match wire {
        Wire::Chat => return body.clone(),
        Wire::Responses => (from_responses(body), tools(body, "parameters")),
        Wire::Messages => (from_messages(body), tools(body, "input_schema")),
    };
    let mut chat = json!({ "model": body["model"], "stream": body["stream"], "messages": messages });
    if !tools.is_empty() {
        chat["tools"] = Value::Array(tools);
    }
    chat
}

fn tools(body: &Value, schema: &str) -> Vec<Value> {
    let tools = body["tools"].as_array().into_iter().flatten();
    tools
        .map(|tool| {
            let function =
                json!({ "name": tool["name"], "description": tool["description"], "parameters": tool[schema] });
            json!({ "type": "function", "function": function })
        })
        .collect()
}

fn call(id: &Value, name: &Value, arguments: String) -> Value {
    json!({ "id": id, "type": "function", "function": { "name": name, "arguments": arguments } })
}

pub(super) fn text_of(content: &Value) -> String {
    match content {
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    }
}

fn from_responses(body: &Value) -> Vec<Value> {
    let mut messages = vec![json!({ "role": "system", "content": body["instructions"] })];
    for item in body["input"].as_array().into_iter().flatten() {
        match item["type"].as_str().unwrap_or("message") {
            "function_call" => {
                let call =
                    call(&item["call_id"], &item["name"], item["arguments"].as_str().unwrap_or_default().to_owned());
                match messages.last_mut() {
                    // Parallel calls are items of their own, and so is the text beside them.
                    Some(last) if last["role"] == "assistant" => match last["tool_calls"].as_array_mut() {
                        Some(calls) => calls.push(call),
                        None => last["tool_calls"] = json!([call]),
                    },
                    Some(_) | None => {
                        messages.push(json!({ "role": "assistant", "content": null, "tool_calls": [call] }))
                    }
                }
            }
            "function_call_output" => {
                messages.push(json!({ "role": "tool", "tool_call_id": item["call_id"], "content": item["output"] }))
            }
            "message" => messages.push(json!({ "role": item["role"], "content": text_of(&item["content"]) })),
            _ => {}
        }
    }
    messages
}

fn from_messages(body: &Value) -> Vec<Value> {
    let mut messages = vec![json!({ "role": "system", "content": text_of(&body["system"]) })];
    for message in body["messages"].as_array().into_iter().flatten() {
        let blocks = message["content"].as_array().map(Vec::as_slice).unwrap_or_default();
        let results = blocks.iter().filter(|block| block["type"] == "tool_result");
        messages.extend(results.map(|block| {
            json!({ "role": "tool", "tool_call_id": block["tool_use_id"], "content": text_of(&block["content"]) })
        }));
        let said: Vec<_> = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
        let calls: Vec<_> = blocks
            .iter()
            .filter(|block| block["type"] == "tool_use")
            .map(|block| call(&block["id"], &block["name"], block["input"].to_string()))
            .collect();
        if message["role"] == "assistant" {
            let content = if said.is_empty() { Value::Null } else { json!(said.concat()) };
            let mut written = json!({ "role": "assistant", "content": content });
            if !calls.is_empty() {
                written["tool_calls"] = Value::Array(calls);
            }
            messages.push(written);
        } else {
            messages.extend(said.iter().map(|text| json!({ "role": "user", "content": text })));
        }
    }
    messages
}

fn data(event: &Value) -> Frame {
    Frame::Data(event.to_string())
}

/// The pieces as a Responses stream.
pub(super) fn responses(number: usize, pieces: Vec<Piece>) -> VecDeque<Frame> {
    let mut frames =
        VecDeque::from([data(&json!({ "type": "response.created", "response": { "status": "in_progress" } }))]);
    let (mut text, mut reasoning) = (String::new(), String::new());
    let mut calls: Vec<(String, String)> = Vec::new();
    let mut status = ("response.completed", "completed", Value::Null);
    for piece in pieces {
        frames.push_back(match piece {
            Piece::Reasoning(part) => {
                reasoning.push_str(&part);
                data(&json!({ "type": "response.reasoning_summary_text.delta", "item_id": "rs", "delta": part }))
            }
            Piece::Text(part) => {
                text.push_str(&part);
                data(&json!({ "type": "response.output_text.delta", "item_id": "msg", "delta": part }))
            }
            Piece::Call { index, name } => {
                let item = json!({ "type": "function_call", "id": format!("fc_{index}"),
                    "call_id": format!("call_{number}_{index}"), "name": name, "arguments": "" });
                calls.push((name, String::new()));
                data(&json!({ "type": "response.output_item.added", "output_index": index + 2, "item": item }))
            }
            Piece::Arguments { index, text: part } => {
                if let Some((_, arguments)) = calls.get_mut(index) {
                    arguments.push_str(&part);
                }
                data(&json!({ "type": "response.function_call_arguments.delta", "item_id": format!("fc_{index}"),
                    "output_index": index + 2, "delta": part }))
            }
            Piece::Hold(gate) => Frame::Hold(gate),
            Piece::Pause(time) => Frame::Pause(time),
            Piece::Cut => {
                frames.push_back(Frame::Cut);
                return frames;
            }
            Piece::Finish(reason) => {
                if reason == "length" {
                    status = ("response.incomplete", "incomplete", json!({ "reason": "max_output_tokens" }));
                }
                continue;
            }
        });
    }
    let mut output = Vec::new();
    if !reasoning.is_empty() {
        output.push(json!({ "type": "reasoning", "id": "rs", "encrypted_content": format!("sealed {number}"),
            "summary": [{ "type": "summary_text", "text": reasoning }] }));
    }
    if !text.is_empty() {
        output.push(json!({ "type": "message", "id": "msg", "role": "assistant", "status": "completed",
            "content": [{ "type": "output_text", "text": text, "annotations": [] }] }));
    }
    output.extend(calls.into_iter().enumerate().map(|(index, (name, arguments))| {
        json!({ "type": "function_call", "id": format!("fc_{index}"), "call_id": format!("call_{number}_{index}"),
            "name": name, "arguments": arguments, "status": "completed" })
    }));
    frames.extend(output.iter().map(|item| data(&json!({ "type": "response.output_item.done", "item": item }))));
    let (kind, status, reason) = status;
    frames.push_back(data(&json!({ "type": kind, "response": { "object": "response", "status": status,
        "incomplete_details": reason, "output": output, "usage": { "input_tokens": 120, "output_tokens": 30 } } })));
    frames
}

/// The pieces as a Messages stream.
#[expect(clippy::too_many_lines, reason = "one table of what each piece becomes")]
pub(super) fn messages(number: usize, pieces: Vec<Piece>) -> VecDeque<Frame> {
    let start = json!({ "type": "message_start", "message": { "usage": { "input_tokens": 20, "cache_read_input_tokens": 100 } } });
    let mut frames = VecDeque::from([data(&start)]);
    let mut open: Option<&'static str> = None;
    let mut next = 0;
    // Which block each call is in.
    let mut blocks = Vec::new();
    let mut finish = "end_turn";
    let block = |index: usize, block: Value| {
        data(&json!({ "type": "content_block_start", "index": index, "content_block": block }))
    };
    let delta =
        |index: usize, delta: Value| data(&json!({ "type": "content_block_delta", "index": index, "delta": delta }));
    for piece in pieces {
        let (kind, fresh, part) = match piece {
            Piece::Reasoning(part) => (
                "thinking",
                json!({ "type": "thinking", "thinking": "", "signature": format!("signed {number}") }),
                json!({ "type": "thinking_delta", "thinking": part }),
            ),
            Piece::Text(part) => {
                ("text", json!({ "type": "text", "text": "" }), json!({ "type": "text_delta", "text": part }))
            }
            Piece::Call { index, name } => {
                finish = "tool_use";
                blocks.push(next);
                let id = format!("toolu_{number}_{index}");
                frames.push_back(block(next, json!({ "type": "tool_use", "id": id, "name": name, "input": {} })));
                next += 1;
                open = None;
                continue;
            }
            Piece::Arguments { index, text } => {
                frames.push_back(delta(blocks[index], json!({ "type": "input_json_delta", "partial_json": text })));
                continue;
            }
            Piece::Hold(gate) => {
                frames.push_back(Frame::Hold(gate));
                continue;
            }
            Piece::Pause(time) => {
                frames.push_back(Frame::Pause(time));
                continue;
            }
            Piece::Cut => {
                frames.push_back(Frame::Cut);
                return frames;
            }
            Piece::Finish(reason) => {
                finish = if reason == "length" { "max_tokens" } else { finish };
                continue;
            }
        };
        if open != Some(kind) {
            frames.push_back(block(next, fresh));
            next += 1;
            open = Some(kind);
        }
        frames.push_back(delta(next - 1, part));
    }
    frames.push_back(data(
        &json!({ "type": "message_delta", "delta": { "stop_reason": finish }, "usage": { "output_tokens": 30 } }),
    ));
    frames.push_back(data(&json!({ "type": "message_stop" })));
    frames
}
