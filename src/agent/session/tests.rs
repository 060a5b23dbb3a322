//! The machine as tables: what happened, and what is to be done next.

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::Map;

use super::*;
use crate::{
    agent::{journal::PassedOver, question::Kind},
    domain::{
        activity::Saying,
        ids::{ActivityId, ProjectId, WorkItemId},
        talk::Message,
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
    Said { activity: Some(ActivityId(uuid::Uuid::nil())), author: None, text: text.to_owned(), written_at: None }
}

fn opened(text: &str) -> Entry {
    Entry::Opened { at: Timestamp::UNIX_EPOCH, turn: None, prompts: vec![said(text)] }
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
    Entry::ToolDone { call_id: id.to_owned(), text: format!("result of {id}"), failed: false, receipt: None }
}

fn intended_write(id: &str) -> Entry {
    let item = Target { project: ProjectId(uuid::Uuid::nil()), id: WorkItemId(uuid::Uuid::nil()) };
    let write = Write::AddComment { item, html: "<p>x</p>".to_owned() };
    let write = PlannedWrite { write, summary: "Comment on MOB-1".to_owned(), changes: Vec::new() };
    Entry::WriteIntended { at: Timestamp::UNIX_EPOCH, call_id: id.to_owned(), write }
}

fn closed() -> Entry {
    Entry::Closed { outcome: Outcome::Posted { activity: ActivityId(uuid::Uuid::nil()) } }
}

/// Absorbs entries; where the session wants to compose, it is given the draft it asked for.
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
            Message::System { .. } | Message::User { .. } => assert!(open.is_empty(), "a call without its result"),
            Message::Assistant(message) => {
                assert!(open.is_empty(), "a call without its result");
                open = message.calls.iter().map(|call| call.id.as_str()).collect();
            }
        }
    }
    assert!(open.is_empty(), "the last calls have no results");
}

#[test]
fn a_plain_question_is_answered_in_four_steps() {
    let mut session = after(vec![]);
    assert_eq!(session.next(), Step::Rest);
    session.absorb(opened("what is this?"));
    assert_eq!(session.next(), Step::ReadContext);
    session.absorb(context());
    assert_eq!(session.next(), Step::AskModel { mode: AskMode::Normal });
    session.absorb(replied("It is a crash.", vec![]));
    assert_eq!(ending(&session), Ending::Answer { text: "It is a crash.".to_owned(), cut: false });
    session.absorb(intended(&session));
    assert!(matches!(session.next(), Step::Post(_)));
    session.absorb(closed());
    assert_eq!(session.next(), Step::Rest);
}

#[test]
fn the_context_stands_before_the_newest_prompt_and_only_once() {
    let mut session = after(vec![opened("first"), context(), replied("one", vec![])]);
    session.absorb(intended(&session));
    session.absorb(closed());
    session.absorb(opened("second"));
    session.absorb(looked("the work item, later"));
    let texts: Vec<_> = messages(&session)
        .into_iter()
        .map(|message| match message {
            Message::System { text } | Message::User { text } | Message::Tool { text, .. } => text,
            Message::Assistant(message) => message.text,
        })
        .collect();
    assert_eq!(texts, ["first", "one", "the work item, later", "second"]);
}

#[test]
fn parallel_calls_are_planned_with_keys_of_their_own_and_asked_about_until_all_are_done() {
    let calls = vec![call("a", "read_work_item", "{}"), call("b", "read_comments", "{}")];
    let mut session = after(vec![opened("go"), context(), replied("", calls)]);
    let Step::CallTools(planned) = session.next() else { panic!() };
    let keys: std::collections::HashSet<_> =
        planned.iter().flat_map(|call| [call.started_key, call.finished_key]).collect();
    assert_eq!(keys.len(), 4);
    let key_of_b = planned[1].finished_key;
    session.absorb(done("a"));
    let Step::CallTools(left) = session.next() else { panic!() };
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].call.id.as_str(), left[0].finished_key), ("b", key_of_b), "a resumed call keeps its key");
    session.absorb(done("b"));
    assert_eq!(session.next(), Step::AskModel { mode: AskMode::Normal });
    assert_sendable(&messages(&session));
}

