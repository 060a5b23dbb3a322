//! A look at a store without taking it into use. None is made, set aside or put right, so whoever
//! opens it next still finds what is amiss, and tells it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use super::{
    audit,
    open::{self, Refusal},
    places::Places,
    trees::Trees,
    view::View,
};
use crate::store::StoreError;

/// What would come of opening a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// There is none yet.
    Missing,
    Whole,
    /// It goes on without what damage has taken from it.
    Worn {
        commits_lost: u64,
        records_missing: u64,
    },
    /// It is set aside and an empty one begun.
    Damaged {
        reason: String,
    },
}

pub(super) fn probe(data_dir: &Path) -> Result<Condition, StoreError> {
    let places = Places::new(data_dir);
    let Some(dir) = places.present() else { return Ok(Condition::Missing) };
    let _lock = open::lock(data_dir)?;
    let suspected = open::suspicion_path(data_dir).exists();
    match examine(data_dir, dir, suspected) {
        // What opening it does then as well, at the second start.
        Err(StoreError::Broken(_)) if !suspected => examine(data_dir, dir, true),
        outcome => outcome,
    }
}

/// `thorough` has every record read.
fn examine(data_dir: &Path, dir: &Path, thorough: bool) -> Result<Condition, StoreError> {
    let (_db, trees) = match open::attempt(dir, thorough) {
        Ok(opened) => opened,
        Err(Refusal::Damaged(reason)) => return Ok(Condition::Damaged { reason }),
        Err(Refusal::Failed(error)) => return Err(error),
    };
    let looked = catch_unwind(AssertUnwindSafe(|| look(data_dir, &trees)));
    looked.unwrap_or_else(|_| Err(StoreError::Broken("sled panicked".to_owned())))
}

fn look(data_dir: &Path, trees: &Trees) -> Result<Condition, StoreError> {
    let mut view = View::new(trees);
    open::has_format(&view)?;
    let commits_lost = open::commits_lost(data_dir, trees)?;
    // What it would put right is dropped with the view.
    let records_missing = audit::missing(&mut view)?;
    Ok(match (commits_lost, records_missing) {
        (0, 0) => Condition::Whole,
        (_, _) => Condition::Worn { commits_lost, records_missing },
    })
}
