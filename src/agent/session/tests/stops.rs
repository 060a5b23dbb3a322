//! Stops at any moment, and what is said after them.

use super::*;

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
        assert_eq!(ending(&session), Ending::Answer { text: "Otherwise it is.".to_owned(), cut: false, unmade: false });
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
