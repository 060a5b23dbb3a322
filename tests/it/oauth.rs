//! The installation through OAuth, and what becomes of forged, denied and repeated ones.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::{
    app::{Access, REDIRECT_URI, TestApp},
    http, install,
    model::Turn,
    picture::assert_answered,
    secrets,
};

#[tokio::test]
async fn an_admin_installs_the_app_and_the_agent_answers() {
    let app = TestApp::setup().access(Access::Nothing).script([Turn::says("Installed.")]).start().await;
    let begun = install::begin(&app).await;
    let query = begun.consent.query_pairs().into_owned().collect::<BTreeMap<_, _>>();
    assert!(begun.consent.as_str().starts_with(&format!("{}/auth/o/authorize-app/?", app.plane.base_url())));
    assert_eq!(query["client_id"], app.plane.client_id());
    assert_eq!(query["response_type"], "code");
    assert_eq!(query["redirect_uri"], REDIRECT_URI);
    assert!(query["scope"].split(' ').any(|scope| scope == "agents.run_activities:write"), "{}", query["scope"]);
    let consent = http::client().get(begun.consent.clone()).send().await.unwrap();
    assert_eq!(consent.status(), 200, "Plane shows its consent page");

    install::install(&app, 0).await;
    let listed = app.command(&["installations"]).await;
    assert!(listed.status.success(), "{}", listed.stderr);
    assert!(listed.stdout.contains("acme") && listed.stdout.contains("active"), "{}", listed.stdout);
    secrets::assert_absent(&listed.stdout, &app.plane);

    let mentioned = app.mention("MOB-3", "hello").await;
    assert_answered(&app.ended(mentioned.run).await);
}

#[tokio::test]
async fn a_forged_callback_installs_nothing() {
    let app = TestApp::setup().access(Access::Nothing).start().await;
    let begun = install::begin(&app).await;
    let other_browser = install::begin(&app).await;
    let (state, id) = (begun.state(), app.plane.workspace(0).installation.to_string());
    let id = ("app_installation_id", id.as_str());
    let wrong = format!("{}x", state);
    for (query, cookie) in [
        (vec![id, ("code", "c"), ("state", wrong.as_str())], begun.cookie.as_str()),
        (vec![id, ("code", "c"), ("state", "")], &begun.cookie),
        (vec![id, ("code", "c"), ("state", &state)], &other_browser.cookie),
        (vec![id, ("code", "c"), ("state", &state)], ""),
        (vec![("code", "c"), ("state", &state)], &begun.cookie),
        (vec![("app_installation_id", "../../etc"), ("state", &state)], &begun.cookie),
    ] {
        let response = install::callback(&app, &query, cookie).await;
        assert!(response.status().is_client_error(), "{query:?} was answered with {}", response.status());
    }
    assert!(!app.command(&["installations"]).await.stdout.contains("acme"));
    assert!(app.plane.requests().iter().all(|request| request.path != "/auth/o/token/"), "no token was asked for");
}

#[tokio::test]
async fn a_denied_installation_says_so_and_shows_no_foreign_markup() {
    let app = TestApp::setup().access(Access::Nothing).start().await;
    let begun = install::begin(&app).await;
    let state = begun.state();
    let query =
        [("error", "access_denied"), ("error_description", "<script>alert(1)</script>"), ("state", state.as_str())];
    let response = install::callback(&app, &query, &begun.cookie).await;
    assert!(response.status().is_client_error(), "{}", response.status());
    let html = response.headers().get("content-type").is_some_and(|kind| kind.to_str().unwrap().contains("html"));
    let text = response.text().await.unwrap();
    assert!(!html || !text.contains("<script>alert"), "{text}");
}

#[tokio::test]
async fn an_installation_plane_does_not_know_is_refused() {
    let app = TestApp::setup().access(Access::Nothing).start().await;
    let begun = install::begin(&app).await;
    let state = begun.state();
    let query =
        [("app_installation_id", "11111111-1111-4111-8111-111111111111"), ("code", "c"), ("state", state.as_str())];
    let response = install::callback(&app, &query, &begun.cookie).await;
    assert!(!response.status().is_success() && !response.status().is_redirection(), "{}", response.status());
    secrets::assert_absent(&response.text().await.unwrap(), &app.plane);
    assert!(!app.command(&["installations"]).await.stdout.contains("11111111-1111"));
}

#[tokio::test]
async fn installing_twice_leaves_one_installation_that_works() {
    let app = TestApp::start([Turn::says("Once.")]).await;
    install::install(&app, 0).await;
    let listed = app.command(&["installations"]).await.stdout;
    assert_eq!(listed.lines().filter(|line| line.contains("acme")).count(), 1, "{listed}");
    let mentioned = app.mention("MOB-3", "hello").await;
    assert_answered(&app.ended(mentioned.run).await);
}

#[tokio::test]
async fn an_app_with_fewer_scopes_works_on_and_the_model_is_told_what_it_may_not() {
    let scopes = r#"["agents.runs:read", "agents.runs:write", "agents.run_activities:read",
        "agents.run_activities:write", "profile:read", "projects:read", "projects.members:read",
        "projects.work_items:read", "projects.work_items:write", "workspaces.members:read"]"#;
    let setup = TestApp::setup().set("AILERON__PLANE__OAUTH__SCOPES", scopes).set("AILERON__AGENT__WRITES", "allow");
    let link = Turn::calls([("add_link", json!({"url": "https://example.com/log", "title": "The log"}))]);
    let app = setup.tolerate("needs the scope").script([link, Turn::says("I may not add links.")]).start().await;
    let mentioned = app.mention("MOB-3", "link the log").await;
    assert_answered(&app.ended(mentioned.run).await);
    let told = app.model.requests().last().expect("a call of the model").texts("tool").join("\n");
    assert!(told.contains("permission"), "{told}");
}
