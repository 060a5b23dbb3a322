//! Puts a finished work item into the archive.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Told, ToolCx, ToolError, WriteTool, item_change, write::item_here};
use crate::domain::{
    deed::Deed,
    feature::Feature,
    write::{PlannedWrite, Write},
};

pub struct ArchiveWorkItem;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Key such as MOB-12, or id. Leave out for the current work item.
    #[serde(default)]
    work_item: Option<String>,
}

#[async_trait]
impl WriteTool for ArchiveWorkItem {
    type Args = Args;
    const NAME: &'static str = "archive_work_item";
    const NEEDS: Option<Feature> = Some(Feature::Archive);

    fn told(args: &Args) -> Told {
        Told::new("Archiving a work item", "Archived a work item")
            .about("work item", args.work_item.as_deref().unwrap_or(""))
    }

    async fn plan(&self, args: Args, cx: &ToolCx<'_>) -> Result<PlannedWrite, ToolError> {
        let (item, target) = item_here(args.work_item.as_deref(), cx).await?;
        let called = item_change::called(&item);
        let state = item.state.as_ref();
        let group = state.and_then(|state| state.group.as_deref());
        if group.is_some_and(|group| !matches!(group, "completed" | "cancelled")) {
            let name = state.and_then(|state| state.name.as_deref()).unwrap_or("open");
            return Err(ToolError::NoSuchThing(format!(
                "{called} is in the state {name}; Plane archives only what is completed or cancelled."
            )));
        }
        Ok(PlannedWrite {
            summary: format!("Archive {called}"),
            changes: Vec::new(),
            write: Write::Deed(Deed::ArchiveWorkItem { item: target }),
        })
    }
}
