//! The bodies of creates and changes. Only fields named here are ever sent: Plane takes dangerous ones
//! (`sequence_id`, `created_by`, `archived_at`) from anyone and ignores misspelt ones.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{fields::Fields, hands};
use crate::{
    domain::{
        ids::{RunId, StepKey, UserId},
        write::{ItemFields, Slot},
    },
    plane::html::same_text,
};

/// Who made it, in `external_source`; the step's key is in `external_id`.
pub(in crate::plane) const SOURCE: &str = "aileron";
/// Between the step's key and what a comment stands for in a conversation.
pub(super) const MARK: char = '#';
/// Before the id of a record of somebody else's that has our key.
pub(super) const INSTEAD_OF: char = '~';

pub(in crate::plane) fn comment(html: &str, key: StepKey) -> Value {
    json!({ "comment_html": html, "external_source": SOURCE, "external_id": key.to_string() })
}

pub(in crate::plane) fn new_work_item(fields: &ItemFields, key: StepKey) -> Value {
    let mut body = item_fields(fields);
    body.insert("external_source".to_owned(), SOURCE.into());
    body.insert("external_id".to_owned(), key.to_string().into());
    Value::Object(body)
}

pub(in crate::plane) fn item_change(fields: &ItemFields) -> Value {
    Value::Object(item_fields(fields))
}

fn item_fields(fields: &ItemFields) -> Map<String, Value> {
    // Destructured, so that a new field cannot be forgotten here.
    let ItemFields {
        name,
        description_html,
        priority,
        state,
        labels,
        assignees,
        parent,
        start_date,
        target_date,
        estimate,
    } = fields;
    let mut body = Map::new();
    let mut set = |field: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(field.to_owned(), value);
        }
    };
    set("name", name.clone().map(Value::from));
    set("description_html", description_html.clone().map(Value::from));
    set("priority", priority.clone().map(Value::from));
    set("state", state.map(|state| state.to_string().into()));
    set("labels", labels.as_deref().map(ids));
    set("assignees", assignees.as_deref().map(ids));
    set("parent", parent.map(slot));
    set("start_date", start_date.map(slot));
    set("target_date", target_date.map(slot));
    set("estimate_point", estimate.map(slot));
    body
}

fn ids<T: ToString>(ids: &[T]) -> Value {
    ids.iter().map(|id| Value::from(id.to_string())).collect()
}

fn slot<T: ToString>(slot: Slot<T>) -> Value {
    match slot {
        Slot::Empty => Value::Null,
        Slot::Is(value) => value.to_string().into(),
    }
}

/// The key of the step in which a tool made a record, by what is written under it. Anyone may write that
/// under theirs. `None` for our words in a conversation, too.
pub(in crate::plane) fn step(fields: Fields<'_>) -> Option<&str> {
    let id = fields.text("external_id").filter(|_| fields.text("external_source") == Some(SOURCE))?;
    if id.contains(MARK) { None } else { id.split(INSTEAD_OF).next() }
}

/// The run a step's key belongs to.
pub(in crate::plane) fn run_of(step: &str) -> Option<RunId> {
    step.split('/').next()?.parse().ok()
}

/// The key for a record of ours where somebody else's has the plain one.
pub(in crate::plane) fn key_beside(key: StepKey, other: Uuid) -> String {
    format!("{key}{INSTEAD_OF}{other}")
}

/// Whether a record has the key of a step, be it beside another.
pub(in crate::plane) fn is_of(body: &Value, key: StepKey) -> bool {
    Fields::of(body).and_then(step).is_some_and(|step| step == key.to_string())
}

/// Whether a comment is the one a tool was to add: it says that, and nobody but `bot` is named with it.
pub(in crate::plane) fn is_planned_comment(body: &Value, html: &str, bot: Option<UserId>) -> bool {
    Fields::of(body)
        .is_some_and(|fields| hands::is_ours(fields, bot) && same_text(html, &fields.text_or_empty("comment_html")))
}

/// Whether a work item is the one a tool was to create. Others may have changed it since, as is their right;
/// then it is known by its description.
pub(in crate::plane) fn is_planned_work_item(body: &Value, planned: &ItemFields, bot: Option<UserId>) -> bool {
    let Some(fields) = Fields::of(body) else { return false };
    let is_named = planned.name.as_deref().map(str::trim) == Some(fields.text_or_empty("name").trim());
    let description = planned.description_html.as_deref().unwrap_or_default();
    let is_described = || same_text(description, &fields.text_or_empty("description_html"));
    is_named && (hands::is_ours(fields, bot) || hands::is_made_by(fields, bot) && is_described())
}

