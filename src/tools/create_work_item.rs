//! Creates a work item in the project of the run.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Told, ToolCx, ToolError, WriteTool,
    item_change::{Wanted, change_of},
    target,
};
use crate::domain::write::{PlannedWrite, Write};

pub struct CreateWorkItem;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Title, at most 255 characters.
    name: String,
    /// Description in Markdown.
    #[serde(default)]
    description: Option<String>,
    /// urgent, high, medium, low or none.
    #[serde(default)]
    priority: Option<String>,
    /// Name of a state of the project; the project's default if left out.
    #[serde(default)]
    state: Option<String>,
    /// Names of labels of the project.
    #[serde(default)]
    labels: Vec<String>,
    /// Handles of members of the project, such as @maya.
    #[serde(default)]
    assignees: Vec<String>,
    /// Key of the parent, such as MOB-12.
    #[serde(default)]
    parent: Option<String>,
    /// Such as 2026-12-24.
    #[serde(default)]
    start_date: Option<String>,
    /// Such as 2026-12-24.
    #[serde(default)]
    due_date: Option<String>,
    /// A value of the estimate the project uses, such as 3 or M.
    #[serde(default)]
    estimate: Option<String>,
}

#[async_trait]
impl WriteTool for CreateWorkItem {
    type Args = Args;
    const NAME: &'static str = "create_work_item";

    fn told(args: &Args) -> Told {
        Told::new("Creating a work item", "Created a work item").about("title", &args.name)
    }

    async fn plan(&self, args: Args, cx: &ToolCx<'_>) -> Result<PlannedWrite, ToolError> {
        let project = target::current_project(cx)?;
        let wanted = Wanted {
            tool: Self::NAME,
            name: Some(args.name),
            description: args.description,
            priority: args.priority,
            state: args.state,
            add_labels: args.labels,
            add_assignees: args.assignees,
            parent: args.parent,
            start_date: args.start_date,
            due_date: args.due_date,
            estimate: args.estimate,
            ..Wanted::default()
        };
        let (fields, changes) = change_of(wanted, None, project, cx).await?;
        let identifier = cx.facts.project(cx.workspace, project).await.ok().map(|project| project.identifier.clone());
        let name = fields.name.clone().unwrap_or_default();
        Ok(PlannedWrite {
            summary: format!("New work item \"{name}\""),
            changes,
            write: Write::CreateWorkItem { project, identifier, fields },
        })
    }
}
