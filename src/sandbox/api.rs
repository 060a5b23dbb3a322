//! `/api/v1/`: who may call, how often, and what each path answers.

use std::time::{Duration, Instant};

use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Shared, files,
    listing::{self, Refusal},
    reads::Reader,
    route::{self, InWorkspace, Route},
    scope,
    serve::{Call, raw, respond, set_header},
    world::{Token, World},
    writes,
};
use crate::domain::ids::{ProjectId, WorkspaceId};

/// A status and a body, good or bad.
pub(super) type Answer = Result<(u16, Value), Refusal>;

/// Answers one request the way the real server does, and notes where the client strays.
pub(super) fn answer(shared: &Shared, call: &Call) -> Response {
    let mut world = shared.lock();
    if !call.path.ends_with('/') && call.path.starts_with("/api/") {
        stray(&mut world, call, "has no trailing slash");
        return slash_redirect(call);
    }
    let Some(route) = route::find(&call.path) else {
        stray(&mut world, call, "is no path of the API");
        return respond(404, &json!({"error": "Page not found."}));
    };
    if !shared.options.edition.knows(&route) {
        return respond(404, &json!({"error": "Page not found."}));
    }
    let (place, credential) = match enter(&mut world, call, &route) {
        Ok(entered) => entered,
        Err((status, body)) => return respond(status, &body),
    };
    let remaining =
        match spend(&mut world, shared.options.rate_limit_per_minute, shared.options.rate_limit_window, credential) {
            Ok(remaining) => remaining,
            Err(retry_after) => {
                let mut response = respond(429, &json!({"error_code": 5900, "error_message": "RATE_LIMIT_EXCEEDED"}));
                set_header(&mut response, "retry-after", &retry_after.to_string());
                return response;
            }
        };
    let (status, body) = if allowed(&mut world, call, &route) {
        handle(&mut world, call, &route, place).unwrap_or_else(|refusal| refusal)
    } else {
        (405, json!({"detail": format!("Method \"{}\" not allowed.", call.method)}))
    };
    let mut response = match status {
        204 => raw(204, "application/json", ""),
        302 => files::redirect(shared, &body),
        _ => respond(status, &body),
    };
    if let Some(remaining) = remaining {
        let reset = Timestamp::now().saturating_add(shared.options.rate_limit_window).map_or(0, Timestamp::as_second);
        set_header(&mut response, "x-ratelimit-remaining", &remaining.to_string());
        set_header(&mut response, "x-ratelimit-reset", &reset.to_string());
    }
    response
}

/// Notes a breach of the contract.
pub(super) fn stray(world: &mut World, call: &Call, what: &str) {
    world.violations.push(format!("{} {} {what}", call.method, call.path));
}

/// The row is not there.
pub(super) fn missing() -> Refusal {
    (404, json!({"error": "The requested resource does not exist."}))
}

fn slash_redirect(call: &Call) -> Response {
    let mut response = raw(301, "text/html; charset=utf-8", "");
    let query = if call.raw_query.is_empty() { String::new() } else { format!("?{}", call.raw_query) };
    set_header(&mut response, "location", &format!("{}/{query}", call.path));
    response
}

/// Not a member, or no such project or workspace: permission is looked at first.
pub(super) fn forbidden() -> Refusal {
    (403, json!({"detail": "You do not have permission to perform this action."}))
}

/// Negotiation, authentication and permission; the last two are not charged for.
fn enter(world: &mut World, call: &Call, route: &Route) -> Result<(WorkspaceId, String), Refusal> {
    if call.header("accept").is_some_and(|accept| !accept.contains("json") && !accept.contains("*/*")) {
        return Err((406, json!({"detail": "Could not satisfy the request Accept header."})));
    }
    let (home, credential) = authenticate(world, call)?;
    let needed = scope::of(route, &call.method);
    if !token_of(world, call).is_none_or(|token| token.scopes.have(&needed)) {
        stray(world, call, &format!("needs the scope {needed}, which was not asked for"));
        return Err(forbidden());
    }
    let Route::Workspace(slug, place) = route else {
        return Ok((home, credential));
    };
    let workspace = world.workspace(home).filter(|workspace| workspace.slug == *slug).ok_or_else(forbidden)?;
    let entered = match place {
        InWorkspace::InProject(project, _) => workspace.project(ProjectId(*project)).is_some(),
        InWorkspace::ByKey(identifier, _) => workspace.projects.iter().any(|project| project.identifier == *identifier),
        InWorkspace::Members
        | InWorkspace::Projects
        | InWorkspace::Project(_)
        | InWorkspace::Search
        | InWorkspace::Run(_)
        | InWorkspace::RunActivities(_)
        | InWorkspace::RunActivity(..) => true,
    };
    if entered { Ok((home, credential)) } else { Err(forbidden()) }
}

