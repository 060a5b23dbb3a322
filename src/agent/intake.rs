//! From an accepted prompt to words: HTML removed, mentions and authors as names, and the prompt of
//! a run fetched where its event did not come.

use std::collections::HashMap;

use super::{Agent, journal::Said};
use crate::{
    domain::{
        activity::{RunActivity, RunActivityKind},
        event::{Prompt, RunEvent, RunEventKind, RunInfo},
        ids::UserId,
        work_item::Words,
    },
    plane::{PlaneError, html},
    store::WaitingPrompt,
};

impl Agent {
    /// The prompts in words. A name that cannot be looked up is left as Plane's id.
    pub(super) async fn said(&self, run: &RunInfo, prompts: &[WaitingPrompt]) -> Vec<Said> {
        let names = self.names(run).await;
        let own_handle = run.agent_user.and_then(|bot| names.get(&bot)).map(|name| format!("@{name}"));
        let handles = [own_handle, Some(format!("@{}", self.name)), Some(format!("/{}", self.name))];
        let said = |waiting: &WaitingPrompt| {
            let prompt = &waiting.prompt;
            let text = html::prompt_text(&prompt.body, run.agent_user, &|id| names.get(&id).cloned());
            // A mention that came as plain text says as little as one that came as an element.
            let mut handles = handles.iter().flatten();
            let text = handles.find_map(|handle| html::without_mention(&text, handle)).unwrap_or(&text);
            Said {
                activity: prompt.activity,
                by: prompt.actor,
                author: prompt.actor.and_then(|actor| names.get(&actor)).map(|name| format!("@{name}")),
                text: text.to_owned(),
                written_at: prompt.written_at,
            }
        };
        prompts.iter().map(said).collect()
    }

    async fn names(&self, run: &RunInfo) -> HashMap<UserId, String> {
        let Some(project) = run.project else {
            return HashMap::new();
        };
        match self.facts.members(run.workspace, project).await {
            Ok(members) => members.iter().map(|person| (person.id, person.display_name.clone())).collect(),
            Err(error) => {
                tracing::debug!(%error, "the project's members are unknown; names are left out");
                HashMap::new()
            }
        }
    }

    /// The events a run's creation should have been accompanied by, rebuilt from what Plane shows:
    /// its prompts, or else the comment that started the run. Empty if there is neither, or if that comment
    /// holds words that are not certain to be its author's.
    pub(super) async fn fetch_prompts(&self, run: &RunInfo) -> Result<Vec<RunEvent>, PlaneError> {
        let activities = self.plane.run_activities(run).await?;
        let events = events_since_the_last_stop(&activities, run);
        if !events.is_empty() {
            return Ok(events);
        }
        let (known, _) = self.plane.run(run).await?;
        let mut run = run.clone();
        run.merge(&known);
        let (Some(project), Some(item), Some(comment)) =
            (run.project, run.work_item, run.source_comment.or(run.comment))
        else {
            return Ok(Vec::new());
        };
        let comment = self.plane.comment(run.workspace, project, item, comment).await?;
        if comment.words != Words::Authors {
            tracing::warn!(run = %run.id, "the comment that started a run is not its author's alone");
            return Ok(Vec::new());
        }
        let actor = comment.author.as_ref().map(|person| person.id);
        let kind = RunEventKind::Prompted(Prompt {
            activity: None,
            body: comment.html,
            actor,
            written_at: comment.created_at,
        });
        Ok(vec![RunEvent { run, kind }])
    }
}

/// Prompts in the order they were written, where Plane tells: webhooks come in any order.
pub(super) fn in_written_order(mut prompts: Vec<WaitingPrompt>) -> Vec<WaitingPrompt> {
    if prompts.iter().all(|waiting| waiting.prompt.written_at.is_some()) {
        prompts.sort_by_key(|waiting| waiting.prompt.written_at);
    }
    prompts
}

/// The newest stop, if there is one, and the prompts after it, in this order. What came before a stop
/// is void.
pub(super) fn events_since_the_last_stop(activities: &[RunActivity], run: &RunInfo) -> Vec<RunEvent> {
    let mut events = Vec::new();
    for activity in activities {
        match prompt_of(activity, run.agent_user) {
            Some(kind @ RunEventKind::StopRequested(_)) => events = vec![RunEvent { run: run.clone(), kind }],
            Some(kind @ (RunEventKind::Prompted(_) | RunEventKind::Started)) => {
                events.push(RunEvent { run: run.clone(), kind });
            }
            None => {}
        }
    }
    events
}

fn prompt_of(activity: &RunActivity, bot: Option<UserId>) -> Option<RunEventKind> {
    if activity.step.is_some() || (activity.actor.is_some() && activity.actor == bot) {
        return None;
    }
    match &activity.kind {
        RunActivityKind::Prompt { body, stop } => {
            let prompt = Prompt {
                activity: Some(activity.id),
                body: body.clone(),
                actor: activity.actor,
                written_at: activity.created_at,
            };
            Some(if *stop { RunEventKind::StopRequested(prompt) } else { RunEventKind::Prompted(prompt) })
        }
        RunActivityKind::Ending | RunActivityKind::Other => None,
    }
}
