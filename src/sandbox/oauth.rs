//! The app's installation: consent, bot tokens, lookup, revocation.

use std::time::Instant;

use axum::response::Response;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Shared,
    api::{authenticate, stray},
    listing::{Query, Refusal},
    markup::escape,
    scope::Scopes,
    serve::{Call, raw, respond, set_header},
    world::{Token, Workspace, World, time},
};

/// Answers one request under `/auth/o/`. These are not counted against the rate limit.
pub(super) fn answer(shared: &Shared, call: &Call) -> Response {
    let mut world = shared.lock();
    let (verb, outcome) = match call.path.as_str() {
        "/auth/o/authorize-app/" => {
            if call.method == "GET" {
                return authorize(shared, &world, call);
            }
            ("GET", Err((405, Value::Null)))
        }
        "/auth/o/token/" => {
            ("POST", if call.method == "POST" { token(shared, &mut world, call) } else { wrong_verb(call) })
        }
        "/auth/o/revoke-token/" => {
            ("POST", if call.method == "POST" { revoke(shared, &mut world, call) } else { wrong_verb(call) })
        }
        "/auth/o/app-installation/" => {
            ("GET", if call.method == "GET" { installation(&mut world, call) } else { wrong_verb(call) })
        }
        _ => {
            stray(&mut world, call, "is no path of the OAuth app");
            return respond(404, &json!({"error": "Page not found."}));
        }
    };
    if call.method != verb {
        stray(&mut world, call, "does not take this verb");
    }
    let (status, body) = outcome.unwrap_or_else(|refusal| refusal);
    respond(status, &body)
}

fn wrong_verb(call: &Call) -> Result<(u16, Value), Refusal> {
    Err((405, json!({"detail": format!("Method \"{}\" not allowed.", call.method)})))
}

/// The consent page; with `approve=<slug>` in the query, what pressing its button does.
fn authorize(shared: &Shared, world: &World, call: &Call) -> Response {
    let get = |key: &str| call.query.get(key).map_or("", String::as_str);
    let redirect = url::Url::parse(get("redirect_uri")).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(mut redirect) =
        redirect.filter(|_| get("client_id") == shared.client_id && get("response_type") == "code")
    else {
        return raw(400, "text/html; charset=utf-8", "<h1>This app is not known here</h1>");
    };
    if let Some(workspace) = world.workspaces.iter().find(|workspace| workspace.slug == get("approve")) {
        redirect.query_pairs_mut().append_pair("app_installation_id", &workspace.installation.to_string());
        redirect.query_pairs_mut().append_pair("code", &Uuid::new_v4().simple().to_string());
        if let Some(state) = call.query.get("state") {
            redirect.query_pairs_mut().append_pair("state", state);
        }
        let mut response = raw(302, "text/html; charset=utf-8", "");
        set_header(&mut response, "location", redirect.as_str());
        return response;
    }
    let hidden: String = call
        .query
        .iter()
        .map(|(key, value)| format!("<input type=hidden name=\"{}\" value=\"{}\">", escape(key), escape(value)))
        .collect();
    let button = |workspace: &Workspace| {
        format!(
            "<button name=approve value=\"{}\">Install in {}</button> ",
            escape(&workspace.slug),
            escape(&workspace.name)
        )
    };
    let buttons: String = world.workspaces.iter().map(button).collect();
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Install aileron</title><h1>Install aileron?</h1>\
         <p>It asks for: {}</p><form>{hidden}{buttons}</form></html>",
        escape(get("scope"))
    );
    raw(200, "text/html; charset=utf-8", page)
}

fn token(shared: &Shared, world: &mut World, call: &Call) -> Result<(u16, Value), Refusal> {
    let form = form_or_json(call);
    let get = |key: &str| form.get(key).map_or("", String::as_str);
    if client(call, &form).as_ref() != Some(&(shared.client_id.clone(), shared.client_secret.clone())) {
        return Err((401, json!({"error": "invalid_client", "error_description": "Client authentication failed"})));
    }
    if get("grant_type") != "client_credentials" {
        stray(world, call, "asks for another grant than client_credentials");
        return Err((400, json!({"error": "unsupported_grant_type"})));
    }
    let scope = get("scope").to_owned();
    let scopes = match Scopes::parse(&scope) {
        Ok(scopes) => scopes,
        Err(wrong) => {
            stray(world, call, &format!("asks for the unknown scope {wrong}"));
            return Err((400, json!({"error": "invalid_scope", "error_description": "A scope is not known"})));
        }
    };
    let installed = |workspace: &&Workspace| {
        workspace.installed && workspace.installation.to_string() == get("app_installation_id")
    };
    let Some(workspace) = world.workspaces.iter().find(installed).map(|workspace| workspace.id) else {
        return Err((400, json!({"error": "invalid_grant", "error_description": "App installation not found"})));
    };
    let access_token = format!("pln_bot_{}", Uuid::new_v4().simple());
    let lifetime = shared.options.token_lifetime;
    world.tokens.insert(access_token.clone(), Token { workspace, scopes, good_until: Instant::now() + lifetime });
    Ok((
        200,
        json!({
            "access_token": access_token, "token_type": "Bearer", "expires_in": lifetime.as_secs(), "scope": scope,
        }),
    ))
}

fn revoke(shared: &Shared, world: &mut World, call: &Call) -> Result<(u16, Value), Refusal> {
    let form = form_or_json(call);
    if client(call, &form).as_ref() != Some(&(shared.client_id.clone(), shared.client_secret.clone())) {
        return Err((401, json!({"error": "invalid_client"})));
    }
    world.tokens.remove(form.get("token").map_or("", String::as_str));
    Ok((200, json!({})))
}

/// A bare array: the installation the token belongs to, unless another one is asked for.
fn installation(world: &mut World, call: &Call) -> Result<(u16, Value), Refusal> {
    let (home, _) = authenticate(world, call)?;
    let asked = call.query.get("id");
    let visible = world
        .workspaces
        .iter()
        .filter(|workspace| workspace.id == home && asked.is_none_or(|id| *id == workspace.installation.to_string()));
    let rows: Vec<Value> = visible
        .map(|workspace| {
            let created_at = time(workspace.created_at);
            json!({
                "id": workspace.installation, "workspace": workspace.id,
                "workspace_detail": {"id": workspace.id, "name": workspace.name, "slug": workspace.slug, "logo_url": null},
                "app_bot": workspace.bot, "application": Uuid::nil(),
                "installed_by": workspace.people.first().map(|person| person.id), "webhook": workspace.webhook,
                "status": "installed", "created_at": created_at, "updated_at": created_at, "deleted_at": null,
                "created_by": null, "updated_by": null,
            })
        })
        .collect();
    Ok((200, rows.into()))
}

fn form_or_json(call: &Call) -> Query {
    if call.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let pairs = body.as_object().into_iter().flatten();
        return pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect();
    }
    url::form_urlencoded::parse(&call.body).into_owned().collect()
}

/// The app's id and secret, from the Basic header or the body.
fn client(call: &Call, form: &Query) -> Option<(String, String)> {
    match call.authorization("basic") {
        Some(encoded) => {
            let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
            decoded.split_once(':').map(|(id, secret)| (id.to_owned(), secret.to_owned()))
        }
        None => Some((form.get("client_id")?.clone(), form.get("client_secret")?.clone())),
    }
}
