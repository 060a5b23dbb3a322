//! One HTTP exchange with Plane: sent, counted, read up to a bound, and judged by its status.

use std::{error::Error, time::Duration};

use jiff::Timestamp;
use reqwest::{
    Client, RequestBuilder,
    header::{HeaderName, LOCATION, RETRY_AFTER},
    redirect,
};
use serde_json::Value;

use crate::plane::{PlaneError, wire::failure};

/// Largest answer read. A page of a hundred work items with long descriptions stays below it.
const LARGEST_ANSWER_BYTES: usize = 32 * 1024 * 1024;
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const LONGEST_CAUSE_CHARS: usize = 200;

/// An HTTP client as the Plane adapter needs it. It follows no redirects, because following one
/// turns a POST into a GET and could take the token to another host, and repeats nothing by itself.
///
/// # Errors
/// [`PlaneError::Transport`] if TLS cannot be set up.
pub fn http_client() -> Result<Client, PlaneError> {
    Client::builder()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .user_agent(concat!("aileron/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| PlaneError::Transport { what: "anything", message: cause(&error) })
}

/// An answer of any status.
#[derive(Debug)]
pub(in crate::plane) struct Answer {
    pub(in crate::plane) status: u16,
    pub(in crate::plane) retry_after: Option<Duration>,
    /// Requests left to this credential, where Plane says so.
    pub(in crate::plane) remaining: Option<usize>,
    /// Where a redirect leads.
    pub(in crate::plane) location: Option<String>,
    pub(in crate::plane) body: Vec<u8>,
}

/// Sends a request and reads the whole answer. `method` is only counted.
pub(in crate::plane) async fn send(
    request: RequestBuilder,
    method: &'static str,
    what: &'static str,
) -> Result<Answer, PlaneError> {
    let outcome = exchange(request).await;
    let status = match &outcome {
        Ok(answer) => answer.status.to_string(),
        Err(error) if error.is_timeout() => "timeout".to_owned(),
        Err(_) => "transport".to_owned(),
    };
    tracing::debug!(what, status, "asked Plane");
    metrics::counter!("aileron_plane_requests_total", "method" => method, "status" => status).increment(1);
    outcome.map_err(|error| PlaneError::Transport { what, message: cause(&error) })
}

impl Answer {
    pub(in crate::plane) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(in crate::plane) fn is_redirect(&self) -> bool {
        (300..400).contains(&self.status)
    }

    /// The body of a successful answer.
    pub(in crate::plane) fn json(&self, what: &'static str) -> Result<Value, PlaneError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // The content stays out: it may be anything a person wrote.
            let is_page = self.body.trim_ascii_start().starts_with(b"<");
            let message = if is_page { "an HTML page".to_owned() } else { format!("no JSON: {error}") };
            PlaneError::Malformed { what, message }
        })
    }

    /// What Plane says about a failure.
    pub(in crate::plane) fn message(&self) -> String {
        failure::message(&self.body)
    }

    /// Whether the token itself is refused: with a 401, or with a 403 that speaks of it, as Plane
    /// answers to a key that is wrong or expired. A 403 about a scope is about a right.
    pub(in crate::plane) fn refuses_token(&self) -> bool {
        let message = self.message().to_ascii_lowercase();
        self.status == 401 || (self.status == 403 && message.contains("token") && !message.contains("scope"))
    }

    /// The error an unsuccessful answer means.
    pub(in crate::plane) fn into_error(self, what: &'static str, slug: &str) -> PlaneError {
        let message = self.message();
        let (status, retry_after) = (self.status, self.retry_after);
        if self.refuses_token() {
            return PlaneError::Unauthorized { slug: slug.to_owned(), message };
        }
        match status {
            300..=399 => {
                let message = "it redirects to another address; check plane.api_url".to_owned();
                PlaneError::Refused { what, status, message }
            }
            403 => PlaneError::Forbidden { what, message },
            404 | 410 => PlaneError::NotFound { what, message },
            429 => PlaneError::RateLimited { retry_after },
            409 => match failure::existing(&self.body) {
                Some(id) => PlaneError::Taken { what, id, message },
                None => PlaneError::Refused { what, status, message },
            },
            // A proxy that lost patience says nothing about the request.
            408 | 425 => PlaneError::Server { what, status, message, retry_after },
            400..=499 => PlaneError::Refused { what, status, message },
            _ => PlaneError::Server { what, status, message, retry_after },
        }
    }
}

async fn exchange(request: RequestBuilder) -> Result<Answer, reqwest::Error> {
    let mut response = request.send().await?;
    let status = response.status().as_u16();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let retry_after = header(RETRY_AFTER).and_then(|header| failure::retry_after(header, Timestamp::now()));
    let remaining = header(REMAINING).and_then(|header| header.trim().parse().ok());
    let location = header(LOCATION).map(str::to_owned);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST_ANSWER_BYTES {
            // What is left is no JSON and reported as such.
            body.truncate(LARGEST_ANSWER_BYTES);
            break;
        }
    }
    Ok(Answer { status, retry_after, remaining, location, body })
}

/// The kind of a transport failure and its innermost cause. The address is left out: its query may
/// hold what a person searched for.
pub(super) fn cause(error: &reqwest::Error) -> String {
    let kind = if error.is_timeout() {
        "timed out"
    } else if error.is_connect() {
        "could not connect"
    } else {
        "the connection broke"
    };
    let mut innermost: Option<&dyn Error> = error.source();
    while let Some(next) = innermost.and_then(Error::source) {
        innermost = Some(next);
    }
    match innermost {
        Some(innermost) => {
            format!("{kind}: {}", innermost.to_string().chars().take(LONGEST_CAUSE_CHARS).collect::<String>())
        }
        None => kind.to_owned(),
    }
}
