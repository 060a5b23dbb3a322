//! Lists the work items of the current project, a page at a time.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Effect, Told, ToolCx, ToolError, ToolOutput, TypedTool, describe, target};
use crate::plane::ItemOrder;

const PER_PAGE: u32 = 30;

pub struct ListWorkItems;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Order of the list; newest if left out.
    #[serde(default)]
    order: Option<Order>,
    /// Page number, from 1; the first if left out.
    #[serde(default)]
    page: Option<u32>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Order {
    Newest,
    RecentlyUpdated,
    MostUrgent,
}

#[async_trait]
impl TypedTool for ListWorkItems {
    type Args = Args;
    const NAME: &'static str = "list_work_items";
    const EFFECT: Effect = Effect::Read;

    fn told(args: &Args) -> Told {
        let order = match args.order.unwrap_or(Order::Newest) {
            Order::Newest => "newest first",
            Order::RecentlyUpdated => "recently updated first",
            Order::MostUrgent => "most urgent first",
        };
        let page = args.page.filter(|page| *page > 1).map(|page| format!(", page {page}")).unwrap_or_default();
        Told::new("Listing work items", "Listed work items").about("order", format!("{order}{page}"))
    }

    async fn call(&self, args: Args, cx: &ToolCx<'_>) -> Result<ToolOutput, ToolError> {
        let project = target::current_project(cx)?;
        let order = match args.order.unwrap_or(Order::Newest) {
            Order::Newest => ItemOrder::NewestFirst,
            Order::RecentlyUpdated => ItemOrder::RecentlyUpdatedFirst,
            Order::MostUrgent => ItemOrder::MostUrgentFirst,
        };
        let page = args.page.unwrap_or(1).max(1);
        let list = cx.plane.work_items(cx.workspace, project, order, page - 1, PER_PAGE).await?;
        if list.items.is_empty() {
            let text = format!("Page {page} is empty; the project has {} work items.", list.total);
            return Ok(ToolOutput { text, summary: "nothing there".to_owned() });
        }
        let rows: Vec<_> = list.items.iter().map(|item| describe::row(item, cx.when)).collect();
        let more = if list.more { format!("\n\n[more on page {}]", page + 1) } else { String::new() };
        Ok(ToolOutput {
            text: format!("Page {page} of the project's {} work items:\n\n{}{more}", list.total, rows.join("\n")),
            summary: format!("{} of {} work items", rows.len(), list.total),
        })
    }
}
