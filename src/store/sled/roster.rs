//! A list of the runs beside the store, an aid for the day the store is damaged.
//!
//! What was said in a run Plane keeps too, but it has no list of runs: whoever lost their ids can ask
//! for none of it. So each run that was touched within days is noted here, one line of JSON an accepted
//! event, ids and times only. Nothing waits for the lines to be durable, and what a power cut left of
//! them is read as far as it goes. The list is written anew from the store at every opening, and
//! whenever it has grown to a multiple of what it says.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    kept::Kept,
    open::replace_private,
    records::touched_key_run,
    retention,
    view::{Table, View},
};
use crate::{
    domain::{event::RunInfo, ids::RunId},
    store::{RunRecord, RunState, StoreError},
};

/// Runs untouched for longer are not listed: an answer in them would come out of the blue.
const LISTED_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Most runs listed, those touched last.
const MOST_RUNS: usize = 2000;
/// Lines added before the list is written anew.
const MOST_ADDED: usize = 4000;

/// A run as the list has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listed {
    run: RunInfo,
    touched_at: Timestamp,
    prompted: bool,
}

impl From<&RunRecord> for Listed {
    fn from(record: &RunRecord) -> Self {
        Self { run: record.info.clone(), touched_at: record.touched_at, prompted: record.prompted }
    }
}

/// The list of a store in use.
pub(super) struct Roster {
    path: PathBuf,
    /// `None` if the list cannot be written, which is told once.
    file: Option<File>,
    runs: HashMap<RunId, Listed>,
    /// Lines added since the list was written as a whole.
    added: usize,
}

/// Where the list is.
pub(super) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("runs.jsonl")
}

/// The runs listed at `path` and touched lately. A line that cannot be read is passed over.
pub(super) fn read(path: &Path, now: Timestamp) -> Vec<Listed> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "the list of runs cannot be read");
            return Vec::new();
        }
    };
    let mut runs = HashMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Ok(listed) = serde_json::from_slice::<Listed>(line) {
            runs.insert(listed.run.id, listed);
        }
    }
    newest(runs.into_values(), now)
}

/// Makes the runs that are listed and not known, or known as of an earlier time only, known runs at
/// rest, and says how many they were. What is shown of them in Plane from before `now` may have been
/// answered by the store that is lost.
pub(super) fn restore(view: &mut View<'_>, listed: &[Listed], now: Timestamp) -> Result<usize, StoreError> {
    let mut restored = 0;
    for listed in listed {
        let mut run = match Kept::load(view, listed.run.id) {
            Ok(Some(run)) if run.stored.record.touched_at >= listed.touched_at => continue,
            Ok(Some(run)) => run,
            Ok(None) => Kept::new(view, listed.run.clone(), now)?,
            // Left to whoever comes upon it.
            Err(StoreError::Unreadable { .. }) => continue,
            Err(error) => return Err(error),
        };
        let record = &mut run.stored.record;
        record.info.merge(&listed.run);
        record.prompted |= listed.prompted;
        record.first_seen = now;
        record.touched_at = listed.touched_at;
        record.history_lost = true;
        // A turn still under way goes on under its names and finds what it did; a new one must not
        // get those of a turn that is lost.
        if record.state == RunState::Idle {
            record.journal_len = record.journal_len.max(retention::first_entry(now));
        }
        run.save(view)?;
        restored += 1;
    }
    Ok(restored)
}

/// The runs of a store that are to be listed.
pub(super) fn of_store(view: &View<'_>, now: Timestamp) -> Result<Vec<Listed>, StoreError> {
    let mut listed = Vec::new();
    for (key, _) in view.scan_prefix(Table::Touched, b"", MOST_RUNS)? {
        match Kept::load(view, touched_key_run(&key)?) {
            Ok(Some(run)) if !is_old(run.stored.record.touched_at, now) => {
                listed.push(Listed::from(&run.stored.record))
            }
            Ok(Some(_)) => break,
            Ok(None) | Err(StoreError::Unreadable { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(listed)
}

impl Roster {
    /// Replaces the list at `path` by one of these runs.
    pub(super) fn begin(path: PathBuf, listed: Vec<Listed>) -> Self {
        let runs = listed.into_iter().map(|listed| (listed.run.id, listed)).collect();
        let mut roster = Self { path, file: None, runs, added: 0 };
        roster.write_anew();
        roster
    }

    /// Adds runs that were touched.
    pub(super) fn note(&mut self, listed: Vec<Listed>) {
        let Some(file) = &mut self.file else { return };
        let mut lines = Vec::new();
        for listed in &listed {
            // Ids and a time are always JSON.
            if serde_json::to_writer(&mut lines, listed).is_ok() {
                lines.push(b'\n');
            }
        }
        // In one write, so that a process killed right then leaves whole lines.
        if let Err(error) = file.write_all(&lines) {
            self.give_up(&error);
            return;
        }
        self.added += listed.len();
        self.runs.extend(listed.into_iter().map(|listed| (listed.run.id, listed)));
        if self.added >= MOST_ADDED {
            self.write_anew();
        }
    }

    fn write_anew(&mut self) {
        let listed = newest(std::mem::take(&mut self.runs).into_values(), Timestamp::now());
        self.file = match replace(&self.path, &listed) {
            Ok(file) => Some(file),
            Err(error) => return self.give_up(&error),
        };
        self.runs = listed.into_iter().map(|listed| (listed.run.id, listed)).collect();
        self.added = 0;
    }

    fn give_up(&mut self, error: &io::Error) {
        tracing::error!(
            path = %self.path.display(),
            %error,
            "the list of runs cannot be written and is left as it is until the next start; the store goes on without it"
        );
        self.file = None;
        self.runs = HashMap::new();
    }
}

fn is_old(touched_at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(touched_at) >= LISTED_FOR
}

/// As many as are to be listed, those touched last first.
fn newest(runs: impl Iterator<Item = Listed>, now: Timestamp) -> Vec<Listed> {
    let mut listed: Vec<Listed> = runs.filter(|listed| !is_old(listed.touched_at, now)).collect();
    listed.sort_by_key(|listed| std::cmp::Reverse(listed.touched_at));
    listed.truncate(MOST_RUNS);
    listed
}

/// Writes the list as a whole and returns it open at its end.
fn replace(path: &Path, listed: &[Listed]) -> io::Result<File> {
    let mut lines = Vec::new();
    for listed in listed.iter().rev() {
        serde_json::to_writer(&mut lines, listed)?;
        lines.push(b'\n');
    }
    replace_private(path, &lines)
}

#[cfg(test)]
mod tests;
