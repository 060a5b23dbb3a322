//! Changes of the tracker: made where they are permitted, told as they turned out, and never twice.

use std::time::Duration;

use aileron::sandbox::{Breakage, Fault, Sandbox};
use serde_json::json;

use crate::support::{
    LIMIT,
    app::TestApp,
    model::Turn,
    picture::{assert_answered, assert_ended},
};

const POST_COMMENT: (&str, &str) = ("POST", "/comments/");
const POST_ITEM: (&str, &str) = ("POST", "/work-items/");

fn limited_for(secs: u64) -> Breakage {
    Breakage::Status { code: 429, retry_after: Some(secs), body: "{}".to_owned() }
}

/// How often such a request has arrived.
fn arrived(plane: &Sandbox, (method, path): (&str, &str)) -> usize {
    plane.requests().iter().filter(|request| request.method == method && request.path.ends_with(path)).count()
}

async fn until_arrived(app: &TestApp, what: (&str, &str), times: usize) {
    assert!(
        app.plane.until_all(|plane| arrived(plane, what) >= times, LIMIT).await,
        "{what:?} never came {times} times"
    );
}

#[tokio::test]
async fn without_leave_nothing_that_changes_anything_is_offered() {
    let app = TestApp::setup()
        .set("AILERON__AGENT__WRITES", "deny")
        .script([Turn::calls([("update_work_item", json!({"priority": "high"}))]), Turn::says("I cannot change it.")])
        .start()
        .await;
    let mentioned = app.mention("MOB-3", "raise this").await;
    let picture = app.ended(mentioned.run).await;
    assert_ended(&picture, "response", "completed");
    for request in app.model.requests() {
        for tool in ["add_comment", "create_work_item", "update_work_item"] {
            assert!(!request.tools().contains(&tool), "{tool} is offered");
        }
        assert!(request.tools().contains(&"read_work_item"));
    }
    // A model that calls it all the same is told that there is no such tool.
    let told = app.told();
    assert!(told.contains("There is no tool named"), "{told}");
    assert!(!app.plane.requests().iter().any(|request| request.method == "PATCH"));
}

