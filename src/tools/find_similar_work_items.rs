//! Finds likely duplicates: work items whose titles and descriptions are much alike.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Effect, Told, ToolCx, ToolError, ToolOutput, TypedTool, When, describe,
    similar::{Match, Text, most_alike},
    target,
};
use crate::{
    domain::{ids::WorkItemId, work_item::WorkItem},
    plane::{facts::RecentItems, html},
};

const DEFAULT_LIMIT: u32 = 5;
const MAX_LIMIT: u32 = 20;
/// Less alike than this is chance.
const LEAST_SCORE: f64 = 0.05;
const TEXT_LIMIT_CHARS: usize = 2_000;

pub struct FindSimilarWorkItems;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Key such as MOB-12, or id. Leave out for the current work item.
    #[serde(default)]
    work_item: Option<String>,
    /// A text to compare instead, for something that is no work item yet.
    #[serde(default)]
    text: Option<String>,
    /// Most candidates to return, 1 to 20; 5 if left out.
    #[serde(default)]
    limit: Option<u32>,
}

#[async_trait]
impl TypedTool for FindSimilarWorkItems {
    type Args = Args;
    const NAME: &'static str = "find_similar_work_items";
    const EFFECT: Effect = Effect::Read;

    fn told(args: &Args) -> Told {
        let told = Told::new("Comparing work items", "Compared work items");
        match (&args.text, &args.work_item) {
            (Some(text), _) => told.about("text", format!("'{}'", text.trim())),
            (None, Some(item)) => told.about("work item", item),
            (None, None) => told,
        }
    }

    async fn call(&self, args: Args, cx: &ToolCx<'_>) -> Result<ToolOutput, ToolError> {
        let project = target::current_project(cx)?;
        let (title, text, item) = match args.text.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
            Some(text) => (text.chars().take(TEXT_LIMIT_CHARS).collect(), String::new(), None),
            None => {
                let item = target::work_item(args.work_item.as_deref(), cx).await?;
                (item.name.clone(), plain(&item), Some(item))
            }
        };
        let recent = cx.facts.recent_items(cx.workspace, project).await?;
        let limit = args.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT) as usize;
        let itself = item.as_ref().map(|item| item.id);
        let items = Arc::clone(&recent);
        // Hundreds of descriptions take so long that a stop must not have to wait for them.
        let compared = tokio::task::spawn_blocking(move || {
            let others = without(&items, itself);
            compare(&title, &text, &others, limit)
        });
        let found = compared.await.map_err(|error| {
            tracing::error!(%error, "work items could not be compared");
            ToolError::NoSuchThing("The comparison failed; search for words of the title instead.".to_owned())
        })?;
        Ok(told(&found, item.as_ref(), &without(&recent, itself), &recent, cx.when))
    }
}

fn without(recent: &RecentItems, itself: Option<WorkItemId>) -> Vec<&WorkItem> {
    recent.items.iter().filter(|item| Some(item.id) != itself).collect()
}

/// The candidates, as places in `others`.
fn compare(title: &str, text: &str, others: &[&WorkItem], limit: usize) -> Vec<Match> {
    let bodies: Vec<_> = others.iter().map(|item| plain(item)).collect();
    let texts: Vec<_> = others.iter().zip(&bodies).map(|(item, body)| Text { title: &item.name, body }).collect();
    let mut found = most_alike(Text { title, body: text }, &texts, limit);
    found.retain(|candidate| candidate.score >= LEAST_SCORE);
    found
}

fn plain(item: &WorkItem) -> String {
    html::to_markdown(&item.description_html, &|_| None, TEXT_LIMIT_CHARS)
}

/// What else speaks for or against a candidate: common labels, and whether it is closed.
fn reasons(asked: Option<&WorkItem>, candidate: &WorkItem) -> String {
    let mut reasons = Vec::new();
    let ours = asked.map_or(&[][..], |item| item.labels.as_slice());
    let common = candidate.labels.iter().filter(|label| ours.iter().any(|known| known.id == label.id));
    let names: Vec<_> = common.filter_map(|label| label.name.as_deref()).collect();
    if !names.is_empty() {
        reasons.push(format!("both labelled {}", names.join(", ")));
    }
    match candidate.state.as_ref().and_then(|state| state.group.as_deref()) {
        Some("completed") => reasons.push("closed as completed".to_owned()),
        Some("cancelled") => reasons.push("closed as cancelled".to_owned()),
        Some(_) => reasons.push("open".to_owned()),
        None => {}
    }
    if asked.and_then(|item| item.parent.as_ref()).is_some_and(|parent| parent.id == candidate.id) {
        reasons.push("its parent".to_owned());
    }
    reasons.iter().map(|reason| format!("; {reason}")).collect()
}

fn told(
    found: &[Match],
    asked: Option<&WorkItem>,
    others: &[&WorkItem],
    recent: &RecentItems,
    when: &When,
) -> ToolOutput {
    let looked_at = recent.items.len();
    let all = if (looked_at as u64) < recent.total {
        format!("the {looked_at} work items updated last of {}", recent.total)
    } else {
        format!("all {looked_at} work items of the project")
    };
    if found.is_empty() {
        let text = format!("Nothing similar among {all}.");
        return ToolOutput { text, summary: "nothing similar".to_owned() };
    }
    let lines = found.iter().filter_map(|candidate| {
        let item = others.get(candidate.index)?;
        let shared =
            if candidate.shared.is_empty() { "parts of words".to_owned() } else { candidate.shared.join(", ") };
        let reasons = reasons(asked, item);
        Some(format!(
            "{}\n  alike {:.0} %, shares: {shared}{reasons}",
            describe::row(item, when),
            candidate.score.min(1.0) * 100.0
        ))
    });
    let text = format!(
        "Candidates among {all}, the most alike first. Alike means that the words are; read one before you call it a duplicate.\n\n{}",
        lines.collect::<Vec<_>>().join("\n")
    );
    ToolOutput { text, summary: format!("{} candidates", found.len()) }
}
