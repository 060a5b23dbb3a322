//! An agent beside the one that serves, to look at what it would do and to try things out.
//!
//! It reads the same Plane, or the stand-in, posts nothing there, and keeps what it has to keep in a
//! directory of its own that goes away with it.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context as _, bail};
use async_trait::async_trait;

use super::{
    configured,
    demo::{self, TemporaryData},
    serve::{Seams, add_wanted, agent, library, model},
};
use crate::{
    agent::{Agent, models::Models},
    config::{Config, FixedTokenConfig, FixedTokenKind, ModelChain, StoreConfig, load::Sources},
    domain::{
        event::RunInfo,
        ids::RunId,
        installation::{BookError, Installation, InstallationBook},
    },
    llm::Model,
    plane::{self, PlaneApi, client::PlaneClient, credentials::Credentials, oauth::OAuthClient},
    sandbox::{Sandbox, SandboxOptions},
    store::{
        Store,
        sled::{SledStore, copied_installations},
    },
};

/// Which work item it is about.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Target {
    /// The work item, by its key, such as MOB-1; without one the stand-in Plane is used.
    #[arg(long, value_name = "KEY")]
    pub(super) work_item: Option<String>,
    /// The workspace's slug, where the app is installed in several.
    #[arg(long, value_name = "SLUG")]
    workspace: Option<String>,
    /// Look at the stand-in Plane with its seeded project instead of the configured one.
    #[arg(long)]
    demo: bool,
}

/// What an agent at the side is made of.
pub(super) struct Side {
    pub(super) config: Config,
    pub(super) plane: Arc<dyn PlaneApi>,
    pub(super) store: Arc<dyn Store>,
    /// A run about the work item that only exists here.
    pub(super) run: RunInfo,
    /// The work item's key and title.
    pub(super) title: String,
    credentials: Arc<Credentials>,
    sandbox: Option<Sandbox>,
    _data: TemporaryData,
}

impl Side {
    /// Finds the work item; without a key, the stand-in's that demos are about.
    pub(super) async fn open(sources: &Sources, target: &Target) -> anyhow::Result<Self> {
        let data = TemporaryData::new()?;
        let (config, sandbox) = if target.demo || target.work_item.is_none() {
            let (config, sandbox) = stand_in(sources, &data).await?;
            (config, Some(sandbox))
        } else {
            let mut config = configured(sources)?;
            // A serving process may spend from the same budget and does not know of this one.
            config.plane.requests_per_minute = (config.plane.requests_per_minute / 2).max(10);
            (config, None)
        };
        let book = Arc::new(Copied::beside(&config.store));
        let http = plane::client::http_client()?;
        let oauth = OAuthClient::new(http.clone(), &config.plane);
        let credentials = Arc::new(Credentials::new(book, oauth, config.plane.fixed.as_ref()));
        credentials.load().await.context("the installations cannot be read")?;
        let plane: Arc<dyn PlaneApi> = Arc::new(PlaneClient::new(http, &config.plane, credentials.clone()));
        let key = target.work_item.as_deref().unwrap_or(demo::WORK_ITEM);
        let (run, title) = find(&credentials, plane.as_ref(), target.workspace.as_deref(), key).await?;
        let store: Arc<dyn Store> = Arc::new(SledStore::open(&data.0).context("no place to work in")?.store);
        Ok(Self { config, plane, store, run, title, credentials, sandbox, _data: data })
    }

    /// What is configured for its workspace: the model, and those that take its place.
    pub(super) fn chain(&self) -> &ModelChain {
        self.config.models.of(self.credentials.slug(self.run.workspace).as_deref())
    }

    /// The model of its workspace.
    pub(super) fn model(&self) -> anyhow::Result<Arc<dyn Model>> {
        model(&self.config.models, self.chain())
    }

    /// The agent, acting through what it is given.
    pub(super) fn agent(&self, plane: Arc<dyn PlaneApi>, model: Arc<dyn Model>) -> Agent {
        let (store, credentials) = (self.store.clone(), self.credentials.clone());
        let mut models = Models::from(Arc::clone(&model));
        add_wanted(&mut models, &self.config.models, None, &model);
        agent(&self.config, Seams { store, plane, credentials, models }, library(&self.config))
    }

    pub(super) async fn close(self) {
        self.store.close().await;
        if let Some(sandbox) = self.sandbox {
            sandbox.shutdown().await;
        }
    }
}

/// The process's own settings, with the stand-in Plane in place of any real one.
async fn stand_in(sources: &Sources, data: &TemporaryData) -> anyhow::Result<(Config, Sandbox)> {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let sandbox = Sandbox::start(SandboxOptions { listen, ..SandboxOptions::default() }).await?;
    let mut config = demo::demo_config(sources, &sandbox, &data.0.join("none")).await?;
    let seed = sandbox.workspace(0);
    config.plane.fixed = Some(FixedTokenConfig {
        kind: FixedTokenKind::ApiKey,
        token: seed.api_key.into(),
        workspace_slug: seed.slug,
        workspace_id: seed.workspace,
        bot: Some(seed.bot),
    });
    Ok((config, sandbox))
}

async fn find(
    credentials: &Credentials,
    plane: &dyn PlaneApi,
    slug: Option<&str>,
    key: &str,
) -> anyhow::Result<(RunInfo, String)> {
    let installations = credentials.installations();
    let slugs = installations.iter().map(|known| known.slug.as_str()).collect::<Vec<_>>().join(", ");
    let installation = match (slug, installations.as_slice()) {
        (_, []) => bail!("the app is installed nowhere; install it first, or use --demo"),
        (None, [only]) => only,
        (None, _) => bail!("name the workspace with --workspace; the app is installed in: {slugs}"),
        (Some(slug), all) => all
            .iter()
            .find(|known| known.slug == slug)
            .with_context(|| format!("the app is not installed in {slug}; it is in: {slugs}"))?,
    };
    let parsed = key.trim().rsplit_once('-').and_then(|(identifier, number)| Some((identifier, number.parse().ok()?)));
    let (identifier, sequence) = parsed.with_context(|| format!("{key:?} is no key of a work item, such as MOB-1"))?;
    let item = plane
        .work_item_by_key(installation.workspace, identifier, sequence)
        .await
        .with_context(|| format!("{key} cannot be read in {}", installation.slug))?;
    let run = RunInfo {
        id: RunId(uuid::Uuid::new_v4()),
        workspace: installation.workspace,
        project: Some(item.project.id),
        work_item: Some(item.id),
        agent_user: installation.bot,
        creator: None,
        comment: None,
        source_comment: None,
    };
    Ok((run, format!("{}: {}", key.trim().to_uppercase(), item.name)))
}

/// The installations as the serving process last wrote them down beside its store, which it alone may
/// open.
pub(super) struct Copied(Vec<Installation>);

impl Copied {
    pub(super) fn beside(store: &StoreConfig) -> Self {
        Self(copied_installations(&store.data_dir))
    }
}

#[async_trait]
impl InstallationBook for Copied {
    async fn installations(&self) -> Result<Vec<Installation>, BookError> {
        Ok(self.0.clone())
    }

    /// A token renewed here is used here; the serving process renews its own.
    async fn save_installation(&self, _: Installation) -> Result<(), BookError> {
        Ok(())
    }
}
