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

/// Stands in for what was read in another project, for somebody else.
pub(super) const WITHHELD: &str = "[Withheld: this was read for somebody else, in a project that others in this thread may not see. Read it again if you need it.]";

/// What was said so far, and the newest look at the work item. Older looks are left out: they would
/// only cost tokens and contradict the newest.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Transcript {
    summary: Option<String>,
    /// Whether something that was read in other projects is in it.
    summary_elsewhere: bool,
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
    /// The calls that looked into other projects.
    elsewhere: Vec<String>,
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
            elsewhere: Vec::new(),
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
    pub(super) fn compact(&mut self, through_turn: u32, (summary, elsewhere): (String, bool)) {
        self.talks.retain(|talk| talk.turn > through_turn);
        (self.summary, self.summary_elsewhere) = (Some(summary), elsewhere);
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

    /// The call looked into another project.
    pub(super) fn read_elsewhere(&mut self, call_id: String) {
        if let Some(talk) = self.talks.last_mut()
            && !talk.elsewhere.contains(&call_id)
        {
            talk.elsewhere.push(call_id);
        }
    }

    /// Whether anything of these turns was read in another project.
    pub(super) fn has_read_elsewhere(&self, through_turn: u32) -> bool {
        let mut talks = self.talks.iter().filter(|talk| talk.turn <= through_turn);
        self.summary_elsewhere || talks.any(|talk| !talk.elsewhere.is_empty())
    }

    /// What was read in other projects is taken out of what was said before: others hear of it who may not
    /// see those.
    pub(super) fn withhold_elsewhere(&mut self) {
        if std::mem::take(&mut self.summary_elsewhere) {
            self.summary = Some(WITHHELD.to_owned());
        }
        for talk in &mut self.talks {
            let elsewhere = std::mem::take(&mut talk.elsewhere);
            talk.pictures.retain(|(call, _)| !elsewhere.contains(call));
            for message in &mut talk.messages {
                if let Message::Tool { call_id, text } = message
                    && elsewhere.contains(call_id)
                {
                    WITHHELD.clone_into(text);
                }
            }
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
