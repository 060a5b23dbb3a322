//! Conversations in the comments of a Plane that has no agent runs.

use std::{fs, path::Path, sync::Arc, time::Duration};

use aileron::{
    agent::reception::Reception,
    config::{CommentsConfig, Progress},
    domain::ids::{CommentId, ProjectId, RunId, UserId, WorkItemId, WorkspaceId},
    plane::{
        thread::{Heard, Spoken},
        webhook::comment::{Overheard, overhear},
    },
    sandbox::{Breakage, CommentPicture, Fault, Mention, Sandbox, SandboxOptions},
    store::{Accepted, Store, sled::SledStore},
};
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::{
    LIMIT,
    app::{AUTHOR, Channel, TestApp},
    model::{Gate, Piece, Turn},
    picture::{assert_answered, assert_ended},
};

#[tokio::test]
async fn a_mention_in_a_comment_is_answered_in_one_comment_that_showed_the_progress() {
    let app = Channel::Comments
        .start([
            Turn::calls([("search_work_items", json!({"query": "crash"}))]),
            Turn::says("It is a **duplicate** of MOB-5.\n\n1. one\n2. two"),
        ])
        .await;
    let before = app.plane.comments(0, "MOB-3").len();
    let mentioned = app.mention("MOB-3", "is this known?").await;
    let picture = app.ended(mentioned.run).await;
    let answer = assert_answered(&picture);
    assert!(answer.starts_with("It is a **duplicate** of [MOB-5]("), "{answer}");
    let comments = app.plane.comments(0, "MOB-3");
    assert_eq!(comments.len(), before + 2, "the person's comment and one of the agent's: {comments:#?}");
    let last = comments.last().unwrap();
    assert_eq!((last.author.as_str(), last.external_source.as_deref()), ("aileron", Some("aileron")));
    assert!(last.html.contains("<strong>duplicate</strong>") && last.html.contains("<ol>"), "{}", last.html);
    let shown: Vec<_> = picture.activities.iter().filter(|activity| activity.comment == Some(last.id)).collect();
    assert!(shown.len() >= 2, "the answer stands where the progress was:\n{}", picture.to_text());
}

/// The agent's own comments on a work item, as people see them.
fn own_comments(app: &TestApp, work_item: &str) -> Vec<CommentPicture> {
    app.plane.comments(0, work_item).into_iter().filter(|comment| comment.author == "aileron").collect()
}

fn question() -> Turn {
    Turn::calls([("ask_user", json!({"question": "Which one?", "options": ["A", "B"]}))])
}

#[tokio::test]
async fn progress_can_be_removed_before_the_answer_or_left_out() {
    for (progress, thoughts) in [("remove", 1), ("none", 0)] {
        let app = Channel::Comments
            .setup()
            .script([Turn::says("Here it is.")])
            .set("AILERON__PLANE__COMMENTS__PROGRESS", progress)
            .start()
            .await;
        let before = own_comments(&app, "MOB-3").len();
        let mentioned = app.mention("MOB-3", "hello").await;
        let picture = app.ended(mentioned.run).await;
        assert_eq!(assert_ended(&picture, "response", "completed"), "Here it is.");
        assert_eq!(picture.thoughts().len(), thoughts, "{progress}:\n{}", picture.to_text());
        assert_eq!(own_comments(&app, "MOB-3").len(), before + 1, "{progress}");
        let deleted = app.plane.requests().iter().filter(|request| request.method == "DELETE").count();
        assert_eq!(deleted, thoughts, "{progress}");
    }
}

#[tokio::test]
async fn progress_that_comes_late_does_not_take_the_answers_place() {
    const LATE: Duration = Duration::from_millis(600);
    let app = Channel::Comments
        .start([Turn::calls([("search_work_items", json!({"query": "crash"}))]), Turn::says("The answer.")])
        .await;
    app.plane.inject(Fault::new("PATCH", "/comments/", 1, Breakage::ResetAndLateEffect(LATE)));
    let mentioned = app.mention("MOB-3", "hello").await;
    app.ended(mentioned.run).await;
    assert!(app.plane.faults_not_begun().is_empty(), "the progress was not edited");
    // What comes late is told by nothing.
    tokio::time::sleep(LATE * 2).await;
    let picture = app.plane.run(mentioned.run);
    assert_eq!(assert_ended(&picture, "response", "completed"), "The answer.");
    assert_eq!(own_comments(&app, "MOB-3").last().unwrap().html, "<p>The answer.</p>");
}

