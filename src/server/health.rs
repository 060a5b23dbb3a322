//! Whether the process is up, whether it can work, and its metrics.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};

use super::Parts;

pub(super) async fn alive() -> &'static str {
    "alive\n"
}

/// Ready while the store works; the configuration was checked before the server came up. An edited
/// file that cannot be used is told and changes nothing: what was in use before still is.
pub(super) async fn ready(State(parts): State<Arc<Parts>>) -> (StatusCode, String) {
    match parts.store.health() {
        Ok(()) => {
            let mut told = vec!["ready".to_owned()];
            told.extend(parts.notice.clone());
            let broken = parts.library.current();
            told.extend(broken.problems().iter().map(|problem| format!("not in use: {problem}")));
            (StatusCode::OK, format!("{}\n", told.join("; ")))
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {error}\n")),
    }
}

pub(super) async fn metrics(State(parts): State<Arc<Parts>>) -> impl IntoResponse {
    parts.metrics.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], parts.metrics.render())
}
