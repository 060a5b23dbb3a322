//! What models cost, by day, workspace and model, as plain functions over a [`View`].

use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use uuid::Uuid;

use super::{
    records::{decode, encode, unreadable},
    view::{Table, View},
};
use crate::{
    domain::{
        ids::WorkspaceId,
        usage::{ModelReply, Spent, UsageRow},
    },
    store::StoreError,
};

/// Days in keys are written so that they sort, `2026-11-25`.
const DAY_BYTES: usize = 10;
/// The longest name of a model in a key; a longer one is cut.
const MODEL_BYTES: usize = 200;

/// Adds one reply to its row.
pub(super) fn count(view: &mut View<'_>, workspace: WorkspaceId, reply: &ModelReply) -> Result<(), StoreError> {
    let key = key(reply.day, workspace, &reply.model);
    let mut spent = match view.get(Table::Usage, &key)? {
        Some(bytes) => decode(Table::Usage, &bytes)?,
        None => Spent::default(),
    };
    spent.add(&Spent::on(reply.usage));
    let bytes = encode(Table::Usage, &spent)?;
    view.insert(Table::Usage, key, bytes);
    Ok(())
}

/// Adds changes that the agent makes in a workspace. Only the newest day is remembered.
pub(super) fn count_changes(
    view: &mut View<'_>,
    workspace: WorkspaceId,
    (day, number): (Date, u32),
) -> Result<(), StoreError> {
    let known = changes_on(view, workspace, day)?;
    let bytes = encode(Table::Meta, &(day, known + u64::from(number)))?;
    view.insert(Table::Meta, changes_key(workspace), bytes);
    Ok(())
}

/// How many changes the agent made in a workspace on the newest day it made any, if it is this one.
pub(super) fn changes_on(view: &View<'_>, workspace: WorkspaceId, day: Date) -> Result<u64, StoreError> {
    let Some(bytes) = view.get(Table::Meta, &changes_key(workspace))? else { return Ok(0) };
    let (known, number): (Date, u64) = decode(Table::Meta, &bytes)?;
    Ok(if known == day { number } else { 0 })
}

fn changes_key(workspace: WorkspaceId) -> Vec<u8> {
    [b"changes/".as_slice(), workspace.0.as_bytes()].concat()
}

/// The rows of these days, both included, in the order of day, workspace and model.
pub(super) fn rows(view: &View<'_>, from: Date, until: Date) -> Result<Vec<UsageRow>, StoreError> {
    let mut found = Vec::new();
    // Keys of the day before end below this one, since every key is longer than its day.
    let mut after = from.to_string().into_bytes();
    loop {
        let batch = view.scan_after(Table::Usage, &after, 500)?;
        let Some((last, _)) = batch.last() else {
            return Ok(found);
        };
        after.clone_from(last);
        for (key, bytes) in batch {
            let (day, workspace, model) = key_parts(&key)?;
            if day > until {
                return Ok(found);
            }
            found.push(UsageRow { day, workspace, model, spent: decode(Table::Usage, &bytes)? });
        }
    }
}

/// Forgets rows of days before `cutoff`, at most `limit`.
pub(super) fn forget(view: &mut View<'_>, cutoff: Timestamp, limit: usize) -> Result<(), StoreError> {
    let cutoff = cutoff.to_zoned(TimeZone::UTC).date();
    let kept_from = cutoff.checked_sub(1.day()).unwrap_or(cutoff);
    for (key, _) in view.scan_prefix(Table::Usage, b"", limit)? {
        if key_parts(&key)?.0 >= kept_from {
            break;
        }
        view.remove(Table::Usage, &key);
    }
    Ok(())
}

fn key(day: Date, workspace: WorkspaceId, model: &str) -> Vec<u8> {
    let mut key = day.to_string().into_bytes();
    key.extend_from_slice(workspace.0.as_bytes());
    let end = (0..=MODEL_BYTES.min(model.len())).rev().find(|at| model.is_char_boundary(*at)).unwrap_or(0);
    key.extend_from_slice(model.as_bytes().get(..end).unwrap_or_default());
    key
}

fn key_parts(key: &[u8]) -> Result<(Date, WorkspaceId, String), StoreError> {
    let parts = || {
        let (day, rest) = key.split_at_checked(DAY_BYTES)?;
        let (workspace, model) = rest.split_at_checked(16)?;
        let day = std::str::from_utf8(day).ok()?.parse().ok()?;
        let workspace = WorkspaceId(Uuid::from_slice(workspace).ok()?);
        Some((day, workspace, String::from_utf8(model.to_vec()).ok()?))
    };
    parts().ok_or_else(|| unreadable(Table::Usage, "a key of the wrong shape".to_owned()))
}
