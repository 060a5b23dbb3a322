//! A small HTTP server that notes what it is asked and answers as the test says.

use std::{
    cell::Cell,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use aileron::{
    config::{OAuthConfig, PlaneConfig},
    domain::{
        ids::{InstallationId, WorkspaceId},
        installation::{BookError, Credential, Installation, InstallationBook, InstallationStatus},
    },
    plane::{
        client::{PlaneClient, http_client},
        credentials::Credentials,
        oauth::OAuthClient,
    },
};
use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    response::Response,
};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;
use tokio::task::JoinSet;
use uuid::Uuid;

pub(super) const WORKSPACE: WorkspaceId = WorkspaceId(Uuid::from_u128(0x2222_2222_2222_4222_8222_2222_2222_2222));
pub(super) const INSTALLATION: InstallationId =
    InstallationId(Uuid::from_u128(0x1111_1111_1111_4111_8111_1111_1111_1111));

/// A request as it arrived.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) authorization: String,
    pub(super) api_key: String,
    pub(super) accept: String,
    pub(super) body: String,
}

impl Seen {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What to answer.
pub(super) enum Reply {
    Json(u16, Value),
    /// With a `Retry-After`.
    Later(u16, &'static str, &'static str),
    Text(u16, &'static str),
    Redirect(&'static str),
    /// A temporary redirect, as to a file.
    Lead(String),
    Bytes(Vec<u8>),
    /// Never.
    Silence,
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// `answer` gets a request and how many came before it.
    pub(super) async fn start(answer: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (notes, answer) = (Arc::clone(&seen), Arc::new(answer));
        let router = Router::new().fallback(move |request: Request| {
            let (notes, answer) = (Arc::clone(&notes), Arc::clone(&answer));
            async move {
                let request = note(request).await;
                let before = {
                    let mut notes = notes.lock().unwrap();
                    notes.push(request.clone());
                    notes.len() - 1
                };
                respond(answer(&request, before)).await
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, seen, _tasks: tasks }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests had this path.
    pub(super) fn count(&self, path: &str) -> usize {
        self.seen().iter().filter(|seen| seen.path == path).count()
    }

    pub(super) fn config(&self) -> PlaneConfig {
        PlaneConfig {
            api_url: format!("http://{}", self.address).parse().unwrap(),
            web_url: "https://plane.example.test".parse().unwrap(),
            webhook_secrets: Vec::new(),
            oauth: Some(OAuthConfig {
                client_id: "client-abc".to_owned(),
                client_secret: SecretString::from("client-secret"),
                redirect_uri: "https://agent.example/oauth/callback".parse().unwrap(),
                scopes: vec!["agents.runs:read".to_owned(), "agents.runs:write".to_owned()],
            }),
            fixed: None,
            request_timeout: Duration::from_secs(10),
            requests_per_minute: 1000,
            budget_window: Duration::from_secs(60),
            channel: aileron::config::ChannelConfig::Runs,
            facts_ttl: Duration::from_secs(60),
            settle: Duration::ZERO,
        }
    }
}

async fn note(request: Request) -> Seen {
    let (parts, body) = request.into_parts();
    let header =
        |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    Seen {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        authorization: header("authorization"),
        api_key: header("x-api-key"),
        accept: header("accept"),
        body: String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap(),
    }
}

async fn respond(reply: Reply) -> Response {
    let builder = Response::builder();
    match reply {
        Reply::Json(status, body) => {
            builder.status(status).header("content-type", "application/json").body(Body::from(body.to_string()))
        }
        Reply::Later(status, wait, body) => builder.status(status).header("retry-after", wait).body(Body::from(body)),
        Reply::Text(status, body) => builder.status(status).body(Body::from(body)),
        Reply::Redirect(to) => builder.status(301).header("location", to).body(Body::empty()),
        Reply::Lead(to) => builder.status(302).header("location", to).body(Body::empty()),
        Reply::Bytes(bytes) => builder.status(200).body(Body::from(bytes)),
        Reply::Silence => std::future::pending().await,
    }
    .unwrap()
}

/// Keeps installations in memory, and can be told to fail.
#[derive(Default)]
pub(super) struct Book {
    pub(super) saved: Mutex<Vec<Installation>>,
    pub(super) broken: Mutex<bool>,
}

#[async_trait]
impl InstallationBook for Book {
    async fn installations(&self) -> Result<Vec<Installation>, BookError> {
        Ok(self.saved.lock().unwrap().clone())
    }

    async fn save_installation(&self, installation: Installation) -> Result<(), BookError> {
        if *self.broken.lock().unwrap() {
            return Err(BookError("disk full".into()));
        }
        let mut saved = self.saved.lock().unwrap();
        saved.retain(|known| known.workspace != installation.workspace);
        saved.push(installation);
        Ok(())
    }
}

thread_local! {
    static SECONDS_LATER: Cell<i64> = const { Cell::new(0) };
}

/// The time, as far ahead as [`let_pass`] says; each test runs on a thread of its own.
pub(super) fn clock() -> Timestamp {
    Timestamp::from_second(1_800_000_000 + SECONDS_LATER.get()).unwrap()
}

pub(super) fn let_pass(seconds: i64) {
    SECONDS_LATER.set(SECONDS_LATER.get() + seconds);
}

/// An installation with the token `old`, issued now for a day.
pub(super) fn installation() -> Installation {
    let issued_at = clock();
    Installation {
        workspace: WORKSPACE,
        slug: "acme".to_owned(),
        workspace_name: "Acme".to_owned(),
        bot: None,
        credential: Credential::OAuth {
            installation: INSTALLATION,
            token: SecretString::from("old"),
            issued_at,
            expires_at: Some(issued_at + Duration::from_secs(86_400)),
        },
        status: InstallationStatus::Active,
        installed_at: issued_at,
    }
}

pub(super) fn http() -> reqwest::Client {
    // Another test of this process may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    http_client().unwrap()
}

/// Credentials over a book that holds `installations`.
pub(super) async fn credentials(
    config: &PlaneConfig,
    installations: Vec<Installation>,
) -> (Arc<Book>, Arc<Credentials>) {
    let book = Arc::new(Book::default());
    *book.saved.lock().unwrap() = installations;
    let oauth = OAuthClient::new(http(), config);
    let credentials = Credentials::new(book.clone(), oauth, config.fixed.as_ref()).with_clock(clock);
    credentials.load().await.unwrap();
    (book, Arc::new(credentials))
}

/// A client of one workspace with the token `old`.
pub(super) async fn client(server: &Server) -> (Arc<Book>, Arc<Credentials>, PlaneClient) {
    client_with(server.config()).await
}

pub(super) async fn client_with(config: PlaneConfig) -> (Arc<Book>, Arc<Credentials>, PlaneClient) {
    let installations = if config.fixed.is_some() { Vec::new() } else { vec![installation()] };
    let (book, credentials) = credentials(&config, installations).await;
    let client = PlaneClient::new(http(), &config, Arc::clone(&credentials));
    (book, credentials, client)
}
