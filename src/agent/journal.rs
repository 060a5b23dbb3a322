//! The journal of a run: what happened, in the order it happened, one entry a step.
//!
//! The session is the fold of these entries and of nothing else. An entry is written before the
//! next step begins; what is not written did not happen, or is looked up.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::context::look::Look;
use crate::domain::{
    activity::{Draft, Saying},
    ids::{ActivityId, RunId, StepKey, UserId},
    picture::PictureRef,
    talk::{AssistantMessage, Finish, Usage},
    write::{PlannedWrite, Receipt},
};

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// A turn began with these prompts. Its number lets a fold start here; where it is missing, the turn
    /// is the next one.
    Opened {
        at: Timestamp,
        #[serde(default)]
        turn: Option<u32>,
        prompts: Vec<Said>,
        /// Whether whoever replies may decide on the changes that wait for a word.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        entitled: bool,
    },
    /// The work item was looked at; `None` where the run has none.
    ContextRead { look: Option<Box<Look>> },
    /// Every turn up to this one is recalled by the summary from here on. A fold may start at the turn
    /// after it.
    Compacted {
        through_turn: u32,
        summary: String,
        /// What the session still expects of the turns that were compacted.
        expects: Option<Said>,
        /// Whether something that was read in other projects is in it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        elsewhere: bool,
        /// The skills that are in force.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        skills: Vec<TakenSkill>,
    },
    /// The texts the turn speaks with from here on, by the hash of their wording.
    Worded { hash: String },
    /// A skill is in force from here on. `text` is what the model is given where the person chose the
    /// skill; where the model loaded it, the tool's result has it.
    SkillTaken { skill: TakenSkill, text: Option<String> },
    /// Prompts that came while the turn ran joined it.
    Steered { prompts: Vec<Said> },
    /// The model replied.
    Answered { message: AssistantMessage, finish: Finish, usage: Option<Usage> },
    /// A tool call is about to change this. From here until the call is done the change may have happened.
    WriteIntended {
        at: Timestamp,
        call_id: String,
        write: PlannedWrite,
        /// Whether another project than the run's was looked into for it, or is changed.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        elsewhere: bool,
    },
    /// A tool call would change this, and waits for a person's word.
    WriteProposed { at: Timestamp, call_id: String, write: PlannedWrite },
    /// A tool call is to take back these changes of the run, by their numbers: each is a call of its own
    /// from here on. `note` tells the model what cannot be taken back.
    Unfolded {
        call_id: String,
        changes: Vec<u32>,
        note: String,
        /// Whether the note is about another project than the run's.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        elsewhere: bool,
    },
    /// A tool call has its result; a receipt tells what it changed.
    ToolDone {
        call_id: String,
        text: String,
        failed: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        receipt: Option<Receipt>,
        /// Whether it looked into another project than the run's.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        elsewhere: bool,
        /// Whether what it was to change may have happened, and Plane does not say.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unknown: bool,
    },
    /// A tool call gave this picture, for the model to look at.
    PictureRead { call_id: String, picture: PictureRef },
    /// A tool call waits until the person has signed in at this address.
    SignInAsked { call_id: String, text: String, url: String },
    /// A bound was hit outside the session's own counting.
    BoundHit { bound: Bound },
    /// The turn cannot go on.
    Failed { failure: Failure },
    /// A person's stop was taken up.
    Stopped,
    /// A stop came when the run had already ended; there is nothing to confirm.
    StopMoot,
    /// A prompt's event came after the same words had been taken from the run's comment.
    Recognised { activity: Option<ActivityId> },
    /// A prompt that waited needs no answer any more.
    PassedOver { activity: Option<ActivityId>, reason: PassedOver },
    /// The terminal activity is settled word for word and is about to be posted.
    Intended { draft: Draft },
    /// The terminal activity is out, or Plane will never take it.
    Closed { outcome: Outcome },
}

/// A prompt in words: HTML removed, mentions as names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    pub activity: Option<ActivityId>,
    /// Who wrote it, where Plane tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UserId>,
    /// The author's handle, such as `@maya`, where known.
    pub author: Option<String>,
    pub text: String,
    /// When Plane says it was written, or `None` where it does not say.
    #[serde(default)]
    pub written_at: Option<Timestamp>,
}

