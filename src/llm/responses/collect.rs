//! Builds one reply from the events of a Responses stream.
//!
//! What an item says when it is done counts for more than the pieces it came in: servers leave out
//! pieces, their numbers, or the events between.

use serde_json::{Map, Value, json};

use super::request::ITEMS;
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
        think::ThinkSplitter,
    },
};

/// A reply in the making.
#[derive(Debug, Default)]
pub struct Collector {
    slots: Vec<Slot>,
    draft: Draft,
    ended: Option<Ended>,
    begun: bool,
}

/// An item, as far as it came.
#[derive(Debug)]
struct Slot {
    index: Option<u64>,
    id: String,
    item: Value,
    /// Arguments as they stream.
    arguments: String,
    is_done: bool,
}

/// What the last event said.
#[derive(Debug)]
struct Ended {
    finish: Finish,
    output: Vec<Value>,
    usage: Option<Usage>,
}

impl Reading for Collector {
    fn absorb(&mut self, event: &Value, on_delta: OnDelta<'_>) -> Result<(), LlmError> {
        let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
        match kind {
            "response.output_item.added" => self.open(event),
            "response.output_item.done" => self.close(event),
            "response.function_call_arguments.delta" => {
                let part = text(event, "delta").to_owned();
                self.draft.keep(part.len());
                self.slot(event).arguments.push_str(&part);
            }
            "response.function_call_arguments.done" => {
                let whole = text(event, "arguments").to_owned();
                let slot = self.slot(event);
                if !whole.is_empty() {
                    slot.arguments = whole;
                }
            }
            "response.output_text.delta" => self.tell_text(text(event, "delta"), on_delta),
            "response.refusal.delta" => self.draft.tell_refusal(text(event, "delta"), on_delta),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                self.tell_reasoning(text(event, "delta"), on_delta);
            }
            // Between two paragraphs of a summary nothing is sent but this.
            "response.reasoning_summary_part.added" if self.begun => self.tell_reasoning("\n\n", on_delta),
            "response.completed" | "response.incomplete" | "response.failed" => {
                self.end(event.get("response").unwrap_or(&Value::Null))?;
            }
            // A whole response from a server that does not stream.
            _ if event.get("object").and_then(Value::as_str) == Some("response") => self.end(event)?,
            _ => {
                if let Some(complaint) = Complaint::in_stream(event) {
                    return Err(error_in_stream(&complaint));
                }
            }
        }
        self.draft.check_size()
    }

    fn has_begun(&self) -> bool {
        self.begun || !self.slots.is_empty() || self.draft.is_refused()
    }

    fn bytes(&self) -> usize {
        self.draft.len()
    }

    fn finish(mut self, _told_done: bool, on_delta: OnDelta<'_>) -> Result<(Reply, Map<String, Value>), LlmError> {
        let Some(ended) = self.ended.take() else {
            return Err(LlmError::Truncated {
                message: "the stream ended before the response was complete".to_owned(),
            });
        };
        let (streamed, refused) = std::mem::take(&mut self.draft).finish(on_delta);
        let items = self.items(ended.output, ended.finish == Finish::Length);

        let refusal = spoken(&items, "refusal", "refusal");
        let said = spoken(&items, "output_text", "text");
        let text = if said.is_empty() { streamed } else { without_thinking(&said) }.trim().to_owned();
        let refusal = if refusal.is_empty() { refused } else { refusal };
        let (finish, message) = settled(ended.finish, text, calls_of(&items), &refusal);
        let fields = Map::from_iter([(ITEMS.to_owned(), Value::Array(items))]);
        Ok((Reply { message, finish, usage: ended.usage }, fields))
    }
}

impl Collector {
    fn open(&mut self, event: &Value) {
        let item = event.get("item").cloned().unwrap_or(Value::Null);
        self.draft.keep(item.to_string().len());
        let index = event.get("output_index").and_then(Value::as_u64);
        let id = text(&item, "id").to_owned();
        let arguments = text(&item, "arguments").to_owned();
        self.slots.push(Slot { index, id, item, arguments, is_done: false });
    }

    fn close(&mut self, event: &Value) {
        let Some(item) = event.get("item") else { return };
        self.draft.keep(item.to_string().len());
        let index = event.get("output_index").and_then(Value::as_u64);
        let id = text(item, "id");
        let open = |slot: &&mut Slot| !slot.is_done && same_kind(&slot.item, item);
        let known = self
            .slots
            .iter_mut()
            .filter(open)
            .find(|slot| (!id.is_empty() && slot.id == id) || (index.is_some() && slot.index == index));
        match known {
            Some(slot) => {
                slot.item = item.clone();
                slot.is_done = true;
            }
            None => self.slots.push(Slot {
                index,
                id: id.to_owned(),
                item: item.clone(),
                arguments: String::new(),
                is_done: true,
            }),
        }
    }

    /// The slot a piece belongs to: by id, by number, or else the last call.
    fn slot(&mut self, event: &Value) -> &mut Slot {
        let id = text(event, "item_id");
        let index = event.get("output_index").and_then(Value::as_u64);
        let by_id = self.slots.iter().rposition(|slot| !id.is_empty() && slot.id == id);
        let by_index = || self.slots.iter().rposition(|slot| index.is_some() && slot.index == index);
        let at = by_id.or_else(by_index).unwrap_or(self.slots.len().saturating_sub(1));
        if self.slots.is_empty() {
            self.open(&json!({ "item": { "type": "function_call", "id": id } }));
        }
        &mut self.slots[at]
    }

