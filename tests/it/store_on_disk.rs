//! The embedded store against a real directory: kills, damage, locks and load.

#![cfg(test)]

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use aileron::{
    domain::{
        event::{Prompt, RunInfo},
        ids::{ActivityId, InstallationId, ProjectId, RunId, WorkspaceId},
        installation::{Credential, Installation, InstallationBook, InstallationStatus},
    },
    store::{
        JournalStep, Letter, Release, RunState, Store, StoreError,
        sled::{Condition, Opened, SledStore, probe},
    },
};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::store_contract::{at, new_run, prompt, prompted};

/// Where the child of the kill test keeps its store; its presence makes the test the child.
const CHILD_DIR: &str = "AILERON_TEST_STORE_DIR";

fn open(dir: &Path) -> SledStore {
    whole(SledStore::open(dir).unwrap())
}

/// A store that is copied again and again.
fn open_copied(dir: &Path) -> SledStore {
    whole(SledStore::open_compacting(dir, 0).unwrap())
}

fn whole(opened: Opened) -> SledStore {
    assert_eq!((opened.set_aside, opened.commits_lost, opened.records_missing), (None, 0, 0));
    opened.store
}

/// A store with that many runs, each with a prompt of `length` bytes, closed again.
async fn fill(dir: &Path, runs: usize, length: usize) {
    let store = open(dir);
    let body = "x".repeat(length);
    let offers = (0..runs).map(|_| store.accept(prompted(&new_run(), &prompt(&body, None)), at(0), at(0)));
    for accepted in futures_util::future::join_all(offers).await {
        accepted.unwrap();
    }
    store.close().await;
}

