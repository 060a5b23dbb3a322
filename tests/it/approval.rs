//! Changes that wait for a person's word, what those may do who ask, and taking changes back.

use aileron::sandbox::{RecordedRequest, RunPicture, Status};
use serde_json::{Value, json};

use crate::support::{
    app::{Access, Channel, Setup, TestApp, on_both_channels},
    binary,
    model::{Gate, Piece, Turn},
    picture::{assert_answered, assert_ended},
};

on_both_channels! {
    a_word_that_asks_for_something_else_goes_back_to_the_model_and_makes_a_new_card,
    what_changed_while_the_card_waited_is_noticed_and_asked_again,
    only_who_asked_or_may_do_it_by_hand_can_approve,
    a_card_survives_a_kill,
    a_stop_or_a_new_subject_cancels_what_waits,
    words_said_while_the_model_still_thought_approve_nothing,
}

fn asking() -> Setup {
    asking_on(Channel::Runs)
}

fn asking_on(channel: Channel) -> Setup {
    channel.setup().set("AILERON__PLANE__SETTLE_MS", "50")
}

fn raises(priority: &str) -> Turn {
    Turn::calls([("update_work_item", json!({"priority": priority, "reason": "it stops a purchase"}))])
}

fn changes(app: &TestApp) -> usize {
    let changing = |method: &str| matches!(method, "PATCH" | "POST" | "DELETE");
    let of_run = |path: &str| path.contains("/runs/") || path.contains("/auth/");
    // In comments the agent's own words are marked as such.
    let is_word = |request: &RecordedRequest| match &request.body {
        Some(body) => body["external_id"].as_str().is_some_and(|id| id.contains('#')),
        None => request.method == "DELETE" && request.path.contains("/comments/"),
    };
    let is_change =
        |request: &&RecordedRequest| changing(&request.method) && !of_run(&request.path) && !is_word(request);
    app.plane.requests().iter().filter(is_change).count()
}

fn priority(app: &TestApp, key: &str) -> String {
    app.plane.priority(0, key)
}

fn card(picture: &RunPicture) -> String {
    assert_eq!(picture.status, Status::Awaiting, "{}", picture.to_text());
    picture.last_terminal().expect("a card").body.clone()
}

#[tokio::test]
async fn a_card_tells_what_would_change_and_why_and_nothing_happens_before_the_word() {
    let app = asking()
        .script([
            Turn::calls([
                (
                    "update_work_item",
                    json!({"priority": "urgent", "add_labels": ["crash"], "reason": "nobody can pay"}),
                ),
                ("add_comment", json!({"text": "Raised.\n\n**B. Delete everything**"})),
                ("read_work_item", json!({"work_item": "MOB-1"})),
            ]),
            Turn::says("It is urgent now."),
        ])
        .start()
        .await;
    let run = app.mention("MOB-3", "raise this").await.run;
    let card = card(&app.ended(run).await);
    for line in [
        "**A. Change [MOB-3]",
        "(nobody can pay)",
        "- priority: ",
        " → urgent",
        "- labels: ",
        "**B. Comment on [MOB-3]",
        "> Raised.",
    ] {
        assert!(card.contains(line), "{line:?} is missing in:\n{card}");
    }
    assert!(!card.contains("\n**B. Delete"), "a text cannot pass for a change:\n{card}");
    assert_eq!(changes(&app), 0);
    app.reply(run, "Approve all").await;
    let picture = app.ended_times(run, 2).await;
    assert_answered(&picture);
    assert_eq!((priority(&app, "MOB-3").as_str(), changes(&app)), ("urgent", 2));
    assert!(app.told().contains("Done: Change MOB-3."), "{}", app.told());
}

async fn a_word_that_asks_for_something_else_goes_back_to_the_model_and_makes_a_new_card(channel: Channel) {
    let app =
        asking_on(channel).script([raises("urgent"), raises("medium"), Turn::says("Medium it is.")]).start().await;
    let run = app.mention("MOB-3", "raise this").await.run;
    app.ended(run).await;
    app.reply(run, "yes, but make it medium").await;
    let second = card(&app.ended_times(run, 2).await);
    assert!(second.contains("→ medium"), "{second}");
    assert!(app.told().contains("yes, but make it medium"));
    assert_eq!(changes(&app), 0);
    app.reply(run, "1").await;
    assert_answered(&app.ended_times(run, 3).await);
    assert_eq!((priority(&app, "MOB-3").as_str(), changes(&app)), ("medium", 1));
}

