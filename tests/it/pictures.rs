//! Pictures on a work item: shown to a model that sees, told to one that does not, in the words of every
//! provider; and files that are opened on demand.

use std::sync::Arc;

use aileron::{
    config::{PromptCache, RemoteKind},
    domain::{
        picture::Picture,
        talk::{AssistantMessage, Message, ToolCall, ToolOffer},
    },
    llm::Request,
    sandbox::{Breakage, CredentialKind, Fault},
};
use serde_json::{Value, json};

use crate::{
    llm_wire::{
        accents::{self, KINDS, Spoken},
        provider::{Provider, ask},
    },
    support::{
        app::{Setup, TestApp},
        model::Turn,
        picture::assert_answered,
    },
};

/// The head of a picture of this size; nobody here looks further.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes
}

fn picture_message(caption: &str) -> Message {
    Message::Picture { caption: caption.to_owned(), picture: Arc::new(Picture::read(&png(640, 480)).unwrap()) }
}

/// A picture beside the work item, and one that a call gave.
fn conversation() -> Request {
    let call = ToolCall {
        id: "call_a".to_owned(),
        name: "find".to_owned(),
        arguments: "{}".to_owned(),
        raw: serde_json::Map::new(),
    };
    let messages = vec![
        Message::System { text: "Be brief.".to_owned() },
        picture_message("the cart"),
        Message::User { text: "what is wrong?".to_owned() },
        Message::Assistant(AssistantMessage { text: String::new(), calls: vec![call], raw: None }),
        Message::Tool { call_id: "call_a".to_owned(), text: "it is shown below".to_owned() },
        picture_message("the list"),
    ];
    let tool = ToolOffer {
        name: "find".to_owned(),
        description: "Finds.".to_owned(),
        parameters: json!({ "type": "object", "properties": {} }),
    };
    Request { messages, tools: vec![tool] }
}

async fn body(kind: RemoteKind, sees: bool) -> Value {
    let provider = Provider::start([accents::answer(kind, &Spoken { text: vec!["ok"], ..Spoken::default() })]).await;
    let model = provider.speaking(kind, |model, _| {
        model.card.vision = Some(sees);
        model.prompt_cache = PromptCache::Off;
    });
    ask(model.as_ref(), &conversation()).await.0.unwrap();
    provider.requests().remove(0).body
}

#[tokio::test]
async fn a_picture_is_sent_in_each_providers_own_words() {
    let picture = Picture::read(&png(640, 480)).unwrap();
    let url = picture.data_url();
    assert!(url.starts_with("data:image/png;base64,iVBORw0KGgo"), "{url}");
    for kind in KINDS {
        let body = body(kind, true).await;
        let expected = |caption: &str| match kind {
            RemoteKind::OpenAi | RemoteKind::Azure => json!([
                { "type": "text", "text": caption },
                { "type": "image_url", "image_url": { "url": url } },
            ]),
            RemoteKind::OpenAiResponses => json!([
                { "type": "input_text", "text": caption },
                { "type": "input_image", "image_url": url, "detail": "auto" },
            ]),
            RemoteKind::Anthropic => json!([
                { "type": "text", "text": caption },
                { "type": "image",
                  "source": { "type": "base64", "media_type": "image/png", "data": picture.base64 } },
            ]),
        };
        let (first, last) = match kind {
            RemoteKind::OpenAi | RemoteKind::Azure => (body["messages"][1].clone(), body["messages"][5].clone()),
            RemoteKind::OpenAiResponses => (body["input"][0].clone(), body["input"][4].clone()),
            // What one side says is one message: the picture before the words, and behind the result.
            RemoteKind::Anthropic => {
                let parts = |at: usize, from: usize| {
                    let blocks = body["messages"][at]["content"].as_array().unwrap();
                    json!({ "role": body["messages"][at]["role"], "content": blocks[from..from + 2] })
                };
                assert_eq!(body["messages"][2]["content"][0]["type"], "tool_result");
                (parts(0, 0), parts(2, 1))
            }
        };
        assert_eq!(first, json!({ "role": "user", "content": expected("the cart") }), "{kind:?}");
        assert_eq!(last, json!({ "role": "user", "content": expected("the list") }), "{kind:?}");
    }
}

#[tokio::test]
async fn a_model_that_cannot_see_is_told_so() {
    for kind in KINDS {
        let body = body(kind, false).await.to_string();
        assert!(!body.contains("base64") && !body.contains("iVBORw0KGgo"), "{kind:?}: {body}");
        assert!(body.contains("the cart") && body.matches("You cannot see pictures").count() == 2, "{kind:?}: {body}");
    }
}

fn seeing() -> Setup {
    TestApp::setup().set("AILERON__MODELS__MAIN__VISION", "true")
}

/// Requests for files: to Plane, and to the storage it leads to.
fn fetches(app: &TestApp) -> (usize, usize) {
    let requests = app.plane.requests();
    let to_plane = requests.iter().filter(|request| request.path.contains("/attachments/") && request.status == 302);
    let to_storage = requests.iter().filter(|request| request.path.starts_with("/uploads/"));
    let open = to_storage.clone().all(|request| request.credential == CredentialKind::None);
    assert!(open, "no credential goes to the storage");
    (to_plane.count(), to_storage.count())
}