    fn tell_text(&mut self, part: &str, on_delta: OnDelta<'_>) {
        self.begun |= !part.is_empty();
        self.draft.tell_text(part, on_delta);
    }

    fn tell_reasoning(&mut self, part: &str, on_delta: OnDelta<'_>) {
        self.begun |= !part.is_empty();
        self.draft.keep(part.len());
        self.draft.tell_reasoning(part, on_delta);
    }

    fn end(&mut self, response: &Value) -> Result<(), LlmError> {
        let reason = response.pointer("/incomplete_details/reason").and_then(Value::as_str);
        let finish = match (response.get("status").and_then(Value::as_str), reason) {
            (Some("failed" | "cancelled"), _) => {
                let error = response.get("error").filter(|error| !error.is_null());
                let complaint = Complaint::from_value(error.unwrap_or(&json!({ "message": "the response failed" })));
                return Err(error_in_stream(&complaint));
            }
            (Some("incomplete"), Some("content_filter")) => Finish::Filtered,
            // Without a reason it is the limit, as far as anyone has seen.
            (Some("incomplete"), Some("max_output_tokens") | None) => Finish::Length,
            (Some("incomplete"), Some(reason)) => Finish::Other(reason.chars().take(64).collect()),
            (Some(_) | None, _) => Finish::Done,
        };
        let output = response.get("output").and_then(Value::as_array).cloned().unwrap_or_default();
        let usage = response.get("usage").and_then(read_usage);
        self.ended = Some(Ended { finish, output, usage });
        Ok(())
    }

    /// The items of the reply in their order, each as whole as it came.
    fn items(&mut self, output: Vec<Value>, cut: bool) -> Vec<Value> {
        let mut slots = std::mem::take(&mut self.slots);
        // Some servers leave the list at the end empty, others the numbers or the events before it.
        let mut items: Vec<Value> = if output.len() < slots.len() {
            slots.sort_by_key(|slot| slot.index.unwrap_or(u64::MAX));
            slots.into_iter().map(Slot::into_item).collect()
        } else {
            let mut done: Vec<Value> = slots.into_iter().filter(|slot| slot.is_done).map(|slot| slot.item).collect();
            let whole = |listed: Value| match done.iter().position(|done| is_same(done, &listed)) {
                Some(at) => done.remove(at),
                None => listed,
            };
            output.into_iter().map(whole).collect()
        };
        // A last call cut by the limit is never carried out.
        let is_cut = |item: &Value| {
            text(item, "type") == "function_call"
                && serde_json::from_str::<Map<String, Value>>(text(item, "arguments")).is_err()
        };
        if cut && items.last().is_some_and(is_cut) {
            items.pop();
        }
        items
    }
}

impl Slot {
    fn into_item(self) -> Value {
        let mut item = self.item;
        if let Value::Object(fields) = &mut item
            && !self.is_done
            && fields.get("type").and_then(Value::as_str) == Some("function_call")
        {
            fields.insert("arguments".to_owned(), json!(self.arguments));
        }
        item
    }
}

/// Whether both are one item, which is whole where it was said to be done.
fn is_same(done: &Value, listed: &Value) -> bool {
    let named = |field: &str| !text(done, field).is_empty() && text(done, field) == text(listed, field);
    same_kind(done, listed) && (named("id") || named("call_id"))
}

fn same_kind(one: &Value, other: &Value) -> bool {
    text(one, "type") == text(other, "type")
}

/// The calls among the items, each with an id that no other has.
fn calls_of(items: &[Value]) -> Vec<ToolCall> {
    let mut calls: Vec<ToolCall> = Vec::new();
    for item in items.iter().filter(|item| text(item, "type") == "function_call" && !text(item, "name").is_empty()) {
        let told = Some(text(item, "call_id")).filter(|id| !id.is_empty()).unwrap_or_else(|| text(item, "id"));
        calls.push(ToolCall {
            id: own_id(told, &calls, new_call_id),
            name: text(item, "name").to_owned(),
            arguments: match item.get("arguments") {
                Some(Value::String(arguments)) => arguments.clone(),
                // Some servers send them parsed.
                Some(whole @ Value::Object(_)) => whole.to_string(),
                Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) | None => String::new(),
            },
            raw: Map::new(),
        });
    }
    calls
}

/// What the message items say in parts of one kind.
fn spoken(items: &[Value], kind: &str, field: &str) -> String {
    let messages = items.iter().filter(|item| text(item, "type") == "message");
    let parts = messages.filter_map(|item| item.get("content").and_then(Value::as_array)).flatten();
    parts.filter(|part| text(part, "type") == kind).map(|part| text(part, field)).collect()
}

fn without_thinking(said: &str) -> String {
    let mut splitter = ThinkSplitter::default();
    splitter.push(said, &mut |_| {});
    splitter.finish(&mut |_| {}).0
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn read_usage(usage: &Value) -> Option<Usage> {
    let number = |path: &str| usage.pointer(path).and_then(Value::as_u64);
    Some(Usage {
        input: number("/input_tokens")?,
        cached_input: number("/input_tokens_details/cached_tokens").unwrap_or(0),
        cache_write: number("/input_tokens_details/cache_write_tokens").unwrap_or(0),
        output: number("/output_tokens").unwrap_or(0),
        reasoning: number("/output_tokens_details/reasoning_tokens").unwrap_or(0),
        nano_dollars: 0,
    })
}
