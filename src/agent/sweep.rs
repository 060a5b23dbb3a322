//! Looks for what Plane never told us: prompts and stops of known runs whose webhooks were not
//! delivered, because we were down or Plane had the webhook switched off.
//!
//! Plane has no list of runs, so only runs the store knows can be looked at. One look costs one
//! request, or two where Plane shows the run as unfinished although nothing waits here. Looks are
//! paced per workspace and take turns, the run touched last first. Whatever is found goes through
//! [`Store::accept`](crate::store::Store::accept) like a webhook, which knows what it has seen.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Agent, intake::events_since_the_last_stop};
use crate::{
    domain::{
        activity::{RunActivity, RunActivityKind},
        event::{RunEvent, RunEventKind, RunInfo},
        ids::{RunId, WorkspaceId},
    },
    plane::{PlaneError, RunStatus},
    store::{Accepted, RunRecord, RunState, StoreError},
};

/// Runs of a workspace looked at without a pause between.
const AT_ONCE: usize = 3;
/// The pause before each further one.
const GAP: Duration = Duration::from_secs(20);
/// Runs untouched for longer are left alone, and so are prompts written earlier: an answer would
/// come out of the blue.
const LONGEST_ABSENCE_HOURS: i64 = 7 * 24;
/// Known runs considered, most recently touched first.
const MOST_RUNS: usize = 1_000;

/// Looks at known runs now and then. It remembers only when it looked at which.
pub struct Sweep {
    agent: Arc<Agent>,
    every: Duration,
    looked_at: HashMap<RunId, Instant>,
}

impl Sweep {
    /// A pass begins as often as `every` says, unless the one before still goes on.
    #[must_use]
    pub fn new(agent: Arc<Agent>, every: Duration) -> Self {
        Self { agent, every, looked_at: HashMap::new() }
    }

    /// Looks at once and then again and again until `shutdown`. It may be dropped at any point.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut passes = tokio::time::interval(self.every);
        passes.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = passes.tick() => {}
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                result = self.pass() => match result {
                    Ok(()) => {}
                    Err(error) => tracing::warn!(%error, "known runs cannot be looked at"),
                },
            }
        }
    }

    async fn pass(&mut self) -> Result<(), StoreError> {
        let known = self.agent.store.runs(MOST_RUNS).await?;
        let chosen = choose(&mut self.looked_at, self.every, known, Timestamp::now());
        let now = Instant::now();
        let ids = chosen.values().flatten().map(|record| (record.info.id, now));
        self.looked_at.extend(ids);
        let agent = &self.agent;
        let found = join_all(chosen.into_values().map(|runs| look_at_all(agent, runs))).await;
        let found = found.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().sum::<usize>();
        if found > 0 {
            tracing::warn!(found, "prompts or stops came without their webhooks: has Plane switched the webhook off?");
        }
        Ok(())
    }
}

/// The runs to look at in one pass, those not looked at for longest first.
fn choose(
    looked_at: &mut HashMap<RunId, Instant>,
    every: Duration,
    known: Vec<RunRecord>,
    now: Timestamp,
) -> BTreeMap<WorkspaceId, Vec<RunRecord>> {
    let mut chosen: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for record in known {
        let expired = now.duration_since(record.touched_at).as_hours() >= LONGEST_ABSENCE_HOURS;
        if !expired && !matches!(record.state, RunState::Dead { .. }) {
            chosen.entry(record.info.workspace).or_default().push(record);
        }
    }
    let still_known: HashSet<_> = chosen.values().flatten().map(|record| record.info.id).collect();
    looked_at.retain(|run, _| still_known.contains(run));
    let most = AT_ONCE + usize::try_from(every.as_secs() / GAP.as_secs()).unwrap_or(0);
    for runs in chosen.values_mut() {
        // A stable sort keeps the most recently touched first among equals.
        runs.sort_by_key(|record| looked_at.get(&record.info.id).copied());
        runs.truncate(most);
    }
    chosen
}

