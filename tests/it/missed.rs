//! What Plane never told us is found: the webhook was lost while the agent was down, or is switched off.

use std::time::Duration;

use aileron::{
    domain::ids::RunId,
    sandbox::{Breakage, Delivery, Fault, Sandbox, Shape, Status, Which},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{
    LIMIT,
    app::{AUTHOR, Channel, TestApp, on_both_channels},
    model::{Gate, Piece, Turn},
    picture::{assert_answered, assert_ended},
};

on_both_channels! {
    a_reply_sent_while_the_agent_was_down_is_answered_after_the_start,
    a_reply_to_a_finished_run_whose_webhook_is_lost_is_answered_without_a_restart,
    a_stop_whose_webhook_is_lost_ends_the_work_all_the_same,
    words_older_than_a_stop_are_not_answered_when_both_are_found,
    a_damaged_store_loses_no_prompt_that_plane_still_shows_and_answers_none_twice,
}

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

/// Maya writes in the run's thread and no webhook arrives; this is the one, with another time of writing
/// or none.
async fn lost_reply(app: &TestApp, run: RunId, text: &str, written_at: Option<Timestamp>) -> (String, String) {
    app.plane.deliver_to("http://127.0.0.1:9/webhook");
    assert_eq!(app.plane.reply(run, AUTHOR, text).await.statuses, [0]);
    app.plane.deliver_to(&app.url("/webhook"));
    with_time(app.plane.events(run).pop().expect("an event"), written_at)
}

fn with_time((event, body): (String, Vec<u8>), written_at: Option<Timestamp>) -> (String, String) {
    let mut body: Value = serde_json::from_slice(&body).unwrap();
    let written_at = written_at.map_or(Value::Null, |at| at.to_string().into());
    let time = body.pointer_mut("/data/agent_run_activity/created_at").expect("an event of a prompt");
    *time = written_at;
    (event, body.to_string())
}

async fn spoil_the_store(app: &TestApp) {
    the_next_store_is_younger().await;
    let log = app.home().join("data/store/db");
    let length = std::fs::metadata(&log).unwrap().len();
    std::fs::write(log, vec![0xA5; usize::try_from(length).unwrap()]).unwrap();
}

/// Turns are counted from the quarter of a second a store was made in, so that none is named like one of
/// a store before it. No operator is faster than that; a test can be.
async fn the_next_store_is_younger() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

#[tokio::test]
async fn a_reply_does_not_hide_the_first_prompt_whose_webhook_is_lost() {
    // The prompt would be fetched by itself only much later.
    let app = TestApp::setup()
        .script([Turn::says("Both answered.").when("the first question")])
        .set("AILERON__AGENT__PROMPT_GRACE_MS", "600000")
        .start()
        .await;
    let only_created = Delivery { events: vec![Which::Created], ..Delivery::default() };
    let mentioned = app.mention_by("MOB-3", "the first question", only_created).await;
    let later = Timestamp::now().checked_add(SignedDuration::from_secs(10)).unwrap();
    let (event, body) = lost_reply(&app, mentioned.run, "and a second one", Some(later)).await;
    assert_eq!(app.webhook(&event, &body).await, 200);
    let picture = app.ended(mentioned.run).await;
    assert_answered(&picture);
    let asked = app.model.requests().pop().expect("a call").texts("user").join("\n");
    let (first, second) = (asked.find("the first question").unwrap(), asked.find("and a second one").unwrap());
    assert!(first < second, "in the order they were written:\n{asked}");
    app.plane.redeliver(mentioned.run).await;
    app.fence().await;
    assert_eq!(app.plane.run(mentioned.run).terminal_count(), 1);
}

#[tokio::test]
async fn a_prompt_without_a_time_that_is_older_than_a_stop_is_not_answered() {
    let app = TestApp::start([question()]).await;
    let mentioned = app.mention("MOB-3", "choose").await;
    app.ended(mentioned.run).await;
    let (event, body) = lost_reply(&app, mentioned.run, "B", None).await;
    app.stop(mentioned.run).await;
    app.ended_times(mentioned.run, 2).await;
    assert_eq!(app.webhook(&event, &body).await, 200);
    app.fence().await;
    let picture = app.plane.run(mentioned.run);
    assert_ended(&picture, "response", "stopped");
    assert_eq!(picture.terminal_count(), 2, "{}", picture.to_text());
    assert_eq!(app.model.requests().len(), 2, "the question and the fence");
}

async fn a_damaged_store_loses_no_prompt_that_plane_still_shows_and_answers_none_twice(channel: Channel) {
    let gate = Gate::new();
    let mut app = channel
        .start([
            Turn::says("Answered before.").when("an easy one"),
            Turn::says("never").when("a hard one").after(vec![Piece::Hold(gate.clone())]),
            Turn::says("Answered after all.").when("a hard one"),
        ])
        .await;
    let done = app.mention("MOB-2", "an easy one").await;
    assert_eq!(assert_answered(&app.ended(done.run).await), "Answered before.");
    let open = app.mention("MOB-3", "a hard one").await;
    gate.reached().await;
    app.kill().await;
    spoil_the_store(&app).await;
    app.serve().await;
    assert_eq!(assert_answered(&app.ended(open.run).await), "Answered after all.");
    let ready = app.get("/readyz").await.text().await.unwrap();
    assert!(ready.contains("damaged"), "it is told: {ready}");

    // Plane sends once more what the lost store had answered.
    app.plane.redeliver(done.run).await;
    app.plane.redeliver(open.run).await;
    app.fence().await;
    for run in [done.run, open.run] {
        let picture = app.plane.run(run);
        assert_eq!(picture.terminal_count(), 1, "{}", picture.to_text());
    }
}

#[tokio::test]
async fn an_answered_prompt_without_a_time_is_not_answered_again_after_a_loss() {
    let mut app = TestApp::start([Turn::says("Answered before.")]).await;
    let done = app.mention("MOB-2", "an easy one").await;
    app.ended(done.run).await;
    app.kill().await;
    spoil_the_store(&app).await;
    app.serve().await;
    let (event, body) = with_time(app.plane.events(done.run).pop().expect("an event"), None);
    assert_eq!(app.webhook(&event, &body).await, 200);
    app.fence().await;
    assert_eq!(app.plane.run(done.run).terminal_count(), 1, "{}", app.plane.run(done.run).to_text());
}

#[tokio::test]
async fn an_old_run_met_anew_is_asked_about_before_it_is_answered() {
    // As after a fresh installation on another machine: nothing is known of what was answered there.
    let mut app = TestApp::start([Turn::says("Answered there.")]).await;
    let mentioned = app.mention("MOB-3", "one").await;
    app.ended(mentioned.run).await;
    assert!(app.sigterm().await.success());
    the_next_store_is_younger().await;
    for left in ["data/store", "data/runs.jsonl", "data/store.commits"] {
        let path = app.home().join(left);
        drop(if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) });
    }
    app.serve().await;
    let earlier = Timestamp::now().checked_sub(SignedDuration::from_mins(20)).unwrap();
    let (event, body) = with_time(app.plane.events(mentioned.run).pop().expect("an event"), Some(earlier));
    assert_eq!(app.webhook(&event, &body).await, 200);
    app.fence().await;
    assert_eq!(app.plane.run(mentioned.run).terminal_count(), 1, "it was answered there");
    app.model.then([Turn::says("Answered here.")]);
    app.reply(mentioned.run, "two").await;
    assert_eq!(assert_answered(&app.ended_times(mentioned.run, 2).await), "Answered here.");
}

async fn a_reply_sent_while_the_agent_was_down_is_answered_after_the_start(channel: Channel) {
    let mut app = channel.start([question(), Turn::says("B it is.")]).await;
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

async fn a_reply_to_a_finished_run_whose_webhook_is_lost_is_answered_without_a_restart(channel: Channel) {
    let app = channel
        .setup()
        .script([Turn::says("First."), Turn::says("Second.")])
        .set("AILERON__AGENT__SWEEP_SECS", "1")
        .start()
        .await;
    let mentioned = app.mention("MOB-3", "one").await;
    app.ended(mentioned.run).await;
    app.plane.reply_as(mentioned.run, AUTHOR, "two", &undelivered()).await;
    assert_eq!(assert_answered(&app.ended_times(mentioned.run, 2).await), "Second.");
}

async fn a_stop_whose_webhook_is_lost_ends_the_work_all_the_same(channel: Channel) {
    let gate = Gate::new();
    let mut app = channel
        .setup()
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

async fn words_older_than_a_stop_are_not_answered_when_both_are_found(channel: Channel) {
    let mut app = channel.start([question()]).await;
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
