//! Reads one work item whole.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Effect, Told, ToolCx, ToolError, ToolOutput, TypedTool,
    describe::{self, Names},
    target,
};
use crate::{
    domain::work_item::{ItemTitle, Link, Relation, WorkItem},
    plane::{PlaneError, html},
};

const DESCRIPTION_LIMIT_CHARS: usize = 12_000;
const LINE_LIMIT_CHARS: usize = 300;

pub struct ReadWorkItem;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Key such as MOB-12, or id. Leave out for the current work item.
    #[serde(default)]
    work_item: Option<String>,
    /// true to be told as well what hangs on it: relations, links, files.
    #[serde(default)]
    with_relations: bool,
}

#[async_trait]
impl TypedTool for ReadWorkItem {
    type Args = Args;
    const NAME: &'static str = "read_work_item";
    const EFFECT: Effect = Effect::Read;

    fn told(args: &Args) -> Told {
        Told::new("Reading a work item", "Read a work item").about("work item", args.work_item.as_deref().unwrap_or(""))
    }

    async fn call(&self, args: Args, cx: &ToolCx<'_>) -> Result<ToolOutput, ToolError> {
        let item = target::work_item(args.work_item.as_deref(), cx).await?;
        let mut names = Names::default();
        for person in item.assignees.iter().chain(&item.created_by) {
            names.add(person.id, &person.display_name);
        }
        let mentioned = html::mentioned_users(&item.description_html);
        if !names.know_all(&mentioned) {
            // A name that cannot be looked up is no reason to fail the reading.
            for person in cx.facts.members(cx.workspace, item.project.id).await.unwrap_or_default().iter() {
                names.add(person.id, &person.display_name);
            }
        }
        let hung = if args.with_relations { hung(&item, cx).await } else { String::new() };
        let key = item.key().unwrap_or_else(|| "A work item".to_owned());
        let text = format!(
            "# {key}: {}\n\n{}\n\n## Description\n\n{}{hung}",
            item.name,
            describe::fields(&item, None, &names, cx.when).join("\n"),
            describe::description(&item, &names, DESCRIPTION_LIMIT_CHARS)
        );
        Ok(ToolOutput { text, summary: format!("{key}: {}", describe::shortened(&item.name, 80)) })
    }
}

/// Relations, links and files, each under its heading. What cannot be read is said so.
async fn hung(item: &WorkItem, cx: &ToolCx<'_>) -> String {
    let (workspace, project) = (cx.workspace, item.project.id);
    let (relations, titles, links, files) = tokio::join!(
        cx.plane.relations(workspace, project, item.id),
        cx.facts.titles(workspace, project),
        cx.plane.links(workspace, project, item.id),
        cx.plane.attachments(workspace, project, item.id),
    );
    let titles = titles.map(|titles| titles.items.clone()).unwrap_or_default();
    let relations = relations.map(|all| all.iter().map(|one| relation(one, item, &titles)).collect());
    let links = links.map(|page| page.items.iter().map(link).collect());
    let files = files.map(|all| all.iter().map(|file| describe::shortened(&file.name, LINE_LIMIT_CHARS)).collect());
    let mut text = String::new();
    for (heading, lines) in [("Relations", relations), ("Links", links), ("Files", files)] {
        let lines: Result<Vec<String>, PlaneError> = lines;
        let told = match lines {
            Ok(lines) if lines.is_empty() => "(none)".to_owned(),
            Ok(lines) => lines.iter().map(|line| format!("- {line}")).collect::<Vec<_>>().join("\n"),
            Err(_) => "(Plane did not tell them)".to_owned(),
        };
        text.push_str(&format!("\n\n## {heading}\n\n{told}"));
    }
    text
}

/// `blocked by MOB-1: Redesign the checkout screen`
fn relation(relation: &Relation, item: &WorkItem, titles: &[ItemTitle]) -> String {
    let kind = relation.kind.replace('_', " ");
    let elsewhere = relation.project.is_some_and(|project| project != item.project.id);
    match (titles.iter().find(|title| title.id == relation.other), &item.project.identifier) {
        (Some(title), Some(identifier)) => {
            format!("{kind} {identifier}-{}: {}", title.sequence, describe::shortened(&title.name, LINE_LIMIT_CHARS))
        }
        (_, _) if elsewhere => format!("{kind} a work item of another project"),
        (_, _) => format!("{kind} an older work item, id {}", relation.other),
    }
}

fn link(link: &Link) -> String {
    let url = describe::shortened(&link.url, LINE_LIMIT_CHARS);
    let title = describe::shortened(&link.title, LINE_LIMIT_CHARS);
    if title.is_empty() { url } else { format!("{title}: {url}") }
}
