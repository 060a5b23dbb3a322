//! A mention is answered: the ordinary turn, conversations, tools, and what models get wrong.

use aileron::sandbox::RunPicture;
use serde_json::json;

use crate::support::{
    app::{Channel, TestApp, on_both_channels},
    model::{Gate, Piece, Turn},
    picture::{assert_answered, assert_ended, kinds},
};

on_both_channels! {
    the_first_thought_comes_before_the_model_has_said_anything,
    the_model_is_told_of_the_work_item_and_the_request,
    a_bare_mention_is_answered_too,
    a_follow_up_goes_on_with_the_conversation,
    a_question_waits_and_the_reply_goes_on_with_the_turn,
    parallel_tool_calls_each_get_their_own_result,
    an_error_of_a_tool_is_told_to_the_model_and_the_turn_goes_on,
    malformed_and_unknown_tool_calls_are_told_to_the_model,
    thinking_never_reaches_the_answer,
    a_prompt_in_mid_turn_joins_it_at_the_next_tool_boundary,
    a_prompt_during_the_final_answer_is_answered_too,
}

#[tokio::test]
async fn a_first_mention_is_thought_about_worked_on_and_answered_once() {
    let app = TestApp::start([
        Turn::calls([("read_work_item", json!({}))]).after(vec![Piece::Text("Let me read it.".into())]),
        Turn::says("This is a **crash**. I suggest priority high."),
    ])
    .await;
    let mentioned = app.mention("MOB-3", "please triage this").await;
    let picture = app.ended(mentioned.run).await;

    assert_eq!(assert_answered(&picture), "This is a **crash**. I suggest priority high.");
    let actions = picture.actions();
    let action = actions.last().expect("the tool call is shown");
    assert_eq!(action.action.as_deref(), Some("Read a work item"));
    assert_eq!(action.content_metadata["calls"][0]["tool"], "read_work_item");
    assert!(action.parameters.get("result").is_some_and(|result| !result.is_empty()), "{}", picture.to_text());

    let comments = app.plane.comments(0, "MOB-3");
    let answer = comments.iter().filter(|comment| comment.html.contains("<strong>crash</strong>")).count();
    assert_eq!(answer, 1, "the answer is one comment");
}

async fn the_first_thought_comes_before_the_model_has_said_anything(channel: Channel) {
    let gate = Gate::new();
    let app = channel.start([Turn::says("Done.").after(vec![Piece::Hold(gate.clone())])]).await;
    let mentioned = app.mention("MOB-3", "hello").await;
    gate.reached().await;
    let picture = app.until(mentioned.run, "a first thought", |picture| !picture.thoughts().is_empty()).await;
    assert_eq!(kinds(&picture), ["prompt", "thought"]);
    assert_eq!(picture.status.as_str(), "in_progress");
    gate.open();
    assert_answered(&app.ended(mentioned.run).await);
}

async fn the_model_is_told_of_the_work_item_and_the_request(channel: Channel) {
    let app = channel.start([Turn::says("Hello.")]).await;
    let mentioned = app.mention("MOB-3", "what is the état of this? 🚀").await;
    app.ended(mentioned.run).await;

    let request = app.model.until_request(1).await;
    let title = app.title("MOB-3").await;
    assert!(request.mentions("MOB-3") && request.mentions(&title), "{:#}", request.body["messages"]);
    assert!(request.texts("user").last().is_some_and(|text| text.contains("what is the état of this? 🚀")));
    assert!(!request.mentions("mention-component"), "the agent's own mention is not part of the request");
    assert!(request.tools().contains(&"read_work_item"), "{:?}", request.tools());
    assert_eq!(request.authorization, format!("Bearer {}", crate::support::app::MODEL_KEY));
}

async fn a_bare_mention_is_answered_too(channel: Channel) {
    let app = channel.start([Turn::says("How can I help?")]).await;
    let mentioned = app.mention("MOB-3", "").await;
    assert_eq!(assert_answered(&app.ended(mentioned.run).await), "How can I help?");
}

async fn a_follow_up_goes_on_with_the_conversation(channel: Channel) {
    let app = channel.start([Turn::says("It is a crash."), Turn::says("Since version 2.")]).await;
    let mentioned = app.mention("MOB-3", "what is this?").await;
    app.ended(mentioned.run).await;
    app.reply(mentioned.run, "since when?").await;
    let picture = app.ended_times(mentioned.run, 2).await;

    assert_eq!(assert_answered(&picture), "Since version 2.");
    let request = app.model.until_request(2).await;
    assert_eq!(request.texts("assistant"), ["It is a crash."]);
    let said = request.texts("user").join("\n");
    assert!(said.find("what is this?") < said.find("since when?"), "{said}");
}

async fn a_question_waits_and_the_reply_goes_on_with_the_turn(channel: Channel) {
    let question = json!({"question": "Which state shall it have?", "options": ["Todo", "In Progress"]});
    let app = channel.start([Turn::calls([("ask_user", question)]), Turn::says("Then it is for today.")]).await;
    let mentioned = app.mention("MOB-3", "which state fits?").await;
    let picture = app.ended(mentioned.run).await;

    assert!(assert_ended(&picture, "elicitation", "awaiting").contains("Which state shall it have?"));
    let asked = picture.activities.last().unwrap();
    match channel {
        Channel::Runs => {
            assert_eq!(asked.signal, "select");
            let options = asked.signal_metadata["options"].as_array().unwrap();
            let labels = options.iter().map(|option| option["label"].clone());
            assert_eq!(labels.collect::<Vec<_>>(), ["Todo", "In Progress"]);
        }
        Channel::Comments => assert!(asked.body.contains("1. Todo\n2. In Progress"), "{}", asked.body),
    }

    app.reply(mentioned.run, "In Progress").await;
    let picture = app.ended_times(mentioned.run, 2).await;
    assert_eq!(assert_answered(&picture), "Then it is for today.");
    assert!(app.model.until_request(2).await.mentions("In Progress"));
}

