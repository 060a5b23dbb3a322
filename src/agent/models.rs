//! Which model speaks for a workspace, and how much may be spent on it.

use std::{collections::BTreeMap, sync::Arc};

use crate::{config::BudgetConfig, domain::ids::WorkspaceId, llm::Model};

/// Tells a workspace's slug, where it is known.
pub type SlugOf = Arc<dyn Fn(WorkspaceId) -> Option<String> + Send + Sync>;

/// The models the agent speaks with.
pub struct Models {
    usual: Arc<dyn Model>,
    /// By slug.
    workspaces: BTreeMap<String, Arc<dyn Model>>,
    slug_of: SlugOf,
    pub budget: BudgetConfig,
}

impl Models {
    /// `workspaces` names those that have a model of their own, by slug.
    #[must_use]
    pub fn new(
        usual: Arc<dyn Model>,
        workspaces: BTreeMap<String, Arc<dyn Model>>,
        slug_of: SlugOf,
        budget: BudgetConfig,
    ) -> Self {
        Self { usual, workspaces, slug_of, budget }
    }

    /// The workspace's model.
    #[must_use]
    pub fn of(&self, workspace: WorkspaceId) -> &Arc<dyn Model> {
        if self.workspaces.is_empty() {
            return &self.usual;
        }
        let own = (self.slug_of)(workspace).and_then(|slug| self.workspaces.get(&slug));
        own.unwrap_or(&self.usual)
    }
}

/// One model for everyone, and no limits.
impl From<Arc<dyn Model>> for Models {
    fn from(model: Arc<dyn Model>) -> Self {
        Self::new(model, BTreeMap::new(), Arc::new(|_| None), BudgetConfig::default())
    }
}
