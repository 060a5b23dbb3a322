//! Which comments call on the agent, which belong together, and where a conversation stands.

use uuid::Uuid;

use super::*;

const BOT: UserId = UserId(Uuid::from_u128(0xb));
const MAYA: UserId = UserId(Uuid::from_u128(1));
const BOB: UserId = UserId(Uuid::from_u128(2));

fn rule() -> Rule {
    Rule {
        bot: BOT,
        names: vec!["@aileron".to_owned(), "/aileron".to_owned()],
        ignore: vec![UserId(Uuid::from_u128(9))],
        window: SignedDuration::from_mins(15),
    }
}

fn mention(user: UserId) -> String {
    format!(r#"<mention-component id="x" entity_identifier="{user}" entity_name="user_mention"></mention-component>"#)
}

fn id(number: u128) -> CommentId {
    CommentId(Uuid::from_u128(number))
}

/// A comment of this number, written so many minutes after the beginning.
fn comment(number: u128, minutes: i64, author: UserId, html: &str) -> Spoken {
    let at = Some(Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes));
    Spoken {
        id: id(number),
        author: Some(author),
        html: html.to_owned(),
        parent: None,
        written_at: at,
        changed_at: at,
        mark: None,
        foreign: false,
    }
}

fn reply(to: u128, spoken: Spoken) -> Spoken {
    Spoken { parent: Some(id(to)), ..spoken }
}

fn own(number: u128, minutes: i64, root: u128, kind: MarkKind) -> Spoken {
    let run = RunId(Uuid::from_u128(root));
    let mark = Some(Mark { run, step: format!("{run}/1/{minutes}/0"), kind });
    Spoken { mark, ..comment(number, minutes, BOT, "<p>x</p>") }
}

fn of(root: u128, all: Vec<Spoken>) -> (Vec<u128>, RunStatus) {
    let found = conversation(Root { id: id(root), handed_by: None }, all, &rule());
    (found.iter().map(|one| one.activity.id.0.as_u128()).collect(), status(&found))
}

#[test]
fn a_comment_calls_on_the_agent_by_mention_or_by_name() {
    let cases = [
        (format!("<p>{} look</p>", mention(BOT)), Call::ByName, false),
        (format!("<p>please {}</p>", mention(BOT)), Call::ByName, false),
        ("<p>@Aileron, look</p>".to_owned(), Call::ByName, false),
        ("/aileron triage".to_owned(), Call::ByName, false),
        ("<p>@aileronic is another</p>".to_owned(), Call::Unnamed, false),
        ("<p>I asked @aileron before</p>".to_owned(), Call::Unnamed, false),
        (format!("<blockquote><p>{}</p></blockquote><p>what was that?</p>", mention(BOT)), Call::Unnamed, false),
        (format!("<blockquote><p>{0}</p></blockquote><p>{0} again</p>", mention(BOT)), Call::ByName, false),
        (format!("<p>{} what do you think?</p>", mention(BOB)), Call::Elsewhere, false),
        ("<p>Stop.</p>".to_owned(), Call::Unnamed, true),
        (format!("<p>{} stop!</p>", mention(BOT)), Call::ByName, true),
        ("<p>@aileron stop</p>".to_owned(), Call::ByName, true),
        ("<p>stop looking at that</p>".to_owned(), Call::Unnamed, false),
        (String::new(), Call::Elsewhere, false),
        ("<p></p>".to_owned(), Call::Elsewhere, false),
    ];
    for (html, call, stop) in cases {
        assert_eq!(rule().meaning(&html), Meaning { call, stop }, "{html}");
    }
}

#[test]
fn nobody_but_a_person_is_heard() {
    let words = mention(BOT);
    assert_eq!(rule().person(&comment(1, 0, MAYA, &words)), Some(MAYA));
    assert_eq!(rule().person(&comment(1, 0, BOT, &words)), None, "its own");
    assert_eq!(rule().person(&comment(1, 0, UserId(Uuid::from_u128(9)), &words)), None, "another bot's");
    assert_eq!(rule().person(&Spoken { foreign: true, ..comment(1, 0, MAYA, &words) }), None, "an import");
    assert_eq!(rule().person(&Spoken { author: None, ..comment(1, 0, MAYA, &words) }), None);
    let marked = Spoken { author: Some(MAYA), ..own(1, 0, 1, MarkKind::Answer) };
    assert_eq!((rule().person(&marked), rule().own(&marked)), (None, None), "a mark that somebody else wrote");
}

#[test]
fn nobody_else_can_speak_for_the_agent() {
    let all = vec![
        comment(1, 0, MAYA, &mention(BOT)),
        Spoken { author: Some(BOB), ..own(2, 1, 1, MarkKind::Answer) },
        Spoken { author: None, ..own(3, 2, 1, MarkKind::Answer) },
    ];
    assert_eq!(of(1, all), (vec![1], RunStatus::InProgress));
}

#[test]
fn what_somebody_else_has_changed_is_nobodys_word() {
    let all = vec![
        comment(1, 0, MAYA, &mention(BOT)),
        own(2, 1, 1, MarkKind::Question),
        Spoken { author: None, ..reply(1, comment(3, 2, MAYA, "<p>yes</p>")) },
        Spoken { author: None, ..comment(4, 3, MAYA, "<p>@aileron stop</p>") },
    ];
    assert_eq!(of(1, all), (vec![1, 2], RunStatus::Awaiting));
}

