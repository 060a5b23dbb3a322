//! The conversation with a language model, in no provider's words.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::picture::Picture;

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    System {
        text: String,
    },
    User {
        text: String,
    },
    /// A picture for the model to look at, if it can. The caption says what it is to those that cannot.
    Picture {
        caption: String,
        picture: Arc<Picture>,
    },
    Assistant(AssistantMessage),
    /// The result of one tool call; every call of an assistant message gets exactly one.
    Tool {
        call_id: String,
        text: String,
    },
}

/// What the model said in one reply.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AssistantMessage {
    /// The visible text, reasoning removed.
    #[serde(default)]
    pub text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ToolCall>,
    /// Who made the message, and the fields it wants back unchanged (signatures, reasoning items).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<ProviderRaw>,
}

/// Opaque fields of a provider. Sent back only to the provider and model they came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderRaw {
    /// Who made them: the wire, the server and the model's id.
    pub model: String,
    pub fields: Map<String, Value>,
}

/// The model asks for a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    /// JSON text exactly as the model wrote it; it may be malformed.
    pub arguments: String,
    /// Opaque fields of this call the provider wants back (Gemini's thought signature).
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub raw: Map<String, Value>,
}

/// A tool as the model is told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolOffer {
    pub name: String,
    pub description: String,
    /// JSON Schema of the arguments.
    pub parameters: Value,
}

/// Tokens of one reply, as the provider counted them. `input` includes what was read from and
/// written to a cache, `output`
/// includes reasoning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub input: u64,
    pub cached_input: u64,
    /// Input that was written to the provider's cache, where that is told.
    #[serde(default)]
    pub cache_write: u64,
    pub output: u64,
    pub reasoning: u64,
    /// What it cost in billionths of a dollar; 0 where no price is known.
    #[serde(default)]
    pub nano_dollars: u64,
}

/// Why the model stopped. Whether the turn goes on is decided by the presence of tool calls, since
/// several providers report `Done` beside them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    Done,
    ToolCalls,
    /// The output limit was reached; the text, and any last tool call, may be cut.
    Length,
    /// The provider withheld the answer.
    Filtered,
    /// A reason we do not know, in the provider's word. Treated as `Done`.
    Other(String),
}
