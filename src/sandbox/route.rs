//! Which paths there are, and what each of them takes.

use uuid::Uuid;

/// What a path under `/api/v1/` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    Me,
    /// A path inside the workspace with this slug.
    Workspace(String, InWorkspace),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum InWorkspace {
    Members,
    Projects,
    Project(Uuid),
    /// A path inside this project.
    InProject(Uuid, InProject),
    Search,
    /// The part of the key before and after its last hyphen.
    ByKey(String, String),
    Run(Uuid),
    RunActivities(Uuid),
    RunActivity(Uuid, Uuid),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum InProject {
    Members,
    States,
    State(Uuid),
    Labels,
    Label(Uuid),
    Pages,
    Page(Uuid),
    Cycles,
    CycleItems(Uuid),
    CycleItem(Uuid, Uuid),
    Modules,
    ModuleItems(Uuid),
    ModuleItem(Uuid, Uuid),
    Estimates,
    EstimatePoints(Uuid),
    IntakeList,
    /// Named by the work item.
    Intake(Uuid),
    Items,
    /// A path inside this work item.
    OfItem(Uuid, OfItem),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OfItem {
    /// The work item as such.
    Itself,
    Comments,
    Comment(Uuid),
    Changes,
    Links,
    Link(Uuid),
    Relations,
    RemoveRelation,
    Attachments,
    /// Leads to where the file lies.
    Attachment(Uuid),
    Archive,
    Unarchive,
}

/// What a route takes, to tell a client that strays.
pub(super) struct Takes {
    pub(super) verbs: &'static [&'static str],
    /// Query keys that act; Plane ignores all others silently.
    pub(super) query: &'static [&'static str],
    /// Whether it answers the pagination envelope.
    pub(super) paged: bool,
}

/// Finds the route of a path that ends with a slash. `None` is a 404.
pub(super) fn find(path: &str) -> Option<Route> {
    let rest = path.strip_prefix("/api/v1/")?.strip_suffix('/')?;
    let segments: Vec<&str> = rest.split('/').collect();
    match segments.as_slice() {
        ["users", "me"] => Some(Route::Me),
        ["workspaces", slug, rest @ ..] => Some(Route::Workspace((*slug).to_owned(), in_workspace(rest)?)),
        _ => None,
    }
}

/// The only spelling Plane accepts: lower case with hyphens.
pub(super) fn strict_uuid(text: &str) -> Option<Uuid> {
    Uuid::parse_str(text).ok().filter(|id| id.as_hyphenated().to_string() == text)
}

impl Route {
    pub(super) fn takes(&self) -> Takes {
        const OBJECT: &[&str] = &["fields", "expand"];
        const LIST: &[&str] = &["cursor", "per_page", "fields", "expand"];
        const ITEMS: &[&str] =
            &["cursor", "per_page", "fields", "expand", "order_by", "external_id", "external_source"];
        const ORDERED: &[&str] = &["cursor", "per_page", "fields", "expand", "order_by"];
        const SEARCH: &[&str] = &["search", "limit", "workspace_search", "project_id"];
        let takes = |verbs, query, paged| Takes { verbs, query, paged };
        let place = match self {
            Self::Me => return takes(&["GET"], &[], false),
            Self::Workspace(_, place) => place,
        };
        match place {
            InWorkspace::Members => takes(&["GET"], &[], false),
            InWorkspace::Projects => takes(&["GET"], ORDERED, true),
            InWorkspace::Project(_) | InWorkspace::ByKey(..) => takes(&["GET"], OBJECT, false),
            InWorkspace::Search => takes(&["GET"], SEARCH, false),
            InWorkspace::Run(_) | InWorkspace::RunActivity(..) => takes(&["GET"], &[], false),
            InWorkspace::RunActivities(_) => takes(&["GET", "POST"], &["cursor", "per_page"], true),
            InWorkspace::InProject(_, place) => match place {
                // Whole here, but some editions page them, so a client may well ask for a page.
                InProject::Members => takes(&["GET"], &["cursor", "per_page"], false),
                InProject::OfItem(_, OfItem::Attachments | OfItem::Attachment(_)) => takes(&["GET"], &[], false),
                InProject::OfItem(_, OfItem::Relations) => takes(&["GET", "POST"], &[], false),
                InProject::States => takes(&["GET"], LIST, true),
                InProject::Labels | InProject::OfItem(_, OfItem::Comments | OfItem::Links) => {
                    takes(&["GET", "POST"], LIST, true)
                }
                InProject::State(_) | InProject::Page(_) => takes(&["GET"], OBJECT, false),
                InProject::Label(_) => takes(&["GET", "DELETE"], OBJECT, false),
                InProject::Pages => takes(&["GET", "POST"], &["cursor", "per_page", "type", "search"], true),
                InProject::Cycles => takes(&["GET"], &["cursor", "per_page", "fields", "expand", "cycle_view"], true),
                InProject::Modules => takes(&["GET"], LIST, true),
                InProject::CycleItems(_) | InProject::ModuleItems(_) => takes(&["GET", "POST"], ORDERED, true),
                InProject::CycleItem(..) | InProject::ModuleItem(..) => takes(&["DELETE"], &[], false),
                InProject::Estimates | InProject::EstimatePoints(_) => takes(&["GET"], &[], false),
                InProject::IntakeList => takes(&["GET"], LIST, true),
                InProject::Intake(_) => takes(&["GET", "PATCH"], OBJECT, false),
                InProject::Items => takes(&["GET", "POST"], ITEMS, true),
                InProject::OfItem(_, OfItem::Itself | OfItem::Comment(_)) => {
                    takes(&["GET", "PATCH", "DELETE"], OBJECT, false)
                }
                InProject::OfItem(_, OfItem::Link(_)) => takes(&["GET", "DELETE"], OBJECT, false),
                InProject::OfItem(_, OfItem::RemoveRelation | OfItem::Archive) => takes(&["POST"], &[], false),
                InProject::OfItem(_, OfItem::Unarchive) => takes(&["DELETE"], &[], false),
                InProject::OfItem(_, OfItem::Changes) => takes(&["GET"], ORDERED, true),
            },
        }
    }
}

