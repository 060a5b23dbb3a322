//! The budget under any pattern of arrivals, answers and withdrawals.

use proptest::prelude::*;

use super::*;

const WINDOW: Duration = Duration::from_secs(60);

fn terms(requests: usize) -> Terms {
    Terms { requests, window: WINDOW, in_flight: 8 }
}

/// A ledger whose count agrees with Plane's, with nothing in it.
fn known(requests: usize) -> Ledger {
    Ledger { agreement: Agreement::Known, ..Ledger::new(terms(requests)) }
}

fn seconds(seconds: u64) -> Moment {
    Moment::from_secs(seconds)
}

const LANES: [Lane; 5] = [Lane::Terminal, Lane::Ack, Lane::Write, Lane::Read, Lane::Progress];

/// Something that happens to a budget.
#[derive(Debug, Clone)]
enum Happening {
    Ask(Lane),
    Cancel(prop::sample::Index),
    Settle(prop::sample::Index, Fate),
    Pass(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    let fate = prop_oneof![
        1 => Just(Fate::Unsent),
        1 => Just(Fate::Silent),
        4 => Just(Fate::Answered { remaining: None }),
        4 => (0..70usize).prop_map(|remaining| Fate::Answered { remaining: Some(remaining) }),
        1 => prop::option::of(0..120u64)
            .prop_map(|wait| Fate::Limited { retry_after: wait.map(Duration::from_secs) }),
    ];
    prop_oneof![
        6 => prop::sample::select(&LANES[..]).prop_map(Happening::Ask),
        1 => any::<prop::sample::Index>().prop_map(Happening::Cancel),
        5 => (any::<prop::sample::Index>(), fate).prop_map(|(which, fate)| Happening::Settle(which, fate)),
        3 => (0..20_000u64).prop_map(Happening::Pass),
    ]
}

/// Plays happenings on a ledger and notes what it grants.
struct Play {
    ledger: Ledger,
    now: Moment,
    waiting: Vec<(Ticket, Lane, Moment)>,
    under_way: Vec<(Ticket, Moment)>,
    /// When each request went that was really sent.
    sent: Vec<Moment>,
}

impl Play {
    fn new(requests: usize) -> Self {
        Self {
            ledger: Ledger::new(terms(requests)),
            now: Moment::ZERO,
            waiting: Vec::new(),
            under_way: Vec::new(),
            sent: Vec::new(),
        }
    }

    fn happen(&mut self, happening: &Happening) {
        match happening {
            Happening::Ask(lane) => {
                if let Ok(ticket) = self.ledger.ask(*lane, self.now) {
                    self.waiting.push((ticket, *lane, self.now));
                }
            }
            Happening::Cancel(which) if !self.waiting.is_empty() => {
                let (ticket, _, _) = self.waiting.remove(which.index(self.waiting.len()));
                self.ledger.cancel(ticket);
            }
            Happening::Settle(which, fate) if !self.under_way.is_empty() => {
                let (_, went) = self.under_way.remove(which.index(self.under_way.len()));
                if *fate != Fate::Unsent {
                    self.sent.push(went);
                }
                self.ledger.settle(*fate, self.now);
            }
            Happening::Cancel(_) | Happening::Settle(..) => {}
            Happening::Pass(millis) => self.now += Duration::from_millis(*millis),
        }
        self.collect();
    }

    /// Lets everyone go who may, and checks that nobody overtook.
    fn collect(&mut self) {
        while let Some(lane) = {
            self.ledger.forget(self.now);
            self.ledger.next_lane(self.now)
        } {
            let first = self.ledger.queues[&lane].front().unwrap();
            let overdue = lane != Lane::Terminal && self.now - first.since >= WINDOW * 2;
            for (ticket, other, _) in &self.waiting {
                let queued =
                    self.ledger.queues.get(other).is_some_and(|queue| queue.iter().any(|w| w.ticket == *ticket));
                assert!(!queued || overdue || *other >= lane, "{other:?} waits and {lane:?} goes");
                assert!(!queued || *other != lane || *ticket >= first.ticket, "a later one of {lane:?} goes first");
                assert!(!queued || *other != Lane::Terminal || lane == Lane::Terminal, "an answer is overtaken");
            }
            let waiting = self.ledger.queues.get_mut(&lane).unwrap().pop_front().unwrap();
            self.ledger.grant(waiting.ticket, self.now);
        }
        assert!(!self.ledger.pump(self.now), "pump lets nobody go beyond what next_lane says");
        let (ledger, under_way, now) = (&mut self.ledger, &mut self.under_way, self.now);
        self.waiting.retain(|(ticket, _, _)| match ledger.turn(*ticket, now) {
            Turn::Granted => {
                under_way.push((*ticket, now));
                false
            }
            Turn::Waits => true,
            Turn::Refused(_) => false,
        });
        assert!(self.under_way.len() <= 10, "too many at the same time");
    }

