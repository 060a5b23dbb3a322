//! The HTTP edge: webhooks in, OAuth, health and metrics.
//!
//! All routes stand in [`router`]. Handlers extract, call one thing, answer. What the operator asks
//! for (`aileron installations`, `letters`, `usage`, `audit`) is served on a Unix socket in the data directory, never here.

pub mod arrivals;
pub mod control;
mod error;
mod health;
mod oauth;
mod webhook;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;
use tower_http::catch_panic::CatchPanicLayer;

use self::arrivals::Arrivals;
use crate::{
    agent::{prompts::library::Library, reception::Reception},
    plane::credentials::Credentials,
    store::Store,
};

/// What the handlers need.
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub webhook_secrets: Vec<SecretString>,
    /// Our OAuth client id; events of other apps are ignored.
    pub client_id: Option<String>,
    pub arrivals: Arc<Arrivals>,
    /// Where people talk to the agent in comments, whoever receives those.
    pub reception: Option<Arc<Reception>>,
    pub credentials: Arc<Credentials>,
    /// Whether cookies may only travel over https.
    pub secure_cookies: bool,
    pub max_body_bytes: usize,
    /// How long a created run waits for its prompt.
    pub prompt_grace: Duration,
    pub metrics: PrometheusHandle,
    /// The edited texts: what is broken among them is told by `/readyz`.
    pub library: Arc<Library>,
    /// What `/readyz` tells besides, such as damage found at the start.
    pub notice: Option<String>,
}

/// Every route there is.
pub fn router(parts: Parts) -> Router {
    let limit = DefaultBodyLimit::max(parts.max_body_bytes);
    Router::new()
        .route("/webhook", post(webhook::receive).layer(limit))
        .route("/oauth/setup", get(oauth::setup))
        .route("/oauth/callback", get(oauth::callback))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .layer(CatchPanicLayer::new())
        .with_state(Arc::new(parts))
}
