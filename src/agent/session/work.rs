//! Tool calls: from the reply that makes them to the last result.

use std::collections::HashMap;

use super::{Phase, SAME_CALL_LIMIT, Session};
use crate::{
    agent::{
        question::{Kind, Question},
        step::{AskMode, Ending, PlannedCall},
    },
    domain::{
        ids::StepKey,
        talk::{AssistantMessage, ToolCall},
        write::PlannedWrite,
    },
    tools::ask_user,
};

impl Session {
    pub(super) fn plan(
        &self,
        base_step: u32,
        calls: &[ToolCall],
        open: &[String],
        intended: &HashMap<String, PlannedWrite>,
    ) -> Vec<PlannedCall> {
        let key = |part| StepKey { run: self.run, turn: self.turn, step: base_step, part };
        (1u32..)
            .zip(calls)
            .enumerate()
            .filter(|(_, (_, call))| open.contains(&call.id))
            .map(|(at, (number, call))| PlannedCall {
                call: call.clone(),
                started_key: key(number * 2 - 1),
                finished_key: key(number * 2),
                intended: intended.get(&call.id).cloned(),
                repeated: self.is_repeated(call, &calls[at..], intended),
            })
            .collect()
    }

    /// `from_here` are the reply's calls from this one on, which have been counted as well.
    fn is_repeated(&self, call: &ToolCall, from_here: &[ToolCall], intended: &HashMap<String, PlannedWrite>) -> bool {
        let same = (call.name.clone(), call.arguments.clone());
        let changed_before = self.intended_calls.contains(&same) && !intended.contains_key(&call.id);
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
        let asked = question.as_ref().map(|question| &question.call_id);
        let open = message.calls.iter().map(|call| &call.id).filter(|id| Some(*id) != asked).cloned().collect();
        let calls = message.calls.clone();
        self.transcript.model_says(message);
        self.step += 1;
        self.phase = Phase::Working { base_step: self.step, calls, open, intended: HashMap::new(), question };
        self.leave_work_if_done();
    }

    /// No step of its own: what is said of the call keeps its key however often it is taken up.
    pub(super) fn write_intended(&mut self, call_id: String, planned: PlannedWrite) {
        if let Phase::Working { calls, open, intended, .. } = &mut self.phase
            && open.contains(&call_id)
        {
            if let Some(call) = calls.iter().find(|call| call.id == call_id) {
                self.intended_calls.insert((call.name.clone(), call.arguments.clone()));
            }
            intended.insert(call_id, planned);
        }
    }

    pub(super) fn tool_done(&mut self, call_id: String, text: String) {
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

    /// The call becomes the turn's question; if there is one already, it is told to come back.
    pub(super) fn sign_in_asked(&mut self, call_id: String, text: String, url: String) {
        let Phase::Working { open, question, .. } = &mut self.phase else {
            return;
        };
        let Some(at) = open.iter().position(|id| *id == call_id) else {
            return;
        };
        if question.is_some() {
            return self.tool_done(
                call_id,
                "Not carried out: the person has to sign in first. Call it again later.".to_owned(),
            );
        }
        open.remove(at);
        *question = Some(Question { call_id, text, kind: Kind::SignIn { url } });
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
}
