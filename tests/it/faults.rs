//! Calls that go wrong: every kind of trouble at every call of Plane and of the model, and every way a
//! connection to Plane can break. Whatever it is, each turn ends once, and nothing is done twice.

use std::time::Duration;

use aileron::sandbox::{Breakage, Fault};
use futures_util::{StreamExt as _, stream};

use crate::{
    crash::SCENARIOS,
    support::{
        app::Channel,
        faulty::{Plan, Trouble},
        life::{Played, Scenario, World, lasting, play},
    },
};

/// Plays at the same time; most of the time they wait.
const AT_ONCE: usize = 32;
/// Tries of a model's call, as the lives of the tests are set up.
const MODEL_TRIES: usize = 3;

fn scenario(name: &str) -> &'static Scenario {
    SCENARIOS.iter().find(|scenario| scenario.name == name).expect("the scenario exists")
}

/// A scenario with what it looks like when nothing goes wrong.
struct Known {
    world: World,
    scenario: &'static Scenario,
    undisturbed: Played,
}

async fn known(channel: Channel, name: &str) -> Known {
    let (world, scenario) = (World::start(channel).await, scenario(name));
    let undisturbed = play(&world, scenario, Plan::Nothing).await;
    Known { world, scenario, undisturbed }
}

/// What is wrong with how it went; empty if nothing is.
fn judge(known: &Known, world: &World, played: &Played, end: (&str, &str), told: &str) -> String {
    let picture = &played.picture;
    let mut faults = Vec::new();
    if picture.terminal_count() != known.scenario.ends {
        faults.push(format!("{} turns ended", picture.terminal_count()));
    }
    let last = picture.activities.last().map_or("nothing", |last| last.kind.as_str());
    if (last, picture.status.as_str()) != end {
        faults.push(format!("it ended as {last}, {}", picture.status));
    }
    if end == known.scenario.end && lasting(picture) != lasting(&known.undisturbed.picture) {
        faults.push("the picture is another".to_owned());
    }
    if end == known.scenario.end && played.written != known.undisturbed.written {
        faults.push(format!("the tracker is another:\n{}", played.written));
    }
    let id = picture.id.to_string();
    faults.extend(world.plane.violations().into_iter().filter(|violation| violation.contains(&id)));
    if faults.is_empty() {
        return String::new();
    }
    format!("{}, {told}: {}\n{}", known.scenario.name, faults.join("; "), picture.to_text())
}

