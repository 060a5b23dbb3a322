//! Finds the pages of a project by their titles.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Effect, Told, ToolCx, ToolError, ToolOutput, TypedTool, describe, target};
use crate::domain::feature::Feature;

/// Titles shown at most.
const MOST_SHOWN: usize = 50;

pub struct FindPages;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// A word or part of a word in the title; all pages if left out.
    #[serde(default)]
    query: Option<String>,
}

#[async_trait]
impl TypedTool for FindPages {
    type Args = Args;
    const NAME: &'static str = "find_pages";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Option<Feature> = Some(Feature::Pages);

    fn told(args: &Args) -> Told {
        Told::new("Looking for pages", "Looked for pages").about("query", args.query.as_deref().unwrap_or(""))
    }

    async fn call(&self, args: Args, cx: &ToolCx<'_>) -> Result<ToolOutput, ToolError> {
        let project = target::current_project(cx)?;
        let pages = cx.plane.pages(cx.workspace, project).await?;
        let query = args.query.as_deref().unwrap_or_default().trim().to_lowercase();
        let found: Vec<_> = pages.iter().filter(|page| page.name.to_lowercase().contains(&query)).collect();
        if found.is_empty() {
            let text = format!("None of the project's {} pages has {query:?} in its title.", pages.len());
            return Ok(ToolOutput { text, summary: "no pages".to_owned() });
        }
        let lines = found.iter().take(MOST_SHOWN).map(|page| format!("- {}", describe::one_line(&page.name)));
        let more = found.len().saturating_sub(MOST_SHOWN);
        let more = if more > 0 { format!("\n\n[{more} more; narrow the query]") } else { String::new() };
        Ok(ToolOutput {
            text: format!(
                "{} of the project's {} pages, by title:\n\n{}{more}",
                found.len(),
                pages.len(),
                lines.collect::<Vec<_>>().join("\n")
            ),
            summary: format!("{} pages", found.len()),
        })
    }
}
