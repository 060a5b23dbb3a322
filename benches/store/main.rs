//! What durability costs, measured on the real binary and the real disk.
//!
//! * `cargo bench --bench store`: all of these, some minutes
//! * `cargo bench --bench store -- --smoke`: the same in small, to see that it runs
//! * `cargo bench --bench store -- ack [SECONDS]`: how fast webhooks are acknowledged at 200 a second
//! * `cargo bench --bench store -- start [RUNS]`: from the start to ready, and the memory at rest
//! * `cargo bench --bench store -- turns [TURNS]`: how the store grows, and what giving space back saves
//!
//! `benches/powercut.py` replays the child this program can be told to be (`writer DIR`).

#![expect(clippy::expect_used, clippy::panic, reason = "a measurement that fails has nothing better to do")]
#![expect(clippy::print_stdout, reason = "this is where the figures are told")]

mod ack;
mod server;
mod start;
mod turns;
mod writer;

use std::{fmt, path::Path, time::Duration};

fn main() {
    // cargo adds `--bench` to what it is given.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |text: &str| -> usize { text.parse().expect("a number") };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("the runtime starts");
    runtime.block_on(async {
        match words[..] {
            [] => {
                ack::measure(30).await;
                start::measure(10_000).await;
                turns::measure(100_000).await;
            }
            ["--smoke"] => {
                ack::measure(1).await;
                start::measure(200).await;
                turns::measure(300).await;
            }
            ["ack"] => ack::measure(30).await,
            ["ack", seconds] => ack::measure(number(seconds)).await,
            ["start"] => start::measure(10_000).await,
            ["start", runs] => start::measure(number(runs)).await,
            ["turns"] => turns::measure(100_000).await,
            ["turns", turns] => turns::measure(number(turns)).await,
            ["writer", dir] => writer::write_until_killed(Path::new(dir)).await,
            ["reader", dir] => writer::read_back(Path::new(dir)).await,
            // Filters meant for test harnesses are no business of ours.
            _ => {}
        }
    });
}

/// How long something took, many times.
#[derive(Default)]
pub(crate) struct Latencies {
    all: Vec<Duration>,
}

impl Latencies {
    pub(crate) fn add(&mut self, one: Duration) {
        self.all.push(one);
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.all.clone();
        sorted.sort();
        let at = |thousandths: usize| match sorted.len() {
            0 => Duration::ZERO,
            count => sorted[(count - 1) * thousandths / 1000],
        };
        let (p50, p99, p999, worst) = (at(500), at(990), at(999), at(1000));
        write!(f, "{} times, p50 {p50:.2?}, p99 {p99:.2?}, p99.9 {p999:.2?}, worst {worst:.2?}", sorted.len())
    }
}
