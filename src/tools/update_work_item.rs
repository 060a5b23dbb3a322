//! Changes fields of a work item.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Told, ToolCx, ToolError, WriteTool,
    item_change::{Wanted, called, change_of},
    target,
};
use crate::domain::write::{PlannedWrite, Target, Write};

pub struct UpdateWorkItem;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Key such as MOB-12, or id. Leave out for the current work item.
    #[serde(default)]
    work_item: Option<String>,
    /// New title, at most 255 characters.
    #[serde(default)]
    name: Option<String>,
    /// New description in Markdown; it replaces the whole description.
    #[serde(default)]
    description: Option<String>,
    /// urgent, high, medium, low or none.
    #[serde(default)]
    priority: Option<String>,
    /// Name of a state of the project.
    #[serde(default)]
    state: Option<String>,
    /// Names of labels to add.
    #[serde(default)]
    add_labels: Vec<String>,
    /// Names of labels to remove.
    #[serde(default)]
    remove_labels: Vec<String>,
    /// Handles of members to assign, such as @maya.
    #[serde(default)]
    add_assignees: Vec<String>,
    /// Handles of members to unassign.
    #[serde(default)]
    remove_assignees: Vec<String>,
    /// Key of the new parent, such as MOB-12, or none.
    #[serde(default)]
    parent: Option<String>,
    /// Such as 2026-12-24, or none.
    #[serde(default)]
    start_date: Option<String>,
    /// Such as 2026-12-24, or none.
    #[serde(default)]
    due_date: Option<String>,
    /// A value of the estimate the project uses, such as 3 or M, or none.
    #[serde(default)]
    estimate: Option<String>,
}

#[async_trait]
impl WriteTool for UpdateWorkItem {
    type Args = Args;
    const NAME: &'static str = "update_work_item";

    fn told(args: &Args) -> Told {
        Told::new("Changing a work item", "Changed a work item")
            .about("work item", args.work_item.as_deref().unwrap_or(""))
    }

    async fn plan(&self, args: Args, cx: &ToolCx<'_>) -> Result<PlannedWrite, ToolError> {
        let item = target::work_item(args.work_item.as_deref(), cx).await?;
        let wanted = Wanted {
            tool: Self::NAME,
            name: args.name,
            description: args.description,
            priority: args.priority,
            state: args.state,
            add_labels: args.add_labels,
            remove_labels: args.remove_labels,
            add_assignees: args.add_assignees,
            remove_assignees: args.remove_assignees,
            parent: args.parent,
            start_date: args.start_date,
            due_date: args.due_date,
            estimate: args.estimate,
        };
        let (after, changes) = change_of(wanted, Some(&item), item.project.id, cx).await?;
        if after.is_empty() {
            return Err(ToolError::NoSuchThing(format!(
                "{} is like that already; nothing is to be changed.",
                called(&item)
            )));
        }
        let before = after.as_held_by(&item);
        Ok(PlannedWrite {
            summary: format!("Change {}", called(&item)),
            changes,
            write: Write::UpdateWorkItem { item: Target { project: item.project.id, id: item.id }, before, after },
        })
    }
}
