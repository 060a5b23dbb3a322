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
//! `Stopped`, `Failed` and `BoundHit` lead from any phase of a turn to `Closing`; once a terminal
//! activity is intended, nothing but its outcome is absorbed. `Opened` leads on from a stop not yet confirmed.

mod plan;
mod questions;
pub mod skills;
mod transcript;

use std::collections::{HashMap, HashSet};

use self::transcript::Transcript;
use super::{
    Limits,
    journal::{Bound, Entry, Failure, FailureCode, Outcome, Said, TakenSkill},
    question::Question,
    step::{AskMode, Ending, Step},
};
use crate::{
    domain::{
        activity::Draft,
        ids::RunId,
        talk::{AssistantMessage, Finish, ToolCall},
        write::PlannedWrite,
    },
    tools::ask_user,
};

/// What the model reads in place of a result when a turn ends before its time.
const NOT_CARRIED_OUT: &str = "Not carried out: the turn ended before.";
const OUTCOME_UNKNOWN: &str = "The turn ended while this was being carried out. It may or may not have happened: look before you say anything of it.";

/// One run's conversation and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    run: RunId,
    max_steps: u32,
    turn: u32,
    /// Entries absorbed in this turn; with the turn it names every effect.
    step: u32,
    /// Replies of the model in this turn.
    asked: u32,
    phase: Phase,
    transcript: Transcript,
    /// How often each call was made in this turn.
    calls_made: HashMap<(String, String), u32>,
    /// The calls of this turn that may have changed something. None is made again: the second would be
    /// another change, under another key.
    intended_calls: HashSet<(String, String)>,
    /// What may or may not have happened when the turn was cut short.
    unsure: Vec<String>,
    /// The newest visible text of this turn, the best answer if a bound cuts it short.
    best_text: String,
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
    Working {
        base_step: u32,
        calls: Vec<ToolCall>,
        open: Vec<String>,
        /// By call, what is being changed and may have happened already.
        intended: HashMap<String, PlannedWrite>,
        question: Option<Question>,
    },
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
            step: 0,
            asked: 0,
            phase: Phase::Resting { question: None },
            transcript: Transcript::default(),
            calls_made: HashMap::new(),
            intended_calls: HashSet::new(),
            unsure: Vec::new(),
            best_text: String::new(),
            from_comment: None,
            skills: Vec::new(),
            wording: None,
        }
    }

    /// The state that wrote these entries, the first of them after so many turns that are forgotten.
    pub fn fold(run: RunId, limits: Limits, forgotten: u32, entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut session = Self { turn: forgotten, ..Self::new(run, limits) };
        for entry in entries {
            session.absorb(entry);
        }
        session
    }

    #[must_use]
    pub fn next(&self) -> Step {
        match &self.phase {
            Phase::Resting { .. } => Step::Rest,
            Phase::Reading => Step::ReadContext,
            Phase::Asking(mode) => Step::AskModel { mode: *mode },
            Phase::Working { base_step, calls, open, intended, .. } => {
                Step::CallTools(self.plan(*base_step, calls, open, intended))
            }
            Phase::Closing(ending) => Step::Compose { ending: ending.clone(), key: self.key(0) },
            Phase::Posting { draft, .. } => Step::Post(draft.clone()),
        }
    }

    /// Takes what happened. An entry that has no place in the present phase changes nothing, so a
    /// journal can be folded whatever it holds.
    pub fn absorb(&mut self, entry: Entry) {
        match entry {
            Entry::Opened { prompts, .. } => self.open(prompts),
            Entry::ContextRead { markdown } => self.read_context(markdown),
            Entry::Worded { hash } => self.wording = Some(hash),
            Entry::SkillTaken { skill, text } => self.take_skill(skill, text),
            Entry::Steered { prompts } => self.steer(prompts),
            Entry::Answered { message, finish, .. } => self.answered(message, &finish),
            Entry::WriteIntended { call_id, write, .. } => self.write_intended(call_id, write),
            Entry::ToolDone { call_id, text, .. } => self.tool_done(call_id, text),
            Entry::BoundHit { bound } => {
                let best = self.best_text.clone();
                self.end_early(Ending::Bounded { bound, best });
            }
            Entry::Failed { failure } => self.end_early(Ending::Failed(failure)),
            Entry::Stopped => self.stopped(),
            Entry::StopMoot | Entry::PassedOver { .. } => {}
            Entry::Recognised { .. } => self.from_comment = None,
            Entry::Intended { draft } => self.intended(draft),
            Entry::Closed { outcome } => self.closed(&outcome),
        }
    }

    fn begin_turn(&mut self) {
        self.turn += 1;
        self.step = 0;
        self.asked = 0;
        self.calls_made.clear();
        self.intended_calls.clear();
        self.unsure.clear();
        self.best_text.clear();
    }

    fn open(&mut self, prompts: Vec<Said>) {
        let question = if let Phase::Resting { question } = &mut self.phase {
            question.take()
        } else if self.phase == Phase::Closing(Ending::Stopped) {
            // What a person says after their stop is answered, and that confirms the stop as well.
            None
        } else {
            return;
        };
        self.begin_turn();
        if question.is_none() {
            // A question belongs to the work it interrupts, and so does the reply.
            self.skills.clear();
        }
        if let [said @ Said { activity: None, .. }] = prompts.as_slice() {
            self.from_comment = Some(said.clone());
        }
        let mut prompts = prompts.into_iter();
        if let Some(question) = question {
            let reply = question.reply(&prompts.next().map(|said| said.text).unwrap_or_default());
            self.transcript.result(question.call_id, reply);
        }
        self.transcript.make_room_for_context();
        prompts.for_each(|said| self.transcript.person_says(said));
        self.go(Phase::Reading);
    }

    fn read_context(&mut self, markdown: String) {
        if self.phase == Phase::Reading {
            self.transcript.show_context(markdown);
            self.go(Phase::Asking(AskMode::Normal));
        }
    }

    fn steer(&mut self, prompts: Vec<Said>) {
        if matches!(self.phase, Phase::Asking(_)) {
            prompts.into_iter().for_each(|said| self.transcript.person_says(said));
            self.step += 1;
        }
    }

    fn answered(&mut self, mut message: AssistantMessage, finish: &Finish) {
        let Phase::Asking(mode) = self.phase else { return };
        self.asked += 1;
        if mode == AskMode::WrapUp {
            // No tool was offered, so a call here could never get a result.
            message.calls.clear();
        }
        let text = message.text.trim().to_owned();
        if !text.is_empty() {
            self.best_text.clone_from(&text);
        }
        if !message.calls.is_empty() {
            return self.begin_work(message);
        }
        if *finish == Finish::Filtered {
            return self.end_early(Ending::Failed(Failure::plain(FailureCode::AnswerWithheld)));
        }
        if text.is_empty() {
            return self.empty_answer(mode, finish);
        }
        self.transcript.model_says(message);
        self.go(Phase::Closing(match mode {
            AskMode::WrapUp => Ending::Bounded { bound: Bound::Steps, best: text },
            AskMode::Normal | AskMode::AfterEmpty => Ending::Answer { text, cut: *finish == Finish::Length },
        }));
    }

    fn empty_answer(&mut self, mode: AskMode, finish: &Finish) {
        match mode {
            AskMode::Normal => self.go(Phase::Asking(AskMode::AfterEmpty)),
            AskMode::AfterEmpty => {
                let detail =
                    if *finish == Finish::Length { "The output limit was used up before any text." } else { "" };
                self.end_early(Ending::Failed(Failure { code: FailureCode::EmptyAnswer, detail: detail.to_owned() }));
            }
            AskMode::WrapUp => {
                let best = self.best_text.clone();
                self.go(Phase::Closing(Ending::Bounded { bound: Bound::Steps, best }));
            }
        }
    }

    fn begin_work(&mut self, message: AssistantMessage) {
        for call in &message.calls {
            *self.calls_made.entry((call.name.clone(), call.arguments.clone())).or_insert(0) += 1;
        }
        // One question at a time: the first well-formed one is asked once all other calls are done.
        let question = Question::first_of(&message.calls).filter(|_| self.allowed().tool(ask_user::NAME));
        let asked = question.as_ref().map(|question| &question.call_id);
        let open = message.calls.iter().map(|call| &call.id).filter(|id| Some(*id) != asked).cloned().collect();
        let calls = message.calls.clone();
        self.transcript.model_says(message);
        self.step += 1;
        self.phase = Phase::Working { base_step: self.step, calls, open, intended: HashMap::new(), question };
        self.leave_work_if_done();
    }

    /// No step of its own: what is said of the call keeps its key however often it is taken up.
    fn write_intended(&mut self, call_id: String, planned: PlannedWrite) {
        if let Phase::Working { calls, open, intended, .. } = &mut self.phase
            && open.contains(&call_id)
        {
            if let Some(call) = calls.iter().find(|call| call.id == call_id) {
                self.intended_calls.insert((call.name.clone(), call.arguments.clone()));
            }
            intended.insert(call_id, planned);
        }
    }

    fn tool_done(&mut self, call_id: String, text: String) {
        let Phase::Working { open, .. } = &mut self.phase else {
            return;
        };
        let Some(at) = open.iter().position(|id| *id == call_id) else {
            return;
        };
        open.remove(at);
        self.transcript.result(call_id, text);
        self.step += 1;
        self.leave_work_if_done();
    }

    fn leave_work_if_done(&mut self) {
        let Phase::Working { open, question, .. } = &mut self.phase else {
            return;
        };
        if !open.is_empty() {
            return;
        }
        let next = match question.take() {
            Some(question) => Phase::Closing(Ending::Question(question)),
            None if self.asked >= self.max_steps => Phase::Asking(AskMode::WrapUp),
            None => Phase::Asking(AskMode::Normal),
        };
        self.phase = next;
    }

    fn stopped(&mut self) {
        if self.is_resting() {
            self.abandon_question("The person stopped the run instead of replying.");
            self.begin_turn();
            self.go(Phase::Closing(Ending::Stopped));
            return;
        }
        self.end_early(Ending::Stopped);
    }

    /// Ends the turn before its time. Calls without a result get one, because no provider accepts a
    /// conversation with an unanswered call.
    fn end_early(&mut self, ending: Ending) {
        if self.is_resting() || self.is_posting() {
            return;
        }
        self.settle_open_calls();
        self.go(Phase::Closing(ending));
    }

    fn settle_open_calls(&mut self) {
        let mut open = Vec::new();
        match &mut self.phase {
            Phase::Working { open: calls, question, intended, .. } => {
                for call_id in calls.drain(..) {
                    match intended.remove(&call_id) {
                        Some(planned) => {
                            self.unsure.push(planned.summary);
                            open.push((call_id, OUTCOME_UNKNOWN));
                        }
                        None => open.push((call_id, NOT_CARRIED_OUT)),
                    }
                }
                open.extend(question.take().map(|question| (question.call_id, NOT_CARRIED_OUT)));
            }
            Phase::Closing(Ending::Question(question)) => open.push((question.call_id.clone(), NOT_CARRIED_OUT)),
            Phase::Resting { .. } | Phase::Reading | Phase::Asking(_) | Phase::Closing(_) | Phase::Posting { .. } => {}
        }
        open.into_iter().for_each(|(call_id, text)| self.transcript.result(call_id, text));
    }

    fn abandon_question(&mut self, text: &str) {
        if let Phase::Resting { question } = &mut self.phase
            && let Some(question) = question.take()
        {
            self.transcript.result(question.call_id, text);
        }
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
        let Phase::Posting { question, .. } = &mut self.phase else {
            return;
        };
        let question = question.take();
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
