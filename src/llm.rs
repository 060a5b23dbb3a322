//! Language models behind one trait.
//!
//! A [`Model`] turns a provider-neutral [`Request`] into a [`Reply`], telling of the stream as it
//! comes. `llm` knows nothing of Plane. [`adapters`] lists the providers; whatever goes over HTTP is
//! a wire of [`remote`]. Retrying is done in one place, [`retry`], going on to another model in one,
//! [`fallback`].

pub mod adapters;
pub mod anthropic;
pub mod azure;
pub mod card;
pub mod fallback;
mod known;
pub mod openai;
pub mod rehearsal;
pub mod remote;
mod render;
pub mod responses;
pub mod retry;
mod think;
pub mod tokens;

use std::time::Duration;

use async_trait::async_trait;

use self::card::ModelCard;
use crate::{
    config::ErrorClass,
    domain::{
        disposition::Disposition,
        talk::{AssistantMessage, Finish, Message, ToolOffer, Usage},
    },
};

/// One call of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub messages: Vec<Message>,
    /// In a stable order, so that providers can cache the prefix. Empty: no tool may be called.
    pub tools: Vec<ToolOffer>,
}

/// A whole reply. The message's text holds no reasoning, its calls have unique ids.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub message: AssistantMessage,
    pub finish: Finish,
    pub usage: Option<Usage>,
}

/// A part of a reply while it streams. Only progress is made of these; the [`Reply`] is complete
/// without them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// Reasoning or a reasoning summary, from a field of its own or from `<think>` tags.
    Reasoning(String),
    /// Visible text.
    Text(String),
    /// The call was given up and starts anew: what came before is void.
    Restarted { reason: String, wait: Duration },
}

/// Receives deltas. Must not block.
pub type OnDelta<'a> = &'a (dyn Fn(Delta) + Send + Sync);

/// A language model.
#[async_trait]
pub trait Model: Send + Sync {
    /// The model's name in the config.
    fn name(&self) -> &str;

    /// What it can do and what it costs. Whoever wraps a model hands this on.
    fn card(&self) -> &ModelCard;

    /// Asks once. Dropping the future closes the connection.
    async fn complete(&self, request: &Request, on_delta: OnDelta<'_>) -> Result<Reply, LlmError>;
}

#[async_trait]
impl<M: Model + ?Sized> Model for std::sync::Arc<M> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn card(&self) -> &ModelCard {
        (**self).card()
    }

    async fn complete(&self, request: &Request, on_delta: OnDelta<'_>) -> Result<Reply, LlmError> {
        (**self).complete(request, on_delta).await
    }
}

/// Why a call failed. No variant holds a key, and none holds a provider's body beyond a sentence.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LlmError {
    /// 401, 403: the key is wrong or may not use the model.
    #[error("the model provider refused the key with status {status}: {message}")]
    Unauthorized { status: u16, message: String },
    /// 404: the model or the address is wrong.
    #[error("the model provider does not know the model or address: {message}")]
    NotFound { message: String },
    /// The account has no credit or quota left; waiting does not help.
    #[error("the account at the model provider has no credit left: {message}")]
    OutOfCredit { message: String },
    #[error("the model provider limits our requests")]
    RateLimited { retry_after: Option<Duration>, message: String },
    /// 5xx, overload, an error in mid-stream.
    #[error("the model provider failed: {message}")]
    Unavailable { retry_after: Option<Duration>, message: String },
    /// The conversation does not fit the model's window.
    #[error("the conversation is too long for the model: {message}")]
    TooLong { message: String },
    /// The provider withheld the answer or refused the prompt.
    #[error("the model provider withheld the answer: {message}")]
    Filtered { message: String },
    /// The model does not call functions, and says so.
    #[error("the model does not call functions: {message}")]
    NoTools { message: String },
    /// Any other refusal of the request as sent.
    #[error("the model provider refused the request with status {status}: {message}")]
    Refused { status: u16, message: String },
    /// The provider rejected its own malformed tool call; asking again usually helps.
    #[error("the model wrote a tool call its provider could not read: {message}")]
    BadToolCall { message: String },
    /// The stream ended early or was cut.
    #[error("the model's answer was cut off: {message}")]
    Truncated { message: String },
    /// No connection, or nothing of an answer for too long.
    #[error("no answer from the model provider: {message}")]
    Transport {
        message: String,
        /// We waited until our patience ran out; waiting once more takes as long again.
        timed_out: bool,
    },
}

impl LlmError {
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Unavailable { retry_after, .. } => {
                Disposition::Retry { after: *retry_after }
            }
            Self::Truncated { .. } | Self::Transport { .. } | Self::BadToolCall { .. } => {
                Disposition::Retry { after: None }
            }
            Self::Unauthorized { .. }
            | Self::NotFound { .. }
            | Self::OutOfCredit { .. }
            | Self::TooLong { .. }
            | Self::Filtered { .. }
            | Self::NoTools { .. }
            | Self::Refused { .. } => Disposition::GiveUp,
        }
    }

    /// The kind of failure, which decides whether another model is tried.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Unauthorized { .. } => ErrorClass::Unauthorized,
            Self::NotFound { .. } => ErrorClass::NotFound,
            Self::OutOfCredit { .. } => ErrorClass::OutOfCredit,
            Self::RateLimited { .. } => ErrorClass::RateLimited,
            Self::Unavailable { .. } => ErrorClass::Unavailable,
            Self::TooLong { .. } => ErrorClass::TooLong,
            Self::Filtered { .. } => ErrorClass::Filtered,
            Self::NoTools { .. } => ErrorClass::NoTools,
            Self::Refused { .. } => ErrorClass::Refused,
            Self::BadToolCall { .. } => ErrorClass::BadToolCall,
            Self::Truncated { .. } => ErrorClass::Truncated,
            Self::Transport { .. } => ErrorClass::Transport,
        }
    }

    /// The kind of failure in a word, for logs and metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.class().as_str()
    }

    /// The failure in words for people, without the provider's own.
    #[must_use]
    pub fn in_short(&self) -> &'static str {
        match self {
            Self::RateLimited { .. } => "the model provider limits our requests",
            Self::Unavailable { .. } => "the model provider is overloaded or down",
            Self::BadToolCall { .. } => "the model wrote a tool call that could not be read",
            Self::Truncated { .. } => "the model's answer was cut off",
            Self::Transport { .. } => "the model provider could not be reached",
            Self::Unauthorized { .. }
            | Self::NotFound { .. }
            | Self::OutOfCredit { .. }
            | Self::TooLong { .. }
            | Self::Filtered { .. }
            | Self::NoTools { .. }
            | Self::Refused { .. } => "the model provider refused the request",
        }
    }

    /// The same error with its message rewritten.
    #[must_use]
    pub fn map_message(mut self, rewrite: impl FnOnce(&str) -> String) -> Self {
        let (Self::Unauthorized { message, .. }
        | Self::NotFound { message }
        | Self::OutOfCredit { message }
        | Self::RateLimited { message, .. }
        | Self::Unavailable { message, .. }
        | Self::TooLong { message }
        | Self::Filtered { message }
        | Self::NoTools { message }
        | Self::Refused { message, .. }
        | Self::BadToolCall { message }
        | Self::Truncated { message }
        | Self::Transport { message, .. }) = &mut self;
        *message = rewrite(message);
        self
    }
}
