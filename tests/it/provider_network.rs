//! Providers that are reached through a proxy, or behind a certificate of the company's own.

use std::{path::Path, sync::Arc};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

use crate::support::{
    app::TestApp,
    model::Turn,
    picture::{assert_answered, assert_ended},
};

/// Certificates that hold for a hundred years, and the key of the one for `localhost`.
const TLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls");

/// Puts TLS before a server: the port it can be reached at as `localhost`.
async fn behind_tls(servers: &mut JoinSet<()>, address: String) -> u16 {
    let certificate = CertificateDer::from_pem_file(format!("{TLS}/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{TLS}/server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    servers.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            // A client that does not trust the certificate breaks off.
            let Ok(mut outside) = acceptor.accept(connection).await else { continue };
            let mut inside = TcpStream::connect(&address).await.unwrap();
            connections.spawn(async move { tokio::io::copy_bidirectional(&mut outside, &mut inside).await });
        }
    });
    port
}

/// Starts the agent anew with these settings of its provider.
async fn restart(app: &mut TestApp, settings: &[(&str, &str)]) {
    assert!(app.sigterm().await.success());
    for (key, value) in settings {
        app.set(key, value);
    }
    app.serve().await;
}

#[tokio::test]
async fn a_certificate_of_ones_own_is_trusted_if_its_authority_is_named() {
    let mut app = TestApp::setup().script([Turn::says("Here I am.")]).start().await;
    let mut servers = JoinSet::new();
    let inside = app.model.root_url().trim_start_matches("http://").to_owned();
    let port = behind_tls(&mut servers, inside).await;
    let address = format!("https://localhost:{port}/v1");

    restart(&mut app, &[("OPENAI_BASE_URL", &address), ("AILERON__PROVIDERS__OPENAI__MAX_RETRIES", "0")]).await;
    let mentioned = app.mention("MOB-3", "are you there?").await;
    assert_ended(&app.ended(mentioned.run).await, "error", "failed");
    assert_eq!(app.model.requests().len(), 0, "a stranger got the prompt and the key");

    let authority = Path::new(TLS).join("authority.pem");
    restart(&mut app, &[("AILERON__PROVIDERS__OPENAI__CA_FILE", &authority.to_string_lossy())]).await;
    let mentioned = app.mention("MOB-3", "are you there now?").await;
    assert_eq!(assert_answered(&app.ended(mentioned.run).await), "Here I am.");
}

#[tokio::test]
async fn a_proxy_is_asked_for_what_it_alone_can_reach() {
    let mut app = TestApp::setup().script([Turn::says("Here I am.")]).start().await;
    // The scripted model answers as the proxy: no name server knows the provider.
    let proxy = app.model.root_url().replace("http://", "http://me:secret@");
    restart(
        &mut app,
        &[("OPENAI_BASE_URL", "http://models.invalid/v1"), ("AILERON__PROVIDERS__OPENAI__PROXY", &proxy)],
    )
    .await;
    let mentioned = app.mention("MOB-3", "are you there?").await;
    assert_eq!(assert_answered(&app.ended(mentioned.run).await), "Here I am.");
    let request = app.model.until_request(1).await;
    assert_eq!(request.proxy_authorization, "Basic bWU6c2VjcmV0");
    assert!(!app.log().contains("me:secret"), "a proxy's password is logged");
}
