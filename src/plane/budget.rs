//! One request budget per installation, through which every call to `/api/v1` goes.
//!
//! Requests wait in [`Lane`]s. A few of the window's requests are kept back for what a person waits
//! for, so a burst of reads cannot delay an answer. Progress never waits: it is refused when the
//! budget is short, and whoever narrates drops it. A 429 pauses the whole credential. A caller that
//! is dropped while it waits frees its place.

mod ledger;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use self::ledger::{Fate, Ledger, Moment, Refusal, Ticket, Turn};
pub(in crate::plane) use self::ledger::{LONGEST_PAUSE, Terms};
use super::PlaneError;
use crate::{
    config::PlaneConfig,
    domain::{
        activity::{Draft, Saying},
        ids::WorkspaceId,
    },
};

/// Requests of one credential under way at the same time.
const IN_FLIGHT: usize = 8;

/// How urgent a request is; the first goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::plane) enum Lane {
    /// What ends a turn, the confirmation of a stop included.
    Terminal,
    /// The first thought, and the look-ups without which a turn can neither begin nor end. Whoever
    /// makes these repeats them.
    Ack,
    /// Everything else that changes something.
    Write,
    Read,
    /// Thoughts, actions and heartbeats: they go now or never.
    Progress,
}

impl Lane {
    /// The lane of an activity.
    pub(in crate::plane) fn of(draft: &Draft) -> Self {
        match &draft.saying {
            Saying::Response { .. } | Saying::Elicitation { .. } | Saying::Error { .. } => Self::Terminal,
            Saying::Thought { .. } if draft.key.step == 0 && draft.key.part == 0 => Self::Ack,
            Saying::Thought { .. } | Saying::Action { .. } => Self::Progress,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Terminal => "terminal",
            Self::Ack => "ack",
            Self::Write => "write",
            Self::Read => "read",
            Self::Progress => "progress",
        }
    }
}

/// The budgets of all installations.
pub(in crate::plane) struct Budgets {
    terms: Terms,
    budgets: Mutex<HashMap<WorkspaceId, Arc<Budget>>>,
}

impl Budgets {
    pub(in crate::plane) fn new(config: &PlaneConfig) -> Self {
        let requests = usize::try_from(config.requests_per_minute).unwrap_or(usize::MAX);
        let terms = Terms { requests, window: config.budget_window, in_flight: IN_FLIGHT };
        Self { terms, budgets: Mutex::default() }
    }

    /// The budget of a workspace's installation. There is one for every workspace ever asked for,
    /// so ask only for those that have an installation.
    pub(in crate::plane) fn of(&self, workspace: WorkspaceId) -> Arc<Budget> {
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(budgets.entry(workspace).or_insert_with(|| Arc::new(Budget::new(self.terms))))
    }
}

/// The budget of one credential.
pub(in crate::plane) struct Budget {
    ledger: Mutex<Ledger>,
    began: Instant,
    changed: Notify,
}

impl Budget {
    pub(in crate::plane) fn new(terms: Terms) -> Self {
        Self { ledger: Mutex::new(Ledger::new(terms)), began: Instant::now(), changed: Notify::new() }
    }

    /// Waits for the right to one request.
    ///
    /// # Errors
    /// [`PlaneError::RateLimited`] with the time to wait: for progress when the budget is short, for
    /// everything when Plane wants a longer pause than can be waited out in place.
    pub(in crate::plane) async fn permit(self: &Arc<Self>, lane: Lane) -> Result<Permit, PlaneError> {
        let asked_at = Instant::now();
        let asked = self.lock().ask(lane, self.now());
        let ticket = asked.map_err(|refusal| refused(lane, refusal))?;
        let mut place = Place { budget: self, ticket: Some(ticket) };
        loop {
            // Made before the look, so that no change after it is missed.
            let changed = self.changed.notified();
            let now = self.now();
            let (turn, wake) = {
                let mut ledger = self.lock();
                if ledger.pump(now) {
                    self.changed.notify_waiters();
                }
                (ledger.turn(ticket, now), ledger.next_change(now))
            };
            match turn {
                Turn::Granted => {
                    place.ticket = None;
                    metrics::histogram!("aileron_plane_wait_seconds", "lane" => lane.as_str())
                        .record(asked_at.elapsed().as_secs_f64());
                    return Ok(Permit { budget: Arc::clone(self), fate: Some(Fate::Unsent) });
                }
                Turn::Refused(refusal) => {
                    place.ticket = None;
                    return Err(refused(lane, refusal));
                }
                Turn::Waits => {}
            }
            tokio::select! {
                () = changed => {}
                () = sleep_until(wake.map(|at| self.began + at)) => {}
            }
        }
    }

    fn now(&self) -> Moment {
        self.began.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        // Every change of the ledger is one call, so it is whole whatever its holder did.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to send one change at once. It is taken beforehand, so that whoever waits for it can still
/// be told not to make the change.
pub struct WritePass(pub(in crate::plane) Permit);

/// The right to one request. Dropped before [`Permit::sent`] it counts for nothing, dropped after it
/// the request counts as one that may still arrive.
pub(in crate::plane) struct Permit {
    budget: Arc<Budget>,
    fate: Option<Fate>,
}

impl Permit {
    /// From here on Plane may count the request.
    pub(in crate::plane) fn sent(&mut self) {
        self.fate = Some(Fate::Silent);
    }

    /// Plane answered, and perhaps said how many requests are left.
    pub(in crate::plane) fn answered(mut self, remaining: Option<usize>) {
        self.fate = Some(Fate::Answered { remaining });
    }

    /// Plane answered 429.
    pub(in crate::plane) fn limited(mut self, retry_after: Option<Duration>) {
        tracing::warn!(wait_secs = retry_after.map(|wait| wait.as_secs()), "Plane limits our requests");
        self.fate = Some(Fate::Limited { retry_after });
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(fate) = self.fate.take() {
            let now = self.budget.now();
            self.budget.lock().settle(fate, now);
            self.budget.changed.notify_waiters();
        }
    }
}

/// A place in a lane, freed when its holder goes away.
struct Place<'a> {
    budget: &'a Budget,
    ticket: Option<Ticket>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.budget.lock().cancel(ticket);
            self.budget.changed.notify_waiters();
        }
    }
}

fn refused(lane: Lane, refusal: Refusal) -> PlaneError {
    metrics::counter!("aileron_plane_refused_total", "lane" => lane.as_str()).increment(1);
    PlaneError::RateLimited { retry_after: Some(refusal.after) }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
