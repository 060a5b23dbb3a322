//! What a message costs.

use super::Part;
use crate::{
    domain::talk::{Message, ToolOffer},
    llm::tokens::TokenMeter,
};

/// What providers add to every message and to every call for their own marks.
const MESSAGE_TOKENS: u64 = 6;
const CALL_TOKENS: u64 = 12;

/// Weighs by counting tokens, or by an upper bound that needs no counting.
pub(super) struct Weigher<'a> {
    meter: &'a TokenMeter,
    counts: bool,
}

impl<'a> Weigher<'a> {
    pub(super) fn by_count(meter: &'a TokenMeter) -> Self {
        Self { meter, counts: true }
    }

    pub(super) fn by_length(meter: &'a TokenMeter) -> Self {
        Self { meter, counts: false }
    }

    pub(super) fn text(&self, text: &str) -> u64 {
        if self.counts { self.meter.count(text) } else { self.meter.most(text.len()) }
    }

    pub(super) fn message(&self, message: &Message) -> u64 {
        let content = match message {
            Message::System { text } | Message::User { text } | Message::Tool { text, .. } => self.text(text),
            Message::Picture { caption, picture } => self.text(caption) + picture.tokens,
            Message::Assistant(reply) => {
                let calls = reply.calls.iter().map(|call| {
                    let opaque = if call.raw.is_empty() { String::new() } else { json(&call.raw) };
                    CALL_TOKENS + self.text(&call.name) + self.text(&call.arguments) + self.text(&opaque)
                });
                let opaque = reply.raw.as_ref().map_or(0, |raw| self.text(&json(&raw.fields)));
                self.text(&reply.text) + calls.sum::<u64>() + opaque
            }
        };
        MESSAGE_TOKENS + content
    }

    pub(super) fn tools(&self, tools: &[ToolOffer]) -> u64 {
        let offer = |tool: &ToolOffer| {
            let parts = [self.text(&tool.name), self.text(&tool.description), self.text(&tool.parameters.to_string())];
            CALL_TOKENS + parts.iter().sum::<u64>()
        };
        tools.iter().map(offer).sum()
    }

    pub(super) fn whole(&self, parts: &[Part], tools: &[ToolOffer]) -> u64 {
        parts.iter().map(|part| self.message(&part.message)).sum::<u64>() + self.tools(tools)
    }
}

fn json(fields: &serde_json::Map<String, serde_json::Value>) -> String {
    serde_json::to_string(fields).unwrap_or_default()
}
