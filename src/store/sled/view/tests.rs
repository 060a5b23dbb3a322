//! The view against a plain map that does the same.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::store::sled::trees::{PIECE_BYTES, piece_key};

#[derive(Debug, Clone)]
enum Op {
    Insert {
        key: Vec<u8>,
        length: usize,
        fill: u8,
    },
    Remove {
        key: Vec<u8>,
    },
    Scan {
        prefix: Vec<u8>,
        limit: usize,
    },
    /// Ends a command, well or not.
    EndCommand {
        failed: bool,
    },
    /// Ends the batch.
    Commit,
}

fn any_key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(vec![0_u8, 1, 255]), 0..4)
}

fn any_length() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => 0..50_usize,
        2 => PIECE_BYTES - 2..PIECE_BYTES + 2,
        1 => 2 * PIECE_BYTES - 1..2 * PIECE_BYTES + 2,
        1 => Just(70_000_usize),
    ]
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (any_key(), any_length(), any::<u8>()).prop_map(|(key, length, fill)| Op::Insert { key, length, fill }),
        3 => any_key().prop_map(|key| Op::Remove { key }),
        4 => (any_key(), 0..6_usize).prop_map(|(prefix, limit)| Op::Scan { prefix, limit }),
        2 => any::<bool>().prop_map(|failed| Op::EndCommand { failed }),
        1 => Just(Op::Commit),
    ]
}

fn value(length: usize, fill: u8) -> Vec<u8> {
    (0..length).map(|at| fill ^ u8::try_from(at % 251).unwrap()).collect()
}

fn model_scan(model: &BTreeMap<Vec<u8>, Vec<u8>>, prefix: &[u8], limit: usize) -> Vec<Entry> {
    let matching = model.iter().filter(|(key, _)| key.starts_with(prefix)).take(limit);
    matching.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// How many pieces the values of the model are to be kept in.
fn pieces_of(model: &BTreeMap<Vec<u8>, Vec<u8>>) -> usize {
    model.values().filter(|value| value.len() >= PIECE_BYTES).map(|value| value.len().div_ceil(PIECE_BYTES)).sum()
}

fn commit(trees: &Trees, view: View<'_>) {
    trees.apply(&view.into_changes().unwrap().writes).unwrap();
}

fn check(ops: &[Op]) {
    let db = sled::Config::new().temporary(true).open().unwrap();
    let trees = Trees::open(&db).unwrap();
    // Its entries sort right behind and must never show.
    let mut neighbour = View::new(&trees);
    neighbour.insert(Table::Queue, vec![0], vec![9]);
    commit(&trees, neighbour);

    let mut view = View::new(&trees);
    let mut model = BTreeMap::new();
    let mut before_command = model.clone();
    for op in ops {
        match op {
            Op::Insert { key, length, fill } => {
                view.insert(Table::Inbox, key.clone(), value(*length, *fill));
                model.insert(key.clone(), value(*length, *fill));
            }
            Op::Remove { key } => {
                view.remove(Table::Inbox, key);
                model.remove(key);
            }
            Op::Scan { prefix, limit } => {
                assert_eq!(view.scan_prefix(Table::Inbox, prefix, *limit).unwrap(), model_scan(&model, prefix, *limit));
                assert_eq!(view.get(Table::Inbox, prefix).unwrap(), model.get(prefix).cloned());
            }
            Op::EndCommand { failed } => {
                if *failed {
                    view.rollback();
                    model.clone_from(&before_command);
                }
                view.begin();
                before_command.clone_from(&model);
            }
            Op::Commit => {
                commit(&trees, view);
                view = View::new(&trees);
                before_command.clone_from(&model);
                assert_eq!(trees.pieces().unwrap().len(), pieces_of(&model));
            }
        }
        assert_eq!(view.scan_prefix(Table::Inbox, b"", usize::MAX).unwrap(), model_scan(&model, b"", usize::MAX));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_view_does_what_a_map_does(ops in prop::collection::vec(any_op(), 1..60)) {
        check(&ops);
    }
}

#[test]
fn a_rollback_takes_back_signals_too() {
    let db = sled::Config::new().temporary(true).open().unwrap();
    let trees = Trees::open(&db).unwrap();
    let mut view = View::new(&trees);
    view.announce(Signal::Due);
    view.begin();
    view.announce(Signal::Due);
    view.rollback();
    assert_eq!(view.into_changes().unwrap().signals, [Signal::Due]);
}

#[test]
fn a_value_with_a_lost_piece_is_unreadable_and_no_panic() {
    let db = sled::Config::new().temporary(true).open().unwrap();
    let trees = Trees::open(&db).unwrap();
    let mut view = View::new(&trees);
    view.insert(Table::Journal, vec![1], value(3 * PIECE_BYTES, 0));
    commit(&trees, view);
    trees.pieces().unwrap().remove(piece_key(Table::Journal, &[1], 1)).unwrap();
    let found = View::new(&trees).get(Table::Journal, &[1]);
    assert!(matches!(found, Err(StoreError::Unreadable { tree: "journal", .. })));
}

#[test]
fn every_table_stands_at_its_own_number() {
    for (number, table) in Table::ALL.into_iter().enumerate() {
        assert_eq!(table as usize, number);
    }
}