fn in_workspace(segments: &[&str]) -> Option<InWorkspace> {
    match segments {
        ["members"] => Some(InWorkspace::Members),
        ["projects"] => Some(InWorkspace::Projects),
        ["projects", project] => strict_uuid(project).map(InWorkspace::Project),
        ["projects", project, rest @ ..] => Some(InWorkspace::InProject(strict_uuid(project)?, in_project(rest)?)),
        ["work-items" | "issues", "search"] => Some(InWorkspace::Search),
        ["work-items" | "issues", key] => {
            let (identifier, sequence) = key.rsplit_once('-')?;
            Some(InWorkspace::ByKey(identifier.to_owned(), sequence.to_owned()))
        }
        ["runs", run] => strict_uuid(run).map(InWorkspace::Run),
        ["runs", run, "activities"] => strict_uuid(run).map(InWorkspace::RunActivities),
        ["runs", run, "activities", activity] => {
            Some(InWorkspace::RunActivity(strict_uuid(run)?, strict_uuid(activity)?))
        }
        _ => None,
    }
}

fn in_project(segments: &[&str]) -> Option<InProject> {
    match segments {
        ["members" | "project-members"] => Some(InProject::Members),
        ["states"] => Some(InProject::States),
        ["states", state] => strict_uuid(state).map(InProject::State),
        ["labels"] => Some(InProject::Labels),
        ["labels", label] => strict_uuid(label).map(InProject::Label),
        ["pages"] => Some(InProject::Pages),
        ["cycles"] => Some(InProject::Cycles),
        ["cycles", cycle, "cycle-issues"] => strict_uuid(cycle).map(InProject::CycleItems),
        ["cycles", cycle, "cycle-issues", item] => Some(InProject::CycleItem(strict_uuid(cycle)?, strict_uuid(item)?)),
        ["modules", module, "module-issues", item] => {
            Some(InProject::ModuleItem(strict_uuid(module)?, strict_uuid(item)?))
        }
        ["estimates"] => Some(InProject::Estimates),
        ["estimates", estimate, "estimate-points"] => strict_uuid(estimate).map(InProject::EstimatePoints),
        ["intake-issues"] => Some(InProject::IntakeList),
        ["intake-issues", item] => strict_uuid(item).map(InProject::Intake),
        ["modules"] => Some(InProject::Modules),
        ["modules", module, "module-issues"] => strict_uuid(module).map(InProject::ModuleItems),
        ["pages", page] => strict_uuid(page).map(InProject::Page),
        ["work-items" | "issues"] => Some(InProject::Items),
        // Relations exist only under the new name.
        ["issues", _, "relations", ..] => None,
        ["work-items" | "issues", item, rest @ ..] => Some(InProject::OfItem(strict_uuid(item)?, of_item(rest)?)),
        _ => None,
    }
}

fn of_item(segments: &[&str]) -> Option<OfItem> {
    match segments {
        [] => Some(OfItem::Itself),
        ["comments"] => Some(OfItem::Comments),
        ["comments", comment] => strict_uuid(comment).map(OfItem::Comment),
        ["activities"] => Some(OfItem::Changes),
        ["links"] => Some(OfItem::Links),
        ["links", link] => strict_uuid(link).map(OfItem::Link),
        ["relations"] => Some(OfItem::Relations),
        ["relations", "remove"] => Some(OfItem::RemoveRelation),
        ["archive"] => Some(OfItem::Archive),
        ["unarchive"] => Some(OfItem::Unarchive),
        ["attachments" | "issue-attachments"] => Some(OfItem::Attachments),
        ["attachments" | "issue-attachments", file] => strict_uuid(file).map(OfItem::Attachment),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_strict_spelling_of_an_id_is_a_path() {
        let run = "66666666-6666-4666-8666-66666666abcd";
        assert!(find(&format!("/api/v1/workspaces/acme/runs/{run}/")).is_some());
        assert_eq!(find(&format!("/api/v1/workspaces/acme/runs/{}/", run.to_uppercase())), None);
        assert_eq!(find(&format!("/api/v1/workspaces/acme/runs/{run}")), None);
        assert_eq!(find("/api/v1/workspaces/acme/agent-runs/"), None);
    }

    #[test]
    fn a_key_is_split_at_its_last_hyphen() {
        let key = InWorkspace::ByKey("A-B".to_owned(), "7".to_owned());
        assert_eq!(find("/api/v1/workspaces/acme/work-items/A-B-7/"), Some(Route::Workspace("acme".to_owned(), key)));
    }
}
