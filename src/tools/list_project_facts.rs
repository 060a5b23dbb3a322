//! Lists what a project offers to choose from: states, labels, members.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Effect, Told, ToolCx, ToolError, ToolOutput, TypedTool, target};

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
        let text = format!(
            "## States\n\n{}\n\n## Labels\n\n{}\n\n## Members\n\n{}\n\n## Priorities\n\nurgent, high, medium, low, none",
            list(states_text.collect()),
            list(labels_text.collect()),
            list(members_text.collect()),
        );
        let summary = format!("{} states, {} labels, {} members", states.len(), labels.len(), members.len());
        Ok(ToolOutput { text, summary })
    }
}
