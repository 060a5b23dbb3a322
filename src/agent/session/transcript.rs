//! The conversation as it was: turn by turn, with what came before in short.

use crate::{
    agent::{context::look::Look, journal::Said},
    domain::{
        picture::PictureRef,
        talk::{AssistantMessage, Message},
    },
};

/// Stands in for the words of a person who wrote none.
const BARE_MENTION: &str = "(mentioned you without further words)";

/// What was said so far, and the newest look at the work item. Older looks are left out: they would
/// only cost tokens and contradict the newest.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Transcript {
    summary: Option<String>,
    talks: Vec<Talk>,
    look: Option<Box<Look>>,
    /// The turn the look belongs to; only there it is shown.
    look_in_turn: u32,
}

/// What was said in one turn. Calls and their results never stand in different turns, except for the
/// call of a question, whose result is the reply that opens the next one.
#[derive(Debug, Clone, PartialEq)]
pub struct Talk {
    pub turn: u32,
    /// The number of the journal entry it began with.
    first_entry: u64,
    /// The prompt that answered a question of the turn before, where one did.
    reply: Option<Said>,
    /// How many results of calls of the turn before stand at the head.
    results: usize,
    /// Whether these tell what came of changes, rather than what the reply said.
    tell_of_changes: bool,
    /// The message the look stands before.
    look_at: usize,
    /// Pictures that were read, each with the call that did.
    pictures: Vec<(String, PictureRef)>,
    pub messages: Vec<Message>,
}

/// The conversation to be put into a request.
#[derive(Debug, Clone, Copy)]
pub struct Conversation<'a> {
    /// What was said before the oldest of the turns.
    pub summary: Option<&'a str>,
    /// Oldest first; the last one is under way, or was the last.
    pub talks: &'a [Talk],
    /// The look and its place among the messages of the last turn.
    pub look: Option<(&'a Look, usize)>,
}

impl Transcript {
    pub(super) fn begin(&mut self, turn: u32, first_entry: u64) {
        self.talks.push(Talk {
            turn,
            first_entry,
            reply: None,
            results: 0,
            tell_of_changes: false,
            look_at: 0,
            pictures: Vec::new(),
            messages: Vec::new(),
        });
    }

    /// The words that answer a question asked in the turn before.
    pub(super) fn reply(&mut self, call_id: String, said: Option<Said>, text: String) {
        self.result_at_head(call_id, text);
        if let Some(talk) = self.talks.last_mut() {
            talk.reply = said;
        }
    }

    /// The words that decide on changes of the turn before; what comes of them follows.
    pub(super) fn replied(&mut self, said: Said) {
        if let Some(talk) = self.talks.last_mut() {
            (talk.reply, talk.tell_of_changes) = (Some(said), true);
        }
    }

    /// The result of a call of the turn before. It has to stand before anything else is said.
    pub(super) fn result_at_head(&mut self, call_id: String, text: String) {
        self.result(call_id, text);
        if let Some(talk) = self.talks.last_mut() {
            talk.results = talk.messages.len();
            talk.look_at = talk.messages.len();
        }
    }

    pub(super) fn person_says(&mut self, said: Said) {
        self.push(spoken(said));
    }

    /// Instructions of ours that the person asked for.
    pub(super) fn instruct(&mut self, text: String) {
        self.push(Message::User { text });
    }

    pub(super) fn model_says(&mut self, message: AssistantMessage) {
        self.push(Message::Assistant(message));
    }

    pub(super) fn result(&mut self, call_id: String, text: impl Into<String>) {
        self.push(Message::Tool { call_id, text: text.into() });
    }

    pub(super) fn picture(&mut self, call_id: String, picture: PictureRef) {
        if let Some(talk) = self.talks.last_mut() {
            talk.pictures.push((call_id, picture));
        }
    }

    /// The pictures read in the last turn, each with the call that did.
    pub(super) fn pictures(&self) -> &[(String, PictureRef)] {
        self.talks.last().map_or(&[], |talk| &talk.pictures)
    }

    fn push(&mut self, message: Message) {
        if let Some(talk) = self.talks.last_mut() {
            talk.messages.push(message);
        }
    }

    pub(super) fn show(&mut self, look: Option<Box<Look>>) {
        self.look_in_turn = self.talks.last().map_or(0, |talk| talk.turn);
        self.look = look;
    }

    /// The look of the last turn that had one.
    pub(super) fn last_look(&self) -> Option<&Look> {
        self.look.as_deref()
    }

    /// Puts a summary in the place of every turn up to this one. What remains is as if the fold had
    /// begun with the turn after it: a reply whose question is gone counts as plain words.
    pub(super) fn compact(&mut self, through_turn: u32, summary: String) {
        self.talks.retain(|talk| talk.turn > through_turn);
        self.summary = Some(summary);
        if self.look_in_turn <= through_turn {
            (self.look, self.look_in_turn) = (None, 0);
        }
        let Some(first) = self.talks.first_mut() else { return };
        if let Some(mut said) = first.reply.take() {
            let results = first.messages.drain(..std::mem::take(&mut first.results));
            if first.tell_of_changes {
                let told = results.filter_map(|message| match message {
                    Message::Tool { text, .. } => Some(text),
                    Message::System { .. } | Message::User { .. } | Message::Picture { .. } | Message::Assistant(_) => {
                        None
                    }
                });
                let told = told.collect::<Vec<_>>().join("\n\n");
                said.text = format!("{}\n\n[What came of the changes that were proposed: {told}]", said.text);
            } else {
                drop(results);
            }
            first.messages.insert(0, spoken(said));
            first.look_at = 0;
        }
    }

    pub(super) fn conversation(&self) -> Conversation<'_> {
        let current = self.talks.last();
        let look = self.look.as_deref().zip(current).filter(|(_, talk)| talk.turn == self.look_in_turn);
        Conversation {
            summary: self.summary.as_deref(),
            talks: &self.talks,
            look: look.map(|(look, talk)| (look, talk.look_at)),
        }
    }

    /// The entry the turn after this one began with.
    pub(super) fn entry_after(&self, turn: u32) -> Option<u64> {
        self.talks.iter().find(|talk| talk.turn > turn).map(|talk| talk.first_entry)
    }
}

fn spoken(said: Said) -> Message {
    // Providers refuse a message without text, and a bare mention has none.
    let words = if said.text.trim().is_empty() { BARE_MENTION } else { &said.text };
    let text = match said.author {
        Some(author) => format!("{author} writes:\n\n{words}"),
        None => words.to_owned(),
    };
    Message::User { text }
}
