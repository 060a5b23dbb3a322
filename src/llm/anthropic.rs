//! Anthropic's Messages: thinking in signed blocks that go back unchanged, caching where it is
//! asked for.

mod collect;
mod request;

use serde_json::{Map, Value};
use url::Url;

use self::collect::Collector;
use super::{
    Request,
    remote::{Remote, Speaker, Wire},
};
use crate::config::{ModelConfig, RemoteConfig};

/// A model behind a Messages address.
pub type AnthropicModel = Remote<Messages>;

/// The wire itself.
pub struct Messages;

/// The version of the interface that is written here.
const VERSION: &str = "2023-06-01";

impl Wire for Messages {
    type Reading = Collector;

    const OPTIONAL: &'static [&'static str] =
        &["temperature", "thinking.display", "output_config", "thinking", "service_tier", "tool_choice"];
    const OWN_FIELDS: &'static [&'static str] = &["messages", "system", "tools", "stream"];
    const KEY_HEADER: &'static str = "x-api-key";

    fn address(provider: &RemoteConfig, _model: &ModelConfig) -> Option<Url> {
        let mut url = provider.base_url.clone();
        let has_version = url.path().trim_end_matches('/').ends_with("/v1");
        let mut path = url.path_segments_mut().ok()?;
        path.pop_if_empty();
        if !has_version {
            path.push("v1");
        }
        path.push("messages");
        drop(path);
        Some(url)
    }

    fn headers(provider: &RemoteConfig) -> Vec<(&'static str, String)> {
        vec![("anthropic-version", provider.api_version.clone().unwrap_or_else(|| VERSION.to_owned()))]
    }

    fn body(speaker: &Speaker, request: &Request) -> Map<String, Value> {
        request::body(speaker, request)
    }

    fn reading() -> Collector {
        Collector::default()
    }
}
