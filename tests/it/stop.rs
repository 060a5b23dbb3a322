//! Stop means stop: at once, once, and nothing after it.

use std::time::{Duration, Instant};

use aileron::sandbox::{Breakage, Delivery, Fault, Sandbox, Status};
use serde_json::json;

use crate::support::{
    LIMIT,
    app::{Channel, TestApp, on_both_channels},
    model::{Gate, Piece, Turn},
    picture::{assert_answered, assert_ended},
};

on_both_channels! {
    a_stop_in_mid_stream_drops_the_stream_and_is_confirmed_once,
    no_tool_starts_after_a_stop,
    a_stop_during_a_tool_does_not_wait_for_the_model_to_hear_of_its_result,
    a_stop_delivered_several_times_is_confirmed_once,
    a_run_that_waits_for_a_reply_can_be_stopped,
    after_a_stop_the_person_can_ask_again,
    a_stop_survives_a_kill,
    a_stop_overtakes_all_that_wait_for_a_free_place,
    two_stops_are_confirmed_once,
    a_stop_of_a_stopped_run_is_not_confirmed_again,
    a_stop_of_a_finished_run_asks_the_model_nothing_and_needs_no_confirmation,
    a_stop_while_the_last_word_is_on_its_way_lets_it_be_the_only_one,
    a_stop_right_after_a_crash_is_confirmed_once,
    words_right_after_a_stop_are_answered_and_that_confirms_it,
}

async fn a_stop_in_mid_stream_drops_the_stream_and_is_confirmed_once(channel: Channel) {
    let gate = Gate::new();
    let app = channel
        .start([Turn::of([Piece::Text("A long ".into()), Piece::Hold(gate.clone()), Piece::Text("tale".into())])])
        .await;
    let mentioned = app.mention("MOB-3", "tell me a tale").await;
    gate.reached().await;
    app.stop(mentioned.run).await;
    // The gate stays shut: only the agent's own hand can end this stream.
    app.model.until_dropped(1).await;
    let picture = app.ended(mentioned.run).await;
    assert_ended(&picture, "response", "stopped");

    app.fence().await;
    let later = app.plane.run(mentioned.run);
    assert_eq!(later.to_text(), picture.to_text(), "nothing comes after the confirmation");
}

async fn no_tool_starts_after_a_stop(channel: Channel) {
    let gate = Gate::new();
    let calls = Turn::calls([("read_work_item", json!({"work_item": "MOB-5"}))]);
    let app = channel.start([calls.after(vec![Piece::Text("Reading.".into()), Piece::Hold(gate.clone())])]).await;
    let mentioned = app.mention("MOB-3", "look at MOB-5").await;
    gate.reached().await;
    app.stop(mentioned.run).await;
    gate.open();
    let picture = app.ended(mentioned.run).await;
    assert_ended(&picture, "response", "stopped");
    assert!(picture.actions().is_empty(), "{}", picture.to_text());
    assert_eq!(app.model.requests().len(), 1);
}

async fn a_stop_during_a_tool_does_not_wait_for_the_model_to_hear_of_its_result(channel: Channel) {
    let app = channel.start([Turn::calls([("search_work_items", json!({"query": "crash"}))])]).await;
    app.plane.inject(Fault::new("GET", "/search/", 1, Breakage::Delay(Duration::from_secs(2))));
    let mentioned = app.mention("MOB-3", "search").await;
    app.until(mentioned.run, "the tool call", |picture| !picture.actions().is_empty()).await;
    app.stop(mentioned.run).await;
    assert_ended(&app.ended(mentioned.run).await, "response", "stopped");
    app.fence().await;
    assert_eq!(app.model.requests().len(), 2, "the stopped turn asked the model once, the fence once");
}

