//! Everything the stand-in knows: workspaces, projects, work items, comments, and their JSON.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

pub(super) use super::item::{Attachment, Change, Comment, External, Item, Link};
use super::{
    edition::Edition,
    plan::{Fault, RecordedRequest, Seed},
    plans::{Cycle, Module},
    project_writes::IntakeRecord,
    run::Run,
    scope::Scopes,
};
use crate::domain::ids::{
    EstimateId, InstallationId, LabelId, PageId, ProjectId, RunId, StateId, UserId, WorkItemId, WorkspaceId,
};

/// All state of one sandbox, behind one lock that is never held across an await.
pub(super) struct World {
    pub(super) edition: Edition,
    pub(super) workspaces: Vec<Workspace>,
    pub(super) runs: Vec<Run>,
    pub(super) tokens: HashMap<String, Token>,
    /// The requests of the last minute by credential.
    pub(super) windows: HashMap<String, VecDeque<Instant>>,
    pub(super) requests: Vec<RecordedRequest>,
    pub(super) violations: Vec<String>,
    pub(super) faults: Vec<Fault>,
    /// Where webhooks go.
    pub(super) target: Option<String>,
    /// Webhooks that are due and not sent yet: header name and body.
    pub(super) due: Vec<(String, Vec<u8>)>,
    pub(super) banner: Option<String>,
}

/// A bot token.
pub(super) struct Token {
    pub(super) workspace: WorkspaceId,
    pub(super) scopes: Scopes,
    pub(super) good_until: Instant,
}

pub(super) struct Workspace {
    pub(super) id: WorkspaceId,
    pub(super) slug: String,
    pub(super) name: String,
    pub(super) installation: InstallationId,
    pub(super) installed: bool,
    pub(super) webhook: Uuid,
    pub(super) bot: UserId,
    pub(super) api_key: String,
    pub(super) people: Vec<Person>,
    pub(super) projects: Vec<Project>,
    pub(super) created_at: Timestamp,
}

pub(super) struct Person {
    pub(super) id: UserId,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) display_name: String,
    /// 5 guest, 15 member, 20 admin.
    pub(super) role: u8,
    /// Whether it is no person.
    pub(super) is_bot: bool,
}

pub(super) struct Project {
    pub(super) id: ProjectId,
    pub(super) identifier: String,
    pub(super) name: String,
    pub(super) description: String,
    /// An IANA name.
    pub(super) timezone: String,
    pub(super) states: Vec<State>,
    pub(super) labels: Vec<Label>,
    pub(super) items: Vec<Item>,
    pub(super) archived: Vec<Item>,
    /// The highest number a work item ever had; numbers are not given again.
    pub(super) highest: u64,
    pub(super) page: Page,
    /// Made since.
    pub(super) more_pages: Vec<Page>,
    pub(super) intake: Vec<IntakeRecord>,
    /// The values of the estimate that is used, in order.
    pub(super) estimates: Vec<(EstimateId, String)>,
    pub(super) cycles: Vec<Cycle>,
    pub(super) modules: Vec<Module>,
    /// Who belongs to it besides the agent; `None` is everyone of the workspace.
    pub(super) members: Option<Vec<UserId>>,
    pub(super) created_by: UserId,
    pub(super) created_at: Timestamp,
}

impl Project {
    pub(super) fn has_member(&self, person: UserId) -> bool {
        self.members.as_ref().is_none_or(|members| members.contains(&person))
    }
}

/// A document of a project.
pub(super) struct Page {
    pub(super) id: PageId,
    pub(super) name: String,
    pub(super) html: String,
}

pub(super) struct State {
    pub(super) id: StateId,
    pub(super) name: String,
    pub(super) group: String,
    pub(super) color: String,
    pub(super) sequence: f64,
}

pub(super) struct Label {
    pub(super) id: LabelId,
    pub(super) name: String,
    pub(super) color: String,
    pub(super) external: External,
}

/// A point in time as Plane prints it: with microseconds.
pub(super) fn time(at: Timestamp) -> String {
    format!("{at:.6}")
}

impl World {
    pub(super) fn new(edition: Edition, workspaces: Vec<Workspace>) -> Self {
        Self {
            edition,
            due: Vec::new(),
            workspaces,
            runs: Vec::new(),
            tokens: HashMap::new(),
            windows: HashMap::new(),
            requests: Vec::new(),
            violations: Vec::new(),
            faults: Vec::new(),
            target: None,
            banner: None,
        }
    }

    pub(super) fn workspace(&self, id: WorkspaceId) -> Option<&Workspace> {
        self.workspaces.iter().find(|workspace| workspace.id == id)
    }

