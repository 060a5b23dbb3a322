//! What takes each kind of change back.

use super::*;
use crate::domain::{
    deed::RelationKind,
    ids::{CycleId, ProjectId, StateId},
    write::Slot,
};

const PROJECT: ProjectId = ProjectId(Uuid::from_u128(1));
const ITEM: Target = Target { project: PROJECT, id: WorkItemId(Uuid::from_u128(2)) };
const OTHER: WorkItemId = WorkItemId(Uuid::from_u128(3));
/// What Plane made or changed.
const ID: Uuid = Uuid::from_u128(4);

fn done(write: Write) -> Receipt {
    Receipt { write, written: Written::done(ID) }
}

fn update(before: ItemFields, after: ItemFields) -> Write {
    Write::UpdateWorkItem { item: ITEM, before, after }
}

fn text(text: &str) -> String {
    text.to_owned()
}

#[test]
fn each_kind_of_change_has_what_takes_it_back() {
    let comment = CommentId(ID);
    let deed = Write::Deed;
    let (relation, other, item) = (RelationKind::Blocking, OTHER, ITEM);
    let edit = |before: &str, after: &str| Deed::EditComment {
        item,
        comment,
        before: text(before),
        after: text(after),
        own: true,
    };
    let before = ItemFields { priority: Some(text("low")), parent: Some(Slot::Empty), ..ItemFields::default() };
    let after = ItemFields { priority: Some(text("high")), parent: Some(Slot::Is(OTHER)), ..ItemFields::default() };
    let new_item = Write::CreateWorkItem { project: PROJECT, identifier: None, fields: ItemFields::default() };
    let link = || (text("https://x.example/"), text("x"));
    let add_link = |(url, title)| Deed::AddLink { item, url, title };
    let delete_link = |(url, title)| Deed::DeleteLink { item, link: LinkId(ID), url, title };
    let cycle = |number| Grouping::Cycle(CycleId(Uuid::from_u128(number)));
    let label = Deed::CreateLabel { project: PROJECT, name: text("bug"), color: text("#FFFFFF") };
    let cases = [
        (
            Write::AddComment { item, html: text("<p>a</p>") },
            deed(Deed::DeleteComment { item, comment, html: text("<p>a</p>"), own: true }),
        ),
        (new_item, deed(Deed::DeleteWorkItem { item: Target { project: PROJECT, id: WorkItemId(ID) } })),
        (update(before.clone(), after.clone()), update(after, before)),
        (deed(edit("<p>a</p>", "<p>b</p>")), deed(edit("<p>b</p>", "<p>a</p>"))),
        (
            deed(Deed::DeleteComment { item, comment, html: text("<p>a</p>"), own: true }),
            Write::AddComment { item, html: text("<p>a</p>") },
        ),
        (deed(Deed::ArchiveWorkItem { item }), deed(Deed::UnarchiveWorkItem { item })),
        (deed(Deed::UnarchiveWorkItem { item }), deed(Deed::ArchiveWorkItem { item })),
        (deed(Deed::Relate { item, relation, other }), deed(Deed::Unrelate { item, relation, other })),
        (deed(Deed::Unrelate { item, relation, other }), deed(Deed::Relate { item, relation, other })),
        (deed(add_link(link())), deed(delete_link(link()))),
        (deed(delete_link(link())), deed(add_link(link()))),
        (
            deed(Deed::PutInto { item, grouping: cycle(5), from: Some(CycleId(Uuid::from_u128(6))) }),
            deed(Deed::PutInto { item, grouping: cycle(6), from: Some(CycleId(Uuid::from_u128(5))) }),
        ),
        (
            deed(Deed::PutInto { item, grouping: cycle(5), from: None }),
            deed(Deed::TakeOut { item, grouping: cycle(5) }),
        ),
        (
            deed(Deed::TakeOut { item, grouping: cycle(5) }),
            deed(Deed::PutInto { item, grouping: cycle(5), from: None }),
        ),
        (
            deed(Deed::TriageIntake { item, before: Verdict::Pending, after: Verdict::Declined }),
            deed(Deed::TriageIntake { item, before: Verdict::Declined, after: Verdict::Pending }),
        ),
        (deed(label), deed(Deed::DeleteLabel { project: PROJECT, label: LabelId(ID) })),
    ];
    for (write, back) in cases {
        assert_eq!(inverse(&done(write.clone())), Inverse::Write(Box::new(back)), "{write:?}");
    }
}

#[test]
fn what_did_not_happen_or_does_not_come_back_is_told_so() {
    let missed = |receipt: &Receipt| matches!(inverse(receipt), Inverse::Impossible(reason) if !reason.is_empty());
    assert!(missed(&done(Write::Deed(Deed::DeleteWorkItem { item: ITEM }))));
    assert!(missed(&done(Write::Deed(Deed::DeleteLabel { project: PROJECT, label: LabelId(ID) }))));
    let accepted = Deed::TriageIntake { item: ITEM, before: Verdict::Pending, after: Verdict::Accepted };
    assert!(missed(&done(Write::Deed(accepted))));
    let page = Deed::CreatePage { project: PROJECT, name: text("Notes"), html: text("<p>x</p>") };
    assert!(missed(&done(Write::Deed(page))));
    let priority = |name: &str| ItemFields { priority: Some(text(name)), ..ItemFields::default() };
    let write = update(priority("low"), priority("high"));
    assert!(missed(&Receipt { write: write.clone(), written: Written::Overtaken { fields: vec![text("priority")] } }));
    let dropped = Written::Done { id: ID, key: None, ignored: vec![text("priority")], overtaken: Vec::new() };
    assert!(missed(&Receipt { write, written: dropped.clone() }));
    let relate = Deed::Relate { item: ITEM, relation: RelationKind::RelatesTo, other: OTHER };
    assert!(missed(&Receipt { write: Write::Deed(relate), written: dropped }));
}

#[test]
fn fields_that_plane_did_not_take_are_not_put_back() {
    let state = |number| Some(StateId(Uuid::from_u128(number)));
    let before = ItemFields { state: state(1), labels: Some(vec![LabelId(ID)]), ..ItemFields::default() };
    let after = ItemFields { state: state(2), labels: Some(Vec::new()), ..ItemFields::default() };
    let written = Written::Done { id: ID, key: None, ignored: vec![text("state")], overtaken: Vec::new() };
    let receipt = Receipt { write: update(before.clone(), after.clone()), written };
    let expected = update(after.only(&["labels"]), before.only(&["labels"]));
    assert_eq!(inverse(&receipt), Inverse::Write(Box::new(expected)));
}

#[test]
fn an_empty_description_is_put_back_as_one_without_words() {
    let description = |html: &str| ItemFields { description_html: Some(text(html)), ..ItemFields::default() };
    let receipt = done(update(description(""), description("<p>new</p>")));
    let expected = update(description("<p>new</p>"), description("<p></p>"));
    assert_eq!(inverse(&receipt), Inverse::Write(Box::new(expected)));
}
