//! Which model speaks for a workspace, and how much may be spent on it.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    config::BudgetConfig,
    domain::ids::WorkspaceId,
    llm::{Model, tokens::TokenMeter},
};

/// Tells a workspace's slug, where it is known.
pub type SlugOf = Arc<dyn Fn(WorkspaceId) -> Option<String> + Send + Sync>;

/// The models the agent speaks with.
pub struct Models {
    usual: Arc<dyn Model>,
    /// By slug.
    workspaces: BTreeMap<String, Arc<dyn Model>>,
    /// Those that skills may ask for, by name; of each one for every workspace with models of its own and one,
    /// under no slug, for all others.
    wanted: BTreeMap<(Option<String>, String), Arc<dyn Model>>,
    /// By the model's name.
    meters: BTreeMap<String, Arc<TokenMeter>>,
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
        Self { usual, workspaces, wanted: BTreeMap::new(), meters: BTreeMap::new(), slug_of, budget }
    }

    /// Adds a model that skills may ask for in a workspace, or in all that have no models of their own.
    pub fn add_wanted(&mut self, slug: Option<&str>, name: &str, model: Arc<dyn Model>) {
        self.wanted.insert((slug.map(str::to_owned), name.to_owned()), model);
    }

    /// Adds what counts the tokens of the model with this name.
    pub fn add_meter(&mut self, name: &str, meter: TokenMeter) {
        self.meters.insert(name.to_owned(), Arc::new(meter));
    }

    /// What counts the tokens of the model with this name, where that is known.
    #[must_use]
    pub fn meter(&self, name: &str) -> Option<&Arc<TokenMeter>> {
        self.meters.get(name)
    }

    /// The model a skill asks for in this workspace; `None` where there is none of the name.
    #[must_use]
    pub fn wanted(&self, workspace: WorkspaceId, name: &str) -> Option<&Arc<dyn Model>> {
        let slug = if self.workspaces.is_empty() { None } else { (self.slug_of)(workspace) };
        let slug = slug.filter(|slug| self.workspaces.contains_key(slug));
        self.wanted.get(&(slug, name.to_owned()))
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
