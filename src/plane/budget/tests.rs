//! Waiting for a permit, with the clock paused.

use futures_util::{FutureExt as _, future::join_all};
use tokio::task::JoinSet;

use super::*;
use crate::domain::ids::{RunId, StepKey};

fn budget(requests: usize) -> Arc<Budget> {
    Arc::new(Budget::new(Terms { requests, window: Duration::from_secs(60), in_flight: 8 }))
}

/// One request that takes this long.
async fn request(budget: Arc<Budget>, lane: Lane, took: Duration) -> Instant {
    let mut permit = budget.permit(lane).await.unwrap();
    let went = Instant::now();
    permit.sent();
    tokio::time::sleep(took).await;
    permit.answered(None);
    went
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_spread_over_the_windows_it_needs() {
    let budget = budget(60);
    let began = Instant::now();
    let requests = (0..200).map(|_| request(budget.clone(), Lane::Read, Duration::from_millis(80)));
    let mut went: Vec<_> = join_all(requests).await.into_iter().map(|at| at - began).collect();
    went.sort();
    for (first, too_many) in went.iter().zip(&went[60..]) {
        assert!(*too_many - *first >= Duration::from_secs(60));
    }
    // Four windows: 52 requests each are for reads.
    assert!(went[199] < Duration::from_secs(200), "{:?}", went[199]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_does_not_wait_behind_a_burst_of_reads() {
    let budget = budget(60);
    let mut reads = JoinSet::new();
    for _ in 0..300 {
        reads.spawn(request(budget.clone(), Lane::Read, Duration::from_millis(80)));
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    for _ in 0..5 {
        let asked = Instant::now();
        let went = request(budget.clone(), Lane::Terminal, Duration::from_millis(80)).await;
        assert!(went - asked < Duration::from_millis(5), "it waited {:?}", went - asked);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_waiter_frees_its_place_for_the_next() {
    let budget = budget(60);
    let held: Vec<_> = vec![budget.permit(Lane::Read).await];
    for permit in held {
        permit.unwrap().answered(None);
    }
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(budget.permit(Lane::Read).await.unwrap());
    }
    let mut given_up = Box::pin(budget.permit(Lane::Read));
    assert!(given_up.as_mut().now_or_never().is_none());
    let mut next = Box::pin(budget.permit(Lane::Read));
    assert!(next.as_mut().now_or_never().is_none());
    // The right to go was given to the first, which goes away without having looked.
    drop(held.pop());
    budget.lock().pump(budget.now());
    drop(given_up);
    let permit = tokio::time::timeout(Duration::from_secs(1), next).await.expect("the place is lost").unwrap();
    drop((permit, held));
    for _ in 0..8 {
        std::mem::forget(budget.permit(Lane::Read).now_or_never().expect("a permit leaked").unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_request_still_counts() {
    let budget = budget(10);
    for _ in 0..10 {
        let mut permit = budget.permit(Lane::Terminal).await.unwrap();
        permit.sent();
    }
    let asked = Instant::now();
    drop(budget.permit(Lane::Terminal).await.unwrap());
    assert!(asked.elapsed() >= Duration::from_secs(60), "{:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_429_pauses_those_who_wait_and_those_who_come() {
    let budget = budget(60);
    let mut permit = budget.permit(Lane::Read).await.unwrap();
    let waiting = request(budget.clone(), Lane::Terminal, Duration::ZERO);
    let asked = Instant::now();
    let limited = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        permit.sent();
        permit.limited(Some(Duration::from_secs(30)));
        request(budget.clone(), Lane::Ack, Duration::ZERO).await
    };
    let (first, second) = tokio::join!(waiting, limited);
    assert!(first - asked >= Duration::from_secs(30), "{:?}", first - asked);
    assert!(second >= first && second - asked < Duration::from_secs(31));
}

#[tokio::test(start_paused = true)]
async fn progress_is_refused_at_once_with_the_time_to_come_back() {
    let budget = budget(60);
    for _ in 0..45 {
        budget.permit(Lane::Read).await.unwrap().answered(None);
        tokio::time::advance(Duration::from_millis(10)).await;
    }
    let refused = budget.permit(Lane::Progress).now_or_never().expect("progress waits");
    let Err(PlaneError::RateLimited { retry_after: Some(after) }) = refused else { panic!("progress goes") };
    tokio::time::advance(after + Duration::from_secs(1)).await;
    assert!(budget.permit(Lane::Progress).now_or_never().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_an_hour_sends_everybody_away_who_waits() {
    let budget = budget(60);
    let mut permit = budget.permit(Lane::Read).await.unwrap();
    let waiting = budget.permit(Lane::Terminal);
    let limited = async {
        permit.sent();
        permit.limited(Some(Duration::from_secs(3600)));
    };
    let (refused, ()) = tokio::join!(waiting, limited);
    assert!(matches!(refused, Err(PlaneError::RateLimited { retry_after: Some(after) }) if after.as_secs() >= 3599));
}

#[test]
fn the_lane_of_an_activity_comes_from_what_it_says() {
    let draft = |step, part, saying| Draft {
        key: StepKey { run: RunId(uuid::Uuid::nil()), turn: 1, step, part },
        saying,
        detail: None,
    };
    let thought = || Saying::Thought { body: "Reading.".to_owned() };
    assert_eq!(Lane::of(&draft(0, 0, thought())), Lane::Ack);
    assert_eq!(Lane::of(&draft(0, 1001, thought())), Lane::Progress);
    assert_eq!(Lane::of(&draft(3, 0, thought())), Lane::Progress);
    assert_eq!(Lane::of(&draft(3, 0, Saying::Response { body: "Done.".to_owned() })), Lane::Terminal);
}
