//! Deletes a comment that the agent wrote.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Effect, Told, ToolCx, ToolError, WriteTool, describe, item_change, own_comment, write::item_here};
use crate::domain::{
    deed::Deed,
    write::{FieldChange, PlannedWrite, Write},
};

/// Most of a text shown.
const SHOWN_CHARS: usize = 120;

pub struct DeleteComment;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Key such as MOB-12, or id. Leave out for the current work item.
    #[serde(default)]
    work_item: Option<String>,
    /// Words from the comment that none of your other comments there has, or its id.
    comment: String,
}

#[async_trait]
impl WriteTool for DeleteComment {
    type Args = Args;
    const NAME: &'static str = "delete_comment";
    const EFFECT: Effect = Effect::Destroy;

    fn told(args: &Args) -> Told {
        Told::new("Deleting a comment", "Deleted a comment").about("work item", args.work_item.as_deref().unwrap_or(""))
    }

    async fn plan(&self, args: Args, cx: &ToolCx<'_>) -> Result<PlannedWrite, ToolError> {
        let (item, target) = item_here(args.work_item.as_deref(), cx).await?;
        let comment = own_comment::find(&args.comment, target, cx).await?;
        let change = FieldChange {
            field: "comment".to_owned(),
            before: describe::shortened(&describe::one_line(&own_comment::words_of(&comment)), SHOWN_CHARS),
            after: "deleted".to_owned(),
        };
        Ok(PlannedWrite {
            summary: format!("Delete a comment on {}", item_change::called(&item)),
            changes: vec![change],
            write: Write::Deed(Deed::DeleteComment {
                item: target,
                comment: comment.id,
                html: comment.html,
                own: comment.added_by == Some(cx.run.id),
            }),
        })
    }
}
