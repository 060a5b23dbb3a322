//! `aileron chat` as a process with a pipe at either end.

use std::fs;

use serde_json::json;
use tempfile::TempDir;

use crate::support::{
    app::{Access, TestApp},
    binary::{self, Running, Settings},
    model::{Gate, Piece, Turn},
};

#[tokio::test]
async fn each_line_of_a_pipe_is_a_turn_of_one_conversation() {
    let home = TempDir::new().unwrap();
    let input = "/stop\n/skills\n/triage this\nsummarise it\n/history\n/context\n/nonsense\n";
    let shown = binary::run_with(home.path(), &["chat"], &Settings::new(), input.as_bytes()).await;
    assert!(shown.status.success(), "{}\n{}", shown.stdout, shown.stderr);
    let text = &shown.stdout;
    let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("no {part:?} in:\n{text}"));
    assert!(at("/standup") < at("> /triage this"), "{text}");
    assert!(at("> /triage this") < at("Triage of MOB-3") && at("Triage of MOB-3") < at("> summarise it"), "{text}");
    assert!(at("> summarise it") < at("Summary of MOB-3") && at("Summary of MOB-3") < at("> /history"), "{text}");
    let answers = ["Triage of MOB-3", "Triage of [MOB-3]("].map(|answer| text.matches(answer).count());
    assert_eq!(answers, [1, 1], "shown once as it is written, and once with its link in the history:\n{text}");
    assert!(text.contains("you: /triage this") && text.contains("in all (texts "), "{text}");
    assert!(text.contains("neither a command nor a skill /nonsense") && text.contains("Nothing is running."), "{text}");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "nothing is left behind");
}

#[tokio::test]
async fn a_line_that_is_no_text_does_not_end_the_conversation() {
    let home = TempDir::new().unwrap();
    let shown = binary::run_with(home.path(), &["chat"], &Settings::new(), b"\xff\xfe is this?\n/history\n").await;
    assert!(shown.status.success(), "{}\n{}", shown.stdout, shown.stderr);
    assert!(shown.stdout.contains("you: \u{fffd}\u{fffd} is this?"), "{}", shown.stdout);
}

#[tokio::test]
async fn an_answer_is_shown_while_it_is_written_and_nothing_is_posted() {
    let gate = Gate::new();
    let slow =
        Turn::of([Piece::Text("First line.\n".into()), Piece::Hold(gate.clone()), Piece::Text("Last line.".into())]);
    let app = TestApp::setup().script([slow]).access(Access::Fixed).start().await;
    let mut chat = Running::talking(app.home(), &["chat", "--work-item", "MOB-3"], app.settings());
    chat.write("hello").await;
    chat.until_line("First line.").await;
    gate.open();
    chat.until_line("Last line.").await;
    chat.write("/quit").await;
    assert_eq!(chat.exit().await.code(), Some(0));
    let request = app.model.until_request(1).await;
    assert!(request.mentions("MOB-3") && !request.tools().contains(&"add_comment"), "{:?}", request.tools());
    assert!(app.plane.requests().iter().all(|request| request.method == "GET"), "nothing is posted to Plane");
}

#[tokio::test]
async fn a_workspace_with_a_model_of_its_own_speaks_through_that() {
    let app = TestApp::setup().rule(|_| Some(Turn::says("Hello."))).access(Access::Fixed).start().await;
    let slug = app.plane.workspace(0).slug;
    let file = format!(
        "[models.other]\nprovider = \"openai\"\nmodel = \"scripted-2\"\n[workspaces.{slug}]\nmodel = \"other\"\n"
    );
    binary::write(app.home(), "aileron.toml", &file);
    let arguments = ["chat", "--work-item", "MOB-3"];
    let shown = binary::run_with(app.home(), &arguments, app.settings(), b"hello\n").await;
    assert!(shown.stdout.starts_with("Answers come from scripted-2 at "), "{}", shown.stdout);
    assert_eq!(app.model.until_request(1).await.body["model"], "scripted-2");
}

#[tokio::test]
async fn a_stop_ends_a_turn_at_once() {
    let gate = Gate::new();
    let endless = Turn::of([Piece::Text("I begin.\n".into()), Piece::Hold(gate)]);
    let app = TestApp::setup().script([endless, Turn::says("Go on then.")]).access(Access::Fixed).start().await;
    let mut chat = Running::talking(app.home(), &["chat", "--work-item", "MOB-3"], app.settings());
    chat.write("think for ever").await;
    chat.until_line("I begin.").await;
    chat.write("this is void").await;
    chat.write("/stop").await;
    chat.until_line("Stopped.").await;
    app.model.until_dropped(1).await;
    chat.write("still there?").await;
    chat.until_line("Go on then.").await;
    chat.hang_up();
    assert_eq!(chat.exit().await.code(), Some(0));
    assert!(!app.model.until_request(2).await.mentions("this is void"));
}

#[tokio::test]
async fn edits_count_from_the_next_turn_and_broken_ones_are_told() {
    let home = TempDir::new().unwrap();
    let mut chat = Running::talking(home.path(), &["chat", "--demo"], &Settings::new());
    chat.write("hello").await;
    chat.until_line("rehearsal answer").await;
    fs::create_dir_all(home.path().join("prompts/skills")).unwrap();
    fs::write(home.path().join("prompts/acknowledge.md"), "Let me see.").unwrap();
    fs::write(home.path().join("prompts/skills/mine.md"), "---\ndescription: Mine.\n---\nDo it.").unwrap();
    chat.write("/mine").await;
    let shown = chat.until_line("rehearsal answer").await.join("\n");
    assert!(shown.contains("(edited texts are in use)") && shown.contains("Let me see."), "{shown}");
    fs::write(home.path().join("prompts/acknowledge.md"), "Let me see.\n{{ wrong }}").unwrap();
    chat.write("hello again").await;
    let shown = chat.until_line("rehearsal answer").await.join("\n");
    assert!(shown.contains("acknowledge.md:2: there is no variable `wrong` here"), "{shown}");
    assert!(shown.contains("Let me see."), "the last good version stays:\n{shown}");
    chat.hang_up();
    assert_eq!(chat.exit().await.code(), Some(0));
}

#[tokio::test]
async fn tools_and_failures_are_shown_and_a_failure_is_the_exit_code() {
    let script =
        [Turn::calls([("search_work_items", json!({"query": "crash"}))]), Turn::fails(401, "invalid_api_key", "no")];
    let app = TestApp::setup().script(script).access(Access::Fixed).start().await;
    let arguments = ["chat", "--work-item", "MOB-3"];
    let shown = binary::run_with(app.home(), &arguments, app.settings(), b"look\n").await;
    assert!(shown.stdout.contains("action       Searched work items: 'crash' → 2 found"), "{}", shown.stdout);
    assert!(shown.stdout.contains("\nerror\n\nI cannot use my language model"), "{}", shown.stdout);
    assert_eq!(shown.status.code(), Some(1));
}
