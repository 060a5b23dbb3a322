//! How long a signed webhook waits for its 200, disk flush included.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::{
    Latencies,
    server::{self, Server},
    writer,
};

const WEBHOOKS_PER_SECOND: usize = 200;

/// Runs in the store that is copied all the while.
const RUNS: usize = 3000;

/// First with a log too short to be copied, then with copies of a full store back to back.
pub(crate) async fn measure(seconds: usize) {
    let home = tempfile::tempdir().expect("a directory");
    let server = Server::start(home.path());
    acknowledge(&server, seconds, "durable").await;
    drop(server);

    let home = tempfile::tempdir().expect("a directory");
    writer::fill(&home.path().join("data"), RUNS).await;
    let server = Server::start_with(home.path(), &[("AILERON__STORE__COMPACT_ABOVE_MIB", "0")]);
    acknowledge(&server, seconds, "durable, while the store is copied all the time").await;
    drop(server);
    let log = std::fs::read_to_string(home.path().join("stderr.log")).expect("a log");
    let copies: Vec<&str> = log.lines().filter(|line| line.contains("gave space back")).collect();
    println!("ack: {} copies, the last: {}", copies.len(), copies.last().copied().unwrap_or_default());
}

async fn acknowledge(server: &Server, seconds: usize, what: &str) {
    let client = server::client();
    let url = format!("{}/webhook", server.url);
    let mut ticks = tokio::time::interval(Duration::from_secs(1).div_f64(WEBHOOKS_PER_SECOND as f64));
    let mut sent = JoinSet::new();
    let warm_up = WEBHOOKS_PER_SECOND / 2;
    for number in 0..WEBHOOKS_PER_SECOND * seconds + warm_up {
        ticks.tick().await;
        let (body, signature) = server::webhook();
        let request = client
            .post(&url)
            .header("X-Plane-Event", "agent_run_create")
            .header("X-Plane-Signature", signature)
            .body(body);
        sent.spawn(async move {
            let begun = Instant::now();
            let status = request.send().await.expect("an answer").status();
            assert_eq!(status, 200);
            (number >= warm_up).then(|| begun.elapsed())
        });
    }
    let mut took = Latencies::default();
    sent.join_all().await.into_iter().flatten().for_each(|one| took.add(one));
    let idle = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("ack: webhooks at {WEBHOOKS_PER_SECOND}/s, {what}: {took} (load {})", idle.trim_end());
}
