//! Plane is slow, limits us, loses answers or forgets our token: the person still gets one answer.

use aileron::sandbox::{Breakage, CredentialKind, Fault};
use serde_json::json;

use crate::support::{
    LIMIT,
    app::{Access, Channel, TestApp, on_both_channels},
    install,
    model::{Gate, Piece, Turn},
    picture::{assert_answered, assert_ended},
};

on_both_channels! {
    an_answer_whose_receipt_was_lost_is_not_posted_again,
    a_plane_that_fails_for_a_while_gets_its_answer_later,
    an_answer_to_a_terminal_activity_that_cannot_be_read_does_not_repeat_it,
    a_rate_limit_of_plane_is_waited_out,
    a_read_that_fails_for_good_is_told_to_the_model,
}

const TOKEN_PATH: &str = "/auth/o/token/";

async fn an_answer_whose_receipt_was_lost_is_not_posted_again(channel: Channel) {
    let gate = Gate::new();
    let app = channel.start([Turn::says("Only once.").after(vec![Piece::Hold(gate.clone())])]).await;
    let mentioned = app.mention("MOB-3", "hello").await;
    gate.reached().await;
    app.plane.inject(channel.at_last_word(1, Breakage::ResetAfterEffect));
    gate.open();
    app.ended(mentioned.run).await;
    app.until_listed_again(mentioned.run).await;
    app.fence().await;
    assert_eq!(assert_answered(&app.plane.run(mentioned.run)), "Only once.");
}

async fn a_plane_that_fails_for_a_while_gets_its_answer_later(channel: Channel) {
    let app = channel.start([Turn::says("At last.")]).await;
    let bad_gateway = Breakage::Status { code: 502, retry_after: None, body: "<html>Bad gateway</html>".to_owned() };
    app.plane.inject(channel.at_new_words(3, bad_gateway));
    let mentioned = app.mention("MOB-3", "hello").await;
    let picture = app.ended(mentioned.run).await;
    assert_eq!(assert_ended(&picture, "response", "completed"), "At last.");
}

async fn an_answer_to_a_terminal_activity_that_cannot_be_read_does_not_repeat_it(channel: Channel) {
    let gate = Gate::new();
    let app = channel.start([Turn::says("Only once.").after(vec![Piece::Hold(gate.clone())])]).await;
    let mentioned = app.mention("MOB-3", "hello").await;
    gate.reached().await;
    app.plane.inject(channel.at_last_word(1, Breakage::Malformed));
    gate.open();
    app.ended(mentioned.run).await;
    app.fence().await;
    assert_eq!(assert_answered(&app.plane.run(mentioned.run)), "Only once.");
}

async fn a_rate_limit_of_plane_is_waited_out(channel: Channel) {
    let gate = Gate::new();
    let app = channel.start([Turn::says("Patient.").after(vec![Piece::Hold(gate.clone())])]).await;
    let mentioned = app.mention("MOB-3", "hello").await;
    gate.reached().await;
    let body = r#"{"error_code": 5900, "error_message": "RATE_LIMIT_EXCEEDED"}"#.to_owned();
    let limited = Breakage::Status { code: 429, retry_after: Some(1), body };
    app.plane.inject(channel.at_last_word(1, limited));
    gate.open();
    assert_eq!(assert_answered(&app.ended(mentioned.run).await), "Patient.");
}

async fn a_read_that_fails_for_good_is_told_to_the_model(channel: Channel) {
    let app = channel
        .start([
            Turn::calls([("search_work_items", json!({"query": "crash"}))]),
            Turn::says("The search does not work today."),
        ])
        .await;
    let body = r#"{"error": "You do not have permission"}"#.to_owned();
    app.plane.inject(Fault::new("GET", "/search/", 5, Breakage::Status { code: 403, retry_after: None, body }));
    let mentioned = app.mention("MOB-3", "search").await;
    assert_eq!(assert_answered(&app.ended(mentioned.run).await), "The search does not work today.");
    assert_eq!(app.model.until_request(2).await.texts("tool").len(), 1);
}

#[tokio::test]
async fn an_expired_token_is_renewed_and_the_answer_comes() {
    let app = TestApp::start([Turn::says("Renewed.")]).await;
    app.plane.expire_tokens(0);
    let mentioned = app.mention("MOB-3", "hello").await;
    assert_eq!(assert_answered(&app.ended(mentioned.run).await), "Renewed.");
    let exchanges = app.plane.requests().iter().filter(|request| request.path == TOKEN_PATH).count();
    assert_eq!(exchanges, 2, "one exchange at the installation, one renewal");
}

#[tokio::test]
async fn a_token_that_expires_in_mid_turn_is_renewed_once() {
    let gate = Gate::new();
    let calls = [("read_work_item", json!({"work_item": "MOB-1"})), ("read_work_item", json!({"work_item": "MOB-2"}))];
    let app = TestApp::start([Turn::calls(calls).after(vec![Piece::Hold(gate.clone())]), Turn::says("Renewed.")]).await;
    let mentioned = app.mention("MOB-3", "compare").await;
    gate.reached().await;
    app.plane.expire_tokens(0);
    gate.open();
    assert_eq!(assert_answered(&app.ended(mentioned.run).await), "Renewed.");
    let exchanges = app.plane.requests().iter().filter(|request| request.path == TOKEN_PATH).count();
    assert_eq!(exchanges, 2, "one exchange at the installation, one renewal");
}

#[tokio::test]
async fn an_uninstalled_app_is_marked_and_can_be_installed_again() {
    let app = TestApp::setup().rule(|_| Some(Turn::says("Welcome back."))).start().await;
    let refused =
        || app.plane.requests().iter().filter(|request| request.path == TOKEN_PATH && request.status == 400).count();
    let body = r#"{"error": "invalid_grant", "error_description": "The app is not installed."}"#.to_owned();
    app.plane.inject(Fault::new("POST", TOKEN_PATH, 1000, Breakage::Status { code: 400, retry_after: None, body }));
    app.plane.expire_tokens(0);
    let mentioned = app.mention("MOB-3", "is anybody there?").await;
    assert!(app.plane.until_all(|_| refused() > 0, LIMIT).await, "no renewal was tried");
    app.until_listed("revoked").await;
    assert_eq!(app.plane.run(mentioned.run).terminal_count(), 0);
    assert_eq!(app.get("/readyz").await.status(), 200, "other workspaces are not to suffer");

    app.plane.clear_faults();
    install::install(&app, 0).await;
    let mentioned = app.mention("MOB-4", "and now?").await;
    assert_eq!(assert_answered(&app.ended(mentioned.run).await), "Welcome back.");
}

#[tokio::test]
async fn a_fixed_api_key_answers_without_any_installation() {
    let app = TestApp::setup().access(Access::Fixed).script([Turn::says("By key.")]).start().await;
    let mentioned = app.mention("MOB-3", "hello").await;
    assert_eq!(assert_answered(&app.ended(mentioned.run).await), "By key.");
    assert!(app.plane.requests().iter().all(|request| request.credential == CredentialKind::ApiKey));
}
