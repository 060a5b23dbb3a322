//! The listener and the way of one request through it: recorded, perhaps broken on purpose, answered.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, Request, State, connect_info::Connected},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
    serve::{IncomingStream, Listener},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

use super::{
    Shared, api, demo, files,
    listing::Query,
    oauth,
    plan::{Breakage, CredentialKind, RecordedRequest},
    world::World,
};

const LARGEST_BODY_BYTES: usize = 5 * 1024 * 1024;

/// Serves on tracked tasks until the sandbox is stopped, and lets runs grow stale.
pub(super) fn spawn(shared: &Arc<Shared>, listener: TcpListener) {
    let app = Router::new()
        .merge(demo::router(shared))
        .fallback(plane)
        .with_state(Arc::clone(shared))
        .into_make_service_with_connect_info::<Line>();
    let stopped = shared.stop.clone().cancelled_owned();
    let server = axum::serve(CuttableListener(listener), app).with_graceful_shutdown(stopped);
    shared.tasks.spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the sandbox's server ended");
        }
    });
    let shared = Arc::clone(shared);
    let tasks = shared.tasks.clone();
    tasks.spawn(async move {
        let mut changed = shared.changed.subscribe();
        loop {
            let next = shared.grow_stale();
            tokio::select! {
                () = shared.stop.cancelled() => return,
                () = tokio::time::sleep_until(next.into()) => {}
                _ = changed.changed() => {}
            }
        }
    });
}

/// A request, read whole.
pub(super) struct Call {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) raw_query: String,
    pub(super) query: Query,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Whether external ids were found free before; Plane does not look again when it inserts.
    pub(super) checked: bool,
}

impl Call {
    /// A header's text, or `None` where it is absent or not text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The token of `Authorization: <scheme> <token>`.
    pub(super) fn authorization(&self, scheme: &str) -> Option<&str> {
        let (found, token) = self.header("authorization")?.split_once(' ')?;
        found.eq_ignore_ascii_case(scheme).then_some(token.trim())
    }

    /// The body as JSON; an empty one counts as `{}`.
    ///
    /// # Errors
    /// The status and body to answer.
    pub(super) fn json(&self) -> Result<Value, (u16, Value)> {
        if self.body.is_empty() {
            return Ok(json!({}));
        }
        let kind = self.header("content-type").unwrap_or("application/octet-stream");
        if !kind.starts_with("application/json") {
            return Err((415, json!({"detail": format!("Unsupported media type \"{kind}\" in request.")})));
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| (400, json!({"detail": format!("JSON parse error - {error}")})))
    }

    async fn read(request: Request) -> Option<Self> {
        let (parts, body) = request.into_parts();
        let raw_query = parts.uri.query().unwrap_or_default().to_owned();
        Some(Self {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: url::form_urlencoded::parse(raw_query.as_bytes()).into_owned().collect(),
            raw_query,
            headers: parts.headers,
            body: axum::body::to_bytes(body, LARGEST_BODY_BYTES).await.ok()?,
            checked: false,
        })
    }

    fn credential(&self) -> CredentialKind {
        if self.header("x-api-key").is_some() {
            CredentialKind::ApiKey
        } else if self.authorization("bearer").is_some() {
            CredentialKind::Bearer
        } else if self.authorization("basic").is_some() {
            CredentialKind::Basic
        } else {
            CredentialKind::None
        }
    }
}

/// A JSON answer.
pub(super) fn respond(status: u16, body: &Value) -> Response {
    raw(status, "application/json", if status == 204 { String::new() } else { body.to_string() })
}

