//! The embedded store: sled, used only in the way in which it was measured to lose nothing.
//!
//! One thread owns the database ([`owner`]). It runs commands against a view ([`view`]) that adds to
//! sled what it lacks, commits them in groups, and answers after the disk has confirmed. What a
//! command means is in [`runs`], [`ledger`] and [`retention`], what it looks like on disk in [`records`], and how the
//! directory is taken into possession in [`open`].
//!
//! One process owns the directory. Other commands talk to the running server.

mod audit;
mod backup;
mod compact;
mod copy;
mod kept;
mod ledger;
mod open;
mod owner;
mod places;
mod probe;
mod records;
mod retention;
mod roster;
mod runs;
mod trees;
mod usage;
mod view;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use tokio::sync::{broadcast, watch};

use self::{
    compact::Compaction,
    open::{Files, Found},
    owner::Owner,
    roster::{Listed, Roster},
    view::View,
};
pub use self::{
    compact::{Compacted, Compactions},
    probe::Condition,
};
use super::{
    Accepted, Claim, JournalStep, Lease, Letter, Pruned, Release, Retention, RunRecord, RunView, Signal, Store,
    StoreError, Waiting,
};
use crate::domain::{
    event::RunEvent,
    ids::{RunId, WorkItemId, WorkspaceId},
    installation::{BookError, Installation, InstallationBook},
    usage::UsageRow,
};

/// Signals a slow receiver may fall behind by before it misses some.
const SIGNALS_KEPT: usize = 256;

/// The store in a directory of its own. Dropping it writes out what was sent, and waits for that;
/// prefer [`Store::close`] in async code.
pub struct SledStore {
    owner: Owner,
    signals: broadcast::Sender<Signal>,
    compactions: watch::Receiver<Compactions>,
    /// The copy of the installations; held while it is replaced, so that an older one never wins.
    backup: tokio::sync::Mutex<PathBuf>,
}

/// A store that was opened, and what was found.
pub struct Opened {
    pub store: SledStore,
    /// Where a damaged store was moved to; the opened one began empty then.
    pub set_aside: Option<PathBuf>,
    /// How many of the last commits damage has taken; the store goes on without them. Events in
    /// them are forgotten, and steps in them will be looked up in Plane and done again if need be.
    pub commits_lost: u64,
    /// How many runs, or their places in the store's indexes, damage has taken from its older part. What was
    /// left is put right.
    pub records_missing: u64,
    /// How many installations were taken back from the copy beside the store.
    pub installations_restored: usize,
    /// How many runs were taken back, at rest and without their history, from the list beside the store.
    pub runs_restored: usize,
}

/// The installations as they were last written down beside the store, whoever holds it.
#[must_use]
pub fn copied_installations(data_dir: &Path) -> Vec<Installation> {
    backup::read(&backup::path(data_dir))
}

/// Looks at the store in `data_dir`, and lets go of it at once: what is amiss with it stays to be told
/// by whoever opens it. Blocks on the disk.
///
/// # Errors
/// As [`SledStore::open`].
pub fn probe(data_dir: &Path) -> Result<Condition, StoreError> {
    probe::probe(data_dir)
}

impl SledStore {
    /// Opens the store in `data_dir` as [`Self::open_compacting`] does, to look at it or for a while:
    /// it never gives space back.
    ///
    /// # Errors
    /// The same.
    pub fn open(data_dir: &Path) -> Result<Opened, StoreError> {
        Self::open_compacting(data_dir, u64::MAX)
    }

    /// Opens the store in `data_dir`, which is created if it is missing. Every lease is void
    /// afterwards: what was leased is due. Blocks on the disk. A log of at least `compact_above` bytes
    /// is copied, to give space back, when it has grown to twice its length; at 0 it is copied
    /// again and again.
    ///
    /// # Errors
    /// `Locked` if another process has it; `Unreadable` if another version wrote it; `Broken` if the
    /// directory cannot be used, or is damaged and cannot be moved aside.
    pub fn open_compacting(data_dir: &Path, compact_above: u64) -> Result<Opened, StoreError> {
        let Found { files, set_aside, commits_lost, runs_restored } = open::open(data_dir)?;
        let (backup, list) = (backup::path(data_dir), roster::path(data_dir));
        let settled = catch_unwind(AssertUnwindSafe(|| settle(&files, &backup, &list, commits_lost > 0)));
        let settled = settled.unwrap_or_else(|_| Err(StoreError::Broken("sled panicked".to_owned())));
        let settled = settled.inspect_err(|_| files.suspect())?;
        if let Err(error) = backup::write(&backup, &settled.installations) {
            tracing::error!(%error, "the installations cannot be copied beside the store");
        }
        let (signals, _) = broadcast::channel(SIGNALS_KEPT);
        let (told, compactions) = watch::channel(Compactions::default());
        let compaction = Compaction::new(data_dir, compact_above, told);
        let roster = Roster::begin(list, settled.listed);
        let owner = Owner::start(files, roster, compaction, signals.clone())?;
        let store = Self { owner, signals, compactions, backup: tokio::sync::Mutex::new(backup) };
        let installations_restored = settled.installations_restored;
        let runs_restored = runs_restored + settled.runs_restored;
        let records_missing = settled.records_missing;
        Ok(Opened { store, set_aside, commits_lost, records_missing, installations_restored, runs_restored })
    }

    /// How often space was given back so far, and every change of that.
    #[must_use]
    pub fn compactions(&self) -> watch::Receiver<Compactions> {
        self.compactions.clone()
    }
}

/// What was done when a store was opened, and what belongs beside it from then on.
struct Settled {
    records_missing: u64,
    installations_restored: usize,
    runs_restored: usize,
    installations: Vec<Installation>,
    listed: Vec<Listed>,
}

