//! A turn that puts something, takes it away and would put it again is told to leave it, however it words the
//! call; what merely looks alike goes through.

use serde_json::{Value, json};

use crate::support::{app::TestApp, model::Turn, picture::assert_answered};

const REFUSAL: &str = "Do not change it back and forth";

/// Plays these calls one after the other on MOB-3, and gives what the model was told of each.
async fn play(calls: impl IntoIterator<Item = (&'static str, Value)>) -> (TestApp, Vec<String>) {
    let turns: Vec<_> = calls.into_iter().map(|call| Turn::calls([call])).collect();
    let app = TestApp::setup().may_write().script(turns.into_iter().chain([Turn::says("Done.")])).start().await;
    let run = app.mention("MOB-3", "see to it").await.run;
    assert_answered(&app.ended(run).await);
    let told = app.results();
    (app, told)
}

/// Asserts that all calls but the last were carried out, and the last was going back and forth.
fn assert_last_refused(told: &[String]) {
    let (last, others) = told.split_last().expect("results");
    assert!(last.contains(REFUSAL), "{told:#?}");
    assert!(others.iter().all(|text| text.starts_with("Done")), "{told:#?}");
}

/// What stands on a work item, each in a line, without its own fields.
fn standing(app: &TestApp, key: &str) -> Vec<String> {
    let head = format!("{key}: ");
    let lines = app.plane.tracker().into_iter().filter_map(|line| line.strip_prefix(&head).map(str::to_owned));
    lines.filter(|line| !line.starts_with('{')).collect()
}

fn fields(app: &TestApp, key: &str) -> Value {
    let head = format!("{key}: {{");
    let line = app.plane.tracker().into_iter().find(|line| line.starts_with(&head)).expect("a work item");
    serde_json::from_str(&line[head.len() - 1..]).unwrap()
}

fn labels(app: &TestApp, key: &str) -> usize {
    fields(app, key)["labels"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn a_relation_is_not_set_again_from_either_side() {
    let (app, told) = play([
        ("relate_work_items", json!({"relation": "blocking", "other": "MOB-10"})),
        ("unrelate_work_items", json!({"other": "MOB-10"})),
        ("relate_work_items", json!({"work_item": "MOB-10", "relation": "blocked_by", "other": "MOB-3"})),
    ])
    .await;
    assert_last_refused(&told);
    assert!(!standing(&app, "MOB-3").iter().any(|line| line.contains("MOB-10")), "{:?}", standing(&app, "MOB-3"));
}

#[tokio::test]
async fn one_relation_may_take_the_place_of_another() {
    let (app, told) = play([
        ("relate_work_items", json!({"relation": "relates_to", "other": "MOB-10"})),
        ("unrelate_work_items", json!({"other": "MOB-10"})),
        ("relate_work_items", json!({"relation": "duplicate", "other": "MOB-10"})),
    ])
    .await;
    assert!(told.iter().all(|text| text.starts_with("Done")), "{told:#?}");
    assert!(standing(&app, "MOB-3").contains(&"duplicate MOB-10".to_owned()));
}

#[tokio::test]
async fn a_work_item_does_not_go_in_and_out_of_cycles_and_modules() {
    for (name, there, back, again) in [
        (
            "change_cycle",
            json!({"cycle": "Sprint 13"}),
            json!({"cycle": "none"}),
            json!({"cycle": "sprint 13", "reason": "after all"}),
        ),
        (
            "change_module",
            json!({"module": "Accessibility"}),
            json!({"module": "Accessibility", "remove": true}),
            json!({"module": "Accessibility", "work_item": "MOB-3"}),
        ),
    ] {
        let (app, told) = play([(name, there), (name, back), (name, again)]).await;
        assert_last_refused(&told);
        assert!(!standing(&app, "MOB-3").iter().any(|line| line.starts_with("in ")), "{name}");
    }
}

#[tokio::test]
async fn a_label_is_not_put_on_again_while_others_are() {
    let update = |fields: Value| ("update_work_item", fields);
    let (app, told) = play([
        update(json!({"add_labels": ["performance"]})),
        update(json!({"add_labels": ["needs-info"]})),
        update(json!({"remove_labels": ["performance"]})),
        update(json!({"add_labels": ["Performance", "ios"]})),
    ])
    .await;
    assert_last_refused(&told);
    let seeded = TestApp::start([]).await;
    assert_eq!(labels(&app, "MOB-3"), labels(&seeded, "MOB-3") + 1);
}

#[tokio::test]
async fn what_was_taken_back_is_not_done_again_in_the_same_turn() {
    let (app, told) = play([
        ("add_link", json!({"url": "https://ci.example/7"})),
        ("undo", json!({})),
        ("add_link", json!({"url": "https://ci.example/7", "title": "CI"})),
    ])
    .await;
    assert_last_refused(&told);
    assert!(!standing(&app, "MOB-3").iter().any(|line| line.contains("ci.example")));

    let (app, told) = play([
        ("archive_work_item", json!({"work_item": "MOB-8"})),
        ("undo", json!({})),
        ("archive_work_item", json!({"work_item": "mob-8"})),
    ])
    .await;
    assert_last_refused(&told);
    assert!(!standing(&app, "MOB-8").contains(&"archived".to_owned()));
}

#[tokio::test]
async fn taking_back_makes_room_for_what_was_meant() {
    let set = |priority: &str| ("update_work_item", json!({ "priority": priority }));
    let app = TestApp::setup().may_write().script([Turn::calls([set("urgent")]), Turn::says("Raised.")]).start().await;
    let run = app.mention("MOB-3", "raise this").await.run;
    assert_answered(&app.ended(run).await);
    app.model.then([
        Turn::calls([("undo", json!({}))]),
        Turn::calls([set("medium")]),
        Turn::calls([set("low")]),
        Turn::says("Medium."),
    ]);
    app.reply(run, "undo that and make it medium").await;
    assert_answered(&app.ended_times(run, 2).await);
    assert_eq!(app.plane.priority(0, "MOB-3"), "medium");
    assert!(app.told().contains(REFUSAL), "{}", app.told());
}
