//! Lists the work items of the current project, a page at a time: all of them, or those that fit.
//!
//! Servers ignore the filters of a list without a word, so what is filtered is read whole and looked
//! through here, and what was not looked at is told.

mod filter;

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use self::filter::Filter;
use super::{Effect, Told, ToolCx, ToolError, ToolOutput, TypedTool, When, describe, target};
use crate::{
    domain::{
        ids::ProjectId,
        work_item::{Page, WorkItem},
    },
    plane::{ItemOrder, PlaneError, facts::RecentItems},
};

const PER_PAGE: u32 = 30;
/// Pages of a hundred work items read of one cycle or module.
const MOST_SOURCE_PAGES: u32 = 5;

pub struct ListWorkItems;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Names of states, or of their groups: backlog, unstarted, started, completed, cancelled. open and closed stand for the groups before and after the end. Any of them fits.
    #[serde(default)]
    states: Vec<String>,
    /// Names of labels, or none. Any of them fits.
    #[serde(default)]
    labels: Vec<String>,
    /// Handles of members, such as @maya, or none. Any of them fits.
    #[serde(default)]
    assignees: Vec<String>,
    /// urgent, high, medium, low or none. Any of them fits.
    #[serde(default)]
    priorities: Vec<String>,
    /// Handle of the member who created it.
    #[serde(default)]
    created_by: Option<String>,
    /// Name of a cycle, or current for the one that is under way.
    #[serde(default)]
    cycle: Option<String>,
    /// Name of a module.
    #[serde(default)]
    module: Option<String>,
    /// Key of the parent, such as MOB-12, or none.
    #[serde(default)]
    parent: Option<String>,
    /// Created on this day or later, such as 2026-12-24.
    #[serde(default)]
    created_from: Option<String>,
    /// Created on this day or earlier.
    #[serde(default)]
    created_to: Option<String>,
    /// Last changed on this day or later.
    #[serde(default)]
    updated_from: Option<String>,
    /// Last changed on this day or earlier.
    #[serde(default)]
    updated_to: Option<String>,
    /// Due on this day or later.
    #[serde(default)]
    due_from: Option<String>,
    /// Due on this day or earlier, or none for what has no due date.
    #[serde(default)]
    due_to: Option<String>,
    /// Order of the list; newest if left out.
    #[serde(default)]
    order: Option<Order>,
    /// Page number, from 1; the first if left out.
    #[serde(default)]
    page: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Order {
    Newest,
    Oldest,
    RecentlyUpdated,
    LongestUntouched,
    MostUrgent,
    DueSoonest,
}

impl Order {
    fn told(self) -> &'static str {
        match self {
            Self::Newest => "newest first",
            Self::Oldest => "oldest first",
            Self::RecentlyUpdated => "recently updated first",
            Self::LongestUntouched => "longest untouched first",
            Self::MostUrgent => "most urgent first",
            Self::DueSoonest => "due soonest first",
        }
    }

    /// The order as Plane knows it.
    fn of_plane(self) -> Option<ItemOrder> {
        match self {
            Self::Newest => Some(ItemOrder::NewestFirst),
            Self::RecentlyUpdated => Some(ItemOrder::RecentlyUpdatedFirst),
            Self::MostUrgent => Some(ItemOrder::MostUrgentFirst),
            Self::Oldest | Self::LongestUntouched | Self::DueSoonest => None,
        }
    }

    fn sort(self, items: &mut [&WorkItem]) {
        // The newer comes first where nothing else tells two apart.
        items.sort_by_key(|item| std::cmp::Reverse((item.created_at, item.sequence)));
        match self {
            Self::Newest => {}
            Self::Oldest => items.reverse(),
            Self::RecentlyUpdated => items.sort_by_key(|item| std::cmp::Reverse(item.updated_at)),
            Self::LongestUntouched => items.sort_by_key(|item| item.updated_at),
            Self::MostUrgent => items.sort_by_key(|item| item.priority.rank()),
            Self::DueSoonest => items.sort_by_key(|item| (item.target_date.is_none(), item.target_date)),
        }
    }
}

#[async_trait]
impl TypedTool for ListWorkItems {
    type Args = Args;
    const NAME: &'static str = "list_work_items";
    const EFFECT: Effect = Effect::Read;

    fn told(args: &Args) -> Told {
        let filters = filter::told(args);
        let page = args.page.filter(|page| *page > 1).map(|page| format!(", page {page}")).unwrap_or_default();
        let told = Told::new("Listing work items", "Listed work items");
        match args.order {
            order if filters.is_empty() => {
                told.about("order", format!("{}{page}", order.unwrap_or(Order::Newest).told()))
            }
            _ => told.about("filter", format!("{filters}{page}")),
        }
    }

    async fn call(&self, args: Args, cx: &ToolCx<'_>) -> Result<ToolOutput, ToolError> {
        let project = target::current_project(cx)?;
        let order = args.order.unwrap_or(Order::Newest);
        let page = args.page.unwrap_or(1).max(1);
        let filters = filter::told(&args);
        if let Some(order) = order.of_plane().filter(|_| filters.is_empty()) {
            return plain_page(project, order, page, cx).await;
        }
        let filter = Filter::of(&args, project, cx).await?;
        let source = Source::of(&filter, project, cx).await?;
        let mut fitting: Vec<&WorkItem> = source.list.items.iter().filter(|item| filter.fits(item, cx.when)).collect();
        order.sort(&mut fitting);
        let missed = source.missed(&filter, cx).unwrap_or_default();
        Ok(shown(&fitting, &source, &missed, &filters, page, cx.when))
    }
}

