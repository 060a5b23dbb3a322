//! The model provider fails: the turn gets over it, or ends in an error a person understands.

use aileron::sandbox::RunPicture;

use crate::support::{
    app::{MODEL_KEY, TestApp},
    model::{Piece, Turn},
    picture::{assert_answered, assert_ended},
};

#[tokio::test]
async fn a_rate_limited_call_is_repeated_after_the_time_told() {
    let limited = || Turn::fails(429, "rate_limit_exceeded", "Slow down").header("retry-after-ms", "30");
    let app = TestApp::start([limited(), limited(), Turn::says("Here I am.")]).await;
    let mentioned = app.mention("MOB-3", "hello").await;
    let picture = app.ended(mentioned.run).await;
    assert_eq!(assert_answered(&picture), "Here I am.");
    assert_eq!(app.model.requests().len(), 3);
}

/// Servers that validate requests quote them in their complaint.
#[tokio::test]
async fn a_provider_that_quotes_the_conversation_puts_none_of_it_in_the_log() {
    let quoted = "input_value='the merger with Zanzibar'";
    let app = TestApp::start([Turn::fails(400, "invalid_request_error", quoted)]).await;
    let mentioned = app.mention("MOB-3", "what about the merger with Zanzibar?").await;
    let picture = app.ended(mentioned.run).await;
    assert_failed(&app, &picture, false);
    assert!(app.log().contains("the model call failed"), "{}", app.log());
    assert!(!app.log().contains("Zanzibar"), "{}", app.log());
}

#[tokio::test]
async fn a_wait_longer_than_the_cap_ends_the_turn_and_tells_the_time() {
    let app =
        TestApp::start([Turn::fails(429, "rate_limit_exceeded", "Slow down").header("retry-after", "86400")]).await;
    let mentioned = app.mention("MOB-3", "hello").await;
    let picture = app.ended(mentioned.run).await;
    assert_failed(&app, &picture, true);
}

#[tokio::test]
async fn an_answer_cut_in_mid_stream_is_asked_for_again() {
    let app =
        TestApp::start([Turn::of([Piece::Text("Half an ans".into()), Piece::Cut]), Turn::says("A whole answer.")])
            .await;
    let mentioned = app.mention("MOB-3", "hello").await;
    assert_eq!(assert_answered(&app.ended(mentioned.run).await), "A whole answer.");
}

#[tokio::test]
async fn a_provider_that_is_down_ends_the_turn_in_a_friendly_error() {
    let app = TestApp::setup()
        // Nobody listens on the discard port.
        .set("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
        .set("AILERON__PROVIDERS__OPENAI__MAX_RETRIES", "1")
        .start()
        .await;
    let mentioned = app.mention("MOB-3", "hello").await;
    let picture = app.ended(mentioned.run).await;
    assert_failed(&app, &picture, true);
}

#[tokio::test]
async fn a_provider_that_keeps_failing_ends_the_turn_in_a_friendly_error() {
    let failure = || Turn::fails(503, "overloaded", "Overloaded").header("retry-after-ms", "10");
    let app = TestApp::setup()
        .script([failure(), failure()])
        .set("AILERON__PROVIDERS__OPENAI__MAX_RETRIES", "1")
        .start()
        .await;
    let mentioned = app.mention("MOB-3", "hello").await;
    assert_failed(&app, &app.ended(mentioned.run).await, true);
}

#[tokio::test]
async fn a_refused_key_is_not_tried_again_and_not_shown() {
    let message = format!("Incorrect API key provided: {MODEL_KEY}");
    let app = TestApp::start([Turn::fails(401, "invalid_api_key", &message)]).await;
    let mentioned = app.mention("MOB-3", "hello").await;
    assert_failed(&app, &app.ended(mentioned.run).await, false);
    assert_eq!(app.model.requests().len(), 1);
}

#[tokio::test]
async fn an_account_without_credit_is_not_tried_again() {
    let app = TestApp::start([Turn::fails(429, "insufficient_quota", "You exceeded your current quota")]).await;
    let mentioned = app.mention("MOB-3", "hello").await;
    assert_failed(&app, &app.ended(mentioned.run).await, false);
    assert_eq!(app.model.requests().len(), 1);
}

#[tokio::test]
async fn after_a_failure_the_person_can_simply_ask_again() {
    let app =
        TestApp::start([Turn::fails(401, "invalid_api_key", "Incorrect API key"), Turn::says("Now it works.")]).await;
    let mentioned = app.mention("MOB-3", "hello").await;
    assert_failed(&app, &app.ended(mentioned.run).await, false);
    app.reply(mentioned.run, "again please").await;
    let picture = app.ended_times(mentioned.run, 2).await;
    assert_eq!(assert_answered(&picture), "Now it works.");
}

#[tokio::test]
async fn an_empty_answer_is_asked_for_once_more() {
    let app = TestApp::start([Turn::of([]), Turn::says("Now with words.")]).await;
    let mentioned = app.mention("MOB-3", "hello").await;
    assert_eq!(assert_answered(&app.ended(mentioned.run).await), "Now with words.");
}

#[tokio::test]
async fn a_second_empty_answer_ends_the_turn_in_an_error() {
    let only_thinking = Turn::of([Piece::Text("<think>hm</think>  \n".into())]);
    let app = TestApp::start([Turn::of([]), only_thinking]).await;
    let mentioned = app.mention("MOB-3", "hello").await;
    assert_failed(&app, &app.ended(mentioned.run).await, true);
    assert_eq!(app.model.requests().len(), 2);
}

/// The turn ended in an error that says something to people, a code to machines, and no secret.
fn assert_failed(app: &TestApp, picture: &RunPicture, retryable: bool) {
    let body = assert_ended(picture, "error", "failed");
    assert!(body.len() > 20 && !body.contains(MODEL_KEY), "{body}");
    for internal in ["LlmError", "PlaneError", "http://", "panicked", "Some("] {
        assert!(!body.contains(internal), "not for people: {body}");
    }
    let error = &picture.activities[picture.activities.len() - 1];
    assert!(error.signal_metadata["error_code"].is_string(), "{}", picture.to_text());
    assert_eq!(error.signal_metadata["retryable"], retryable, "{}", picture.to_text());
    assert!(!app.log().contains(MODEL_KEY), "the key is in the log");
}
