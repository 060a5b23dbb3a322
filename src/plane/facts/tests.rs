//! What is remembered, for how long, and for how many.

use std::sync::atomic::{AtomicUsize, Ordering};

use uuid::Uuid;

use super::*;

const TTL: Duration = Duration::from_secs(60);

fn key(number: u128) -> Key {
    (WorkspaceId(Uuid::from_u128(1)), ProjectId(Uuid::from_u128(number)))
}

/// Counts how often it is asked, and answers with that number.
#[derive(Default)]
struct Source {
    asked: AtomicUsize,
}

impl Source {
    async fn fetch(&self) -> Result<usize, PlaneError> {
        tokio::task::yield_now().await;
        Ok(self.asked.fetch_add(1, Ordering::SeqCst) + 1)
    }

    async fn through(&self, facts: &Remembered<usize>, number: u128) -> usize {
        *facts.get(key(number), TTL, || self.fetch()).await.unwrap()
    }
}

#[tokio::test]
async fn many_who_ask_at_once_cause_one_request() {
    let (source, facts) = (Source::default(), Remembered::default());
    let answers = futures_util::future::join_all((0..10).map(|_| source.through(&facts, 1))).await;
    assert_eq!(answers, [1; 10]);
}

#[tokio::test(start_paused = true)]
async fn a_fact_is_asked_for_again_when_its_time_is_over() {
    let (source, facts) = (Source::default(), Remembered::default());
    assert_eq!(source.through(&facts, 1).await, 1);
    tokio::time::advance(TTL - Duration::from_millis(1)).await;
    assert_eq!(source.through(&facts, 1).await, 1);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(source.through(&facts, 1).await, 2);
}

#[tokio::test]
async fn a_failure_is_not_remembered() {
    let (source, facts) = (Source::default(), Remembered::default());
    let failed = facts.get(key(1), TTL, || async { Err(PlaneError::NotInstalled(key(1).0)) }).await;
    assert!(failed.is_err());
    assert_eq!(source.through(&facts, 1).await, 1);
}

#[tokio::test]
async fn projects_are_kept_apart_and_bounded_in_number() {
    let (source, facts) = (Source::default(), Remembered::default());
    for number in 0..=MOST_PROJECTS {
        assert_eq!(source.through(&facts, number as u128).await, number + 1);
    }
    assert_eq!(facts.slots.lock().unwrap().len(), MOST_PROJECTS);
    assert_eq!(source.through(&facts, MOST_PROJECTS as u128).await, MOST_PROJECTS + 1);
}