async fn a_stop_delivered_several_times_is_confirmed_once(channel: Channel) {
    let gate = Gate::new();
    let app = channel.start([Turn::says("never").after(vec![Piece::Hold(gate.clone())])]).await;
    let mentioned = app.mention("MOB-3", "hello").await;
    gate.reached().await;
    app.stop(mentioned.run).await;
    assert_ended(&app.ended(mentioned.run).await, "response", "stopped");
    app.plane.redeliver(mentioned.run).await;
    app.fence().await;
    assert_ended(&app.plane.run(mentioned.run), "response", "stopped");
    assert_eq!(app.plane.run(mentioned.run).terminal_count(), 1);
}

async fn a_run_that_waits_for_a_reply_can_be_stopped(channel: Channel) {
    let question = json!({"question": "Which one?", "options": ["A", "B"]});
    let app = channel.start([Turn::calls([("ask_user", question)])]).await;
    let mentioned = app.mention("MOB-3", "choose").await;
    assert_ended(&app.ended(mentioned.run).await, "elicitation", "awaiting");
    app.stop(mentioned.run).await;
    let picture = app.ended_times(mentioned.run, 2).await;
    assert_ended(&picture, "response", "stopped");
}

async fn after_a_stop_the_person_can_ask_again(channel: Channel) {
    let gate = Gate::new();
    let app =
        channel.start([Turn::says("never").after(vec![Piece::Hold(gate.clone())]), Turn::says("Back again.")]).await;
    let mentioned = app.mention("MOB-3", "first").await;
    gate.reached().await;
    app.stop(mentioned.run).await;
    assert_ended(&app.ended(mentioned.run).await, "response", "stopped");
    app.reply(mentioned.run, "second").await;
    let picture = app.ended_times(mentioned.run, 2).await;
    assert_eq!(assert_answered(&picture), "Back again.");
}

async fn a_stop_survives_a_kill(channel: Channel) {
    let gate = Gate::new();
    let mut app = channel.start([Turn::says("never").after(vec![Piece::Hold(gate.clone())])]).await;
    let mentioned = app.mention("MOB-3", "hello").await;
    gate.reached().await;
    app.stop(mentioned.run).await;
    // The stop was answered with 200, so it is on disk, whatever was done about it yet.
    app.kill().await;
    app.serve().await;
    assert_ended(&app.ended(mentioned.run).await, "response", "stopped");
    app.fence().await;
    assert_eq!(app.plane.run(mentioned.run).terminal_count(), 1);
}

/// A stop is of no use to a person who waits for it behind others.
async fn a_stop_overtakes_all_that_wait_for_a_free_place(channel: Channel) {
    let gate = Gate::new();
    let app = channel
        .setup()
        .script([
            Turn::says("The long one.").after(vec![Piece::Hold(gate.clone())]),
            Turn::says("The other one.").when("neither"),
        ])
        .set("AILERON__AGENT__CONCURRENCY", "1")
        .start()
        .await;
    let busy = app.mention("MOB-1", "take your time").await;
    gate.reached().await;
    let other = app.mention("MOB-2", "neither this one is quick").await;
    let unwanted = app.mention("MOB-3", "never mind").await;
    app.stop(unwanted.run).await;
    let picture = app.ended(unwanted.run).await;
    assert_ended(&picture, "response", "stopped");
    assert!(app.plane.run(busy.run).terminal_count() + app.plane.run(other.run).terminal_count() == 0);
    gate.open();
    assert_eq!(assert_answered(&app.ended(busy.run).await), "The long one.");
    assert_eq!(assert_answered(&app.ended(other.run).await), "The other one.");
}

#[tokio::test]
async fn a_stop_that_comes_before_its_prompt_keeps_the_prompt_from_being_answered() {
    let app = TestApp::start([]).await;
    let unheard = Delivery { events: Vec::new(), ..Delivery::default() };
    let mentioned = app.mention_by("MOB-3", "hello", unheard).await;
    // Of this run the agent hears the stop first, then everything in order, and once more.
    app.stop(mentioned.run).await;
    assert_ended(&app.ended(mentioned.run).await, "response", "stopped");
    app.plane.redeliver(mentioned.run).await;
    app.fence().await;
    let picture = app.plane.run(mentioned.run);
    assert_ended(&picture, "response", "stopped");
    assert_eq!(picture.terminal_count(), 1, "{}", picture.to_text());
    assert_eq!(app.model.requests().len(), 1, "only the fence asked the model");
}

