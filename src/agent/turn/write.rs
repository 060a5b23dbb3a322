//! Tool calls that change something: one at a time, journalled as intended before and as done after.
//!
//! A stop or a deadline is heeded until the request goes out. From then on only shutdown cuts it off,
//! nothing more is said, and what became of it is journalled before anything else happens. Where it is
//! unknown what became of it, Plane is asked, but not before an earlier attempt must have come through.
//! Where Plane made it wait, it is sent only if what it changes is still as it was when it was planned.

use std::{collections::HashSet, sync::atomic::AtomicBool, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    Cut, Drive, Flow, STATUS_BEFORE_CHANGE,
    permit::{self, Unknown},
    work::{REPEATS_RULES, action, settled},
};
use crate::{
    agent::{
        card, effects,
        journal::Entry,
        narrator::{Doing, Note, RESULT},
        policy::Verdict,
        step::PlannedCall,
    },
    domain::{
        activity::Saying,
        disposition::Disposition,
        write::{PlannedWrite, Receipt, Write, Written},
    },
    plane::PlaneError,
    store::{Release, StoreError},
    tools::{Called, Effect, Rights, ToolError, ToolOutput},
};

/// Attempts at one change before the run is left for later.
const TRIES: u32 = 3;
/// Times a run is left for later over one change before the model is told.
const MOST_RETURNS: u32 = 5;
/// How long what was seen of Plane is taken to be so still. Lists are replaced whole: what somebody puts into
/// one between the look and the change is lost. It doubles with each look, or a change would never be made where
/// the right to send one always takes longer.
const FRESH: Duration = Duration::from_secs(3);

/// A change that is to be made sure of.
struct Change {
    planned: Box<PlannedWrite>,
    /// When an attempt of unknown outcome was last under way; `None` if there was none.
    attempted_at: Option<Instant>,
    /// When what it changes was seen to be as planned; `None` if that has to be looked at first.
    seen_at: Option<Instant>,
}

impl Change {
    fn is_fresh(&self, fresh: Duration) -> bool {
        self.seen_at.is_some_and(|at| at.elapsed() <= fresh)
    }
}

/// What comes after a step towards a change.
pub(super) enum Next<T> {
    On(T),
    /// The change is settled, or the driver has to look at something else first.
    Settled(Flow),
}

