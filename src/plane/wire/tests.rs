//! Bodies recorded from a real server go through the readers, none left out.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{attached, deed, failure, list, plans, record};
use crate::domain::work_item::Page;

/// One recorded exchange, from a file in either of the two layouts there are.
struct Recorded {
    name: String,
    method: String,
    path: String,
    query: Value,
    status: u64,
    body: Value,
}

fn recorded(folder: &Path) -> Vec<Recorded> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> Recorded {
    let json: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let (request, response) =
        if json["request"].is_object() { (&json["request"], &json["response"]) } else { (&json, &json) };
    Recorded {
        name: file.file_name().unwrap().to_string_lossy().into_owned(),
        method: request["method"].as_str().unwrap().to_owned(),
        path: request["path"].as_str().unwrap().to_owned(),
        query: request["query"].clone(),
        status: response["status"].as_u64().unwrap(),
        body: response["body"].clone(),
    }
}

/// How many records the body of one of our calls yields and how many it holds; `None` for calls we
/// do not make.
fn converted(exchange: &Recorded) -> Option<(usize, usize)> {
    // We never ask for chosen fields or by external id, which change the shape, and gzip is undone
    // before a body is read.
    let ours = exchange.method == "GET" && exchange.status == 200 && !exchange.body.is_string();
    if !ours || exchange.query.get("fields").is_some() || exchange.query.get("external_source").is_some() {
        return None;
    }
    let body = &exchange.body;
    let below = exchange.path.strip_prefix("/api/v1/workspaces/acme/")?;
    let segments: Vec<&str> = below.trim_end_matches('/').split('/').collect();
    let one = |read: bool| Some((usize::from(read), 1));
    match segments[..] {
        ["projects", _] => one(record::project(body).is_some_and(|project| !project.identifier.is_empty())),
        ["work-items", "search"] => all(body, list::page(body, record::search_hit)),
        ["work-items", _] => one(record::work_item(body, None).is_some_and(|item| item.sequence > 0)),
        ["projects", _, "states"] => all(body, list::page(body, record::placed_state)),
        ["projects", _, "labels"] => all(body, list::page(body, record::label)),
        ["projects", _, "members" | "project-members"] => all(body, list::page(body, record::member)),
        ["projects", _, "cycles"] => all(body, list::page(body, plans::cycle)),
        ["projects", _, "modules"] => all(body, list::page(body, plans::module)),
        ["projects", project, _, _, "cycle-issues" | "module-issues"] => {
            let project = project.parse().ok()?;
            all(body, list::page(body, |row| plans::member_item(row, project)))
        }
        ["projects", _, "work-items"] => all(body, list::page(body, |row| record::work_item(row, None))),
        ["projects", _, "work-items", _] => {
            one(record::work_item(body, None).is_some_and(|item| !item.name.is_empty()))
        }
        ["projects", _, "work-items", _, "comments"] => all(body, list::page(body, record::comment)),
        ["projects", _, "work-items", _, "comments", _] => {
            one(record::comment(body).is_some_and(|comment| comment.author.is_some() && comment.created_at.is_some()))
        }
        ["projects", _, "work-items", _, "activities"] => all(body, list::page(body, record::change)),
        ["projects", _, "work-items", _, "links"] => all(body, list::page(body, attached::known_link)),
        ["projects", _, "intake-issues"] => all(body, list::page(body, deed::intake_item)),
        ["projects", _, "intake-issues", _] => one(deed::intake_item(body).is_some_and(|item| item.sequence > 0)),
        ["projects", _, "work-items", _, "attachments"] => all(body, list::page(body, attached::attachment)),
        ["projects", _, "work-items", _, "relations"] => {
            let others = body.as_object()?.values().filter_map(Value::as_array).map(Vec::len).sum();
            Some((attached::relations(body).map_or(0, |relations| relations.len()), others))
        }
        _ => None,
    }
}

fn all<T>(body: &Value, page: Option<Page<T>>) -> Option<(usize, usize)> {
    let rows = body.as_array().or_else(|| body["results"].as_array()).or_else(|| body["issues"].as_array());
    Some((page.map_or(0, |page| page.items.len()), rows.map_or(usize::MAX, Vec::len)))
}

/// Checks everything in a folder; gives how many bodies and how many errors were checked.
fn sweep(folder: &Path) -> (usize, usize) {
    let (mut bodies, mut errors) = (0, 0);
    for exchange in recorded(folder) {
        if let Some((read, held)) = converted(&exchange) {
            assert_eq!(read, held, "{}", exchange.name);
            bodies += 1;
        }
        if exchange.status >= 400 {
            let raw = exchange.body.as_str().map_or_else(|| exchange.body.to_string(), str::to_owned);
            let message = failure::message(raw.as_bytes());
            assert!(!message.is_empty() && message.chars().count() <= 300, "{}", exchange.name);
            let has_body = !raw.is_empty() && raw != "null";
            assert!(!has_body || message != "no message", "{}: {raw}", exchange.name);
            errors += 1;
        }
    }
    (bodies, errors)
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/plane/rest")
}

