//! Whether a change may be made now, and who may decide where a person is asked.

use super::{Drive, spend::today};
use crate::{
    agent::{
        approval::Approval,
        policy::{self, Case, Verdict},
        step::PlannedCall,
    },
    domain::{
        ids::UserId,
        role::Role,
        touched::Touched,
        write::{FieldChange, PlannedWrite},
    },
    plane::PlaneError,
    store::StoreError,
    tools::{Effect, Rights, ToolOutput},
};

/// What has to be known before a change is judged could not be learnt.
pub(super) enum Unknown {
    Plane(PlaneError),
    Store(StoreError),
}

/// Told where changes are switched off by the operator.
pub(super) const SWITCHED_OFF: &str = "Not carried out: those who run the agent have switched all changes off for now. Tell the person what to change instead.";

impl Drive<'_> {
    /// What those may do who speak in this turn.
    pub(super) fn rights(&self) -> Rights<'_> {
        Rights {
            facts: &self.agent.facts,
            workspace: self.run().workspace,
            home: self.run().project,
            speakers: self.session.speakers(),
            assumed: self.agent.writes.assumed_role,
        }
    }

    /// Judges what a call would change.
    pub(super) async fn judge(&self, call: &PlannedCall, planned: &PlannedWrite) -> Result<Verdict, Unknown> {
        let (agent, workspace) = (self.agent, self.run().workspace);
        if agent.switch.is_off() {
            return Ok(Verdict::Denied(SWITCHED_OFF.to_owned()));
        }
        let project = planned.write.project();
        let standing = self.rights().in_project(project).await.map_err(Unknown::Plane)?;
        let identifier = if agent.writes.ask_for_project() {
            Some(agent.facts.project(workspace, project).await.map_err(Unknown::Plane)?)
        } else {
            None
        };
        let slug = agent.credentials.slug(workspace).map(|slug| slug.to_lowercase());
        let case = Case {
            tool: &call.call.name,
            effect: self.texts.wording().toolbox.effect(&call.call.name).unwrap_or(Effect::Destroy),
            write: &planned.write,
            workspace: slug.as_deref(),
            project: identifier.as_ref().map(|project| project.identifier.as_str()),
            standing,
            is_undo: call.is_part,
            again: Touched::by(&planned.write).iter().any(|touched| self.session.has_touched(touched)),
            approved: call.approved.is_some(),
            in_turn: self.session.changes(),
            today: agent.store.changes_on(workspace, today()).await.map_err(Unknown::Store)?,
        };
        Ok(policy::judge(&agent.writes, &case))
    }

    /// Whether this person may decide on the changes: they asked for them, or could make each by hand. Who
    /// is not known may not.
    pub(super) async fn is_entitled(&self, approval: &Approval, person: Option<UserId>) -> bool {
        let Some(person) = person else { return false };
        if approval.asked_by.contains(&person) {
            return true;
        }
        for change in &approval.changes {
            let write = &change.planned.write;
            let needed = write.least_role().max(Role::Member);
            match self.rights().of(Some(person), write.project()).await {
                Ok(Some(standing)) if standing.role >= needed => {}
                Ok(_) => return false,
                Err(error) => {
                    tracing::warn!(%error, "it is unknown what a person may do; their word does not count as an approval");
                    return false;
                }
            }
        }
        true
    }
}

/// What the model and people are told of a change that a dry run does not make.
pub(super) fn dry_run(planned: &PlannedWrite) -> ToolOutput {
    let text = format!(
        "Dry run: nothing was changed, and nothing will be. This is what would have been done: {}.{}\nSay so to the person.",
        planned.summary,
        listed(planned)
    );
    ToolOutput { text, summary: "dry run: not done".to_owned() }
}

/// What the model is told where a person approved one thing, and by now it would be another.
pub(super) fn stale(approved: &PlannedWrite, now: &PlannedWrite) -> String {
    format!(
        "Not done: since the person approved it things have changed. Approved was: {}.{}\nBy now it would be: {}.{}\nIf it \
         still makes sense, call the tool again: the person is asked anew.",
        approved.summary,
        listed(approved),
        now.summary,
        listed(now)
    )
}

fn listed(planned: &PlannedWrite) -> String {
    planned.changes.iter().map(FieldChange::to_string).map(|line| format!("\n- {line}")).collect()
}
