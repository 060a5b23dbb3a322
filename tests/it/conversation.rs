//! Conversations over HTTP with the real binary: what is remembered, what joins in, what is asked.

use aileron::sandbox::RunPicture;
use serde_json::{Value, json};

use crate::support::{
    app::{Channel, TestApp, on_both_channels},
    model::{Captured, Gate, Piece, Turn},
    picture::{assert_answered, assert_ended},
};

on_both_channels! {
    the_model_is_shown_the_whole_work_item,
    a_parent_and_its_children_are_named,
    a_new_mention_on_the_same_work_item_does_not_start_cold,
    what_changed_between_two_turns_is_pointed_out,
    a_long_thread_is_compacted_by_the_model_and_goes_on_after_a_restart,
    a_request_the_provider_finds_too_long_is_shortened_and_sent_once_more,
    several_messages_in_mid_turn_join_it_together,
    a_stop_after_a_message_in_mid_turn_stops_both,
    several_options_are_offered_and_chosen_by_number,
    a_reply_that_changes_the_subject_is_told_as_a_new_request,
    an_answer_links_the_work_items_it_names_and_is_never_raw_data,
    the_model_is_told_to_answer_in_the_language_of_the_request,
}

/// The text of the request that shows the work item.
fn context_of(request: &Captured) -> String {
    let texts = request.texts("user");
    texts.iter().find(|text| text.contains("<plane-data>")).expect("the work item is shown").to_string()
}

async fn the_model_is_shown_the_whole_work_item(channel: Channel) {
    let app = channel.start([Turn::says("A crash.")]).await;
    let mentioned = app.mention("MOB-5", "what is this?").await;
    assert_answered(&app.ended(mentioned.run).await);
    let context = context_of(&app.model.until_request(1).await);
    for part in [
        "# MOB-5: Crash in cart",
        "- State: In Progress (started)",
        "- Assignees: @bob",
        "time zone Europe/Stockholm",
        "hours ago",
        "- Crash group 8841: https://crashes.example.test/groups/8841",
        "- crash-8841.log (text/plain, 48 KB)",
        "**@bob**",
        "PriceFormatter.format",
    ] {
        assert!(context.contains(part), "{part} is missing in\n{context}");
    }
    let with_relations = app.mention("MOB-9", "and this?").await;
    app.model.then([Turn::says("Related.")]);
    assert_answered(&app.ended(with_relations.run).await);
    let context = context_of(&app.model.until_request(2).await);
    assert!(context.contains("- relates to MOB-1: Redesign the checkout screen (In Progress)"), "{context}");
}

async fn a_parent_and_its_children_are_named(channel: Channel) {
    let app = channel.start([Turn::says("One child."), Turn::says("A child.")]).await;
    let parent = app.mention("MOB-1", "what belongs to this?").await;
    app.ended(parent.run).await;
    let context = context_of(&app.model.until_request(1).await);
    assert!(context.contains("- MOB-8: Move the address form into its own component (Done)"), "{context}");
    let child = app.mention("MOB-8", "and this?").await;
    app.ended(child.run).await;
    let context = context_of(&app.model.until_request(2).await);
    assert!(context.contains("- Parent: MOB-1: Redesign the checkout screen (In Progress)"), "{context}");
}

async fn a_new_mention_on_the_same_work_item_does_not_start_cold(channel: Channel) {
    let mut app = channel.start([Turn::says("It is the number format.")]).await;
    let first = app.mention("MOB-3", "why does it crash?").await;
    app.ended(first.run).await;
    // Only what was said to the end is recalled, and that it was said is on disk now.
    app.fence().await;
    app.kill().await;
    app.serve().await;
    app.model.then([Turn::says("As I said."), Turn::says("Nothing.")]);
    let second = app.mention("MOB-3", "and what did you find?").await;
    assert_ne!(first.run, second.run);
    app.ended(second.run).await;
    let context = context_of(&app.model.until_request(3).await);
    assert!(
        context.contains("@maya asked: “why does it crash?”. You answered: “It is the number format.”"),
        "{context}"
    );
    let elsewhere = app.mention("MOB-4", "and here?").await;
    app.ended(elsewhere.run).await;
    assert!(!context_of(&app.model.until_request(4).await).contains("number format"), "another work item's affair");
}

