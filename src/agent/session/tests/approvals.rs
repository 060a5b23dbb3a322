//! Changes that wait for a person's word, and what becomes of them.

use super::*;
use crate::domain::{ids::UserId, touched::Touched};

fn person(number: u128) -> UserId {
    UserId(uuid::Uuid::from_u128(number))
}

fn by(number: u128, text: &str) -> Said {
    Said { by: Some(person(number)), ..said(text) }
}

fn decided(number: u128, text: &str, entitled: bool) -> Entry {
    let prompts = vec![by(number, text)];
    Entry::Opened { at: Timestamp::UNIX_EPOCH, turn: None, prompts, entitled }
}

fn change(number: u128) -> PlannedWrite {
    let item = Target { project: ProjectId(uuid::Uuid::nil()), id: WorkItemId(uuid::Uuid::from_u128(number)) };
    let write = Write::AddComment { item, html: "<p>Hi</p>".to_owned() };
    PlannedWrite { write, summary: format!("Comment on MOB-{number}"), changes: Vec::new() }
}

fn proposed(call_id: &str, number: u128) -> Entry {
    Entry::WriteProposed { at: Timestamp::UNIX_EPOCH, call_id: call_id.to_owned(), write: change(number) }
}

fn intends(call_id: &str, number: u128) -> Entry {
    Entry::WriteIntended {
        at: Timestamp::UNIX_EPOCH,
        call_id: call_id.to_owned(),
        write: change(number),
        elsewhere: false,
    }
}

fn result(call_id: &str, text: &str) -> Entry {
    Entry::ToolDone {
        call_id: call_id.to_owned(),
        text: text.to_owned(),
        failed: false,
        receipt: None,
        elsewhere: false,
        unknown: false,
    }
}

