//! Giving space back. sled's log only grows: what was removed in it is reused, never returned.
//!
//! A log that has grown to a multiple of what it was is copied into a fresh store beside it, while
//! the store is in use, and the copy takes its place ([`copy`], [`places`](super::places)). The
//! owner thread does all of it between its batches, in slices so short that nobody has to wait; only
//! what takes long and touches nothing in use, making the empty store and clearing the old one away,
//! happens on a thread beside it. The copy stays open when its directory is renamed: sled keeps to the
//! files it has opened.

use std::{
    io,
    path::Path,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    copy::{self, Copy, Trouble},
    open::{Files, Live},
    places::{Places, Swap},
    trees::Write,
};
use crate::store::StoreError;

/// The log is copied again when it is so many times as long as after the last time, when it took
/// about twice the room of what it holds.
const GROWN_TIMES: u64 = 2;

/// The longest slice; a command waits for one at most.
const SLICE: Duration = Duration::from_millis(2);

/// What must stay free on the disk, in bytes, so that a copy never takes the room of what comes in.
const SPARE_BYTES: u64 = 32 << 20;

/// How long after a copy that failed no other is tried.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(3600);

/// What was done so far in this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compactions {
    pub begun: u64,
    pub done: u64,
    /// Given up, the store being as good as before.
    pub abandoned: u64,
    pub last: Option<Compacted>,
}

/// What a copy came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// The length of the log, in bytes.
    pub before: u64,
    pub after: u64,
    pub took: Duration,
    /// For how long nothing was accepted at its end.
    pub pause: Duration,
}

/// Decides when the store is copied, and carries it out.
pub(super) struct Compaction {
    places: Places,
    /// A shorter log is left as it is; at 0 the store is copied again and again.
    above: u64,
    /// The length of the log after it was last copied.
    grown_from: u64,
    not_before: Option<Instant>,
    /// Whether anything was written since.
    has_changed: bool,
    under_way: Option<UnderWay>,
    /// What is done beside the owner thread.
    aside: Option<JoinHandle<()>>,
    slice: Duration,
    free_bytes: fn(&Path) -> io::Result<u64>,
    told: watch::Sender<Compactions>,
}

struct UnderWay {
    began: Instant,
    before: u64,
    stage: Stage,
}

enum Stage {
    Opening(JoinHandle<Result<Live, String>>),
    Copying(Copy),
}

