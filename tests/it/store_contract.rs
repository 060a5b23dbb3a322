//! What every store promises. Another backend goes through it by one more `every_case!` line.

#![cfg(test)]

use std::{path::Path, sync::Arc};

use aileron::{
    domain::{
        event::{Prompt, RunEvent, RunEventKind, RunInfo},
        ids::{ActivityId, InstallationId, ProjectId, RunId, UserId, WorkItemId, WorkspaceId},
        installation::{Credential, Installation, InstallationStatus},
        talk::Usage,
        usage::{ModelReply, Spent, UsageRow},
    },
    store::{
        Accepted, FIRST_IN_LINE, JournalStep, Lease, Letter, Pruned, Release, Retention, RunRecord, RunState, Signal,
        Store, StoreError, sled::SledStore,
    },
};
use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp, civil::Date};
use secrecy::ExposeSecret;
use uuid::Uuid;

/// Opens the store kept under a directory; opening it again finds what was there.
type Open = fn(&Path) -> Arc<dyn Store>;

/// One fresh store and what keeps it alive.
pub(crate) struct Bench {
    pub(crate) store: Arc<dyn Store>,
    open: Open,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new(open: Open) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { store: open(dir.path()), open, dir }
    }

    /// Ends the store as an orderly process does, and begins again.
    async fn reopen(self) -> Self {
        let Self { store, open, dir } = self;
        store.close().await;
        drop(store);
        Self { store: open(dir.path()), open, dir }
    }
}

fn open_sled(dir: &Path) -> Arc<dyn Store> {
    let opened = SledStore::open(dir).unwrap();
    assert_eq!(opened.set_aside, None);
    Arc::new(opened.store)
}

/// Whatever a case does happens during a copy, or right before or after one.
fn open_sled_copied_all_the_time(dir: &Path) -> Arc<dyn Store> {
    let opened = SledStore::open_compacting(dir, 0).unwrap();
    assert_eq!(opened.set_aside, None);
    Arc::new(opened.store)
}

/// One test a promise, for one backend.
macro_rules! contract {
    ($backend:ident, $open:path: $($case:ident),* $(,)?) => {
        mod $backend {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::Bench::new($open)).await;
            })*
        }
    };
}

/// Every case for one backend.
macro_rules! every_case {
    ($backend:ident, $open:path) => { contract!($backend, $open:
    an_event_is_accepted_once_for_good,
    a_prompt_is_claimed_with_all_that_is_known,
    a_run_is_claimed_by_one_worker_only,
    the_run_due_longest_is_claimed_first,
    an_earlier_due_time_stays,
    a_start_after_its_prompt_makes_nothing_due,
    a_start_before_its_prompt_waits_for_the_grace,
    what_is_known_of_a_run_stays_known,
    a_lost_lease_cannot_write,
    a_renewed_lease_is_not_taken_over,
    a_released_lease_cannot_write,
    a_step_is_written_whole,
    a_prompt_during_a_turn_joins_it,
    a_prompt_nobody_consumed_makes_the_released_run_due,
    an_idle_run_is_woken_by_a_prompt,
    a_retry_counts_and_waits,
    news_during_a_turn_overtakes_a_retry,
    handing_back_counts_for_nothing,
    a_step_ends_a_row_of_failures_but_asking_does_not,
    a_dead_run_stays_dead_until_something_comes_in,
    a_stop_drops_what_was_written_before_it,
    a_stop_reaches_the_holder_of_the_lease,
    a_prompt_written_before_a_known_stop_is_void,
    a_second_stop_is_answered_with_the_first,
    a_start_after_a_stop_starts_nothing,
    a_claim_tells_whether_the_last_holder_left_it_unfinished,
    a_stop_stands_before_all_that_wait,
    a_stop_keeps_its_place_when_its_run_is_handed_back,
    a_stop_that_comes_after_later_words_were_taken_up_stops_nothing,
    an_event_days_later_is_still_a_duplicate,
    due_runs_are_signalled,
    a_reopened_store_has_everything_and_no_leases,
    a_lease_from_before_the_restart_is_lost,
    runs_are_listed_newest_touch_first,
    an_unknown_run_is_nobody,
    letters_are_kept_once_newest_first_and_bounded,
    installations_are_replaced_whole_and_listed_by_slug,
    a_long_journal_entry_comes_back_unchanged,
    a_closed_store_refuses,
    a_finished_run_is_forgotten_when_it_is_old,
    beyond_the_bound_the_oldest_finished_runs_give_way,
    an_event_of_a_forgotten_run_is_still_known,
    a_forgotten_run_that_comes_back_gets_no_old_names,
    keys_are_forgotten_last_and_what_was_written_before_them_is_refused,
    old_letters_are_forgotten,
    forgetting_goes_on_where_it_stopped,
    what_is_spent_is_counted_with_its_step,
    what_was_spent_is_forgotten_with_the_keys,
    a_claim_is_given_the_journal_from_where_the_fold_may_start,
    gists_are_found_by_work_item_replaced_and_forgotten_with_their_run,
    ); };
}

every_case!(sled, super::open_sled);
every_case!(sled_copied_all_the_time, super::open_sled_copied_all_the_time);

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

pub(crate) fn new_run() -> RunInfo {
    RunInfo {
        id: RunId(Uuid::new_v4()),
        workspace: WorkspaceId(Uuid::from_u128(1)),
        project: None,
        work_item: None,
        agent_user: None,
        creator: None,
        comment: None,
        source_comment: None,
    }
}

pub(crate) fn prompt(body: &str, written_at: Option<Timestamp>) -> Prompt {
    Prompt { activity: Some(ActivityId(Uuid::new_v4())), body: body.to_owned(), actor: None, written_at }
}

fn started(run: &RunInfo) -> RunEvent {
    RunEvent { run: run.clone(), kind: RunEventKind::Started }
}

pub(crate) fn prompted(run: &RunInfo, prompt: &Prompt) -> RunEvent {
    RunEvent { run: run.clone(), kind: RunEventKind::Prompted(prompt.clone()) }
}

fn stopped(run: &RunInfo, stop: &Prompt) -> RunEvent {
    RunEvent { run: run.clone(), kind: RunEventKind::StopRequested(stop.clone()) }
}

fn entry(text: &str) -> JournalStep {
    JournalStep { entries: vec![text.to_owned()], ..JournalStep::default() }
}

/// Offers a prompt written and due at that second.
async fn say(store: &dyn Store, run: &RunInfo, body: &str, seconds: i64) -> Prompt {
    let prompt = prompt(body, Some(at(seconds)));
    let accepted = store.accept(prompted(run, &prompt), at(seconds), at(seconds)).await.unwrap();
    assert_eq!(accepted, Accepted::New);
    prompt
}

