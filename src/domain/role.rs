//! What a person may do in a project, as Plane counts it.

use serde::{Deserialize, Serialize};

/// A role; each may do all that the one before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads and comments (5 in Plane).
    Guest,
    /// Changes work items (15).
    Member,
    /// Runs the project (20).
    Admin,
}

impl Role {
    /// Plane's number; what lies between two roles counts as the lesser one.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        match number {
            0..15 => Self::Guest,
            15..20 => Self::Member,
            20.. => Self::Admin,
        }
    }

    /// A role by its name; Plane has two sets of names, for workspaces and for projects.
    #[must_use]
    pub fn from_slug(slug: &str) -> Option<Self> {
        match slug {
            "guest" | "commenter" => Some(Self::Guest),
            "member" | "contributor" => Some(Self::Member),
            "admin" | "owner" => Some(Self::Admin),
            _ => None,
        }
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_mean_the_same_roles() {
        for (number, slug, role) in
            [(5, "guest", Role::Guest), (15, "member", Role::Member), (20, "admin", Role::Admin)]
        {
            assert_eq!((Role::from_number(number), Role::from_slug(slug)), (role, Some(role)));
            assert_eq!(role.as_str(), slug);
        }
        assert_eq!(Role::from_number(10), Role::Guest, "an unknown role is not more than it must be");
        assert!(Role::Guest < Role::Member && Role::Member < Role::Admin);
        assert_eq!(Role::from_slug("commander"), None);
    }
}
