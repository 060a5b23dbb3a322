//! What the agent can look up beside work items: the log of changes, pages, what a project offers.

use aileron::sandbox::{Breakage, Fault};
use serde_json::{Value, json};

use crate::support::{app::TestApp, model::Turn, picture::assert_answered};

async fn read<const N: usize>(app: &TestApp, calls: [(&str, Value); N]) -> Vec<String> {
    app.model.then([Turn::calls(calls), Turn::says("Read.")]);
    let mentioned = app.mention("MOB-3", "look it up").await;
    assert_answered(&app.ended(mentioned.run).await);
    app.results()
}

#[tokio::test]
async fn the_log_is_told_with_what_does_not_hold_any_more() {
    let app = TestApp::start([]).await;
    // Plane would have logged this; here the log goes on claiming the old value.
    app.plane.set_priority(0, "MOB-5", "low");
    let results = read(
        &app,
        [
            ("read_history", json!({"work_item": "MOB-5"})),
            ("read_history", json!({"work_item": "MOB-5", "field": "state"})),
            ("read_history", json!({"work_item": "MOB-5", "field": "start_date"})),
            ("read_history", json!({"work_item": "MOB-5", "limit": 1})),
            ("read_history", json!({"work_item": "MOB-999"})),
        ],
    )
    .await;
    let line =
        |what: &str| results[0].lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{}", results[0]));
    assert!(line("priority from").contains("to urgent [not proven: it is low now]"), "{}", results[0]);
    assert!(!line("state from").contains("not proven") && results[0].contains("- Priority: low"), "{}", results[0]);
    assert!(results[1].starts_with("1 changes") && results[1].contains("In Progress"), "{}", results[1]);
    assert!(results[2].starts_with("Nothing of this among all"), "{}", results[2]);
    assert!(results[3].contains("the newest 1 of "), "{}", results[3]);
    assert!(results[4].contains("Plane does not know the work item"), "{}", results[4]);
}

#[tokio::test]
async fn a_page_is_found_by_its_title_and_read() {
    let app = TestApp::start([]).await;
    let results = read(
        &app,
        [
            ("find_pages", json!({})),
            ("find_pages", json!({"query": "WORK"})),
            ("find_pages", json!({"query": "holidays"})),
            ("read_page", json!({"page": "how we work"})),
            ("read_page", json!({"page": "Holidays"})),
        ],
    )
    .await;
    assert!(
        results[0].contains("1 of the project's 1 pages") && results[0].contains("- How we work"),
        "{}",
        results[0]
    );
    assert!(results[1].contains("- How we work"), "{}", results[1]);
    assert!(results[2].starts_with("None of the project's 1 pages"), "{}", results[2]);
    assert!(results[3].starts_with("# How we work\n\n") && results[3].contains("is **urgent**"), "{}", results[3]);
    assert!(results[4].contains("no page \"Holidays\". There are: How we work."), "{}", results[4]);
}

#[tokio::test]
async fn an_edition_without_pages_is_told_as_such() {
    let app = TestApp::start([]).await;
    // As a Community server answers.
    let body = r#"{"error":"Page not found."}"#.to_owned();
    app.plane.inject(Fault::new("GET", "/pages/", 9, Breakage::Status { code: 404, retry_after: None, body }));
    let results = read(&app, [("find_pages", json!({})), ("read_page", json!({"page": "How we work"}))]).await;
    assert!(results.iter().all(|result| result.contains("does not show pages through its API")), "{results:?}");
    app.plane.clear_faults();
}

#[tokio::test]
async fn a_project_tells_its_cycles_and_modules_unless_they_are_off() {
    let app = TestApp::setup().plane(|options| options.rate_limit_per_minute = None).start().await;
    let off = r#"{"error":"Cycles are not enabled for this project"}"#.to_owned();
    let refused = Breakage::Status { code: 400, retry_after: None, body: off };
    app.plane.inject(Fault::new("GET", "/cycles/", 1, refused));
    let first = read(&app, [("list_project_facts", json!({}))]).await;
    assert!(!first[0].contains("## Cycles") && first[0].contains("## Modules"), "{}", first[0]);
    assert!(first[0].contains("- Checkout (in-progress; 1 of 3 closed)"), "{}", first[0]);
    let again = read(&app, [("list_project_facts", json!({}))]).await;
    assert!(again[0].contains("- Sprint 12 (") && again[0].contains(", current; 0 of 4 closed)"), "{}", again[0]);
}

#[tokio::test]
async fn what_hangs_on_a_work_item_is_told_where_it_is_asked_for() {
    let app = TestApp::start([]).await;
    let body = "{}".to_owned();
    let results = read(
        &app,
        [
            ("read_work_item", json!({"work_item": "MOB-9", "with_relations": true})),
            ("read_work_item", json!({"work_item": "MOB-5", "with_relations": true})),
            ("read_work_item", json!({"work_item": "MOB-5"})),
        ],
    )
    .await;
    assert!(results[0].contains("## Relations\n\n- relates to MOB-1: Redesign the checkout screen"), "{}", results[0]);
    assert!(results[0].contains("## Links\n\n(none)"), "{}", results[0]);
    assert!(results[1].contains("- Crash group 8841: https://crashes.example.test/groups/8841"), "{}", results[1]);
    assert!(results[1].contains("## Files\n\n- crash-8841.log"), "{}", results[1]);
    assert!(!results[2].contains("## Links"), "{}", results[2]);
    let item = app.plane.workspace(0).work_items["MOB-9"];
    let gone = Breakage::Status { code: 404, retry_after: None, body };
    app.plane.inject(Fault::new("GET", &format!("{item}/relations/"), 1, gone));
    let results = read(&app, [("read_work_item", json!({"work_item": "MOB-9", "with_relations": true}))]).await;
    assert!(results[0].contains("## Relations\n\n(Plane did not tell them)"), "{}", results[0]);
}
