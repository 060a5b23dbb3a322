//! The bodies of changes other than to a work item's own fields.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    fields::{Fields, id_of},
    record,
    write::SOURCE,
};
use crate::domain::{
    deed::RelationKind,
    ids::{StepKey, WorkItemId},
    intake::{IntakeItem, Verdict},
    work_item::Priority,
};

pub(in crate::plane) fn comment(html: &str) -> Value {
    json!({ "comment_html": html })
}

pub(in crate::plane) fn relation(kind: RelationKind, other: WorkItemId) -> Value {
    json!({ "relation_type": kind.as_str(), "issues": [other.to_string()] })
}

pub(in crate::plane) fn no_relation(other: WorkItemId) -> Value {
    json!({ "related_issue": other.to_string() })
}

pub(in crate::plane) fn link(url: &str, title: &str) -> Value {
    let mut body = json!({ "url": url });
    if !title.is_empty() {
        body["title"] = title.into();
    }
    body
}

pub(in crate::plane) fn label(name: &str, color: &str, key: StepKey) -> Value {
    json!({ "name": name, "color": color, "external_source": SOURCE, "external_id": key.to_string() })
}

pub(in crate::plane) fn page(name: &str, html: &str, key: StepKey) -> Value {
    json!({
        "name": name, "description_html": html, "access": 0, "external_source": SOURCE,
        "external_id": key.to_string(),
    })
}

pub(in crate::plane) fn members(item: WorkItemId) -> Value {
    json!({ "issues": [item.to_string()] })
}

pub(in crate::plane) fn verdict(verdict: Verdict) -> Value {
    let mut body = json!({ "status": verdict.number() });
    match verdict {
        Verdict::Snoozed(till) => body["snoozed_till"] = till.map(|till| till.to_string()).into(),
        Verdict::Duplicate(of) => body["duplicate_to"] = of.map(|of| of.to_string()).into(),
        Verdict::Pending | Verdict::Accepted | Verdict::Declined => {}
    }
    body
}

/// Reads a record of the intake. Its own id says nothing; the work item's is what paths name.
pub(in crate::plane) fn intake_item(value: &Value) -> Option<IntakeItem> {
    let fields = Fields::of(value)?;
    let detail = fields.object("issue_detail");
    let text = |name| detail.map(|detail| detail.text_or_empty(name)).unwrap_or_default();
    let status = fields.value("status")?.as_i64()?;
    Some(IntakeItem {
        item: fields.id("issue").or_else(|| detail?.id("id"))?,
        sequence: detail.and_then(|detail| detail.count("sequence_id")).unwrap_or_default(),
        name: text("name"),
        description_html: text("description_html"),
        priority: Priority::from(text("priority").as_str()),
        verdict: Verdict::read(status, fields.time("snoozed_till"), fields.id("duplicate_to"))?,
        created_by: fields.value("created_by").and_then(record::person),
        created_at: fields.time("created_at"),
    })
}

/// The id of a record that an answer shows.
pub(in crate::plane) fn made(answer: &Value) -> Option<Uuid> {
    id_of(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_carries_what_belongs_to_it_and_nothing_else() {
        let till = "2026-12-24T00:00:00Z".parse().unwrap();
        let of = WorkItemId(Uuid::nil());
        assert_eq!(verdict(Verdict::Accepted), json!({"status": 1}));
        assert_eq!(verdict(Verdict::Snoozed(Some(till))), json!({"status": 0, "snoozed_till": "2026-12-24T00:00:00Z"}));
        assert_eq!(verdict(Verdict::Duplicate(Some(of))), json!({"status": 2, "duplicate_to": of.to_string()}));
    }
}
