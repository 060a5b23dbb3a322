//! What the session asks the driver to do.

use super::{
    journal::{Bound, Failure},
    question::Question,
};
use crate::domain::{activity::Draft, ids::StepKey, talk::ToolCall, write::PlannedWrite};

/// How the model is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskMode {
    Normal,
    /// The last reply was empty: remind it that the person waits for words.
    AfterEmpty,
    /// The last reply was raw data: ask for words.
    AfterRaw,
    /// The last reply told of a change that nobody made.
    AfterClaim,
    /// The steps are used up: no tools, answer with what there is.
    WrapUp,
}

/// How a turn ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    Answer {
        text: String,
        cut: bool,
        /// It tells of a change that nobody made, although it was asked for another.
        unmade: bool,
    },
    Question(Question),
    /// The best answer so far, possibly none, and the bound that was hit.
    Bounded {
        bound: Bound,
        best: String,
        /// The answer tells of a change that nobody made.
        unmade: bool,
    },
    Failed(Failure),
    Stopped,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Nothing, until a prompt or a stop comes.
    Rest,
    ReadContext,
    AskModel {
        mode: AskMode,
    },
    CallTools(Vec<PlannedCall>),
    /// Put the ending into words and journal it as intended, under this key.
    Compose {
        ending: Ending,
        key: StepKey,
    },
    /// Post it; if an earlier attempt may have happened, look first.
    Post(Draft),
}

/// A tool call to be carried out, with the keys of its two activities. The second also names what the
/// call changes.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedCall {
    pub call: ToolCall,
    pub started_key: StepKey,
    pub finished_key: StepKey,
    /// What the call was about to change when it was last worked on. It may have happened.
    pub intended: Option<PlannedWrite>,
    /// What a person has approved of the call.
    pub approved: Option<PlannedWrite>,
    /// Whether it is one of the changes that a call came to be.
    pub is_part: bool,
    /// The same call was made often enough: tell the model instead of doing it again.
    pub repeated: bool,
}