#[tokio::test]
async fn a_comment_beside_the_thread_belongs_to_it_for_a_while() {
    let app = Channel::Comments.start([question(), Turn::says("B it is."), Turn::says("Because.")]).await;
    let mentioned = app.mention("MOB-3", "choose").await;
    app.ended(mentioned.run).await;
    app.plane.reply_beside(mentioned.run, AUTHOR, "2").await;
    assert_eq!(assert_answered(&app.ended_times(mentioned.run, 2).await), "B it is.");
    assert!(app.model.until_request(2).await.texts("tool").join("\n").contains("The person chose:\n\nB"));
    app.plane.reply_beside(mentioned.run, AUTHOR, "why?").await;
    assert_eq!(assert_answered(&app.ended_times(mentioned.run, 3).await), "Because.");
}

#[tokio::test]
async fn a_question_may_be_answered_with_a_mention_and_without_a_window() {
    let app = Channel::Comments
        .setup()
        .script([question(), Turn::says("B it is.").when("choose")])
        .set("AILERON__PLANE__COMMENTS__REPLY_WINDOW_MINS", "0")
        .start()
        .await;
    let mentioned = app.mention("MOB-3", "choose").await;
    app.ended(mentioned.run).await;
    app.plane.comment(0, "MOB-3", AUTHOR, "I will think about it");
    app.fence().await;
    assert_eq!(app.plane.run(mentioned.run).terminal_count(), 1, "nobody was named");
    app.plane.reply_beside(mentioned.run, AUTHOR, "@aileron B").await;
    assert_eq!(assert_answered(&app.ended_times(mentioned.run, 2).await), "B it is.");
}

#[tokio::test]
async fn stop_in_a_comment_of_its_own_stops() {
    let gate = Gate::new();
    let app = Channel::Comments.start([Turn::says("never").after(vec![Piece::Hold(gate.clone())])]).await;
    let mentioned = app.mention("MOB-3", "think hard").await;
    gate.reached().await;
    app.plane.reply_beside(mentioned.run, "bob", "@aileron, stop!").await;
    app.model.until_dropped(1).await;
    let picture = app.until(mentioned.run, "the confirmation", |picture| picture.terminal_count() == 1).await;
    assert!(picture.response().is_some_and(|text| text.starts_with("Stopped.")), "{}", picture.to_text());
}

#[tokio::test]
async fn what_does_not_concern_the_agent_is_left_alone() {
    let app = Channel::Comments.start([Turn::says("Here.")]).await;
    for (author, text) in [
        ("bob", "I cannot reproduce this."),
        ("maya", "I asked @bob about it."),
        ("maya", "stop"),
        ("bob", "aileron is a part of a wing"),
        // With its own key anything may be written; the agent hears itself, too.
        ("aileron", "@aileron please triage this"),
    ] {
        app.plane.comment(0, "MOB-3", author, text);
    }
    let mentioned = app.mention("MOB-3", "hello").await;
    app.ended(mentioned.run).await;
    // What is said to others in the conversation is theirs.
    app.plane.comment(0, "MOB-3", AUTHOR, "@bob what do you say?");
    app.plane.comment(0, "MOB-3", "bob", "I agree.");
    app.fence().await;
    assert_eq!(app.model.requests().len(), 2, "the mention and the fence");
    assert_eq!(app.plane.runs().len(), 2);
}

#[tokio::test]
async fn a_name_is_as_good_as_a_mention() {
    let app = Channel::Comments
        .setup()
        .script([Turn::says("A crash.")])
        // The stand-in counts only mentions as the beginning of a conversation.
        .tolerate("in a conversation that nobody began")
        .start()
        .await;
    app.plane.comment(0, "MOB-3", AUTHOR, "/aileron what is this?");
    let answered =
        |plane: &Sandbox| plane.comments(0, "MOB-3").last().is_some_and(|comment| comment.html == "<p>A crash.</p>");
    assert!(app.plane.until_all(answered, LIMIT).await, "{:#?}", app.plane.comments(0, "MOB-3"));
    let said = app.model.until_request(1).await.texts("user");
    assert!(said.last().is_some_and(|text| text.contains("what is this?") && !text.contains("/aileron")), "{said:?}");
}