#[tokio::test]
async fn a_store_in_use_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert!(matches!(SledStore::open(dir.path()), Err(StoreError::Locked { .. })));
    store.accept(prompted(&new_run(), &prompt("hello", None)), at(0), at(0)).await.unwrap();
    drop(store);
    assert_eq!(open(dir.path()).runs(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn opening_right_after_dropping_works_every_time() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..20 {
        let store = open(dir.path());
        assert_eq!(store.runs(100).await.unwrap().len(), round);
        store.accept(prompted(&new_run(), &prompt("hello", None)), at(0), at(0)).await.unwrap();
    }
}

#[test]
fn only_the_owner_may_look_into_the_data_directory() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("new/data");
    let _store = open(&dir);
    for private in [dir.clone(), dir.join("store")] {
        assert_eq!(fs::metadata(private).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn what_is_no_damage_is_never_moved_aside() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("store"), "a file in the way").unwrap();
    assert!(matches!(SledStore::open(dir.path()), Err(StoreError::Broken(_))));
    assert_eq!(fs::read_to_string(dir.path().join("store")).unwrap(), "a file in the way");

    fs::remove_file(dir.path().join("store")).unwrap();
    drop(open(dir.path()));
    fs::rename(dir.path().join("store/db"), dir.path().join("moved")).unwrap();
    fs::create_dir(dir.path().join("store/db")).unwrap();
    assert!(matches!(SledStore::open(dir.path()), Err(StoreError::Broken(_))));
    assert!(dir.path().join("store/db").is_dir());
}

/// Damages a filled store, and expects an empty one that works and the damaged one beside it.
async fn expect_set_aside(file: &str, damage: fn(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 50, 100).await;
    damage(&dir.path().join("store").join(file));
    let damaged = fs::read(dir.path().join("store").join(file)).unwrap();

    let opened = SledStore::open(dir.path()).unwrap();
    let aside = opened.set_aside.expect("the damage is noticed");
    let name = aside.file_name().unwrap().to_string_lossy().into_owned();
    assert!(name.starts_with("store.damaged-"), "{name}");
    if file == "conf" {
        assert_eq!(fs::read(aside.join(file)).unwrap(), damaged);
    }
    assert!(opened.store.runs(10).await.unwrap().is_empty());
    opened.store.accept(prompted(&new_run(), &prompt("hello", None)), at(0), at(0)).await.unwrap();
    drop(opened.store);
    assert_eq!(open(dir.path()).runs(10).await.unwrap().len(), 1);
}

fn overwrite_with_noise(path: &Path) {
    let length = usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    fs::write(path, std::iter::repeat_with(|| random.u8(..)).take(length).collect::<Vec<u8>>()).unwrap();
}

fn overwrite_with_zeros(path: &Path) {
    let length = usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
    fs::write(path, vec![0; length]).unwrap();
}

#[tokio::test]
async fn a_log_of_noise_is_set_aside() {
    expect_set_aside("db", overwrite_with_noise).await;
}

#[tokio::test]
async fn a_log_of_zeros_is_set_aside() {
    expect_set_aside("db", overwrite_with_zeros).await;
}

#[tokio::test]
async fn settings_of_noise_are_set_aside() {
    expect_set_aside("conf", overwrite_with_noise).await;
}

fn installation(token: &str) -> Installation {
    Installation {
        workspace: WorkspaceId(Uuid::from_u128(7)),
        slug: "acme".to_owned(),
        workspace_name: "Acme".to_owned(),
        bot: None,
        credential: Credential::OAuth {
            installation: InstallationId(Uuid::from_u128(8)),
            token: token.to_owned().into(),
            issued_at: at(0),
            expires_at: None,
        },
        status: InstallationStatus::Active,
        installed_at: at(0),
    }
}

async fn tokens(store: &SledStore) -> Vec<String> {
    let token = |installation: &Installation| match &installation.credential {
        Credential::OAuth { token, .. } => token.expose_secret().to_owned(),
        Credential::StaticBearer(_) | Credential::ApiKey(_) => String::new(),
    };
    store.installations().await.unwrap().iter().map(token).collect()
}

#[tokio::test]
async fn installations_outlive_a_damaged_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.save_installation(installation("old")).await.unwrap();
    store.save_installation(installation("new")).await.unwrap();
    store.close().await;
    drop(store);
    let copy = dir.path().join("installations.json");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    overwrite_with_noise(&dir.path().join("store/db"));

    let opened = SledStore::open(dir.path()).unwrap();
    assert!(opened.set_aside.is_some());
    assert_eq!(opened.installations_restored, 1);
    assert_eq!(tokens(&opened.store).await, ["new"]);
    drop(opened.store);

    let again = SledStore::open(dir.path()).unwrap();
    assert_eq!(again.installations_restored, 0);
    assert_eq!(tokens(&again.store).await, ["new"]);
    drop(again.store);

    // A damaged copy is as good as none, and is mended.
    fs::write(&copy, "{").unwrap();
    drop(open(dir.path()));
    overwrite_with_zeros(&dir.path().join("store/db"));
    assert_eq!(SledStore::open(dir.path()).unwrap().installations_restored, 1);
}

#[tokio::test]
async fn a_run_of_a_lost_store_gets_no_old_names() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 1, 10).await;
    overwrite_with_noise(&dir.path().join("store/db"));
    let store = SledStore::open(dir.path()).unwrap().store;
    let run = new_run();
    store.accept(prompted(&run, &prompt("who are you?", None)), at(0), at(0)).await.unwrap();
    let claim = store.claim(at(0), at(60)).await.unwrap().unwrap();
    assert!(claim.journal.is_empty());
    assert!(claim.record.journal_len > 100_000_000, "its turns are counted from where none can have been");
}