async fn two_stops_are_confirmed_once(channel: Channel) {
    let gate = Gate::new();
    let app = channel.start([Turn::says("never").after(vec![Piece::Hold(gate.clone())])]).await;
    let mentioned = app.mention("MOB-3", "hello").await;
    gate.reached().await;
    // The first confirmation does not get through before the second stop is there.
    let unavailable = Breakage::Status { code: 503, retry_after: None, body: "{}".to_owned() };
    app.plane.inject(channel.at_last_word(1, unavailable));
    app.stop(mentioned.run).await;
    let refused = |plane: &Sandbox| plane.requests().iter().any(|request| request.status == 503);
    assert!(app.plane.until_all(refused, LIMIT).await, "the first confirmation was not refused");
    app.stop(mentioned.run).await;
    app.ended(mentioned.run).await;
    app.fence().await;
    let picture = app.plane.run(mentioned.run);
    assert_eq!(picture.terminal_count(), 1, "{}", picture.to_text());
    assert_ended(&picture, "response", "stopped");
}

async fn a_stop_of_a_stopped_run_is_not_confirmed_again(channel: Channel) {
    let gate = Gate::new();
    let app = channel.start([Turn::says("never").after(vec![Piece::Hold(gate.clone())])]).await;
    let mentioned = app.mention("MOB-3", "hello").await;
    gate.reached().await;
    app.stop(mentioned.run).await;
    app.ended(mentioned.run).await;
    app.stop(mentioned.run).await;
    app.fence().await;
    let picture = app.plane.run(mentioned.run);
    assert_eq!((picture.terminal_count(), picture.status), (1, Status::Stopped), "{}", picture.to_text());
}

async fn a_stop_of_a_finished_run_asks_the_model_nothing_and_needs_no_confirmation(channel: Channel) {
    let app = channel.start([Turn::says("Done.")]).await;
    let mentioned = app.mention("MOB-3", "hello").await;
    assert_answered(&app.ended(mentioned.run).await);
    app.stop(mentioned.run).await;
    app.plane.redeliver(mentioned.run).await;
    app.fence().await;
    let picture = app.plane.run(mentioned.run);
    assert_eq!((picture.terminal_count(), picture.status), (1, Status::Completed), "{}", picture.to_text());
    assert_eq!(app.model.requests().len(), 2, "the answer and the fence");
}

#[tokio::test]
async fn a_stop_of_a_run_nobody_knows_is_acknowledged_and_forgotten() {
    let app = TestApp::start([]).await;
    let mentioned = app.mention_by("MOB-3", "x", Delivery { events: Vec::new(), ..Delivery::default() }).await;
    app.plane.stop(mentioned.run, "maya").await;
    app.ended(mentioned.run).await;
    let (event, body) = app.plane.events(mentioned.run).pop().expect("the stop's event");
    let known = mentioned.run.to_string();
    let foreign = String::from_utf8(body).unwrap().replace(&known, "12121212-3434-4545-8656-787878787878");
    let foreign = foreign.replace(&app.plane.run(mentioned.run).activities[1].id.to_string(), &known);
    assert_eq!(app.webhook(&event, &foreign).await, 200);
    app.fence().await;
    assert_eq!(app.plane.run(mentioned.run).terminal_count(), 1);
}

