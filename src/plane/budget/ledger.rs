//! The bookkeeping of one credential's budget: pure, so that any pattern of arrivals can be tried.
//!
//! Plane counts the requests of the last minute. A request counts here from its grant until a whole
//! window after its answer, which is never shorter than it counts there, however long it was on its
//! way. What Plane says of the requests left corrects the count where others use the credential too,
//! or where an earlier process did.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use super::Lane;

/// Time since the budget began.
pub(super) type Moment = Duration;

/// A pause longer than this is not waited out in place: whoever asks is told how long it is.
pub(in crate::plane) const LONGEST_PAUSE: Duration = Duration::from_secs(90);
/// How long everybody waits for the answer that tells how much of the window is used already.
pub(super) const PROBE_PATIENCE: Duration = Duration::from_secs(2);
/// Least time after which refused progress is worth another try.
const LEAST_REFUSAL: Duration = Duration::from_millis(500);
/// Waits after a 429 without `Retry-After`, doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How much may be asked of Plane.
#[derive(Debug, Clone, Copy)]
pub(in crate::plane) struct Terms {
    /// Requests in any window.
    pub(in crate::plane) requests: usize,
    pub(in crate::plane) window: Duration,
    /// Requests under way at the same time; what a person waits for may be two more.
    pub(in crate::plane) in_flight: usize,
}

/// A place in a queue, and later the right to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ticket(u64);

/// What became of a granted request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was never sent.
    Unsent,
    /// Plane answered, and perhaps said how many requests are left.
    Answered { remaining: Option<usize> },
    /// Plane answered 429.
    Limited { retry_after: Option<Duration> },
    /// No answer; it may still be counted later.
    Silent,
}

/// Not now: come back after this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) after: Duration,
}

/// Whether a ticket may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Granted,
    Waits,
    Refused(Refusal),
}

/// Whether the count here is known to agree with Plane's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Agreement {
    /// At the start and after a 429. The next request goes alone and finds out.
    Unknown,
    Probing {
        since: Moment,
    },
    Known,
}

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    since: Moment,
}

/// Who waits, what is under way, and what still counts.
#[derive(Debug)]
pub(super) struct Ledger {
    terms: Terms,
    queues: BTreeMap<Lane, VecDeque<Waiting>>,
    /// Granted and not yet taken; they count as under way.
    granted: BTreeSet<Ticket>,
    in_flight: usize,
    /// How many of our requests stop counting when.
    leaving: BTreeMap<Moment, usize>,
    /// The same for requests under this credential that are not known to be ours.
    foreign: BTreeMap<Moment, usize>,
    next_ticket: u64,
    paused_until: Moment,
    limited_in_a_row: u32,
    agreement: Agreement,
}

impl Ledger {
    pub(super) fn new(terms: Terms) -> Self {
        Self {
            terms,
            queues: BTreeMap::new(),
            granted: BTreeSet::new(),
            in_flight: 0,
            leaving: BTreeMap::new(),
            foreign: BTreeMap::new(),
            next_ticket: 0,
            paused_until: Moment::ZERO,
            limited_in_a_row: 0,
            agreement: Agreement::Unknown,
        }
    }

    /// Takes a place at the end of a lane. Progress goes at once or is refused.
    pub(super) fn ask(&mut self, lane: Lane, now: Moment) -> Result<Ticket, Refusal> {
        self.forget(now);
        self.patient(now)?;
        let ticket = Ticket(self.next_ticket);
        if lane == Lane::Progress {
            let held = self.is_held(now) || self.anyone_waits() || self.agreement != Agreement::Known;
            if held || !self.has_room(lane) {
                return Err(Refusal { after: self.until_next_change(now).max(LEAST_REFUSAL) });
            }
            self.grant(ticket, now);
        } else {
            self.queues.entry(lane).or_default().push_back(Waiting { ticket, since: now });
        }
        self.next_ticket += 1;
        Ok(ticket)
    }

    /// Lets everyone go who may. Returns whether anyone does.
    pub(super) fn pump(&mut self, now: Moment) -> bool {
        self.forget(now);
        let mut any = false;
        while let Some(lane) = self.next_lane(now) {
            let Some(waiting) = self.queues.get_mut(&lane).and_then(VecDeque::pop_front) else { break };
            self.grant(waiting.ticket, now);
            any = true;
        }
        any
    }

    /// Asks for a ticket's turn. A granted one is handed over, a refused one has lost its place.
    pub(super) fn turn(&mut self, ticket: Ticket, now: Moment) -> Turn {
        if self.granted.remove(&ticket) {
            return Turn::Granted;
        }
        match self.patient(now) {
            Ok(()) => Turn::Waits,
            Err(refusal) => {
                self.cancel(ticket);
                Turn::Refused(refusal)
            }
        }
    }

    /// Gives up a ticket that was not handed over. Returns whether that lets others go.
    pub(super) fn cancel(&mut self, ticket: Ticket) -> bool {
        if self.granted.remove(&ticket) {
            self.settle(Fate::Unsent, Moment::ZERO);
            return true;
        }
        for queue in self.queues.values_mut() {
            queue.retain(|waiting| waiting.ticket != ticket);
        }
        false
    }

