//! A second store that becomes equal to the first while that one is in use.
//!
//! The entries are copied in the order of their keys, a slice at a time. What is written meanwhile up to
//! the place the copying has reached is written to the copy as well, the rest it comes upon by
//! itself; so the copy always holds exactly what the store holds up to that place. That needs a sole
//! writer, which the owner thread is. When all is copied, both are read and compared in the same way.

use std::{
    fs::File,
    ops::Bound::{Excluded, Unbounded},
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use sled::IVec;

use super::{
    open::{self, Live},
    places::Places,
    trees::{Trees, Write},
};
use crate::store::StoreError;

/// Entries read at once, each of about 4 KiB at most.
const ENTRIES: usize = 32;

/// A copy that is being made.
pub(super) struct Copy {
    /// The copy, as it will be used when it has become the store.
    into: Live,
    /// The trees of the store and of the copy, those that commands write to first, in the order of
    /// [`Trees`]. Trees this version does not know are copied too.
    pairs: Vec<(sled::Tree, sled::Tree)>,
    phase: Phase,
    /// The pair in hand.
    at: usize,
    /// The last key of it that is dealt with.
    after: Option<IVec>,
    at_once: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Copying,
    Comparing,
    /// The copy equals the store, and goes on doing so.
    Equal,
}

/// Whose trouble it is.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The store itself cannot be read.
    Store(StoreError),
    /// There will be no copy; the store is as good as before.
    Copy(String),
}

/// Makes an empty store for the copy, with its files and names on the disk.
pub(super) fn begin(places: &Places) -> Result<Live, String> {
    let at = |error: std::io::Error| format!("{}: {error}", places.copy.display());
    places.clear().map_err(at)?;
    open::create_private(&places.copy).map_err(at)?;
    let db = open::settings(&places.copy).open().map_err(|error| error.to_string())?;
    let trees = Trees::open(&db).map_err(|error| error.to_string())?;
    let log = File::open(places.copy.join("db")).map_err(at)?;
    open::sync_what_sled_does_not(&places.data_dir, &places.copy).map_err(at)?;
    Ok(Live { trees, db, log })
}

impl Copy {
    pub(super) fn new(store: &Live, into: Live) -> Result<Self, Trouble> {
        let (from, to) = (&store.db, &into.db);
        let mut pairs = Vec::new();
        for name in Trees::names() {
            pairs.push((of_store(|| from.open_tree(name))?, of_copy(|| to.open_tree(name))?));
        }
        let known: Vec<&[u8]> = Trees::names().map(str::as_bytes).collect();
        for name in from.tree_names().into_iter().filter(|name| !known.contains(&name.as_ref())) {
            pairs.push((of_store(|| from.open_tree(&name))?, of_copy(|| to.open_tree(&name))?));
        }
        Ok(Self { into, pairs, phase: Phase::Copying, at: 0, after: None, at_once: ENTRIES })
    }

    pub(super) fn is_equal(&self) -> bool {
        self.phase == Phase::Equal
    }

    /// Brings to the disk what the copy holds.
    pub(super) fn make_durable(&self) -> Result<(), Trouble> {
        match catch_unwind(AssertUnwindSafe(|| self.into.make_durable())) {
            Ok(outcome) => outcome.map_err(|error| Trouble::Copy(error.to_string())),
            Err(_) => Err(Trouble::Copy("sled panicked".to_owned())),
        }
    }

    /// The copy as a store of its own.
    pub(super) fn into_store(self) -> Live {
        self.into
    }

    /// Has the copy keep up with what was just committed to the store.
    pub(super) fn follow(&self, writes: &[Write]) -> Result<(), Trouble> {
        for write in writes {
            let Some((_, to)) = self.pairs.get(write.tree).filter(|_| self.has_passed(write)) else { continue };
            of_copy(|| match &write.value {
                Some(value) => to.insert(&write.key, value),
                None => to.remove(&write.key),
            })?;
        }
        Ok(())
    }

    /// Goes on for about so long, and a little at least.
    pub(super) fn advance(&mut self, time: Duration) -> Result<(), Trouble> {
        let until = Instant::now() + time;
        while self.phase != Phase::Equal {
            self.few_entries()?;
            if Instant::now() >= until {
                break;
            }
        }
        Ok(())
    }

    fn few_entries(&mut self) -> Result<(), Trouble> {
        let Some((from, to)) = self.pairs.get(self.at) else {
            self.phase = match self.phase {
                Phase::Copying => Phase::Comparing,
                Phase::Comparing | Phase::Equal => Phase::Equal,
            };
            (self.at, self.after) = (0, None);
            return Ok(());
        };
        let entries = of_store(|| read(from, self.after.as_ref(), self.at_once))?;
        if self.phase == Phase::Copying {
            of_copy(|| entries.iter().try_for_each(|(key, value)| to.insert(key, value).map(drop)))?;
        } else if of_copy(|| read(to, self.after.as_ref(), self.at_once))? != entries {
            return Err(Trouble::Copy("the copy is not what was copied".to_owned()));
        }
        match entries.into_iter().next_back() {
            Some((key, _)) => self.after = Some(key),
            None => (self.at, self.after) = (self.at + 1, None),
        }
        Ok(())
    }

    /// Whether the copy must be told of the write, or will come upon it.
    fn has_passed(&self, write: &Write) -> bool {
        match self.phase {
            Phase::Copying if write.tree == self.at => self.after.as_ref().is_some_and(|after| write.key <= *after),
            Phase::Copying => write.tree < self.at,
            Phase::Comparing | Phase::Equal => true,
        }
    }
}

/// The next few entries behind `after`.
fn read(tree: &sled::Tree, after: Option<&IVec>, at_once: usize) -> sled::Result<Vec<(IVec, IVec)>> {
    let entries = match after {
        Some(key) => tree.range::<&[u8], _>((Excluded(key.as_ref()), Unbounded)),
        None => tree.iter(),
    };
    entries.take(at_once).collect()
}

fn of_store<T>(work: impl FnOnce() -> sled::Result<T>) -> Result<T, Trouble> {
    guarded(work).map_err(|message| Trouble::Store(StoreError::Broken(format!("reading for a copy: {message}"))))
}

fn of_copy<T>(work: impl FnOnce() -> sled::Result<T>) -> Result<T, Trouble> {
    guarded(work).map_err(Trouble::Copy)
}

fn guarded<T>(work: impl FnOnce() -> sled::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(_) => Err("sled panicked".to_owned()),
    }
}

#[cfg(test)]
mod tests;