    /// Answers everything until nobody waits any more.
    fn run_out(&mut self) {
        let end = self.now + WINDOW * 60;
        while !(self.waiting.is_empty() && self.under_way.is_empty()) {
            while let Some((_, went)) = self.under_way.pop() {
                self.sent.push(went);
                self.ledger.settle(Fate::Answered { remaining: None }, self.now);
            }
            self.collect();
            if self.under_way.is_empty() && !self.waiting.is_empty() {
                let next = self.ledger.next_change(self.now);
                self.now = next.expect("someone waits, nothing is under way, and nothing will ever change");
                self.collect();
            }
            assert!(self.now < end, "{} requests starve", self.waiting.len());
        }
    }

    fn most_in_any_window(mut self) -> usize {
        self.sent.extend(self.under_way.iter().map(|(_, went)| *went));
        self.sent.sort();
        let counts = self
            .sent
            .iter()
            .enumerate()
            .map(|(at, first)| self.sent[at..].iter().take_while(|went| **went < *first + WINDOW).count());
        counts.max().unwrap_or(0)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_window_ever_holds_more_than_the_budget(
        requests in 10..80usize,
        happenings in prop::collection::vec(happening(), 1..400),
    ) {
        let mut play = Play::new(requests);
        for happening in &happenings {
            play.happen(happening);
        }
        prop_assert!(play.most_in_any_window() <= requests);
    }

    #[test]
    fn everybody_who_waits_gets_a_turn_and_nothing_leaks(
        requests in 10..80usize,
        happenings in prop::collection::vec(happening(), 1..400),
    ) {
        let mut play = Play::new(requests);
        for happening in &happenings {
            play.happen(happening);
        }
        play.run_out();
        let ledger = &mut play.ledger;
        ledger.forget(play.now + WINDOW * 2);
        prop_assert_eq!(ledger.in_flight, 0);
        prop_assert!(ledger.granted.is_empty() && ledger.leaving.is_empty() && ledger.foreign.is_empty());
        prop_assert!(!ledger.anyone_waits());
        prop_assert_eq!(ledger.free(), requests);
        prop_assert!(play.most_in_any_window() <= requests);
    }
}

fn take(ledger: &mut Ledger, lane: Lane, now: Moment) -> bool {
    let Ok(ticket) = ledger.ask(lane, now) else { return false };
    ledger.pump(now);
    if ledger.turn(ticket, now) == Turn::Granted {
        return true;
    }
    ledger.cancel(ticket);
    false
}

/// Asks until refused, each request answered at once; returns how many went.
fn drain(ledger: &mut Ledger, lane: Lane, now: Moment) -> usize {
    let mut count = 0;
    while take(ledger, lane, now) {
        ledger.settle(Fate::Answered { remaining: None }, now);
        count += 1;
    }
    count
}

#[test]
fn each_lane_leaves_something_to_those_before_it() {
    let mut ledger = known(60);
    let went = [Lane::Progress, Lane::Read, Lane::Write, Lane::Ack, Lane::Terminal]
        .map(|lane| drain(&mut ledger, lane, Moment::ZERO));
    assert_eq!(went, [40, 12, 0, 3, 5]);
}

#[test]
fn a_request_counts_for_a_window_after_its_answer() {
    let mut ledger = known(10);
    assert!(take(&mut ledger, Lane::Terminal, Moment::ZERO));
    ledger.settle(Fate::Answered { remaining: None }, seconds(25));
    ledger.forget(seconds(84));
    assert_eq!(ledger.free(), 9);
    ledger.forget(seconds(86));
    assert_eq!(ledger.free(), 10);
}

#[test]
fn progress_never_passes_someone_who_waits() {
    let mut ledger = known(60);
    (0..8).for_each(|_| assert!(take(&mut ledger, Lane::Read, Moment::ZERO)));
    let waits = ledger.ask(Lane::Read, Moment::ZERO).unwrap();
    assert!(!ledger.pump(Moment::ZERO));
    assert!(ledger.ask(Lane::Progress, Moment::ZERO).is_err());
    ledger.cancel(waits);
    (0..8).for_each(|_| ledger.settle(Fate::Answered { remaining: None }, Moment::ZERO));
    assert!(ledger.ask(Lane::Progress, Moment::ZERO).is_ok());
}

#[test]
fn hanging_reads_do_not_hold_up_an_answer() {
    let mut ledger = known(60);
    (0..8).for_each(|_| assert!(take(&mut ledger, Lane::Read, Moment::ZERO)));
    assert!(!take(&mut ledger, Lane::Read, Moment::ZERO));
    assert!(take(&mut ledger, Lane::Terminal, Moment::ZERO));
}

#[test]
fn the_first_request_goes_alone_and_tells_what_an_earlier_process_used() {
    let mut ledger = Ledger::new(terms(60));
    assert!(take(&mut ledger, Lane::Read, Moment::ZERO));
    assert!(!take(&mut ledger, Lane::Terminal, Moment::ZERO));
    assert!(ledger.ask(Lane::Progress, Moment::ZERO).is_err());
    ledger.settle(Fate::Answered { remaining: Some(3) }, seconds(1));
    assert_eq!(drain(&mut ledger, Lane::Read, seconds(1)), 0);
    assert_eq!(drain(&mut ledger, Lane::Terminal, seconds(1)), 3);
    assert_eq!(drain(&mut ledger, Lane::Terminal, seconds(63)), 60);
}

#[test]
fn a_first_request_that_hangs_does_not_hold_up_the_others_for_long() {
    let mut ledger = Ledger::new(terms(60));
    assert!(take(&mut ledger, Lane::Read, Moment::ZERO));
    assert!(!take(&mut ledger, Lane::Terminal, seconds(1)));
    assert!(take(&mut ledger, Lane::Terminal, seconds(2)));
}

#[test]
fn room_that_plane_sees_again_is_used_again() {
    let mut ledger = known(60);
    assert!(take(&mut ledger, Lane::Read, Moment::ZERO));
    ledger.settle(Fate::Answered { remaining: Some(10) }, Moment::ZERO);
    assert_eq!(ledger.free(), 10);
    assert!(take(&mut ledger, Lane::Read, seconds(5)));
    ledger.settle(Fate::Answered { remaining: Some(40) }, seconds(5));
    assert_eq!(ledger.free(), 40);
}

#[test]
fn a_429_pauses_everybody_and_one_request_tries_first() {
    let mut ledger = known(60);
    assert!(take(&mut ledger, Lane::Read, Moment::ZERO));
    ledger.settle(Fate::Limited { retry_after: Some(seconds(20)) }, Moment::ZERO);
    assert!(!take(&mut ledger, Lane::Terminal, seconds(19)));
    assert!(take(&mut ledger, Lane::Terminal, seconds(20)));
    assert!(!take(&mut ledger, Lane::Terminal, seconds(20)));
    ledger.settle(Fate::Answered { remaining: Some(50) }, seconds(21));
    assert!(take(&mut ledger, Lane::Terminal, seconds(21)));
}

#[test]
fn a_429_without_a_time_is_waited_out_longer_and_longer() {
    let mut ledger = known(60);
    let mut now = Moment::ZERO;
    let mut waits = Vec::new();
    for _ in 0..4 {
        assert!(take(&mut ledger, Lane::Read, now));
        ledger.settle(Fate::Limited { retry_after: None }, now);
        waits.push((ledger.paused_until - now).as_secs());
        now = ledger.paused_until;
    }
    assert_eq!(waits, [1, 2, 4, 8]);
}

#[test]
fn a_pause_of_an_hour_is_told_and_not_waited_out() {
    let mut ledger = known(60);
    assert!(take(&mut ledger, Lane::Read, Moment::ZERO));
    let waits = ledger.ask(Lane::Terminal, Moment::ZERO).unwrap();
    ledger.settle(Fate::Limited { retry_after: Some(seconds(3600)) }, Moment::ZERO);
    assert_eq!(ledger.turn(waits, seconds(600)), Turn::Refused(Refusal { after: seconds(3000) }));
    assert!(!ledger.anyone_waits(), "its place is free");
    assert_eq!(ledger.ask(Lane::Terminal, seconds(3000)), Err(Refusal { after: seconds(600) }));
    assert!(take(&mut ledger, Lane::Terminal, seconds(3600)));
}

#[test]
fn a_read_gets_through_although_writes_never_cease() {
    let mut ledger = known(10);
    for now in 0.. {
        let now = seconds(now);
        if now.is_zero() {
            for _ in 0..50 {
                ledger.ask(Lane::Write, now).unwrap();
            }
            ledger.ask(Lane::Read, now).unwrap();
        }
        ledger.ask(Lane::Write, now).unwrap();
        ledger.pump(now);
        while ledger.in_flight > 0 {
            ledger.granted.clear();
            ledger.settle(Fate::Answered { remaining: None }, now);
            ledger.pump(now);
        }
        if ledger.queues[&Lane::Read].is_empty() {
            assert!(ledger.queues[&Lane::Write].len() > 10, "the writes were never behind");
            return;
        }
        // The fifty writes that came first take six windows by themselves.
        assert!(now < WINDOW * 8, "the read starves");
    }
}
