//! One call of a model over HTTP, whatever its wire: the request, the stream of its answer, what
//! a refusal teaches.
//!
//! An adapter is a [`Wire`]: it names the address, writes the body and reads the events. All else is
//! here and the same for all. async-openai carries requests and parses the event stream; the events
//! stay plain JSON, because its types drop what other providers add. One request is one try: trying
//! again is [`super::retry`]'s.

mod client;
pub(super) mod complaint;
mod credential;
pub(super) mod draft;
mod endpoint;
pub(super) mod failure;
mod learned;
mod transport;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_openai::{Client, error::OpenAIError, middleware::HttpRequestFactory};
use async_trait::async_trait;
use futures_util::{Stream, StreamExt};
use serde_json::{Map, Value};
use tokio::time::Instant;
use url::Url;

pub use self::client::http_client;
use self::{
    complaint::Complaint,
    credential::Credential,
    endpoint::Endpoint,
    failure::RetryHints,
    learned::Learned,
    transport::{Rejection, Watch},
};
use super::{LlmError, Model, OnDelta, Reply, Request, card::ModelCard};
use crate::{
    config::{ModelConfig, ProviderConfig, RemoteConfig},
    domain::talk::ProviderRaw,
};

/// Why a model could not be set up. No variant holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    #[error("the provider's base_url cannot hold a path; it should look like https://api.openai.com/v1")]
    Address,
    #[error("the provider's api_key holds a character that no HTTP header may hold")]
    Key,
    #[error("the provider's extra header {name:?} has a name or value that no HTTP header may have")]
    Header { name: String },
    #[error("the provider's ca_file holds a certificate that cannot be read")]
    Certificate,
    #[error("the HTTP client cannot be built: {0}")]
    Client(String),
    #[error(
        "the model {id:?} in [models.{name}] does not call functions, and without that the agent can do nothing: \
         choose another, or set tools = true there if that is wrong"
    )]
    NoTools { id: String, name: String },
}

/// How one kind of server speaks.
pub trait Wire: Send + Sync + 'static {
    /// Reads one answer.
    type Reading: Reading;

    /// Parameters that are sent by choice, so that a server which refuses one can do without it. A dot
    /// leads into an object; what is inside comes before what it is in.
    const OPTIONAL: &'static [&'static str];

    /// Fields of the body that a configured extra one may not replace.
    const OWN_FIELDS: &'static [&'static str];

    /// Where requests go.
    fn address(provider: &RemoteConfig, model: &ModelConfig) -> Option<Url>;

    /// The header of a key that is not a bearer's.
    const KEY_HEADER: &'static str;

    /// Headers every request carries.
    fn headers(_provider: &RemoteConfig) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// The body of a request, with all that the config asks for in the wire's own words.
    fn body(speaker: &Speaker, request: &Request) -> Map<String, Value>;

    fn reading() -> Self::Reading;
}

