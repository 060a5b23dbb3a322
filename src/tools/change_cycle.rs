//! Puts a work item into a cycle, or takes it out of the one it is in.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Told, ToolCx, ToolError, WriteTool, item_change, resolve, write::item_here};
use crate::domain::{
    deed::{Deed, Grouping},
    plans::Cycle,
    write::{FieldChange, PlannedWrite, Target, Write},
};

/// Cycles in which the work item is looked for; each takes a request.
const LOOKED_IN: usize = 8;

pub struct ChangeCycle;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Key such as MOB-12, or id. Leave out for the current work item.
    #[serde(default)]
    work_item: Option<String>,
    /// Name of the cycle, current for the one that is under way, or none to take it out of its cycle.
    cycle: String,
}

#[async_trait]
impl WriteTool for ChangeCycle {
    type Args = Args;
    const NAME: &'static str = "change_cycle";

    fn told(args: &Args) -> Told {
        Told::new("Changing the cycle", "Changed the cycle").about("cycle", &args.cycle)
    }

    async fn plan(&self, args: Args, cx: &ToolCx<'_>) -> Result<PlannedWrite, ToolError> {
        let (item, target) = item_here(args.work_item.as_deref(), cx).await?;
        let called = item_change::called(&item);
        let cycles = cx.facts.cycles(cx.workspace, target.project).await?;
        let today = cx.when.today();
        let wanted = match resolve::cycle(&args.cycle, &cycles, today) {
            Ok(cycle) => Some(cycle),
            Err(_) if resolve::is_nothing(&args.cycle) => None,
            Err(error) => return Err(error),
        };
        if let Some(over) = wanted.filter(|cycle| cycle.end_date.is_some_and(|end| end < today)) {
            let message = format!("{} is over, and Plane puts nothing more into a cycle that is.", over.name);
            return Err(ToolError::NoSuchThing(message));
        }
        // What is not over comes first: there it is likelier to be.
        let mut order: Vec<&Cycle> = cycles.iter().collect();
        order.sort_by_key(|cycle| {
            (
                wanted != Some(*cycle),
                std::cmp::Reverse(cycle.end_date.is_none_or(|end| end >= today)),
                std::cmp::Reverse(cycle.end_date),
            )
        });
        let held = holding(&order, target, cx).await?;
        let change = |after: &str| FieldChange {
            field: "cycle".to_owned(),
            before: held.map_or("none", |cycle| &cycle.name).to_owned(),
            after: after.to_owned(),
        };
        let planned = |summary, after: &str, deed| PlannedWrite {
            summary,
            changes: vec![change(after)],
            write: Write::Deed(deed),
        };
        match (wanted, held) {
            (Some(wanted), Some(held)) if wanted.id == held.id => {
                Err(ToolError::NoSuchThing(format!("{called} is in {} already; nothing is to be changed.", held.name)))
            }
            (Some(wanted), held) => {
                let (grouping, from) = (Grouping::Cycle(wanted.id), held.map(|cycle| cycle.id));
                let summary = format!("Put {called} into {}", wanted.name);
                Ok(planned(summary, &wanted.name, Deed::PutInto { item: target, grouping, from }))
            }
            (None, Some(held)) => {
                let summary = format!("Take {called} out of {}", held.name);
                Ok(planned(summary, "none", Deed::TakeOut { item: target, grouping: Grouping::Cycle(held.id) }))
            }
            (None, None) => Err(ToolError::NoSuchThing(format!("{called} was found in no cycle."))),
        }
    }
}

/// The cycle that holds it, among the first of these.
async fn holding<'a>(cycles: &[&'a Cycle], item: Target, cx: &ToolCx<'_>) -> Result<Option<&'a Cycle>, ToolError> {
    for cycle in cycles.iter().take(LOOKED_IN) {
        let is_empty = cycle.progress.is_some_and(|progress| progress.total == 0);
        if is_empty {
            continue;
        }
        let held = cx.plane.grouped(cx.workspace, item.project, Grouping::Cycle(cycle.id)).await?;
        if held.contains(&item.id) {
            return Ok(Some(cycle));
        }
    }
    Ok(None)
}