impl Drive<'_> {
    pub(super) async fn call_write(&mut self, call: &PlannedCall) -> Result<Flow, StoreError> {
        let change = match &call.intended {
            // An earlier life may have sent it until the moment this one began.
            Some(planned) => {
                self.show_started(call);
                Change { planned: Box::new(planned.clone()), attempted_at: Some(self.taken_up_at), seen_at: None }
            }
            None => {
                let seen_at = Some(Instant::now());
                match self.intend(call).await? {
                    Next::On(planned) => Change { planned, attempted_at: None, seen_at },
                    Next::Settled(flow) => return Ok(flow),
                }
            }
        };
        self.make_sure(call, change).await
    }

    pub(super) fn show_started(&mut self, call: &PlannedCall) {
        self.doing(Doing::Tools);
        let draft = action(&self.texts.wording().toolbox, call, call.started_key, None);
        self.narrate(Note::ActionStarted(draft));
    }

    /// Works out what the call would change and writes it down.
    async fn intend(&mut self, call: &PlannedCall) -> Result<Next<Box<PlannedWrite>>, StoreError> {
        if let Some(flow) = self.heed_unheard_stop(STATUS_BEFORE_CHANGE.min(self.agent.limits.status_every)).await? {
            return Ok(Next::Settled(flow));
        }
        self.show_started(call);
        let (agent, run) = (self.agent, self.record.info.clone());
        let (texts, allowed, when) = (self.texts.clone(), self.session.allowed(), self.when());
        let rights = Rights { facts: &agent.facts, ..self.rights() };
        let looked_elsewhere = AtomicBool::new(false);
        let planning = async {
            if call.is_part {
                return agent.undo_part(&run, call, &looked_elsewhere).await;
            }
            agent.call(call, &run, (&texts, &allowed), (&when, &rights, &looked_elsewhere)).await
        };
        let called = match self.unless_cut(planning).await {
            Ok(called) => called,
            Err(cut) => return self.cut_short(cut).await.map(Next::Settled),
        };
        let mut elsewhere = looked_elsewhere.into_inner();
        let planned = match called {
            Ok(Called::Wants(planned)) => planned,
            Ok(Called::Output(output) | Called::Shows(output, _)) => {
                return self.settle(call, Ok(output), None, elsewhere).await.map(Next::Settled);
            }
            Err(ToolError::Plane(error)) if call.approved.is_some() && error.disposition().is_retry() => {
                // What a person has approved is not dropped because Plane does not answer.
                return Ok(Next::Settled(self.later(&error)));
            }
            Err(error) => return self.settle(call, Err(error), None, elsewhere).await.map(Next::Settled),
        };
        elsewhere |= self.is_elsewhere(&planned.write);
        if let Some(flow) = self.unless_permitted(call, &planned, elsewhere).await? {
            return Ok(Next::Settled(flow));
        }
        let entry = Entry::WriteIntended {
            at: Timestamp::now(),
            call_id: call.call.id.clone(),
            write: planned.as_ref().clone(),
            elsewhere,
        };
        self.record(vec![entry], Vec::new()).await?;
        if self.waiting.stop.is_some() {
            return self.settle(call, Err(ToolError::Stopped), None, elsewhere).await.map(Next::Settled);
        }
        Ok(Next::On(planned))
    }

    /// What is done about a change that may not be made now; `None` if it may.
    async fn unless_permitted(
        &mut self,
        call: &PlannedCall,
        planned: &PlannedWrite,
        elsewhere: bool,
    ) -> Result<Option<Flow>, StoreError> {
        if self.texts.prompts().rules().is_in(&card::text(planned, usize::MAX)) {
            let error = ToolError::NotAllowed(REPEATS_RULES.to_owned());
            return self.settle(call, Err(error), None, elsewhere).await.map(Some);
        }
        let verdict = match self.judge(call, planned).await {
            Ok(verdict) => verdict,
            Err(Unknown::Store(error)) => return Err(error),
            Err(Unknown::Plane(error)) if call.approved.is_some() && error.disposition().is_retry() => {
                return Ok(Some(self.later(&error)));
            }
            Err(Unknown::Plane(error)) => {
                return self.settle(call, Err(ToolError::Plane(error)), None, elsewhere).await.map(Some);
            }
        };
        match (verdict, &call.approved) {
            (Verdict::Allowed | Verdict::Asks, Some(approved)) if *approved == *planned => {}
            (Verdict::Allowed, None) => {}
            (Verdict::Allowed | Verdict::Asks, Some(approved)) => {
                let error = ToolError::NoSuchThing(permit::stale(approved, planned));
                return self.settle(call, Err(error), None, elsewhere).await.map(Some);
            }
            (Verdict::Asks, None) => {
                if let Err(told) = card::has_room(planned, self.session.proposed()) {
                    return self.settle(call, Err(ToolError::NotAllowed(told)), None, elsewhere).await.map(Some);
                }
                return self.propose(call, planned.clone()).await.map(Some);
            }
            (Verdict::DryRun, _) => {
                return self.settle(call, Ok(permit::dry_run(planned)), None, elsewhere).await.map(Some);
            }
            (Verdict::Denied(reason), _) => {
                return self.settle(call, Err(ToolError::NotAllowed(reason)), None, elsewhere).await.map(Some);
            }
        }
        Ok(None)
    }

    /// Leaves the change to a person's word.
    async fn propose(&mut self, call: &PlannedCall, write: PlannedWrite) -> Result<Flow, StoreError> {
        let entry = Entry::WriteProposed { at: Timestamp::now(), call_id: call.call.id.clone(), write };
        self.record(vec![entry], Vec::new()).await?;
        if self.waiting.stop.is_none() {
            let mut draft = action(&self.texts.wording().toolbox, call, call.finished_key, None);
            if let Saying::Action { parameters, .. } = &mut draft.saying {
                parameters.insert(RESULT.to_owned(), "waits for approval".to_owned());
            }
            self.narrate(Note::ActionFinished { started: call.started_key, draft });
        }
        Ok(Flow::Go)
    }

    async fn make_sure(&mut self, call: &PlannedCall, mut change: Change) -> Result<Flow, StoreError> {
        for _ in 0..TRIES {
            if let Some(attempted_at) = change.attempted_at {
                match self.look_up(call, &change.planned, attempted_at).await? {
                    Next::On(None) => {
                        change.attempted_at = None;
                        change.seen_at = Some(Instant::now());
                    }
                    Next::On(Some(written)) => return self.changed(call, &change.planned, written).await,
                    Next::Settled(flow) => return Ok(flow),
                }
            }
            let off = if self.agent.switch.is_off() {
                Some(permit::SWITCHED_OFF)
            } else if !self.texts.wording().toolbox.effect(&call.call.name).is_some_and(Effect::changes) {
                Some("Not carried out: this tool was switched off in the meantime.")
            } else {
                None
            };
            if let Some(text) = off {
                return self.tell(call, Err(ToolError::NotAllowed(text.to_owned())), None).await;
            }
            let error = match self.perform(call, &mut change).await? {
                Next::On(Ok(written)) => return self.changed(call, &change.planned, written).await,
                Next::On(Err(error)) => error,
                Next::Settled(flow) => return Ok(flow),
            };
            tracing::warn!(%error, tool = call.call.name, "a change in Plane failed");
            if error.outcome_unknown() {
                change.attempted_at = Some(Instant::now());
                continue;
            }
            if let Some(feature) = change.planned.write.needs().filter(|_| error.no_such_call()) {
                self.agent.facts.learn_lack(self.run().workspace, feature);
                return self.tell(call, Err(ToolError::NoSuchThing(feature.missing().to_owned())), None).await;
            }
            match error.disposition() {
                Disposition::TellModel => return self.tell(call, Err(ToolError::Plane(error)), None).await,
                // The next right to send is given only when the pause is over, and until then anybody may
                // have changed anything.
                Disposition::Retry { .. } => change.seen_at = None,
                Disposition::GiveUp => return Ok(self.later(&error)),
            }
        }
        let error = PlaneError::Transport { what: "the change", message: "it was tried several times".to_owned() };
        self.change_later(call, &error).await
    }

    /// Sends the change once. Until it goes out a stop keeps it from being made.
    async fn perform(
        &mut self,
        call: &PlannedCall,
        change: &mut Change,
    ) -> Result<Next<Result<Written, PlaneError>>, StoreError> {
        let (plane, workspace) = (self.agent.plane.clone(), self.run().workspace);
        let mut fresh = FRESH;
        let pass = loop {
            if !change.is_fresh(fresh) {
                if let Next::Settled(flow) = self.settle_if_overtaken(call, &change.planned).await? {
                    return Ok(Next::Settled(flow));
                }
                change.seen_at = Some(Instant::now());
                fresh = fresh.saturating_mul(2);
            }
            // Nobody looks with a pass in hand: all who may send could wait for the right to look.
            match self.unless_cut(plane.write_pass(workspace)).await {
                Ok(Ok(pass)) if change.is_fresh(fresh) => break pass,
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Ok(Next::On(Err(error))),
                Err(Cut::Stop) => return self.refuse_if_stopped(call).await.map(Next::Settled),
                Err(cut @ (Cut::Deadline | Cut::HandBack)) => return self.cut_short(cut).await.map(Next::Settled),
            }
        };
        // It may have taken a while until it was this change's turn.
        if self.agent.switch.is_off() {
            let error = ToolError::NotAllowed(permit::SWITCHED_OFF.to_owned());
            return self.tell(call, Err(error), None).await.map(Next::Settled);
        }
        let sent = effects::perform(plane.as_ref(), workspace, call.finished_key, &change.planned.write, pass);
        Ok(match self.finish(sent).await {
            Some(result) => Next::On(result),
            None => Next::Settled(Flow::Leave(Release::HandBack)),
        })
    }

    /// Runs what nothing but shutdown may cut off. A stop meanwhile ends all narration.
    async fn finish<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return Some(done),
            () = self.control.hand_back.cancelled() => return None,
            _ = self.control.stop.changed() => {}
        }
        // The turn has to hear of the stop again, when it looks for itself.
        self.control.stop.mark_changed();
        let narrator = self.narrator.take();
        let hushed = async {
            match narrator {
                Some(narrator) => narrator.quiet(false).await,
                None => HashSet::new(),
            }
        };
        let hand_back = self.control.hand_back.clone();
        tokio::select! {
            biased;
            (done, said) = async { tokio::join!(work, hushed) } => {
                self.said.extend(said);
                Some(done)
            }
            () = hand_back.cancelled() => None,
        }
    }

    /// The signal may be about a stop that stops nothing; what the store says counts.
    pub(super) async fn refuse_if_stopped(&mut self, call: &PlannedCall) -> Result<Flow, StoreError> {
        self.refresh().await?;
        if self.waiting.stop.is_some() {
            return self.tell(call, Err(ToolError::Stopped), None).await;
        }
        Ok(Flow::Go)
    }

    pub(super) async fn changed(
        &mut self,
        call: &PlannedCall,
        planned: &PlannedWrite,
        written: Written,
    ) -> Result<Flow, StoreError> {
        let output =
            ToolOutput { text: effects::told_to_model(planned, &written), summary: effects::told_to_people(&written) };
        let receipt = Receipt { write: planned.write.clone(), written };
        tracing::info!(tool = call.call.name, key = %call.finished_key, "a change in Plane is settled");
        self.agent.facts.forget_after(self.run().workspace, &planned.write);
        self.tell(call, Ok(output), Some(receipt)).await
    }

    /// Leaves the run until Plane answers again. In the end the model is told that it does not.
    pub(super) async fn change_later(&mut self, call: &PlannedCall, error: &PlaneError) -> Result<Flow, StoreError> {
        let lasting = match error.disposition() {
            Disposition::Retry { .. } => self.record.attempts >= MOST_RETURNS,
            Disposition::GiveUp | Disposition::TellModel => false,
        };
        if lasting {
            return self.tell(call, Err(ToolError::OutcomeUnknown), None).await;
        }
        Ok(self.later(error))
    }

    /// Journals the result of a call and shows it, unless the run was stopped.
    pub(super) async fn tell(
        &mut self,
        call: &PlannedCall,
        result: Result<ToolOutput, ToolError>,
        receipt: Option<Receipt>,
    ) -> Result<Flow, StoreError> {
        let elsewhere = receipt.as_ref().is_some_and(|receipt| self.is_elsewhere(&receipt.write));
        self.settle(call, result, receipt, elsewhere).await
    }

    /// Whether it is about another project than the run's.
    pub(super) fn is_elsewhere(&self, write: &Write) -> bool {
        Some(write.project()) != self.run().project
    }

    /// As [`Self::tell`]. `elsewhere`: it tells of another project than the run's.
    pub(super) async fn settle(
        &mut self,
        call: &PlannedCall,
        result: Result<ToolOutput, ToolError>,
        receipt: Option<Receipt>,
        elsewhere: bool,
    ) -> Result<Flow, StoreError> {
        let (entry, shown) = settled(call, &self.texts.wording().toolbox, result, receipt, elsewhere);
        self.record(vec![entry], Vec::new()).await?;
        if self.waiting.stop.is_none() {
            let draft = action(&self.texts.wording().toolbox, call, call.finished_key, Some(shown));
            self.narrate(Note::ActionFinished { started: call.started_key, draft });
        }
        Ok(Flow::Go)
    }
}