fn fixture(name: &str) -> Recorded {
    read(&fixtures().join(name))
}

#[test]
fn every_recorded_answer_is_read() {
    let (bodies, errors) = sweep(&fixtures());
    assert!(bodies >= 17 && errors >= 9, "{bodies} bodies, {errors} errors");
}

#[test]
fn the_whole_recording_is_read_where_it_is_at_hand() {
    let beside = |folder: &Path| folder.join("shared/plane-fixtures/rest");
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(beside).find(|folder| folder.is_dir());
    if let Some(folder) = found {
        let (bodies, errors) = sweep(&folder);
        assert!(bodies >= 40 && errors >= 100, "{bodies} bodies, {errors} errors");
    }
}

#[test]
fn an_expanded_work_item_brings_its_names_along() {
    let items = fixture("147-work-items-list-expand-state-assignees-labels-project.json");
    let page = list::page(&items.body, |row| record::work_item(row, None)).unwrap();
    assert_eq!((page.total, page.more), (18, true));
    let item = &page.items[1];
    assert_eq!(item.key().unwrap(), "MOB-2");
    assert_eq!(item.name, "Add dark mode");
    assert_eq!(item.priority.as_str(), "high");
    assert_eq!(item.state.as_ref().unwrap().name.as_deref(), Some("Todo"));
    assert_eq!(item.labels[0].name.as_deref(), Some("feature"));
    assert_eq!(item.assignees[0].handle(), "@bob");
    assert_eq!(item.assignees[0].full_name, "Bob Müller");
    assert_eq!(item.created_by.as_ref().unwrap().handle(), "@ada");
    assert_eq!(item.parent, None);
    assert_eq!(item.target_date, Some(jiff::civil::date(2026, 11, 30)));
}

#[test]
fn a_plain_work_item_keeps_the_ids_it_has() {
    let plain = serde_json::json!({
        "id": "2cfd474d-47a1-4a06-bf94-ee2460c8002d", "project": "7094dc70-7625-4dba-9023-75f2c2bb27f3", "sequence_id": "7",
        "state": "518726f0-7cf9-4cc3-840b-3451c3b2cba0", "labels": ["0bf1db61-271d-4b9e-a738-dc04e4df40b3"],
        "assignees": ["b2910a04-fe3d-5b31-9d4c-1cf9d894678f"], "parent": {}, "priority": "sometime", "news": {"x": 1},
    });
    let read = record::work_item(&plain, None).unwrap();
    assert_eq!((read.sequence, read.key(), read.priority.as_str()), (7, None, "sometime"));
    assert_eq!(read.state.unwrap().name, None);
    assert_eq!((read.labels.len(), read.assignees[0].handle().as_str()), (1, "@user:b2910a04"));
    assert_eq!(read.parent, None);
}

#[test]
fn states_carry_their_place_and_group() {
    let states = list::page(&fixture("053-states-list.json").body, record::placed_state).unwrap().items;
    let names: Vec<&str> = states.iter().map(|(_, state)| state.name.as_str()).collect();
    assert_eq!(names[..3], ["Backlog", "Todo", "In Progress"]);
    assert!(states[0].1.is_default && states[0].0 < states[1].0);
}

#[test]
fn cycles_and_modules_are_read_with_their_days() {
    let cycles = list::page(&fixture("292-cycles-list.json").body, plans::cycle).unwrap().items;
    let days = (Some(jiff::civil::date(2026, 11, 16)), Some(jiff::civil::date(2026, 11, 29)));
    assert_eq!((cycles[0].name.as_str(), (cycles[0].start_date, cycles[0].end_date)), ("Sprint 1", days));
    let modules = list::page(&fixture("303-modules-list.json").body, plans::module).unwrap().items;
    assert_eq!((modules[0].name.as_str(), modules[0].status.as_str()), ("Onboarding", "in-progress"));
}

#[test]
fn a_member_may_be_nested_in_a_membership() {
    let user = "b2910a04-fe3d-5b31-9d4c-1cf9d894678f";
    let nested = serde_json::json!({"id": "00000000-0000-4000-8000-000000000001", "role": 15,
        "member": {"id": user, "display_name": "bob"}});
    assert_eq!(record::member(&nested).unwrap().id.to_string(), user);
    let by_id = serde_json::json!({"id": "00000000-0000-4000-8000-000000000001", "member": user});
    assert_eq!(record::member(&by_id).unwrap().id.to_string(), user);
}

#[test]
fn comments_keep_the_html_as_it_is() {
    let comment = record::comment(&fixture("258-comment-retrieve-script-not-sanitized.json").body).unwrap();
    assert!(comment.html.contains("<script>"));
    let comments = list::page(&fixture("254-comments-list-expand-actor.json").body, record::comment).unwrap();
    assert!(
        comments
            .items
            .iter()
            .all(|comment| { comment.author.as_ref().is_some_and(|author| !author.display_name.is_empty()) })
    );
}
