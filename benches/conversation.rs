//! What a long conversation costs: the fold of its journal and the request made of it, at turn 2 and
//! at turn 200.
//!
//! * `cargo bench --bench conversation`
//! * `cargo bench --bench conversation -- --smoke`: once, to see that it runs

#![expect(clippy::expect_used, reason = "a measurement that fails has nothing better to do")]
#![expect(clippy::print_stdout, reason = "this is where the figures are told")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use aileron::{
    agent::{
        Limits,
        budget::{self, Draft, Room},
        compaction,
        context::look::Look,
        journal::{self, Entry, Outcome, Said},
        prompts::Prompts,
        session::Session,
        step::Step,
    },
    domain::{
        activity::{Draft as Activity, Saying},
        ids::{ActivityId, RunId},
        talk::{AssistantMessage, Finish, ToolCall},
    },
    llm::tokens::TokenMeter,
    tools::Toolbox,
};
use jiff::Timestamp;

const LIMITS: Limits = Limits {
    max_steps: 24,
    max_turn: Duration::from_secs(60),
    settle: Duration::ZERO,
    status_every: Duration::from_secs(60),
};

fn main() {
    let smoke = std::env::args().any(|word| word == "--smoke");
    let repeats = if smoke { 1 } else { 100 };
    let mut thread = Thread::new();
    let mut figures = Vec::new();
    for turn in 1..=200 {
        thread.ask(turn);
        let cost = thread.least_cost(repeats);
        if [2, 10, 50, 100, 190].contains(&turn) || turn > 195 {
            println!("turn {turn:>3}: {cost:>9.2?}, {} entries to fold", thread.to_fold().len());
        }
        figures.push(cost);
        thread.answer();
    }
    let late = figures.iter().rev().take(12).max().copied().unwrap_or_default();
    let ratio = late.as_secs_f64() / figures[1].as_secs_f64();
    println!("the dearest of the last twelve turns costs {ratio:.2} times what turn 2 costs");
}

/// A conversation as its journal tells it.
struct Thread {
    journal: Vec<String>,
    fold_from: u64,
    session: Session,
    prompts: Prompts,
    toolbox: Toolbox,
    meter: TokenMeter,
}

impl Thread {
    fn new() -> Self {
        Self {
            journal: Vec::new(),
            fold_from: 0,
            session: Session::new(run(), LIMITS),
            prompts: Prompts::built_in(),
            toolbox: Toolbox::from_texts(|_| None),
            meter: TokenMeter::for_model("gpt-5"),
        }
    }

    fn write(&mut self, entry: Entry) {
        self.journal.push(journal::encode(&entry));
        self.session.absorb(entry);
    }

    /// Up to the last question to the model in a turn: the work item was read, and a tool answered.
    fn ask(&mut self, turn: u32) {
        let text = format!("question {turn}: {}", "what about the cart? ".repeat(6));
        let said = Said { activity: None, by: None, author: Some("@maya".to_owned()), text, written_at: None };
        self.write(Entry::Opened { at: Timestamp::UNIX_EPOCH, turn: Some(turn), prompts: vec![said], entitled: false });
        self.write(Entry::ContextRead { look: Some(Box::new(look())) });
        if let Some(through_turn) = budget::overdue(self.session.conversation()) {
            let summary = compaction::mechanical(self.session.conversation(), through_turn);
            let (entry, from) = self.session.compaction(through_turn, summary).expect("there is a later turn");
            self.fold_from = from;
            self.write(entry);
        }
        let call = ToolCall {
            id: format!("call-{turn}"),
            name: "search_work_items".to_owned(),
            arguments: format!("{{\"query\":\"cart {turn}\"}}"),
            raw: serde_json::Map::new(),
        };
        let message = AssistantMessage { text: "I look it up.".to_owned(), calls: vec![call], raw: None };
        self.write(Entry::Answered { message, finish: Finish::ToolCalls, usage: None });
        let text = "- MOB-5: Crash in cart\n".repeat(20);
        self.write(Entry::ToolDone {
            call_id: format!("call-{turn}"),
            text,
            failed: false,
            receipt: None,
            elsewhere: false,
            unknown: false,
        });
    }

    fn answer(&mut self) {
        let text = "It is the number format of the cart. ".repeat(12);
        let message = AssistantMessage { text: text.clone(), calls: Vec::new(), raw: None };
        self.write(Entry::Answered { message, finish: Finish::Done, usage: None });
        let Step::Compose { key, .. } = self.session.next() else { unreachable!("the model has answered") };
        let draft = Activity { key, saying: Saying::Response { body: text }, detail: None };
        self.write(Entry::Intended { draft });
        self.write(Entry::Closed { outcome: Outcome::Posted { activity: ActivityId(uuid::Uuid::nil()), at: None } });
    }

    /// What a claim would be given.
    fn to_fold(&self) -> &[String] {
        &self.journal[usize::try_from(self.fold_from).expect("it fits")..]
    }

    /// The least of several, as whatever else the machine does only adds to it.
    fn least_cost(&self, repeats: usize) -> Duration {
        let costs = (0..repeats).map(|_| {
            let begun = Instant::now();
            black_box(self.build());
            begun.elapsed()
        });
        costs.min().unwrap_or_default()
    }

    fn build(&self) -> usize {
        let entries = journal::decode_all(self.to_fold()).expect("our own entries");
        let session = Session::fold(run(), LIMITS, self.fold_from, entries);
        let values = serde_json::json!({
            "agent_name": "aileron", "today": "Tuesday, 2026-11-24", "workspace": null, "can_write": false,
        });
        let system = self.prompts.render("system.md", values).expect("compiled in");
        let mut draft = Draft::new(system, session.conversation(), None, self.toolbox.offers().to_vec());
        let room = Room { limit: 200_000, squeezed: false };
        draft.at_a_glance(room, &self.meter, &self.prompts).expect("it fits").request.messages.len()
    }
}

fn run() -> RunId {
    RunId(uuid::Uuid::nil())
}

/// A work item as most are: some 6 KB.
fn look() -> Look {
    let lines = |text: &str, count: usize| vec![text.to_owned(); count];
    Look {
        zone: "Europe/Berlin".to_owned(),
        key: "MOB-3".to_owned(),
        name: "App crashes when I open the cart".to_owned(),
        fields: lines("- Created: 2026-11-22 16:02 (2 days ago) by @ada", 9),
        description: "The app closes by itself after the language was changed. ".repeat(40),
        comments: lines("**@bob**, 2026-11-22 16:02 (2 days ago):\nSmells like the number format change in 4.2.0.", 15),
        history: lines("- 2026-11-22 16:02 (2 days ago) @ada changed state from Todo to In Progress", 15),
        children: lines("- MOB-8: Move the address form into its own component (Done)", 4),
        ..Look::default()
    }
}