async fn what_changed_while_the_card_waited_is_noticed_and_asked_again(channel: Channel) {
    let app = asking_on(channel).script([raises("urgent"), raises("urgent"), Turn::says("Raised.")]).start().await;
    let run = app.mention("MOB-3", "raise this").await.run;
    app.ended(run).await;
    app.plane.edit(0, "MOB-3", "App crashes in the cart", "low");
    app.reply(run, "approve").await;
    let second = card(&app.ended_times(run, 2).await);
    assert!(second.contains("low → urgent"), "{second}");
    assert!(app.told().contains("since the person approved it things have changed"), "{}", app.told());
    assert_eq!(changes(&app), 0);
    app.reply(run, "approve").await;
    assert_answered(&app.ended_times(run, 3).await);
    assert_eq!(priority(&app, "MOB-3"), "urgent");
}

async fn only_who_asked_or_may_do_it_by_hand_can_approve(channel: Channel) {
    let app = asking_on(channel).script([raises("urgent"), Turn::says("Raised.")]).start().await;
    let run = app.mention("MOB-3", "raise this").await.run;
    app.ended(run).await;
    // Luis is a guest.
    app.plane.reply(run, "luis", "Approve").await;
    let again = card(&app.ended_times(run, 2).await);
    assert!(again.contains("Only the person who asked"), "{again}");
    assert_eq!((changes(&app), app.model.requests().len()), (0, 1));
    // Bob is a member, who could do it by hand.
    app.plane.reply(run, "bob", "Approve").await;
    assert_answered(&app.ended_times(run, 3).await);
    assert_eq!((priority(&app, "MOB-3").as_str(), changes(&app)), ("urgent", 1));
}

async fn a_card_survives_a_kill(channel: Channel) {
    let mut app = asking_on(channel).script([raises("urgent")]).start().await;
    let run = app.mention("MOB-3", "raise this").await.run;
    app.ended(run).await;
    app.fence().await;
    app.kill().await;
    app.serve().await;
    app.model.then([Turn::says("Raised.")]);
    app.reply(run, "yes").await;
    assert_answered(&app.ended_times(run, 2).await);
    assert_eq!((priority(&app, "MOB-3").as_str(), changes(&app)), ("urgent", 1));
}

async fn a_stop_or_a_new_subject_cancels_what_waits(channel: Channel) {
    let app = asking_on(channel).script([raises("urgent"), Turn::says("It is about a crash.")]).start().await;
    let run = app.mention("MOB-3", "raise this").await.run;
    app.ended(run).await;
    app.reply(run, "Forget it. What is this about?").await;
    assert_answered(&app.ended_times(run, 2).await);
    app.model.then([raises("urgent")]);
    app.reply(run, "raise it after all").await;
    app.ended_times(run, 3).await;
    app.stop(run).await;
    app.ended_times(run, 4).await;
    assert_eq!(changes(&app), 0);
}

#[tokio::test]
async fn a_guest_may_have_a_comment_written_and_nothing_changed() {
    let app = asking()
        .set("AILERON__AGENT__WRITES", "allow")
        .script([
            Turn::calls([
                ("update_work_item", json!({"priority": "urgent"})),
                ("add_comment", json!({"text": "A guest says hello."})),
                ("create_work_item", json!({"name": "Not by a guest"})),
            ]),
            Turn::says("Only the comment."),
        ])
        .start()
        .await;
    let run = app.mention_as("luis", "MOB-3", "raise this").await;
    assert_answered(&app.ended(run).await);
    assert_eq!(app.told().matches("guest of this project").count(), 2, "{}", app.told());
    assert_eq!(changes(&app), 1);
}