#[tokio::test]
async fn where_no_webhook_comes_comments_are_looked_for() {
    let app = Channel::Comments
        .setup()
        .script([Turn::says("Found it."), Turn::says("And this."), Turn::says("This, too.").when("further down")])
        .plane(|options| options.rate_limit_per_minute = None);
    let project = Sandbox::start(SandboxOptions::default()).await.unwrap().workspace(0).project;
    let mut app = app
        .set("AILERON__PLANE__COMMENTS__POLL_SECS", "1")
        .set("AILERON__PLANE__COMMENTS__PROJECTS", &format!("[\"{project}\"]"))
        .start()
        .await;
    app.plane.deliver_to("http://127.0.0.1:9/webhook");
    let mentioned = app.plane.mention(Mention::new("MOB-3", "hello?")).await;
    assert_eq!(mentioned.statuses, [0]);
    assert_eq!(assert_answered(&app.ended(mentioned.run).await), "Found it.");
    app.plane.reply(mentioned.run, AUTHOR, "and that?").await;
    assert_eq!(assert_answered(&app.ended_times(mentioned.run, 2).await), "And this.");
    // A restart looks at the same comments again and knows them, and finds what is new on whatever page.
    app.kill().await;
    let missed = app.plane.mention(Mention::new("MOB-4", "and further down?")).await;
    for number in 0..60 {
        let _key = app.plane.add_work_item(0, &format!("newer {number}"));
    }
    app.serve().await;
    assert_eq!(assert_answered(&app.ended(missed.run).await), "This, too.");
    app.plane.redeliver(mentioned.run).await;
    app.fence().await;
    assert_eq!(app.plane.run(mentioned.run).terminal_count(), 2);
    assert_eq!(app.model.requests().len(), 4, "three prompts and the fence");
}

#[tokio::test]
async fn an_assignment_is_a_request_where_that_is_wanted() {
    for wanted in [true, false] {
        let app = Channel::Comments
            .setup()
            .rule(|_| Some(Turn::says("I looked at it.")))
            .set("AILERON__PLANE__COMMENTS__ON_ASSIGNMENT", if wanted { "true" } else { "false" })
            .start()
            .await;
        app.plane.assign(0, "MOB-3", AUTHOR, "bob");
        app.plane.assign(0, "MOB-3", AUTHOR, "aileron");
        let answered = |plane: &Sandbox| {
            plane.comments(0, "MOB-3").last().is_some_and(|comment| comment.html == "<p>I looked at it.</p>")
        };
        if wanted {
            assert!(app.plane.until_all(answered, LIMIT).await, "{:#?}", app.plane.comments(0, "MOB-3"));
            assert!(app.model.until_request(1).await.mentions("I assigned this work item to you."));
        }
        app.fence().await;
        assert_eq!(app.model.requests().len(), if wanted { 2 } else { 1 });
    }
}

fn config(bot: UserId, reply_window: Duration) -> CommentsConfig {
    CommentsConfig {
        bot,
        names: vec!["@aileron".to_owned()],
        reply_window,
        progress: Progress::Become,
        ignore: Vec::new(),
        poll: Duration::ZERO,
        projects: Vec::new(),
        on_assignment: false,
        label: None,
    }
}

/// What a real server sent while comments were written, edited and imported, one mention among them.
#[tokio::test]
async fn the_recorded_deliveries_make_one_conversation_and_no_more() {
    let bot: UserId = "aeac6941-40c2-53c5-8405-7214345ca435".parse().unwrap();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/plane/comments");
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "body"));
    files.sort();
    // One of them is written in another's name and one is changed by somebody else: those ask for nothing.
    for (window, prompts) in [(Duration::ZERO, 1), (Duration::from_secs(900), 6)] {
        let home = TempDir::new().unwrap();
        let store: Arc<dyn Store> = Arc::new(SledStore::open(home.path()).unwrap().store);
        let config = config(bot, window);
        let reception = Reception::new(Arc::clone(&store), &config);
        let mut accepted = Vec::new();
        // Everything once more, as Plane may send it.
        for path in files.iter().chain(&files) {
            let event = path.file_name().unwrap().to_str().unwrap().split('-').nth(1).unwrap();
            let heard = match overhear(Some(event), &fs::read(path).unwrap()) {
                Overheard::Comment(heard) => heard,
                Overheard::Ignored { .. } => continue,
                Overheard::Unreadable { reason } => panic!("{}: {reason}", path.display()),
            };
            let Some(event) = reception.place(&heard).await.unwrap() else { continue };
            let at = heard.comment.written_at.unwrap();
            let run = event.run.id;
            if store.accept(event, at, at).await.unwrap() == Accepted::New {
                accepted.push((run, heard.comment.id));
            }
        }
        assert_eq!(accepted.len(), prompts, "{accepted:?}");
        assert!(accepted.iter().all(|(run, _)| run.0 == accepted[0].1.0), "one conversation: {accepted:?}");
        store.close().await;
    }
}