    /// Ends a request whose ticket was handed over.
    pub(super) fn settle(&mut self, fate: Fate, now: Moment) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let whole = self.terms.window + self.terms.window / 100;
        match fate {
            Fate::Unsent => self.probe_again(),
            Fate::Answered { remaining } => {
                *self.leaving.entry(now + whole).or_default() += 1;
                self.limited_in_a_row = 0;
                self.forget(now);
                if let Some(remaining) = remaining {
                    self.correct(remaining, now + whole);
                }
                if let Agreement::Probing { .. } = self.agreement {
                    self.agreement = Agreement::Known;
                }
            }
            Fate::Limited { retry_after } => {
                *self.leaving.entry(now + whole).or_default() += 1;
                self.pause(retry_after, now);
            }
            Fate::Silent => {
                // It may lie in a queue of Plane's yet.
                *self.leaving.entry(now + whole + self.terms.window / 12).or_default() += 1;
                self.probe_again();
            }
        }
    }

    /// When something may change by itself for those who wait; `None` if nobody does or only an
    /// answer can change it.
    pub(super) fn next_change(&self, now: Moment) -> Option<Moment> {
        self.anyone_waits().then(|| self.next_event(now)).flatten()
    }

    fn grant(&mut self, ticket: Ticket, now: Moment) {
        self.in_flight += 1;
        self.granted.insert(ticket);
        if self.agreement == Agreement::Unknown {
            self.agreement = Agreement::Probing { since: now };
        }
    }

    /// The lane whose first waiter goes next. Lanes go in their order, except that nobody waits
    /// for ever behind a busy lane: after two windows a waiter overtakes all but terminal activities.
    fn next_lane(&self, now: Moment) -> Option<Lane> {
        if self.is_held(now) {
            return None;
        }
        let waiting = || self.queues.iter().filter_map(|(lane, queue)| Some((*lane, queue.front()?)));
        let overdue = waiting()
            .filter(|(_, first)| now.saturating_sub(first.since) >= self.terms.window * 2)
            .min_by_key(|(_, first)| first.since)
            .map(|(lane, _)| lane);
        let first = waiting().next().map(|(lane, _)| lane);
        let mut order = first.filter(|lane| *lane == Lane::Terminal).into_iter().chain(overdue).chain(first);
        order.find(|lane| self.has_room(*lane))
    }

    fn has_room(&self, lane: Lane) -> bool {
        let (for_terminal, for_ack) = ((self.terms.requests / 12).max(1), (self.terms.requests / 20).max(1));
        let (kept_back, most_in_flight) = match lane {
            Lane::Terminal => (0, self.terms.in_flight + 2),
            Lane::Ack => (for_terminal, self.terms.in_flight + 2),
            Lane::Write | Lane::Read => (for_terminal + for_ack, self.terms.in_flight),
            Lane::Progress => (self.terms.requests / 3, self.terms.in_flight.div_ceil(2)),
        };
        self.free() > kept_back && self.in_flight < most_in_flight
    }

    fn free(&self) -> usize {
        let counted = self.leaving.values().sum::<usize>() + self.foreign.values().sum::<usize>();
        self.terms.requests.saturating_sub(counted + self.in_flight)
    }

    /// Nobody may go: Plane said so, or an answer is awaited that tells how many may.
    fn is_held(&self, now: Moment) -> bool {
        now < self.paused_until || self.probe_ends().is_some_and(|ends| self.in_flight > 0 && now < ends)
    }

    fn probe_ends(&self) -> Option<Moment> {
        match self.agreement {
            Agreement::Probing { since } => Some(since + PROBE_PATIENCE),
            Agreement::Unknown | Agreement::Known => None,
        }
    }

    fn probe_again(&mut self) {
        if let Agreement::Probing { .. } = self.agreement {
            self.agreement = Agreement::Unknown;
        }
    }

    fn patient(&self, now: Moment) -> Result<(), Refusal> {
        let after = self.paused_until.saturating_sub(now);
        if after > LONGEST_PAUSE { Err(Refusal { after }) } else { Ok(()) }
    }

    /// Plane knows better. Of the requests under way some are counted there already and some are
    /// not, so only what lies outside of that doubt is corrected.
    fn correct(&mut self, remaining: usize, counts_until: Moment) {
        let free = self.free();
        if free > remaining {
            *self.foreign.entry(counts_until).or_default() += free - remaining;
        }
        let mut too_many = remaining.saturating_sub(free + self.in_flight);
        while too_many > 0
            && let Some(mut soonest) = self.foreign.first_entry()
        {
            let taken = too_many.min(*soonest.get());
            *soonest.get_mut() -= taken;
            too_many -= taken;
            if *soonest.get() == 0 {
                soonest.remove();
            }
        }
    }

    fn pause(&mut self, retry_after: Option<Duration>, now: Moment) {
        let own = FIRST_PAUSE.saturating_mul(1 << self.limited_in_a_row.min(6)).min(self.terms.window);
        let again = if self.limited_in_a_row > 0 { own / 2 } else { Duration::ZERO };
        // Whoever says "at once" again and again is not believed.
        let wait = retry_after.map_or(own, |asked| asked.max(again));
        self.limited_in_a_row = self.limited_in_a_row.saturating_add(1);
        self.paused_until = self.paused_until.max(now.saturating_add(wait));
        self.agreement = Agreement::Unknown;
    }

    fn forget(&mut self, now: Moment) {
        for counted in [&mut self.leaving, &mut self.foreign] {
            while let Some(first) = counted.first_entry()
                && *first.key() <= now
            {
                first.remove();
            }
        }
    }

    fn anyone_waits(&self) -> bool {
        self.queues.values().any(|queue| !queue.is_empty())
    }

    fn until_next_change(&self, now: Moment) -> Duration {
        self.next_event(now).map_or(Duration::ZERO, |at| at.saturating_sub(now))
    }

    fn next_event(&self, now: Moment) -> Option<Moment> {
        if now < self.paused_until {
            return Some(self.paused_until);
        }
        let leaves = [self.leaving.keys().next(), self.foreign.keys().next()].into_iter().flatten().copied();
        leaves.chain(self.probe_ends()).filter(|at| *at > now).min()
    }
}

#[cfg(test)]
mod tests;
