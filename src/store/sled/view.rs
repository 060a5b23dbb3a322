//! What a command sees of the store: the trees on disk with the batch's own changes laid over them.
//!
//! sled's transactions cannot scan ranges, so commands never run inside one. They read and write a
//! [`View`], and [`Trees::apply`] hands what it collected to a single transaction. That is sound for one reason
//! only: the owner thread is the sole writer, so nothing changes underneath between reading and
//! committing.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Included, Unbounded},
};

use super::{
    roster::Listed,
    trees::{Trees, Write, broken},
};
use crate::store::{Signal, StoreError};

/// The trees commands may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    /// Run id: the run.
    Runs,
    /// Run id, number: a prompt or stop that waits.
    Inbox,
    /// Time, run id: nothing. When runs are due.
    Queue,
    /// Time, run id: nothing. Until when runs are leased.
    Leases,
    /// Run id, 0, number: a journal entry.
    Journal,
    /// Time, newest first, run id: nothing.
    Touched,
    /// Hash of an event's key: the hour it was accepted in. And what stays of forgotten runs.
    Seen,
    /// Workspace id: the installation.
    Installations,
    /// Number: a letter.
    Letters,
    /// Hash of a letter's body: its number.
    LetterBodies,
    /// Counters and the store's own format.
    Meta,
    /// Time of the last touch, run id: nothing. The runs nobody works on or waits for.
    Finished,
    /// Day, workspace id, model: what was spent.
    Usage,
    /// Work item id, run id: the run's gist.
    Gists,
}

impl Table {
    pub(super) const ALL: [Self; 14] = [
        Self::Runs,
        Self::Inbox,
        Self::Queue,
        Self::Leases,
        Self::Journal,
        Self::Touched,
        Self::Seen,
        Self::Installations,
        Self::Letters,
        Self::LetterBodies,
        Self::Meta,
        Self::Finished,
        Self::Usage,
        Self::Gists,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Inbox => "inbox",
            Self::Queue => "queue",
            Self::Leases => "leases",
            Self::Journal => "journal",
            Self::Touched => "touched",
            Self::Seen => "seen",
            Self::Installations => "installations",
            Self::Letters => "letters",
            Self::LetterBodies => "letter_bodies",
            Self::Meta => "meta",
            Self::Finished => "finished",
            Self::Usage => "usage",
            Self::Gists => "gists",
        }
    }
}

/// What a batch comes to.
pub(super) struct Changes {
    /// For [`Trees::apply`].
    pub(super) writes: Vec<Write>,
    /// To be announced afterwards.
    pub(super) signals: Vec<Signal>,
    /// To be noted afterwards.
    pub(super) listed: Vec<Listed>,
}

/// A key of a table with its value.
pub(super) type Entry = (Vec<u8>, Vec<u8>);

type Place = (Table, Vec<u8>);

/// The store as the commands of one batch see it: every command sees what those before it wrote.
pub(super) struct View<'a> {
    trees: &'a Trees,
    /// `None` marks a removed key.
    overlay: BTreeMap<Place, Option<Vec<u8>>>,
    /// What the overlay held at each place the current command wrote to, in order.
    undo: Vec<(Place, Option<Option<Vec<u8>>>)>,
    signals: Vec<Signal>,
    listed: Vec<Listed>,
    /// How many of the signals and of the listed runs were there when the current command began.
    before: (usize, usize),
    pending_bytes: usize,
}

impl<'a> View<'a> {
    pub(super) fn new(trees: &'a Trees) -> Self {
        Self {
            trees,
            overlay: BTreeMap::new(),
            undo: Vec::new(),
            signals: Vec::new(),
            listed: Vec::new(),
            before: (0, 0),
            pending_bytes: 0,
        }
    }

    /// Marks the state [`View::rollback`] returns to.
    pub(super) fn begin(&mut self) {
        self.undo.clear();
        self.before = (self.signals.len(), self.listed.len());
    }

    /// Takes back everything since [`View::begin`].
    pub(super) fn rollback(&mut self) {
        while let Some((place, before)) = self.undo.pop() {
            match before {
                Some(entry) => self.overlay.insert(place, entry),
                None => self.overlay.remove(&place),
            };
        }
        let (signals, listed) = self.before;
        self.signals.truncate(signals);
        self.listed.truncate(listed);
    }

    /// Roughly how much was written so far, in bytes.
    pub(super) fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// Tells the listeners once the batch is durable.
    ///
    /// That something is due is told once a batch: a flood of events must not crowd out a stop.
    pub(super) fn announce(&mut self, signal: Signal) {
        if signal == Signal::Due && self.signals.contains(&signal) {
            return;
        }
        self.signals.push(signal);
    }