#[tokio::test]
async fn a_reply_belongs_to_a_conversation_on_the_same_work_item_only() {
    let id = |number| Uuid::from_u128(number);
    let home = TempDir::new().unwrap();
    let store: Arc<dyn Store> = Arc::new(SledStore::open(home.path()).unwrap().store);
    let reception = Reception::new(Arc::clone(&store), &config(UserId(id(1)), Duration::ZERO));
    let now = Timestamp::now();
    let said = |number, workspace, item, parent: Option<u128>, html: &str| Heard {
        workspace: WorkspaceId(id(workspace)),
        project: ProjectId(id(30)),
        work_item: WorkItemId(id(item)),
        comment: Spoken {
            id: CommentId(id(number)),
            author: Some(UserId(id(2))),
            html: html.to_owned(),
            parent: parent.map(id).map(CommentId),
            written_at: Some(now),
            changed_at: Some(now),
            mark: None,
            foreign: false,
        },
        edited_from: None,
    };
    let begun = reception.place(&said(50, 20, 40, None, "@aileron hello")).await.unwrap().unwrap();
    store.accept(begun, now, now).await.unwrap();
    for (workspace, item, belongs) in [(20, 40, true), (20, 41, false), (21, 40, false)] {
        let placed = reception.place(&said(51, workspace, item, Some(50), "and?")).await.unwrap();
        assert_eq!(placed.is_some_and(|event| event.run.id == RunId(id(50))), belongs, "{workspace} {item}");
    }
    store.close().await;
}

#[tokio::test]
async fn what_somebody_else_made_of_a_comment_asks_for_nothing() {
    let app = Channel::Comments
        .setup()
        .script([question(), Turn::says("B it is.").when("choose")])
        // The stand-in counts no edit as a prompt.
        .tolerate("after every prompt had been answered")
        .start()
        .await;
    app.plane.comment(0, "MOB-4", AUTHOR, "I will look at this.");
    let mentioned = app.mention("MOB-3", "choose").await;
    app.ended(mentioned.run).await;
    app.plane.comment(0, "MOB-3", AUTHOR, "@bob what do you think?");
    let last = |item: &str| app.plane.comments(0, item).last().unwrap().id;
    for tell in [true, false] {
        app.plane.rewrite(last("MOB-4"), "bob", "@aileron triage this", tell);
        app.plane.rewrite(last("MOB-3"), "bob", "@aileron stop", tell);
        app.plane.rewrite(last("MOB-3"), "bob", "2", tell);
    }
    app.fence().await;
    assert_eq!(app.plane.run(mentioned.run).terminal_count(), 1);
    assert_eq!(app.plane.runs().len(), 2, "the mention and the fence");
    assert_eq!(app.model.requests().len(), 2);
    // In one's own comment it does.
    app.plane.rewrite(last("MOB-3"), AUTHOR, "@aileron 2", true);
    app.ended_times(mentioned.run, 2).await;
}

#[tokio::test]
async fn the_answer_is_given_though_somebody_has_written_its_key_under_a_comment() {
    for (progress, forged_on) in [("become", "MOB-3"), ("remove", "MOB-3"), ("remove", "MOB-4")] {
        let gate = Gate::new();
        let mut app = Channel::Comments
            .setup()
            .script([Turn::says("The answer.").after(vec![Piece::Hold(gate.clone())])])
            .set("AILERON__PLANE__COMMENTS__PROGRESS", progress)
            .start()
            .await;
        let mentioned = app.mention("MOB-3", "hello").await;
        gate.reached().await;
        for step in 0..4 {
            let key = format!("{}/1/{step}/0#answer", mentioned.run);
            app.plane.forge(0, forged_on, "bob", "All is well.", &key);
        }
        gate.open();
        let picture = app.ended(mentioned.run).await;
        assert_eq!(assert_answered(&picture), "The answer.");
        assert_eq!(own_comments(&app, "MOB-3").last().unwrap().html, "<p>The answer.</p>");
        // It is known again.
        app.kill().await;
        app.serve().await;
        app.fence().await;
        assert_eq!(app.plane.run(mentioned.run).terminal_count(), 1, "{progress} {forged_on}");
    }
}

#[tokio::test]
async fn what_follows_a_work_item_that_was_handed_over_is_found_without_its_webhook() {
    let mut app = Channel::Comments
        .setup()
        .script([question(), Turn::says("B it is.")])
        .set("AILERON__PLANE__COMMENTS__ON_ASSIGNMENT", "true")
        .start()
        .await;
    app.plane.assign(0, "MOB-3", AUTHOR, "aileron");
    let asked = |plane: &Sandbox| plane.runs().iter().any(|run| plane.run(*run).terminal_count() == 1);
    assert!(app.plane.until_all(asked, LIMIT).await, "{:#?}", app.plane.comments(0, "MOB-3"));
    let run = app.plane.runs()[0];
    app.kill().await;
    let lost = app.plane.reply_beside(run, AUTHOR, "the second").await;
    assert_eq!(lost.statuses, [0]);
    app.serve().await;
    assert_eq!(assert_answered(&app.ended_times(run, 2).await), "B it is.");
}
