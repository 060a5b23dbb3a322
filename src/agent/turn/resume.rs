//! What has to be asked of Plane before a turn goes on: what an earlier attempt showed, what was said
//! and never reached us, and whether a person has stopped the run meanwhile.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::{Cut, Drive, Flow, narrate::heartbeat};
use crate::{
    agent::{
        journal::{Entry, PassedOver},
        narrator::{Doing, Note},
        sweep::{ended_since, unheard},
    },
    domain::{
        activity::RunActivity,
        disposition::Disposition,
        event::{Prompt, RunEventKind},
    },
    plane::RunStatus,
    store::{Release, StoreError},
};

/// A first prompt written so much later than the run was heard of is not the one that began the run.
const REPLY_AFTER: SignedDuration = SignedDuration::from_secs(3);
/// A first prompt written so long before the run was heard of may have been answered by another store.
const OLD_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// After so long a silence a resumed turn gives a sign of life at once.
const SILENT_FOR: SignedDuration = SignedDuration::from_secs(25);
/// Attempts after which a last word is posted although Plane does not show what is posted already.
const BLIND_AFTER: u32 = 8;
/// Signs of life are named by the attempt, in parts of a step that nothing else uses.
const FIRST_SIGN_PART: u32 = 900;

impl Drive<'_> {
    /// Whether Plane knows more of the run than may be missed: it was worked on before, or the prompts
    /// that wait are not plainly its beginning.
    pub(super) fn must_look_back(&self, unfinished: bool, journal_is_empty: bool) -> bool {
        // The first thought is said before its turn is written down, so a resting run may have more
        // to show than its journal tells.
        if unfinished || !self.session.is_resting() {
            return true;
        }
        let times: Option<Vec<_>> = self.waiting.prompts.iter().map(|waiting| waiting.prompt.written_at).collect();
        let Some(times) = times else {
            // How old a prompt without a time is only Plane can tell.
            return journal_is_empty || self.record.stopped_at.is_some();
        };
        let Some(first) = times.into_iter().min().filter(|_| journal_is_empty) else {
            return false;
        };
        let after_first_seen = first.duration_since(self.record.first_seen);
        self.record.history_lost || after_first_seen > REPLY_AFTER || after_first_seen < -OLD_AFTER
    }

    /// Waits until what was sent before this run was taken up has come through, or until the run has to be
    /// handed back; then it is `false`. A stop changes nothing about it.
    async fn let_settle(&mut self) -> bool {
        let settled_at = self.taken_up_at + self.agent.limits.settle;
        loop {
            match self.unless_cut(tokio::time::sleep_until(settled_at)).await {
                Ok(()) | Err(Cut::Deadline) => return true,
                Err(Cut::HandBack) => return false,
                Err(Cut::Stop) => {}
            }
        }
    }

    /// What Plane shows is not said again, what people said unheard is taken in, and what was answered
    /// or voided before is passed over.
    pub(super) async fn look_back(&mut self, journal_is_empty: bool) -> Result<Flow, StoreError> {
        // The last word may be on its way, sent by an earlier life or given up on too early.
        if self.session.is_posting() && !self.let_settle().await {
            return Ok(Flow::Leave(Release::HandBack));
        }
        let activities = match self.agent.plane.run_activities(self.run()).await {
            Ok(activities) => activities,
            Err(error) => {
                return Ok(match error.disposition() {
                    // Where it cannot be seen whether the last word is out, it is not said again at once.
                    Disposition::TellModel if self.session.is_posting() && self.record.attempts < BLIND_AFTER => {
                        self.later(&error)
                    }
                    Disposition::TellModel => Flow::Go,
                    Disposition::Retry { .. } | Disposition::GiveUp => self.later(&error),
                });
            }
        };
        // It may have been down while people went on, and here they are at no further cost.
        self.take_in(unheard(&activities, &self.record.info, self.record.first_seen)).await?;
        self.pass_over(&activities, journal_is_empty).await?;
        let spoke_at = activities.iter().filter(|activity| activity.step.is_some()).filter_map(|a| a.created_at).max();
        let shown = |activity: RunActivity| Some((activity.step?, (activity.id, activity.created_at)));
        self.already = activities.into_iter().filter_map(shown).collect();
        tracing::info!(shown = self.already.len(), "Plane was asked what it shows of the run");
        if self.session.is_under_way() {
            self.give_sign_of_life(spoke_at);
        }
        Ok(Flow::Go)
    }

    /// Takes out of the inbox what needs no answer any more.
    async fn pass_over(&mut self, activities: &[RunActivity], journal_is_empty: bool) -> Result<(), StoreError> {
        let first_seen = self.record.first_seen;
        let judge = |prompt: &Prompt| {
            let shown = activities.iter().find(|activity| Some(activity.id) == prompt.activity);
            let written_at = prompt.written_at.or(shown.and_then(|activity| activity.created_at))?;
            if self.record.stopped_at.is_some_and(|stopped_at| written_at <= stopped_at) {
                return Some(PassedOver::Stopped);
            }
            // Only a run whose first turns are not in the journal can have been answered already.
            let answered = journal_is_empty && written_at < first_seen && ended_since(activities, written_at);
            answered.then_some(PassedOver::Answered)
        };
        let mut entries = Vec::new();
        let mut numbers = Vec::new();
        for waiting in &self.waiting.prompts {
            if let Some(reason) = judge(&waiting.prompt) {
                entries.push(Entry::PassedOver { activity: waiting.prompt.activity, reason });
                numbers.push(waiting.number);
            }
        }
        if entries.is_empty() {
            return Ok(());
        }
        tracing::info!(prompts = entries.len(), "prompts that were answered or stopped before are passed over");
        self.record(entries, numbers).await
    }

    fn give_sign_of_life(&mut self, spoke_at: Option<Timestamp>) {
        if !self.has_spoken() {
            return self.greet();
        }
        let silent_for = spoke_at.map(|at| Timestamp::now().duration_since(at)).unwrap_or_default();
        if silent_for < SILENT_FOR {
            return;
        }
        let silent_for = Duration::try_from(silent_for).unwrap_or_default();
        if let Some(body) = heartbeat(&self.texts)(Doing::Waiting, silent_for) {
            let key = self.session.key(FIRST_SIGN_PART + self.record.attempts.min(99));
            self.narrate(Note::Thought { key, body });
        }
    }

    /// Asks Plane whether the run was stopped although no stop has reached us, unless it was asked
    /// within `every`. If so the stop is stored, as if its webhook had come.
    pub(super) async fn heed_unheard_stop(&mut self, every: Duration) -> Result<Option<Flow>, StoreError> {
        if self.status_asked_at.elapsed() < every {
            return Ok(None);
        }
        self.status_asked_at = Instant::now();
        let (plane, info) = (self.agent.plane.clone(), self.record.info.clone());
        let asked = async {
            let (_, status) = plane.run(&info).await?;
            let activities = match status {
                RunStatus::Stopping | RunStatus::Stopped => plane.run_activities(&info).await?,
                RunStatus::Created
                | RunStatus::InProgress
                | RunStatus::Awaiting
                | RunStatus::Completed
                | RunStatus::Failed
                | RunStatus::Stale
                | RunStatus::Other(_) => return Ok(None),
            };
            Ok::<_, crate::plane::PlaneError>(Some(activities))
        };
        let activities = match self.unless_cut(asked).await {
            Ok(Ok(Some(activities))) => activities,
            Ok(Ok(None)) => return Ok(None),
            Ok(Err(error)) => {
                // The work itself will find out whether Plane is there.
                tracing::debug!(%error, "Plane does not say whether the run was stopped");
                return Ok(None);
            }
            Err(Cut::Stop) => return self.refresh().await.map(Some),
            Err(Cut::Deadline | Cut::HandBack) => return Ok(None),
        };
        let mut stops = unheard(&activities, &self.record.info, self.record.first_seen);
        stops.retain(|event| matches!(event.kind, RunEventKind::StopRequested(_)));
        if stops.is_empty() {
            // Plane shows no words that carry the stop.
            tracing::warn!("the run was stopped in Plane and nothing tells of it");
            self.record.stopped_at = self.record.stopped_at.max(Some(Timestamp::now()));
            self.record(vec![Entry::Stopped], Vec::new()).await?;
            return Ok(Some(Flow::Go));
        }
        self.take_in(stops).await?;
        // A stop the store has known may have been answered by words that came after it: Plane shows the
        // run as stopping until they in turn are answered.
        Ok(self.waiting.stop.is_some().then_some(Flow::Go))
    }
}
