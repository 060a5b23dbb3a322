//! The page of the demo, and the few calls behind it.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Request, State},
    http::header,
    middleware::{self, Next},
    response::{
        Redirect, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_http::csrf::CsrfLayer;

use super::{
    Shared, markup,
    plan::Delivery,
    run::{Activity, ActivityKind, Run, Status},
    seed::BOT,
    serve::{raw, respond, set_header},
    talk::{Said, Unknown},
    world::{Comment, Item, Project, Workspace, World, time},
};
use crate::domain::ids::RunId;

const LONGEST_TEXT_BYTES: usize = 20_000;
/// The page shows the first workspace.
const WORKSPACE: usize = 0;
const DEFAULT_AUTHOR: &str = "maya";
/// Only what the sandbox itself serves may load or run.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                              img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The page's own routes.
pub(super) fn router(shared: &Arc<Shared>) -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(|| file("text/html; charset=utf-8", include_str!("page/index.html"))))
        .route("/{slug}/browse/{key}/", get(browse))
        .route("/demo/page.css", get(|| file("text/css; charset=utf-8", include_str!("page/page.css"))))
        .route("/demo/page.js", get(|| file("text/javascript; charset=utf-8", include_str!("page/page.js"))))
        .route("/demo/state", get(state))
        .route("/demo/events", get(events))
        .route("/demo/comments", post(comment))
        .route("/demo/runs/{run}/stop", post(stop))
        .layer(DefaultBodyLimit::max(LONGEST_TEXT_BYTES * 4))
        .layer(CsrfLayer::new())
        .layer(middleware::from_fn_with_state(Arc::clone(shared), guard))
}

/// Refuses names that only resolve to this machine, as a foreign page would use to read this one.
async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if shared.address.ip().is_loopback() && !matches!(name, "127.0.0.1" | "localhost" | "[::1]") {
        return respond(403, &json!({"error": "Open this page by the address it was started with."}));
    }
    let mut response = next.run(request).await;
    set_header(&mut response, "content-security-policy", CONTENT_POLICY);
    set_header(&mut response, "x-content-type-options", "nosniff");
    set_header(&mut response, "referrer-policy", "no-referrer");
    set_header(&mut response, "cache-control", "no-store");
    response
}

async fn file(kind: &'static str, text: &'static str) -> Response {
    raw(200, kind, text)
}

async fn state(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(picture(&shared))
}

/// The whole state at once and after every change, until the sandbox stops.
async fn events(State(shared): State<Arc<Shared>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let stopped = shared.stop.clone().cancelled_owned();
    let mut changed = shared.changed.subscribe();
    changed.mark_changed();
    let states = stream::unfold((shared, changed), |(shared, mut changed)| async move {
        changed.changed().await.ok()?;
        let event = Event::default().data(picture(&shared).to_string());
        Some((Ok(event), (shared, changed)))
    });
    Sse::new(states.take_until(stopped)).keep_alive(KeepAlive::default())
}

#[derive(Deserialize)]
struct NewComment {
    work_item: String,
    text: String,
    /// Continues this run instead of starting a thread.
    run: Option<RunId>,
    author: Option<String>,
}

async fn comment(State(shared): State<Arc<Shared>>, Json(new): Json<NewComment>) -> Response {
    let text = new.text.trim();
    if text.is_empty() || text.len() > LONGEST_TEXT_BYTES {
        return respond(400, &json!({"error": "Write something, but not a whole book."}));
    }
    let author = new.author.as_deref().unwrap_or(DEFAULT_AUTHOR);
    let said = match new.run {
        Some(run) => shared.follow_up(run, author, text, &Delivery::prompt_only()),
        None if markup::mentions(text, BOT) => {
            shared.begin(WORKSPACE, &new.work_item, author, text, &Delivery::default())
        }
        None => {
            return match shared.plain_comment(WORKSPACE, &new.work_item, author, text) {
                Ok(comment) => respond(201, &json!({"comment": comment, "run": null})),
                Err(unknown) => unknown_answer(&unknown),
            };
        }
    };
    deliver(shared, said)
}

async fn stop(State(shared): State<Arc<Shared>>, Path(run): Path<RunId>) -> Response {
    let said = shared.press_stop(run, DEFAULT_AUTHOR);
    deliver(shared, said)
}

