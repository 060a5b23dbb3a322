//! Tool calls that change something: one at a time, journalled as intended before and as done after.
//!
//! A stop or a deadline is heeded before a change begins and after it has ended. While one is under way
//! only shutdown cuts it off; what became of it is then looked up when the run is taken up again.

use std::time::Duration;

use jiff::Timestamp;

use super::{Cut, Drive, Flow, STATUS_BEFORE_CHANGE, work::action};
use crate::{
    agent::{
        effects::{self, Attempt},
        journal::{Bound, Entry},
        narrator::{Doing, Note},
        step::{Intended, PlannedCall},
    },
    domain::{
        disposition::Disposition,
        write::{Receipt, Written},
    },
    plane::PlaneError,
    store::{Release, StoreError},
    tools::{Called, ToolError, ToolOutput},
};

/// Attempts at one change before the run is left for later.
const TRIES: u32 = 3;
/// Times a run is left for later over one change before the model is told.
const MOST_RETURNS: u32 = 5;

/// Where a call stands before its change is tried.
enum Ready {
    Change(Box<Intended>, Attempt),
    Settled(Flow),
}

impl Drive<'_> {
    pub(super) async fn call_write(&mut self, planned: &PlannedCall) -> Result<Flow, StoreError> {
        if planned.intended.is_none()
            && let Some(flow) = self.heed_unheard_stop(STATUS_BEFORE_CHANGE.min(self.agent.limits.status_every)).await?
        {
            return Ok(flow);
        }
        self.doing(Doing::Tools);
        self.narrate(Note::ActionStarted(action(planned, planned.started_key, None)));
        let ready = match planned.intended.clone() {
            Some(intended) => Ready::Change(Box::new(intended), Attempt::Again),
            None => self.intend(planned).await?,
        };
        match ready {
            Ready::Change(intended, attempt) => self.change(planned, &intended, attempt).await,
            Ready::Settled(flow) => Ok(flow),
        }
    }

    /// Works out what the call would change and writes it down.
    async fn intend(&mut self, planned: &PlannedCall) -> Result<Ready, StoreError> {
        let (agent, run) = (self.agent, self.record.info.clone());
        let called = match self.unless_cut(agent.call(planned, &run)).await {
            Cut::Done(called) => called,
            Cut::Deadline => {
                self.record(vec![Entry::BoundHit { bound: Bound::WallTime }], Vec::new()).await?;
                return Ok(Ready::Settled(Flow::Go));
            }
            Cut::Stop => return self.refresh().await.map(Ready::Settled),
            Cut::HandBack => return Ok(Ready::Settled(Flow::Leave(Release::HandBack))),
        };
        let write = match called {
            Ok(Called::Wants(write)) => write,
            Ok(Called::Output(output)) => return self.tell(planned, Ok(output), None).await.map(Ready::Settled),
            Err(error) => return self.tell(planned, Err(error), None).await.map(Ready::Settled),
        };
        let intended = Box::new(Intended { at: Timestamp::now(), write: *write });
        let entry =
            Entry::WriteIntended { at: intended.at, call_id: planned.call.id.clone(), write: intended.write.clone() };
        self.record(vec![entry], Vec::new()).await?;
        if self.waiting.stop.is_some() {
            let stopped = ToolError::NotAllowed("Not carried out: the person stopped the run.".to_owned());
            return self.tell(planned, Err(stopped), None).await.map(Ready::Settled);
        }
        Ok(Ready::Change(intended, Attempt::First))
    }

    async fn change(
        &mut self,
        planned: &PlannedCall,
        intended: &Intended,
        mut attempt: Attempt,
    ) -> Result<Flow, StoreError> {
        let (plane, workspace) = (self.agent.plane.clone(), self.run().workspace);
        let mut begun_at = intended.at;
        for _ in 0..TRIES {
            if attempt == Attempt::Again
                && let Some(flow) = self.wait_until_settled(begun_at).await?
            {
                return Ok(flow);
            }
            begun_at = Timestamp::now();
            let work =
                effects::carry_out(plane.as_ref(), workspace, planned.finished_key, &intended.write.write, attempt);
            let Some(result) = self.unless_handed_back(work).await else {
                return Ok(Flow::Leave(Release::HandBack));
            };
            let error = match result {
                Ok(written) => return self.changed(planned, intended, written).await,
                Err(error) => error,
            };
            tracing::warn!(%error, tool = planned.call.name, "a change in Plane failed");
            match error.disposition() {
                Disposition::TellModel => return self.tell(planned, Err(ToolError::Plane(error)), None).await,
                Disposition::Retry { .. } if error.outcome_unknown() => attempt = Attempt::Again,
                Disposition::Retry { .. } | Disposition::GiveUp => return self.change_later(planned, error).await,
            }
        }
        let error = PlaneError::Transport { what: "the change", message: "it was tried several times".to_owned() };
        self.change_later(planned, error).await
    }

    /// An earlier attempt may still be on its way through Plane, and two at the same time could both
    /// take effect.
    async fn wait_until_settled(&mut self, begun_at: Timestamp) -> Result<Option<Flow>, StoreError> {
        let passed = Duration::try_from(Timestamp::now().duration_since(begun_at)).unwrap_or_default();
        let wait = self.agent.limits.settle.saturating_sub(passed);
        match self.unless_cut(tokio::time::sleep(wait)).await {
            Cut::Done(()) => Ok(None),
            Cut::Deadline => {
                self.record(vec![Entry::BoundHit { bound: Bound::WallTime }], Vec::new()).await?;
                Ok(Some(Flow::Go))
            }
            Cut::Stop => self.refresh().await.map(Some),
            Cut::HandBack => Ok(Some(Flow::Leave(Release::HandBack))),
        }
    }

    async fn changed(
        &mut self,
        planned: &PlannedCall,
        intended: &Intended,
        written: Written,
    ) -> Result<Flow, StoreError> {
        let output = ToolOutput {
            text: effects::told_to_model(&intended.write, &written),
            summary: effects::told_to_people(&written),
        };
        let receipt = Receipt { write: intended.write.write.clone(), written };
        tracing::info!(tool = planned.call.name, key = %planned.finished_key, "a change in Plane is settled");
        self.tell(planned, Ok(output), Some(receipt)).await
    }

    /// Leaves the run until Plane answers again. In the end the model is told that it does not.
    async fn change_later(&mut self, planned: &PlannedCall, error: PlaneError) -> Result<Flow, StoreError> {
        let lasting = match error.disposition() {
            Disposition::Retry { .. } => self.record.attempts >= MOST_RETURNS,
            Disposition::GiveUp | Disposition::TellModel => false,
        };
        if !lasting {
            return Ok(self.later(&error));
        }
        let unknown = "Plane does not answer. It is unknown whether this was carried out: tell the person to look.";
        self.tell(planned, Err(ToolError::NoSuchThing(unknown.to_owned())), None).await
    }

    /// Journals the result of a call and shows it.
    async fn tell(
        &mut self,
        planned: &PlannedCall,
        result: Result<ToolOutput, ToolError>,
        receipt: Option<Receipt>,
    ) -> Result<Flow, StoreError> {
        let (entry, shown) = self.agent.settled(planned, result, receipt);
        self.record(vec![entry], Vec::new()).await?;
        let draft = action(planned, planned.finished_key, Some(shown));
        self.narrate(Note::ActionFinished { started: planned.started_key, draft });
        Ok(Flow::Go)
    }
}