#[tokio::test]
async fn a_project_the_asker_cannot_see_is_not_there() {
    let app = asking().set("AILERON__AGENT__WRITES", "allow").start().await;
    // Of all people only Ada belongs to it.
    let text = "<p>The vault's word is <strong>periwinkle</strong>.</p>";
    assert_eq!(app.plane.add_project(0, "OPS", "Rotate the signing key before the crash test", text), "OPS-1");
    let looks = || {
        [
            Turn::calls([("read_work_item", json!({"work_item": "OPS-1"}))]),
            Turn::calls([("search_work_items", json!({"query": "crash", "all_projects": true}))]),
            Turn::calls([("read_comments", json!({"work_item": "OPS-1"}))]),
            Turn::calls([("add_comment", json!({"work_item": "OPS-1", "text": "Hello."}))]),
            Turn::says("That is all."),
        ]
    };
    app.model.then(looks());
    let run = app.mention("MOB-3", "look at OPS-1").await.run;
    assert_answered(&app.ended(run).await);
    let seen = app.told();
    for secret in ["periwinkle", "Rotate", "OPS-1:"] {
        assert!(!seen.contains(secret), "{secret} is told:\n{seen}");
    }
    assert!(seen.contains("MOB-3") && seen.contains("no work item OPS-1 that the person who asks can see"), "{seen}");
    assert_eq!(changes(&app), 0);

    app.model.then(looks());
    let run = app.mention_as("ada", "MOB-3", "look at OPS-1").await;
    assert_answered(&app.ended(run).await);
    let seen = app.told();
    assert!(seen.contains("periwinkle") && seen.contains("OPS-1: Rotate"), "{seen}");
    assert_eq!(changes(&app), 1);
}

#[tokio::test]
async fn what_a_change_read_of_another_project_is_not_told_to_who_comes_later() {
    let app = asking().set("AILERON__AGENT__WRITES", "allow").start().await;
    // Of all people only Ada belongs to it.
    assert_eq!(app.plane.add_project(0, "OPS", "Rotate the signing key", "<p>At once.</p>"), "OPS-1");
    app.model.then([
        Turn::calls([
            ("unrelate_work_items", json!({"other": "OPS-1"})),
            ("update_work_item", json!({"work_item": "OPS-1", "priority": "none"})),
            ("update_work_item", json!({"priority": "low"})),
        ]),
        Turn::says("There was nothing to take away."),
        Turn::says("That stays with Ada."),
    ]);
    let run = app.mention_as("ada", "MOB-3", "no longer relate it").await;
    assert_answered(&app.ended(run).await);
    assert_eq!(app.told().matches("OPS-1").count(), 2, "{}", app.told());
    app.plane.reply(run, "maya", "what did you find?").await;
    assert_answered(&app.ended_times(run, 2).await);
    let seen = app.model.requests().pop().expect("a call of the model").texts("tool").join("\n");
    assert!(!seen.contains("OPS-1") && seen.matches("[Withheld").count() == 2 && seen.contains("low"), "{seen}");
}

#[tokio::test]
async fn policies_of_tools_and_projects_hold() {
    let app = asking()
        .set("AILERON__WRITES__TOOLS__ADD_COMMENT", "allow")
        .set("AILERON__WRITES__TOOLS__CREATE_WORK_ITEM", "deny")
        .script([Turn::calls([
            ("add_comment", json!({"text": "At once."})),
            ("create_work_item", json!({"name": "Never"})),
            ("update_work_item", json!({"priority": "low"})),
        ])])
        .start()
        .await;
    let run = app.mention("MOB-3", "see to it").await.run;
    let card = card(&app.ended(run).await);
    assert!(card.contains("→ low") && !card.contains("At once") && !card.contains("Never"), "{card}");
    assert_eq!(changes(&app), 1);
}

#[tokio::test]
async fn a_dry_run_tells_and_changes_nothing() {
    let app = asking()
        .set("AILERON__WRITES__DRY_RUN", "true")
        .script([raises("urgent"), Turn::says("I would raise it.")])
        .start()
        .await;
    let run = app.mention("MOB-3", "raise this").await.run;
    assert_answered(&app.ended(run).await);
    assert!(app.told().contains("Dry run: nothing was changed") && app.told().contains("→ urgent"), "{}", app.told());
    assert_eq!(changes(&app), 0);
}

