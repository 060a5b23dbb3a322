//! Learns which optional parameters a provider refuses.
//!
//! A refusal that names a parameter we sent by choice changes what is sent from then on, for as long
//! as the process lives. Every change is made at most once, so asking again always comes to an end.

use serde_json::Value;

use super::complaint::Complaint;
use crate::{
    config::{MaxTokensField, ModelConfig},
    llm::card::ModelCard,
};

/// What is sent differently than configured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Learned {
    pub(super) no_stream_options: bool,
    pub(super) no_temperature: bool,
    pub(super) no_parallel_tool_calls: bool,
    pub(super) effort: Effort,
    pub(super) max_tokens_field: Option<MaxTokensField>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Effort {
    #[default]
    AsConfigured,
    /// Some models take tools only if told not to reason, even where nothing was said of it.
    SaidNone,
    Dropped,
}

/// Words with which providers refuse a parameter as such, rather than its value.
const REFUSALS: [&str; 13] = [
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
];

impl Learned {
    /// What to send after `complaint` refused `sent`; `None` if no change can help.
    pub(super) fn after(
        &self,
        complaint: &Complaint,
        config: &ModelConfig,
        card: &ModelCard,
        sent: &Value,
    ) -> Option<Self> {
        let names = |field: &str| {
            complaint.param.as_deref().is_some_and(|param| param.split('.').next() == Some(field))
                || complaint.words.contains(field)
        };
        let refuses = complaint.says(&REFUSALS)
            || complaint.has_label(&["unsupported_parameter", "unknown_parameter", "unsupported_value"]);
        let sent_by_choice = |field: &str| sent.get(field).is_some() && !config.extra_body.contains_key(field);
        let at_fault = |field: &str| refuses && names(field) && sent_by_choice(field);

        let mut next = *self;
        // Before the plain names: "use max_completion_tokens instead" names both fields.
        if self.max_tokens_field.is_none() && (at_fault("max_tokens") || at_fault("max_completion_tokens")) {
            next.max_tokens_field = Some(match card.max_tokens_field {
                MaxTokensField::MaxTokens => MaxTokensField::MaxCompletionTokens,
                MaxTokensField::MaxCompletionTokens => MaxTokensField::MaxTokens,
            });
        } else if at_fault("stream_options") {
            next.no_stream_options = true;
        } else if at_fault("temperature") {
            next.no_temperature = true;
        } else if at_fault("parallel_tool_calls") {
            next.no_parallel_tool_calls = true;
        } else if names("reasoning_effort") && refuses && !config.extra_body.contains_key("reasoning_effort") {
            let wants_none = complaint.says(&["'none'", "\"none\"", "`none`"]);
            next.effort = match self.effort {
                Effort::AsConfigured if wants_none => Effort::SaidNone,
                Effort::AsConfigured | Effort::SaidNone | Effort::Dropped => Effort::Dropped,
            };
        }
        (next != *self).then_some(next)
    }

    /// The parameters that differ from those in `before`, for the log.
    pub(super) fn changed_since(&self, before: &Self) -> &'static str {
        if self.max_tokens_field != before.max_tokens_field {
            "max_tokens"
        } else if self.no_stream_options != before.no_stream_options {
            "stream_options"
        } else if self.no_temperature != before.no_temperature {
            "temperature"
        } else if self.no_parallel_tool_calls != before.no_parallel_tool_calls {
            "parallel_tool_calls"
        } else {
            "reasoning_effort"
        }
    }
}