/// Why a prompt is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PassedOver {
    /// Before this store knew the run.
    Answered,
    /// It was written before the run was stopped.
    Stopped,
    /// By another bot, or one that may be, which has had its answers.
    OtherBot,
}

/// A skill as it was when it was taken: what it is named, and what it bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenSkill {
    pub name: String,
    /// The only tools it may use; none is all of them.
    #[serde(default)]
    pub tools: Vec<String>,
    /// The model to work with, by its name in the config.
    #[serde(default)]
    pub model: Option<String>,
}

/// What became of a terminal activity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Posted {
        activity: ActivityId,
        /// When, by Plane's clock, where it tells.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
    },
    /// Plane refuses it for good: the run is closed, deleted, or out of reach.
    Undeliverable { reason: String },
}

/// A limit of one turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    Steps,
    WallTime,
    /// What one run may cost.
    RunBudget,
    /// What one workspace may cost on one day.
    WorkspaceBudget,
    /// What all of them may cost on one day.
    DayBudget,
    /// How often another bot is answered on one work item.
    OtherBot,
    /// The same for who may be one.
    MaybeBot,
}

/// Why a turn ends in an error. The person reads `prompts/error.md`, chosen by the code; `detail`
/// is one sentence without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub code: FailureCode,
    pub detail: String,
}

