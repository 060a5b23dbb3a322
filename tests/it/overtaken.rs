//! What people change while a change of the agent's waits is theirs: it is left as it is, and the model is told.

use aileron::sandbox::{Breakage, Fault, Sandbox};
use serde_json::json;

use crate::support::{LIMIT, app::TestApp, model::Turn, picture::assert_answered};

fn limited_for(secs: u64) -> Breakage {
    Breakage::Status { code: 429, retry_after: Some(secs), body: "{}".to_owned() }
}

fn refused(plane: &Sandbox) -> bool {
    plane.requests().iter().any(|request| request.status == 429)
}

fn sent(app: &TestApp, method: &str) -> usize {
    app.plane.requests().iter().filter(|request| request.method == method && request.status == 200).count()
}

#[tokio::test]
async fn a_label_somebody_adds_while_a_change_waits_out_a_limit_is_kept() {
    let add = || Turn::calls([("update_work_item", json!({"add_labels": ["performance"]}))]);
    let app = TestApp::setup().may_write().script([add(), add(), Turn::says("Labelled.")]).start().await;
    app.plane.inject(Fault::new("PATCH", "/work-items/", 1, limited_for(1)));
    let mentioned = app.mention("MOB-3", "label this").await;
    assert!(app.plane.until_all(refused, LIMIT).await, "the change is tried");
    app.plane.put_label(0, "MOB-3", "good-first-task");
    assert_answered(&app.ended(mentioned.run).await);
    let told = app.told();
    assert!(told.contains("Not done: someone else has changed labels"), "{told}");
    // Called again, it begins with what is there by now.
    assert!(told.contains("Done: Change MOB-3."), "{told}");
    let written = app.plane.written_by(mentioned.run);
    assert!(written.contains("\"good-first-task\"") && written.contains("\"performance\""), "{written}");
    let audit = app.command(&["audit"]).await.stdout;
    assert!(audit.contains("not done: somebody had changed labels") && audit.contains("good-first-task"), "{audit}");
}

#[tokio::test]
async fn what_somebody_sets_while_a_change_waits_out_a_limit_is_never_told_as_the_agents_doing() {
    for theirs in ["low", "high"] {
        let raise = Turn::calls([("update_work_item", json!({"priority": "high"}))]);
        let app = TestApp::setup().may_write().script([raise, Turn::says("Someone was faster.")]).start().await;
        app.plane.inject(Fault::new("PATCH", "/work-items/", 1, limited_for(1)));
        let mentioned = app.mention("MOB-3", "raise this").await;
        assert!(app.plane.until_all(refused, LIMIT).await, "the change is tried");
        app.plane.set_priority(0, "MOB-3", theirs);
        assert_answered(&app.ended(mentioned.run).await);
        let told = app.told();
        assert!(told.contains("Not done: someone else has changed priority"), "{theirs}: {told}");
        assert_eq!(sent(&app, "PATCH"), 0, "{theirs}");
        assert!(app.plane.written_by(mentioned.run).contains(&format!(", {theirs}, ")), "what they set stays");
    }
}

#[tokio::test]
async fn a_change_nobody_has_overtaken_is_made_once_the_limit_is_over() {
    let raise = Turn::calls([("update_work_item", json!({"priority": "high", "add_labels": ["performance"]}))]);
    let app = TestApp::setup().may_write().script([raise, Turn::says("Raised.")]).start().await;
    app.plane.inject(Fault::new("PATCH", "/work-items/", 1, limited_for(1)));
    let mentioned = app.mention("MOB-3", "raise this").await;
    assert_answered(&app.ended(mentioned.run).await);
    assert!(app.told().contains("Done: Change MOB-3."));
    assert_eq!(sent(&app, "PATCH"), 1);
}

#[tokio::test]
async fn what_somebody_sets_while_a_change_is_kept_waiting_before_it_is_sent_stays() {
    let raise = Turn::calls([("update_work_item", json!({"priority": "high", "add_labels": ["performance"]}))]);
    let app = TestApp::setup().may_write().script([raise, Turn::says("Someone was faster.")]).start().await;
    // The work item has been read by then, and everything else waits.
    app.plane.inject(Fault::new("GET", "/labels/", 1, limited_for(4)));
    let mentioned = app.mention("MOB-3", "raise this").await;
    assert!(app.plane.until_all(refused, LIMIT).await, "the labels are asked for");
    app.plane.set_priority(0, "MOB-3", "low");
    assert_answered(&app.ended(mentioned.run).await);
    let told = app.told();
    assert!(told.contains("Not done: someone else has changed priority"), "{told}");
    assert_eq!(sent(&app, "PATCH"), 0);
}

#[tokio::test]
async fn a_link_somebody_adds_while_the_same_one_waits_out_a_limit_is_theirs() {
    let link = Turn::calls([("add_link", json!({"url": "https://ci.example/run/7"}))]);
    let app = TestApp::setup().may_write().script([link, Turn::says("It has that link.")]).start().await;
    app.plane.inject(Fault::new("POST", "/links/", 1, limited_for(1)));
    let mentioned = app.mention("MOB-3", "link the run").await;
    assert!(app.plane.until_all(refused, LIMIT).await, "the link is tried");
    app.plane.put_link(0, "MOB-3", "https://ci.example/run/7");
    assert_answered(&app.ended(mentioned.run).await);
    let told = app.told();
    assert!(told.contains("Not done: someone else has changed the link"), "{told}");
    assert_eq!(app.plane.written_by(mentioned.run).matches("run/7").count(), 1);
}