#[test]
fn a_question_waits_for_the_other_calls_and_its_reply_is_its_result() {
    let calls = vec![
        call("q", "ask_user", r#"{"question":"Which one?","options":["a","b"]}"#),
        call("r", "read_comments", "{}"),
        call("q2", "ask_user", r#"{"question":"And which other?"}"#),
    ];
    let mut session = after(vec![opened("go"), context(), replied("", calls)]);
    let Step::CallTools(planned) = session.next() else { panic!() };
    let ids: Vec<_> = planned.iter().map(|planned| planned.call.id.as_str()).collect();
    assert_eq!(ids, ["r", "q2"], "the second question is answered by its tool, the first is asked");
    session.absorb(done("r"));
    session.absorb(done("q2"));
    assert!(matches!(ending(&session), Ending::Question(question) if question.call_id == "q"));
    session.absorb(intended(&session));
    session.absorb(closed());
    assert_eq!(session.next(), Step::Rest);
    session.absorb(opened("the second"));
    session.absorb(context());
    let messages = messages(&session);
    assert_sendable(&messages);
    let reply = messages.iter().find(|message| matches!(message, Message::Tool { call_id, .. } if call_id == "q"));
    assert!(matches!(reply, Some(Message::Tool { text, .. }) if text.contains("the second")));
}

#[test]
fn an_empty_answer_is_asked_again_once() {
    let mut session = after(vec![opened("go"), context(), replied("  ", vec![])]);
    assert_eq!(session.next(), Step::AskModel { mode: AskMode::AfterEmpty });
    session.absorb(replied("", vec![]));
    assert!(matches!(ending(&session), Ending::Failed(Failure { code: FailureCode::EmptyAnswer, .. })));
}

#[test]
fn the_last_step_is_followed_by_one_call_without_tools() {
    let mut session = after(vec![opened("go"), context()]);
    for round in 0..3 {
        assert_eq!(session.next(), Step::AskModel { mode: AskMode::Normal });
        session.absorb(replied("thinking", vec![call("c", "read_comments", &format!("{{\"page\":{round}}}"))]));
        session.absorb(done("c"));
    }
    assert_eq!(session.next(), Step::AskModel { mode: AskMode::WrapUp });
    session.absorb(replied("so far", vec![call("x", "read_comments", "{}")]));
    assert_eq!(ending(&session), Ending::Bounded { bound: Bound::Steps, best: "so far".to_owned() });
    assert_sendable(&messages(&session));
}

#[test]
fn the_same_call_a_third_time_is_marked_as_repeated() {
    let mut session = after(vec![opened("go"), context()]);
    for round in 1..=3 {
        session.absorb(replied("", vec![call("c", "read_comments", "{}")]));
        let Step::CallTools(planned) = session.next() else { panic!() };
        assert_eq!(planned[0].repeated, round == 3);
        session.absorb(done("c"));
    }
}

#[test]
fn of_the_same_calls_in_one_reply_only_those_too_many_are_repeated() {
    let mut session = after(vec![opened("go"), context()]);
    let calls = ["a", "b", "c"].map(|id| call(id, "read_comments", "{}"));
    session.absorb(replied("", calls.to_vec()));
    let repeated = |session: &Session| {
        let Step::CallTools(planned) = session.next() else { panic!() };
        planned.iter().map(|planned| planned.repeated).collect::<Vec<_>>()
    };
    assert_eq!(repeated(&session), [false, false, true]);
    session.absorb(done("a"));
    assert_eq!(repeated(&session), [false, true], "what is left stays as it was planned");
}

#[test]
fn a_stop_ends_any_phase_but_posting() {
    let calling = vec![opened("go"), context(), replied("", vec![call("a", "read_comments", "{}")])];
    for entries in [vec![], vec![opened("go")], vec![opened("go"), context()], calling] {
        let mut session = after(entries);
        session.absorb(Entry::Stopped);
        assert_eq!(ending(&session), Ending::Stopped);
        assert_sendable(&messages(&session));
    }
    let mut posting = after(vec![opened("go"), context(), replied("answer", vec![])]);
    posting.absorb(intended(&posting));
    let before = posting.clone();
    posting.absorb(Entry::Stopped);
    let unchanged = Session { entries: posting.entries, ..before };
    assert_eq!(posting, unchanged, "the last word is settled; the stop comes too late");
}

#[test]
fn a_stop_while_a_question_waits_settles_the_question() {
    let calls = vec![call("q", "ask_user", r#"{"question":"Which?"}"#)];
    let mut session = after(vec![opened("go"), context(), replied("", calls)]);
    session.absorb(intended(&session));
    session.absorb(closed());
    session.absorb(Entry::Stopped);
    assert_eq!(ending(&session), Ending::Stopped);
    assert_sendable(&messages(&session));
}

#[test]
fn an_undeliverable_question_does_not_wait_for_a_reply() {
    let calls = vec![call("q", "ask_user", r#"{"question":"Which?"}"#)];
    let mut session = after(vec![opened("go"), context(), replied("", calls)]);
    session.absorb(intended(&session));
    session.absorb(Entry::Closed { outcome: Outcome::Undeliverable { reason: "gone".to_owned() } });
    assert_sendable(&messages(&session));
    session.absorb(opened("again"));
    session.absorb(context());
    assert_sendable(&messages(&session));
}

#[test]
fn a_call_that_needs_a_sign_in_waits_for_the_reply_as_a_question_does() {
    let calls = vec![call("a", "read_comments", "{}"), call("s", "fetch", "{}"), call("t", "fetch", "{\"n\":2}")];
    let mut session = after(vec![opened("go"), context(), replied("", calls)]);
    let asks = |id: &str| Entry::SignInAsked {
        call_id: id.to_owned(),
        text: "Sign in".to_owned(),
        url: "https://auth.example/".to_owned(),
    };
    session.absorb(asks("s"));
    session.absorb(asks("t"));
    assert!(matches!(session.next(), Step::CallTools(left) if left.len() == 1), "the others are done first");
    session.absorb(done("a"));
    let Ending::Question(question) = ending(&session) else { panic!() };
    assert_eq!(
        (question.call_id.as_str(), &question.kind),
        ("s", &Kind::SignIn { url: "https://auth.example/".to_owned() })
    );
    session.absorb(intended(&session));
    session.absorb(closed());
    session.absorb(opened("done"));
    session.absorb(context());
    let messages = messages(&session);
    assert_sendable(&messages);
    let result =
        |id: &str| messages.iter().find(|message| matches!(message, Message::Tool { call_id, .. } if call_id == id));
    assert!(matches!(result("s"), Some(Message::Tool { text, .. }) if text.contains("call the tool again")));
    assert!(matches!(result("t"), Some(Message::Tool { text, .. }) if text.contains("sign in first")));
}

#[test]
fn a_late_event_is_recognised_by_its_words_once() {
    let from_comment =
        Said { activity: None, author: None, text: "triage this".to_owned(), written_at: Some(Timestamp::UNIX_EPOCH) };
    let mut session = after(vec![Entry::Opened { at: Timestamp::UNIX_EPOCH, turn: None, prompts: vec![from_comment] }]);
    assert!(session.recognises(&said("triage this")));
    assert!(!session.recognises(&said("and now something else")));
    let hours_later = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(3);
    let again = Said { written_at: Some(hours_later), ..said("triage this") };
    assert!(!session.recognises(&again), "the same words hours later are a new prompt");
    session.absorb(Entry::Recognised { activity: None });
    assert!(!session.recognises(&said("triage this")), "the same words a second time are a new prompt");
}

#[test]
fn a_greeting_keeps_its_key_until_its_turn_is_over() {
    let mut session = after(vec![]);
    let key = session.greeting_key();
    session.absorb(opened("go"));
    assert_eq!(session.greeting_key(), key, "a resumed turn greets under the same key");
    session.absorb(context());
    session.absorb(replied("answer", vec![]));
    session.absorb(intended(&session));
    session.absorb(closed());
    assert_ne!(session.greeting_key(), key);
}

/// Carries out what the session asks for, with a person, a model and a clock that do as `chance` says.
fn played_on(step: &Step, session: &Session, chance: u8) -> Entry {
    match (step, chance) {
        (Step::Rest, 0) | (_, 1) => Entry::Stopped,
        (Step::Rest, _) => opened("words"),
        (Step::Post(_), _) => closed(),
        (Step::Compose { .. }, _) => intended(session),
        (_, 2) => Entry::Failed { failure: Failure::plain(FailureCode::Internal) },
        (_, 3) => Entry::BoundHit { bound: Bound::WallTime },
        (Step::ReadContext, _) => context(),
        (Step::CallTools(calls), _) => done(&calls[usize::from(chance) % calls.len()].call.id),
        (Step::AskModel { .. }, 4) => Entry::Steered { prompts: vec![said("more")] },
        (Step::AskModel { .. }, 5) => replied(" ", vec![]),
        (Step::AskModel { .. }, 6) => replied("", vec![call("q", "ask_user", r#"{"question":"Which?"}"#)]),
        (Step::AskModel { .. }, 7..) => {
            replied("", vec![call("a", "read_comments", "{}"), call("b", "read_comments", "{}")])
        }
        (Step::AskModel { .. }, _) => replied("text", vec![]),
    }
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let id = prop::sample::select(vec!["a", "b", "q"]);
    let calls =
        prop::collection::vec((id.clone(), prop::sample::select(vec!["read_comments", "ask_user", "nonsense"])), 0..3);
    prop_oneof![
        Just(opened("words")),
        Just(context()),
        Just(Entry::Steered { prompts: vec![said("more")] }),
        Just(Entry::SignInAsked { call_id: "a".to_owned(), text: "Sign in".to_owned(), url: String::new() }),
        (0u32..4).prop_map(|through_turn| Entry::Compacted {
            through_turn,
            summary: "in short".to_owned(),
            expects: None,
            skills: Vec::new(),
        }),
        (prop::sample::select(vec!["", "text"]), calls).prop_map(|(text, calls)| {
            let mut seen = std::collections::HashSet::new();
            let calls = calls
                .into_iter()
                .filter(|(id, _)| seen.insert(*id))
                .map(|(id, name)| call(id, name, r#"{"question":"Which?"}"#))
                .collect();
            replied(text, calls)
        }),
        id.clone().prop_map(done),
        id.prop_map(intended_write),
        Just(Entry::PassedOver { activity: None, reason: PassedOver::Answered }),
        Just(Entry::BoundHit { bound: Bound::WallTime }),
        Just(Entry::Failed { failure: Failure::plain(FailureCode::Internal) }),
        Just(Entry::Stopped),
        Just(Entry::StopMoot),
        Just(closed()),
    ]
}

#[test]
fn a_change_under_way_is_taken_up_as_it_was_meant_and_never_called_undone() {
    let calls = vec![call("a", "add_comment", "{}"), call("b", "add_comment", r#"{"text":"y"}"#)];
    let begun = vec![opened("go"), context(), replied("", calls), intended_write("b")];
    let session = after(begun.clone());
    let Step::CallTools(planned) = session.next() else { panic!("{:?}", session.next()) };
    assert_eq!(planned.iter().map(|call| call.intended.is_some()).collect::<Vec<_>>(), [false, true]);
    let before = after(begun[..3].to_vec());
    let Step::CallTools(keys) = before.next() else { panic!("{:?}", before.next()) };
    assert_eq!(keys[1].finished_key, planned[1].finished_key, "an intention does not move the key it is known by");

    let mut stopped = session;
    stopped.absorb(Entry::Stopped);
    let messages = messages(&stopped);
    assert_sendable(&messages);
    let results: Vec<_> = messages
        .iter()
        .filter_map(|message| match message {
            Message::Tool { text, .. } => Some(text.as_str()),
            Message::System { .. } | Message::User { .. } | Message::Assistant(_) => None,
        })
        .collect();
    assert!(results[0].starts_with("Not carried out") && results[1].contains("may or may not"), "{results:?}");
}

#[test]
fn words_after_a_stop_are_answered_and_that_confirms_it() {
    for before in [vec![], vec![opened("one"), context(), replied("", vec![call("c", "read_comments", "{}")])]] {
        let mut session = after(before);
        session.absorb(Entry::Stopped);
        assert_eq!(ending(&session), Ending::Stopped);
        let stopped = session.key(0);
        session.absorb(opened("go on, but otherwise"));
        session.absorb(context());
        assert!(session.key(0) > stopped, "no key is used twice");
        assert_sendable(&messages(&session));
        session.absorb(replied("Otherwise it is.", vec![]));
        assert_eq!(ending(&session), Ending::Answer { text: "Otherwise it is.".to_owned(), cut: false });
    }
}

#[test]
fn words_after_the_confirmation_is_settled_wait_for_the_next_turn() {
    let mut session = after(vec![opened("one"), context(), Entry::Stopped]);
    session.absorb(intended(&session));
    let before = session.clone();
    session.absorb(opened("two"));
    assert_eq!(session, Session { entries: session.entries, ..before });
}

proptest! {
    /// Whatever happens, in whatever order: the fold of a prefix is the state that wrote it, a
    /// settled last word is never replaced, and what the model would be sent is always in order.
    #[test]
    fn no_order_of_events_breaks_the_session(entries in prop::collection::vec(any_entry(), 0..40)) {
        let mut session = Session::new(run(), limits());
        let mut journal = Vec::new();
        for entry in entries {
            let composing = matches!(session.next(), Step::Compose { .. });
            let entry = if composing && entry == closed() { intended(&session) } else { entry };
            let was_posting = session.is_posting().then(|| session.next());
            let is_outcome = matches!(entry, Entry::Closed { .. });
            session.absorb(entry.clone());
            journal.push(crate::agent::journal::encode(&entry));
            if let Some(before) = was_posting && !is_outcome {
                prop_assert_eq!(before, session.next());
            }
            let decoded = journal.iter().map(|text| crate::agent::journal::decode(text).unwrap());
            prop_assert_eq!(&Session::fold(run(), limits(), 0, decoded), &session);
            if matches!(session.next(), Step::AskModel { .. }) {
                assert_sendable(&messages(&session));
            }
        }
    }

    /// Whoever does what at whatever moment: each turn has one last word, under a key of its own;
    /// nothing but the confirmation follows a stop; and a turn left alone comes to its end.
    #[test]
    fn one_last_word_a_turn_and_nothing_after_a_stop(chances in prop::collection::vec(0u8..10, 0..80)) {
        let (mut session, mut last_words, mut stopped) = (after(vec![]), Vec::new(), false);
        let left_alone = std::iter::repeat_n(9, 30);
        let chances_count = chances.len();
        for (number, chance) in chances.into_iter().chain(left_alone).enumerate() {
            let step = session.next();
            if stopped {
                let confirms = matches!(&step, Step::Compose { ending: Ending::Stopped, .. } | Step::Post(_));
                prop_assert!(confirms, "after a stop: {step:?}");
            }
            let alone = number >= chances_count;
            if alone && step == Step::Rest {
                break;
            }
            // Left alone, the model answers.
            let chance = if alone { u8::MAX } else { chance };
            let entry = match (&step, chance) {
                (Step::AskModel { .. }, u8::MAX) => replied("text", vec![]),
                _ => played_on(&step, &session, chance),
            };
            if let (Step::Post(draft), Entry::Closed { .. }) = (&step, &entry) {
                last_words.push((draft.key.turn, draft.key));
            }
            // A stop that comes while the last word is on its way changes nothing.
            if entry == Entry::Stopped && !session.is_posting() {
                stopped = true;
            } else if matches!(entry, Entry::Closed { .. }) {
                stopped = false;
            }
            session.absorb(entry);
        }
        prop_assert_eq!(session.next(), Step::Rest, "the last turn does not end");
        prop_assert!(last_words.windows(2).all(|pair| pair[0].0 < pair[1].0), "a turn with two last words");
    }

    /// Whatever was said and wherever it was compacted: a fold that starts late gives the state that a
    /// fold of everything gives, and what the model would be sent is in order.
    #[test]
    fn a_fold_that_starts_late_gives_the_same_session(
        chances in prop::collection::vec(0u8..12, 0..120),
        compactions in prop::collection::vec((0usize..120, 1u32..6), 0..4),
    ) {
        let (mut session, mut journal, mut fold_from) = (after(vec![]), Vec::new(), 0);
        let absorb = |session: &mut Session, journal: &mut Vec<Entry>, entry: Entry| {
            journal.push(entry.clone());
            session.absorb(entry);
        };
        for (number, chance) in chances.into_iter().enumerate() {
            for (_, back) in compactions.iter().filter(|(at, _)| *at == number) {
                let through = session.next_turn().saturating_sub(1 + back);
                if let Some((entry, from)) = session.compaction(through, format!("summary through {through}")) {
                    absorb(&mut session, &mut journal, entry);
                    fold_from = from;
                }
            }
            let step = session.next();
            let entry = match (&step, chance) {
                // Most turns come to an answer, so that there are many.
                (Step::AskModel { .. }, 9..) => replied("text", vec![]),
                (Step::Rest, _) => Entry::Opened {
                    at: Timestamp::UNIX_EPOCH,
                    turn: Some(session.next_turn()),
                    prompts: vec![said("words"), said("and more")],
                },
                _ => played_on(&step, &session, chance),
            };
            absorb(&mut session, &mut journal, entry);
            let late = journal.iter().skip(usize::try_from(fold_from).unwrap());
            // As they come from the store: of the looks only the newest is read.
            let stored: Vec<_> = late.map(crate::agent::journal::encode).collect();
            let late = crate::agent::journal::decode_all(&stored).unwrap();
            prop_assert_eq!(&Session::fold(run(), limits(), fold_from, late), &session);
            if matches!(session.next(), Step::AskModel { .. }) {
                assert_sendable(&messages(&session));
            }
        }
    }

    /// A turn always ends: however the model behaves, the machine asks it only so often.
    #[test]
    fn every_turn_ends(replies in prop::collection::vec(0u8..3, 20)) {
        let mut session = after(vec![opened("go"), context()]);
        let mut asked = 0;
        for reply in replies {
            let step = session.next();
            if matches!(step, Step::AskModel { .. }) {
                    asked += 1;
                    session.absorb(match reply {
                        0 => replied("", vec![]),
                        1 => replied("text", vec![]),
                        _ => replied("", vec![call("c", "read_comments", &format!("{{\"page\":{asked}}}"))]),
                    });
            } else if matches!(step, Step::CallTools(_)) {
                session.absorb(done("c"));
            } else {
                break;
            }
        }
        let ended = matches!(session.next(), Step::Compose { .. });
        prop_assert!(ended && asked <= 2 * limits().max_steps + 2, "asked {asked} times");
    }
}

#[test]
fn forgotten_turns_keep_their_numbers() {
    let session = Session::fold(run(), limits(), 7, []);
    assert_eq!(session.greeting_key().turn, 8);
    let opened = Entry::Opened { at: jiff::Timestamp::UNIX_EPOCH, turn: None, prompts: Vec::new() };
    assert_eq!(Session::fold(run(), limits(), 7, [opened]).key(0).turn, 8);
}
