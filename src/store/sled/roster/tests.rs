//! The list as a file: bounded, private, and read as far as it goes.

use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::ids::WorkspaceId;

fn now() -> Timestamp {
    Timestamp::now()
}

fn listed(number: usize, seconds_ago: i64) -> Listed {
    let run = RunInfo {
        id: RunId(Uuid::from_u128(number as u128)),
        workspace: WorkspaceId(Uuid::from_u128(1)),
        project: None,
        work_item: None,
        agent_user: None,
        creator: None,
        comment: None,
        source_comment: None,
    };
    Listed { run, touched_at: now() - SignedDuration::from_secs(seconds_ago), prompted: true }
}

#[test]
fn what_is_noted_is_read_newest_first_and_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = path(dir.path());
    let mut roster = Roster::begin(path.clone(), vec![listed(1, 50), listed(2, 40)]);
    let again = Listed { prompted: false, ..listed(1, 30) };
    roster.note(vec![again.clone(), listed(3, 20)]);
    let ids: Vec<u128> = read(&path, now()).iter().map(|listed| listed.run.id.0.as_u128()).collect();
    assert_eq!(ids, [3, 1, 2]);
    assert_eq!(read(&path, now())[1], again);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn runs_not_touched_for_a_week_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = path(dir.path());
    let week = LISTED_FOR.as_secs();
    drop(Roster::begin(path.clone(), vec![listed(1, week + 60), listed(2, week - 60)]));
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
    assert_eq!(read(&path, now() + SignedDuration::from_secs(120)), []);
}

#[test]
fn the_file_stays_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let path = path(dir.path());
    let mut roster = Roster::begin(path.clone(), Vec::new());
    let mut longest = 0;
    for number in 0..30_000 {
        roster.note(vec![listed(number, 0)]);
        if number % 500 == 0 {
            longest = longest.max(fs::read_to_string(&path).unwrap().lines().count());
        }
    }
    assert!(longest <= MOST_RUNS + MOST_ADDED, "{longest} lines");
    let last: Vec<u128> = read(&path, now()).iter().map(|listed| listed.run.id.0.as_u128()).collect();
    assert_eq!(last.len(), MOST_RUNS);
    assert!((30_000 - MOST_RUNS as u128..30_000).all(|number| last.contains(&number)));
}

#[test]
fn no_list_and_one_in_the_way_are_survived() {
    let dir = tempfile::tempdir().unwrap();
    let path = path(dir.path());
    assert_eq!(read(&path, now()), []);
    fs::create_dir(&path).unwrap();
    assert_eq!(read(&path, now()), []);
    Roster::begin(path, vec![listed(1, 0)]).note(vec![listed(2, 0)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_cut_list_has_all_whole_lines(keep in 0.0..1.0_f64, noise in prop::collection::vec(any::<u8>(), 0..40)) {
        let dir = tempfile::tempdir().unwrap();
        let path = path(dir.path());
        drop(Roster::begin(path.clone(), (0..20).map(|number| listed(number, 0)).collect()));
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate((bytes.len() as f64 * keep) as usize);
        let whole = bytes.iter().filter(|byte| **byte == b'\n').count();
        bytes.extend(noise);
        fs::write(&path, bytes).unwrap();
        prop_assert!(read(&path, now()).len() >= whole);
    }
}