/// Any answer.
pub(super) fn raw(status: u16, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Adds a header where its value can be one.
pub(super) fn set_header(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
}

async fn plane(State(shared): State<Arc<Shared>>, ConnectInfo(line): ConnectInfo<Line>, request: Request) -> Response {
    let Some(call) = Call::read(request).await else {
        return respond(413, &json!({"error": "REQUEST_BODY_TOO_LARGE", "detail": "The request body is too large."}));
    };
    let (number, fault) = {
        let mut world = shared.lock();
        (record(&mut world, &call), take_fault(&mut world, &call))
    };
    // Whoever waits for a request sees it before its answer, which a fault may delay.
    shared.touch();
    let (response, status) = match fault {
        None => answered(answer(&shared, &call)),
        Some(Breakage::Status { code, retry_after, body }) => answered(planned_answer(code, retry_after, body)),
        Some(Breakage::Delay(delay)) => {
            let response = answer(&shared, &call);
            // The effect is there already, for everyone but the client.
            shared.touch();
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = shared.stop.cancelled() => {}
            }
            answered(response)
        }
        Some(Breakage::ResetBeforeEffect) => {
            line.cut();
            (respond(500, &Value::Null), 0)
        }
        Some(Breakage::ResetAfterEffect) => {
            let response = answer(&shared, &call);
            line.cut();
            (response, 0)
        }
        Some(Breakage::ResetAndLateEffect(delay)) => {
            line.cut();
            let shared = Arc::clone(&shared);
            shared.tasks.clone().spawn(async move {
                tokio::time::sleep(delay).await;
                drop(answer(&shared, &Call { checked: true, ..call }));
                shared.touch();
            });
            (respond(500, &Value::Null), 0)
        }
        Some(Breakage::Malformed) => {
            let status = answer(&shared, &call).status().as_u16();
            answered(raw(status, "application/json", "{\"id\": \"66666666-6666"))
        }
    };
    if let Some(record) = shared.lock().requests.get_mut(number) {
        record.status = status;
    }
    shared.touch();
    shared.deliver_due();
    response
}

fn answered(response: Response) -> (Response, u16) {
    let status = response.status().as_u16();
    (response, status)
}

fn answer(shared: &Shared, call: &Call) -> Response {
    match call.path.as_str() {
        path if path.starts_with("/auth/o/") && shared.options.edition.has_apps() => oauth::answer(shared, call),
        path if path.starts_with(files::STORAGE) => files::answer(shared, call),
        _ => api::answer(shared, call),
    }
}

fn record(world: &mut World, call: &Call) -> usize {
    world.requests.push(RecordedRequest {
        method: call.method.clone(),
        path: call.path.clone(),
        query: call.raw_query.clone(),
        credential: call.credential(),
        body: serde_json::from_slice(&call.body).ok(),
        status: 0,
        at: Instant::now(),
    });
    world.requests.len() - 1
}

fn take_fault(world: &mut World, call: &Call) -> Option<Breakage> {
    let fault = world.faults.iter_mut().find(|fault| {
        let method_fits = fault.method.is_empty() || fault.method.eq_ignore_ascii_case(&call.method);
        fault.times > 0 && method_fits && call.path.contains(&fault.path)
    })?;
    fault.times -= 1;
    fault.struck = true;
    Some(fault.what.clone())
}

fn planned_answer(code: u16, retry_after: Option<u64>, body: String) -> Response {
    let kind =
        if body.trim_start().starts_with(['{', '[', '"']) { "application/json" } else { "text/html; charset=utf-8" };
    let mut response = raw(code, kind, body);
    if let Some(seconds) = retry_after {
        set_header(&mut response, "retry-after", &seconds.to_string());
    }
    response
}

/// A connection that can be reset from the inside: the handler cuts it and whatever would be
/// written after that is not.
#[derive(Debug, Clone, Default)]
struct Line(Arc<AtomicBool>);

impl Line {
    fn cut(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Connected<IncomingStream<'_, CuttableListener>> for Line {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> Self {
        stream.remote_addr().clone()
    }
}

struct CuttableListener(TcpListener);

impl Listener for CuttableListener {
    type Io = CuttableStream;
    type Addr = Line;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, _) = Listener::accept(&mut self.0).await;
        let line = Line::default();
        (CuttableStream { stream, line: line.clone() }, line)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(Line::default())
    }
}

struct CuttableStream {
    stream: TcpStream,
    line: Line,
}

impl CuttableStream {
    fn reset(&self) -> io::Result<()> {
        if !self.line.0.load(Ordering::Acquire) {
            return Ok(());
        }
        // Without it the peer would see an orderly end instead of a reset.
        let _ = self.stream.set_zero_linger();
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.reset()?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.reset()?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.reset()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