/// A page in an order Plane keeps itself.
async fn plain_page(project: ProjectId, order: ItemOrder, page: u32, cx: &ToolCx<'_>) -> Result<ToolOutput, ToolError> {
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

/// The work items that are looked through.
struct Source {
    list: Arc<RecentItems>,
    /// Where they come from, such as `the project`.
    place: String,
    /// Whether what is left out was updated before everything in it.
    by_update: bool,
}

impl Source {
    async fn of(filter: &Filter, project: ProjectId, cx: &ToolCx<'_>) -> Result<Self, PlaneError> {
        let (plane, workspace) = (cx.plane, cx.workspace);
        let of_cycle = match &filter.cycle {
            None => None,
            Some(cycle) => Some((
                format!("the cycle {:?}", cycle.name),
                read_whole(|number| plane.cycle_items(workspace, project, cycle.id, number, 100)).await?,
            )),
        };
        let of_module = match &filter.module {
            None => None,
            Some(module) => Some((
                format!("the module {:?}", module.name),
                read_whole(|number| plane.module_items(workspace, project, module.id, number, 100)).await?,
            )),
        };
        let (place, list) = match (of_cycle, of_module) {
            (None, None) => {
                let list = cx.facts.current_items(workspace, project).await?;
                return Ok(Self { list, place: "the project".to_owned(), by_update: true });
            }
            (Some(only), None) | (None, Some(only)) => only,
            (Some((one, mut in_one)), Some((other, in_other))) => {
                in_one.items.retain(|item| in_other.items.iter().any(|known| known.id == item.id));
                // What was not read of one of them may be in the other.
                let all_read = in_one.total.max(in_other.total) <= u64::from(MOST_SOURCE_PAGES) * 100;
                if all_read {
                    in_one.total = in_one.items.len() as u64;
                }
                (format!("{one} and {other}"), in_one)
            }
        };
        Ok(Self { list: Arc::new(list), place, by_update: false })
    }

    /// A note where something that fits may have been missed.
    fn missed(&self, filter: &Filter, cx: &ToolCx<'_>) -> Option<String> {
        let (looked_at, total) = (self.list.items.len() as u64, self.list.total);
        let oldest = self.list.items.iter().filter_map(|item| item.updated_at).min();
        let nothing_beyond = self.by_update && oldest.is_some_and(|oldest| filter.begins_after(cx.when.day_of(oldest)));
        let which = if self.by_update { ", the ones updated last" } else { "" };
        (looked_at < total && !nothing_beyond).then(|| {
            let place = &self.place;
            format!("\n\n[Only {looked_at} of the {total} in {place} were looked at{which}. More may fit: say so.]")
        })
    }
}

/// Reads a list to its end, or as far as is bearable.
async fn read_whole<F>(fetch: impl Fn(u32) -> F) -> Result<RecentItems, PlaneError>
where
    F: Future<Output = Result<Page<WorkItem>, PlaneError>>,
{
    let mut list = RecentItems { items: Vec::new(), total: 0 };
    for number in 0..MOST_SOURCE_PAGES {
        let page = fetch(number).await?;
        list.total = page.total;
        for item in page.items {
            // A list that changes meanwhile may show one twice.
            if list.items.iter().all(|known| known.id != item.id) {
                list.items.push(item);
            }
        }
        if !page.more {
            break;
        }
    }
    Ok(list)
}

fn shown(fitting: &[&WorkItem], source: &Source, missed: &str, filters: &str, page: u32, when: &When) -> ToolOutput {
    let count = fitting.len();
    let fit = if filters.is_empty() { String::new() } else { format!(" that fit ({filters})") };
    let place = &source.place;
    let first = (page as usize - 1).saturating_mul(PER_PAGE as usize);
    let shown: Vec<_> = fitting.iter().skip(first).take(PER_PAGE as usize).collect();
    if shown.is_empty() {
        let empty = if count == 0 { String::new() } else { format!("Page {page} is empty: ") };
        let text = format!("{empty}{count} work items in {place}{fit}.{missed}");
        return ToolOutput { text, summary: "nothing there".to_owned() };
    }
    let after = count - first - shown.len();
    let more = if after > 0 { format!("\n\n[{after} more from page {}]", page + 1) } else { String::new() };
    let counts = if count > shown.len() { format!("By state: {}.\n\n", by_state(fitting)) } else { String::new() };
    let rows = shown.into_iter().map(|item| describe::row(item, when)).collect::<Vec<_>>().join("\n");
    ToolOutput {
        text: format!("{count} work items in {place}{fit}:\n\n{counts}{rows}{more}{missed}"),
        summary: format!("{count} found"),
    }
}

/// `In Progress 12, Todo 30`, the commonest first.
fn by_state(items: &[&WorkItem]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for item in items {
        let name = item.state.as_ref().and_then(|state| state.name.as_deref()).unwrap_or("unknown");
        match counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}