/// Offers a stop written at that second.
async fn press_stop(store: &dyn Store, run: &RunInfo, seconds: i64) -> Prompt {
    let stop = prompt("stop", Some(at(seconds)));
    let accepted = store.accept(stopped(run, &stop), at(seconds), at(seconds)).await.unwrap();
    assert_eq!(accepted, Accepted::New);
    stop
}

async fn record(store: &dyn Store, run: &RunInfo) -> RunRecord {
    store.run(run.id).await.unwrap().unwrap().record
}

/// Claims at that second for a minute.
async fn claim(store: &dyn Store, seconds: i64) -> Option<aileron::store::Claim> {
    store.claim(at(seconds), at(seconds + 60)).await.unwrap()
}

async fn lease(store: &dyn Store, seconds: i64) -> Lease {
    claim(store, seconds).await.expect("a run is due").lease
}

fn bodies(waiting: &aileron::store::Waiting) -> Vec<&str> {
    waiting.prompts.iter().map(|waiting| waiting.prompt.body.as_str()).collect()
}

async fn an_event_is_accepted_once_for_good(bench: Bench) {
    let run = new_run();
    let hello = say(&*bench.store, &run, "hello", 0).await;
    let again = bench.store.accept(prompted(&run, &hello), at(1), at(1)).await.unwrap();
    assert_eq!(again, Accepted::Duplicate);
    let lease = lease(&*bench.store, 1).await;
    let step =
        JournalStep { entries: vec!["done".into()], consumed: vec![0], stop_consumed: false, ..JournalStep::default() };
    bench.store.append(lease, step).await.unwrap();
    bench.store.release(lease, Release::Idle, at(2)).await.unwrap();

    let bench = bench.reopen().await;
    let later = bench.store.accept(prompted(&run, &hello), at(3), at(3)).await.unwrap();
    assert_eq!(later, Accepted::Duplicate);
    assert!(claim(&*bench.store, 100).await.is_none());
}

async fn a_prompt_is_claimed_with_all_that_is_known(bench: Bench) {
    let run = new_run();
    let hello = say(&*bench.store, &run, "hello", 0).await;
    assert_eq!(bench.store.next_due().await.unwrap(), Some(at(0)));
    let claim = claim(&*bench.store, 1).await.unwrap();
    assert_eq!(claim.lease.run, run.id);
    assert_eq!(claim.record.info, run);
    assert_eq!(claim.record.state, RunState::Leased { until: at(61) });
    assert!(claim.record.prompted);
    assert_eq!((claim.record.first_seen, claim.record.touched_at), (at(0), at(1)));
    assert!(claim.journal.is_empty());
    assert_eq!(claim.waiting.prompts.len(), 1);
    assert_eq!(claim.waiting.prompts[0].prompt, hello);
    assert_eq!(claim.waiting.stop, None);
    assert_eq!(bench.store.next_due().await.unwrap(), None);
}

async fn a_run_is_claimed_by_one_worker_only(bench: Bench) {
    for _ in 0..5 {
        say(&*bench.store, &new_run(), "hello", 0).await;
    }
    let claims = futures_util::future::join_all((0..8).map(|_| claim(&*bench.store, 1))).await;
    let runs: std::collections::HashSet<RunId> = claims.iter().flatten().map(|claim| claim.lease.run).collect();
    assert_eq!(claims.iter().flatten().count(), 5);
    assert_eq!(runs.len(), 5);
}

async fn the_run_due_longest_is_claimed_first(bench: Bench) {
    let (late, early) = (new_run(), new_run());
    say(&*bench.store, &late, "second", 20).await;
    say(&*bench.store, &early, "first", 10).await;
    assert!(claim(&*bench.store, 9).await.is_none());
    assert_eq!(bench.store.next_due().await.unwrap(), Some(at(10)));
    assert_eq!(claim(&*bench.store, 30).await.unwrap().lease.run, early.id);
    assert_eq!(claim(&*bench.store, 30).await.unwrap().lease.run, late.id);
}

async fn an_earlier_due_time_stays(bench: Bench) {
    let run = new_run();
    say(&*bench.store, &run, "first", 10).await;
    say(&*bench.store, &run, "second", 20).await;
    assert_eq!(record(&*bench.store, &run).await.state, RunState::Due { at: at(10) });
    let early = prompt("third", None);
    bench.store.accept(prompted(&run, &early), at(21), at(5)).await.unwrap();
    assert_eq!(record(&*bench.store, &run).await.state, RunState::Due { at: at(5) });
    assert_eq!(bodies(&claim(&*bench.store, 30).await.unwrap().waiting), ["first", "second", "third"]);
    assert!(claim(&*bench.store, 30).await.is_none(), "the later times must not have stayed in the queue");
}

async fn a_start_after_its_prompt_makes_nothing_due(bench: Bench) {
    let run = new_run();
    say(&*bench.store, &run, "hello", 0).await;
    let lease = lease(&*bench.store, 1).await;
    let step =
        JournalStep { entries: vec!["done".into()], consumed: vec![0], stop_consumed: false, ..JournalStep::default() };
    bench.store.append(lease, step).await.unwrap();
    assert_eq!(bench.store.accept(started(&run), at(2), at(2)).await.unwrap(), Accepted::New);
    bench.store.release(lease, Release::Idle, at(3)).await.unwrap();
    assert_eq!(record(&*bench.store, &run).await.state, RunState::Idle);
    assert_eq!(bench.store.accept(started(&run), at(4), at(4)).await.unwrap(), Accepted::Duplicate);
}

async fn a_start_before_its_prompt_waits_for_the_grace(bench: Bench) {
    let run = new_run();
    assert_eq!(bench.store.accept(started(&run), at(0), at(5)).await.unwrap(), Accepted::New);
    assert!(claim(&*bench.store, 4).await.is_none());
    let early = record(&*bench.store, &run).await;
    assert_eq!((early.state, early.prompted), (RunState::Due { at: at(5) }, false));
    say(&*bench.store, &run, "hello", 1).await;
    let claim = claim(&*bench.store, 1).await.unwrap();
    assert_eq!(bodies(&claim.waiting), ["hello"]);
}

async fn what_is_known_of_a_run_stays_known(bench: Bench) {
    let bare = new_run();
    let project = ProjectId(Uuid::from_u128(7));
    let known = RunInfo { project: Some(project), ..bare.clone() };
    let other =
        RunInfo { project: Some(ProjectId(Uuid::from_u128(8))), creator: Some(UserId(bare.id.0)), ..bare.clone() };
    say(&*bench.store, &bare, "one", 0).await;
    say(&*bench.store, &known, "two", 1).await;
    say(&*bench.store, &other, "three", 2).await;
    let info = record(&*bench.store, &bare).await.info;
    assert_eq!(info, RunInfo { creator: other.creator, ..known });
}