impl Compaction {
    /// For the store in `data_dir`, whose log is copied once it is longer than `above`.
    pub(super) fn new(data_dir: &Path, above: u64, told: watch::Sender<Compactions>) -> Self {
        let places = Places::new(data_dir);
        let grown_from = places.noted_length();
        Self {
            places,
            above,
            grown_from,
            not_before: None,
            has_changed: false,
            under_way: None,
            aside: None,
            slice: SLICE,
            free_bytes,
            told,
        }
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// To be told of every commit.
    pub(super) fn follow(&mut self, writes: &[Write]) {
        self.has_changed = true;
        let Some(UnderWay { stage: Stage::Copying(copy), .. }) = &self.under_way else { return };
        match copy.follow(writes) {
            Ok(()) => {}
            Err(Trouble::Copy(message)) => self.abandon(&message),
            // It reads nothing of the store.
            Err(Trouble::Store(error)) => self.abandon(&error.to_string()),
        }
    }

    /// Goes on a little with what is under way, or begins if it is time. No batch may be under way.
    ///
    /// # Errors
    /// The store itself does not work any more.
    pub(super) fn advance(&mut self, files: &mut Files) -> Result<(), StoreError> {
        match self.step(files) {
            Ok(()) => Ok(()),
            Err(Trouble::Copy(message)) => {
                self.abandon(&message);
                Ok(())
            }
            Err(Trouble::Store(error)) => {
                // Which of the directories is the store is for the next start to say.
                let unused = self.under_way.take();
                self.aside(move || drop(unused));
                Err(error)
            }
        }
    }

    /// Lets go of everything. A copy that is not done yet is thrown away.
    pub(super) fn end(&mut self) {
        if let Some(under_way) = self.under_way.take() {
            self.clear_away(under_way);
        }
        self.await_aside();
    }

    fn step(&mut self, files: &mut Files) -> Result<(), Trouble> {
        let (is_equal, is_opened) = match self.under_way.as_ref().map(|under_way| &under_way.stage) {
            None => return self.begin_if_due(&files.live),
            Some(Stage::Opening(opening)) => (false, opening.is_finished()),
            Some(Stage::Copying(copy)) => (copy.is_equal(), false),
        };
        if is_equal {
            return self.put_in_place(files);
        }
        if is_opened {
            return self.begin_copying(&files.live);
        }
        self.spare_room(0)?;
        match self.under_way.as_mut().map(|under_way| &mut under_way.stage) {
            Some(Stage::Copying(copy)) => copy.advance(self.slice),
            Some(Stage::Opening(_)) | None => Ok(()),
        }
    }

    fn begin_if_due(&mut self, live: &Live) -> Result<(), Trouble> {
        let now = Instant::now();
        let length = live.length().map_err(|error| Trouble::Store(StoreError::Broken(error.to_string())))?;
        let is_due = match self.above {
            0 => self.has_changed,
            above => length >= above && length >= self.grown_from.saturating_mul(GROWN_TIMES),
        };
        metrics::gauge!("aileron_store_log_bytes").set(length as f64);
        let is_early = self.not_before.is_some_and(|not_before| now < not_before);
        let is_clearing = self.aside.as_ref().is_some_and(|aside| !aside.is_finished());
        if !is_due || is_early || is_clearing {
            return Ok(());
        }
        // The copy of a log that has grown to twice its length is about half of it.
        self.spare_room(length / 2)?;
        tracing::info!(log_bytes = length, "the store is copied to give space back");
        self.told.send_modify(|told| told.begun += 1);
        let places = Places::new(&self.places.data_dir);
        let opening = thread::Builder::new().name("store copy".to_owned()).spawn(move || copy::begin(&places));
        let opening = opening.map_err(|error| Trouble::Copy(error.to_string()))?;
        self.under_way = Some(UnderWay { began: now, before: length, stage: Stage::Opening(opening) });
        Ok(())
    }

    fn begin_copying(&mut self, live: &Live) -> Result<(), Trouble> {
        let Some(UnderWay { began, before, stage: Stage::Opening(opening) }) = self.under_way.take() else {
            return Ok(());
        };
        let opened = opening.join().unwrap_or_else(|_| Err("sled panicked".to_owned()));
        let copy = Copy::new(live, opened.map_err(Trouble::Copy)?)?;
        self.under_way = Some(UnderWay { began, before, stage: Stage::Copying(copy) });
        Ok(())
    }

    fn put_in_place(&mut self, files: &mut Files) -> Result<(), Trouble> {
        let paused = Instant::now();
        if let Some(UnderWay { stage: Stage::Copying(copy), .. }) = &self.under_way {
            copy.make_durable()?;
        }
        if let Swap::Refused(error) = self.places.swap().map_err(Trouble::Store)? {
            return Err(Trouble::Copy(error.to_string()));
        }
        let Some(UnderWay { began, before, stage: Stage::Copying(copy) }) = self.under_way.take() else {
            return Ok(());
        };
        let old = std::mem::replace(&mut files.live, copy.into_store());
        let pause = paused.elapsed();
        let after = files.live.length().unwrap_or(0);
        self.places.note_length(after);
        (self.grown_from, self.has_changed) = (after, false);
        self.clear_away(old);
        self.tell(Compacted { before, after, took: began.elapsed(), pause });
        Ok(())
    }

    fn tell(&self, compacted: Compacted) {
        let Compacted { before, after, took, pause } = compacted;
        metrics::counter!("aileron_store_compactions_total", "outcome" => "done").increment(1);
        metrics::histogram!("aileron_store_compaction_pause_seconds").record(pause);
        let (secs, pause_secs) = (took.as_secs_f64(), pause.as_secs_f64());
        tracing::info!(before, after, secs, pause_secs, "the store gave space back, in bytes");
        self.told.send_modify(|told| (told.done, told.last) = (told.done + 1, Some(compacted)));
    }

    fn abandon(&mut self, message: &str) {
        self.not_before = Some(Instant::now() + TRY_AGAIN_AFTER);
        let unused = self.under_way.take();
        self.clear_away(unused);
        metrics::counter!("aileron_store_compactions_total", "outcome" => "abandoned").increment(1);
        tracing::warn!(
            reason = message,
            try_again_secs = TRY_AGAIN_AFTER.as_secs(),
            "the store cannot give space back now and goes on as it is"
        );
        self.told.send_modify(|told| told.abandoned += 1);
    }

    /// Whether so much may be written and enough stays free.
    fn spare_room(&self, bytes: u64) -> Result<(), Trouble> {
        match (self.free_bytes)(&self.places.data_dir) {
            Ok(free) if free >= SPARE_BYTES.saturating_add(bytes) => Ok(()),
            Ok(free) => Err(Trouble::Copy(format!("no room for a copy: {free} bytes are free on the disk"))),
            Err(error) => Err(Trouble::Copy(format!("the room on the disk is not known: {error}"))),
        }
    }

    /// Closes what is not in use any more and removes it from the disk.
    fn clear_away<T: Send + 'static>(&mut self, unused: T) {
        let places = Places::new(&self.places.data_dir);
        self.aside(move || {
            drop(unused);
            if let Err(error) = places.clear() {
                tracing::warn!(%error, "what is left of a copy of the store cannot be removed");
            }
        });
    }

    /// Does on a thread of its own what may take long, or panic.
    fn aside(&mut self, work: impl FnOnce() + Send + 'static) {
        self.await_aside();
        // Without a thread it is left to the next start.
        self.aside = thread::Builder::new().name("store copy".to_owned()).spawn(work).ok();
    }

    fn await_aside(&mut self) {
        if let Some(aside) = self.aside.take() {
            // That it panicked while closing makes no difference any more.
            let _ = aside.join();
        }
    }
}

/// The bytes anyone may write on the disk that holds `dir`.
fn free_bytes(dir: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(dir)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests;