async fn a_stop_while_the_last_word_is_on_its_way_lets_it_be_the_only_one(channel: Channel) {
    let gate = Gate::new();
    let app = channel.start([Turn::says("The last word.").after(vec![Piece::Hold(gate.clone())])]).await;
    let mentioned = app.mention("MOB-3", "hello").await;
    gate.reached().await;
    app.until(mentioned.run, "the first thought", |picture| !picture.thoughts().is_empty()).await;
    let unavailable = Breakage::Status { code: 503, retry_after: None, body: "{}".to_owned() };
    app.plane.inject(channel.at_last_word(1, unavailable));
    gate.open();
    let refused = |plane: &Sandbox| plane.requests().iter().any(|request| request.status == 503);
    assert!(app.plane.until_all(refused, LIMIT).await, "the last word was not refused");
    app.stop(mentioned.run).await;
    let picture = app.ended(mentioned.run).await;
    assert_ended(&picture, "response", "stopped");
    app.fence().await;
    let later = app.plane.run(mentioned.run);
    assert_eq!((later.terminal_count(), later.response()), (1, Some("The last word.")), "{}", later.to_text());
}

async fn a_stop_right_after_a_crash_is_confirmed_once(channel: Channel) {
    let gate = Gate::new();
    let held = || Turn::says("never").after(vec![Piece::Hold(gate.clone())]);
    let hold_all = {
        let gate = gate.clone();
        move |_: &_| Some(Turn::says("never").after(vec![Piece::Hold(gate.clone())]))
    };
    let mut app = channel.setup().script([held()]).rule(hold_all).start().await;
    let mentioned = app.mention("MOB-3", "hello").await;
    gate.reached().await;
    app.kill().await;
    app.serve().await;
    app.stop(mentioned.run).await;
    assert_ended(&app.ended(mentioned.run).await, "response", "stopped");
    app.fence().await;
    assert_eq!(app.plane.run(mentioned.run).terminal_count(), 1);
}

/// Plane ends a stopped run with the first response after the stop and takes nothing more, so what a
/// person says right after a stop must be answered by that one.
async fn words_right_after_a_stop_are_answered_and_that_confirms_it(channel: Channel) {
    let question = json!({"question": "Which one?", "options": ["A", "B"]});
    let app = channel.start([Turn::calls([("ask_user", question)]), Turn::says("C it is.")]).await;
    let mentioned = app.mention("MOB-3", "choose").await;
    app.ended(mentioned.run).await;
    // The agent asks how the run stands before it confirms; meanwhile the person goes on.
    app.plane.inject(channel.at_status(Breakage::Delay(Duration::from_millis(700))));
    app.stop(mentioned.run).await;
    app.reply(mentioned.run, "take C then").await;
    let picture = app.ended_times(mentioned.run, 2).await;
    assert_eq!(assert_ended(&picture, "response", "stopped"), "C it is.");
    app.fence().await;
    assert_eq!(app.plane.run(mentioned.run).terminal_count(), 2);
}

/// How fast a stop reaches the model: from the moment a person presses it to the closed connection,
/// the webhook's way and its flush to disk included. The figures are printed, not judged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_stops_each_drop_the_models_connection() {
    const STOPS: usize = 100;
    let app = TestApp::setup().plane(|options| options.rate_limit_per_minute = None).start().await;
    let mut waits = Vec::with_capacity(STOPS);
    for number in 1..=STOPS {
        let gate = Gate::new();
        app.model.then([Turn::says("never").after(vec![Piece::Text("So ".into()), Piece::Hold(gate.clone())])]);
        let mentioned = app.mention("MOB-3", "tell me a tale").await;
        gate.reached().await;
        let pressed = Instant::now();
        let (dropped, _) = tokio::join!(
            async {
                app.model.until_dropped(number).await;
                pressed.elapsed()
            },
            app.stop(mentioned.run)
        );
        waits.push(dropped);
        assert_ended(&app.ended(mentioned.run).await, "response", "stopped");
    }
    waits.sort();
    println!(
        "stops: {STOPS}, median {:?}, p99 {:?}, longest {:?}",
        waits[STOPS / 2],
        waits[STOPS - 2],
        waits[STOPS - 1]
    );
}
