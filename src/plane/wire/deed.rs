//! The bodies of changes other than to a work item's own fields.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{fields::id_of, write::SOURCE};
use crate::domain::{
    deed::RelationKind,
    ids::{StepKey, WorkItemId},
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

/// The id of a record that an answer shows.
pub(in crate::plane) fn made(answer: &Value) -> Option<Uuid> {
    id_of(answer)
}
