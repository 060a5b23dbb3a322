//! Where a process may end between the renames, and what the next one makes of it.

use super::*;

/// Directories with a word in each that tells them apart.
fn with(names: &[(&str, &str)]) -> (tempfile::TempDir, Places) {
    let dir = tempfile::tempdir().unwrap();
    for (name, word) in names {
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::write(dir.path().join(name).join("word"), word).unwrap();
    }
    let places = Places::new(dir.path());
    (dir, places)
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn word(places: &Places) -> String {
    fs::read_to_string(places.store.join("word")).unwrap()
}

#[test]
fn whatever_was_left_becomes_one_store() {
    let table: [(&[(&str, &str)], &str); 6] = [
        (&[("store", "old")], "old"),
        (&[("store", "old"), ("store.copy", "half")], "old"),
        (&[("store.old", "old"), ("store.copy", "new")], "old"),
        (&[("store", "new"), ("store.old", "old")], "new"),
        (&[("store.old", "old")], "old"),
        (&[("store", "new"), ("store.old", "old"), ("store.copy", "half")], "new"),
    ];
    for (left, expected) in table {
        let (dir, places) = with(left);
        places.recover().unwrap();
        assert_eq!((names(dir.path()), word(&places)), (vec!["store".to_owned()], expected.to_owned()), "{left:?}");
    }
    let (dir, places) = with(&[]);
    places.recover().unwrap();
    assert!(names(dir.path()).is_empty());
}

#[test]
fn what_cannot_be_cleared_away_prevents_nothing() {
    let (dir, places) = with(&[("store", "good")]);
    fs::write(&places.copy, "a file in the way").unwrap();
    places.recover().unwrap();
    assert_eq!((names(dir.path()).len(), word(&places)), (2, "good".to_owned()));
}

#[test]
fn the_old_store_is_kept_while_there_is_no_other() {
    let (dir, places) = with(&[("store.old", "old"), ("store.copy", "new")]);
    places.clear().unwrap();
    assert_eq!(names(dir.path()), ["store.old"]);
}

#[test]
fn a_copy_takes_the_place_of_the_store() {
    let (_dir, places) = with(&[("store", "old"), ("store.copy", "new")]);
    assert!(matches!(places.swap(), Ok(Swap::Done)));
    assert_eq!(word(&places), "new");
}

#[test]
fn a_store_that_cannot_be_replaced_stays_where_it_is() {
    // The one has no copy to put in its place, the other nowhere to go.
    for left in [[("store", "good"), ("elsewhere", "")], [("store", "good"), ("store.old", "in the way")]] {
        let (_dir, places) = with(&left);
        assert!(matches!(places.swap(), Ok(Swap::Refused(_))));
        assert_eq!(word(&places), "good");
    }
}

#[test]
fn a_rename_that_may_not_last_is_no_swap() {
    let (dir, mut places) = with(&[("store", "old"), ("store.copy", "new")]);
    places.data_dir = dir.path().join("gone");
    assert!(matches!(places.swap(), Err(StoreError::Broken(_))));
    let places = Places::new(dir.path());
    places.recover().unwrap();
    assert_eq!(word(&places), "old");
}
