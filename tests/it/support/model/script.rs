//! What a scripted model says: turns made of pieces.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::within;

/// One answer of the model, served to one request.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub(super) when: Option<String>,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Stream(Vec<Piece>),
    Failure(Failure),
}

#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Value,
}

/// A part of a streamed answer.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// A delta of `reasoning_content`.
    Reasoning(String),
    /// A delta of `content`.
    Text(String),
    /// The head of a tool call: id and name, no arguments yet. The id is made at serving.
    Call { index: usize, name: String },
    /// A further part of the arguments of the call with this index.
    Arguments { index: usize, text: String },
    /// Waits here until the gate is opened.
    Hold(Gate),
    /// The model takes this long before it goes on.
    Pause(Duration),
    /// The connection is cut: no finish, no `[DONE]`.
    Cut,
    /// The finish reason, where it is not to be derived from the pieces.
    Finish(&'static str),
}

impl Turn {
    /// A final answer, streamed in a few deltas.
    pub(crate) fn says(text: &str) -> Self {
        Self::of(text_deltas(text).map(Piece::Text))
    }

    /// Parallel tool calls, their arguments interleaved and split over several deltas.
    pub(crate) fn calls<const N: usize>(calls: [(&str, Value); N]) -> Self {
        Self::raw_calls(calls.map(|(name, arguments)| (name, arguments.to_string())))
    }

    /// Tool calls with arguments exactly as given, which may be no JSON at all.
    pub(crate) fn raw_calls<const N: usize>(calls: [(&str, String); N]) -> Self {
        let heads = calls.iter().enumerate().map(|(index, (name, _))| Piece::Call { index, name: (*name).to_owned() });
        let split = calls.iter().map(|(_, arguments)| split_in_half(arguments)).collect::<Vec<_>>();
        let halves = |half: usize| {
            split
                .iter()
                .enumerate()
                .map(move |(index, halves)| Piece::Arguments { index, text: halves[half].clone() })
                .collect::<Vec<_>>()
        };
        Self::of(heads.chain(halves(0)).chain(halves(1)))
    }

    /// An answer made of any pieces; finish, usage and `[DONE]` are added at the end.
    pub(crate) fn of(pieces: impl IntoIterator<Item = Piece>) -> Self {
        Self { when: None, what: What::Stream(pieces.into_iter().collect()) }
    }

    /// An HTTP failure with an error body as OpenAI writes it.
    pub(crate) fn fails(status: u16, code: &str, message: &str) -> Self {
        let body = json!({"error": {"message": message, "type": code, "param": null, "code": code}});
        Self { when: None, what: What::Failure(Failure { status, headers: Vec::new(), body }) }
    }

    /// Adds a header to a failure.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        match &mut self.what {
            What::Failure(failure) => failure.headers.push((name, value.to_owned())),
            What::Stream(_) => panic!("only a failure takes headers"),
        }
        self
    }

    /// Puts pieces before those already there.
    pub(crate) fn after(mut self, mut pieces: Vec<Piece>) -> Self {
        match &mut self.what {
            What::Stream(rest) => {
                pieces.append(rest);
                *rest = pieces;
            }
            What::Failure(_) => panic!("a failure has no pieces"),
        }
        self
    }

    /// Serves this turn only to a request whose conversation contains the text.
    pub(crate) fn when(mut self, text: &str) -> Self {
        self.when = Some(text.to_owned());
        self
    }
}

/// Stops a stream at a point until the test lets it go on.
#[derive(Debug, Clone)]
pub(crate) struct Gate(watch::Sender<GateState>);

#[derive(Debug, Clone, Copy, Default)]
struct GateState {
    reached: bool,
    open: bool,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(GateState::default()))
    }

    /// Awaits a stream that stands at the gate.
    pub(crate) async fn reached(&self) {
        let mut state = self.0.subscribe();
        within("the model stream reaching its gate", state.wait_for(|state| state.reached)).await.unwrap();
    }

    pub(crate) fn open(&self) {
        self.0.send_modify(|state| state.open = true);
    }

    pub(super) async fn pass(&self) {
        self.0.send_modify(|state| state.reached = true);
        let mut state = self.0.subscribe();
        // Nobody opens a gate after an hour: the test is long over.
        let opened = tokio::time::timeout(Duration::from_secs(3600), state.wait_for(|state| state.open)).await;
        drop(opened);
    }
}

/// Cuts a text into deltas of a few words, as a model would send it.
fn text_deltas(text: &str) -> impl Iterator<Item = String> + use<> {
    let words = text.split_inclusive(' ').map(str::to_owned).collect::<Vec<_>>();
    words.chunks(3).map(|chunk| chunk.concat()).collect::<Vec<_>>().into_iter()
}

fn split_in_half(text: &str) -> [String; 2] {
    let middle = (0..=text.len() / 2).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let (first, second) = text.split_at(middle);
    [first.to_owned(), second.to_owned()]
}
