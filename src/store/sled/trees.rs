//! The trees on disk, and how values lie in them.
//!
//! Values longer than [`PIECE_BYTES`] are cut into pieces in a tree of their own. sled puts a log
//! message of more than about 128 KiB into a file of its own that it never syncs, and a message may
//! carry a whole leaf, up to 17 values; short values keep every message in the log.

use std::convert::Infallible;

use sled::{IVec, Transactional, transaction::ConflictableTransactionError};

use super::{records::unreadable, view::Table};
use crate::store::StoreError;

/// The longest value handed to sled, in bytes.
pub(super) const PIECE_BYTES: usize = 4096;

/// Opens the stored form of a value kept in one piece.
const WHOLE: u8 = 0;
/// Opens the stored form of a value cut in pieces; their count follows as a big-endian `u32`.
const CUT: u8 = 1;

/// The opened trees, in the order of [`Table::ALL`] with the pieces last.
pub(super) struct Trees {
    all: Vec<sled::Tree>,
}

/// One change to one tree, in sled's terms.
pub(super) struct Write {
    /// The place of the tree in [`Trees::names`].
    pub(super) tree: usize,
    pub(super) key: IVec,
    pub(super) value: Option<IVec>,
}

impl Trees {
    pub(super) fn open(db: &sled::Db) -> sled::Result<Self> {
        let all = Self::names().map(|name| db.open_tree(name)).collect::<sled::Result<_>>()?;
        Ok(Self { all })
    }

    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        Table::ALL.into_iter().map(Table::name).chain(["chunks"])
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

    pub(super) fn table(&self, table: Table) -> Result<&sled::Tree, StoreError> {
        self.all.get(table as usize).ok_or(StoreError::Closed)
    }

    pub(super) fn pieces(&self) -> Result<&sled::Tree, StoreError> {
        self.all.last().ok_or(StoreError::Closed)
    }

    pub(super) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.table(table)?.get(key).map_err(broken)? {
            Some(head) => self.put_together(table, key, &head).map(Some),
            None => Ok(None),
        }
    }

    /// The value whose stored form opens with `head`.
    pub(super) fn put_together(&self, table: Table, key: &[u8], head: &[u8]) -> Result<Vec<u8>, StoreError> {
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

pub(super) fn broken(error: sled::Error) -> StoreError {
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
pub(super) fn piece_key(table: Table, key: &[u8], number: u32) -> Vec<u8> {
    let mut piece = Vec::with_capacity(key.len() + 5);
    piece.push(table as u8);
    piece.extend_from_slice(key);
    piece.extend_from_slice(&number.to_be_bytes());
    piece
}
