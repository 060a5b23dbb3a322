//! What the tracker looks like to whoever tests that the agent wrote what it should, and once.

use std::fmt::Write as _;

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    known,
    project_writes::IntakeRecord,
    talk::Unknown,
    world::{External, Item, Link, Person, Project, World},
};
use crate::domain::ids::{RunId, UserId, WorkItemId};

impl super::Sandbox {
    /// A person of a workspace, or the agent's bot, has this role from now on: 5 guest, 15 member, 20 admin.
    pub fn set_role(&self, workspace: usize, name: &str, role: u8) {
        let mut world = self.shared.lock();
        let people = world.workspaces.get_mut(workspace).into_iter().flat_map(|home| &mut home.people);
        for person in people.filter(|person| person.display_name == name) {
            person.role = role;
        }
    }

    /// A person puts a label of its project on a work item by hand.
    pub fn put_label(&self, workspace: usize, work_item: &str, label: &str) {
        let id = {
            let world = self.shared.lock();
            let project = world.workspaces.get(workspace).and_then(|home| home.item_by_key(work_item));
            let label = project.and_then(|(project, _)| project.labels.iter().find(|known| known.name == label));
            label.map(|label| label.id)
        };
        self.by_hand(workspace, work_item, |item| item.labels.extend(id));
    }

    /// A person links a work item by hand.
    pub fn put_link(&self, workspace: usize, work_item: &str, url: &str) {
        self.by_hand(workspace, work_item, |item| {
            let (title, url) = (String::new(), url.to_owned());
            item.links.push(Link {
                id: Uuid::new_v4(),
                title,
                url,
                created_by: item.created_by,
                created_at: Timestamp::now(),
            });
        });
    }

    fn by_hand(&self, workspace: usize, work_item: &str, change: impl FnOnce(&mut Item)) {
        let mut world = self.shared.lock();
        let found = world.workspaces.get(workspace).and_then(|workspace| workspace.item_by_key(work_item));
        let id = known(found.map(|(_, item)| item.id).ok_or_else(|| Unknown::WorkItem(work_item.to_owned())));
        if let Some(item) = world.item_mut(id) {
            change(item);
        }
    }

    /// Another bot joins a workspace, as a member of its projects.
    pub fn add_bot(&self, workspace: usize, name: &str) {
        let person = Person {
            id: UserId(Uuid::new_v4()),
            first_name: name.to_owned(),
            last_name: String::new(),
            display_name: name.to_owned(),
            role: 15,
            is_bot: true,
        };
        let mut world = self.shared.lock();
        if let Some(home) = world.workspaces.get_mut(workspace) {
            home.people.push(person);
        }
    }

    /// Somebody reports something into the intake of a workspace's first project; gives its key.
    #[must_use]
    pub fn report(&self, workspace: usize, author: &str, name: &str, html: &str) -> String {
        known(report(&mut self.shared.lock(), workspace, author, name, html).ok_or(Unknown::Workspace(workspace)))
    }
}

fn report(world: &mut World, workspace: usize, author: &str, name: &str, html: &str) -> Option<String> {
    let workspace = world.workspaces.get_mut(workspace)?;
    let author = workspace.person(author)?.id;
    let project = workspace.projects.first_mut()?;
    let blank = Item::blank(project, author, Timestamp::now())?;
    let item = Item { name: name.to_owned(), description_html: html.to_owned(), ..blank };
    project.highest = item.sequence;
    let key = project.key_of(&item);
    project.intake.push(IntakeRecord { id: Uuid::new_v4(), item, status: -2, snoozed_till: None, duplicate_to: None });
    Some(key)
}

/// Adds an empty work item to the first project of a workspace and gives its key.
pub(super) fn add_item(world: &mut World, workspace: usize, name: &str) -> Option<String> {
    let workspace = world.workspaces.get_mut(workspace)?;
    let author = workspace.people.first()?.id;
    let project = workspace.projects.first_mut()?;
    let item = Item { name: name.to_owned(), ..Item::blank(project, author, Timestamp::now())? };
    let key = project.key_of(&item);
    project.items.push(item);
    Some(key)
}

/// The run's work item as it stands, and everything that was created under a key of the run, in a
/// fixed form without ids and times.
pub(super) fn written_by(world: &World, run: RunId) -> Option<String> {
    let of_run = |external: &External| external.id.as_ref().is_some_and(|id| id.starts_with(&run.to_string()));
    let (home, its_item) = world.item(world.run(run)?.issue)?;
    let changes = its_item.history.len();
    let mut text = format!("its work item: {}, changed {changes} times\n", fields(world, home, its_item));
    let around = around(world, home, its_item);
    if !around.is_empty() {
        let _ = writeln!(text, "around it: {}", around.join(", "));
    }
    let mut created = Vec::new();
    for project in world.workspaces.iter().flat_map(|workspace| &workspace.projects) {
        for item in &project.items {
            if of_run(&item.external) {
                created.push(format!("created: {}", fields(world, project, item)));
            }
            let comments = item.comments.iter().filter(|comment| of_run(&comment.external));
            let place = if item.id == its_item.id { "its work item".to_owned() } else { project.key_of(item) };
            created.extend(comments.map(|comment| format!("comment on {place}: {}", comment.html)));
        }
    }
    created.sort();
    for line in created {
        let _ = writeln!(text, "{line}");
    }
    Some(text)
}

/// What hangs on a work item, and where it was put.
fn around(world: &World, project: &Project, item: &Item) -> Vec<String> {
    let links = item.links.iter().map(|link| format!("link {}", link.url));
    let relations = item.relations.iter().map(|(kind, other)| format!("{kind} {}", world.key_of(*other)));
    links.chain(relations).chain(groups_of(project, item.id).map(|name| format!("in {name}"))).collect()
}

/// The names of the cycles and modules a work item is in.
pub(super) fn groups_of(project: &Project, item: WorkItemId) -> impl Iterator<Item = &str> {
    let cycles = project.cycles.iter().filter(move |cycle| cycle.items.contains(&item));
    let modules = project.modules.iter().filter(move |module| module.items.contains(&item));
    cycles.map(|cycle| cycle.name.as_str()).chain(modules.map(|module| module.name.as_str()))
}

fn fields(world: &World, project: &Project, item: &Item) -> String {
    let state = project.state(item.state).map(|state| state.name.as_str()).unwrap_or_default();
    let labels: Vec<_> =
        item.labels.iter().filter_map(|id| project.label(*id)).map(|label| label.name.as_str()).collect();
    let assignees: Vec<_> = item.assignees.iter().map(|id| world.name_of(*id)).collect();
    format!(
        "{:?}, {:?}, {}, {state}, labels {labels:?}, assignees {assignees:?}, {:?} to {:?}",
        item.name, item.description_html, item.priority, item.start_date, item.target_date
    )
}
