//! The agent's model and its provider: names followed, what cannot work told.

use std::{collections::BTreeMap, path::Path, time::Duration};

use secrecy::SecretString;
use url::Url;

use super::Resolver;
use crate::config::{
    BudgetConfig, CardOverrides, CredentialConfig, ModelChain, ModelConfig, ModelsConfig, ProviderConfig, RemoteConfig,
    RemoteKind, SpendLimit,
    raw::{ProviderKind, RawAgent, RawBudget, RawModel, RawProvider, RawSecret, RawWorkspace},
};

/// How long a key that a program printed is used, where nothing else is said.
const KEEP_KEY_SECS: u32 = 300;

/// The tables names are looked up in, and what was looked up so far: however often a model is named, it
/// is made once and what is wrong with it told once.
struct Known<'a> {
    models: &'a BTreeMap<String, RawModel>,
    providers: &'a BTreeMap<String, RawProvider>,
    made_models: BTreeMap<String, Option<ModelConfig>>,
    made_providers: BTreeMap<String, Option<ProviderConfig>>,
}

impl Resolver<'_> {
    /// The models the agent uses, those it falls back on, and those of single workspaces.
    pub(super) fn models(
        &mut self,
        agent: &RawAgent,
        models: &BTreeMap<String, RawModel>,
        providers: &BTreeMap<String, RawProvider>,
        workspaces: &BTreeMap<String, RawWorkspace>,
    ) -> Option<ModelsConfig> {
        let mut known = Known { models, providers, made_models: BTreeMap::new(), made_providers: BTreeMap::new() };
        let name = agent.model.as_deref().unwrap_or("main");
        let usual = self.chain(&mut known, ("agent.model", name), ("agent.fallback", &agent.fallback));
        let mut of_workspaces = BTreeMap::new();
        for (slug, workspace) in workspaces {
            let of_agent = |field: &str| format!("agent.{field}");
            let own = |field: &str| format!("workspaces.{slug}.{field}");
            let (key, name) = match &workspace.model {
                Some(own_model) => (own("model"), own_model.as_str()),
                None => (of_agent("model"), name),
            };
            let (fallback_key, fallback) = match &workspace.fallback {
                Some(fallback) => (own("fallback"), fallback.clone()),
                // What is only taken over from the agent may name the workspace's own model, which goes first.
                None => {
                    let others = agent.fallback.iter().filter(|other| *other != name);
                    (of_agent("fallback"), others.cloned().collect())
                }
            };
            let chain = self.chain(&mut known, (&key, name), (&fallback_key, &fallback));
            of_workspaces.extend(chain.map(|chain| (slug.clone(), chain)));
        }
        let named = self.usable(&mut known);
        let fallback_on = agent.fallback_on.clone();
        Some(ModelsConfig { usual: usual?, workspaces: of_workspaces, named, fallback_on })
    }

    /// Every model that can be used. What is wrong with those that nothing above names is no problem: they may
    /// be there for another day.
    fn usable(&mut self, known: &mut Known<'_>) -> BTreeMap<String, ModelConfig> {
        let problems = self.problems.len();
        let mut named = BTreeMap::new();
        for name in known.models.keys() {
            named.extend(self.model(known, "models", name).map(|model| (name.clone(), model)));
        }
        self.problems.truncate(problems);
        named
    }

    fn chain(
        &mut self,
        known: &mut Known<'_>,
        (key, name): (&str, &str),
        (fallback_key, fallback): (&str, &[String]),
    ) -> Option<ModelChain> {
        let first = self.model(known, key, name);
        let mut rest = Vec::new();
        for other in fallback {
            if other == name || rest.iter().any(|model: &ModelConfig| model.name == *other) {
                self.complain(fallback_key, format!("{other:?} is named twice; a model cannot take its own place"));
                continue;
            }
            rest.extend(self.model(known, fallback_key, other));
        }
        Some(ModelChain { first: first?, fallback: rest })
    }

    fn model(&mut self, known: &mut Known<'_>, named_by: &str, name: &str) -> Option<ModelConfig> {
        if let Some(made) = known.made_models.get(name) {
            return made.clone();
        }
        let Some(raw) = known.models.get(name) else {
            let names = names(known.models);
            self.complain(named_by, format!("there is no model named {name:?}; the models are: {names}"));
            return None;
        };
        let made = self.new_model(known, name, raw);
        known.made_models.insert(name.to_owned(), made.clone());
        made
    }

    fn new_model(&mut self, known: &mut Known<'_>, name: &str, raw: &RawModel) -> Option<ModelConfig> {
        let card = self.card(name, raw);
        let key = |field: &str| format!("models.{name}.{field}");
        let Some(provider_name) = &raw.provider else {
            self.complain(&key("provider"), "missing: name one of [providers]");
            return None;
        };
        let provider = self.provider_of(known, &key("provider"), provider_name)?;
        let id = raw.model.clone().unwrap_or_default();
        match &provider {
            ProviderConfig::Remote(_) if id.is_empty() => {
                self.complain(&key("model"), "missing: set the provider's id of the model");
                return None;
            }
            ProviderConfig::Remote(_) | ProviderConfig::Rehearsal => {}
        }
        let plain = ModelConfig::new(name, provider, &id);
        Some(ModelConfig {
            card,
            temperature: raw.temperature,
            reasoning_effort: raw.reasoning_effort.clone(),
            parallel_tool_calls: raw.parallel_tool_calls,
            seed: raw.seed,
            service_tier: raw.service_tier.clone(),
            prompt_cache: raw.prompt_cache.unwrap_or(plain.prompt_cache),
            stream_usage: raw.stream_usage.unwrap_or(plain.stream_usage),
            extra_body: raw.extra_body.clone(),
            ..plain
        })
    }

    /// What the operator says of the model's abilities, with what cannot be true told.
    fn card(&mut self, name: &str, raw: &RawModel) -> CardOverrides {
        let key = |field: &str| format!("models.{name}.{field}");
        for (field, value) in [("context_window", raw.context_window), ("max_output_tokens", raw.max_output_tokens)] {
            if value == Some(0) {
                self.complain(&key(field), "expected a number of tokens above 0");
            }
        }
        for (field, value) in [
            ("price_in", raw.price_in),
            ("price_out", raw.price_out),
            ("price_cached_in", raw.price_cached_in),
            ("price_cache_write", raw.price_cache_write),
        ] {
            if value.is_some_and(|price| !(0.0..1_000_000.0).contains(&price)) {
                self.complain(&key(field), "expected US dollars per million tokens, such as 2.5");
            }
        }
        CardOverrides {
            known_as: raw.known_as.clone(),
            context_window: raw.context_window,
            max_output_tokens: raw.max_output_tokens,
            max_tokens_field: raw.max_tokens_field,
            system_role: raw.system_role,
            vision: raw.vision,
            tools: raw.tools,
            parallel_tools: raw.parallel_tools,
            reasoning: raw.reasoning,
            temperature_allowed: raw.temperature_allowed,
            price_in: raw.price_in,
            price_out: raw.price_out,
            price_cached_in: raw.price_cached_in,
            price_cache_write: raw.price_cache_write,
        }
    }

    fn provider_of(&mut self, known: &mut Known<'_>, named_by: &str, name: &str) -> Option<ProviderConfig> {
        if let Some(made) = known.made_providers.get(name) {
            return made.clone();
        }
        let Some(raw) = known.providers.get(name) else {
            let names = names(known.providers);
            self.complain(named_by, format!("there is no provider named {name:?}; the providers are: {names}"));
            return None;
        };
        let made = self.provider(name, raw);
        known.made_providers.insert(name.to_owned(), made.clone());
        made
    }

    fn provider(&mut self, name: &str, raw: &RawProvider) -> Option<ProviderConfig> {
        let kind = match raw.kind {
            None => {
                let kinds = "\"openai\", \"openai-responses\", \"azure\", \"anthropic\" or \"rehearsal\"";
                self.complain(&format!("providers.{name}.kind"), format!("missing: {kinds}"));
                return None;
            }
            Some(ProviderKind::Rehearsal) => return Some(ProviderConfig::Rehearsal),
            Some(ProviderKind::OpenAi) => RemoteKind::OpenAi,
            Some(ProviderKind::OpenAiResponses) => RemoteKind::OpenAiResponses,
            Some(ProviderKind::Azure) => RemoteKind::Azure,
            Some(ProviderKind::Anthropic) => RemoteKind::Anthropic,
        };
        self.remote(name, kind, raw).map(|remote| ProviderConfig::Remote(Box::new(remote)))
    }

    fn remote(&mut self, name: &str, kind: RemoteKind, raw: &RawProvider) -> Option<RemoteConfig> {
        let key = |field: &str| format!("providers.{name}.{field}");
        let problems = self.problems.len();
        let address = raw.base_url.as_deref().or(kind.usual_address());
        if address.is_none() {
            self.complain(&key("base_url"), "missing: set it to your resource, https://NAME.openai.azure.com");
        }
        let base_url = address.and_then(|address| self.http_url(&key("base_url"), address));
        let credential = raw.api_key.as_ref().and_then(|secret| self.credential(&key("api_key"), secret));
        if raw.api_key.is_none()
            && base_url.as_ref().is_some_and(|base_url| base_url.scheme() == "https" && asks_for_a_key(base_url))
        {
            self.complain(&key("api_key"), missing_key(kind));
        }
        let mut extra_headers = Vec::new();
        for (header, secret) in &raw.headers {
            extra_headers.extend(self.secret(&key("headers"), secret).map(|secret| (header.clone(), secret)));
        }
        let proxy = raw.proxy.as_deref().and_then(|address| self.proxy(&key("proxy"), address));
        let ca_certificates = raw.ca_file.as_deref().and_then(|path| self.ca_file(&key("ca_file"), path));
        if self.problems.len() > problems {
            return None;
        }
        let secs = |secs: Option<u32>, usual| secs.map_or(usual, |secs| Duration::from_secs(u64::from(secs)));
        let usual = RemoteConfig::new(kind, base_url?);
        Some(RemoteConfig {
            credential,
            auth: raw.auth.unwrap_or(usual.auth),
            api_version: raw.api_version.clone(),
            extra_headers,
            proxy,
            ca_certificates,
            connect_timeout: secs(raw.connect_timeout_secs, usual.connect_timeout),
            first_token_timeout: secs(raw.first_token_timeout_secs, usual.first_token_timeout),
            idle_timeout: secs(raw.idle_timeout_secs, usual.idle_timeout),
            max_retries: raw.max_retries.unwrap_or(usual.max_retries),
            max_retry_wait: secs(raw.max_retry_wait_secs, usual.max_retry_wait),
            ..usual
        })
    }

    fn credential(&mut self, key: &str, raw: &RawSecret) -> Option<CredentialConfig> {
        match raw {
            RawSecret::Command { command, .. } if command.first().is_none_or(String::is_empty) => {
                self.complain(key, "expected a program and its arguments, such as [\"pass\", \"show\", \"openai\"]");
                None
            }
            RawSecret::Command { command, keep_secs } => {
                let keep = Duration::from_secs(u64::from(keep_secs.unwrap_or(KEEP_KEY_SECS)));
                Some(CredentialConfig::Command { command: command.clone(), keep })
            }
            RawSecret::Text(_) | RawSecret::Env(_) | RawSecret::File(_) => {
                self.secret(key, raw).map(CredentialConfig::Secret)
            }
        }
    }

    /// Unlike other addresses a proxy's may hold a user and a password.
    fn proxy(&mut self, key: &str, address: &str) -> Option<SecretString> {
        let url: Url = self.parsed(key, address, "an address such as http://proxy.example.com:3128")?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            self.complain(key, "expected the address of an http or https proxy");
            return None;
        }
        Some(SecretString::from(String::from(url)))
    }

    fn ca_file(&mut self, key: &str, path: &Path) -> Option<String> {
        match std::fs::read_to_string(path) {
            Ok(text) if text.contains("-----BEGIN CERTIFICATE-----") => Some(text),
            Ok(_) => {
                self.complain(key, format!("{} holds no certificate in PEM form", path.display()));
                None
            }
            Err(error) => {
                self.complain(key, format!("{} cannot be read: {error}", path.display()));
                None
            }
        }
    }

    pub(super) fn budget(&mut self, raw: &RawBudget) -> BudgetConfig {
        BudgetConfig {
            run: self.spend_limit("run", raw.run_usd, raw.run_tokens),
            workspace_day: self.spend_limit("workspace_day", raw.workspace_day_usd, raw.workspace_day_tokens),
            day: self.spend_limit("day", raw.day_usd, raw.day_tokens),
        }
    }

    fn spend_limit(&mut self, name: &str, usd: Option<f64>, tokens: Option<u64>) -> SpendLimit {
        if usd.is_some_and(|usd| !(0.0..1e9).contains(&usd)) {
            self.complain(&format!("budget.{name}_usd"), "expected US dollars, such as 2.5");
        }
        // A cast from a float saturates, and what is out of range was refused above.
        SpendLimit { nano_dollars: usd.map(|usd| (usd * 1e9).round() as u64), tokens }
    }
}

fn names<T>(table: &BTreeMap<String, T>) -> String {
    table.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The vendors' own servers take nobody without a key; of others one cannot know.
fn asks_for_a_key(address: &Url) -> bool {
    let host = address.host_str().unwrap_or_default();
    ["api.openai.com", "api.anthropic.com"].contains(&host) || host.ends_with(".openai.azure.com")
}

fn missing_key(kind: RemoteKind) -> &'static str {
    match kind {
        RemoteKind::OpenAi => {
            "missing: set OPENAI_API_KEY; for another provider or a local model set OPENAI_BASE_URL and OPENAI_MODEL as \
             well, or ANTHROPIC_API_KEY and ANTHROPIC_MODEL"
        }
        RemoteKind::OpenAiResponses | RemoteKind::Azure => "missing: set the key of the account",
        RemoteKind::Anthropic => "missing: set ANTHROPIC_API_KEY",
    }
}
