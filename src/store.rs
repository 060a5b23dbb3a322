//! The durable inbox, the journals of runs, and the installations, behind one trait.
//!
//! Promises every backend keeps (`tests/it/store_contract.rs` runs on each):
//! * a call that returned `Ok` survives `kill -9` and a power cut;
//! * an event key is accepted once, for good;
//! * at most one live lease a run, and what a lost lease writes is refused;
//! * journal entries, the prompts they consume and the run's state change together or not at all.
//!
//! The store sees journal entries as opaque text: it knows nothing of sessions.

pub mod sled;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use crate::domain::{
    event::{Prompt, RunEvent, RunInfo},
    ids::{RunId, WorkItemId, WorkspaceId},
    installation::InstallationBook,
    usage::{ModelReply, Spent, UsageRow},
};

/// When a run with a waiting stop is due: before every other, however long those have waited.
pub const FIRST_IN_LINE: Timestamp = Timestamp::UNIX_EPOCH;

/// Where accepted events wait and runs keep their journals.
#[async_trait]
pub trait Store: InstallationBook {
    /// Makes an event durable and its run due. `due_at` is when a run nobody works on should be
    /// looked at; an earlier due time it already has stays. A stop makes the run due at
    /// [`FIRST_IN_LINE`], drops the prompts that wait and were not written after it, and is
    /// signalled to whoever holds the run. A stop written before a prompt that was already taken up
    /// comes too late: it voids what was written before it and stops nothing.
    async fn accept(&self, event: RunEvent, now: Timestamp, due_at: Timestamp) -> Result<Accepted, StoreError>;

    /// Keeps a signed event we could not read, for the operator. The same body is kept once; the
    /// oldest give way beyond a bound.
    async fn keep_letter(&self, letter: Letter) -> Result<Accepted, StoreError>;

    /// The kept letters, newest first.
    async fn letters(&self) -> Result<Vec<Letter>, StoreError>;

    /// Leases the run that has been due longest, if any is due at `now`.
    async fn claim(&self, now: Timestamp, until: Timestamp) -> Result<Option<Claim>, StoreError>;

    /// When the next run not leased becomes due; `None` if none waits.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Prolongs a lease.
    async fn renew(&self, lease: Lease, until: Timestamp) -> Result<(), StoreError>;

    /// Appends journal entries, removes the prompts they consumed, and counts what the replies among them
    /// cost for the run and for its workspace on that day, in one transaction, together with what else
    /// the step says.
    async fn append(&self, lease: Lease, step: JournalStep) -> Result<Waiting, StoreError>;

    /// Ends a lease. If something came in since the last call on it, the run is due at once
    /// whatever `release` says, except after `Dead`.
    async fn release(&self, lease: Lease, release: Release, now: Timestamp) -> Result<(), StoreError>;

    /// Everything known of one run; `None` for an unknown one.
    async fn run(&self, run: RunId) -> Result<Option<RunView>, StoreError>;

    /// Every run, most recently touched first, at most `limit`.
    async fn runs(&self, limit: usize) -> Result<Vec<RunRecord>, StoreError>;

    /// The gists of runs on this work item, each with its run, in no particular order; at most `limit`.
    async fn gists(&self, work_item: WorkItemId, limit: usize) -> Result<Vec<(RunId, String)>, StoreError>;

    /// Forgets a small batch of what `retention` no longer wants kept, oldest first: finished runs with
    /// their journals, letters, and keys of events. Cheap enough to be called between accepts; call it
    /// again while it says there is more.
    ///
    /// Of a forgotten run the count of its journal entries stays as long as the keys, so that no
    /// effect of a later turn gets the name of an earlier one. Once keys were forgotten, an event that
    /// says it was written before them is refused as a duplicate, since nobody could tell.
    async fn prune(&self, retention: Retention, now: Timestamp) -> Result<Pruned, StoreError>;

    /// What was spent on these days, both included: a row for each day, workspace and model, in that order.
    async fn usage(&self, from: Date, until: Date) -> Result<Vec<UsageRow>, StoreError>;

    /// How many changes in Plane were begun in this workspace on this day; of a day before the newest that
    /// had any, nothing is known.
    async fn changes_on(&self, workspace: WorkspaceId, day: Date) -> Result<u64, StoreError>;

    /// Wake-ups, from now on. A slow receiver may miss some and must poll as well.
    fn signals(&self) -> tokio::sync::broadcast::Receiver<Signal>;

    /// Whether the store still works. Once it does not, it never does again in this process.
    fn health(&self) -> Result<(), StoreError>;

    /// Writes out what is pending and lets go of the files.
    async fn close(&self);
}

