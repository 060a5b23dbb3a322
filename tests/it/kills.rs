//! Kills for real: the binary is killed with SIGKILL at random moments under load, started again on
//! the same directory, and at the end every acknowledged prompt has exactly one answer.
//!
//! `cargo test` kills 30 times. The long run, with its figures on standard output:
//!
//! ```text
//! AILERON_KILLS=500 cargo test --release --test it kills -- --nocapture
//! ```
//!
//! The store gives space back all the while, and the figures say how many kills fell into that.
//!
//! Everything random comes from one seed, which is printed; `AILERON_SEED` sets it. The kernel
//! decides the rest, so a seed repeats the load and the moments, not the interleaving.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use aileron::{
    domain::ids::{ActivityId, RunId},
    sandbox::{ActivityKind, ActivityPicture, Delivery, Mention, Mentioned, RunPicture, Sandbox, Shape, Status, Which},
};
use fastrand::Rng;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{
    LIMIT,
    app::TestApp,
    model::{Captured, Piece, Turn},
};

const KILLS: usize = 30;
/// How often, in kills, everything is awaited and checked.
const CHECK_EVERY: usize = 10;
/// What every prompt carries and its answer repeats: this and five digits.
const TOKEN: &str = "tok-";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_random_moments_under_load_lose_nothing_and_repeat_nothing() {
    let kills = setting("AILERON_KILLS").map_or(KILLS, |kills| usize::try_from(kills).unwrap());
    let seed = setting("AILERON_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("seed: {seed}");
    let began = Instant::now();
    let mut app = TestApp::setup()
        .plane(|options| {
            options.workspaces = 2;
            options.rate_limit_per_minute = None;
        })
        .rule(answer_every_token_once)
        // What was acknowledged must not depend on being looked for in Plane later.
        .set("AILERON__AGENT__SWEEP_SECS", "0")
        .set("AILERON__AGENT__WRITES", "allow")
        .set("AILERON__PLANE__SETTLE_MS", "300")
        // The store is copied all the time, so that many kills fall into a copy.
        .set("AILERON__STORE__COMPACT_ABOVE_MIB", "0")
        .start()
        .await;
    let mut load = Load::new(seed);
    let mut into_copies = 0;
    for kill in 1..=kills {
        let doings = load.round(&app.plane);
        tokio::time::sleep(Duration::from_millis(load.rng.u64(5..350))).await;
        app.kill().await;
        into_copies += usize::from(app.home().join("data/store.copy").exists());
        load.take_in(doings).await;
        app.serve().await;
        if kill % CHECK_EVERY == 0 || kill == kills {
            load.check_all_acknowledged(&app.plane).await;
        }
    }
    load.deliver_all_again(&app).await;
    let told = load.tell(&app.plane, kills);
    let copies = app.log().matches("the store gave space back").count();
    let told = format!("{told}; copies of the store: {copies}, killed in one: {into_copies}");
    assert!(copies > 0 && into_copies > 0, "{told}");
    println!("{told} ({:.1} s)", began.elapsed().as_secs_f64());
    assert_eq!(app.plane.violations(), Vec::<String>::new());
}

/// What people did so far, and what the agent acknowledged of it.
struct Load {
    rng: Rng,
    tokens: usize,
    /// Runs whose first prompt was heard. Where only the creation was, the prompt is fetched unless
    /// another comes first, so such a run is left in peace.
    runs: Vec<RunId>,
    /// Prompts and stops by run, each with whether a webhook of it was answered with 200.
    said: BTreeMap<RunId, Vec<(ActivityId, bool)>>,
    answered_again: usize,
}

/// What one thing done came to.
enum Done {
    Said(Mentioned),
    Mentioned(Mentioned, Vec<Which>),
    Repeated(Vec<u16>),
}

impl Load {
    fn new(seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed), tokens: 0, runs: Vec::new(), said: BTreeMap::new(), answered_again: 0 }
    }

    /// Begins several things at once, each on a run of its own.
    fn round(&mut self, plane: &Sandbox) -> JoinSet<Done> {
        let mut doings = JoinSet::new();
        let mut free: Vec<RunId> = self.runs.iter().rev().take(12).copied().collect();
        self.rng.shuffle(&mut free);
        for _ in 0..self.rng.usize(2..=5) {
            let plane = plane.clone();
            let delay = Duration::from_millis(self.rng.u64(0..60));
            match self.rng.u8(0..10) {
                0..=4 => {
                    let mention = self.mention();
                    let events = mention.delivery.events.clone();
                    doings.spawn(async move {
                        tokio::time::sleep(delay).await;
                        Done::Mentioned(plane.mention(mention).await, events)
                    });
                }
                kind => {
                    let Some(run) = free.pop() else { continue };
                    let (text, delivery) = (self.words(), self.delivery(&[Which::Prompt]));
                    doings.spawn(async move {
                        tokio::time::sleep(delay).await;
                        // What a person adds between a stop and its confirmation is another test's matter.
                        match (kind, plane.run(run).status) {
                            (8, _) => Done::Said(plane.stop(run, "maya").await),
                            (9, _) | (_, Status::Stopping) => Done::Repeated(plane.redeliver(run).await),
                            _ => Done::Said(plane.reply_as(run, "maya", &text, &delivery).await),
                        }
                    });
                }
            }
        }
        doings
    }

    fn mention(&mut self) -> Mention {
        let workspace = self.rng.usize(0..2);
        let identifier = ["MOB", "WEB"][workspace];
        let orders: [&[Which]; 5] = [
            &[Which::Created, Which::Prompt],
            &[Which::Prompt, Which::Created],
            &[Which::Created, Which::Prompt, Which::Prompt],
            &[Which::Prompt],
            &[Which::Created],
        ];
        let order = orders[self.rng.usize(0..orders.len())];
        Mention {
            workspace,
            work_item: format!("{identifier}-{}", self.rng.u8(1..=2)),
            author: "maya".to_owned(),
            text: self.words(),
            delivery: self.delivery(order),
        }
    }

    fn delivery(&mut self, events: &[Which]) -> Delivery {
        let shape = if self.rng.bool() { Shape::Wrapped } else { Shape::Flat };
        Delivery { shape, events: events.to_vec() }
    }

    fn words(&mut self) -> String {
        self.tokens += 1;
        format!("please see to {TOKEN}{:05}", self.tokens)
    }

    /// Notes what came of a round.
    async fn take_in(&mut self, mut doings: JoinSet<Done>) {
        while let Some(done) = doings.join_next().await {
            match done.unwrap() {
                Done::Said(said) => self.note(&said),
                Done::Mentioned(said, events) => {
                    if events.iter().zip(&said.statuses).any(|heard| heard == (&Which::Prompt, &200)) {
                        self.runs.push(said.run);
                    }
                    self.note(&said);
                }
                Done::Repeated(statuses) => {
                    self.answered_again += statuses.iter().filter(|status| **status == 200).count();
                }
            }
        }
    }

    fn note(&mut self, said: &Mentioned) {
        let acknowledged = said.statuses.contains(&200);
        self.said.entry(said.run).or_default().push((said.prompt_activity, acknowledged));
    }

    async fn check_all_acknowledged(&self, plane: &Sandbox) {
        for (run, said) in &self.said {
            let acknowledged: Vec<_> = said.iter().filter(|(_, ok)| *ok).map(|(id, _)| *id).collect();
            let covered = |picture: &RunPicture| acknowledged.iter().all(|id| is_covered(picture, *id));
            if let Err(picture) = plane.until(*run, covered, LIMIT).await {
                panic!("something acknowledged with 200 is lost:\n{}", picture.to_text());
            }
        }
    }

    /// Plane delivers everything once more, so that what was never acknowledged comes in as well
    /// and all the rest is a duplicate.
    async fn deliver_all_again(&mut self, app: &TestApp) {
        for (run, said) in &mut self.said {
            let statuses = app.plane.redeliver(*run).await;
            assert!(statuses.iter().all(|status| *status == 200), "webhooks answered {statuses:?}");
            // A mention whose only webhook was its run's creation has had no event of its prompt.
            let delivered: BTreeSet<_> = app.plane.run(*run).activities.iter().map(|activity| activity.id).collect();
            said.iter_mut().for_each(|(id, acknowledged)| *acknowledged |= delivered.contains(id));
        }
        self.check_all_acknowledged(&app.plane).await;
        app.fence().await;
    }

    /// Counts what was lost and what was answered twice; both must be nothing.
    fn tell(&self, plane: &Sandbox, kills: usize) -> String {
        let accepted = self.said.values().map(Vec::len).sum::<usize>();
        let (mut lost, mut duplicates, mut noted) = (0, 0, 0);
        for (run, said) in &self.said {
            let picture = plane.run(*run);
            lost += said.iter().filter(|(id, _)| !is_covered(&picture, *id)).count();
            let mut times = BTreeMap::new();
            for token in ends(&picture).flat_map(|(_, body)| tokens(body)) {
                *times.entry(token).or_insert(0) += 1;
            }
            let again = times.values().filter(|times| **times > 1).count();
            if again > 0 {
                println!("answered more than once:\n{}", picture.to_text());
            }
            duplicates += again;
            let written = plane.written_by(*run);
            let comments: Vec<_> = written.lines().filter(|line| line.starts_with("comment on")).collect();
            noted += comments.len();
            let once: BTreeSet<_> = comments.iter().flat_map(|line| tokens(line)).collect();
            let all = comments.iter().map(|line| tokens(line).len()).sum::<usize>();
            if all > once.len() {
                println!("noted more than once:\n{written}");
            }
            duplicates += all - once.len();
        }
        let told = format!(
            "kills: {kills}, accepted: {accepted}, lost: {lost}, duplicates: {duplicates}; runs: {}, comments made: {noted}, webhooks sent again: {}",
            self.said.len(),
            self.answered_again
        );
        assert_eq!((lost, duplicates), (0, 0), "{told}");
        assert!(accepted > kills && noted > 0, "next to nothing was done: {told}");
        told
    }
}

