//! Builds one reply from the events of a Messages stream.

use serde_json::{Map, Value, json};

use super::request::BLOCKS;
use crate::{
    domain::talk::{Finish, ToolCall, Usage},
    llm::{
        LlmError, OnDelta, Reply,
        remote::{
            Reading,
            complaint::Complaint,
            draft::{Draft, own_id, settled},
            error_in_stream,
        },
        render::new_call_id,
    },
};

/// A reply in the making.
#[derive(Debug, Default)]
pub struct Collector {
    blocks: Vec<Block>,
    draft: Draft,
    stop_reason: Option<String>,
    explanation: String,
    stopped: bool,
    counts: Counts,
}

/// A content block, as far as it came.
#[derive(Debug)]
struct Block {
    index: Option<u64>,
    block: Map<String, Value>,
    /// A call's arguments as they stream.
    input: String,
}

/// Tokens as the provider counts them, each the newest that was told.
#[derive(Debug, Default)]
struct Counts {
    told: bool,
    input: u64,
    cache_read: u64,
    cache_write: u64,
    output: u64,
    thinking: u64,
}

impl Reading for Collector {
    fn absorb(&mut self, event: &Value, on_delta: OnDelta<'_>) -> Result<(), LlmError> {
        match text(event, "type") {
            "message_start" => {
                let message = event.get("message").unwrap_or(&Value::Null);
                self.counts.read(message.get("usage"));
            }
            "content_block_start" => self.open(event, on_delta),
            "content_block_delta" => self.go_on(event, on_delta),
            "message_delta" => {
                self.counts.read(event.get("usage"));
                self.read_stop(event.get("delta").unwrap_or(&Value::Null));
            }
            "message_stop" => self.stopped = true,
            "ping" | "content_block_stop" => {}
            // A whole message from a server that does not stream.
            "message" => {
                for block in event.get("content").and_then(Value::as_array).into_iter().flatten() {
                    self.open(&json!({ "content_block": block }), on_delta);
                }
                self.counts.read(event.get("usage"));
                self.read_stop(event);
                self.stopped = true;
            }
            _ => {
                if let Some(complaint) = Complaint::in_stream(event) {
                    return Err(error_in_stream(&complaint));
                }
            }
        }
        self.draft.check_size()
    }

    fn has_begun(&self) -> bool {
        !self.blocks.is_empty()
    }

    fn bytes(&self) -> usize {
        self.draft.len()
    }

    fn finish(mut self, _told_done: bool, on_delta: OnDelta<'_>) -> Result<(Reply, Map<String, Value>), LlmError> {
        let finish = match self.stop_reason.as_deref() {
            None if self.stopped => Finish::Done,
            None => {
                return Err(LlmError::Truncated { message: "the stream ended without a stop reason".to_owned() });
            }
            Some("end_turn" | "stop_sequence") => Finish::Done,
            Some("tool_use") => Finish::ToolCalls,
            Some("max_tokens" | "model_context_window_exceeded") => Finish::Length,
            Some("refusal") => Finish::Filtered,
            Some(reason) => {
                tracing::warn!(reason, "the model stopped for a reason we do not know; taken as done");
                Finish::Other(reason.chars().take(64).collect())
            }
        };
        let (text, _refusal) = std::mem::take(&mut self.draft).finish(on_delta);
        if self.stop_reason.as_deref() == Some("model_context_window_exceeded") && text.is_empty() {
            return Err(LlmError::TooLong { message: "the window was full before the answer was over".to_owned() });
        }
        if finish == Finish::Length && self.blocks.last().is_some_and(Block::is_cut_call) {
            self.blocks.pop();
        }
        let calls = self.calls();
        let refusal = if finish == Finish::Filtered { self.explanation.as_str() } else { "" };
        let (finish, message) = settled(finish, text, calls, refusal);
        let blocks: Vec<Value> = self.blocks.into_iter().filter_map(Block::into_sendable).collect();
        let fields = Map::from_iter([(BLOCKS.to_owned(), Value::Array(blocks))]);
        Ok((Reply { message, finish, usage: self.counts.usage() }, fields))
    }
}

impl Collector {
    fn open(&mut self, event: &Value, on_delta: OnDelta<'_>) {
        let block = event.get("content_block").and_then(Value::as_object).cloned().unwrap_or_default();
        self.draft.keep(Value::Object(block.clone()).to_string().len());
        // The start may already hold a first piece; it is told like any other.
        for field in ["thinking", "text"] {
            let first = block.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            self.tell(field, &first, on_delta);
        }
        let index = event.get("index").and_then(Value::as_u64);
        self.blocks.push(Block { index, block, input: String::new() });
    }