async fn what_changed_between_two_turns_is_pointed_out(channel: Channel) {
    let app = channel.start([Turn::says("Low, I would say."), Turn::says("I see.")]).await;
    let mentioned = app.mention("MOB-3", "how urgent is it?").await;
    app.ended(mentioned.run).await;
    assert!(!context_of(&app.model.until_request(1).await).contains("Changed since your last turn"));
    app.plane.edit(0, "MOB-3", "App crashes in the cart", "urgent");
    app.plane.comment(0, "MOB-3", "bob", "It is worse than we thought.");
    app.reply(mentioned.run, "and now?").await;
    app.ended_times(mentioned.run, 2).await;
    let context = context_of(&app.model.until_request(2).await);
    for news in ["- Priority: none → urgent", "→ App crashes in the cart", "- A new comment by @bob"] {
        assert!(context.contains(news), "{news} is missing in\n{context}");
    }
}

async fn a_long_thread_is_compacted_by_the_model_and_goes_on_after_a_restart(channel: Channel) {
    let summary = |request: &Captured| {
        let compacts = request.mentions("It will be replaced by your summary");
        compacts.then(|| Turn::says("- @maya asked for numbers, and wants them in euro from now on."))
    };
    let answer = |request: &Captured| Some(Turn::says(&format!("Answer {}.", request.texts("assistant").len())));
    let mut app = channel
        .setup()
        .plane(|options| options.rate_limit_per_minute = None)
        .rule(move |request| summary(request).or_else(|| answer(request)))
        .start()
        .await;
    let mentioned = app.mention("MOB-3", "question 1").await;
    app.ended(mentioned.run).await;
    for number in 2..=12 {
        app.reply(mentioned.run, &format!("question {number}")).await;
        app.ended_times(mentioned.run, number).await;
    }
    let requests = app.model.requests();
    let compactions: Vec<_> =
        requests.iter().filter(|request| request.mentions("It will be replaced by your summary")).collect();
    assert_eq!(compactions.len(), 1, "once in twelve turns");
    assert!(compactions[0].mentions("question 1") && compactions[0].mentions("You answered:"));
    let last = requests.last().unwrap();
    assert!(last.mentions("wants them in euro from now on"), "{:#}", last.body["messages"]);
    assert!(!last.mentions("question 3\"") && last.mentions("question 11"), "the old is gone, the new is there");

    let usage: Value = serde_json::from_str(&app.command(&["usage", "--json"]).await.stdout).unwrap();
    assert_eq!(usage[0]["spent"]["replies"], 13, "the summary is paid for as well");

    app.kill().await;
    app.serve().await;
    app.reply(mentioned.run, "question 13").await;
    let picture = app.ended_times(mentioned.run, 13).await;
    assert_answered(&picture);
    let last = app.model.requests().last().unwrap().clone();
    assert!(last.mentions("wants them in euro from now on"), "the summary survives");
}

async fn a_request_the_provider_finds_too_long_is_shortened_and_sent_once_more(channel: Channel) {
    let too_long = || Turn::fails(400, "context_length_exceeded", "This model's maximum context length is 100 tokens");
    let app = channel.start([too_long(), Turn::says("In short: a crash."), too_long(), too_long()]).await;
    let mentioned = app.mention("MOB-3", "what is this?").await;
    assert_eq!(assert_answered(&app.ended(mentioned.run).await), "In short: a crash.");
    let requests = app.model.requests();
    let length = |at: usize| requests[at].body["messages"].to_string().len();
    assert!(length(1) < length(0), "{} bytes after {}", length(1), length(0));
    assert!(requests[1].mentions("what is this?"), "the request itself is still there");

    let hopeless = app.mention("MOB-4", "and this?").await;
    let picture = app.ended(hopeless.run).await;
    assert!(assert_ended(&picture, "error", "failed").contains("too long"));
}

