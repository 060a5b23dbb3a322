//! The end of a turn: its last word is settled, journalled, posted once, and the turn closed.

use std::time::Duration;

use jiff::Timestamp;

use super::{Drive, Flow};
use crate::{
    agent::{
        Agent,
        gist::Gist,
        journal::{Entry, Failure, FailureCode, Outcome},
        speak::{self, Links},
        step::Ending,
    },
    domain::{activity::Draft, disposition::Disposition, event::RunInfo, ids::StepKey},
    plane::{PlaneError, RunStatus},
    store::{Release, StoreError},
};

impl Agent {
    /// The last word of a run whose session cannot speak for itself. Its key lies behind every turn,
    /// so that it is said once however often this is tried.
    pub(super) async fn give_up(&self, run: &RunInfo, reason: String) -> Release {
        let key = StepKey { run: run.id, turn: u32::MAX, step: 0, part: 0 };
        let ending = Ending::Failed(Failure::plain(FailureCode::Internal));
        let draft = speak::compose(self.texts(run).prompts(), self.limits, &ending, key, &[]);
        let said = match self.plane.run_activities(run).await {
            Ok(shown) if shown.iter().any(|activity| activity.step.as_deref() == Some(&key.to_string())) => Ok(()),
            Ok(_) => self.plane.post_activity(run.workspace, run, &draft).await.map(drop),
            Err(error) => Err(error),
        };
        match said.map_err(|error| error.disposition()) {
            Ok(()) | Err(Disposition::TellModel | Disposition::GiveUp) => Release::Dead { reason },
            Err(Disposition::Retry { after }) => {
                let wait = after.unwrap_or(Duration::from_secs(60));
                Release::Retry { at: Timestamp::now().saturating_add(wait).unwrap_or(Timestamp::MAX) }
            }
        }
    }
}

impl Drive<'_> {
    /// Takes up a stop that waits. In mid-turn it ends the turn. At rest it is confirmed only if
    /// Plane still shows the run as unfinished: a stop that crossed our answer needs no reply, and
    /// one that a prompt has followed is confirmed by the answer to that.
    pub(super) async fn take_stop(&mut self) -> Result<Flow, StoreError> {
        self.hush(false).await;
        self.record.stopped_at = self.record.stopped_at.max(Some(Timestamp::now()));
        let entry = if self.session.is_resting() && !self.waiting.prompts.is_empty() {
            Entry::StopMoot
        } else if self.session.is_resting() {
            match self.agent.plane.run(self.run()).await {
                Ok((_, RunStatus::Stopped | RunStatus::Completed | RunStatus::Failed)) => Entry::StopMoot,
                Ok((
                    _,
                    RunStatus::Created
                    | RunStatus::InProgress
                    | RunStatus::Awaiting
                    | RunStatus::Stopping
                    | RunStatus::Stale
                    | RunStatus::Other(_),
                )) => Entry::Stopped,
                Err(error) => match error.disposition() {
                    Disposition::TellModel => Entry::Stopped,
                    Disposition::Retry { .. } | Disposition::GiveUp => return Ok(self.later(&error)),
                },
            }
        } else {
            Entry::Stopped
        };
        self.record_with(vec![entry], Vec::new(), true).await?;
        Ok(Flow::Go)
    }

    pub(super) async fn compose(&mut self, ending: &Ending, key: StepKey) -> Result<Flow, StoreError> {
        if *ending == Ending::Stopped && !self.waiting.prompts.is_empty() {
            return self.open_turn().await;
        }
        let mut draft = self.put_into_words(ending, key);
        speak::add_what_is_unsure(self.texts.prompts(), &mut draft, self.session.unsure());
        let label = match ending {
            Ending::Answer { .. } => "answer",
            Ending::Question(_) => "question",
            Ending::Bounded { .. } => "bounded",
            Ending::Failed(_) => "failed",
            Ending::Stopped => "stopped",
        };
        metrics::counter!("aileron_turns_total", "ending" => label).increment(1);
        tracing::info!(ending = label, "the turn ends");
        self.record(vec![Entry::Intended { draft }], Vec::new()).await?;
        self.hush(*ending != Ending::Stopped).await;
        Ok(Flow::Go)
    }

    fn put_into_words(&self, ending: &Ending, key: StepKey) -> Draft {
        let links = Links {
            browse: self.session.last_look().and_then(|look| look.browse.as_deref()),
            is_known: &|key| self.session.tells_of(key),
        };
        let done = self.session.done();
        speak::compose_linked(self.texts.prompts(), self.agent.limits, ending, key, done, &links)
    }

    /// What later runs on the same work item are to know of this one.
    pub(super) fn gist(&self) -> Option<String> {
        let exchange = self.session.exchange()?;
        let (by, asked) = exchange.said.map_or((None, ""), |said| (said.author.clone(), said.text.as_str()));
        let talk = (asked, exchange.answered);
        Some(Gist::new(self.run().workspace, Timestamp::now(), exchange.went_on, by, talk).encode())
    }

    pub(super) async fn post(&mut self, draft: Draft) -> Result<Flow, StoreError> {
        if let Some((activity, at)) = self.already.get(&draft.key.to_string()).copied() {
            // An earlier attempt arrived; only its record is missing.
            self.record(vec![Entry::Closed { outcome: Outcome::Posted { activity, at } }], Vec::new()).await?;
            return Ok(Flow::Go);
        }
        let outcome = match self.agent.plane.post_activity(self.run().workspace, self.run(), &draft).await {
            Ok(posted) => Outcome::Posted { activity: posted.id, at: posted.at },
            Err(error) => match self.undeliverable(&error) {
                Some(outcome) => outcome,
                // The next attempt looks first whether this one arrived.
                None => return Ok(self.later(&error)),
            },
        };
        self.record(vec![Entry::Closed { outcome }], Vec::new()).await?;
        Ok(Flow::Go)
    }

    /// What Plane can never accept is recorded as such; everything else is tried again.
    fn undeliverable(&self, error: &PlaneError) -> Option<Outcome> {
        match error.disposition() {
            Disposition::TellModel => {
                tracing::error!(%error, "Plane refuses the turn's last word for good");
                Some(Outcome::Undeliverable { reason: error.to_string() })
            }
            Disposition::Retry { .. } | Disposition::GiveUp => None,
        }
    }
}
