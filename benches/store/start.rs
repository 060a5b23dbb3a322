//! From the start of the process to ready, and the memory it rests in, with many runs in the store.

use std::time::{Duration, Instant};

use super::{
    server::{self, Server},
    writer,
};

pub(crate) async fn measure(runs: usize) {
    let home = tempfile::tempdir().expect("a directory");
    writer::fill(&home.path().join("data"), runs).await;
    let mut took: Vec<Duration> = Vec::new();
    let mut resident_kib = 0;
    for _ in 0..5 {
        let begun = Instant::now();
        let server = Server::start(home.path());
        let ready = server::client().get(format!("{}/readyz", server.url)).send().await.expect("an answer");
        assert!(ready.status().is_success());
        took.push(begun.elapsed());
        // What the start itself needed is given back within moments.
        tokio::time::sleep(Duration::from_millis(500)).await;
        resident_kib = server.resident_kib();
    }
    took.sort();
    println!("start: ready with {runs} runs in {:.0?} (median of 5), resident {} MiB", took[2], resident_kib / 1024);
}
