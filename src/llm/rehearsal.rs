//! A stand-in for a language model: fixed rules, no key, no network, always the same.
//!
//! It reads the conversation, really calls the tools it is offered and answers from their results,
//! so that a whole run can be watched without a provider. Every answer says that it was made so.

mod answers;
mod reading;

use async_trait::async_trait;
use serde_json::{Map, Value};

use self::{
    answers::{Act, Wanted},
    reading::Conversation,
};
use super::{
    Delta, LlmError, Model, OnDelta, Reply, Request,
    card::{self, ModelCard},
};
use crate::domain::talk::{AssistantMessage, Finish, Message, ToolCall, Usage};

/// Ends every answer.
pub const NOTICE: &str = "_This is a rehearsal answer: it was made by fixed rules, without a language model._";

/// About how many characters one delta carries.
const DELTA_CHARS: usize = 40;

/// The rule-based model.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    name: String,
}

impl Rehearsal {
    /// `name` is the model's name in the config.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned() }
    }
}

#[async_trait]
impl Model for Rehearsal {
    fn name(&self) -> &str {
        &self.name
    }

    fn card(&self) -> &ModelCard {
        &card::REHEARSAL
    }

    async fn complete(&self, request: &Request, on_delta: OnDelta<'_>) -> Result<Reply, LlmError> {
        let conversation = Conversation::read(&request.messages);
        let offered: Vec<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
        let message = match answers::decide(&conversation, &offered) {
            Act::Call { thought, wanted } => {
                tell(&thought, |part| on_delta(Delta::Reasoning(part)));
                let before = calls_before(&request.messages);
                let calls = wanted.into_iter().enumerate().map(|(at, wanted)| call(before + at, wanted)).collect();
                AssistantMessage { calls, ..AssistantMessage::default() }
            }
            Act::Answer { thought, text } => {
                tell(&thought, |part| on_delta(Delta::Reasoning(part)));
                let text = format!("{}\n\n{NOTICE}", text.trim());
                tell(&text, |part| on_delta(Delta::Text(part)));
                AssistantMessage { text, ..AssistantMessage::default() }
            }
        };
        let finish = if message.calls.is_empty() { Finish::Done } else { Finish::ToolCalls };
        let usage = Some(Usage { output: message.text.len().div_ceil(4) as u64, ..Usage::default() });
        Ok(Reply { message, finish, usage })
    }
}

/// Tells a text in several parts, cut between words.
fn tell(text: &str, mut emit: impl FnMut(String)) {
    let mut part = String::new();
    for word in text.split_inclusive(char::is_whitespace) {
        part.push_str(word);
        if part.len() >= DELTA_CHARS {
            emit(std::mem::take(&mut part));
        }
    }
    if !part.is_empty() {
        emit(part);
    }
}

fn calls_before(messages: &[Message]) -> usize {
    messages
        .iter()
        .map(|message| match message {
            Message::Assistant(said) => said.calls.len(),
            Message::System { .. } | Message::User { .. } | Message::Picture { .. } | Message::Tool { .. } => 0,
        })
        .sum()
}

/// Ids count the conversation's calls, so they are unique and the same every time.
fn call(number: usize, wanted: Wanted) -> ToolCall {
    ToolCall {
        id: format!("rehearsal-{}", number + 1),
        name: wanted.tool.to_owned(),
        arguments: Value::Object(wanted.arguments).to_string(),
        raw: Map::new(),
    }
}

#[cfg(test)]
mod tests;
