//! What a command sees of the store: the trees on disk with the batch's own changes laid over them.
//!
//! sled's transactions cannot scan ranges, so commands never run inside one. They read and write a
//! [`View`], and [`Trees::apply`] hands what it collected to a single transaction. That is sound for one reason
//! only: the owner thread is the sole writer, so nothing changes underneath between reading and
//! committing.
//!
//! Values longer than [`PIECE_BYTES`] are cut into pieces in a tree of their own. sled puts a log
//! message of more than about 128 KiB into a file of its own that it never syncs, and a message may
//! carry a whole leaf, up to 17 values; short values keep every message in the log.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    ops::Bound::{Excluded, Included, Unbounded},
};

use sled::{IVec, Transactional, transaction::ConflictableTransactionError};

use super::records::unreadable;
use crate::store::{Signal, StoreError};

/// The longest value handed to sled, in bytes.
pub(super) const PIECE_BYTES: usize = 4096;

/// Opens the stored form of a value kept in one piece.
const WHOLE: u8 = 0;
/// Opens the stored form of a value cut in pieces; their count follows as a big-endian `u32`.
const CUT: u8 = 1;

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
}

impl Table {
    pub(super) const ALL: [Self; 12] = [
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
        }
    }
}

/// The opened trees, in the order of [`Table::ALL`] with the pieces last.
pub(super) struct Trees {
    all: Vec<sled::Tree>,
}

/// One change to one tree, in sled's terms.
pub(super) struct Write {
    tree: usize,
    key: IVec,
    value: Option<IVec>,
}

impl Trees {
    pub(super) fn open(db: &sled::Db) -> sled::Result<Self> {
        let mut all = Vec::with_capacity(Table::ALL.len() + 1);
        for table in Table::ALL {
            all.push(db.open_tree(table.name())?);
        }
        all.push(db.open_tree("chunks")?);
        Ok(Self { all })
    }

    /// Reads every record, to come upon what sled finds damaged.
    pub(super) fn read_through(&self) -> sled::Result<()> {
        for tree in &self.all {
            for entry in tree {
                entry?;
            }
        }
        Ok(())
    }

    /// Makes all changes in one transaction. They are not durable before the log is flushed and synced.
    pub(super) fn apply(&self, writes: &[Write]) -> Result<(), StoreError> {
        // sled may run the closure again, hence it has no effect but the writes.
        self.all
            .as_slice()
            .transaction(|trees| -> Result<(), ConflictableTransactionError<Infallible>> {
                for write in writes {
                    let Some(tree) = trees.get(write.tree) else { continue };
                    match &write.value {
                        Some(value) => tree.insert(write.key.clone(), value.clone())?,
                        None => tree.remove(write.key.clone())?,
                    };
                }
                Ok(())
            })
            .map_err(|error| StoreError::Broken(format!("committing: {error}")))
    }

    fn table(&self, table: Table) -> Result<&sled::Tree, StoreError> {
        self.all.get(table as usize).ok_or(StoreError::Closed)
    }

    fn pieces(&self) -> Result<&sled::Tree, StoreError> {
        self.all.last().ok_or(StoreError::Closed)
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.table(table)?.get(key).map_err(broken)? {
            Some(head) => self.put_together(table, key, &head).map(Some),
            None => Ok(None),
        }
    }

    /// The value whose stored form opens with `head`.
    fn put_together(&self, table: Table, key: &[u8], head: &[u8]) -> Result<Vec<u8>, StoreError> {
        if let Some((&WHOLE, value)) = head.split_first() {
            return Ok(value.to_vec());
        }
        let count = piece_count(table, head)?;
        let mut value = Vec::new();
        for number in 0..count {
            let piece = self.pieces()?.get(piece_key(table, key, number)).map_err(broken)?;
            let piece = piece.ok_or_else(|| unreadable(table, format!("piece {number} of {count} is missing")))?;
            value.extend_from_slice(&piece);
        }
        Ok(value)
    }

