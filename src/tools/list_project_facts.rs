//! Lists what a project offers to choose from: states, labels, members, cycles, modules.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Effect, Told, ToolCx, ToolError, ToolOutput, TypedTool, When, describe, target};
use crate::domain::plans::{Cycle, Module, Progress};

pub struct ListProjectFacts;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {}

#[async_trait]
impl TypedTool for ListProjectFacts {
    type Args = Args;
    const NAME: &'static str = "list_project_facts";
    const EFFECT: Effect = Effect::Read;

    fn told(_args: &Args) -> Told {
        Told::new("Looking up the project", "Looked up the project")
    }

    async fn call(&self, _args: Args, cx: &ToolCx<'_>) -> Result<ToolOutput, ToolError> {
        let project = target::current_project(cx)?;
        let (states, labels, members) = tokio::try_join!(
            cx.facts.states(cx.workspace, project),
            cx.facts.labels(cx.workspace, project),
            cx.facts.members(cx.workspace, project),
        )?;
        let states_text = states.iter().map(|state| {
            let default = if state.is_default { ", default" } else { "" };
            format!("- {} ({}{default})", state.name, state.group)
        });
        let labels_text = labels.iter().map(|label| match label.description.as_str() {
            "" => format!("- {}", label.name),
            description => format!("- {}: {}", label.name, description.replace('\n', " ")),
        });
        let members_text = members.iter().map(|person| format!("- {} {}", person.handle(), person.full_name));
        let list = |lines: Vec<String>| {
            if lines.is_empty() { "(none)".to_owned() } else { lines.join("\n") }
        };
        // A project may have these switched off, which is no reason to tell nothing.
        let (cycles, modules) =
            tokio::join!(cx.facts.cycles(cx.workspace, project), cx.facts.modules(cx.workspace, project));
        let cycles = cycles.unwrap_or_default().iter().map(|cycle| describe_cycle(cycle, cx.when)).collect::<Vec<_>>();
        let modules = modules.unwrap_or_default().iter().map(describe_module).collect::<Vec<_>>();
        let mut plans = String::new();
        for (title, lines) in [("Cycles", cycles), ("Modules", modules)] {
            if !lines.is_empty() {
                plans.push_str(&format!("\n\n## {title}\n\n{}", lines.join("\n")));
            }
        }
        let text = format!(
            "## States\n\n{}\n\n## Labels\n\n{}\n\n## Members\n\n{}\n\n## Priorities\n\nurgent, high, medium, low, none{plans}",
            list(states_text.collect()),
            list(labels_text.collect()),
            list(members_text.collect()),
        );
        let summary = format!("{} states, {} labels, {} members", states.len(), labels.len(), members.len());
        Ok(ToolOutput { text, summary })
    }
}

/// `- Sprint 12 (2026-11-16 to 2026-11-29, current; 3 of 12 done)`
fn describe_cycle(cycle: &Cycle, when: &When) -> String {
    let mut notes = Vec::new();
    if let (Some(start), Some(end)) = (cycle.start_date, cycle.end_date) {
        let current = if cycle.is_current(when.today()) { ", current" } else { "" };
        notes.push(format!("{start} to {end}{current}"));
    }
    notes.extend(cycle.progress.map(progress));
    line(&cycle.name, &notes)
}

fn describe_module(module: &Module) -> String {
    let mut notes = Vec::new();
    notes.extend((!module.status.is_empty()).then(|| module.status.clone()));
    notes.extend(module.target_date.map(|date| format!("until {date}")));
    notes.extend(module.progress.map(progress));
    line(&module.name, &notes)
}

fn progress(progress: Progress) -> String {
    format!("{} of {} closed", progress.closed, progress.total)
}

fn line(name: &str, notes: &[String]) -> String {
    let name = describe::one_line(name);
    if notes.is_empty() { format!("- {name}") } else { format!("- {name} ({})", notes.join("; ")) }
}
