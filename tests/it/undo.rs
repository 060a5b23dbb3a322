//! Taking changes back over real HTTP: what is still as it was left goes, and what a person has touched
//! since stays.

use aileron::{
    agent::effects::{look_up, perform, undo::still_ours},
    domain::{
        deed::{Deed, Grouping, RelationKind},
        ids::{CommentId, RunId, StepKey, WorkItemId},
        intake::Verdict,
        work_item::Priority,
        write::{ItemFields, Receipt, Slot, Target, Write, Written},
    },
    plane::PlaneApi,
};
use uuid::Uuid;

use crate::support::life::World;

/// The agent's hands on a stand-in Plane.
struct Hands {
    world: World,
    steps: u32,
}

impl Hands {
    async fn new() -> Self {
        Self { world: World::start(crate::support::app::Channel::Runs).await, steps: 0 }
    }

    fn plane(&self) -> &dyn PlaneApi {
        self.world.client.as_ref()
    }

    fn item(&self, key: &str) -> Target {
        let seed = self.world.plane.workspace(0);
        Target { project: seed.project, id: seed.work_items[key] }
    }

    fn step(&mut self) -> StepKey {
        self.steps += 1;
        StepKey { run: RunId(Uuid::from_u128(7)), turn: 1, step: self.steps, part: 0 }
    }

    /// Makes a change, which can be seen by looking afterwards and not before.
    async fn make(&mut self, write: Write) -> Receipt {
        let (key, workspace) = (self.step(), self.world.plane.workspace(0).workspace);
        let before = look_up(self.plane(), workspace, key, &write).await.unwrap();
        assert_eq!(before, None, "{write:?}");
        let pass = self.plane().write_pass(workspace).await.unwrap();
        let written = perform(self.plane(), workspace, key, &write, pass).await.unwrap();
        let Some(Written::Done { id, .. }) = look_up(self.plane(), workspace, key, &write).await.unwrap() else {
            panic!("not to be seen: {write:?}")
        };
        assert!(matches!(&written, Written::Done { id: made, .. } if *made == id), "{written:?} is not {id}");
        Receipt { write, written }
    }

    /// What of it would be taken back, and which fields stay.
    async fn ours(&self, receipt: &Receipt) -> Option<(Write, Vec<&'static str>)> {
        let workspace = self.world.plane.workspace(0).workspace;
        still_ours(self.plane(), workspace, receipt).await.unwrap().map(|ours| (ours.write, ours.left_alone))
    }

