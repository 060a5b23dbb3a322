//! Puts tool calls together from the pieces in which providers stream them.
//!
//! Pieces belong together by `index`, which need not start at 0 or be contiguous. A new id on a
//! known index is a new call, since some backends put every parallel call on index 0. Where the
//! index is missing, a new id or a name opens a call and anything else continues the last one.

use serde_json::{Map, Value};

use crate::{domain::talk::ToolCall, llm::remote::draft::own_id};

/// Fields of a call that a provider wants back unchanged.
const KEPT_FIELDS: [&str; 2] = ["extra_content", "provider_specific_fields"];

/// Tool calls in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct CallCollector {
    slots: Vec<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
    raw: Map<String, Value>,
}

impl CallCollector {
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Takes one entry of `tool_calls` and returns how many bytes were kept of it.
    pub(super) fn absorb(&mut self, piece: &Value) -> usize {
        let Some(piece) = piece.as_object() else { return 0 };
        let index = piece.get("index").and_then(Value::as_u64);
        let id = text(piece.get("id"));
        let function = piece.get("function").unwrap_or(&Value::Null);
        let name = text(function.get("name"));
        let arguments = function.get("arguments");

        let Some(slot) = self.slot_for(index, id, name, arguments) else {
            return 0;
        };
        if slot.id.is_empty() {
            id.clone_into(&mut slot.id);
        }
        if slot.name.is_empty() {
            name.clone_into(&mut slot.name);
        }
        let mut kept = id.len() + name.len();
        match arguments {
            Some(Value::String(part)) => {
                slot.arguments.push_str(part);
                kept += part.len();
            }
            // Some servers send the arguments whole and already parsed.
            Some(whole @ (Value::Object(_) | Value::Array(_))) => {
                slot.arguments = whole.to_string();
                kept += slot.arguments.len();
            }
            Some(Value::Null | Value::Bool(_) | Value::Number(_)) | None => {}
        }
        for field in KEPT_FIELDS {
            if let Some(value) = piece.get(field).filter(|value| !value.is_null()) {
                slot.raw.insert(field.to_owned(), value.clone());
                kept += value.to_string().len();
            }
        }
        kept
    }

    /// The calls, each with an id that no other has. `cut` tells that the output limit was reached:
    /// a last call whose arguments are then not a whole object is left out.
    pub(super) fn finish(self, cut: bool, new_id: fn() -> String) -> Vec<ToolCall> {
        let mut slots = self.slots;
        if cut && slots.last().is_some_and(|last| !is_whole_object(&last.arguments)) {
            slots.pop();
        }
        let mut calls: Vec<ToolCall> = Vec::with_capacity(slots.len());
        // Without a name there is nothing to carry out, and no provider takes such a call back.
        for slot in slots.into_iter().filter(|slot| !slot.name.is_empty()) {
            let id = own_id(&slot.id, &calls, new_id);
            calls.push(ToolCall { id, name: slot.name, arguments: slot.arguments, raw: slot.raw });
        }
        calls
    }

