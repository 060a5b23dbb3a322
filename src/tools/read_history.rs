//! Reads what was changed on a work item, and tells which of it still holds.

use std::collections::HashSet;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Effect, Told, ToolCx, ToolError, ToolOutput, TypedTool,
    describe::{self, Names},
    target,
};
use crate::domain::work_item::{Change, WorkItem};

const DEFAULT_LIMIT: u32 = 30;
const MAX_LIMIT: u32 = 100;

pub struct ReadHistory;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Key such as MOB-12, or id. Leave out for the current work item.
    #[serde(default)]
    work_item: Option<String>,
    /// Only changes of this field, such as state, priority, labels, assignees or target_date.
    #[serde(default)]
    field: Option<String>,
    /// How many of the newest entries of the log to look at, 1 to 100; 30 if left out.
    #[serde(default)]
    limit: Option<u32>,
}

#[async_trait]
impl TypedTool for ReadHistory {
    type Args = Args;
    const NAME: &'static str = "read_history";
    const EFFECT: Effect = Effect::Read;

    fn told(args: &Args) -> Told {
        let told = Told::new("Reading the history", "Read the history");
        match (args.work_item.as_deref().unwrap_or(""), args.field.as_deref().unwrap_or("")) {
            ("", field) => told.about("field", field),
            (item, _) => told.about("work item", item),
        }
    }

    async fn call(&self, args: Args, cx: &ToolCx<'_>) -> Result<ToolOutput, ToolError> {
        let item = target::work_item(args.work_item.as_deref(), cx).await?;
        let limit = args.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
        let log = cx.plane.history(cx.workspace, item.project.id, item.id, limit).await?;
        let mut names = Names::default();
        for person in log.items.iter().filter_map(|change| change.actor.as_ref()) {
            names.add(person.id, &person.display_name);
        }
        let wanted = args.field.as_deref().map(|field| field.trim().to_lowercase()).filter(|field| !field.is_empty());
        let fits = |change: &Change| wanted.as_ref().is_none_or(|wanted| is_field(change, wanted));
        let mut seen = HashSet::new();
        // The newest come first, and only the newest of a kind can be told from what is there now.
        let mut lines: Vec<String> = log
            .items
            .iter()
            .map(|change| (change, seen.insert(subject(change)).then(|| doubt(change, &item)).flatten()))
            .filter(|(change, _)| fits(change))
            .map(|(change, doubt)| {
                format!("{}{}", describe::change(change, &names, cx.when), doubt.unwrap_or_default())
            })
            .collect();
        lines.reverse();
        let key = item.key().unwrap_or_else(|| "the work item".to_owned());
        let looked_at = log.items.len();
        let among = if log.more {
            format!("the newest {looked_at} of {} entries in the log of {key}", log.total)
        } else {
            format!("all {looked_at} entries in the log of {key}")
        };
        if lines.is_empty() {
            let text = format!("Nothing of this among {among}.");
            return Ok(ToolOutput { text, summary: "no changes".to_owned() });
        }
        let text = format!(
            "{} changes, oldest first, from {among}. The log tells what was asked for; Plane also writes down changes it did \
             not make, so it is no proof. What counts is the work item as it is now.\n\n{}\n\n## Now\n\n{}",
            lines.len(),
            lines.join("\n"),
            describe::fields(&item, None, &names, cx.when).join("\n"),
        );
        Ok(ToolOutput { text, summary: format!("{} changes", lines.len()) })
    }
}

/// Plane calls some fields by several names.
fn is_field(change: &Change, wanted: &str) -> bool {
    let same = |name: &str| match name {
        "due_date" | "due date" => "target_date".to_owned(),
        "title" => "name".to_owned(),
        other => other.trim_end_matches('s').to_owned(),
    };
    change.field.as_deref().is_some_and(|field| same(&field.to_lowercase()) == same(wanted))
}

/// What an entry is about: a field, and where it holds several values, which of them.
fn subject(change: &Change) -> (Option<String>, Option<String>) {
    let several = matches!(change.field.as_deref(), Some("labels" | "assignees"));
    let value = change.new.clone().or_else(|| change.old.clone());
    (change.field.clone(), value.filter(|_| several))
}

