//! What was really changed, by kinds, to hold an account of it against.

use std::collections::BTreeSet;

use crate::domain::{
    deed::{Deed, Grouping},
    write::{Receipt, Write, Written},
};

/// What of a tracker a change changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::agent) enum Kind {
    Title,
    Description,
    Priority,
    State,
    Labels,
    Assignees,
    Parent,
    Dates,
    Estimate,
    Comment,
    Link,
    Relation,
    Cycle,
    Module,
    Page,
    Intake,
    /// A work item was made.
    Created,
    /// Something was deleted.
    Deleted,
    Archived,
}

/// The kinds of all that was changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::agent) struct Made(BTreeSet<Kind>);

impl Made {
    /// Adds what a change came to. What Plane accepted and dropped is not made.
    pub(in crate::agent) fn add(&mut self, receipt: &Receipt) {
        match &receipt.written {
            Written::Done { ignored, .. } if receipt.is_done() => self.take(&receipt.write, ignored),
            Written::Done { .. } | Written::Overtaken { .. } => {}
        }
    }

    /// Adds what may have been made.
    pub(in crate::agent) fn add_unsure(&mut self, write: &Write) {
        self.take(write, &[]);
    }

    pub(in crate::agent) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(in crate::agent) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn has_any(&self, kinds: &[Kind]) -> bool {
        kinds.iter().any(|kind| self.0.contains(kind))
    }

    fn take(&mut self, write: &Write, ignored: &[String]) {
        let took = |field: &&'static str| !ignored.iter().any(|other| other == field);
        match write {
            Write::AddComment { .. } => self.0.extend([Kind::Comment]),
            Write::CreateWorkItem { fields, .. } => {
                // A new one is in some state whether it was named or not.
                self.0.extend([Kind::Created, Kind::State, Kind::Title]);
                self.0.extend(fields.names().into_iter().filter(took).filter_map(of_field));
            }
            Write::UpdateWorkItem { before, after, .. } => {
                let changed = after.differing_from(before, |one, other| one == other);
                self.0.extend(changed.into_iter().filter(took).filter_map(of_field));
            }
            Write::Deed(deed) => self.0.extend(of_deed(deed)),
        }
    }
}

fn of_field(name: &'static str) -> Option<Kind> {
    Some(match name {
        "name" => Kind::Title,
        "description" => Kind::Description,
        "priority" => Kind::Priority,
        "state" => Kind::State,
        "labels" => Kind::Labels,
        "assignees" => Kind::Assignees,
        "parent" => Kind::Parent,
        "start date" | "due date" => Kind::Dates,
        "estimate" => Kind::Estimate,
        _ => return None,
    })
}

fn of_deed(deed: &Deed) -> &'static [Kind] {
    match deed {
        Deed::EditComment { .. } => &[Kind::Comment],
        Deed::DeleteComment { .. } => &[Kind::Comment, Kind::Deleted],
        Deed::DeleteWorkItem { .. } => &[Kind::Deleted],
        Deed::ArchiveWorkItem { .. } | Deed::UnarchiveWorkItem { .. } => &[Kind::Archived],
        Deed::Relate { .. } => &[Kind::Relation],
        Deed::Unrelate { .. } => &[Kind::Relation, Kind::Deleted],
        Deed::AddLink { .. } => &[Kind::Link],
        Deed::DeleteLink { .. } => &[Kind::Link, Kind::Deleted],
        Deed::CreateLabel { .. } => &[Kind::Labels],
        Deed::DeleteLabel { .. } => &[Kind::Labels, Kind::Deleted],
        Deed::PutInto { grouping, .. } | Deed::TakeOut { grouping, .. } => match grouping {
            Grouping::Cycle(_) => &[Kind::Cycle],
            Grouping::Module(_) => &[Kind::Module],
        },
        Deed::TriageIntake { .. } => &[Kind::Intake],
        Deed::CreatePage { .. } => &[Kind::Page],
    }
}

#[cfg(test)]
impl Made {
    pub(super) fn of(kinds: &[Kind]) -> Self {
        Self(kinds.iter().copied().collect())
    }
}
