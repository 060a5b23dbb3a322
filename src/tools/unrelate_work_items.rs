//! Takes the relation between two work items away.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Told, ToolCx, ToolError, WriteTool, item_change, write::item_here};
use crate::domain::{
    deed::{Deed, RelationKind},
    feature::Feature,
    write::{PlannedWrite, Write},
};

pub struct UnrelateWorkItems;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Key such as MOB-12, or id. Leave out for the current work item.
    #[serde(default)]
    work_item: Option<String>,
    /// The other one: key such as MOB-12, or id.
    other: String,
}

#[async_trait]
impl WriteTool for UnrelateWorkItems {
    type Args = Args;
    const NAME: &'static str = "unrelate_work_items";
    const NEEDS: Option<Feature> = Some(Feature::RelationRemoval);

    fn told(args: &Args) -> Told {
        Told::new("Removing a relation", "Removed a relation").about("other", &args.other)
    }

    async fn plan(&self, args: Args, cx: &ToolCx<'_>) -> Result<PlannedWrite, ToolError> {
        let (item, target) = item_here(args.work_item.as_deref(), cx).await?;
        let (other, _) = item_here(Some(&args.other), cx).await?;
        let (one, two) = (item_change::called(&item), item_change::called(&other));
        let relations = cx.plane.relations(cx.workspace, target.project, target.id).await?;
        let held = relations.iter().find(|known| known.other == other.id);
        let held = held.ok_or_else(|| ToolError::NoSuchThing(format!("{one} has no relation to {two}.")))?;
        let relation = RelationKind::parse(&held.kind).ok_or_else(|| {
            ToolError::NoSuchThing(format!("{one} is {} {two}, which only a person can take away.", held.kind))
        })?;
        Ok(PlannedWrite {
            summary: format!("No longer say that {one} {} {two}", relation.verb()),
            changes: Vec::new(),
            write: Write::Deed(Deed::Unrelate { item: target, relation, other: other.id }),
        })
    }
}
