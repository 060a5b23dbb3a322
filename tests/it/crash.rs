//! Death at every call: each scenario is played once while its calls across the store, Plane and the
//! model are counted, and then once for every call with a death before and one after it. After a
//! restart the person sees what they would have seen anyway.
//!
//! "What they see" is every lasting activity and the run's status, word for word. Progress may be
//! lost with the process, but none is shown that the undisturbed run does not show, and none twice:
//! the stand-in Plane complains of a step that is posted again, and of anything after the last word.

use aileron::{
    config::WritePolicy,
    domain::talk::Message,
    llm::{LlmError, Request},
};
use futures_util::{StreamExt as _, stream};
use serde_json::json;

use crate::support::{
    app::Channel,
    faulty::{Plan, Side},
    life::{Act, Played, Scenario, Thinks, World, lasting, play, progress},
};

/// What the model says beside its calls. It is shown or not, depending on how soon it comes after the
/// thought before, and so the undisturbed run need not show it.
const BESIDE_CALLS: &[&str] = &["thought: I look it up.", "thought: I put it in order."];

/// In this scenario the stop may be seen before the call's action has its turn to be shown, and what is not
/// shown by then never is. The undisturbed run need not show it either.
const OVERTAKEN: (&str, &str) =
    ("a stop that nobody tells of", r#"action {"arguments":{"key":"MOB-1"},"tool":"read_work_item"}"#);

/// So many tokens are never used up.
const WIDE: u32 = 1_000_000;
/// An answer of some 2,000 tokens.
const LONG: &str = include_str!("../../aileron.default.toml");

/// Plays at the same time. More do not go faster on two cores.
const AT_ONCE: usize = 12;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a plain answer",
        think: |_| Thinks::Says("It is a crash."),
        acts: &[Act::Mention("what is this?")],
        ends: 1,
        end: ("response", "completed"),
        max_steps: 6,
        window: WIDE,
        writes: WritePolicy::Allow,
    },
    Scenario {
        name: "parallel tools, then an answer",
        think: |request| match results(request) {
            0 => Thinks::Calls(
                "I look it up.",
                vec![
                    ("read_work_item", json!({"key": "MOB-1"})),
                    ("list_project_facts", json!({})),
                    ("search_work_items", json!({"query": "password"})),
                ],
            ),
            _ => Thinks::Says("All looked up."),
        },
        acts: &[Act::Mention("look around")],
        ends: 1,
        end: ("response", "completed"),
        max_steps: 6,
        window: WIDE,
        writes: WritePolicy::Allow,
    },
    Scenario {
        name: "a skill that is chosen, and another one loaded",
        think: |request| match results(request) {
            0 => Thinks::Calls("", vec![("load_skill", json!({"name": "summary"}))]),
            1 => Thinks::Calls("", vec![("read_comments", json!({})), ("add_comment", json!({"text": "no"}))]),
            _ => Thinks::Says("Triaged and summed up."),
        },
        acts: &[Act::Mention("/triage this")],
        ends: 1,
        end: ("response", "completed"),
        max_steps: 6,
        window: WIDE,
        writes: WritePolicy::Allow,
    },
    Scenario {
        name: "a question and its reply",
        think: |request| match results(request) {
            0 => Thinks::Calls("", vec![("ask_user", json!({"question": "Which one?", "options": ["A", "B"]}))]),
            _ => Thinks::Says("B it is."),
        },
        acts: &[Act::Mention("choose"), Act::AtRest(1), Act::Reply("B")],
        ends: 2,
        end: ("response", "completed"),
        max_steps: 6,
        window: WIDE,
        writes: WritePolicy::Allow,
    },
    Scenario {
        name: "a stop in mid-turn",
        think: |_| Thinks::Never,
        acts: &[Act::Mention("think hard"), Act::Asked, Act::Stop],
        ends: 1,
        end: ("response", "stopped"),
        max_steps: 6,
        window: WIDE,
        writes: WritePolicy::Allow,
    },
    Scenario {
        name: "a stop that nobody tells of",
        think: |request| match results(request) {
            0 => Thinks::CallsWhenTold(vec![("read_work_item", json!({"key": "MOB-1"}))]),
            _ => Thinks::Never,
        },
        acts: &[Act::Mention("look"), Act::Asked, Act::StopUnheard, Act::LetSpeak],
        ends: 1,
        end: ("response", "stopped"),
        max_steps: 6,
        window: WIDE,
        writes: WritePolicy::Allow,
    },
    Scenario {
        name: "words after a stop that nobody tells of",
        think: |request| match results(request) {
            0 => Thinks::Calls("", vec![("ask_user", json!({"question": "Which one?"}))]),
            _ => Thinks::Says("C it is."),
        },
        acts: &[Act::Mention("choose"), Act::AtRest(1), Act::StopUnheard, Act::ReplyAhead("take C then")],
        ends: 2,
        end: ("response", "stopped"),
        max_steps: 6,
        window: WIDE,
        writes: WritePolicy::Allow,
    },
    Scenario {
        name: "words that join a turn of changes",
        think: |request| match results(request) {
            0 => Thinks::CallsWhenTold(vec![("update_work_item", json!({"priority": "low"}))]),
            1 => Thinks::Calls("", vec![("add_comment", json!({"text": "And this."}))]),
            _ => Thinks::Says("Both done."),
        },
        acts: &[Act::MentionInNew("lower it"), Act::Asked, Act::Reply("and say so"), Act::LetSpeak],
        ends: 1,
        end: ("response", "completed"),
        max_steps: 6,
        window: WIDE,
        writes: WritePolicy::Allow,
    },
    Scenario {
        name: "a stop while a question waits",
        think: |_| Thinks::Calls("", vec![("ask_user", json!({"question": "Which one?"}))]),
        acts: &[Act::Mention("choose"), Act::AtRest(1), Act::Stop],
        ends: 2,
        end: ("response", "stopped"),
        max_steps: 6,
        window: WIDE,
        writes: WritePolicy::Allow,
    },
    Scenario {
        name: "a prompt in mid-turn joins it",
        think: |request| match results(request) {
            0 => Thinks::CallsWhenTold(vec![("read_work_item", json!({"key": "MOB-1"}))]),
            _ => Thinks::Says("Both answered."),
        },
        acts: &[Act::Mention("the first?"), Act::Asked, Act::Reply("and the second?"), Act::LetSpeak],
        ends: 1,
        end: ("response", "completed"),
        max_steps: 6,
        window: WIDE,
        writes: WritePolicy::Allow,
    },
    Scenario {
        name: "two prompts, one after the other",
        think: |request| match replies(request) {
            0 => Thinks::Says("The first answer."),
            _ => Thinks::Says("The second answer."),
        },
        acts: &[Act::Mention("the first?"), Act::AtRest(1), Act::Reply("and the second?")],
        ends: 2,
        end: ("response", "completed"),
        max_steps: 6,
        window: WIDE,
        writes: WritePolicy::Allow,
    },
    Scenario {
        name: "a prompt while the turn before is ending",
        think: |request| match replies(request) {
            0 => Thinks::Says("The first answer."),
            _ => Thinks::Says("The second answer."),
        },
        acts: &[Act::Mention("the first?"), Act::Ended(1), Act::Reply("and the second?")],
        ends: 2,
        end: ("response", "completed"),
        max_steps: 6,
        window: WIDE,
        writes: WritePolicy::Allow,
    },
    Scenario {
        name: "a run whose prompt never comes",
        think: |_| Thinks::Says("Found it myself."),
        acts: &[Act::MentionWithoutPrompt("hello?")],
        ends: 1,
        end: ("response", "completed"),
        max_steps: 6,
        window: WIDE,
        writes: WritePolicy::Allow,
    },
    Scenario {
        name: "an empty answer, asked again",
        think: |request| match prompts(request, "Your last reply had no text") {
            0 => Thinks::Says("  "),
            _ => Thinks::Says("Sorry, here it is."),
        },
        acts: &[Act::Mention("speak")],
        ends: 1,
        end: ("response", "completed"),
        max_steps: 6,
        window: WIDE,
        writes: WritePolicy::Allow,
    },
    Scenario {
        name: "changes of every kind",
        think: |request| match results(request) {
            0 => Thinks::Calls(
                "I put it in order.",
                vec![
                    (
                        "update_work_item",
                        json!({"priority": "high", "add_labels": ["bug"], "add_assignees": ["@maya"]}),
                    ),
                    ("read_work_item", json!({"key": "MOB-1"})),
                    ("add_comment", json!({"text": "Raised to **high**, see MOB-1."})),
                    ("create_work_item", json!({"name": "Test the login", "priority": "low", "labels": ["bug"]})),
                ],
            ),
            _ => Thinks::Says("All in order."),
        },
        acts: &[Act::MentionInNew("put this in order")],
        ends: 1,
        end: ("response", "completed"),
        max_steps: 6,
        window: WIDE,
        writes: WritePolicy::Allow,
    },
    Scenario {
        name: "changes of every kind, tried again",
        think: |request| {
            let done = |what: &str| {
                let holds = |message: &Message| matches!(message, Message::Tool { text, .. } if text.contains(what));
                request.messages.iter().any(holds)
            };
            let mut calls = Vec::new();
            if !done("Done: Change") {
                calls.push(("update_work_item", json!({"priority": "urgent", "state": "In Progress"})));
            }
            if !done("Done: Comment") {
                calls.push(("add_comment", json!({"text": "Begun."})));
            }
            if !done(": New work item") {
                calls.push(("create_work_item", json!({"name": "Write to the customers", "assignees": ["bob"]})));
            }
            if calls.is_empty() { Thinks::Says("Begun.") } else { Thinks::Calls("", calls) }
        },
        acts: &[Act::MentionInNew("begin")],
        ends: 1,
        end: ("response", "completed"),
        max_steps: 6,
        window: WIDE,
        writes: WritePolicy::Allow,
    },
    Scenario {
        name: "deeds around a work item",
        think: |request| match results(request) {
            0 => Thinks::Calls(
                "",
                vec![
                    ("add_comment", json!({"text": "First words."})),
                    ("relate_work_items", json!({"relation": "blocked_by", "other": "MOB-1"})),
                    ("add_link", json!({"url": "https://ci.example/run/7", "title": "CI"})),
                    ("change_cycle", json!({"cycle": "current"})),
                    ("change_module", json!({"module": "Checkout"})),
                ],
            ),
            5 => Thinks::Calls("", vec![("edit_comment", json!({"comment": "First words", "text": "Better words."}))]),
            _ => Thinks::Says("All in its place."),
        },
        acts: &[Act::MentionInNew("put this in its place")],
        ends: 1,
        end: ("response", "completed"),
        max_steps: 6,
        window: WIDE,
        writes: WritePolicy::Allow,
    },
    Scenario {
        name: "a change that is asked for first",
        think: |request| match results(request) {
            0 => {
                Thinks::Calls("", vec![("ask_user", json!({"question": "Shall I?", "options": ["Approve", "Reject"]}))])
            }
            1 => {
                Thinks::Calls("", vec![("update_work_item", json!({"state": "In Progress", "due_date": "2026-12-24"}))])
            }
            _ => Thinks::Says("It is in progress."),
        },
        acts: &[Act::MentionInNew("begin this"), Act::AtRest(1), Act::Reply("Approve")],
        ends: 2,
        end: ("response", "completed"),
        max_steps: 6,
        window: WIDE,
        writes: WritePolicy::Allow,
    },
    Scenario {
        name: "changes that are approved in part, and taken back",
        think: |request| match (prompts(request, "undo that") > 0, results(request)) {
            (false, 0) => Thinks::Calls(
                "",
                vec![
                    ("update_work_item", json!({"priority": "high", "state": "In Progress", "reason": "it is urgent"})),
                    ("add_comment", json!({"text": "Begun."})),
                    ("create_work_item", json!({"name": "Never made", "priority": "low"})),
                ],
            ),
            (false, _) => Thinks::Says("Two of three are done."),
            (true, 3) => Thinks::Calls("", vec![("undo", json!({}))]),
            (true, _) => Thinks::Says("All is as it was."),
        },
        acts: &[
            Act::MentionInNew("put this in order"),
            Act::AtRest(1),
            Act::Reply("A, B"),
            Act::AtRest(2),
            Act::Reply("undo that"),
            Act::AtRest(3),
            Act::Reply("yes"),
        ],
        ends: 4,
        end: ("response", "completed"),
        max_steps: 6,
        window: WIDE,
        writes: WritePolicy::Ask,
    },
    Scenario {
        name: "a failure that is told",
        think: |_| Thinks::Fails(LlmError::Unauthorized { status: 401, message: "no".to_owned() }),
        acts: &[Act::Mention("hello")],
        ends: 1,
        end: ("error", "failed"),
        max_steps: 6,
        window: WIDE,
        writes: WritePolicy::Allow,
    },
    Scenario {
        name: "an older turn that no longer fits",
        think: |request| {
            let told = |words| prompts(request, words) > 0;
            if told("It will be replaced by your summary") {
                return Thinks::Says("It was long.");
            }
            match (told("What was said earlier in this thread"), replies(request)) {
                (true, _) => Thinks::Says("In short."),
                (false, 0) => Thinks::Says(LONG),
                (false, _) => Thinks::Fails(LlmError::TooLong { message: "it should have been compacted".to_owned() }),
            }
        },
        acts: &[Act::Mention("the first?"), Act::AtRest(1), Act::Reply("and the second?")],
        ends: 2,
        end: ("response", "completed"),
        max_steps: 6,
        window: 12_000,
        writes: WritePolicy::Allow,
    },
    Scenario {
        name: "a bound that is hit",
        think: |request| match results(request) {
            _ if request.tools.is_empty() => Thinks::Says("The best so far."),
            step => Thinks::Calls("", vec![("search_work_items", json!({"query": format!("search {step}")}))]),
        },
        acts: &[Act::Mention("search for ever")],
        ends: 1,
        end: ("response", "completed"),
        max_steps: 2,
        window: WIDE,
        writes: WritePolicy::Allow,
    },
];

