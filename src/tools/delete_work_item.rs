//! Deletes a work item for good.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Effect, Told, ToolCx, ToolError, WriteTool, describe, item_change, write::item_here};
use crate::domain::{
    deed::Deed,
    write::{FieldChange, PlannedWrite, Write},
};

/// Most of a title shown.
const SHOWN_CHARS: usize = 120;

pub struct DeleteWorkItem;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Key such as MOB-12, or id.
    work_item: String,
}

#[async_trait]
impl WriteTool for DeleteWorkItem {
    type Args = Args;
    const NAME: &'static str = "delete_work_item";
    const EFFECT: Effect = Effect::Destroy;

    fn told(args: &Args) -> Told {
        Told::new("Deleting a work item", "Deleted a work item").about("work item", &args.work_item)
    }

    async fn plan(&self, args: Args, cx: &ToolCx<'_>) -> Result<PlannedWrite, ToolError> {
        let (item, target) = item_here(Some(&args.work_item), cx).await?;
        if cx.run.work_item == Some(item.id) {
            return Err(ToolError::NotAllowed(
                "This conversation is on that work item and would go with it; a person has to delete it.".to_owned(),
            ));
        }
        let change = FieldChange {
            field: "work item".to_owned(),
            before: describe::shortened(&item.name, SHOWN_CHARS),
            after: "deleted".to_owned(),
        };
        Ok(PlannedWrite {
            summary: format!("Delete {}", item_change::called(&item)),
            changes: vec![change],
            write: Write::Deed(Deed::DeleteWorkItem { item: target }),
        })
    }
}
