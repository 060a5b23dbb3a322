//! What a change sets, puts somewhere or takes away, so that it is noticed when a turn goes back and forth.

use super::{
    deed::{Deed, Grouping, RelationKind},
    ids::{CommentId, CycleId, LabelId, ModuleId, ProjectId, UserId, WorkItemId},
    intake::Verdict,
    write::Write,
};

/// What a change did to one thing. A turn that would do the same to it once more has gone back in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touched {
    /// A field of a work item was set, to whatever. Of lists it is told what came and went.
    Field(WorkItemId, &'static str),
    /// Something is there now that was not, or the other way round.
    Is(Thing, bool),
    /// A work item is in this cycle now; it is in one at most.
    Cycle(WorkItemId, Option<CycleId>),
    /// A comment says this now, in HTML.
    Comment(CommentId, String),
    Intake(WorkItemId, Verdict),
}

/// Something that is there or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    Label(WorkItemId, LabelId),
    Assignee(WorkItemId, UserId),
    /// Seen from the work item with the lower id.
    Relation(WorkItemId, RelationKind, WorkItemId),
    /// By its address.
    Link(WorkItemId, String),
    InModule(WorkItemId, ModuleId),
    Archived(WorkItemId),
    /// A label of a project, by its name in lower case.
    ProjectLabel(ProjectId, String),
}

impl Touched {
    /// All that a change touches. What makes a work item, a comment or a page, or deletes something for good,
    /// touches nothing: there is no way back to it.
    #[must_use]
    pub fn by(write: &Write) -> Vec<Self> {
        match write {
            Write::UpdateWorkItem { item, before, after } => {
                let fields = after.differing_from(before, |one, other| one == other);
                let of_field = |field| match field {
                    "labels" => {
                        swapped(before.labels.as_deref(), after.labels.as_deref(), |id| Thing::Label(item.id, id))
                    }
                    "assignees" => swapped(before.assignees.as_deref(), after.assignees.as_deref(), |id| {
                        Thing::Assignee(item.id, id)
                    }),
                    other => vec![Self::Field(item.id, other)],
                };
                fields.into_iter().flat_map(of_field).collect()
            }
            Write::Deed(deed) => Self::by_deed(deed).into_iter().collect(),
            Write::AddComment { .. } | Write::CreateWorkItem { .. } => Vec::new(),
        }
    }

    fn by_deed(deed: &Deed) -> Option<Self> {
        Some(match deed {
            Deed::EditComment { comment, after, .. } => Self::Comment(*comment, after.clone()),
            Deed::ArchiveWorkItem { item } => Self::Is(Thing::Archived(item.id), true),
            Deed::UnarchiveWorkItem { item } => Self::Is(Thing::Archived(item.id), false),
            Deed::Relate { item, relation, other } => Self::Is(between(item.id, *relation, *other), true),
            Deed::Unrelate { item, relation, other } => Self::Is(between(item.id, *relation, *other), false),
            Deed::AddLink { item, url, .. } => Self::Is(Thing::Link(item.id, url.clone()), true),
            Deed::DeleteLink { item, url, .. } => Self::Is(Thing::Link(item.id, url.clone()), false),
            Deed::CreateLabel { project, name, .. } => {
                Self::Is(Thing::ProjectLabel(*project, name.to_lowercase()), true)
            }
            Deed::PutInto { item, grouping: Grouping::Cycle(cycle), .. } => Self::Cycle(item.id, Some(*cycle)),
            Deed::TakeOut { item, grouping: Grouping::Cycle(_) } => Self::Cycle(item.id, None),
            Deed::PutInto { item, grouping: Grouping::Module(module), .. } => {
                Self::Is(Thing::InModule(item.id, *module), true)
            }
            Deed::TakeOut { item, grouping: Grouping::Module(module) } => {
                Self::Is(Thing::InModule(item.id, *module), false)
            }
            Deed::TriageIntake { item, after, .. } => Self::Intake(item.id, *after),
            Deed::DeleteComment { .. }
            | Deed::DeleteWorkItem { .. }
            | Deed::DeleteLabel { .. }
            | Deed::CreatePage { .. } => return None,
        })
    }
}