/// Two changes are proposed and one thing is read; the question is out.
fn waiting() -> Session {
    let calls = vec![call("a", "add_comment", "{}"), call("r", "read_comments", "{}"), call("b", "add_comment", "{ }")];
    let mut session = after(vec![decided(1, "go", false), context(), replied("", calls)]);
    session.absorb(result("r", "read"));
    session.absorb(proposed("a", 1));
    assert!(matches!(session.next(), Step::CallTools(calls) if calls.len() == 1), "the other call goes on");
    session.absorb(proposed("b", 2));
    let Ending::Question(Question { kind: Kind::Approval(approval), .. }) = ending(&session) else { panic!() };
    assert_eq!(approval.asked_by, [person(1)]);
    assert_eq!(approval.changes.iter().map(|change| change.call.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    session.absorb(intended(&session));
    session.absorb(closed());
    assert!(session.awaited_approval().is_some());
    session
}

fn planned(session: &Session) -> Vec<(String, bool)> {
    let Step::CallTools(calls) = session.next() else { panic!("{:?}", session.next()) };
    calls.into_iter().map(|planned| (planned.call.id, planned.approved.is_some())).collect()
}

fn results(session: &Session) -> Vec<(String, String)> {
    let result = |message| {
        let Message::Tool { call_id, text } = message else { return None };
        Some((call_id, text))
    };
    messages(session).into_iter().filter_map(result).collect()
}

#[test]
fn what_is_approved_is_done_before_anything_else_and_the_rest_is_not() {
    let mut session = waiting();
    session.absorb(decided(1, "B", true));
    assert_eq!(planned(&session), [("b".to_owned(), true)]);
    session.absorb(intends("b", 2));
    session.absorb(result("b", "Done."));
    assert_eq!(session.next(), Step::ReadContext, "the work item is looked at once it is changed");
    session.absorb(context());
    assert_eq!(session.next(), Step::AskModel { mode: AskMode::Normal });
    assert_sendable(&messages(&session));
    let results = results(&session);
    assert_eq!(results[1].0, "a");
    assert!(results[1].1.contains("not this one"), "{results:?}");
    assert_eq!(results[2], ("b".to_owned(), "Done.".to_owned()));
    session.absorb(replied("One comment is there.", vec![]));
    assert_eq!(
        ending(&session),
        Ending::Answer { text: "One comment is there.".to_owned(), cut: false, unmade: false }
    );
}

#[test]
fn all_or_none_or_other_words() {
    let mut all = waiting();
    all.absorb(decided(1, "Approve all", true));
    assert_eq!(planned(&all), [("a".to_owned(), true), ("b".to_owned(), true)]);

    for (words, told) in
        [("no", "rejected"), ("yes, but on MOB-7", "yes, but on MOB-7"), ("What is MOB-7?", "What is MOB-7?")]
    {
        let mut session = waiting();
        session.absorb(decided(1, words, true));
        assert_eq!(session.next(), Step::ReadContext, "{words}: nothing is done");
        session.absorb(context());
        assert_sendable(&messages(&session));
        let results = results(&session);
        assert!(results.iter().filter(|(_, text)| text.contains(told)).count() == 2, "{words}: {results:?}");
    }
}

#[test]
fn a_word_of_somebody_who_may_not_decide_leaves_the_changes_waiting() {
    let mut session = waiting();
    let before = session.conversation().talks.len();
    session.absorb(decided(2, "approve all", false));
    let Ending::Question(Question { kind: Kind::Approval(approval), .. }) = ending(&session) else { panic!() };
    assert!(approval.refused_someone && approval.changes.len() == 2);
    session.absorb(intended(&session));
    session.absorb(closed());
    assert_eq!(session.conversation().talks.len(), before);
    session.absorb(decided(1, "yes", true));
    assert_eq!(planned(&session).len(), 2, "the person who asked still can");
    assert_sendable(&messages(&after_results(session)));
}

fn after_results(mut session: Session) -> Session {
    while let Step::CallTools(calls) = session.next() {
        session.absorb(result(&calls[0].call.id, "Done."));
    }
    session.absorb(context());
    session
}

#[test]
fn other_words_of_somebody_who_may_not_decide_are_a_new_request() {
    let mut session = waiting();
    session.absorb(decided(2, "what is this about?", false));
    assert_eq!(session.next(), Step::ReadContext);
    session.absorb(context());
    assert!(session.awaited_approval().is_none());
    assert_sendable(&messages(&session));
}

#[test]
fn a_stop_cancels_what_waits_and_what_is_approved_and_not_done() {
    let mut session = waiting();
    session.absorb(Entry::Stopped);
    assert_eq!(ending(&session), Ending::Stopped);
    assert_sendable(&messages(&session));

    let mut session = waiting();
    session.absorb(decided(1, "approve all", true));
    session.absorb(intends("a", 1));
    session.absorb(Entry::Stopped);
    assert_eq!(ending(&session), Ending::Stopped);
    assert_eq!(session.unsure(), ["Comment on MOB-1"]);
    assert_sendable(&messages(&session));
}

#[test]
fn who_says_more_than_a_word_has_not_decided() {
    for (first, second) in [("approve all", "no wait, don't"), ("approve all", "and then summarise"), ("yes", "no")] {
        let mut session = waiting();
        let prompts = vec![by(1, first), by(1, second)];
        session.absorb(Entry::Opened { at: Timestamp::UNIX_EPOCH, turn: None, prompts, entitled: true });
        assert_eq!(session.next(), Step::ReadContext, "{second}: nothing is done");
        session.absorb(context());
        let messages = messages(&session);
        assert_sendable(&messages);
        let last = messages.last().unwrap();
        assert!(matches!(last, Message::User { text } if text.contains(second)), "{last:?}");
    }
}

#[test]
fn a_stop_that_comes_too_late_to_be_confirmed_cancels_what_waits_all_the_same() {
    let mut session = waiting();
    session.absorb(Entry::StopMoot);
    assert!(session.awaited_approval().is_none());
    session.absorb(decided(1, "ok", true));
    assert_eq!(session.next(), Step::ReadContext);
    session.absorb(context());
    assert_sendable(&messages(&session));
}

#[test]
fn a_question_beside_changes_is_put_off() {
    let calls = vec![call("q", "ask_user", r#"{"question":"Which?"}"#), call("a", "add_comment", "{}")];
    let mut session = after(vec![decided(1, "go", false), context(), replied("", calls)]);
    session.absorb(proposed("a", 1));
    assert!(matches!(ending(&session), Ending::Question(Question { kind: Kind::Approval(_), .. })));
    assert!(results(&session).iter().any(|(id, text)| id == "q" && text.starts_with("Not asked")));
}

#[test]
fn a_summary_takes_a_decision_along_with_what_it_is_about() {
    let mut session = waiting();
    session.absorb(decided(1, "A", true));
    let mut session = after_results(session);
    session.absorb(replied("Done.", vec![]));
    session.absorb(intended(&session));
    session.absorb(closed());
    session.absorb(decided(1, "next", false));
    session.absorb(context());
    let (entry, _) = session.compaction(1, "Two comments were proposed.".to_owned()).unwrap();
    assert!(matches!(entry, Entry::Compacted { through_turn: 2, .. }), "{entry:?}");
    session.absorb(entry);
    assert_sendable(&messages(&session));
}

#[test]
fn a_decision_that_has_to_stand_alone_tells_what_came_of_it() {
    let mut session = waiting();
    session.absorb(decided(1, "A", true));
    let mut session = after_results(session);
    let (entry, _) = session.compaction(1, "Two comments were proposed.".to_owned()).unwrap();
    session.absorb(entry);
    let messages = messages(&session);
    assert_sendable(&messages);
    let told = messages.iter().any(|message| {
        let Message::User { text } = message else { return false };
        text.contains("What came of the changes") && text.contains("Done.")
    });
    assert!(told, "{messages:?}");
}

#[test]
fn what_was_read_elsewhere_is_withheld_when_somebody_else_speaks() {
    let read = vec![call("a", "read_comments", "{}"), call("b", "read_comments", "{ }")];
    let begun = || after(vec![decided(1, "go", false), context(), replied("", read.clone())]);
    let elsewhere = |call_id: &str, text: &str| Entry::ToolDone {
        call_id: call_id.to_owned(),
        text: text.to_owned(),
        failed: false,
        receipt: None,
        elsewhere: true,
        unknown: false,
    };
    let mut session = begun();
    session.absorb(elsewhere("a", "7 of 7 comments: the vault is open"));
    session.absorb(result("b", "2 of 2 comments: the cart"));
    session.absorb(replied("Done.", vec![]));
    session.absorb(intended(&session));
    session.absorb(closed());
    let texts = |session: &Session| results(session).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
    session.absorb(decided(1, "and now?", false));
    assert!(texts(&session)[0].contains("vault"), "the same person may go on with it");
    session.absorb(context());
    // A summary of it is withheld as well.
    let mut summed = session.clone();
    let (entry, _) = summed.compaction(1, "The vault is open.".to_owned()).unwrap();
    summed.absorb(entry);
    for session in [&mut session, &mut summed] {
        session.absorb(Entry::Steered { prompts: vec![by(2, "quote it")] });
        let all = format!("{:?}", messages(session));
        assert!(!all.contains("vault") && all.contains("[Withheld"), "{all}");
    }
    assert!(texts(&session)[1].contains("the cart"));
}

#[test]
fn what_a_change_saw_elsewhere_is_withheld_as_well() {
    let begun = vec![decided(1, "go", false), context(), replied("", vec![call("a", "add_comment", "{}")])];
    let mut session = after(begun);
    let Entry::WriteIntended { at, call_id, write, .. } = intends("a", 1) else { panic!() };
    session.absorb(Entry::WriteIntended { at, call_id, write, elsewhere: true });
    session.absorb(result("a", "Done: on the vault."));
    assert_eq!(results(&session), [("a".to_owned(), "Done: on the vault.".to_owned())]);
    session.absorb(Entry::Steered { prompts: vec![by(2, "quote it")] });
    assert!(results(&session)[0].1.starts_with("[Withheld"), "{:?}", results(&session));
}

#[test]
fn parts_that_saw_another_project_are_withheld_with_the_whole() {
    let waiting = || {
        let begun = vec![decided(1, "undo", false), context(), replied("", vec![call("u", "undo", "{}")])];
        let mut session = after(begun);
        let note = "Left alone: 3.".to_owned();
        session.absorb(Entry::Unfolded { call_id: "u".to_owned(), changes: vec![4, 2], note, elsewhere: false });
        session.absorb(intends("u#4", 4));
        let text = "Done: the vault.".to_owned();
        let call_id = "u#4".to_owned();
        session.absorb(Entry::ToolDone {
            call_id,
            text,
            failed: false,
            receipt: None,
            elsewhere: true,
            unknown: false,
        });
        session.absorb(proposed("u#2", 2));
        session.absorb(intended(&session));
        session.absorb(closed());
        session
    };
    let told = |session: &Session| results(session).into_iter().map(|(_, text)| text).collect::<String>();
    // Whoever asked may hear it, and somebody who comes later may not.
    let mut session = waiting();
    session.absorb(decided(1, "yes", true));
    let mut session = after_results(session);
    assert!(told(&session).contains("vault"));
    session.absorb(context());
    session.absorb(Entry::Steered { prompts: vec![by(2, "quote it")] });
    assert!(!told(&session).contains("vault"), "{}", told(&session));
    // Somebody else who decides on the rest hears of the rest.
    let mut session = waiting();
    session.absorb(decided(2, "yes", true));
    let session = after_results(session);
    let told = told(&session);
    assert!(!told.contains("vault") && told.contains("[Withheld") && told.contains("Done."), "{told}");
    assert_sendable(&messages(&session));
}

#[test]
fn words_written_before_the_question_was_there_do_not_answer_it() {
    let shown_at = Timestamp::from_second(1_000).unwrap();
    for (written, decides) in [(999, false), (1_001, true)] {
        let calls = vec![call("a", "add_comment", "{}")];
        let mut session = after(vec![decided(1, "go", false), context(), replied("", calls)]);
        session.absorb(proposed("a", 1));
        session.absorb(intended(&session));
        let outcome = Outcome::Posted { activity: ActivityId(uuid::Uuid::nil()), at: Some(shown_at) };
        session.absorb(Entry::Closed { outcome });
        let said = Said { written_at: Some(Timestamp::from_second(written).unwrap()), ..by(1, "ok") };
        session.absorb(Entry::Opened { at: shown_at, turn: None, prompts: vec![said], entitled: true });
        assert_eq!(matches!(session.next(), Step::CallTools(_)), decides, "{written}");
    }
}

#[test]
fn a_call_that_came_to_be_several_has_one_result() {
    let mut session = after(vec![decided(1, "undo", false), context(), replied("", vec![call("u", "undo", "{}")])]);
    session.absorb(Entry::Unfolded {
        call_id: "u".to_owned(),
        changes: vec![4, 2],
        note: "Left alone: 3.".to_owned(),
        elsewhere: false,
    });
    assert_eq!(planned(&session), [("u#4".to_owned(), false), ("u#2".to_owned(), false)]);
    session.absorb(intends("u#4", 4));
    session.absorb(result("u#4", "Done: 4."));
    assert_eq!(planned(&session).len(), 1);
    session.absorb(proposed("u#2", 2));
    session.absorb(intended(&session));
    session.absorb(closed());
    session.absorb(decided(1, "yes", true));
    let session = after_results(session);
    assert_eq!(results(&session), [("u".to_owned(), "Left alone: 3.\n\nDone: 4.\n\nDone.".to_owned())]);
    assert_sendable(&messages(&session));
}

#[test]
fn parts_of_a_call_are_settled_together_when_the_turn_ends_early() {
    let begun = vec![decided(1, "undo", false), context(), replied("", vec![call("u", "undo", "{}")])];
    let mut session = after(begun);
    session.absorb(Entry::Unfolded {
        call_id: "u".to_owned(),
        changes: vec![4, 2],
        note: String::new(),
        elsewhere: false,
    });
    session.absorb(proposed("u#4", 4));
    session.absorb(Entry::Stopped);
    let results = results(&session);
    assert_eq!(results.len(), 1);
    assert!(results[0].0 == "u" && results[0].1.matches("Not carried out").count() == 2, "{results:?}");
}

#[test]
fn changes_of_a_turn_are_counted_once_and_what_they_set_is_known() {
    let mut session = waiting();
    assert_eq!(session.changes(), 2);
    session.absorb(decided(1, "approve all", true));
    session.absorb(intends("a", 1));
    assert_eq!(session.changes(), 0, "they were counted when they were proposed");
    let touched = Touched::Field(WorkItemId(uuid::Uuid::from_u128(1)), "priority");
    assert!(!session.has_touched(&touched), "a comment sets no field");
}