/// How long things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Runs nobody works on or waits for, since they were last touched; letters, since they came.
    pub keep_runs: SignedDuration,
    /// Beyond this many runs the finished ones give way, the oldest first.
    pub max_runs: u64,
    /// The keys by which events are told to be known, and what was spent on which day.
    pub keep_keys: SignedDuration,
}

/// What one call of [`Store::prune`] forgot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    pub runs: u64,
    pub letters: u64,
    pub keys: u64,
    /// Whether there is more to forget already.
    pub more: bool,
}

/// What became of an offered event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    New,
    /// Seen before under the same key, made void by a stop written after it, or written so long ago
    /// that its key may have been forgotten.
    Duplicate,
}

/// Permission to work on one run. `fence` grows with every claim, so an old lease is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub run: RunId,
    pub fence: u64,
}

/// A leased run with all that is needed to go on with it.
#[derive(Debug, Clone)]
pub struct Claim {
    pub lease: Lease,
    pub record: RunRecord,
    /// In the order they were appended, from the entry on that the newest step with a
    /// [`JournalStep::fold_from`] named.
    pub journal: Vec<String>,
    pub waiting: Waiting,
    /// Whether the holder before did not release it as idle: what it did last, and did not write
    /// down, may have happened.
    pub unfinished: bool,
}

/// What came in and has not been consumed yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waiting {
    /// In the order they arrived.
    pub prompts: Vec<WaitingPrompt>,
    pub stop: Option<Prompt>,
}

/// A prompt with the number it is consumed by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingPrompt {
    pub number: u64,
    pub prompt: Prompt,
}

/// One step of a run's journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalStep {
    pub entries: Vec<String>,
    /// Numbers of the prompts these entries consumed.
    pub consumed: Vec<u64>,
    /// Whether they answered the waiting stop.
    pub stop_consumed: bool,
    /// Replies of models among them, to be counted with them.
    pub replies: Vec<ModelReply>,
    /// How many changes in Plane they begin, on which day (UTC), to be counted for the workspace.
    pub changes: Option<(Date, u32)>,
    /// The number of the first entry that later claims are to be given, counted over all entries ever
    /// appended. What stands before stays readable through [`Store::run`].
    pub fold_from: Option<u64>,
    /// What the run came to in a few words, for later runs on the same work item. Replaces the one
    /// before; kept as long as the run, and only if its work item is known.
    pub gist: Option<String>,
}

/// How a lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// Nothing to do until something comes in.
    Idle,
    /// Try again then; counts as a failed attempt.
    Retry { at: Timestamp },
    /// Hand back unfinished, as at shutdown; does not count as a failed attempt.
    HandBack,
    /// Never to be taken up again by itself; an event that comes in later revives it.
    Dead { reason: String },
}

/// A run as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    pub info: RunInfo,
    pub state: RunState,
    /// Failed attempts since the last successful step.
    pub attempts: u32,
    /// Whether any prompt was ever accepted for this run.
    pub prompted: bool,
    pub first_seen: Timestamp,
    pub touched_at: Timestamp,
    /// When the newest stop was written, as far as known: prompts written before it are void.
    pub stopped_at: Option<Timestamp>,
    /// Entries ever appended, those forgotten since included.
    pub journal_len: u64,
    /// Whether a store that is lost may have known the run: what Plane shows of it from before
    /// `first_seen` may have been answered, though nothing here says so.
    #[serde(default)]
    pub history_lost: bool,
    /// What its models have cost so far.
    #[serde(default)]
    pub spent: Spent,
    /// The number of the first entry a claim is given.
    #[serde(default)]
    pub fold_from: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    Idle,
    Due { at: Timestamp },
    Leased { until: Timestamp },
    Dead { reason: String },
}

/// A run with its journal, for reading.
#[derive(Debug, Clone)]
pub struct RunView {
    pub record: RunRecord,
    pub journal: Vec<String>,
    pub waiting: Waiting,
}

/// A signed webhook we could not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    pub received_at: Timestamp,
    /// The `X-Plane-Event` header.
    pub event: String,
    pub reason: String,
    /// The body as text; what is not UTF-8 is replaced.
    pub body: String,
}

/// Something a worker wants to know at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// A run became due.
    Due,
    /// A stop for this run is stored.
    Stop(RunId),
}

/// Why the store did not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error("the lease on run {0} is lost: another worker has taken it over")]
    LeaseLost(RunId),
    /// The directory is in use by another process.
    #[error("the store {path} is in use by another aileron process")]
    Locked { path: String },
    /// Disk full, IO error, corruption found while running. Sticky.
    #[error("the store does not work: {0}")]
    Broken(String),
    /// A stored record is not what this version writes.
    #[error("a record in {tree} cannot be read: {message}")]
    Unreadable { tree: &'static str, message: String },
    #[error("the store is closed")]
    Closed,
}