fn results(request: &Request) -> usize {
    request.messages.iter().filter(|message| matches!(message, Message::Tool { .. })).count()
}

fn replies(request: &Request) -> usize {
    request.messages.iter().filter(|message| matches!(message, Message::Assistant(_))).count()
}

/// How many messages of the person or the agent's own hold these words.
fn prompts(request: &Request, words: &str) -> usize {
    let holds = |message: &&Message| matches!(message, Message::User { text } if text.contains(words));
    request.messages.iter().filter(holds).count()
}

/// What is wrong with a picture in itself.
fn faults_in(scenario: &Scenario, played: &Played) -> Vec<String> {
    let picture = &played.picture;
    let mut faults = Vec::new();
    if picture.terminal_count() != scenario.ends {
        faults.push(format!("{} turns ended instead of {}", picture.terminal_count(), scenario.ends));
    }
    let last = picture.activities.last().map_or("nothing", |last| last.kind.as_str());
    if (last, picture.status.as_str()) != scenario.end {
        faults.push(format!("it ended as {last}, {}", picture.status));
    }
    faults
}

/// Plays one point; `None` if the call was never made, else what differs.
async fn point(world: &World, scenario: &Scenario, undisturbed: &Played, number: usize, side: Side) -> Option<String> {
    let played = play(world, scenario, Plan::Death { number, side }).await;
    let mut faults = faults_in(scenario, &played);
    if lasting(&played.picture) != lasting(&undisturbed.picture) {
        faults.push("the picture is another".to_owned());
    }
    if played.written != undisturbed.written {
        faults.push(format!("the tracker is another:\n{}instead of\n{}", played.written, undisturbed.written));
    }
    let known = progress(&undisturbed.picture);
    let may_be_shown = |shown: &str| BESIDE_CALLS.contains(&shown) || (scenario.name, shown) == OVERTAKEN;
    let strange = progress(&played.picture).into_iter();
    let strange = strange.filter(|shown| !known.contains(shown) && !may_be_shown(shown));
    faults.extend(strange.map(|shown| format!("unknown progress {shown}")));
    let violations = world.plane.violations();
    let ours = violations.into_iter().filter(|violation| violation.contains(&played.picture.id.to_string()));
    faults.extend(ours);
    if played.deaths == 0 && faults.is_empty() {
        return None;
    }
    let at = undisturbed.calls.get(number - 1).copied().unwrap_or_default();
    let told = format!(
        "{}, death {side:?} call {number} ({at}): {}\n{}\ncalls of the first life: {:?}",
        scenario.name,
        faults.join("; "),
        played.picture.to_text(),
        played.calls,
    );
    Some(if faults.is_empty() { String::new() } else { told })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_at_any_call_changes_nothing_that_people_see() {
    sweep(Channel::Runs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_at_any_call_changes_nothing_that_people_see_in_comments() {
    sweep(Channel::Comments).await;
}

async fn sweep(channel: Channel) {
    let mut points = Vec::new();
    let mut worlds = Vec::new();
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.is_played(channel)) {
        let world = World::start(channel).await;
        let undisturbed = play(&world, scenario, Plan::Nothing).await;
        let faults = faults_in(scenario, &undisturbed);
        assert!(faults.is_empty(), "{}: {faults:?}\n{}", scenario.name, undisturbed.picture.to_text());
        if scenario.name == "words after a stop that nobody tells of" {
            assert_eq!(undisturbed.picture.response(), Some("C it is."), "the words are answered, not the stop");
        }
        worlds.push((scenario, world, undisturbed));
    }
    for (scenario, world, undisturbed) in &worlds {
        for number in 1..=undisturbed.calls.len() {
            points.push((scenario, world, undisturbed, number, Side::Before));
            points.push((scenario, world, undisturbed, number, Side::After));
        }
    }
    let found: Vec<_> = stream::iter(points)
        .map(|(scenario, world, undisturbed, number, side)| point(world, scenario, undisturbed, number, side))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let struck = found.iter().flatten().count();
    let differences: Vec<_> = found.into_iter().flatten().filter(|told| !told.is_empty()).collect();
    println!(
        "crash sweep in {channel:?}: {} scenarios, {struck} points, {} differences",
        worlds.len(),
        differences.len()
    );
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    assert!(struck > worlds.len() * 20, "only {struck} deaths: the sweep strikes next to nothing");
    let violations: Vec<_> = worlds.iter().flat_map(|(_, world, _)| world.plane.violations()).collect();
    assert_eq!(violations, Vec::<String>::new());
}
