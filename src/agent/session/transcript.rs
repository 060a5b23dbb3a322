//! The conversation as the model is to see it.

use crate::{
    agent::journal::Said,
    domain::talk::{AssistantMessage, Message},
};

/// Stands in for the words of a person who wrote none.
const BARE_MENTION: &str = "(mentioned you without further words)";

/// What was said so far, and the newest look at the work item. Older looks are left out: they would
/// only cost tokens and contradict the newest.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Transcript {
    messages: Vec<Message>,
    context: Option<Context>,
}

#[derive(Debug, Clone, PartialEq)]
struct Context {
    /// The message it stands before.
    before: usize,
    markdown: String,
}

impl Transcript {
    pub(super) fn person_says(&mut self, said: Said) {
        // Providers refuse a message without text, and a bare mention has none.
        let words = if said.text.trim().is_empty() { BARE_MENTION } else { &said.text };
        let text = match said.author {
            Some(author) => format!("{author} writes:\n\n{words}"),
            None => words.to_owned(),
        };
        self.messages.push(Message::User { text });
    }

    /// Instructions of ours that the person asked for.
    pub(super) fn instruct(&mut self, text: String) {
        self.messages.push(Message::User { text });
    }

    pub(super) fn model_says(&mut self, message: AssistantMessage) {
        self.messages.push(Message::Assistant(message));
    }

    pub(super) fn result(&mut self, call_id: String, text: impl Into<String>) {
        self.messages.push(Message::Tool { call_id, text: text.into() });
    }

    /// The work item will be shown at this point of the conversation.
    pub(super) fn make_room_for_context(&mut self) {
        self.context = Some(Context { before: self.messages.len(), markdown: String::new() });
    }

    /// Shows the work item where room was made for it; nothing if it is empty.
    pub(super) fn show_context(&mut self, markdown: String) {
        self.context = match self.context.take() {
            Some(context) if !markdown.is_empty() => Some(Context { markdown, ..context }),
            Some(_) | None => None,
        };
    }

    pub(super) fn context(&self) -> &str {
        self.context.as_ref().map_or("", |context| &context.markdown)
    }

    pub(super) fn assembled(&self) -> Vec<Message> {
        let mut messages = self.messages.clone();
        if let Some(context) = &self.context {
            let at = context.before.min(messages.len());
            messages.insert(at, Message::User { text: context.markdown.clone() });
        }
        messages
    }
}