async fn parallel_tool_calls_each_get_their_own_result(channel: Channel) {
    let app = channel
        .start([
            Turn::calls([
                ("read_work_item", json!({"work_item": "MOB-1"})),
                ("read_work_item", json!({"work_item": "MOB-2"})),
            ]),
            Turn::says("Compared."),
        ])
        .await;
    let mentioned = app.mention("MOB-3", "compare MOB-1 and MOB-2").await;
    assert_answered(&app.ended(mentioned.run).await);

    let results = app.model.until_request(2).await.texts("tool");
    assert_eq!(results.len(), 2);
    assert!(results[0].contains(&app.title("MOB-1").await), "{results:?}");
    assert!(results[1].contains(&app.title("MOB-2").await), "{results:?}");
}

async fn an_error_of_a_tool_is_told_to_the_model_and_the_turn_goes_on(channel: Channel) {
    let app = channel
        .start([Turn::calls([("read_work_item", json!({"work_item": "MOB-999"}))]), Turn::says("There is no MOB-999.")])
        .await;
    let mentioned = app.mention("MOB-3", "what about MOB-999?").await;
    assert_eq!(assert_answered(&app.ended(mentioned.run).await), "There is no MOB-999.");
    let results = app.model.until_request(2).await.texts("tool");
    assert!(results.len() == 1 && results[0].contains("does not know the work item"), "{results:?}");
}

async fn malformed_and_unknown_tool_calls_are_told_to_the_model(channel: Channel) {
    let app = channel
        .start([
            Turn::raw_calls([
                ("search_work_items", "{\"query\": ".to_owned()),
                ("search_work_items", "{\"query\": 7}".to_owned()),
                ("launch_rocket", "{}".to_owned()),
            ]),
            Turn::says("I mended it."),
        ])
        .await;
    let mentioned = app.mention("MOB-3", "search").await;
    assert_eq!(assert_answered(&app.ended(mentioned.run).await), "I mended it.");
    let results = app.model.until_request(2).await.texts("tool");
    assert_eq!(results.len(), 3, "{results:?}");
    assert!(results[1].contains("query"), "the argument is named: {results:?}");
    assert!(results[2].contains("launch_rocket"), "the unknown tool is named: {results:?}");
}

async fn thinking_never_reaches_the_answer(channel: Channel) {
    let text = |text: &str| Piece::Text(text.to_owned());
    let app = channel
        .start([Turn::of([
            Piece::Reasoning("PRIVATE-ONE of the field. ".into()),
            text("<thi"),
            text("nk>PRIVATE-TWO of the tags.</th"),
            text("ink>The answer "),
            text("is 42."),
        ])])
        .await;
    let mentioned = app.mention("MOB-3", "think hard").await;
    let picture = app.ended(mentioned.run).await;
    assert_eq!(assert_answered(&picture), "The answer is 42.");
    let comments = app.plane.comments(0, "MOB-3");
    assert!(comments.iter().all(|comment| !comment.html.contains("PRIVATE")));
}

async fn a_prompt_in_mid_turn_joins_it_at_the_next_tool_boundary(channel: Channel) {
    let gate = Gate::new();
    let app = channel
        .start([
            Turn::calls([("read_work_item", json!({}))]).after(vec![Piece::Hold(gate.clone())]),
            Turn::says("Both done."),
        ])
        .await;
    let mentioned = app.mention("MOB-3", "triage this").await;
    gate.reached().await;
    app.reply(mentioned.run, "and look for duplicates").await;
    gate.open();

    let picture = app.ended(mentioned.run).await;
    let last = app.model.until_request(2).await;
    assert!(last.mentions("triage this") && last.mentions("and look for duplicates"), "{:#}", last.body["messages"]);
    assert_eq!(assert_ended(&picture, "response", "completed"), "Both done.");
    app.fence().await;
    assert_eq!(app.plane.run(mentioned.run).terminal_count(), 1, "one answer for both");
}

async fn a_prompt_during_the_final_answer_is_answered_too(channel: Channel) {
    let gate = Gate::new();
    let app = channel
        .start([
            Turn::of([Piece::Text("First ".into()), Piece::Hold(gate.clone()), Piece::Text("answer.".into())]),
            Turn::says("Second answer."),
        ])
        .await;
    let mentioned = app.mention("MOB-3", "one").await;
    gate.reached().await;
    app.reply(mentioned.run, "two").await;
    gate.open();
    let answered = |picture: &RunPicture| picture.activities.last().is_some_and(|last| last.body == "Second answer.");
    let picture = app.until(mentioned.run, "the second answer", answered).await;
    assert_eq!(picture.status.as_str(), "completed");
    let second = app.model.until_request(2).await;
    assert!(second.mentions("First answer.") && second.mentions("two"), "{:#}", second.body["messages"]);
}
