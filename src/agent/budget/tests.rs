//! What gives way when, as a table, and what never may, as properties.

use std::{
    collections::HashSet,
    sync::{Arc, OnceLock},
    time::Duration,
};

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;
use crate::{
    agent::{
        Limits, compaction,
        journal::{Entry, Outcome, Said},
        session::Session,
        step::Step,
    },
    domain::{
        activity::{Draft as Activity, Saying},
        ids::{ActivityId, RunId},
        picture::Picture,
        talk::{AssistantMessage, Finish, ToolCall},
    },
};

fn prompts() -> &'static Prompts {
    static PROMPTS: OnceLock<Prompts> = OnceLock::new();
    PROMPTS.get_or_init(Prompts::built_in)
}

fn meter() -> TokenMeter {
    TokenMeter::for_model("gpt-5")
}

/// A conversation in numbers: what its texts are about does not matter, how long they are does.
#[derive(Debug, Clone)]
struct Shape {
    /// For each older turn the lengths of its results, in words.
    older: Vec<Vec<usize>>,
    description: usize,
    comments: Vec<usize>,
    prompt: usize,
    /// For each step of the turn under way the lengths of its results.
    steps: Vec<Vec<usize>>,
}

fn words(count: usize) -> String {
    ["the", "cart", "crashes", "in", "German,", "says", "Maya;", "build", "1187"]
        .iter()
        .cycle()
        .take(count)
        .copied()
        .collect::<Vec<_>>()
        .join(" ")
}

fn said(text: String) -> Said {
    Said {
        activity: Some(ActivityId(uuid::Uuid::nil())),
        by: None,
        author: Some("@maya".to_owned()),
        text,
        written_at: None,
    }
}

/// Folds a shape into a session that is about to ask the model.
struct Teller {
    session: Session,
    calls: usize,
}

impl Teller {
    fn tell(shape: &Shape) -> Session {
        let limits = Limits {
            max_steps: 1_000,
            max_turn: Duration::from_secs(60),
            settle: Duration::ZERO,
            status_every: Duration::from_secs(60),
        };
        let run = RunId(uuid::Uuid::nil());
        let mut teller = Self { session: Session::new(run, limits), calls: 0 };
        for results in &shape.older {
            teller.open(format!("older prompt {}", words(20)));
            teller.step(results);
            teller.answer(&format!("older answer {}", words(40)));
        }
        teller.open(format!("NEWEST-BEGINS {} NEWEST-ENDS", words(shape.prompt)));
        let comments = shape.comments.iter().map(|length| format!("**@bob**: {}", words(*length))).collect();
        let look = Look {
            key: "MOB-3".to_owned(),
            name: "App crashes".to_owned(),
            description: words(shape.description),
            comments,
            ..Look::default()
        };
        teller.session.absorb(Entry::ContextRead { look: Some(Box::new(look)) });
        shape.steps.iter().for_each(|results| teller.step(results));
        teller.session
    }

    fn open(&mut self, text: String) {
        self.session.absorb(Entry::Opened {
            at: Timestamp::UNIX_EPOCH,
            turn: None,
            prompts: vec![said(text)],
            entitled: false,
        });
    }

    fn step(&mut self, results: &[usize]) {
        if self.session.next() == Step::ReadContext {
            self.session.absorb(Entry::ContextRead { look: None });
        }
        let ids: Vec<_> = results.iter().map(|_| self.next_id()).collect();
        let call = |id: &String| ToolCall {
            id: id.clone(),
            name: "search_work_items".to_owned(),
            arguments: json!({ "query": id }).to_string(),
            raw: Map::new(),
        };
        if ids.is_empty() {
            return;
        }
        let calls = ids.iter().map(call).collect();
        let message = AssistantMessage { text: "I look.".to_owned(), calls, raw: None };
        self.session.absorb(Entry::Answered { message, finish: Finish::ToolCalls, usage: None });
        for (call_id, length) in ids.into_iter().zip(results) {
            self.session.absorb(Entry::ToolDone {
                call_id,
                text: words(*length),
                failed: false,
                receipt: None,
                elsewhere: false,
                unknown: false,
            });
        }
    }

