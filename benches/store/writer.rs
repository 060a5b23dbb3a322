//! What the store is filled with: whole turns, and numbered events that can be told to be there.

use std::{
    io::Write as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use aileron::{
    domain::{
        event::{Prompt, RunEvent, RunEventKind, RunInfo},
        ids::{ActivityId, RunId, WorkspaceId},
    },
    store::{JournalStep, Release, Store, sled::SledStore},
};
use jiff::Timestamp;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Accept, claim, the journal's entries, release.
pub(crate) const COMMITS_A_TURN: usize = 8;

/// The sizes of a turn's parts, in bytes.
pub(crate) struct Shape {
    prompt: usize,
    entries: [usize; 5],
}

impl Shape {
    /// Opened, a work item, a tool call, its result, an answer.
    pub(crate) const USUAL: Self = Self { prompt: 200, entries: [300, 3000, 400, 2000, 1200] };
}

/// One turn of a new run, from its prompt to its end, and how long its acceptance took.
pub(crate) async fn one_turn(store: &SledStore, shape: &Shape) -> Duration {
    let now = Timestamp::now();
    let event = prompted(Uuid::new_v4(), Uuid::new_v4(), "p".repeat(shape.prompt));
    let begun = Instant::now();
    store.accept(event, now, now).await.expect("accepted");
    let accepted_in = begun.elapsed();
    let until = now + std::time::Duration::from_secs(60);
    let claim = store.claim(now, until).await.expect("claimed").expect("a run is due");
    for (number, length) in shape.entries.into_iter().enumerate() {
        let consumed = if number == 0 { vec![0] } else { Vec::new() };
        let step = JournalStep { entries: vec!["e".repeat(length)], consumed, ..JournalStep::default() };
        store.append(claim.lease, step).await.expect("appended");
    }
    store.release(claim.lease, Release::Idle, now).await.expect("released");
    accepted_in
}

/// A store with so many runs of one turn, closed again.
pub(crate) async fn fill(dir: &Path, runs: usize) {
    let store = SledStore::open(dir).expect("a store").store;
    for _ in 0..runs {
        one_turn(&store, &Shape::USUAL).await;
    }
    store.close().await;
}

/// Callers at the same time in [`write_until_killed`].
const CALLERS: u128 = 6;

/// Accepts numbered prompts of 1 to 64 KB and journals them, telling on standard output what was
/// acknowledged: `accepted CALLER COUNT` and `journalled CALLER COUNT`.
pub(crate) async fn write_until_killed(dir: &Path) {
    // Copied all the time, so that many cuts fall into it.
    let store = Arc::new(SledStore::open_compacting(dir, 0).expect("a store").store);
    let mut tasks = JoinSet::new();
    for caller in 0..CALLERS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for number in 0.. {
                let now = Timestamp::now();
                store.accept(numbered(caller, number), now, now).await.expect("accepted");
                tell(&format!("accepted {caller} {}", number + 1));
            }
        });
    }
    tasks.spawn(async move {
        let mut signals = store.signals();
        loop {
            let now = Timestamp::now();
            let until = now + std::time::Duration::from_secs(60);
            let Some(claim) = store.claim(now, until).await.expect("claimed") else {
                let _ = signals.recv().await;
                continue;
            };
            let step = JournalStep {
                entries: claim.waiting.prompts.iter().map(|waiting| waiting.prompt.body.clone()).collect(),
                consumed: claim.waiting.prompts.iter().map(|waiting| waiting.number).collect(),
                ..JournalStep::default()
            };
            let count = claim.journal.len() + step.entries.len();
            store.append(claim.lease, step).await.expect("appended");
            tell(&format!("journalled {} {count}", claim.lease.run.0.as_u128() - 1));
            store.release(claim.lease, Release::Idle, now).await.expect("released");
        }
    });
    tasks.join_all().await;
}

/// Opens what a power cut left and compares it with what standard input says was acknowledged, in
/// the words of [`write_until_killed`]. Panics over anything missing, doubled or changed.
pub(crate) async fn read_back(dir: &Path) {
    let opened = SledStore::open(dir).expect("the store opens");
    assert_eq!((opened.set_aside, opened.commits_lost, opened.records_missing), (None, 0, 0));
    let told = std::io::read_to_string(std::io::stdin()).expect("what was acknowledged");
    let mut checked = 0;
    for caller in 0..CALLERS {
        let count = |what: &str| -> usize {
            let ours = told.lines().filter_map(|line| line.strip_prefix(&format!("{what} {caller} ")));
            ours.map(|number| number.parse().expect("a number")).max().unwrap_or(0)
        };
        let (accepted, journalled) = (count("accepted"), count("journalled"));
        checked += accepted;
        let Some(view) = opened.store.run(RunId(Uuid::from_u128(1 + caller))).await.expect("a readable run") else {
            assert_eq!((accepted, journalled), (0, 0), "the run of caller {caller} is lost");
            continue;
        };
        assert!(view.journal.len() >= journalled, "{} of {journalled} entries", view.journal.len());
        let waiting = view.waiting.prompts.into_iter().map(|waiting| waiting.prompt.body);
        let all: Vec<String> = view.journal.into_iter().chain(waiting).collect();
        assert!(all.len() >= accepted, "{} of {accepted} prompts", all.len());
        assert!((0..).zip(&all).all(|(number, body)| *body == body_of(number)), "a prompt is not what it was");
    }
    println!("whole {checked}");
}

fn numbered(caller: u128, number: usize) -> RunEvent {
    let activity = Uuid::from_u128(((caller + 1) << 64) | number as u128);
    prompted(Uuid::from_u128(1 + caller), activity, body_of(number))
}

/// 1 to 64 KB.
fn body_of(number: usize) -> String {
    let length = 1000 << [0, 3, 1, 6, 0, 2, 5, 4][number % 8];
    format!("{number:0>length$}")
}

fn prompted(run: Uuid, activity: Uuid, body: String) -> RunEvent {
    let run = RunInfo {
        id: RunId(run),
        workspace: WorkspaceId(super::server::WORKSPACE),
        project: None,
        work_item: None,
        agent_user: None,
        creator: None,
        comment: None,
        source_comment: None,
    };
    let prompt = Prompt { activity: Some(ActivityId(activity)), body, actor: None, written_at: None };
    RunEvent { run, kind: RunEventKind::Prompted(prompt) }
}

fn tell(line: &str) {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(format!("{line}\n").as_bytes()).expect("standard output");
    stdout.flush().expect("standard output");
}
