//! The machine as tables: what happened, and what is to be done next. Here is what they are told with.

mod approvals;
mod calls;
mod orders;
mod stops;
mod turns;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::Map;

use super::*;
use crate::{
    agent::{
        journal::{Bound, Failure, FailureCode, PassedOver},
        question::Kind,
    },
    domain::{
        activity::Saying,
        ids::{ActivityId, ProjectId, WorkItemId},
        talk::{AssistantMessage, Finish, Message, ToolCall},
        write::{PlannedWrite, Target, Write},
    },
};

fn run() -> RunId {
    "66666666-6666-4666-8666-666666666666".parse().unwrap()
}

fn limits() -> Limits {
    Limits {
        max_steps: 3,
        max_turn: std::time::Duration::from_secs(60),
        settle: std::time::Duration::ZERO,
        status_every: std::time::Duration::MAX,
    }
}

fn said(text: &str) -> Said {
    Said {
        activity: Some(ActivityId(uuid::Uuid::nil())),
        by: None,
        author: None,
        text: text.to_owned(),
        written_at: None,
    }
}

fn opened(text: &str) -> Entry {
    Entry::Opened { at: Timestamp::UNIX_EPOCH, turn: None, prompts: vec![said(text)], entitled: false }
}

fn context() -> Entry {
    looked("the work item")
}

fn looked(name: &str) -> Entry {
    Entry::ContextRead { look: Some(Box::new(Look { name: name.to_owned(), ..Look::default() })) }
}

/// The conversation as a request would carry it, the look by its name.
fn messages(session: &Session) -> Vec<Message> {
    let conversation = session.conversation();
    let mut messages: Vec<_> =
        conversation.summary.map(|text| Message::User { text: text.to_owned() }).into_iter().collect();
    let before = conversation.talks.split_last().map(|(_, older)| older).unwrap_or_default();
    messages.extend(before.iter().flat_map(|talk| talk.messages.clone()));
    let current = messages.len();
    messages.extend(conversation.talks.last().into_iter().flat_map(|talk| talk.messages.clone()));
    if let Some((look, at)) = conversation.look {
        messages.insert(current + at, Message::User { text: look.name.clone() });
    }
    messages
}

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned(), raw: Map::new() }
}

fn replied(text: &str, calls: Vec<ToolCall>) -> Entry {
    let message = AssistantMessage { text: text.to_owned(), calls, raw: None };
    Entry::Answered { message, finish: Finish::Done, usage: None }
}

fn done(id: &str) -> Entry {
    Entry::ToolDone {
        call_id: id.to_owned(),
        text: format!("result of {id}"),
        failed: false,
        receipt: None,
        elsewhere: false,
        unknown: false,
    }
}

fn intended_write(id: &str) -> Entry {
    let item = Target { project: ProjectId(uuid::Uuid::nil()), id: WorkItemId(uuid::Uuid::nil()) };
    let write = Write::AddComment { item, html: "<p>x</p>".to_owned() };
    let write = PlannedWrite { write, summary: "Comment on MOB-1".to_owned(), changes: Vec::new() };
    Entry::WriteIntended { at: Timestamp::UNIX_EPOCH, call_id: id.to_owned(), write, elsewhere: false }
}

fn closed() -> Entry {
    Entry::Closed { outcome: Outcome::Posted { activity: ActivityId(uuid::Uuid::nil()), at: None } }
}

fn after(entries: Vec<Entry>) -> Session {
    Session::fold(run(), limits(), 0, entries)
}

fn intended(session: &Session) -> Entry {
    let Step::Compose { key, .. } = session.next() else { panic!("nothing to compose: {:?}", session.next()) };
    Entry::Intended { draft: Draft { key, saying: Saying::Response { body: "said".to_owned() }, detail: None } }
}

fn ending(session: &Session) -> Ending {
    let Step::Compose { ending, .. } = session.next() else { panic!("expected an ending, found {:?}", session.next()) };
    ending
}

/// Every call is answered by exactly one result before the next assistant message, as every
/// provider demands.
fn assert_sendable(messages: &[Message]) {
    let mut open: Vec<&str> = Vec::new();
    for message in messages {
        match message {
            Message::Tool { call_id, .. } => {
                let at = open.iter().position(|id| id == call_id).expect("a result without its call");
                open.remove(at);
            }
            Message::System { .. } | Message::User { .. } | Message::Picture { .. } => {
                assert!(open.is_empty(), "a call without its result");
            }
            Message::Assistant(message) => {
                assert!(open.is_empty(), "a call without its result");
                open = message.calls.iter().map(|call| call.id.as_str()).collect();
            }
        }
    }
    assert!(open.is_empty(), "the last calls have no results");
}
