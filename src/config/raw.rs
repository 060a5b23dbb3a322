//! The configuration as written: every key optional, unknown keys refused.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use secrecy::SecretString;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

use super::{
    AuthHeader, ErrorClass, FixedTokenKind, LogFormat, MaxTokensField, Progress, PromptCache, ReasoningStyle,
    SystemRole, WritePolicy,
};
use crate::domain::role::Role;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(super) struct RawConfig {
    pub server: RawServer,
    pub store: RawStore,
    pub plane: RawPlane,
    pub agent: RawAgent,
    pub providers: BTreeMap<String, RawProvider>,
    pub models: BTreeMap<String, RawModel>,
    pub projects: BTreeMap<String, RawProject>,
    pub workspaces: BTreeMap<String, RawWorkspace>,
    pub writes: RawWrites,
    pub budget: RawBudget,
    pub log: RawLog,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawServer {
    pub listen: Option<String>,
    pub max_body_kib: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawStore {
    pub data_dir: Option<PathBuf>,
    pub keep_runs_days: Option<u32>,
    pub max_runs: Option<u32>,
    pub keep_keys_days: Option<u32>,
    pub compact_above_mib: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPlane {
    pub api_url: Option<String>,
    pub web_url: Option<String>,
    #[serde(deserialize_with = "one_or_many")]
    pub webhook_secrets: Vec<RawSecret>,
    pub request_timeout_secs: Option<u32>,
    pub requests_per_minute: Option<u32>,
    pub budget_window_secs: Option<u32>,
    pub facts_ttl_secs: Option<u32>,
    pub settle_ms: Option<u32>,
    pub oauth: RawOAuth,
    pub fixed: RawFixed,
    pub channel: Option<ChannelKind>,
    pub comments: RawComments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ChannelKind {
    Runs,
    Comments,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawComments {
    pub names: Option<Vec<String>>,
    pub reply_window_mins: Option<u32>,
    pub progress: Option<Progress>,
    pub ignore: Vec<String>,
    pub poll_secs: Option<u32>,
    pub projects: Vec<String>,
    pub on_assignment: Option<bool>,
    pub label: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawOAuth {
    pub client_id: Option<String>,
    pub client_secret: Option<RawSecret>,
    pub redirect_uri: Option<String>,
    pub scopes: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawFixed {
    pub kind: Option<FixedTokenKind>,
    pub token: Option<RawSecret>,
    pub workspace_slug: Option<String>,
    pub workspace_id: Option<String>,
    pub bot: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAgent {
    pub name: Option<String>,
    pub model: Option<String>,
    pub fallback: Vec<String>,
    pub fallback_on: Vec<ErrorClass>,
    pub prompts_dir: Option<PathBuf>,
    pub tools_dir: Option<PathBuf>,
    pub time_zone: Option<String>,
    pub concurrency: Option<u32>,
    pub max_steps: Option<u32>,
    pub max_turn_secs: Option<u32>,
    pub prompt_grace_ms: Option<u32>,
    pub drain_ms: Option<u32>,
    pub sweep_secs: Option<u32>,
    pub writes: Option<WritePolicy>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawProvider {
    pub kind: Option<ProviderKind>,
    pub base_url: Option<String>,
    pub api_key: Option<RawSecret>,
    pub auth: Option<AuthHeader>,
    pub api_version: Option<String>,
    pub headers: BTreeMap<String, RawSecret>,
    pub proxy: Option<String>,
    pub ca_file: Option<PathBuf>,
    pub connect_timeout_secs: Option<u32>,
    pub first_token_timeout_secs: Option<u32>,
    pub idle_timeout_secs: Option<u32>,
    pub max_retries: Option<u32>,
    pub max_retry_wait_secs: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ProviderKind {
    #[serde(rename = "openai")]
    OpenAi,
    #[serde(rename = "openai-responses")]
    OpenAiResponses,
    Azure,
    Anthropic,
    Rehearsal,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawWrites {
    pub tools: BTreeMap<String, WritePolicy>,
    pub projects: Vec<String>,
    pub max_per_turn: Option<u32>,
    pub max_per_day: Option<u32>,
    pub dry_run: Option<bool>,
    pub assumed_role: Option<Role>,
}

/// What one workspace does otherwise.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawWorkspace {
    pub model: Option<String>,
    pub fallback: Option<Vec<String>>,
    pub writes: Option<WritePolicy>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawBudget {
    pub run_usd: Option<f64>,
    pub run_tokens: Option<u64>,
    pub workspace_day_usd: Option<f64>,
    pub workspace_day_tokens: Option<u64>,
    pub day_usd: Option<f64>,
    pub day_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawModel {
    pub provider: Option<String>,
    pub model: Option<String>,
    pub known_as: Option<String>,
    pub context_window: Option<u32>,
    pub max_output_tokens: Option<u32>,
    pub max_tokens_field: Option<MaxTokensField>,
    pub system_role: Option<SystemRole>,
    pub vision: Option<bool>,
    pub tools: Option<bool>,
    pub parallel_tools: Option<bool>,
    pub reasoning: Option<ReasoningStyle>,
    pub temperature_allowed: Option<bool>,
    pub price_in: Option<f64>,
    pub price_out: Option<f64>,
    pub price_cached_in: Option<f64>,
    pub price_cache_write: Option<f64>,
    pub temperature: Option<f32>,
    pub reasoning_effort: Option<String>,
    pub parallel_tool_calls: Option<bool>,
    pub seed: Option<i64>,
    pub service_tier: Option<String>,
    pub prompt_cache: Option<PromptCache>,
    pub stream_usage: Option<bool>,
    pub extra_body: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawProject {
    pub guidance: Option<String>,
    pub guidance_page: Option<String>,
    pub guidance_work_item: Option<String>,
    pub writes: Option<WritePolicy>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLog {
    pub format: Option<LogFormat>,
    pub filter: Option<String>,
}

/// A secret as written: the text itself, or where it is.
#[derive(Debug, Clone)]
pub(super) enum RawSecret {
    Text(SecretString),
    Env(String),
    File(PathBuf),
    /// A program that prints it, and how long what it printed is used.
    Command {
        command: Vec<String>,
        keep_secs: Option<u32>,
    },
}

impl<'de> Deserialize<'de> for RawSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = RawSecret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret: \"text\", { env = \"NAME\" } or { file = \"path\" }")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<RawSecret, E> {
        Ok(RawSecret::Text(SecretString::from(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawSecret, A::Error> {
        let mut secret = None;
        let mut keep = None;
        while let Some(key) = map.next_key::<String>()? {
            let found = match key.as_str() {
                "env" => RawSecret::Env(map.next_value()?),
                "file" => RawSecret::File(map.next_value()?),
                "command" => RawSecret::Command { command: map.next_value()?, keep_secs: None },
                "keep_secs" => {
                    keep = Some(map.next_value()?);
                    continue;
                }
                _ => return Err(A::Error::unknown_field(&key, &["env", "file", "command", "keep_secs"])),
            };
            if secret.replace(found).is_some() {
                return Err(A::Error::custom("a secret comes from one place: env, file or command"));
            }
        }
        match (secret, keep) {
            (Some(RawSecret::Command { command, .. }), keep_secs) => Ok(RawSecret::Command { command, keep_secs }),
            (Some(secret @ (RawSecret::Text(_) | RawSecret::Env(_) | RawSecret::File(_))), None) => Ok(secret),
            (Some(_), Some(_)) => Err(A::Error::custom("keep_secs belongs to a command")),
            (None, _) => Err(A::Error::custom("expected { env = \"NAME\" } or { file = \"path\" }")),
        }
    }
}

/// A list of secrets, or a single one: the brackets are easily forgotten.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RawSecret>, D::Error> {
    deserializer.deserialize_any(SecretsVisitor)
}

struct SecretsVisitor;

impl<'de> Visitor<'de> for SecretsVisitor {
    type Value = Vec<RawSecret>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of secrets, each \"text\", { env = \"NAME\" } or { file = \"path\" }")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<RawSecret>, E> {
        SecretVisitor.visit_str(text).map(|secret| vec![secret])
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<RawSecret>, A::Error> {
        SecretVisitor.visit_map(map).map(|secret| vec![secret])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<RawSecret>, A::Error> {
        let mut secrets = Vec::new();
        while let Some(secret) = list.next_element()? {
            secrets.push(secret);
        }
        Ok(secrets)
    }
}
