//! Shows a turn's progress: thoughts, actions and heartbeats, in the background and never in the way.
//!
//! Progress costs requests that answers need, and Plane shows one thing at a time, so it is coalesced. A
//! newer thought replaces one not yet sent, and none is said twice. A tool call that is done before
//! [`Pace::action_grace`] has passed is shown once, with its result; a slower one is shown when it
//! starts and again when it ends. Calls that end in quick succession are told in one. What cannot be
//! sent is dropped. Progress is not journalled: a resumed turn gets the keys Plane already shows and skips them.
//!
//! A narrator speaks one thing at a time and is made quiet before the terminal activity is posted,
//! so nothing is ever said after the last word.

mod actions;
mod pace;

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    task::AbortHandle,
    time::Instant,
};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use self::actions::{has_result, together};
pub use self::{actions::RESULT, pace::Pace};
use super::sentences::{Sentences, shortened};
use crate::{
    domain::{
        activity::{Draft, Saying},
        event::RunInfo,
        ids::StepKey,
    },
    plane::{PlaneApi, PlaneError},
};

/// Parts of a step's key from here on belong to thoughts made of reasoning and to heartbeats.
const FIRST_FREE_PART: u32 = 1_000;
/// Longest silence on Plane's account; a server may name any number.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Actions kept while they cannot be sent; the oldest give way.
const MOST_QUEUED_ACTIONS: usize = 12;

/// What a turn is busy with, for heartbeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    Reading,
    Model,
    /// The provider asked us to wait.
    Waiting,
    Tools,
}

impl Doing {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Model => "model",
            Self::Waiting => "waiting",
            Self::Tools => "tools",
        }
    }
}

/// What a narrator is told.
#[derive(Debug)]
pub enum Note {
    /// The turn went on to something else; thoughts from here on belong to this step.
    Doing {
        what: Doing,
        key: StepKey,
    },
    Thought {
        key: StepKey,
        body: String,
    },
    /// A part of the model's reasoning.
    Reasoning(String),
    /// The model's stream starts anew.
    ReasoningVoid,
    ActionStarted(Draft),
    /// The same action with its result. `started` is the key of the note it completes.
    ActionFinished {
        started: StepKey,
        draft: Draft,
    },
    Quiet {
        farewell: bool,
        /// Told the keys of everything Plane shows.
        done: oneshot::Sender<HashSet<String>>,
    },
}

/// Makes the words of a heartbeat; `None` says nothing.
pub type Heartbeat = Arc<dyn Fn(Doing, Duration) -> Option<String> + Send + Sync>;

/// A handle on the narrator of one turn. Dropping it silences it.
#[derive(Debug)]
pub struct Narrator {
    notes: mpsc::UnboundedSender<Note>,
    task: AbortHandle,
}

impl Narrator {
    /// Starts to narrate. `already` holds the keys that Plane shows from an earlier attempt.
    pub fn start(
        tasks: &TaskTracker,
        plane: Arc<dyn PlaneApi>,
        run: RunInfo,
        already: HashSet<String>,
        pace: Pace,
        heartbeat: Heartbeat,
    ) -> Self {
        let (notes, receiver) = mpsc::unbounded_channel();
        let now = Instant::now();
        let narration = Narration {
            plane,
            already,
            pace,
            heartbeat,
            notes: receiver,
            sentences: Sentences::default(),
            thought: None,
            actions: VecDeque::new(),
            doing: Doing::Reading,
            key: StepKey { run: run.id, turn: 0, step: 0, part: 0 },
            next_part: FIRST_FREE_PART,
            began: now,
            last_spoke: now,
            said: HashSet::new(),
            next_thought: now,
            next_action: now,
            paused_until: now,
            run,
        };
        let task = tasks.spawn(narration.run().in_current_span()).abort_handle();
        Self { notes, task }
    }

    pub fn tell(&self, note: Note) {
        // A narrator that is gone has nothing more to say.
        let _ = self.notes.send(note);
    }

    /// A sender for callbacks that outlive a borrow of the narrator.
    #[must_use]
    pub fn notes(&self) -> mpsc::UnboundedSender<Note> {
        self.notes.clone()
    }

    /// Ends the narration; nothing is said once this returns. With `farewell`, finished actions
    /// that wait are said first, as far as the pace allows. Gives the keys of what was said, and of what
    /// had been before.
    pub async fn quiet(self, farewell: bool) -> HashSet<String> {
        let (done, quiet) = oneshot::channel();
        self.tell(Note::Quiet { farewell, done });
        match tokio::time::timeout(Duration::from_secs(8), quiet).await {
            Ok(shown) => shown.unwrap_or_default(),
            Err(_) => {
                tracing::warn!("a progress activity hangs; it is abandoned");
                HashSet::new()
            }
        }
    }
}

impl Drop for Narrator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct PendingAction {
    draft: Draft,
    ready_at: Instant,
}

struct Narration {
    plane: Arc<dyn PlaneApi>,
    run: RunInfo,
    already: HashSet<String>,
    pace: Pace,
    heartbeat: Heartbeat,
    notes: mpsc::UnboundedReceiver<Note>,
    sentences: Sentences,
    thought: Option<Draft>,
    actions: VecDeque<PendingAction>,
    doing: Doing,
    key: StepKey,
    next_part: u32,
    began: Instant,
    last_spoke: Instant,
    /// What was thought aloud, letters and digits only.
    said: HashSet<String>,
    next_thought: Instant,
    next_action: Instant,
    paused_until: Instant,
}

