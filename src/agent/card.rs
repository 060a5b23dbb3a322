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
/// Longest values shown on one card, all together.
const VALUES_CHARS: usize = 12_000;
/// Longest summary and longest reason shown.
const WORDS_CHARS: usize = 150;
/// Longest texts shown on one card, in characters, all together; an activity has its limit.
const TEXTS_CHARS: usize = 12_000;

/// How much of each text and value there is room for, in characters.
#[derive(Clone, Copy)]
struct Limits {
    text: usize,
    value: usize,
}

/// The values of `prompts/approval.md`.
pub(super) fn values(approval: &Approval) -> Value {
    let fields = approval.changes.iter().map(|change| change.planned.changes.len()).sum::<usize>();
    let limits = Limits {
        text: TEXTS_CHARS / approval.changes.len().max(1),
        value: (VALUES_CHARS / (2 * fields.max(1))).min(VALUE_CHARS),
    };
    let changes: Vec<_> = approval.changes.iter().enumerate().map(|(at, change)| shown(at, change, limits)).collect();
    json!({ "changes": changes, "options": approval.options(), "refused_someone": approval.refused_someone })
}

/// The changes in a line each, for where a template fails.
pub(super) fn plain(approval: &Approval) -> String {
    let lines = approval.changes.iter().enumerate().map(|(at, change)| {
        let fields: Vec<_> =
            change.planned.changes.iter().map(|field| one_line(&field.to_string(), VALUE_CHARS)).collect();
        format!("{}. {}: {}", letter(at), one_line(&change.planned.summary, WORDS_CHARS), fields.join("; "))
    });
    format!("May I do this? Reply \"approve\" or \"reject\".\n\n{}", lines.collect::<Vec<_>>().join("\n"))
}

fn shown(at: usize, change: &Proposed, limits: Limits) -> Value {
    let fields: Vec<_> = change.planned.changes.iter().map(|field| shown_field(field, limits.value)).collect();
    json!({
        "letter": letter(at),
        "summary": one_line(&change.planned.summary, WORDS_CHARS),
        "reason": reason(&change.call).map(|reason| one_line(&reason, WORDS_CHARS)),
        "fields": fields,
        "text": text(&change.planned, limits.text).lines().collect::<Vec<_>>(),
    })
}

fn shown_field(change: &FieldChange, limit: usize) -> Value {
    let value = |text: &str| {
        let text = one_line(text, limit);
        if text.is_empty() { "(none)".to_owned() } else { text }
    };
    json!({ "name": change.field, "before": value(&change.before), "after": value(&change.after) })
}

/// What people wrote has lines of its own; here it must not look like another change.
fn one_line(text: &str, limit: usize) -> String {
    shortened(&text.split_whitespace().collect::<Vec<_>>().join(" "), limit)
}

/// The whole text that would be written, where there is one; what does not fit is told to be missing.
pub(super) fn text(planned: &PlannedWrite, limit: usize) -> String {
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
