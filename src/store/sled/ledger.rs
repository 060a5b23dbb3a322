//! Letters and installations, as plain functions over a [`View`].

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{
    records::{StoredInstallation, decode, encode},
    view::{Table, View},
};
use crate::{
    domain::installation::Installation,
    store::{Accepted, Letter, StoreError},
};

/// Most letters kept; the oldest give way.
pub(super) const MOST_LETTERS: u64 = 1000;

/// The key of the counters below in [`Table::Meta`].
const COUNTERS: &[u8] = b"letters";

#[derive(Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
struct Counters {
    next_number: u64,
    kept: u64,
}

pub(super) fn keep_letter(view: &mut View<'_>, letter: &Letter) -> Result<Accepted, StoreError> {
    let hash = body_hash(letter);
    if view.get(Table::LetterBodies, &hash)?.is_some() {
        return Ok(Accepted::Duplicate);
    }
    let mut counters = counters(view)?;
    if counters.kept >= MOST_LETTERS
        && let Some((key, bytes)) = view.scan_prefix(Table::Letters, b"", 1)?.pop()
    {
        let oldest: Letter = decode(Table::Letters, &bytes)?;
        view.remove(Table::Letters, &key);
        view.remove(Table::LetterBodies, &body_hash(&oldest));
        counters.kept -= 1;
    }
    let number = counters.next_number.to_be_bytes().to_vec();
    view.insert(Table::LetterBodies, hash, number.clone());
    view.insert(Table::Letters, number, encode(Table::Letters, letter)?);
    counters.next_number += 1;
    counters.kept += 1;
    view.insert(Table::Meta, COUNTERS.to_vec(), encode(Table::Meta, &counters)?);
    Ok(Accepted::New)
}

/// Forgets letters received before `cutoff`, at most `limit`, and says how many.
pub(super) fn forget_letters(view: &mut View<'_>, cutoff: Timestamp, limit: usize) -> Result<u64, StoreError> {
    let Some((_, first)) = view.scan_prefix(Table::Letters, b"", 1)?.pop() else {
        return Ok(0);
    };
    if decode::<Letter>(Table::Letters, &first)?.received_at >= cutoff {
        return Ok(0);
    }
    let mut forgotten = 0;
    for (key, bytes) in view.scan_prefix(Table::Letters, b"", limit)? {
        let letter: Letter = decode(Table::Letters, &bytes)?;
        if letter.received_at >= cutoff {
            break;
        }
        view.remove(Table::Letters, &key);
        view.remove(Table::LetterBodies, &body_hash(&letter));
        forgotten += 1;
    }
    let mut counters = counters(view)?;
    counters.kept = counters.kept.saturating_sub(forgotten);
    view.insert(Table::Meta, COUNTERS.to_vec(), encode(Table::Meta, &counters)?);
    Ok(forgotten)
}

/// Newest first.
pub(super) fn letters(view: &View<'_>) -> Result<Vec<Letter>, StoreError> {
    let entries = view.scan_prefix(Table::Letters, b"", usize::MAX)?;
    entries.iter().rev().map(|(_, bytes)| decode(Table::Letters, bytes)).collect()
}

pub(super) fn save_installation(view: &mut View<'_>, installation: &Installation) -> Result<(), StoreError> {
    let record = encode(Table::Installations, &StoredInstallation::from(installation))?;
    view.insert(Table::Installations, installation.workspace.0.as_bytes().to_vec(), record);
    Ok(())
}

/// In the order of their slugs.
pub(super) fn installations(view: &View<'_>) -> Result<Vec<Installation>, StoreError> {
    let mut installations = Vec::new();
    for (_, bytes) in view.scan_prefix(Table::Installations, b"", usize::MAX)? {
        installations.push(Installation::from(decode::<StoredInstallation>(Table::Installations, &bytes)?));
    }
    installations.sort_by(|one, other| one.slug.cmp(&other.slug));
    Ok(installations)
}

fn counters(view: &View<'_>) -> Result<Counters, StoreError> {
    match view.get(Table::Meta, COUNTERS)? {
        Some(bytes) => decode(Table::Meta, &bytes),
        None => Ok(Counters::default()),
    }
}

fn body_hash(letter: &Letter) -> Vec<u8> {
    Sha256::digest(letter.body.as_bytes()).to_vec()
}
