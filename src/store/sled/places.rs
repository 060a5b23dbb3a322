//! The names of the directories a store moves through when it is replaced by a copy of itself, and
//! the two renames that do it.
//!
//! Until the copy is whole and on the disk the store is not touched. Between the renames there is no
//! store by its name, and [`Places::recover`] takes the old one back; after them it only clears away.
//! So a process that ends anywhere leaves the old store or the new one.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use crate::store::StoreError;

/// The names of what takes part.
pub(super) struct Places {
    pub(super) data_dir: PathBuf,
    pub(super) store: PathBuf,
    pub(super) copy: PathBuf,
    pub(super) old: PathBuf,
    /// The length the log had when it was last copied. Losing it costs a copy before its time.
    size: PathBuf,
}

/// What became of an attempt to put the copy in the store's place.
#[derive(Debug)]
pub(super) enum Swap {
    Done,
    /// The store is where it was.
    Refused(io::Error),
}

impl Places {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self {
            data_dir: data_dir.to_path_buf(),
            store: data_dir.join("store"),
            copy: data_dir.join("store.copy"),
            old: data_dir.join("store.old"),
            size: data_dir.join("store.size"),
        }
    }

    /// Brings what an earlier process left unfinished to one store.
    pub(super) fn recover(&self) -> io::Result<()> {
        if self.old.try_exists()? && !self.store.try_exists()? {
            self.rename(&self.old, &self.store)?;
        }
        // What stays of these takes room and prevents the next copy, no more.
        if let Err(error) = self.clear() {
            tracing::warn!(%error, "what is left of a copy of the store cannot be removed");
        }
        Ok(())
    }

    /// Where the store is, if there is one.
    pub(super) fn present(&self) -> Option<&Path> {
        [&self.store, &self.old].into_iter().find(|dir| dir.join("db").exists()).map(PathBuf::as_path)
    }

    /// Removes what is not the store.
    pub(super) fn clear(&self) -> io::Result<()> {
        remove(&self.copy)?;
        if self.store.try_exists()? { remove(&self.old) } else { Ok(()) }
    }

    /// Puts the copy, which must be on the disk, in the store's place.
    ///
    /// # Errors
    /// It is unknown which of the two a power cut would leave: nothing may be written to either any more.
    pub(super) fn swap(&self) -> Result<Swap, StoreError> {
        if let Err(error) = fs::rename(&self.store, &self.old) {
            return Ok(Swap::Refused(error));
        }
        self.sync().map_err(|error| self.failed(&error))?;
        if let Err(error) = fs::rename(&self.copy, &self.store) {
            self.rename(&self.old, &self.store).map_err(|error| self.failed(&error))?;
            return Ok(Swap::Refused(error));
        }
        self.sync().map_err(|error| self.failed(&error))?;
        Ok(Swap::Done)
    }

    /// The length of the log after it was last copied; 0 if that is unknown.
    pub(super) fn noted_length(&self) -> u64 {
        fs::read_to_string(&self.size).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    pub(super) fn note_length(&self, length: u64) {
        if let Err(error) = fs::write(&self.size, format!("{length}\n")) {
            tracing::warn!(%error, "the length of the store's log cannot be noted");
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        self.sync()
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.data_dir)?.sync_all()
    }

    fn failed(&self, error: &io::Error) -> StoreError {
        StoreError::Broken(format!("replacing {} by its copy: {error}", self.store.display()))
    }
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Err(_) | Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
