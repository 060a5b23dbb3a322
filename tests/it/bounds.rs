//! A turn has bounds, and reaching one ends it with words that say which.

use serde_json::json;

use crate::support::{
    app::TestApp,
    model::{Gate, Piece, Turn},
    picture::assert_ended,
};

#[tokio::test]
async fn a_turn_that_needs_too_many_steps_ends_and_names_the_bound() {
    let app = TestApp::setup()
        .rule(|request| {
            let step = request.texts("tool").len();
            let query = json!({"query": format!("search number {step}")});
            let offered = request.tools().contains(&"search_work_items");
            Some(if offered { Turn::calls([("search_work_items", query)]) } else { Turn::says("The best so far.") })
        })
        .set("AILERON__AGENT__MAX_STEPS", "3")
        .start()
        .await;
    let mentioned = app.mention("MOB-3", "search for ever").await;
    let picture = app.ended(mentioned.run).await;
    let last = picture.last_terminal().expect("an end");
    assert!(last.body.contains('3') && last.body.contains("step"), "the bound is named:\n{}", picture.to_text());
    let status = if last.kind.as_str() == "error" { "failed" } else { "completed" };
    assert_ended(&picture, last.kind.as_str(), status);
    assert!(app.model.requests().len() <= 4, "{} calls of the model", app.model.requests().len());
}

#[tokio::test]
async fn a_turn_that_takes_too_long_ends_and_names_the_bound() {
    let gate = Gate::new();
    let app = TestApp::setup()
        .script([Turn::says("never").after(vec![Piece::Hold(gate.clone())])])
        .set("AILERON__AGENT__MAX_TURN_SECS", "1")
        .start()
        .await;
    let mentioned = app.mention("MOB-3", "take your time").await;
    let picture = app.ended(mentioned.run).await;
    app.model.until_dropped(1).await;
    let last = picture.last_terminal().expect("an end");
    assert!(last.body.contains("second") || last.body.contains("time"), "the bound is named:\n{}", picture.to_text());
    assert_ended(&picture, last.kind.as_str(), if last.kind.as_str() == "error" { "failed" } else { "completed" });
}

#[tokio::test]
async fn an_answer_cut_at_the_output_limit_is_not_shown_as_whole() {
    let app = TestApp::start([Turn::of([Piece::Text("The first half of".into()), Piece::Finish("length")])]).await;
    let mentioned = app.mention("MOB-3", "tell me everything").await;
    let picture = app.ended(mentioned.run).await;
    let last = picture.last_terminal().expect("an end");
    assert_ended(&picture, "response", "completed");
    assert!(last.body.starts_with("The first half of") && last.body.len() > "The first half of".len(), "{}", last.body);
}

#[tokio::test]
async fn a_very_long_answer_is_posted_within_what_plane_takes() {
    let long = "A sentence that is repeated quite often. ".repeat(2_000);
    let app = TestApp::start([Turn::says(&long)]).await;
    let mentioned = app.mention("MOB-3", "tell me everything").await;
    let picture = app.ended(mentioned.run).await;
    let body = assert_ended(&picture, "response", "completed");
    assert!(body.starts_with("A sentence") && body.len() < 21_000, "{} bytes", body.len());
}
