//! Who asked, who approved and what became of it, told from journals.

use serde_json::Map;

use super::*;
use crate::domain::{
    ids::{ProjectId, WorkItemId},
    talk::{AssistantMessage, Finish, ToolCall},
    write::{Target, Write, Written},
};

fn opened(author: &str, entitled: bool) -> Entry {
    let said =
        Said { activity: None, by: None, author: Some(author.to_owned()), text: "go".to_owned(), written_at: None };
    Entry::Opened { at: Timestamp::UNIX_EPOCH, turn: None, prompts: vec![said], entitled }
}

fn called(calls: &[(&str, &str, &str)]) -> Entry {
    let call = |(id, name, arguments): &(&str, &str, &str)| ToolCall {
        id: (*id).to_owned(),
        name: (*name).to_owned(),
        arguments: (*arguments).to_owned(),
        raw: Map::new(),
    };
    let message = AssistantMessage { text: String::new(), calls: calls.iter().map(call).collect(), raw: None };
    Entry::Answered { message, finish: Finish::ToolCalls, usage: None }
}

fn planned() -> PlannedWrite {
    let item = Target { project: ProjectId(uuid::Uuid::nil()), id: WorkItemId(uuid::Uuid::nil()) };
    PlannedWrite {
        write: Write::AddComment { item, html: "<p>Hi</p>".to_owned() },
        summary: "Comment on MOB-1".to_owned(),
        changes: Vec::new(),
    }
}

fn intended(call_id: &str) -> Entry {
    Entry::WriteIntended { at: Timestamp::UNIX_EPOCH, call_id: call_id.to_owned(), write: planned(), elsewhere: false }
}

fn done(call_id: &str) -> Entry {
    let receipt = Receipt { write: planned().write, written: Written::done(uuid::Uuid::nil()) };
    result(call_id, "Done.", Some(receipt))
}

fn result(call_id: &str, text: &str, receipt: Option<Receipt>) -> Entry {
    Entry::ToolDone {
        call_id: call_id.to_owned(),
        text: text.to_owned(),
        failed: receipt.is_none(),
        receipt,
        elsewhere: false,
        unknown: false,
    }
}

fn unknown(call_id: &str) -> Entry {
    let (call_id, text) = (call_id.to_owned(), "Error: nobody knows".to_owned());
    Entry::ToolDone { call_id, text, failed: true, receipt: None, elsewhere: false, unknown: true }
}

fn proposed(call_id: &str) -> Entry {
    Entry::WriteProposed { at: Timestamp::UNIX_EPOCH, call_id: call_id.to_owned(), write: planned() }
}

#[test]
fn a_journal_tells_who_asked_who_approved_and_what_became_of_it() {
    let changes = of_journal([
        opened("@maya", false),
        called(&[("a", "add_comment", r#"{"text": "Hi", "reason": "asked for"}"#), ("b", "add_comment", "{}")]),
        proposed("a"),
        proposed("b"),
        opened("@ben", true),
        intended("a"),
        done("a"),
        result("b", "Not done: the person approved other changes.", None),
        opened("@ben", false),
        called(&[("a", "add_comment", "{}"), ("c", "add_comment", "{}")]),
        intended("a"),
        unknown("a"),
        intended("c"),
        result("c", "Error: refused", None),
    ]);
    let told: Vec<_> = changes
        .iter()
        .map(|change| (change.number, change.turn, change.asked_by.join(","), change.approved_by.as_deref()))
        .collect();
    assert_eq!(
        told,
        [(1, 2, "@maya".to_owned(), Some("@ben")), (2, 3, "@ben".to_owned(), None), (3, 3, "@ben".to_owned(), None),]
    );
    assert_eq!(changes[0].reason.as_deref(), Some("asked for"));
    assert!(changes[0].receipt().is_some());
    assert_eq!(changes[1].outcome, Outcome::Unknown);
    assert_eq!(changes[2].outcome, Outcome::NotMade("Error: refused".to_owned()));
}

#[test]
fn only_what_stands_can_be_taken_back_newest_first() {
    let mut journal = vec![
        opened("@maya", false),
        called(&[("a", "add_comment", "{}"), ("b", "add_comment", "{}")]),
        intended("a"),
        done("a"),
        intended("b"),
        done("b"),
        opened("@maya", false),
        called(&[("c", "add_comment", "{}"), ("d", "add_comment", "{}")]),
        intended("c"),
        done("c"),
        intended("d"),
    ];
    let numbers = |journal: &[Entry], everything| {
        let changes = of_journal(journal.to_vec());
        to_take_back(&changes, everything).iter().map(|change| change.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&journal, false), [3], "of the last turn, and only what is known to be done");
    assert_eq!(numbers(&journal, true), [3, 2, 1]);
    journal.extend([
        result("d", "Error: refused", None),
        opened("@maya", false),
        called(&[("u", "undo", "{}")]),
        Entry::Unfolded { call_id: "u".to_owned(), changes: vec![3], note: String::new(), elsewhere: false },
        intended("u#3"),
        done("u#3"),
    ]);
    assert_eq!(numbers(&journal, false), [2, 1], "what was taken back is not taken back again, nor is the taking back");
    assert_eq!(of_journal(journal)[4].undoes, Some(3));
}
