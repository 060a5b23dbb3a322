//! Changes the text of a comment that the agent wrote.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Told, ToolCx, ToolError, WriteTool, add_comment, describe, item_change, own_comment, write::item_here};
use crate::{
    domain::{
        deed::Deed,
        write::{FieldChange, PlannedWrite, Write},
    },
    plane::html::same_text,
};

/// Most of a text shown before and after.
const SHOWN_CHARS: usize = 120;

pub struct EditComment;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Key such as MOB-12, or id. Leave out for the current work item.
    #[serde(default)]
    work_item: Option<String>,
    /// Words from the comment that none of your other comments there has, or its id.
    comment: String,
    /// The whole new text, in Markdown.
    text: String,
}

#[async_trait]
impl WriteTool for EditComment {
    type Args = Args;
    const NAME: &'static str = "edit_comment";

    fn told(args: &Args) -> Told {
        Told::new("Changing a comment", "Changed a comment").about("work item", args.work_item.as_deref().unwrap_or(""))
    }

    async fn plan(&self, args: Args, cx: &ToolCx<'_>) -> Result<PlannedWrite, ToolError> {
        let text = add_comment::checked(Self::NAME, &args.text)?;
        let (item, target) = item_here(args.work_item.as_deref(), cx).await?;
        let comment = own_comment::find(&args.comment, target, cx).await?;
        let after = add_comment::html_of(text, target.project, cx).await;
        if same_text(&comment.html, &after) {
            return Err(ToolError::NoSuchThing("The comment says that already; nothing is to be changed.".to_owned()));
        }
        let change = FieldChange {
            field: "comment".to_owned(),
            before: describe::shortened(&describe::one_line(&own_comment::words_of(&comment)), SHOWN_CHARS),
            after: describe::shortened(&describe::one_line(text), SHOWN_CHARS),
        };
        Ok(PlannedWrite {
            summary: format!("Change a comment on {}", item_change::called(&item)),
            changes: vec![change],
            write: Write::Deed(Deed::EditComment {
                item: target,
                comment: comment.id,
                before: comment.html,
                after,
                own: comment.added_by == Some(cx.run.id),
            }),
        })
    }
}
