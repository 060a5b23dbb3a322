//! Finds the pages of a project by their titles.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Effect, Told, ToolCx, ToolError, ToolOutput, TypedTool, describe, target};
use crate::plane::PlaneError;

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

    fn told(args: &Args) -> Told {
        Told::new("Looking for pages", "Looked for pages").about("query", args.query.as_deref().unwrap_or(""))
    }

    async fn call(&self, args: Args, cx: &ToolCx<'_>) -> Result<ToolOutput, ToolError> {
        let project = target::current_project(cx)?;
        let pages = cx.plane.pages(cx.workspace, project).await.map_err(without_pages)?;
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

/// Says plainly that there are no pages here where Plane knows no such call, or has them switched off.
pub(super) fn without_pages(error: PlaneError) -> ToolError {
    let missing = matches!(&error, PlaneError::NotFound { message, .. } if message.starts_with("Page not found"));
    if missing {
        return ToolError::NoSuchThing(
            "This edition of Plane does not show pages to apps. Go on without, and say so if it matters.".to_owned(),
        );
    }
    ToolError::Plane(error)
}
