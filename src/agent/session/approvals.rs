//! Replies to the question whether changes may be made.

use super::{Phase, Session};
use crate::agent::{
    approval::{Approval, Decision, Proposed},
    journal::Said,
    question::{Kind, Question},
    step::Ending,
};

const REJECTED: &str = "Not done: the person rejected this change. Do not propose it again unless they ask for it.";
const NOT_CHOSEN: &str =
    "Not done: the person approved other changes and not this one. Do not propose it again unless they ask for it.";

impl Session {
    /// What a person is asked to approve, while the run waits for it.
    #[must_use]
    pub fn awaited_approval(&self) -> Option<&Approval> {
        let Phase::Resting { question: Some(question) } = &self.phase else { return None };
        match &question.kind {
            Kind::Approval(approval) => Some(approval),
            Kind::Words | Kind::Choice { .. } | Kind::SignIn { .. } => None,
        }
    }

    /// Opens a turn with the reply. What was approved is done before anything else; the model then sees
    /// what came of it. `entitled`: whether who replies may decide.
    pub(super) fn open_decided(&mut self, mut question: Question, said: Vec<Said>, entitled: bool) {
        let Kind::Approval(approval) = &mut question.kind else { return };
        let mut said = said.into_iter();
        let Some(reply) = said.next() else { return };
        let mut decision = approval.decision(&reply.text);
        // It may have been said of something else, and who went on to say more may have thought better of it.
        let older = approval.is_older(reply.written_at);
        if older || said.as_slice().iter().any(|other| approval.decision(&other.text) != decision) {
            decision = Decision::Words;
        }
        if !entitled && decision != Decision::Words && said.len() == 0 {
            // Nothing is decided and nothing was asked: the changes go on waiting.
            approval.refused_someone = true;
            self.go(Phase::Closing(Ending::Question(question)));
            return;
        }
        let Approval { changes, parts, .. } = std::mem::take(approval.as_mut());
        self.transcript.begin(self.turn, self.entries);
        self.transcript.replied(reply.clone());
        let decision = if entitled { decision } else { Decision::Words };
        let (approved, others): (Vec<_>, Vec<_>) = match &decision {
            Decision::Approved(places) => partition(changes, places),
            Decision::Rejected | Decision::Words => (Vec::new(), changes),
        };
        let refusal = match decision {
            Decision::Approved(_) => NOT_CHOSEN.to_owned(),
            Decision::Rejected => REJECTED.to_owned(),
            Decision::Words => question.reply(&reply.text),
        };
        self.begin_approved(approved, &others, parts, said.collect());
        for change in others {
            self.tool_done(&change.call.id, refusal.clone());
        }
    }
}

fn partition(changes: Vec<Proposed>, places: &[usize]) -> (Vec<Proposed>, Vec<Proposed>) {
    let (approved, others): (Vec<_>, Vec<_>) = changes.into_iter().enumerate().partition(|(at, _)| places.contains(at));
    let bare = |list: Vec<(usize, Proposed)>| list.into_iter().map(|(_, change)| change).collect();
    (bare(approved), bare(others))
}
