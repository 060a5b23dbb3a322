//! `aileron check`: what is right is said so, what is wrong is named with its place and its cure.

use std::fs;

use aileron::store::{Store as _, sled::SledStore};
use tempfile::TempDir;

use crate::support::{
    app::{Channel, MODEL_KEY, TestApp, WEBHOOK_SECRET},
    binary::{self, Finished, Running, Settings},
    model::{Gate, Piece, Turn},
    secrets,
};

#[tokio::test]
async fn a_good_configuration_passes_and_shows_no_secret() {
    let app = TestApp::setup()
        .rule(|_| Some(Turn::says("ok")))
        // Whether anyone answers there at all is asked before there is a token.
        .tolerate("GET /api/v1/users/me/ sends no credential")
        .start()
        .await;
    let mut settings = app.settings().clone();
    settings.insert("DATA_DIR".into(), "another".into());
    let checked = binary::run(app.home(), &["check"], &settings).await;
    assert!(checked.status.success(), "{}\n{}", checked.stdout, checked.stderr);
    secrets::assert_absent(&checked.stdout, &app.plane);
    secrets::assert_absent(&checked.stderr, &app.plane);
}

#[tokio::test]
async fn an_unknown_key_is_named_with_file_line_and_the_key_meant() {
    let checked = check_file("[agent]\nname = \"aileron\"\nmax_stepps = 3\n", &good()).await;
    assert_names(&checked, &["aileron.toml", "3", "max_stepps", "max_steps"]);
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_named_with_file_line_and_what_is_expected() {
    let checked = check_file("[agent]\n\nmax_steps = \"many\"\n", &good()).await;
    assert_names(&checked, &["aileron.toml", "3", "max_steps"]);
    let text = whole(&checked);
    assert!(text.contains("number") || text.contains("integer") || text.contains("u32"), "{text}");
}

#[tokio::test]
async fn broken_toml_is_named_with_file_and_line() {
    let checked = check_file("[agent]\nmax_steps = 3\nname = \"no end\n", &good()).await;
    assert_names(&checked, &["aileron.toml", "3"]);
}

#[tokio::test]
async fn a_missing_webhook_secret_is_named_with_the_variable_that_sets_it() {
    let mut settings = good();
    settings.remove("PLANE_WEBHOOK_SECRET");
    assert_names(&check_file("", &settings).await, &["PLANE_WEBHOOK_SECRET"]);
}

#[tokio::test]
async fn a_model_that_calls_no_functions_is_refused_in_words() {
    let mut settings = good();
    settings.insert("OPENAI_MODEL".into(), "deepseek-reasoner".into());
    let checked = check_file("", &settings).await;
    assert_names(&checked, &["deepseek-reasoner", "[models.main]", "does not call functions", "tools = true"]);
}

#[tokio::test]
async fn a_model_nobody_knows_is_told_with_what_to_set() {
    let mut settings = good();
    settings.insert("OPENAI_MODEL".into(), "house-model-7b".into());
    let text = whole(&check_file("", &settings).await);
    assert!(text.contains("note") && text.contains("house-model-7b") && text.contains("context_window"), "{text}");
}

#[tokio::test]
async fn half_an_oauth_app_is_named_with_what_is_missing() {
    let mut settings = good();
    settings.remove("PLANE_CLIENT_SECRET");
    assert_names(&check_file("", &settings).await, &["PLANE_CLIENT_SECRET"]);
}

#[tokio::test]
async fn an_address_that_is_none_is_named() {
    let mut settings = good();
    settings.insert("PLANE_API_URL".into(), "plane dot example".into());
    assert_names(&check_file("", &settings).await, &["PLANE_API_URL"]);
}

#[tokio::test]
async fn an_unknown_setting_in_the_environment_is_named() {
    let mut settings = good();
    settings.insert("AILERON__AGENT__MAX_STEPPS".into(), "3".into());
    let checked = check_file("", &settings).await;
    assert!(!checked.status.success(), "{}", whole(&checked));
    assert!(whole(&checked).to_lowercase().contains("max_stepps"), "{}", whole(&checked));
}

#[tokio::test]
async fn a_secret_in_the_wrong_place_is_not_printed() {
    let checked =
        check_file("[plane]\nwebhook_secrets = 7\n[providers.openai]\napi_key = [\"sk-hidden-77\"]\n", &good()).await;
    assert!(!checked.status.success(), "{}", whole(&checked));
    assert!(!whole(&checked).contains("sk-hidden-77"), "{}", whole(&checked));
}

#[tokio::test]
async fn serve_refuses_a_bad_configuration_with_the_same_words() {
    let home = TempDir::new().unwrap();
    let file = binary::write(home.path(), "aileron.toml", "[agent]\nmax_stepps = 3\n");
    let served = binary::run(home.path(), &["serve", "--config", &file], &good()).await;
    assert_names(&served, &["aileron.toml", "2", "max_stepps"]);
}

#[tokio::test]
async fn a_plane_nobody_answers_at_is_told() {
    let checked = check_file("", &good()).await;
    assert!(!checked.status.success());
    assert!(whole(&checked).contains("127.0.0.1:9"), "{}", whole(&checked));
}

#[tokio::test]
async fn a_data_directory_without_a_store_stays_without_one() {
    let home = TempDir::new().unwrap();
    fs::create_dir(home.path().join("data")).unwrap();
    let checked = binary::run(home.path(), &["check", "--offline"], &good()).await;
    assert!(checked.status.success() && checked.stdout.contains("there is no store in"), "{}", whole(&checked));
    assert_eq!(fs::read_dir(home.path().join("data")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_damaged_store_is_told_and_left_for_the_next_start_to_tell() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    SledStore::open(&data).unwrap().store.close().await;
    fs::write(data.join("store/db"), [7; 4096]).unwrap();
    for _ in 0..2 {
        let checked = binary::run(home.path(), &["check", "--offline"], &good()).await;
        assert_names(&checked, &["the store in", "is damaged", "It was left where it is"]);
    }
    assert!(SledStore::open(&data).unwrap().set_aside.is_some());
}

#[tokio::test]
async fn beside_a_running_server_its_installations_are_checked() {
    let app = TestApp::setup()
        .rule(|_| Some(Turn::says("ok")))
        .tolerate("GET /api/v1/users/me/ sends no credential")
        .start()
        .await;
    let checked = app.command(&["check"]).await;
    assert!(checked.status.success(), "{}", whole(&checked));
    assert!(checked.stdout.contains("in use: an aileron is running"), "{}", checked.stdout);
    let slug = app.plane.workspace(0).slug;
    assert!(checked.stdout.contains(&format!("workspace {slug}: Plane takes the token")), "{}", checked.stdout);
}

#[tokio::test]
async fn in_comments_the_key_its_user_its_projects_and_the_webhook_are_checked() {
    let app = Channel::Comments
        .setup()
        .rule(|_| Some(Turn::says("ok")))
        .tolerate("GET /api/v1/users/me/ sends no credential")
        // Whether there are agent runs is told by what is answered to a look at one.
        .tolerate("/runs/00000000-0000-0000-0000-000000000000/ is no path of the API")
        .start()
        .await;
    let checked = app.command(&["check"]).await;
    assert!(checked.status.success(), "{}", whole(&checked));
    for part in [
        "workspace acme: Plane takes the token",
        "plane.fixed.bot is the key's user, @aileron",
        "the key reaches the projects MOB",
        "no agent runs, and plane.channel is \"comments\"",
        "no signed webhook has come since",
    ] {
        assert!(checked.stdout.contains(part), "{part} is missing in\n{}", checked.stdout);
    }
    let mentioned = app.mention("MOB-3", "hello").await;
    app.ended(mentioned.run).await;
    let checked = app.command(&["check"]).await;
    assert!(checked.stdout.contains("webhooks arrive: the last signed one came at"), "{}", checked.stdout);
    secrets::assert_absent(&checked.stdout, &app.plane);

    let mut settings = app.settings().clone();
    let maya = app.plane.workspace(0).people["maya"].to_string();
    settings.insert("AILERON__PLANE__FIXED__BOT".into(), maya.clone());
    settings.insert("AILERON__PLANE__FIXED__WORKSPACE_ID".into(), maya.clone());
    settings.insert("AILERON__PLANE__CHANNEL".into(), "runs".into());
    let wrong = binary::run(app.home(), &["check"], &settings).await;
    let told = [
        &format!("plane.fixed.bot is {maya}, but the key belongs to @aileron"),
        &format!("plane.fixed.workspace_id is {maya}, but acme is"),
        "set plane.channel = \"comments\"",
    ];
    assert_names(&wrong, &told);
}

#[tokio::test]
async fn comments_without_the_agents_user_are_named_as_wrong() {
    let text = "[plane]\nchannel = \"comments\"\n";
    assert_names(&check_file(text, &good()).await, &["plane.fixed.bot", "users/me"]);
}

#[tokio::test]
async fn a_server_may_start_while_the_models_are_asked() {
    let gate = Gate::new();
    let slow = Turn::of([Piece::Hold(gate.clone()), Piece::Text("ready".into())]);
    let app = TestApp::setup().script([slow]).tolerate("GET /api/v1/users/me/ sends no credential").start().await;
    let mut settings = app.settings().clone();
    settings.insert("DATA_DIR".into(), "another".into());
    let another = app.home().join("another");
    SledStore::open(&another).unwrap().store.close().await;
    let mut checking = Running::start(app.home(), &["check"], &settings);
    app.model.until_request(1).await;
    SledStore::open(&another).expect("nobody holds the store").store.close().await;
    gate.open();
    assert!(checking.exit().await.success());
}

/// A complete environment whose Plane and provider do not answer.
fn good() -> Settings {
    [
        ("AILERON_LISTEN", "127.0.0.1:0"),
        ("DATA_DIR", "data"),
        ("PLANE_API_URL", "http://127.0.0.1:9"),
        ("PLANE_CLIENT_ID", "client-1"),
        ("PLANE_CLIENT_SECRET", "client-secret-1"),
        ("PLANE_REDIRECT_URI", "https://aileron.example.com/oauth/callback"),
        ("PLANE_WEBHOOK_SECRET", WEBHOOK_SECRET),
        ("OPENAI_API_KEY", MODEL_KEY),
        ("OPENAI_BASE_URL", "http://127.0.0.1:9/v1"),
        ("OPENAI_MODEL", "scripted-1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

async fn check_file(text: &str, settings: &Settings) -> Finished {
    let home = TempDir::new().unwrap();
    let file = binary::write(home.path(), "aileron.toml", text);
    binary::run(home.path(), &["check", "--config", &file], settings).await
}

fn assert_names(finished: &Finished, words: &[&str]) {
    let text = whole(finished);
    assert!(!finished.status.success(), "it passed:\n{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not named:\n{text}");
    }
    for secret in [MODEL_KEY, WEBHOOK_SECRET, "client-secret-1"] {
        assert!(!text.contains(secret), "{secret} is shown:\n{text}");
    }
}

fn whole(finished: &Finished) -> String {
    format!("{}{}", finished.stdout, finished.stderr)
}

#[tokio::test]
async fn a_policy_for_a_tool_that_does_not_exist_is_told_with_its_place() {
    let text = "[writes.tools]\ndelete_wrok_item = \"deny\"\n";
    assert_names(&check_file(text, &good()).await, &["aileron.toml", "2", "delete_wrok_item", "delete_work_item"]);
}