    async fn is_priority(&self, item: Target, priority: Priority) {
        let workspace = self.world.plane.workspace(0).workspace;
        assert_eq!(self.plane().work_item(workspace, item.project, item.id).await.unwrap().priority, priority);
    }
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn made(receipt: &Receipt) -> Uuid {
    match receipt.written {
        Written::Done { id, .. } => id,
        Written::Overtaken { .. } => panic!("{receipt:?}"),
    }
}

#[tokio::test]
async fn what_nobody_touched_since_is_taken_back_and_then_is_not_ours_any_more() {
    let mut hands = Hands::new().await;
    let (item, other) = (hands.item("MOB-3"), hands.item("MOB-10").id);
    let project = item.project;
    let workspace = hands.world.plane.workspace(0).workspace;
    let state = hands.world.plane.workspace(0).states["In Progress"];
    let now = hands.plane().work_item(workspace, project, item.id).await.unwrap();
    let after = ItemFields {
        name: Some(text("Renamed")),
        description_html: Some(text("<p>New words</p>")),
        priority: Some(text("low")),
        state: Some(state),
        labels: Some(Vec::new()),
        target_date: Some(Slot::Is(jiff::civil::date(2026, 12, 24))),
        estimate: Some(Slot::Is(hands.plane().estimates(workspace, project).await.unwrap()[2].id)),
        ..ItemFields::default()
    };
    let own = hands.make(Write::AddComment { item, html: text("<p>Mine</p>") }).await;
    let cycles = hands.plane().cycles(workspace, project).await.unwrap();
    let cycle = cycles.iter().find(|cycle| cycle.name == "Sprint 12").expect("a cycle that is under way").id;
    let module = hands.plane().modules(workspace, project).await.unwrap()[0].id;
    hands.world.plane.set_role(0, "aileron", 20);
    drop(hands.world.plane.report(0, "luis", "It is broken", "<p></p>"));
    let id = hands.plane().intake(workspace, project).await.unwrap()[0].item;
    let reported = Target { project, id };
    let comment = CommentId(made(&own));
    let writes = [
        Write::UpdateWorkItem { item, before: after.as_held_by(&now), after },
        Write::CreateWorkItem {
            project,
            identifier: None,
            fields: ItemFields { name: Some(text("A part")), ..ItemFields::default() },
        },
        Write::AddComment { item, html: text("<p>A note</p>") },
        Write::Deed(Deed::EditComment {
            item,
            comment,
            before: text("<p>Mine</p>"),
            after: text("<p>Ours</p>"),
            own: true,
        }),
        Write::Deed(Deed::Relate { item, relation: RelationKind::Blocking, other }),
        Write::Deed(Deed::AddLink { item, url: text("https://ci.example/7"), title: text("CI") }),
        Write::Deed(Deed::CreateLabel { project, name: text("flaky"), color: text("#FFFFFF") }),
        Write::Deed(Deed::PutInto { item, grouping: Grouping::Cycle(cycle), from: None }),
        Write::Deed(Deed::PutInto { item, grouping: Grouping::Module(module), from: None }),
        Write::Deed(Deed::TriageIntake { item: reported, before: Verdict::Pending, after: Verdict::Declined }),
    ];
    for write in writes {
        let receipt = hands.make(write).await;
        let (back, left_alone) = hands.ours(&receipt).await.unwrap_or_else(|| panic!("not ours: {receipt:?}"));
        assert!(left_alone.is_empty());
        hands.make(back).await;
        assert_eq!(hands.ours(&receipt).await, None, "{receipt:?}");
    }
    let again = hands.plane().work_item(workspace, project, item.id).await.unwrap();
    assert_eq!(
        (again.name, again.priority, again.state, again.labels, again.target_date),
        (now.name, now.priority, now.state, now.labels, now.target_date)
    );
    assert!(hands.world.plane.violations().is_empty(), "{:?}", hands.world.plane.violations());
}

#[tokio::test]
async fn a_field_that_a_person_changed_since_is_left_alone_and_the_others_are_put_back() {
    let mut hands = Hands::new().await;
    let item = hands.item("MOB-3");
    let workspace = hands.world.plane.workspace(0).workspace;
    let now = hands.plane().work_item(workspace, item.project, item.id).await.unwrap();
    let after = ItemFields {
        priority: Some(text("urgent")),
        target_date: Some(Slot::Is(jiff::civil::date(2026, 12, 24))),
        ..ItemFields::default()
    };
    let receipt =
        hands.make(Write::UpdateWorkItem { item, before: after.as_held_by(&now), after: after.clone() }).await;
    hands.world.plane.set_priority(0, "MOB-3", "medium");
    let (back, left_alone) = hands.ours(&receipt).await.expect("the date is still ours");
    assert_eq!(left_alone, ["priority"]);
    let date = ["due date"];
    let expected = Write::UpdateWorkItem { item, before: after.only(&date), after: after.as_held_by(&now).only(&date) };
    assert_eq!(back, expected);
    hands.make(back).await;
    hands.is_priority(item, Priority::Medium).await;
    assert_eq!(hands.ours(&receipt).await, None);
}

#[tokio::test]
async fn what_a_person_has_touched_is_not_ours() {
    let mut hands = Hands::new().await;
    let item = hands.item("MOB-3");
    let workspace = hands.world.plane.workspace(0).workspace;
    let fields = |name: &str| ItemFields { name: Some(text(name)), ..ItemFields::default() };
    let mut new_item = async |name: &str| {
        let write =
            Write::CreateWorkItem { project: item.project, identifier: Some(text("MOB")), fields: fields(name) };
        let receipt = hands.make(write).await;
        let Written::Done { key: Some(key), .. } = &receipt.written else { panic!("{receipt:?}") };
        (key.clone(), receipt)
    };
    let (discussed, first) = new_item("Discussed").await;
    let (renamed, second) = new_item("Renamed").await;
    let label = hands
        .make(Write::Deed(Deed::CreateLabel { project: item.project, name: text("flaky"), color: text("#FFFFFF") }))
        .await;
    hands.world.plane.comment(0, &discussed, "bob", "I take this one.");
    hands.world.plane.edit(0, &renamed, "Better words", "none");
    let now = hands.plane().work_item(workspace, item.project, item.id).await.unwrap();
    let mut labels: Vec<_> = now.labels.iter().map(|label| label.id).collect();
    labels.push(aileron::domain::ids::LabelId(made(&label)));
    let after = ItemFields { labels: Some(labels), ..ItemFields::default() };
    hands.make(Write::UpdateWorkItem { item, before: after.as_held_by(&now), after }).await;
    for (name, receipt) in [("discussed", first), ("renamed", second), ("a label in use", label)] {
        assert_eq!(hands.ours(&receipt).await, None, "{name}");
    }
}

#[tokio::test]
async fn an_archived_work_item_comes_back_and_a_deleted_one_does_not() {
    let mut hands = Hands::new().await;
    let workspace = hands.world.plane.workspace(0).workspace;
    let done = hands.world.plane.workspace(0).states["Done"];
    let item = hands.item("MOB-3");
    let now = hands.plane().work_item(workspace, item.project, item.id).await.unwrap();
    let after = ItemFields { state: Some(done), ..ItemFields::default() };
    hands.make(Write::UpdateWorkItem { item, before: after.as_held_by(&now), after }).await;
    let receipt = hands.make(Write::Deed(Deed::ArchiveWorkItem { item })).await;
    let (back, _) = hands.ours(&receipt).await.expect("it is still archived");
    hands.make(back).await;
    assert_eq!(hands.ours(&receipt).await, None);
    let fields = ItemFields { name: Some(text("Short-lived")), ..ItemFields::default() };
    let created = hands.make(Write::CreateWorkItem { project: item.project, identifier: None, fields }).await;
    let item = Target { project: item.project, id: WorkItemId(made(&created)) };
    let deleted = hands.make(Write::Deed(Deed::DeleteWorkItem { item })).await;
    assert_eq!(hands.ours(&deleted).await, None);
    assert_eq!(hands.ours(&created).await, None, "what is gone cannot be taken back");
}
