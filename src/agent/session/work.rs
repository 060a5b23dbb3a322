//! Tool calls: from the reply that makes them to the last result.

use std::collections::HashMap;

use super::{
    Phase, SAME_CALL_LIMIT, Session,
    parts::{CallResult, Parts, part_id},
};
use crate::{
    agent::{
        approval::{Approval, Proposed},
        journal::Said,
        question::{Kind, Question},
        step::{AskMode, Ending, PlannedCall},
    },
    domain::{
        ids::StepKey,
        talk::{AssistantMessage, ToolCall},
        touched::Touched,
        write::{PlannedWrite, Receipt, Written},
    },
    tools::ask_user,
};

/// What a question is told that was asked beside changes that wait for a word.
const ASK_LATER: &str =
    "Not asked: the person decides on the changes first. Ask again afterwards if you still have to.";

/// The calls that are being carried out.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Work {
    pub(super) base_step: u32,
    /// In the order they were made; the parts of one that came to be several stand behind the others.
    pub(super) calls: Vec<ToolCall>,
    /// Those without a result, and not waiting for a person.
    pub(super) open: Vec<String>,
    /// By call, what is being changed and may have happened already.
    pub(super) intended: HashMap<String, PlannedWrite>,
    /// By call, what a person has approved.
    pub(super) approved: HashMap<String, PlannedWrite>,
    /// What a person has to approve before it is done.
    pub(super) proposed: Vec<Proposed>,
    pub(super) parts: Parts,
    pub(super) question: Option<Question>,
    /// What else was said with the approval this work began with. The work item is not looked at until the
    /// approved changes are made.
    pub(super) opening: Option<Vec<Said>>,
}

impl Work {
    pub(super) fn on(base_step: u32, calls: Vec<ToolCall>) -> Self {
        let open = calls.iter().map(|call| call.id.clone()).collect();
        Self { base_step, calls, open, ..Self::default() }
    }

    /// The result of a call; of a part, that of the whole call once there is nothing more to wait for.
    fn result(&mut self, call_id: &str, text: String) -> Option<CallResult> {
        let Some(whole) = self.parts.whole_of(call_id) else {
            return Some(CallResult { call_id: call_id.to_owned(), text, elsewhere: false });
        };
        self.parts.add(&whole, text);
        let is_part = |id: &str| self.parts.whole_of(id).is_some_and(|of| of == whole);
        let waits =
            self.open.iter().any(|id| is_part(id)) || self.proposed.iter().any(|change| is_part(&change.call.id));
        if waits { None } else { self.parts.take(&whole) }
    }
}

impl Session {
    pub(super) fn plan(&self, work: &Work) -> Vec<PlannedCall> {
        let key = |part| StepKey { run: self.run, turn: self.turn, step: work.base_step, part };
        (1u32..)
            .zip(&work.calls)
            .enumerate()
            .filter(|(_, (_, call))| work.open.contains(&call.id) && !work.parts.is_whole(&call.id))
            .map(|(at, (number, call))| PlannedCall {
                call: call.clone(),
                started_key: key(number * 2 - 1),
                finished_key: key(number * 2),
                intended: work.intended.get(&call.id).cloned(),
                approved: work.approved.get(&call.id).cloned(),
                is_part: work.parts.whole_of(&call.id).is_some(),
                repeated: self.is_repeated(call, &work.calls[at..], work),
            })
            .collect()
    }

    /// `from_here` are the reply's calls from this one on, which have been counted as well.
    fn is_repeated(&self, call: &ToolCall, from_here: &[ToolCall], work: &Work) -> bool {
        let same = (call.name.clone(), call.arguments.clone());
        let changed_before = self.intended_calls.contains(&same) && !work.intended.contains_key(&call.id);
        let is_same = |other: &&ToolCall| other.name == call.name && other.arguments == call.arguments;
        let made = self.calls_made.get(&same).map_or(0, |made| *made);
        changed_before || made.saturating_sub(from_here.iter().filter(is_same).count()) >= SAME_CALL_LIMIT
    }

