//! What is known of events and for how long, as plain functions over a [`View`].
//!
//! An event is known by a hash of its key and the hour it came in, far longer than its run is kept:
//! 20 bytes an event. The keys are swept once a day, a batch at a time. What was forgotten cannot be
//! recognised, so from then on an event that was written before the forgotten ones came in is taken
//! for one of them.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    kept::Kept,
    ledger,
    records::{decode, encode, gist_key, journal_prefix, queue_key_parts, run_key, unreadable},
    usage,
    view::{Table, View},
};
use crate::{
    domain::{
        event::{EventKey, RunEvent, RunEventKind},
        ids::RunId,
    },
    store::{Pruned, Retention, StoreError},
};

/// Most runs forgotten at once.
const BATCH_RUNS: usize = 32;
/// No further run is begun once this many of its records were removed.
const BATCH_RECORDS: usize = 1000;
/// Most keys looked at, and letters removed, at once.
const BATCH_KEYS: usize = 2000;
/// How often the keys are swept.
const SWEEP_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// The key of the number of runs in [`Table::Meta`].
const RUNS_KEY: &[u8] = b"runs";
/// The key in [`Table::Meta`] of the number unknown runs count their journal entries from.
const FIRST_ENTRY_KEY: &[u8] = b"first_entry";
const BEGINNING_OF_2026_MS: i64 = 1_767_225_600_000;
/// The key in [`Table::Meta`] of a mark that the store stands in the place of one that is lost.
const AFTER_LOSS_KEY: &[u8] = b"after_loss";
/// The key of the [`Sweep`] in [`Table::Meta`].
const SWEEP_KEY: &[u8] = b"sweep";

/// Where the sweep of the keys stands.
#[derive(Default, Serialize, Deserialize)]
struct Sweep {
    began: Option<Timestamp>,
    /// The last key looked at; `None` between sweeps.
    after: Option<Vec<u8>>,
    /// Keys of this hour and earlier may be forgotten.
    forgotten_hour: u32,
}

/// What stays of a forgotten run, so that it cannot do again under old names what it did before.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Remains {
    pub(super) journal_len: u64,
    pub(super) fence: u64,
    pub(super) prompted: bool,
    pub(super) stopped_at: Option<Timestamp>,
    #[serde(default)]
    pub(super) history_lost: bool,
}

/// Whether the event was never seen before; it counts as seen from now on.
pub(super) fn is_news(view: &mut View<'_>, event: &RunEvent, now: Timestamp) -> Result<bool, StoreError> {
    let key = seen_key(&event.key());
    if view.get(Table::Seen, &key)?.is_some() {
        return Ok(false);
    }
    let written_at = match &event.kind {
        RunEventKind::Started => None,
        RunEventKind::Prompted(prompt) | RunEventKind::StopRequested(prompt) => prompt.written_at,
    };
    if let Some(written_at) = written_at
        && hour(written_at) <= sweep(view)?.forgotten_hour
    {
        return Ok(false);
    }
    view.insert(Table::Seen, key, hour(now).to_be_bytes().to_vec());
    Ok(true)
}

/// Forgets one batch.
pub(super) fn prune(view: &mut View<'_>, retention: Retention, now: Timestamp) -> Result<Pruned, StoreError> {
    let mut pruned = Pruned::default();
    let runs_cutoff = now.saturating_sub(retention.keep_runs).unwrap_or(Timestamp::MIN);
    prune_runs(view, retention.max_runs, runs_cutoff, now, &mut pruned)?;
    pruned.letters = ledger::forget_letters(view, runs_cutoff, BATCH_KEYS)?;
    pruned.more |= pruned.letters == BATCH_KEYS as u64;
    let keys_cutoff = now.saturating_sub(retention.keep_keys).unwrap_or(Timestamp::MIN);
    usage::forget(view, keys_cutoff, BATCH_KEYS)?;
    prune_keys(view, retention.keep_keys, now, &mut pruned)?;
    Ok(pruned)
}

/// One run more than before.
pub(super) fn count_run(view: &mut View<'_>) -> Result<(), StoreError> {
    let count = run_count(view)? + 1;
    set_run_count(view, count)
}

/// What stayed of the run if it is a forgotten one; it comes back to life.
pub(super) fn take_remains(view: &mut View<'_>, id: RunId) -> Result<Remains, StoreError> {
    let key = remains_key(id);
    let Some(bytes) = view.get(Table::Seen, &key)? else {
        let history_lost = view.get(Table::Meta, AFTER_LOSS_KEY)?.is_some();
        let first_entry = view.get(Table::Meta, FIRST_ENTRY_KEY)?;
        let journal_len = first_entry.map_or(Ok(0), |bytes| decode(Table::Meta, &bytes))?;
        return Ok(Remains { journal_len, history_lost, ..Remains::default() });
    };
    let (_, record) = split_hour(&bytes)?;
    let remains = decode(Table::Seen, record)?;
    view.remove(Table::Seen, &key);
    Ok(remains)
}

/// Begins a store. A run it does not know may have been worked on from another one, which is lost or on
/// another machine, so its turns are counted from a number they cannot have reached: nothing gets the
/// name of what was done there.
pub(super) fn begin(view: &mut View<'_>, now: Timestamp, after_loss: bool) -> Result<(), StoreError> {
    view.insert(Table::Meta, FIRST_ENTRY_KEY.to_vec(), encode(Table::Meta, &first_entry(now))?);
    if after_loss {
        view.insert(Table::Meta, AFTER_LOSS_KEY.to_vec(), encode(Table::Meta, &now)?);
    }
    Ok(())
}

