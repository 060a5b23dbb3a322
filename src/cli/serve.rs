//! `aileron serve`: the only place that builds everything and puts it together.

use std::{collections::BTreeMap, net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use jiff::SignedDuration;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{configured, logs, say};
use crate::{
    agent::{
        Agent, Limits, bots::BotTalk, guidance::Guidance, models::Models, policy::switch::WriteSwitch, poll::Poll,
        prompts::library::Library, reception::Reception,
    },
    config::{ChannelConfig, Config, ModelChain, ModelsConfig, PlaneConfig, StoreConfig, load::Sources},
    llm::{Model, adapters, tokens::TokenMeter},
    plane::{self, PlaneApi, client::PlaneClient, credentials::Credentials, facts::Facts, oauth::OAuthClient},
    server::{self, Parts, arrivals::Arrivals, control},
    store::{
        Retention, Store,
        sled::{Opened, SledStore},
    },
    worker::Worker,
};

/// How long open connections may take to finish at shutdown.
const CONNECTIONS_PATIENCE: Duration = Duration::from_secs(5);

/// How often a turn that goes on makes sure that it was not stopped. It costs a request each time.
const STATUS_EVERY: Duration = Duration::from_secs(60);

/// Sent for a write beyond the size a file may have.
const SIGXFSZ: i32 = 25;

pub(super) async fn main(sources: &Sources) -> anyhow::Result<ExitCode> {
    let config = configured(sources)?;
    logs::start(&config.log);
    // Handled, a limit on the size of files is an error like a full disk; unhandled it would kill the process.
    let _file_limit = signal(SignalKind::from_raw(SIGXFSZ)).context("SIGXFSZ cannot be handled")?;
    let app = App::build(config).await?;
    say(&format!("aileron listens on http://{}", app.address()));
    let shutdown = CancellationToken::new();
    let patience = CancellationToken::new();
    let app = app.run(shutdown.clone(), patience.clone());
    tokio::pin!(app);
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?;
    loop {
        tokio::select! {
            result = &mut app => return result.map(|()| ExitCode::SUCCESS),
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        if shutdown.is_cancelled() {
            tracing::warn!(
                "told to stop a second time: leaving at once; unfinished turns are resumed at the next start"
            );
            return Ok(ExitCode::FAILURE);
        }
        tracing::info!("told to stop: no more webhooks, running turns may finish");
        shutdown.cancel();
    }
}

/// A whole aileron, built and listening, not yet working.
pub(super) struct App {
    config: Config,
    listener: TcpListener,
    address: SocketAddr,
    store: Arc<dyn Store>,
    agent: Arc<Agent>,
    arrivals: Arc<Arrivals>,
    reception: Option<Arc<Reception>>,
    router: axum::Router,
    control: Option<tokio::net::UnixListener>,
}

impl App {
    pub(super) async fn build(config: Config) -> anyhow::Result<Self> {
        let library = library(&config);
        for file in library.current().files_in_use() {
            tracing::debug!(file, "a file on disk replaces the built-in text");
        }
        let recorder = PrometheusBuilder::new().build_recorder();
        let metrics = recorder.handle();
        // Only the first application of a process counts; a second one has no business here.
        let _ = metrics::set_global_recorder(recorder);
        let http = plane::client::http_client()?;
        let (store, notice) = open_store(&config.store)?;
        let oauth = OAuthClient::new(http.clone(), &config.plane);
        let credentials = Arc::new(Credentials::new(store.clone(), oauth, config.plane.fixed.as_ref()));
        credentials.load().await.context("the installations cannot be read")?;
        let plane: Arc<dyn PlaneApi> = Arc::new(PlaneClient::new(http.clone(), &config.plane, credentials.clone()));
        let seams = Seams {
            store: store.clone(),
            plane,
            models: models(&config, &credentials)?,
            credentials: credentials.clone(),
        };
        let agent = Arc::new(agent(&config, seams, library.clone()));
        let arrivals = Arc::<Arrivals>::default();
        let reception = reception(&config, store.clone());
        let reached = reception.clone();
        let edge = Edge { credentials, reception: reached, arrivals: arrivals.clone(), library, metrics, notice };
        let router = router(&config, store.clone(), edge);
        let listener = TcpListener::bind(config.server.listen)
            .await
            .with_context(|| format!("cannot listen on {} (server.listen)", config.server.listen))?;
        let address = listener.local_addr().context("the listener has no address")?;
        let control = control::bind(&config.store.data_dir).inspect_err(|error| {
            tracing::error!(%error, "no control socket; `aileron installations`, `letters`, `usage` and `audit` cannot ask this server");
        });
        Ok(Self { config, listener, address, store, agent, arrivals, reception, router, control: control.ok() })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves and works until `shutdown`, then winds down: no more intake, turns drained or handed
    /// back, the store closed.
    pub(super) async fn run(self, shutdown: CancellationToken, connections: CancellationToken) -> anyhow::Result<()> {
        let tasks = self.agent.tasks.clone();
        if let Some(listener) = self.control {
            let control = control::serve(listener, self.store.clone(), self.arrivals.clone(), shutdown.clone());
            tasks.spawn(async move {
                if let Err(error) = control.await {
                    tracing::error!(%error, "the control socket stopped working");
                }
            });
        }
        let served = axum::serve(self.listener, self.router).with_graceful_shutdown(shutdown.clone().cancelled_owned());
        let serving = tasks.spawn(async move {
            tokio::select! {
                result = served => result,
                () = connections.cancelled() => Ok(()),
            }
        });
        if let Some(poll) = poll(&self.config.plane, &self.agent, self.reception.as_ref()) {
            tasks.spawn(poll.run(shutdown.clone()));
        }
        let worker = Worker::new(
            self.agent.clone(),
            self.store.clone(),
            self.config.agent.concurrency,
            retention(&self.config.store),
        )
        .sweeping_every(self.config.agent.sweep);
        let worked = worker.run(shutdown.clone(), self.config.agent.drain).await;
        // The worker also ends when the store breaks; nothing can be accepted then either.
        shutdown.cancel();
        tasks.close();
        if tokio::time::timeout(CONNECTIONS_PATIENCE, serving).await.is_err() {
            tracing::warn!("some connections stay open; they are cut");
        }
        self.store.close().await;
        let _ = std::fs::remove_file(control::socket_path(&self.config.store.data_dir));
        worked.context("the store stopped working; after it is mended start again: nothing accepted is lost")?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Opens the store and tells what was found amiss: in the log, and in a notice for whoever asks.
fn open_store(config: &StoreConfig) -> anyhow::Result<(Arc<dyn Store>, Option<String>)> {
    let opened = SledStore::open_compacting(&config.data_dir, config.compact_above);
    let opened = opened.context("the store cannot be opened")?;
    if let Some(aside) = &opened.set_aside {
        tracing::error!(
            path = %aside.display(),
            installations_restored = opened.installations_restored,
            runs_restored = opened.runs_restored,
            "the store was damaged and is set aside; starting with an empty one. The conversations in it are \
             forgotten; the runs of the last days are looked at in Plane for what is not answered yet"
        );
    }
    if opened.commits_lost > 0 || opened.records_missing > 0 {
        tracing::error!(
            commits = opened.commits_lost,
            records = opened.records_missing,
            runs_restored = opened.runs_restored,
            "the store lost its newest commits or older records to damage and goes on without them"
        );
    }
    metrics::gauge!("aileron_store_set_aside").set(if opened.set_aside.is_some() { 1.0 } else { 0.0 });
    let notice = notice(&opened);
    Ok((Arc::new(opened.store), notice))
}

fn retention(config: &StoreConfig) -> Retention {
    let signed = |kept: Duration| SignedDuration::try_from(kept).unwrap_or(SignedDuration::MAX);
    Retention { keep_runs: signed(config.keep_runs), max_runs: config.max_runs, keep_keys: signed(config.keep_keys) }
}

/// What whoever asks whether the server is ready should know of the store.
fn notice(opened: &Opened) -> Option<String> {
    if let Some(aside) = &opened.set_aside {
        let name = aside.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (installations, runs) = (opened.installations_restored, opened.runs_restored);
        return Some(format!(
            "the store was damaged at the last start: it is set aside as {name} and an empty one begun; \
             {installations} installations were restored, conversations were not; {runs} runs are known and looked at \
             in Plane for what is not answered yet"
        ));
    }
    let (commits, records) = (opened.commits_lost, opened.records_missing);
    (commits > 0 || records > 0)
        .then(|| format!("the store lost its last {commits} commits and {records} older records to damage"))
}

/// What only the HTTP edge needs.
struct Edge {
    credentials: Arc<Credentials>,
    arrivals: Arc<Arrivals>,
    reception: Option<Arc<Reception>>,
    library: Arc<Library>,
    metrics: PrometheusHandle,
    notice: Option<String>,
}

fn router(config: &Config, store: Arc<dyn Store>, edge: Edge) -> axum::Router {
    let Edge { credentials, arrivals, reception, library, metrics, notice } = edge;
    let redirect = config.plane.oauth.as_ref();
    server::router(Parts {
        store,
        webhook_secrets: config.plane.webhook_secrets.clone(),
        client_id: redirect.map(|oauth| oauth.client_id.clone()),
        secure_cookies: redirect.is_some_and(|oauth| oauth.redirect_uri.scheme() == "https"),
        arrivals,
        reception,
        credentials,
        max_body_bytes: config.server.max_body_bytes,
        prompt_grace: config.agent.prompt_grace,
        metrics,
        library,
        notice,
    })
}

/// Who receives comments, where people talk to the agent in those.
fn reception(config: &Config, store: Arc<dyn Store>) -> Option<Arc<Reception>> {
    match &config.plane.channel {
        ChannelConfig::Runs => None,
        ChannelConfig::Comments(comments) => Some(Arc::new(Reception::new(store, comments))),
    }
}

/// Who looks for comments that no webhook tells of, where that is asked for.
fn poll(config: &PlaneConfig, agent: &Arc<Agent>, reception: Option<&Arc<Reception>>) -> Option<Poll> {
    let ChannelConfig::Comments(comments) = &config.channel else { return None };
    let (reception, workspace) = (reception?, config.fixed.as_ref()?.workspace_id);
    let wanted = !comments.poll.is_zero();
    let projects = comments.projects.clone();
    wanted.then(|| Poll::new(agent.clone(), reception.clone(), workspace, projects, comments.poll))
}

/// A model and those that take its place.
pub(super) fn model(config: &ModelsConfig, chain: &ModelChain) -> anyhow::Result<Arc<dyn Model>> {
    adapters::chain(chain, &config.fallback_on).context("the model cannot be set up")
}

/// The configured models, those of single workspaces included.
fn models(config: &Config, credentials: &Arc<Credentials>) -> anyhow::Result<Models> {
    let build = |chain: &ModelChain| model(&config.models, chain);
    let mut workspaces = BTreeMap::new();
    for (slug, chain) in &config.models.workspaces {
        workspaces.insert(slug.clone(), build(chain)?);
    }
    let credentials = Arc::clone(credentials);
    let slug_of = move |workspace| credentials.slug(workspace);
    let usual = build(&config.models.usual)?;
    let own: Vec<_> = workspaces.iter().map(|(slug, model)| (Some(slug.clone()), Arc::clone(model))).collect();
    let mut models = Models::new(Arc::clone(&usual), workspaces, Arc::new(slug_of), config.budget);
    for (slug, own) in own.into_iter().chain([(None, usual)]) {
        add_wanted(&mut models, &config.models, slug.as_deref(), &own);
    }
    Ok(models)
}

/// Adds what skills may ask for in a workspace. While a model of theirs fails, the workspace's own goes on.
pub(super) fn add_wanted(models: &mut Models, config: &ModelsConfig, slug: Option<&str>, own: &Arc<dyn Model>) {
    for (name, model) in &config.named {
        models.add_meter(name, TokenMeter::of(model));
        if name == own.name() {
            continue;
        }
        match adapters::before(model, Arc::clone(own), &config.fallback_on) {
            Ok(model) => models.add_wanted(slug, name, model),
            Err(error) => tracing::warn!(%error, name, "a model cannot be set up; no skill can ask for it"),
        }
    }
}

/// What an agent acts through.
pub(super) struct Seams {
    pub(super) store: Arc<dyn Store>,
    pub(super) plane: Arc<dyn PlaneApi>,
    pub(super) credentials: Arc<Credentials>,
    pub(super) models: Models,
}

/// The agent of the configuration.
pub(super) fn agent(config: &Config, seams: Seams, library: Arc<Library>) -> Agent {
    let Seams { store, plane, credentials, models } = seams;
    Agent {
        name: config.agent.name.clone(),
        store,
        facts: Facts::new(plane.clone(), config.plane.facts_ttl),
        plane,
        models,
        meter: Arc::new(TokenMeter::of(&config.models.usual.first)),
        writes: config.writes.clone(),
        switch: WriteSwitch::of(&config.store.data_dir),
        bots: BotTalk::default(),
        time_zone: config.agent.time_zone.clone(),
        library,
        guidance: Guidance::new(config.guidance.clone(), config.plane.facts_ttl),
        credentials,
        limits: Limits {
            max_steps: config.agent.max_steps,
            max_turn: config.agent.max_turn,
            settle: config.plane.settle,
            status_every: STATUS_EVERY,
        },
        tasks: TaskTracker::new(),
    }
}

/// The prompts, skills and tools on disk.
pub(super) fn library(config: &Config) -> Arc<Library> {
    Arc::new(Library::open(config.texts()))
}
