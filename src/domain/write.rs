//! Changes to the tracker, resolved to ids and absolute values before anything is sent.
//!
//! A write is journalled in this form before it is carried out. After a crash the journal therefore
//! tells exactly what was meant, and Plane can be asked whether it happened.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    deed::Deed,
    feature::Feature,
    ids::{EstimateId, LabelId, ProjectId, StateId, UserId, WorkItemId},
    role::Role,
    work_item::{Priority, WorkItem},
};

/// A change as it is to be carried out, and in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedWrite {
    pub write: Write,
    /// What it does, in a few words: "Comment on MOB-3".
    pub summary: String,
    /// What it changes, field by field; empty for what has no before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<FieldChange>,
}

/// One field before and after, in the words of people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    pub field: String,
    pub before: String,
    pub after: String,
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} → {}", self.field, self.before, self.after)
    }
}

/// One change to Plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Write {
    AddComment {
        item: Target,
        html: String,
    },
    CreateWorkItem {
        project: ProjectId,
        /// What its key begins with, such as `MOB`.
        identifier: Option<String>,
        fields: ItemFields,
    },
    UpdateWorkItem {
        item: Target,
        /// What the fields to be changed held when the change was planned.
        before: ItemFields,
        after: ItemFields,
    },
    /// Anything else.
    Deed(Deed),
}

impl Write {
    /// The project it takes place in.
    #[must_use]
    pub fn project(&self) -> ProjectId {
        match self {
            Self::AddComment { item, .. } | Self::UpdateWorkItem { item, .. } => item.project,
            Self::CreateWorkItem { project, .. } => *project,
            Self::Deed(deed) => deed.place().0,
        }
    }

    /// The least a person has to be to do this by hand. Everyone in a project may comment.
    #[must_use]
    pub fn least_role(&self) -> Role {
        match self {
            Self::AddComment { .. } => Role::Guest,
            Self::CreateWorkItem { .. } | Self::UpdateWorkItem { .. } => Role::Member,
            Self::Deed(deed) => deed.least_role(),
        }
    }

    /// Whether something is gone for good afterwards, even where it is the agent's own.
    #[must_use]
    pub fn destroys(&self) -> bool {
        match self {
            Self::AddComment { .. } | Self::CreateWorkItem { .. } | Self::UpdateWorkItem { .. } => false,
            Self::Deed(deed) => deed.destroys(),
        }
    }

    /// The project whose work items are others once this is done.
    #[must_use]
    pub fn changes_items_of(&self) -> Option<ProjectId> {
        match self {
            Self::AddComment { .. } => None,
            Self::CreateWorkItem { project, .. } => Some(*project),
            Self::UpdateWorkItem { item, .. } => Some(item.project),
            Self::Deed(deed) => deed.changes_items().then(|| deed.place().0),
        }
    }

    /// What not every Plane has and this cannot do without.
    #[must_use]
    pub fn needs(&self) -> Option<Feature> {
        match self {
            Self::AddComment { .. } | Self::CreateWorkItem { .. } | Self::UpdateWorkItem { .. } => None,
            Self::Deed(deed) => deed.needs(),
        }
    }
}

/// A work item to write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub project: ProjectId,
    pub id: WorkItemId,
}

/// The fields of a work item that a write sets; what is `None` is left alone. Lists are whole lists:
/// Plane replaces them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ItemFields {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description_html: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<StateId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<LabelId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignees: Option<Vec<UserId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Slot<WorkItemId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_date: Option<Slot<Date>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_date: Option<Slot<Date>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Slot<EstimateId>>,
}

/// What a field that may be empty is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot<T> {
    Empty,
    Is(T),
}

impl<T> From<Option<T>> for Slot<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Self::Is)
    }
}

impl ItemFields {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What `item` holds in the fields that are set here.
    #[must_use]
    pub fn as_held_by(&self, item: &WorkItem) -> Self {
        let state = self.state.and(item.state.as_ref().map(|state| state.id));
        Self {
            name: self.name.as_ref().map(|_| item.name.clone()),
            description_html: self.description_html.as_ref().map(|_| item.description_html.clone()),
            priority: self.priority.as_ref().map(|_| item.priority.as_str().to_owned()),
            state,
            labels: self.labels.as_ref().map(|_| item.labels.iter().map(|label| label.id).collect()),
            assignees: self.assignees.as_ref().map(|_| item.assignees.iter().map(|person| person.id).collect()),
            parent: self.parent.map(|_| item.parent.as_ref().map(|parent| parent.id).into()),
            start_date: self.start_date.map(|_| item.start_date.into()),
            target_date: self.target_date.map(|_| item.target_date.into()),
            estimate: self.estimate.map(|_| item.estimate.into()),
        }
    }

