//! What models cost: counted by the reply, summed by run, workspace and day.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{ids::WorkspaceId, talk::Usage};

/// A sum of replies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    pub replies: u64,
    /// Replies whose provider told no counts.
    pub uncounted: u64,
    /// What was read from and written to a cache included.
    pub input: u64,
    pub cached_input: u64,
    pub cache_write: u64,
    /// Reasoning included.
    pub output: u64,
    pub reasoning: u64,
    /// Billionths of a dollar.
    pub nano_dollars: u64,
}

impl Spent {
    /// One reply.
    #[must_use]
    pub fn on(usage: Option<Usage>) -> Self {
        let told = usage.unwrap_or_default();
        Self {
            replies: 1,
            uncounted: u64::from(usage.is_none()),
            input: told.input,
            cached_input: told.cached_input,
            cache_write: told.cache_write,
            output: told.output,
            reasoning: told.reasoning,
            nano_dollars: told.nano_dollars,
        }
    }

    pub fn add(&mut self, other: &Self) {
        // A provider that tells nonsense must not bring the sum down.
        for (sum, part) in [
            (&mut self.replies, other.replies),
            (&mut self.uncounted, other.uncounted),
            (&mut self.input, other.input),
            (&mut self.cached_input, other.cached_input),
            (&mut self.cache_write, other.cache_write),
            (&mut self.output, other.output),
            (&mut self.reasoning, other.reasoning),
            (&mut self.nano_dollars, other.nano_dollars),
        ] {
            *sum = sum.saturating_add(part);
        }
    }

    /// Input and output together.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

/// One reply of a model, as it is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelReply {
    /// The day it came, in UTC.
    pub day: Date,
    /// Which model gave it: the wire, the server and the model's id.
    pub model: String,
    pub usage: Option<Usage>,
}

/// What one workspace spent on one model on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageRow {
    pub day: Date,
    pub workspace: WorkspaceId,
    pub model: String,
    pub spent: Spent,
}
