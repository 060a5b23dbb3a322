//! Changes of the tracker: made where they are permitted, told as they turned out, and never twice.

use std::time::Duration;

use aileron::sandbox::{Breakage, Fault};
use serde_json::json;

use crate::support::{
    LIMIT,
    app::{Setup, TestApp},
    model::Turn,
    picture::{assert_answered, assert_ended},
};

fn may_write() -> Setup {
    TestApp::setup().set("AILERON__AGENT__WRITES", "allow").set("AILERON__PLANE__SETTLE_MS", "50")
}

#[tokio::test]
async fn without_leave_nothing_that_changes_anything_is_offered() {
    let app = TestApp::start([
        Turn::calls([("update_work_item", json!({"priority": "high"}))]),
        Turn::says("I cannot change it."),
    ])
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
    let told = app.model.requests().last().expect("two calls").texts("tool").join("\n");
    assert!(told.contains("There is no tool named"), "{told}");
    assert!(!app.plane.requests().iter().any(|request| request.method == "PATCH"));
}

#[tokio::test]
async fn what_is_asked_for_is_done_under_the_names_people_use_and_told_as_it_turned_out() {
    let app = may_write()
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
    let told = app.model.requests().last().expect("two calls").texts("tool").join("\n");
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
    let results: Vec<_> =
        picture.actions().iter().filter_map(|action| action.parameters.get("result")).cloned().collect();
    assert!(results.iter().any(|result| result == "done"), "{}", picture.to_text());
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_answered_with_those_that_do() {
    let app = may_write()
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
    let told = app.model.requests().last().expect("two calls").texts("tool").join("\n");
    for expected in ["urgent, high", "In Progress", "bug", "maya", "2026-12-24", "another work item", "between 1 and"] {
        assert!(told.contains(expected), "{expected:?} is missing:\n{told}");
    }
    assert!(!app.plane.requests().iter().any(|request| request.method == "PATCH"), "nothing is changed");
}

#[tokio::test]
async fn what_plane_accepts_and_does_not_do_is_told_as_not_done() {
    // Guests cannot be assigned, and Plane says so to no one.
    let app = may_write()
        .script([
            Turn::calls([("update_work_item", json!({"priority": "high", "add_assignees": ["luis"]}))]),
            Turn::says("Luis cannot be assigned."),
        ])
        .start()
        .await;
    let mentioned = app.mention("MOB-3", "give it to Luis").await;
    let picture = app.ended(mentioned.run).await;
    assert_answered(&picture);
    let told = app.model.requests().last().expect("two calls").texts("tool").join("\n");
    assert!(told.contains("did not take: assignees"), "{told}");
    let shown = picture.actions().into_iter().filter_map(|action| action.parameters.get("result")).next_back();
    assert_eq!(shown.map(String::as_str), Some("done, except assignees"));
}

#[tokio::test]
async fn a_create_that_takes_effect_long_after_its_connection_broke_is_not_made_twice() {
    // The look-up waits longer than the first attempt needs to come through.
    let app = may_write()
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
    let app = may_write()
        .set("AILERON__PLANE__SETTLE_MS", "1500")
        .script([Turn::calls([("update_work_item", json!({"priority": "high"}))]), Turn::says("Someone was faster.")])
        .start()
        .await;
    app.plane.inject(Fault::new("PATCH", "/work-items/", 1, Breakage::ResetBeforeEffect));
    let mentioned = app.mention("MOB-3", "raise this").await;
    let tried = |plane: &aileron::sandbox::Sandbox| plane.requests().iter().any(|request| request.method == "PATCH");
    assert!(app.plane.until_all(tried, LIMIT).await, "the change is tried");
    app.plane.set_priority(0, "MOB-3", "low");
    assert_answered(&app.ended(mentioned.run).await);
    let told = app.model.requests().last().expect("two calls").texts("tool").join("\n");
    assert!(told.contains("someone else changed priority"), "{told}");
    assert!(app.plane.written_by(mentioned.run).contains(", low, "), "what the person set stays");
}

#[tokio::test]
async fn a_stop_before_a_change_keeps_it_from_being_made() {
    let app = may_write()
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