    fn go_on(&mut self, event: &Value, on_delta: OnDelta<'_>) {
        let delta = event.get("delta").unwrap_or(&Value::Null);
        let index = event.get("index").and_then(Value::as_u64);
        let at = self.blocks.iter().rposition(|block| block.index == index);
        let Some(block) = at.and_then(|at| self.blocks.get_mut(at)) else { return };
        let (field, part) = match text(delta, "type") {
            "text_delta" => ("text", text(delta, "text")),
            "thinking_delta" => ("thinking", text(delta, "thinking")),
            "signature_delta" => ("signature", text(delta, "signature")),
            "input_json_delta" => {
                let part = text(delta, "partial_json");
                block.input.push_str(part);
                self.draft.keep(part.len());
                return;
            }
            // Citations and whatever comes next are no words of the answer.
            _ => return,
        };
        self.draft.keep(part.len());
        match block.block.get_mut(field) {
            Some(Value::String(whole)) => whole.push_str(part),
            Some(_) | None => drop(block.block.insert(field.to_owned(), json!(part))),
        }
        self.tell(field, part, on_delta);
    }

    fn tell(&mut self, field: &str, part: &str, on_delta: OnDelta<'_>) {
        match field {
            "text" => self.draft.tell_text(part, on_delta),
            "thinking" => self.draft.tell_reasoning(part, on_delta),
            _ => {}
        }
    }

    fn read_stop(&mut self, from: &Value) {
        if let Some(reason) = from.get("stop_reason").and_then(Value::as_str) {
            self.stop_reason = Some(reason.to_owned());
        }
        let explanation = from.pointer("/stop_details/explanation").and_then(Value::as_str);
        self.explanation = explanation.unwrap_or(&self.explanation).chars().take(300).collect();
    }

    /// The calls, each with an id that no other has; the blocks get the same ids.
    fn calls(&mut self) -> Vec<ToolCall> {
        let mut calls: Vec<ToolCall> = Vec::new();
        for block in &mut self.blocks {
            let name = block.text("name").to_owned();
            if block.text("type") != "tool_use" || name.is_empty() {
                continue;
            }
            let id = own_id(block.text("id"), &calls, new_call_id);
            block.block.insert("id".to_owned(), json!(id));
            calls.push(ToolCall { id, name, arguments: block.arguments(), raw: Map::new() });
        }
        calls
    }
}

impl Block {
    fn text(&self, field: &str) -> &str {
        self.block.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// What streamed, or what was there from the start.
    fn arguments(&self) -> String {
        match self.block.get("input") {
            _ if !self.input.is_empty() => self.input.clone(),
            Some(Value::Object(fields)) => Value::Object(fields.clone()).to_string(),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) | None => String::new(),
        }
    }

    fn is_cut_call(&self) -> bool {
        // Without a word of its arguments the block's own empty object stands.
        self.text("type") == "tool_use" && serde_json::from_str::<Map<String, Value>>(&self.input).is_err()
    }

    /// The block as it goes back. Signed ones are not touched; an empty text is refused by the provider.
    fn into_sendable(self) -> Option<Value> {
        match self.text("type") {
            "text" if self.text("text").trim().is_empty() => None,
            // Cut off before it was signed, or from a server that signs nothing: neither is taken back.
            "thinking" if self.text("signature").is_empty() => None,
            "tool_use" if self.text("name").is_empty() => None,
            "tool_use" => {
                let arguments = self.arguments();
                let input = match serde_json::from_str::<Map<String, Value>>(&arguments) {
                    Ok(fields) => Value::Object(fields),
                    Err(_) if arguments.trim().is_empty() => json!({}),
                    Err(_) => json!({ "malformed_arguments": arguments }),
                };
                let mut block = self.block;
                block.insert("input".to_owned(), input);
                Some(Value::Object(block))
            }
            _ => Some(Value::Object(self.block)),
        }
    }
}

impl Counts {
    fn read(&mut self, usage: Option<&Value>) {
        let Some(usage) = usage.filter(|usage| usage.is_object()) else { return };
        let number = |path: &str| usage.pointer(path).and_then(Value::as_u64);
        self.told |= number("/input_tokens").is_some() || number("/output_tokens").is_some();
        for (count, path) in [
            (&mut self.input, "/input_tokens"),
            (&mut self.cache_read, "/cache_read_input_tokens"),
            (&mut self.cache_write, "/cache_creation_input_tokens"),
            (&mut self.output, "/output_tokens"),
            (&mut self.thinking, "/output_tokens_details/thinking_tokens"),
        ] {
            // Later events repeat what came before, some of them with zeros.
            *count = number(path).map_or(*count, |told| told.max(*count));
        }
    }

    /// The provider leaves what was cached out of the input; we count it in.
    fn usage(&self) -> Option<Usage> {
        self.told.then_some(Usage {
            input: self.input + self.cache_read + self.cache_write,
            cached_input: self.cache_read,
            cache_write: self.cache_write,
            output: self.output,
            reasoning: self.thinking,
            nano_dollars: 0,
        })
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}
