//! The webhook about comments, which Plane sends to workspaces without agent runs too.

use serde_json::Value;

use crate::plane::{
    thread::Heard,
    wire::{fields::Fields, spoken},
};

const COMMENT_EVENT: &str = "issue_comment";
/// The one field whose change is worth a look. Plane tells of each changed field in a delivery of its own.
const TEXT_FIELD: &str = "comment_html";

/// What a webhook says about comments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overheard {
    Comment(Box<Heard>),
    Ignored { why: &'static str },
    Unreadable { reason: String },
}

/// Reads a verified webhook. `event_header` is `X-Plane-Event`.
#[must_use]
pub fn overhear(event_header: Option<&str>, body: &[u8]) -> Overheard {
    let value: Value = match serde_json::from_slice(body) {
        Ok(value) => value,
        // The text of the error tells line and column, never content.
        Err(error) => return Overheard::Unreadable { reason: format!("the body is not JSON: {error}") },
    };
    let Some(outer) = Fields::of(&value) else {
        return Overheard::Unreadable { reason: "the body is not a JSON object".to_owned() };
    };
    if event_header.or_else(|| outer.text("event")) != Some(COMMENT_EVENT) {
        return Overheard::Ignored { why: "not about a comment" };
    }
    let activity = outer.object("activity");
    // Older servers say create and update.
    let edited_from = match outer.text("action").unwrap_or_default() {
        "created" | "create" => None,
        "updated" | "update" => match activity.filter(|change| change.text("field") == Some(TEXT_FIELD)) {
            Some(change) => Some(change.text_or_empty("old_value")),
            None => return Overheard::Ignored { why: "a change of something else than its text" },
        },
        _ => return Overheard::Ignored { why: "a comment is gone" },
    };
    let Some(data) = outer.value("data") else {
        return Overheard::Ignored { why: "a comment that is gone already" };
    };
    match heard(outer, data, activity, edited_from) {
        Ok(heard) => Overheard::Comment(Box::new(heard)),
        Err(missing) => Overheard::Unreadable { reason: format!("{COMMENT_EVENT} without {missing}") },
    }
}

fn heard(
    outer: Fields<'_>,
    data: &Value,
    activity: Option<Fields<'_>>,
    edited_from: Option<String>,
) -> Result<Heard, &'static str> {
    let fields = Fields::of(data).ok_or("data")?;
    let by = activity.and_then(|change| change.id("actor"));
    let comment = spoken::spoken_by(data, by).ok_or("the comment's id")?;
    Ok(Heard {
        workspace: outer.id("workspace_id").or_else(|| fields.id("workspace")).ok_or("the workspace")?,
        project: fields.id("project").ok_or("the project")?,
        work_item: fields.id("issue").ok_or("the work item")?,
        comment,
        edited_from,
    })
}