/// A number that no count of a run's entries has reached by `now`: the quarters of a second since 2026.
/// It fits the 32 bits of a turn's number until 2060.
pub(super) fn first_entry(now: Timestamp) -> u64 {
    u64::try_from((now.as_millisecond() - BEGINNING_OF_2026_MS) / 250).unwrap_or(0)
}

fn prune_runs(
    view: &mut View<'_>,
    max_runs: u64,
    cutoff: Timestamp,
    now: Timestamp,
    pruned: &mut Pruned,
) -> Result<(), StoreError> {
    let mut count = run_count(view)?;
    let mut removed = 0;
    let oldest = view.scan_prefix(Table::Finished, b"", BATCH_RUNS)?;
    pruned.more = oldest.len() == BATCH_RUNS;
    for (key, _) in oldest {
        let (touched_at, id) = queue_key_parts(&key)?;
        if touched_at >= cutoff && count <= max_runs {
            pruned.more = false;
            break;
        }
        if removed >= BATCH_RECORDS {
            pruned.more = true;
            break;
        }
        view.remove(Table::Finished, &key);
        match forget(view, id, now) {
            Ok(records) => removed += records,
            Err(error @ StoreError::Unreadable { .. }) => {
                tracing::error!(run = %id, %error, "a run cannot be read and is not forgotten");
                continue;
            }
            Err(error) => return Err(error),
        }
        count = count.saturating_sub(1);
        pruned.runs += 1;
    }
    if pruned.runs > 0 {
        set_run_count(view, count)?;
    }
    Ok(())
}

/// How many records the run had.
fn forget(view: &mut View<'_>, id: RunId, now: Timestamp) -> Result<usize, StoreError> {
    let Some(run) = Kept::load(view, id)? else {
        return Ok(0);
    };
    let mut records = 0;
    for (table, prefix) in [(Table::Journal, journal_prefix(id)), (Table::Inbox, run_key(id))] {
        for (key, _) in view.scan_prefix(table, &prefix, usize::MAX)? {
            view.remove(table, &key);
            records += 1;
        }
    }
    if let Some(work_item) = run.stored.record.info.work_item {
        view.remove(Table::Gists, &gist_key(work_item, id));
    }
    let stored = run.remove(view);
    let remains = Remains {
        journal_len: stored.record.journal_len,
        fence: stored.fence,
        prompted: stored.record.prompted,
        stopped_at: stored.record.stopped_at,
        history_lost: stored.record.history_lost,
    };
    let mut value = hour(now).to_be_bytes().to_vec();
    value.extend(encode(Table::Seen, &remains)?);
    view.insert(Table::Seen, remains_key(id), value);
    Ok(records)
}

fn prune_keys(
    view: &mut View<'_>,
    keep: SignedDuration,
    now: Timestamp,
    pruned: &mut Pruned,
) -> Result<(), StoreError> {
    let mut sweep = sweep(view)?;
    let after = match sweep.after.take() {
        Some(after) => after,
        None if sweep.began.is_some_and(|began| now.duration_since(began) < SWEEP_EVERY) => return Ok(()),
        None => {
            sweep.began = Some(now);
            let cutoff = now.saturating_sub(keep).unwrap_or(Timestamp::MIN);
            sweep.forgotten_hour = sweep.forgotten_hour.max(hour(cutoff).saturating_sub(1));
            Vec::new()
        }
    };
    let entries = view.scan_after(Table::Seen, &after, BATCH_KEYS)?;
    for (key, value) in &entries {
        let (accepted_hour, _) = split_hour(value)?;
        if accepted_hour <= sweep.forgotten_hour {
            view.remove(Table::Seen, key);
            pruned.keys += 1;
        }
    }
    if entries.len() == BATCH_KEYS {
        sweep.after = entries.into_iter().next_back().map(|(key, _)| key);
        pruned.more = true;
    }
    view.insert(Table::Meta, SWEEP_KEY.to_vec(), encode(Table::Meta, &sweep)?);
    Ok(())
}

fn sweep(view: &View<'_>) -> Result<Sweep, StoreError> {
    match view.get(Table::Meta, SWEEP_KEY)? {
        Some(bytes) => decode(Table::Meta, &bytes),
        None => Ok(Sweep::default()),
    }
}

pub(super) fn run_count(view: &View<'_>) -> Result<u64, StoreError> {
    match view.get(Table::Meta, RUNS_KEY)? {
        Some(bytes) => decode(Table::Meta, &bytes),
        None => Ok(0),
    }
}

pub(super) fn set_run_count(view: &mut View<'_>, count: u64) -> Result<(), StoreError> {
    view.insert(Table::Meta, RUNS_KEY.to_vec(), encode(Table::Meta, &count)?);
    Ok(())
}

/// Half a hash: two keys that share it are not to be met.
fn seen_key(key: &EventKey) -> Vec<u8> {
    let mut hash = Sha256::digest(key.0.as_bytes()).to_vec();
    hash.truncate(16);
    hash
}

/// Longer than any [`seen_key`], so that the two never meet.
fn remains_key(id: RunId) -> Vec<u8> {
    let mut key = run_key(id);
    key.push(b'r');
    key
}

/// Whole hours since 1970; what lies before counts as then.
fn hour(at: Timestamp) -> u32 {
    u32::try_from(at.as_second() / 3600).unwrap_or(0)
}

fn split_hour(value: &[u8]) -> Result<(u32, &[u8]), StoreError> {
    let parts = value.split_first_chunk::<4>().map(|(hour, rest)| (u32::from_be_bytes(*hour), rest));
    parts.ok_or_else(|| unreadable(Table::Seen, "an hour is cut off".to_owned()))
}
