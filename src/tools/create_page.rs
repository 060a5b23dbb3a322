//! Writes a new page in the project.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Told, ToolCx, ToolError, WriteTool, add_comment, describe, target};
use crate::domain::{
    deed::Deed,
    feature::Feature,
    write::{PlannedWrite, Write},
};

const NAME_LIMIT_CHARS: usize = 255;
const TEXT_LIMIT_CHARS: usize = 50_000;

pub struct CreatePage;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Its title, which no other page of the project has.
    name: String,
    /// What it says, in Markdown.
    text: String,
}

#[async_trait]
impl WriteTool for CreatePage {
    type Args = Args;
    const NAME: &'static str = "create_page";
    const NEEDS: Option<Feature> = Some(Feature::Pages);

    fn told(args: &Args) -> Told {
        Told::new("Writing a page", "Wrote a page").about("page", &args.name)
    }

    async fn plan(&self, args: Args, cx: &ToolCx<'_>) -> Result<PlannedWrite, ToolError> {
        let project = target::current_project(cx)?;
        let (name, text) = (describe::name(&args.name), args.text.trim());
        for (field, length, most) in
            [("name", name.chars().count(), NAME_LIMIT_CHARS), ("text", text.chars().count(), TEXT_LIMIT_CHARS)]
        {
            if length == 0 || length > most {
                let message = format!("{field} must have between 1 and {most} characters");
                return Err(ToolError::BadArguments { tool: Self::NAME, message });
            }
        }
        let pages = cx.plane.pages(cx.workspace, project).await?;
        if pages.iter().any(|page| page.name.trim() == name) {
            let message = format!("There is a page called {name:?} already; read it, or choose another title.");
            return Err(ToolError::NoSuchThing(message));
        }
        let html = add_comment::html_of(text, project, cx).await;
        Ok(PlannedWrite {
            summary: format!("New page {name:?}"),
            changes: Vec::new(),
            write: Write::Deed(Deed::CreatePage { project, name, html }),
        })
    }
}
