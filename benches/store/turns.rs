//! How the store grows over many turns when old runs are forgotten, and what a fresh copy saves.

use std::{fs, path::Path, time::Instant};

use aileron::store::{Retention, Store, sled::SledStore};
use jiff::{SignedDuration, Timestamp};

use super::writer;

/// So few that most runs are forgotten on the way, as in a store that is years old.
const RUNS_KEPT: u64 = 2000;

pub(crate) async fn measure(turns: usize) {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("data");
    let store = SledStore::open(&dir).expect("a store").store;
    let day = SignedDuration::from_hours(24);
    let retention = Retention { keep_runs: day * 90, max_runs: RUNS_KEPT, keep_keys: day * 400 };
    let begun = Instant::now();
    let mut worst = std::time::Duration::ZERO;
    for turn in 1..=turns {
        writer::one_turn(&store, &writer::Shape::USUAL).await;
        if turn % 30 == 0 {
            let begun = Instant::now();
            store.prune(retention, Timestamp::now()).await.expect("pruned");
            worst = worst.max(begun.elapsed());
        }
        if turn * 10 % turns == 0 {
            println!("turns: {turn:>7} turns, log {:>6.1} MB", megabytes(&dir));
        }
    }
    let each = begun.elapsed() / u32::try_from(turns).unwrap_or(u32::MAX);
    println!("turns: {each:.2?} a turn of {} commits, longest prune {worst:.2?}", writer::COMMITS_A_TURN);
    store.close().await;
    drop(store);
    let begun = Instant::now();
    let opened = SledStore::open(&dir).expect("the store opens again");
    match opened.compacted {
        Some(compacted) => println!(
            "turns: given back at the start: {:.1} MB before, {:.1} MB after, in {:.2?}",
            compacted.before as f64 / 1e6,
            compacted.after as f64 / 1e6,
            begun.elapsed()
        ),
        None => println!("turns: nothing to give back at the start, which took {:.2?}", begun.elapsed()),
    }
    println!("turns: {} runs are left", opened.store.runs(usize::MAX).await.expect("a list").len());
}

fn megabytes(dir: &Path) -> f64 {
    fs::metadata(dir.join("store/db")).map_or(0.0, |log| log.len() as f64 / 1e6)
}