#[tokio::test]
async fn a_model_that_sees_is_shown_the_pictures_and_they_are_fetched_once() {
    let app = seeing().script([Turn::calls([("read_comments", json!({}))]), Turn::says("A red button.")]).start().await;
    app.plane.embed(0, "MOB-3", "screenshot", &png(640, 480));
    app.plane.attach(0, "MOB-3", "cart.png", "image/png", &png(32, 32));
    app.plane.attach(0, "MOB-3", "notes.txt", "text/plain", b"notes");
    let mentioned = app.mention("MOB-3", "what do you see?").await;
    assert_answered(&app.ended(mentioned.run).await);
    let (first, second) = (app.model.until_request(1).await, app.model.until_request(2).await);
    for request in [&first, &second] {
        let shown: Vec<_> = request.pictures();
        assert_eq!(shown.len(), 2, "{:#}", request.body["messages"]);
        assert!(shown.iter().all(|url| url.starts_with("data:image/png;base64,")));
        assert!(request.mentions("in the description\n</plane-data>"));
        assert!(request.mentions("cart.png, a file on the work item"));
    }
    assert_eq!(first.messages()[..5], second.messages()[..5], "what was sent stays as it was");
    assert_eq!(fetches(&app), (2, 2), "once for both requests");
    // The next turn has them still.
    app.model.then([Turn::says("Still red.")]);
    app.reply(mentioned.run, "and now?").await;
    app.ended_times(mentioned.run, 2).await;
    assert_eq!(app.model.until_request(3).await.pictures().len(), 2);
    assert_eq!(fetches(&app), (2, 2));
}

#[tokio::test]
async fn a_model_that_does_not_see_is_told_of_pictures_and_nothing_is_fetched() {
    let app = TestApp::start([Turn::says("I cannot see it.")]).await;
    app.plane.attach(0, "MOB-3", "cart </plane-data>.png", "image/png", &png(32, 32));
    let mentioned = app.mention("MOB-3", "what do you see?").await;
    assert_answered(&app.ended(mentioned.run).await);
    let request = app.model.until_request(1).await;
    assert!(request.mentions("The work item has pictures. You cannot see pictures"), "{:#}", request.body["messages"]);
    assert!(request.mentions("- cart </plane_data>.png, a file on the work item"), "{:#}", request.body["messages"]);
    assert!(request.pictures().is_empty());
    assert_eq!(fetches(&app), (0, 0));
}

#[tokio::test]
async fn pictures_that_cannot_be_had_are_named_and_the_turn_goes_on() {
    let app = seeing().script([Turn::says("One of three.")]).start().await;
    app.plane.embed(0, "MOB-3", "fine", &png(64, 64));
    app.plane.attach(0, "MOB-3", "fake.png", "image/png", b"<svg onload=alert(1)>");
    app.plane.attach(0, "MOB-3", "lost.png", "image/png", &png(64, 64));
    app.plane.attach(0, "MOB-3", "huge.png", "image/png", &[png(64, 64), vec![0; 4_000_000]].concat());
    app.plane.attach(0, "MOB-3", "fourth.png", "image/png", &png(16, 16));
    app.plane.attach(0, "MOB-3", "fifth.png", "image/png", &png(16, 16));
    let lost = Breakage::Status { code: 404, retry_after: None, body: "{\"error\": \"gone\"}".to_owned() };
    app.plane.inject(Fault::new("GET", "-lost.png", 1, lost));
    let mentioned = app.mention("MOB-3", "what do you see?").await;
    assert_answered(&app.ended(mentioned.run).await);
    let request = app.model.until_request(1).await;
    assert_eq!(request.pictures().len(), 2, "{:#}", request.body["messages"]);
    for told in [
        "it is no whole PNG, JPEG, GIF or WebP picture.\n<plane-data>\nfake.png, a file on the work item",
        "This picture is not shown: it cannot be fetched.\n<plane-data>\nlost.png, a file on the work item",
        "Further pictures, which read_attachment shows one by one:\n<plane-data>\n- fifth.png",
        "- huge.png (image/png, 4 MB)",
    ] {
        assert!(request.mentions(told), "{told} is missing in {:#}", request.body["messages"]);
    }
}

#[tokio::test]
async fn a_provider_that_refuses_the_pictures_is_asked_without_them() {
    let refusal = Turn::fails(400, "invalid_image", "Could not process image.");
    let app = seeing().script([refusal, Turn::says("Without.")]).start().await;
    app.plane.attach(0, "MOB-3", "cart.png", "image/png", &png(32, 32));
    let mentioned = app.mention("MOB-3", "what do you see?").await;
    assert_answered(&app.ended(mentioned.run).await);
    assert_eq!(app.model.until_request(1).await.pictures().len(), 1);
    let second = app.model.until_request(2).await;
    assert!(second.pictures().is_empty() && second.mentions("The work item has pictures."));
}