async fn a_lost_lease_cannot_write(bench: Bench) {
    let run = new_run();
    say(&*bench.store, &run, "hello", 0).await;
    let lost = lease(&*bench.store, 1).await;
    bench.store.append(lost, entry("mine")).await.unwrap();
    assert!(claim(&*bench.store, 60).await.is_none(), "the lease still holds");
    let taken = claim(&*bench.store, 61).await.unwrap();
    assert!(taken.lease.fence > lost.fence);
    assert_eq!(taken.journal, ["mine"]);

    let step =
        JournalStep { entries: vec!["late".into()], consumed: vec![0], stop_consumed: true, ..JournalStep::default() };
    let appended = bench.store.append(lost, step).await;
    assert!(matches!(appended, Err(StoreError::LeaseLost(id)) if id == run.id));
    assert!(matches!(bench.store.renew(lost, at(500)).await, Err(StoreError::LeaseLost(_))));
    assert!(matches!(bench.store.release(lost, Release::Idle, at(62)).await, Err(StoreError::LeaseLost(_))));
    let view = bench.store.run(run.id).await.unwrap().unwrap();
    assert_eq!(view.journal, ["mine"]);
    assert_eq!(bodies(&view.waiting), ["hello"]);
    assert_eq!(view.record.state, RunState::Leased { until: at(121) });
}

async fn a_renewed_lease_is_not_taken_over(bench: Bench) {
    say(&*bench.store, &new_run(), "hello", 0).await;
    let lease = lease(&*bench.store, 1).await;
    bench.store.renew(lease, at(300)).await.unwrap();
    assert!(claim(&*bench.store, 299).await.is_none());
    bench.store.append(lease, entry("still mine")).await.unwrap();
    assert!(claim(&*bench.store, 300).await.is_some());
}

async fn a_released_lease_cannot_write(bench: Bench) {
    say(&*bench.store, &new_run(), "hello", 0).await;
    let lease = lease(&*bench.store, 1).await;
    bench.store.release(lease, Release::HandBack, at(2)).await.unwrap();
    assert!(matches!(bench.store.append(lease, entry("late")).await, Err(StoreError::LeaseLost(_))));
    let stranger = Lease { run: RunId(Uuid::new_v4()), fence: 1 };
    assert!(matches!(bench.store.append(stranger, entry("who")).await, Err(StoreError::LeaseLost(_))));
}

async fn a_step_is_written_whole(bench: Bench) {
    let run = new_run();
    say(&*bench.store, &run, "one", 0).await;
    say(&*bench.store, &run, "two", 1).await;
    let claim = claim(&*bench.store, 2).await.unwrap();
    let number = claim.waiting.prompts[1].number;
    let step = JournalStep {
        entries: vec!["a".into(), "b".into()],
        consumed: vec![number],
        stop_consumed: false,
        ..JournalStep::default()
    };
    let waiting = bench.store.append(claim.lease, step).await.unwrap();
    assert_eq!(bodies(&waiting), ["one"]);
    bench.store.append(claim.lease, entry("c")).await.unwrap();
    let view = bench.store.run(run.id).await.unwrap().unwrap();
    assert_eq!(view.journal, ["a", "b", "c"]);
    assert_eq!(view.record.journal_len, claim.record.journal_len + 3);
    assert_eq!(bodies(&view.waiting), ["one"]);
}

async fn a_prompt_during_a_turn_joins_it(bench: Bench) {
    let run = new_run();
    say(&*bench.store, &run, "one", 0).await;
    let lease = lease(&*bench.store, 1).await;
    say(&*bench.store, &run, "two", 2).await;
    assert!(claim(&*bench.store, 3).await.is_none(), "one lease a run");
    let waiting = bench.store.append(lease, JournalStep { consumed: vec![0], ..entry("a") }).await.unwrap();
    assert_eq!(bodies(&waiting), ["two"]);
    let consumed = vec![waiting.prompts[0].number];
    bench.store.append(lease, JournalStep { consumed, ..entry("b") }).await.unwrap();
    bench.store.release(lease, Release::Idle, at(4)).await.unwrap();
    assert_eq!(record(&*bench.store, &run).await.state, RunState::Idle);
}

async fn a_prompt_nobody_consumed_makes_the_released_run_due(bench: Bench) {
    let run = new_run();
    say(&*bench.store, &run, "one", 0).await;
    let lease = lease(&*bench.store, 1).await;
    bench.store.append(lease, JournalStep { consumed: vec![0], ..entry("a") }).await.unwrap();
    say(&*bench.store, &run, "two", 2).await;
    bench.store.release(lease, Release::Idle, at(3)).await.unwrap();
    assert_eq!(record(&*bench.store, &run).await.state, RunState::Due { at: at(3) });
    assert_eq!(bodies(&claim(&*bench.store, 3).await.unwrap().waiting), ["two"]);
}

async fn an_idle_run_is_woken_by_a_prompt(bench: Bench) {
    let run = new_run();
    say(&*bench.store, &run, "one", 0).await;
    let first = lease(&*bench.store, 1).await;
    bench.store.append(first, JournalStep { consumed: vec![0], ..entry("a") }).await.unwrap();
    bench.store.release(first, Release::Idle, at(2)).await.unwrap();
    assert_eq!(bench.store.next_due().await.unwrap(), None);
    say(&*bench.store, &run, "two", 50).await;
    let second = claim(&*bench.store, 50).await.unwrap();
    assert_eq!(second.journal, ["a"]);
    assert_eq!(bodies(&second.waiting), ["two"]);
}

async fn a_retry_counts_and_waits(bench: Bench) {
    let run = new_run();
    say(&*bench.store, &run, "one", 0).await;
    for attempt in 1..=3 {
        let due = i64::from(attempt) * 10;
        let lease = lease(&*bench.store, due - 5).await;
        bench.store.release(lease, Release::Retry { at: at(due) }, at(due - 4)).await.unwrap();
        assert!(claim(&*bench.store, due - 1).await.is_none());
        assert_eq!(bench.store.next_due().await.unwrap(), Some(at(due)));
        assert_eq!(record(&*bench.store, &run).await.attempts, attempt);
        // What waited before the failure is no news and does not hurry the retry.
        if attempt < 3 {
            let lease = self::lease(&*bench.store, due).await;
            bench.store.release(lease, Release::HandBack, at(due)).await.unwrap();
        }
    }
}