/// Whether a prompt or a stop has had its end: a prompt is named by one, or a stop overtook it; a
/// stop is followed by one, unless everything was over when it was pressed.
fn is_covered(picture: &RunPicture, id: ActivityId) -> bool {
    let Some(at) = picture.activities.iter().position(|activity| activity.id == id) else { return false };
    let prompt = &picture.activities[at];
    let ended_after = |at: usize| ends(picture).any(|(end, _)| end > at);
    if prompt.signal == "stop" {
        return ended_after(at) || was_over(&picture.activities[..at]);
    }
    let token = tokens(&prompt.body).pop().expect("every prompt of the load has a token");
    let stopped = picture.activities.iter().enumerate().skip(at).find(|(_, activity)| activity.signal == "stop");
    ends(picture).any(|(_, body)| body.contains(token)) || stopped.is_some_and(|(at, _)| ended_after(at))
}

/// Whether there was nothing left to stop.
fn was_over(before: &[ActivityPicture]) -> bool {
    let marks = before.iter().rev().filter(|activity| activity.signal != "stop");
    let last = marks.map(|activity| activity.kind).find(|kind| kind.is_terminal() || *kind == ActivityKind::Prompt);
    last.is_some_and(|kind| kind.is_terminal() && kind != ActivityKind::Elicitation)
}