    /// Translates the change of one value, clearing the pieces of the value it replaces.
    pub(super) fn translate(&self, table: Table, key: &[u8], value: Option<&[u8]>) -> Result<Vec<Write>, StoreError> {
        let mut out = Vec::new();
        let before = self.table(table)?.get(key).map_err(broken)?;
        if before.is_none() && value.is_none() {
            return Ok(out);
        }
        // A form that cannot be read has no pieces that could be found.
        let old_pieces = before.map_or(0, |head| piece_count(table, &head).unwrap_or(0));
        let pieces: Vec<&[u8]> = match value {
            Some(value) if value.len() >= PIECE_BYTES => value.chunks(PIECE_BYTES).collect(),
            Some(_) | None => Vec::new(),
        };
        let head = value.map(|value| stored_head(value, pieces.len()));
        out.push(Write { tree: table as usize, key: key.into(), value: head });
        let mut new_pieces = 0_u32;
        for piece in pieces {
            let key = piece_key(table, key, new_pieces).into();
            out.push(Write { tree: Table::ALL.len(), key, value: Some(piece.into()) });
            new_pieces += 1;
        }
        for number in new_pieces..old_pieces {
            out.push(Write { tree: Table::ALL.len(), key: piece_key(table, key, number).into(), value: None });
        }
        Ok(out)
    }
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
    /// How many of the signals were there when the current command began.
    signals_before: usize,
    pending_bytes: usize,
}

impl<'a> View<'a> {
    pub(super) fn new(trees: &'a Trees) -> Self {
        Self {
            trees,
            overlay: BTreeMap::new(),
            undo: Vec::new(),
            signals: Vec::new(),
            signals_before: 0,
            pending_bytes: 0,
        }
    }

    /// Marks the state [`View::rollback`] returns to.
    pub(super) fn begin(&mut self) {
        self.undo.clear();
        self.signals_before = self.signals.len();
    }

    /// Takes back everything since [`View::begin`].
    pub(super) fn rollback(&mut self) {
        while let Some((place, before)) = self.undo.pop() {
            match before {
                Some(entry) => self.overlay.insert(place, entry),
                None => self.overlay.remove(&place),
            };
        }
        self.signals.truncate(self.signals_before);
    }

    /// Roughly how much was written so far, in bytes.
    pub(super) fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// Tells the listeners once the batch is durable.
    pub(super) fn announce(&mut self, signal: Signal) {
        self.signals.push(signal);
    }

    pub(super) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.overlay.get(&(table, key.to_vec())) {
            Some(entry) => Ok(entry.clone()),
            None => self.trees.get(table, key),
        }
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

    /// What the batch changed, for [`Trees::apply`], and what is to be announced after it.
    pub(super) fn into_changes(self) -> Result<(Vec<Write>, Vec<Signal>), StoreError> {
        let mut writes = Vec::with_capacity(self.overlay.len());
        for ((table, key), value) in &self.overlay {
            writes.extend(self.trees.translate(*table, key, value.as_deref())?);
        }
        Ok((writes, self.signals))
    }

    fn write(&mut self, place: Place, value: Option<Vec<u8>>) {
        self.pending_bytes += place.1.len() + value.as_ref().map_or(0, Vec::len);
        let before = self.overlay.insert(place.clone(), value);
        self.undo.push((place, before));
    }
}

fn broken(error: sled::Error) -> StoreError {
    StoreError::Broken(format!("reading: {error}"))
}

/// What is kept under the value's own key.
fn stored_head(value: &[u8], pieces: usize) -> IVec {
    let mut head = Vec::with_capacity(value.len().min(PIECE_BYTES) + 1);
    if pieces == 0 {
        head.push(WHOLE);
        head.extend_from_slice(value);
    } else {
        head.push(CUT);
        // A value of 2^32 pieces would be 16 TiB long.
        head.extend_from_slice(&u32::try_from(pieces).unwrap_or(u32::MAX).to_be_bytes());
    }
    head.into()
}

/// In how many pieces the value with this stored form is kept; 0 if in none.
fn piece_count(table: Table, head: &[u8]) -> Result<u32, StoreError> {
    match head.split_first() {
        Some((&WHOLE, _)) => Ok(0),
        Some((&CUT, count)) => count
            .try_into()
            .map(u32::from_be_bytes)
            .map_err(|_| unreadable(table, "the number of pieces is cut off".to_owned())),
        Some(_) | None => Err(unreadable(table, "neither whole nor in pieces".to_owned())),
    }
}

/// Two keys of different length make piece keys of different length, so no two values share one.
fn piece_key(table: Table, key: &[u8], number: u32) -> Vec<u8> {
    let mut piece = Vec::with_capacity(key.len() + 5);
    piece.push(table as u8);
    piece.extend_from_slice(key);
    piece.extend_from_slice(&number.to_be_bytes());
    piece
}

#[cfg(test)]
mod tests;