    fn slot_for(&mut self, index: Option<u64>, id: &str, name: &str, arguments: Option<&Value>) -> Option<&mut Slot> {
        let known = match index {
            Some(_) => self.slots.iter().rposition(|slot| slot.index == index),
            None if id.is_empty() => self.slots.len().checked_sub(1),
            None => self.slots.iter().rposition(|slot| slot.id == id),
        };
        let continued = known.filter(|at| {
            self.slots.get(*at).is_some_and(|slot| {
                let another_id = !id.is_empty() && !slot.id.is_empty() && slot.id != id;
                let another_name = id.is_empty() && !name.is_empty() && !slot.name.is_empty() && {
                    // With an index, a repeated name alone does not make a new call: only one that
                    // brings arguments to a call that already has all of its own.
                    index.is_none() || (brings_something(arguments) && is_whole_object(&slot.arguments))
                };
                !another_id && !another_name
            })
        });
        if let Some(at) = continued {
            return self.slots.get_mut(at);
        }
        self.slots.push(Slot { index, ..Slot::default() });
        self.slots.last_mut()
    }
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

fn brings_something(arguments: Option<&Value>) -> bool {
    match arguments {
        Some(Value::String(part)) => !part.is_empty(),
        Some(Value::Object(_) | Value::Array(_)) => true,
        Some(Value::Null | Value::Bool(_) | Value::Number(_)) | None => false,
    }
}

fn is_whole_object(arguments: &str) -> bool {
    serde_json::from_str::<Map<String, Value>>(arguments).is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn collect(pieces: &[Value], cut: bool) -> Vec<(String, String, String)> {
        let mut collector = CallCollector::default();
        for piece in pieces {
            collector.absorb(piece);
        }
        let calls = collector.finish(cut, || "made".to_owned());
        calls.into_iter().map(|call| (call.id, call.name, call.arguments)).collect()
    }

    fn call(id: &str, name: &str, arguments: &str) -> (String, String, String) {
        (id.to_owned(), name.to_owned(), arguments.to_owned())
    }

    #[test]
    fn fragments_join_by_index_whatever_the_numbers() {
        let pieces = [
            json!({"index": 2, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}),
            json!({"index": 5, "id": "b", "function": {"name": "g", "arguments": "{\"y\""}}),
            json!({"index": 2, "type": "function", "function": {"name": "", "arguments": "{\"x\":"}}),
            json!({"index": 5, "function": {"arguments": ":2}"}}),
            json!({"index": 2, "function": {"name": null, "arguments": "1}"}}),
        ];
        assert_eq!(collect(&pieces, false), [call("a", "f", "{\"x\":1}"), call("b", "g", "{\"y\":2}")]);
    }

    #[test]
    fn a_new_id_on_a_known_index_is_a_new_call() {
        let pieces = [
            json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}),
            json!({"index": 0, "id": "b", "function": {"name": "f", "arguments": "{\"x\":1}"}}),
        ];
        assert_eq!(collect(&pieces, false), [call("a", "f", "{}"), call("b", "f", "{\"x\":1}")]);
    }

    #[test]
    fn without_an_index_ids_and_names_open_calls() {
        let by_id = [
            json!({"id": "a", "function": {"name": "f", "arguments": "{\"x\""}}),
            json!({"function": {"arguments": ":1}"}}),
            json!({"id": "b", "function": {"name": "g"}}),
            json!({"id": "a", "function": {"arguments": " "}}),
        ];
        assert_eq!(collect(&by_id, false), [call("a", "f", "{\"x\":1} "), call("b", "g", "")]);
        let by_name = [
            json!({"function": {"name": "f", "arguments": {}}}),
            json!({"function": {"name": "f", "arguments": {"x": 1}}}),
        ];
        assert_eq!(collect(&by_name, false), [call("made", "f", "{}"), call("made", "f", "{\"x\":1}")]);
    }

    #[test]
    fn a_repeated_name_does_not_open_a_call_of_a_known_index() {
        let pieces = [
            json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}),
            json!({"index": 0, "function": {"name": "f", "arguments": ""}}),
        ];
        assert_eq!(collect(&pieces, false), [call("a", "f", "{}")]);
    }

    #[test]
    fn equal_ids_are_made_unequal() {
        let pieces = [
            json!({"index": 0, "id": "a", "function": {"name": "f"}}),
            json!({"index": 1, "id": "a", "function": {"name": "g"}}),
        ];
        assert_eq!(collect(&pieces, false), [call("a", "f", ""), call("made", "g", "")]);
    }

    #[test]
    fn a_call_cut_by_the_limit_is_left_out() {
        let whole = json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}});
        for arguments in ["", "{\"x\"", "1"] {
            let last = json!({"index": 1, "id": "b", "function": {"name": "g", "arguments": arguments}});
            assert_eq!(collect(&[whole.clone(), last], true), [call("a", "f", "{}")], "{arguments}");
        }
    }

    #[test]
    fn a_signature_in_a_piece_of_its_own_is_kept() {
        let mut collector = CallCollector::default();
        collector.absorb(&json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}));
        collector.absorb(&json!({"index": 0, "extra_content": {"google": {"thought_signature": "s"}}}));
        let calls = collector.finish(false, String::new);
        assert_eq!(calls[0].raw["extra_content"]["google"]["thought_signature"], "s");
    }
}
