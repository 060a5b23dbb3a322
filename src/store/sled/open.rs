//! Taking possession of the data directory, and what sled leaves undone there.
//!
//! A store that sled finds damaged, or panics over, is moved aside and an empty one begun: the agent
//! can go on, and what was in it can still be looked at. A directory that another process holds, or
//! that cannot be read for want of rights or space, is never moved.
//!
//! sled takes a damaged page of its log for the end of it, and opens with what was before. Commits
//! are therefore counted, in the store and in a file beside it, so that such a loss is noticed.

use std::{
    cell::Cell,
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt as _},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    places::Places,
    records, retention, roster,
    trees::{Trees, Write},
    view::{Table, View},
};
use crate::store::StoreError;

/// sled's default of 1 GiB would let an idle agent grow to that.
const CACHE_BYTES: u64 = 32 << 20;

/// How often sled flushes by itself. Nothing relies on it: every commit is flushed and synced.
const FLUSH_EVERY_MS: u64 = 200;

/// How often, and for how many times, the log of a store dropped just before is looked at.
const PREDECESSOR_CHECK_EVERY: Duration = Duration::from_millis(10);
const PREDECESSOR_CHECKS: u32 = 500;

/// The key of the store's own format in [`Table::Meta`].
const FORMAT_KEY: &[u8] = b"format";

/// The key of the number of the last commit in [`Table::Meta`].
const COMMITS_KEY: &[u8] = b"commits";

/// Raised when the trees or their keys change their meaning.
const FORMAT: u32 = 2;

/// Everything held open. Fields are dropped in this order, so the lock goes last.
pub(super) struct Files {
    pub(super) live: Live,
    suspicion: PathBuf,
    commits: CommitCount,
    _lock: File,
}

/// The store in use, or its copy on the way to that.
pub(super) struct Live {
    pub(super) trees: Trees,
    pub(super) db: sled::Db,
    /// sled's log. Its own flush does not sync it on Linux.
    pub(super) log: File,
}

/// What [`open`] found.
pub(super) struct Found {
    pub(super) files: Files,
    /// Where a damaged store was moved to.
    pub(super) set_aside: Option<PathBuf>,
    /// How many of the last commits are missing.
    pub(super) commits_lost: u64,
    /// How many runs were taken into a store that was begun in the place of one that is lost.
    pub(super) runs_restored: usize,
}

/// The number of the last commit, kept twice.
struct CommitCount {
    last: Cell<u64>,
    /// Written after the commit it counts, and not synced: it may lag behind, but is never ahead of what
    /// was durable.
    beside: File,
}

impl CommitCount {
    /// The count, going on from what the store holds.
    fn open(path: &Path, trees: &Trees) -> Result<Self, StoreError> {
        let beside = File::options().create(true).truncate(false).write(true).open(path);
        let beside = beside.map_err(|error| at(path, &error))?;
        Ok(Self { last: Cell::new(last_commit(trees)?), beside })
    }

    fn tell(&self) -> io::Result<()> {
        self.beside.write_all_at(format!("{:020}\n", self.last.get()).as_bytes(), 0)
    }
}

impl Files {
    /// Makes the changes in one transaction and returns when they are on the disk, with the commit's
    /// number added to them.
    ///
    /// # Errors
    /// `Broken`; after that the store must not be used any more, since it is unknown what is
    /// durable.
    pub(super) fn commit(&self, mut writes: Vec<Write>) -> Result<Vec<Write>, StoreError> {
        let number = self.commits.last.get() + 1;
        let count = records::encode(Table::Meta, &number)?;
        writes.extend(self.live.trees.translate(Table::Meta, COMMITS_KEY, Some(&count))?);
        self.live.trees.apply(&writes)?;
        self.live.make_durable()?;
        self.commits.last.set(number);
        self.tell_commits()?;
        Ok(writes)
    }

    /// Brings the count beside the store into line with it; what it told before is then forgotten.
    pub(super) fn tell_commits(&self) -> Result<(), StoreError> {
        self.commits.tell().map_err(|error| StoreError::Broken(format!("counting: {error}")))
    }

    /// Has the next opening read every record. sled looks at most pages only when they are asked for,
    /// so damage in one of them would otherwise end every process that comes upon it.
    pub(super) fn suspect(&self) {
        if let Err(error) = File::create(&self.suspicion) {
            tracing::error!(%error, "the store cannot be marked for a check");
        }
    }
}

impl Live {
    /// Returns when all that was written is on the disk.
    pub(super) fn make_durable(&self) -> Result<(), StoreError> {
        self.db.flush().map_err(|error| StoreError::Broken(format!("flushing: {error}")))?;
        self.log.sync_all().map_err(|error| StoreError::Broken(format!("syncing: {error}")))
    }

    /// The length of the log in bytes.
    pub(super) fn length(&self) -> io::Result<u64> {
        self.log.metadata().map(|log| log.len())
    }
}

