//! Models and their providers, as configured.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

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
    /// Sent as `temperature` if set; many models refuse anything but their default.
    pub temperature: Option<f32>,
    /// Sent as `reasoning_effort` if set.
    pub reasoning_effort: Option<String>,
    /// Sent as `parallel_tool_calls` if set; some models refuse the parameter.
    pub parallel_tool_calls: Option<bool>,
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
            stream_usage: true,
            extra_body: serde_json::Map::new(),
        }
    }
}

#[derive(Debug, Clone)]
pub enum ProviderConfig {
    /// Chat Completions at OpenAI or any compatible address.
    OpenAi(OpenAiConfig),
    /// The rule-based stand-in: no key, no network, always the same.
    Rehearsal,
}

#[derive(Debug, Clone)]
pub struct OpenAiConfig {
    /// Up to and including `/v1`, without a trailing slash.
    pub base_url: Url,
    /// `None` for local servers that ask for none.
    pub api_key: Option<SecretString>,
    pub extra_headers: Vec<(String, SecretString)>,
    pub connect_timeout: Duration,
    /// Longest silence between two bytes; reasoning models are silent for minutes.
    pub idle_timeout: Duration,
    /// Tries after the first.
    pub max_retries: u32,
    /// Longest wait a `Retry-After` may ask for; beyond it the turn ends with the time told.
    pub max_retry_wait: Duration,
}

impl OpenAiConfig {
    /// A server at this address, with the waits that suit most.
    #[must_use]
    pub fn new(base_url: Url) -> Self {
        Self {
            base_url,
            api_key: None,
            extra_headers: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(300),
            max_retries: 3,
            max_retry_wait: Duration::from_secs(60),
        }
    }
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