#[tokio::test]
async fn what_is_asked_for_is_done_under_the_names_people_use_and_told_as_it_turned_out() {
    let app = TestApp::setup()
        .may_write()
        .script([
            Turn::calls([
                ("update_work_item", json!({"priority": "HIGH", "state": "in progress", "add_labels": ["Bug"]})),
                (
                    "create_work_item",
                    json!({"name": "Test the crash", "description": "See **MOB-3**.", "assignees": ["Maya Lindqvist"]}),
                ),
                ("add_comment", json!({"work_item": "MOB-1", "text": "Ask @bob about <script>x</script>."})),
            ]),
            Turn::says("Done."),
        ])
        .start()
        .await;
    let mentioned = app.mention("MOB-3", "begin with this").await;
    let picture = app.ended(mentioned.run).await;
    assert_answered(&picture);
    let told = app.told();
    assert!(told.contains("Done: Change MOB-3."), "{told}");
    assert!(told.contains("- priority: ") && told.contains("→ high") && told.contains("→ In Progress"), "{told}");
    assert!(told.contains("New work item \"Test the crash\"") && told.contains(" as MOB-"), "{told}");
    let written = app.plane.written_by(mentioned.run);
    assert!(written.contains("high, In Progress") && written.contains("bug"), "{written}");
    assert!(written.contains("<strong>MOB-3</strong>") && written.contains("assignees [\"maya\"]"), "{written}");
    let comment = app.plane.comments(0, "MOB-1").into_iter().next_back().expect("a comment");
    assert!(comment.html.contains("mention-component") && !comment.html.contains("<script"), "{}", comment.html);
    assert_eq!(comment.external_source.as_deref(), Some("aileron"));
    assert!(comment.external_id.is_some_and(|id| id.starts_with(&mentioned.run.to_string())));
    let shown: Vec<_> = picture.actions().iter().flat_map(|action| action.parameters.values().cloned()).collect();
    assert!(shown.iter().any(|told| told.contains("done: MOB-")), "{}", picture.to_text());
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_answered_with_those_that_do() {
    let app = TestApp::setup()
        .may_write()
        .script([
            Turn::calls([
                ("update_work_item", json!({"priority": "critical"})),
                ("update_work_item", json!({"state": "Doing"})),
                ("update_work_item", json!({"add_labels": ["bgu"]})),
                ("update_work_item", json!({"add_assignees": ["@mayo"]})),
                ("update_work_item", json!({"due_date": "next week"})),
                ("update_work_item", json!({"parent": "MOB-3"})),
                ("add_comment", json!({"text": "  "})),
            ]),
            Turn::says("None of it exists."),
        ])
        .start()
        .await;
    let mentioned = app.mention("MOB-3", "change it").await;
    assert_answered(&app.ended(mentioned.run).await);
    let told = app.told();
    for expected in ["urgent, high", "In Progress", "bug", "maya", "2026-12-24", "another work item", "between 1 and"] {
        assert!(told.contains(expected), "{expected:?} is missing:\n{told}");
    }
    assert!(!app.plane.requests().iter().any(|request| request.method == "PATCH"), "nothing is changed");
}

#[tokio::test]
async fn what_plane_accepts_and_does_not_do_is_told_as_not_done() {
    // Guests cannot be assigned, and Plane says so to no one.
    let app = TestApp::setup()
        .may_write()
        .script([
            Turn::calls([("update_work_item", json!({"priority": "high", "add_assignees": ["luis"]}))]),
            Turn::says("Luis cannot be assigned."),
        ])
        .start()
        .await;
    let mentioned = app.mention("MOB-3", "give it to Luis").await;
    let picture = app.ended(mentioned.run).await;
    assert_answered(&picture);
    let told = app.told();
    assert!(told.contains("did not take: assignees"), "{told}");
    let shown = picture.actions().into_iter().filter_map(|action| action.parameters.get("result")).next_back();
    assert_eq!(shown.map(String::as_str), Some("done, except assignees"));
}

#[tokio::test]
async fn a_create_that_takes_effect_long_after_its_connection_broke_is_not_made_twice() {
    // The look-up waits longer than the first attempt needs to come through.
    let app = TestApp::setup()
        .may_write()
        .set("AILERON__PLANE__SETTLE_MS", "1500")
        .script([
            Turn::calls([
                ("create_work_item", json!({"name": "Only once"})),
                ("add_comment", json!({"work_item": "MOB-1", "text": "Only once."})),
            ]),
            Turn::says("Done."),
        ])
        .start()
        .await;
    let late = || Breakage::ResetAndLateEffect(Duration::from_millis(500));
    app.plane.inject(Fault::new("POST", "/work-items/", 1, late()));
    app.plane.inject(Fault::new("POST", "/comments/", 1, late()));
    let mentioned = app.mention("MOB-3", "file this").await;
    assert_answered(&app.ended(mentioned.run).await);
    let written = app.plane.written_by(mentioned.run);
    assert_eq!(written.matches("Only once").count(), 2, "{written}");
}

#[tokio::test]
async fn a_change_somebody_else_has_overtaken_is_not_forced_and_told() {
    let app = TestApp::setup()
        .may_write()
        .set("AILERON__PLANE__SETTLE_MS", "1500")
        .script([Turn::calls([("update_work_item", json!({"priority": "high"}))]), Turn::says("Someone was faster.")])
        .start()
        .await;
    app.plane.inject(Fault::new("PATCH", "/work-items/", 1, Breakage::ResetBeforeEffect));
    let mentioned = app.mention("MOB-3", "raise this").await;
    let tried = |plane: &Sandbox| plane.requests().iter().any(|request| request.method == "PATCH");
    assert!(app.plane.until_all(tried, LIMIT).await, "the change is tried");
    app.plane.set_priority(0, "MOB-3", "low");
    assert_answered(&app.ended(mentioned.run).await);
    let told = app.told();
    assert!(told.contains("Not done: someone else has changed priority"), "{told}");
    assert!(app.plane.written_by(mentioned.run).contains(", low, "), "what the person set stays");
}

#[tokio::test]
async fn the_time_to_settle_counts_from_the_end_of_an_attempt_and_not_from_its_beginning() {
    // The first request only learns of the limit; the second is on its way for long after its connection broke.
    let app = TestApp::setup()
        .may_write()
        .set("AILERON__PLANE__SETTLE_MS", "1500")
        .script([Turn::calls([("create_work_item", json!({"name": "Only once"}))]), Turn::says("Done.")])
        .start()
        .await;
    app.plane.inject(Fault::new("POST", "/work-items/", 1, limited_for(2)));
    let late = Breakage::ResetAndLateEffect(Duration::from_millis(500));
    app.plane.inject(Fault::new("POST", "/work-items/", 1, late));
    let mentioned = app.mention("MOB-3", "file this").await;
    assert_answered(&app.ended(mentioned.run).await);
    let written = app.plane.written_by(mentioned.run);
    assert_eq!(written.matches("Only once").count(), 1, "{written}");
}

#[tokio::test]
async fn a_kill_right_after_a_create_was_sent_does_not_make_it_twice() {
    let mut app = TestApp::setup()
        .may_write()
        .set("AILERON__PLANE__SETTLE_MS", "1500")
        .script([Turn::calls([("create_work_item", json!({"name": "Only once"}))]), Turn::says("Done.")])
        .start()
        .await;
    app.plane.inject(Fault::new("POST", "/work-items/", 1, limited_for(2)));
    let late = Breakage::ResetAndLateEffect(Duration::from_millis(1200));
    app.plane.inject(Fault::new("POST", "/work-items/", 1, late));
    let mentioned = app.mention("MOB-3", "file this").await;
    until_arrived(&app, POST_ITEM, 2).await;
    app.kill().await;
    app.serve().await;
    assert_answered(&app.ended(mentioned.run).await);
    let written = app.plane.written_by(mentioned.run);
    assert_eq!(written.matches("Only once").count(), 1, "{written}");
}

#[tokio::test]
async fn a_change_that_waits_for_its_turn_is_not_made_after_a_stop() {
    let app =
        TestApp::setup().may_write().script([Turn::calls([("add_comment", json!({"text": "late"}))])]).start().await;
    app.plane.inject(Fault::new("POST", "/comments/", 1, limited_for(3)));
    let mentioned = app.mention("MOB-3", "comment").await;
    until_arrived(&app, POST_COMMENT, 1).await;
    app.stop(mentioned.run).await;
    let picture = app.ended(mentioned.run).await;
    let body = assert_ended(&picture, "response", "stopped");
    assert!(!body.contains("cannot tell"), "nothing was sent, so nothing is unsure: {body}");
    app.fence().await;
    assert_eq!(arrived(&app.plane, POST_COMMENT), 1);
    assert!(!app.plane.written_by(mentioned.run).contains("late"));
}

#[tokio::test]
async fn while_a_change_ends_after_a_stop_nothing_but_the_confirmation_is_said() {
    let app =
        TestApp::setup().may_write().script([Turn::calls([("add_comment", json!({"text": "first"}))])]).start().await;
    app.plane.inject(Fault::new("POST", "/comments/", 1, Breakage::Delay(Duration::from_millis(900))));
    let mentioned = app.mention("MOB-3", "comment").await;
    until_arrived(&app, POST_COMMENT, 1).await;
    app.stop(mentioned.run).await;
    let picture = app.ended(mentioned.run).await;
    let stopped_at = picture.activities.iter().position(|activity| activity.signal == "stop").expect("the stop");
    let after: Vec<_> = picture.activities[stopped_at + 1..].iter().map(|activity| activity.kind.as_str()).collect();
    assert_eq!(after, ["response"], "{}", picture.to_text());
    assert!(app.plane.written_by(mentioned.run).contains("first"));
}

#[tokio::test]
async fn what_a_stop_leaves_unknown_is_named() {
    let app = TestApp::setup()
        .may_write()
        .set("AILERON__PLANE__SETTLE_MS", "20000")
        .script([Turn::calls([("add_comment", json!({"work_item": "MOB-1", "text": "Made it."}))])])
        .start()
        .await;
    app.plane.inject(Fault::new("POST", "/comments/", 1, Breakage::ResetAfterEffect));
    let mentioned = app.mention("MOB-3", "note").await;
    let broken = |plane: &Sandbox| plane.comments(0, "MOB-1").iter().any(|comment| comment.html.contains("Made it."));
    assert!(app.plane.until_all(broken, LIMIT).await, "the comment is made");
    app.stop(mentioned.run).await;
    let body = assert_ended(&app.ended(mentioned.run).await, "response", "stopped");
    assert!(body.contains("cannot tell") && body.contains("Comment on MOB-1"), "{body}");
}

#[tokio::test]
async fn what_cannot_be_looked_up_is_told_as_unknown_and_not_tried_again() {
    let app = TestApp::setup()
        .may_write()
        .script([
            Turn::calls([("add_comment", json!({"work_item": "MOB-1", "text": "Made it."}))]),
            Turn::calls([("add_comment", json!({"work_item": "MOB-1", "text": "Made it."}))]),
            Turn::says("Please look."),
        ])
        .start()
        .await;
    let item = app.plane.workspace(0).work_items["MOB-1"];
    let forbidden = r#"{"detail":"You do not have permission to perform this action."}"#.to_owned();
    app.plane.inject(Fault::new("POST", "/comments/", 1, Breakage::ResetAfterEffect));
    let refused = Breakage::Status { code: 403, retry_after: None, body: forbidden };
    app.plane.inject(Fault::new("GET", &format!("{item}/comments/"), 1, refused));
    let mentioned = app.mention("MOB-3", "note").await;
    assert_answered(&app.ended(mentioned.run).await);
    let told = app.told();
    assert!(told.contains("It is unknown whether this was carried out"), "{told}");
    assert!(told.contains("already made in this turn"), "{told}");
    assert_eq!(app.plane.written_by(mentioned.run).matches("Made it.").count(), 1);
    let audit = app.command(&["audit"]).await.stdout;
    assert!(audit.contains("Comment on MOB-1: unknown: Plane did not say"), "{audit}");
}

#[tokio::test]
async fn a_change_begun_before_writing_was_switched_off_is_looked_up_and_not_made() {
    for was_made in [true, false] {
        let mut app = TestApp::setup()
            .may_write()
            .script([
                Turn::calls([("add_comment", json!({"work_item": "MOB-1", "text": "Begun."}))]),
                Turn::says("So."),
            ])
            .start()
            .await;
        let fault = if was_made { Breakage::Delay(Duration::from_secs(60)) } else { limited_for(20) };
        app.plane.inject(Fault::new("POST", "/comments/", 1, fault));
        let mentioned = app.mention("MOB-3", "note").await;
        until_arrived(&app, POST_COMMENT, 1).await;
        app.kill().await;
        app.set("AILERON__AGENT__WRITES", "deny");
        app.serve().await;
        assert_answered(&app.ended(mentioned.run).await);
        let told = app.told();
        assert!(told.contains(if was_made { "Done: Comment on MOB-1" } else { "switched off" }), "{told}");
        assert_eq!(app.plane.written_by(mentioned.run).matches("Begun.").count(), usize::from(was_made));
    }
}

#[tokio::test]
async fn the_same_change_asked_for_twice_is_made_once() {
    let twice = || Turn::calls([("add_comment", json!({"work_item": "MOB-1", "text": "Twice?"}))]);
    let app = TestApp::setup().may_write().script([twice(), twice(), Turn::says("Once.")]).start().await;
    let mentioned = app.mention("MOB-3", "note").await;
    assert_answered(&app.ended(mentioned.run).await);
    assert_eq!(app.plane.written_by(mentioned.run).matches("Twice?").count(), 1);
    assert!(app.told().contains("already made in this turn"));
}

#[tokio::test]
async fn what_was_just_made_is_seen_in_the_next_turn() {
    let app = TestApp::setup()
        .may_write()
        .script([
            Turn::calls([("create_work_item", json!({"name": "The first part", "parent": "MOB-3"}))]),
            Turn::says("Made."),
            Turn::says("There is one part."),
        ])
        .start()
        .await;
    let mentioned = app.mention("MOB-3", "break this down").await;
    app.ended(mentioned.run).await;
    app.reply(mentioned.run, "which parts are there?").await;
    app.ended_times(mentioned.run, 2).await;
    let shown = app.model.requests().last().expect("a call of the model").texts("user").join("\n");
    assert!(shown.contains("The first part"), "the new child is missing in\n{shown}");
}

#[tokio::test]
async fn empty_texts_of_a_model_mean_nothing() {
    let app = TestApp::setup().may_write()
        .script([
            Turn::calls([(
                "create_work_item",
                json!({"name": "On its own", "parent": "", "state": " ", "due_date": "", "assignees": [""], "labels": [""]}),
            )]),
            Turn::says("Done."),
        ])
        .start()
        .await;
    let mentioned = app.mention("MOB-3", "file this").await;
    assert_answered(&app.ended(mentioned.run).await);
    let requests = app.plane.requests();
    let created = requests.iter().find(|request| request.method == "POST" && request.path.ends_with("/work-items/"));
    let body = created.and_then(|request| request.body.clone()).expect("a create");
    for field in ["parent", "state", "target_date", "assignees", "labels"] {
        assert!(body.get(field).is_none(), "{field} in {body}");
    }
}

#[tokio::test]
async fn a_stop_before_a_change_keeps_it_from_being_made() {
    let app = TestApp::setup()
        .may_write()
        .script([Turn::calls([("add_comment", json!({"text": "first"})), ("add_comment", json!({"text": "second"}))])])
        .start()
        .await;
    // The first change is under way, slowly, when the stop comes.
    app.plane.inject(Fault::new("POST", "/comments/", 1, Breakage::Delay(Duration::from_millis(400))));
    let mentioned = app.mention("MOB-3", "comment twice").await;
    let begun = |plane: &aileron::sandbox::Sandbox| {
        plane.requests().iter().any(|request| request.method == "POST" && request.path.ends_with("/comments/"))
    };
    assert!(app.plane.until_all(begun, LIMIT).await, "the first change is begun");
    app.stop(mentioned.run).await;
    let picture = app.ended(mentioned.run).await;
    assert_ended(&picture, "response", "stopped");
    app.fence().await;
    let written = app.plane.written_by(mentioned.run);
    assert!(written.contains("first") && !written.contains("second"), "{written}");
}
