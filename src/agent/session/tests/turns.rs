//! Turns from their beginning to their end.

use super::*;
use crate::domain::write::{ItemFields, Receipt, Written};

#[test]
fn a_plain_question_is_answered_in_four_steps() {
    let mut session = after(vec![]);
    assert_eq!(session.next(), Step::Rest);
    session.absorb(opened("what is this?"));
    assert_eq!(session.next(), Step::ReadContext);
    session.absorb(context());
    assert_eq!(session.next(), Step::AskModel { mode: AskMode::Normal });
    session.absorb(replied("It is a crash.", vec![]));
    assert_eq!(ending(&session), Ending::Answer { text: "It is a crash.".to_owned(), cut: false, unmade: false });
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
            Message::Picture { caption, .. } => caption,
            Message::Assistant(message) => message.text,
        })
        .collect();
    assert_eq!(texts, ["first", "one", "the work item, later", "second"]);
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
    assert_eq!(ending(&session), Ending::Bounded { bound: Bound::Steps, best: "so far".to_owned(), unmade: false });
    assert_sendable(&messages(&session));
}

/// That a call changed the priority of a work item, but for what Plane dropped.
fn priority_set(id: &str, ignored: &[&str]) -> [Entry; 2] {
    let item = Target { project: ProjectId(uuid::Uuid::nil()), id: WorkItemId(uuid::Uuid::nil()) };
    let to = |priority: &str| ItemFields { priority: Some(priority.to_owned()), ..ItemFields::default() };
    let write = Write::UpdateWorkItem { item, before: to("low"), after: to("high") };
    let planned = PlannedWrite { write: write.clone(), summary: "Change MOB-1".to_owned(), changes: Vec::new() };
    let ignored = ignored.iter().map(|field| (*field).to_owned()).collect();
    let written = Written::Done { id: uuid::Uuid::nil(), key: None, ignored, overtaken: Vec::new() };
    [
        Entry::WriteIntended { at: Timestamp::UNIX_EPOCH, call_id: id.to_owned(), write: planned, elsewhere: false },
        Entry::ToolDone {
            call_id: id.to_owned(),
            text: "Done.".to_owned(),
            failed: false,
            receipt: Some(Receipt { write, written }),
            elsewhere: false,
            unknown: false,
        },
    ]
}

#[test]
fn one_change_does_not_make_another_account_true_and_what_plane_dropped_is_none() {
    let answered = |ignored: &[&str], text: &str| {
        let mut session = after(vec![opened("go"), context(), replied("", vec![call("c", "update_work_item", "{}")])]);
        priority_set("c", ignored).into_iter().for_each(|entry| session.absorb(entry));
        let told = session.done().to_vec();
        session.absorb(replied(text, vec![]));
        (told, session.next() == Step::AskModel { mode: AskMode::AfterClaim })
    };
    let made = vec!["Change MOB-1".to_owned()];
    assert_eq!(answered(&[], "I've set the priority to high."), (made.clone(), false));
    assert_eq!(answered(&[], "I've assigned it to Maya and closed MOB-1."), (made, true));
    assert_eq!(answered(&["priority"], "I've set the priority to high."), (vec![], true));
}

#[test]
fn a_question_that_tells_of_a_change_nobody_made_goes_back_once_and_is_noted_then() {
    let asks = |id: &str| {
        call(id, "ask_user", r#"{"question":"I've closed MOB-1. Shall I archive it, too?","options":["yes","no"]}"#)
    };
    let mut session = after(vec![opened("go"), context(), replied("", vec![asks("q1")])]);
    assert_eq!(session.next(), Step::AskModel { mode: AskMode::Normal });
    let sent = messages(&session);
    assert_sendable(&sent);
    assert!(
        matches!(sent.last(), Some(Message::Tool { text, .. }) if text.starts_with("Not asked: the question says"))
    );
    session.absorb(replied("", vec![asks("q2")]));
    assert!(matches!(ending(&session), Ending::Question(question) if question.unmade));
    // One that tells the truth is asked at once.
    let honest = call("q", "ask_user", r#"{"question":"I have read MOB-1. Shall I close it?"}"#);
    let session = after(vec![opened("go"), context(), replied("", vec![honest])]);
    assert!(matches!(ending(&session), Ending::Question(question) if !question.unmade));
}

#[test]
fn an_answer_at_a_bound_tells_the_same_truth_of_changes_as_any_other() {
    let time = || Entry::BoundHit { bound: Bound::WallTime };
    let claim = || replied("I have changed the priority of MOB-1.", vec![call("c", "add_comment", "{}")]);
    let unmade = |entries: Vec<Entry>| {
        let Ending::Bounded { unmade, .. } = ending(&after(entries)) else { panic!("no bound is told") };
        unmade
    };
    let [began, receipt] = priority_set("c", &[]);
    let begun = || vec![opened("go"), context(), claim()];
    let with = |more: Vec<Entry>| [begun(), more].concat();
    assert!(unmade(with(vec![done("c"), time()])), "nothing was changed");
    assert!(!unmade(with(vec![began.clone(), receipt.clone(), time()])), "it was done");
    assert!(!unmade(with(vec![began.clone(), time()])), "it may have been done, and that is told");
    // What an earlier turn has done may be told of as something earlier.
    let earlier = |text: &str| {
        let mut session = after(with(vec![began.clone(), receipt.clone(), replied("Done.", vec![])]));
        session.absorb(intended(&session));
        session.absorb(closed());
        let more = [opened("and now?"), context(), replied(text, vec![call("d", "read_comments", "{}")]), time()];
        more.into_iter().for_each(|entry| session.absorb(entry));
        matches!(ending(&session), Ending::Bounded { unmade: true, .. })
    };
    assert!(earlier("I have changed the priority of MOB-1."));
    assert!(!earlier("Earlier I have changed the priority of MOB-1."));
}

#[test]
fn a_late_event_is_recognised_by_its_words_once() {
    let from_comment = Said {
        activity: None,
        by: None,
        author: None,
        text: "triage this".to_owned(),
        written_at: Some(Timestamp::UNIX_EPOCH),
    };
    let mut session = after(vec![Entry::Opened {
        at: Timestamp::UNIX_EPOCH,
        turn: None,
        prompts: vec![from_comment],
        entitled: false,
    }]);
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

#[test]
fn forgotten_turns_keep_their_numbers() {
    let session = Session::fold(run(), limits(), 7, []);
    assert_eq!(session.greeting_key().turn, 8);
    let opened = Entry::Opened { at: jiff::Timestamp::UNIX_EPOCH, turn: None, prompts: Vec::new(), entitled: false };
    assert_eq!(Session::fold(run(), limits(), 7, [opened]).key(0).turn, 8);
}
