//! Changes to what a project has beside its work items: what is in its cycles and modules, its intake, its
//! pages.

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    api::{Answer, missing, stray},
    json,
    listing::Refusal,
    route::InProject,
    serve::Call,
    world::{Item, Page, Project, Workspace, World, time},
};
use crate::domain::ids::{PageId, ProjectId, WorkItemId, WorkspaceId};

/// Who has this role decides about the intake.
const ADMIN: u8 = 20;
/// An answer without a body.
const NOTHING: Answer = Ok((204, Value::Null));

/// Something that was reported and waits to be accepted.
pub(super) struct IntakeRecord {
    pub(super) id: Uuid,
    /// In no list of the project until it is accepted.
    pub(super) item: Item,
    /// -2 pending, -1 declined, 0 snoozed, 1 accepted, 2 duplicate.
    pub(super) status: i64,
    pub(super) snoozed_till: Option<String>,
    pub(super) duplicate_to: Option<WorkItemId>,
}

/// Carries out a write to a place of the project.
pub(super) fn handle(
    world: &mut World,
    call: &Call,
    (home, project): (WorkspaceId, ProjectId),
    place: &InProject,
    body: &Value,
) -> Answer {
    let today = TimeZone::UTC.to_datetime(Timestamp::now()).date();
    if let InProject::Intake(item) = place {
        let of_intake = ["status", "snoozed_till", "duplicate_to"];
        if body.as_object().into_iter().flatten().any(|(key, _)| !of_intake.contains(&key.as_str())) {
            stray(world, call, "sets more of an intake record than the decision");
        }
        return decide(world, (home, project), WorkItemId(*item), body);
    }
    let workspace = world.workspaces.iter_mut().find(|workspace| workspace.id == home).ok_or_else(missing)?;
    let record = workspace.project_mut(project).ok_or_else(missing)?;
    match place {
        InProject::CycleItems(id) => {
            let new = named_items(record, body)?;
            let cycle = record.cycles.iter().find(|cycle| cycle.id.0 == *id).ok_or_else(missing)?;
            if cycle.days.is_some_and(|(_, last)| last < today) {
                let message = "The Cycle has already been completed so no new issues can be added";
                return Err((400, json!({"code": "CYCLE_COMPLETED", "message": message})));
            }
            // A work item is in one cycle at most.
            for cycle in &mut record.cycles {
                cycle.items.retain(|known| !new.contains(known));
                if cycle.id.0 == *id {
                    cycle.items.extend(&new);
                }
            }
            Ok((200, new.iter().map(|item| json!({"id": Uuid::new_v4(), "issue": item, "cycle": id})).collect()))
        }
        InProject::ModuleItems(id) => {
            let new = named_items(record, body)?;
            let module = record.modules.iter_mut().find(|module| module.id.0 == *id).ok_or_else(missing)?;
            module.items.retain(|known| !new.contains(known));
            module.items.extend(&new);
            Ok((200, new.iter().map(|item| json!({"id": Uuid::new_v4(), "issue": item, "module": id})).collect()))
        }
        InProject::CycleItem(id, item) => {
            let cycle = record.cycles.iter_mut().find(|cycle| cycle.id.0 == *id).ok_or_else(missing)?;
            take_out(&mut cycle.items, *item)
        }
        InProject::ModuleItem(id, item) => {
            let module = record.modules.iter_mut().find(|module| module.id.0 == *id).ok_or_else(missing)?;
            take_out(&mut module.items, *item)
        }
        InProject::Pages => create_page(workspace, project, body),
        InProject::Members
        | InProject::States
        | InProject::State(_)
        | InProject::Labels
        | InProject::Label(_)
        | InProject::Page(_)
        | InProject::Cycles
        | InProject::Modules
        | InProject::Estimates
        | InProject::EstimatePoints(_)
        | InProject::IntakeList
        | InProject::Intake(_)
        | InProject::Items
        | InProject::OfItem(..) => Err(missing()),
    }
}

fn named_items(project: &Project, body: &Value) -> Result<Vec<WorkItemId>, Refusal> {
    let list = body.get("issues").and_then(Value::as_array).filter(|list| !list.is_empty());
    let Some(list) = list else {
        return Err((400, json!({"error": "Work items are required", "code": "MISSING_WORK_ITEMS"})));
    };
    let known = |value: &Value| value.as_str()?.parse().ok().filter(|id| project.item(*id).is_some());
    let found: Option<Vec<WorkItemId>> = list.iter().map(known).collect();
    found.ok_or_else(|| (400, json!({"error": "The payload is not valid"})))
}