/// What came into a list, and what went out of it.
fn swapped<T: Copy + PartialEq>(before: Option<&[T]>, after: Option<&[T]>, thing: impl Fn(T) -> Thing) -> Vec<Touched> {
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    let came = after.iter().filter(|one| !before.contains(one)).map(|one| Touched::Is(thing(*one), true));
    let went = before.iter().filter(|one| !after.contains(one)).map(|one| Touched::Is(thing(*one), false));
    came.chain(went).collect()
}

/// The same from whichever side it is told.
fn between(one: WorkItemId, relation: RelationKind, other: WorkItemId) -> Thing {
    if one.0 <= other.0 {
        Thing::Relation(one, relation, other)
    } else {
        Thing::Relation(other, relation.inverse(), one)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::{
        ids::LinkId,
        write::{ItemFields, Target},
    };

    fn id(number: u128) -> WorkItemId {
        WorkItemId(Uuid::from_u128(number))
    }

    fn item(number: u128) -> Target {
        Target { project: ProjectId(Uuid::nil()), id: id(number) }
    }

    #[test]
    fn lists_are_told_by_what_came_and_went() {
        let labels = |numbers: &[u128]| {
            let ids = numbers.iter().map(|number| LabelId(Uuid::from_u128(*number))).collect();
            ItemFields { labels: Some(ids), priority: Some("low".to_owned()), ..ItemFields::default() }
        };
        let (before, mut after) = (labels(&[1, 2]), labels(&[3, 2]));
        let label = |number| Thing::Label(id(7), LabelId(Uuid::from_u128(number)));
        let update = |after: &ItemFields| {
            Touched::by(&Write::UpdateWorkItem { item: item(7), before: before.clone(), after: after.clone() })
        };
        assert_eq!(update(&after), [Touched::Is(label(3), true), Touched::Is(label(1), false)]);
        after.priority = Some("high".to_owned());
        after.labels = Some(Vec::new());
        let went = [Touched::Is(label(1), false), Touched::Is(label(2), false)];
        assert_eq!(update(&after)[0], Touched::Field(id(7), "priority"));
        assert_eq!(update(&after)[1..], went);
    }

    #[test]
    fn what_puts_and_what_takes_away_touch_the_same_thing() {
        let (module, url) = (Grouping::Module(ModuleId(Uuid::nil())), "https://ci.example/".to_owned());
        let (relation, back) = (RelationKind::Blocking, RelationKind::BlockedBy);
        let link = LinkId(Uuid::nil());
        let pairs = [
            (
                Deed::Relate { item: item(1), relation, other: id(2) },
                Deed::Unrelate { item: item(2), relation: back, other: id(1) },
            ),
            (
                Deed::AddLink { item: item(1), url: url.clone(), title: "CI".to_owned() },
                Deed::DeleteLink { item: item(1), link, url, title: String::new() },
            ),
            (
                Deed::PutInto { item: item(1), grouping: module, from: None },
                Deed::TakeOut { item: item(1), grouping: module },
            ),
            (Deed::ArchiveWorkItem { item: item(1) }, Deed::UnarchiveWorkItem { item: item(1) }),
        ];
        for (puts, takes) in pairs {
            let by = |deed: &Deed| Touched::by(&Write::Deed(deed.clone()));
            let [Touched::Is(thing, true)] = &by(&puts)[..] else { panic!("{puts:?}: {:?}", by(&puts)) };
            assert_eq!(by(&takes), [Touched::Is(thing.clone(), false)]);
        }
        let other = Deed::Relate { item: item(1), relation: RelationKind::Duplicate, other: id(2) };
        let first = Deed::Relate { item: item(1), relation, other: id(2) };
        assert_ne!(Touched::by(&Write::Deed(other)), Touched::by(&Write::Deed(first)));
    }
}