    fn answer(&mut self, text: &str) {
        let message = AssistantMessage { text: text.to_owned(), calls: Vec::new(), raw: None };
        self.session.absorb(Entry::Answered { message, finish: Finish::Done, usage: None });
        let Step::Compose { key, .. } = self.session.next() else { panic!("nothing to say") };
        let draft = Activity { key, saying: Saying::Response { body: text.to_owned() }, detail: None };
        self.session.absorb(Entry::Intended { draft });
        let outcome = Outcome::Posted { activity: ActivityId(uuid::Uuid::nil()), at: None };
        self.session.absorb(Entry::Closed { outcome });
    }

    fn next_id(&mut self) -> String {
        self.calls += 1;
        format!("call-{}", self.calls)
    }
}

fn draft(session: &Session) -> Draft {
    let tools = vec![ToolOffer { name: "t".to_owned(), description: words(30), parameters: json!({"type": "object"}) }];
    Draft::new("You are the agent.".to_owned(), session.conversation(), None, tools)
}

/// Two pictures on the work item, and one that the first call of the turn gave.
fn pictures(first_call: Option<&str>) -> Vec<Shown> {
    let picture = |caption: &str, call_id: Option<&str>| Shown {
        call_id: call_id.map(str::to_owned),
        message: Message::Picture {
            caption: caption.to_owned(),
            picture: Arc::new(Picture { media_type: "image/png", base64: "A".repeat(2_000_000), tokens: 1_000 }),
        },
    };
    let beside = [picture("one", None), picture("two", None)].into_iter();
    beside.chain(first_call.map(|call_id| picture("asked", Some(call_id)))).collect()
}

fn fit(session: &Session, limit: u64) -> Fit {
    draft(session).fit(Room { limit, squeezed: false }, &meter(), prompts())
}

/// As the driver does it: compacts as long as that is asked for. How often, and what came of it.
fn fit_with_compaction(session: &mut Session, limit: u64) -> (usize, Fit) {
    for times in 0.. {
        match fit(session, limit) {
            Fit::Compact { through_turn } => {
                let summary = compaction::mechanical(session.conversation(), through_turn);
                let (entry, _) = session.compaction(through_turn, summary).expect("there is a later turn");
                session.absorb(entry);
            }
            done @ (Fit::Fits(_) | Fit::TooLong) => return (times, done),
        }
    }
    unreachable!("each compaction leaves fewer turns")
}

fn cost(request: &Request) -> u64 {
    let parts: Vec<_> = request.messages.iter().map(|message| part(message.clone(), Place::Fixed)).collect();
    Weigher::by_count(&meter()).whole(&parts, &request.tools)
}

fn all_text(request: &Request) -> String {
    let text = |message: &Message| match message {
        Message::System { text } | Message::User { text } | Message::Tool { text, .. } => text.clone(),
        Message::Picture { caption, .. } => format!("PICTURE {caption}"),
        Message::Assistant(reply) => reply.text.clone(),
    };
    request.messages.iter().map(text).collect::<Vec<_>>().join("\n")
}

fn assert_sendable(request: &Request) -> Result<(), TestCaseError> {
    let mut open = HashSet::new();
    for message in &request.messages {
        match message {
            Message::Tool { call_id, .. } => prop_assert!(open.remove(call_id.as_str()), "a result without its call"),
            Message::System { .. } | Message::User { .. } | Message::Picture { .. } => {
                prop_assert!(open.is_empty(), "a call without its result");
            }
            Message::Assistant(reply) => {
                prop_assert!(open.is_empty(), "a call without its result");
                open = reply.calls.iter().map(|call| call.id.as_str()).collect();
            }
        }
    }
    prop_assert!(open.is_empty(), "the last calls have no results");
    Ok(())
}

/// Everything there is, in lengths that make each way of giving way tell.
fn rich() -> Shape {
    Shape {
        older: vec![vec![1_000], vec![1_000], vec![1_000]],
        description: 6_000,
        comments: vec![1_500; 12],
        prompt: 400,
        steps: vec![vec![1_500, 1_500], vec![2_000]],
    }
}

#[test]
fn a_short_conversation_goes_out_whole_and_uncounted() {
    let shape = Shape { older: vec![vec![10]], description: 50, comments: vec![20], prompt: 5, steps: vec![vec![10]] };
    let session = Teller::tell(&shape);
    let room = Room { limit: 20_000, squeezed: false };
    let fitted = draft(&session).at_a_glance(room, &meter(), prompts()).expect("it fits by its length");
    assert_eq!(fitted.counted, None);
    assert!(!all_text(&fitted.request).contains('…'), "{}", all_text(&fitted.request));
    let tight = Room { limit: 300, squeezed: false };
    assert_eq!(draft(&session).at_a_glance(tight, &meter(), prompts()), None);
    let squeezed = Room { limit: 20_000, squeezed: true };
    assert_eq!(draft(&session).at_a_glance(squeezed, &meter(), prompts()), None, "its length was no proof");
}