fn take_out(items: &mut Vec<WorkItemId>, item: Uuid) -> Answer {
    let place = items.iter().position(|known| known.0 == item).ok_or_else(missing)?;
    items.remove(place);
    NOTHING
}

fn create_page(workspace: &mut Workspace, project: ProjectId, body: &Value) -> Answer {
    let text = |key: &str| body.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let required = |key: &str| text(key).ok_or_else(|| (400, json!({ key: ["This field is required."] })));
    let page = Page {
        id: PageId(Uuid::new_v4()),
        name: required("name")?.to_owned(),
        html: required("description_html")?.to_owned(),
    };
    let id = page.id;
    workspace.project_mut(project).ok_or_else(missing)?.more_pages.push(page);
    let project = workspace.project(project).ok_or_else(missing)?;
    let page = project.pages().find(|page| page.id == id).ok_or_else(missing)?;
    Ok((201, json::page(workspace, project, page)))
}

/// Whoever may not decide is answered as if they had.
fn decide(world: &mut World, (home, id): (WorkspaceId, ProjectId), item: WorkItemId, body: &Value) -> Answer {
    let is_admin = world.workspace(home).is_some_and(|home| {
        let bot = home.people.iter().find(|person| person.id == home.bot);
        bot.is_some_and(|bot| bot.role >= ADMIN)
    });
    let workspace = world.workspaces.iter_mut().find(|workspace| workspace.id == home).ok_or_else(missing)?;
    let project = workspace.project_mut(id).ok_or_else(missing)?;
    let place = project.intake.iter().position(|record| record.item.id == item).ok_or_else(missing)?;
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    if let Some(status) = body.get("status").and_then(Value::as_i64).filter(|_| is_admin) {
        let snoozed_till = text("snoozed_till");
        let duplicate_to = text("duplicate_to").and_then(|of| of.parse().ok());
        match status {
            -2..=2 => {}
            _ => return Err((400, json!({"status": [format!("\"{status}\" is not a valid choice.")]}))),
        }
        if status == 0 && snoozed_till.is_none() {
            return Err((400, json!({"snoozed_till": ["This field is required."]})));
        }
        if status == 2 && duplicate_to.is_none_or(|of| project.item(of).is_none()) {
            return Err((400, json!({"duplicate_to": ["This field is required."]})));
        }
        let record = &mut project.intake[place];
        record.snoozed_till = snoozed_till;
        record.duplicate_to = duplicate_to;
        record.status = status;
        if status == 1 && project.item(item).is_none() {
            let accepted = project.intake[place].item.clone();
            project.items.push(accepted);
        }
    }
    let workspace = world.workspace(home).ok_or_else(missing)?;
    let project = workspace.project(id).ok_or_else(missing)?;
    Ok((200, record_json(workspace, project, &project.intake[place])))
}

/// A record of the intake as Plane's API prints it.
pub(super) fn record_json(workspace: &Workspace, project: &Project, record: &IntakeRecord) -> Value {
    let item = &record.item;
    let mut detail = json::item(workspace, project, item);
    let state = project.state(item.state).filter(|_| record.status == 1);
    json::merge(
        &mut detail,
        json!({
            "state": state.map_or_else(
                || json!({"id": Uuid::nil(), "name": "Triage", "color": "#4E5355", "group": "triage"}),
                |state| json!({"id": state.id, "name": state.name, "color": state.color, "group": state.group}),
            ),
            "description": {}, "description_json": {}, "description_stripped": "",
        }),
    );
    if let Value::Object(detail) = &mut detail {
        detail.remove("type_id");
    }
    json!({
        "id": record.id, "issue_detail": detail, "inbox": project.id, "created_at": time(item.created_at),
        "updated_at": time(item.updated_at), "deleted_at": null, "status": record.status,
        "snoozed_till": record.snoozed_till, "source": "IN_APP", "source_email": null, "external_source": null,
        "external_id": null, "extra": {}, "created_by": item.created_by, "updated_by": null, "project": project.id,
        "workspace": workspace.id, "intake": project.id, "issue": item.id, "duplicate_to": record.duplicate_to,
    })
}
