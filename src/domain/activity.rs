//! What the agent says in a run.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{ActivityId, CommentId, StepKey, UserId};

/// The body of one activity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Saying {
    /// Progress in plain text; Plane shows one at a time and replaces it by the next.
    Thought { body: String },
    /// A tool call. Plane takes string values only.
    Action { name: String, parameters: BTreeMap<String, String> },
    /// The answer, in Markdown. Ends the turn; Plane makes it a comment.
    Response { body: String },
    /// A question to the person, in Markdown. Ends the turn and leaves the run waiting.
    Elicitation { body: String, ask: Ask },
    /// A failure told in friendly words. Ends the turn.
    Error { body: String, code: String, retryable: bool },
}

impl Saying {
    /// The words of a terminal activity.
    #[must_use]
    pub fn last_word(&self) -> Option<&str> {
        match self {
            Self::Thought { .. } | Self::Action { .. } => None,
            Self::Response { body } | Self::Elicitation { body, .. } | Self::Error { body, .. } => Some(body),
        }
    }

    /// Whether this ends the turn. Terminal activities are never dropped, progress may be.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        match self {
            Self::Thought { .. } | Self::Action { .. } => false,
            Self::Response { .. } | Self::Elicitation { .. } | Self::Error { .. } => true,
        }
    }
}

/// How the person is asked to reply to an elicitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// In their own words.
    Freely,
    /// By choosing one of these, or several; their own words are accepted too.
    Select {
        options: Vec<Choice>,
        #[serde(default)]
        several: bool,
    },
    /// By signing in at this https address.
    SignIn { url: String },
}

/// One option of a select.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    pub id: String,
    pub label: String,
}

/// An activity to be posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    pub key: StepKey,
    pub saying: Saying,
    /// Structured detail for machines, beside what people read.
    pub detail: Option<serde_json::Value>,
}

/// An activity Plane accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    pub id: ActivityId,
    /// The comment Plane made of it, where it made one.
    pub comment: Option<CommentId>,
    /// When, by Plane's clock, where it tells.
    pub at: Option<Timestamp>,
}

/// An activity found in a run: ours or a person's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunActivity {
    pub id: ActivityId,
    pub actor: Option<UserId>,
    pub created_at: Option<Timestamp>,
    /// The key we posted it under; `None` for what others wrote.
    pub step: Option<String>,
    pub kind: RunActivityKind,
}

/// As much of a found activity as anyone needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunActivityKind {
    Prompt {
        body: String,
        stop: bool,
    },
    /// A response, an elicitation or an error: an agent's turn ended here.
    Ending,
    Other,
}
