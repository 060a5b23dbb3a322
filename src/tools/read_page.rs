//! Reads one page of the project.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Effect, Told, ToolCx, ToolError, ToolOutput, TypedTool, describe, resolve, target};
use crate::{
    domain::{feature::Feature, ids::PageId},
    plane::html,
};

const TEXT_LIMIT_CHARS: usize = 14_000;

pub struct ReadPage;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Title of the page, as find_pages tells it, or its id.
    page: String,
}

#[async_trait]
impl TypedTool for ReadPage {
    type Args = Args;
    const NAME: &'static str = "read_page";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Option<Feature> = Some(Feature::Pages);

    fn told(args: &Args) -> Told {
        Told::new("Reading a page", "Read a page").about("page", &args.page)
    }

    async fn call(&self, args: Args, cx: &ToolCx<'_>) -> Result<ToolOutput, ToolError> {
        let project = target::current_project(cx)?;
        let wanted = args.page.trim();
        let id = match wanted.parse::<PageId>() {
            Ok(id) => id,
            Err(_) => {
                let pages = cx.plane.pages(cx.workspace, project).await?;
                resolve::page(wanted, &pages)?.id
            }
        };
        let page = cx.plane.page(cx.workspace, project, id).await?;
        let members = cx.facts.members(cx.workspace, project).await.unwrap_or_default();
        let name_of = |id| members.iter().find(|person| person.id == id).map(|person| person.display_name.clone());
        let text = html::to_markdown(&page.html, &name_of, TEXT_LIMIT_CHARS);
        let text = if text.trim().is_empty() { "(the page is empty)" } else { text.trim() };
        let title = describe::one_line(&page.name);
        Ok(ToolOutput { text: format!("# {title}\n\n{text}"), summary: describe::shortened(&title, 80) })
    }
}
