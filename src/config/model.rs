//! Models and their providers, as configured.

use std::{collections::BTreeMap, time::Duration};

use secrecy::SecretString;
use url::Url;

/// Which models are used, where and when.
#[derive(Debug, Clone)]
pub struct ModelsConfig {
    pub usual: ModelChain,
    /// Workspaces that use others, by slug.
    pub workspaces: BTreeMap<String, ModelChain>,
    /// Every model that can be used, by name: a skill may ask for any of them.
    pub named: BTreeMap<String, ModelConfig>,
    /// The failures of one model that are tried with the next.
    pub fallback_on: Vec<ErrorClass>,
}

impl ModelsConfig {
    /// The chain of a workspace with this slug, where it is known.
    #[must_use]
    pub fn of(&self, slug: Option<&str>) -> &ModelChain {
        slug.and_then(|slug| self.workspaces.get(slug)).unwrap_or(&self.usual)
    }

    /// Every chain with the workspace it is for; the usual one first.
    pub fn chains(&self) -> impl Iterator<Item = (Option<&str>, &ModelChain)> {
        let workspaces = self.workspaces.iter().map(|(slug, chain)| (Some(slug.as_str()), chain));
        std::iter::once((None, &self.usual)).chain(workspaces)
    }
}

/// A model, and those that take its place while it fails, in order.
#[derive(Debug, Clone)]
pub struct ModelChain {
    pub first: ModelConfig,
    pub fallback: Vec<ModelConfig>,
}

impl ModelChain {
    pub fn models(&self) -> impl Iterator<Item = &ModelConfig> {
        std::iter::once(&self.first).chain(&self.fallback)
    }
}

/// The kinds of failure of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    Unauthorized,
    NotFound,
    OutOfCredit,
    RateLimited,
    Unavailable,
    TooLong,
    Filtered,
    NoTools,
    Refused,
    BadToolCall,
    Truncated,
    Transport,
}

impl ErrorClass {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::NotFound => "not_found",
            Self::OutOfCredit => "out_of_credit",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::TooLong => "too_long",
            Self::Filtered => "filtered",
            Self::NoTools => "no_tools",
            Self::Refused => "refused",
            Self::BadToolCall => "bad_tool_call",
            Self::Truncated => "truncated",
            Self::Transport => "transport",
        }
    }
}

/// How much may be spent on models; nothing is limited where nothing is set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BudgetConfig {
    /// One run, all its turns together.
    pub run: SpendLimit,
    /// One workspace on one day (UTC).
    pub workspace_day: SpendLimit,
    /// All workspaces together on one day (UTC).
    pub day: SpendLimit,
}

/// A limit in money, in tokens, or in both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpendLimit {
    /// Billionths of a dollar.
    pub nano_dollars: Option<u64>,
    /// Input and output together.
    pub tokens: Option<u64>,
}

/// One model at one provider.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    /// Its name in the config.
    pub name: String,
    pub provider: ProviderConfig,
    /// The provider's id of the model; empty for the rehearsal.
    pub model: String,
    /// What is said of its abilities and prices, over what the table of known models says.
    pub card: CardOverrides,
    /// Sent if set; many models refuse anything but their default.
    pub temperature: Option<f32>,
    /// How much it is to reason, in the provider's word, if set.
    pub reasoning_effort: Option<String>,
    /// Sent if set; some models refuse the parameter.
    pub parallel_tool_calls: Option<bool>,
    /// Sent if set, where the wire has such a thing.
    pub seed: Option<i64>,
    /// Sent if set.
    pub service_tier: Option<String>,
    /// How long the provider is asked to remember what the requests of a turn have in common.
    pub prompt_cache: PromptCache,
    /// Whether to ask for usage in the stream; some servers refuse the option.
    pub stream_usage: bool,
    /// Further fields of the request body, as the provider documents them.
    pub extra_body: serde_json::Map<String, serde_json::Value>,
}

impl ModelConfig {
    /// A model about which nothing is said but where it is.
    #[must_use]
    pub fn new(name: &str, provider: ProviderConfig, model: &str) -> Self {
        Self {
            name: name.to_owned(),
            provider,
            model: model.to_owned(),
            card: CardOverrides::default(),
            temperature: None,
            reasoning_effort: None,
            parallel_tool_calls: None,
            seed: None,
            service_tier: None,
            prompt_cache: PromptCache::Minutes5,
            stream_usage: true,
            extra_body: serde_json::Map::new(),
        }
    }

    /// Which model this is, whatever it is called in the config: the wire, the server and the id.
    /// What one model said in terms of its own is only ever given back to the same.
    #[must_use]
    pub fn identity(&self) -> String {
        match &self.provider {
            ProviderConfig::Rehearsal => "rehearsal".to_owned(),
            ProviderConfig::Remote(remote) => {
                let server = remote.base_url.authority();
                format!("{}@{server}/{}", remote.kind.as_str(), self.model)
            }
        }
    }
}

#[derive(Debug, Clone)]
pub enum ProviderConfig {
    /// A server.
    Remote(Box<RemoteConfig>),
    /// The rule-based stand-in: no key, no network, always the same.
    Rehearsal,
}

