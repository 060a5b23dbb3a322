//! The real binary with every kind of provider: one conversation with all, another provider between two
//! turns and inside one, what it costs, and where it ends for the cost.

use aileron::sandbox::Mention;
use serde_json::{Value, json};

use crate::support::{
    app::{MODEL_KEY, TestApp},
    model::{Captured, Piece, Turn},
    picture::{assert_answered, assert_ended, kinds},
};

const KINDS: [&str; 4] = ["openai", "openai-responses", "azure", "anthropic"];

/// Where the scripted model speaks this kind's wire.
fn address(app: &TestApp, kind: &str) -> String {
    if matches!(kind, "azure" | "anthropic") { app.model.root_url() } else { app.model.base_url() }
}

/// Makes a model called `name` the scripted one in this kind's wire.
fn configure(app: &mut TestApp, name: &str, kind: &str) {
    let section = |table: &str, key: &str| format!("AILERON__{table}__{}__{key}", name.to_uppercase());
    let address = address(app, kind);
    for (table, key, value) in [
        ("PROVIDERS", "KIND", kind),
        ("PROVIDERS", "BASE_URL", address.as_str()),
        ("PROVIDERS", "API_KEY", MODEL_KEY),
        ("MODELS", "PROVIDER", name),
        ("MODELS", "MODEL", &format!("{name}-1")),
        ("MODELS", "CONTEXT_WINDOW", "100000"),
    ] {
        app.set(&section(table, key), value);
    }
}

fn script() -> [Turn; 3] {
    [
        Turn::calls([("read_work_item", json!({})), ("list_project_facts", json!({}))]).after(vec![
            Piece::Reasoning("Let me see what this is about. ".into()),
            Piece::Text("Let me read it.".into()),
        ]),
        Turn::says("It is a **crash**."),
        Turn::says("Since version 2."),
    ]
}

/// An agent whose next start uses this kind, its surroundings in place.
async fn with(kind: &str, turns: impl IntoIterator<Item = Turn>) -> TestApp {
    let mut app = TestApp::setup().script(turns).start().await;
    assert!(app.sigterm().await.success());
    configure(&mut app, "other", kind);
    app.set("AILERON__AGENT__MODEL", "other");
    app.serve().await;
    app
}

#[tokio::test]
async fn the_same_conversation_passes_with_every_provider() {
    let mut pictures = Vec::new();
    for kind in KINDS {
        let app = with(kind, script()).await;
        let mentioned = app.mention("MOB-3", "what is this?").await;
        assert_eq!(assert_answered(&app.ended(mentioned.run).await), "It is a **crash**.", "{kind}");
        app.reply(mentioned.run, "since when?").await;
        let picture = app.ended_times(mentioned.run, 2).await;
        assert_eq!(assert_answered(&picture), "Since version 2.", "{kind}");
        let requests = app.model.requests();
        assert_eq!(requests.len(), 3, "{kind}");
        assert!(requests[2].texts("assistant").contains(&"It is a **crash**.".to_owned()), "{kind}");
        let mut kinds: Vec<_> = kinds(&picture).iter().map(|kind| (*kind).to_owned()).collect();
        // A call that takes its time is told of before it ends, too.
        kinds.dedup_by(|one, other| one == other && one == "action");
        pictures.push(kinds);
    }
    assert!(pictures.windows(2).all(|pair| pair[0] == pair[1]), "{pictures:#?}");
}

#[tokio::test]
async fn another_provider_goes_on_with_the_conversation() {
    let orders = [("openai", "anthropic"), ("anthropic", "openai-responses"), ("openai-responses", "azure")];
    for (from, to) in orders {
        let mut app = with(from, script()).await;
        let mentioned = app.mention("MOB-3", "what is this?").await;
        app.ended(mentioned.run).await;
        assert!(app.sigterm().await.success());
        configure(&mut app, "other", to);
        app.serve().await;
        app.reply(mentioned.run, "since when?").await;
        assert_eq!(assert_answered(&app.ended_times(mentioned.run, 2).await), "Since version 2.", "{from} to {to}");
        // What was said, called and found before is all there, and nothing of the first provider's own.
        let request = app.model.until_request(3).await;
        assert!(request.texts("assistant").contains(&"It is a **crash**.".to_owned()), "{from} to {to}");
        assert_eq!(request.texts("tool").len(), 2, "{from} to {to}");
        for own in ["signed 1", "sealed 1", "reasoning_content"] {
            assert!(!request.raw.to_string().contains(own), "{from} to {to}: {own}");
        }
    }
}

#[tokio::test]
async fn another_model_takes_over_inside_a_turn() {
    for (first, second) in [("openai", "anthropic"), ("anthropic", "openai")] {
        let down = || Turn::fails(503, "overloaded_error", "busy");
        let cut = Turn::says("never whole").after(vec![Piece::Text("Half an".into()), Piece::Cut]);
        let [calls, answer, _] = script();
        let mut app = TestApp::setup().script([calls, cut, down(), answer]).start().await;
        assert!(app.sigterm().await.success());
        configure(&mut app, "first", first);
        configure(&mut app, "second", second);
        app.set("AILERON__AGENT__MODEL", "first");
        app.set("AILERON__AGENT__FALLBACK", "[\"second\"]");
        app.serve().await;
        let mentioned = app.mention("MOB-3", "what is this?").await;
        let picture = app.ended(mentioned.run).await;
        assert_eq!(assert_answered(&picture), "It is a **crash**.", "{first} to {second}");
        assert!(!picture.to_text().contains("Half an"), "what was given up is shown: {}", picture.to_text());
        let models: Vec<_> = app.model.requests().iter().map(model).collect();
        // Azure and the like aside, the model is named in the body.
        assert_eq!(models, ["first-1", "first-1", "first-1", "second-1"]);
    }
}

