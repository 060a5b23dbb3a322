//! Lists what waits in the project's intake, or shows one of it.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Effect, Told, ToolCx, ToolError, ToolOutput, TypedTool, describe, target, triage_intake};
use crate::{
    domain::intake::{IntakeItem, Verdict},
    plane::html,
};

/// Most that is listed.
const MOST: usize = 50;
const TITLE_CHARS: usize = 160;
const DESCRIPTION_CHARS: usize = 8_000;

pub struct ListIntake;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Key such as MOB-12 of one in the intake, to read it whole.
    #[serde(default)]
    work_item: Option<String>,
    /// Set to true to list what was decided already, too.
    #[serde(default)]
    decided: bool,
}

#[async_trait]
impl TypedTool for ListIntake {
    type Args = Args;
    const NAME: &'static str = "list_intake";
    const EFFECT: Effect = Effect::Read;

    fn told(args: &Args) -> Told {
        Told::new("Looking into the intake", "Looked into the intake")
            .about("work item", args.work_item.as_deref().unwrap_or(""))
    }

    async fn call(&self, args: Args, cx: &ToolCx<'_>) -> Result<ToolOutput, ToolError> {
        let project = target::current_project(cx)?;
        let all = cx.plane.intake(cx.workspace, project).await?;
        let identifier = triage_intake::identifier(project, cx).await;
        if let Some(wanted) = args.work_item.as_deref().filter(|wanted| !wanted.trim().is_empty()) {
            let entry = triage_intake::pick(wanted, &all, &identifier)?;
            let text = html::to_markdown(&entry.description_html, &|_| None, DESCRIPTION_CHARS);
            let text = if text.trim().is_empty() { "(no description)" } else { text.trim() };
            let text = format!("{}\n\n{text}", row(entry, &identifier, cx));
            return Ok(ToolOutput { text, summary: "read".to_owned() });
        }
        let shown: Vec<_> = all.iter().filter(|entry| args.decided || entry.verdict == Verdict::Pending).collect();
        let decided = all.len() - all.iter().filter(|entry| entry.verdict == Verdict::Pending).count();
        let rows: Vec<_> = shown.iter().take(MOST).map(|entry| format!("- {}", row(entry, &identifier, cx))).collect();
        let more = shown.len().saturating_sub(MOST);
        let mut text = if rows.is_empty() { "Nothing waits in the intake.".to_owned() } else { rows.join("\n") };
        if more > 0 {
            text.push_str(&format!("\n[… {more} more]"));
        }
        if !args.decided && decided > 0 {
            text.push_str(&format!("\n[{decided} more were decided already]"));
        }
        Ok(ToolOutput { text, summary: format!("{} in the intake", shown.len()) })
    }
}

fn row(entry: &IntakeItem, identifier: &str, cx: &ToolCx<'_>) -> String {
    let mut facts = vec![format!("{identifier}-{}", entry.sequence), describe::shortened(&entry.name, TITLE_CHARS)];
    facts.push(format!("priority {}", entry.priority.as_str()));
    facts.extend(entry.created_by.as_ref().map(|person| format!("by {}", person.handle())));
    facts.extend(entry.created_at.map(|at| cx.when.moment(at)));
    facts.push(entry.verdict.as_str().to_owned());
    facts.join(" · ")
}
