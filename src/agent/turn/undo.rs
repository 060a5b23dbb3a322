//! Taking back what the run has changed: a call becomes one change for each that is to be taken back, and
//! these go the way of all changes.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Drive, Flow};
use crate::{
    agent::{
        Agent,
        changes::{self, Change, Outcome},
        effects::undo::{Inverse, inverse, still_ours},
        journal::{self, Entry},
        step::PlannedCall,
    },
    domain::{
        event::RunInfo,
        ids::RunId,
        write::{FieldChange, PlannedWrite},
    },
    store::StoreError,
    tools::{Called, Effect, ToolError, ToolOutput, undo},
};

impl Drive<'_> {
    /// Whether the call is the whole one that stands for what it takes back.
    pub(super) fn is_undo(&self, call: &PlannedCall) -> bool {
        !call.is_part && self.texts.wording().toolbox.effect(&call.call.name) == Some(Effect::Undo)
    }

    /// Finds out what is to be taken back.
    pub(super) async fn call_undo(&mut self, call: &PlannedCall) -> Result<Flow, StoreError> {
        if !self.session.allowed().tool(&call.call.name) {
            let text = "This tool is not for the skill at hand.".to_owned();
            return self.tell(call, Err(ToolError::NotAllowed(text)), None).await;
        }
        let everything = match undo::parse(&call.call.arguments) {
            Ok(args) => args.everything.unwrap_or_default(),
            Err(error) => return self.tell(call, Err(error), None).await,
        };
        let made = self.agent.changes_of(self.run().id).await?;
        let (mut numbers, mut left) = (Vec::new(), Vec::new());
        for change in changes::to_take_back(&made, everything) {
            match change.receipt().map(inverse) {
                Some(Inverse::Write(_)) => numbers.push(change.number),
                Some(Inverse::Impossible(reason)) => left.push((&change.planned, reason)),
                None => {}
            }
        }
        let unknown = made.iter().filter(|change| change.outcome == Outcome::Unknown);
        left.extend(unknown.map(|change| (&change.planned, "Plane never said whether it was made; look there")));
        let elsewhere = left.iter().any(|(planned, _)| self.is_elsewhere(&planned.write));
        let notes: Vec<_> = left.iter().map(|(planned, reason)| left_alone(&planned.summary, reason)).collect();
        let note = notes.join("\n");
        if numbers.is_empty() {
            let text = if note.is_empty() { "There is nothing to take back.".to_owned() } else { note };
            let output = ToolOutput { text, summary: "nothing to take back".to_owned() };
            return self.settle(call, Ok(output), None, elsewhere).await;
        }
        let entry = Entry::Unfolded { call_id: call.call.id.clone(), changes: numbers, note, elsewhere };
        self.record(vec![entry], Vec::new()).await?;
        Ok(Flow::Go)
    }
}

impl Agent {
    /// What a run has changed, the turns that were summarised included.
    pub async fn changes_of(&self, run: RunId) -> Result<Vec<Change>, StoreError> {
        let view = self.store.run(run).await?;
        let texts = view.map(|view| view.journal).unwrap_or_default();
        // An entry of another version tells of no change that this one could take back.
        Ok(changes::of_journal(texts.iter().filter_map(|text| journal::decode(text).ok())))
    }

    /// What takes back the change that a part of a call is about, as far as nobody has changed it since.
    pub(super) async fn undo_part(
        &self,
        run: &RunInfo,
        call: &PlannedCall,
        elsewhere: &AtomicBool,
    ) -> Result<Called, ToolError> {
        let gone = || ToolError::NoSuchThing("That change is not known any more.".to_owned());
        let number = number_of(call).ok_or_else(gone)?;
        let made = self.changes_of(run.id).await.map_err(|error| {
            tracing::warn!(%error, "the run's changes cannot be read");
            gone()
        })?;
        let change = made.iter().find(|change| change.number == number).ok_or_else(gone)?;
        elsewhere.store(Some(change.planned.write.project()) != run.project, Ordering::Relaxed);
        let receipt = change.receipt().ok_or_else(gone)?;
        let summary = &change.planned.summary;
        let Some(ours) = still_ours(self.plane.as_ref(), run.workspace, receipt).await? else {
            let text = left_alone(
                summary,
                "it no longer is as I left it: somebody has changed it since, or I did with a later change, which has to be taken back first",
            );
            return Ok(Called::Output(ToolOutput { text, summary: "left alone".to_owned() }));
        };
        let changes =
            change.planned.changes.iter().filter(|field| !ours.left_alone.iter().any(|left| *left == field.field));
        let back = |field: &FieldChange| FieldChange {
            field: field.field.clone(),
            before: field.after.clone(),
            after: field.before.clone(),
        };
        let except = if ours.left_alone.is_empty() {
            String::new()
        } else {
            format!(" (not {}: changed since)", ours.left_alone.join(", "))
        };
        let summary = format!("Take back: {summary}{except}");
        Ok(Called::Wants(Box::new(PlannedWrite { write: ours.write, summary, changes: changes.map(back).collect() })))
    }
}

fn number_of(call: &PlannedCall) -> Option<u32> {
    let arguments: serde_json::Value = serde_json::from_str(&call.call.arguments).ok()?;
    arguments.get("change")?.as_u64()?.try_into().ok()
}

fn left_alone(summary: &str, reason: &str) -> String {
    format!("Left alone: {summary}: {reason}.")
}