/// Looks at runs of one workspace, and says how much was found.
async fn look_at_all(agent: &Agent, runs: Vec<RunRecord>) -> Result<usize, StoreError> {
    let mut found = 0;
    for (number, record) in runs.into_iter().enumerate() {
        if number >= AT_ONCE {
            tokio::time::sleep(GAP).await;
        }
        let (run, workspace) = (record.info.id, record.info.workspace);
        let events = match missed(agent, record).await {
            Ok(events) => events,
            Err(
                error @ (PlaneError::Forbidden { .. }
                | PlaneError::NotFound { .. }
                | PlaneError::Refused { .. }
                | PlaneError::Taken { .. }),
            ) => {
                tracing::debug!(%run, %error, "a known run is not to be read any more");
                continue;
            }
            Err(
                error @ (PlaneError::NotInstalled(_)
                | PlaneError::Unauthorized { .. }
                | PlaneError::RateLimited { .. }
                | PlaneError::Server { .. }
                | PlaneError::Transport { .. }
                | PlaneError::Malformed { .. }
                | PlaneError::Book(_)),
            ) => {
                // The next run would fare no better; the next pass may.
                tracing::debug!(%workspace, %error, "known runs are not looked at for now");
                return Ok(found);
            }
        };
        for event in events {
            let now = Timestamp::now();
            if agent.store.accept(event, now, now).await? == Accepted::New {
                tracing::info!(%run, %workspace, "a prompt or a stop came without its webhook");
                metrics::counter!("aileron_missed_events_total").increment(1);
                found += 1;
            }
        }
    }
    Ok(found)
}

/// What Plane shows in the run that may not have reached us. A run that is being worked on learns
/// of further prompts when it rests; only a stop is worth telling it at once.
async fn missed(agent: &Agent, record: RunRecord) -> Result<Vec<RunEvent>, PlaneError> {
    let (shown, status) = agent.plane.run(&record.info).await?;
    let is_foreign = shown.agent_user.is_some_and(|user| record.info.agent_user.is_some_and(|ours| ours != user));
    let rests = matches!(record.state, RunState::Idle);
    let stopping = match status {
        RunStatus::Completed | RunStatus::Stopped | RunStatus::Failed => return Ok(Vec::new()),
        RunStatus::Stopping => true,
        RunStatus::Created | RunStatus::InProgress | RunStatus::Awaiting | RunStatus::Stale | RunStatus::Other(_) => {
            false
        }
    };
    if is_foreign || !(rests || stopping) {
        return Ok(Vec::new());
    }
    let mut run = record.info.clone();
    run.merge(&shown);
    let activities = agent.plane.run_activities(&run).await?;
    Ok(unheard(&activities, &run, record.first_seen))
}

/// The stop and the prompts among a run's activities that still want an answer, as far as the
/// activities alone can tell. The store knows which of them it has seen.
pub(super) fn unheard(activities: &[RunActivity], run: &RunInfo, first_seen: Timestamp) -> Vec<RunEvent> {
    let now = Timestamp::now();
    let mut events = events_since_the_last_stop(activities, run);
    events.retain(|event| match &event.kind {
        // A stop with an end after it is only a mark that what came before it is void.
        RunEventKind::StopRequested(stop) => !stop.written_at.is_some_and(|at| ended_since(activities, at)),
        RunEventKind::Started => false,
        RunEventKind::Prompted(prompt) => prompt.written_at.is_none_or(|written_at| {
            let expired = now.duration_since(written_at).as_hours() >= LONGEST_ABSENCE_HOURS;
            let before_our_time = written_at < first_seen && ended_since(activities, written_at);
            !expired && !before_our_time
        }),
    });
    events
}