/// Whether a page or a label has this name and, where it has one, this text.
pub(in crate::plane) fn is_called(body: &Value, name: &str, html: Option<&str>) -> bool {
    let Some(fields) = Fields::of(body) else { return false };
    let says = |html| same_text(html, &fields.text_or_empty("description_html"));
    fields.text_or_empty("name").trim() == name.trim() && html.is_none_or(says)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_alone_is_not_sent_and_what_is_emptied_is_null() {
        let fields = ItemFields {
            name: Some("n".to_owned()),
            labels: Some(Vec::new()),
            parent: Some(Slot::Empty),
            target_date: Some(Slot::Is(jiff::civil::date(2026, 1, 31))),
            ..ItemFields::default()
        };
        assert_eq!(
            item_change(&fields),
            json!({"name": "n", "labels": [], "parent": null, "target_date": "2026-01-31"})
        );
    }

    const RUN: &str = "66666666-6666-4666-8666-666666666666";

    fn key() -> StepKey {
        StepKey { run: RUN.parse().unwrap(), turn: 1, step: 2, part: 0 }
    }

    fn user(number: u128) -> UserId {
        UserId(Uuid::from_u128(number))
    }

    #[test]
    fn a_key_is_known_again_under_its_own_source_and_beside_another() {
        let of = |source: &str, id: &str| is_of(&json!({"external_source": source, "external_id": id}), key());
        assert!(of("aileron", &key().to_string()) && of("aileron", &key_beside(key(), Uuid::from_u128(7))));
        assert!(!of("jira", &key().to_string()) && !of("aileron", &format!("{}#answer", key())));
        assert!(!of("aileron", &format!("{RUN}/1/2/1")));
    }

    #[test]
    fn what_somebody_else_has_a_hand_in_is_not_what_a_tool_added() {
        let (bot, bob, html) = (user(1), user(2), "<p>Hi <strong>you</strong></p>");
        let comment = |html: &str, by: [Option<UserId>; 3]| json!({"comment_html": html, "actor": by[0], "created_by": by[1], "updated_by": by[2]});
        let own = [Some(bot), Some(bot), None];
        for (record, expected) in [
            (comment(html, own), true),
            (comment("<p>Hi <b>you</b></p>", [Some(bot), Some(bot), Some(bot)]), true),
            (comment("<p>Approved.</p>", own), false),
            (comment(html, [Some(bot), Some(bob), None]), false),
            (comment(html, [Some(bot), Some(bot), Some(bob)]), false),
            (comment(html, [Some(bob), Some(bob), None]), false),
        ] {
            assert_eq!(is_planned_comment(&record, html, Some(bot)), expected, "{record}");
        }
        // Where it is not known who we are, one hand is all that can be asked for.
        assert!(is_planned_comment(&comment(html, [Some(bob), Some(bob), None]), html, None));
        assert!(!is_planned_comment(&comment(html, [Some(bot), Some(bob), None]), html, None));
    }

    #[test]
    fn a_work_item_stays_ours_when_people_work_on_it() {
        let (bot, bob) = (user(1), user(2));
        let planned = ItemFields {
            name: Some("Test it".to_owned()),
            description_html: Some("<p>On a phone</p>".to_owned()),
            ..ItemFields::default()
        };
        let item = |name: &str, html: &str, created_by: UserId, updated_by: Option<UserId>| json!({"name": name, "description_html": html, "created_by": created_by, "updated_by": updated_by});
        for (record, expected) in [
            (item("Test it", "<p>On a phone</p>", bot, None), true),
            (item("Test it", "<p>On a <em>phone</em></p>", bot, Some(bot)), true),
            (item("Test it", "<div><p>On a phone</p></div>", bot, Some(bob)), true),
            (item("Test it", "<p>Never</p>", bot, Some(bob)), false),
            (item("Test it", "<p>On a phone</p>", bob, None), false),
            (item("Leave it", "<p>On a phone</p>", bot, None), false),
        ] {
            assert_eq!(is_planned_work_item(&record, &planned, Some(bot)), expected, "{record}");
        }
    }

    #[test]
    fn a_page_is_called_by_its_name_and_holds_its_text() {
        let page = json!({"name": "Notes", "description_html": "<div><p>One</p></div>"});
        assert!(is_called(&page, " Notes", Some("<p>One</p>")) && is_called(&page, "Notes", None));
        assert!(!is_called(&page, "Notes", Some("<p>Two</p>")) && !is_called(&page, "Note", None));
    }
}
