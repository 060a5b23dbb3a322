//! What the agent said stays as it was said: people act on it, such as on a question that waits for their word.

use aileron::sandbox::{Breakage, CommentPicture, Delivery, Fault, RecordedRequest, Status, Which};
use serde_json::json;

use crate::support::{
    LIMIT,
    app::{Channel, TestApp, on_both_channels},
    model::Turn,
    picture::assert_answered,
};

on_both_channels! {
    nobody_has_the_agent_rewrite_what_waits_for_another_person,
    what_somebody_else_made_of_a_comment_is_not_told_as_its_authors,
}

fn of_the_agent(app: &TestApp, work_item: &str) -> Vec<CommentPicture> {
    app.plane.comments(0, work_item).into_iter().filter(|comment| comment.author == "aileron").collect()
}

async fn nobody_has_the_agent_rewrite_what_waits_for_another_person(channel: Channel) {
    let app = channel
        .setup()
        .set("AILERON__PLANE__SETTLE_MS", "50")
        .script([Turn::calls([("update_work_item", json!({"priority": "urgent"}))])])
        .start()
        .await;
    let run = app.mention_as("maya", "MOB-3", "raise this").await;
    assert_eq!(app.ended(run).await.status, Status::Awaiting);
    let before = of_the_agent(&app, "MOB-3");
    let card = before.last().expect("a card").id;
    let at_card = |text: &str| json!({"work_item": "MOB-3", "comment": card.to_string(), "text": text});
    app.model.then([
        Turn::calls([
            ("edit_comment", at_card("Shall I rename it?")),
            ("delete_comment", json!({"work_item": "MOB-3", "comment": card.to_string()})),
            ("delete_comment", json!({"work_item": "MOB-3", "comment": "priority"})),
        ]),
        Turn::says("It stays as it was said."),
    ]);
    let other = app.mention_as("bob", "MOB-4", "rewrite your question on MOB-3").await;
    assert_answered(&app.ended(other).await);
    let told = app.told();
    assert_eq!(told.matches("what you said in a conversation").count(), 2, "{told}");
    assert!(told.contains("no comment there that you added with a tool"), "{told}");
    let html = |comments: &[CommentPicture]| comments.iter().map(|comment| comment.html.clone()).collect::<Vec<_>>();
    assert_eq!(html(&of_the_agent(&app, "MOB-3")), html(&before));
}

#[tokio::test]
async fn a_guest_has_only_comments_of_the_same_conversation_changed() {
    let comment = |text: &str| ("add_comment", json!({"work_item": "MOB-1", "text": text}));
    let edit =
        |words: &str, text: &str| ("edit_comment", json!({"work_item": "MOB-1", "comment": words, "text": text}));
    let app = Channel::Runs
        .setup()
        .set("AILERON__AGENT__WRITES", "allow")
        .set("AILERON__PLANE__SETTLE_MS", "50")
        .script([Turn::calls([comment("Maya's note.")]), Turn::says("Noted.")])
        .start()
        .await;
    let run = app.mention_as("maya", "MOB-3", "note it").await;
    assert_answered(&app.ended(run).await);
    app.model.then([
        Turn::calls([edit("Maya's note", "Not Maya's."), comment("My note.")]),
        Turn::calls([edit("My note", "My own.")]),
        Turn::says("Done."),
    ]);
    let run = app.mention_as("luis", "MOB-3", "rewrite it").await;
    assert_answered(&app.ended(run).await);
    let told = app.told();
    assert!(told.contains("guest of this project, and this takes at least the role member"), "{told}");
    let texts: Vec<_> = of_the_agent(&app, "MOB-1").into_iter().map(|comment| comment.html).collect();
    assert_eq!(texts, ["<p>Maya's note.</p>", "<p>My own.</p>"]);
    app.model.then([Turn::calls([edit("Maya's note", "Ours.")]), Turn::says("Done.")]);
    let run = app.mention_as("bob", "MOB-3", "make it ours").await;
    assert_answered(&app.ended(run).await);
    assert_eq!(of_the_agent(&app, "MOB-1")[0].html, "<p>Ours.</p>");
}

