//! OpenAI's Responses: items instead of messages, reasoning that comes back encrypted.
//!
//! Nothing is stored at the provider (`store = false`): the items of a reply travel with the
//! conversation and go back as they came.

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

/// A model behind a Responses address.
pub type ResponsesModel = Remote<Responses>;

/// The wire itself.
pub struct Responses;

impl Wire for Responses {
    type Reading = Collector;

    const OPTIONAL: &'static [&'static str] = &[
        "max_output_tokens",
        "temperature",
        "parallel_tool_calls",
        // Summaries are for verified organisations only.
        "reasoning.summary",
        "reasoning.effort",
        "reasoning",
        "include",
        "service_tier",
        "store",
    ];
    const OWN_FIELDS: &'static [&'static str] = &["input", "instructions", "tools", "stream", "store"];
    const KEY_HEADER: &'static str = "api-key";

    fn address(provider: &RemoteConfig, _model: &ModelConfig) -> Option<Url> {
        let mut url = provider.base_url.clone();
        url.path_segments_mut().ok()?.pop_if_empty().push("responses");
        if let Some(version) = &provider.api_version {
            url.query_pairs_mut().append_pair("api-version", version);
        }
        Some(url)
    }

    fn body(speaker: &Speaker, request: &Request) -> Map<String, Value> {
        request::body(speaker, request)
    }

    fn reading() -> Collector {
        Collector::default()
    }
}