impl Failure {
    /// A failure whose code says it all.
    #[must_use]
    pub fn plain(code: FailureCode) -> Self {
        Self { code, detail: String::new() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The provider is down, overloaded or unreachable, after retries.
    ModelUnavailable,
    /// The provider asks for a longer wait than a turn may take.
    ModelRateLimited,
    /// Wrong key, unknown model, no credit, refused request: the operator must act.
    ModelMisconfigured,
    /// The provider withheld the answer.
    AnswerWithheld,
    /// The conversation does not fit the model.
    TooLong,
    /// Twice no text and no tool call.
    EmptyAnswer,
    /// The work item is not readable for the bot.
    NoAccess,
    /// Plane did not answer, after retries.
    PlaneUnavailable,
    /// A fault of our own.
    Internal,
}

impl FailureCode {
    /// As sent to Plane in `signal_metadata.error_code`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ModelUnavailable => "MODEL_UNAVAILABLE",
            Self::ModelRateLimited => "MODEL_RATE_LIMITED",
            Self::ModelMisconfigured => "MODEL_MISCONFIGURED",
            Self::AnswerWithheld => "ANSWER_WITHHELD",
            Self::TooLong => "TOO_LONG",
            Self::EmptyAnswer => "EMPTY_ANSWER",
            Self::NoAccess => "NO_ACCESS",
            Self::PlaneUnavailable => "PLANE_UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }

    /// Whether the same prompt may succeed later without anyone mending anything.
    #[must_use]
    pub fn retryable(self) -> bool {
        match self {
            Self::ModelUnavailable
            | Self::ModelRateLimited
            | Self::EmptyAnswer
            | Self::PlaneUnavailable
            | Self::Internal => true,
            Self::ModelMisconfigured | Self::AnswerWithheld | Self::TooLong | Self::NoAccess => false,
        }
    }
}

impl Entry {
    /// The entry as it can be read back: what only its provider understands may be nested deeper than
    /// the reader goes, and is given up then. All that counts is there without it.
    #[must_use]
    pub fn readable(mut self) -> Self {
        if decode(&encode(&self)).is_err()
            && let Self::Answered { message, .. } = &mut self
        {
            message.raw = None;
            message.calls.iter_mut().for_each(|call| call.raw.clear());
        }
        self
    }
}

/// An entry as stored text, with the format's version in front.
#[must_use]
pub fn encode(entry: &Entry) -> String {
    // Entries are plain data with string keys, which serde_json always encodes.
    let json = serde_json::to_string(entry).unwrap_or_default();
    format!("1 {json}")
}

/// Reads stored text back.
///
/// # Errors
/// Another version's format, or damage.
pub fn decode(text: &str) -> Result<Entry, JournalError> {
    let json = text.strip_prefix("1 ").ok_or(JournalError::Version)?;
    serde_json::from_str(json).map_err(JournalError::Damaged)
}

/// What a stored look begins with, and a last word.
const LOOK_HEAD: &str = "1 {\"entry\":\"context_read\"";
const LAST_WORD_HEAD: &str = "1 {\"entry\":\"intended\"";

/// Reads the entries of a fold. Of all looks at the work item only the newest is ever shown or compared
/// with, and of all last words only the newest may have to be posted: the others, which are among the longest
/// entries, are not read.
///
/// # Errors
/// As [`decode`].
pub fn decode_all(texts: &[String]) -> Result<Vec<Entry>, JournalError> {
    let newest = |head| texts.iter().rposition(|text: &String| text.starts_with(head));
    let (look, last_word) = (newest(LOOK_HEAD), newest(LAST_WORD_HEAD));
    let entry = |(at, text): (usize, &String)| {
        if text.starts_with(LOOK_HEAD) && Some(at) != look {
            return Ok(Entry::ContextRead { look: None });
        }
        if text.starts_with(LAST_WORD_HEAD) && Some(at) != last_word {
            return Ok(Entry::Intended { draft: unread() });
        }
        decode(text)
    };
    texts.iter().enumerate().map(entry).collect()
}

/// Stands in for a last word that is out.
fn unread() -> Draft {
    let key = StepKey { run: RunId(uuid::Uuid::nil()), turn: 0, step: 0, part: 0 };
    Draft { key, saying: Saying::Response { body: String::new() }, detail: None }
}

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("a journal entry was written by another version")]
    Version,
    #[error("a journal entry cannot be read")]
    Damaged(#[source] serde_json::Error),
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::domain::talk::{ProviderRaw, ToolCall};

    #[test]
    fn an_entry_of_before_is_read_with_what_it_does_not_say_left_open() {
        let done = decode(r#"1 {"entry":"tool_done","call_id":"a","text":"Done.","failed":false}"#).unwrap();
        let expected = Entry::ToolDone {
            call_id: "a".to_owned(),
            text: "Done.".to_owned(),
            failed: false,
            receipt: None,
            elsewhere: false,
            unknown: false,
        };
        assert_eq!(done, expected);
        let text = encode(&expected);
        assert!(!text.contains("unknown") && !text.contains("elsewhere"), "{text}");
        let unfolded = decode(r#"1 {"entry":"unfolded","call_id":"a","changes":[2],"note":""}"#).unwrap();
        assert!(matches!(unfolded, Entry::Unfolded { elsewhere: false, .. }));
    }

    /// An answer whose provider wants a value back that is nested so deep.
    fn answered(depth: usize) -> Entry {
        let deep = (0..depth).fold(Value::Null, |inner, _| json!([inner]));
        let fields = Map::from_iter([("blocks".to_owned(), deep.clone())]);
        let raw = Map::from_iter([("signature".to_owned(), deep)]);
        let call = ToolCall { id: "a".to_owned(), name: "read_comments".to_owned(), arguments: "{}".to_owned(), raw };
        let message = AssistantMessage {
            text: "Let me see.".to_owned(),
            calls: vec![call],
            raw: Some(ProviderRaw { model: "m".to_owned(), fields }),
        };
        Entry::Answered { message, finish: Finish::ToolCalls, usage: None }
    }

    #[test]
    fn what_is_journalled_can_be_read_back_however_deep_a_reply_is_nested() {
        assert_eq!(answered(50).readable(), answered(50));
        for depth in 100..140 {
            let entry = answered(depth).readable();
            let Entry::Answered { message, .. } = &entry else { panic!() };
            assert_eq!((message.text.as_str(), message.calls.len()), ("Let me see.", 1));
            assert_eq!(decode(&encode(&entry)).unwrap(), entry, "{depth} deep");
        }
        let plain = Entry::Answered { message: AssistantMessage::default(), finish: Finish::Done, usage: None };
        assert_eq!(plain.clone().readable(), plain);
    }
}
