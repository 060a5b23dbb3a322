//! `aileron demo`: the whole agent against a stand-in Plane, in one process and on loopback.
//!
//! Everything between them is real: OAuth, signed webhooks, the store, HTTP in both directions. Only
//! Plane and, where no model is configured, the language model are stand-ins, and are labelled so.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{configured, logs, say, serve::App, shown};
use crate::{
    config::{
        Config, LogFormat, ModelConfig, ProviderConfig,
        load::{self, Problem, Sources},
    },
    domain::ids::RunId,
    sandbox::{ActivityKind, ActivityPicture, Edition, Mention, RunPicture, Sandbox, SandboxOptions},
};

/// The work item a demo is about: a crash that begs for triage.
pub(super) const WORK_ITEM: &str = "MOB-3";
/// How long `--once` waits for the answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(300);
const OLLAMA: &str = "http://127.0.0.1:11434";

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Say this in a comment, print the run, and exit.
    #[arg(long, value_name = "TEXT")]
    once: Option<String>,
    /// With --once: say this when the agent has answered or asked; may be given several times.
    #[arg(long, value_name = "TEXT", requires = "once")]
    then: Vec<String>,
    /// Where the page is served.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8321")]
    listen: SocketAddr,
    /// What kind of Plane it is: one with agent runs, or one with comments only.
    #[arg(long, value_enum, default_value_t = Kind::Commercial)]
    edition: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Commercial,
    Community,
}

pub(super) async fn main(sources: &Sources, options: &Options) -> anyhow::Result<ExitCode> {
    let listen = if options.once.is_some() { SocketAddr::from(([127, 0, 0, 1], 0)) } else { options.listen };
    let edition = match options.edition {
        Kind::Commercial => Edition::Commercial,
        Kind::Community => Edition::Community,
    };
    let sandbox = Sandbox::start(SandboxOptions { edition, listen, ..SandboxOptions::default() })
        .await
        .with_context(|| format!("the demo cannot listen on {listen}; choose another address with --listen"))?;
    let data = TemporaryData::new()?;
    let config = demo_config(sources, &sandbox, &data.0).await?;
    let banner = banner(&config.models.usual.first);
    sandbox.set_banner(&banner);
    logs::start(&crate::config::LogConfig { format: LogFormat::Text, filter: log_filter(sources) });
    let app = App::build(config).await?;
    let address = app.address();
    let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
    let running = tasks.spawn(app.run(shutdown.clone(), CancellationToken::new()));
    sandbox.deliver_to(&format!("http://{address}/webhook"));
    let installed = match edition {
        Edition::Commercial => install(&sandbox, address).await,
        // The API key is in the configuration.
        Edition::Community => Ok(()),
    };
    let outcome = match installed {
        Ok(()) => match &options.once {
            Some(text) => once(&sandbox, text, &options.then, &banner).await,
            None => until_told_to_stop(&sandbox, &banner).await,
        },
        Err(error) => Err(error),
    };
    sandbox.shutdown().await;
    shutdown.cancel();
    running.await.context("the agent ended abnormally")??;
    outcome
}

/// The process's own settings with the stand-in Plane in place of any real one, and a data directory
/// and address of the demo's own. Without a usable model, a local one or the rehearsal stands in.
pub(super) async fn demo_config(sources: &Sources, sandbox: &Sandbox, data: &Path) -> anyhow::Result<Config> {
    let mut sources = sources.clone();
    let ours = ["PLANE_", "AILERON__PLANE__", "AILERON__STORE__", "AILERON__SERVER__"];
    sources.environment.retain(|name, _| {
        !ours.iter().any(|prefix| name.starts_with(prefix)) && !["PORT", "DATABASE_URL"].contains(&name.as_str())
    });
    let mut set = |name: &str, value: &str| drop(sources.environment.insert(name.to_owned(), value.to_owned()));
    set("PLANE_API_URL", &sandbox.base_url());
    match sandbox.edition() {
        Edition::Commercial => {
            set("AILERON__PLANE__CHANNEL", "runs");
            set("PLANE_CLIENT_ID", sandbox.client_id());
            set("PLANE_CLIENT_SECRET", sandbox.client_secret());
            set("PLANE_REDIRECT_URI", "http://127.0.0.1/oauth/callback");
        }
        Edition::Community => {
            let seed = sandbox.workspace(0);
            set("AILERON__PLANE__CHANNEL", "comments");
            // This edition does not tell who is a member and who is a guest of a project.
            set("AILERON__WRITES__ASSUMED_ROLE", "member");
            set("AILERON__PLANE__FIXED__TOKEN", &seed.api_key);
            set("AILERON__PLANE__FIXED__WORKSPACE_SLUG", &seed.slug);
            set("AILERON__PLANE__FIXED__WORKSPACE_ID", &seed.workspace.to_string());
            set("AILERON__PLANE__FIXED__BOT", &seed.bot.to_string());
        }
    }
    set("PLANE_WEBHOOK_SECRET", sandbox.webhook_secret());
    set("AILERON_LISTEN", "127.0.0.1:0");
    set("DATA_DIR", &data.display().to_string());
    let concerns_model =
        |problem: &Problem| problem.key.starts_with("providers.") || problem.key.starts_with("models.");
    match load::load(&sources) {
        Err(problems) if problems.iter().all(concerns_model) => {}
        Ok(_) | Err(_) => return configured(&sources),
    }
    let mut set = |name: &str, value: &str| drop(sources.environment.insert(name.to_owned(), value.to_owned()));
    match ollama_model().await {
        Some(model) => {
            set("OPENAI_BASE_URL", &format!("{OLLAMA}/v1"));
            set("OPENAI_MODEL", &model);
            set("AILERON__MODELS__MAIN__MAX_TOKENS_FIELD", "max_tokens");
        }
        None => {
            set("AILERON__PROVIDERS__REHEARSAL__KIND", "rehearsal");
            set("AILERON__MODELS__MAIN__PROVIDER", "rehearsal");
        }
    }
    configured(&sources)
}

