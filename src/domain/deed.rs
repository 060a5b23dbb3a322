//! Changes to the tracker other than to a work item's own fields: each is one request that is either
//! made as a whole or not at all, and whether it was made can be seen by looking.

use serde::{Deserialize, Serialize};

use super::{
    feature::Feature,
    ids::{CommentId, CycleId, LabelId, LinkId, ModuleId, ProjectId, WorkItemId},
    intake::Verdict,
    role::Role,
    write::Target,
};

/// One such change. What takes something away carries what that was, so that it can be told and put
/// back where Plane lets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "deed", rename_all = "snake_case")]
pub enum Deed {
    EditComment {
        item: Target,
        comment: CommentId,
        /// HTML before and after.
        before: String,
        after: String,
        /// Whether the same run added it.
        #[serde(default)]
        own: bool,
    },
    DeleteComment {
        item: Target,
        comment: CommentId,
        html: String,
        /// Whether the same run added it.
        #[serde(default)]
        own: bool,
    },
    DeleteWorkItem {
        item: Target,
    },
    ArchiveWorkItem {
        item: Target,
    },
    UnarchiveWorkItem {
        item: Target,
    },
    /// Seen from the first work item: it is `relation` to the other.
    Relate {
        item: Target,
        relation: RelationKind,
        other: WorkItemId,
    },
    Unrelate {
        item: Target,
        relation: RelationKind,
        other: WorkItemId,
    },
    AddLink {
        item: Target,
        url: String,
        /// Empty for none.
        title: String,
    },
    DeleteLink {
        item: Target,
        link: LinkId,
        url: String,
        title: String,
    },
    CreateLabel {
        project: ProjectId,
        name: String,
        /// Such as `#E5484D`.
        color: String,
    },
    DeleteLabel {
        project: ProjectId,
        label: LabelId,
    },
    PutInto {
        item: Target,
        grouping: Grouping,
        /// The cycle it is taken out of by this: a work item is in one cycle at most.
        #[serde(default)]
        from: Option<CycleId>,
    },
    TakeOut {
        item: Target,
        grouping: Grouping,
    },
    TriageIntake {
        item: Target,
        before: Verdict,
        after: Verdict,
    },
    CreatePage {
        project: ProjectId,
        name: String,
        html: String,
    },
}

/// What work items of a project are put into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grouping {
    Cycle(CycleId),
    Module(ModuleId),
}

impl Deed {
    /// The project it is done in and the work item it is done to; none where it is the project's.
    #[must_use]
    pub fn place(&self) -> (ProjectId, Option<WorkItemId>) {
        match self {
            Self::EditComment { item, .. }
            | Self::DeleteComment { item, .. }
            | Self::DeleteWorkItem { item }
            | Self::ArchiveWorkItem { item }
            | Self::UnarchiveWorkItem { item }
            | Self::Relate { item, .. }
            | Self::Unrelate { item, .. }
            | Self::AddLink { item, .. }
            | Self::DeleteLink { item, .. }
            | Self::PutInto { item, .. }
            | Self::TakeOut { item, .. }
            | Self::TriageIntake { item, .. } => (item.project, Some(item.id)),
            Self::CreateLabel { project, .. }
            | Self::DeleteLabel { project, .. }
            | Self::CreatePage { project, .. } => (*project, None),
        }
    }

    /// The least a person has to be to do this by hand. Of comments only the agent's own are changed: those
    /// that the same run added like their author would, and those of other people's runs like a member.
    #[must_use]
    pub fn least_role(&self) -> Role {
        match self {
            Self::EditComment { own: true, .. } | Self::DeleteComment { own: true, .. } => Role::Guest,
            Self::EditComment { .. }
            | Self::DeleteComment { .. }
            | Self::ArchiveWorkItem { .. }
            | Self::UnarchiveWorkItem { .. }
            | Self::Relate { .. }
            | Self::Unrelate { .. }
            | Self::AddLink { .. }
            | Self::DeleteLink { .. }
            | Self::CreateLabel { .. }
            | Self::PutInto { .. }
            | Self::TakeOut { .. }
            | Self::CreatePage { .. } => Role::Member,
            Self::DeleteWorkItem { .. } | Self::DeleteLabel { .. } | Self::TriageIntake { .. } => Role::Admin,
        }
    }

    /// Whether something is gone for good afterwards.
    #[must_use]
    pub fn destroys(&self) -> bool {
        match self {
            Self::DeleteComment { .. } | Self::DeleteWorkItem { .. } | Self::DeleteLabel { .. } => true,
            Self::EditComment { .. }
            | Self::ArchiveWorkItem { .. }
            | Self::UnarchiveWorkItem { .. }
            | Self::Relate { .. }
            | Self::Unrelate { .. }
            | Self::AddLink { .. }
            | Self::DeleteLink { .. }
            | Self::CreateLabel { .. }
            | Self::PutInto { .. }
            | Self::TakeOut { .. }
            | Self::TriageIntake { .. }
            | Self::CreatePage { .. } => false,
        }
    }

