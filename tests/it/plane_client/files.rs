//! Files: where Plane says they lie, read without a credential, within bounds, and nowhere else.

use std::time::Duration;

use aileron::{
    domain::{ids::FileId, work_item::FileContent, write::Target},
    plane::{PlaneApi, PlaneError, client::PlaneClient},
};

use super::{
    calls::{ITEM, PROJECT},
    fake::{Reply, Server, WORKSPACE, client, client_with},
};

const FILE: FileId = FileId(uuid::Uuid::from_u128(0xc92b_9f66_2363_4980_948c_3ee3_7dd1_ccb8));

async fn read(plane: &PlaneClient, limit: usize) -> Result<FileContent, PlaneError> {
    plane.file(WORKSPACE, Target { project: PROJECT, id: ITEM }, FILE, limit).await
}

/// A Plane that says the file lies there.
async fn plane_leading(to: String) -> (Server, PlaneClient) {
    let server = Server::start(move |_, _| Reply::Lead(to.clone())).await;
    let (_, _, plane) = client(&server).await;
    (server, plane)
}

#[tokio::test]
async fn a_file_is_read_where_plane_says_it_lies_and_without_a_credential() {
    let storage = Server::start(|_, _| Reply::Bytes(vec![7; 1_000])).await;
    let place = format!("http://localhost:{}/uploads/a-log.txt?X-Amz-Signature=abc", storage.address.port());
    let (server, plane) = plane_leading(place).await;
    assert_eq!(read(&plane, 1_000).await.unwrap(), FileContent { bytes: vec![7; 1_000], whole: true });
    assert_eq!(read(&plane, 999).await.unwrap(), FileContent { bytes: vec![7; 999], whole: false });
    let asked = &server.seen()[0];
    let path = format!("/api/v1/workspaces/acme/projects/{PROJECT}/work-items/{ITEM}/attachments/{FILE}/");
    assert_eq!((asked.path.as_str(), asked.authorization.as_str()), (path.as_str(), "Bearer old"));
    for seen in storage.seen() {
        assert_eq!((seen.path.as_str(), seen.query.as_str()), ("/uploads/a-log.txt", "X-Amz-Signature=abc"));
        assert_eq!((seen.authorization.as_str(), seen.api_key.as_str()), ("", ""), "the token stays with Plane");
    }
}

#[tokio::test]
async fn a_storage_is_followed_on_its_own_host_and_not_for_ever() {
    let moved = Server::start(|seen, _| match seen.path.as_str() {
        "/old" => Reply::Lead("/new?x=1".to_owned()),
        _ => Reply::Bytes(b"here".to_vec()),
    });
    let moved = moved.await;
    let (_plane, client) = plane_leading(format!("http://{}/old", moved.address)).await;
    assert_eq!(read(&client, 100).await.unwrap().bytes, b"here");

    let round = Server::start(|_, _| Reply::Lead("/again".to_owned())).await;
    let (_plane, client) = plane_leading(format!("http://{}/", round.address)).await;
    assert!(matches!(read(&client, 100).await, Err(PlaneError::Refused { .. })));
    assert_eq!(round.seen().len(), 4);

    let inner = Server::start(|_, _| Reply::Bytes(b"secret".to_vec())).await;
    let elsewhere = format!("http://localhost:{}/", inner.address.port());
    let leaving = Server::start(move |_, _| Reply::Lead(elsewhere.clone())).await;
    let (_plane, client) = plane_leading(format!("http://{}/", leaving.address)).await;
    assert!(matches!(read(&client, 100).await, Err(PlaneError::Refused { .. })));
    assert!(inner.seen().is_empty(), "only Plane names hosts");
    for place in ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,x"] {
        let (_plane, client) = plane_leading(place.to_owned()).await;
        assert!(matches!(read(&client, 100).await, Err(PlaneError::Refused { .. })), "{place}");
    }
}

#[tokio::test]
async fn a_file_that_is_not_to_be_had_is_told_without_its_address() {
    let storage = Server::start(|seen, _| match seen.path.as_str() {
        "/gone" => Reply::Text(403, "<Error>AccessDenied</Error>"),
        "/broken" => Reply::Text(503, "SlowDown"),
        _ => Reply::Silence,
    });
    let storage = storage.await;
    for (path, refused) in [("/gone", true), ("/broken", false), ("/silent", false)] {
        let to = format!("http://{}{path}?X-Amz-Signature=hidden", storage.address);
        let server = Server::start(move |_, _| Reply::Lead(to.clone())).await;
        let config = aileron::config::PlaneConfig { request_timeout: Duration::from_millis(300), ..server.config() };
        let (_, _, plane) = client_with(config).await;
        let error = read(&plane, 100).await.unwrap_err();
        assert_eq!(matches!(error, PlaneError::Refused { .. }), refused, "{path}: {error}");
        assert_eq!(matches!(error, PlaneError::Transport { .. }), !refused, "{path}: {error}");
        assert!(!error.to_string().contains("hidden"), "{error}");
    }
    for (status, body) in [(404, "missing"), (200, "{}")] {
        let server = Server::start(move |_, _| Reply::Text(status, body)).await;
        let (_, _, plane) = client(&server).await;
        assert!(read(&plane, 100).await.is_err(), "{status}");
    }
}
