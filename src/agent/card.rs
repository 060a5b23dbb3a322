//! Changes as they are put to a person: exactly what would become of what, and why.

use serde_json::{Value, json};

use super::approval::{Approval, Proposed, letter, reason};
use crate::{
    domain::{
        deed::Deed,
        write::{FieldChange, PlannedWrite, Write},
    },
    plane::html,
    tools::describe::shortened,
};

/// Longest value shown, in characters.
const VALUE_CHARS: usize = 300;
/// Longest reason shown, in characters.
const REASON_CHARS: usize = 200;
/// Longest texts shown on one card, in characters, all together; an activity has its limit.
const TEXTS_CHARS: usize = 12_000;

/// The values of `prompts/approval.md`.
pub(super) fn values(approval: &Approval) -> Value {
    let limit = TEXTS_CHARS / approval.changes.len().max(1);
    let changes: Vec<_> = approval.changes.iter().enumerate().map(|(at, change)| shown(at, change, limit)).collect();
    json!({ "changes": changes, "options": approval.options(), "refused_someone": approval.refused_someone })
}

/// The changes in a line each, for where a template fails.
pub(super) fn plain(approval: &Approval) -> String {
    let lines = approval.changes.iter().enumerate().map(|(at, change)| {
        let fields: Vec<_> = change.planned.changes.iter().map(|field| one_line(&field.to_string())).collect();
        format!("{}. {}: {}", letter(at), one_line(&change.planned.summary), fields.join("; "))
    });
    format!("May I do this? Reply \"approve\" or \"reject\".\n\n{}", lines.collect::<Vec<_>>().join("\n"))
}

fn shown(at: usize, change: &Proposed, limit: usize) -> Value {
    let reason = reason(&change.call).map(|reason| shortened(&reason, REASON_CHARS));
    let fields: Vec<_> = change.planned.changes.iter().map(field).collect();
    json!({
        "letter": letter(at),
        "summary": one_line(&change.planned.summary),
        "reason": reason,
        "fields": fields,
        "text": text(&change.planned, limit).lines().collect::<Vec<_>>(),
    })
}

fn field(change: &FieldChange) -> Value {
    json!({ "name": change.field, "before": value(&change.before), "after": value(&change.after) })
}

/// What people wrote has lines of its own; here it must not look like another change.
fn value(text: &str) -> String {
    let text = one_line(text);
    if text.is_empty() { "(none)".to_owned() } else { text }
}

fn one_line(text: &str) -> String {
    shortened(&text.split_whitespace().collect::<Vec<_>>().join(" "), VALUE_CHARS)
}

/// The whole text that would be written, where there is one; what does not fit is told to be missing.
fn text(planned: &PlannedWrite, limit: usize) -> String {
    let shown = |html: &str| html::to_markdown(html, &|_| None, limit);
    match &planned.write {
        Write::AddComment { html, .. } => shown(html),
        Write::CreateWorkItem { fields, .. } | Write::UpdateWorkItem { after: fields, .. } => {
            fields.description_html.as_deref().map(shown).unwrap_or_default()
        }
        Write::Deed(Deed::EditComment { after, .. }) => shown(after),
        Write::Deed(Deed::CreatePage { html, .. }) => shown(html),
        Write::Deed(Deed::AddLink { url, .. }) => url.clone(),
        Write::Deed(_) => String::new(),
    }
}