#[tokio::test]
async fn runs_outlive_a_damaged_store_as_known_ones_at_rest() {
    let dir = tempfile::tempdir().unwrap();
    let (now, week) = (Timestamp::now(), SignedDuration::from_hours(7 * 24));
    let store = open(dir.path());
    let answered = RunInfo { project: Some(ProjectId(Uuid::from_u128(5))), ..new_run() };
    let (waiting, old) = (new_run(), new_run());
    store.accept(prompted(&old, &prompt("long ago", None)), now - week, now).await.unwrap();
    store.accept(prompted(&answered, &prompt("first", None)), now, at(0)).await.unwrap();
    let lease = store.claim(now, now).await.unwrap().unwrap().lease;
    store.append(lease, JournalStep { consumed: vec![0], ..JournalStep::default() }).await.unwrap();
    store.release(lease, Release::Idle, now).await.unwrap();
    store.accept(prompted(&waiting, &prompt("second", None)), now, at(0)).await.unwrap();
    assert!(!store.run(waiting.id).await.unwrap().unwrap().record.history_lost);
    store.close().await;
    drop(store);
    assert_eq!(fs::metadata(dir.path().join("runs.jsonl")).unwrap().permissions().mode() & 0o777, 0o600);
    overwrite_with_noise(&dir.path().join("store/db"));

    let opened = SledStore::open(dir.path()).unwrap();
    assert_eq!((opened.set_aside.is_some(), opened.runs_restored), (true, 2));
    let mut records = opened.store.runs(10).await.unwrap();
    records.sort_by_key(|record| record.info.id == waiting.id);
    assert_eq!(records.iter().map(|record| &record.info).collect::<Vec<_>>(), [&answered, &waiting]);
    for record in &records {
        assert!(record.history_lost && record.prompted && record.first_seen >= now, "{record:?}");
        assert_eq!((&record.state, record.touched_at), (&RunState::Idle, now));
        assert!(record.journal_len > 100_000_000, "its turns are counted from where none can have been");
    }
    assert_eq!(opened.store.next_due().await.unwrap(), None);

    // What the new store meets for the first time may have been in the old one, listed or not.
    opened.store.accept(prompted(&old, &prompt("again", None)), now, now).await.unwrap();
    let claim = opened.store.claim(now, now).await.unwrap().unwrap();
    assert!(claim.record.info.id == old.id && claim.record.history_lost);
    opened.store.close().await;
    drop(opened.store);

    // They are in the store now, and stay listed for the next time.
    let again = SledStore::open(dir.path()).unwrap();
    assert_eq!((again.runs_restored, again.store.runs(10).await.unwrap().len()), (0, 3));
    drop(again.store);
    overwrite_with_noise(&dir.path().join("store/db"));
    assert_eq!(SledStore::open(dir.path()).unwrap().runs_restored, 3);
}

#[tokio::test]
async fn a_store_that_was_taken_away_is_begun_anew_like_a_damaged_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let run = new_run();
    store.accept(prompted(&run, &prompt("hello", None)), Timestamp::now(), at(0)).await.unwrap();
    drop(store);
    fs::remove_dir_all(dir.path().join("store")).unwrap();
    let opened = SledStore::open(dir.path()).unwrap();
    assert_eq!((opened.set_aside, opened.runs_restored), (None, 1));
    let record = opened.store.run(run.id).await.unwrap().unwrap().record;
    assert!(record.history_lost && record.journal_len > 100_000_000);
}

/// The newest commits are cut off the log: a run known only to them comes back, one that was touched
/// in them is marked, and the others are as they were.
#[tokio::test]
async fn runs_of_lost_commits_come_back_from_the_list() {
    let dir = tempfile::tempdir().unwrap();
    let now = Timestamp::now();
    let store = open(dir.path());
    let (untouched, touched, lost) = (new_run(), new_run(), new_run());
    for run in [&untouched, &touched] {
        store.accept(prompted(run, &prompt("early", None)), now, at(0)).await.unwrap();
        let lease = store.claim(now, now).await.unwrap().unwrap().lease;
        store.append(lease, JournalStep { consumed: vec![0], ..JournalStep::default() }).await.unwrap();
        store.release(lease, Release::Idle, now).await.unwrap();
    }
    store.close().await;
    drop(store);
    let before = tempfile::tempdir().unwrap();
    copy_all(dir.path(), before.path());
    let store = open(dir.path());
    let later = now + SignedDuration::from_secs(1);
    for run in [&touched, &lost] {
        store.accept(prompted(run, &prompt("late", None)), later, at(0)).await.unwrap();
    }
    drop(store);
    fs::remove_dir_all(dir.path().join("store")).unwrap();
    copy_all(&before.path().join("store"), &dir.path().join("store"));

    let opened = SledStore::open(dir.path()).unwrap();
    assert_eq!((opened.set_aside, opened.runs_restored), (None, 2));
    assert!(opened.commits_lost > 0);
    for (run, history_lost) in [(&untouched, false), (&touched, true), (&lost, true)] {
        let record = opened.store.run(run.id).await.unwrap().unwrap().record;
        assert_eq!(record.history_lost, history_lost);
        assert_eq!(record.state, RunState::Idle);
    }
    drop(opened.store);
    assert_eq!(SledStore::open(dir.path()).unwrap().runs_restored, 0);
}

