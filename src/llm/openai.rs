//! Chat Completions, as OpenAI and everyone compatible with it speaks them.
//!
//! async-openai carries requests and parses the event stream; the chunks stay plain JSON, because
//! its types drop what other providers add (reasoning, signatures, errors in mid-stream). One
//! request is one try: retrying is [`super::retry`]'s.

mod accumulate;
mod adapt;
mod calls;
mod complaint;
mod endpoint;
mod failure;
mod request;
mod think;
mod transport;

use std::sync::{Arc, Mutex, PoisonError};

use async_openai::{Client, error::OpenAIError, middleware::HttpRequestFactory};
use async_trait::async_trait;
use futures_util::StreamExt;
use serde_json::Value;

use self::{
    accumulate::Accumulator,
    adapt::Learned,
    complaint::Complaint,
    endpoint::Endpoint,
    transport::{Rejection, Watch},
};
use super::{LlmError, Model, OnDelta, Reply, Request, card::ModelCard};
use crate::config::{ModelConfig, OpenAiConfig};

/// Why a model could not be set up. No variant holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    #[error("the provider's base_url cannot hold a path; it should look like https://api.openai.com/v1")]
    Address,
    #[error("the provider's api_key holds a character that no HTTP header may hold")]
    Key,
    #[error("the provider's extra header {name:?} has a name or value that no HTTP header may have")]
    Header { name: String },
}

/// A model behind a Chat Completions address.
pub struct OpenAiModel {
    config: ModelConfig,
    card: ModelCard,
    provider: OpenAiConfig,
    endpoint: Endpoint,
    http: reqwest::Client,
    /// What the provider refused, kept for the life of the process.
    learned: Mutex<Learned>,
}

impl OpenAiModel {
    /// `http` brings the connect timeout; the time between two bytes is watched here.
    ///
    /// # Errors
    ///
    /// If the address, the key or a header cannot be sent.
    pub fn new(config: &ModelConfig, provider: &OpenAiConfig, http: reqwest::Client) -> Result<Self, SetupError> {
        let endpoint = Endpoint::new(provider)?;
        let card = ModelCard::of(config);
        Ok(Self { config: config.clone(), card, provider: provider.clone(), endpoint, http, learned: Mutex::default() })
    }

    /// One request and its whole stream.
    async fn ask(&self, body: &Value, on_delta: OnDelta<'_>) -> Result<Reply, Failure> {
        let watch = Arc::new(Watch::default());
        let service = {
            let (http, watch, idle_timeout) = (self.http.clone(), Arc::clone(&watch), self.provider.idle_timeout);
            tower::service_fn(move |factory: HttpRequestFactory| {
                transport::send(http.clone(), factory, idle_timeout, Arc::clone(&watch))
            })
        };
        let client = Client::build(self.http.clone(), self.endpoint.clone()).with_http_service(service);
        let mut stream =
            client.chat().create_stream_byot::<_, Value>(body).await.map_err(|error| read_failure(error, &watch))?;

        let mut reply = Accumulator::default();
        while let Some(chunk) = stream.next().await {
            match chunk {
                Ok(chunk) => reply.absorb(&chunk, on_delta)?,
                Err(OpenAIError::JSONDeserialize(_, text)) if matches!(text.trim(), "" | "[DONE]") => {}
                Err(error) => return Err(read_failure(error, &watch)),
            }
        }
        Ok(reply.finish(&self.config.name, watch.is_done(), new_call_id, on_delta)?)
    }

    /// Changes what is sent after a refusal, or tells that nothing can be changed.
    fn learn(&self, used: &Learned, complaint: &Complaint, sent: &Value) -> bool {
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        if *learned != *used {
            // Another call learned something meanwhile, perhaps the same.
            return true;
        }
        let Some(next) = used.after(complaint, &self.config, &self.card, sent) else {
            return false;
        };
        let parameter = next.changed_since(used);
        tracing::warn!(
            model = self.config.name,
            parameter,
            "the model provider refused a parameter; it is sent differently from now on"
        );
        *learned = next;
        true
    }
}

#[async_trait]
impl Model for OpenAiModel {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn card(&self) -> &ModelCard {
        &self.card
    }

    async fn complete(&self, request: &Request, on_delta: OnDelta<'_>) -> Result<Reply, LlmError> {
        loop {
            let learned = *self.learned.lock().unwrap_or_else(PoisonError::into_inner);
            let body = request::body(&self.config, &self.card, &learned, request);
            let error = match self.ask(&body, on_delta).await {
                Ok(reply) => return Ok(reply),
                Err(Failure::Judged(error)) => error,
                Err(Failure::Rejected(rejection)) => {
                    let complaint = Complaint::from_body(&rejection.body);
                    let error = failure::error_for(Some(rejection.status), &complaint, &rejection.hints);
                    if matches!(error, LlmError::Refused { status: 400 | 422, .. })
                        && self.learn(&learned, &complaint, &body)
                    {
                        continue;
                    }
                    error
                }
            };
            return Err(error.map_message(|message| self.endpoint.without_secrets(message)));
        }
    }
}

/// How one request failed.
enum Failure {
    /// The provider refused it before any answer.
    Rejected(Rejection),
    Judged(LlmError),
}

impl From<LlmError> for Failure {
    fn from(error: LlmError) -> Self {
        Self::Judged(error)
    }
}

fn read_failure(error: OpenAIError, watch: &Watch) -> Failure {
    match error {
        OpenAIError::Boxed(source) => match source.downcast::<Rejection>() {
            Ok(rejection) => Failure::Rejected(*rejection),
            Err(source) => Failure::Judged(match source.downcast::<LlmError>() {
                Ok(error) => *error,
                Err(source) => LlmError::Transport { message: source.to_string() },
            }),
        },
        OpenAIError::StreamError(_) => Failure::Judged(watch.broken().unwrap_or_else(unreadable)),
        OpenAIError::JSONDeserialize(..) => Failure::Judged(unreadable()),
        OpenAIError::Reqwest(error) => {
            Failure::Judged(LlmError::Transport { message: error.without_url().to_string() })
        }
        OpenAIError::ApiError(_)
        | OpenAIError::FileSaveError(_)
        | OpenAIError::FileReadError(_)
        | OpenAIError::InvalidArgument(_) => {
            Failure::Judged(LlmError::Transport { message: "the request could not be built".to_owned() })
        }
    }
}

fn unreadable() -> LlmError {
    LlmError::Truncated { message: "a part of the stream could not be read".to_owned() }
}

/// Nine letters and digits: what the strictest provider takes as a call's id.
fn new_call_id() -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(9).collect()
}
