//! Calls that get no result of their own: a turn ends before its time, or a question is left.

use super::{
    Phase, Session,
    parts::{CallResult, Parts},
};
use crate::agent::{
    journal::Said,
    question::{Kind, Question},
    step::Ending,
};

/// What the model reads in place of a result when a turn ends before its time.
const NOT_CARRIED_OUT: &str = "Not carried out: the turn ended before.";
const OUTCOME_UNKNOWN: &str = "The turn ended while this was being carried out. It may or may not have happened: look before you say anything of it.";

impl Session {
    /// Gives every call without a result one, because no provider accepts a conversation with an
    /// unanswered call.
    pub(super) fn settle_open_calls(&mut self) {
        let mut left = Vec::new();
        let (mut parts, mut opening) = (Parts::default(), None::<Vec<Said>>);
        match &mut self.phase {
            Phase::Working(work) => {
                for call_id in std::mem::take(&mut work.open) {
                    match work.intended.remove(&call_id) {
                        Some(planned) => {
                            self.made.add_unsure(&planned.write);
                            self.unsure.push(planned.summary);
                            left.push((call_id, OUTCOME_UNKNOWN));
                        }
                        None => left.push((call_id, NOT_CARRIED_OUT)),
                    }
                }
                let waiting = work.proposed.drain(..).map(|change| change.call.id);
                left.extend(
                    waiting.chain(work.question.take().map(|asked| asked.call_id)).map(|id| (id, NOT_CARRIED_OUT)),
                );
                parts = std::mem::take(&mut work.parts);
                opening = work.opening.take();
            }
            Phase::Closing(Ending::Question(question)) => {
                left.extend(question.call_ids().into_iter().map(|id| (id, NOT_CARRIED_OUT)));
                parts = parts_of(question);
            }
            Phase::Resting { .. } | Phase::Reading | Phase::Asking(_) | Phase::Closing(_) | Phase::Posting { .. } => {}
        }
        for result in results(left, parts) {
            self.give_result(result, opening.is_some());
        }
        opening.into_iter().flatten().for_each(|said| self.transcript.person_says(said));
    }

    /// Leaves the question the run waits with.
    pub(super) fn abandon_question(&mut self, text: &str) {
        if let Phase::Resting { question } = &mut self.phase
            && let Some(question) = question.take()
        {
            let left = question.call_ids().into_iter().map(|id| (id, text)).collect();
            for result in results(left, parts_of(&question)) {
                self.give_result(result, false);
            }
        }
    }
}

fn parts_of(question: &Question) -> Parts {
    match &question.kind {
        Kind::Approval(approval) => approval.parts.clone(),
        Kind::Words | Kind::Choice { .. } | Kind::SignIn { .. } => Parts::default(),
    }
}

/// The results with those of the parts of a call brought together: the conversation knows only the call.
fn results(left: Vec<(String, &str)>, mut parts: Parts) -> Vec<CallResult> {
    let mut results = Vec::new();
    for (call_id, text) in left {
        let text = text.to_owned();
        match parts.whole_of(&call_id) {
            Some(whole) => parts.add(&whole, text),
            None => results.push(CallResult { call_id, text, elsewhere: false }),
        }
    }
    results.extend(parts.into_results());
    results
}
