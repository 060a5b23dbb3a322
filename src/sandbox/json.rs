//! The stand-in's records as Plane's API prints them, key for key.

use serde_json::{Value, json};

use super::world::{Attachment, Change, Comment, Item, Label, Link, Page, Project, State, Workspace, time};

pub(super) fn project(workspace: &Workspace, project: &Project) -> Value {
    let mut value = json!({
        "id": project.id, "total_members": workspace.people.len() - 1, "total_cycles": 0, "total_modules": 0,
        "is_member": true, "sort_order": 65535.0, "member_role": 15, "is_deployed": false, "cover_image_url": null,
        "created_at": time(project.created_at), "updated_at": time(project.created_at), "deleted_at": null,
        "name": project.name, "description": project.description, "description_text": null,
        "description_html": null, "network": 2, "identifier": project.identifier, "emoji": null, "icon_prop": null,
        "module_view": true, "cycle_view": true, "issue_views_view": false, "page_view": true, "intake_view": false,
    });
    let rest = json!({
        "is_time_tracking_enabled": false, "is_issue_type_enabled": false, "guest_view_all_features": false,
        "cover_image": null, "archive_in": 0, "close_in": 0, "logo_props": {}, "archived_at": null, "timezone": project.timezone,
        "external_source": null, "external_id": null, "created_by": project.created_by, "updated_by": null,
        "workspace": workspace.id, "default_assignee": null, "project_lead": project.created_by,
        "cover_image_asset": null, "estimate": null, "default_state": null,
    });
    merge(&mut value, rest);
    value
}

pub(super) fn page(workspace: &Workspace, project: &Project, page: &Page) -> Value {
    json!({
        "id": page.id, "name": page.name, "description_html": page.html, "owned_by": project.created_by, "access": 0,
        "is_locked": false, "archived_at": null, "workspace": workspace.id, "created_at": time(project.created_at),
        "updated_at": time(project.created_at), "logo_props": {}, "parent_id": null,
    })
}

pub(super) fn state(workspace: &Workspace, project: &Project, state: &State) -> Value {
    json!({
        "id": state.id, "created_at": time(project.created_at), "updated_at": time(project.created_at),
        "deleted_at": null, "name": state.name, "description": "", "color": state.color, "slug": "",
        "sequence": state.sequence, "group": state.group, "is_triage": false, "default": state.group == "backlog",
        "external_source": null, "external_id": null, "created_by": project.created_by, "updated_by": null,
        "project": project.id, "workspace": workspace.id,
    })
}

pub(super) fn label(workspace: &Workspace, project: &Project, label: &Label) -> Value {
    json!({
        "id": label.id, "created_at": time(project.created_at), "updated_at": time(project.created_at),
        "deleted_at": null, "name": label.name, "description": "", "color": label.color, "sort_order": 65535.0,
        "external_source": label.external.source, "external_id": label.external.id,
        "created_by": project.created_by, "updated_by": null, "workspace": workspace.id, "project": project.id,
        "parent": null,
    })
}

pub(super) fn item(workspace: &Workspace, project: &Project, item: &Item) -> Value {
    json!({
        "id": item.id, "type_id": null, "created_at": time(item.created_at), "updated_at": time(item.updated_at),
        "deleted_at": null, "point": null, "name": item.name, "description_html": item.description_html,
        "description_binary": null, "priority": item.priority, "start_date": item.start_date,
        "target_date": item.target_date, "sequence_id": item.sequence, "sort_order": 65535.0,
        "completed_at": item.completed_at.map(time), "archived_at": null, "is_draft": false,
        "external_source": item.external.source, "external_id": item.external.id, "created_by": item.created_by,
        "updated_by": item.updated_by, "project": project.id, "workspace": workspace.id, "parent": item.parent,
        "state": item.state, "estimate_point": item.estimate, "type": null, "assignees": item.assignees, "labels": item.labels,
    })
}

/// A search hit knows little more than its name.
pub(super) fn search_hit(workspace: &Workspace, project: &Project, item: &Item) -> Value {
    json!({
        "name": item.name, "id": item.id, "sequence_id": item.sequence, "project__identifier": project.identifier,
        "project_id": project.id, "workspace__slug": workspace.slug,
    })
}

/// A comment as lists and single reads print it; the answer to a create leaves out `is_member`.
pub(super) fn comment(workspace: &Workspace, project: &Project, item: &Item, comment: &Comment) -> Value {
    json!({
        "id": comment.id, "is_member": true, "created_at": time(comment.created_at),
        "updated_at": time(comment.updated_at), "deleted_at": null, "comment_html": comment.html, "attachments": [],
        "access": comment.access, "external_source": comment.external.source, "external_id": comment.external.id,
        "edited_at": null, "created_by": comment.actor, "updated_by": comment.updated_by, "project": project.id,
        "workspace": workspace.id, "description": comment.id, "issue": item.id, "actor": comment.actor,
        "parent": comment.parent,
    })
}

pub(super) fn change(workspace: &Workspace, project: &Project, item: &Item, change: &Change) -> Value {
    json!({
        "id": change.id, "created_at": time(change.at), "updated_at": time(change.at), "deleted_at": null,
        "verb": change.verb, "field": change.field, "old_value": change.old, "new_value": change.new,
        "comment": change.sentence, "attachments": [], "old_identifier": null, "new_identifier": null,
        "epoch": change.at.as_second(), "project": project.id, "workspace": workspace.id, "issue": item.id,
        "issue_comment": null, "actor": change.actor,
    })
}

pub(super) fn link(workspace: &Workspace, project: &Project, item: &Item, link: &Link) -> Value {
    json!({
        "id": link.id, "created_at": time(link.created_at), "updated_at": time(link.created_at), "deleted_at": null,
        "title": link.title, "url": link.url, "metadata": {}, "created_by": link.created_by, "updated_by": null,
        "project": project.id, "workspace": workspace.id, "issue": item.id,
    })
}

pub(super) fn attachment(workspace: &Workspace, project: &Project, item: &Item, file: &Attachment) -> Value {
    json!({
        "id": file.id, "created_at": time(file.created_at), "updated_at": time(file.created_at), "deleted_at": null,
        "attributes": {"name": file.name, "size": file.content.len(), "type": file.media_type},
        "asset": format!("{}/{}-{}", workspace.id, file.id.simple(), file.name), "entity_type": "ISSUE_ATTACHMENT",
        "entity_identifier": null, "is_deleted": false, "is_archived": false, "external_id": null,
        "external_source": null, "size": file.content.len(), "is_uploaded": true, "storage_metadata": {},
        "created_by": file.created_by, "updated_by": null, "user": null, "workspace": workspace.id,
        "draft_issue": null, "project": project.id, "issue": item.id, "comment": null, "page": null,
    })
}

/// All eight relation types, each with the items at its other end.
pub(super) fn relations(project: &Project, item: &Item) -> Value {
    let kinds = [
        "blocking",
        "blocked_by",
        "duplicate",
        "relates_to",
        "start_after",
        "start_before",
        "finish_after",
        "finish_before",
    ];
    let of_kind = |kind: &str| -> Vec<Value> {
        let same = item.relations.iter().filter(|(relation, _)| relation == kind);
        same.map(|(_, other)| json!({"project_id": project.id, "issue_id": other})).collect()
    };
    kinds
        .into_iter()
        .map(|kind| (kind.to_owned(), Value::from(of_kind(kind))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Moves every key of `more` into `value`.
pub(super) fn merge(value: &mut Value, more: Value) {
    if let (Value::Object(value), Value::Object(more)) = (value, more) {
        value.extend(more);
    }
}
