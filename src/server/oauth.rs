//! Installing the app: an admin's browser is sent to Plane's consent page and comes back.
//!
//! The state is signed, lives ten minutes and is bound to the browser by a cookie. Plane may start
//! an install itself and then sends no state; that is safe to accept, because the installation id
//! is worth nothing until Plane has exchanged it against our client secret.

use std::sync::Arc;

use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Deserialize;

use super::{Parts, error::HttpError};
use crate::{domain::ids::InstallationId, plane::oauth};

const COOKIE: &str = "aileron_install";
/// As long as the signed state is good.
const COOKIE_LIFE_SECS: u32 = 600;

pub(super) async fn setup(State(parts): State<Arc<Parts>>) -> Result<Response, HttpError> {
    let Some(client) = parts.credentials.oauth() else {
        return Err(HttpError::NoOAuth);
    };
    let issued = oauth::issue_state(client.state_secret(), Timestamp::now());
    let secure = if parts.secure_cookies { "; Secure" } else { "" };
    let cookie =
        format!("{COOKIE}={}; Path=/oauth; Max-Age={}; HttpOnly; SameSite=Lax{secure}", issued.nonce, COOKIE_LIFE_SECS);
    let headers = [(header::LOCATION, client.authorize_url(&issued.state).to_string()), (header::SET_COOKIE, cookie)];
    Ok((StatusCode::FOUND, headers).into_response())
}

/// What Plane sends the browser back with.
#[derive(Debug, Deserialize)]
pub(super) struct Callback {
    app_installation_id: Option<String>,
    state: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

pub(super) async fn callback(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    Query(callback): Query<Callback>,
) -> Result<Html<String>, HttpError> {
    let Some(client) = parts.credentials.oauth() else {
        return Err(HttpError::NoOAuth);
    };
    if let Some(error) = callback.error {
        let reason: String = callback.error_description.unwrap_or(error).chars().take(200).collect();
        return Err(HttpError::Install(format!("Plane did not allow the installation: {reason}")));
    }
    if let Some(state) = &callback.state
        && !oauth::check_state(client.state_secret(), state, cookie(&headers), Timestamp::now())
    {
        let again = "This installation was not started in this browser, or too long ago. Start again at /oauth/setup.";
        return Err(HttpError::Install(again.to_owned()));
    }
    let id = callback.app_installation_id.unwrap_or_default();
    let id: InstallationId = id
        .parse()
        .map_err(|_| HttpError::Install("Plane sent no installation id. Start again at /oauth/setup.".to_owned()))?;
    match parts.credentials.install(id).await {
        Ok(installation) => {
            tracing::info!(workspace = %installation.workspace, slug = installation.slug, "the app is installed");
            Ok(Html(done_page(&installation.workspace_name)))
        }
        Err(error) => {
            tracing::error!(%error, "an installation failed");
            Err(HttpError::InstallFailed(error.to_string()))
        }
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|line| line.split(';')).find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

fn done_page(workspace: &str) -> String {
    let workspace = workspace.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>aileron is installed</title><body style=\"font:1.1rem system-ui;max-width:36rem;margin:4rem auto;padding:0 1rem\">\
         <h1>aileron is installed in {workspace}</h1><p>Mention it in a comment on a work item to try it. You can close this page.</p>"
    )
}