/// What sled does with damage in an older part of its log: some records are gone, the newest commit is not.
#[tokio::test]
async fn runs_missing_from_the_middle_come_back_from_the_list() {
    for tree in ["runs", "touched", "queue"] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        for run in [new_run(), new_run(), new_run()] {
            store.accept(prompted(&run, &prompt("hello", None)), Timestamp::now(), at(0)).await.unwrap();
        }
        store.close().await;
        drop(store);
        let db = sled::open(dir.path().join("store")).unwrap();
        db.open_tree(tree).unwrap().pop_min().unwrap().expect("a record");
        drop(db);

        let opened = SledStore::open(dir.path()).unwrap();
        let restored = usize::from(tree == "runs");
        assert_eq!((opened.records_missing, opened.commits_lost, opened.runs_restored), (1, 0, restored), "{tree}");
        let records = opened.store.runs(10).await.unwrap();
        assert_eq!(records.len(), 3);
        assert_eq!(records.iter().filter(|record| record.history_lost).count(), restored);
        let mut due = 0;
        while opened.store.claim(at(60), at(120)).await.unwrap().is_some() {
            due += 1;
        }
        assert_eq!(due, 3 - restored, "{tree}");
        opened.store.close().await;
        drop(opened.store);
        open(dir.path());
    }
}

#[tokio::test]
async fn damage_never_goes_unnoticed() {
    let filled = tempfile::tempdir().unwrap();
    fill(filled.path(), 300, 3000).await;
    for seed in 0..24 {
        let dir = tempfile::tempdir().unwrap();
        copy_all(filled.path(), dir.path());
        spoil_one_place(&dir.path().join("store/db"), seed);

        let opened = SledStore::open(dir.path()).unwrap();
        let read = read_all(&opened.store).await;
        let noticed = opened.set_aside.is_some() || opened.commits_lost > 0 || opened.records_missing > 0;
        match read {
            Ok(runs) => assert!(runs == 300 || noticed, "seed {seed}: {runs} runs are left and nothing is said"),
            Err(error) => assert!(matches!(error, StoreError::Broken(_)), "seed {seed}: {error}"),
        }
        drop(opened.store);

        // Whatever was met while running, the next opening works.
        let next = SledStore::open(dir.path()).unwrap();
        read_all(&next.store).await.unwrap();
        next.store.accept(prompted(&new_run(), &prompt("hello", None)), at(0), at(0)).await.unwrap();
    }
}

#[tokio::test]
async fn a_look_at_a_store_tells_what_the_next_opening_tells_and_leaves_it_to_that() {
    let filled = tempfile::tempdir().unwrap();
    fill(filled.path(), 300, 3000).await;
    let looked_at = tempfile::tempdir().unwrap();
    copy_all(filled.path(), looked_at.path());
    assert_eq!(probe(looked_at.path()).unwrap(), Condition::Whole);
    let mut seen = [0, 0, 0];
    for seed in 0..24 {
        let dir = tempfile::tempdir().unwrap();
        copy_all(if seed % 2 == 0 { filled.path() } else { looked_at.path() }, dir.path());
        spoil_one_place(&dir.path().join("store/db"), seed);
        let names = names_in(dir.path());
        let found = probe(dir.path()).unwrap();
        assert_eq!((probe(dir.path()).unwrap(), names_in(dir.path())), (found.clone(), names), "seed {seed}");
        // What is met only while opening is dealt with by the next.
        let opened = SledStore::open(dir.path()).or_else(|_| SledStore::open(dir.path())).unwrap();
        let told = (opened.set_aside.is_some(), opened.commits_lost, opened.records_missing);
        let (kind, expected) = match found {
            Condition::Missing => panic!("seed {seed}: a damaged store is there all the same"),
            Condition::Whole => (0, (false, 0, 0)),
            Condition::Worn { commits_lost, records_missing } => (1, (false, commits_lost, records_missing)),
            Condition::Damaged { .. } => (2, (true, 0, 0)),
        };
        seen[kind] += 1;
        assert_eq!(told, expected, "seed {seed}");
    }
    assert!(seen[1] + seen[2] > 0, "{seen:?}");
    overwrite_with_noise(&filled.path().join("store/db"));
    assert!(matches!(probe(filled.path()).unwrap(), Condition::Damaged { .. }));
    assert!(SledStore::open(filled.path()).unwrap().set_aside.is_some());
}