async fn news_during_a_turn_overtakes_a_retry(bench: Bench) {
    let run = new_run();
    say(&*bench.store, &run, "one", 0).await;
    let first = lease(&*bench.store, 1).await;
    say(&*bench.store, &run, "two", 2).await;
    bench.store.release(first, Release::Retry { at: at(600) }, at(3)).await.unwrap();
    let second = claim(&*bench.store, 3).await.unwrap();
    assert_eq!(second.record.attempts, 1);
    assert_eq!(bodies(&second.waiting), ["one", "two"]);

    say(&*bench.store, &run, "three", 4).await;
    assert_eq!(bench.store.append(second.lease, JournalStep::default()).await.unwrap().prompts.len(), 3);
    bench.store.release(second.lease, Release::Retry { at: at(600) }, at(5)).await.unwrap();
    assert_eq!(record(&*bench.store, &run).await.state, RunState::Due { at: at(600) }, "it had been told");
}

async fn handing_back_counts_for_nothing(bench: Bench) {
    let run = new_run();
    say(&*bench.store, &run, "one", 0).await;
    let lease = lease(&*bench.store, 1).await;
    bench.store.release(lease, Release::HandBack, at(2)).await.unwrap();
    let record = record(&*bench.store, &run).await;
    assert_eq!((record.state, record.attempts), (RunState::Due { at: at(2) }, 0));
}

async fn a_step_ends_a_row_of_failures_but_asking_does_not(bench: Bench) {
    let run = new_run();
    say(&*bench.store, &run, "one", 0).await;
    let first = lease(&*bench.store, 1).await;
    bench.store.release(first, Release::Retry { at: at(2) }, at(2)).await.unwrap();
    let second = lease(&*bench.store, 2).await;
    bench.store.append(second, JournalStep::default()).await.unwrap();
    assert_eq!(record(&*bench.store, &run).await.attempts, 1);
    bench.store.append(second, entry("progress")).await.unwrap();
    assert_eq!(record(&*bench.store, &run).await.attempts, 0);
}

async fn a_dead_run_stays_dead_until_something_comes_in(bench: Bench) {
    let run = new_run();
    say(&*bench.store, &run, "one", 0).await;
    let first = lease(&*bench.store, 1).await;
    bench.store.release(first, Release::Retry { at: at(2) }, at(2)).await.unwrap();
    let second = lease(&*bench.store, 2).await;
    say(&*bench.store, &run, "two", 3).await;
    bench.store.release(second, Release::Dead { reason: "hopeless".into() }, at(4)).await.unwrap();
    assert!(claim(&*bench.store, 1000).await.is_none());
    assert_eq!(bench.store.next_due().await.unwrap(), None);
    assert_eq!(record(&*bench.store, &run).await.state, RunState::Dead { reason: "hopeless".into() });
    say(&*bench.store, &run, "three", 1001).await;
    let revived = claim(&*bench.store, 1001).await.unwrap();
    assert_eq!(revived.record.attempts, 0);
    assert_eq!(bodies(&revived.waiting), ["one", "two", "three"]);
}

async fn a_stop_drops_what_was_written_before_it(bench: Bench) {
    let run = new_run();
    let undated = prompt("undated", None);
    bench.store.accept(prompted(&run, &undated), at(0), at(500)).await.unwrap();
    let before = prompt("before", Some(at(1)));
    bench.store.accept(prompted(&run, &before), at(1), at(500)).await.unwrap();
    let after = prompt("after", Some(at(3)));
    bench.store.accept(prompted(&run, &after), at(3), at(500)).await.unwrap();
    let stop = prompt("stop", Some(at(2)));
    assert_eq!(bench.store.accept(stopped(&run, &stop), at(4), at(500)).await.unwrap(), Accepted::New);
    let claim = claim(&*bench.store, 4).await.expect("a stop makes the run due at once");
    assert_eq!(bodies(&claim.waiting), ["after"]);
    assert_eq!(claim.waiting.stop, Some(stop));
    assert_eq!(claim.record.stopped_at, Some(at(2)));

    let step = JournalStep { stop_consumed: true, ..entry("stopped") };
    let waiting = bench.store.append(claim.lease, step).await.unwrap();
    assert_eq!(waiting.stop, None);
    assert_eq!(bodies(&waiting), ["after"]);
}

async fn a_stop_reaches_the_holder_of_the_lease(bench: Bench) {
    let run = new_run();
    say(&*bench.store, &run, "one", 0).await;
    let lease = lease(&*bench.store, 1).await;
    let mut signals = bench.store.signals();
    let stop = press_stop(&*bench.store, &run, 2).await;
    assert_eq!(signals.try_recv().unwrap(), Signal::Stop(run.id));
    assert!(claim(&*bench.store, 3).await.is_none());
    let waiting = bench.store.append(lease, JournalStep::default()).await.unwrap();
    assert_eq!(waiting.stop, Some(stop));
    assert!(waiting.prompts.is_empty(), "the prompt was written before the stop");
    bench.store.release(lease, Release::Idle, at(4)).await.unwrap();
    assert!(claim(&*bench.store, 4).await.is_some(), "the stop still wants its answer");
}

async fn a_prompt_written_before_a_known_stop_is_void(bench: Bench) {
    let run = new_run();
    press_stop(&*bench.store, &run, 10).await;
    let late = prompt("late", Some(at(10)));
    assert_eq!(bench.store.accept(prompted(&run, &late), at(11), at(11)).await.unwrap(), Accepted::Duplicate);
    let undated = prompt("undated", None);
    assert_eq!(bench.store.accept(prompted(&run, &undated), at(12), at(12)).await.unwrap(), Accepted::New);
    say(&*bench.store, &run, "new", 13).await;
    assert_eq!(bodies(&claim(&*bench.store, 20).await.unwrap().waiting), ["undated", "new"]);
}

async fn a_second_stop_is_answered_with_the_first(bench: Bench) {
    let run = new_run();
    let first = press_stop(&*bench.store, &run, 1).await;
    say(&*bench.store, &run, "between", 2).await;
    let second = press_stop(&*bench.store, &run, 3).await;
    let again = bench.store.accept(stopped(&run, &second), at(4), at(4)).await.unwrap();
    assert_eq!(again, Accepted::Duplicate);
    let claim = claim(&*bench.store, 5).await.unwrap();
    assert_eq!(claim.waiting.stop, Some(first));
    assert!(claim.waiting.prompts.is_empty(), "the second stop voids what came between");
    assert_eq!(claim.record.stopped_at, Some(at(3)));
}

