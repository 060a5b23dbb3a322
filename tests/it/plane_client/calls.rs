//! Requests and their failures.

use std::time::Duration;

use aileron::{
    domain::{
        activity::{Draft, RunActivityKind, Saying},
        deed::Deed,
        disposition::Disposition,
        event::RunInfo,
        ids::{CommentId, ProjectId, RunId, StepKey, WorkItemId},
        write::Target,
    },
    plane::{DeedApi as _, ItemOrder, PlaneApi, PlaneError, RunStatus},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::fake::{Reply, Seen, Server, WORKSPACE, client, client_with};

pub(super) const ITEM: WorkItemId = WorkItemId(Uuid::from_u128(0xb));
pub(super) const PROJECT: ProjectId = ProjectId(Uuid::from_u128(0xa));
const RUN: RunId = RunId(Uuid::from_u128(0x6));
const COMMENT: CommentId = CommentId(Uuid::from_u128(0xc));

fn run() -> RunInfo {
    RunInfo {
        id: RUN,
        workspace: WORKSPACE,
        project: Some(PROJECT),
        work_item: Some(ITEM),
        agent_user: None,
        creator: None,
        comment: None,
        source_comment: None,
    }
}

fn draft() -> Draft {
    let key = StepKey { run: RUN, turn: 1, step: 0, part: 0 };
    Draft { key, saying: Saying::Thought { body: "Reading the thread".to_owned() }, detail: None }
}

fn recorded(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/plane/rest/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let exchange: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    exchange["body"].clone()
}

/// Answers every call with a recorded body, by the end of its path.
fn as_recorded(path: &str) -> Value {
    let below = path.strip_prefix("/api/v1/workspaces/acme/").unwrap();
    let segments: Vec<&str> = below.trim_end_matches('/').split('/').collect();
    match segments[..] {
        ["runs", run] => json!({"id": run, "status": "in_progress", "issue": ITEM, "project": PROJECT}),
        ["runs", _, "activities"] => json!({"id": Uuid::from_u128(5), "comment": COMMENT, "results": []}),
        ["work-items", "search"] => recorded("219-work-items-search"),
        ["work-items", _] => recorded("176-work-item-by-identifier-expand"),
        ["projects", _] => recorded("028-project-detail"),
        ["projects", _, "states"] => recorded("053-states-list"),
        ["projects", _, "labels"] => recorded("077-labels-list"),
        ["projects", _, "project-members"] => recorded("050-project-members"),
        ["projects", _, "work-items"] => recorded("147-work-items-list-expand-state-assignees-labels-project"),
        ["projects", _, "work-items", _] => recorded("166-work-item-retrieve-expand-all"),
        ["projects", _, "work-items", _, "comments"] => recorded("254-comments-list-expand-actor"),
        ["projects", _, "work-items", _, "comments", _] => recorded("257-comment-retrieve-with-mention"),
        ["projects", _, "work-items", _, "activities"] => recorded("342-activities-list-expand-actor"),
        _ => panic!("{path}"),
    }
}

#[tokio::test]
async fn every_call_reaches_its_address_and_is_read() {
    let server = Server::start(|seen, _| Reply::Json(200, as_recorded(&seen.path))).await;
    let (_, _, plane) = client(&server).await;
    let posted = plane.post_activity(WORKSPACE, &run(), &draft()).await.unwrap();
    assert_eq!(posted.comment, Some(COMMENT));
    assert!(plane.run_activities(&run()).await.unwrap().is_empty());
    let (info, status) = plane.run(&run()).await.unwrap();
    assert_eq!((info.work_item, status), (Some(ITEM), RunStatus::InProgress));
    assert!(plane.work_item(WORKSPACE, PROJECT, ITEM).await.unwrap().state.unwrap().name.is_some());
    assert!(plane.work_item_by_key(WORKSPACE, "mob", 2).await.unwrap().sequence > 0);
    let items = plane.work_items(WORKSPACE, PROJECT, ItemOrder::MostUrgentFirst, 3, 500).await.unwrap();
    assert!(!items.items.is_empty() && items.more);
    assert!(!plane.search(WORKSPACE, Some(PROJECT), "dark & mode", 5).await.unwrap().is_empty());
    assert!(!plane.search(WORKSPACE, None, "x", 0).await.unwrap().is_empty());
    assert!(!plane.comments(WORKSPACE, PROJECT, ITEM, 0, 0).await.unwrap().items.is_empty());
    assert!(!plane.comment(WORKSPACE, PROJECT, ITEM, COMMENT).await.unwrap().html.is_empty());
    assert!(!plane.history(WORKSPACE, PROJECT, ITEM, 20).await.unwrap().items.is_empty());
    assert_eq!(plane.project(WORKSPACE, PROJECT).await.unwrap().identifier, "MOB");
    assert_eq!(plane.states(WORKSPACE, PROJECT).await.unwrap()[0].name, "Backlog");
    assert!(!plane.labels(WORKSPACE, PROJECT).await.unwrap().is_empty());
    assert!(!plane.members(WORKSPACE, PROJECT).await.unwrap().is_empty());

    check_requests(&server.seen());
}

fn check_requests(seen: &[Seen]) {
    assert_eq!(seen.len(), 15);
    for seen in seen {
        assert!(seen.path.starts_with("/api/v1/workspaces/acme/") && seen.path.ends_with('/'), "{}", seen.path);
        assert_eq!((seen.authorization.as_str(), seen.accept.as_str()), ("Bearer old", "application/json"));
    }
    let queries: Vec<&str> = seen.iter().map(|seen| seen.query.as_str()).collect();
    let expand = "expand=state%2Cassignees%2Clabels%2Cproject%2Ccreated_by%2Cparent";
    assert_eq!(queries[1], "per_page=100");
    assert_eq!(queries[3], expand);
    assert_eq!(seen[4].path, "/api/v1/workspaces/acme/work-items/MOB-2/");
    assert_eq!(queries[5], format!("{expand}&order_by=priority&per_page=100&cursor=100%3A3%3A0"));
    assert_eq!(queries[6], format!("search=dark+%26+mode&limit=5&workspace_search=false&project_id={PROJECT}"));
    assert_eq!(queries[7], "search=x&limit=1&workspace_search=true");
    assert_eq!(queries[8], "expand=actor&per_page=1");
    assert_eq!(queries[10], "expand=actor&order_by=-created_at&per_page=20");
}

#[tokio::test]
async fn an_activity_is_posted_with_its_key_and_project() {
    let server = Server::start(|_, _| Reply::Json(201, json!({"id": Uuid::from_u128(5)}))).await;
    let (_, _, plane) = client(&server).await;
    plane.post_activity(WORKSPACE, &run(), &draft()).await.unwrap();
    let seen = server.seen().remove(0);
    assert_eq!(
        (seen.method.as_str(), seen.path.as_str()),
        ("POST", &*format!("/api/v1/workspaces/acme/runs/{RUN}/activities/"))
    );
    assert_eq!(
        seen.json(),
        json!({"type": "thought", "content": {"type": "thought", "body": "Reading the thread"}, "signal": "continue",
            "content_metadata": {"aileron": {"step": format!("{RUN}/1/0/0")}}, "project": PROJECT})
    );
}

#[tokio::test]
async fn a_whole_list_is_read_page_by_page_and_sorted() {
    let activity = |id: u128, at: &str| json!({"id": Uuid::from_u128(id), "type": "prompt", "content": {"type": "prompt", "body": at}, "created_at": at});
    let server = Server::start(move |seen, _| {
        let page = if seen.query.contains("cursor=100%3A1%3A0") {
            json!({"results": [activity(2, "2026-01-01T00:00:02Z"), activity(1, "2026-01-01T00:00:01Z")],
                "next_cursor": "100:2:0", "next_page_results": false})
        } else {
            json!({"results": [activity(3, "2026-01-01T00:00:03Z"), activity(2, "2026-01-01T00:00:02Z")],
                "next_cursor": "100:1:0", "next_page_results": true})
        };
        Reply::Json(200, page)
    })
    .await;
    let (_, _, plane) = client(&server).await;
    let activities = plane.run_activities(&run()).await.unwrap();
    let ids: Vec<u128> = activities.iter().map(|activity| activity.id.0.as_u128()).collect();
    assert_eq!(ids, [1, 2, 3]);
    assert!(matches!(activities[0].kind, RunActivityKind::Prompt { stop: false, .. }));
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_list_that_never_ends_is_cut() {
    let server = Server::start(|_, nth| {
        Reply::Json(
            200,
            json!({"results": [{"id": Uuid::from_u128(nth as u128), "name": "x"}], "next_page_results": true}),
        )
    })
    .await;
    let (_, _, plane) = client(&server).await;
    assert_eq!(plane.labels(WORKSPACE, PROJECT).await.unwrap().len(), 30);
}

#[tokio::test]
async fn a_limited_request_is_repeated_when_plane_says() {
    let limited = r#"{"error_code": 5900, "error_message": "RATE_LIMIT_EXCEEDED"}"#;
    let server = Server::start(move |_, nth| match nth {
        0 | 2 | 3 => Reply::Later(429, "0", limited),
        _ => Reply::Json(200, json!({"id": Uuid::from_u128(5)})),
    })
    .await;
    let (_, _, plane) = client(&server).await;
    assert!(plane.project(WORKSPACE, PROJECT).await.is_ok());
    assert!(plane.post_activity(WORKSPACE, &run(), &draft()).await.is_ok());
    assert_eq!(server.seen().len(), 5);
}

#[tokio::test]
async fn a_long_wait_is_left_to_the_caller() {
    let server = Server::start(|_, _| Reply::Later(429, "3600", "")).await;
    let (_, _, plane) = client(&server).await;
    let error = plane.project(WORKSPACE, PROJECT).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Retry { after: Some(Duration::from_secs(3600)) });
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_failing_read_is_repeated_and_a_failing_write_is_not() {
    let server = Server::start(|_, _| Reply::Later(502, "0", "<html><body>Bad gateway</body></html>")).await;
    let (_, _, plane) = client(&server).await;
    let error = plane.project(WORKSPACE, PROJECT).await.unwrap_err();
    assert_eq!(error.to_string(), "Plane failed at the project with status 502: HTML page");
    assert_eq!(server.seen().len(), 3);
    let error = plane.post_activity(WORKSPACE, &run(), &draft()).await.unwrap_err();
    assert!(error.outcome_unknown());
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn silence_is_cut_off_and_leaves_the_outcome_unknown() {
    let server = Server::start(|_, _| Reply::Silence).await;
    let mut config = server.config();
    config.request_timeout = Duration::from_millis(50);
    let (_, _, plane) = client_with(config).await;
    let error = plane.post_activity(WORKSPACE, &run(), &draft()).await.unwrap_err();
    assert!(matches!(error, PlaneError::Transport { .. }) && error.outcome_unknown(), "{error}");
    assert!(error.to_string().contains("timed out"), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_gone_is_told_without_its_address() {
    let mut config = Server::start(|_, _| Reply::Silence).await.config();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    config.api_url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let (_, _, plane) = client_with(config).await;
    let error = plane.search(WORKSPACE, None, "private words", 5).await.unwrap_err();
    assert!(error.to_string().contains("could not connect"), "{error}");
    assert!(!error.to_string().contains("private"), "{error}");
}

#[tokio::test]
async fn what_is_no_json_is_malformed_and_stays_out_of_the_error() {
    for body in
        ["private words", "<p>private words</p>", "{\"name\": \"private words\"", "{}", "[]", "\"private words\"", ""]
    {
        let server = Server::start(move |_, _| Reply::Text(200, body)).await;
        let (_, _, plane) = client(&server).await;
        let error = plane.project(WORKSPACE, PROJECT).await.unwrap_err();
        assert!(matches!(error, PlaneError::Malformed { .. }), "{error}");
        assert!(!error.to_string().contains("private"), "{error}");
        assert_eq!(server.seen().len(), 1);
    }
    let server = Server::start(|_, _| Reply::Json(200, json!({"detail": "no list"}))).await;
    let (_, _, plane) = client(&server).await;
    assert!(matches!(plane.states(WORKSPACE, PROJECT).await.unwrap_err(), PlaneError::Malformed { .. }));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let server = Server::start(|_, _| Reply::Redirect("/elsewhere")).await;
    let (_, _, plane) = client(&server).await;
    let error = plane.post_activity(WORKSPACE, &run(), &draft()).await.unwrap_err();
    assert!(matches!(error, PlaneError::Refused { status: 301, .. }), "{error}");
    // What is answered with nothing would else pass for done.
    let pass = plane.write_pass(WORKSPACE).await.unwrap();
    let item = Target { project: PROJECT, id: ITEM };
    let deed = Deed::DeleteWorkItem { item };
    let error = plane.carry_out(WORKSPACE, &deed, draft().key, pass).await.unwrap_err();
    assert!(matches!(error, PlaneError::Refused { status: 301, .. }), "{error}");
    assert_eq!(server.count("/elsewhere"), 0);
}

#[tokio::test]
async fn each_status_becomes_the_error_that_says_who_acts() {
    type Expected = fn(&PlaneError) -> bool;
    let cases: [(u16, Value, Expected); 6] = [
        (400, json!({"name": ["too long"]}), |error| matches!(error, PlaneError::Refused { status: 400, .. })),
        (403, json!({"detail": "You do not have permission to perform this action."}), |error| {
            matches!(error, PlaneError::Forbidden { .. })
        }),
        (403, json!({"detail": "The token lacks the scope projects:read"}), |error| {
            matches!(error, PlaneError::Forbidden { .. })
        }),
        (404, json!({"error": "The requested resource does not exist."}), |error| {
            matches!(error, PlaneError::NotFound { .. })
        }),
        (409, json!({"error": "exists", "id": "x"}), |error| matches!(error, PlaneError::Refused { status: 409, .. })),
        (413, json!({"error": "REQUEST_BODY_TOO_LARGE"}), |error| {
            matches!(error, PlaneError::Refused { status: 413, .. })
        }),
    ];
    for (status, body, expected) in cases {
        let server = Server::start(move |_, _| Reply::Json(status, body.clone())).await;
        let (_, _, plane) = client(&server).await;
        let error = plane.project(WORKSPACE, PROJECT).await.unwrap_err();
        assert!(expected(&error), "{status}: {error:?}");
        assert_eq!((server.seen().len(), error.disposition()), (1, Disposition::TellModel));
    }
}

#[tokio::test]
async fn a_base_address_may_have_a_path() {
    let server = Server::start(|_, _| Reply::Json(200, json!({"id": Uuid::from_u128(5)}))).await;
    let mut config = server.config();
    config.api_url = config.api_url.join("/plane").unwrap();
    let (_, _, plane) = client_with(config).await;
    plane.project(WORKSPACE, PROJECT).await.unwrap();
    assert_eq!(server.seen()[0].path, format!("/plane/api/v1/workspaces/acme/projects/{PROJECT}/"));
}
