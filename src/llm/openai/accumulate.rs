//! Builds one reply from the chunks of a stream. No IO: chunks in, deltas and a reply out.

use serde_json::{Map, Value};

use super::calls::CallCollector;
use crate::{
    domain::talk::{Finish, Usage},
    llm::{
        LlmError, OnDelta, Reply,
        remote::{
            Reading,
            complaint::Complaint,
            draft::{Draft, settled},
            error_in_stream,
        },
        render::new_call_id,
    },
};

/// A reply in the making.
#[derive(Debug, Default)]
pub struct Accumulator {
    draft: Draft,
    /// What came as `reasoning_content`, which its senders want back beside tool calls.
    reasoning_content: String,
    reasoning_details: Vec<Value>,
    extra_content: Option<Value>,
    calls: CallCollector,
    finish: Option<String>,
    usage: Option<Usage>,
}

impl Reading for Accumulator {
    /// Takes one chunk: a streamed one, or a whole completion from a server that does not stream.
    fn absorb(&mut self, chunk: &Value, on_delta: OnDelta<'_>) -> Result<(), LlmError> {
        if let Some(chunks) = chunk.as_array() {
            return chunks.iter().try_for_each(|chunk| self.absorb(chunk, on_delta));
        }
        if let Some(complaint) = Complaint::in_stream(chunk) {
            return Err(error_in_stream(&complaint));
        }
        if let Some(usage) = chunk.get("usage").or_else(|| chunk.pointer("/x_groq/usage")).and_then(read_usage) {
            self.usage = Some(usage);
        }
        let choices = chunk.get("choices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let Some(choice) =
            choices.iter().find(|choice| matches!(choice.get("index").and_then(Value::as_u64), None | Some(0)))
        else {
            return Ok(());
        };
        let delta = choice.get("delta").filter(|delta| delta.is_object());
        if let Some(delta) = delta.or_else(|| choice.get("message").filter(|_| self.is_fresh())) {
            self.absorb_delta(delta, on_delta);
        }
        if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str).filter(|reason| !reason.is_empty()) {
            self.finish = Some(reason.to_owned());
        }
        self.draft.check_size()
    }

    fn has_begun(&self) -> bool {
        !self.is_fresh()
    }

    fn bytes(&self) -> usize {
        self.draft.len()
    }

    fn finish(self, told_done: bool, on_delta: OnDelta<'_>) -> Result<(Reply, Map<String, Value>), LlmError> {
        let finish = match self.finish.as_deref() {
            None if told_done => Finish::Done,
            None => {
                return Err(LlmError::Truncated { message: "the stream ended without a finish reason".to_owned() });
            }
            Some("error") => {
                return Err(LlmError::Unavailable {
                    retry_after: None,
                    message: "it gave up in the middle of the answer".to_owned(),
                });
            }
            Some(reason) => read_finish(reason),
        };
        let calls_began = !self.calls.is_empty();
        let (text, refusal) = self.draft.finish(on_delta);
        let calls = self.calls.finish(finish == Finish::Length, new_call_id);
        let names_no_tool = calls_began && calls.is_empty();
        let (finish, message) = settled(finish, text, calls, &refusal);
        if names_no_tool && message.text.is_empty() && !matches!(finish, Finish::Filtered | Finish::Length) {
            return Err(LlmError::BadToolCall { message: "the call names no tool".to_owned() });
        }

        let mut fields = Map::new();
        if !self.reasoning_content.is_empty() && !message.calls.is_empty() {
            fields.insert("reasoning_content".to_owned(), Value::String(self.reasoning_content));
        }
        if !self.reasoning_details.is_empty() {
            fields.insert("reasoning_details".to_owned(), Value::Array(self.reasoning_details));
        }
        if let Some(extra) = self.extra_content {
            fields.insert("extra_content".to_owned(), extra);
        }
        Ok((Reply { message, finish, usage: self.usage }, fields))
    }
}

impl Accumulator {
    fn is_fresh(&self) -> bool {
        self.draft.len() == 0 && self.calls.is_empty()
    }

    fn absorb_delta(&mut self, delta: &Value, on_delta: OnDelta<'_>) {
        self.absorb_reasoning(delta, on_delta);
        match delta.get("content") {
            Some(Value::String(text)) => self.draft.tell_text(text, on_delta),
            Some(Value::Array(parts)) => parts.iter().for_each(|part| self.absorb_part(part, on_delta)),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {}
        }
        if let Some(refusal) = non_empty(delta, "refusal") {
            self.draft.tell_refusal(refusal, on_delta);
        }
        match delta.get("tool_calls") {
            Some(Value::Array(pieces)) => {
                self.draft.keep(pieces.iter().map(|piece| self.calls.absorb(piece)).sum());
            }
            Some(piece @ Value::Object(_)) => self.draft.keep(self.calls.absorb(piece)),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {}
        }
        // The form that came before `tool_calls`; some servers still speak it.
        if let Some(function) = delta.get("function_call").filter(|function| function.is_object()) {
            self.draft.keep(self.calls.absorb(&serde_json::json!({ "index": 0, "function": function })));
        }
        if let Some(extra) = delta.get("extra_content").filter(|extra| !extra.is_null()) {
            self.draft.keep(extra.to_string().len());
            self.extra_content = Some(extra.clone());
        }
    }