async fn a_start_after_a_stop_starts_nothing(bench: Bench) {
    let run = new_run();
    press_stop(&*bench.store, &run, 1).await;
    let lease = lease(&*bench.store, 1).await;
    bench.store.append(lease, JournalStep { stop_consumed: true, ..entry("stopped") }).await.unwrap();
    bench.store.release(lease, Release::Idle, at(2)).await.unwrap();
    assert_eq!(bench.store.accept(started(&run), at(3), at(3)).await.unwrap(), Accepted::New);
    assert_eq!(record(&*bench.store, &run).await.state, RunState::Idle);
}

async fn a_claim_tells_whether_the_last_holder_left_it_unfinished(bench: Bench) {
    let run = new_run();
    say(&*bench.store, &run, "one", 0).await;
    let first = claim(&*bench.store, 1).await.unwrap();
    assert!(!first.unfinished);
    bench.store.release(first.lease, Release::HandBack, at(2)).await.unwrap();
    assert!(claim(&*bench.store, 2).await.unwrap().unfinished, "it was handed back");
    let bench = bench.reopen().await;
    let third = claim(&*bench.store, 3).await.unwrap();
    assert!(third.unfinished, "its holder is gone");
    let step = JournalStep { consumed: vec![third.waiting.prompts[0].number], ..entry("answered") };
    bench.store.append(third.lease, step).await.unwrap();
    bench.store.release(third.lease, Release::Idle, at(4)).await.unwrap();
    say(&*bench.store, &run, "two", 5).await;
    assert!(!claim(&*bench.store, 5).await.unwrap().unfinished);
}

async fn a_stop_stands_before_all_that_wait(bench: Bench) {
    let (first, second, stopped) = (new_run(), new_run(), new_run());
    say(&*bench.store, &first, "one", 0).await;
    say(&*bench.store, &second, "two", 1).await;
    say(&*bench.store, &stopped, "three", 2).await;
    press_stop(&*bench.store, &stopped, 3).await;
    assert_eq!(bench.store.next_due().await.unwrap(), Some(FIRST_IN_LINE));
    assert_eq!(lease(&*bench.store, 4).await.run, stopped.id);
    assert_eq!(lease(&*bench.store, 4).await.run, first.id);
}

async fn a_stop_keeps_its_place_when_its_run_is_handed_back(bench: Bench) {
    let (waiting, run) = (new_run(), new_run());
    say(&*bench.store, &run, "one", 0).await;
    let held = lease(&*bench.store, 1).await;
    say(&*bench.store, &waiting, "two", 2).await;
    press_stop(&*bench.store, &run, 3).await;
    bench.store.release(held, Release::HandBack, at(4)).await.unwrap();
    let held = lease(&*bench.store, 5).await;
    assert_eq!(held.run, run.id);
    let bench = bench.reopen().await;
    assert_eq!(lease(&*bench.store, 6).await.run, run.id, "nor does a restart take it away");
}

async fn a_stop_that_comes_after_later_words_were_taken_up_stops_nothing(bench: Bench) {
    let run = new_run();
    say(&*bench.store, &run, "one", 1).await;
    let held = claim(&*bench.store, 2).await.unwrap();
    let one = held.waiting.prompts[0].number;
    say(&*bench.store, &run, "three", 3).await;
    let step = JournalStep { consumed: vec![one, one + 1], ..entry("opened") };
    bench.store.append(held.lease, step).await.unwrap();
    let late = prompt("stop", Some(at(2)));
    assert_eq!(bench.store.accept(stopped(&run, &late), at(5), at(5)).await.unwrap(), Accepted::New);
    let waiting = bench.store.append(held.lease, JournalStep::default()).await.unwrap();
    assert_eq!(waiting.stop, None, "the person went on after it");
    bench.store.release(held.lease, Release::Idle, at(6)).await.unwrap();
    assert!(claim(&*bench.store, 6).await.is_none());
    let void = prompt("void", Some(at(2)));
    assert_eq!(bench.store.accept(prompted(&run, &void), at(7), at(7)).await.unwrap(), Accepted::Duplicate);

    press_stop(&*bench.store, &run, 8).await;
    assert!(claim(&*bench.store, 8).await.unwrap().waiting.stop.is_some(), "a newer one counts");
}

async fn an_event_days_later_is_still_a_duplicate(bench: Bench) {
    const DAY: i64 = 86_400;
    let run = new_run();
    let hello = say(&*bench.store, &run, "hello", 0).await;
    let held = claim(&*bench.store, 1).await.unwrap();
    let step = JournalStep { consumed: vec![held.waiting.prompts[0].number], ..entry("answered") };
    bench.store.append(held.lease, step).await.unwrap();
    bench.store.release(held.lease, Release::Idle, at(2)).await.unwrap();
    let bench = bench.reopen().await;
    for event in [prompted(&run, &hello), prompted(&run, &hello)] {
        assert_eq!(bench.store.accept(event, at(20 * DAY), at(20 * DAY)).await.unwrap(), Accepted::Duplicate);
    }
    assert!(claim(&*bench.store, 20 * DAY).await.is_none());
}

async fn due_runs_are_signalled(bench: Bench) {
    let run = new_run();
    let mut signals = bench.store.signals();
    say(&*bench.store, &run, "one", 0).await;
    assert_eq!(signals.try_recv().unwrap(), Signal::Due);
    say(&*bench.store, &run, "two", 1).await;
    assert!(signals.try_recv().is_err(), "it was due already");
    let lease = lease(&*bench.store, 2).await;
    say(&*bench.store, &run, "three", 3).await;
    assert!(signals.try_recv().is_err(), "the holder of the lease is told by its next step");
    bench.store.release(lease, Release::Idle, at(4)).await.unwrap();
    assert_eq!(signals.try_recv().unwrap(), Signal::Due);
    press_stop(&*bench.store, &new_run(), 5).await;
    let both = [signals.try_recv().unwrap(), signals.try_recv().unwrap()];
    assert!(both.contains(&Signal::Due) && both.iter().any(|signal| matches!(signal, Signal::Stop(_))));
}

async fn a_reopened_store_has_everything_and_no_leases(bench: Bench) {
    let (leased, idle, retrying) = (new_run(), new_run(), new_run());
    say(&*bench.store, &idle, "one", 0).await;
    let lease_of_idle = lease(&*bench.store, 1).await;
    bench.store.append(lease_of_idle, JournalStep { consumed: vec![0], ..entry("a") }).await.unwrap();
    bench.store.release(lease_of_idle, Release::Idle, at(2)).await.unwrap();
    say(&*bench.store, &retrying, "two", 3).await;
    let lease_of_retrying = lease(&*bench.store, 4).await;
    bench.store.release(lease_of_retrying, Release::Retry { at: at(900) }, at(5)).await.unwrap();
    say(&*bench.store, &leased, "three", 6).await;
    let lease_of_leased = lease(&*bench.store, 7).await;
    bench.store.append(lease_of_leased, entry("b")).await.unwrap();

    let bench = bench.reopen().await;
    let claimed = claim(&*bench.store, 8).await.expect("its holder is gone");
    assert_eq!(claimed.lease.run, leased.id);
    assert_eq!(claimed.journal, ["b"]);
    assert_eq!(bodies(&claimed.waiting), ["three"]);
    assert!(claim(&*bench.store, 67).await.is_none());
    assert_eq!(bench.store.next_due().await.unwrap(), Some(at(900)));
    assert_eq!(record(&*bench.store, &retrying).await.attempts, 1);
    assert_eq!(bench.store.run(idle.id).await.unwrap().unwrap().journal, ["a"]);
}

