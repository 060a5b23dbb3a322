//! What the agent said stays as it was said: people act on it, such as on a question that waits for their word.

use aileron::{
    domain::ids::RunId,
    sandbox::{CommentPicture, Mention, Status},
};
use serde_json::json;

use crate::support::{
    app::{Channel, TestApp, on_both_channels},
    model::Turn,
    picture::assert_answered,
};

on_both_channels! {
    nobody_has_the_agent_rewrite_what_waits_for_another_person,
}

fn told(app: &TestApp) -> String {
    app.model.requests().last().expect("a call of the model").texts("tool").join("\n")
}

async fn mention_as(app: &TestApp, author: &str, work_item: &str, text: &str) -> RunId {
    app.plane.mention(Mention { author: author.to_owned(), ..Mention::new(work_item, text) }).await.run
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
    let run = mention_as(&app, "maya", "MOB-3", "raise this").await;
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
    let other = mention_as(&app, "bob", "MOB-4", "rewrite your question on MOB-3").await;
    assert_answered(&app.ended(other).await);
    let told = told(&app);
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
    let run = mention_as(&app, "maya", "MOB-3", "note it").await;
    assert_answered(&app.ended(run).await);
    app.model.then([
        Turn::calls([edit("Maya's note", "Not Maya's."), comment("My note.")]),
        Turn::calls([edit("My note", "My own.")]),
        Turn::says("Done."),
    ]);
    let run = mention_as(&app, "luis", "MOB-3", "rewrite it").await;
    assert_answered(&app.ended(run).await);
    let told = told(&app);
    assert!(told.contains("guest of this project, and this takes a member"), "{told}");
    let texts: Vec<_> = of_the_agent(&app, "MOB-1").into_iter().map(|comment| comment.html).collect();
    assert_eq!(texts, ["<p>Maya's note.</p>", "<p>My own.</p>"]);
    app.model.then([Turn::calls([edit("Maya's note", "Ours.")]), Turn::says("Done.")]);
    let run = mention_as(&app, "bob", "MOB-3", "make it ours").await;
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
    let run = mention_as(&app, "maya", "MOB-3", "note it").await;
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
    let run = mention_as(&app, "bob", "MOB-4", "edit it").await;
    assert_answered(&app.ended(run).await);
    assert!(told(&app).contains("Somebody else has changed that comment"), "{}", told(&app));
    assert!(of_the_agent(&app, "MOB-1")[0].html.contains("Changed by hand."));
}
