//! Chat Completions at Azure: a model is a deployment in the address, and the key has a header of
//! its own.
//!
//! An address that ends in `/openai/v1` is Azure's newer form, which is spoken to as OpenAI is.

use serde_json::{Map, Value};
use url::Url;

use super::{
    Request,
    openai::{self, ChatCompletions, accumulate::Accumulator},
    remote::{Remote, Speaker, Wire},
};
use crate::config::{ModelConfig, RemoteConfig};

/// A deployment at Azure.
pub type AzureModel = Remote<Azure>;

/// The wire itself.
pub struct Azure;

/// The newest version of the dated interface that is not a preview.
const API_VERSION: &str = "2024-10-21";

impl Wire for Azure {
    type Reading = Accumulator;

    const OPTIONAL: &'static [&'static str] = openai::OPTIONAL;
    const OWN_FIELDS: &'static [&'static str] = ChatCompletions::OWN_FIELDS;
    const KEY_HEADER: &'static str = "api-key";

    fn address(provider: &RemoteConfig, model: &ModelConfig) -> Option<Url> {
        let mut url = provider.base_url.clone();
        let is_newer = url.path().trim_end_matches('/').ends_with("/openai/v1");
        if is_newer {
            url = ChatCompletions::address(provider, model)?;
        } else {
            let has_openai = url.path().trim_end_matches('/').ends_with("/openai");
            let mut path = url.path_segments_mut().ok()?;
            path.pop_if_empty();
            if !has_openai {
                path.push("openai");
            }
            path.extend(["deployments", model.model.as_str(), "chat", "completions"]);
        }
        let told = url.query_pairs().any(|(name, _)| name == "api-version");
        let version = provider.api_version.as_deref().or((!is_newer).then_some(API_VERSION));
        if let Some(version) = version.filter(|_| !told) {
            url.query_pairs_mut().append_pair("api-version", version);
        }
        Some(url)
    }

    fn body(speaker: &Speaker, request: &Request) -> Map<String, Value> {
        ChatCompletions::body(speaker, request)
    }

    fn reading() -> Accumulator {
        Accumulator::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ProviderConfig, RemoteKind};

    #[test]
    fn every_form_of_the_address_leads_to_the_deployment() {
        for (base, version, address) in [
            (
                "https://x.openai.azure.com",
                None,
                "https://x.openai.azure.com/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21",
            ),
            (
                "https://x.openai.azure.com/openai/",
                Some("2025-04-01-preview"),
                "https://x.openai.azure.com/openai/deployments/my%20gpt/chat/completions?api-version=2025-04-01-preview",
            ),
            (
                "https://x.openai.azure.com/?api-version=1",
                Some("2"),
                "https://x.openai.azure.com/openai/deployments/my%20gpt/chat/completions?api-version=1",
            ),
            ("https://x.openai.azure.com/openai/v1", None, "https://x.openai.azure.com/openai/v1/chat/completions"),
            (
                "https://x.openai.azure.com/openai/v1/",
                Some("preview"),
                "https://x.openai.azure.com/openai/v1/chat/completions?api-version=preview",
            ),
        ] {
            let mut provider = RemoteConfig::new(RemoteKind::Azure, base.parse().unwrap());
            provider.api_version = version.map(str::to_owned);
            let model = ModelConfig::new("main", ProviderConfig::Remote(Box::new(provider.clone())), "my gpt");
            assert_eq!(Azure::address(&provider, &model).unwrap().as_str(), address);
        }
    }
}
