//! A copy cut off after each of its steps, and what is found afterwards.

use super::*;
use crate::store::sled::open::open;

/// A store with some records, rewritten so often that its log is mostly waste.
fn filled(data_dir: &Path) -> sled::Db {
    fs::create_dir_all(data_dir).unwrap();
    let db = open::settings(&data_dir.join("store")).open().unwrap();
    let tree = db.open_tree("things").unwrap();
    for round in 0..40_u8 {
        for number in 0..500_u32 {
            tree.insert(number.to_be_bytes(), vec![round; 700]).unwrap();
        }
        db.flush().unwrap();
    }
    db
}

fn expect_whole(data_dir: &Path) {
    Places::new(data_dir).recover().unwrap();
    let names: Vec<_> =
        fs::read_dir(data_dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!names.iter().any(|name| name == "store.copy" || name == "store.old"), "{names:?}");
    let log = File::open(data_dir.join("store/db")).unwrap();
    open::wait_until_free(&log, data_dir).unwrap();
    let db = open::settings(&data_dir.join("store")).open().unwrap();
    let tree = db.open_tree("things").unwrap();
    assert_eq!(tree.len(), 500);
    assert!(tree.iter().all(|entry| entry.unwrap().1 == vec![39; 700]));
}

#[test]
fn a_copy_holds_the_same_in_less() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::new(dir.path());
    let compacted = places.replace(filled(dir.path())).unwrap();
    assert!(compacted.after * 3 < compacted.before, "{compacted:?}");
    expect_whole(dir.path());
}

#[test]
fn a_process_that_ends_at_any_step_leaves_a_whole_store() {
    for steps in 0..=3 {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::new(dir.path());
        let db = filled(dir.path());
        if steps >= 1 {
            places.copy(&db).unwrap();
        } else {
            // Cut off in the middle of copying.
            open::create_private(&places.copy).unwrap();
            fs::write(places.copy.join("db"), "half a log").unwrap();
        }
        places.let_go(db, &places.store).unwrap();
        if steps >= 2 {
            places.take_away().unwrap();
        }
        if steps >= 3 {
            places.put_in_place().unwrap();
        }
        expect_whole(dir.path());
    }
}

#[test]
fn a_copy_that_fails_leaves_the_store_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::new(dir.path());
    let db = filled(dir.path());
    fs::write(&places.copy, "a file in the way").unwrap();
    assert!(places.copy(&db).is_err());
    fs::remove_file(&places.copy).unwrap();
    drop(db);
    expect_whole(dir.path());
}

#[test]
fn a_short_log_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let found = open(dir.path()).unwrap();
    assert_eq!(found.compacted, None);
    assert!(!dir.path().join("store.size").exists());
}