async fn a_lease_from_before_the_restart_is_lost(bench: Bench) {
    say(&*bench.store, &new_run(), "one", 0).await;
    let old = lease(&*bench.store, 1).await;
    let bench = bench.reopen().await;
    assert!(matches!(bench.store.append(old, entry("late")).await, Err(StoreError::LeaseLost(_))));
    let new = lease(&*bench.store, 2).await;
    assert!(new.fence > old.fence);
    assert!(matches!(bench.store.append(old, entry("late")).await, Err(StoreError::LeaseLost(_))));
}

async fn runs_are_listed_newest_touch_first(bench: Bench) {
    let runs = [new_run(), new_run(), new_run()];
    for (seconds, run) in (0..).zip(&runs) {
        say(&*bench.store, run, "one", seconds).await;
    }
    say(&*bench.store, &runs[0], "two", 10).await;
    let listed: Vec<RunId> = bench.store.runs(10).await.unwrap().iter().map(|record| record.info.id).collect();
    assert_eq!(listed, [runs[0].id, runs[2].id, runs[1].id]);
    assert_eq!(bench.store.runs(2).await.unwrap().len(), 2);
}

async fn an_unknown_run_is_nobody(bench: Bench) {
    assert!(bench.store.run(RunId(Uuid::new_v4())).await.unwrap().is_none());
    assert!(bench.store.runs(10).await.unwrap().is_empty());
    assert_eq!(bench.store.next_due().await.unwrap(), None);
    bench.store.health().unwrap();
}

async fn letters_are_kept_once_newest_first_and_bounded(bench: Bench) {
    let letter = |number: i64| Letter {
        received_at: at(number),
        event: "agent_run".into(),
        reason: "unknown shape".into(),
        body: format!("body {number}"),
    };
    assert_eq!(bench.store.keep_letter(letter(0)).await.unwrap(), Accepted::New);
    let same_body = Letter { received_at: at(5), ..letter(0) };
    assert_eq!(bench.store.keep_letter(same_body).await.unwrap(), Accepted::Duplicate);
    for numbers in [1..4, 4..1000, 1000..1003] {
        // Only within the middle range does the order not matter.
        let concurrent = if numbers.start == 4 { 1000 } else { 1 };
        let keeping = numbers.map(|number| bench.store.keep_letter(letter(number)));
        futures_util::stream::iter(keeping).buffer_unordered(concurrent).collect::<Vec<_>>().await;
    }
    let kept = bench.store.letters().await.unwrap();
    assert_eq!(kept.len(), 1000);
    assert_eq!((&kept[0], &kept[999]), (&letter(1002), &letter(3)));
    assert_eq!(bench.store.keep_letter(letter(0)).await.unwrap(), Accepted::New, "it had given way");
}

async fn installations_are_replaced_whole_and_listed_by_slug(bench: Bench) {
    let installation = |workspace: u128, slug: &str, token: &str| Installation {
        workspace: WorkspaceId(Uuid::from_u128(workspace)),
        slug: slug.to_owned(),
        workspace_name: slug.to_uppercase(),
        bot: Some(UserId(Uuid::from_u128(9))),
        credential: Credential::OAuth {
            installation: InstallationId(Uuid::from_u128(workspace)),
            token: token.to_owned().into(),
            issued_at: at(0),
            expires_at: Some(at(0) + SignedDuration::from_hours(1)),
        },
        status: InstallationStatus::Active,
        installed_at: at(0),
    };
    bench.store.save_installation(installation(1, "zebra", "old")).await.unwrap();
    bench.store.save_installation(installation(2, "ant", "other")).await.unwrap();
    bench.store.save_installation(installation(1, "zebra", "new")).await.unwrap();
    let bench = bench.reopen().await;
    let kept = bench.store.installations().await.unwrap();
    assert_eq!(kept.iter().map(|installation| installation.slug.as_str()).collect::<Vec<_>>(), ["ant", "zebra"]);
    let Credential::OAuth { token, expires_at, .. } = &kept[1].credential else { panic!("another credential") };
    assert_eq!(token.expose_secret(), "new");
    assert_eq!(*expires_at, Some(at(3600)));
    assert_eq!((kept[1].workspace_name.as_str(), kept[1].status), ("ZEBRA", InstallationStatus::Active));
}

async fn a_long_journal_entry_comes_back_unchanged(bench: Bench) {
    let run = new_run();
    let long = "ä\"\n".repeat(300_000);
    say(&*bench.store, &run, &long, 0).await;
    let lease = lease(&*bench.store, 1).await;
    bench.store.append(lease, entry(&long)).await.unwrap();
    let bench = bench.reopen().await;
    let view = bench.store.run(run.id).await.unwrap().unwrap();
    assert!(view.journal == [long.clone()]);
    assert!(bodies(&view.waiting) == [long]);
}

async fn a_closed_store_refuses(bench: Bench) {
    bench.store.close().await;
    assert!(matches!(bench.store.health(), Err(StoreError::Closed)));
    assert!(matches!(bench.store.next_due().await, Err(StoreError::Closed)));
    assert!(bench.store.installations().await.is_err());
}

const DAY: i64 = 24 * 3600;

/// Runs for ten days, keys for a hundred.
const KEEP: Retention = Retention {
    keep_runs: SignedDuration::from_hours(240),
    max_runs: 1000,
    keep_keys: SignedDuration::from_hours(2400),
};

/// A run that was asked something, answered it, and rests since that second.
async fn finished(store: &dyn Store, seconds: i64) -> (RunInfo, Prompt) {
    let run = new_run();
    let prompt = say(store, &run, "hello", seconds).await;
    let lease = lease(store, seconds).await;
    store.append(lease, JournalStep { consumed: vec![0], ..entry("answered") }).await.unwrap();
    store.release(lease, Release::Idle, at(seconds)).await.unwrap();
    (run, prompt)
}