    /// One channel, whichever field it comes in; several servers send the same text in two.
    fn absorb_reasoning(&mut self, delta: &Value, on_delta: OnDelta<'_>) {
        let mut told = String::new();
        if let Some(text) = non_empty(delta, "reasoning_content") {
            self.reasoning_content.push_str(text);
            told.push_str(text);
        } else if let Some(text) = non_empty(delta, "reasoning") {
            told.push_str(text);
        }
        if let Some(details) = delta.get("reasoning_details").and_then(Value::as_array) {
            let only_here = told.is_empty();
            for detail in details {
                if only_here && let Some(text) = non_empty(detail, "text").or_else(|| non_empty(detail, "summary")) {
                    told.push_str(text);
                }
                self.draft.keep(detail.to_string().len());
                add_detail(&mut self.reasoning_details, detail);
            }
        }
        self.draft.keep(told.len());
        self.draft.tell_reasoning(&told, on_delta);
    }

    /// A part of a content array, as Mistral's reasoning models stream it.
    fn absorb_part(&mut self, part: &Value, on_delta: OnDelta<'_>) {
        match part.get("type").and_then(Value::as_str) {
            Some("thinking") => {
                let thinking = match part.get("thinking") {
                    Some(Value::String(text)) => text.clone(),
                    Some(Value::Array(parts)) => parts.iter().filter_map(|part| non_empty(part, "text")).collect(),
                    Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => String::new(),
                };
                self.draft.keep(thinking.len());
                self.draft.tell_reasoning(&thinking, on_delta);
            }
            Some(_) | None => {
                if let Some(text) = non_empty(part, "text").or(part.as_str()) {
                    self.draft.tell_text(text, on_delta);
                }
            }
        }
    }
}

fn non_empty<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Adds a streamed detail to the whole ones: text of the same kind and index goes on, anything else
/// is an entry of its own.
fn add_detail(details: &mut Vec<Value>, detail: &Value) {
    if let (Some(Value::Object(last)), Value::Object(new)) = (details.last_mut(), detail) {
        let same = last.get("type") == new.get("type") && last.get("index") == new.get("index");
        let field = match new.get("type").and_then(Value::as_str) {
            Some("reasoning.text") => Some("text"),
            Some("reasoning.summary") => Some("summary"),
            Some(_) | None => None,
        };
        if let Some(field) = field.filter(|_| same) {
            for (name, value) in new {
                match (name == field, last.get_mut(name), value) {
                    (true, Some(Value::String(whole)), Value::String(part)) => whole.push_str(part),
                    (_, _, Value::Null) => {}
                    (_, _, value) => {
                        last.insert(name.clone(), value.clone());
                    }
                }
            }
            return;
        }
    }
    details.push(detail.clone());
}

fn read_finish(reason: &str) -> Finish {
    match reason.to_ascii_lowercase().as_str() {
        "stop" | "end_turn" | "eos" | "stop_sequence" => Finish::Done,
        "tool_calls" | "function_call" | "tool_use" => Finish::ToolCalls,
        "length" | "max_tokens" | "model_length" => Finish::Length,
        "content_filter" | "refusal" | "safety" => Finish::Filtered,
        _ => {
            tracing::warn!(reason, "the model stopped for a reason we do not know; taken as done");
            Finish::Other(reason.chars().take(64).collect())
        }
    }
}

fn read_usage(usage: &Value) -> Option<Usage> {
    let number = |path: &str| {
        let value = usage.pointer(path)?;
        // A cast from a float saturates, and no real count comes near the border.
        value.as_u64().or_else(|| value.as_f64().map(|number| number as u64))
    };
    let input = number("/prompt_tokens")?;
    let completion = number("/completion_tokens").unwrap_or(0);
    // xAI and Gemini leave reasoning out of the completion but not out of the total.
    let beyond_input = number("/total_tokens").unwrap_or(0).saturating_sub(input);
    Some(Usage {
        input,
        cached_input: number("/prompt_tokens_details/cached_tokens")
            .or_else(|| number("/prompt_cache_hit_tokens"))
            .unwrap_or(0),
        cache_write: number("/prompt_tokens_details/cache_write_tokens").unwrap_or(0),
        output: completion.max(beyond_input),
        reasoning: number("/completion_tokens_details/reasoning_tokens").unwrap_or(0),
        // OpenRouter tells what it takes, in dollars; that is better than any table.
        nano_dollars: usage.get("cost").and_then(Value::as_f64).map_or(0, |usd| (usd * 1e9).round() as u64),
    })
}

#[cfg(test)]
mod tests;