async fn several_messages_in_mid_turn_join_it_together(channel: Channel) {
    let gate = Gate::new();
    let app = channel
        .start([
            Turn::calls([("read_comments", json!({}))]).after(vec![Piece::Hold(gate.clone())]),
            Turn::says("All three."),
        ])
        .await;
    let mentioned = app.mention("MOB-3", "triage this").await;
    gate.reached().await;
    app.reply(mentioned.run, "look for duplicates as well").await;
    app.reply(mentioned.run, "and say who should take it").await;
    gate.open();
    let picture = app.ended(mentioned.run).await;
    assert_eq!(assert_ended(&picture, "response", "completed"), "All three.");
    let said = app.model.until_request(2).await.texts("user").join("\n");
    let places: Vec<_> = ["triage this", "duplicates as well", "who should take it"]
        .iter()
        .map(|words| said.find(words).unwrap_or_else(|| panic!("{words} is lost:\n{said}")))
        .collect();
    assert!(places.is_sorted(), "in the order they were written");
    app.fence().await;
    assert_eq!(app.plane.run(mentioned.run).terminal_count(), 1, "one answer for all");
}

async fn a_stop_after_a_message_in_mid_turn_stops_both(channel: Channel) {
    let gate = Gate::new();
    let app = channel
        .start([
            Turn::calls([("read_comments", json!({}))]).after(vec![Piece::Hold(gate.clone())]),
            Turn::says("Only this.").when("now only the crash"),
        ])
        .await;
    let mentioned = app.mention("MOB-3", "triage this").await;
    gate.reached().await;
    app.reply(mentioned.run, "look for duplicates as well").await;
    app.stop(mentioned.run).await;
    gate.open();
    let picture = app.ended(mentioned.run).await;
    assert_ended(&picture, "response", "stopped");
    // What is said after the stop is a new request; what was said before it is not taken up again.
    app.reply(mentioned.run, "now only the crash").await;
    let picture = app.ended_times(mentioned.run, 2).await;
    assert_eq!(assert_answered(&picture), "Only this.");
    assert_eq!(picture.terminal_count(), 2, "{}", picture.to_text());
}

fn asks_for_several() -> Turn {
    let options = ["bug", "crash", "android"];
    Turn::calls([("ask_user", json!({"question": "Which labels fit?", "options": options, "several": true}))])
}

async fn several_options_are_offered_and_chosen_by_number(channel: Channel) {
    let app = channel.start([asks_for_several(), Turn::says("Both then.")]).await;
    let mentioned = app.mention("MOB-3", "which labels?").await;
    let picture = app.ended(mentioned.run).await;
    let body = assert_ended(&picture, "elicitation", "awaiting");
    assert!(body.contains("1. bug\n2. crash\n3. android") && body.contains("choose several"), "{body}");
    if channel == Channel::Runs {
        assert_eq!(picture.elicitation().unwrap().signal_metadata["allow_multiple"], true);
    }
    app.reply(mentioned.run, "3 and 1").await;
    assert_eq!(assert_answered(&app.ended_times(mentioned.run, 2).await), "Both then.");
    let results = app.model.until_request(2).await.texts("tool").join("\n");
    assert!(results.contains("The person chose:\n\n- bug\n- android"), "{results}");
}

