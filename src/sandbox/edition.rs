//! What kind of Plane the stand-in is.

use super::route::{InProject, InWorkspace, OfItem, Route};

/// The editions that matter to an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Edition {
    /// Plane Cloud and its commercial servers: OAuth apps, bot tokens, agent runs and their webhooks.
    #[default]
    Commercial,
    /// API keys, comments, and a webhook that tells of every comment, the agent's own included.
    Community,
}

impl Edition {
    /// Whether there is such a path at all.
    pub(super) fn knows(self, route: &Route) -> bool {
        match (self, route) {
            (Self::Commercial, _) | (Self::Community, Route::Me) => true,
            (
                Self::Community,
                Route::Workspace(_, InWorkspace::Run(_) | InWorkspace::RunActivities(_) | InWorkspace::RunActivity(..)),
            ) => false,
            (Self::Community, Route::Workspace(_, InWorkspace::InProject(_, place))) => match place {
                InProject::OfItem(_, OfItem::RemoveRelation | OfItem::Archive | OfItem::Unarchive)
                | InProject::Estimates
                | InProject::EstimatePoints(_)
                | InProject::Pages
                | InProject::Page(_) => false,
                InProject::Members
                | InProject::States
                | InProject::State(_)
                | InProject::Labels
                | InProject::Label(_)
                | InProject::Items
                | InProject::Cycles
                | InProject::CycleItems(_)
                | InProject::CycleItem(..)
                | InProject::Modules
                | InProject::ModuleItems(_)
                | InProject::ModuleItem(..)
                | InProject::IntakeList
                | InProject::Intake(_)
                | InProject::OfItem(..) => true,
            },
            (Self::Community, Route::Workspace(..)) => true,
        }
    }

    /// Whether apps can be installed and bearer tokens are heard of.
    pub(super) fn has_apps(self) -> bool {
        match self {
            Self::Commercial => true,
            Self::Community => false,
        }
    }
}