    /// Whether the project has other work items, or knows them otherwise, once this is done.
    #[must_use]
    pub fn changes_items(&self) -> bool {
        match self {
            Self::DeleteWorkItem { .. }
            | Self::ArchiveWorkItem { .. }
            | Self::UnarchiveWorkItem { .. }
            | Self::DeleteLabel { .. }
            | Self::PutInto { .. }
            | Self::TakeOut { .. }
            | Self::TriageIntake { .. } => true,
            Self::EditComment { .. }
            | Self::DeleteComment { .. }
            | Self::Relate { .. }
            | Self::Unrelate { .. }
            | Self::AddLink { .. }
            | Self::DeleteLink { .. }
            | Self::CreateLabel { .. }
            | Self::CreatePage { .. } => false,
        }
    }

    /// What not every Plane has and this cannot do without.
    #[must_use]
    pub fn needs(&self) -> Option<Feature> {
        match self {
            Self::ArchiveWorkItem { .. } | Self::UnarchiveWorkItem { .. } => Some(Feature::Archive),
            Self::Unrelate { .. } => Some(Feature::RelationRemoval),
            Self::CreatePage { .. } => Some(Feature::Pages),
            Self::EditComment { .. }
            | Self::DeleteComment { .. }
            | Self::DeleteWorkItem { .. }
            | Self::Relate { .. }
            | Self::AddLink { .. }
            | Self::DeleteLink { .. }
            | Self::CreateLabel { .. }
            | Self::DeleteLabel { .. }
            | Self::PutInto { .. }
            | Self::TakeOut { .. }
            | Self::TriageIntake { .. } => None,
        }
    }
}

/// How a work item stands to another, as far as it can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelationKind {
    Blocking,
    BlockedBy,
    Duplicate,
    RelatesTo,
    StartBefore,
    StartAfter,
    FinishBefore,
    FinishAfter,
}

impl RelationKind {
    pub const ALL: [Self; 8] = [
        Self::Blocking,
        Self::BlockedBy,
        Self::Duplicate,
        Self::RelatesTo,
        Self::StartBefore,
        Self::StartAfter,
        Self::FinishBefore,
        Self::FinishAfter,
    ];

    /// Plane's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blocking => "blocking",
            Self::BlockedBy => "blocked_by",
            Self::Duplicate => "duplicate",
            Self::RelatesTo => "relates_to",
            Self::StartBefore => "start_before",
            Self::StartAfter => "start_after",
            Self::FinishBefore => "finish_before",
            Self::FinishAfter => "finish_after",
        }
    }

    /// The verb between two work items.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::Blocking => "blocks",
            Self::BlockedBy => "is blocked by",
            Self::Duplicate => "is a duplicate of",
            Self::RelatesTo => "relates to",
            Self::StartBefore => "starts before",
            Self::StartAfter => "starts after",
            Self::FinishBefore => "finishes before",
            Self::FinishAfter => "finishes after",
        }
    }

    /// The same seen from the other work item.
    #[must_use]
    pub fn inverse(self) -> Self {
        match self {
            Self::Blocking => Self::BlockedBy,
            Self::BlockedBy => Self::Blocking,
            Self::Duplicate => Self::Duplicate,
            Self::RelatesTo => Self::RelatesTo,
            Self::StartBefore => Self::StartAfter,
            Self::StartAfter => Self::StartBefore,
            Self::FinishBefore => Self::FinishAfter,
            Self::FinishAfter => Self::FinishBefore,
        }
    }

    /// Reads it the way people and models write it: "blocks", "blocked by", "duplicate of".
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let words: Vec<String> = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| {
                !word.is_empty() && !["is", "a", "an", "by", "of", "to"].contains(&word.to_lowercase().as_str())
            })
            .map(str::to_lowercase)
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Some(match words.as_slice() {
            ["blocks" | "blocking"] => Self::Blocking,
            ["blocked"] => Self::BlockedBy,
            ["duplicate" | "duplicates" | "duplicated"] => Self::Duplicate,
            ["relates" | "related" | "relate"] => Self::RelatesTo,
            ["start" | "starts", "before"] => Self::StartBefore,
            ["start" | "starts", "after"] => Self::StartAfter,
            ["finish" | "finishes", "before"] => Self::FinishBefore,
            ["finish" | "finishes", "after"] => Self::FinishAfter,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_a_comment_that_does_not_tell_whose_it_is_takes_a_member() {
        let id = "66666666-6666-4666-8666-666666666666";
        let place = serde_json::json!({"project": id, "id": id});
        for written in [
            serde_json::json!({"deed": "edit_comment", "item": place, "comment": id, "before": "a", "after": "b"}),
            serde_json::json!({"deed": "delete_comment", "item": place, "comment": id, "html": "a"}),
        ] {
            let mut written = written;
            assert_eq!(serde_json::from_value::<Deed>(written.clone()).unwrap().least_role(), Role::Member);
            written["own"] = true.into();
            assert_eq!(serde_json::from_value::<Deed>(written).unwrap().least_role(), Role::Guest);
        }
    }

    #[test]
    fn a_relation_is_read_in_planes_word_and_in_its_verb() {
        for kind in RelationKind::ALL {
            assert_eq!(RelationKind::parse(kind.as_str()), Some(kind), "{}", kind.as_str());
            assert_eq!(RelationKind::parse(kind.verb()), Some(kind), "{}", kind.verb());
            assert_eq!(kind.inverse().inverse(), kind);
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!(RelationKind::parse("Duplicate of"), Some(RelationKind::Duplicate));
        for nonsense in ["", "implements", "by", "before"] {
            assert_eq!(RelationKind::parse(nonsense), None, "{nonsense}");
        }
    }
}
