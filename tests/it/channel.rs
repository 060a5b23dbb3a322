//! Conversations in the comments of a Plane that has no agent runs.

use serde_json::json;

use crate::support::{app::Channel, model::Turn, picture::assert_answered};

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