    pub(super) fn begin_work(&mut self, message: AssistantMessage) {
        for call in &message.calls {
            *self.calls_made.entry((call.name.clone(), call.arguments.clone())).or_insert(0) += 1;
        }
        // One question at a time: the first well-formed one is asked once all other calls are done.
        let question = Question::first_of(&message.calls).filter(|_| self.allowed().tool(ask_user::NAME));
        let calls = message.calls.clone();
        self.transcript.model_says(message);
        self.step += 1;
        let mut work = Work { question, ..Work::on(self.step, calls) };
        if let Some(question) = &work.question {
            work.open.retain(|id| *id != question.call_id);
        }
        self.phase = Phase::Working(Box::new(work));
        self.leave_work_if_done();
    }

    /// Begins a turn with what was approved. The others have their results next.
    pub(super) fn begin_approved(
        &mut self,
        approved: Vec<Proposed>,
        others: &[Proposed],
        parts: Parts,
        opening: Vec<Said>,
    ) {
        self.step += 1;
        let calls = approved.iter().chain(others).map(|change| change.call.clone()).collect();
        let approved = approved.into_iter().map(|change| (change.call.id, change.planned)).collect();
        let work = Work { approved, parts, opening: Some(opening), ..Work::on(self.step, calls) };
        self.phase = Phase::Working(Box::new(work));
    }

    /// No step of its own: what is said of the call keeps its key however often it is taken up.
    pub(super) fn write_intended(&mut self, call_id: String, planned: PlannedWrite) {
        if let Phase::Working(work) = &mut self.phase
            && work.open.contains(&call_id)
        {
            if let Some(call) = work.calls.iter().find(|call| call.id == call_id) {
                self.intended_calls.insert((call.name.clone(), call.arguments.clone()));
            }
            if !work.approved.contains_key(&call_id) {
                self.changes += 1;
            }
            // What only takes back may be followed by the change that was wanted in its place.
            if work.parts.whole_of(&call_id).is_none() {
                self.touched.extend(Touched::by(&planned.write));
            }
            work.intended.insert(call_id, planned);
        }
    }

    pub(super) fn note_receipt(&mut self, call_id: &str, receipt: &Receipt) {
        let Phase::Working(work) = &self.phase else { return };
        match &receipt.written {
            Written::Done { .. } => {
                self.made.add(receipt);
                self.done.extend(
                    work.intended.get(call_id).filter(|_| receipt.is_done()).map(|planned| planned.summary.clone()),
                );
            }
            Written::Overtaken { .. } => self.note_overtaken(call_id),
        }
    }

    /// The change was not made because of what somebody else did meanwhile. The same call comes to another change
    /// now, and may be made.
    fn note_overtaken(&mut self, call_id: &str) {
        let Phase::Working(work) = &self.phase else { return };
        if let Some(call) = work.calls.iter().find(|call| call.id == call_id) {
            self.intended_calls.remove(&(call.name.clone(), call.arguments.clone()));
        }
        if let Some(planned) = work.intended.get(call_id) {
            let untouched = Touched::by(&planned.write);
            self.touched.retain(|touched| !untouched.contains(touched));
        }
    }

    /// The call waits for a person's word on what it would change.
    pub(super) fn write_proposed(&mut self, call_id: &str, planned: PlannedWrite) {
        let Phase::Working(work) = &mut self.phase else { return };
        let Some(at) = work.open.iter().position(|id| id == call_id) else { return };
        let Some(call) = work.calls.iter().find(|call| call.id == call_id).cloned() else { return };
        work.open.remove(at);
        work.proposed.push(Proposed { call, planned });
        self.changes += 1;
        self.step += 1;
        self.leave_work_if_done();
    }

