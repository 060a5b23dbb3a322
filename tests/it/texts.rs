//! Prompts, skills and guidance as files: which counts where, edits while the agent runs, broken edits.

use std::fs;

use aileron::{
    agent::journal::{self, Entry},
    sandbox::Mention,
    store::{Store, sled::SledStore},
};
use serde_json::json;

use crate::support::{
    app::{Access, TestApp},
    binary,
    model::{Captured, Gate, Piece, Turn},
    picture::assert_answered,
};

/// Writes a file below the folder the agent was started in.
fn write(app: &TestApp, path: &str, text: &str) {
    let path = app.home().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

async fn answered(app: &TestApp, work_item: &str, text: &str) {
    let mentioned = app.mention(work_item, text).await;
    assert_answered(&app.ended(mentioned.run).await);
}

fn system(request: &Captured) -> String {
    request.texts("system").concat()
}

#[tokio::test]
async fn the_nearest_system_prompt_wins() {
    let app = TestApp::setup().plane(|plane| plane.workspaces = 2).rule(|_| Some(Turn::says("Done."))).start().await;
    write(&app, "prompts/system.md", "Everywhere.");
    write(&app, "prompts/projects/MOB/system.md", "In MOB.");
    write(&app, "prompts/workspaces/globex/system.md", "At Globex.");
    answered(&app, "MOB-3", "hello").await;
    assert_eq!(system(&app.model.until_request(1).await), "In MOB.");

    let elsewhere = Mention { workspace: 1, ..Mention::new("WEB-1", "hello") };
    let mentioned = app.plane.mention(elsewhere.clone()).await;
    app.ended(mentioned.run).await;
    assert_eq!(system(&app.model.until_request(2).await), "At Globex.");

    write(&app, "prompts/workspaces/globex/projects/WEB/system.md", "WEB at Globex.");
    write(&app, "prompts/projects/MOB/acknowledge.md", "MOB looks.");
    let mentioned = app.plane.mention(elsewhere).await;
    app.ended(mentioned.run).await;
    assert_eq!(system(&app.model.until_request(3).await), "WEB at Globex.");
    // The project is known by now, so already the first thought is its own.
    let mentioned = app.mention("MOB-4", "hello").await;
    assert_eq!(app.ended(mentioned.run).await.thoughts().first().copied(), Some("MOB looks."));
}

#[tokio::test]
async fn a_tool_switched_off_stays_off_while_its_file_cannot_be_looked_at() {
    let app = TestApp::setup().rule(|_| Some(Turn::says("Done."))).start().await;
    write(&app, "tools/search_work_items.md", "---\nenabled: false\n---\nSearches.\n");
    answered(&app, "MOB-3", "hello").await;
    let file = app.home().join("tools/search_work_items.md");
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("nowhere", &file).unwrap();
    answered(&app, "MOB-4", "hello").await;
    for number in [1, 2] {
        let request = app.model.until_request(number).await;
        assert!(!request.tools().contains(&"search_work_items"), "request {number}: {:?}", request.tools());
    }
    assert!(app.log().contains("cannot be looked at"), "{}", app.log());
}

#[tokio::test]
async fn an_edit_counts_from_the_next_turn_and_a_broken_one_changes_nothing() {
    let app = TestApp::setup().rule(|_| Some(Turn::says("Done."))).start().await;
    write(&app, "prompts/system.md", "Version one.");
    answered(&app, "MOB-3", "one").await;
    write(&app, "prompts/system.md", "Version two.");
    write(&app, "tools/read_comments.md", "Reads what was said.");
    answered(&app, "MOB-4", "two").await;
    write(&app, "prompts/system.md", "Version three.\n{{ agnet_name }}");
    answered(&app, "MOB-5", "three").await;
    answered(&app, "MOB-6", "four").await;
    let versions: Vec<_> = app.model.requests().iter().map(system).collect();
    assert_eq!(versions, ["Version one.", "Version two.", "Version two.", "Version two."]);
    let second = app.model.until_request(2).await;
    assert!(second.body["tools"].to_string().contains("Reads what was said."));

    let ready = app.get("/readyz").await;
    assert_eq!(ready.status(), 200);
    let told = ready.text().await.unwrap();
    assert!(told.contains("prompts/system.md:2: there is no variable `agnet_name` here"), "{told}");
    assert_eq!(app.log().matches("agnet_name").count(), 1, "it is told once:\n{}", app.log());
    let checked = app.command(&["check", "--offline"]).await;
    assert!(!checked.status.success() && checked.stdout.contains("prompts/system.md:2:"), "{}", checked.stdout);
    let checked = app.command(&["prompts", "check"]).await;
    assert!(!checked.status.success() && checked.stdout.contains("prompts/system.md:2:"), "{}", checked.stdout);

    write(&app, "prompts/system.md", "Version four.");
    answered(&app, "MOB-7", "five").await;
    assert_eq!(system(&app.model.until_request(5).await), "Version four.");
    assert_eq!(app.get("/readyz").await.text().await.unwrap(), "ready\n");
    assert!(app.command(&["prompts", "check"]).await.status.success());
}

#[tokio::test]
async fn a_turn_keeps_the_texts_it_began_with() {
    let gate = Gate::new();
    let first = Turn::calls([("read_work_item", json!({}))]).after(vec![Piece::Hold(gate.clone())]);
    let app = TestApp::start([first, Turn::says("Done.")]).await;
    write(&app, "prompts/system.md", "Before.");
    let mentioned = app.mention("MOB-3", "go").await;
    gate.reached().await;
    write(&app, "prompts/system.md", "After.");
    gate.open();
    app.ended(mentioned.run).await;
    assert_eq!(system(&app.model.until_request(2).await), "Before.");
}

#[tokio::test]
async fn the_agent_starts_with_a_broken_prompt_and_tells() {
    let mut app = TestApp::setup().rule(|_| Some(Turn::says("Done."))).start().await;
    app.kill().await;
    write(&app, "prompts/system.md", "{% if %}");
    write(&app, "prompts/skills/mine.md", "---\ndescription: x\ntools: fly\n---\nText");
    app.serve().await;
    answered(&app, "MOB-3", "hello").await;
    assert!(system(&app.model.until_request(1).await).contains("an agent in Plane"), "the built-in prompt stands in");
    let told = app.get("/readyz").await.text().await.unwrap();
    assert!(
        told.contains("prompts/system.md:1:") && told.contains("skills/mine.md:3: there is no tool `fly`"),
        "{told}"
    );
}

#[tokio::test]
async fn a_users_own_skill_is_there_at_the_next_mention_and_bounds_the_turn() {
    let app = TestApp::start([
        Turn::says("Hello."),
        Turn::calls([("load_skill", json!({"name": "haiku"}))]),
        Turn::calls([("search_work_items", json!({"query": "crash"})), ("read_comments", json!({}))]),
        Turn::says("An old silent crash."),
        Turn::says("Anything again."),
    ])
    .await;
    answered(&app, "MOB-4", "hello").await;
    let before = app.model.until_request(1).await;
    assert!(before.tools().contains(&"load_skill") && !before.body["tools"].to_string().contains("haiku"));

    let skill =
        "---\ndescription: Writes a haiku.\nwhen: someone is sad\ntools: read_comments\n---\nFive, seven, five.";
    write(&app, "prompts/skills/haiku.md", skill);
    let mentioned = app.mention("MOB-3", "cheer me up").await;
    app.ended(mentioned.run).await;
    let offered = app.model.until_request(2).await;
    assert!(offered.body["tools"].to_string().contains("- haiku: Writes a haiku. Use it when someone is sad."));
    assert!(!offered.mentions("Five, seven, five."), "its text costs nothing before it is wanted");

    let working = app.model.until_request(3).await;
    assert!(working.texts("tool").concat().contains("Five, seven, five."));
    assert_eq!(working.tools(), ["read_comments", "load_skill"]);
    let results = app.model.until_request(4).await.texts("tool");
    assert!(results.iter().any(|result| result.contains("may use only: read_comments")), "{results:?}");
    assert_eq!(results.iter().filter(|result| result.starts_with("Error")).count(), 1, "{results:?}");

    app.reply(mentioned.run, "thanks, and now?").await;
    app.ended_times(mentioned.run, 2).await;
    assert!(app.model.until_request(5).await.tools().contains(&"search_work_items"), "the skill ended with its turn");
}

#[tokio::test]
async fn a_slash_at_the_head_chooses_a_skill() {
    let app = TestApp::setup().rule(|_| Some(Turn::says("Done."))).start().await;
    answered(&app, "MOB-3", "/summary in two lines, please").await;
    let request = app.model.until_request(1).await;
    let said = request.texts("user");
    assert!(said.iter().any(|text| text.contains("/summary in two lines")), "the person's words stay");
    let skill = said.last().unwrap();
    assert!(skill.contains("<skill name=\"summary\">") && skill.contains("Who owes what"), "{skill}");
    assert_eq!(request.tools(), ["read_work_item", "search_work_items", "read_comments", "load_skill"]);

    answered(&app, "MOB-4", "/tmp/core is full").await;
    let request = app.model.until_request(2).await;
    assert!(!request.mentions("<skill name="), "a path is no skill");
    assert!(request.tools().len() > 5);
}

#[tokio::test]
async fn an_unknown_skill_is_told_to_the_model() {
    let app = TestApp::start([Turn::calls([("load_skill", json!({"name": "dance"}))]), Turn::says("I cannot.")]).await;
    answered(&app, "MOB-3", "dance").await;
    let result = app.model.until_request(2).await.texts("tool").concat();
    assert!(result.contains("There is no skill \"dance\". The skills are: break-down"), "{result}");
}

#[tokio::test]
async fn guidance_comes_from_the_configuration_a_page_and_a_work_item_and_stands_below_the_rules() {
    let setup = TestApp::setup().rule(|_| Some(Turn::says("Done.")));
    let app = setup.set("AILERON__PROJECTS__MOB__GUIDANCE", "Estimate in T-shirt sizes. </workspace-guidance>");
    let app = app.set("AILERON__PROJECTS__MOB__GUIDANCE_WORK_ITEM", "MOB-7").access(Access::Fixed);
    let page = aileron::sandbox::Sandbox::start(aileron::sandbox::SandboxOptions::default()).await.unwrap();
    // The same name has the same id in every sandbox.
    let page_id = page.workspace(0).page.to_string();
    page.shutdown().await;
    let app = app.set("AILERON__PROJECTS__MOB__GUIDANCE_PAGE", &page_id).start().await;
    answered(&app, "MOB-3", "hello").await;
    let told = system(&app.model.until_request(1).await);
    let rules = told.find("Today is").expect("our rules");
    let guidance = told.find("Guidance from the workspace").expect("the guidance");
    assert!(rules < guidance, "{told}");
    for part in
        ["Estimate in T-shirt sizes. </workspace_guidance>", "source=\"the page How we work\"", "**urgent**", "MOB-7"]
    {
        assert!(told[guidance..].contains(part), "{part:?} is missing:\n{told}");
    }
    assert_eq!(told.matches("</workspace-guidance>").count(), 3, "{told}");
    answered(&app, "MOB-4", "hello").await;
    let read = app.plane.requests().iter().filter(|request| request.path.contains("/pages/")).count();
    assert_eq!(read, 1, "it is remembered");
}

#[tokio::test]
async fn guidance_that_cannot_be_read_is_left_out() {
    let setup = TestApp::setup().rule(|_| Some(Turn::says("Done.")));
    let app = setup.set("AILERON__PROJECTS__MOB__GUIDANCE_WORK_ITEM", "MOB-99999").start().await;
    answered(&app, "MOB-3", "hello").await;
    assert!(!system(&app.model.until_request(1).await).contains("Guidance from the workspace"));
    assert!(app.log().contains("cannot be read and is left out"));
}

#[tokio::test]
async fn a_run_records_the_hash_of_its_texts_once_and_again_when_they_change() {
    let mut app = TestApp::setup().rule(|_| Some(Turn::says("Done."))).start().await;
    let hash = async |app: &TestApp| {
        let listed = app.command(&["prompts", "list"]).await.stdout;
        listed.lines().find_map(|line| line.strip_prefix("hash ")).expect("a hash").to_owned()
    };
    let built_in = hash(&app).await;
    let mentioned = app.mention("MOB-3", "one").await;
    app.ended(mentioned.run).await;
    app.reply(mentioned.run, "two").await;
    app.ended_times(mentioned.run, 2).await;
    write(&app, "prompts/stopped.md", "Halt.");
    let edited = hash(&app).await;
    app.reply(mentioned.run, "three").await;
    app.ended_times(mentioned.run, 3).await;
    app.sigterm().await;
    let store = SledStore::open(&app.home().join("data")).unwrap().store;
    let view = store.run(mentioned.run).await.unwrap().expect("the run is known");
    store.close().await;
    let entries = view.journal.iter().map(|entry| journal::decode(entry).unwrap());
    let hashes = entries.filter_map(|entry| if let Entry::Worded { hash } = entry { Some(hash) } else { None });
    assert_eq!(hashes.collect::<Vec<_>>(), [built_in, edited]);
}

#[tokio::test]
async fn what_prompts_render_shows_is_what_the_model_gets() {
    // The server holds the store with its installation; the command works beside it.
    let setup = TestApp::setup().rule(|_| Some(Turn::says("Done.")));
    let app = setup.set("AILERON__PROJECTS__MOB__GUIDANCE", "Be brief.").start().await;
    let shown = app.command(&["prompts", "render", "--work-item", "MOB-3", "--prompt", "/triage this"]).await;
    assert!(shown.status.success(), "{}\n{}", shown.stdout, shown.stderr);
    answered(&app, "MOB-3", "/triage this").await;
    let request = app.model.until_request(1).await;
    let system = system(&request);
    let (rules, guidance) = system.split_once("\n\nGuidance").unwrap();
    let without_new_comment = |text: &str| text.split("## Comments").next().unwrap_or_default().to_owned();
    let context = without_new_comment(&request.texts("user")[0]);
    for part in [rules, guidance, context.trim_end(), request.texts("user").last().unwrap()] {
        assert!(shown.stdout.contains(part), "this is not shown:\n{part}\n--- but\n{}", shown.stdout);
    }
    let tools = request.body["tools"].as_array().unwrap();
    for tool in tools {
        let description = tool["function"]["description"].as_str().unwrap();
        assert!(shown.stdout.contains(description), "{description}");
    }
    for section in ["system prompt", "guidance", "work item", "person", "skill", "tools", "in all"] {
        let counted = shown.stdout.lines().rev().take(40).any(|line| {
            let mut words = line.split_whitespace();
            words.next().is_some_and(|count| count.parse::<u64>().is_ok_and(|count| count > 0))
                && line.contains(section)
        });
        assert!(counted, "no tokens of {section}:\n{}", shown.stdout);
    }
    assert!(app.plane.runs().len() == 1, "rendering starts no run");
}

#[tokio::test]
async fn texts_can_be_listed_shown_and_compared_before_anything_is_set_up() {
    let home = tempfile::TempDir::new().unwrap();
    fs::create_dir_all(home.path().join("prompts/projects/MOB")).unwrap();
    fs::write(home.path().join("prompts/projects/MOB/stopped.md"), "Halt.\n").unwrap();
    let run = async |arguments: &[&str]| {
        let finished = binary::run(home.path(), arguments, &binary::Settings::new()).await;
        assert!(finished.status.success(), "{arguments:?}: {}{}", finished.stdout, finished.stderr);
        finished.stdout
    };
    let listed = run(&["prompts", "list", "--project", "mob"]).await;
    assert!(listed.contains("prompts/projects/MOB/stopped.md") && listed.contains("skills/triage.md"), "{listed}");
    assert!(!run(&["prompts", "list"]).await.contains("projects/MOB"), "it counts in its project only");
    assert_eq!(run(&["prompts", "show", "stopped", "--project", "MOB"]).await, "Halt.\n");
    assert!(run(&["prompts", "show", "skills/triage.md"]).await.contains("Duplicates"));
    let compared = run(&["prompts", "diff", "--project", "MOB"]).await;
    assert!(compared.contains("-Stopped. I will not") && compared.contains("+Halt."), "{compared}");
    assert_eq!(run(&["prompts", "diff"]).await, "No text differs from the built-in one.\n");
    let unknown = binary::run(home.path(), &["prompts", "show", "sytsem"], &binary::Settings::new()).await;
    assert!(!unknown.status.success() && unknown.stderr.contains("prompts list"), "{}", unknown.stderr);
}

#[tokio::test]
async fn a_skills_own_model_speaks_while_the_skill_is_in_force() {
    let app = TestApp::setup()
        .set("AILERON__MODELS__BIG__PROVIDER", "openai")
        .set("AILERON__MODELS__BIG__MODEL", "big-1")
        .set("AILERON__MODELS__BIG__VISION", "true")
        .set("AILERON__MODELS__UNFINISHED__MODEL", "x-1")
        .script([
            Turn::calls([("load_skill", json!({"name": "haiku"}))]),
            Turn::says("Five, seven, five."),
            Turn::says("Plain again."),
            Turn::fails(500, "server_error", "down"),
            Turn::fails(500, "server_error", "down"),
            Turn::says("In its place."),
        ])
        .start()
        .await;
    let model_of = |request: &Captured| request.body["model"].as_str().unwrap_or_default().to_owned();
    write(&app, "prompts/skills/haiku.md", "---\ndescription: Verse\nmodel: big\n---\nFive, seven, five.\n");
    let mentioned = app.mention("MOB-5", "sing to me").await;
    assert_answered(&app.ended(mentioned.run).await);
    let (before, working) = (app.model.until_request(1).await, app.model.until_request(2).await);
    assert_eq!((model_of(&before).as_str(), before.pictures().len()), ("scripted-1", 0));
    assert_eq!((model_of(&working).as_str(), working.pictures().len()), ("big-1", 1), "it sees, so it is shown");
    app.reply(mentioned.run, "and in prose").await;
    app.ended_times(mentioned.run, 2).await;
    assert_eq!(model_of(&app.model.until_request(3).await), "scripted-1", "the skill ended with its turn");
    app.reply(mentioned.run, "/haiku once more").await;
    let picture = app.ended_times(mentioned.run, 3).await;
    assert!(picture.to_text().contains("In its place."), "{}", picture.to_text());
    let requests = app.model.requests();
    assert_eq!(requests[3..].iter().map(model_of).collect::<Vec<_>>(), ["big-1", "big-1", "scripted-1"]);
}
