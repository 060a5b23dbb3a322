//! Reads the comments of a work item, newest page first.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Effect, Told, ToolCx, ToolError, ToolOutput, TypedTool,
    describe::{self, Names},
    target,
};
use crate::plane::html;

const PER_PAGE: u32 = 30;
const COMMENT_LIMIT_CHARS: usize = 4_000;

pub struct ReadComments;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Key such as MOB-12, or id. Leave out for the current work item.
    #[serde(default)]
    work_item: Option<String>,
    /// Page number, from 1, which holds the newest comments; the first if left out.
    #[serde(default)]
    page: Option<u32>,
}

#[async_trait]
impl TypedTool for ReadComments {
    type Args = Args;
    const NAME: &'static str = "read_comments";
    const EFFECT: Effect = Effect::Read;

    fn told(args: &Args) -> Told {
        let told = Told::new("Reading comments", "Read comments");
        match (args.work_item.as_deref().unwrap_or(""), args.page) {
            (item, Some(page)) if page > 1 => told.about("page", format!("{page} {item}")),
            (item, _) => told.about("work item", item),
        }
    }

    async fn call(&self, args: Args, cx: &ToolCx<'_>) -> Result<ToolOutput, ToolError> {
        let (project, id) = target::located(args.work_item.as_deref(), cx).await?;
        let page = args.page.unwrap_or(1).max(1);
        let list = cx.plane.comments(cx.workspace, project, id, page - 1, PER_PAGE).await?;
        if list.items.is_empty() {
            let text = format!("There are no comments on page {page}; the work item has {}.", list.total);
            return Ok(ToolOutput { text, summary: "no comments".to_owned() });
        }
        let mut names = Names::default();
        for person in list.items.iter().filter_map(|comment| comment.author.as_ref()) {
            names.add(person.id, &person.display_name);
        }
        if list.items.iter().any(|comment| !names.know_all(&html::mentioned_users(&comment.html))) {
            // A name that cannot be looked up is no reason to fail the reading.
            for person in cx.facts.members(cx.workspace, project).await.unwrap_or_default().iter() {
                names.add(person.id, &person.display_name);
            }
        }
        let comments: Vec<_> = list
            .items
            .iter()
            .rev()
            .map(|comment| describe::comment(comment, &names, cx.when, COMMENT_LIMIT_CHARS))
            .collect();
        let more = if list.more { format!("[older comments are on page {}]\n\n", page + 1) } else { String::new() };
        Ok(ToolOutput {
            text: format!(
                "{more}{} of {} comments, oldest first:\n\n{}",
                comments.len(),
                list.total,
                comments.join("\n\n")
            ),
            summary: format!("{} comments", comments.len()),
        })
    }
}
