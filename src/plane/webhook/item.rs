//! The webhook about work items: one that is assigned or labelled may be a request.

use serde_json::Value;

use crate::{
    domain::{
        ids::{LabelId, ProjectId, UserId, WorkItemId, WorkspaceId},
        work_item::Person,
    },
    plane::wire::{
        fields::{Fields, id_of},
        record,
    },
};

const ITEM_EVENT: &str = "issue";

/// A work item of which somebody changed who it is assigned to, or how it is labelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    pub workspace: WorkspaceId,
    pub project: ProjectId,
    pub work_item: WorkItemId,
    /// Who did it.
    pub by: UserId,
    /// Plane's own time of the change as text: it is the same in every delivery of it.
    pub at: String,
    /// Who it is assigned to now, and was not before.
    pub assigned: Vec<UserId>,
    /// The labels it has now and had not before, in lower case.
    pub labelled: Vec<String>,
}

/// Reads a verified webhook; `None` for anything else.
#[must_use]
pub fn handed(event_header: Option<&str>, body: &[u8]) -> Option<Handed> {
    // Most deliveries are of something else, and large; they need not be parsed for that.
    if event_header.is_some_and(|event| event != ITEM_EVENT) {
        return None;
    }
    let value: Value = serde_json::from_slice(body).ok()?;
    let outer = Fields::of(&value)?;
    if event_header.or_else(|| outer.text("event")) != Some(ITEM_EVENT) {
        return None;
    }
    let (data, activity) = (outer.object("data")?, outer.object("activity")?);
    let created = matches!(outer.text("action")?, "created" | "create");
    let field = activity.text("field");
    // The record is that of the moment of sending: what was asked for and is there is what happened.
    let is_new = |name: &str, id: &str| {
        let lists = |key: &str| activity.list(key).iter().any(|value| value.as_str() == Some(id));
        created || (field == Some(name) && lists("new_value") && !lists("old_value"))
    };
    let assignees = data.list("assignees").iter().filter_map(record::person);
    let assigned = assignees.map(|Person { id, .. }| id).filter(|id| is_new("assignees", &id.to_string()));
    let labels = data
        .list("labels")
        .iter()
        .filter(|label| id_of::<LabelId>(label).is_some_and(|id| is_new("labels", &id.to_string())));
    let labelled = labels.filter_map(|label| Some(Fields::of(label)?.text("name")?.trim().to_lowercase()));
    let (assigned, labelled): (Vec<_>, Vec<_>) = (assigned.collect(), labelled.collect());
    if assigned.is_empty() && labelled.is_empty() {
        return None;
    }
    Some(Handed {
        workspace: outer.id("workspace_id").or_else(|| data.id("workspace"))?,
        project: data.id("project")?,
        work_item: data.id("id")?,
        by: activity.id("actor")?,
        at: data.text_or_empty("updated_at"),
        assigned,
        labelled,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ITEM: &str = "2cfd474d-47a1-4a06-bf94-ee2460c8002d";
    const BOT: &str = "aeac6941-40c2-53c5-8405-7214345ca435";

    fn body(action: &str, field: Value, lists: (Value, Value), assignees: Value) -> Vec<u8> {
        json!({
            "event": "issue", "action": action, "workspace_id": ITEM,
            "data": {"id": ITEM, "project": ITEM, "updated_at": "t", "assignees": assignees,
                     "labels": [{"id": ITEM, "name": "Agent"}]},
            "activity": {"field": field, "old_value": lists.0, "new_value": lists.1, "actor": {"id": ITEM}},
        })
        .to_string()
        .into_bytes()
    }

    #[test]
    fn only_what_is_new_and_really_there_counts() {
        let bot: UserId = BOT.parse().unwrap();
        let there = json!([{"id": BOT, "display_name": "aileron"}]);
        let assigned = |body: Vec<u8>| handed(None, &body).map(|handed| handed.assigned).unwrap_or_default();
        let to_bot = |old: Value, now: Value| body("updated", "assignees".into(), (old, json!([BOT])), now);
        assert_eq!(assigned(to_bot(json!([]), there.clone())), [bot]);
        assert!(assigned(to_bot(json!([BOT]), there.clone())).is_empty(), "it was so before");
        assert!(assigned(to_bot(json!([]), json!([]))).is_empty(), "Plane dropped it, or it is gone again");
        let renamed = body("updated", "name".into(), ("a".into(), "b".into()), there.clone());
        assert_eq!(handed(None, &renamed), None);
        let created = handed(None, &body("created", Value::Null, (Value::Null, Value::Null), there)).unwrap();
        assert_eq!((created.assigned, created.labelled), (vec![bot], vec!["agent".to_owned()]));
        let labelled = body("updated", "labels".into(), (json!([]), json!([ITEM])), json!([]));
        assert_eq!(handed(None, &labelled).unwrap().labelled, ["agent"]);
        assert_eq!(handed(Some("issue_comment"), &labelled), None);
        assert_eq!(handed(None, b"[]"), None);
    }
}