/// The activities that ended turns, with their places.
fn ends(picture: &RunPicture) -> impl Iterator<Item = (usize, &str)> {
    let ended = |kind: ActivityKind| kind.is_terminal();
    let all = picture.activities.iter().enumerate().filter(move |(_, activity)| ended(activity.kind));
    all.map(|(at, activity)| (at, activity.body.as_str()))
}

/// Names every token it was told and has not named yet. Tools, a comment and a question come before the answer
/// as the token's number has it, so that a repeated request gets the same reply.
fn answer_every_token_once(request: &Captured) -> Option<Turn> {
    let open = unnamed(request.messages());
    let words = if open.is_empty() { "Here.".to_owned() } else { format!("Seen to {}.", open.join(" and ")) };
    let number: usize = open.last().and_then(|token| token.strip_prefix(TOKEN)?.parse().ok()).unwrap_or(0);
    let last_said = request.messages().iter().rposition(|message| said_by_person(message).is_some());
    let results = request.messages().iter().skip(last_said.unwrap_or(0) + 1).filter(|m| m["role"] == "tool").count();
    // What joins a turn after a comment is noted by another one, which leaves out what the first has.
    let noted = named_in_calls(request.messages(), "add_comment");
    let fresh: Vec<_> = open.iter().filter(|token| !noted.contains(token.as_str())).map(String::as_str).collect();
    let pause = vec![Piece::Pause(Duration::from_millis((number % 7 * 15) as u64))];
    let turn = match (number % 5, results) {
        (1 | 2, 0) => Turn::calls([("read_work_item", json!({}))]),
        (2, 1) => Turn::calls([("search_work_items", json!({"query": "crash"})), ("read_comments", json!({}))]),
        (4, 0) if !fresh.is_empty() => {
            Turn::calls([("add_comment", json!({"text": format!("Noted {}.", fresh.join(" and "))}))])
        }
        (3, 0) => Turn::calls([("ask_user", json!({"question": words, "options": ["yes", "no"]}))]),
        _ => Turn::says(&words),
    };
    Some(turn.after(pause))
}

/// Tokens people said and the agent has not named in an answer or a question.
fn unnamed(messages: &[Value]) -> Vec<String> {
    let mut named = named_in_calls(messages, "ask_user");
    for message in messages.iter().filter(|message| message["role"] == "assistant") {
        if message["tool_calls"].as_array().is_none_or(Vec::is_empty) {
            named.extend(tokens(message["content"].as_str().unwrap_or_default()));
        }
    }
    let said = messages.iter().filter_map(said_by_person).flat_map(tokens);
    said.filter(|token| !named.contains(token)).map(str::to_owned).collect()
}

/// Tokens in the arguments of every call of one tool.
fn named_in_calls<'a>(messages: &'a [Value], tool: &str) -> BTreeSet<&'a str> {
    let calls = messages.iter().filter_map(|message| message["tool_calls"].as_array()).flatten();
    let arguments = calls.filter(|call| call["function"]["name"] == tool).map(|call| &call["function"]["arguments"]);
    arguments.filter_map(Value::as_str).flat_map(tokens).collect()
}

/// A person's words; the work item's text and other results hold words of other conversations.
fn said_by_person(message: &Value) -> Option<&str> {
    let text = message["content"].as_str()?;
    let theirs = match message["role"].as_str()? {
        "user" => !text.contains("<plane-data>"),
        "tool" => text.starts_with("The person "),
        _ => false,
    };
    theirs.then_some(text)
}

fn tokens(text: &str) -> Vec<&str> {
    text.match_indices(TOKEN).filter_map(|(at, _)| text.get(at..at + TOKEN.len() + 5)).collect()
}

#[expect(clippy::disallowed_methods, reason = "the length and the seed of the run come from the command line")]
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text:?}")))
}