/// Prunes until there is no more, and sums up.
async fn prune_all(store: &dyn Store, retention: Retention, now: Timestamp) -> Pruned {
    let mut all = Pruned::default();
    loop {
        let pruned = store.prune(retention, now).await.unwrap();
        all.runs += pruned.runs;
        all.letters += pruned.letters;
        all.keys += pruned.keys;
        if !pruned.more {
            return all;
        }
    }
}

async fn listed(store: &dyn Store) -> Vec<RunId> {
    store.runs(usize::MAX).await.unwrap().iter().map(|record| record.info.id).collect()
}

async fn a_finished_run_is_forgotten_when_it_is_old(bench: Bench) {
    let store = &*bench.store;
    let (old, _) = finished(store, 0).await;
    let (young, _) = finished(store, 5 * DAY).await;
    let waiting = new_run();
    store.accept(prompted(&waiting, &prompt("hello", None)), at(0), at(900 * DAY)).await.unwrap();
    assert_eq!(prune_all(store, KEEP, at(9 * DAY)).await.runs, 0);
    assert_eq!(prune_all(store, KEEP, at(11 * DAY)).await.runs, 1);
    assert!(store.run(old.id).await.unwrap().is_none());
    assert_eq!(listed(store).await, [young.id, waiting.id], "what waits is never forgotten");

    let bench = bench.reopen().await;
    assert_eq!(prune_all(&*bench.store, KEEP, at(16 * DAY)).await.runs, 1);
    assert_eq!(listed(&*bench.store).await, [waiting.id]);
}

async fn beyond_the_bound_the_oldest_finished_runs_give_way(bench: Bench) {
    let store = &*bench.store;
    let waiting = new_run();
    store.accept(prompted(&waiting, &prompt("hello", None)), at(0), at(900 * DAY)).await.unwrap();
    let mut runs = Vec::new();
    for number in 1..=6 {
        runs.push(finished(store, number).await.0.id);
    }
    let few = Retention { max_runs: 3, ..KEEP };
    assert_eq!(prune_all(store, few, at(10)).await.runs, 4);
    assert_eq!(listed(store).await, [runs[5], runs[4], waiting.id]);
    assert_eq!(prune_all(store, few, at(11)).await.runs, 0);
}

async fn an_event_of_a_forgotten_run_is_still_known(bench: Bench) {
    let (run, hello) = finished(&*bench.store, 0).await;
    prune_all(&*bench.store, KEEP, at(11 * DAY)).await;
    let bench = bench.reopen().await;
    let again = bench.store.accept(prompted(&run, &hello), at(12 * DAY), at(12 * DAY)).await.unwrap();
    assert_eq!(again, Accepted::Duplicate);
    assert!(claim(&*bench.store, 13 * DAY).await.is_none());
}

async fn a_forgotten_run_that_comes_back_gets_no_old_names(bench: Bench) {
    let store = &*bench.store;
    let (run, _) = finished(store, 0).await;
    press_stop(store, &run, 10).await;
    let old = lease(store, 10).await;
    let view = store.run(run.id).await.unwrap().unwrap();
    let first_entry = view.record.journal_len - view.journal.len() as u64;
    store.append(old, JournalStep { stop_consumed: true, ..entry("stopped") }).await.unwrap();
    store.release(old, Release::Idle, at(11)).await.unwrap();
    assert_eq!(prune_all(store, KEEP, at(11 * DAY)).await.runs, 1);

    let late = prompt("late", Some(at(9)));
    assert_eq!(store.accept(prompted(&run, &late), at(12 * DAY), at(12 * DAY)).await.unwrap(), Accepted::Duplicate);
    say(store, &run, "you again", 12 * DAY).await;
    let back = claim(store, 12 * DAY).await.unwrap();
    assert!(back.journal.is_empty());
    assert_eq!(back.record.journal_len, first_entry + 2, "the entries that were forgotten still count");
    assert!(back.lease.fence > old.fence);
    store.append(back.lease, entry("anew")).await.unwrap();
    let view = store.run(run.id).await.unwrap().unwrap();
    assert_eq!((view.journal, view.record.journal_len), (vec!["anew".to_owned()], first_entry + 3));
}

async fn keys_are_forgotten_last_and_what_was_written_before_them_is_refused(bench: Bench) {
    let store = &*bench.store;
    let (run, hello) = finished(store, 0).await;
    assert_eq!(prune_all(store, KEEP, at(99 * DAY)).await.keys, 0);
    // The key of the prompt; what stays of the run is younger, from the day it was forgotten.
    assert_eq!(prune_all(store, KEEP, at(101 * DAY)).await.keys, 1);
    assert_eq!(prune_all(store, KEEP, at(200 * DAY)).await.keys, 1);
    let now = 201 * DAY;
    assert_eq!(store.accept(prompted(&run, &hello), at(now), at(now)).await.unwrap(), Accepted::Duplicate);
    let unheard = prompt("unheard", Some(at(2 * DAY)));
    assert_eq!(store.accept(prompted(&run, &unheard), at(now), at(now)).await.unwrap(), Accepted::Duplicate);
    assert!(claim(store, now).await.is_none());
    say(store, &run, "new", now).await;
    assert!(claim(store, now).await.is_some());
}

async fn old_letters_are_forgotten(bench: Bench) {
    let store = &*bench.store;
    let letter = |number: i64| Letter {
        received_at: at(number * DAY),
        event: "agent_run".into(),
        reason: "unknown shape".into(),
        body: format!("body {number}"),
    };
    for number in 0..4 {
        store.keep_letter(letter(number)).await.unwrap();
    }
    assert_eq!(prune_all(store, KEEP, at(12 * DAY)).await.letters, 2);
    assert_eq!(store.letters().await.unwrap(), [letter(3), letter(2)]);
    assert_eq!(store.keep_letter(letter(0)).await.unwrap(), Accepted::New);
}

async fn forgetting_goes_on_where_it_stopped(bench: Bench) {
    let accepts = (0..5000).map(|_| async {
        bench.store.accept(prompted(&new_run(), &prompt("hello", None)), at(0), at(0)).await.unwrap();
    });
    futures_util::stream::iter(accepts).buffer_unordered(500).collect::<Vec<_>>().await;
    let first = bench.store.prune(KEEP, at(101 * DAY)).await.unwrap();
    assert!(first.more && first.keys > 0 && first.keys < 5000, "{first:?}");
    let bench = bench.reopen().await;
    assert_eq!(first.keys + prune_all(&*bench.store, KEEP, at(101 * DAY)).await.keys, 5000);
    assert_eq!(bench.store.prune(KEEP, at(101 * DAY)).await.unwrap(), Pruned::default());
}

fn day(of: i8) -> Date {
    jiff::civil::date(2026, 11, of)
}