/// What has given way, from the mildest to the last resort.
fn given_way(session: &Session, times: usize, fit: &Fit) -> Vec<&'static str> {
    let Fit::Fits(fitted) = fit else { return vec!["does not fit"] };
    let text = all_text(&fitted.request);
    let last_result = fitted.request.messages.iter().rev().find_map(|message| match message {
        Message::Tool { text, .. } => Some(text),
        Message::System { .. } | Message::User { .. } | Message::Picture { .. } | Message::Assistant(_) => None,
    });
    let results_cut = text.matches("left out to save space; call the tool again").count();
    let newest_cut = last_result.is_some_and(|text| text.contains("left out to save space"));
    let told = [
        ("old results", results_cut > usize::from(newest_cut)),
        ("comments", text.contains("older; read_comments has them") || text.contains("more characters]")),
        ("older turns", times > 0 && session.conversation().summary.is_some()),
        ("newest results", newest_cut),
        ("earlier steps", text.contains("earlier steps of yours")),
        ("prompt", text.contains("characters left out …")),
    ];
    told.into_iter().filter(|(_, gave)| *gave).map(|(name, _)| name).collect()
}

#[test]
fn things_give_way_in_their_order_and_no_sooner_than_they_must() {
    let whole = {
        let Fit::Fits(fitted) = fit(&Teller::tell(&rich()), 1_000_000) else { panic!("it fits a huge window") };
        cost(&fitted.request)
    };
    assert!(whole > 34_000, "{whole}");
    let table: &[(u64, &[&str])] = &[
        (whole, &[]),
        (whole - 500, &["old results"]),
        (whole - 9_000, &["old results", "comments"]),
        (5_000, &["old results", "comments"]),
        (4_500, &["old results", "comments", "older turns"]),
        (1_600, &["old results", "comments", "older turns", "newest results"]),
        (1_400, &["comments", "older turns", "newest results", "earlier steps"]),
        (1_000, &["comments", "older turns", "newest results", "earlier steps", "prompt"]),
        (500, &["does not fit"]),
    ];
    for (limit, expected) in table {
        let mut session = Teller::tell(&rich());
        let (times, fit) = fit_with_compaction(&mut session, *limit);
        assert_eq!(given_way(&session, times, &fit), *expected, "within {limit} of {whole} tokens");
    }
}

#[test]
fn a_request_the_provider_found_too_long_is_sent_at_three_fifths() {
    let session = Teller::tell(&rich());
    let whole = fit(&session, 1_000_000);
    let room = Room { limit: 1_000_000, squeezed: true };
    let squeezed = draft(&session).fit(room, &meter(), prompts());
    let (Fit::Fits(whole), Fit::Fits(squeezed)) = (whole, squeezed) else { panic!("both fit") };
    assert!(cost(&squeezed.request) * 5 <= cost(&whole.request) * 3);
}

#[test]
fn many_turns_are_compacted_even_if_they_fit() {
    let shape = |turns: usize| Shape { older: vec![vec![1]; turns], ..rich() };
    assert_eq!(overdue(Teller::tell(&shape(7)).conversation()), None);
    let session = Teller::tell(&shape(8));
    assert_eq!(overdue(session.conversation()), Some(5), "three of the eight stay");
    let (entry, _) = session.compaction(5, "short".to_owned()).unwrap();
    let mut session = session;
    session.absorb(entry);
    assert_eq!(session.conversation().talks.len(), 4);
    assert_eq!(overdue(session.conversation()), None);
}

