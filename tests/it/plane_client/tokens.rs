//! Installing, renewing and losing tokens.

use std::sync::Arc;

use aileron::{
    config::{FixedTokenConfig, FixedTokenKind},
    domain::{
        disposition::Disposition,
        ids::{ProjectId, WorkspaceId},
        installation::{Credential, Installation, InstallationStatus},
    },
    plane::{PlaneApi, PlaneError, oauth::OAuthClient},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use uuid::Uuid;

use super::fake::{
    INSTALLATION, Reply, Seen, Server, WORKSPACE, client, client_with, credentials, http, installation, let_pass,
};

const PROJECT: ProjectId = ProjectId(Uuid::from_u128(0xa));
const TOKEN_PATH: &str = "/auth/o/token/";

fn project() -> Reply {
    Reply::Json(200, json!({"id": PROJECT, "identifier": "MOB"}))
}

fn new_token() -> Reply {
    Reply::Json(200, json!({"access_token": "new", "token_type": "Bearer", "expires_in": 86400}))
}

/// Gives the token `new` to whoever asks and refuses `old` with `status` and `body`.
fn renewing(seen: &Seen, status: u16, body: &Value) -> Reply {
    if seen.path == TOKEN_PATH {
        new_token()
    } else if seen.authorization == "Bearer new" {
        project()
    } else {
        Reply::Json(status, body.clone())
    }
}

fn token_of(installation: &Installation) -> &str {
    match &installation.credential {
        Credential::OAuth { token, .. } | Credential::StaticBearer(token) | Credential::ApiKey(token) => {
            token.expose_secret()
        }
    }
}

#[tokio::test]
async fn many_refused_calls_cause_one_renewal() {
    let server = Server::start(|seen, _| renewing(seen, 401, &json!({"detail": "expired"}))).await;
    let (book, _, plane) = client(&server).await;
    let calls = (0..10).map(|_| plane.project(WORKSPACE, PROJECT));
    let all = futures_util::future::join_all(calls).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(server.count(TOKEN_PATH), 1);
    assert_eq!(token_of(&book.saved.lock().unwrap()[0]), "new");
    let asked = server.seen().into_iter().find(|seen| seen.path == TOKEN_PATH).unwrap();
    assert!(asked.authorization.starts_with("Basic "));
    assert_eq!(
        asked.body,
        format!(
            "grant_type=client_credentials&app_installation_id={INSTALLATION}&scope=agents.runs%3Aread+agents.runs%3Awrite"
        )
    );
}

#[tokio::test]
async fn a_403_about_the_token_renews_it_too() {
    let server = Server::start(|seen, _| renewing(seen, 403, &json!({"detail": "Given API token is not valid"}))).await;
    let (_, _, plane) = client(&server).await;
    assert!(plane.project(WORKSPACE, PROJECT).await.is_ok());
    assert_eq!(server.count(TOKEN_PATH), 1);
}

#[tokio::test]
async fn a_token_refused_right_after_its_renewal_is_not_renewed_again() {
    let server =
        Server::start(|seen, _| if seen.path == TOKEN_PATH { new_token() } else { Reply::Text(401, "") }).await;
    let (_, _, plane) = client(&server).await;
    let error = plane.project(WORKSPACE, PROJECT).await.unwrap_err();
    assert!(matches!(error, PlaneError::Unauthorized { .. }), "{error}");
    assert_eq!((server.count(TOKEN_PATH), server.seen().len()), (1, 3));
}

#[tokio::test]
async fn a_refused_renewal_revokes_the_installation_for_a_while() {
    for status in [400, 401, 404] {
        let server = Server::start(move |seen, _| {
            let status = if seen.path == TOKEN_PATH { status } else { 401 };
            Reply::Json(status, json!({"error": "invalid_client"}))
        })
        .await;
        let (book, credentials, plane) = client(&server).await;
        let calls = (0..5).map(|_| plane.project(WORKSPACE, PROJECT));
        for outcome in futures_util::future::join_all(calls).await {
            let error = outcome.unwrap_err();
            assert!(matches!(error, PlaneError::Unauthorized { .. }), "{error}");
            assert_eq!(error.disposition(), Disposition::GiveUp);
        }
        assert_eq!(book.saved.lock().unwrap()[0].status, InstallationStatus::Revoked);
        assert_eq!(credentials.installations()[0].status, InstallationStatus::Revoked);
        let asked = server.seen().len();
        assert!(plane.project(WORKSPACE, PROJECT).await.is_err());
        assert_eq!((server.count(TOKEN_PATH), server.seen().len()), (1, asked));
        let_pass(11 * 60);
        assert!(plane.project(WORKSPACE, PROJECT).await.is_err());
        assert_eq!(server.count(TOKEN_PATH), 2);
    }
}

#[tokio::test]
async fn a_revoked_installation_comes_back_when_plane_renews_it() {
    let server = Server::start(|seen, _| renewing(seen, 401, &json!({}))).await;
    let revoked = Installation { status: InstallationStatus::Revoked, ..installation() };
    let (book, credentials) = credentials(&server.config(), vec![revoked]).await;
    assert_eq!(credentials.authorize(WORKSPACE).await.unwrap().token.expose_secret(), "new");
    assert_eq!(book.saved.lock().unwrap()[0].status, InstallationStatus::Active);
}

#[tokio::test]
async fn a_token_is_renewed_when_four_fifths_of_its_life_are_over() {
    let server = Server::start(|seen, _| renewing(seen, 401, &json!({}))).await;
    let (_, credentials, _) = client(&server).await;
    let_pass(86_400 * 4 / 5 - 1);
    assert_eq!(credentials.authorize(WORKSPACE).await.unwrap().token.expose_secret(), "old");
    assert_eq!(server.seen().len(), 0);
    let_pass(1);
    let all = futures_util::future::join_all((0..10).map(|_| credentials.authorize(WORKSPACE))).await;
    assert!(all.iter().all(|one| one.as_ref().unwrap().token.expose_secret() == "new"));
    assert_eq!(server.count(TOKEN_PATH), 1);
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_in_time_is_used_to_its_end() {
    let server = Server::start(|_, _| Reply::Text(503, "")).await;
    let (_, credentials, _) = client(&server).await;
    let_pass(86_400 * 9 / 10);
    assert_eq!(credentials.authorize(WORKSPACE).await.unwrap().token.expose_secret(), "old");
    let_pass(86_400 / 10);
    let error = credentials.authorize(WORKSPACE).await.unwrap_err();
    assert!(matches!(error, PlaneError::Server { status: 503, .. }), "{error}");
}

#[tokio::test]
async fn a_token_that_cannot_be_saved_is_not_used() {
    let server = Server::start(|seen, _| renewing(seen, 401, &json!({}))).await;
    let (book, _, plane) = client(&server).await;
    *book.broken.lock().unwrap() = true;
    let error = plane.project(WORKSPACE, PROJECT).await.unwrap_err();
    assert!(matches!(error, PlaneError::Book(_)), "{error}");
    assert!(server.seen().iter().all(|seen| seen.authorization != "Bearer new"));
}

#[tokio::test]
async fn an_unknown_workspace_is_not_asked_for() {
    let server = Server::start(|_, _| project()).await;
    let (_, _, plane) = client(&server).await;
    let other = WorkspaceId(Uuid::from_u128(9));
    assert!(matches!(plane.project(other, PROJECT).await.unwrap_err(), PlaneError::NotInstalled(id) if id == other));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_token_from_the_config_is_sent_as_its_kind_says_and_never_renewed() {
    for kind in [FixedTokenKind::Bearer, FixedTokenKind::ApiKey] {
        let server = Server::start(|_, nth| {
            if nth == 0 { project() } else { Reply::Json(403, json!({"detail": "Given API token is not valid"})) }
        })
        .await;
        let mut config = server.config();
        config.fixed = Some(FixedTokenConfig {
            kind,
            token: SecretString::from("fixed"),
            workspace_slug: "acme".to_owned(),
            workspace_id: WORKSPACE,
            bot: None,
        });
        let (_, _, plane) = client_with(config).await;
        plane.project(WORKSPACE, PROJECT).await.unwrap();
        let seen = server.seen().remove(0);
        let headers = (seen.authorization.as_str(), seen.api_key.as_str());
        assert_eq!(headers, if kind == FixedTokenKind::ApiKey { ("", "fixed") } else { ("Bearer fixed", "") });
        let error = plane.project(WORKSPACE, PROJECT).await.unwrap_err();
        assert!(matches!(error, PlaneError::Unauthorized { .. }), "{error}");
        assert!(!error.to_string().contains("fixed"), "{error}");
        assert_eq!(server.seen().len(), 2);
    }
}

fn installed() -> Value {
    json!({"id": INSTALLATION, "workspace": WORKSPACE, "app_bot": Uuid::from_u128(8), "status": "installed",
        "workspace_detail": {"id": WORKSPACE, "name": "Acme Inc", "slug": "acme"}})
}

#[tokio::test]
async fn an_install_finds_its_workspace_and_is_saved() {
    let server = Server::start(|seen, _| {
        if seen.path == TOKEN_PATH {
            if seen.body.contains("scope=") { Reply::Json(400, json!({"error": "invalid_scope"})) } else { new_token() }
        } else if seen.authorization == "Bearer new" && seen.path == "/auth/o/app-installation/" {
            let other = json!({"id": Uuid::from_u128(77), "workspace": Uuid::from_u128(78)});
            Reply::Json(200, json!([other, installed()]))
        } else {
            project()
        }
    })
    .await;
    let (book, credentials) = credentials(&server.config(), Vec::new()).await;
    let installed = credentials.install(INSTALLATION).await.unwrap();
    assert_eq!((installed.workspace, installed.slug.as_str()), (WORKSPACE, "acme"));
    assert_eq!(installed.workspace_name, "Acme Inc");
    assert_eq!(installed.bot, credentials.bot(WORKSPACE));
    assert!(installed.bot.is_some());
    assert_eq!(token_of(&book.saved.lock().unwrap()[0]), "new");
    assert_eq!(server.count(TOKEN_PATH), 2);
    assert_eq!(server.seen().last().unwrap().query, format!("id={INSTALLATION}"));
    assert_eq!(credentials.authorize(WORKSPACE).await.unwrap().slug, "acme");
}

#[tokio::test]
async fn an_install_that_plane_does_not_know_leaves_nothing_behind() {
    for lookup in [json!([]), json!([{"id": INSTALLATION, "workspace": WORKSPACE}]), json!({"detail": "no"})] {
        let server =
            Server::start(
                move |seen, _| {
                    if seen.path == TOKEN_PATH { new_token() } else { Reply::Json(200, lookup.clone()) }
                },
            )
            .await;
        let (book, credentials) = credentials(&server.config(), Vec::new()).await;
        assert!(credentials.install(INSTALLATION).await.is_err());
        assert!(book.saved.lock().unwrap().is_empty() && credentials.installations().is_empty());
    }
    let server = Server::start(|_, _| Reply::Json(401, json!({"error": "invalid_client"}))).await;
    let (_, credentials) = credentials(&server.config(), Vec::new()).await;
    let error = credentials.install(INSTALLATION).await.unwrap_err();
    assert!(matches!(error, PlaneError::Refused { status: 401, .. }), "{error}");
    assert!(!error.to_string().contains("client-secret"), "{error}");
}

#[tokio::test]
async fn a_new_install_replaces_a_revoked_one() {
    let server = Server::start(|seen, _| match seen.path.as_str() {
        TOKEN_PATH => new_token(),
        _ => Reply::Json(200, json!([installed()])),
    })
    .await;
    let revoked = Installation { status: InstallationStatus::Revoked, ..installation() };
    let (_, credentials) = credentials(&server.config(), vec![revoked]).await;
    let credentials = Arc::clone(&credentials);
    credentials.install(INSTALLATION).await.unwrap();
    assert_eq!(credentials.installations()[0].status, InstallationStatus::Active);
    assert_eq!(credentials.authorize(WORKSPACE).await.unwrap().token.expose_secret(), "new");
    assert_eq!(server.count(TOKEN_PATH), 1);
}

#[tokio::test]
async fn the_consent_page_gets_all_it_needs() {
    let config = Server::start(|_, _| Reply::Silence).await.config();
    let url = OAuthClient::new(http(), &config).unwrap().authorize_url("a.b.c");
    assert_eq!(url.path(), "/auth/o/authorize-app/");
    let query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let expected = [
        ("client_id", "client-abc"),
        ("response_type", "code"),
        ("redirect_uri", "https://agent.example/oauth/callback"),
        ("scope", "agents.runs:read agents.runs:write"),
        ("state", "a.b.c"),
    ];
    assert_eq!(query, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}