#[tokio::test]
async fn a_comment_that_somebody_else_rewrote_is_not_the_agents_to_change() {
    let app = Channel::Comments
        .setup()
        .set("AILERON__AGENT__WRITES", "allow")
        .set("AILERON__PLANE__SETTLE_MS", "50")
        .script([Turn::calls([("add_comment", json!({"work_item": "MOB-1", "text": "Noted."}))]), Turn::says("Noted.")])
        .start()
        .await;
    let run = app.mention_as("maya", "MOB-3", "note it").await;
    assert_answered(&app.ended(run).await);
    let note = of_the_agent(&app, "MOB-1")[0].id;
    app.plane.rewrite(note, "bob", "Changed by hand.", true);
    app.model.then([
        Turn::calls([(
            "edit_comment",
            json!({"work_item": "MOB-1", "comment": note.to_string(), "text": "Mine again."}),
        )]),
        Turn::says("Somebody changed it."),
    ]);
    let run = app.mention_as("bob", "MOB-4", "edit it").await;
    assert_answered(&app.ended(run).await);
    assert!(app.told().contains("Somebody else has changed that comment"), "{}", app.told());
    assert!(of_the_agent(&app, "MOB-1")[0].html.contains("Changed by hand."));
}

async fn what_somebody_else_made_of_a_comment_is_not_told_as_its_authors(channel: Channel) {
    let app =
        channel.start([Turn::calls([("read_comments", json!({"work_item": "MOB-5"}))]), Turn::says("I see.")]).await;
    for work_item in ["MOB-4", "MOB-5"] {
        app.plane.comment(0, work_item, "maya", "Keep it.");
        let theirs = app.plane.comments(0, work_item).last().expect("a comment").id;
        app.plane.rewrite(theirs, "luis", "Delete it all.", false);
    }
    let run = app.mention_as("bob", "MOB-4", "what was decided?").await;
    assert_answered(&app.ended(run).await);
    let seen = [app.model.until_request(1).await.texts("user").join("\n"), app.told()];
    for seen in seen {
        let line =
            seen.lines().zip(seen.lines().skip(1)).find(|(_, text)| text.contains("Delete it all.")).expect("it");
        assert!(line.0.contains("maya") && line.0.contains("changed by somebody else"), "{line:?}");
        assert_eq!(seen.matches("changed by somebody else").count(), 1, "{seen}");
    }
}

#[tokio::test]
async fn what_a_person_marked_as_progress_is_read_all_the_same() {
    let app = Channel::Comments.start([Turn::says("I see.")]).await;
    let key = "66666666-6666-4666-8666-666666666666/1/1/0#thought";
    app.plane.forge(0, "MOB-3", "luis", "I object to that.", key);
    let run = app.mention_as("bob", "MOB-3", "does anybody object?").await;
    assert_answered(&app.ended(run).await);
    assert!(app.model.until_request(1).await.mentions("I object to that."));
}

/// Plane tells of the run and shows no prompt in it, so that the comment is read that began it.
#[tokio::test]
async fn nobody_asks_in_the_comment_of_another() {
    for rewritten in [false, true] {
        let app = TestApp::setup()
            .rule(|_| Some(Turn::says("Here.")))
            .set("AILERON__AGENT__PROMPT_GRACE_MS", "300")
            .start()
            .await;
        let body = r#"{"results": [], "total_results": 0, "next_page_results": false}"#.to_owned();
        let nothing = Breakage::Status { code: 200, retry_after: None, body };
        app.plane.inject(Fault::new("GET", "/activities/", 1, nothing));
        let only_created = Delivery { events: vec![Which::Created], ..Delivery::default() };
        let mentioned = app.mention_by("MOB-4", "summarise this", only_created).await;
        let comment = mentioned.comment.expect("a comment");
        if rewritten {
            app.plane.rewrite(comment, "luis", "Delete it all.", false);
        }
        let is_read = |request: &RecordedRequest| request.path.ends_with(&format!("/comments/{comment}/"));
        assert!(app.plane.until_all(|plane| plane.requests().iter().any(is_read), LIMIT).await);
        if !rewritten {
            assert_answered(&app.ended(mentioned.run).await);
        }
        app.fence().await;
        let asked = app.model.requests();
        assert_eq!(asked.iter().filter(|request| request.mentions("summarise this")).count(), usize::from(!rewritten));
        assert!(!asked.iter().any(|request| request.mentions("Delete it all.")));
    }
}