/// Opens the store in `data_dir`, and says what is amiss with it.
pub(super) fn open(data_dir: &Path) -> Result<Found, StoreError> {
    create_private(data_dir).map_err(|error| at(data_dir, &error))?;
    let lock = lock(data_dir)?;
    let dir = data_dir.join("store");
    Places::new(data_dir).recover().map_err(|error| at(data_dir, &error))?;
    let suspicion = suspicion_path(data_dir);
    let mut set_aside = None;
    let opened = match attempt(&dir, suspicion.exists()) {
        Err(Refusal::Damaged(message)) => {
            let aside = move_aside(data_dir, &dir).map_err(|error| at(&dir, &error))?;
            tracing::error!(
                moved_to = %aside.display(),
                reason = %message,
                "the store is damaged: it was moved aside and an empty one begun"
            );
            set_aside = Some(aside);
            attempt(&dir, false)
        }
        Err(refusal @ Refusal::Failed(_)) => Err(refusal),
        Ok(opened) => Ok(opened),
    };
    let (db, trees) = opened.map_err(Refusal::into_error)?;
    sync_what_sled_does_not(data_dir, &dir).map_err(|error| at(&dir, &error))?;
    let log = File::open(dir.join("db")).map_err(|error| at(&dir, &error))?;
    // An empty store in the place of a damaged one has lost all, which is told already.
    let commits_lost = if set_aside.is_some() { 0 } else { commits_lost(data_dir, &trees)? };
    let commits = CommitCount::open(&commits_path(data_dir), &trees)?;
    if commits_lost > 0 {
        tracing::error!(commits_lost, "the store is damaged: it has lost its last commits and goes on without them");
    }
    let files = Files { live: Live { trees, db, log }, suspicion, commits, _lock: lock };
    let runs_restored = settle_format(&files, data_dir)?;
    match fs::remove_file(&files.suspicion) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&files.suspicion, &error)),
        Err(_) | Ok(()) => Ok(Found { files, set_aside, commits_lost, runs_restored }),
    }
}

/// By how many commits the count beside the store is ahead of what the store holds.
pub(super) fn commits_lost(data_dir: &Path, trees: &Trees) -> Result<u64, StoreError> {
    let path = commits_path(data_dir);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(at(&path, &error)),
    };
    // What a power cut left of it may be no number, and then tells nothing.
    let told: Option<u64> = std::str::from_utf8(&text).ok().and_then(|text| text.trim_end().parse().ok());
    Ok(told.unwrap_or(0).saturating_sub(last_commit(trees)?))
}

/// The number of the last commit the store holds.
fn last_commit(trees: &Trees) -> Result<u64, StoreError> {
    match View::new(trees).get(Table::Meta, COMMITS_KEY)? {
        Some(bytes) => records::decode(Table::Meta, &bytes),
        None => Ok(0),
    }
}

fn commits_path(data_dir: &Path) -> PathBuf {
    data_dir.join("store.commits")
}

/// The file that has the next opening read every record.
pub(super) fn suspicion_path(data_dir: &Path) -> PathBuf {
    data_dir.join("store.suspect")
}

/// Why sled did not open.
pub(super) enum Refusal {
    /// What is in the directory is not a store any more.
    Damaged(String),
    /// It may be whole, but cannot be had now.
    Failed(StoreError),
}

impl Refusal {
    fn into_error(self) -> StoreError {
        match self {
            Self::Failed(error) => error,
            Self::Damaged(message) => StoreError::Broken(message),
        }
    }
}

/// How sled is opened.
pub(super) fn settings(dir: &Path) -> sled::Config {
    sled::Config::new().path(dir).cache_capacity(CACHE_BYTES).flush_every_ms(Some(FLUSH_EVERY_MS))
}

/// `thorough` has every record read.
pub(super) fn attempt(dir: &Path, thorough: bool) -> Result<(sled::Db, Trees), Refusal> {
    let failed = |error: io::Error| Refusal::Failed(at(dir, &error));
    create_private(dir).map_err(failed)?;
    let had_content = match File::open(dir.join("db")) {
        Ok(log) => {
            wait_until_free(&log, dir).map_err(Refusal::Failed)?;
            log.metadata().map_err(failed)?.len() > 0
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(failed(error)),
    };
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let db = settings(dir).open()?;
        let trees = Trees::open(&db)?;
        let format = db.open_tree(Table::Meta.name())?.get(FORMAT_KEY)?;
        if thorough {
            trees.read_through()?;
        }
        Ok((db, trees, format.is_some()))
    }));
    match opened {
        // sled takes a log whose beginning it cannot read for an empty one.
        Ok(Ok((_, _, false))) if had_content => Err(Refusal::Damaged("its records are gone".to_owned())),
        Ok(Ok((db, trees, _))) => Ok((db, trees)),
        Ok(Err(error)) => Err(judge(dir, error)),
        Err(_) => Err(Refusal::Damaged("sled panicked while opening it".to_owned())),
    }
}

