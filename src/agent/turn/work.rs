//! Tool calls: those that read are carried out side by side; all are shown as actions and journalled in
//! the order they were made.

use std::{collections::BTreeMap, sync::atomic::AtomicBool};

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{Drive, Flow};
use crate::{
    agent::{
        Agent,
        fence::unfenced,
        journal::Entry,
        narrator::{Doing, Note, RESULT},
        session::{FAILED_RESULT, skills::Allowed},
        step::PlannedCall,
        texts::Texts,
    },
    domain::{
        activity::{Draft, Saying},
        disposition::Disposition,
        event::RunInfo,
        ids::StepKey,
        write::Receipt,
    },
    store::StoreError,
    tools::{Called, Effect, Rights, Told, ToolCx, ToolError, ToolOutput, Toolbox, When, describe},
};

/// Told of a change whose text repeats our rules.
pub(super) const REPEATS_RULES: &str =
    "This would write your own instructions into Plane. Write what the person asked for.";

/// Longest result shown in an action, in characters.
const SHOWN_LIMIT_CHARS: usize = 200;

impl Drive<'_> {
    /// What only reads goes side by side and first; then what changes something, one after the other.
    pub(super) async fn call_tools(&mut self, calls: Vec<PlannedCall>) -> Result<Flow, StoreError> {
        let toolbox = &self.texts.wording().toolbox;
        // What was begun is brought to its end, whether or not the tool is still there.
        let changes = |planned: &PlannedCall| {
            let decided = planned.intended.is_some() || planned.approved.is_some() || planned.is_part;
            decided || toolbox.effect(&planned.call.name).is_some_and(Effect::changes)
        };
        let (writes, reads): (Vec<_>, Vec<_>) =
            calls.into_iter().partition(|planned| changes(planned) && !planned.repeated);
        match (reads.is_empty(), writes.first()) {
            (true, Some(write)) if self.is_undo(write) => self.call_undo(write).await,
            (true, Some(write)) => self.call_write(write).await,
            (false, _) | (true, None) => self.call_reads(reads).await,
        }
    }

    async fn call_reads(&mut self, calls: Vec<PlannedCall>) -> Result<Flow, StoreError> {
        self.doing(Doing::Tools);
        for planned in &calls {
            let draft = action(&self.texts.wording().toolbox, planned, planned.started_key, None);
            self.narrate(Note::ActionStarted(draft));
        }
        let notes = self.narrator.as_ref().map(crate::agent::narrator::Narrator::notes);
        let (agent, run) = (self.agent, self.record.info.clone());
        let (texts, allowed, when) = (self.texts.clone(), self.session.allowed(), self.when());
        let rights = Rights { facts: &agent.facts, ..self.rights() };
        let work = join_all(calls.iter().map(|planned| {
            let (notes, run, texts, allowed, when, rights) = (&notes, &run, &texts, &allowed, &when, &rights);
            async move {
                let (mut picture, elsewhere) = (None, AtomicBool::new(false));
                let result = match agent.call(planned, run, (texts, allowed), (when, rights, &elsewhere)).await {
                    Ok(Called::Output(output)) => Ok(output),
                    Ok(Called::Shows(output, shown)) => {
                        picture = Some(shown);
                        Ok(output)
                    }
                    // What changes something is not called here.
                    Ok(Called::Wants(_)) => Err(ToolError::NotAllowed("This is not carried out.".to_owned())),
                    Err(error) => Err(error),
                };
                let taken = result.is_ok().then(|| texts.skill_loaded_by(&planned.call)).flatten();
                let (entry, shown) = settled(planned, &texts.wording().toolbox, result, None, elsewhere.into_inner());
                let mut entries = vec![entry];
                entries.extend(taken.map(|skill| Entry::SkillTaken { skill, text: None }));
                let call_id = &planned.call.id;
                entries.extend(picture.map(|picture| Entry::PictureRead { call_id: call_id.clone(), picture }));
                if let Some(notes) = notes {
                    let draft = action(&texts.wording().toolbox, planned, planned.finished_key, Some(shown));
                    // A narrator that is gone has nothing more to say.
                    let _ = notes.send(Note::ActionFinished { started: planned.started_key, draft });
                }
                entries
            }
        }));
        let entries = match self.unless_cut(work).await {
            Ok(entries) => entries.concat(),
            Err(cut) => return self.cut_short(cut).await,
        };
        self.record(entries, Vec::new()).await?;
        Ok(Flow::Go)
    }
}