/// A reply in the making.
pub trait Reading: Send {
    /// Takes one event.
    ///
    /// # Errors
    /// The event says that the call failed.
    fn absorb(&mut self, event: &Value, on_delta: OnDelta<'_>) -> Result<(), LlmError>;

    /// Whether anything of the answer itself came, reasoning included.
    fn has_begun(&self) -> bool;

    /// How many bytes of it came: another number after each event that brought some.
    fn bytes(&self) -> usize;

    /// The reply, when no more events will come, with the fields that only its maker understands.
    /// `told_done` says that the server ended the stream on purpose, where the wire has a mark for that.
    ///
    /// # Errors
    /// The answer is not whole.
    fn finish(self, told_done: bool, on_delta: OnDelta<'_>) -> Result<(Reply, Map<String, Value>), LlmError>;
}

/// Who is asked: what an adapter needs to know to write a request.
#[derive(Debug, Clone)]
pub struct Speaker {
    pub config: ModelConfig,
    pub card: ModelCard,
    /// Tags what the model says in terms of its own.
    pub identity: String,
}

impl Speaker {
    /// The temperature to send, if any may be.
    pub(super) fn temperature(&self) -> Option<Value> {
        let temperature = self.config.temperature.filter(|_| self.card.temperature)?;
        // By way of its decimal text, since 0.2 as f32 is not 0.2 as f64.
        let decimal: f64 = temperature.to_string().parse().unwrap_or(f64::from(temperature));
        Some(decimal.into())
    }

    /// Whether several calls may come at once. Left unsaid where it is what the provider does anyway: some
    /// refuse the parameter.
    pub(super) fn parallel_tools(&self) -> Option<bool> {
        let said = self.config.parallel_tool_calls;
        said.or((self.config.card.parallel_tools == Some(false)).then_some(false))
    }

    /// Whether the server is this host.
    pub(super) fn is_at(&self, host: &str) -> bool {
        match &self.config.provider {
            ProviderConfig::Remote(remote) => remote.base_url.host_str() == Some(host),
            ProviderConfig::Rehearsal => false,
        }
    }
}

/// A model behind an address.
pub struct Remote<W> {
    speaker: Speaker,
    provider: RemoteConfig,
    endpoint: Endpoint,
    credential: Credential,
    http: reqwest::Client,
    /// What the provider refused, kept for the life of the process.
    learned: Mutex<Learned>,
    wire: std::marker::PhantomData<W>,
}

impl<W: Wire> Remote<W> {
    /// `http` brings the connect timeout; the waits for bytes are watched here.
    ///
    /// # Errors
    ///
    /// If the address, the key or a header cannot be sent.
    pub fn new(config: &ModelConfig, provider: &RemoteConfig, http: reqwest::Client) -> Result<Self, SetupError> {
        let endpoint = Endpoint::new::<W>(provider, config)?;
        let credential = Credential::new(provider.credential.as_ref());
        if let Some(key) = credential.fixed() {
            endpoint.with_key(key)?;
        }
        let speaker = Speaker { config: config.clone(), card: ModelCard::of(config), identity: config.identity() };
        let learned = Mutex::default();
        let provider = provider.clone();
        Ok(Self { speaker, provider, endpoint, credential, http, learned, wire: std::marker::PhantomData })
    }

    /// One request and its whole stream.
    async fn ask(&self, endpoint: &Endpoint, body: &Value, on_delta: OnDelta<'_>) -> Result<Reply, Failure> {
        let watch = Arc::new(Watch::default());
        let service = {
            let (http, watch, idle_timeout) = (self.http.clone(), Arc::clone(&watch), self.provider.idle_timeout);
            tower::service_fn(move |factory: HttpRequestFactory| {
                transport::send(http.clone(), factory, idle_timeout, Arc::clone(&watch))
            })
        };
        let patience = Patience::begun(self.provider.first_token_timeout);
        let client = Client::build(self.http.clone(), endpoint.clone()).with_http_service(service);
        let chat = client.chat();
        let events = patience.wait(chat.create_stream_byot::<_, Value>(body)).await?;
        let events = events.map_err(|error| read_failure(error, &watch))?;
        let reading = hear(W::reading(), events, patience, &watch, on_delta).await?;
        let (mut reply, fields) = reading.finish(watch.is_done(), on_delta)?;
        reply.message.raw = Some(ProviderRaw { model: self.speaker.identity.clone(), fields });
        if let (Some(usage), Some(price)) = (&mut reply.usage, self.speaker.card.price)
            && usage.nano_dollars == 0
        {
            usage.nano_dollars = price.nano_dollars(usage);
        }
        Ok(reply)
    }

    /// The whole body: the wire's, and what the config asks for in words that are the same on each.
    fn body(&self, request: &Request) -> Map<String, Value> {
        let config = &self.speaker.config;
        let mut body = W::body(&self.speaker, request);
        if let Some(tier) = &config.service_tier {
            body.insert("service_tier".to_owned(), tier.as_str().into());
        }
        let extra = config.extra_body.iter().filter(|(field, _)| !W::OWN_FIELDS.contains(&field.as_str()));
        body.extend(extra.map(|(field, value)| (field.clone(), value.clone())));
        body
    }

    /// Changes what is sent after a refusal, or tells that nothing can be changed.
    fn learn(&self, used: &Learned, complaint: &Complaint, sent: &Value) -> bool {
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        if *learned != *used {
            // Another call learned something meanwhile, perhaps the same.
            return true;
        }
        let Some((next, parameter)) = used.after(complaint, &self.speaker.config, W::OPTIONAL, sent) else {
            return false;
        };
        tracing::warn!(
            model = self.speaker.config.name,
            parameter,
            "the model provider refused a parameter; it is sent differently from now on"
        );
        *learned = next;
        true
    }
}

#[async_trait]
impl<W: Wire> Model for Remote<W> {
    fn name(&self) -> &str {
        &self.speaker.config.name
    }

    fn card(&self) -> &ModelCard {
        &self.speaker.card
    }

    async fn complete(&self, request: &Request, on_delta: OnDelta<'_>) -> Result<Reply, LlmError> {
        let mut renewed = false;
        loop {
            let learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let mut body = self.body(request);
            learned.apply(&mut body);
            let body = Value::Object(body);
            let key = self.credential.key().await?;
            let endpoint = match &key {
                Some(key) => self
                    .endpoint
                    .with_key(key)
                    .map_err(|error| LlmError::Unauthorized { status: 401, message: error.to_string() })?,
                None => self.endpoint.clone(),
            };
            let error = match self.ask(&endpoint, &body, on_delta).await {
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
            // A key that was good may have run out since it was printed.
            if matches!(error, LlmError::Unauthorized { .. }) && !renewed && self.credential.forget(key.as_ref()) {
                renewed = true;
                continue;
            }
            return Err(error.map_message(|message| endpoint.without_secrets(message)));
        }
    }
}

/// Reads the events to their end.
async fn hear<R: Reading>(
    mut reading: R,
    events: impl Stream<Item = Result<Value, OpenAIError>>,
    mut patience: Patience,
    watch: &Watch,
    on_delta: OnDelta<'_>,
) -> Result<R, Failure> {
    let mut events = std::pin::pin!(events);
    let mut read = (reading.has_begun(), reading.bytes());
    while let Some(event) = patience.wait(events.next()).await? {
        match event {
            Ok(event) => reading.absorb(&event, on_delta)?,
            Err(OpenAIError::JSONDeserialize(_, text)) if matches!(text.trim(), "" | "[DONE]") => {}
            Err(error) => return Err(read_failure(error, watch)),
        }
        // A server that only keeps the connection is as silent as one that sends nothing.
        let now = (reading.has_begun(), reading.bytes());
        if now != read {
            read = now;
            patience.renew(now.0);
        }
    }
    Ok(reading)
}

/// How long the next word of an answer is waited for.
struct Patience {
    longest: Duration,
    until: Instant,
    has_begun: bool,
}

impl Patience {
    fn begun(longest: Duration) -> Self {
        Self { longest, until: Instant::now() + longest, has_begun: false }
    }

    fn renew(&mut self, has_begun: bool) {
        *self = Self { has_begun, ..Self::begun(self.longest) };
    }

    async fn wait<T>(&self, what: impl Future<Output = T>) -> Result<T, LlmError> {
        tokio::time::timeout_at(self.until, what).await.map_err(|_elapsed| {
            let word = if self.has_begun { "more" } else { "word" };
            let message = format!("no {word} of an answer within {} s", self.longest.as_secs_f64());
            LlmError::Transport { message, timed_out: true }
        })
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

/// What an event that tells of a failure means.
pub(super) fn error_in_stream(complaint: &Complaint) -> LlmError {
    failure::error_for(None, complaint, &RetryHints::default())
}

fn read_failure(error: OpenAIError, watch: &Watch) -> Failure {
    match error {
        OpenAIError::Boxed(source) => match source.downcast::<Rejection>() {
            Ok(rejection) => Failure::Rejected(*rejection),
            Err(source) => Failure::Judged(match source.downcast::<LlmError>() {
                Ok(error) => *error,
                Err(source) => LlmError::Transport { message: source.to_string(), timed_out: false },
            }),
        },
        OpenAIError::StreamError(_) => Failure::Judged(watch.broken().unwrap_or_else(unreadable)),
        OpenAIError::JSONDeserialize(..) => Failure::Judged(unreadable()),
        OpenAIError::Reqwest(error) => {
            Failure::Judged(LlmError::Transport { message: error.without_url().to_string(), timed_out: false })
        }
        OpenAIError::ApiError(_)
        | OpenAIError::FileSaveError(_)
        | OpenAIError::FileReadError(_)
        | OpenAIError::InvalidArgument(_) => {
            let message = "the request could not be built".to_owned();
            Failure::Judged(LlmError::Transport { message, timed_out: false })
        }
    }
}

fn unreadable() -> LlmError {
    LlmError::Truncated { message: "a part of the stream could not be read".to_owned() }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use serde_json::json;

    use super::*;
    use crate::llm::{anthropic::Messages, openai::ChatCompletions, responses::Responses};

    const LONGEST: Duration = Duration::from_secs(600);

    /// Hears these events, each after as many seconds, and tells the outcome and how long it took.
    async fn listen<W: Wire>(events: impl IntoIterator<Item = (u64, Value)>) -> (Result<usize, LlmError>, Duration) {
        let start = Instant::now();
        let events = stream::iter(events).then(|(secs, event)| async move {
            tokio::time::sleep(Duration::from_secs(secs)).await;
            Ok(event)
        });
        let heard = hear(W::reading(), events, Patience::begun(LONGEST), &Watch::default(), &|_| {}).await;
        let outcome = heard.map(|reading| reading.bytes()).map_err(|failure| match failure {
            Failure::Judged(error) => error,
            Failure::Rejected(rejection) => panic!("{rejection}"),
        });
        (outcome, start.elapsed())
    }

    /// A word, then nothing but what keeps the connection; and words that come slowly.
    async fn a_server_that_only_keeps_the_connection_is_left<W: Wire>(opening: Value, word: Value, beat: Value) {
        let beats = |count| std::iter::repeat_n((30, beat.clone()), count);
        let never = listen::<W>([(0, opening.clone())].into_iter().chain(beats(99)));
        let once = listen::<W>([(0, opening.clone()), (200, word.clone())].into_iter().chain(beats(99)));
        for ((outcome, took), secs) in [(never.await, 600), (once.await, 800)] {
            assert!(matches!(outcome, Err(LlmError::Transport { timed_out: true, .. })), "{outcome:?}");
            assert_eq!(took.as_secs(), secs);
        }
        let slowly = std::iter::repeat_n(beats(19).chain([(20, word)]), 5).flatten();
        let (outcome, took) = listen::<W>([(0, opening)].into_iter().chain(slowly)).await;
        assert!(outcome.is_ok_and(|bytes| bytes >= 20) && took.as_secs() == 5 * 590);
    }

    #[tokio::test(start_paused = true)]
    async fn heartbeats_are_no_words_of_chat_completions() {
        let word = json!({ "choices": [{ "index": 0, "delta": { "content": "word" } }] });
        let nothing = json!({ "choices": [{ "index": 0, "delta": { "content": "" }, "finish_reason": null }] });
        for beat in [json!({ "choices": [] }), nothing.clone()] {
            a_server_that_only_keeps_the_connection_is_left::<ChatCompletions>(nothing.clone(), word.clone(), beat)
                .await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn heartbeats_are_no_words_of_messages() {
        let block = json!({ "type": "text", "text": "word" });
        let word = json!({ "type": "content_block_start", "index": 0, "content_block": block });
        let opening = json!({ "type": "message_start", "message": {} });
        a_server_that_only_keeps_the_connection_is_left::<Messages>(opening, word, json!({ "type": "ping" })).await;
    }

    #[tokio::test(start_paused = true)]
    async fn heartbeats_are_no_words_of_responses() {
        let word = json!({ "type": "response.output_text.delta", "output_index": 0, "delta": "word" });
        let opening = json!({ "type": "response.created", "response": {} });
        let beat = json!({ "type": "response.in_progress", "response": {} });
        for beat in [beat, json!({ "type": "keepalive" })] {
            a_server_that_only_keeps_the_connection_is_left::<Responses>(opening.clone(), word.clone(), beat).await;
        }
    }
}
