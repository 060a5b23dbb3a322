//! Receives Plane's webhooks: verify the raw bytes, parse, make durable, answer 200.
//!
//! A signed event is never refused while the store works: Plane may not send it again, and enough
//! failures make it switch the webhook off. What cannot be read is kept for the operator.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
};
use jiff::Timestamp;

use super::{Parts, error::HttpError};
use crate::{
    agent::reception::Reception,
    domain::event::{RunEvent, RunEventKind},
    plane::{
        signature,
        webhook::{
            self, Incoming,
            comment::{self, Overheard},
            item,
        },
    },
    store::{Accepted, Letter},
};

pub(super) async fn receive(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, HttpError> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => HttpError::TooLarge { limit: parts.max_body_bytes },
        _ => HttpError::Incomplete,
    })?;
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if !signature::verify(&parts.webhook_secrets, &body, header("x-plane-signature")) {
        count("unsigned");
        return Err(HttpError::BadSignature);
    }
    parts.arrivals.note();
    let event = header("x-plane-event");
    if let Some(reception) = &parts.reception {
        return listen(&parts, reception, event, &body).await;
    }
    match webhook::parse(event, &body, parts.client_id.as_deref()) {
        Incoming::Event(event) => accept(&parts, event).await,
        Incoming::Ignored { why } => {
            count("ignored");
            tracing::debug!(event, why, "a webhook is ignored");
            Ok(StatusCode::OK)
        }
        Incoming::Unreadable { reason } => keep(&parts, event, &body, reason).await,
    }
}

/// The same where people talk to the agent in comments.
async fn listen(
    parts: &Parts,
    reception: &Reception,
    event: Option<&str>,
    body: &[u8],
) -> Result<StatusCode, HttpError> {
    let placed = match item::handed(event, body) {
        Some(handed) if parts.credentials.slug(handed.workspace).is_some() => reception.take(&handed).await,
        Some(_) | None => match comment::overhear(event, body) {
            Overheard::Comment(heard) if parts.credentials.slug(heard.workspace).is_some() => {
                reception.place(&heard).await
            }
            Overheard::Comment(_) => Ok(None),
            Overheard::Ignored { why } => {
                tracing::debug!(event, why, "a webhook is ignored");
                Ok(None)
            }
            Overheard::Unreadable { reason } => return keep(parts, event, body, reason).await,
        },
    };
    match placed {
        Ok(Some(event)) => accept(parts, event).await,
        Ok(None) => {
            count("ignored");
            Ok(StatusCode::OK)
        }
        Err(error) => {
            count("not_stored");
            tracing::error!(%error, "what a webhook asks for cannot be placed");
            Err(HttpError::NotStored)
        }
    }
}

async fn accept(parts: &Parts, event: RunEvent) -> Result<StatusCode, HttpError> {
    let now = Timestamp::now();
    let (kind, grace) = match &event.kind {
        RunEventKind::Started => ("started", parts.prompt_grace),
        RunEventKind::Prompted(_) => ("prompted", Duration::ZERO),
        RunEventKind::StopRequested(_) => ("stop", Duration::ZERO),
    };
    let (run, workspace) = (event.run.id, event.run.workspace);
    let due_at = now.saturating_add(grace).unwrap_or(now);
    match parts.store.accept(event, now, due_at).await {
        Ok(accepted) => {
            let new = accepted == Accepted::New;
            count(if new { kind } else { "duplicate" });
            tracing::info!(%run, %workspace, kind, new, "a webhook is accepted");
            Ok(StatusCode::OK)
        }
        Err(error) => {
            count("not_stored");
            tracing::error!(%run, %workspace, kind, %error, "a webhook cannot be stored");
            Err(HttpError::NotStored)
        }
    }
}

async fn keep(parts: &Parts, event: Option<&str>, body: &[u8], reason: String) -> Result<StatusCode, HttpError> {
    count("unreadable");
    let letter = Letter {
        received_at: Timestamp::now(),
        event: event.unwrap_or_default().chars().take(100).collect(),
        reason: reason.clone(),
        body: String::from_utf8_lossy(body).into_owned(),
    };
    match parts.store.keep_letter(letter).await {
        Ok(Accepted::New) => {
            tracing::warn!(event, reason, "a signed webhook cannot be read; `aileron letters` shows it");
            Ok(StatusCode::OK)
        }
        Ok(Accepted::Duplicate) => Ok(StatusCode::OK),
        Err(error) => {
            tracing::error!(%error, "an unreadable webhook cannot be stored");
            Err(HttpError::NotStored)
        }
    }
}

fn count(result: &'static str) {
    metrics::counter!("aileron_webhooks_total", "result" => result).increment(1);
}
