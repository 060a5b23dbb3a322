//! Learns what a provider refuses of what is sent by choice.
//!
//! A refusal that names a parameter changes what is sent from then on, for as long as the process
//! lives. Every change is made at most once, so asking again always comes to an end.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::complaint::Complaint;
use crate::config::ModelConfig;

/// The two names of one limit: servers know one or the other.
const MAX_TOKENS: [&str; 2] = ["max_tokens", "max_completion_tokens"];
/// Takes the place of a signature that was lost, in Gemini's own word for that.
const NO_SIGNATURE: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";

/// What is sent differently than configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Learned {
    dropped: BTreeSet<&'static str>,
    /// The limit of a reply goes by its other name.
    other_max_tokens: bool,
    /// Some models take tools only if told not to reason, even where nothing was said of it.
    effort_none: bool,
    /// Reasoning has to come back with every message, also where another model made it.
    reasoning_wanted: bool,
    /// So have the signatures of calls.
    signatures_wanted: bool,
}

/// Words with which providers refuse a parameter as such, rather than its value.
const REFUSALS: [&str; 14] = [
    "unsupported",
    "not support",
    "unknown",
    "unrecognized",
    "unexpected",
    "extra inputs",
    "extra fields",
    "not permitted",
    "not allowed",
    "deprecated",
    "instead",
    "invalid parameter",
    "unavailable",
    "must be verified",
];

impl Learned {
    /// What to send after `complaint` refused `sent`, and what changed; `None` if no change can help.
    pub(super) fn after(
        &self,
        complaint: &Complaint,
        config: &ModelConfig,
        optional: &[&'static str],
        sent: &Value,
    ) -> Option<(Self, &'static str)> {
        let names = |path: &str| {
            complaint.param.as_deref().is_some_and(|param| param == path || param.split('.').next() == Some(path))
                || complaint.words.contains(path)
        };
        let refuses = complaint.says(&REFUSALS)
            || complaint.has_label(&["unsupported_parameter", "unknown_parameter", "unsupported_value"]);
        let by_choice = |path: &str| {
            let head = path.split('.').next().unwrap_or(path);
            !config.extra_body.contains_key(head) && sent.pointer(&format!("/{}", path.replace('.', "/"))).is_some()
        };
        let at_fault = |path: &str| refuses && names(path) && by_choice(path);

        let mut next = self.clone();
        // Before the plain names: "use max_completion_tokens instead" names both fields.
        if !self.other_max_tokens && optional.contains(&MAX_TOKENS[0]) && MAX_TOKENS.iter().any(|name| at_fault(name)) {
            next.other_max_tokens = true;
            return Some((next, MAX_TOKENS[0]));
        }
        let wants_none = complaint.says(&["'none'", "\"none\"", "`none`"]);
        let effort = "reasoning_effort";
        if !self.effort_none
            && optional.contains(&effort)
            && refuses
            && wants_none
            && names(effort)
            && !config.extra_body.contains_key(effort)
        {
            next.effort_none = true;
            return Some((next, effort));
        }
        if let Some(path) = optional.iter().find(|path| at_fault(path) && !self.dropped.contains(*path)) {
            next.dropped.insert(path);
            return Some((next, path));
        }
        if !self.reasoning_wanted
            && complaint.says(&["reasoning_content"])
            && complaint.says(&["passed back", "missing"])
        {
            next.reasoning_wanted = true;
            return Some((next, "reasoning_content"));
        }
        if !self.signatures_wanted && complaint.says(&["missing a thought_signature", "missing a `thought_signature`"])
        {
            next.signatures_wanted = true;
            return Some((next, "thought_signature"));
        }
        None
    }

    /// Lays what was learned over a body.
    pub(super) fn apply(&self, body: &mut Map<String, Value>) {
        if self.other_max_tokens {
            let [one, other] = MAX_TOKENS;
            let (from, to) = if body.contains_key(one) { (one, other) } else { (other, one) };
            if let Some(limit) = body.remove(from) {
                body.insert(to.to_owned(), limit);
            }
        }
        if self.effort_none {
            body.insert("reasoning_effort".to_owned(), json!("none"));
        }
        for path in &self.dropped {
            match path.split_once('.') {
                None => drop(body.remove(*path)),
                Some((outer, inner)) => {
                    if let Some(Value::Object(outer)) = body.get_mut(outer) {
                        outer.remove(inner);
                    }
                }
            }
        }
        let messages = body.get_mut("messages").and_then(Value::as_array_mut);
        let said = messages.into_iter().flatten().filter(|message| message["role"] == "assistant");
        for message in said.filter_map(Value::as_object_mut) {
            if self.reasoning_wanted {
                message.entry("reasoning_content").or_insert_with(|| json!(" "));
            }
            if self.signatures_wanted {
                sign(message);
            }
        }
    }
}

/// Only the first call of a message is ever signed.
fn sign(message: &mut Map<String, Value>) {
    let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut);
    if let Some(Value::Object(first)) = calls.and_then(|calls| calls.first_mut()) {
        first.entry("extra_content").or_insert_with(|| json!({ "google": { "thought_signature": NO_SIGNATURE } }));
    }
}
