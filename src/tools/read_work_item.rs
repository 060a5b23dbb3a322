//! Reads one work item whole.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Effect, Told, ToolCx, ToolError, ToolOutput, TypedTool,
    describe::{self, Names},
    target,
};
use crate::plane::html;

const DESCRIPTION_LIMIT_CHARS: usize = 12_000;

pub struct ReadWorkItem;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Key such as MOB-12, or id. Leave out for the current work item.
    #[serde(default)]
    work_item: Option<String>,
}

#[async_trait]
impl TypedTool for ReadWorkItem {
    type Args = Args;
    const NAME: &'static str = "read_work_item";
    const EFFECT: Effect = Effect::Read;

    fn told(args: &Args) -> Told {
        Told::new("Reading a work item", "Read a work item").about("work item", args.work_item.as_deref().unwrap_or(""))
    }

    async fn call(&self, args: Args, cx: &ToolCx<'_>) -> Result<ToolOutput, ToolError> {
        let item = target::work_item(args.work_item.as_deref(), cx).await?;
        let mut names = Names::default();
        for person in item.assignees.iter().chain(&item.created_by) {
            names.add(person.id, &person.display_name);
        }
        let mentioned = html::mentioned_users(&item.description_html);
        if !names.know_all(&mentioned) {
            // A name that cannot be looked up is no reason to fail the reading.
            for person in cx.facts.members(cx.workspace, item.project.id).await.unwrap_or_default().iter() {
                names.add(person.id, &person.display_name);
            }
        }
        let key = item.key().unwrap_or_else(|| "A work item".to_owned());
        let text = format!(
            "# {key}: {}\n\n{}\n\n## Description\n\n{}",
            item.name,
            describe::fields(&item, None, &names, cx.when).join("\n"),
            describe::description(&item, &names, DESCRIPTION_LIMIT_CHARS)
        );
        Ok(ToolOutput { text, summary: format!("{key}: {}", describe::shortened(&item.name, 80)) })
    }
}
