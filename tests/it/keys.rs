//! What tools make is known again by the keys of its steps, which anyone may write under something of theirs.

use aileron::{
    agent::effects::{look_up, perform, undo::still_ours},
    domain::{
        deed::Deed,
        ids::{CommentId, RunId, StepKey},
        write::{ItemFields, Receipt, Target, Write, Written},
    },
    plane::PlaneApi,
};
use uuid::Uuid;

use crate::support::{
    app::{Channel, on_both_channels},
    life::World,
};

on_both_channels! {
    a_comment_that_somebody_has_written_under_its_key_does_not_stand_for_it,
    a_comment_that_somebody_rewrote_is_not_the_one_that_was_meant,
    a_work_item_that_has_the_key_of_another_does_not_stand_for_it,
}

struct Hands {
    world: World,
}

impl Hands {
    async fn new(channel: Channel) -> Self {
        Self { world: World::start(channel).await }
    }

    fn plane(&self) -> &dyn PlaneApi {
        self.world.client.as_ref()
    }

    fn item(&self, key: &str) -> Target {
        let seed = self.world.plane.workspace(0);
        Target { project: seed.project, id: seed.work_items[key] }
    }

    async fn sees(&self, key: StepKey, write: &Write) -> Option<Uuid> {
        let workspace = self.world.plane.workspace(0).workspace;
        look_up(self.plane(), workspace, key, write).await.unwrap().map(|written| id(&written))
    }

    async fn makes(&self, key: StepKey, write: &Write) -> Uuid {
        let workspace = self.world.plane.workspace(0).workspace;
        let pass = self.plane().write_pass(workspace).await.unwrap();
        id(&perform(self.plane(), workspace, key, write, pass).await.unwrap())
    }

    fn newest(&self, work_item: &str) -> Uuid {
        self.world.plane.comments(0, work_item).last().expect("a comment").id.0
    }
}

fn id(written: &Written) -> Uuid {
    match written {
        Written::Done { id, .. } => *id,
        Written::Overtaken { .. } => panic!("{written:?}"),
    }
}

fn key(step: u32) -> StepKey {
    StepKey { run: RunId(Uuid::from_u128(7)), turn: 1, step, part: 0 }
}

fn named(name: &str) -> ItemFields {
    ItemFields { name: Some(name.to_owned()), ..ItemFields::default() }
}

async fn a_comment_that_somebody_has_written_under_its_key_does_not_stand_for_it(channel: Channel) {
    let hands = Hands::new(channel).await;
    let html = "<p>Please wait.</p>".to_owned();
    let write = Write::AddComment { item: hands.item("MOB-3"), html };
    // In other words, in the very same ones, and where it is not looked for.
    for (step, work_item, text) in
        [(1, "MOB-3", "All is well."), (2, "MOB-3", "Please wait."), (3, "MOB-4", "Please wait.")]
    {
        let key = key(step);
        hands.world.plane.forge(0, work_item, "luis", text, &key.to_string());
        let forged = hands.newest(work_item);
        hands.world.plane.forge(0, work_item, "luis", text, &format!("{key}~{forged}"));
        assert_eq!(hands.sees(key, &write).await, None, "{work_item} {text}");
        let made = hands.makes(key, &write).await;
        let comments = hands.world.plane.comments(0, "MOB-3");
        let ours = comments.iter().find(|comment| comment.id.0 == made).expect("the comment");
        assert_eq!((ours.author.as_str(), ours.html.as_str()), ("aileron", "<p>Please wait.</p>"));
        assert_eq!(hands.sees(key, &write).await, Some(made));
        assert_eq!(hands.makes(key, &write).await, made, "it is made once");
    }
}

async fn a_comment_that_somebody_rewrote_is_not_the_one_that_was_meant(channel: Channel) {
    let hands = Hands::new(channel).await;
    let write = Write::AddComment { item: hands.item("MOB-3"), html: "<p>Please wait.</p>".to_owned() };
    let made = hands.makes(key(1), &write).await;
    hands.world.plane.rewrite(CommentId(made), "luis", "Please go ahead.", false);
    assert_eq!(hands.sees(key(1), &write).await, None);
    let again = hands.makes(key(1), &write).await;
    assert!(again != made && hands.sees(key(1), &write).await == Some(again));
}

async fn a_work_item_that_has_the_key_of_another_does_not_stand_for_it(channel: Channel) {
    let hands = Hands::new(channel).await;
    let project = hands.item("MOB-3").project;
    let create = |name: &str| Write::CreateWorkItem { project, identifier: None, fields: named(name) };
    let first = hands.makes(key(1), &create("Leave it")).await;
    assert_eq!(hands.sees(key(1), &create("Test it")).await, None);
    let second = hands.makes(key(1), &create("Test it")).await;
    assert_ne!(first, second);
    assert_eq!(hands.sees(key(1), &create("Test it")).await, Some(second));
    assert_eq!(hands.sees(key(1), &create("Leave it")).await, Some(first));
    assert_eq!(hands.makes(key(1), &create("Test it")).await, second, "it is made once");
}

#[tokio::test]
async fn a_label_that_has_the_key_of_another_does_not_stand_for_it() {
    let hands = Hands::new(Channel::Runs).await;
    let project = hands.item("MOB-3").project;
    let label =
        |name: &str| Write::Deed(Deed::CreateLabel { project, name: name.to_owned(), color: "#FFFFFF".to_owned() });
    let first = hands.makes(key(1), &label("flaky")).await;
    assert_ne!(hands.makes(key(1), &label("slow")).await, first);
    assert_eq!(hands.makes(key(1), &label("flaky")).await, first, "it is made once");
}

#[tokio::test]
async fn a_work_item_without_the_name_that_was_meant_is_not_taken_back() {
    let hands = Hands::new(Channel::Runs).await;
    let (workspace, project) = (hands.world.plane.workspace(0).workspace, hands.item("MOB-3").project);
    let create = |name: &str| Write::CreateWorkItem { project, identifier: None, fields: named(name) };
    let id = hands.makes(key(1), &create("Somebody else's")).await;
    for (name, ignored, is_ours) in [("Somebody else's", vec![], true), ("Test it", vec!["name".to_owned()], false)] {
        let written = Written::Done { id, key: None, ignored, overtaken: Vec::new() };
        let receipt = Receipt { write: create(name), written };
        let ours = still_ours(hands.plane(), workspace, &receipt).await.unwrap();
        assert_eq!(ours.is_some(), is_ours, "{name}");
    }
}
