//! Claims runs that are due and advances them, a bounded number at a time.
//!
//! The worker and the server meet only in the store: the worker listens to its signals before it
//! looks for work, and looks again now and then in case a signal was lost. A run is leased while it
//! is worked on, the lease is renewed, and a stop reaches the turn that holds it at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::{
    agent::{Agent, sweep::Sweep, turn::Control},
    domain::ids::RunId,
    store::{Claim, FIRST_IN_LINE, Lease, Release, Retention, Signal, Store, StoreError},
};

/// How long a lease lasts unless it is renewed.
const LEASE: Duration = Duration::from_secs(60);
/// How often a held lease is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(20);
/// How long the worker sleeps at most, whatever the signals say.
const POLL_EVERY: Duration = Duration::from_secs(15);
/// How often the store is asked to forget what has grown old, and how soon again while it has more.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);
const PRUNE_MORE_AFTER: Duration = Duration::from_millis(100);
/// Runs with a stop that are taken up although every slot is busy.
const EXPRESS_SLOTS: usize = 8;
/// How long handed-back turns may take to let go.
const LET_GO: Duration = Duration::from_secs(10);

/// The fence of a live turn's lease, and its stop signal.
type LiveTurn = (u64, watch::Sender<u64>);

/// Works until it is told to stop.
pub struct Worker {
    agent: Arc<Agent>,
    store: Arc<dyn Store>,
    retention: Retention,
    slots: Arc<Semaphore>,
    /// For runs that are to be stopped: a stop does not wait until others have finished.
    express: Arc<Semaphore>,
    sweep_every: Duration,
    /// The runs being worked on.
    live: Arc<Mutex<HashMap<RunId, LiveTurn>>>,
    hand_back: CancellationToken,
    /// How often turns of a run panicked in this process.
    panics: Arc<Mutex<HashMap<RunId, u32>>>,
}

impl Worker {
    /// `concurrency` is the number of runs worked on at the same time.
    #[must_use]
    pub fn new(agent: Arc<Agent>, store: Arc<dyn Store>, concurrency: usize, retention: Retention) -> Self {
        Self {
            agent,
            store,
            retention,
            slots: Arc::new(Semaphore::new(concurrency.max(1))),
            express: Arc::new(Semaphore::new(EXPRESS_SLOTS)),
            sweep_every: Duration::ZERO,
            live: Arc::default(),
            hand_back: CancellationToken::new(),
            panics: Arc::default(),
        }
    }

    /// Looks for what Plane never told at the start and then so often; zero is never.
    #[must_use]
    pub fn sweeping_every(self, sweep_every: Duration) -> Self {
        Self { sweep_every, ..self }
    }

    /// Works until `shutdown` is cancelled, then lets running turns finish for `drain` and hands
    /// back what is left.
    ///
    /// # Errors
    /// The store stopped working.
    pub async fn run(self, shutdown: CancellationToken, drain: Duration) -> Result<(), StoreError> {
        let mut signals = self.store.signals();
        let mut turns = JoinSet::new();
        let mut prune_at = Instant::now();
        // Dropped with this function's end: a sweep changes nothing that could be left half done.
        let mut sweep = JoinSet::new();
        if !self.sweep_every.is_zero() {
            sweep.spawn(Sweep::new(self.agent.clone(), self.sweep_every).run(shutdown.clone()));
        }
        let result = loop {
            if let Err(error) = self.take_what_is_due(&mut turns, &mut signals).await {
                break Err(error);
            }
            let sleep = self.until_next_due().await;
            tokio::select! {
                () = shutdown.cancelled() => break Ok(()),
                signal = signals.recv() => self.heed(signal),
                ended = turns.join_next(), if !turns.is_empty() => report(ended),
                () = tokio::time::sleep(sleep) => {}
                () = tokio::time::sleep_until(prune_at) => prune_at = Instant::now() + self.prune().await,
            }
        };
        self.wind_down(signals, turns, drain).await;
        result
    }

    async fn take_what_is_due(
        &self,
        turns: &mut JoinSet<()>,
        signals: &mut broadcast::Receiver<Signal>,
    ) -> Result<(), StoreError> {
        self.store.health()?;
        self.heed_all(signals);
        while let Some(slot) = self.free_slot().await? {
            // Every claim takes a commit, and no stop waits for a row of them.
            self.heed_all(signals);
            let now = Timestamp::now();
            let Some(claim) = self.store.claim(now, after(now, LEASE)).await? else {
                return Ok(());
            };
            let run = claim.lease.run;
            let span = tracing::info_span!("run", run = %run, workspace = %claim.record.info.workspace);
            let (stop, stopped) = watch::channel(0);
            let fence = claim.lease.fence;
            lock(&self.live).insert(run, (fence, stop));
            let panicked = lock(&self.panics).get(&run).copied().unwrap_or_default();
            let control = Control { stop: stopped, hand_back: self.hand_back.clone(), panicked };
            let (agent, store) = (self.agent.clone(), self.store.clone());
            let (live, panics) = (self.live.clone(), self.panics.clone());
            let work = async move {
                match work_on(&agent, store.as_ref(), claim, control).await {
                    Ended::Orderly => drop(lock(&panics).remove(&run)),
                    Ended::Panicked => *lock(&panics).entry(run).or_insert(0) += 1,
                }
                // The run may have been claimed anew by now; that lease's signal is not ours to take.
                let mut live = lock(&live);
                if live.get(&run).is_some_and(|(holder, _)| *holder == fence) {
                    live.remove(&run);
                }
                drop(slot);
            };
            turns.spawn(work.instrument(span));
        }
        Ok(())
    }

