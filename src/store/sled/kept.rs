//! A run in the hands of a command, and the two indexes that follow it.

use jiff::Timestamp;

use super::{
    records::{InboxItem, StoredRun, decode, encode, inbox_key, queue_key, run_key, touched_key},
    retention,
    view::{Table, View},
};
use crate::{
    domain::{event::RunInfo, ids::RunId, usage::Spent},
    store::{Lease, RunRecord, RunState, Signal, StoreError},
};

/// A run taken from the store, with the keys its indexes have for it as long as it is not saved.
pub(super) struct Kept {
    pub(super) stored: StoredRun,
    queue_place: Option<(Table, Vec<u8>)>,
    touched_key: Option<Vec<u8>>,
    is_new: bool,
}

impl Kept {
    /// A run not in the store. If it was and is forgotten, it goes on from what stayed of it.
    pub(super) fn new(view: &mut View<'_>, info: RunInfo, now: Timestamp) -> Result<Self, StoreError> {
        let remains = retention::take_remains(view, info.id)?;
        let record = RunRecord {
            info,
            state: RunState::Idle,
            attempts: 0,
            prompted: remains.prompted,
            first_seen: now,
            touched_at: now,
            stopped_at: remains.stopped_at,
            journal_len: remains.journal_len,
            spent: Spent::default(),
            history_lost: remains.history_lost,
            fold_from: 0,
        };
        let stored = StoredRun {
            record,
            fence: remains.fence,
            next_number: 0,
            news: false,
            unfinished: false,
            newest_prompt_at: None,
        };
        Ok(Self { stored, queue_place: None, touched_key: None, is_new: true })
    }

    pub(super) fn load(view: &View<'_>, id: RunId) -> Result<Option<Self>, StoreError> {
        let Some(bytes) = view.get(Table::Runs, &run_key(id))? else {
            return Ok(None);
        };
        let stored: StoredRun = decode(Table::Runs, &bytes)?;
        let queue_place = Some(queue_place(&stored.record));
        let touched_key = Some(touched_key(stored.record.touched_at, id));
        Ok(Some(Self { stored, queue_place, touched_key, is_new: false }))
    }

    /// The run, if `lease` is still the one that counts.
    pub(super) fn load_leased(view: &View<'_>, lease: Lease) -> Result<Self, StoreError> {
        match Self::load(view, lease.run)? {
            Some(run)
                if run.stored.fence == lease.fence && matches!(run.stored.record.state, RunState::Leased { .. }) =>
            {
                Ok(run)
            }
            Some(_) | None => Err(StoreError::LeaseLost(lease.run)),
        }
    }

    /// Makes the run due at `due_at`, or has the release of its lease make it due.
    pub(super) fn came_in(&mut self, view: &mut View<'_>, due_at: Timestamp) {
        let record = &mut self.stored.record;
        let at = match record.state {
            RunState::Leased { .. } => {
                self.stored.news = true;
                return;
            }
            RunState::Due { at } if at <= due_at => return,
            RunState::Due { .. } => due_at,
            RunState::Idle | RunState::Dead { .. } => {
                record.attempts = 0;
                due_at
            }
        };
        record.state = RunState::Due { at };
        view.announce(Signal::Due);
    }

    pub(super) fn put_in_inbox(&mut self, view: &mut View<'_>, item: &InboxItem) -> Result<(), StoreError> {
        let key = inbox_key(self.stored.record.info.id, self.stored.next_number);
        self.stored.next_number += 1;
        view.insert(Table::Inbox, key, encode(Table::Inbox, item)?);
        Ok(())
    }

    /// Writes the run and brings its indexes along.
    pub(super) fn save(self, view: &mut View<'_>) -> Result<(), StoreError> {
        let record = &self.stored.record;
        let id = record.info.id;
        let new_touched_key = touched_key(record.touched_at, id);
        if let Some((table, old)) = &self.queue_place {
            view.remove(*table, old);
        }
        let (table, key) = queue_place(record);
        view.insert(table, key, Vec::new());
        if self.touched_key.as_ref() != Some(&new_touched_key) {
            if let Some(old) = &self.touched_key {
                view.remove(Table::Touched, old);
            }
            view.insert(Table::Touched, new_touched_key, Vec::new());
        }
        if self.is_new {
            retention::count_run(view)?;
        }
        view.insert(Table::Runs, run_key(id), encode(Table::Runs, &self.stored)?);
        Ok(())
    }

    /// Writes the run into indexes that do not have it.
    pub(super) fn put_in_indexes(self, view: &mut View<'_>) -> Result<(), StoreError> {
        Self { queue_place: None, touched_key: None, ..self }.save(view)
    }

    /// Takes the run and its place in the indexes out of the store.
    pub(super) fn remove(self, view: &mut View<'_>) -> StoredRun {
        if let Some((table, key)) = &self.queue_place {
            view.remove(*table, key);
        }
        if let Some(key) = &self.touched_key {
            view.remove(Table::Touched, key);
        }
        view.remove(Table::Runs, &run_key(self.stored.record.info.id));
        self.stored
    }
}

/// Where the run stands in line: for a worker, for the end of its lease, or to be forgotten.
fn queue_place(record: &RunRecord) -> (Table, Vec<u8>) {
    let (table, at) = match record.state {
        RunState::Due { at } => (Table::Queue, at),
        RunState::Leased { until } => (Table::Leases, until),
        RunState::Idle | RunState::Dead { .. } => (Table::Finished, record.touched_at),
    };
    (table, queue_key(at, record.info.id))
}