fn model(request: &Captured) -> String {
    request.body["model"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_workspace_may_use_a_model_of_its_own() {
    let mut app = TestApp::setup()
        .plane(|plane| plane.workspaces = 2)
        .script([Turn::says("one"), Turn::says("two")])
        .start()
        .await;
    assert!(app.sigterm().await.success());
    configure(&mut app, "other", "anthropic");
    let slug = app.plane.workspace(1).slug;
    app.set(&format!("AILERON__WORKSPACES__{}__MODEL", slug.to_uppercase()), "other");
    app.serve().await;
    for workspace in [0, 1] {
        let seed = app.plane.workspace(workspace);
        let author = seed.people.iter().find(|(_, id)| **id != seed.bot).expect("a person").0.clone();
        let item = seed.work_items.keys().next().expect("a work item");
        let mentioned = app.plane.mention(Mention { workspace, author, ..Mention::new(item, "hello") }).await;
        app.ended(mentioned.run).await;
    }
    let models: Vec<_> = app.model.requests().iter().map(model).collect();
    assert_eq!(models, ["scripted-1", "other-1"]);
}

#[tokio::test]
async fn what_was_spent_is_told_by_step_run_workspace_and_day() {
    let [calls, answer, _] = script();
    let mut app = TestApp::setup()
        .script([calls, answer])
        .set("AILERON__MODELS__MAIN__PRICE_IN", "1.0")
        .set("AILERON__MODELS__MAIN__PRICE_OUT", "10.0")
        .start()
        .await;
    let mentioned = app.mention("MOB-3", "what is this?").await;
    app.ended(mentioned.run).await;
    let slug = app.plane.workspace(0).slug;
    // Each of the two replies had 120 tokens in and 30 out.
    let expect = |lines: Value| {
        let [line] = lines.as_array().unwrap().as_slice() else { panic!("{lines:#}") };
        let spent = &line["spent"];
        assert_eq!(
            (&line["workspace"], &spent["replies"], &spent["input"], &spent["output"], &spent["nano_dollars"]),
            (&json!(slug), &json!(2), &json!(240), &json!(60), &json!(840_000)),
            "{lines:#}"
        );
    };
    let run = mentioned.run.to_string();
    for asks_the_server in [true, false] {
        let json = app.command(&["usage", "--json"]).await.stdout;
        expect(serde_json::from_str(&json).unwrap());
        let by_run: Value =
            serde_json::from_str(&app.command(&["usage", "--by", "run", "--json"]).await.stdout).unwrap();
        assert_eq!(by_run[0]["run"], run.as_str());
        expect(by_run);
        for (by, name) in [("day", "20"), ("workspace", slug.as_str()), ("model", "openai@"), ("run", run.as_str())] {
            let table = app.command(&["usage", "--by", by]).await.stdout;
            assert!(table.contains(name) && table.contains("240") && table.contains("0.0009"), "{by}: {table}");
        }
        if asks_the_server {
            assert!(app.sigterm().await.success());
        }
    }
}

#[tokio::test]
async fn a_budget_that_is_used_up_ends_the_turn_in_words() {
    for (key, words) in [
        ("RUN_TOKENS", "this conversation has used up"),
        ("WORKSPACE_DAY_TOKENS", "this workspace has used up"),
        ("DAY_TOKENS", "I have used up what I may spend"),
        ("RUN_USD", "this conversation has used up"),
    ] {
        let [calls, _, _] = script();
        // Two replies of 150 tokens, or of 420 millionths of a dollar, are beyond the limit; a third is not asked for.
        let limit = if key == "RUN_USD" { "0.0005" } else { "200" };
        let app = TestApp::setup()
            .script([
                calls,
                Turn::calls([("read_comments", json!({}))]).after(vec![Piece::Text("So far: a crash.".into())]),
            ])
            .set("AILERON__MODELS__MAIN__PRICE_IN", "1.0")
            .set("AILERON__MODELS__MAIN__PRICE_OUT", "10.0")
            .set(&format!("AILERON__BUDGET__{key}"), limit)
            .start()
            .await;
        let mentioned = app.mention("MOB-3", "what is this?").await;
        let text = assert_ended(&app.ended(mentioned.run).await, "response", "completed");
        assert!(text.starts_with("So far: a crash.") && text.contains(words), "{key}: {text}");
        // The next turn is told so at once, and nobody is asked.
        app.reply(mentioned.run, "and now?").await;
        let text = assert_ended(&app.ended_times(mentioned.run, 2).await, "response", "completed");
        assert!(text.contains(words) && text.contains("not found an answer"), "{key}: {text}");
        assert_eq!(app.model.requests().len(), 2, "{key}");
    }
}
