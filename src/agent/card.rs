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

/// Longest summary shown, in characters: the longest name fits.
const SUMMARY_CHARS: usize = 400;
/// Longest reason shown, in characters. It is not what is approved.
const REASON_CHARS: usize = 150;
/// Longest values shown on one card, all together.
const VALUES_CHARS: usize = 12_000;
/// Longest texts shown on one card, in characters, all together; an activity has its limit.
const TEXTS_CHARS: usize = 12_000;

/// How much of each text and value there is room for, in characters.
#[derive(Clone, Copy)]
struct Limits {
    text: usize,
    value: usize,
}

impl Limits {
    /// All is shown. What was proposed when more was let through is cut, and says so.
    fn of(approval: &Approval) -> Self {
        let sizes: Vec<_> = approval.changes.iter().map(|change| Size::of(&change.planned)).collect();
        let fields = approval.changes.iter().map(|change| change.planned.changes.len()).sum::<usize>();
        let (texts, values) =
            sizes.iter().fold((0, 0), |(texts, values), size| (texts + size.text, values + size.values));
        let share = |total, most, parts: usize| if total <= most { usize::MAX } else { most / parts.max(1) };
        Self { text: share(texts, TEXTS_CHARS, sizes.len()), value: share(values, VALUES_CHARS, 2 * fields) }
    }
}

/// How much of a card a change takes, in characters.
struct Size {
    text: usize,
    values: usize,
}

impl Size {
    fn of(planned: &PlannedWrite) -> Self {
        let chars = |text: &str| text.chars().count();
        let values = planned.changes.iter().map(|field| chars(&field.before) + chars(&field.after)).sum();
        Self { text: chars(&text(planned, usize::MAX)), values }
    }
}

/// Whether a change can be shown as a whole beside those that wait already; if not, what the model is to do
/// instead. Nobody approves what they do not see.
///
/// # Errors
/// What the model is told.
pub(super) fn has_room<'a>(
    planned: &PlannedWrite,
    waiting: impl Iterator<Item = &'a PlannedWrite>,
) -> Result<(), String> {
    let own = Size::of(planned);
    if own.text > TEXTS_CHARS || own.values > VALUES_CHARS {
        return Err(format!(
            "Not proposed: the person has to approve this and is shown at most {TEXTS_CHARS} characters of it; it has {}. \
             Make it shorter, or split it into several changes.",
            own.text.max(own.values)
        ));
    }
    let (texts, values) = waiting
        .map(Size::of)
        .fold((own.text, own.values), |(texts, values), size| (texts + size.text, values + size.values));
    if texts > TEXTS_CHARS || values > VALUES_CHARS {
        return Err(
            "Not proposed: with the changes that wait already it is more than the person can be shown at once. \
                    Call it again after the person has decided on those."
                .to_owned(),
        );
    }
    Ok(())
}

/// The values of `prompts/approval.md`.
pub(super) fn values(approval: &Approval) -> Value {
    let limits = Limits::of(approval);
    let changes: Vec<_> = approval.changes.iter().enumerate().map(|(at, change)| shown(at, change, limits)).collect();
    json!({ "changes": changes, "options": approval.options(), "refused_someone": approval.refused_someone })
}

/// The same without a template, for where it fails.
pub(super) fn plain(approval: &Approval) -> String {
    let limits = Limits::of(approval);
    let lines = approval.changes.iter().enumerate().map(|(at, change)| {
        let fields: Vec<_> =
            change.planned.changes.iter().map(|field| one_line(&field.to_string(), limits.value)).collect();
        let text: String = text(&change.planned, limits.text).lines().map(|line| format!("\n> {line}")).collect();
        format!("{}. {}: {}{text}", letter(at), one_line(&change.planned.summary, SUMMARY_CHARS), fields.join("; "))
    });
    format!("May I do this? Reply \"approve\" or \"reject\".\n\n{}", lines.collect::<Vec<_>>().join("\n\n"))
}

fn shown(at: usize, change: &Proposed, limits: Limits) -> Value {
    let fields: Vec<_> = change.planned.changes.iter().map(|field| shown_field(field, limits.value)).collect();
    json!({
        "letter": letter(at),
        "summary": one_line(&change.planned.summary, SUMMARY_CHARS),
        "reason": reason(&change.call).map(|reason| one_line(&reason, REASON_CHARS)),
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
        Write::Deed(Deed::AddLink { url, title, .. }) if title.is_empty() => url.clone(),
        // Plane shows the title in place of the address.
        Write::Deed(Deed::AddLink { url, title, .. }) => format!("Shown as: {title}\nLeads to: {url}"),
        Write::Deed(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::{
        ids::{ProjectId, WorkItemId},
        talk::ToolCall,
        write::{FieldChange, Target},
    };

    fn target() -> Target {
        Target { project: ProjectId(Uuid::nil()), id: WorkItemId(Uuid::nil()) }
    }

    fn comment(chars: usize) -> PlannedWrite {
        let html = format!("<p>{}.</p>", "x".repeat(chars - 1));
        PlannedWrite {
            write: Write::AddComment { item: target(), html },
            summary: "Comment on MOB-1".to_owned(),
            changes: Vec::new(),
        }
    }

    fn approval(changes: Vec<PlannedWrite>) -> Approval {
        let arguments = "{}".to_owned();
        let call = ToolCall { id: "c".to_owned(), name: "t".to_owned(), arguments, raw: serde_json::Map::new() };
        let changes = changes.into_iter().map(|planned| Proposed { call: call.clone(), planned }).collect();
        Approval { changes, ..Approval::default() }
    }

    #[test]
    fn what_fits_a_card_is_shown_to_its_end_and_what_does_not_is_not_proposed() {
        let none = || std::iter::empty();
        assert!(has_room(&comment(12_000), none()).is_ok());
        assert!(has_room(&comment(12_001), none()).is_err_and(|told| told.contains("split it")));
        let waiting = [comment(7_000), comment(2_000)];
        assert!(has_room(&comment(3_000), waiting.iter()).is_ok());
        assert!(has_room(&comment(3_001), waiting.iter()).is_err_and(|told| told.contains("again after")));
        // One may be long where the others are short.
        let approval = approval(vec![comment(9_000), comment(1_000), comment(2_000)]);
        let (values, plain) = (values(&approval).to_string(), plain(&approval));
        for shown in [values, plain] {
            assert_eq!(shown.matches("x.").count(), 3, "every text is shown to its end");
        }
    }

    #[test]
    fn a_long_list_is_shown_to_its_end() {
        let names: Vec<_> = (0..60).map(|number| format!("@person-{number}")).collect();
        let change = |after: String| FieldChange { field: "assignees".to_owned(), before: "none".to_owned(), after };
        let planned = |after| PlannedWrite { changes: vec![change(after)], ..comment(2) };
        let shown = values(&approval(vec![planned(names.join(", "))])).to_string();
        assert!(shown.contains("@person-59\""), "{shown}");
        assert!(has_room(&planned("x".repeat(12_001)), std::iter::empty()).is_err());
    }

    #[test]
    fn a_link_tells_what_is_shown_and_where_it_leads() {
        let link = |title: &str| {
            let (url, title) = ("https://evil.example/".to_owned(), title.to_owned());
            PlannedWrite { write: Write::Deed(Deed::AddLink { item: target(), url, title }), ..comment(2) }
        };
        assert_eq!(text(&link(""), usize::MAX), "https://evil.example/");
        assert_eq!(text(&link("Our bank"), usize::MAX), "Shown as: Our bank\nLeads to: https://evil.example/");
    }
}
