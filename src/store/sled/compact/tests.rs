//! A copy from its beginning to its end: what a process that dies leaves at each step, and what trouble
//! with the copy comes to.

use std::fs;

use super::*;
use crate::store::sled::{
    open,
    view::{Table, View},
};

/// A store with entries in several trees, and what drives its copy.
struct Bench {
    files: Files,
    compaction: Compaction,
    told: watch::Receiver<Compactions>,
    written: u8,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = open::open(dir.path()).unwrap().files;
        let (sender, told) = watch::channel(Compactions::default());
        let mut compaction = Compaction::new(dir.path(), 0, sender);
        compaction.slice = Duration::ZERO;
        compaction.free_bytes = |_| Ok(u64::MAX);
        let mut bench = Self { files, compaction, told, written: 0, dir };
        for _ in 0..20 {
            bench.write();
        }
        bench
    }

    /// Commits the next entry, and takes out the one five before it.
    fn write(&mut self) {
        let mut view = View::new(&self.files.live.trees);
        for table in [Table::Inbox, Table::Journal] {
            view.insert(table, vec![self.written], vec![self.written; 5000]);
            if let Some(gone) = self.written.checked_sub(5).filter(|gone| gone % 2 == 0) {
                view.remove(table, &[gone]);
            }
        }
        let written = self.files.commit(view.into_changes().unwrap().writes).unwrap();
        self.compaction.follow(&written);
        self.written += 1;
    }

    fn advance(&mut self) {
        self.compaction.advance(&mut self.files).unwrap();
        // What is done beside is awaited, so that no test depends on how long it takes.
        while matches!(&self.compaction.under_way, Some(UnderWay { stage: Stage::Opening(opening), .. }) if !opening.is_finished())
        {
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn told(&self) -> Compactions {
        *self.told.borrow()
    }

    fn is_copying(&self) -> bool {
        matches!(self.compaction.under_way, Some(UnderWay { stage: Stage::Copying(_), .. }))
    }

    /// What is in the directory now is, once the process is gone, a store with all that was committed.
    fn expect_nothing_lost_by_dying(&self) {
        let left = tempfile::tempdir().unwrap();
        copy_all(self.dir.path(), left.path());
        expect_whole(left.path(), self.written);
    }

    /// Ends as the owner does.
    fn reopen(mut self) -> u8 {
        self.compaction.end();
        drop(self.files);
        expect_whole(self.dir.path(), self.written);
        self.written
    }
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    // What is cleared away meanwhile may vanish under us.
    for entry in fs::read_dir(from).into_iter().flatten() {
        let (path, target) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).unwrap();
        if path.is_dir() {
            copy_all(&path, &target);
        } else {
            let _ = fs::copy(&path, &target);
        }
    }
}

