//! What some editions of Plane do not have.

/// A part of Plane's API that is missing in some editions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Feature {
    /// Taking a relation between two work items away.
    RelationRemoval,
    /// Archiving work items and taking them out of the archive.
    Archive,
    /// Reading which estimates a project has.
    Estimates,
    Pages,
}

impl Feature {
    /// What is missing where it is, in a sentence.
    #[must_use]
    pub fn missing(self) -> &'static str {
        match self {
            Self::RelationRemoval => {
                "This edition of Plane has no way to remove a relation through its API; a person can do it in Plane."
            }
            Self::Archive => {
                "This edition of Plane has no way to archive a work item through its API; a person can do it in Plane."
            }
            Self::Estimates => "This edition of Plane does not tell through its API which estimates there are.",
            Self::Pages => "This edition of Plane does not show pages through its API.",
        }
    }
}
