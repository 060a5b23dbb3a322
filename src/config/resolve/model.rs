//! The agent's model and its provider: names followed, what cannot work told.

use std::{collections::BTreeMap, time::Duration};

use super::Resolver;
use crate::config::{
    CardOverrides, ModelConfig, OpenAiConfig, ProviderConfig,
    raw::{ProviderKind, RawAgent, RawModel, RawProvider},
};

impl Resolver<'_> {
    pub(super) fn model(
        &mut self,
        agent: &RawAgent,
        mut models: BTreeMap<String, RawModel>,
        mut providers: BTreeMap<String, RawProvider>,
    ) -> Option<ModelConfig> {
        let name = agent.model.clone().unwrap_or_else(|| "main".to_owned());
        let Some(raw) = models.remove(&name) else {
            let known = models.into_keys().collect::<Vec<_>>().join(", ");
            self.complain("agent.model", format!("there is no model named {name:?}; the models are: {known}"));
            return None;
        };
        let key = |field: &str| format!("models.{name}.{field}");
        let Some(provider_name) = raw.provider.clone() else {
            self.complain(&key("provider"), "missing: name one of [providers]");
            return None;
        };
        let Some(provider) = providers.remove(&provider_name) else {
            let known = providers.into_keys().collect::<Vec<_>>().join(", ");
            self.complain(
                &key("provider"),
                format!("there is no provider named {provider_name:?}; the providers are: {known}"),
            );
            return None;
        };
        let provider = self.provider(&provider_name, &provider)?;
        let id = raw.model.clone().unwrap_or_default();
        match &provider {
            ProviderConfig::OpenAi(_) if id.is_empty() => {
                self.complain(&key("model"), "missing: set the provider's id of the model");
                return None;
            }
            ProviderConfig::OpenAi(_) | ProviderConfig::Rehearsal => {}
        }
        let card = self.card(&name, &raw);
        Some(ModelConfig {
            name,
            provider,
            model: id,
            card,
            temperature: raw.temperature,
            reasoning_effort: raw.reasoning_effort,
            parallel_tool_calls: raw.parallel_tool_calls,
            stream_usage: raw.stream_usage.unwrap_or(true),
            extra_body: raw.extra_body,
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

    fn provider(&mut self, name: &str, raw: &RawProvider) -> Option<ProviderConfig> {
        let key = |field: &str| format!("providers.{name}.{field}");
        match raw.kind {
            None => {
                self.complain(&key("kind"), "missing: \"openai\" or \"rehearsal\"");
                None
            }
            Some(ProviderKind::Rehearsal) => Some(ProviderConfig::Rehearsal),
            Some(ProviderKind::OpenAi) => self.openai(name, raw).map(ProviderConfig::OpenAi),
        }
    }

    fn openai(&mut self, name: &str, raw: &RawProvider) -> Option<OpenAiConfig> {
        let key = |field: &str| format!("providers.{name}.{field}");
        let secs = |secs: Option<u32>, default| Duration::from_secs(u64::from(secs.unwrap_or(default)));
        let base_url = self.http_url(&key("base_url"), raw.base_url.as_deref().unwrap_or_default())?;
        let api_key = match &raw.api_key {
            Some(secret) => Some(self.secret(&key("api_key"), secret)?),
            None => None,
        };
        if api_key.is_none() && base_url.host_str() == Some("api.openai.com") {
            self.complain(
                &key("api_key"),
                "missing: set OPENAI_API_KEY; for another provider or a local model set OPENAI_BASE_URL and OPENAI_MODEL as well",
            );
            return None;
        }
        let mut extra_headers = Vec::new();
        for (header, secret) in &raw.headers {
            extra_headers.push((header.clone(), self.secret(&key("headers"), secret)?));
        }
        Some(OpenAiConfig {
            base_url,
            api_key,
            extra_headers,
            connect_timeout: secs(raw.connect_timeout_secs, 10),
            idle_timeout: secs(raw.idle_timeout_secs, 300),
            max_retries: raw.max_retries.unwrap_or(3),
            max_retry_wait: secs(raw.max_retry_wait_secs, 60),
        })
    }
}
