//! Sends one request over HTTP and watches the bytes of the answer.
//!
//! It replaces async-openai's own service, which retries by itself and loses the status, headers
//! and body of a failure. Retrying happens in one place, and that is not here.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_openai::{error::OpenAIError, middleware::HttpRequestFactory};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use jiff::Timestamp;
use reqwest::{Body, Response, StatusCode, header::CONTENT_TYPE};
use serde_json::Value;

use super::failure::RetryHints;
use crate::llm::LlmError;

/// Most bytes read of one stream; each token comes in a frame of a few hundred.
const MAX_STREAM_BYTES: usize = 128 << 20;
/// Most bytes of one line, which the parser holds in memory.
const MAX_LINE_BYTES: usize = 4 << 20;
/// Most bytes read of a failure's body.
const MAX_FAILURE_BYTES: usize = 64 << 10;

/// A failed response, with all that is needed to judge it.
#[derive(Debug, thiserror::Error)]
#[error("the model provider answered with status {status}")]
pub(super) struct Rejection {
    pub(super) status: u16,
    pub(super) hints: RetryHints,
    pub(super) body: Bytes,
}

/// What was seen of one answer's bytes, which the parsed stream no longer tells.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The server ended the answer on purpose.
    done: AtomicBool,
    broken: OnceLock<LlmError>,
}

impl Watch {
    pub(super) fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    /// Why the bytes stopped, if they stopped for a reason of their own.
    pub(super) fn broken(&self) -> Option<LlmError> {
        self.broken.get().cloned()
    }

    fn note_done(&self) {
        self.done.store(true, Ordering::Release);
    }

    /// Notes why the bytes stop; the first reason stays.
    fn note_broken(&self, error: LlmError) -> std::io::Error {
        let told = std::io::Error::other(error.to_string());
        // A later reason only follows from the first.
        let _ = self.broken.set(error);
        told
    }
}

/// Sends the request and returns a response whose body is a server-sent event stream, whatever the
/// server sent. No byte for `idle_timeout` ends it.
pub(super) async fn send(
    http: reqwest::Client,
    factory: HttpRequestFactory,
    idle_timeout: Duration,
    watch: Arc<Watch>,
) -> Result<Response, OpenAIError> {
    let request = factory.build().await?;
    let response = tokio::time::timeout(idle_timeout, http.execute(request))
        .await
        .map_err(|_elapsed| boxed(silence(idle_timeout)))?
        .map_err(|error| boxed(transport_error(error)))?;

    let status = response.status();
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_json = content_type.contains("json");
    let is_page = content_type.contains("text/html");
    if !status.is_success() {
        return Err(reject(response, idle_timeout).await);
    }
    if is_page {
        return Err(boxed(LlmError::NotFound {
            message: "the address answered with a web page; check base_url".to_owned(),
        }));
    }
    if is_json {
        return whole_answer(response, idle_timeout, &watch).await;
    }
    let body = Body::wrap_stream(watched(response.bytes_stream(), idle_timeout, watch));
    Ok(http::Response::new(body).into())
}

async fn reject(response: Response, idle_timeout: Duration) -> OpenAIError {
    let status: StatusCode = response.status();
    let hints = RetryHints::from_headers(response.headers(), Timestamp::now());
    // A body that cannot be read still leaves the status, which says most.
    let body = collect(response, idle_timeout, MAX_FAILURE_BYTES).await.0;
    OpenAIError::Boxed(Box::new(Rejection { status: status.as_u16(), hints, body }))
}

/// Some servers ignore `stream` and answer in one piece of JSON, or in one a line: each becomes an
/// event.
async fn whole_answer(response: Response, idle_timeout: Duration, watch: &Watch) -> Result<Response, OpenAIError> {
    let (body, failure) = collect(response, idle_timeout, MAX_LINE_BYTES).await;
    if let Some(error) = failure {
        return Err(boxed(error));
    }
    let mut events = String::new();
    for value in serde_json::Deserializer::from_slice(&body).into_iter::<Value>() {
        let Ok(value) = value else {
            return Err(boxed(LlmError::Truncated { message: "the answer is not whole JSON".to_owned() }));
        };
        events.push_str(&format!("data: {value}\n\n"));
    }
    watch.note_done();
    Ok(http::Response::new(Body::from(events)).into())
}

