//! The tools that change something beside a work item's fields: under the names people use, only what is
//! the agent's own, once, and told as it turned out.

use std::time::Duration;

use aileron::sandbox::{Breakage, Fault, Status};
use serde_json::{Value, json};

use crate::support::{
    app::{Setup, TestApp},
    model::Turn,
    picture::assert_answered,
};

/// The project's admin asks on MOB-3, and approves what needs it.
async fn ask(app: &TestApp, text: &str) {
    let run = app.mention_as("ada", "MOB-3", text).await;
    let mut ends = 1;
    let mut picture = app.ended(run).await;
    while picture.status == Status::Awaiting {
        app.plane.reply(run, "ada", "yes").await;
        ends += 1;
        picture = app.ended_times(run, ends).await;
    }
    assert_answered(&picture);
}

/// Plays these calls one after the other and gives what the model was told of them.
async fn play(setup: Setup, calls: Vec<(&'static str, Value)>) -> (TestApp, String) {
    let turns: Vec<_> = calls.into_iter().map(|call| Turn::calls([call])).collect();
    let app = setup.script(turns.into_iter().chain([Turn::says("Done.")])).start().await;
    ask(&app, "see to it").await;
    let told = app.told();
    (app, told)
}

fn requests(app: &TestApp, method: &str, path: &str) -> usize {
    app.plane.requests().iter().filter(|request| request.method == method && request.path.contains(path)).count()
}

fn assert_told(told: &str, expected: &[&str]) {
    for text in expected {
        assert!(told.contains(text), "{text:?} is missing in:\n{told}");
    }
}

#[tokio::test]
async fn relations_are_set_and_taken_away_under_their_own_words() {
    let (app, told) = play(
        TestApp::setup().may_write(),
        vec![
            ("relate_work_items", json!({"relation": "blocked by", "other": "MOB-10"})),
            ("relate_work_items", json!({"work_item": "MOB-10", "relation": "blocks", "other": "MOB-3"})),
            ("relate_work_items", json!({"relation": "duplicate", "other": "MOB-10"})),
            ("unrelate_work_items", json!({"work_item": "MOB-10", "other": "MOB-3"})),
            ("unrelate_work_items", json!({"other": "MOB-10"})),
            ("relate_work_items", json!({"relation": "implements", "other": "MOB-10"})),
            ("relate_work_items", json!({"relation": "blocks", "other": "MOB-3"})),
        ],
    )
    .await;
    assert_told(
        &told,
        &[
            "Done: Say that MOB-3 is blocked by MOB-10.",
            "MOB-10 blocks MOB-3 already",
            "MOB-3 is blocked by MOB-10, and Plane keeps one relation",
            "Done: No longer say that MOB-10 blocks MOB-3.",
            "MOB-3 has no relation to MOB-10",
            "There are: blocking, blocked_by",
            "between two different work items",
        ],
    );
    assert_eq!((requests(&app, "POST", "/relations/"), requests(&app, "POST", "/remove/")), (2, 1));
}

#[tokio::test]
async fn links_and_labels_are_made_once_and_what_is_there_is_named() {
    let (app, told) = play(
        TestApp::setup().may_write(),
        vec![
            ("add_link", json!({"url": "https://ci.example/run/7", "title": "CI run"})),
            ("add_link", json!({"url": "https://ci.example/run/7"})),
            ("add_link", json!({"url": "javascript:alert(1)"})),
            ("create_label", json!({"name": "Flaky test", "color": "red"})),
            ("update_work_item", json!({"add_labels": ["flaky test"]})),
            ("create_label", json!({"name": "BUG"})),
            ("create_label", json!({"name": "new", "color": "mauve"})),
        ],
    )
    .await;
    assert_told(
        &told,
        &[
            "Done: Link MOB-3 to https://ci.example/run/7.",
            "has that link already",
            "http or https address",
            "Done: New label \"Flaky test\".",
            "Flaky test",
            "has the label \"bug\" already",
            "\"mauve\" is no colour",
        ],
    );
    assert_eq!((requests(&app, "POST", "/links/"), requests(&app, "POST", "/labels/")), (1, 1));
}

#[tokio::test]
async fn only_comments_of_its_own_are_changed_or_deleted() {
    let (app, told) = play(
        TestApp::setup().may_write(),
        vec![
            ("add_comment", json!({"work_item": "MOB-1", "text": "Seen on **2** phones."})),
            ("edit_comment", json!({"work_item": "MOB-1", "comment": "seen on 2", "text": "Seen on 3 phones."})),
            ("edit_comment", json!({"work_item": "MOB-1", "comment": "3 phones", "text": "Seen on 3 phones."})),
            ("delete_comment", json!({"work_item": "MOB-1", "comment": "the"})),
            ("delete_comment", json!({"work_item": "MOB-1", "comment": "Seen on 3 phones."})),
        ],
    )
    .await;
    assert_told(
        &told,
        &[
            "Done: Change a comment on MOB-1.",
            "- comment: Seen on **2** phones. → Seen on 3 phones.",
            "says that already",
            "None of your comments there has these words. Yours are:\n- Seen on 3 phones.",
            "Done: Delete a comment on MOB-1.",
        ],
    );
    assert!(app.plane.comments(0, "MOB-1").iter().all(|comment| comment.author != "aileron"));
    assert_eq!((requests(&app, "PATCH", "/comments/"), requests(&app, "DELETE", "/comments/")), (1, 1));
}

#[tokio::test]
async fn a_comment_of_somebody_else_is_not_touched_though_plane_would_let_it() {
    let app = TestApp::setup().may_write().start().await;
    let theirs = app.plane.comments(0, "MOB-3").into_iter().next().expect("a comment").id;
    app.model.then([
        Turn::calls([("edit_comment", json!({"comment": theirs.to_string(), "text": "No."}))]),
        Turn::calls([("delete_comment", json!({"comment": theirs.to_string()}))]),
        Turn::says("They are not mine."),
    ]);
    let mentioned = app.mention("MOB-3", "rewrite the first comment").await;
    assert_answered(&app.ended(mentioned.run).await);
    assert_eq!(app.told().matches("somebody else's").count(), 2);
    assert_eq!(requests(&app, "DELETE", "/comments/") + requests(&app, "PATCH", "/comments/"), 0);
}

#[tokio::test]
async fn work_items_are_archived_when_finished_and_deleted_where_plane_lets_it() {
    let (app, told) = play(
        TestApp::setup().may_write(),
        vec![
            ("archive_work_item", json!({})),
            ("update_work_item", json!({"state": "Done"})),
            ("archive_work_item", json!({})),
            ("delete_work_item", json!({"work_item": "MOB-1"})),
            ("create_work_item", json!({"name": "A mistake"})),
            ("delete_work_item", json!({"work_item": "MOB-12"})),
            ("delete_work_item", json!({"work_item": "MOB-12"})),
        ],
    )
    .await;
    assert_told(
        &told,
        &[
            "archives only what is completed",
            "Done: Archive MOB-3.",
            "Only admin or creator can delete",
            "Done as MOB-12",
            "Done: Delete MOB-12",
            "This same call was already made",
        ],
    );
    // Of MOB-1 Plane refuses it, and MOB-12 is deleted once.
    assert_eq!(requests(&app, "DELETE", "/work-items/"), 2);
}

#[tokio::test]
async fn the_work_item_of_the_conversation_is_not_deleted_under_it() {
    let (app, told) =
        play(TestApp::setup().may_write(), vec![("delete_work_item", json!({"work_item": "MOB-3"}))]).await;
    assert_told(&told, &["a person has to delete it"]);
    assert_eq!(requests(&app, "DELETE", "/work-items/"), 0);
}

#[tokio::test]
async fn what_an_edition_does_not_have_is_told_once_and_offered_no_more() {
    let app = TestApp::setup()
        .may_write()
        .script([
            Turn::calls([("relate_work_items", json!({"relation": "blocks", "other": "MOB-10"}))]),
            Turn::calls([("unrelate_work_items", json!({"other": "MOB-10"}))]),
            Turn::calls([("unrelate_work_items", json!({"work_item": "MOB-10", "other": "MOB-3"}))]),
            Turn::says("It cannot be removed here."),
        ])
        .start()
        .await;
    let body = r#"{"error": "Page not found."}"#.to_owned();
    let missing = Breakage::Status { code: 404, retry_after: None, body };
    app.plane.inject(Fault::new("POST", "/relations/remove/", 1, missing));
    let mentioned = app.mention("MOB-3", "it does not block it after all").await;
    assert_answered(&app.ended(mentioned.run).await);
    assert_eq!(app.told().matches("no way to remove a relation").count(), 2);
    assert_eq!(requests(&app, "POST", "/remove/"), 1, "it is not tried again");
    let offered =
        app.model.requests().iter().map(|request| request.tools().contains(&"unrelate_work_items")).collect::<Vec<_>>();
    assert_eq!(offered, [true, true, false, false]);
}

#[tokio::test]
async fn a_deed_whose_connection_breaks_is_made_once() {
    let deeds = [
        ("relate_work_items", json!({"relation": "relates to", "other": "MOB-10"}), "POST", "/relations/"),
        ("add_link", json!({"url": "https://ci.example/run/7"}), "POST", "/links/"),
        ("create_label", json!({"name": "flaky"}), "POST", "/labels/"),
    ];
    let calls = || deeds.clone().map(|(tool, arguments, ..)| (tool, arguments));
    for late in [false, true] {
        let app = TestApp::setup()
            .may_write()
            .set("AILERON__PLANE__SETTLE_MS", "1000")
            .script([Turn::calls(calls()), Turn::says("Done.")])
            .start()
            .await;
        for (_, _, method, path) in &deeds {
            let breakage = if late {
                Breakage::ResetAndLateEffect(Duration::from_millis(300))
            } else {
                Breakage::ResetBeforeEffect
            };
            app.plane.inject(Fault::new(method, path, 1, breakage));
        }
        let mentioned = app.mention("MOB-3", "see to it").await;
        assert_answered(&app.ended(mentioned.run).await);
        let told = app.told();
        assert_eq!(told.matches("Done: ").count(), 3, "{told}");
        for (tool, _, method, path) in &deeds {
            assert_eq!(requests(&app, method, path), if late { 1 } else { 2 }, "{tool}");
        }
    }
}

#[tokio::test]
async fn a_work_item_is_moved_between_cycles_and_put_into_modules_by_their_names() {
    let (app, told) = play(
        TestApp::setup().may_write(),
        vec![
            ("change_cycle", json!({"work_item": "MOB-1", "cycle": "sprint 13"})),
            ("change_cycle", json!({"work_item": "MOB-1", "cycle": "Sprint 13"})),
            ("change_cycle", json!({"work_item": "MOB-1", "cycle": "none"})),
            ("change_cycle", json!({"work_item": "mob-1", "cycle": "none"})),
            ("change_cycle", json!({"cycle": "current"})),
            ("change_cycle", json!({"cycle": "Sprint 11"})),
            ("change_cycle", json!({"cycle": "Sprint 99"})),
            ("change_module", json!({"module": "accessibility"})),
            ("change_module", json!({"module": "Accessibility"})),
            ("change_module", json!({"module": "Checkout", "remove": true})),
            ("change_module", json!({"module": "Accessibility", "remove": true})),
        ],
    )
    .await;
    assert_told(
        &told,
        &[
            "Done: Put MOB-1 into Sprint 13.\n- cycle: Sprint 12 → Sprint 13",
            "MOB-1 is in Sprint 13 already",
            "Done: Take MOB-1 out of Sprint 13.\n- cycle: Sprint 13 → none",
            "MOB-1 was found in no cycle",
            "Done: Put MOB-3 into Sprint 12.\n- cycle: none → Sprint 12",
            "Sprint 11 is over",
            "no cycle \"Sprint 99\"",
            "Done: Put MOB-3 into the module Accessibility.",
            "MOB-3 is in the module Accessibility already",
            "MOB-3 is not in the module Checkout",
            "Done: Take MOB-3 out of the module Accessibility.",
        ],
    );
    assert_eq!((requests(&app, "POST", "-issues/"), requests(&app, "DELETE", "-issues/")), (3, 2));
}

#[tokio::test]
async fn the_intake_is_read_and_decided_by_an_admin() {
    let app = TestApp::setup().may_write().start().await;
    app.plane.set_role(0, "aileron", 20);
    let [first, second, third, fourth] = ["One", "Two", "Three", "Four"]
        .map(|name| app.plane.report(0, "luis", &format!("{name} is broken"), "<p>It <b>does not</b> start.</p>"));
    app.model.then([
        Turn::calls([("list_intake", json!({}))]),
        Turn::calls([("list_intake", json!({"work_item": first}))]),
        Turn::calls([("triage_intake", json!({"work_item": first, "decision": "accept"}))]),
        Turn::calls([("read_work_item", json!({"key": first}))]),
        Turn::calls([("triage_intake", json!({"work_item": second, "decision": "decline"}))]),
        Turn::calls([("triage_intake", json!({"work_item": third, "decision": "duplicate", "duplicate_of": "MOB-3"}))]),
        Turn::calls([("triage_intake", json!({"work_item": fourth, "decision": "snooze", "until": "2031-01-31"}))]),
        Turn::calls([("triage_intake", json!({"work_item": fourth, "decision": "snooze", "until": "2020-01-31"}))]),
        Turn::calls([("triage_intake", json!({"work_item": third, "decision": "duplicate"}))]),
        Turn::calls([("triage_intake", json!({"work_item": "MOB-3", "decision": "accept"}))]),
        Turn::calls([("triage_intake", json!({"work_item": first, "decision": "decline"}))]),
        Turn::calls([("list_intake", json!({}))]),
        Turn::calls([("list_intake", json!({"decided": true}))]),
        Turn::says("Decided."),
    ]);
    ask(&app, "go through the intake").await;
    let told = app.told();
    assert_told(
        &told,
        &[
            &format!("{first} · One is broken · priority none · by @luis"),
            "It **does not** start.",
            &format!("Done: Accept {first}.\n- intake: pending → accepted"),
            &format!("Done: Decline {second}."),
            &format!("Done: Mark {third} as a duplicate of MOB-3."),
            &format!("Done: Snooze {fourth} until 2031-01-31."),
            "until must be a day to come",
            "duplicate_of must name",
            "\"MOB-3\" is not in the intake. Nothing waits there.",
            &format!("{first} is accepted already"),
            "Nothing waits in the intake.\n[4 more were decided already]",
            "snoozed",
        ],
    );
}

#[tokio::test]
async fn a_decision_that_plane_drops_is_told_as_not_taken() {
    let app = TestApp::setup().may_write().start().await;
    let key = app.plane.report(0, "luis", "It is broken", "<p></p>");
    app.model.then([
        Turn::calls([("triage_intake", json!({"work_item": key, "decision": "accept"}))]),
        Turn::calls([("list_intake", json!({}))]),
        Turn::says("An admin has to accept it."),
    ]);
    ask(&app, "accept it").await;
    let told = app.told();
    assert_told(&told, &["did not take: the decision (Plane lets only admins", "It is broken · priority none"]);
}

#[tokio::test]
async fn a_page_is_written_once_and_not_where_there_are_none() {
    let page = json!({"name": "Release notes", "text": "# 2.1\n\n- **Login** is fixed"});
    let app = TestApp::setup()
        .may_write()
        .set("AILERON__PLANE__SETTLE_MS", "800")
        .script([
            Turn::calls([("create_page", page.clone())]),
            Turn::calls([("create_page", json!({"name": "Release  notes", "text": "Other words"}))]),
            Turn::says("Written."),
        ])
        .start()
        .await;
    // Plane keeps no two pages of one key apart, so it has to be seen that the first one came through.
    app.plane.inject(Fault::new("POST", "/pages/", 1, Breakage::ResetAndLateEffect(Duration::from_millis(300))));
    ask(&app, "write the release notes").await;
    assert_told(
        &app.told(),
        &["Done: New page \"Release notes\".", "There is a page called \"Release notes\" already"],
    );
    assert_eq!(requests(&app, "POST", "/pages/"), 1);

    let app = TestApp::setup().may_write().start().await;
    let body = r#"{"error": "Page not found."}"#.to_owned();
    let missing = Breakage::Status { code: 404, retry_after: None, body };
    app.plane.inject(Fault::new("GET", "/pages/", 1, missing));
    app.model.then([Turn::calls([("create_page", page)]), Turn::says("There are none.")]);
    ask(&app, "write the release notes").await;
    assert_told(&app.told(), &["does not show pages"]);
    let last = app.model.requests().pop().expect("a call of the model");
    assert!(!last.tools().contains(&"create_page"));
}

#[tokio::test]
async fn an_estimate_is_set_and_emptied_by_its_value() {
    let (app, told) = play(
        TestApp::setup().may_write(),
        vec![
            ("update_work_item", json!({"estimate": "5"})),
            ("update_work_item", json!({"estimate": "4"})),
            ("create_work_item", json!({"name": "Small", "estimate": "1"})),
        ],
    )
    .await;
    let none = "no estimate \"4\". There are: 1, 2, 3, 5, 8.";
    assert_told(&told, &["- estimate: none → 5", none, "- estimate: none → 1"]);
    app.model.then([Turn::calls([("update_work_item", json!({"estimate": "none"}))]), Turn::says("Emptied.")]);
    ask(&app, "no estimate after all").await;
    assert_told(&app.told(), &["- estimate: 5 → none"]);
    assert_eq!(requests(&app, "GET", "/estimates/"), 2, "the values are remembered");

    let body = r#"{"error": "Page not found."}"#.to_owned();
    let missing = Breakage::Status { code: 404, retry_after: None, body };
    let app = TestApp::setup().may_write().start().await;
    app.plane.inject(Fault::new("GET", "/estimates/", 1, missing));
    app.model.then([
        Turn::calls([("update_work_item", json!({"estimate": "5"}))]),
        Turn::calls([("update_work_item", json!({"estimate": "3"}))]),
        Turn::says("It is not possible here."),
    ]);
    ask(&app, "estimate it").await;
    let missing = "does not tell through its API which estimates there are";
    assert_eq!(app.told().matches(missing).count(), 2);
    assert_eq!(requests(&app, "GET", "/estimates/"), 1);
}
