//! What others may ask a session: where it stands, and how its effects are named.

use jiff::SignedDuration;

use super::{Phase, Session};
use crate::{
    agent::{
        context::look::Look,
        journal::{Entry, Said},
        polish,
    },
    domain::{
        ids::{StepKey, UserId},
        talk::Message,
        touched::Touched,
        write::PlannedWrite,
    },
};

/// What the result of a call that failed begins with.
pub const FAILED_RESULT: &str = "Error: ";

/// What was asked and answered last.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// Whether others came before it.
    pub went_on: bool,
    pub said: Option<&'a Said>,
    pub answered: &'a str,
}

/// How far apart the times of a comment and of the prompt made of it may be; the same words later are
/// a new prompt.
const LATE_EVENT_WITHIN: SignedDuration = SignedDuration::from_mins(2);

impl Session {
    #[must_use]
    pub fn is_resting(&self) -> bool {
        matches!(self.phase, Phase::Resting { .. })
    }

    /// Whether the turn is still on its way to an ending.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        matches!(self.phase, Phase::Reading | Phase::Asking(_) | Phase::Working(_))
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

    /// What this turn has changed, in words.
    #[must_use]
    pub fn done(&self) -> &[String] {
        &self.done
    }

    /// What this turn was about to change when it was cut short, in words: it may have happened.
    #[must_use]
    pub fn unsure(&self) -> &[String] {
        &self.unsure
    }

    /// Who spoke in this turn; `None` among them is somebody Plane does not name.
    #[must_use]
    pub fn speakers(&self) -> Vec<Option<UserId>> {
        let unknown = self.unknown_speaker.then_some(None);
        self.speakers.iter().copied().map(Some).chain(unknown).collect()
    }

    /// How many changes this turn has made or proposed.
    #[must_use]
    pub fn changes(&self) -> u32 {
        self.changes
    }

    /// What waits for a word among the calls under way.
    pub fn proposed(&self) -> impl Iterator<Item = &PlannedWrite> {
        let work = if let Phase::Working(work) = &self.phase { Some(work) } else { None };
        work.into_iter().flat_map(|work| &work.proposed).map(|change| &change.planned)
    }

    /// Whether this turn has done this before.
    #[must_use]
    pub fn has_touched(&self, touched: &Touched) -> bool {
        self.touched.contains(touched)
    }

    /// The look at the work item of the turn before, or of this one.
    #[must_use]
    pub fn last_look(&self) -> Option<&Look> {
        self.transcript.last_look()
    }

    /// Whether a work item's key was read in Plane, rather than made up or only asked about.
    #[must_use]
    pub fn tells_of(&self, key: &str) -> bool {
        let own = self.last_look().map_or("", |look| look.key.as_str());
        let read = |message: &Message| match message {
            Message::Tool { text, .. } => !text.starts_with(FAILED_RESULT) && polish::names(text, key, own),
            Message::System { .. } | Message::User { .. } | Message::Picture { .. } | Message::Assistant(_) => false,
        };
        let talks = self.conversation().talks;
        self.last_look().is_some_and(|look| look.tells_of(key))
            || talks.iter().flat_map(|talk| &talk.messages).any(read)
    }

    /// The number the next turn will have.
    #[must_use]
    pub fn next_turn(&self) -> u32 {
        self.turn + 1
    }

    /// Whether the model has not been asked yet in this turn.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.asked == 0
    }

    /// The entry that puts a summary in the place of every turn up to this one, and the number of the
    /// entry a fold can then start with. `None` if there is no later turn to start with.
    #[must_use]
    pub fn compaction(&self, through_turn: u32, summary: String) -> Option<(Entry, u64)> {
        let through_turn = self.transcript.summable(through_turn);
        let fold_from = self.transcript.entry_after(through_turn)?;
        let (expects, skills) = (self.from_comment.clone(), self.skills.clone());
        let elsewhere = self.transcript.has_read_elsewhere(through_turn);
        Some((Entry::Compacted { through_turn, summary, expects, elsewhere, skills }, fold_from))
    }

    /// Whether there were turns before this one.
    #[must_use]
    pub fn has_gone_on(&self) -> bool {
        let conversation = self.conversation();
        conversation.summary.is_some() || conversation.talks.len() > 1
    }

    /// The newest exchange: who spoke, what they asked, and what was answered. Only while the answer is
    /// on its way.
    #[must_use]
    pub fn exchange(&self) -> Option<Exchange<'_>> {
        let Phase::Posting { draft, .. } = &self.phase else { return None };
        let answered = draft.saying.last_word()?;
        Some(Exchange { went_on: self.has_gone_on(), said: self.last_said.as_ref(), answered })
    }

    /// The key of the first thought of this turn; at rest, of the turn to come, because it is said
    /// before the prompts are put into words.
    #[must_use]
    pub fn greeting_key(&self) -> StepKey {
        let turn = if self.is_resting() { self.turn + 1 } else { self.turn };
        StepKey { run: self.run, turn, step: 0, part: 0 }
    }
}