#[tokio::test]
async fn a_clock_that_was_ahead_holds_nothing_up_after_it_was_put_back() {
    let dir = tempfile::tempdir().unwrap();
    let now = Timestamp::now();
    let ahead = now + SignedDuration::from_hours(24 * 30);
    let soon = now + SignedDuration::from_hours(1);
    let (leased, retrying, waiting) = (new_run(), new_run(), new_run());
    let store = open(dir.path());
    for (run, due_at) in [(&retrying, ahead), (&leased, ahead), (&waiting, soon)] {
        store.accept(prompted(run, &prompt("hello", None)), ahead, due_at).await.unwrap();
        if *run != waiting {
            let claimed = store.claim(ahead, ahead + SignedDuration::from_mins(1)).await.unwrap().unwrap();
            if *run == retrying {
                let at = ahead + SignedDuration::from_secs(30);
                store.release(claimed.lease, Release::Retry { at }, ahead).await.unwrap();
            }
        }
    }
    store.close().await;
    drop(store);

    let store = open(dir.path());
    let now = Timestamp::now();
    let mut claimed = Vec::new();
    while let Some(claim) = store.claim(now, now + SignedDuration::from_mins(1)).await.unwrap() {
        claimed.push(claim.lease.run);
    }
    claimed.sort();
    let mut expected = [leased.id, retrying.id];
    expected.sort();
    assert_eq!(claimed, expected);
    assert_eq!(store.next_due().await.unwrap().map(|at| at.as_second()), Some(soon.as_second()));
}

#[tokio::test]
async fn a_look_at_no_store_makes_none_and_one_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(probe(&dir.path().join("absent")).unwrap(), Condition::Missing);
    assert_eq!(probe(dir.path()).unwrap(), Condition::Missing);
    assert_eq!(names_in(dir.path()), Vec::<String>::new());
    let store = open(dir.path());
    assert!(matches!(probe(dir.path()), Err(StoreError::Locked { .. })));
    store.close().await;
}

