//! What may be changed, where, and who decides.

use std::collections::BTreeMap;

use super::Resolver;
use crate::config::{
    WritePolicy,
    raw::{RawConfig, RawProject},
    writes::{ProjectName, WritesConfig},
};

/// More changes than this nobody can look through on one card.
const MOST_PER_TURN: u32 = 50;

impl Resolver<'_> {
    pub(super) fn writes(&mut self, raw: &RawConfig) -> WritesConfig {
        let workspaces = raw.workspaces.iter().filter_map(|(slug, own)| Some((slug.to_lowercase(), own.writes?)));
        let usual = WritesConfig::default();
        if raw.writes.max_per_turn.is_some_and(|most| most > MOST_PER_TURN) {
            // They have to fit on one card.
            self.complain("writes.max_per_turn", format!("expected at most {MOST_PER_TURN}"));
        }
        WritesConfig {
            usual: raw.agent.writes.unwrap_or(usual.usual),
            workspaces: workspaces.collect(),
            projects: self.project_policies(&raw.projects),
            tools: raw.writes.tools.clone(),
            only_in: raw.writes.projects.iter().filter_map(|name| self.project_name("writes.projects", name)).collect(),
            max_per_turn: raw.writes.max_per_turn.unwrap_or(usual.max_per_turn),
            max_per_day: raw.writes.max_per_day.unwrap_or(usual.max_per_day),
            dry_run: raw.writes.dry_run.unwrap_or(usual.dry_run),
            assumed_role: raw.writes.assumed_role.unwrap_or(usual.assumed_role),
        }
    }

    fn project_policies(&mut self, projects: &BTreeMap<String, RawProject>) -> Vec<(ProjectName, WritePolicy)> {
        let policies = projects.iter().filter_map(|(name, raw)| Some((name, raw.writes?)));
        let named =
            policies.filter_map(|(name, policy)| Some((self.project_name(&format!("projects.{name}"), name)?, policy)));
        named.collect()
    }

    /// A project's identifier such as `MOB`, or `workspace/MOB`.
    pub(super) fn project_name(&mut self, key: &str, name: &str) -> Option<ProjectName> {
        let (workspace, project) = match name.trim().split_once('/') {
            Some((workspace, project)) => (Some(workspace.to_lowercase()), project),
            None => (None, name.trim()),
        };
        if !is_plain(project) || workspace.as_deref().is_some_and(|workspace| !is_plain(workspace)) {
            self.complain(key, "expected a project's identifier such as MOB, or \"workspace/MOB\"");
            return None;
        }
        Some(ProjectName { workspace, identifier: project.to_uppercase() })
    }
}

pub(super) fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "-_".contains(c))
}