/// A note where the newest entry of its kind is not what the work item has now.
fn doubt(change: &Change, item: &WorkItem) -> Option<String> {
    let (old, new) = (change.old.as_deref(), change.new.as_deref());
    let is = |now: Option<&str>| {
        let differs = now.unwrap_or_default() != new.unwrap_or_default();
        differs.then(|| match now {
            Some(now) => format!("it is {} now", describe::shortened(now, 60)),
            None => "it has none now".to_owned(),
        })
    };
    let has = |held: Vec<&str>| match (new, old) {
        (Some(added), _) if !held.contains(&added) => Some("the work item does not have it now".to_owned()),
        (None, Some(removed)) if held.contains(&removed) => Some("the work item still has it".to_owned()),
        (_, _) => None,
    };
    let date = |date: Option<jiff::civil::Date>| date.map(|date| date.to_string());
    let found = match change.field.as_deref()? {
        "state" => is(Some(item.state.as_ref()?.name.as_deref()?)),
        "priority" => is(Some(item.priority.as_str())),
        "name" => is(Some(&item.name)),
        "target_date" => is(date(item.target_date).as_deref()),
        "start_date" => is(date(item.start_date).as_deref()),
        "labels" => has(item.labels.iter().map(|label| label.name.as_deref()).collect::<Option<_>>()?),
        "assignees" => has(item.assignees.iter().map(|person| person.display_name.as_str()).collect()),
        _ => None,
    };
    found.map(|now| format!(" [not proven: {now}]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        ids::{LabelId, ProjectId, StateId, WorkItemId},
        work_item::{LabelRef, Priority, ProjectRef, StateRef},
    };

    fn item() -> WorkItem {
        let id = uuid::Uuid::nil();
        WorkItem {
            id: WorkItemId(id),
            project: ProjectRef { id: ProjectId(id), identifier: None, name: None },
            sequence: 2,
            name: "Add dark mode (v2)".to_owned(),
            description_html: String::new(),
            priority: Priority::Urgent,
            state: Some(StateRef { id: StateId(id), name: Some("Backlog".to_owned()), group: None }),
            labels: vec![LabelRef { id: LabelId(id), name: Some("feature".to_owned()) }],
            assignees: Vec::new(),
            created_by: None,
            parent: None,
            start_date: None,
            target_date: Some(jiff::civil::date(2026, 11, 30)),
            estimate: None,
            created_at: None,
            updated_at: None,
            completed_at: None,
        }
    }

    fn change(field: &str, old: &str, new: &str) -> Change {
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Change {
            at: None,
            actor: None,
            verb: "updated".to_owned(),
            field: filled(field),
            old: filled(old),
            new: filled(new),
        }
    }

    /// As a real server recorded them: it had ignored the state and the labels.
    #[test]
    fn changes_that_never_happened_are_doubted() {
        for (entry, told) in [
            (change("state", "Backlog", "Done"), Some("it is Backlog now")),
            (change("labels", "", "bug"), Some("does not have it now")),
            (change("labels", "feature", ""), Some("still has it")),
            (change("target_date", "2026-11-30", ""), Some("it is 2026-11-30 now")),
            (change("start_date", "", "2026-11-01"), Some("it has none now")),
            (change("priority", "high", "urgent"), None),
            (change("labels", "", "feature"), None),
            (change("name", "Add dark mode", "Add dark mode (v2)"), None),
            (change("description", "a", "b"), None),
            (change("", "", ""), None),
        ] {
            let found = doubt(&entry, &item());
            assert_eq!(found.is_some(), told.is_some(), "{entry:?}: {found:?}");
            assert!(told.is_none_or(|told| found.as_ref().is_some_and(|found| found.contains(told))), "{found:?}");
        }
    }

    #[test]
    fn fields_go_by_the_names_people_use() {
        let due = change("target_date", "", "2026-11-30");
        assert!(is_field(&due, "due_date") && is_field(&due, "target_date") && !is_field(&due, "state"));
        assert!(is_field(&change("labels", "", "bug"), "label") && is_field(&change("name", "a", "b"), "title"));
    }
}