/// Reads at most `limit` bytes, and tells why it stopped early.
async fn collect(response: Response, idle_timeout: Duration, limit: usize) -> (Bytes, Option<LlmError>) {
    let mut body = Vec::new();
    let mut bytes = Box::pin(response.bytes_stream());
    loop {
        match tokio::time::timeout(idle_timeout, bytes.next()).await {
            Ok(None) => return (body.into(), None),
            Ok(Some(Ok(part))) => {
                let room = limit.saturating_sub(body.len());
                body.extend_from_slice(part.get(..part.len().min(room)).unwrap_or_default());
                if part.len() > room {
                    return (body.into(), Some(too_much()));
                }
            }
            Ok(Some(Err(error))) => return (body.into(), Some(cut(error))),
            Err(_elapsed) => return (body.into(), Some(silence(idle_timeout))),
        }
    }
}

/// Passes the bytes on and notes how they end. A blank line is added at the end, because a parser
/// drops the last event where a server forgot it.
fn watched(
    bytes: impl Stream<Item = Result<Bytes, reqwest::Error>> + Send + 'static,
    idle_timeout: Duration,
    watch: Arc<Watch>,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
    let start = Some((Box::pin(bytes), Lines::default()));
    stream::unfold(start, move |state| {
        let watch = Arc::clone(&watch);
        async move {
            let (mut bytes, mut lines) = state?;
            match tokio::time::timeout(idle_timeout, bytes.next()).await {
                Ok(Some(Ok(part))) => {
                    if lines.read(&part) {
                        watch.note_done();
                    }
                    if lines.total > MAX_STREAM_BYTES || lines.in_line > MAX_LINE_BYTES {
                        return Some((Err(watch.note_broken(too_much())), None));
                    }
                    Some((Ok(part), Some((bytes, lines))))
                }
                Ok(Some(Err(error))) => Some((Err(watch.note_broken(cut(error))), None)),
                Ok(None) => {
                    if lines.read(b"\n") {
                        watch.note_done();
                    }
                    Some((Ok(Bytes::from_static(b"\n\n")), None))
                }
                Err(_elapsed) => Some((Err(watch.note_broken(silence(idle_timeout))), None)),
            }
        }
    })
}

/// Looks for the line that ends a stream on purpose.
#[derive(Debug, Default)]
struct Lines {
    total: usize,
    in_line: usize,
    /// The beginning of the current line without spaces, as far as it could be the marker.
    start: Vec<u8>,
}

impl Lines {
    const MARKER: &'static [u8] = b"data:[DONE]";

    /// Whether the marker's line ended in these bytes.
    fn read(&mut self, bytes: &[u8]) -> bool {
        let mut done = false;
        self.total += bytes.len();
        for &byte in bytes {
            self.in_line += 1;
            match byte {
                b'\n' | b'\r' => {
                    done |= self.start == Self::MARKER;
                    self.start.clear();
                    self.in_line = 0;
                }
                b' ' => {}
                _ if self.start.len() <= Self::MARKER.len() => self.start.push(byte),
                _ => {}
            }
        }
        done
    }
}

fn boxed(error: LlmError) -> OpenAIError {
    OpenAIError::Boxed(Box::new(error))
}

fn silence(idle_timeout: Duration) -> LlmError {
    LlmError::Transport { message: format!("it was silent for {} s", idle_timeout.as_secs_f64()), timed_out: true }
}

fn too_much() -> LlmError {
    LlmError::Truncated { message: "it is larger than we read".to_owned() }
}

fn cut(error: reqwest::Error) -> LlmError {
    LlmError::Truncated { message: format!("the connection broke: {}", innermost(&error.without_url())) }
}

fn transport_error(error: reqwest::Error) -> LlmError {
    let what = if error.is_connect() { "could not connect" } else { "the request failed" };
    // The address may hold a key in its query.
    LlmError::Transport { message: format!("{what}: {}", innermost(&error.without_url())), timed_out: false }
}

/// The cause that says most: the last of the chain.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_marker_is_found_however_it_is_cut() {
        let text = b"data: {\"a\":\"data: [DONE]\"}\r\n\r\ndata: [DONE]\r\n";
        for size in 1..text.len() {
            let mut lines = Lines::default();
            let found = text.chunks(size).map(|part| lines.read(part)).fold(false, |found, now| found | now);
            assert!(found, "{size}");
        }
        assert!(!Lines::default().read(b"data: {\"a\":\"data: [DONE]\"}\n\ndata: [DONE]x\n"));
    }
}