fn judge(dir: &Path, error: sled::Error) -> Refusal {
    match error {
        sled::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => Refusal::Damaged(error.to_string()),
        sled::Error::Io(error) => Refusal::Failed(at(dir, &error)),
        // Another version of sled, or other settings: whole, but not ours to open. Settings that are
        // no text at all are taken by sled for those of an ancient version.
        error @ sled::Error::Unsupported(_) => match fs::read(dir.join("conf")) {
            Ok(conf) if settings_are_text(&conf) => Refusal::Failed(at(dir, &error)),
            Ok(_) => Refusal::Damaged(error.to_string()),
            Err(error) => Refusal::Failed(at(dir, &error)),
        },
        error @ (sled::Error::Corruption { .. }
        | sled::Error::ReportableBug(_)
        | sled::Error::CollectionNotFound(_)) => Refusal::Damaged(error.to_string()),
    }
}

/// All but the checksum at the end.
fn settings_are_text(conf: &[u8]) -> bool {
    conf.split_last_chunk::<4>().is_some_and(|(settings, _)| std::str::from_utf8(settings).is_ok())
}

/// sled locks its log too, and lets go of it a moment after it was dropped. Our own lock is held
/// here, so any other holder but such a predecessor is no aileron.
fn wait_until_free(log: &File, dir: &Path) -> Result<(), StoreError> {
    for _ in 0..PREDECESSOR_CHECKS {
        match log.try_lock() {
            Ok(()) => return log.unlock().map_err(|error| at(dir, &error)),
            Err(TryLockError::WouldBlock) => std::thread::sleep(PREDECESSOR_CHECK_EVERY),
            Err(TryLockError::Error(error)) => return Err(at(dir, &error)),
        }
    }
    Err(StoreError::Locked { path: dir.display().to_string() })
}

pub(super) fn lock(data_dir: &Path) -> Result<File, StoreError> {
    let path = data_dir.join("store.lock");
    let file =
        File::options().create(true).truncate(false).write(true).open(&path).map_err(|error| at(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: data_dir.display().to_string() }),
        Err(TryLockError::Error(error)) => Err(at(&path, &error)),
    }
}

/// Creates what is missing of `dir`, readable by its owner only: the store holds tokens.
pub(super) fn create_private(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Replaces a file as a whole, readable by its owner only, and returns it open at its end. Its content is
/// on the disk then, its name need not be.
pub(super) fn replace_private(path: &Path, content: &[u8]) -> io::Result<File> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let mut file = File::options().create(true).write(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    Ok(file)
}

fn move_aside(data_dir: &Path, dir: &Path) -> io::Result<PathBuf> {
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut aside = data_dir.join(format!("store.damaged-{now}"));
    let mut number = 1;
    while aside.exists() {
        number += 1;
        aside = data_dir.join(format!("store.damaged-{now}-{number}"));
    }
    fs::rename(dir, &aside)?;
    File::open(data_dir)?.sync_all()?;
    Ok(aside)
}

/// sled never syncs its settings nor the directory entries of its files, so that a power cut could
/// leave a log nobody can open.
pub(super) fn sync_what_sled_does_not(data_dir: &Path, dir: &Path) -> io::Result<()> {
    for path in [dir.join("conf"), dir.join("blobs"), dir.to_path_buf(), data_dir.to_path_buf()] {
        File::open(path)?.sync_all()?;
    }
    let Some(parent) = data_dir.canonicalize()?.parent().map(Path::to_path_buf) else {
        return Ok(());
    };
    match File::open(parent).and_then(|parent| parent.sync_all()) {
        // A service may well not be let into the directory above its own.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        outcome => outcome,
    }
}

/// Checks the store's format. A new store gets it, and with it the runs of one that is lost.
fn settle_format(files: &Files, data_dir: &Path) -> Result<usize, StoreError> {
    let mut view = View::new(&files.live.trees);
    if has_format(&view)? {
        return Ok(0);
    }
    view.insert(Table::Meta, FORMAT_KEY.to_vec(), records::encode(Table::Meta, &FORMAT)?);
    let damaged = damaged_stores(data_dir).map_err(|error| at(data_dir, &error))?;
    let now = jiff::Timestamp::now();
    let listed = roster::read(&roster::path(data_dir), now);
    retention::begin(&mut view, now, !(damaged.is_empty() && listed.is_empty()))?;
    let restored = roster::restore(&mut view, &listed, now)?;
    files.commit(view.into_changes()?.writes)?;
    Ok(restored)
}

/// Whether the store has our format; a new one has none yet.
///
/// # Errors
/// It has another.
pub(super) fn has_format(view: &View<'_>) -> Result<bool, StoreError> {
    let Some(bytes) = view.get(Table::Meta, FORMAT_KEY)? else { return Ok(false) };
    match records::decode(Table::Meta, &bytes)? {
        FORMAT => Ok(true),
        other => Err(records::unreadable(Table::Meta, format!("the store has format {other} instead of {FORMAT}"))),
    }
}

/// The stores that were moved aside so far.
pub(super) fn damaged_stores(data_dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(data_dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("store.damaged-") {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn at(path: &Path, error: &dyn std::error::Error) -> StoreError {
    StoreError::Broken(format!("{}: {error}", path.display()))
}