fn reply(on: Date, model: &str, input: u64) -> ModelReply {
    let usage = Usage { input, cached_input: 1, output: 2, nano_dollars: input * 10, ..Usage::default() };
    ModelReply { day: on, model: model.to_owned(), usage: Some(usage) }
}

async fn what_is_spent_is_counted_with_its_step(bench: Bench) {
    let (run, other) = (new_run(), RunInfo { workspace: WorkspaceId(Uuid::from_u128(2)), ..new_run() });
    let mut stale = None;
    for (run, seconds) in [(&run, 0), (&other, 1)] {
        say(bench.store.as_ref(), run, "hello", seconds).await;
    }
    for run in [&run, &other] {
        let claim = bench.store.claim(at(5), at(60)).await.unwrap().unwrap();
        assert_eq!(claim.record.info.id, run.id);
        let replies = vec![reply(day(24), "a", 100), reply(day(25), "b", 7), reply(day(25), "b", 5)];
        bench.store.append(claim.lease, JournalStep { replies, ..entry("answered") }).await.unwrap();
        let uncounted = ModelReply { day: day(25), model: "b".to_owned(), usage: None };
        bench.store.append(claim.lease, JournalStep { replies: vec![uncounted], ..entry("again") }).await.unwrap();
        stale = Some(claim.lease);
    }
    // What a lost lease did is not counted, as it is not journalled.
    let lease = Lease { fence: 99, ..stale.unwrap() };
    let refused =
        bench.store.append(lease, JournalStep { replies: vec![reply(day(25), "b", 1)], ..entry("late") }).await;
    assert!(matches!(refused, Err(StoreError::LeaseLost(_))));

    let bench = bench.reopen().await;
    let spent = record(bench.store.as_ref(), &run).await.spent;
    let expected = Spent {
        replies: 4,
        uncounted: 1,
        input: 112,
        cached_input: 3,
        output: 6,
        nano_dollars: 1_120,
        ..Spent::default()
    };
    assert_eq!((spent, spent.tokens()), (expected, 118));
    let rows = bench.store.usage(day(25), day(25)).await.unwrap();
    let shown = |row: &UsageRow| (row.workspace, row.model.clone(), row.spent.replies, row.spent.input);
    let of = |number| (WorkspaceId(Uuid::from_u128(number)), "b".to_owned(), 3, 12);
    assert_eq!(rows.iter().map(shown).collect::<Vec<_>>(), [of(1), of(2)]);
    let days = |rows: Vec<UsageRow>| rows.iter().map(|row| row.day.day()).collect::<Vec<_>>();
    assert_eq!(days(bench.store.usage(day(1), day(30)).await.unwrap()), [24, 24, 25, 25]);
    assert_eq!(days(bench.store.usage(day(24), day(24)).await.unwrap()), [24, 24]);
    assert_eq!(days(bench.store.usage(day(26), day(30)).await.unwrap()), [0; 0]);
}

async fn what_was_spent_is_forgotten_with_the_keys(bench: Bench) {
    say(bench.store.as_ref(), &new_run(), "hello", 0).await;
    let claim = bench.store.claim(at(1), at(60)).await.unwrap().unwrap();
    let replies = vec![reply(day(1), "a", 1), reply(day(20), "a", 1)];
    bench.store.append(claim.lease, JournalStep { replies, ..entry("answered") }).await.unwrap();
    let keep = SignedDuration::from_hours(24 * 10);
    let retention = Retention { keep_runs: keep, max_runs: 100, keep_keys: keep };
    let now: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
    bench.store.prune(retention, now).await.unwrap();
    let rows = bench.store.usage(day(1), day(30)).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.day).collect::<Vec<_>>(), [day(20)]);
}

async fn a_claim_is_given_the_journal_from_where_the_fold_may_start(bench: Bench) {
    let run = new_run();
    say(&*bench.store, &run, "one", 0).await;
    let first = claim(&*bench.store, 1).await.unwrap();
    let (base, first) = (first.record.journal_len, first.lease);
    let step = |text: &str, consumed: Vec<u64>| JournalStep { consumed, ..entry(text) };
    bench.store.append(first, step("a", vec![0])).await.unwrap();
    bench.store.append(first, step("b", Vec::new())).await.unwrap();
    bench.store.append(first, JournalStep { fold_from: Some(base + 1), ..entry("c") }).await.unwrap();
    bench.store.release(first, Release::Idle, at(2)).await.unwrap();
    say(&*bench.store, &run, "two", 3).await;

    let bench = bench.reopen().await;
    let claimed = claim(&*bench.store, 4).await.unwrap();
    assert_eq!(claimed.journal, ["b", "c"]);
    assert_eq!((claimed.record.journal_len, claimed.record.fold_from), (base + 3, base + 1));
    let view = bench.store.run(run.id).await.unwrap().unwrap();
    assert_eq!(view.journal, ["a", "b", "c"], "nothing is lost for those who read it whole");
}

async fn gists_are_found_by_work_item_replaced_and_forgotten_with_their_run(bench: Bench) {
    let store = &*bench.store;
    let work_item = WorkItemId(uuid::Uuid::from_u128(7));
    let (one, two) = (new_run(), new_run());
    let (one, two) = (RunInfo { work_item: Some(work_item), ..one }, RunInfo { work_item: Some(work_item), ..two });
    let elsewhere = RunInfo { work_item: None, ..new_run() };
    for (run, seconds) in [(&one, 0), (&two, 10), (&elsewhere, 20)] {
        say(store, run, "hello", seconds).await;
        let lease = lease(store, seconds + 1).await;
        for gist in ["first", "second"] {
            let step = JournalStep { consumed: vec![0], gist: Some(gist.to_owned()), ..entry("answered") };
            store.append(lease, step).await.unwrap();
        }
        store.append(lease, entry("a step without a gist leaves it")).await.unwrap();
        store.release(lease, Release::Idle, at(seconds + 2)).await.unwrap();
    }
    let mut gists = store.gists(work_item, 10).await.unwrap();
    gists.sort();
    let mut expected = [(one.id, "second".to_owned()), (two.id, "second".to_owned())];
    expected.sort();
    assert_eq!(gists, expected);
    assert_eq!(store.gists(work_item, 1).await.unwrap().len(), 1);
    assert_eq!(store.gists(WorkItemId(uuid::Uuid::from_u128(8)), 10).await.unwrap(), []);

    let retention = Retention { keep_runs: SignedDuration::from_secs(8), ..KEEP };
    prune_all(store, retention, at(15)).await;
    assert_eq!(store.gists(work_item, 10).await.unwrap(), [(two.id, "second".to_owned())]);
}
