//! Whether a change may be made: by the operator's policy, the rights of those who speak, and bounds.

pub mod switch;

use crate::{
    config::{WritePolicy, WritesConfig},
    domain::{role::Role, write::Write},
    tools::{Effect, rights::Standing},
};

/// What becomes of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    /// A person has to approve it first.
    Asks,
    /// It is told and not made.
    DryRun,
    /// Why not, for the model.
    Denied(String),
}

/// A change somebody asks for.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    pub tool: &'a str,
    pub effect: Effect,
    pub write: &'a Write,
    /// The workspace's slug, where it is known.
    pub workspace: Option<&'a str>,
    /// The identifier of the project it takes place in, where it is known.
    pub project: Option<&'a str>,
    /// What those who ask are there; `None` if one of them cannot see it.
    pub standing: Option<Standing>,
    /// It takes back a change of the agent's own.
    pub is_undo: bool,
    /// This turn has set the same field before, or put or taken the same thing.
    pub again: bool,
    /// A person's word on exactly this change is there; the turn that proposed it has counted it.
    pub approved: bool,
    /// Changes made or proposed in this turn before it.
    pub in_turn: u32,
    /// Changes begun in the workspace today before it.
    pub today: u64,
}

/// Judges a change. What is strictest counts.
#[must_use]
pub fn judge(config: &WritesConfig, case: &Case<'_>) -> Verdict {
    if let Some(reason) = denial(config, case) {
        return Verdict::Denied(reason);
    }
    if config.dry_run {
        return Verdict::DryRun;
    }
    let place = config.of_place(case.workspace, case.project);
    match config.of_tool(case.tool, place) {
        // What cannot be taken back always waits for a person.
        WritePolicy::Allow if case.effect == Effect::Destroy || case.write.destroys() => Verdict::Asks,
        WritePolicy::Allow => Verdict::Allowed,
        WritePolicy::Ask => Verdict::Asks,
        WritePolicy::Deny => Verdict::Denied(closed(case)),
    }
}

fn denial(config: &WritesConfig, case: &Case<'_>) -> Option<String> {
    let Some(standing) = case.standing else {
        return Some("The person who asks cannot see that project, so nothing is changed there.".to_owned());
    };
    let place = config.of_place(case.workspace, case.project);
    if config.of_tool(case.tool, place) == WritePolicy::Deny || !config.is_open(case.workspace, case.project) {
        return Some(closed(case));
    }
    // What the agent made itself may go again without a right over what others make.
    let least = if case.is_undo { case.write.least_role().min(Role::Member) } else { case.write.least_role() };
    if standing.role < least {
        let (is, needed) = (standing.role.as_str(), least.as_str());
        return Some(if standing.assumed {
            format!(
                "The person who asks is taken for a {is} of this project, because Plane does not tell their role here, and \
                 this takes at least the role {needed}. Whoever runs the agent can set writes.assumed_role."
            )
        } else {
            format!("The person who asks is a {is} of this project, and this takes at least the role {needed}.")
        });
    }
    if case.again && !case.is_undo {
        return Some(
            "This turn has changed the same thing already. Do not change it back and forth; tell the person what you \
             would do."
                .to_owned(),
        );
    }
    if !case.approved && case.in_turn >= config.max_per_turn {
        return Some(format!(
            "This turn has made or proposed {} changes already, the most that are allowed. Tell the person what is left.",
            config.max_per_turn
        ));
    }
    (case.today >= u64::from(config.max_per_day)).then(|| {
        format!(
            "In this workspace {} changes were made today, the most that are allowed. Tell the person.",
            config.max_per_day
        )
    })
}

fn closed(case: &Case<'_>) -> String {
    let project = case.project.unwrap_or("this project");
    format!("Those who run the agent do not allow {} in {project}. Tell the person what to change instead.", case.tool)
}

#[cfg(test)]
mod tests;