impl Agent {
    /// What a call gives, if it may be made at all.
    pub(super) async fn call(
        &self,
        planned: &PlannedCall,
        run: &RunInfo,
        (texts, allowed): (&Texts, &Allowed),
        (when, rights, elsewhere): (&When, &Rights<'_>, &AtomicBool),
    ) -> Result<Called, ToolError> {
        let name = planned.call.name.as_str();
        if planned.repeated {
            return Err(ToolError::NoSuchThing(
                "This same call was already made in this turn and its result is above. Use it, or do something else."
                    .to_owned(),
            ));
        }
        if !allowed.tool(name) {
            let names = allowed.names();
            let message = format!("This tool is not for the skill at hand, which may use only: {names}.");
            return Err(ToolError::NotAllowed(message));
        }
        let toolbox = &texts.wording().toolbox;
        if toolbox.effect(name) == Some(Effect::Instruct) {
            return texts.load_skill(&planned.call).map(Called::Output);
        }
        if toolbox.effect(name).is_some_and(Effect::changes)
            && texts.prompts().rules().is_in_arguments(&planned.call.arguments)
        {
            return Err(ToolError::NotAllowed(REPEATS_RULES.to_owned()));
        }
        let cx = ToolCx {
            workspace: run.workspace,
            run,
            plane: self.plane.as_ref(),
            facts: &self.facts,
            when,
            rights,
            elsewhere,
        };
        Ok(match toolbox.call(name, &planned.call.arguments, &cx).await? {
            // It was written by others, and what looks like a fence in it is none of ours.
            Called::Output(output) => Called::Output(ToolOutput { text: unfenced(&output.text), ..output }),
            Called::Shows(output, picture) => {
                Called::Shows(ToolOutput { text: unfenced(&output.text), ..output }, picture)
            }
            Called::Wants(planned) => Called::Wants(planned),
        })
    }
}

/// The journal entry of a call's result, and the few words people see of it.
pub(super) fn settled(
    planned: &PlannedCall,
    toolbox: &Toolbox,
    result: Result<ToolOutput, ToolError>,
    receipt: Option<Receipt>,
    elsewhere: bool,
) -> (Entry, String) {
    let name = planned.call.name.as_str();
    let failed = result.is_err();
    let unknown = matches!(result, Err(ToolError::OutcomeUnknown));
    let known = toolbox.effect(name).is_some();
    let label = if known { name.to_owned() } else { "unknown".to_owned() };
    metrics::counter!("aileron_tool_calls_total", "tool" => label, "failed" => failed.to_string()).increment(1);
    let (text, shown) = match result {
        Ok(ToolOutput { text, summary }) => (text, summary),
        Err(ToolError::SignIn { message, url }) if url.starts_with("https://") => {
            let entry = Entry::SignInAsked { call_id: planned.call.id.clone(), text: message, url };
            return (entry, "you have to sign in first".to_owned());
        }
        Err(error) => {
            tracing::info!(tool = known.then_some(name), kind = kind_of(&error), "a tool call failed");
            (format!("{FAILED_RESULT}{}", told_to_model(&error)), format!("failed: {}", told_to_people(&error)))
        }
    };
    tracing::debug!(tool = known.then_some(name), failed, "a tool call is done");
    (Entry::ToolDone { call_id: planned.call.id.clone(), text, failed, receipt, elsewhere, unknown }, shown)
}

fn told_to_model(error: &ToolError) -> String {
    match error {
        ToolError::Plane(plane) => match plane.disposition() {
            Disposition::Retry { .. } => {
                "Plane did not answer although it was asked several times. Go on without this, and say that it is missing.".to_owned()
            }
            Disposition::TellModel | Disposition::GiveUp => plane.to_string(),
        },
        ToolError::Unknown { .. }
        | ToolError::BadArguments { .. }
        | ToolError::NoSuchThing(_)
        | ToolError::NotAllowed(_)
        | ToolError::Stopped
        | ToolError::OutcomeUnknown
        | ToolError::SignIn { .. } => error.to_string(),
    }
}

fn told_to_people(error: &ToolError) -> &'static str {
    match error {
        ToolError::Unknown { .. } => "there is no such tool",
        ToolError::BadArguments { .. } => "the call was malformed",
        ToolError::NoSuchThing(_) => "nothing to do",
        ToolError::NotAllowed(_) => "not permitted",
        ToolError::Stopped => "stopped before it was made",
        ToolError::OutcomeUnknown => "Plane does not say whether it was made",
        ToolError::SignIn { .. } => "signing in is not possible",
        ToolError::Plane(plane) => match plane.disposition() {
            Disposition::Retry { .. } => "Plane did not answer",
            Disposition::TellModel => "not found or not allowed",
            Disposition::GiveUp => "no access to Plane",
        },
    }
}

fn kind_of(error: &ToolError) -> &'static str {
    match error {
        ToolError::Unknown { .. } => "unknown_tool",
        ToolError::BadArguments { .. } => "bad_arguments",
        ToolError::NoSuchThing(_) => "no_such_thing",
        ToolError::NotAllowed(_) => "not_allowed",
        ToolError::Stopped => "stopped",
        ToolError::OutcomeUnknown => "outcome_unknown",
        ToolError::SignIn { .. } => "sign_in",
        ToolError::Plane(_) => "plane",
    }
}

/// The action people see: what is done in words, and the result once there is one. What was asked for
/// exactly is beside it, for machines.
pub(super) fn action(toolbox: &Toolbox, planned: &PlannedCall, key: StepKey, result: Option<String>) -> Draft {
    let call = &planned.call;
    let told = toolbox.told(&call.name, &call.arguments);
    // A call that cannot be read is at least named.
    let told = told.unwrap_or_else(|| match toolbox.effect(&call.name) {
        Some(_) => Told::new("Trying", "Tried").about("what", format!("to {}", call.name.replace('_', " "))),
        None => Told::new("Trying something", "Tried something"),
    });
    let mut parameters = BTreeMap::new();
    parameters.extend(told.about.map(|(what, text)| (what.to_owned(), text)));
    let name = if result.is_some() { told.done } else { told.doing }.to_owned();
    let arguments = serde_json::from_str::<Value>(&call.arguments).unwrap_or_else(|_| call.arguments.clone().into());
    let detail = json!({ "calls": [{ "tool": call.name, "arguments": arguments }] });
    if let Some(result) = result {
        parameters.insert(RESULT.to_owned(), describe::shortened(&result, SHOWN_LIMIT_CHARS));
    }
    Draft { key, saying: Saying::Action { name, parameters }, detail: Some(detail) }
}