#[tokio::test]
async fn the_switch_stops_all_changes_at_once_even_approved_ones() {
    let app = asking().script([raises("urgent"), Turn::says("It is switched off.")]).start().await;
    let run = app.mention("MOB-3", "raise this").await.run;
    app.ended(run).await;
    let off = app.command(&["writes", "off"]).await;
    assert!(off.status.success() && off.stdout.contains("off"), "{}", off.stderr);
    app.reply(run, "approve").await;
    assert_answered(&app.ended_times(run, 2).await);
    assert!(app.told().contains("switched all changes off"), "{}", app.told());
    assert_eq!(changes(&app), 0);
    assert!(app.command(&["writes"]).await.stdout.contains("off"));
    assert!(app.command(&["writes", "on"]).await.status.success());
    app.model.then([raises("urgent"), Turn::says("Raised.")]);
    app.reply(run, "again").await;
    app.ended_times(run, 3).await;
    app.reply(run, "approve").await;
    assert_answered(&app.ended_times(run, 4).await);
    assert_eq!(priority(&app, "MOB-3"), "urgent");
}

#[tokio::test]
async fn a_turn_and_a_day_have_their_bounds() {
    let comment = |text: &str| ("add_comment", json!({"text": text}));
    let app = asking()
        .set("AILERON__AGENT__WRITES", "allow")
        .set("AILERON__WRITES__MAX_PER_TURN", "2")
        .set("AILERON__WRITES__MAX_PER_DAY", "3")
        .script([Turn::calls([comment("one"), comment("two"), comment("three")]), Turn::says("Two.")])
        .start()
        .await;
    let run = app.mention("MOB-3", "three comments").await.run;
    assert_answered(&app.ended(run).await);
    assert!(app.told().contains("2 changes already"), "{}", app.told());
    app.model.then([Turn::calls([comment("three"), comment("four")]), Turn::says("One more.")]);
    app.reply(run, "the others").await;
    assert_answered(&app.ended_times(run, 2).await);
    assert!(app.told().contains("3 changes were made today"), "{}", app.told());
    assert_eq!(changes(&app), 3);
}

#[tokio::test]
async fn one_turn_does_not_change_a_field_back_and_forth() {
    let set = |priority: &str| Turn::calls([("update_work_item", json!({"priority": priority}))]);
    let app = asking()
        .set("AILERON__AGENT__WRITES", "allow")
        .script([set("urgent"), set("low"), Turn::says("Urgent.")])
        .start()
        .await;
    let run = app.mention("MOB-3", "raise this").await.run;
    assert_answered(&app.ended(run).await);
    assert!(app.told().contains("back and forth"), "{}", app.told());
    assert_eq!(priority(&app, "MOB-3"), "urgent");
}

#[tokio::test]
async fn undo_puts_back_what_nobody_has_changed_since_and_says_what_it_left() {
    let app = asking()
        .set("AILERON__AGENT__WRITES", "allow")
        .script([
            Turn::calls([
                ("update_work_item", json!({"priority": "urgent", "state": "In Progress"})),
                ("add_comment", json!({"text": "Begun."})),
                ("create_work_item", json!({"name": "Test the cart"})),
            ]),
            Turn::says("Begun."),
        ])
        .start()
        .await;
    let items = app.plane.workspace(0).work_items.len();
    let says_begun = |app: &TestApp| {
        let ours = app.plane.comments(0, "MOB-3").into_iter().filter(|comment| comment.external_id.is_some());
        ours.filter(|comment| comment.html.contains("Begun.")).count()
    };
    let run = app.mention("MOB-3", "begin").await.run;
    assert_answered(&app.ended(run).await);
    app.plane.edit(0, "MOB-3", "App crashes in the cart", "low");
    app.model.then([Turn::calls([("undo", json!({}))]), Turn::says("Undone, but for the priority.")]);
    app.reply(run, "undo that").await;
    // To delete what was made is asked about; the rest is done.
    let picture = app.ended_times(run, 2).await;
    let asked = card(&picture);
    assert!(asked.contains("Take back: New work item") && asked.contains("Take back: Comment"), "{asked}");
    app.reply(run, "approve all").await;
    assert_answered(&app.ended_times(run, 3).await);
    let told = app.told();
    assert!(told.contains("(not priority: changed since)"), "{told}");
    assert_eq!((priority(&app, "MOB-3").as_str(), says_begun(&app)), ("low", 0));
    assert_eq!(app.plane.workspace(0).work_items.len(), items);
    // A second time there is nothing left.
    app.model.then([Turn::calls([("undo", json!({"everything": true}))]), Turn::says("Nothing is left.")]);
    app.reply(run, "undo everything").await;
    app.ended_times(run, 4).await;
    assert!(app.told().contains("nothing to take back"), "{}", app.told());
}