    pub(super) fn run(&self, id: RunId) -> Option<&Run> {
        self.runs.iter().find(|run| run.id == id)
    }

    pub(super) fn run_mut(&mut self, id: RunId) -> Option<&mut Run> {
        self.runs.iter_mut().find(|run| run.id == id)
    }

    /// The display name of a person of any workspace.
    pub(super) fn name_of(&self, user: UserId) -> String {
        let people = self.workspaces.iter().flat_map(|workspace| &workspace.people);
        people.into_iter().find(|person| person.id == user).map_or_else(|| user.to_string(), |p| p.display_name.clone())
    }

    pub(super) fn item(&self, id: WorkItemId) -> Option<(&Project, &Item)> {
        let projects = self.workspaces.iter().flat_map(|workspace| &workspace.projects);
        projects
            .into_iter()
            .find_map(|project| project.items.iter().find(|item| item.id == id).map(|item| (project, item)))
    }

    pub(super) fn item_mut(&mut self, id: WorkItemId) -> Option<&mut Item> {
        let projects = self.workspaces.iter_mut().flat_map(|workspace| &mut workspace.projects);
        projects.into_iter().flat_map(|project| &mut project.items).find(|item| item.id == id)
    }

    /// `MOB-3`
    pub(super) fn key_of(&self, id: WorkItemId) -> String {
        self.item(id).map_or_else(|| id.to_string(), |(project, item)| project.key_of(item))
    }
}

impl Workspace {
    pub(super) fn project(&self, id: ProjectId) -> Option<&Project> {
        self.projects.iter().find(|project| project.id == id)
    }

    pub(super) fn project_mut(&mut self, id: ProjectId) -> Option<&mut Project> {
        self.projects.iter_mut().find(|project| project.id == id)
    }

    /// By display or first name, whatever the case.
    pub(super) fn person(&self, name: &str) -> Option<&Person> {
        let matches = |person: &&Person| {
            person.display_name.eq_ignore_ascii_case(name) || person.first_name.eq_ignore_ascii_case(name)
        };
        self.people.iter().find(matches)
    }

    /// By key, such as `MOB-3`.
    pub(super) fn item_by_key(&self, key: &str) -> Option<(&Project, &Item)> {
        let all = self.projects.iter().flat_map(|project| project.items.iter().map(move |item| (project, item)));
        all.into_iter().find(|(project, item)| project.key_of(item) == key)
    }

    /// What is in an archive, by key.
    pub(super) fn archived_by_key(&self, key: &str) -> Option<(&Project, &Item)> {
        let all = self.projects.iter().flat_map(|project| project.archived.iter().map(move |item| (project, item)));
        all.into_iter().find(|(project, item)| project.key_of(item) == key)
    }

    pub(super) fn seed(&self) -> Option<Seed> {
        let project = self.projects.first()?;
        Some(Seed {
            slug: self.slug.clone(),
            workspace: self.id,
            name: self.name.clone(),
            project: project.id,
            project_identifier: project.identifier.clone(),
            page: project.page.id,
            bot: self.bot,
            api_key: self.api_key.clone(),
            installation: self.installation,
            people: self.people.iter().map(|person| (person.display_name.clone(), person.id)).collect(),
            work_items: project.items.iter().map(|item| (project.key_of(item), item.id)).collect(),
            states: project.states.iter().map(|state| (state.name.clone(), state.id)).collect::<BTreeMap<_, _>>(),
        })
    }
}

impl Project {
    pub(super) fn key_of(&self, item: &Item) -> String {
        format!("{}-{}", self.identifier, item.sequence)
    }

    pub(super) fn pages(&self) -> impl Iterator<Item = &Page> {
        std::iter::once(&self.page).chain(&self.more_pages)
    }

    pub(super) fn item(&self, id: WorkItemId) -> Option<&Item> {
        self.items.iter().find(|item| item.id == id)
    }

    pub(super) fn item_mut(&mut self, id: WorkItemId) -> Option<&mut Item> {
        self.items.iter_mut().find(|item| item.id == id)
    }

    pub(super) fn state(&self, id: StateId) -> Option<&State> {
        self.states.iter().find(|state| state.id == id)
    }

    pub(super) fn label(&self, id: LabelId) -> Option<&Label> {
        self.labels.iter().find(|label| label.id == id)
    }
}

impl Person {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "id": self.id, "first_name": self.first_name, "last_name": self.last_name,
            "email": format!("{}@example.test", self.display_name), "avatar": "", "avatar_url": null,
            "display_name": self.display_name,
        })
    }
}
