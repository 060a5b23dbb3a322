//! Says how a work item stands to another one.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Told, ToolCx, ToolError, WriteTool, item_change, write::item_here};
use crate::domain::{
    deed::{Deed, RelationKind},
    write::{PlannedWrite, Write},
};

pub struct RelateWorkItems;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Key such as MOB-12, or id. Leave out for the current work item.
    #[serde(default)]
    work_item: Option<String>,
    /// What it is to the other: blocking, blocked_by, duplicate, relates_to, start_before, start_after,
    /// finish_before or finish_after.
    relation: String,
    /// The other one: key such as MOB-12, or id.
    other: String,
}

#[async_trait]
impl WriteTool for RelateWorkItems {
    type Args = Args;
    const NAME: &'static str = "relate_work_items";

    fn told(args: &Args) -> Told {
        Told::new("Relating work items", "Related work items").about("other", &args.other)
    }

    async fn plan(&self, args: Args, cx: &ToolCx<'_>) -> Result<PlannedWrite, ToolError> {
        let relation = RelationKind::parse(&args.relation).ok_or_else(|| {
            let known = RelationKind::ALL.map(RelationKind::as_str).join(", ");
            let shown: String = args.relation.chars().take(40).collect();
            ToolError::NoSuchThing(format!("There is no relation {shown:?}. There are: {known}."))
        })?;
        let (item, target) = item_here(args.work_item.as_deref(), cx).await?;
        let (other, _) = item_here(Some(&args.other), cx).await?;
        let (one, two) = (item_change::called(&item), item_change::called(&other));
        if item.id == other.id || item.project.id != other.project.id {
            return Err(ToolError::NoSuchThing(
                "A relation is between two different work items of one project.".to_owned(),
            ));
        }
        let relations = cx.plane.relations(cx.workspace, target.project, target.id).await?;
        if let Some(held) = relations.iter().find(|known| known.other == other.id) {
            let verb = RelationKind::parse(&held.kind).map_or_else(|| held.kind.clone(), |kind| kind.verb().to_owned());
            let told = if held.kind == relation.as_str() {
                format!("{one} {verb} {two} already; nothing is to be changed.")
            } else {
                format!(
                    "{one} {verb} {two}, and Plane keeps one relation between two work items. Remove that one first, if \
                     the person wants it replaced."
                )
            };
            return Err(ToolError::NoSuchThing(told));
        }
        Ok(PlannedWrite {
            summary: format!("Say that {one} {} {two}", relation.verb()),
            changes: Vec::new(),
            write: Write::Deed(Deed::Relate { item: target, relation, other: other.id }),
        })
    }
}
