//! Writes between the slices of a copy, at every point, against a plain map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::store::sled::{
    trees::PIECE_BYTES,
    view::{Table, View},
};

/// The first, one in the middle, and the last of the trees.
const TABLES: [Table; 3] = [Table::Runs, Table::Journal, Table::Finished];

#[derive(Debug, Clone)]
enum Op {
    Put { table: usize, key: u8, length: usize, fill: u8 },
    Remove { table: usize, key: u8 },
    Slice,
}

fn any_op() -> impl Strategy<Value = Op> {
    let length = prop_oneof![5 => 0..40_usize, 1 => Just(2 * PIECE_BYTES + 1)];
    prop_oneof![
        4 => (0..3_usize, 0..24_u8, length, any::<u8>())
            .prop_map(|(table, key, length, fill)| Op::Put { table, key, length, fill }),
        2 => (0..3_usize, 0..24_u8).prop_map(|(table, key)| Op::Remove { table, key }),
        8 => Just(Op::Slice),
    ]
}

/// A store and an empty one for its copy.
fn begun(dir: &std::path::Path) -> (Live, Live) {
    let store = open::open(dir).unwrap().files.live;
    (store, begin(&Places::new(dir)).unwrap())
}

/// Commits one change and has the copy follow.
fn write(store: &Live, copy: &Copy, (table, key): (usize, u8), value: Option<Vec<u8>>) {
    let mut view = View::new(&store.trees);
    match value {
        Some(value) => view.insert(TABLES[table], vec![key], value),
        None => view.remove(TABLES[table], &[key]),
    }
    let writes = view.into_changes().unwrap().writes;
    store.trees.apply(&writes).unwrap();
    copy.follow(&writes).unwrap();
}

fn entries(tree: &sled::Tree) -> Vec<(IVec, IVec)> {
    tree.iter().map(Result::unwrap).collect()
}

/// The copy holds exactly what the store holds up to where it has come.
fn expect_equal_so_far(copy: &Copy) {
    for (number, (from, to)) in copy.pairs.iter().enumerate() {
        let mut expected = entries(from);
        if copy.phase == Phase::Copying {
            expected.retain(|(key, _)| {
                number < copy.at || number == copy.at && copy.after.as_ref().is_some_and(|after| key <= after)
            });
        }
        assert_eq!(entries(to), expected, "tree {number}");
    }
}

fn check(before: &[(usize, u8)], ops: &[Op], at_once: usize) {
    let dir = tempfile::tempdir().unwrap();
    let (store, into) = begun(dir.path());
    let mut model = BTreeMap::new();
    let mut copy = Copy::new(&store, into).unwrap();
    copy.at_once = at_once;
    for (table, key) in before {
        write(&store, &copy, (*table, *key), Some(vec![*key; 20]));
        model.insert((*table, *key), vec![*key; 20]);
    }
    for op in ops {
        match op {
            Op::Put { table, key, length, fill } => {
                write(&store, &copy, (*table, *key), Some(vec![*fill; *length]));
                model.insert((*table, *key), vec![*fill; *length]);
            }
            Op::Remove { table, key } => {
                write(&store, &copy, (*table, *key), None);
                model.remove(&(*table, *key));
            }
            Op::Slice => copy.few_entries().unwrap(),
        }
        expect_equal_so_far(&copy);
    }
    while !copy.is_equal() {
        copy.few_entries().unwrap();
    }
    expect_equal_so_far(&copy);
    copy.make_durable().unwrap();
    let copied = copy.into_store();
    let view = View::new(&copied.trees);
    for (number, table) in TABLES.into_iter().enumerate() {
        let found = view.scan_prefix(table, b"", usize::MAX).unwrap();
        let expected: Vec<_> = model.range((number, 0)..=(number, 255)).collect();
        assert!(found.iter().map(|(key, value)| ((number, key[0]), value)).eq(expected.iter().map(|(k, v)| (**k, *v))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_copy_made_while_its_store_is_written_to_is_the_same(
        before in prop::collection::vec((0..3_usize, 0..24_u8), 0..40),
        ops in prop::collection::vec(any_op(), 0..120),
        at_once in 1..4_usize,
    ) {
        check(&before, &ops, at_once);
    }
}

#[test]
fn a_tree_this_version_does_not_know_is_copied() {
    let dir = tempfile::tempdir().unwrap();
    let (store, into) = begun(dir.path());
    store.db.open_tree("of a later version").unwrap().insert("key", "value").unwrap();
    let mut copy = Copy::new(&store, into).unwrap();
    while !copy.is_equal() {
        copy.advance(Duration::from_millis(1)).unwrap();
    }
    let copied = copy.into_store();
    assert_eq!(copied.db.open_tree("of a later version").unwrap().get("key").unwrap(), Some("value".into()));
}

#[test]
fn a_copy_that_differs_is_not_taken() {
    for spoil in [
        |to: &sled::Tree| to.insert("more", "than there is").map(drop),
        |to: &sled::Tree| to.insert([7], "other").map(drop),
        |to: &sled::Tree| to.remove([7]).map(drop),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (store, into) = begun(dir.path());
        let mut copy = Copy::new(&store, into).unwrap();
        write(&store, &copy, (1, 7), Some(vec![1]));
        while copy.phase == Phase::Copying {
            copy.few_entries().unwrap();
        }
        spoil(&copy.pairs[Table::Journal as usize].1).unwrap();
        let outcome = loop {
            match copy.few_entries() {
                Ok(()) if copy.is_equal() => break Ok(()),
                Ok(()) => {}
                Err(trouble) => break Err(trouble),
            }
        };
        assert!(matches!(outcome, Err(Trouble::Copy(_))), "{outcome:?}");
    }
}
