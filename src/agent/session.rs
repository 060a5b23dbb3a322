//! The pure state machine of a run: no IO, no async, no clock.
//!
//! `next()` says what to do; `absorb(entry)` takes what happened. The state is one enum, [`Phase`],
//! and the fold of a journal gives exactly the state that wrote it.
//!
//! ```text
//! Resting ─Opened─▶ Reading ─ContextRead─▶ Asking ─Answered─▶ Working ─ToolDone…─▶ Asking …
//!    ▲                                        └────Answered────▶ Closing ─Intended─▶ Posting ─┐
//!    └───────────────────────────────────Closed───────────────────────────────────────────────┘
//! ```
//! `Compacted` shortens the conversation in any phase and changes nothing else.
//! `Stopped`, `Failed` and `BoundHit` lead from any phase of a turn to `Closing`; once a terminal
//! activity is intended, nothing but its outcome is absorbed. `Opened` leads on from a stop not yet confirmed.

mod answers;
mod approvals;
pub mod parts;
mod pictures;
mod questions;
pub mod skills;
mod transcript;
mod unsettled;
mod work;

use std::collections::{HashMap, HashSet};

pub(super) use self::parts::part_id;
pub use self::{
    questions::FAILED_RESULT,
    transcript::{Conversation, Talk},
};
use self::{transcript::Transcript, work::Work};
use super::{
    Limits,
    claims::Made,
    context::look::Look,
    journal::{Entry, Outcome, Said, TakenSkill},
    question::{Kind, Question},
    step::{AskMode, Ending, Step},
};
use crate::domain::{
    activity::Draft,
    ids::{RunId, UserId},
    touched::Touched,
};

/// How often the same call with the same arguments is carried out in one turn.
const SAME_CALL_LIMIT: usize = 2;
/// One run's conversation and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    run: RunId,
    max_steps: u32,
    turn: u32,
    /// Entries ever absorbed, those before the fold included.
    entries: u64,
    /// Entries absorbed in this turn; with the turn it names every effect.
    step: u32,
    /// Replies of the model in this turn.
    asked: u32,
    phase: Phase,
    transcript: Transcript,
    /// How often each call was made in this turn.
    calls_made: HashMap<(String, String), usize>,
    /// The calls of this turn that may have changed something. None is made again: the second would be
    /// another change, under another key.
    intended_calls: HashSet<(String, String)>,
    /// How many changes this turn has made or proposed.
    changes: u32,
    /// What this turn has set, put somewhere or taken away, or is about to: a second time would be going back
    /// and forth.
    touched: Vec<Touched>,
    /// Who spoke in this turn, as far as Plane says.
    speakers: Vec<UserId>,
    /// Who spoke since results were last withheld; what was read since then was read for all of them.
    heard: Vec<UserId>,
    /// Whether somebody spoke of whom Plane does not say who it is.
    unknown_speaker: bool,
    /// What this turn has changed, in words.
    done: Vec<String>,
    /// The kinds of what this turn has changed, or may have.
    made: Made,
    /// Whether the run has changed anything before this turn, or may have in turns that were forgotten.
    changed_before: bool,
    /// Whether a question of this turn was sent back, because it told of a change that nobody made.
    question_sent_back: bool,
    /// What may or may not have happened when the turn was cut short.
    unsure: Vec<String>,
    /// The newest visible text of this turn, the best answer if a bound cuts it short.
    best_text: String,
    /// The prompt this turn opened with.
    last_said: Option<Said>,
    /// Words taken from the run's comment, whose own event may still come.
    from_comment: Option<Said>,
    /// The skills in force, in the order they were taken.
    skills: Vec<TakenSkill>,
    /// The hash of the texts the run speaks with.
    wording: Option<String>,
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq)]
enum Phase {
    /// Between turns. `question` is the call that waits for the person's reply.
    Resting {
        question: Option<Question>,
    },
    Reading,
    Asking(AskMode),
    Working(Box<Work>),
    Closing(Ending),
    Posting {
        draft: Draft,
        question: Option<Question>,
    },
}

impl Session {
    #[must_use]
    pub fn new(run: RunId, limits: Limits) -> Self {
        Self {
            run,
            max_steps: limits.max_steps.max(1),
            turn: 0,
            entries: 0,
            step: 0,
            asked: 0,
            phase: Phase::Resting { question: None },
            transcript: Transcript::default(),
            calls_made: HashMap::new(),
            intended_calls: HashSet::new(),
            changes: 0,
            touched: Vec::new(),
            speakers: Vec::new(),
            heard: Vec::new(),
            unknown_speaker: false,
            done: Vec::new(),
            made: Made::default(),
            changed_before: false,
            question_sent_back: false,
            unsure: Vec::new(),
            best_text: String::new(),
            last_said: None,
            from_comment: None,
            skills: Vec::new(),
            wording: None,
        }
    }