async fn a_reply_that_changes_the_subject_is_told_as_a_new_request(channel: Channel) {
    let app = channel.start([asks_for_several(), Turn::says("Bob wrote it.")]).await;
    let mentioned = app.mention("MOB-3", "which labels?").await;
    app.ended(mentioned.run).await;
    app.reply(mentioned.run, "never mind, who reported this?").await;
    let picture = app.ended_times(mentioned.run, 2).await;
    assert_eq!(assert_answered(&picture), "Bob wrote it.");
    let results = app.model.until_request(2).await.texts("tool").join("\n");
    assert!(results.contains("never mind, who reported this?"), "{results}");
    assert!(results.contains("If it is something new, leave the question"), "{results}");
}

async fn an_answer_links_the_work_items_it_names_and_is_never_raw_data(channel: Channel) {
    let app = channel
        .start([
            Turn::calls([("search_work_items", json!({"query": "crash"}))]),
            Turn::says("{\"duplicate_of\": \"MOB-5\"}"),
            Turn::says("It is a duplicate of MOB-5, not of MOB-77; see UTF-8."),
        ])
        .await;
    let mentioned = app.mention("MOB-3", "is it known?").await;
    let answer = assert_answered(&app.ended(mentioned.run).await);
    let expected = format!(
        "It is a duplicate of [MOB-5]({}/acme/browse/MOB-5/), not of MOB-77; see UTF-8.",
        app.plane.base_url().trim_end_matches('/')
    );
    assert_eq!(answer, expected);
    assert!(app.model.until_request(3).await.mentions("Your last reply was raw data"));
}

#[tokio::test]
async fn actions_read_like_sentences_and_name_no_ids() {
    let app =
        TestApp::start([Turn::calls([("search_work_items", json!({"query": "crash"}))]), Turn::says("Found.")]).await;
    let id = app.plane.workspace(0).work_items["MOB-5"].to_string();
    app.model.then([
        Turn::calls([
            ("read_work_item", json!({"work_item": id})),
            ("list_project_facts", json!({})),
            ("list_work_items", json!({"order": "most_urgent"})),
        ])
        .when("and compare"),
        Turn::says("Compared.").when("and compare"),
    ]);
    let mentioned = app.mention("MOB-3", "is it known?").await;
    let picture = app.ended(mentioned.run).await;
    let action = picture.actions().pop().expect("the search is shown").clone();
    assert_eq!(action.action.as_deref(), Some("Searched work items"));
    assert_eq!(action.parameters["query"], "'crash'");
    assert_eq!(action.parameters["result"], "2 found");

    app.reply(mentioned.run, "and compare").await;
    let picture = app.ended_times(mentioned.run, 2).await;
    let shown: Vec<_> = picture.actions().iter().flat_map(|action| action.parameters.values().cloned()).collect();
    let told = shown.join("\n");
    assert!(told.contains("MOB-5: Crash in cart") && told.contains("most urgent first"), "{told}");
    assert!(told.contains("5 states, 8 labels"), "{told}");
    let has_uuid = |text: &str| text.split(|c: char| !c.is_ascii_hexdigit() && c != '-').any(|word| word.len() == 36);
    let everything: String = texts_of(&picture);
    assert!(!has_uuid(&everything), "{everything}");
}

fn texts_of(picture: &RunPicture) -> String {
    let words = |activity: &aileron::sandbox::ActivityPicture| {
        format!("{} {:?} {:?}\n", activity.body, activity.action, activity.parameters)
    };
    picture.activities.iter().filter(|activity| activity.actor_name == "aileron").map(words).collect()
}

async fn the_model_is_told_to_answer_in_the_language_of_the_request(channel: Channel) {
    let app = channel.start([Turn::says("Das ist ein Absturz: MOB-5 beschreibt dasselbe.")]).await;
    let mentioned = app.mention("MOB-3", "Was ist das hier?").await;
    let answer = assert_answered(&app.ended(mentioned.run).await);
    assert!(answer.starts_with("Das ist ein Absturz"), "{answer}");
    let request = app.model.until_request(1).await;
    assert!(request.texts("system")[0].contains("in the language of the person's request"));
    assert!(request.texts("user").last().is_some_and(|text| text.contains("Was ist das hier?")));
}
