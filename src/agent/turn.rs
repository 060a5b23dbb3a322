//! Carries out what the session decides, until there is nothing left to decide.
//!
//! One call of [`Agent::advance`] takes a leased run as far as it goes: through turns that wait,
//! to rest, or to a point where it must be tried again later. Every step is journalled before the
//! next begins. Whatever is cut off by a stop, a deadline or shutdown is dropped at once: a dropped
//! model call closes its connection.

mod ask;
mod close;
mod compact;
mod look;
mod narrate;
mod open;
mod permit;
mod resume;
mod see;
mod spend;
mod undo;
mod work;
mod write;

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    time::Duration,
};

use jiff::Timestamp;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use self::spend::today;
use super::{
    Agent,
    journal::{self, Bound, Entry, Failure, FailureCode, Said},
    narrator::{Doing, Narrator},
    session::Session,
    sight::Sight,
    step::Step,
    texts::Texts,
};
use crate::{
    domain::{
        disposition::Disposition,
        event::{RunEvent, RunInfo},
        ids::ActivityId,
        usage::Spent,
    },
    plane::PlaneError,
    store::{Claim, JournalStep, Lease, Release, RunRecord, StoreError, Waiting},
    tools::When,
};

/// Attempts at reading the work item before the person is told that Plane does not answer.
const CONTEXT_ATTEMPTS: u32 = 4;
/// Panics after which a turn is ended as our own fault.
const MOST_PANICS: u32 = 3;
/// Attempts, the waits between which grow to four minutes, after which a run that cannot speak at all (no
/// installation, token refused) is tried only once an hour: about a day.
const SPEECHLESS_ATTEMPTS: u32 = 350;
/// Attempts after which such a run is given up: another week.
const MOST_SPEECHLESS_ATTEMPTS: u32 = SPEECHLESS_ATTEMPTS + 7 * 24;

/// Longest time between two attempts while Plane does not answer: what is said after it comes before
/// the silence has lasted a minute.
const LONGEST_RETRY_WAIT: Duration = Duration::from_secs(32);
/// Before something is changed, the run's status may be so old and no older.
const STATUS_BEFORE_CHANGE: Duration = Duration::from_secs(10);

/// What may end a turn from outside.
#[derive(Debug, Clone)]
pub struct Control {
    /// Changes when a stop for this run is stored.
    pub stop: watch::Receiver<u64>,
    /// Cancelled when the run has to be handed back at once.
    pub hand_back: CancellationToken,
    /// How often this run's turns have panicked; too often means that trying again does not help.
    pub panicked: u32,
}

/// What ended a piece of work before it was done.
#[derive(Clone, Copy)]
enum Cut {
    Stop,
    HandBack,
    Deadline,
}

/// What is done about requests of this turn that the provider finds too long.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Squeeze {
    None,
    /// The last one was: the next has to be a good deal shorter.
    Next,
    /// One was, and one of so many tokens was sent instead.
    To(u64),
}

/// What the loop does after a step.
enum Flow {
    Go,
    Leave(Release),
}

impl Agent {
    /// Advances a leased run as far as it goes and says how the lease should end.
    ///
    /// # Errors
    /// The store failed or the lease is lost; nothing more may be done on it.
    pub async fn advance(&self, claim: Claim, control: Control) -> Result<Release, StoreError> {
        let entries = match journal::decode_all(&claim.journal) {
            Ok(entries) => entries,
            Err(error) => {
                tracing::error!(%error, "the run's journal cannot be read; the run is given up");
                return Ok(self.give_up(&claim.record.info, error.to_string()).await);
            }
        };
        // Turns that were forgotten keep their numbers: no effect may get the name of an earlier one.
        let from = claim.record.journal_len.saturating_sub(claim.journal.len() as u64);
        let session = Session::fold(claim.lease.run, self.limits, from, entries);
        let mut drive = Drive {
            agent: self,
            texts: self.texts(&claim.record.info),
            control,
            lease: claim.lease,
            record: claim.record,
            session,
            waiting: claim.waiting,
            narrator: None,
            said: HashSet::new(),
            already: HashMap::new(),
            sight: Sight::default(),
            squeeze: Squeeze::None,
            compacted: 0,
            deadline: Instant::now() + self.limits.max_turn,
            taken_up_at: Instant::now(),
            status_asked_at: Instant::now(),
        };
        let release = drive.drive(claim.unfinished, claim.journal.is_empty()).await;
        drive.hush(false).await;
        release
    }
}

