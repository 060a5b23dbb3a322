//! The request budget end to end: many runs, a Plane that counts, limits, fails and hangs.

use std::time::{Duration, Instant};

use aileron::sandbox::{Breakage, Delivery, Fault, RecordedRequest, Sandbox};
use futures_util::future::join_all;
use serde_json::json;

use crate::support::{
    app::{Setup, TestApp},
    model::{Captured, Gate, Piece, Turn},
    picture::{assert_answered, assert_ended},
};

/// Stands for Plane's minute, which is too long to wait for.
const WINDOW: Duration = Duration::from_secs(3);
const PER_WINDOW: u32 = 60;
const PATIENCE: Duration = Duration::from_secs(90);

fn scaled_down() -> Setup {
    TestApp::setup().plane(|options| {
        options.rate_limit_per_minute = Some(PER_WINDOW);
        options.rate_limit_window = WINDOW;
    })
}

/// Searches once and answers.
fn search_then_answer(request: &Captured) -> Option<Turn> {
    let searched = !request.texts("tool").is_empty();
    Some(if searched { Turn::says("Found.") } else { Turn::calls([("search_work_items", json!({"query": "crash"}))]) })
}

fn api_requests(plane: &Sandbox) -> Vec<RecordedRequest> {
    plane.requests().into_iter().filter(|request| request.path.starts_with("/api/v1/")).collect()
}

fn posts(plane: &Sandbox, since: Instant) -> Vec<u16> {
    let requests = api_requests(plane).into_iter();
    requests.filter(|request| request.method == "POST" && request.at >= since).map(|request| request.status).collect()
}

fn assert_never_limited(plane: &Sandbox) {
    let requests = api_requests(plane);
    let limited = requests.iter().filter(|request| request.status == 429).count();
    assert_eq!(limited, 0, "of {} requests", requests.len());
}

async fn assert_all_answered(app: &TestApp, runs: impl IntoIterator<Item = aileron::domain::ids::RunId>) {
    for run in runs {
        let ended = app.plane.until(run, |picture| picture.terminal_count() > 0, PATIENCE).await;
        let picture = ended.unwrap_or_else(|picture| panic!("no end:\n{}", picture.to_text()));
        assert_ended(&picture, "response", "completed");
    }
}

