//! The bodies of creates and changes. Only fields named here are ever sent: Plane takes dangerous ones
//! (`sequence_id`, `created_by`, `archived_at`) from anyone and ignores misspelt ones.

use serde_json::{Map, Value, json};

use super::fields::Fields;
use crate::domain::{
    ids::{CommentId, StepKey},
    write::{ItemFields, Slot},
};

/// Who made it, in `external_source`; the step's key is in `external_id`.
pub(in crate::plane) const SOURCE: &str = "aileron";

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

/// A comment's id and the step it was added under; `None` for a comment that is not ours.
pub(in crate::plane) fn comment_step(body: &Value) -> Option<(CommentId, Option<String>)> {
    let fields = Fields::of(body)?;
    let step = fields.text("external_id").filter(|_| fields.text("external_source") == Some(SOURCE));
    Some((fields.id("id")?, step.map(str::to_owned)))
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

    #[test]
    fn a_comment_of_another_source_is_not_ours() {
        let id = "33333333-3333-4333-8333-333333333333";
        let ours = json!({"id": id, "external_source": "aileron", "external_id": "a/1/2/0"});
        assert_eq!(comment_step(&ours).unwrap().1.as_deref(), Some("a/1/2/0"));
        let theirs = json!({"id": id, "external_source": "jira", "external_id": "a/1/2/0"});
        assert_eq!(comment_step(&theirs).unwrap().1, None);
        assert!(comment_step(&json!({"external_id": "x"})).is_none());
    }
}