/// A server with language models, and how to speak with it.
#[derive(Debug, Clone)]
pub struct RemoteConfig {
    pub kind: RemoteKind,
    /// Without a trailing slash.
    pub base_url: Url,
    /// `None` for local servers that ask for none.
    pub credential: Option<CredentialConfig>,
    pub auth: AuthHeader,
    /// Azure's `api-version`, and Anthropic's `anthropic-version`.
    pub api_version: Option<String>,
    pub extra_headers: Vec<(String, SecretString)>,
    /// Takes the place of the proxy the environment names. Its address may hold a password.
    pub proxy: Option<SecretString>,
    /// Certificates trusted besides the system's, as PEM.
    pub ca_certificates: Option<String>,
    pub connect_timeout: Duration,
    /// Longest wait for the first word of an answer, and for each one after it, heartbeats not counted.
    pub first_token_timeout: Duration,
    /// Longest silence between two bytes; reasoning models are silent for minutes.
    pub idle_timeout: Duration,
    /// Tries after the first.
    pub max_retries: u32,
    /// Longest wait a `Retry-After` may ask for; beyond it the turn ends with the time told.
    pub max_retry_wait: Duration,
}

impl RemoteConfig {
    /// A server at this address, with the waits that suit most.
    #[must_use]
    pub fn new(kind: RemoteKind, base_url: Url) -> Self {
        Self {
            kind,
            base_url,
            credential: None,
            auth: kind.usual_auth(),
            api_version: None,
            extra_headers: Vec::new(),
            proxy: None,
            ca_certificates: None,
            connect_timeout: Duration::from_secs(10),
            first_token_timeout: Duration::from_secs(600),
            idle_timeout: Duration::from_secs(300),
            max_retries: 3,
            max_retry_wait: Duration::from_secs(60),
        }
    }
}

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteKind {
    /// Chat Completions, at OpenAI or any compatible address.
    OpenAi,
    /// OpenAI's Responses.
    OpenAiResponses,
    /// Chat Completions at Azure, where models are deployments.
    Azure,
    /// Anthropic's Messages.
    Anthropic,
}

impl RemoteKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::OpenAiResponses => "openai-responses",
            Self::Azure => "azure",
            Self::Anthropic => "anthropic",
        }
    }

    /// Where the vendor's own server is; Azure has one address for each customer.
    #[must_use]
    pub fn usual_address(self) -> Option<&'static str> {
        match self {
            Self::OpenAi | Self::OpenAiResponses => Some("https://api.openai.com/v1"),
            Self::Azure => None,
            Self::Anthropic => Some("https://api.anthropic.com"),
        }
    }

    #[must_use]
    pub fn usual_auth(self) -> AuthHeader {
        match self {
            Self::OpenAi | Self::OpenAiResponses => AuthHeader::Bearer,
            Self::Azure | Self::Anthropic => AuthHeader::ApiKey,
        }
    }
}

/// In which header the key travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthHeader {
    /// `Authorization: Bearer`.
    Bearer,
    /// `api-key`, or Anthropic's `x-api-key`.
    ApiKey,
}

/// A provider's key.
#[derive(Debug, Clone)]
pub enum CredentialConfig {
    Secret(SecretString),
    /// A program that prints the key, for keys that are renewed.
    Command {
        command: Vec<String>,
        /// How long a printed key is used; one that is refused is printed anew at once.
        keep: Duration,
    },
}

/// How long a provider is asked to remember the beginning of a conversation. It concerns only those
/// that want to be asked; the others decide for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
pub enum PromptCache {
    #[serde(rename = "off")]
    Off,
    #[serde(rename = "5m")]
    Minutes5,
    #[serde(rename = "1h")]
    Hour1,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensField {
    MaxTokens,
    MaxCompletionTokens,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemRole {
    System,
    Developer,
}

/// How a model is told to reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningStyle {
    /// It does not reason, or cannot be told to.
    None,
    /// A word says how much: `low`, `medium`, `high` ….
    Effort,
    /// Anthropic's older models: a number of tokens.
    Budget,
    /// Anthropic's newer models: it decides by itself, and a word says how eagerly.
    Adaptive,
}

/// What the operator says of a model; it wins over the table of known models.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CardOverrides {
    /// The known model this one is, where its id does not tell: a deployment's name, for instance.
    pub known_as: Option<String>,
    pub context_window: Option<u32>,
    /// Also sent as the limit of a reply.
    pub max_output_tokens: Option<u32>,
    pub max_tokens_field: Option<MaxTokensField>,
    pub system_role: Option<SystemRole>,
    pub vision: Option<bool>,
    pub tools: Option<bool>,
    pub parallel_tools: Option<bool>,
    pub reasoning: Option<ReasoningStyle>,
    pub temperature_allowed: Option<bool>,
    /// US dollars per million tokens.
    pub price_in: Option<f64>,
    pub price_out: Option<f64>,
    pub price_cached_in: Option<f64>,
    pub price_cache_write: Option<f64>,
}
