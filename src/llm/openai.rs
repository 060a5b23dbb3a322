//! Chat Completions, as OpenAI and everyone compatible with it speaks them.

pub(super) mod accumulate;
mod calls;
mod request;

use serde_json::{Map, Value};
use url::Url;

use self::accumulate::Accumulator;
use super::{
    Request,
    remote::{Remote, Speaker, Wire},
};
use crate::config::{ModelConfig, RemoteConfig};

/// A model behind a Chat Completions address.
pub type OpenAiModel = Remote<ChatCompletions>;

/// The wire itself.
pub struct ChatCompletions;

/// What is sent by choice.
pub(super) const OPTIONAL: &[&str] =
    &["max_tokens", "stream_options", "temperature", "parallel_tool_calls", "reasoning_effort", "seed", "service_tier"];

impl Wire for ChatCompletions {
    type Reading = Accumulator;

    const OPTIONAL: &'static [&'static str] = OPTIONAL;
    const OWN_FIELDS: &'static [&'static str] = &["messages", "tools", "stream"];
    const KEY_HEADER: &'static str = "api-key";

    fn address(provider: &RemoteConfig, _model: &ModelConfig) -> Option<Url> {
        let mut url = provider.base_url.clone();
        // Keeps a query such as Azure's `?api-version=`.
        url.path_segments_mut().ok()?.pop_if_empty().extend(["chat", "completions"]);
        Some(url)
    }

    fn body(speaker: &Speaker, request: &Request) -> Map<String, Value> {
        request::body(speaker, request)
    }

    fn reading() -> Accumulator {
        Accumulator::default()
    }
}
