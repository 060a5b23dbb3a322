//! Work items and comments as compact Markdown, the same in the context and in tool results.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::{
    domain::{
        ids::UserId,
        work_item::{Change, Comment, WorkItem},
    },
    plane::html,
};

/// Names of people, to turn mentions into `@name`.
#[derive(Debug, Clone, Default)]
pub struct Names(HashMap<UserId, String>);

impl Names {
    pub fn add(&mut self, id: UserId, display_name: &str) {
        if !display_name.is_empty() {
            self.0.insert(id, display_name.to_owned());
        }
    }

    #[must_use]
    pub fn get(&self, id: UserId) -> Option<String> {
        self.0.get(&id).cloned()
    }

    /// Whether every one of these is known.
    #[must_use]
    pub fn know_all(&self, ids: &[UserId]) -> bool {
        ids.iter().all(|id| self.0.contains_key(id))
    }
}

/// `2026-11-22 15:02 UTC`.
#[must_use]
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The fields of a work item that are set, one a line.
#[must_use]
pub fn fields(item: &WorkItem) -> String {
    let mut lines = Vec::new();
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            lines.push(format!("- {name}: {value}"));
        }
    };
    let project = [item.project.name.clone(), item.project.identifier.as_ref().map(|id| format!("({id})"))];
    line("Project", Some(project.into_iter().flatten().collect::<Vec<_>>().join(" ")));
    line(
        "State",
        item.state.as_ref().map(|state| match (&state.name, &state.group) {
            (Some(name), Some(group)) => format!("{name} ({group})"),
            (Some(name), None) => name.clone(),
            (None, _) => state.id.to_string(),
        }),
    );
    line("Priority", Some(item.priority.as_str().to_owned()));
    let labels = item.labels.iter().map(|label| label.name.clone().unwrap_or_else(|| label.id.to_string()));
    line("Labels", Some(none_if_empty(labels.collect::<Vec<_>>().join(", "))));
    let assignees = item.assignees.iter().map(crate::domain::work_item::Person::handle);
    line("Assignees", Some(none_if_empty(assignees.collect::<Vec<_>>().join(", "))));
    line(
        "Parent",
        item.parent.as_ref().map(|parent| match (&item.project.identifier, parent.sequence) {
            (Some(identifier), Some(sequence)) if parent.project.is_none_or(|project| project == item.project.id) => {
                format!("{identifier}-{sequence}")
            }
            (_, _) => parent.id.to_string(),
        }),
    );
    line("Start date", item.start_date.map(|date| date.to_string()));
    line("Due date", item.target_date.map(|date| date.to_string()));
    line(
        "Created",
        item.created_at.map(|at| match &item.created_by {
            Some(person) => format!("{} by {}", moment(at), person.handle()),
            None => moment(at),
        }),
    );
    line("Updated", item.updated_at.map(moment));
    line("Completed", item.completed_at.map(moment));
    lines.join("\n")
}

fn none_if_empty(text: String) -> String {
    if text.is_empty() { "none".to_owned() } else { text }
}

/// The description, at most `limit_chars` long.
#[must_use]
pub fn description(item: &WorkItem, names: &Names, limit_chars: usize) -> String {
    let text = html::to_markdown(&item.description_html, &|id| names.get(id), limit_chars);
    if text.trim().is_empty() { "(no description)".to_owned() } else { text }
}

/// One comment with its author and time.
#[must_use]
pub fn comment(comment: &Comment, names: &Names, limit_chars: usize) -> String {
    let author = comment.author.as_ref().map_or_else(|| "someone".to_owned(), crate::domain::work_item::Person::handle);
    let at = comment.created_at.map(|at| format!(", {}", moment(at))).unwrap_or_default();
    let edited = if comment.edited { ", edited" } else { "" };
    let text = html::to_markdown(&comment.html, &|id| names.get(id), limit_chars);
    let text = if text.trim().is_empty() { "(empty)" } else { text.trim() };
    format!("**{author}**{at}{edited}:\n{text}")
}

/// One line of the change log.
#[must_use]
pub fn change(change: &Change) -> String {
    let at = change.at.map(moment).unwrap_or_default();
    let actor = change.actor.as_ref().map_or_else(|| "someone".to_owned(), crate::domain::work_item::Person::handle);
    let short = |text: &Option<String>| -> String {
        let text = text.as_deref().unwrap_or_default();
        let cut: String = text.chars().take(80).collect();
        let dots = if cut.len() < text.len() { "…" } else { "" };
        format!("{}{dots}", cut.replace('\n', " "))
    };
    let what = match &change.field {
        None => format!("{} it", change.verb),
        // The log holds whole HTML texts here, which the model has no use for.
        Some(field) if field.contains("description") => format!("changed the {field}"),
        Some(field) => match (short(&change.old).as_str(), short(&change.new).as_str()) {
            ("", "") => format!("{} {field}", change.verb),
            ("", new) => format!("set {field} to {new}"),
            (old, "") => format!("removed {field} {old}"),
            (old, new) => format!("changed {field} from {old} to {new}"),
        },
    };
    format!("- {at} {actor} {what}")
}

/// One line of a list of work items.
#[must_use]
pub fn row(item: &WorkItem) -> String {
    let key = item.key().unwrap_or_else(|| item.id.to_string());
    let mut notes = Vec::new();
    notes.extend(item.state.as_ref().and_then(|state| state.name.clone()));
    notes.push(format!("priority {}", item.priority.as_str()));
    notes.extend(item.assignees.iter().map(crate::domain::work_item::Person::handle));
    notes.extend(item.labels.iter().filter_map(|label| label.name.as_ref().map(|name| format!("label {name}"))));
    notes.extend(item.target_date.map(|date| format!("due {date}")));
    format!("- {key}: {} ({})", item.name.replace('\n', " "), notes.join(", "))
}
