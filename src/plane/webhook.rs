//! Plane's webhook bodies become domain events, whichever of the documented shapes they have.
//!
//! The body of an agent event comes bare or wrapped in a general envelope, references come as ids
//! or as objects, and much may be missing. Call this only after the signature is verified.

pub mod comment;
pub mod item;

use serde_json::Value;

use super::wire::fields::Fields;
use crate::domain::{
    event::{Prompt, RunEvent, RunEventKind, RunInfo},
    ids::{RunId, UserId, WorkspaceId},
};

/// What a webhook turned out to be. Each of these is answered with 200.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one lives at a time, and the event is the common case worth having")]
pub enum Incoming {
    /// Something the agent acts on.
    Event(RunEvent),
    /// Not meant for the agent.
    Ignored { why: &'static str },
    /// Meant for us as far as one can tell, but we cannot make sense of it. Worth keeping for the
    /// operator.
    Unreadable { reason: String },
}

const PROMPT_EVENT: &str = "agent_run_user_prompt";
const RUN_EVENT: &str = "agent_run_create";
const ACTIVITY_TYPE: &str = "agent_run_activity";

/// Reads a verified webhook. `event_header` is `X-Plane-Event`; `client_id` is our OAuth client id
/// if we have one, so that events for other apps are left alone.
#[must_use]
pub fn parse(event_header: Option<&str>, body: &[u8], client_id: Option<&str>) -> Incoming {
    let value: Value = match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(error) => {
            // The text of the error tells line and column, never content.
            return Incoming::Unreadable { reason: format!("the body is not JSON: {error}") };
        }
    };
    let Some(outer) = Fields::of(&value) else {
        return Incoming::Unreadable { reason: "the body is not a JSON object".to_owned() };
    };
    let event = event_header.or_else(|| outer.text("event")).unwrap_or_default();
    let Some(payload) = agent_payload(outer) else {
        return if event == PROMPT_EVENT || event == RUN_EVENT {
            Incoming::Unreadable { reason: format!("{event} without agent_run and agent_run_activity") }
        } else {
            Incoming::Ignored { why: "not an event of an agent run" }
        };
    };
    if let (Some(ours), Some(theirs)) = (client_id, payload.text("app_client_id"))
        && ours != theirs
    {
        return Incoming::Ignored { why: "meant for another app" };
    }
    let run = match run_info(outer, payload) {
        Ok(run) => run,
        Err(reason) => return Incoming::Unreadable { reason },
    };
    if is_prompt(event, payload) { prompt_event(run, payload) } else { started(run) }
}

/// The object with the agent's fields: the body itself, or the `data` of the envelope.
fn agent_payload(outer: Fields<'_>) -> Option<Fields<'_>> {
    let speaks_of_a_run = |fields: &Fields<'_>| fields.has("agent_run") || fields.has("agent_run_activity");
    Some(outer).filter(speaks_of_a_run).or_else(|| outer.object("data").filter(speaks_of_a_run))
}

fn is_prompt(event: &str, payload: Fields<'_>) -> bool {
    payload.object("agent_run_activity").is_some()
        || payload.text("type") == Some(ACTIVITY_TYPE)
        || event == PROMPT_EVENT
}

fn run_info(outer: Fields<'_>, payload: Fields<'_>) -> Result<RunInfo, String> {
    let run = payload.object("agent_run");
    let activity = payload.object("agent_run_activity");
    let id: RunId = payload
        .id("agent_run")
        .or_else(|| activity?.id("agent_run"))
        .or_else(|| payload.id("agent_run_id"))
        .ok_or("no id of the run")?;
    let workspace: WorkspaceId = payload
        .id("workspace_id")
        .or_else(|| outer.id("workspace_id"))
        .or_else(|| run?.id("workspace"))
        .or_else(|| activity?.id("workspace"))
        .ok_or_else(|| format!("no workspace of run {id}"))?;
    Ok(RunInfo {
        id,
        workspace,
        project: run
            .and_then(|run| run.id("project"))
            .or_else(|| payload.id("project_id"))
            .or_else(|| activity?.id("project")),
        work_item: run.and_then(|run| run.id("issue")).or_else(|| payload.id("issue_id")),
        agent_user: run.and_then(|run| run.id("agent_user")).or_else(|| payload.id("agent_user_id")),
        creator: run.and_then(|run| run.id("creator")),
        comment: run.and_then(|run| run.id("comment")).or_else(|| payload.id("comment_id")),
        source_comment: run.and_then(|run| run.id("source_comment")),
    })
}

fn started(run: RunInfo) -> Incoming {
    Incoming::Event(RunEvent { run, kind: RunEventKind::Started })
}

fn prompt_event(run: RunInfo, payload: Fields<'_>) -> Incoming {
    let Some(activity) = payload.object("agent_run_activity") else {
        // Without the activity there is nothing to say but that the run exists; its prompt is then
        // fetched like one whose event never came.
        return started(run);
    };
    let content = activity.object("content");
    let kind = activity.text("type").or_else(|| content?.text("type")).unwrap_or("prompt");
    if kind != "prompt" {
        return Incoming::Ignored { why: "an activity that is not a prompt" };
    }
    let actor: Option<UserId> = activity.id("actor");
    if actor.is_some() && actor == run.agent_user {
        return Incoming::Ignored { why: "written by the agent itself" };
    }
    let Some(id) = activity.id("id") else {
        return Incoming::Unreadable { reason: format!("no id of the prompt in run {}", run.id) };
    };
    let prompt = Prompt {
        activity: Some(id),
        body: content.map(|content| content.text_or_empty("body")).unwrap_or_default(),
        actor,
        written_at: activity.time("created_at"),
    };
    let stops = activity.text("signal").is_some_and(|signal| signal.eq_ignore_ascii_case("stop"));
    let kind = if stops { RunEventKind::StopRequested(prompt) } else { RunEventKind::Prompted(prompt) };
    Incoming::Event(RunEvent { run, kind })
}

#[cfg(test)]
mod tests;