/// Sends the webhooks in the background: the page need not wait for the agent.
fn deliver(shared: Arc<Shared>, said: Result<Said, Unknown>) -> Response {
    let said = match said {
        Ok(said) => said,
        Err(unknown) => return unknown_answer(&unknown),
    };
    let answer = respond(201, &json!({"comment": said.comment, "run": said.run}));
    let tasks = shared.tasks.clone();
    tasks.spawn(async move {
        tokio::select! {
            () = shared.stop.cancelled() => {}
            statuses = shared.send(&said.events) => {
                if statuses.iter().any(|status| !(200..300).contains(status)) {
                    tracing::warn!(run = %said.run, ?statuses, "the agent did not accept a webhook");
                }
            }
        }
    });
    answer
}

fn unknown_answer(unknown: &Unknown) -> Response {
    respond(404, &json!({"error": unknown.to_string()}))
}

fn picture(shared: &Shared) -> Value {
    let world = shared.lock();
    let Some(workspace) = world.workspaces.get(WORKSPACE) else {
        return json!({});
    };
    let Some(project) = workspace.projects.first() else {
        return json!({});
    };
    let people: Vec<&str> =
        workspace.people.iter().filter(|p| p.id != workspace.bot).map(|p| p.display_name.as_str()).collect();
    let runs = world.runs.iter().filter(|run| run.workspace == workspace.id);
    json!({
        "banner": world.banner, "workspace": workspace.name, "project": project.name, "agent": BOT,
        "author": DEFAULT_AUTHOR, "people": people,
        "items": project.items.iter().map(|item| item_picture(&world, workspace, project, item)).collect::<Vec<_>>(),
        "runs": runs.map(|run| run_picture(&world, run)).collect::<Vec<_>>(),
    })
}

fn item_picture(world: &World, workspace: &Workspace, project: &Project, item: &Item) -> Value {
    let name_of = |user| world.name_of(user);
    let state = project.state(item.state);
    let labels = item.labels.iter().filter_map(|id| project.label(*id));
    let comment = |comment: &Comment| {
        json!({
            "id": comment.id, "author": world.name_of(comment.actor), "bot": comment.actor == workspace.bot,
            "html": markup::harmless_html(&comment.html, &name_of), "at": time(comment.created_at),
            "run": comment.run.filter(|_| world.edition.has_apps()),
        })
    };
    json!({
        "key": project.key_of(item), "name": item.name, "priority": item.priority,
        "state": state.map(|state| json!({"name": state.name, "color": state.color})),
        "labels": labels.map(|label| json!({"name": label.name, "color": label.color})).collect::<Vec<_>>(),
        "assignees": item.assignees.iter().map(|user| world.name_of(*user)).collect::<Vec<_>>(),
        "author": world.name_of(item.created_by), "at": time(item.created_at),
        "html": markup::harmless_html(&item.description_html, &name_of),
        "comments": item.comments.iter().map(comment).collect::<Vec<_>>(),
    })
}

fn run_picture(world: &World, run: &Run) -> Value {
    let can_stop = run.status.is_live() && run.status != Status::Stopping || run.status == Status::Awaiting;
    json!({
        "id": run.id, "item": world.key_of(run.issue),
        // Without runs there are only comments to see.
        "comment": world.edition.has_apps().then_some(run.comment), "status": run.status.as_str(),
        "live": run.status.is_live(), "can_stop": can_stop,
        "activities": run.activities.iter().map(|activity| activity_picture(world, activity)).collect::<Vec<_>>(),
    })
}

/// Where answers link a work item to: the page, with that work item open.
async fn browse(Path((_, key)): Path<(String, String)>) -> Redirect {
    let key: String = key.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    Redirect::temporary(&format!("/#{key}"))
}

fn activity_picture(world: &World, activity: &Activity) -> Value {
    let body = activity.content.get("body").and_then(Value::as_str).unwrap_or_default();
    let html = match activity.kind {
        ActivityKind::Thought | ActivityKind::Action => String::new(),
        ActivityKind::Prompt => markup::harmless_html(body, &|user| world.name_of(user)),
        ActivityKind::Response | ActivityKind::Elicitation | ActivityKind::Error => {
            markup::harmless_html(&markup::markdown_html(body), &|user| world.name_of(user))
        }
    };
    json!({
        "id": activity.id, "kind": activity.kind.as_str(), "body": body, "html": html, "comment": activity.comment,
        "action": activity.content.get("action"), "parameters": activity.content.get("parameters"),
        "calls": activity.content_metadata.get("calls"),
        "signal": activity.signal, "options": activity.signal_metadata.get("options"),
        "url": activity.signal_metadata.get("url"), "author": world.name_of(activity.actor),
        "at": time(activity.created_at),
    })
}
