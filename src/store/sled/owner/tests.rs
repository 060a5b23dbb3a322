//! What happens to callers when commands fail, panic, or the disk does.

use std::fs::File;

use super::*;
use crate::{
    domain::ids::RunId,
    store::sled::{open, view::Table},
};

fn start(data_dir: &std::path::Path) -> Owner {
    let files = open::open(data_dir).unwrap().files;
    start_with(files, data_dir, broadcast::channel(8).0)
}

fn start_with(files: Files, data_dir: &std::path::Path, signals: broadcast::Sender<Signal>) -> Owner {
    let compaction = Compaction::new(data_dir, u64::MAX, tokio::sync::watch::Sender::default());
    Owner::start(files, Roster::begin(data_dir.join("runs.jsonl"), Vec::new()), compaction, signals).unwrap()
}

#[tokio::test]
async fn a_failed_command_leaves_nothing_and_spoils_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let owner = start(dir.path());
    let lost = StoreError::LeaseLost(RunId(uuid::Uuid::nil()));
    let (failed, kept) = tokio::join!(
        owner.call({
            let lost = lost.clone();
            move |view| {
                view.insert(Table::Meta, b"failed".to_vec(), vec![1]);
                Err::<(), _>(lost)
            }
        }),
        owner.call(|view| {
            view.insert(Table::Meta, b"kept".to_vec(), vec![2]);
            Ok(())
        }),
    );
    assert_eq!(failed.unwrap_err().to_string(), lost.to_string());
    kept.unwrap();
    let found = owner.call(|view| Ok((view.get(Table::Meta, b"failed")?, view.get(Table::Meta, b"kept")?))).await;
    assert_eq!(found.unwrap(), (None, Some(vec![2])));
}

#[tokio::test]
async fn a_panicking_command_ends_the_store_with_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let owner = start(dir.path());
    let outcome = owner.call(|_| -> Result<(), StoreError> { panic!("on purpose") }).await;
    assert!(matches!(outcome, Err(StoreError::Broken(_))));
    let after = owner.call(|_| Ok(())).await;
    assert!(matches!(after, Err(StoreError::Broken(_))));
    assert!(matches!(owner.health(), Err(StoreError::Broken(_))));
}

#[tokio::test]
async fn a_failed_sync_is_told_to_the_caller_and_ends_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = open::open(dir.path()).unwrap().files;
    // A character device refuses to be synced.
    files.live.log = File::open("/dev/null").unwrap();
    let (signals, mut listener) = broadcast::channel(8);
    let owner = start_with(files, dir.path(), signals);
    owner.call(|view| view.get(Table::Meta, b"x")).await.expect("reading needs no sync");
    let outcome = owner
        .call(|view| {
            view.insert(Table::Meta, b"x".to_vec(), vec![1]);
            view.announce(Signal::Due);
            Ok(())
        })
        .await;
    assert!(matches!(outcome, Err(StoreError::Broken(_))));
    assert!(matches!(owner.health(), Err(StoreError::Broken(_))));
    assert!(matches!(owner.call(|_| Ok(())).await, Err(StoreError::Broken(_))));
    assert!(listener.try_recv().is_err(), "nothing may be announced that is not durable");
    owner.close().await;
    drop(owner);

    // The records themselves are whole, so the check at the next opening keeps them.
    assert!(dir.path().join("store.suspect").exists());
    let found = open::open(dir.path()).unwrap();
    assert_eq!((found.set_aside, found.commits_lost), (None, 0));
    assert!(!dir.path().join("store.suspect").exists());
}

#[tokio::test]
async fn a_closed_store_says_so_and_gives_up_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let owner = start(dir.path());
    owner.close().await;
    assert!(matches!(owner.health(), Err(StoreError::Closed)));
    assert!(matches!(owner.call(|_| Ok(())).await, Err(StoreError::Closed)));
    owner.close().await;
    let reopened = start(dir.path());
    reopened.health().unwrap();
}

#[tokio::test]
async fn a_caller_that_stops_waiting_does_not_stop_the_work() {
    let dir = tempfile::tempdir().unwrap();
    let owner = start(dir.path());
    {
        let call = owner.call(|view| {
            view.insert(Table::Meta, b"x".to_vec(), vec![1]);
            Ok(())
        });
        let mut call = std::pin::pin!(call);
        let _ = futures_util::poll!(call.as_mut());
    }
    assert_eq!(owner.call(|view| view.get(Table::Meta, b"x")).await.unwrap(), Some(vec![1]));
}