/// Whether a turn ended after this time. What was written before the store knew the run and has an
/// end after it was answered, though an earlier store may have been the one to note it.
pub(super) fn ended_since(activities: &[RunActivity], time: Timestamp) -> bool {
    let is_ending = |activity: &RunActivity| activity.kind == RunActivityKind::Ending;
    activities.iter().filter(|activity| is_ending(activity)).any(|activity| activity.created_at > Some(time))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use uuid::Uuid;

    use super::*;
    use crate::domain::ids::{ActivityId, UserId};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn at(secs: i64) -> Timestamp {
        NOW + SignedDuration::from_secs(secs)
    }

    fn info(workspace: u128) -> RunInfo {
        RunInfo {
            id: RunId(Uuid::new_v4()),
            workspace: WorkspaceId(Uuid::from_u128(workspace)),
            project: None,
            work_item: None,
            agent_user: Some(UserId(Uuid::from_u128(7))),
            creator: None,
            comment: None,
            source_comment: None,
        }
    }

    fn record(workspace: u128, touched_at: Timestamp, state: RunState) -> RunRecord {
        RunRecord {
            info: info(workspace),
            state,
            attempts: 0,
            prompted: true,
            first_seen: touched_at,
            touched_at,
            stopped_at: None,
            journal_len: 0,
            history_lost: false,
            spent: crate::domain::usage::Spent::default(),
            fold_from: 0,
        }
    }

    fn ids(chosen: &BTreeMap<WorkspaceId, Vec<RunRecord>>) -> Vec<RunId> {
        chosen.values().flatten().map(|record| record.info.id).collect()
    }

    /// A way to choose runs, without an agent that could look at them.
    struct Choice {
        every: Duration,
        looked_at: HashMap<RunId, Instant>,
    }

    impl Choice {
        fn every_secs(secs: u64) -> Self {
            Self { every: Duration::from_secs(secs), looked_at: HashMap::new() }
        }

        fn of(&mut self, known: &[RunRecord], now: Timestamp) -> BTreeMap<WorkspaceId, Vec<RunRecord>> {
            let chosen = choose(&mut self.looked_at, self.every, known.to_vec(), now);
            self.looked_at.extend(ids(&chosen).into_iter().map(|id| (id, Instant::now())));
            chosen
        }
    }

    #[test]
    fn expired_and_dead_runs_are_left_alone() {
        let old = record(1, at(0), RunState::Idle);
        let dead = record(1, at(6 * 86_400), RunState::Dead { reason: "gone".to_owned() });
        let fresh = record(1, at(6 * 86_400), RunState::Idle);
        let chosen = Choice::every_secs(300).of(&[fresh.clone(), dead, old], at(7 * 86_400));
        assert_eq!(ids(&chosen), [fresh.info.id]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_looks_at_few_runs_of_each_workspace_and_all_come_to_their_turn() {
        let mut known: Vec<_> = (0..40).map(|number| record(1, at(1000 - number), RunState::Idle)).collect();
        known.push(record(2, at(0), RunState::Idle));
        let mut choice = Choice::every_secs(300);
        let first = choice.of(&known, at(2000));
        assert_eq!(first.values().map(Vec::len).collect::<Vec<_>>(), [18, 1], "three and one every 20 seconds");
        assert_eq!(ids(&first)[0], known[0].info.id, "the one touched last is first");
        tokio::time::advance(Duration::from_secs(300)).await;
        let second = choice.of(&known, at(2300));
        let again = ids(&second).iter().filter(|id| ids(&first).contains(id)).count();
        assert_eq!(again, 1, "only the lone run of the other workspace");
        tokio::time::advance(Duration::from_secs(300)).await;
        let third = ids(&choice.of(&known, at(2600)));
        let seen = known.iter().filter(|run| {
            let id = run.info.id;
            ids(&first).contains(&id) || ids(&second).contains(&id) || third.contains(&id)
        });
        assert_eq!(seen.count(), known.len());
    }

    fn shown(at_secs: i64, kind: RunActivityKind, actor: u128) -> RunActivity {
        RunActivity {
            id: ActivityId(Uuid::new_v4()),
            actor: Some(UserId(Uuid::from_u128(actor))),
            created_at: Some(at(at_secs)),
            step: None,
            kind,
        }
    }

    fn prompt(stop: bool) -> RunActivityKind {
        RunActivityKind::Prompt { body: "words".to_owned(), stop }
    }

    fn times(events: &[RunEvent]) -> Vec<i64> {
        let written_at = |event: &RunEvent| match &event.kind {
            RunEventKind::Prompted(prompt) | RunEventKind::StopRequested(prompt) => prompt.written_at,
            RunEventKind::Started => None,
        };
        events.iter().filter_map(written_at).map(Timestamp::as_second).collect()
    }

    #[test]
    fn only_what_still_wants_an_answer_is_unheard() {
        let now = Timestamp::now().as_second();
        let (words, stop, end) =
            (|at| shown(at, prompt(false), 1), |at| shown(at, prompt(true), 1), RunActivityKind::Ending);
        let ended = |at| shown(at, end.clone(), 7);
        let cases: [(&str, Vec<RunActivity>, Vec<i64>); 6] = [
            ("a lone prompt", vec![words(now)], vec![now]),
            ("answered before the run was known", vec![words(now - 900), ended(now - 890), words(now)], vec![now]),
            ("not answered before it was known", vec![words(now - 900), words(now)], vec![now - 900, now]),
            ("older than a week", vec![words(now - 8 * 86_400), words(now)], vec![now]),
            ("voided by a stop", vec![words(now - 10), stop(now - 5)], vec![now - 5]),
            ("a stop that is confirmed", vec![stop(now - 5), ended(now - 4), words(now)], vec![now]),
        ];
        let run = info(1);
        for (name, activities, expected) in cases {
            let first_seen = at(now - 600);
            assert_eq!(times(&unheard(&activities, &run, first_seen)), expected, "{name}");
        }
        let own = vec![shown(now, prompt(false), 7)];
        assert!(unheard(&own, &run, at(now - 600)).is_empty(), "its own words are no prompt");
    }
}