    /// The call came to be several changes: each is a call of its own from here on. `note` is what the model
    /// is told besides, and whether that is about another project.
    pub(super) fn unfolded(&mut self, call_id: &str, numbers: &[u32], note: (String, bool)) {
        let Phase::Working(work) = &mut self.phase else { return };
        if numbers.is_empty() || !work.open.iter().any(|id| id == call_id) || work.parts.is_whole(call_id) {
            return;
        }
        let Some(whole) = work.calls.iter().find(|call| call.id == call_id).cloned() else { return };
        work.open.retain(|id| id != call_id);
        for number in numbers {
            let arguments = serde_json::json!({ "change": number }).to_string();
            let id = part_id(call_id, *number);
            work.open.push(id.clone());
            work.calls.push(ToolCall { id, arguments, ..whole.clone() });
        }
        work.parts.unfold(call_id, note);
    }

    pub(super) fn tool_done(&mut self, call_id: &str, text: String) {
        let Phase::Working(work) = &mut self.phase else {
            return;
        };
        let Some(at) = work.open.iter().position(|id| id == call_id) else {
            return;
        };
        work.open.remove(at);
        let at_head = work.opening.is_some();
        if let Some(result) = work.result(call_id, text) {
            self.give_result(result, at_head);
        }
        self.step += 1;
        self.leave_work_if_done();
    }

    /// `at_head`: of a call of the turn before, whose results open this one.
    pub(super) fn give_result(&mut self, result: CallResult, at_head: bool) {
        if result.elsewhere {
            self.transcript.read_elsewhere(result.call_id.clone());
        }
        if at_head {
            self.transcript.result_at_head(result.call_id, result.text);
        } else {
            self.transcript.result(result.call_id, result.text);
        }
    }

    /// The call looked into another project; of a part the whole call's result tells.
    pub(super) fn looked_elsewhere(&mut self, call_id: String) {
        if let Phase::Working(work) = &mut self.phase
            && work.parts.looked_elsewhere(&call_id)
        {
            return;
        }
        self.transcript.read_elsewhere(call_id);
    }

    /// The call becomes the turn's question; if there is one already, it is told to come back.
    pub(super) fn sign_in_asked(&mut self, call_id: String, text: String, url: String) {
        let Phase::Working(work) = &mut self.phase else {
            return;
        };
        let Some(at) = work.open.iter().position(|id| *id == call_id) else {
            return;
        };
        if work.question.is_some() || work.opening.is_some() {
            let text = "Not carried out: the person has to sign in first. Call it again later.";
            return self.tool_done(&call_id, text.to_owned());
        }
        work.open.remove(at);
        work.question = Some(Question { call_id, text, kind: Kind::SignIn { url }, unmade: false });
        self.step += 1;
        self.leave_work_if_done();
    }

    fn leave_work_if_done(&mut self) {
        let Phase::Working(work) = &mut self.phase else {
            return;
        };
        if !work.open.is_empty() {
            return;
        }
        if let Some(opening) = work.opening.take() {
            opening.into_iter().for_each(|said| self.transcript.person_says(said));
            self.phase = Phase::Reading;
            return;
        }
        let question = work.question.take();
        let approval = Approval {
            changes: std::mem::take(&mut work.proposed),
            parts: std::mem::take(&mut work.parts),
            asked_by: self.speakers.clone(),
            refused_someone: false,
            shown_at: None,
            shown_as: None,
        };
        let next = match (Question::about(approval), question) {
            (Some(approval), asked) => {
                if let Some(asked) = asked {
                    self.transcript.result(asked.call_id, ASK_LATER);
                }
                Phase::Closing(Ending::Question(approval))
            }
            (None, Some(question)) => match self.send_back(question) {
                Some(question) => Phase::Closing(Ending::Question(question)),
                None => Phase::Asking(AskMode::Normal),
            },
            (None, None) if self.asked >= self.max_steps => Phase::Asking(AskMode::WrapUp),
            (None, None) => Phase::Asking(AskMode::Normal),
        };
        self.phase = next;
    }
}