#[tokio::test]
async fn an_audit_tells_who_asked_what_was_done_and_who_approved() {
    // The slug of a workspace with a fixed token stands in the configuration alone.
    let app = asking().access(Access::Fixed).script([raises("urgent"), Turn::says("Raised.")]).start().await;
    let run = app.mention("MOB-3", "raise this").await.run;
    app.ended(run).await;
    app.plane.reply(run, "bob", "approve").await;
    assert_answered(&app.ended_times(run, 2).await);
    app.fence().await;
    let by_run = app.command(&["audit", "--run", &run.to_string()]).await;
    for text in ["MOB-3", "@maya", "@bob", "priority", "urgent", "it stops a purchase", "done", "  acme  "] {
        assert!(by_run.stdout.contains(text), "{text} is missing in:\n{}", by_run.stdout);
    }
    let by_item = app.command(&["audit", "--work-item", "MOB-3", "--json"]).await;
    let lines: Value = serde_json::from_str(&by_item.stdout).unwrap();
    assert_eq!(lines.as_array().map(Vec::len), Some(1), "{}", by_item.stdout);
    assert_eq!((&lines[0]["approved_by"], &lines[0]["workspace"]), (&json!("@bob"), &json!("acme")));
    let other = app.command(&["audit", "--work-item", "MOB-1"]).await;
    assert!(other.status.success() && other.stdout.contains("No change"), "{}", other.stdout);
    let since = app.command(&["audit", "--since", "2020-01-01"]).await;
    assert!(since.stdout.contains("MOB-3"));
    let wrong = app.command(&["audit", "--since", "yesterday-ish"]).await;
    assert!(!wrong.status.success() && wrong.stderr.contains("--since"), "{}", wrong.stderr);
}

#[tokio::test]
async fn an_error_of_the_ending_is_none_of_an_approval() {
    let app = asking().script([raises("urgent"), Turn::says("Not done.")]).start().await;
    let run = app.mention("MOB-3", "raise this").await.run;
    app.ended(run).await;
    app.reply(run, "reject").await;
    let picture = app.ended_times(run, 2).await;
    assert_ended(&picture, "response", "completed");
    assert!(app.told().contains("the person rejected"), "{}", app.told());
    assert_eq!(changes(&app), 0);
}

#[tokio::test]
async fn a_claim_nobody_made_true_is_corrected_or_noted() {
    let app = asking()
        .script([
            Turn::says("I've set the priority to urgent."),
            Turn::says("I suggest the priority urgent; I did not change it."),
            Turn::says("I've set the priority to urgent."),
            Turn::says("Indeed, I have set the priority of MOB-3."),
        ])
        .start()
        .await;
    let run = app.mention("MOB-3", "what priority?").await.run;
    let picture = app.ended(run).await;
    assert_eq!(assert_answered(&picture), "I suggest the priority urgent; I did not change it.");
    app.reply(run, "and now?").await;
    let picture = app.ended_times(run, 2).await;
    assert!(assert_answered(&picture).contains("nothing was changed in Plane in this turn"), "{}", picture.to_text());
}

#[tokio::test]
async fn a_question_that_claims_what_nobody_did_goes_back_to_the_model() {
    let asks = |question: &str| Turn::calls([("ask_user", json!({"question": question}))]);
    let app =
        asking().script([asks("I've closed MOB-3. Shall I archive it?"), asks("Shall I close MOB-3?")]).start().await;
    let run = app.mention("MOB-3", "what now?").await.run;
    let picture = app.ended(run).await;
    assert!(picture.last_terminal().expect("a question").body.starts_with("Shall I close"), "{}", picture.to_text());
    assert!(app.told().contains("Not asked: the question says"), "{}", app.told());
}

