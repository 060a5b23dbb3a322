//! What Plane never told us is found: the webhook was lost while the agent was down, or is switched off.

use aileron::{
    domain::ids::RunId,
    sandbox::{Breakage, Delivery, Fault, Sandbox, Shape, Status},
};
use serde_json::json;

use crate::support::{
    LIMIT,
    app::{AUTHOR, TestApp},
    model::{Gate, Piece, Turn},
    picture::{assert_answered, assert_ended},
};

fn undelivered() -> Delivery {
    Delivery { shape: Shape::Wrapped, events: Vec::new() }
}

fn question() -> Turn {
    Turn::calls([("ask_user", json!({"question": "Which one?", "options": ["A", "B"]}))])
}

/// How often the run's activities were read.
fn readings(app: &TestApp, run: RunId) -> usize {
    let path = format!("/runs/{run}/activities/");
    app.plane.requests().iter().filter(|request| request.method == "GET" && request.path.ends_with(&path)).count()
}

#[tokio::test]
async fn a_reply_sent_while_the_agent_was_down_is_answered_after_the_start() {
    let mut app = TestApp::start([question(), Turn::says("B it is.")]).await;
    let mentioned = app.mention("MOB-3", "choose").await;
    app.ended(mentioned.run).await;
    app.kill().await;
    app.plane.reply_as(mentioned.run, AUTHOR, "B", &undelivered()).await;
    app.serve().await;
    assert_eq!(assert_answered(&app.ended_times(mentioned.run, 2).await), "B it is.");

    app.plane.redeliver(mentioned.run).await;
    app.fence().await;
    assert_eq!(app.plane.run(mentioned.run).terminal_count(), 2, "its webhook comes late and changes nothing");
}

#[tokio::test]
async fn a_reply_to_a_finished_run_whose_webhook_is_lost_is_answered_without_a_restart() {
    let app = TestApp::setup()
        .script([Turn::says("First."), Turn::says("Second.")])
        .set("AILERON__AGENT__SWEEP_SECS", "1")
        .start()
        .await;
    let mentioned = app.mention("MOB-3", "one").await;
    app.ended(mentioned.run).await;
    app.plane.reply_as(mentioned.run, AUTHOR, "two", &undelivered()).await;
    assert_eq!(assert_answered(&app.ended_times(mentioned.run, 2).await), "Second.");
}

#[tokio::test]
async fn a_stop_whose_webhook_is_lost_ends_the_work_all_the_same() {
    let gate = Gate::new();
    let mut app = TestApp::setup()
        .script([Turn::says("never").after(vec![Piece::Hold(gate.clone())])])
        .set("AILERON__AGENT__SWEEP_SECS", "1")
        .start()
        .await;
    let mentioned = app.mention("MOB-3", "hello").await;
    gate.reached().await;
    app.plane.deliver_to("http://127.0.0.1:9/webhook");
    assert_eq!(app.plane.stop(mentioned.run, AUTHOR).await.statuses, [0]);
    app.model.until_dropped(1).await;
    assert_ended(&app.ended(mentioned.run).await, "response", "stopped");
    assert!(app.sigterm().await.success());
}

#[tokio::test]
async fn words_older_than_a_stop_are_not_answered_when_both_are_found() {
    let mut app = TestApp::start([question()]).await;
    let mentioned = app.mention("MOB-3", "choose").await;
    app.ended(mentioned.run).await;
    app.kill().await;
    app.plane.reply_as(mentioned.run, AUTHOR, "B", &undelivered()).await;
    app.plane.stop(mentioned.run, AUTHOR).await;
    app.serve().await;
    assert_ended(&app.ended_times(mentioned.run, 2).await, "response", "stopped");
    app.fence().await;
    assert_eq!(app.plane.run(mentioned.run).terminal_count(), 2);
    assert_eq!(app.model.requests().len(), 2, "the question and the fence");
}

#[tokio::test]
async fn what_is_finished_costs_one_request_and_is_left_alone() {
    let mut app = TestApp::start([Turn::says("Done.")]).await;
    let mentioned = app.mention("MOB-3", "hello").await;
    assert_answered(&app.ended(mentioned.run).await);
    assert!(app.sigterm().await.success());
    let before = app.plane.requests().len();
    app.serve().await;
    let path = format!("/runs/{}/", mentioned.run);
    let looked = |plane: &Sandbox| {
        plane.requests()[before..].iter().any(|request| request.path.ends_with(&path) && request.status == 200)
    };
    assert!(app.plane.until_all(looked, LIMIT).await, "the run was not looked at");
    app.fence().await;
    assert_eq!(readings(&app, mentioned.run), 0);
    assert_eq!(app.plane.run(mentioned.run).status, Status::Completed);
}

#[tokio::test]
async fn the_sweep_can_be_switched_off() {
    let mut app = TestApp::setup().script([question()]).set("AILERON__AGENT__SWEEP_SECS", "0").start().await;
    let mentioned = app.mention("MOB-3", "choose").await;
    app.ended(mentioned.run).await;
    assert!(app.sigterm().await.success());
    app.plane.reply_as(mentioned.run, AUTHOR, "B", &undelivered()).await;
    app.serve().await;
    app.fence().await;
    assert_eq!(readings(&app, mentioned.run), 0);
    assert_eq!(app.plane.run(mentioned.run).terminal_count(), 1);
}

#[tokio::test]
async fn a_plane_that_is_down_at_the_start_is_asked_again_by_the_next_pass() {
    let mut app = TestApp::setup()
        .script([question(), Turn::says("B it is.")])
        .set("AILERON__AGENT__SWEEP_SECS", "1")
        .start()
        .await;
    let mentioned = app.mention("MOB-3", "choose").await;
    app.ended(mentioned.run).await;
    app.kill().await;
    app.plane.reply_as(mentioned.run, AUTHOR, "B", &undelivered()).await;
    let down = Breakage::Status { code: 502, retry_after: None, body: "<html>down</html>".to_owned() };
    app.plane.inject(Fault::new("GET", "/runs/", 3, down));
    app.serve().await;
    assert_eq!(assert_answered(&app.ended_times(mentioned.run, 2).await), "B it is.");
}