impl Narration {
    async fn run(mut self) {
        loop {
            let wake = self.next_wake();
            tokio::select! {
                biased;
                note = self.notes.recv() => match note {
                    None => return,
                    Some(Note::Quiet { farewell, done }) => {
                        if farewell {
                            self.say_farewell().await;
                        }
                        let _ = done.send(self.already);
                        return;
                    }
                    Some(note) => self.take(note),
                },
                () = tokio::time::sleep_until(wake) => self.speak().await,
            }
        }
    }

    fn take(&mut self, note: Note) {
        match note {
            Note::Doing { what, key } => {
                self.doing = what;
                self.key = key;
                self.sentences.clear();
            }
            Note::Thought { key, body } => self.think(key, &body),
            Note::Reasoning(delta) => self.sentences.push(&delta),
            Note::ReasoningVoid => self.sentences.clear(),
            Note::ActionStarted(draft) => {
                let ready_at = Instant::now() + self.pace.action_grace;
                self.actions.push_back(PendingAction { draft, ready_at });
            }
            Note::ActionFinished { started, draft } => {
                self.actions.retain(|pending| pending.draft.key != started);
                if self.already.contains(&draft.key.to_string()) {
                    return;
                }
                let ready_at = Instant::now() + self.pace.action_company;
                self.actions.push_back(PendingAction { draft, ready_at });
                if self.actions.len() > MOST_QUEUED_ACTIONS {
                    self.actions.pop_front();
                }
            }
            Note::Quiet { .. } => {}
        }
    }

    fn think(&mut self, key: StepKey, body: &str) {
        let body = shortened(&body.split_whitespace().collect::<Vec<_>>().join(" "));
        if !body.is_empty() && self.is_new(&body) {
            self.thought = Some(Draft { key, saying: Saying::Thought { body }, detail: None });
        }
    }

    fn free_key(&mut self) -> StepKey {
        self.next_part += 1;
        StepKey { part: self.next_part, ..self.key }
    }

    fn next_wake(&self) -> Instant {
        let mut wake = self.last_spoke + self.pace.heartbeat;
        if self.thought.is_some() || self.sentences.has_some() {
            wake = wake.min(self.next_thought);
        }
        if let Some(ready_at) = self.actions.iter().map(|pending| pending.ready_at).min() {
            wake = wake.min(ready_at.max(self.next_action));
        }
        wake.max(self.paused_until)
    }

    async fn speak(&mut self) {
        let now = Instant::now();
        if self.next_thought <= now
            && let Some(draft) = self.thought.take()
        {
            self.next_thought = now + self.pace.thought_gap;
            return self.post(draft).await;
        }
        if self.next_action <= now
            && let Some(draft) = self.ready_actions(now)
        {
            self.next_action = now + self.pace.action_gap;
            return self.post(draft).await;
        }
        if self.next_thought <= now
            && let Some(body) = self.sentences.take()
        {
            if self.is_new(&body) {
                self.next_thought = now + self.pace.thought_gap;
                let draft = Draft { key: self.free_key(), saying: Saying::Thought { body }, detail: None };
                self.post(draft).await;
            }
            return;
        }
        if self.last_spoke + self.pace.heartbeat <= now {
            self.beat(now).await;
        }
    }

    /// The actions that may be shown by now, as one. Those that began are told before those that ended.
    fn ready_actions(&mut self, now: Instant) -> Option<Draft> {
        let (ready, waiting): (VecDeque<_>, _) =
            std::mem::take(&mut self.actions).into_iter().partition(|pending| pending.ready_at <= now);
        self.actions = waiting;
        together(ready.into_iter().map(|pending| pending.draft).collect())
    }

    fn is_new(&mut self, thought: &str) -> bool {
        let heart: String = thought.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        self.said.insert(heart)
    }

    async fn beat(&mut self, now: Instant) {
        let Some(body) = (self.heartbeat)(self.doing, now - self.began) else {
            self.last_spoke = now;
            return;
        };
        self.next_thought = now + self.pace.thought_gap;
        let draft = Draft { key: self.free_key(), saying: Saying::Thought { body: shortened(&body) }, detail: None };
        self.post(draft).await;
    }

    /// Says what is finished and waits, in order. Thoughts would be replaced at once by the
    /// terminal activity, so they are not worth a request any more, except the one that no other
    /// has followed: a turn is never silent.
    async fn say_farewell(&mut self) {
        let deadline = Instant::now() + self.pace.farewell;
        if let Some(thought) = self.thought.take()
            && self.last_spoke == self.began
        {
            self.post(thought).await;
        }
        let finished = std::mem::take(&mut self.actions).into_iter().filter(|pending| has_result(&pending.draft));
        let Some(draft) = together(finished.map(|pending| pending.draft).collect()) else { return };
        if Instant::now() >= deadline || self.paused_until > Instant::now() {
            tracing::debug!("progress is dropped for the answer's sake");
            return;
        }
        self.post(draft).await;
    }

    async fn post(&mut self, draft: Draft) {
        if !self.already.insert(draft.key.to_string()) {
            return;
        }
        let spoke_before = std::mem::replace(&mut self.last_spoke, Instant::now());
        match self.plane.post_activity(self.run.workspace, &self.run, &draft).await {
            Ok(_) => {}
            Err(PlaneError::RateLimited { retry_after }) => {
                // Nothing was said, so the silence goes on and a heartbeat is due as before.
                self.last_spoke = spoke_before;
                let wait = retry_after.unwrap_or(Duration::from_secs(10)).min(LONGEST_PAUSE);
                self.paused_until = Instant::now() + wait;
            }
            Err(error) => tracing::debug!(%error, "a progress activity is lost"),
        }
    }
}

#[cfg(test)]
mod tests;
