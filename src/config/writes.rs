//! What becomes of tool calls that would change something, as configured.

use std::collections::BTreeMap;

use crate::domain::role::Role;

/// What becomes of a tool call that would change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WritePolicy {
    /// It is refused, and where nothing else holds the tools are not offered.
    Deny,
    /// A person is asked first.
    Ask,
    /// It is carried out.
    Allow,
}

/// A project as the configuration names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProjectName {
    /// The workspace's slug in lower case; `None` is any workspace.
    pub workspace: Option<String>,
    /// The project's identifier in upper case, such as `MOB`.
    pub identifier: String,
}

impl ProjectName {
    /// Whether it names this project of this workspace.
    #[must_use]
    pub fn is(&self, workspace: Option<&str>, identifier: &str) -> bool {
        self.identifier == identifier && self.workspace.as_deref().is_none_or(|named| Some(named) == workspace)
    }
}

/// How much the agent may change, where, and who decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WritesConfig {
    /// Where nothing else is said.
    pub usual: WritePolicy,
    /// By workspace slug in lower case.
    pub workspaces: BTreeMap<String, WritePolicy>,
    pub projects: Vec<(ProjectName, WritePolicy)>,
    /// By the tool's name.
    pub tools: BTreeMap<String, WritePolicy>,
    /// The only projects anything may be changed in; none is every project.
    pub only_in: Vec<ProjectName>,
    /// Most changes in one turn.
    pub max_per_turn: u32,
    /// Most changes in one workspace on one day (UTC).
    pub max_per_day: u32,
    /// Changes are worked out and told, and none is made.
    pub dry_run: bool,
    /// What a person is taken to be where Plane does not tell their role.
    pub assumed_role: Role,
}

impl Default for WritesConfig {
    fn default() -> Self {
        Self {
            usual: WritePolicy::Ask,
            workspaces: BTreeMap::new(),
            projects: Vec::new(),
            tools: BTreeMap::new(),
            only_in: Vec::new(),
            max_per_turn: 20,
            max_per_day: 500,
            dry_run: false,
            assumed_role: Role::Guest,
        }
    }
}

impl WritesConfig {
    /// What holds in a place: its project's word, else its workspace's, else the usual one. Where two
    /// entries name the project, the one that names the workspace as well counts.
    #[must_use]
    pub fn of_place(&self, workspace: Option<&str>, identifier: Option<&str>) -> WritePolicy {
        let named = identifier.and_then(|identifier| {
            let mut named: Vec<_> = self.projects.iter().filter(|(name, _)| name.is(workspace, identifier)).collect();
            named.sort_by_key(|(name, _)| name.workspace.is_some());
            named.pop().map(|(_, policy)| *policy)
        });
        named.or_else(|| self.workspaces.get(workspace?).copied()).unwrap_or(self.usual)
    }

    /// Whether anything may be changed in this project at all.
    #[must_use]
    pub fn is_open(&self, workspace: Option<&str>, identifier: Option<&str>) -> bool {
        self.only_in.is_empty()
            || identifier.is_some_and(|identifier| self.only_in.iter().any(|name| name.is(workspace, identifier)))
    }

    /// Whether any change can come about anywhere, so that it makes sense to offer the tools.
    #[must_use]
    pub fn permit_some(&self) -> bool {
        let places = self.workspaces.values().chain(self.projects.iter().map(|(_, policy)| policy));
        std::iter::once(&self.usual).chain(places).any(|policy| *policy != WritePolicy::Deny)
    }

    /// Whether anything depends on which project a change is in.
    #[must_use]
    pub fn ask_for_project(&self) -> bool {
        !(self.projects.is_empty() && self.only_in.is_empty())
    }

    /// What holds for a tool in a place. A tool's own word takes the place of the place's, except that
    /// a place where nothing may be changed stays one.
    #[must_use]
    pub fn of_tool(&self, tool: &str, place: WritePolicy) -> WritePolicy {
        match (place, self.tools.get(tool)) {
            (WritePolicy::Deny, _) => WritePolicy::Deny,
            (_, Some(own)) => *own,
            (place, None) => place,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(workspace: Option<&str>, identifier: &str) -> ProjectName {
        ProjectName { workspace: workspace.map(str::to_owned), identifier: identifier.to_owned() }
    }

    #[test]
    fn the_closest_word_counts() {
        let config = WritesConfig {
            workspaces: BTreeMap::from([("acme".to_owned(), WritePolicy::Allow)]),
            projects: vec![
                (name(Some("acme"), "MOB"), WritePolicy::Ask),
                (name(None, "MOB"), WritePolicy::Deny),
                (name(None, "WEB"), WritePolicy::Deny),
            ],
            ..WritesConfig::default()
        };
        for (workspace, project, policy) in [
            (Some("acme"), Some("MOB"), WritePolicy::Ask),
            (Some("other"), Some("MOB"), WritePolicy::Deny),
            (Some("acme"), Some("WEB"), WritePolicy::Deny),
            (Some("acme"), Some("API"), WritePolicy::Allow),
            (Some("acme"), None, WritePolicy::Allow),
            (Some("other"), Some("API"), WritePolicy::Ask),
            (None, None, WritePolicy::Ask),
        ] {
            assert_eq!(config.of_place(workspace, project), policy, "{workspace:?} {project:?}");
        }
    }

    #[test]
    fn a_tool_may_be_freer_or_stricter_than_its_place_but_never_open_what_is_closed() {
        let tools = [("add_comment", WritePolicy::Allow), ("create_work_item", WritePolicy::Deny)];
        let tools = tools.map(|(tool, policy)| (tool.to_owned(), policy)).into();
        let config = WritesConfig { tools, ..WritesConfig::default() };
        assert_eq!(config.of_tool("add_comment", WritePolicy::Ask), WritePolicy::Allow);
        assert_eq!(config.of_tool("add_comment", WritePolicy::Deny), WritePolicy::Deny);
        assert_eq!(config.of_tool("create_work_item", WritePolicy::Allow), WritePolicy::Deny);
        assert_eq!(config.of_tool("update_work_item", WritePolicy::Ask), WritePolicy::Ask);
    }

    #[test]
    fn tools_are_offered_only_where_some_change_can_come_about() {
        let denied = WritesConfig { usual: WritePolicy::Deny, ..WritesConfig::default() };
        assert!(!denied.permit_some() && WritesConfig::default().permit_some());
        let one = WritesConfig { projects: vec![(name(None, "MOB"), WritePolicy::Ask)], ..denied };
        assert!(one.permit_some());
    }

    #[test]
    fn a_list_of_projects_closes_the_others() {
        let config = WritesConfig { only_in: vec![name(Some("acme"), "MOB")], ..WritesConfig::default() };
        assert!(config.is_open(Some("acme"), Some("MOB")));
        for (workspace, project) in [(Some("acme"), Some("WEB")), (Some("other"), Some("MOB")), (Some("acme"), None)] {
            assert!(!config.is_open(workspace, project));
        }
        assert!(WritesConfig::default().is_open(None, None));
    }
}