#[test]
fn pictures_stand_beside_what_they_belong_to_and_go_first() {
    let shape =
        Shape { older: Vec::new(), description: 50, comments: Vec::new(), prompt: 5, steps: vec![vec![9, 9]; 2] };
    let session = Teller::tell(&shape);
    let shown = |limit| {
        let draft = draft(&session).with_pictures(pictures(Some("call-1")));
        match draft.fit(Room { limit, squeezed: false }, &meter(), prompts()) {
            Fit::Fits(fitted) => {
                assert!(cost(&fitted.request) <= limit);
                assert_sendable(&fitted.request).unwrap();
                let of_roles = fitted.request.messages.iter().map(|message| match message {
                    Message::System { .. } => "system".to_owned(),
                    Message::User { text } if text.contains("left out") => text.clone(),
                    Message::User { .. } => "user".to_owned(),
                    Message::Picture { caption, .. } => caption.clone(),
                    Message::Assistant(_) => "calls".to_owned(),
                    Message::Tool { .. } => "result".to_owned(),
                });
                of_roles.collect::<Vec<_>>().join(", ")
            }
            other @ (Fit::Compact { .. } | Fit::TooLong) => panic!("{other:?}"),
        }
    };
    let steps = "calls, result, result, asked, calls, result, result";
    let whole = shown(100_000);
    assert_eq!(whole, format!("system, user, one, two, user, {steps}"), "their bytes are no tokens");
    assert_eq!(shown(3_400), format!("system, user, one, two\n[left out to save space], user, {steps}"));
    let gone = "one\n[left out to save space], two\n[left out to save space]";
    assert_eq!(shown(1_800), format!("system, user, {gone}, user, {steps}"));
    let asked = steps.replace("asked", "asked\n[left out to save space]");
    assert_eq!(shown(1_300), format!("system, user, {gone}, user, {asked}"));
}

/// Two hundred turns, huge results, five hundred comments and a description without end.
#[test]
fn the_largest_conversation_fits_a_small_window() {
    let shape = Shape {
        older: vec![vec![3_000]; 200],
        description: 8_000,
        comments: vec![300; 500],
        prompt: 3_000,
        steps: vec![vec![3_000, 3_000, 3_000]; 6],
    };
    for limit in [4_000, 16_000, 100_000] {
        let mut session = Teller::tell(&shape);
        let (_, fit) = fit_with_compaction(&mut session, limit);
        let Fit::Fits(fitted) = fit else { panic!("it does not fit {limit}") };
        assert!(cost(&fitted.request) <= limit);
        assert!(all_text(&fitted.request).contains("NEWEST-BEGINS"));
    }
}

fn any_shape() -> impl Strategy<Value = Shape> {
    let results = || prop::collection::vec(0_usize..900, 0..3);
    (
        prop::collection::vec(results(), 0..5),
        0_usize..3_000,
        prop::collection::vec(0_usize..300, 0..12),
        0_usize..1_500,
        prop::collection::vec(results(), 0..5),
    )
        .prop_map(|(older, description, comments, prompt, steps)| Shape {
            older,
            description,
            comments,
            prompt,
            steps,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn never_over_budget_never_without_the_newest_prompt_never_a_call_without_its_result(
        shape in any_shape(),
        limit in 600_u64..12_000,
    ) {
        let mut session = Teller::tell(&shape);
        let (_, fit) = fit_with_compaction(&mut session, limit);
        let first_call = session.conversation().talks.last().and_then(|talk| talk.messages.iter().find_map(|message| {
            if let Message::Tool { call_id, .. } = message { Some(call_id.clone()) } else { None }
        }));
        let seeing = draft(&session).with_pictures(pictures(first_call.as_deref()));
        match seeing.fit(Room { limit, squeezed: false }, &meter(), prompts()) {
            Fit::Fits(fitted) => {
                prop_assert!(cost(&fitted.request) <= limit);
                assert_sendable(&fitted.request)?;
            }
            Fit::Compact { .. } => {}
            Fit::TooLong => prop_assert!(!matches!(fit, Fit::Fits(_)), "pictures are no reason not to fit"),
        }
        let Fit::Fits(fitted) = fit else {
            // What cannot be left out: the system prompt, the tools, the ends of the prompt, a bare look
            // and the calls of the newest step.
            prop_assert!(limit < 1_000, "it does not fit {limit}");
            return Ok(());
        };
        prop_assert!(cost(&fitted.request) <= limit);
        prop_assert_eq!(fitted.counted, Some(cost(&fitted.request)));
        assert_sendable(&fitted.request)?;
        let text = all_text(&fitted.request);
        prop_assert!(text.contains("NEWEST-BEGINS") && text.contains("NEWEST-ENDS"), "the newest prompt is lost");
    }
}
