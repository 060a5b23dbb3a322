//! Where a file in the prompts folder counts, and which one wins.
//!
//! ```text
//! workspaces/<slug>/projects/<IDENTIFIER>/…   one project of one workspace
//! projects/<IDENTIFIER>/…                     a project of this identifier in any workspace
//! workspaces/<slug>/…                         one workspace
//! …                                           everywhere
//! ```
//! The nearest file of a name wins, from top to bottom; behind all of them stands the compiled-in text.

use super::template::{TEMPLATES, Template};
use crate::config::files::Flaw;

/// The place a turn is at. What is unknown fits nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The workspace's slug.
    pub workspace: Option<String>,
    /// The project's identifier, such as `MOB`.
    pub project: Option<String>,
}

/// Where a file counts; the order is from far to near.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    Everywhere,
    Workspace(String),
    Project(String),
    ProjectOf { workspace: String, project: String },
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    /// The template of this name.
    Template(&'static str),
    /// The skill of this name.
    Skill(String),
    /// The description of a tool, which is the same everywhere and lies in a folder of its own.
    Tool(&'static str),
}

impl Level {
    /// Whether what counts here counts at `place`.
    #[must_use]
    pub fn covers(&self, place: &Place) -> bool {
        let workspace_is = |slug: &String| place.workspace.as_ref() == Some(slug);
        let project_is = |identifier: &String| place.project.as_ref() == Some(identifier);
        match self {
            Self::Everywhere => true,
            Self::Workspace(slug) => workspace_is(slug),
            Self::Project(identifier) => project_is(identifier),
            Self::ProjectOf { workspace, project } => workspace_is(workspace) && project_is(project),
        }
    }

    /// Whether one has to know the project to tell.
    #[must_use]
    pub fn asks_for_project(&self) -> bool {
        match self {
            Self::Everywhere | Self::Workspace(_) => false,
            Self::Project(_) | Self::ProjectOf { .. } => true,
        }
    }
}

/// Reads a path in the prompts folder.
///
/// # Errors
/// Nothing of this name is used: passing over it in silence would hide a misspelt name.
pub fn read_path(path: &str) -> Result<(Level, Item), Flaw> {
    let parts: Vec<&str> = path.split('/').collect();
    let (level, rest) = match parts.as_slice() {
        ["workspaces", slug, "projects", identifier, rest @ ..] if !rest.is_empty() => {
            (Level::ProjectOf { workspace: slug.to_lowercase(), project: identifier.to_uppercase() }, rest)
        }
        ["workspaces", slug, rest @ ..] if !rest.is_empty() => (Level::Workspace(slug.to_lowercase()), rest),
        ["projects", identifier, rest @ ..] if !rest.is_empty() => (Level::Project(identifier.to_uppercase()), rest),
        rest => (Level::Everywhere, rest),
    };
    match rest {
        ["skills", file] => Ok((level, Item::Skill(file.trim_end_matches(".md").to_owned()))),
        [name] => match Template::named(name) {
            Some(template) => Ok((level, Item::Template(template.name))),
            None => {
                let names = TEMPLATES.iter().map(|template| template.name).collect::<Vec<_>>().join(", ");
                Err(Flaw::at(0, format!("no such file is used; the names are: {names}, and skills/*.md")))
            }
        },
        _ => {
            let folders =
                "skills/, workspaces/<slug>/, projects/<IDENTIFIER>/, workspaces/<slug>/projects/<IDENTIFIER>/";
            Err(Flaw::at(0, format!("no file is used in this folder; the folders are: {folders}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_say_where_a_file_counts() {
        let project = |name: &str| Level::Project(name.to_owned());
        let cases = [
            ("system.md", Level::Everywhere, Item::Template("system.md")),
            ("skills/triage.md", Level::Everywhere, Item::Skill("triage".to_owned())),
            ("workspaces/Acme/error.md", Level::Workspace("acme".to_owned()), Item::Template("error.md")),
            ("projects/mob/skills/x.md", project("MOB"), Item::Skill("x".to_owned())),
            (
                "workspaces/acme/projects/MOB/system.md",
                Level::ProjectOf { workspace: "acme".to_owned(), project: "MOB".to_owned() },
                Item::Template("system.md"),
            ),
        ];
        for (path, level, item) in cases {
            assert_eq!(read_path(path).unwrap(), (level, item), "{path}");
        }
    }

    #[test]
    fn misplaced_files_are_told() {
        for path in [
            "sytsem.md",
            "projects/system.md",
            "wrokspaces/acme/system.md",
            "skills/a/b.md",
            "projects/MOB/x/system.md",
        ] {
            let reason = read_path(path).unwrap_err().reason;
            assert!(reason.contains("system.md") || reason.contains("the folders are"), "{path}: {reason}");
        }
    }

    #[test]
    fn the_nearest_level_comes_last() {
        let acme = || "acme".to_owned();
        let mob = || "MOB".to_owned();
        let place = Place { workspace: Some(acme()), project: Some(mob()) };
        let levels = [
            Level::Everywhere,
            Level::Workspace(acme()),
            Level::Project(mob()),
            Level::ProjectOf { workspace: acme(), project: mob() },
        ];
        assert!(levels.is_sorted());
        assert!(levels.iter().all(|level| level.covers(&place)));
        let elsewhere = Place { workspace: Some(acme()), project: None };
        assert_eq!(levels.iter().filter(|level| level.covers(&elsewhere)).count(), 2);
    }
}
