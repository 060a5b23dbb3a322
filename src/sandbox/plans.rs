//! The cycles and modules of a project, and their JSON.

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use serde_json::{Value, json};

use super::world::{Project, Workspace, time};
use crate::domain::ids::{CycleId, ModuleId, WorkItemId};

#[derive(Clone)]
pub(super) struct Cycle {
    pub(super) id: CycleId,
    pub(super) name: String,
    /// First and last day on the project's clocks; a draft has none.
    pub(super) days: Option<(Date, Date)>,
    pub(super) items: Vec<WorkItemId>,
}

#[derive(Clone)]
pub(super) struct Module {
    pub(super) id: ModuleId,
    pub(super) name: String,
    pub(super) status: String,
    pub(super) items: Vec<WorkItemId>,
}

/// The days of a stretch that begins this many days from today and lasts a fortnight.
pub(super) fn fortnight(now: Timestamp, begins_in: i64) -> Option<(Date, Date)> {
    let start = TimeZone::UTC.to_datetime(now).date().checked_add(begins_in.days()).ok()?;
    Some((start, start.checked_add(13.days()).ok()?))
}

pub(super) fn cycle(workspace: &Workspace, project: &Project, cycle: &Cycle) -> Value {
    // From the first second of the first day to the last minute of the last one, over there.
    let moment = |day: Date, hour: i8, minute: i8, second: i8| {
        let there = day.at(hour, minute, second, 0).in_tz(&project.timezone);
        there.map_or(Value::Null, |at| json!(time(at.timestamp())))
    };
    let mut value = json!({
        "id": cycle.id, "created_at": time(project.created_at), "updated_at": time(project.created_at),
        "deleted_at": null, "name": cycle.name, "description": "",
        "start_date": cycle.days.map(|(first, _)| moment(first, 0, 0, 1)),
        "end_date": cycle.days.map(|(_, last)| moment(last, 23, 59, 0)),
        "view_props": {}, "sort_order": 65535.0, "external_source": null, "external_id": null,
        "progress_snapshot": {}, "archived_at": null, "logo_props": {}, "timezone": project.timezone, "version": 1,
        "created_by": project.created_by, "updated_by": null, "project": project.id, "workspace": workspace.id,
        "owned_by": project.created_by,
    });
    super::json::merge(&mut value, counts(project, &cycle.items));
    value
}

pub(super) fn module(workspace: &Workspace, project: &Project, module: &Module) -> Value {
    let mut value = json!({
        "id": module.id, "created_at": time(project.created_at), "updated_at": time(project.created_at),
        "deleted_at": null, "name": module.name, "description": "", "description_text": null,
        "description_html": null, "start_date": null, "target_date": null, "status": module.status, "view_props": {},
        "sort_order": 65535.0, "external_source": null, "external_id": null, "archived_at": null, "logo_props": {},
        "created_by": project.created_by, "updated_by": null, "project": project.id, "workspace": workspace.id,
        "lead": project.created_by, "members": [],
    });
    super::json::merge(&mut value, counts(project, &module.items));
    value
}

fn counts(project: &Project, items: &[WorkItemId]) -> Value {
    let group_of = |id: &WorkItemId| {
        let state = project.item(*id).and_then(|item| project.state(item.state));
        state.map(|state| state.group.as_str())
    };
    let count = |group: &str| items.iter().filter(|id| group_of(id) == Some(group)).count();
    json!({
        "total_issues": items.len(), "cancelled_issues": count("cancelled"), "completed_issues": count("completed"),
        "started_issues": count("started"), "unstarted_issues": count("unstarted"), "backlog_issues": count("backlog"),
    })
}
