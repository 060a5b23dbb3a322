//! Looks at every opening whether the runs, their number and their indexes agree.
//!
//! sled takes a damaged message in an older part of its log for the end of that part and goes on with
//! the next, so records can be missing although the newest commit is there. Most commits write a run
//! and its places in the indexes, so where some are missing these no longer agree.

use super::{
    kept::Kept,
    records::run_of_key,
    retention,
    view::{Table, View},
};
use crate::store::StoreError;

/// How many of the runs or of their places in the indexes are missing. The indexes and the number are
/// put right then for the runs that are left.
pub(super) fn missing(view: &mut View<'_>) -> Result<u64, StoreError> {
    let runs = view.count(Table::Runs)?;
    let known = retention::run_count(view)?;
    let touched = view.count(Table::Touched)?;
    let placed = view.count(Table::Queue)? + view.count(Table::Leases)? + view.count(Table::Finished)?;
    let most = runs.max(known).max(touched).max(placed);
    let fewest = runs.min(known).min(touched).min(placed);
    if most == fewest {
        return Ok(0);
    }
    // An entry that names no run, or a run that stands elsewhere, would be met again and again.
    for table in [Table::Touched, Table::Queue, Table::Leases, Table::Finished] {
        for (key, _) in view.scan_prefix(table, b"", usize::MAX)? {
            view.remove(table, &key);
        }
    }
    for (key, _) in view.scan_prefix(Table::Runs, b"", usize::MAX)? {
        let Some(id) = run_of_key(&key) else { continue };
        match Kept::load(view, id) {
            Ok(Some(run)) => run.put_in_indexes(view)?,
            // Left to whoever comes upon it.
            Ok(None) | Err(StoreError::Unreadable { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    retention::set_run_count(view, runs)?;
    Ok(most - fewest)
}
