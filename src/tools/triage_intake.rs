//! Decides about a work item in the project's intake.

use async_trait::async_trait;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Told, ToolCx, ToolError, WriteTool, item_change, resolve, target, target::Named, write::item_here};
use crate::domain::{
    deed::Deed,
    ids::ProjectId,
    intake::{IntakeItem, Verdict},
    write::{FieldChange, PlannedWrite, Slot, Target, Write},
};

pub struct TriageIntake;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Key such as MOB-12 of the one in the intake.
    work_item: String,
    /// What becomes of it.
    decision: Decision,
    /// For snooze: the day it is to be looked at again, such as 2026-12-24.
    #[serde(default)]
    until: Option<String>,
    /// For duplicate: key such as MOB-12 of the work item it repeats.
    #[serde(default)]
    duplicate_of: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Decision {
    Accept,
    Decline,
    Snooze,
    Duplicate,
}

#[async_trait]
impl WriteTool for TriageIntake {
    type Args = Args;
    const NAME: &'static str = "triage_intake";

    fn told(args: &Args) -> Told {
        Told::new("Deciding about the intake", "Decided about the intake").about("work item", &args.work_item)
    }

    async fn plan(&self, args: Args, cx: &ToolCx<'_>) -> Result<PlannedWrite, ToolError> {
        let project = target::current_project(cx)?;
        let all = cx.plane.intake(cx.workspace, project).await?;
        let identifier = identifier(project, cx).await;
        let entry = pick(&args.work_item, &all, &identifier)?;
        let called = format!("{identifier}-{}", entry.sequence);
        let (after, summary) = match args.decision {
            Decision::Accept => (Verdict::Accepted, format!("Accept {called}")),
            Decision::Decline => (Verdict::Declined, format!("Decline {called}")),
            Decision::Snooze => snoozed(&args, &called, cx)?,
            Decision::Duplicate => {
                let of = args.duplicate_of.as_deref().map(str::trim).filter(|of| !of.is_empty());
                let of = of.ok_or_else(|| bad("duplicate_of must name the work item it repeats"))?;
                let (of, _) = item_here(Some(of), cx).await?;
                let summary = format!("Mark {called} as a duplicate of {}", item_change::called(&of));
                (Verdict::Duplicate(Some(of.id)), summary)
            }
        };
        if entry.verdict == Verdict::Accepted || entry.verdict == after {
            let verdict = entry.verdict.as_str();
            return Err(ToolError::NoSuchThing(format!("{called} is {verdict} already; nothing is to be decided.")));
        }
        let change = FieldChange {
            field: "intake".to_owned(),
            before: entry.verdict.as_str().to_owned(),
            after: after.as_str().to_owned(),
        };
        let item = Target { project, id: entry.item };
        Ok(PlannedWrite {
            summary,
            changes: vec![change],
            write: Write::Deed(Deed::TriageIntake { item, before: entry.verdict, after }),
        })
    }
}

fn bad(message: &str) -> ToolError {
    ToolError::BadArguments { tool: TriageIntake::NAME, message: message.to_owned() }
}

fn snoozed(args: &Args, called: &str, cx: &ToolCx<'_>) -> Result<(Verdict, String), ToolError> {
    let until = args.until.as_deref().map(|until| resolve::day("until", until)).transpose()?;
    let Some(Slot::Is(day)) = until else {
        return Err(bad("until must be the day it is to be looked at again, such as 2026-12-24"));
    };
    if day <= cx.when.today() {
        return Err(bad("until must be a day to come"));
    }
    let at = day.to_zoned(TimeZone::UTC).map_err(|_| bad("until is too far away"))?.timestamp();
    Ok((Verdict::Snoozed(Some(at)), format!("Snooze {called} until {day}")))
}

/// What the keys of a project begin with; empty where it cannot be learnt.
pub(super) async fn identifier(project: ProjectId, cx: &ToolCx<'_>) -> String {
    cx.facts.project(cx.workspace, project).await.map(|project| project.identifier.clone()).unwrap_or_default()
}

/// The one that is meant. It cannot be asked for by its key, as it is no work item of the project yet.
pub(super) fn pick<'a>(wanted: &str, all: &'a [IntakeItem], identifier: &str) -> Result<&'a IntakeItem, ToolError> {
    let found = match target::parse(Some(wanted))? {
        Named::Current => None,
        Named::Id(id) => all.iter().find(|entry| entry.item == id),
        Named::Key { identifier: named, sequence } => all.iter().find(|entry| {
            entry.sequence == sequence && (identifier.is_empty() || named.eq_ignore_ascii_case(identifier))
        }),
    };
    found.ok_or_else(|| {
        let waiting = all.iter().filter(|entry| entry.verdict == Verdict::Pending).take(8);
        let waiting: Vec<_> = waiting.map(|entry| format!("{identifier}-{}", entry.sequence)).collect();
        let shown: String = wanted.chars().take(40).collect();
        let there = if waiting.is_empty() {
            "Nothing waits there.".to_owned()
        } else {
            format!("There wait: {}.", waiting.join(", "))
        };
        ToolError::NoSuchThing(format!("{shown:?} is not in the intake. {there}"))
    })
}
