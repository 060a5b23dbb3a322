//! Finds work items by words of their names.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Effect, Told, ToolCx, ToolError, ToolOutput, TypedTool};

const DEFAULT_LIMIT: u32 = 10;
const MAX_LIMIT: u32 = 50;

pub struct SearchWorkItems;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// A word or part of a word in the name, or a work item's number. Descriptions are not searched.
    query: String,
    /// true to search every project of the workspace; false or left out for the current project.
    #[serde(default)]
    all_projects: Option<bool>,
    /// Most hits to return, 1 to 50; 10 if left out.
    #[serde(default)]
    limit: Option<u32>,
}

#[async_trait]
impl TypedTool for SearchWorkItems {
    type Args = Args;
    const NAME: &'static str = "search_work_items";
    const EFFECT: Effect = Effect::Read;

    fn told(args: &Args) -> Told {
        let place = if args.all_projects == Some(true) { " in every project" } else { "" };
        Told::new("Searching work items", "Searched work items")
            .about("query", format!("'{}'{place}", args.query.trim()))
    }

    async fn call(&self, args: Args, cx: &ToolCx<'_>) -> Result<ToolOutput, ToolError> {
        let query = args.query.trim();
        if query.is_empty() {
            return Err(ToolError::BadArguments { tool: Self::NAME, message: "query is empty".to_owned() });
        }
        let project = if args.all_projects == Some(true) { None } else { cx.run.project };
        let limit = args.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
        let mut hits = Vec::new();
        for hit in cx.plane.search(cx.workspace, project, query, limit).await? {
            if Some(hit.project) == cx.run.project || cx.sees(hit.project).await? {
                hits.push(hit);
            }
        }
        let place = if project.is_some() { "this project" } else { "the workspace" };
        if hits.is_empty() {
            let text = format!(
                "No work item in {place} has {query:?} in its name. The search matches the exact characters: try one shorter word."
            );
            return Ok(ToolOutput { text, summary: "no hits".to_owned() });
        }
        let lines: Vec<_> = hits.iter().map(|hit| format!("- {}: {}", hit.key, hit.name.replace('\n', " "))).collect();
        let reached =
            if hits.len() == limit as usize { "\n\n[there may be more; raise limit or narrow the query]" } else { "" };
        Ok(ToolOutput {
            text: format!(
                "{} work items in {place} with {query:?} in the name:\n\n{}{reached}",
                hits.len(),
                lines.join("\n")
            ),
            summary: format!("{} found", hits.len()),
        })
    }
}
