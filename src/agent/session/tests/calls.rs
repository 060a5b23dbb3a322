//! Tool calls, and questions, which are calls that people answer.

use super::*;

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
            Message::System { .. } | Message::User { .. } | Message::Picture { .. } | Message::Assistant(_) => None,
        })
        .collect();
    assert!(results[0].starts_with("Not carried out") && results[1].contains("may or may not"), "{results:?}");
}
