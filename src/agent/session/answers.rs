//! A reply of the model: calls to carry out, or what becomes the turn's answer.

use super::{Phase, Session};
use crate::{
    agent::{
        claims::{speaks_of_earlier, tells_of_unmade},
        journal::{Bound, Failure, FailureCode},
        polish,
        question::Question,
        step::{AskMode, Ending},
    },
    domain::talk::{AssistantMessage, Finish},
};

/// What the model is told of a question that tells of a change nobody made.
const NOT_ASKED: &str = "Not asked: the question says that you changed something that no tool of yours has changed in this \
                         turn. Call the tool for it if the person wants it; then ask, without telling of what is not done.";

impl Session {
    pub(super) fn answered(&mut self, mut message: AssistantMessage, finish: &Finish) {
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
        if mode == AskMode::Normal && polish::is_raw_data(&text) {
            return self.go(Phase::Asking(AskMode::AfterRaw));
        }
        let unmade = self.is_unmade(&text);
        if mode == AskMode::Normal && unmade {
            return self.go(Phase::Asking(AskMode::AfterClaim));
        }
        self.transcript.model_says(message);
        self.go(Phase::Closing(match mode {
            AskMode::WrapUp => Ending::Bounded { bound: Bound::Steps, best: text, unmade },
            AskMode::Normal | AskMode::AfterEmpty | AskMode::AfterRaw | AskMode::AfterClaim => {
                Ending::Answer { text, cut: *finish == Finish::Length, unmade }
            }
        }));
    }

    /// The ending at a bound, with the best answer so far.
    pub(super) fn bounded(&self, bound: Bound) -> Ending {
        let best = self.best_text.clone();
        Ending::Bounded { bound, unmade: self.is_unmade(&best), best }
    }

    /// Whether an answer tells of a change that nobody made. What was done in an earlier turn has to be told
    /// as something earlier; what may have been done is told beside it.
    fn is_unmade(&self, text: &str) -> bool {
        let earlier = self.changed_before && speaks_of_earlier(text);
        !earlier && tells_of_unmade(text, &self.made)
    }

    /// Sends a question back to the model that tells of a change nobody made. One it insists on is asked, with
    /// a note.
    pub(super) fn send_back(&mut self, question: Question) -> Option<Question> {
        let unmade = self.is_unmade(&question.text);
        if unmade && !self.question_sent_back && self.asked < self.max_steps {
            self.question_sent_back = true;
            self.transcript.result(question.call_id, NOT_ASKED);
            return None;
        }
        Some(Question { unmade, ..question })
    }

    fn empty_answer(&mut self, mode: AskMode, finish: &Finish) {
        match mode {
            AskMode::Normal => self.go(Phase::Asking(AskMode::AfterEmpty)),
            AskMode::AfterEmpty | AskMode::AfterRaw | AskMode::AfterClaim => {
                let detail =
                    if *finish == Finish::Length { "The output limit was used up before any text." } else { "" };
                self.end_early(Ending::Failed(Failure { code: FailureCode::EmptyAnswer, detail: detail.to_owned() }));
            }
            AskMode::WrapUp => self.go(Phase::Closing(self.bounded(Bound::Steps))),
        }
    }
}
