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

/// Stands in for a result that was read in another project, for somebody else.
const WITHHELD: &str = "[Withheld: this was read for somebody else, in a project that others in this thread may not see. Read it again if you need it.]";

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

    /// The turn a summary through this one had better reach: the decision on changes stays with the turn that
    /// proposed them, or goes with it. Only where that leaves nothing does it come to stand alone.
    pub(super) fn summable(&self, through_turn: u32) -> u32 {
        let tells = |at: usize| self.talks.get(at).is_some_and(|talk| talk.tell_of_changes);
        let Some(first_kept) = self.talks.iter().position(|talk| talk.turn > through_turn) else { return through_turn };
        let earlier = (1..=first_kept).rev().find(|at| !tells(*at));
        let later = (first_kept..self.talks.len()).find(|at| !tells(*at));
        let before = |at: usize| self.talks.get(at.checked_sub(1)?).map(|talk| talk.turn);
        earlier.or(later).and_then(before).unwrap_or(through_turn)
    }

    /// What was read in another project is taken out of what was said before: others hear of it who may not
    /// see that project. `home` is what the keys of this project begin with.
    pub(super) fn withhold_foreign(&mut self, home: &str) {
        for message in self.talks.iter_mut().flat_map(|talk| &mut talk.messages) {
            if let Message::Tool { text, .. } = message
                && names_foreign_key(text, home)
            {
                WITHHELD.clone_into(text);
            }
        }
    }

    /// The entry the turn after this one began with.
    pub(super) fn entry_after(&self, turn: u32) -> Option<u64> {
        self.talks.iter().find(|talk| talk.turn > turn).map(|talk| talk.first_entry)
    }
}

/// Whether a text names a work item of another project, such as `SEC-12` where all are called `MOB-…`.
fn names_foreign_key(text: &str, home: &str) -> bool {
    text.split(|c: char| !(c.is_alphanumeric() || c == '-')).any(|word| {
        word.rsplit_once('-').is_some_and(|(project, number)| {
            let is_key = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
            is_key
                && !project.is_empty()
                && project.chars().all(|c| c.is_uppercase() || c.is_numeric())
                && project != home
        })
    })
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