/// Ends what an earlier process left, and takes back what is beside the store and not in it.
fn settle(files: &Files, backup: &Path, list: &Path, lost_some: bool) -> Result<Settled, StoreError> {
    let now = Timestamp::now();
    let mut view = View::new(&files.live.trees);
    let records_missing = audit::missing(&mut view)?;
    if records_missing > 0 {
        tracing::error!(
            records_missing,
            "the store is damaged: some of its runs are missing, and it goes on without them"
        );
    }
    let lost_some = lost_some || records_missing > 0;
    runs::void_leases(&mut view, now)?;
    runs::pull_in(&mut view, now)?;
    let installations_restored = restore_installations(&mut view, backup, lost_some)?;
    let runs_restored = if lost_some { roster::restore(&mut view, &roster::read(list, now), now)? } else { 0 };
    let installations = ledger::installations(&view)?;
    let listed = roster::of_store(&view, now)?;
    let writes = view.into_changes()?.writes;
    if !writes.is_empty() {
        files.commit(writes)?;
    }
    files.tell_commits()?;
    Ok(Settled { records_missing, installations_restored, runs_restored, installations, listed })
}

/// The stores in `data_dir` that were found damaged and moved aside, oldest first.
#[must_use]
pub fn damaged_stores(data_dir: &Path) -> Vec<PathBuf> {
    open::damaged_stores(data_dir).unwrap_or_default()
}

/// Takes the installations from their copy where the store has none, as after it was set aside, or
/// may have lost the newest. The copy is written after the store, and so never older.
fn restore_installations(view: &mut View<'_>, backup: &Path, lost_some: bool) -> Result<usize, StoreError> {
    if !lost_some && !ledger::installations(view)?.is_empty() {
        return Ok(0);
    }
    let copied = backup::read(backup);
    for installation in &copied {
        ledger::save_installation(view, installation)?;
    }
    Ok(copied.len())
}

#[async_trait]
impl Store for SledStore {
    async fn accept(&self, event: RunEvent, now: Timestamp, due_at: Timestamp) -> Result<Accepted, StoreError> {
        self.owner.call(move |view| runs::accept(view, event, now, due_at)).await
    }

    async fn keep_letter(&self, letter: Letter) -> Result<Accepted, StoreError> {
        self.owner.call(move |view| ledger::keep_letter(view, &letter)).await
    }

    async fn letters(&self) -> Result<Vec<Letter>, StoreError> {
        self.owner.call(|view| ledger::letters(view)).await
    }

    async fn claim(&self, now: Timestamp, until: Timestamp) -> Result<Option<Claim>, StoreError> {
        self.owner.call(move |view| runs::claim(view, now, until)).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.owner.call(|view| runs::next_due(view)).await
    }

    async fn renew(&self, lease: Lease, until: Timestamp) -> Result<(), StoreError> {
        self.owner.call(move |view| runs::renew(view, lease, until)).await
    }

    async fn append(&self, lease: Lease, step: JournalStep) -> Result<Waiting, StoreError> {
        self.owner.call(move |view| runs::append(view, lease, &step)).await
    }

    async fn release(&self, lease: Lease, release: Release, now: Timestamp) -> Result<(), StoreError> {
        self.owner.call(move |view| runs::release(view, lease, release, now)).await
    }

    async fn run(&self, run: RunId) -> Result<Option<RunView>, StoreError> {
        self.owner.call(move |view| runs::run(view, run)).await
    }

    async fn runs(&self, limit: usize) -> Result<Vec<RunRecord>, StoreError> {
        self.owner.call(move |view| runs::runs(view, limit)).await
    }

    async fn changes_on(&self, workspace: WorkspaceId, day: Date) -> Result<u64, StoreError> {
        self.owner.call(move |view| usage::changes_on(view, workspace, day)).await
    }

    async fn usage(&self, from: Date, until: Date) -> Result<Vec<UsageRow>, StoreError> {
        self.owner.call(move |view| usage::rows(view, from, until)).await
    }

    async fn gists(&self, work_item: WorkItemId, limit: usize) -> Result<Vec<(RunId, String)>, StoreError> {
        self.owner.call(move |view| runs::gists(view, work_item, limit)).await
    }

    async fn prune(&self, retention: Retention, now: Timestamp) -> Result<Pruned, StoreError> {
        self.owner.call(move |view| retention::prune(view, retention, now)).await
    }

    fn signals(&self) -> broadcast::Receiver<Signal> {
        self.signals.subscribe()
    }

    fn health(&self) -> Result<(), StoreError> {
        self.owner.health()
    }

    async fn close(&self) {
        self.owner.close().await;
    }
}

#[async_trait]
impl InstallationBook for SledStore {
    async fn installations(&self) -> Result<Vec<Installation>, BookError> {
        let found = self.owner.call(|view| ledger::installations(view)).await;
        found.map_err(|error| BookError(Box::new(error)))
    }

    async fn save_installation(&self, installation: Installation) -> Result<(), BookError> {
        let backup = self.backup.lock().await;
        let save = move |view: &mut View<'_>| {
            ledger::save_installation(view, &installation)?;
            ledger::installations(view)
        };
        let installations = self.owner.call(save).await.map_err(|error| BookError(Box::new(error)))?;
        let path = backup.clone();
        let written = tokio::task::spawn_blocking(move || backup::write(&path, &installations)).await;
        // The store has it, which is what was asked for.
        if let Err(error) = written.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            tracing::error!(%error, "the installations cannot be copied beside the store");
        }
        Ok(())
    }
}