fn status(code: u16, retry_after: Option<u64>) -> Breakage {
    Breakage::Status { code, retry_after, body: r#"{"error": "not now"}"#.to_owned() }
}

#[tokio::test]
async fn twenty_runs_at_once_are_each_answered_once_and_plane_never_says_429() {
    let app = scaled_down().rule(search_then_answer).start().await;
    let began = Instant::now();
    let mentions = (0..20).map(|_| app.mention("MOB-3", "search"));
    let runs: Vec<_> = join_all(mentions).await.into_iter().map(|mentioned| mentioned.run).collect();
    assert_all_answered(&app, runs.iter().copied()).await;
    let requests = api_requests(&app.plane);
    println!("20 runs: {} requests in {:?}, window {WINDOW:?} of {PER_WINDOW}", requests.len(), began.elapsed());
    assert_never_limited(&app.plane);
    assert!(requests.len() > PER_WINDOW as usize, "{} requests never met the limit", requests.len());
    app.fence().await;
    for run in runs {
        let picture = app.plane.run(run);
        assert_answered(&picture);
        assert_eq!(picture.terminal_count(), 1, "{}", picture.to_text());
    }
}

#[tokio::test]
async fn a_restart_in_mid_burst_does_not_forget_what_was_used() {
    let mut app = scaled_down().rule(search_then_answer).start().await;
    let mentions = (0..12).map(|_| app.mention_by("MOB-3", "search", Delivery::default()));
    let runs: Vec<_> = join_all(mentions).await.into_iter().map(|mentioned| mentioned.run).collect();
    assert!(app.plane.until_all(|plane| api_requests(plane).len() >= 30, PATIENCE).await);
    app.kill().await;
    app.serve().await;
    assert_all_answered(&app, runs).await;
    assert_never_limited(&app.plane);
}

#[tokio::test]
async fn a_triage_with_three_reads_takes_at_most_twelve_requests() {
    let app = TestApp::start([
        Turn::calls([
            ("read_comments", json!({})),
            ("search_work_items", json!({"query": "crash"})),
            ("list_work_items", json!({})),
        ]),
        Turn::says("Priority high."),
    ])
    .await;
    let mentioned = app.mention("MOB-3", "please triage this").await;
    let picture = app.ended(mentioned.run).await;
    assert_eq!(assert_answered(&picture), "Priority high.");
    assert_eq!(app.model.until_request(2).await.texts("tool").len(), 3);
    let requests = api_requests(&app.plane);
    let told: Vec<_> = requests.iter().map(|request| format!("{} {}", request.method, request.path)).collect();
    println!("a triage with three reads: {} requests", told.len());
    // A call that takes long on a busy machine is shown once more, when it starts.
    let announced = picture.actions().iter().filter(|action| !action.parameters.contains_key("result")).count();
    assert!(told.len() <= 12 + announced, "{} requests:\n{}", told.len(), told.join("\n"));
}

#[tokio::test]
async fn an_answer_is_posted_as_often_as_plane_fails_and_once_more() {
    let gate = Gate::new();
    let app = TestApp::start([Turn::says("At last.").after(vec![Piece::Hold(gate.clone())])]).await;
    let mentioned = app.mention("MOB-3", "hello").await;
    gate.reached().await;
    app.until(mentioned.run, "a first thought", |picture| !picture.thoughts().is_empty()).await;
    let since = Instant::now();
    for breakage in [status(503, None), status(503, Some(1)), status(429, Some(1)), status(429, None)] {
        app.plane.inject(Fault::new("POST", "/activities/", 1, breakage));
    }
    gate.open();
    let picture = app.plane.until(mentioned.run, |picture| picture.terminal_count() > 0, PATIENCE).await.unwrap();
    assert_eq!(assert_answered(&picture), "At last.");
    assert_eq!(posts(&app.plane, since), [503, 503, 429, 429, 201]);
}

#[tokio::test]
async fn an_answer_that_comes_through_long_after_its_connection_broke_is_said_once() {
    let gate = Gate::new();
    let app = TestApp::setup()
        .set("AILERON__PLANE__SETTLE_MS", "3000")
        .script([Turn::says("At last.").after(vec![Piece::Hold(gate.clone())]), Turn::says("And again.")])
        .start()
        .await;
    let mentioned = app.mention("MOB-3", "hello").await;
    gate.reached().await;
    app.until(mentioned.run, "a first thought", |picture| !picture.thoughts().is_empty()).await;
    let late = Breakage::ResetAndLateEffect(Duration::from_secs(2));
    app.plane.inject(Fault::new("POST", "/activities/", 1, late));
    gate.open();
    app.ended(mentioned.run).await;
    // What is said next comes only after the run was looked at and found answered.
    app.reply(mentioned.run, "and now?").await;
    let picture = app.ended_times(mentioned.run, 2).await;
    assert_eq!(picture.to_text().matches("At last.").count(), 1, "{}", picture.to_text());
}

#[tokio::test]
async fn an_answer_refused_for_good_is_recorded_and_not_posted_again() {
    for code in [400, 404] {
        let gate = Gate::new();
        let app = TestApp::start([
            Turn::says("Never heard.").after(vec![Piece::Hold(gate.clone())]),
            Turn::says("Heard again.").when("and now?"),
        ])
        .await;
        let mentioned = app.mention("MOB-3", "hello").await;
        gate.reached().await;
        app.until(mentioned.run, "a first thought", |picture| !picture.thoughts().is_empty()).await;
        let since = Instant::now();
        app.plane.inject(Fault::new("POST", "/activities/", 1, status(code, None)));
        gate.open();
        assert!(app.plane.until_all(|plane| posts(plane, since) == [code], PATIENCE).await);
        app.fence().await;
        assert_eq!(app.plane.run(mentioned.run).terminal_count(), 0);
        assert!(app.log().contains("refuses the turn's last word for good"), "{}", app.log());
        // The run is at rest, so the next prompt begins a new turn.
        app.reply(mentioned.run, "and now?").await;
        assert_eq!(assert_answered(&app.ended(mentioned.run).await), "Heard again.");
    }
}

#[tokio::test]
async fn a_429_of_one_request_pauses_all_of_the_credential() {
    let app = TestApp::setup().rule(search_then_answer).start().await;
    app.plane.inject(Fault::new("GET", "/search/", 1, status(429, Some(2))));
    let runs: Vec<_> =
        join_all((0..4).map(|_| app.mention("MOB-3", "search"))).await.into_iter().map(|said| said.run).collect();
    assert_all_answered(&app, runs).await;
    let requests = api_requests(&app.plane);
    let limited = requests.iter().find(|request| request.status == 429).expect("the fault struck").at;
    // What was under way already may still arrive.
    let (from, to) = (limited + Duration::from_millis(300), limited + Duration::from_millis(1900));
    let meanwhile = requests.iter().filter(|request| request.at > from && request.at < to).count();
    assert_eq!(meanwhile, 0, "requests in the pause");
    assert_eq!(requests.iter().filter(|request| request.status == 429).count(), 1);
}

#[tokio::test]
async fn reads_that_hang_do_not_hold_up_the_answer_of_another_run() {
    let gate = Gate::new();
    let search = |number: usize| ("search_work_items", json!({"query": format!("word {number}")}));
    let app = TestApp::start([
        Turn::says("In time.").after(vec![Piece::Hold(gate.clone())]).when("quick one"),
        Turn::calls([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(search)).when("slow one"),
    ])
    .await;
    let quick = app.mention("MOB-3", "quick one").await.run;
    gate.reached().await;
    app.plane.inject(Fault::new("GET", "/search/", 20, Breakage::Delay(Duration::from_secs(60))));
    app.mention("MOB-4", "slow one").await;
    let hanging = |plane: &Sandbox| {
        let requests = plane.requests();
        requests.iter().filter(|request| request.path.contains("/search/")).count()
    };
    assert!(app.plane.until_all(|plane| hanging(plane) >= 8, PATIENCE).await);
    let opened = Instant::now();
    gate.open();
    assert_eq!(assert_answered(&app.ended(quick).await), "In time.");
    assert!(opened.elapsed() < Duration::from_secs(10), "it took {:?}", opened.elapsed());
    assert_eq!(hanging(&app.plane), 8, "no more than that are under way at the same time");
}
