//! Adds a comment to a work item.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Told, ToolCx, ToolError, WriteTool, item_change, write::item_here};
use crate::{
    domain::{
        ids::ProjectId,
        write::{PlannedWrite, Write},
    },
    plane::markdown,
};

/// Longest comment, in characters.
const COMMENT_LIMIT_CHARS: usize = 20_000;

pub struct AddComment;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Key such as MOB-12, or id. Leave out for the current work item.
    #[serde(default)]
    work_item: Option<String>,
    /// What to say, in Markdown.
    text: String,
}

#[async_trait]
impl WriteTool for AddComment {
    type Args = Args;
    const NAME: &'static str = "add_comment";

    fn told(args: &Args) -> Told {
        Told::new("Commenting", "Commented").about("work item", args.work_item.as_deref().unwrap_or(""))
    }

    async fn plan(&self, args: Args, cx: &ToolCx<'_>) -> Result<PlannedWrite, ToolError> {
        let text = checked(Self::NAME, &args.text)?;
        let (item, target) = item_here(args.work_item.as_deref(), cx).await?;
        let html = html_of(text, target.project, cx).await;
        Ok(PlannedWrite {
            summary: format!("Comment on {}", item_change::called(&item)),
            changes: Vec::new(),
            write: Write::AddComment { item: target, html },
        })
    }
}

/// The text of a comment, if it can be one.
pub(super) fn checked<'a>(tool: &'static str, text: &'a str) -> Result<&'a str, ToolError> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > COMMENT_LIMIT_CHARS {
        let message = format!("text must have between 1 and {COMMENT_LIMIT_CHARS} characters");
        return Err(ToolError::BadArguments { tool, message });
    }
    Ok(text)
}

/// A comment as Plane takes it, people mentioned by their handles.
pub(super) async fn html_of(text: &str, project: ProjectId, cx: &ToolCx<'_>) -> String {
    let members = item_change::people(cx, project).await;
    markdown::to_html(text, &|name| {
        members.iter().find(|person| person.display_name.eq_ignore_ascii_case(name)).map(|person| person.id)
    })
}