struct Drive<'a> {
    agent: &'a Agent,
    control: Control,
    lease: Lease,
    record: RunRecord,
    session: Session,
    /// What the turn speaks with, from its beginning to its end; one that is resumed, with what there
    /// is by then.
    texts: Texts,
    waiting: Waiting,
    narrator: Option<Narrator>,
    /// What narrators of this process have said, by step key: the next one does not say it again.
    said: HashSet<String>,
    /// What Plane shows from an earlier attempt at this turn and since when, by step key. It is read when a turn is
    /// resumed; an attempt of this process that fails leaves the run, so nothing is missing here.
    already: HashMap<String, (ActivityId, Option<Timestamp>)>,
    /// The pictures of the turn.
    sight: Sight,
    squeeze: Squeeze,
    /// How often this turn had to be compacted.
    compacted: u32,
    deadline: Instant,
    taken_up_at: Instant,
    /// When Plane was last asked where the run stands, or when the run was taken up.
    status_asked_at: Instant,
}

impl Drive<'_> {
    async fn drive(&mut self, unfinished: bool, journal_is_empty: bool) -> Result<Release, StoreError> {
        if self.must_look_back(unfinished, journal_is_empty)
            && let Flow::Leave(release) = self.look_back(journal_is_empty).await?
        {
            return Ok(release);
        }
        if unfinished {
            let (agent, info) = (self.agent, self.record.info.clone());
            agent.settle(&info, &mut self.texts).await;
        }
        if self.control.panicked >= MOST_PANICS && !self.session.is_posting() {
            if self.session.is_resting() {
                return Ok(self.agent.give_up(self.run(), "its turns panic".to_owned()).await);
            }
            let failure = Failure::plain(FailureCode::Internal);
            self.record(vec![Entry::Failed { failure }], Vec::new()).await?;
        }
        loop {
            let flow = self.step().await?;
            if let Flow::Leave(release) = flow {
                return Ok(release);
            }
        }
    }

    async fn step(&mut self) -> Result<Flow, StoreError> {
        if self.waiting.stop.is_some() && !self.session.is_posting() {
            return self.take_stop().await;
        }
        if self.control.hand_back.is_cancelled() {
            return Ok(Flow::Leave(Release::HandBack));
        }
        match self.session.next() {
            Step::Rest => self.rest().await,
            Step::ReadContext => self.read_context().await,
            Step::AskModel { mode } => self.ask_model(mode).await,
            Step::CallTools(calls) => self.call_tools(calls).await,
            Step::Compose { ending, key } => self.compose(&ending, key).await,
            Step::Post(draft) => self.post(draft).await,
        }
    }

    async fn read_context(&mut self) -> Result<Flow, StoreError> {
        self.doing(Doing::Reading);
        let agent = self.agent;
        let info = self.record.info.clone();
        let before = self.session.last_look().cloned();
        let entry = match self.unless_cut(agent.look(&info, before.as_ref())).await {
            Ok(Ok(look)) => Entry::ContextRead { look: look.map(Box::new) },
            // A work item that was there before may be archived or deleted by now, on the person's own word.
            Ok(Err(error)) if self.session.has_gone_on() && error.disposition() == Disposition::TellModel => {
                tracing::info!(%error, "the work item cannot be read any more");
                Entry::ContextRead { look: None }
            }
            Ok(Err(error)) => match self.context_failure(&error) {
                Some(failure) => Entry::Failed { failure },
                None => return Ok(self.later(&error)),
            },
            Err(cut) => return self.cut_short(cut).await,
        };
        self.record(vec![entry], Vec::new()).await?;
        Ok(Flow::Go)
    }

    /// The failure to tell the person; `None` if it is worth another try first.
    fn context_failure(&self, error: &PlaneError) -> Option<Failure> {
        let code = match error.disposition() {
            Disposition::TellModel => FailureCode::NoAccess,
            Disposition::Retry { .. } if self.record.attempts + 1 >= CONTEXT_ATTEMPTS => FailureCode::PlaneUnavailable,
            Disposition::Retry { .. } | Disposition::GiveUp => return None,
        };
        tracing::warn!(%error, "the work item cannot be read");
        Some(Failure::plain(code))
    }

    /// Journals entries and absorbs them; prompts and stops that came meanwhile are in `waiting`.
    async fn record(&mut self, entries: Vec<Entry>, consumed: Vec<u64>) -> Result<(), StoreError> {
        self.record_with(entries, consumed, false).await
    }

    async fn record_with(
        &mut self,
        entries: Vec<Entry>,
        consumed: Vec<u64>,
        stop_consumed: bool,
    ) -> Result<(), StoreError> {
        let replies = self.replies(&entries);
        for reply in &replies {
            self.record.spent.add(&Spent::on(reply.usage));
        }
        let gist = entries.iter().any(|entry| matches!(entry, Entry::Closed { .. })).then(|| self.gist()).flatten();
        let encoded = entries.iter().map(journal::encode).collect();
        let begun = entries.iter().filter(|entry| matches!(entry, Entry::WriteIntended { .. })).count();
        let changes = (begun > 0).then(|| (today(), u32::try_from(begun).unwrap_or(u32::MAX)));
        let step = JournalStep { entries: encoded, consumed, stop_consumed, replies, changes, fold_from: None, gist };
        self.take_up(step, entries).await
    }

    /// Writes a step and absorbs its entries.
    async fn take_up(&mut self, step: JournalStep, entries: Vec<Entry>) -> Result<(), StoreError> {
        self.waiting = self.agent.store.append(self.lease, step).await?;
        self.record.attempts = 0;
        for entry in entries {
            self.session.absorb(entry);
        }
        Ok(())
    }

    /// The clocks of the place the work item was looked at from.
    fn when(&self) -> When {
        let zone = self.session.last_look().map(|look| look.zone.as_str()).or(self.agent.time_zone.as_deref());
        When::new(zone.unwrap_or("UTC"), Timestamp::now())
    }

    /// Learns what came in since the last step.
    async fn refresh(&mut self) -> Result<Flow, StoreError> {
        self.waiting = self.agent.store.append(self.lease, JournalStep::default()).await?;
        Ok(Flow::Go)
    }

    /// Runs a piece of work unless something cuts it off first; then it is dropped.
    async fn unless_cut<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Cut> {
        tokio::select! {
            biased;
            changed = self.control.stop.changed() => Err(match changed {
                Ok(()) => Cut::Stop,
                // The worker is gone, and with it whoever could renew the lease.
                Err(_) => Cut::HandBack,
            }),
            () = self.control.hand_back.cancelled() => Err(Cut::HandBack),
            () = tokio::time::sleep_until(self.deadline) => Err(Cut::Deadline),
            done = work => Ok(done),
        }
    }

    /// Goes on from a piece of work that was cut off. The signal may be about a stop that stops nothing;
    /// what the store says counts.
    async fn cut_short(&mut self, cut: Cut) -> Result<Flow, StoreError> {
        match cut {
            Cut::Stop => self.refresh().await,
            Cut::HandBack => Ok(Flow::Leave(Release::HandBack)),
            Cut::Deadline => {
                self.record(vec![Entry::BoundHit { bound: Bound::WallTime }], Vec::new()).await?;
                Ok(Flow::Go)
            }
        }
    }

    /// Stores events that were found in Plane as if their webhooks had come.
    async fn take_in(&mut self, events: Vec<RunEvent>) -> Result<Flow, StoreError> {
        let now = Timestamp::now();
        for event in events {
            self.record.info.merge(&event.run);
            self.agent.store.accept(event, now, now).await?;
        }
        self.refresh().await
    }

    /// Tells events that are only late, of words that were taken in already, from what is new.
    fn without_late_events(&self, said: Vec<Said>) -> (Vec<Entry>, Vec<Said>) {
        let (late, new): (Vec<_>, Vec<_>) = said.into_iter().partition(|said| self.session.recognises(said));
        (late.into_iter().map(|said| Entry::Recognised { activity: said.activity }).collect(), new)
    }

    /// Leaves the run for later, or for good if it has been speechless too long.
    fn later(&self, error: &PlaneError) -> Flow {
        let wait = wait_before_retry(error.disposition(), self.record.attempts);
        // What may pass is tried for as long as it takes; without a credential there is an end.
        let speechless = match error.disposition() {
            Disposition::GiveUp => self.record.attempts >= MOST_SPEECHLESS_ATTEMPTS,
            Disposition::Retry { .. } | Disposition::TellModel => false,
        };
        if speechless {
            tracing::error!(%error, "the run is given up: nothing can be posted to it");
            return Flow::Leave(Release::Dead { reason: error.to_string() });
        }
        tracing::warn!(%error, wait_secs = wait.as_secs(), attempts = self.record.attempts, "the run is tried again later");
        Flow::Leave(self.retry_release(wait))
    }

    fn retry_release(&self, wait: Duration) -> Release {
        let jitter = Duration::from_millis(fastrand::u64(0..=250));
        Release::Retry { at: Timestamp::now().saturating_add(wait + jitter).unwrap_or(Timestamp::MAX) }
    }

    /// What to journal if the texts are others than those the run spoke with before.
    fn rewording(&self) -> Option<Entry> {
        let hash = &self.texts.wording().hash;
        (self.session.wording() != Some(hash)).then(|| Entry::Worded { hash: hash.clone() })
    }

    fn run(&self) -> &RunInfo {
        &self.record.info
    }
}