/// Whose credential it is, and the name its requests are counted under.
pub(super) fn authenticate(world: &mut World, call: &Call) -> Result<(WorkspaceId, String), Refusal> {
    let key = call.header("x-api-key");
    let bearer = call.authorization("bearer");
    if key.is_some() && bearer.is_some() {
        stray(world, call, "sends two credentials");
    }
    if let Some(key) = key {
        let owner = world.workspaces.iter().find(|workspace| workspace.api_key == key);
        let owner = owner.ok_or_else(|| (403, json!({"detail": "Given API token is not valid"})))?;
        return Ok((owner.id, format!("key {}", owner.slug)));
    }
    if bearer.is_none() || !world.edition.has_apps() {
        stray(world, call, "sends no credential");
        return Err((401, json!({"detail": "Authentication credentials were not provided."})));
    }
    let token = token_of(world, call).filter(|token| token.good_until > Instant::now());
    let token = token.ok_or_else(|| (401, json!({"detail": "Given token is not valid or has expired"})))?;
    Ok((token.workspace, format!("bearer {}", token.workspace)))
}

/// The bot token a call is made with, if it is one.
fn token_of<'a>(world: &'a World, call: &Call) -> Option<&'a Token> {
    world.tokens.get(call.authorization("bearer")?)
}

/// Charges one request: what is left of the window (`None` without a limit), or `Retry-After`.
fn spend(world: &mut World, limit: Option<u32>, length: Duration, credential: String) -> Result<Option<usize>, u64> {
    let Some(limit) = limit else { return Ok(None) };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let now = Instant::now();
    let window = world.windows.entry(credential).or_default();
    while window.front().is_some_and(|at| now.duration_since(*at) >= length) {
        window.pop_front();
    }
    if window.len() >= limit {
        let wait = window.front().map_or(length, |at| length.saturating_sub(now.duration_since(*at)));
        return Err(wait.as_secs() + 1);
    }
    window.push_back(now);
    Ok(Some(limit - window.len()))
}

/// Whether the verb is one of the route's; also notes queries that do nothing or ask too much.
fn allowed(world: &mut World, call: &Call, route: &Route) -> bool {
    let takes = route.takes();
    if !takes.verbs.contains(&call.method.as_str()) {
        stray(world, call, "does not take this verb");
        return false;
    }
    if call.method != "GET" {
        if !call.query.is_empty() {
            stray(world, call, "sends a query with a write");
        }
        return true;
    }
    for key in call.query.keys().filter(|key| !takes.query.contains(&key.as_str())) {
        stray(world, call, &format!("does not know the query key {key}"));
    }
    for key in call.query.get("expand").into_iter().flat_map(|keys| keys.split(',')) {
        if !listing::is_expandable(key.trim()) {
            stray(world, call, &format!("cannot expand {key}"));
        }
    }
    let by_external_id = call.query.contains_key("external_id");
    if takes.paged && !by_external_id {
        match call.query.get("per_page").map(|size| size.parse::<u32>()) {
            Some(Ok(1..=100)) => {}
            Some(_) => stray(world, call, "asks for a page outside 1..=100"),
            None => stray(world, call, "does not say how large a page it wants"),
        }
    }
    true
}

fn handle(world: &mut World, call: &Call, route: &Route, home: WorkspaceId) -> Answer {
    if call.method != "GET" {
        return writes::handle(world, call, route, home);
    }
    let (answer, unknown_fields) = {
        let workspace = world.workspace(home).ok_or_else(missing)?;
        let mut reader = Reader { world, workspace, call, unknown_fields: Vec::new() };
        (reader.read(route), reader.unknown_fields)
    };
    for field in unknown_fields {
        stray(world, call, &format!("has no field {field}"));
    }
    answer
}
