//! Webhooks recorded from a real server: each one verifies, and none is unreadable.

use std::path::{Path, PathBuf};

use aileron::plane::{
    signature,
    webhook::{Incoming, parse},
};
use secrecy::SecretString;
use serde_json::Value;

/// Checks every delivery in a folder and gives their number.
fn sweep(folder: &Path) -> usize {
    let bodies: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "body"))
        .collect();
    for path in &bodies {
        let body = std::fs::read(path).unwrap();
        let facts: Value = serde_json::from_slice(&std::fs::read(path.with_extension("json")).unwrap()).unwrap();
        let secrets = [SecretString::from(facts["secret"].as_str().unwrap())];
        let mark = header(&facts, "X-Plane-Signature");
        assert!(signature::verify(&secrets, &body, mark.as_deref()), "{}", path.display());
        let mut altered = body.clone();
        altered.push(b' ');
        assert!(!signature::verify(&secrets, &altered, mark.as_deref()), "{}", path.display());
        let incoming = parse(header(&facts, "X-Plane-Event").as_deref(), &body, Some("client-abc"));
        // A Community server has no agent runs, so nothing it sends is for the agent.
        assert!(matches!(incoming, Incoming::Ignored { .. }), "{}: {incoming:?}", path.display());
    }
    bodies.len()
}

/// A header, kept as a map or as a list of pairs.
fn header(facts: &Value, name: &str) -> Option<String> {
    let from_pairs = || facts["headers"].as_array()?.iter().find(|pair| pair[0] == name)?[1].as_str();
    facts["headers"][name].as_str().or_else(from_pairs).map(str::to_owned)
}

#[test]
fn every_recorded_webhook_verifies_and_is_understood() {
    let count = sweep(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/plane/webhooks"));
    assert_eq!(count, 10);
}

#[test]
fn the_whole_recording_is_understood_where_it_is_at_hand() {
    let beside = |folder: &Path| folder.join("shared/plane-fixtures/webhooks");
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(beside).find(|folder| folder.is_dir());
    if let Some(folder) = found {
        assert!(sweep(&folder) > 50);
    }
}