/// How long a run is left alone after so many failed attempts.
fn wait_before_retry(disposition: Disposition, attempts: u32) -> Duration {
    let growing = Duration::from_secs(1 << attempts.min(8));
    match disposition {
        Disposition::Retry { after: Some(after) } => after,
        // Someone waits, and Plane may be back at any moment.
        Disposition::Retry { after: None } | Disposition::TellModel => growing.min(LONGEST_RETRY_WAIT),
        // Only an admin can help, and may do so days later.
        Disposition::GiveUp if attempts >= SPEECHLESS_ATTEMPTS => Duration::from_secs(3600),
        Disposition::GiveUp => growing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_in_silence_for_a_plane_that_is_back() {
        for attempts in 0..400 {
            let unanswered = wait_before_retry(Disposition::Retry { after: None }, attempts);
            assert!(unanswered <= Duration::from_secs(32), "{unanswered:?} after {attempts}");
        }
        let told = Disposition::Retry { after: Some(Duration::from_secs(70)) };
        assert_eq!(wait_before_retry(told, 0), Duration::from_secs(70), "Plane's own word counts");
        let hopeless: Duration =
            (0..MOST_SPEECHLESS_ATTEMPTS).map(|attempts| wait_before_retry(Disposition::GiveUp, attempts)).sum();
        let days = hopeless.as_secs_f64() / 86_400.0;
        assert!((7.9..8.2).contains(&days), "a run without a credential is given up after {days:.2} days");
    }
}
