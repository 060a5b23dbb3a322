//! A provider on loopback that answers with bytes as given, cut and stalled where a test wants it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use aileron::{
    config::{CredentialConfig, ModelConfig, ProviderConfig, RemoteConfig, RemoteKind},
    domain::talk::Message,
    llm::{Delta, LlmError, Model, Reply, Request, adapters, openai::OpenAiModel},
};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request as HttpRequest, State},
    http::{HeaderMap, Response},
    serve::ListenerExt as _,
};
use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::{sync::mpsc, task::JoinSet};
use url::Url;

/// One answer of the provider.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) parts: Vec<Bytes>,
    pub(crate) end: End,
}

/// What follows the last part.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Whole,
    /// The connection breaks.
    Cut,
    /// Nothing, for ever.
    Stall,
}

impl Answer {
    pub(crate) fn stream(parts: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Self {
        let parts = parts.into_iter().map(|part| Bytes::from(part.into())).collect();
        Self { status: 200, headers: vec![("content-type", "text/event-stream".to_owned())], parts, end: End::Whole }
    }

    /// Each text becomes the data of one event, and `[DONE]` follows.
    pub(crate) fn events(events: &[&str]) -> Self {
        let text: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        Self::stream([text + "data: [DONE]\n\n"])
    }

    pub(crate) fn json(status: u16, body: &str) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status, headers, parts: vec![Bytes::from(body.to_owned())], end: End::Whole }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn ending(mut self, end: End) -> Self {
        self.end = end;
        self
    }
}

/// A request as it arrived.
pub(crate) struct Captured {
    pub(crate) path_and_query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

#[derive(Clone)]
struct Shared {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    captured: Arc<Mutex<Vec<Captured>>>,
    closed: mpsc::UnboundedSender<()>,
    pause: Duration,
}

/// Serves its answers in turn; a request too many gets a 418.
pub(crate) struct Provider {
    pub(crate) base_url: String,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    captured: Arc<Mutex<Vec<Captured>>>,
    /// One entry for each answer whose body was let go.
    pub(crate) closed: mpsc::UnboundedReceiver<()>,
    _server: JoinSet<()>,
}

impl Provider {
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::start_slow(answers, Duration::ZERO).await
    }

    /// With a pause before each part.
    pub(crate) async fn start_slow(answers: impl IntoIterator<Item = Answer>, pause: Duration) -> Self {
        let (closed_sender, closed) = mpsc::unbounded_channel();
        let captured = Arc::default();
        let answers: Arc<Mutex<VecDeque<_>>> = Arc::new(Mutex::new(answers.into_iter().collect()));
        let shared =
            Shared { answers: Arc::clone(&answers), captured: Arc::clone(&captured), closed: closed_sender, pause };
        let router = Router::new().fallback(serve).with_state(shared);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let mut server = JoinSet::new();
        // Small parts leave at once; waiting to join them would take most of a test's time.
        let listener = listener.tap_io(|connection| connection.set_nodelay(true).unwrap());
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { base_url, answers, captured, closed, _server: server }
    }

    /// Adds answers at the end.
    pub(crate) fn then(&self, answers: impl IntoIterator<Item = Answer>) {
        self.answers.lock().unwrap().extend(answers);
    }

    /// The requests so far; they are forgotten here.
    pub(crate) fn requests(&self) -> Vec<Captured> {
        std::mem::take(&mut *self.captured.lock().unwrap())
    }

    pub(crate) fn config(&self, kind: RemoteKind) -> RemoteConfig {
        let mut base_url: Url = self.base_url.parse().unwrap();
        if matches!(kind, RemoteKind::Azure | RemoteKind::Anthropic) {
            base_url.set_path("");
        }
        RemoteConfig {
            credential: Some(CredentialConfig::Secret("test-key-1234567890\n".to_owned().into())),
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(20),
            max_retries: 2,
            ..RemoteConfig::new(kind, base_url)
        }
    }

    pub(crate) fn model(&self) -> OpenAiModel {
        self.model_with(|_, _| {})
    }

    pub(crate) fn model_with(&self, change: impl FnOnce(&mut ModelConfig, &mut RemoteConfig)) -> OpenAiModel {
        let (model, provider) = self.settings(RemoteKind::OpenAi, change);
        OpenAiModel::new(&model, &provider, http_client()).unwrap()
    }

    /// A model of any wire behind this provider.
    pub(crate) fn speaking(
        &self,
        kind: RemoteKind,
        change: impl FnOnce(&mut ModelConfig, &mut RemoteConfig),
    ) -> Arc<dyn Model> {
        let (model, provider) = self.settings(kind, change);
        adapters::adapter(&model, &provider, http_client()).unwrap()
    }

    fn settings(
        &self,
        kind: RemoteKind,
        change: impl FnOnce(&mut ModelConfig, &mut RemoteConfig),
    ) -> (ModelConfig, RemoteConfig) {
        let mut provider = self.config(kind);
        let mut model = ModelConfig::new("main", ProviderConfig::Remote(Box::new(provider.clone())), "some-model");
        change(&mut model, &mut provider);
        model.provider = ProviderConfig::Remote(Box::new(provider.clone()));
        (model, provider)
    }
}

async fn serve(State(shared): State<Shared>, request: HttpRequest) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 8 << 20).await.unwrap();
    shared.captured.lock().unwrap().push(Captured {
        path_and_query: parts.uri.to_string(),
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap(),
    });
    let answer =
        shared.answers.lock().unwrap().pop_front().unwrap_or_else(|| Answer::json(418, "\"no answer is left\""));
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    let pause = shared.pause;
    let guard = Closing(shared.closed);
    let parts = stream::iter(answer.parts).then(move |part| async move {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        // Lets each part leave as a packet of its own.
        tokio::task::yield_now().await;
        Ok::<_, std::io::Error>(part)
    });
    let end = match answer.end {
        End::Whole => stream::empty().boxed(),
        End::Cut => stream::once(async { Err(std::io::Error::other("cut")) }).boxed(),
        End::Stall => stream::pending().boxed(),
    };
    let body = parts.chain(end).map(move |part| {
        let _ = &guard;
        part
    });
    response.body(Body::from_stream(body)).unwrap()
}

/// Tells when the body of an answer is let go.
struct Closing(mpsc::UnboundedSender<()>);

impl Drop for Closing {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

pub(crate) fn http_client() -> reqwest::Client {
    // Fails only if another test has installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().connect_timeout(Duration::from_secs(5)).build().unwrap()
}

pub(crate) fn say(text: &str) -> Request {
    Request { messages: vec![Message::User { text: text.to_owned() }], tools: Vec::new() }
}

/// Asks and keeps the deltas.
pub(crate) async fn ask(model: &dyn Model, request: &Request) -> (Result<Reply, LlmError>, Vec<Delta>) {
    let deltas = Mutex::new(Vec::new());
    let reply = model.complete(request, &|delta| deltas.lock().unwrap().push(delta)).await;
    (reply, deltas.into_inner().unwrap())
}