    /// The names of the fields that are set, as [`ItemFields::differing_from`] gives them.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        let all = [
            ("name", self.name.is_some()),
            ("priority", self.priority.is_some()),
            ("state", self.state.is_some()),
            ("labels", self.labels.is_some()),
            ("assignees", self.assignees.is_some()),
            ("parent", self.parent.is_some()),
            ("start date", self.start_date.is_some()),
            ("due date", self.target_date.is_some()),
            ("estimate", self.estimate.is_some()),
            ("description", self.description_html.is_some()),
        ];
        all.into_iter().filter_map(|(name, is_set)| is_set.then_some(name)).collect()
    }

    /// These fields alone, by their names.
    #[must_use]
    pub fn only(&self, names: &[&str]) -> Self {
        let kept = |name| names.contains(&name);
        Self {
            name: self.name.clone().filter(|_| kept("name")),
            description_html: self.description_html.clone().filter(|_| kept("description")),
            priority: self.priority.clone().filter(|_| kept("priority")),
            state: self.state.filter(|_| kept("state")),
            labels: self.labels.clone().filter(|_| kept("labels")),
            assignees: self.assignees.clone().filter(|_| kept("assignees")),
            parent: self.parent.filter(|_| kept("parent")),
            start_date: self.start_date.filter(|_| kept("start date")),
            target_date: self.target_date.filter(|_| kept("due date")),
            estimate: self.estimate.filter(|_| kept("estimate")),
        }
    }

    /// The names of the fields set here that `other` holds otherwise. The order of lists says nothing.
    /// `same_text` compares descriptions, which Plane stores in its own way of writing HTML.
    #[must_use]
    pub fn differing_from(&self, other: &Self, same_text: impl Fn(&str, &str) -> bool) -> Vec<&'static str> {
        let mut fields = Vec::new();
        let mut compare = |name, same: bool| {
            if !same {
                fields.push(name);
            }
        };
        compare("name", self.name.is_none() || self.name == other.name);
        compare(
            "priority",
            self.priority.is_none() || same_priority(self.priority.as_deref(), other.priority.as_deref()),
        );
        compare("state", self.state.is_none() || self.state == other.state);
        compare("labels", self.labels.is_none() || sorted(self.labels.as_deref()) == sorted(other.labels.as_deref()));
        compare(
            "assignees",
            self.assignees.is_none() || sorted(self.assignees.as_deref()) == sorted(other.assignees.as_deref()),
        );
        compare("parent", self.parent.is_none() || self.parent == other.parent);
        compare("start date", self.start_date.is_none() || self.start_date == other.start_date);
        compare("due date", self.target_date.is_none() || self.target_date == other.target_date);
        compare("estimate", self.estimate.is_none() || self.estimate == other.estimate);
        let same_description = match (&self.description_html, &other.description_html) {
            (None, _) => true,
            (Some(ours), Some(theirs)) => same_text(ours, theirs),
            (Some(_), None) => false,
        };
        compare("description", same_description);
        fields
    }
}

fn same_priority(ours: Option<&str>, theirs: Option<&str>) -> bool {
    Priority::from(ours.unwrap_or_default()) == Priority::from(theirs.unwrap_or_default())
}

fn sorted<T: Ord + Copy>(list: Option<&[T]>) -> Vec<T> {
    let mut list = list.unwrap_or_default().to_vec();
    list.sort_unstable();
    list.dedup();
    list
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Written {
    /// It is in Plane, by this attempt or by an earlier one that was found.
    Done {
        /// What was created or changed.
        id: Uuid,
        /// The key of a created work item.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// Fields that Plane accepted and nevertheless left as they were.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        ignored: Vec<String>,
        /// Fields that hold something else again by the time it was looked.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        overtaken: Vec<String>,
    },
    /// The fields hold neither what was there before nor what was meant: someone else has changed them
    /// since, and nothing was done.
    Overtaken { fields: Vec<String> },
}

impl Written {
    /// Plainly done.
    #[must_use]
    pub fn done(id: Uuid) -> Self {
        Self::Done { id, key: None, ignored: Vec::new(), overtaken: Vec::new() }
    }
}

/// A write that was carried out, with all that is needed to tell of it or to put it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub write: Write,
    pub written: Written,
}

