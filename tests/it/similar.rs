//! Likely duplicates are found in a real project's worth of work items, with as few requests as possible.

use serde_json::json;

use crate::support::{app::TestApp, model::Turn, picture::assert_answered};

#[tokio::test]
async fn a_likely_duplicate_is_found_with_what_it_shares_and_the_list_is_read_once() {
    let app = TestApp::start([
        Turn::calls([
            ("find_similar_work_items", json!({})),
            ("find_similar_work_items", json!({"text": "Paying is impossible on the newest iOS", "limit": 1})),
        ]),
        Turn::says("MOB-5 tells the same."),
    ])
    .await;
    let mentioned = app.mention("MOB-3", "is this known?").await;
    let picture = app.ended(mentioned.run).await;
    assert_answered(&picture);
    let results = app.results();
    let first = results[0].lines().find(|line| line.starts_with("- ")).expect("a candidate");
    assert!(first.contains("MOB-5: Crash in cart"), "{}", results[0]);
    assert!(results[0].contains("; open"), "{}", results[0]);
    assert!(results[0].contains("shares: ") && results[0].contains("crash"), "{}", results[0]);
    assert!(!results[0].contains("MOB-3"), "it is not like itself");
    assert!(results[1].contains("MOB-9: Payment sheet does not open on iOS 18"), "{}", results[1]);
    // Whole work items: their titles are asked for apart.
    let whole = |request: &&aileron::sandbox::RecordedRequest| {
        request.path.ends_with("/work-items/") && !request.query.contains("fields=")
    };
    let lists = app.plane.requests().iter().filter(whole).count();
    assert_eq!(lists, 1, "the second call reads what the first has read");
}
