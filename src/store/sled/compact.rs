//! Giving space back. sled's log only grows: what was removed in it is reused, never returned.
//!
//! At the start, a log that is many times as long as what it holds is copied into a fresh directory,
//! which then takes the place of the old one. Until the copy is whole and on the disk the store is
//! not touched, and of the two renames that follow each leaves a state that [`Places::recover`] completes or
//! takes back: a process that ends anywhere between leaves the old store or the new one.

use std::{
    fs::{self, File},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use super::open;
use crate::store::StoreError;

/// A shorter log is left as it is.
const WORTH_BYTES: u64 = 64 << 20;

/// A log so many times as long as what it holds is copied. sled needs about three times.
const WORTH_TIMES: u64 = 6;

/// How often a log must have doubled before what it holds is added up again, which takes reading it.
const GROWN_TIMES: u64 = 2;

/// The lengths of the log in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    pub before: u64,
    pub after: u64,
}

/// The names of what takes part.
pub(super) struct Places {
    data_dir: PathBuf,
    store: PathBuf,
    copy: PathBuf,
    old: PathBuf,
    /// The length of the log when it was last looked at. Losing it costs a look.
    looked_at: PathBuf,
}

impl Places {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self {
            data_dir: data_dir.to_path_buf(),
            store: data_dir.join("store"),
            copy: data_dir.join("store.copy"),
            old: data_dir.join("store.old"),
            looked_at: data_dir.join("store.size"),
        }
    }

    /// Brings what an earlier process left unfinished to one store.
    pub(super) fn recover(&self) -> io::Result<()> {
        if self.old.try_exists()? {
            if self.store.try_exists()? {
                fs::remove_dir_all(&self.old)?;
            } else {
                self.rename(&self.old, &self.store)?;
            }
        }
        match fs::remove_dir_all(&self.copy) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Err(_) | Ok(()) => Ok(()),
        }
    }

    /// Whether the log is so long that copying the store is worth it.
    pub(super) fn is_worth_it(&self, db: &sled::Db) -> Result<bool, StoreError> {
        let length = self.log_length().map_err(|error| self.failed(&error))?;
        let looked_at = fs::read_to_string(&self.looked_at).ok().and_then(|text| text.trim().parse::<u64>().ok());
        if length < WORTH_BYTES || looked_at.is_some_and(|before| length < before.saturating_mul(GROWN_TIMES)) {
            return Ok(false);
        }
        let held = held_bytes(db).map_err(|error| self.failed(&error))?;
        self.note_length(length);
        Ok(length > held.saturating_mul(WORTH_TIMES))
    }

    /// Copies the store and puts the copy in its place. `db` is let go of; open the store anew,
    /// whatever the outcome.
    pub(super) fn replace(&self, db: sled::Db) -> Result<Compacted, StoreError> {
        let before = self.log_length().map_err(|error| self.failed(&error))?;
        let copied = catch_unwind(AssertUnwindSafe(|| self.copy(&db)));
        let copied = copied.unwrap_or_else(|_| Err(StoreError::Broken("sled panicked while copying".to_owned())));
        let swapped = copied
            .and_then(|()| self.let_go(db, &self.store))
            .and_then(|()| self.take_away().and_then(|()| self.put_in_place()).map_err(|error| self.failed(&error)));
        // Whatever happened, one store is left.
        self.recover().map_err(|error| self.failed(&error))?;
        swapped?;
        let after = self.log_length().map_err(|error| self.failed(&error))?;
        self.note_length(after);
        Ok(Compacted { before, after })
    }

    fn copy(&self, db: &sled::Db) -> Result<(), StoreError> {
        let trouble = |error: sled::Error| self.failed(&error);
        open::create_private(&self.copy).map_err(|error| self.failed(&error))?;
        let copy = open::settings(&self.copy).open().map_err(trouble)?;
        for name in db.tree_names() {
            let (from, to) = (db.open_tree(&name).map_err(trouble)?, copy.open_tree(&name).map_err(trouble)?);
            for entry in &from {
                let (key, value) = entry.map_err(trouble)?;
                to.insert(key, value).map_err(trouble)?;
            }
            if from.checksum().map_err(trouble)? != to.checksum().map_err(trouble)? {
                return Err(StoreError::Broken("the copy is not what was copied".to_owned()));
            }
        }
        copy.flush().map_err(trouble)?;
        self.let_go(copy, &self.copy)?;
        let synced = File::open(self.copy.join("db")).and_then(|log| log.sync_all());
        synced
            .and_then(|()| open::sync_what_sled_does_not(&self.data_dir, &self.copy))
            .map_err(|error| self.failed(&error))
    }

    /// Closes a store, and waits until sled has written its last into the directory.
    fn let_go(&self, db: sled::Db, dir: &Path) -> Result<(), StoreError> {
        let log = File::open(dir.join("db")).map_err(|error| self.failed(&error))?;
        drop(db);
        open::wait_until_free(&log, dir)
    }

    fn take_away(&self) -> io::Result<()> {
        self.rename(&self.store, &self.old)
    }

    fn put_in_place(&self) -> io::Result<()> {
        self.rename(&self.copy, &self.store)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        File::open(&self.data_dir)?.sync_all()
    }

    fn log_length(&self) -> io::Result<u64> {
        fs::metadata(self.store.join("db")).map(|log| log.len())
    }

    fn note_length(&self, length: u64) {
        if let Err(error) = fs::write(&self.looked_at, format!("{length}\n")) {
            tracing::warn!(%error, "the length of the store's log cannot be noted");
        }
    }

    fn failed(&self, error: &dyn std::error::Error) -> StoreError {
        StoreError::Broken(format!("compacting {}: {error}", self.store.display()))
    }
}

/// The bytes of all keys and values.
fn held_bytes(db: &sled::Db) -> sled::Result<u64> {
    let mut bytes = 0;
    for name in db.tree_names() {
        for entry in &db.open_tree(name)? {
            let (key, value) = entry?;
            bytes += (key.len() + value.len()) as u64;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