#[tokio::test]
async fn a_card_and_the_audit_show_all_that_is_written_or_it_is_not_proposed() {
    let app = asking()
        .script([
            Turn::calls([
                ("add_link", json!({"url": "https://elsewhere.example/", "title": "Our status page"})),
                ("add_comment", json!({"work_item": "MOB-1", "text": "Too much. ".repeat(1_500)})),
                ("add_comment", json!({"work_item": "MOB-1", "text": "Looked into it."})),
            ]),
            Turn::says("Linked."),
        ])
        .start()
        .await;
    let run = app.mention("MOB-3", "link it").await.run;
    let card = card(&app.ended(run).await);
    assert!(card.contains("Shown as: Our status page") && card.contains("https://elsewhere.example/"), "{card}");
    assert!(card.contains("Looked into it.") && !card.contains("Too much"), "{card}");
    app.reply(run, "approve all").await;
    assert_answered(&app.ended_times(run, 2).await);
    assert!(app.told().contains("split it into several changes"), "{}", app.told());
    app.fence().await;
    let audit = app.command(&["audit"]).await.stdout;
    for text in ["Shown as: Our status page", "text: Looked into it."] {
        assert!(audit.contains(text), "{text} is missing in:\n{audit}");
    }
}

#[tokio::test]
async fn a_failure_after_a_change_says_what_was_done() {
    let app = asking()
        .set("AILERON__AGENT__WRITES", "allow")
        .script([raises("urgent"), Turn::fails(401, "invalid_api_key", "no such key")])
        .start()
        .await;
    let run = app.mention("MOB-3", "raise this").await.run;
    let picture = app.ended(run).await;
    let error = picture.error().expect("an error");
    assert!(error.contains("MOB-3") && error.contains("What I had done before"), "{error}");
    assert!(!error.contains("Nothing was changed"), "{error}");
}

#[tokio::test]
async fn another_bot_is_answered_three_times_told_so_once_and_then_left_alone() {
    let app = TestApp::start([]).await;
    app.plane.add_bot(0, "robo");
    for number in 1..=3 {
        app.model.then([Turn::says("And you?")]);
        let run = app.mention_as("robo", "MOB-3", &format!("question {number}")).await;
        assert_eq!(assert_answered(&app.ended(run).await), "And you?");
    }
    let last = app.mention_as("robo", "MOB-3", "question 4").await;
    assert!(assert_answered(&app.ended(last).await).contains("leave it at that"));
    let ignored = app.mention_as("robo", "MOB-3", "question 5").await;
    app.plane.reply(last, "robo", "question 6").await;
    app.fence().await;
    assert_eq!(app.plane.run(ignored).terminal_count(), 0, "{}", app.plane.run(ignored).to_text());
    assert_eq!(app.plane.run(last).terminal_count(), 1);
    // A person is answered there as ever.
    app.model.then([Turn::says("Of course.")]);
    app.reply(last, "go on").await;
    assert_eq!(assert_answered(&app.ended_times(last, 2).await), "Of course.");
}

async fn words_said_while_the_model_still_thought_approve_nothing(channel: Channel) {
    let gate = Gate::new();
    let slow = Turn::of([
        Piece::Hold(gate.clone()),
        Piece::Call { index: 0, name: "update_work_item".to_owned() },
        Piece::Arguments { index: 0, text: json!({"priority": "urgent"}).to_string() },
    ]);
    let app = asking_on(channel).script([slow, Turn::says("What is it you approve?")]).start().await;
    let run = app.mention("MOB-3", "raise this").await.run;
    gate.reached().await;
    app.reply(run, "ok").await;
    gate.open();
    let picture = app.ended_times(run, 2).await;
    assert_eq!(picture.response(), Some("What is it you approve?"), "{}", picture.to_text());
    assert_eq!((changes(&app), priority(&app, "MOB-3").as_str()), (0, "none"));
}

#[tokio::test]
async fn an_approved_text_may_mention_people() {
    let comment = Turn::calls([("add_comment", json!({"text": "@maya and @bob, please look. @maya first."}))]);
    let app = asking().script([comment, Turn::says("They are asked.")]).start().await;
    let run = app.mention("MOB-3", "ask them").await.run;
    app.ended(run).await;
    app.reply(run, "approve").await;
    assert_answered(&app.ended_times(run, 2).await);
    assert_eq!(changes(&app), 1, "{}", app.told());
}

#[tokio::test]
async fn the_switch_is_refused_where_no_server_works() {
    let app = TestApp::start([]).await;
    let mut settings = app.settings().clone();
    settings.insert("DATA_DIR".into(), "elsewhere".into());
    let off = binary::run(app.home(), &["writes", "off"], &settings).await;
    assert!(!off.status.success() && off.stderr.contains("elsewhere"), "{}", off.stderr);
    assert!(!app.home().join("elsewhere").exists());
}
