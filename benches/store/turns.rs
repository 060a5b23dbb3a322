//! How the store grows over many turns when old runs are forgotten, and what giving space back while it
//! is in use costs those who wait for it.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use aileron::store::{
    Retention, Store,
    sled::{Compactions, SledStore},
};
use jiff::{SignedDuration, Timestamp};

use super::{Latencies, writer};

/// So few that most runs are forgotten on the way, as in a store that is years old.
const RUNS_KEPT: u64 = 2000;

/// From where on the log is copied, as by default.
const COMPACT_ABOVE: u64 = 64 << 20;

pub(crate) async fn measure(turns: usize) {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("data");
    let store = SledStore::open_compacting(&dir, COMPACT_ABOVE).expect("a store").store;
    let compactions = store.compactions();
    let day = SignedDuration::from_hours(24);
    let retention = Retention { keep_runs: day * 90, max_runs: RUNS_KEPT, keep_keys: day * 400 };
    let begun = Instant::now();
    let mut worst_prune = Duration::ZERO;
    let (mut longest, mut most) = (0.0_f64, 0.0_f64);
    let (mut quiet, mut copying) = (Latencies::default(), Latencies::default());
    let mut seen = Compactions::default();
    for turn in 1..=turns {
        let before = *compactions.borrow();
        let accepted_in = writer::one_turn(&store, &writer::Shape::USUAL).await;
        let after = *compactions.borrow();
        // A turn that saw the end of a copy was still a turn with one.
        let is_copying = before != after || after.begun > after.done + after.abandoned;
        if is_copying { &mut copying } else { &mut quiet }.add(accepted_in);
        if turn % 30 == 0 {
            let begun = Instant::now();
            store.prune(retention, Timestamp::now()).await.expect("pruned");
            worst_prune = worst_prune.max(begun.elapsed());
        }
        if after.done > seen.done
            && let Some(last) = after.last
        {
            println!(
                "turns: {turn:>7} turns: {:.1} MB became {:.1} MB in {:.1?}, with a pause of {:.1?}",
                last.before as f64 / 1e6,
                last.after as f64 / 1e6,
                last.took,
                last.pause
            );
        }
        seen = after;
        longest = longest.max(megabytes(&dir.join("store/db")));
        most = most.max(megabytes(&dir.join("store/db")) + megabytes(&dir.join("store.copy/db")));
        if turn * 10 % turns == 0 {
            println!("turns: {turn:>7} turns, log {:>6.1} MB", megabytes(&dir.join("store/db")));
        }
    }
    let each = begun.elapsed() / u32::try_from(turns).unwrap_or(u32::MAX);
    println!("turns: {each:.2?} a turn of {} commits, longest prune {worst_prune:.2?}", writer::COMMITS_A_TURN);
    println!("turns: accepted: {quiet}; with a copy under way: {copying}");
    println!("turns: {} runs are left", store.runs(usize::MAX).await.expect("a list").len());
    store.close().await;
    drop(store);
    println!(
        "turns: log at its longest {longest:.1} MB, with the copy {most:.1} MB, at the end {:.1} MB for {:.1} MB held; {}",
        megabytes(&dir.join("store/db")),
        held_megabytes(&dir.join("store")),
        resident()
    );
    println!("turns: {} copies, {} given up", seen.done, seen.abandoned);
}

fn megabytes(file: &Path) -> f64 {
    fs::metadata(file).map_or(0.0, |log| log.len() as f64 / 1e6)
}

/// All keys and values.
fn held_megabytes(store: &Path) -> f64 {
    let db = sled::Config::new().path(store).cache_capacity(16 << 20).open().expect("the store opens again");
    let mut held = 0;
    for name in db.tree_names() {
        for entry in &db.open_tree(name).expect("a tree") {
            let (key, value) = entry.expect("an entry");
            held += key.len() + value.len();
        }
    }
    held as f64 / 1e6
}

/// The memory this process takes and took at most.
fn resident() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mib = |name: &str| -> u64 {
        let line = status.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) / 1024
    };
    format!("resident {} MiB, at most {} MiB", mib("VmRSS"), mib("VmHWM"))
}
