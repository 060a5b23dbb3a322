//! How long a signed webhook waits for its 200, disk flush included.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::server::{self, Server};

const WEBHOOKS_PER_SECOND: usize = 200;

pub(crate) async fn measure(seconds: usize) {
    let home = tempfile::tempdir().expect("a directory");
    let server = Server::start(home.path());
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
    let mut took: Vec<Duration> = sent.join_all().await.into_iter().flatten().collect();
    took.sort();
    let at = |thousandths: usize| took[(took.len() - 1) * thousandths / 1000];
    let idle = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "ack: {} webhooks at {WEBHOOKS_PER_SECOND}/s, durable: p50 {:.2?}, p99 {:.2?}, p99.9 {:.2?}, worst {:.2?} (load {})",
        took.len(),
        at(500),
        at(990),
        at(999),
        at(1000),
        idle.trim_end()
    );
}
