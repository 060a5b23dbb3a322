//! What others may ask a session: where it stands, and how its effects are named.

use jiff::SignedDuration;

use super::{Phase, Session};
use crate::{
    agent::journal::Said,
    domain::{ids::StepKey, talk::Message},
};

/// How far apart the times of a comment and of the prompt made of it may be; the same words later are
/// a new prompt.
const LATE_EVENT_WITHIN: SignedDuration = SignedDuration::from_mins(2);

impl Session {
    /// The conversation as the model is to see it, without the system prompt.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.transcript.assembled()
    }

    /// The work item as the model is to see it; empty where there is none.
    #[must_use]
    pub fn context(&self) -> &str {
        self.transcript.context()
    }

    #[must_use]
    pub fn is_resting(&self) -> bool {
        matches!(self.phase, Phase::Resting { .. })
    }

    /// Whether the turn is still on its way to an ending.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        matches!(self.phase, Phase::Reading | Phase::Asking(_) | Phase::Working { .. })
    }

    /// Whether the turn's last word is settled: a stop comes too late for it.
    #[must_use]
    pub fn is_posting(&self) -> bool {
        matches!(self.phase, Phase::Posting { .. })
    }

    /// The key of something said at this point of the turn. Equal states give equal keys, which is
    /// what lets a resumed turn see that it was said already.
    #[must_use]
    pub fn key(&self, part: u32) -> StepKey {
        StepKey { run: self.run, turn: self.turn, step: self.step, part }
    }

    /// Whether the words of a turn came from the run's comment, so that their event may still come.
    #[must_use]
    pub fn expects_late_event(&self) -> bool {
        self.from_comment.is_some()
    }

    /// Whether these words were already taken from the run's comment and the event is only late.
    #[must_use]
    pub fn recognises(&self, said: &Said) -> bool {
        let Some(known) = &self.from_comment else { return false };
        let near = match (known.written_at, said.written_at) {
            (Some(known), Some(said)) => said.duration_since(known).abs() <= LATE_EVENT_WITHIN,
            (None, _) | (_, None) => true,
        };
        said.activity.is_some() && known.text == said.text && near
    }

    /// What this turn was about to change when it was cut short, in words: it may have happened.
    #[must_use]
    pub fn unsure(&self) -> &[String] {
        &self.unsure
    }

    /// The key of the first thought of this turn; at rest, of the turn to come, because it is said
    /// before the prompts are put into words.
    #[must_use]
    pub fn greeting_key(&self) -> StepKey {
        let turn = if self.is_resting() { self.turn + 1 } else { self.turn };
        StepKey { run: self.run, turn, step: 0, part: 0 }
    }
}