fn names_in(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn spoil_one_place(path: &Path, seed: u64) {
    let mut bytes = fs::read(path).unwrap();
    let mut random = fastrand::Rng::with_seed(seed);
    let start = random.usize(..bytes.len() - 20_000);
    for byte in &mut bytes[start..start + 20_000] {
        *byte = random.u8(..);
    }
    fs::write(path, bytes).unwrap();
}

/// Reads every run, as the worker and the console do, and counts them.
async fn read_all(store: &SledStore) -> Result<usize, StoreError> {
    let records = store.runs(usize::MAX).await?;
    for record in &records {
        store.run(record.info.id).await?;
    }
    Ok(records.len())
}

#[tokio::test]
async fn long_values_stay_in_the_log_that_is_synced() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let long = "y".repeat(1 << 20);
    let run = new_run();
    store.accept(prompted(&run, &prompt(&long, None)), at(0), at(0)).await.unwrap();
    let lease = store.claim(at(0), at(60)).await.unwrap().unwrap().lease;
    for _ in 0..8 {
        let step = JournalStep { entries: vec![long.clone()], ..JournalStep::default() };
        store.append(lease, step).await.unwrap();
    }
    store.close().await;
    assert_eq!(fs::read_dir(dir.path().join("store/blobs")).unwrap().count(), 0);
    assert_eq!(open(dir.path()).run(run.id).await.unwrap().unwrap().journal, vec![long; 8]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_callers_all_get_their_answers_while_the_store_is_copied() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 500, 3000).await;
    let store = Arc::new(open_copied(dir.path()));
    let mut callers = JoinSet::new();
    for _ in 0..32 {
        let store = Arc::clone(&store);
        callers.spawn(async move {
            let run = new_run();
            for _ in 0..50 {
                store.accept(prompted(&run, &prompt("hello", None)), at(0), at(0)).await.unwrap();
            }
            assert_eq!(store.run(run.id).await.unwrap().unwrap().waiting.prompts.len(), 50);
        });
    }
    let all = tokio::time::timeout(std::time::Duration::from_secs(120), callers.join_all());
    all.await.expect("callers hang");
    let mut compactions = store.compactions();
    let compactions = *compactions.wait_for(|compactions| compactions.done > 0).await.unwrap();
    assert_eq!(compactions.abandoned, 0);
    store.close().await;
    drop(store);
    assert_eq!(open(dir.path()).runs(usize::MAX).await.unwrap().len(), 532);
    assert_eq!(fs::read_dir(dir.path().join("store/blobs")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_long_log_is_copied_right_after_the_start_and_grows_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let run = new_run();
    store.accept(prompted(&run, &prompt("hello", None)), at(0), at(0)).await.unwrap();
    let lease = store.claim(at(0), at(60)).await.unwrap().unwrap().lease;
    for _ in 0..1500 {
        store.renew(lease, at(60)).await.unwrap();
        store.keep_letter(letter_of(&"z".repeat(8000))).await.unwrap();
    }
    store.close().await;
    drop(store);
    let log = || fs::metadata(dir.path().join("store/db")).unwrap().len();
    let long = log();

    let store = whole(SledStore::open_compacting(dir.path(), 1 << 20).unwrap());
    let mut compactions = store.compactions();
    let done = compactions.wait_for(|compactions| compactions.done > 0);
    let last = done.await.unwrap().last.unwrap();
    assert!(last.before >= long, "{last:?}");
    assert_eq!(fs::read_to_string(dir.path().join("store.size")).unwrap().trim(), last.after.to_string());
    assert_eq!(store.letters().await.unwrap().len(), 1000);
    for _ in 0..50 {
        store.keep_letter(letter_of(&"z".repeat(8000))).await.unwrap();
    }
    assert_eq!(compactions.borrow().begun, 1, "it has not grown to twice its length");
    store.close().await;
}

/// A letter with a number of its own before the text.
fn letter_of(text: &str) -> Letter {
    let body = format!("{} {text}", fastrand::u128(..));
    Letter { received_at: at(0), event: "odd".to_owned(), reason: "unknown".to_owned(), body }
}

#[tokio::test]
async fn ten_thousand_runs_open_at_once() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 10_000, 200).await;
    let begun = std::time::Instant::now();
    let store = open(dir.path());
    let took = begun.elapsed();
    // Far above what it takes, far below what reading every run would in an unoptimised build.
    assert!(took.as_millis() < 1000, "{took:?}");
    assert_eq!(store.runs(usize::MAX).await.unwrap().len(), 10_000);
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    #[expect(clippy::disallowed_methods, reason = "a test process has no config to be told by")]
    if let Ok(dir) = std::env::var(CHILD_DIR) {
        runtime().block_on(work_until_killed(Path::new(&dir)));
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::default();
    for round in 0..8 {
        let mut child = start_child(dir.path());
        let stdout = child.stdout.take().unwrap();
        let mut lines = BufReader::new(stdout).lines();
        for _ in 0..fastrand::usize(1..400) {
            acknowledged.note(&lines.next().expect("the child works until killed").unwrap());
        }
        if round == 0 {
            assert!(matches!(SledStore::open(dir.path()), Err(StoreError::Locked { .. })));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            acknowledged.note(&line);
        }
        let store = open(dir.path());
        runtime().block_on(acknowledged.check(&store));
    }
    assert!(acknowledged.prompts.len() == CALLERS && !acknowledged.entries.is_empty(), "both kinds of work were seen");
}

/// Runs offered prompts at the same time in the child.
const CALLERS: usize = 6;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn start_child(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["store_on_disk::what_was_acknowledged_survives_a_kill", "--exact", "--nocapture"])
        .env(CHILD_DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn numbered_run(number: usize) -> RunInfo {
    RunInfo { id: RunId(Uuid::from_u128(1 + number as u128)), ..new_run() }
}

/// The body of the n-th prompt of a run; some need pieces.
fn numbered_body(number: usize) -> String {
    let length = if number % 10 == 3 { 9000 } else { 20 };
    format!("{number:0>length$}")
}

/// Offers numbered prompts and journals them, telling what was acknowledged.
async fn work_until_killed(dir: &Path) {
    let store = Arc::new(open_copied(dir));
    let mut tasks = JoinSet::new();
    for caller in 0..CALLERS {
        tasks.spawn(offer(Arc::clone(&store), caller));
    }
    tasks.spawn(consume(store));
    tasks.join_all().await;
}

async fn offer(store: Arc<SledStore>, caller: usize) {
    let run = numbered_run(caller);
    let begun = store.run(run.id).await.unwrap().map_or(0, |view| view.journal.len() + view.waiting.prompts.len());
    for number in begun.. {
        let activity = ActivityId(Uuid::from_u128(((caller as u128) << 64) | number as u128));
        let prompt = Prompt { activity: Some(activity), ..prompt(&numbered_body(number), None) };
        store.accept(prompted(&run, &prompt), Timestamp::now(), at(0)).await.unwrap();
        tell(&format!("accepted {caller} {}", number + 1));
    }
}

async fn consume(store: Arc<SledStore>) {
    let mut signals = store.signals();
    loop {
        let now = Timestamp::now();
        let Some(claim) = store.claim(now, now + std::time::Duration::from_secs(60)).await.unwrap() else {
            let _ = signals.recv().await;
            continue;
        };
        let step = JournalStep {
            entries: claim.waiting.prompts.iter().map(|waiting| waiting.prompt.body.clone()).collect(),
            consumed: claim.waiting.prompts.iter().map(|waiting| waiting.number).collect(),
            ..JournalStep::default()
        };
        let length = claim.journal.len() + step.entries.len();
        store.append(claim.lease, step).await.unwrap();
        tell(&format!("journalled {} {length}", claim.lease.run.0.as_u128() - 1));
        store.release(claim.lease, Release::Idle, now).await.unwrap();
    }
}

/// Past the test harness, which would keep what `println!` writes.
fn tell(line: &str) {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(format!("{line}\n").as_bytes()).unwrap();
    stdout.flush().unwrap();
}

/// What the child said it was told is durable: a count for each run.
#[derive(Default)]
struct Acknowledged {
    prompts: HashMap<usize, usize>,
    entries: HashMap<usize, usize>,
}

impl Acknowledged {
    fn note(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let (counts, run, count) = match words[..] {
            ["accepted", run, count] => (&mut self.prompts, run, count),
            ["journalled", run, count] => (&mut self.entries, run, count),
            _ => return,
        };
        counts.insert(run.parse().unwrap(), count.parse().unwrap());
    }

    /// Every prompt is either journalled or waits, once and in order, and none that was
    /// acknowledged is missing.
    async fn check(&self, store: &SledStore) {
        for caller in 0..CALLERS {
            let prompts = self.prompts.get(&caller).copied().unwrap_or(0);
            let entries = self.entries.get(&caller).copied().unwrap_or(0);
            let Some(view) = store.run(numbered_run(caller).id).await.unwrap() else {
                assert_eq!((prompts, entries), (0, 0));
                continue;
            };
            assert!(view.journal.len() >= entries, "{} of {entries} entries", view.journal.len());
            let waiting = view.waiting.prompts.into_iter().map(|waiting| waiting.prompt.body);
            let all: Vec<String> = view.journal.into_iter().chain(waiting).collect();
            assert!(all.len() >= prompts, "{} of {prompts} prompts", all.len());
            assert!(all.iter().enumerate().all(|(number, body)| *body == numbered_body(number)));
            assert!(!matches!(view.record.state, RunState::Leased { .. }), "no lease outlives its process");
        }
    }
}
