//! What is kept of a reply in the making on every wire: its words, its size, and what it comes to.

use crate::{
    domain::talk::{AssistantMessage, Finish, ToolCall},
    llm::{Delta, LlmError, OnDelta, think::ThinkSplitter},
};

/// Most bytes kept of one reply; no sane answer comes near.
const MAX_BYTES: usize = 4 << 20;

/// The words so far. Calls, and what only its maker understands, are the wire's own.
#[derive(Debug, Default)]
pub(in crate::llm) struct Draft {
    content: ThinkSplitter,
    refusal: String,
    /// Bytes kept beside the content.
    kept: usize,
}

impl Draft {
    /// Bytes collected so far.
    pub(in crate::llm) fn len(&self) -> usize {
        self.kept + self.content.len()
    }

    /// Counts bytes that the wire keeps.
    pub(in crate::llm) fn keep(&mut self, bytes: usize) {
        self.kept += bytes;
    }

    pub(in crate::llm) fn check_size(&self) -> Result<(), LlmError> {
        if self.len() > MAX_BYTES {
            return Err(LlmError::Truncated { message: "it grew beyond 4 MiB".to_owned() });
        }
        Ok(())
    }

    pub(in crate::llm) fn tell_text(&mut self, part: &str, on_delta: OnDelta<'_>) {
        self.content.push(part, &mut |piece| on_delta(piece.into()));
    }

    /// Reasoning that came in a field of its own; whoever keeps it counts it.
    pub(in crate::llm) fn tell_reasoning(&mut self, part: &str, on_delta: OnDelta<'_>) {
        if !part.is_empty() {
            self.content.reasoning_came_apart();
            on_delta(Delta::Reasoning(part.to_owned()));
        }
    }

    /// A refusal is shown as text.
    pub(in crate::llm) fn tell_refusal(&mut self, part: &str, on_delta: OnDelta<'_>) {
        if !part.is_empty() {
            self.kept += part.len();
            self.refusal.push_str(part);
            on_delta(Delta::Text(part.to_owned()));
        }
    }

    pub(in crate::llm) fn is_refused(&self) -> bool {
        !self.refusal.is_empty()
    }

    /// The text and the refusal, when no more will come.
    pub(in crate::llm) fn finish(self, on_delta: OnDelta<'_>) -> (String, String) {
        let (text, _thinking) = self.content.finish(&mut |piece| on_delta(piece.into()));
        (text.trim().to_owned(), self.refusal)
    }
}

/// What a whole reply comes to, however its server put it. A refusal stands where there is no text.
pub(in crate::llm) fn settled(
    mut finish: Finish,
    mut text: String,
    mut calls: Vec<ToolCall>,
    refusal: &str,
) -> (Finish, AssistantMessage) {
    if !refusal.is_empty() {
        finish = Finish::Filtered;
        if text.is_empty() {
            refusal.trim().clone_into(&mut text);
        }
    }
    if finish == Finish::Filtered {
        // What was withheld half-way is never carried out.
        calls.clear();
    }
    if finish == Finish::Done && !calls.is_empty() {
        finish = Finish::ToolCalls;
    }
    (finish, AssistantMessage { text, calls, raw: None })
}

/// The id a call was given, or a new one where it was given none or another call has it.
pub(in crate::llm) fn own_id(told: &str, calls: &[ToolCall], new_id: impl FnOnce() -> String) -> String {
    let is_taken = told.is_empty() || calls.iter().any(|call| call.id == told);
    if is_taken { new_id() } else { told.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    #[test]
    fn what_was_withheld_is_said_and_never_carried_out() {
        let call = || {
            vec![ToolCall { id: "a".to_owned(), name: "find".to_owned(), arguments: String::new(), raw: Map::new() }]
        };
        for (finish, text, calls, refusal, settles) in [
            (Finish::Done, "hello", Vec::new(), "", (Finish::Done, "hello", 0)),
            (Finish::Done, "hello", call(), "", (Finish::ToolCalls, "hello", 1)),
            (Finish::Length, "", call(), "", (Finish::Length, "", 1)),
            (Finish::Filtered, "hel", call(), "", (Finish::Filtered, "hel", 0)),
            (Finish::Done, "", call(), "no. ", (Finish::Filtered, "no.", 0)),
            (Finish::Done, "hel", Vec::new(), "no.", (Finish::Filtered, "hel", 0)),
        ] {
            let (finish, message) = settled(finish, text.to_owned(), calls, refusal);
            assert_eq!((finish, message.text.as_str(), message.calls.len()), settles);
        }
    }
}