    /// Notes a run in the list beside the store once the batch is durable.
    pub(super) fn list(&mut self, run: Listed) {
        self.listed.push(run);
    }

    pub(super) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.overlay.get(&(table, key.to_vec())) {
            Some(entry) => Ok(entry.clone()),
            None => self.trees.get(table, key),
        }
    }

    /// How many entries the table had before this batch. Reads all of their keys.
    pub(super) fn count(&self, table: Table) -> Result<u64, StoreError> {
        let mut count = 0;
        for entry in self.trees.table(table)? {
            entry.map_err(broken)?;
            count += 1;
        }
        Ok(count)
    }

    pub(super) fn insert(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.write((table, key), Some(value));
    }

    pub(super) fn remove(&mut self, table: Table, key: &[u8]) {
        self.write((table, key.to_vec()), None);
    }

    /// The first `limit` entries whose keys begin with `prefix`, in the order of their keys.
    pub(super) fn scan_prefix(&self, table: Table, prefix: &[u8], limit: usize) -> Result<Vec<Entry>, StoreError> {
        let stored = self.trees.table(table)?.scan_prefix(prefix);
        let laid_over = self
            .overlay
            .range((Included((table, prefix.to_vec())), Unbounded))
            .take_while(|((other, key), _)| *other == table && key.starts_with(prefix));
        self.merge(table, stored, laid_over, limit)
    }

    /// The first `limit` entries whose keys come after `key`, in the order of their keys.
    pub(super) fn scan_after(&self, table: Table, key: &[u8], limit: usize) -> Result<Vec<Entry>, StoreError> {
        let stored = self.trees.table(table)?.range::<&[u8], _>((Excluded(key), Unbounded));
        let laid_over = self
            .overlay
            .range((Excluded((table, key.to_vec())), Unbounded))
            .take_while(|((other, _), _)| *other == table);
        self.merge(table, stored, laid_over, limit)
    }

    /// The entries with keys from `from` on and before `to`, in the order of their keys.
    pub(super) fn scan_between(&self, table: Table, from: &[u8], to: &[u8]) -> Result<Vec<Entry>, StoreError> {
        let stored = self.trees.table(table)?.range::<&[u8], _>((Included(from), Excluded(to)));
        let laid_over = self.overlay.range((Included((table, from.to_vec())), Excluded((table, to.to_vec()))));
        self.merge(table, stored, laid_over, usize::MAX)
    }

    fn merge<'b>(
        &self,
        table: Table,
        mut stored: sled::Iter,
        laid_over: impl Iterator<Item = (&'b Place, &'b Option<Vec<u8>>)>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut found = Vec::new();
        let mut laid_over = laid_over.peekable();
        let mut next_stored = stored.next().transpose().map_err(broken)?;
        while found.len() < limit {
            let ours_first = match (&next_stored, laid_over.peek()) {
                (None, None) => break,
                (Some(_), None) => false,
                (None, Some(_)) => true,
                (Some((key, _)), Some(((_, ours), _))) => ours.as_slice() <= key.as_ref(),
            };
            if ours_first {
                if let Some(((_, key), entry)) = laid_over.next() {
                    if next_stored.as_ref().is_some_and(|(stored, _)| stored.as_ref() == key.as_slice()) {
                        next_stored = stored.next().transpose().map_err(broken)?;
                    }
                    if let Some(value) = entry {
                        found.push((key.clone(), value.clone()));
                    }
                }
            } else if let Some((key, head)) = next_stored.take() {
                found.push((key.to_vec(), self.trees.put_together(table, &key, &head)?));
                next_stored = stored.next().transpose().map_err(broken)?;
            }
        }
        Ok(found)
    }

    pub(super) fn into_changes(self) -> Result<Changes, StoreError> {
        let mut writes = Vec::with_capacity(self.overlay.len());
        for ((table, key), value) in &self.overlay {
            writes.extend(self.trees.translate(*table, key, value.as_deref())?);
        }
        Ok(Changes { writes, signals: self.signals, listed: self.listed })
    }

    fn write(&mut self, place: Place, value: Option<Vec<u8>>) {
        self.pending_bytes += place.1.len() + value.as_ref().map_or(0, Vec::len);
        let before = self.overlay.insert(place.clone(), value);
        self.undo.push((place, before));
    }
}

#[cfg(test)]
mod tests;