    async fn free_slot(&self) -> Result<Option<OwnedSemaphorePermit>, StoreError> {
        if let Ok(slot) = self.slots.clone().try_acquire_owned() {
            return Ok(Some(slot));
        }
        let stop_waits = self.store.next_due().await? == Some(FIRST_IN_LINE);
        Ok(if stop_waits { self.express.clone().try_acquire_owned().ok() } else { None })
    }

    async fn until_next_due(&self) -> Duration {
        if self.slots.available_permits() == 0 {
            return POLL_EVERY;
        }
        match self.store.next_due().await {
            Ok(Some(at)) => Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default().min(POLL_EVERY),
            Ok(None) | Err(_) => POLL_EVERY,
        }
    }

    /// Has the store forget a batch of what is old, and says how long it may then be left alone.
    async fn prune(&self) -> Duration {
        match self.store.prune(self.retention, Timestamp::now()).await {
            Ok(pruned) => {
                if (pruned.runs, pruned.letters, pruned.keys) != (0, 0, 0) {
                    tracing::info!(
                        runs = pruned.runs,
                        letters = pruned.letters,
                        keys = pruned.keys,
                        "what has grown old is forgotten"
                    );
                }
                if pruned.more { PRUNE_MORE_AFTER } else { PRUNE_EVERY }
            }
            Err(error) => {
                tracing::error!(%error, "the store cannot forget what has grown old");
                PRUNE_EVERY
            }
        }
    }

    /// Passes on what has been signalled so far.
    fn heed_all(&self, signals: &mut broadcast::Receiver<Signal>) {
        loop {
            match signals.try_recv() {
                Ok(signal) => self.heed(Ok(signal)),
                Err(broadcast::error::TryRecvError::Lagged(missed)) => {
                    self.heed(Err(broadcast::error::RecvError::Lagged(missed)));
                }
                Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => return,
            }
        }
    }

    fn heed(&self, signal: Result<Signal, broadcast::error::RecvError>) {
        match signal {
            Ok(Signal::Stop(run)) => {
                if let Some((_, stop)) = lock(&self.live).get(&run) {
                    stop.send_modify(|count| *count += 1);
                }
            }
            Ok(Signal::Due) => {}
            // Some signals are lost: every live turn looks for itself whether it was stopped.
            Err(broadcast::error::RecvError::Lagged(_)) => {
                for (_, stop) in lock(&self.live).values() {
                    stop.send_modify(|count| *count += 1);
                }
            }
            Err(broadcast::error::RecvError::Closed) => {}
        }
    }

    async fn wind_down(&self, mut signals: broadcast::Receiver<Signal>, mut turns: JoinSet<()>, drain: Duration) {
        if turns.is_empty() {
            return;
        }
        tracing::info!(turns = turns.len(), "waiting for running turns");
        let deadline = tokio::time::sleep(drain);
        tokio::pin!(deadline);
        while !turns.is_empty() {
            tokio::select! {
                () = &mut deadline => break,
                // A stop counts to the last.
                signal = signals.recv() => self.heed(signal),
                ended = turns.join_next() => report(ended),
            }
        }
        self.hand_back.cancel();
        let all_ended = async {
            while let Some(ended) = turns.join_next().await {
                report(Some(ended))
            }
        };
        if tokio::time::timeout(LET_GO, all_ended).await.is_err() {
            tracing::warn!("some turns do not let go; they are resumed at the next start");
        }
    }
}

/// The maps stay whole whatever their holder did: every change is a single call.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How the work on a claimed run ended.
enum Ended {
    Orderly,
    Panicked,
}

fn report(ended: Option<Result<(), tokio::task::JoinError>>) {
    if let Some(Err(error)) = ended {
        tracing::error!(%error, "a turn's task ended abnormally");
    }
}

/// Works on one claimed run and ends its lease.
async fn work_on(agent: &Arc<Agent>, store: &dyn Store, claim: Claim, control: Control) -> Ended {
    let lease = claim.lease;
    let attempts = claim.record.attempts;
    // A task of its own, so that a panic costs an attempt and not the worker.
    let mut turn = JoinSet::new();
    let agent = agent.clone();
    turn.spawn(async move { agent.advance(claim, control).await }.in_current_span());
    let mut renew = tokio::time::interval(RENEW_EVERY);
    renew.tick().await;
    let ended = loop {
        tokio::select! {
            ended = turn.join_next() => break ended,
            _ = renew.tick() => {
                let now = Timestamp::now();
                if let Err(error) = store.renew(lease, after(now, LEASE)).await {
                    tracing::error!(%error, "the lease cannot be renewed; the turn is dropped");
                    return Ended::Orderly;
                }
            }
        }
    };
    let (release, ended) = match ended {
        Some(Ok(Ok(release))) => (release, Ended::Orderly),
        Some(Ok(Err(error))) => {
            tracing::error!(%error, "the run cannot go on");
            return Ended::Orderly;
        }
        Some(Err(error)) => {
            tracing::error!(%error, attempts, "a turn panicked; it is tried again later");
            let wait = Duration::from_secs(1 << attempts.min(8));
            (Release::Retry { at: after(Timestamp::now(), wait) }, Ended::Panicked)
        }
        None => (Release::HandBack, Ended::Orderly),
    };
    end_lease(store, lease, release).await;
    ended
}

async fn end_lease(store: &dyn Store, lease: Lease, release: Release) {
    if let Err(error) = store.release(lease, release, Timestamp::now()).await {
        tracing::error!(%error, "the lease cannot be ended; it runs out by itself");
    }
}

fn after(now: Timestamp, wait: Duration) -> Timestamp {
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}
