//! What clients change: activities in runs, comments, labels, work items.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    activity_body,
    api::{Answer, missing, stray},
    comment_writes::{self, Place},
    deeds, item_writes, json,
    listing::Refusal,
    markup, project_writes,
    route::{InProject, InWorkspace, OfItem, Route},
    run::{Activity, Status},
    serve::Call,
    talk::add_comment,
    world::{External, Label, World},
};
use crate::domain::ids::{ActivityId, CommentId, LabelId, ProjectId, RunId, WorkItemId, WorkspaceId};

/// Carries out a write whose verb the route takes.
pub(super) fn handle(world: &mut World, call: &Call, route: &Route, home: WorkspaceId) -> Answer {
    let body = if call.method == "DELETE" { Ok(json!({})) } else { call.json() };
    let body = body.inspect_err(|_| stray(world, call, "sends a body that is not JSON"))?;
    match route {
        Route::Workspace(_, InWorkspace::RunActivities(run)) => post_activity(world, call, home, RunId(*run), &body),
        Route::Workspace(_, InWorkspace::InProject(project, place)) => {
            let project = ProjectId(*project);
            match place {
                InProject::Labels => post_label(world, home, project, &body),
                InProject::OfItem(item, OfItem::Comments) => {
                    comment_writes::create(world, call, Place { home, project, item: WorkItemId(*item) }, &body)
                }
                InProject::OfItem(item, OfItem::Comment(comment)) => {
                    let place = Place { home, project, item: WorkItemId(*item) };
                    if call.method == "DELETE" {
                        comment_writes::delete(world, call, place, CommentId(*comment))
                    } else {
                        comment_writes::update(world, call, place, CommentId(*comment), &body)
                    }
                }
                InProject::Items => item_writes::create(world, call, home, project, &body),
                InProject::OfItem(item, OfItem::Itself) if call.method == "PATCH" => {
                    item_writes::update(world, call, home, (project, WorkItemId(*item)), &body)
                }
                InProject::OfItem(item, place) => {
                    deeds::handle(world, call, (home, project, WorkItemId(*item)), place, &body)
                }
                InProject::Label(label) => deeds::delete_label(world, home, project, LabelId(*label)),
                place @ (InProject::Members
                | InProject::States
                | InProject::State(_)
                | InProject::Pages
                | InProject::Page(_)
                | InProject::Cycles
                | InProject::CycleItems(_)
                | InProject::CycleItem(..)
                | InProject::Modules
                | InProject::ModuleItems(_)
                | InProject::ModuleItem(..)
                | InProject::Estimates
                | InProject::EstimatePoints(_)
                | InProject::IntakeList
                | InProject::Intake(_)) => project_writes::handle(world, call, (home, project), place, &body),
            }
        }
        Route::Me | Route::Workspace(..) => Err(missing()),
    }
}

/// The pair that makes a create repeatable.
pub(super) fn external(body: &Value) -> External {
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    External { source: text("external_source"), id: text("external_id") }
}

/// The answer to a create whose pair is taken.
pub(super) fn taken(what: &str, id: impl serde::Serialize) -> Refusal {
    (409, json!({"error": format!("{what} with the same external id and external source already exists"), "id": id}))
}

fn post_activity(world: &mut World, call: &Call, home: WorkspaceId, id: RunId, body: &Value) -> Answer {
    let run = world.run(id).filter(|run| run.workspace == home).ok_or_else(missing)?;
    let (issue, root, bot, stopped) = (run.issue, run.comment, run.agent_user, run.status == Status::Stopped);
    let (read, strays) = activity_body::read(body);
    for what in strays {
        stray(world, call, &what);
    }
    let new = match read {
        Ok(new) => new,
        Err(errors) => {
            let errors = Value::Object(errors);
            stray(world, call, &format!("sent an activity that was refused: {errors}"));
            return Err((400, errors));
        }
    };
    // Plane turns every lasting activity into the visible reply.
    let comment = (!new.kind.is_ephemeral() && !stopped).then(|| {
        let text = new.content.get("body").and_then(Value::as_str).unwrap_or_default();
        add_comment(world, issue, bot, markup::markdown_html(text), Some(root), Some(id))
    });
    let activity = Activity {
        id: ActivityId(Uuid::new_v4()),
        kind: new.kind,
        content: new.content,
        content_metadata: new.content_metadata,
        signal: new.signal,
        signal_metadata: new.signal_metadata,
        actor: bot,
        comment,
        created_at: Timestamp::now(),
    };
    let run = world.run_mut(id).ok_or_else(missing)?;
    let outcome = run.absorb(activity.clone());
    let answer = run.activity_json(&activity);
    if let Err(misstep) = outcome {
        stray(world, call, &misstep.to_string());
    }
    if stopped { Err((400, json!({"error": "The agent run was stopped."}))) } else { Ok((201, answer)) }
}

fn post_label(world: &mut World, home: WorkspaceId, project: ProjectId, body: &Value) -> Answer {
    let name = match body.get("name") {
        None => return Err((400, json!({"name": ["This field is required."]}))),
        Some(name) => name.as_str().map(str::trim).unwrap_or_default().to_owned(),
    };
    if name.is_empty() {
        return Err((400, json!({"name": ["This field may not be blank."]})));
    }
    let external = external(body);
    let workspace = world.workspaces.iter_mut().find(|workspace| workspace.id == home).ok_or_else(missing)?;
    let record = workspace.project_mut(project).ok_or_else(missing)?;
    if let Some(existing) = record.labels.iter().find(|label| label.external.same_as(&external)) {
        return Err(taken("Label", existing.id));
    }
    if let Some(existing) = record.labels.iter().find(|label| label.name == name) {
        let message = "Label with the same name already exists in the project";
        return Err((409, json!({"error": message, "id": existing.id})));
    }
    let color = body.get("color").and_then(Value::as_str).unwrap_or_default().to_owned();
    let id = LabelId(Uuid::new_v4());
    record.labels.push(Label { id, name, color, external });
    let record = workspace.project(project).ok_or_else(missing)?;
    let label = record.label(id).ok_or_else(missing)?;
    Ok((201, json::label(workspace, record, label)))
}
