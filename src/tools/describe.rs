//! Work items and comments as compact Markdown, the same in the context and in tool results.

use std::collections::HashMap;

use super::When;
use crate::{
    domain::{
        ids::UserId,
        work_item::{Change, Comment, Person, Words, WorkItem},
    },
    plane::{
        html,
        plain::{calling_nobody, without_hidden},
    },
};

/// Longest value shown of a change.
const CHANGED_VALUE_CHARS: usize = 80;

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

    /// `@maya`, also where Plane gave only the id of someone known.
    #[must_use]
    pub fn handle(&self, person: &Person) -> String {
        match self.0.get(&person.id) {
            Some(name) => format!("@{name}"),
            None => person.handle(),
        }
    }
}

/// The fields of a work item that are set, one a line. `parent` is the parent as people call it, where
/// more is known of it than the work item tells.
#[must_use]
pub fn fields(item: &WorkItem, parent: Option<String>, names: &Names, when: &When) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            lines.push(format!("- {name}: {}", one_line(&value)));
        }
    };
    let project = [item.project.name.clone(), item.project.identifier.as_ref().map(|id| format!("({id})"))];
    line("Project", Some(project.into_iter().flatten().collect::<Vec<_>>().join(" ")));
    line("State", item.state.as_ref().map(|state| state_name(state.name.as_deref(), state.group.as_deref())));
    line("Priority", Some(item.priority.as_str().to_owned()));
    let labels = item.labels.iter().filter_map(|label| label.name.clone());
    line("Labels", Some(none_if_empty(labels.collect::<Vec<_>>().join(", "))));
    let assignees = item.assignees.iter().map(|person| names.handle(person));
    line("Assignees", Some(none_if_empty(assignees.collect::<Vec<_>>().join(", "))));
    line("Parent", parent.or_else(|| parent_key(item)));
    line("Start date", item.start_date.map(|date| when.day(date)));
    line("Due date", item.target_date.map(|date| when.day(date)));
    line(
        "Created",
        item.created_at.map(|at| match &item.created_by {
            Some(person) => format!("{} by {}", when.moment(at), names.handle(person)),
            None => when.moment(at),
        }),
    );
    line("Updated", item.updated_at.map(|at| when.moment(at)));
    line("Completed", item.completed_at.map(|at| when.moment(at)));
    lines
}

/// How the parent is called: by its key, if it is in the same project; a parent elsewhere has a key nobody told us.
#[must_use]
pub fn parent_key(item: &WorkItem) -> Option<String> {
    let parent = item.parent.as_ref()?;
    match (&item.project.identifier, parent.sequence) {
        (Some(identifier), Some(sequence)) if parent.project.is_none_or(|project| project == item.project.id) => {
            Some(format!("{identifier}-{sequence}"))
        }
        (_, _) => Some("a work item of another project".to_owned()),
    }
}

/// `In Progress (started)`
#[must_use]
pub fn state_name(name: Option<&str>, group: Option<&str>) -> String {
    match (name, group) {
        (Some(name), Some(group)) => format!("{name} ({group})"),
        (Some(name), None) => name.to_owned(),
        (None, _) => "unknown".to_owned(),
    }
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

/// One comment with its author and time. What somebody else made of it is not passed off as its author's.
#[must_use]
pub fn comment(comment: &Comment, names: &Names, when: &When, limit_chars: usize) -> String {
    let author = comment.author.as_ref().map_or_else(|| "someone".to_owned(), |person| names.handle(person));
    let at = comment.created_at.map(|at| format!(", {}", when.moment(at))).unwrap_or_default();
    let edited = match comment.words {
        Words::Changed => ", changed by somebody else",
        Words::Authors | Words::Lent if comment.edited => ", edited",
        Words::Authors | Words::Lent => "",
    };
    let text = html::to_markdown(&comment.html, &|id| names.get(id), limit_chars);
    let text = if text.trim().is_empty() { "(empty)" } else { text.trim() };
    format!("**{author}**{at}{edited}:\n{text}")
}

/// One line of the change log.
#[must_use]
pub fn change(change: &Change, names: &Names, when: &When) -> String {
    let at = change.at.map(|at| when.moment(at)).unwrap_or_default();
    let actor = change.actor.as_ref().map_or_else(|| "someone".to_owned(), |person| names.handle(person));
    let short = |text: &Option<String>| shortened(text.as_deref().unwrap_or_default(), CHANGED_VALUE_CHARS);
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
pub fn row(item: &WorkItem, when: &When) -> String {
    let key = item.key().unwrap_or_else(|| "(a work item)".to_owned());
    let mut notes = Vec::new();
    notes.extend(item.state.as_ref().and_then(|state| state.name.clone()));
    notes.push(format!("priority {}", item.priority.as_str()));
    notes.extend(item.assignees.iter().map(Person::handle));
    notes.extend(item.labels.iter().filter_map(|label| label.name.as_ref().map(|name| format!("label {name}"))));
    notes.extend(item.target_date.map(|date| format!("due {}", when.day(date))));
    format!("- {key}: {} ({})", one_line(&item.name), notes.join(", "))
}

/// The words of a text, one space between two of them.
#[must_use]
pub fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What something is to be called: in one line, with nothing in it that people cannot see and nothing that
/// calls everybody.
#[must_use]
pub fn name(text: &str) -> String {
    words(&calling_nobody(&without_hidden(text)))
}

/// Text without line breaks, so that a name cannot look like a further line.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.split(['\n', '\r']).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// At most so many characters, in one line.
#[must_use]
pub fn shortened(text: &str, limit_chars: usize) -> String {
    match text.char_indices().nth(limit_chars) {
        Some((at, _)) => format!("{}…", one_line(&text[..at])),
        None => one_line(text),
    }
}