async fn all(points: Vec<impl Future<Output = String>>) -> (usize, Vec<String>) {
    let count = points.len();
    let found: Vec<_> = stream::iter(points).buffer_unordered(AT_ONCE).collect().await;
    (count, found.into_iter().filter(|told| !told.is_empty()).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trouble_at_any_call_of_plane_is_got_over() {
    trouble_of_plane(Channel::Runs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trouble_at_any_call_of_plane_is_got_over_in_comments() {
    trouble_of_plane(Channel::Comments).await;
}

async fn trouble_of_plane(channel: Channel) {
    let plain = known(channel, "a plain answer").await;
    let question = known(channel, "a question and its reply").await;
    let changes = known(channel, "changes of every kind, tried again").await;
    let mut plans = Vec::new();
    for trouble in Trouble::ALL {
        plans.extend((1..=plain.undisturbed.plane_calls).map(|from| (&plain, Plan::Plane { from, times: 1, trouble })));
        plans.extend((1..=plain.undisturbed.plane_calls).map(|from| (&plain, Plan::Plane { from, times: 3, trouble })));
        let calls = 1..=question.undisturbed.plane_calls;
        plans.extend(calls.map(|from| (&question, Plan::Plane { from, times: 2, trouble })));
        let calls = 1..=changes.undisturbed.plane_calls;
        plans.extend(calls.map(|from| (&changes, Plan::Plane { from, times: 1, trouble })));
    }
    let points = plans.into_iter().map(|(known, plan)| async move {
        let played = play(&known.world, known.scenario, plan).await;
        judge(known, &known.world, &played, known.scenario.end, &format!("{plan:?}"))
    });
    let (count, differences) = all(points.collect()).await;
    println!("faults of Plane's calls in {channel:?}: {count} points, {} differences", differences.len());
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trouble_at_any_call_of_the_model_is_got_over_or_told() {
    let names = ["a plain answer", "parallel tools, then an answer", "an empty answer, asked again"];
    let mut scenarios = Vec::new();
    for name in names {
        scenarios.push(known(Channel::Runs, name).await);
    }
    let mut points = Vec::new();
    for known in &scenarios {
        for from in 1..=known.undisturbed.model_calls {
            for trouble in Trouble::ALL {
                for times in [1, MODEL_TRIES] {
                    let told = times == MODEL_TRIES && trouble != Trouble::Latency;
                    let end = if told { ("error", "failed") } else { known.scenario.end };
                    points.push(async move {
                        let plan = Plan::Model { from, times, trouble };
                        let played = play(&known.world, known.scenario, plan).await;
                        judge(known, &known.world, &played, end, &format!("{plan:?}"))
                    });
                }
            }
        }
    }
    let (count, differences) = all(points).await;
    println!("faults of the model's calls: {count} points, {} differences", differences.len());
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

/// What a request is met with, by the name it has in a failure.
fn breakages() -> Vec<(&'static str, Breakage)> {
    let status = |code, retry_after, body: &str| Breakage::Status { code, retry_after, body: body.to_owned() };
    vec![
        ("500", status(500, None, r#"{"error":"Something went wrong please try again later"}"#)),
        ("a proxy's 502", status(502, None, "<html><h1>Bad Gateway</h1></html>")),
        ("503 with Retry-After", status(503, Some(1), "")),
        ("429", status(429, None, r#"{"error_code":5900,"error_message":"RATE_LIMIT_EXCEEDED"}"#)),
        ("429 with Retry-After", status(429, Some(1), r#"{"error_code":5900}"#)),
        ("latency", Breakage::Delay(Duration::from_millis(200))),
        ("a reset before the effect", Breakage::ResetBeforeEffect),
        ("a reset after the effect", Breakage::ResetAfterEffect),
        ("a malformed answer", Breakage::Malformed),
    ]
}

/// The requests a turn makes, by method and a part of the path.
fn requests(channel: Channel) -> &'static [(&'static str, &'static str)] {
    match channel {
        Channel::Runs => {
            &[("POST", "/runs/"), ("GET", "/project-members/"), ("GET", "/comments/"), ("GET", "/work-items/")]
        }
        Channel::Comments => &[
            ("POST", "/comments/"),
            ("PATCH", "/comments/"),
            ("GET", "/project-members/"),
            ("GET", "/comments/"),
            ("GET", "/work-items/"),
        ],
    }
}

/// The requests that say something and that look what was said, by method and a part of the path.
fn words(channel: Channel) -> [(&'static str, &'static str); 2] {
    match channel {
        Channel::Runs => [("POST", "/runs/"), ("GET", "/runs/")],
        Channel::Comments => [("PATCH", "/comments/"), ("GET", "/comments/")],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_a_connection_to_plane_breaks_is_got_over() {
    broken_connections(Channel::Runs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_a_connection_to_plane_breaks_is_got_over_in_comments() {
    broken_connections(Channel::Comments).await;
}

async fn broken_connections(channel: Channel) {
    let known = &known(channel, "a plain answer").await;
    let [said, looked] = words(channel);
    let mut points = Vec::new();
    for (name, breakage) in breakages() {
        for times in [1, 3] {
            for (method, path) in requests(channel) {
                points.push((name, vec![Fault::new(method, path, times, breakage.clone())]));
            }
            // The look after a lost answer goes wrong as well.
            let lost = Fault::new(said.0, said.1, 3, Breakage::ResetAfterEffect);
            points.push((name, vec![lost, Fault::new(looked.0, looked.1, times, breakage.clone())]));
        }
    }
    let points = points.into_iter().map(|(name, faults)| async move {
        // Faults strike by path, so each point has a stand-in of its own.
        let world = World::start(channel).await;
        let told = format!("{name} at {faults:?}");
        faults.into_iter().for_each(|fault| world.plane.inject(fault));
        let played = play(&world, known.scenario, Plan::Nothing).await;
        let mut judged = judge(known, &world, &played, known.scenario.end, &told);
        let unstruck = world.plane.faults_not_begun();
        if !unstruck.is_empty() {
            judged.push_str(&format!("{told}: never struck: {unstruck:?}"));
        }
        let told = judged;
        world.plane.shutdown().await;
        told
    });
    let (count, differences) = all(points.collect()).await;
    println!("faults of Plane's connections in {channel:?}: {count} points, {} differences", differences.len());
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}
