//! Work items are listed by what people ask for, although no server filters them for us.

use aileron::sandbox::{Breakage, Fault};
use serde_json::{Value, json};

use crate::support::{app::TestApp, model::Turn, picture::assert_answered};

/// What each call of `list_work_items` answered.
async fn lists<const N: usize>(app: &TestApp, calls: [Value; N]) -> Vec<String> {
    let calls = calls.map(|arguments| ("list_work_items", arguments));
    app.model.then([Turn::calls(calls), Turn::says("Listed.")]);
    let mentioned = app.mention("MOB-3", "list").await;
    assert_answered(&app.ended(mentioned.run).await);
    app.results()
}

/// The keys in a result, in their order.
fn keys(result: &str) -> String {
    let keys = result.lines().filter_map(|line| line.strip_prefix("- ")?.split_once(':').map(|(key, _)| key));
    keys.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn the_work_items_that_fit_are_listed_in_order_and_counted() {
    let app = TestApp::setup().plane(|options| options.rate_limit_per_minute = None).start().await;
    let cases = [
        (json!({"states": ["in progress"]}), "MOB-5 MOB-1"),
        (json!({"states": ["closed"], "order": "oldest"}), "MOB-10 MOB-8"),
        (json!({"states": ["open"], "labels": ["Bug"], "order": "most_urgent"}), "MOB-5 MOB-9 MOB-4"),
        (json!({"assignees": ["@noor"], "priorities": ["high", "medium"], "order": "newest"}), "MOB-8 MOB-1 MOB-2"),
        (json!({"assignees": ["none"], "labels": ["none"]}), "MOB-3"),
        (json!({"created_by": "Luis Prado", "states": ["unstarted", "backlog"]}), "MOB-3 MOB-9 MOB-4"),
        (json!({"cycle": "current"}), "MOB-5 MOB-9 MOB-4 MOB-1"),
        (json!({"cycle": "sprint 12", "module": "Checkout"}), "MOB-1"),
        (json!({"module": "Accessibility"}), ""),
        (json!({"parent": "MOB-1"}), "MOB-8"),
        (json!({"order": "longest_untouched", "states": ["Todo"]}), "MOB-2 MOB-4 MOB-9"),
    ];
    let results = lists(&app, cases.each_ref().map(|(arguments, _)| arguments.clone())).await;
    for ((arguments, expected), result) in cases.iter().zip(&results) {
        assert_eq!(keys(result), *expected, "{arguments}: {result}");
        let count = expected.split_whitespace().count();
        assert!(result.starts_with(&format!("{count} work items in ")), "{result}");
    }
    assert!(results[0].contains("in the project that fit (state in progress)"), "{}", results[0]);
    assert!(results[7].contains("the cycle \"Sprint 12\" and the module \"Checkout\""), "{}", results[7]);
    let whole = |request: &&aileron::sandbox::RecordedRequest| {
        request.path.ends_with("/work-items/") && !request.query.contains("fields=")
    };
    assert_eq!(app.plane.requests().iter().filter(whole).count(), 1, "all of them look through one reading");
}

#[tokio::test]
async fn a_name_that_does_not_exist_and_a_feature_that_is_off_are_told() {
    let app = TestApp::setup().plane(|options| options.rate_limit_per_minute = None).start().await;
    let off = r#"{"error":"Modules are not enabled for this project"}"#.to_owned();
    app.plane.inject(Fault::new("GET", "/modules/", 1, Breakage::Status { code: 400, retry_after: None, body: off }));
    let results = lists(
        &app,
        [
            json!({"module": "Checkout"}),
            json!({"cycle": "Sprint 99"}),
            json!({"states": ["doing"]}),
            json!({"created_from": "yesterday"}),
            json!({"due_from": "2026-12-02", "due_to": "2026-12-01"}),
            json!({"parent": "nothing at all"}),
        ],
    )
    .await;
    for (result, told) in results.iter().zip([
        "Modules are not enabled for this project",
        "no cycle \"Sprint 99\". There are: Sprint 12, Sprint 13, Sprint 11",
        "Groups are: backlog, unstarted, started, completed, cancelled, open, closed",
        "write it as 2026-12-24",
        "exchange the two days of due",
        "names no work item",
    ]) {
        assert!(result.contains(told), "{result}");
    }
}

#[tokio::test]
async fn what_was_not_looked_at_is_told_unless_it_cannot_fit() {
    let app = TestApp::setup().plane(|options| options.rate_limit_per_minute = None).start().await;
    for number in 0..1_000 {
        let _key = app.plane.add_work_item(0, &format!("Number {number}"));
    }
    let results = lists(
        &app,
        [
            json!({"states": ["Backlog"], "page": 2}),
            json!({"states": ["Todo"]}),
            json!({"created_from": "2999-01-01", "states": ["Todo"]}),
            json!({"states": ["Backlog"], "page": 99}),
        ],
    )
    .await;
    let missed = "[Only 1000 of the 1011 in the project were looked at, the ones updated last. More may fit: say so.]";
    assert!(
        results[0].starts_with("1000 work items in the project that fit (state Backlog):\n\nBy state: Backlog 1000.")
    );
    assert!(results[0].contains("[940 more from page 3]") && results[0].ends_with(missed), "{}", results[0]);
    assert_eq!(keys(&results[0]).split(' ').count(), 30);
    assert!(results[1].starts_with("0 work items") && results[1].ends_with(missed), "{}", results[1]);
    assert!(results[2].starts_with("0 work items") && !results[2].contains("looked at"), "{}", results[2]);
    assert!(results[3].starts_with("Page 99 is empty: 1000 work items"), "{}", results[3]);
}