#[test]
fn a_work_item_handed_over_begins_a_conversation_without_a_comment() {
    let handed = |all| {
        let found = conversation(Root { id: id(50), handed_by: Some(MAYA) }, all, &rule());
        (found.iter().map(|one| one.activity.id.0.as_u128()).collect::<Vec<_>>(), status(&found))
    };
    let mut all = vec![
        comment(1, 0, MAYA, "<p>before it all</p>"),
        own(2, 10, 50, MarkKind::Progress),
        comment(3, 11, BOB, "<p>my view</p>"),
        reply(2, comment(4, 12, BOB, "<p>a question</p>")),
        comment(5, 13, MAYA, "<p>the crash first</p>"),
    ];
    assert_eq!(handed(all.clone()), (vec![2, 4, 5], RunStatus::InProgress));
    all.push(comment(6, 14, MAYA, "<p>stop</p>"));
    assert_eq!(handed(all.clone()).1, RunStatus::Stopping);
    all.extend([own(7, 15, 50, MarkKind::Answer), comment(8, 60, MAYA, "<p>too late to belong</p>")]);
    assert_eq!(handed(all), (vec![2, 4, 5, 6, 7], RunStatus::Stopped));
}

#[test]
fn the_next_comments_of_the_person_belong_to_the_conversation_for_a_while() {
    let call = mention(BOT);
    let all = vec![
        comment(1, 0, MAYA, &call),
        own(2, 1, 1, MarkKind::Answer),
        comment(3, 5, BOB, "<p>my view</p>"),
        comment(4, 14, MAYA, "<p>and the other?</p>"),
        own(5, 15, 1, MarkKind::Answer),
        comment(6, 20, MAYA, &format!("<p>{} what do you say?</p>", mention(BOB))),
        comment(7, 31, MAYA, "<p>too late to belong</p>"),
    ];
    assert_eq!(of(1, all), (vec![1, 2, 4, 5], RunStatus::Completed));
}

#[test]
fn what_was_written_long_before_the_last_word_does_not_follow_it() {
    let at = |mins| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(mins);
    let follows = [-16, -15, 0, 15, 16].map(|mins| rule().follows(at(100), at(100 + mins)));
    assert_eq!(follows, [false, true, true, true, false]);
}

#[test]
fn a_reply_belongs_where_it_replies() {
    let call = mention(BOT);
    let all = vec![
        comment(1, 0, MAYA, &call),
        comment(2, 1, MAYA, &call),
        own(3, 2, 1, MarkKind::Answer),
        reply(1, comment(4, 300, BOB, "<p>I have a question, too</p>")),
        reply(3, comment(5, 301, MAYA, "<p>so do I</p>")),
        reply(99, comment(6, 302, MAYA, "<p>in another thread</p>")),
        comment(7, 303, MAYA, "<p>beside it all</p>"),
    ];
    assert_eq!(of(1, all.clone()), (vec![1, 3, 4, 5], RunStatus::InProgress));
    assert_eq!(of(2, all).0, [2]);
}

#[test]
fn a_mention_begins_anew_unless_it_answers_a_question() {
    let call = |words: &str| format!("<p>{} {words}</p>", mention(BOT));
    let all = vec![
        comment(1, 0, MAYA, &call("choose")),
        own(2, 1, 1, MarkKind::Question),
        comment(3, 2_000, MAYA, &call("2")),
        own(4, 2_001, 1, MarkKind::Answer),
        comment(5, 2_002, MAYA, &call("something else")),
        comment(6, 2_003, MAYA, "<p>more of it</p>"),
    ];
    assert_eq!(of(1, all.clone()), (vec![1, 2, 3, 4], RunStatus::Completed));
    assert_eq!(of(5, all), (vec![5, 6], RunStatus::InProgress));
}

#[test]
fn a_stop_ends_the_newest_conversation_and_is_over_with_its_confirmation() {
    let mut all = vec![
        comment(1, 0, MAYA, &mention(BOT)),
        own(2, 1, 1, MarkKind::Progress),
        comment(3, 2, BOB, "<p>@aileron stop</p>"),
    ];
    assert_eq!(of(1, all.clone()), (vec![1, 2, 3], RunStatus::Stopping));
    all[1] = Spoken {
        changed_at: all[2].written_at.map(|at| at + SignedDuration::from_secs(1)),
        ..own(2, 1, 1, MarkKind::Answer)
    };
    assert_eq!(of(1, all.clone()), (vec![1, 3, 2], RunStatus::Stopped), "what is edited counts from its last change");
    all.push(comment(4, 4, MAYA, "<p>stop</p>"));
    assert_eq!(of(1, all).1, RunStatus::Stopped, "there is nothing left to stop");
}

#[test]
fn a_question_waits_and_an_error_ends() {
    let call = comment(1, 0, MAYA, &mention(BOT));
    assert_eq!(of(1, vec![call.clone()]).1, RunStatus::InProgress);
    assert_eq!(of(1, vec![own(2, 1, 1, MarkKind::Question), call.clone()]).1, RunStatus::Awaiting);
    assert_eq!(of(1, vec![call, own(2, 1, 1, MarkKind::Error)]).1, RunStatus::Failed);
}
