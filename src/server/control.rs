//! What the operator's commands ask a running server, over a Unix socket in the data directory.
//!
//! One process owns the store, so `aileron installations`, `letters`, `usage` and `audit` beside a running
//! `aileron serve` ask it. Whoever may open the socket may read the directory anyway.

pub mod audit;
pub mod usage;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    routing::get,
};
use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use super::arrivals::Arrivals;
use crate::{
    domain::installation::{Credential, Installation, InstallationStatus},
    store::{Letter, Store},
};

/// The socket's place in the data directory.
#[must_use]
pub fn socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}

/// An installation as the operator sees it: without its token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallationLine {
    pub workspace_slug: String,
    pub workspace_name: String,
    pub workspace_id: String,
    pub status: InstallationStatus,
    pub credential: String,
    pub installed_at: String,
    pub token_expires_at: Option<String>,
}

impl From<&Installation> for InstallationLine {
    fn from(installation: &Installation) -> Self {
        let (credential, token_expires_at) = match &installation.credential {
            Credential::OAuth { expires_at, .. } => ("oauth", expires_at.map(|at| at.to_string())),
            Credential::StaticBearer(_) => ("bearer token from the config", None),
            Credential::ApiKey(_) => ("api key from the config", None),
        };
        Self {
            workspace_slug: installation.slug.clone(),
            workspace_name: installation.workspace_name.clone(),
            workspace_id: installation.workspace.to_string(),
            status: installation.status,
            credential: credential.to_owned(),
            installed_at: installation.installed_at.to_string(),
            token_expires_at,
        }
    }
}

/// The installations the store holds, as lines.
///
/// # Errors
/// The store could not be read, in one sentence.
pub async fn installation_lines(store: &dyn Store) -> Result<Vec<InstallationLine>, String> {
    let installations = store.installations().await.map_err(|error| error.to_string())?;
    Ok(installations.iter().map(InstallationLine::from).collect())
}

/// Makes the socket.
///
/// # Errors
/// The directory does not take one.
pub fn bind(data_dir: &Path) -> std::io::Result<UnixListener> {
    let path = socket_path(data_dir);
    // The store's lock is ours, so a socket that is here was left behind by a dead process.
    match std::fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    UnixListener::bind(&path)
}

/// Serves the socket until shutdown.
///
/// # Errors
/// The socket stops working.
pub async fn serve(
    listener: UnixListener,
    store: Arc<dyn Store>,
    arrivals: Arc<Arrivals>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/installations", get(installations))
        .route("/letters", get(letters))
        .route("/audit", get(audited))
        .route("/usage", get(spent))
        .route("/usage/runs", get(spent_by_run))
        .with_state(store)
        .route("/webhooks", get(async move || Json(arrivals.line())));
    axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

async fn installations(
    State(store): State<Arc<dyn Store>>,
) -> Result<Json<Vec<InstallationLine>>, (StatusCode, String)> {
    installation_lines(store.as_ref()).await.map(Json).map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error))
}

async fn letters(State(store): State<Arc<dyn Store>>) -> Result<Json<Vec<Letter>>, (StatusCode, String)> {
    store.letters().await.map(Json).map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

async fn audited(
    State(store): State<Arc<dyn Store>>,
    Query(wanted): Query<audit::Wanted>,
) -> Result<Json<Vec<audit::AuditLine>>, (StatusCode, String)> {
    let lines = audit::audit_lines(store.as_ref(), &wanted).await;
    lines.map(Json).map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error))
}

async fn spent(
    State(store): State<Arc<dyn Store>>,
    Query(days): Query<usage::Days>,
) -> Result<Json<Vec<usage::UsageLine>>, (StatusCode, String)> {
    let lines = usage::usage_lines(store.as_ref(), days).await;
    lines.map(Json).map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error))
}

async fn spent_by_run(State(store): State<Arc<dyn Store>>) -> Result<Json<Vec<usage::RunLine>>, (StatusCode, String)> {
    usage::run_lines(store.as_ref()).await.map(Json).map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error))
}