fn expect_whole(data_dir: &Path, written: u8) {
    let found = open::open(data_dir).unwrap();
    assert_eq!((found.set_aside, found.commits_lost), (None, 0));
    let mut names: Vec<_> = fs::read_dir(data_dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.retain(|name| name.to_string_lossy().starts_with("store."));
    assert!(!names.iter().any(|name| name == "store.copy" || name == "store.old"), "{names:?}");
    assert_eq!(fs::read_dir(data_dir.join("store/blobs")).unwrap().count(), 0);
    let view = View::new(&found.files.live.trees);
    for table in [Table::Inbox, Table::Journal] {
        let kept = (0..written).filter(|number| number % 2 == 1 || number + 5 >= written);
        let expected: Vec<_> = kept.map(|number| (vec![number], vec![number; 5000])).collect();
        assert!(view.scan_prefix(table, b"", usize::MAX).unwrap() == expected, "{written} entries were written");
    }
}

#[test]
fn a_process_that_dies_at_any_step_of_a_copy_loses_nothing() {
    let mut bench = Bench::new();
    let mut steps = 0;
    while bench.told().done < 2 {
        if steps % 3 == 0 && bench.written < 250 {
            bench.write();
        }
        bench.expect_nothing_lost_by_dying();
        bench.advance();
        bench.expect_nothing_lost_by_dying();
        steps += 1;
    }
    assert!(steps > 60, "{steps} steps were too few to say anything");
    assert_eq!((bench.told().begun, bench.told().abandoned), (2, 0));
    bench.reopen();
}

#[test]
fn a_store_that_is_closed_during_a_copy_is_as_good_as_ever() {
    for steps in [1, 2, 5, 30] {
        let mut bench = Bench::new();
        for _ in 0..steps {
            bench.advance();
        }
        assert!(bench.compaction.is_under_way());
        bench.reopen();
    }
}

#[test]
fn a_log_is_copied_when_it_is_long_and_has_grown() {
    let mut bench = Bench::new();
    let length = bench.files.live.length().unwrap();
    for (above, grown_from, is_due) in
        [(length + 1, 0, false), (length, length / 2 + 1, false), (length, length / 2, true), (u64::MAX, 0, false)]
    {
        (bench.compaction.above, bench.compaction.grown_from) = (above, grown_from);
        bench.advance();
        assert_eq!(bench.compaction.is_under_way(), is_due, "above {above}, grown from {grown_from}");
        bench.compaction.end();
    }
    bench.compaction.above = length;
    bench.compaction.grown_from = 0;
    while bench.told().done == 0 {
        bench.advance();
    }
    let last = bench.told().last.unwrap();
    assert_eq!(last.before, length);
    assert_eq!(bench.compaction.grown_from, bench.files.live.length().unwrap());
    assert_eq!(bench.compaction.places.noted_length(), bench.compaction.grown_from);
    bench.reopen();
}

/// Has the copy fail as told, and expects a store that goes on and is left in peace for a while.
fn expect_abandoned(fail: impl FnOnce(&mut Bench)) {
    let mut bench = Bench::new();
    fail(&mut bench);
    for _ in 0..1000 {
        bench.advance();
        if bench.told().abandoned > 0 {
            break;
        }
    }
    assert_eq!((bench.told().abandoned, bench.told().done), (1, 0));
    bench.write();
    bench.advance();
    assert!(!bench.compaction.is_under_way(), "it is tried again at once");
    bench.compaction.not_before = Some(Instant::now());
    bench.compaction.free_bytes = |_| Ok(u64::MAX);
    let _ = fs::remove_file(&bench.compaction.places.copy);
    while bench.told().done == 0 {
        bench.advance();
    }
    bench.reopen();
}

#[test]
fn a_copy_that_cannot_be_begun_is_given_up() {
    expect_abandoned(|bench| fs::write(&bench.compaction.places.copy, "a file in the way").unwrap());
}

#[test]
fn a_copy_without_room_is_not_begun() {
    expect_abandoned(|bench| bench.compaction.free_bytes = |_| Ok(SPARE_BYTES));
    expect_abandoned(|bench| bench.compaction.free_bytes = |_| Err(io::Error::other("unknown")));
}

#[test]
fn a_copy_that_runs_out_of_room_is_given_up() {
    expect_abandoned(|bench| {
        while !bench.is_copying() {
            bench.advance();
        }
        bench.advance();
        bench.compaction.free_bytes = |_| Ok(SPARE_BYTES - 1);
    });
}

#[test]
fn a_copy_that_cannot_be_put_in_place_is_given_up() {
    expect_abandoned(|bench| {
        while !bench.is_copying() {
            bench.advance();
        }
        fs::create_dir_all(bench.compaction.places.old.join("in the way")).unwrap();
    });
}

#[test]
fn a_swap_that_may_not_last_ends_the_store_and_the_next_start_has_everything() {
    let mut bench = Bench::new();
    while !bench.is_copying() {
        bench.advance();
    }
    bench.compaction.places.data_dir = bench.dir.path().join("gone");
    let error = loop {
        match bench.compaction.advance(&mut bench.files) {
            Ok(()) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Broken(_)));
    assert_eq!(bench.told().done, 0);
    bench.reopen();
}

#[test]
fn the_room_on_the_disk_is_known() {
    assert!(free_bytes(Path::new("/")).unwrap() > 0);
    assert!(free_bytes(Path::new("/no such place")).is_err());
}