/// The first model a local Ollama offers, if one runs.
async fn ollama_model() -> Option<String> {
    #[derive(Deserialize)]
    struct Tags {
        models: Vec<Tag>,
    }
    #[derive(Deserialize)]
    struct Tag {
        name: String,
    }
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_millis(500)).build().ok()?;
    let tags: Tags = client.get(format!("{OLLAMA}/api/tags")).send().await.ok()?.json().await.ok()?;
    tags.models.into_iter().next().map(|tag| tag.name)
}

pub(super) fn banner(model: &ModelConfig) -> String {
    match &model.provider {
        ProviderConfig::Rehearsal => {
            "Rehearsal: answers are made by fixed rules, no language model is configured".to_owned()
        }
        ProviderConfig::Remote(provider) => {
            let host = provider.base_url.host_str().unwrap_or_default();
            format!("Answers come from {} at {host}", model.model)
        }
    }
}

/// The page and the printed run are the output; logs only where something is wrong, or as asked for.
pub(super) fn log_filter(sources: &Sources) -> String {
    sources.environment.get("AILERON__LOG__FILTER").cloned().unwrap_or_else(|| "warn".to_owned())
}

/// Installs the app the way Plane's marketplace does.
async fn install(sandbox: &Sandbox, address: SocketAddr) -> anyhow::Result<()> {
    let id = sandbox.workspace(0).installation;
    let url = format!("http://{address}/oauth/callback?app_installation_id={id}&code=demo");
    let client = reqwest::Client::builder().no_proxy().build().context("no HTTP client")?;
    let response = client.get(url).send().await.context("the agent does not answer")?;
    let status = response.status();
    if !status.is_success() {
        anyhow::bail!(
            "the app cannot be installed in the stand-in Plane ({status}): {}",
            response.text().await.unwrap_or_default()
        );
    }
    Ok(())
}

async fn until_told_to_stop(sandbox: &Sandbox, banner: &str) -> anyhow::Result<ExitCode> {
    say(&format!("{banner}."));
    say(&format!("demo page: {}/", sandbox.base_url()));
    say("Open it, write \"@aileron please triage this\" under a work item, and watch. Ctrl-C ends the demo.");
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// One mention and what is said after it, the run printed as it comes.
async fn once(sandbox: &Sandbox, text: &str, then: &[String], banner: &str) -> anyhow::Result<ExitCode> {
    say(&format!("{banner}."));
    say(&format!("\n{WORK_ITEM}, comment by @maya: {text}\n"));
    let mentioned = sandbox.mention(Mention::new(WORK_ITEM, text)).await;
    let mut shown = 0;
    let mut picture = watch(sandbox, mentioned.run, &mut shown, 1).await?;
    for (reply, ends) in then.iter().zip(2..) {
        say(&format!("\n{WORK_ITEM}, reply by @maya: {reply}\n"));
        sandbox.reply(mentioned.run, "maya", reply).await;
        picture = watch(sandbox, mentioned.run, &mut shown, ends).await?;
    }
    let requests = sandbox.requests().iter().filter(|request| request.path.starts_with("/api/")).count();
    say(&format!("\nThe run is {}. It took {requests} requests to Plane.", picture.status.as_str()));
    Ok(if picture.response().is_some() || picture.elicitation().is_some() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Prints what a run shows beyond the activities shown before, until it has ended so many turns.
async fn watch(sandbox: &Sandbox, run: RunId, shown: &mut usize, ends: usize) -> anyhow::Result<RunPicture> {
    let deadline = tokio::time::Instant::now() + ANSWER_PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        let seen = *shown;
        let picture = sandbox
            .until(run, |picture| picture.activities.len() > seen, left)
            .await
            .map_err(|picture| anyhow::anyhow!("no answer came in time; the run is {}", picture.status.as_str()))?;
        for activity in &picture.activities[*shown..] {
            show(activity);
        }
        *shown = picture.activities.len();
        if picture.terminal_count() >= ends {
            return Ok(picture);
        }
    }
}

fn show(activity: &ActivityPicture) {
    match activity.kind {
        ActivityKind::Prompt => {}
        ActivityKind::Thought => say(&shown::thought(&activity.body)),
        ActivityKind::Action => {
            say(&shown::action(activity.action.as_deref().unwrap_or_default(), &activity.parameters))
        }
        ActivityKind::Response => say(&shown::ending("response", &activity.body)),
        ActivityKind::Elicitation => say(&shown::ending("question", &activity.body)),
        ActivityKind::Error => say(&shown::ending("error", &activity.body)),
    }
}

/// A data directory that goes away with the command.
pub(super) struct TemporaryData(pub(super) PathBuf);

impl TemporaryData {
    pub(super) fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("aileron-demo-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryData {
    fn drop(&mut self) {
        // What is left in the temporary directory is small and harmless.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
