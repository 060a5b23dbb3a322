//! What a bot token may be used for: the scope each path needs.

use super::route::{InProject, InWorkspace, OfItem, Route};

/// What was asked for along with a token, separated by blanks. Without that it is all the app is registered for.
#[derive(Clone)]
pub(super) struct Scopes(Option<Vec<String>>);

impl Scopes {
    /// The word in it that is no scope, if there is one.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let scopes: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        match scopes.iter().find(|scope| !is_scope(scope)) {
            Some(wrong) => Err(wrong.clone()),
            None => Ok(Self(Some(scopes).filter(|scopes| !scopes.is_empty()))),
        }
    }

    /// Whether this one is among them. Writing does not imply reading.
    pub(super) fn have(&self, needed: &str) -> bool {
        let coarse = needed.rsplit(':').next();
        let covers = |scope: &String| scope == needed || Some(scope.as_str()) == coarse;
        self.0.as_ref().is_none_or(|scopes| scopes.iter().any(covers))
    }
}

/// The scope for this verb on this path.
pub(super) fn of(route: &Route, verb: &str) -> String {
    let way = if verb == "GET" { "read" } else { "write" };
    format!("{}:{way}", resource(route))
}

fn resource(route: &Route) -> &'static str {
    let place = match route {
        Route::Me => return "profile",
        Route::Workspace(_, place) => place,
    };
    match place {
        InWorkspace::Members => "workspaces.members",
        InWorkspace::Projects | InWorkspace::Project(_) => "projects",
        InWorkspace::Search | InWorkspace::ByKey(..) => "projects.work_items",
        InWorkspace::Run(_) => "agents.runs",
        InWorkspace::RunActivities(_) | InWorkspace::RunActivity(..) => "agents.run_activities",
        InWorkspace::InProject(_, place) => match place {
            InProject::Members => "projects.members",
            InProject::States | InProject::State(_) => "projects.states",
            InProject::Labels | InProject::Label(_) => "projects.labels",
            InProject::Pages | InProject::Page(_) => "projects.pages",
            InProject::Cycles | InProject::CycleItems(_) | InProject::CycleItem(..) => "projects.cycles",
            InProject::Modules | InProject::ModuleItems(_) | InProject::ModuleItem(..) => "projects.modules",
            InProject::Estimates | InProject::EstimatePoints(_) => "projects.estimates",
            InProject::IntakeList | InProject::Intake(_) => "projects.intakes",
            InProject::Items => "projects.work_items",
            InProject::OfItem(_, part) => match part {
                OfItem::Itself | OfItem::Archive | OfItem::Unarchive => "projects.work_items",
                OfItem::Comments | OfItem::Comment(_) => "projects.work_items.comments",
                OfItem::Changes => "projects.work_items.activities",
                OfItem::Links | OfItem::Link(_) => "projects.work_items.links",
                OfItem::Relations | OfItem::RemoveRelation => "projects.work_items.relations",
                OfItem::Attachments | OfItem::Attachment(_) => "projects.work_items.attachments",
            },
        },
    }
}

/// A resource path and `read` or `write`, or one of the old coarse words.
fn is_scope(scope: &str) -> bool {
    let is_path =
        |path: &str| path.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '.' | '_')) && !path.is_empty();
    match scope.split_once(':') {
        Some((path, verb)) => is_path(path) && matches!(verb, "read" | "write"),
        None => matches!(scope, "read" | "write"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::sandbox::route;

    /// A path of each kind the agent asks for, below the workspace or the project.
    const PATHS: &[&str] = &[
        "members",
        "projects",
        "projects/ID",
        "work-items/search",
        "work-items/MOB-3",
        "runs/ID",
        "runs/ID/activities",
        "projects/ID/project-members",
        "projects/ID/states",
        "projects/ID/labels",
        "projects/ID/labels/ID",
        "projects/ID/pages",
        "projects/ID/pages/ID",
        "projects/ID/cycles",
        "projects/ID/cycles/ID/cycle-issues",
        "projects/ID/cycles/ID/cycle-issues/ID",
        "projects/ID/modules",
        "projects/ID/modules/ID/module-issues",
        "projects/ID/modules/ID/module-issues/ID",
        "projects/ID/estimates",
        "projects/ID/estimates/ID/estimate-points",
        "projects/ID/intake-issues",
        "projects/ID/intake-issues/ID",
        "projects/ID/work-items",
        "projects/ID/work-items/ID",
        "projects/ID/work-items/ID/comments",
        "projects/ID/work-items/ID/comments/ID",
        "projects/ID/work-items/ID/activities",
        "projects/ID/work-items/ID/links",
        "projects/ID/work-items/ID/links/ID",
        "projects/ID/work-items/ID/relations",
        "projects/ID/work-items/ID/relations/remove",
        "projects/ID/work-items/ID/archive",
        "projects/ID/work-items/ID/unarchive",
        "projects/ID/work-items/ID/attachments",
        "projects/ID/work-items/ID/attachments/ID",
    ];

    #[test]
    fn the_default_scopes_are_those_the_paths_need_and_no_others() {
        let defaults: toml::Value = toml::from_str(include_str!("../../aileron.default.toml")).unwrap();
        let listed = defaults["plane"]["oauth"]["scopes"].as_array().unwrap();
        let listed: BTreeSet<String> = listed.iter().map(|scope| scope.as_str().unwrap().to_owned()).collect();

        let mut needed = BTreeSet::from([of(&Route::Me, "GET")]);
        for path in PATHS {
            let path =
                format!("/api/v1/workspaces/acme/{}/", path.replace("ID", "66666666-6666-4666-8666-66666666abcd"));
            let route = route::find(&path).unwrap_or_else(|| panic!("{path} is no path"));
            needed.extend(route.takes().verbs.iter().map(|verb| of(&route, verb)));
        }
        // A run is made by mentioning the agent and moves on by its activities; Plane wants the scope all the same.
        needed.insert("agents.runs:write".to_owned());
        assert_eq!(listed, needed);
    }

    #[test]
    fn scopes_have_a_path_and_a_verb() {
        assert!(is_scope("agents.runs:read") && is_scope("read"));
        assert!(!is_scope("agents.runs") && !is_scope("agents.runs:admin") && !is_scope(":read"));
    }

    #[test]
    fn a_token_is_good_for_what_was_asked_for() {
        let scopes = Scopes::parse("projects:read projects.labels:write").unwrap();
        assert!(scopes.have("projects:read") && scopes.have("projects.labels:write"));
        assert!(!scopes.have("projects:write") && !scopes.have("projects.labels:read"));
        assert!(Scopes::parse("write").unwrap().have("projects.labels:write"));
        assert!(Scopes::parse("").unwrap().have("projects.labels:write"), "the app has its own");
        assert_eq!(Scopes::parse("projects:read labels").err().as_deref(), Some("labels"));
    }
}
