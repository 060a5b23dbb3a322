//! The configuration, typed: `aileron.toml`, then the environment, then flags.
//!
//! `load` parses and resolves; the rest of the program sees only [`Config`] and hands each part its
//! own section. `aileron.default.toml` is compiled in and describes every key.

mod channel;
mod environment;
pub mod files;
pub mod front_matter;
pub mod load;
mod model;
mod origin;
mod raw;
mod resolve;
mod writes;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use secrecy::SecretString;
use url::Url;

pub use self::channel::{ChannelConfig, CommentsConfig, Progress};
pub use self::model::{
    AuthHeader, BudgetConfig, CardOverrides, CredentialConfig, ErrorClass, MaxTokensField, ModelChain, ModelConfig,
    ModelsConfig, PromptCache, ProviderConfig, ReasoningStyle, RemoteConfig, RemoteKind, SpendLimit, SystemRole,
};
pub use self::writes::{ProjectName, WritePolicy, WritesConfig};
use crate::domain::ids::{PageId, UserId, WorkspaceId};

/// Everything the program may be told from outside, checked and resolved.
#[derive(Debug, Clone)]
pub struct Config {
    pub server: ServerConfig,
    pub store: StoreConfig,
    pub plane: PlaneConfig,
    pub agent: AgentConfig,
    pub models: ModelsConfig,
    /// The names of all models in the configuration, which skills may ask for.
    pub model_names: Vec<String>,
    pub budget: BudgetConfig,
    /// How people work in the projects, as far as they wrote it down for the agent.
    pub guidance: Vec<GuidanceConfig>,
    /// How much the agent may change, where, and who decides.
    pub writes: WritesConfig,
    pub log: LogConfig,
}

impl Config {
    /// What is said about the texts people edit.
    #[must_use]
    pub fn texts(&self) -> TextsConfig {
        let AgentConfig { prompts_dir, tools_dir, .. } = self.agent.clone();
        let offer_writes = self.writes.permit_some();
        TextsConfig { prompts_dir, tools_dir, model_names: self.model_names.clone(), offer_writes }
    }
}

#[derive(Debug, Clone)]
pub struct ServerConfig {
    pub listen: SocketAddr,
    /// Largest webhook body accepted, in bytes.
    pub max_body_bytes: usize,
}

#[derive(Debug, Clone)]
pub struct StoreConfig {
    pub data_dir: PathBuf,
    /// How long a finished run is kept after it was last touched, and a letter after it came.
    pub keep_runs: Duration,
    /// Beyond this many runs the oldest finished ones are forgotten.
    pub max_runs: u64,
    /// How long an event is recognised when it comes again.
    pub keep_keys: Duration,
    /// From which length of its log on, in bytes, the store gives space back.
    pub compact_above: u64,
}

#[derive(Debug, Clone)]
pub struct PlaneConfig {
    /// Without a trailing slash and without `/api/v1`.
    pub api_url: Url,
    /// Where people use Plane, up to the workspace.
    pub web_url: Url,
    /// Any of them may sign a webhook, so that a secret can be rotated.
    pub webhook_secrets: Vec<SecretString>,
    pub oauth: Option<OAuthConfig>,
    /// A fixed token for one workspace, for servers without OAuth apps.
    pub fixed: Option<FixedTokenConfig>,
    pub channel: ChannelConfig,
    pub request_timeout: Duration,
    /// Requests one installation may make in any [`Self::budget_window`].
    pub requests_per_minute: u32,
    pub budget_window: Duration,
    /// How long states, labels and members of a project are remembered.
    pub facts_ttl: Duration,
    /// How long after a request to change something it may still take effect although no answer came.
    pub settle: Duration,
}

#[derive(Debug, Clone)]
pub struct OAuthConfig {
    pub client_id: String,
    pub client_secret: SecretString,
    pub redirect_uri: Url,
    /// Asked for at install, in the order they are sent.
    pub scopes: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct FixedTokenConfig {
    pub kind: FixedTokenKind,
    pub token: SecretString,
    pub workspace_slug: String,
    pub workspace_id: WorkspaceId,
    pub bot: Option<UserId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FixedTokenKind {
    /// `Authorization: Bearer`.
    Bearer,
    /// `X-API-Key`.
    ApiKey,
}

#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// The agent's name in prompts and phrases.
    pub name: String,
    /// Files here replace the compiled-in prompts of the same name.
    pub prompts_dir: PathBuf,
    /// Files here replace the compiled-in tool descriptions of the same name.
    pub tools_dir: PathBuf,
    /// The time zone the model is told times in; `None` for the project's own.
    pub time_zone: Option<String>,
    /// Runs worked on at the same time.
    pub concurrency: usize,
    /// Model calls in one turn.
    pub max_steps: u32,
    /// Wall time of one turn.
    pub max_turn: Duration,
    /// How long a created run waits for its prompt event before the prompt is fetched.
    pub prompt_grace: Duration,
    /// At shutdown, how long running turns may go on before they are handed back.
    pub drain: Duration,
    /// How often known runs are looked at for prompts and stops whose events never came; zero is never.
    pub sweep: Duration,
}

/// What there is to know for reading the texts people edit.
#[derive(Debug, Clone)]
pub struct TextsConfig {
    pub prompts_dir: PathBuf,
    pub tools_dir: PathBuf,
    /// The names of all models, which skills may ask for.
    pub model_names: Vec<String>,
    /// Whether the tools that change something are offered.
    pub offer_writes: bool,
}

/// Guidance for one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuidanceConfig {
    pub project: ProjectName,
    pub text: Option<String>,
    /// A page of the project that holds more of it.
    pub page: Option<PageId>,
    /// A work item whose description does, such as `MOB-1`.
    pub work_item: Option<(String, u64)>,
}

#[derive(Debug, Clone)]
pub struct LogConfig {
    pub format: LogFormat,
    /// A `tracing` filter, such as `info` or `info,aileron=debug`.
    pub filter: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Text,
    Json,
}