impl Receipt {
    /// Whether anything of it is in Plane. What Plane accepted and dropped as a whole is not.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let Written::Done { ignored, .. } = &self.written else { return false };
        match &self.write {
            Write::AddComment { .. } | Write::CreateWorkItem { .. } => true,
            Write::UpdateWorkItem { before, after, .. } => {
                let changed = after.differing_from(before, |one, other| one == other);
                changed.iter().any(|field| !ignored.iter().any(|other| other == field))
            }
            Write::Deed(_) => ignored.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> ItemFields {
        ItemFields {
            name: Some("Login crash".to_owned()),
            description_html: Some("<p>x</p>".to_owned()),
            priority: Some("none".to_owned()),
            labels: Some(vec![LabelId(Uuid::from_u128(1)), LabelId(Uuid::from_u128(2))]),
            parent: Some(Slot::Empty),
            target_date: Some(Slot::Is(jiff::civil::date(2026, 11, 30))),
            ..ItemFields::default()
        }
    }

    #[test]
    fn an_emptied_field_and_one_left_alone_stay_apart_in_the_journal() {
        let text = serde_json::to_string(&fields()).unwrap();
        assert_eq!(serde_json::from_str::<ItemFields>(&text).unwrap(), fields());
        assert!(text.contains(r#""parent":"empty""#) && !text.contains("start_date"), "{text}");
    }

    #[test]
    fn a_deed_is_journalled_under_its_name() {
        let item = Target { project: ProjectId(Uuid::nil()), id: WorkItemId(Uuid::nil()) };
        let write = Write::Deed(Deed::DeleteWorkItem { item });
        let value = serde_json::to_value(&write).unwrap();
        assert_eq!((value["kind"].as_str(), value["deed"].as_str()), (Some("deed"), Some("delete_work_item")));
        assert_eq!(serde_json::from_value::<Write>(value).unwrap(), write);
    }

    #[test]
    fn what_plane_dropped_as_a_whole_is_not_done() {
        let item = Target { project: ProjectId(Uuid::nil()), id: WorkItemId(Uuid::nil()) };
        let before = ItemFields { priority: Some("low".to_owned()), labels: Some(Vec::new()), ..ItemFields::default() };
        let after = ItemFields { priority: Some("high".to_owned()), labels: fields().labels, ..before.clone() };
        let update = Write::UpdateWorkItem { item, before: before.clone(), after: after.clone() };
        let deed = Write::Deed(Deed::ArchiveWorkItem { item });
        let create = Write::CreateWorkItem { project: item.project, identifier: None, fields: after };
        for (write, ignored, is_done) in [
            (update.clone(), vec![], true),
            (update.clone(), vec!["labels"], true),
            (update.clone(), vec!["labels", "priority"], false),
            (deed.clone(), vec![], true),
            (deed, vec!["the work item"], false),
            (create, vec!["labels", "priority"], true),
        ] {
            let ignored = ignored.into_iter().map(str::to_owned).collect::<Vec<_>>();
            let written = Written::Done { id: Uuid::nil(), key: None, ignored, overtaken: Vec::new() };
            let receipt = Receipt { write, written };
            assert_eq!(receipt.is_done(), is_done, "{receipt:?}");
        }
        let written = Written::Overtaken { fields: vec!["priority".to_owned()] };
        assert!(!Receipt { write: update, written }.is_done());
    }

    #[test]
    fn a_part_of_the_fields_is_named_as_their_differences_are() {
        let all = fields();
        assert_eq!(all.only(&all.names()), all);
        let other = ItemFields { labels: Some(Vec::new()), priority: Some("low".to_owned()), ..ItemFields::default() };
        for field in all.differing_from(&other, |_, _| false) {
            assert!(all.names().contains(&field), "{field}");
        }
        let one = all.only(&["due date"]);
        assert_eq!(one, ItemFields { target_date: all.target_date, ..ItemFields::default() });
    }

    #[test]
    fn only_what_is_set_is_compared_and_lists_without_their_order() {
        let held = ItemFields {
            labels: Some(vec![LabelId(Uuid::from_u128(2)), LabelId(Uuid::from_u128(1))]),
            priority: Some(String::new()),
            start_date: Some(Slot::Is(jiff::civil::date(2026, 1, 1))),
            target_date: Some(Slot::Empty),
            ..fields()
        };
        assert_eq!(fields().differing_from(&held, |one, other| one == other), ["due date"]);
        assert_eq!(fields().differing_from(&held, |_, _| false), ["due date", "description"]);
        assert!(ItemFields::default().differing_from(&held, |_, _| false).is_empty());
    }
}