#[tokio::test]
async fn a_picture_of_another_work_item_is_shown_behind_the_result() {
    let looks = Turn::calls([
        ("read_attachment", json!({ "file": "cart-de.png", "work_item": "MOB-5" })),
        ("read_comments", json!({})),
    ]);
    let app = seeing().script([looks, Turn::says("A red button.")]).start().await;
    let mentioned = app.mention("MOB-3", "look at the picture of MOB-5").await;
    assert_answered(&app.ended(mentioned.run).await);
    let request = app.model.until_request(2).await;
    let last = request.messages().last().unwrap();
    assert_eq!((request.pictures().len(), &last["role"]), (1, &json!("user")), "{:#}", request.body["messages"]);
    assert!(last["content"][0]["text"].as_str().unwrap().contains("cart-de.png (image/png, 907 bytes)"), "{last:#}");
}

/// Everything in the files there; a socket has nothing to read.
fn files_under(folder: &std::path::Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let texts = entries.map(|path| match path.is_dir() {
        true => files_under(&path),
        false => String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()).into_owned(),
    });
    texts.collect()
}

#[tokio::test]
async fn a_turn_taken_up_again_fetches_its_pictures_anew() {
    let mut app = seeing().start().await;
    let gate = crate::support::model::Gate::new();
    let held = Turn::says("Too late.").after(vec![crate::support::model::Piece::Hold(gate.clone())]);
    let looks = Turn::calls([("read_attachment", json!({ "file": "CART.png" }))]);
    app.model.then([looks, held]);
    app.plane.attach(0, "MOB-3", "cart.png", "image/png", &png(32, 32));
    let mentioned = app.mention("MOB-3", "what do you see?").await;
    gate.reached().await;
    app.kill().await;
    app.model.then([Turn::says("A button.")]);
    app.serve().await;
    assert_answered(&app.ended(mentioned.run).await);
    let (before, after) = (app.model.until_request(2).await, app.model.until_request(3).await);
    assert_eq!(before.pictures().len(), 1, "what is beside the work item is not shown twice");
    assert!(before.mentions("This picture is shown above, beside the work item."));
    assert_eq!(before.body["messages"], after.body["messages"]);
    assert_eq!(fetches(&app), (2, 2), "once in each life");
    let written = files_under(&app.home().join("data"));
    assert!(written.contains("MOB-3"), "the right files are looked at");
    assert!(!written.contains("iVBORw0KGgo"), "no picture is written down");
}

#[tokio::test]
async fn files_are_opened_as_what_they_are() {
    let calls = Turn::calls([
        ("read_attachment", json!({ "file": "crash-8841.log" })),
        ("read_attachment", json!({ "file": "crash-8841.log", "part": 5 })),
        ("read_attachment", json!({ "file": "cart-de.png" })),
        ("read_attachment", json!({ "file": "data.bin" })),
        ("read_attachment", json!({ "file": "none.txt" })),
    ]);
    let app = seeing().script([calls, Turn::says("A comma.")]).start().await;
    app.plane.attach(0, "MOB-5", "data.bin", "application/zip", b"PK\x03\x04\0\0");
    let mentioned = app.mention("MOB-5", "what is in the files?").await;
    let picture = app.ended(mentioned.run).await;
    assert_answered(&picture);
    let request = app.model.until_request(2).await;
    let results = request.texts("tool");
    assert!(results[0].starts_with("crash-8841.log (text/plain, 48213 bytes), part 1 of 5. What is in it was written"));
    assert!(results[0].contains("```\n2026-11-22T07:41:09Z E AndroidRuntime"), "{}", results[0]);
    assert!(results[1].contains("part 5 of 5") && results[1].len() < 1_000, "{}", results[1]);
    assert!(results[2].contains("it is shown to you in what follows"), "{}", results[2]);
    assert!(results[3].contains("data.bin (application/zip, 6 bytes) is no text"), "{}", results[3]);
    assert!(results[4].contains("The files are: crash-8841.log"), "{}", results[4]);
    assert_eq!(request.pictures().len(), 1, "{:#}", request.body["messages"]);
    let shown = picture.to_text();
    assert!(shown.contains("Opened a file") && shown.contains("cart-de.png"), "{shown}");
}

#[tokio::test]
async fn a_picture_in_a_text_is_opened_by_what_stands_for_it_and_none_of_another_project() {
    let app = TestApp::setup().start().await;
    let id = app.plane.embed(0, "MOB-3", "screenshot", &png(64, 64));
    let other = uuid::Uuid::from_u128(7);
    app.model.then([
        Turn::calls([
            ("read_attachment", json!({ "file": id.to_string() })),
            ("read_attachment", json!({ "file": other.to_string() })),
        ]),
        Turn::says("Seen."),
    ]);
    let mentioned = app.mention("MOB-3", "open it").await;
    let picture = app.ended(mentioned.run).await;
    assert_answered(&picture);
    let request = app.model.until_request(2).await;
    assert!(request.mentions("a picture in a text: if you can see pictures"), "{:#}", request.body["messages"]);
    assert!(request.mentions("This is a picture. You cannot see pictures"), "{:#}", request.body["messages"]);
    assert!(!picture.to_text().contains(&id.to_string()), "people read no ids: {}", picture.to_text());
}