    /// The state that wrote these entries, the first of which has the number `from` among all there ever
    /// were. Turns that are not given keep their numbers: how many they were is told by the first turn
    /// that is, and bounded by `from`, since each had an entry.
    pub fn fold(run: RunId, limits: Limits, from: u64, entries: impl IntoIterator<Item = Entry>) -> Self {
        let turn = u32::try_from(from).unwrap_or(u32::MAX / 2);
        let mut session = Self { turn, entries: from, ..Self::new(run, limits) };
        for entry in entries {
            session.absorb(entry);
        }
        session
    }

    /// What was said, for the next request.
    #[must_use]
    pub fn conversation(&self) -> Conversation<'_> {
        self.transcript.conversation()
    }

    #[must_use]
    pub fn next(&self) -> Step {
        match &self.phase {
            Phase::Resting { .. } => Step::Rest,
            Phase::Reading => Step::ReadContext,
            Phase::Asking(mode) => Step::AskModel { mode: *mode },
            Phase::Working(work) => Step::CallTools(self.plan(work)),
            Phase::Closing(ending) => Step::Compose { ending: ending.clone(), key: self.key(0) },
            Phase::Posting { draft, .. } => Step::Post(draft.clone()),
        }
    }

    /// Takes what happened. An entry that has no place in the present phase changes nothing, so a
    /// journal can be folded whatever it holds.
    pub fn absorb(&mut self, entry: Entry) {
        self.take(entry);
        self.entries += 1;
    }

    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Opened { turn, prompts, entitled, .. } => self.open(turn, prompts, entitled),
            Entry::ContextRead { look } => self.read_context(look),
            Entry::Compacted { through_turn, summary, expects, elsewhere, skills } => {
                self.skills = skills;
                self.compact(through_turn, (summary, elsewhere), expects);
            }
            Entry::Worded { hash } => self.wording = Some(hash),
            Entry::SkillTaken { skill, text } => self.take_skill(skill, text),
            Entry::Steered { prompts } => self.steer(prompts),
            Entry::Answered { message, finish, .. } => self.answered(message, &finish),
            Entry::WriteIntended { call_id, write, elsewhere, .. } => {
                if elsewhere {
                    self.looked_elsewhere(call_id.clone());
                }
                self.write_intended(call_id, write);
            }
            Entry::WriteProposed { call_id, write, .. } => self.write_proposed(&call_id, write),
            Entry::Unfolded { call_id, changes, note, elsewhere } => {
                self.unfolded(&call_id, &changes, (note, elsewhere));
            }
            Entry::ToolDone { call_id, text, receipt, elsewhere, .. } => {
                if let Some(receipt) = receipt {
                    self.note_receipt(&call_id, &receipt);
                }
                if elsewhere {
                    self.looked_elsewhere(call_id.clone());
                }
                self.tool_done(&call_id, text);
            }
            Entry::PictureRead { call_id, picture } => self.transcript.picture(call_id, picture),
            Entry::SignInAsked { call_id, text, url } => self.sign_in_asked(call_id, text, url),
            Entry::BoundHit { bound } => self.end_as(|session| session.bounded(bound)),
            Entry::Failed { failure } => self.end_early(Ending::Failed(failure)),
            Entry::Stopped => self.stopped(),
            Entry::StopMoot => {
                // There is nothing to confirm, and yet nothing may be done on an older word.
                if self.awaited_approval().is_some() {
                    self.abandon_question("The person stopped the run instead of approving.");
                }
            }
            Entry::PassedOver { .. } => {}
            Entry::Recognised { .. } => self.from_comment = None,
            Entry::Intended { draft } => self.intended(draft),
            Entry::Closed { outcome } => self.closed(&outcome),
        }
    }

    fn begin_turn(&mut self, number: Option<u32>) {
        self.turn = number.unwrap_or(self.turn + 1);
        self.step = 0;
        self.asked = 0;
        self.calls_made.clear();
        self.intended_calls.clear();
        self.changes = 0;
        self.touched.clear();
        self.speakers.clear();
        self.unknown_speaker = false;
        self.changed_before |= !self.made.is_empty();
        self.done.clear();
        self.made.clear();
        self.question_sent_back = false;
        self.unsure.clear();
        self.best_text.clear();
        self.last_said = None;
    }

    fn open(&mut self, turn: Option<u32>, prompts: Vec<Said>, entitled: bool) {
        let mut question = if let Phase::Resting { question } = &mut self.phase {
            question.take()
        } else if self.phase == Phase::Closing(Ending::Stopped) {
            // What a person says after their stop is answered, and that confirms the stop as well.
            None
        } else {
            return;
        };
        self.begin_turn(turn);
        if self.note_speakers(&prompts)
            && let Some(Question { kind: Kind::Approval(approval), .. }) = &mut question
        {
            approval.parts.withhold_elsewhere();
        }
        if question.is_none() {
            // A question belongs to the work it interrupts, and so does the reply.
            self.skills.clear();
        }
        self.last_said = prompts.first().cloned();
        if let [said @ Said { activity: None, .. }] = prompts.as_slice() {
            self.from_comment = Some(said.clone());
        }
        if let Some(Question { kind: Kind::Approval(_), .. }) = &question
            && !prompts.is_empty()
        {
            return question.into_iter().for_each(|question| self.open_decided(question, prompts.clone(), entitled));
        }
        self.transcript.begin(self.turn, self.entries);
        let mut prompts = prompts.into_iter();
        if let Some(question) = question {
            let said = prompts.next();
            let reply = question.reply(said.as_ref().map_or("", |said| &said.text));
            self.transcript.reply(question.call_id, said, reply);
        }
        prompts.for_each(|said| self.transcript.person_says(said));
        self.go(Phase::Reading);
    }

    /// Says whether one of them has not heard what was said so far.
    fn note_speakers(&mut self, said: &[Said]) -> bool {
        let strange = said.iter().any(|said| said.by.is_none_or(|by| !self.heard.contains(&by)));
        if strange {
            self.transcript.withhold_elsewhere();
            // Nobody who spoke before has heard what comes from here on with the others.
            self.heard.clear();
        }
        self.heard.extend(said.iter().filter_map(|said| said.by));
        for said in said {
            match said.by {
                Some(by) if self.speakers.contains(&by) => {}
                Some(by) => self.speakers.push(by),
                None => self.unknown_speaker = true,
            }
        }
        strange
    }

    fn read_context(&mut self, look: Option<Box<Look>>) {
        if self.phase == Phase::Reading {
            self.transcript.show(look);
            self.go(Phase::Asking(AskMode::Normal));
        }
    }

    /// The turn under way is never compacted: it would lose the newest words.
    fn compact(&mut self, through_turn: u32, summary: (String, bool), expects: Option<Said>) {
        if through_turn < self.turn {
            // The summary may tell of some.
            self.changed_before = true;
            self.transcript.compact(through_turn, summary);
            self.from_comment = expects;
        }
    }

    fn steer(&mut self, prompts: Vec<Said>) {
        if matches!(self.phase, Phase::Asking(_)) {
            self.note_speakers(&prompts);
            prompts.into_iter().for_each(|said| self.transcript.person_says(said));
            self.step += 1;
        }
    }

    fn stopped(&mut self) {
        if self.is_resting() {
            self.abandon_question("The person stopped the run instead of replying.");
            self.begin_turn(None);
            self.go(Phase::Closing(Ending::Stopped));
            return;
        }
        self.end_early(Ending::Stopped);
    }

    /// Ends the turn before its time.
    fn end_early(&mut self, ending: Ending) {
        self.end_as(|_| ending);
    }

    /// The same with what is said once all calls are settled.
    fn end_as(&mut self, ending: impl FnOnce(&Self) -> Ending) {
        if self.is_resting() || self.is_posting() {
            return;
        }
        self.settle_open_calls();
        let ending = ending(self);
        self.go(Phase::Closing(ending));
    }

    fn intended(&mut self, draft: Draft) {
        let Phase::Closing(ending) = &self.phase else { return };
        let question = match ending {
            Ending::Question(question) => Some(question.clone()),
            Ending::Answer { .. } | Ending::Bounded { .. } | Ending::Failed(_) | Ending::Stopped => None,
        };
        self.go(Phase::Posting { draft, question });
    }

    fn closed(&mut self, outcome: &Outcome) {
        let Phase::Posting { question, draft } = &mut self.phase else {
            return;
        };
        let mut question = question.take();
        if let (Some(Question { kind: Kind::Approval(approval), .. }), Outcome::Posted { at, .. }) =
            (&mut question, outcome)
        {
            (approval.shown_at, approval.shown_as) = (*at, Some(draft.key));
        }
        self.go(Phase::Resting { question });
        match outcome {
            Outcome::Posted { .. } => {}
            Outcome::Undeliverable { .. } => self.abandon_question("The question could not be delivered."),
        }
    }

    fn go(&mut self, phase: Phase) {
        self.phase = phase;
        self.step += 1;
    }
}

#[cfg(test)]
mod tests;
