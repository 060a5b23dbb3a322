//! What tests put into the tracker as if people had, and the tracker as a whole to compare it by.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::{
    Sandbox, Unknown, known, tracker,
    world::{Attachment, Comment, External, Item, Label, Link, Page, Person, Project, State, World},
};
use crate::domain::ids::{CommentId, LabelId, PageId, ProjectId, StateId, UserId};

/// Where somebody's words stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Title,
    /// HTML, as all that is written at length.
    Description,
    Comment,
    /// The project's page, at its end.
    Page,
    /// The name of a new label on the work item.
    Label,
    /// The display name of a new member, who is assigned to the work item.
    Member,
    Link,
    Attachment,
}

impl Sandbox {
    /// Somebody writes these words in a place of a work item of the first project.
    pub fn plant(&self, workspace: usize, work_item: &str, place: Place, words: &str) {
        let planted = plant(&mut self.shared.lock(), workspace, work_item, place, words);
        known(planted.ok_or_else(|| Unknown::WorkItem(work_item.to_owned())));
    }

    /// A further project with one work item, which is given by its key.
    #[must_use]
    pub fn add_project(&self, workspace: usize, identifier: &str, name: &str, description_html: &str) -> String {
        let mut world = self.shared.lock();
        let item = add_project(&mut world, workspace, identifier, name, description_html);
        known(item.ok_or(Unknown::Workspace(workspace)))
    }

    /// Every project with all that is in it, a line for each thing, headed by the key of its work item;
    /// the threads of runs are left out.
    #[must_use]
    pub fn tracker(&self) -> Vec<String> {
        whole(&self.shared.lock())
    }
}

fn plant(world: &mut World, workspace: usize, work_item: &str, place: Place, words: &str) -> Option<()> {
    let home = world.workspaces.get_mut(workspace)?;
    let id = home.item_by_key(work_item)?.1.id;
    let author = home.people.first()?.id;
    if place == Place::Member {
        let person = Person {
            id: UserId(Uuid::new_v4()),
            first_name: words.to_owned(),
            last_name: String::new(),
            display_name: words.to_owned(),
            role: 15,
            is_bot: false,
        };
        let assigned = person.id;
        home.people.push(person);
        home.projects.iter_mut().find_map(|project| project.item_mut(id))?.assignees.push(assigned);
        return Some(());
    }
    let project = home.projects.iter_mut().find(|project| project.item(id).is_some())?;
    if place == Place::Page {
        let _ = write!(project.page.html, "<p>{words}</p>");
        return Some(());
    }
    if place == Place::Label {
        let label = Label {
            id: LabelId(Uuid::new_v4()),
            name: words.to_owned(),
            color: "#000000".to_owned(),
            external: External::default(),
        };
        let hung = label.id;
        project.labels.push(label);
        project.item_mut(id)?.labels.push(hung);
        return Some(());
    }
    write_on(project.item_mut(id)?, place, words, author);
    Some(())
}

fn write_on(item: &mut Item, place: Place, words: &str, author: UserId) {
    let now = Timestamp::now();
    match place {
        Place::Title => item.name = words.to_owned(),
        Place::Description => item.description_html = words.to_owned(),
        Place::Comment => item.comments.push(Comment {
            id: CommentId(Uuid::new_v4()),
            html: words.to_owned(),
            access: "INTERNAL".to_owned(),
            actor: author,
            updated_by: None,
            parent: None,
            external: External::default(),
            created_at: now,
            updated_at: now,
            run: None,
        }),
        Place::Link => {
            let (title, url) = (words.to_owned(), "https://design.example.test/x".to_owned());
            item.history.push(hung("link", &url, author));
            item.links.push(Link { id: Uuid::new_v4(), title, url, created_by: author, created_at: now });
        }
        Place::Attachment => {
            item.history.push(hung("attachment", words, author));
            item.attachments.push(Attachment {
                id: Uuid::new_v4(),
                name: words.to_owned(),
                media_type: "text/plain".to_owned(),
                content: vec![b'x'],
                listed: true,
                created_by: author,
                created_at: now,
            });
        }
        // These are not on the work item itself.
        Place::Page | Place::Label | Place::Member => {}
    }
}

/// The log tells of what hangs on a work item.
fn hung(field: &str, new: &str, actor: UserId) -> super::world::Change {
    super::world::Change {
        id: Uuid::new_v4(),
        verb: "created".to_owned(),
        field: Some(field.to_owned()),
        old: None,
        new: Some(new.to_owned()),
        sentence: format!("created a {field}"),
        actor,
        at: Timestamp::now(),
    }
}

fn add_project(
    world: &mut World,
    workspace: usize,
    identifier: &str,
    name: &str,
    description_html: &str,
) -> Option<String> {
    let home = world.workspaces.get_mut(workspace)?;
    let author = home.people.first()?.id;
    let states = home.projects.first()?.states.iter().map(|state| State {
        id: StateId(Uuid::new_v4()),
        name: state.name.clone(),
        group: state.group.clone(),
        color: state.color.clone(),
        sequence: state.sequence,
    });
    let mut project = Project {
        id: ProjectId(Uuid::new_v4()),
        identifier: identifier.to_owned(),
        name: name.to_owned(),
        description: String::new(),
        timezone: "UTC".to_owned(),
        states: states.collect(),
        labels: Vec::new(),
        items: Vec::new(),
        archived: Vec::new(),
        highest: 0,
        page: Page { id: PageId(Uuid::new_v4()), name: name.to_owned(), html: String::new() },
        more_pages: Vec::new(),
        intake: Vec::new(),
        estimates: Vec::new(),
        cycles: Vec::new(),
        modules: Vec::new(),
        // Only who made it belongs to it.
        members: Some(vec![author]),
        created_by: author,
        created_at: Timestamp::now(),
    };
    let item = Item {
        name: name.to_owned(),
        description_html: description_html.to_owned(),
        ..Item::blank(&project, author, Timestamp::now())?
    };
    let key = project.key_of(&item);
    project.items.push(item);
    home.projects.push(project);
    Some(key)
}

fn whole(world: &World) -> Vec<String> {
    let mut lines = Vec::new();
    for home in &world.workspaces {
        let people = home.people.iter().map(|person| format!("{} {}", person.display_name, person.role));
        lines.push(format!("{}: people {:?}", home.slug, people.collect::<Vec<_>>()));
        for project in &home.projects {
            let head = |rest: String| format!("{}: {rest}", project.identifier);
            let states = project.states.iter().map(|state| state.name.as_str()).collect::<Vec<_>>();
            let plans = project.cycles.iter().map(|cycle| &cycle.name).chain(project.modules.iter().map(|it| &it.name));
            lines.push(head(format!("{:?}, states {states:?}, plans {:?}", project.name, plans.collect::<Vec<_>>())));
            lines.extend(project.labels.iter().map(|label| head(format!("label {}", label.name))));
            lines.extend(project.pages().map(|page| head(format!("page {} {}", page.name, page.html))));
            lines.extend(project.intake.iter().map(|record| {
                let (name, decided) = (&record.item.name, (record.status, &record.snoozed_till, record.duplicate_to));
                head(format!("intake {name:?} {decided:?}"))
            }));
            for item in &project.items {
                of_item(world, home, project, item, &mut lines);
            }
            for item in &project.archived {
                lines.push(format!("{}: archived", project.key_of(item)));
                of_item(world, home, project, item, &mut lines);
            }
        }
    }
    lines
}

fn of_item(world: &World, home: &super::world::Workspace, project: &Project, item: &Item, lines: &mut Vec<String>) {
    let key = project.key_of(item);
    let mut fields = super::json::item(home, project, item);
    // The thread of a run touches it.
    for moment in ["updated_at", "updated_by"] {
        fields[moment] = json!(null);
    }
    lines.push(format!("{key}: {fields}"));
    let comments = item.comments.iter().filter(|comment| comment.run.is_none());
    lines.extend(
        comments.map(|comment| format!("{key}: comment by {}: {}", world.name_of(comment.actor), comment.html)),
    );
    lines.extend(item.links.iter().map(|link| format!("{key}: link {} {}", link.title, link.url)));
    lines.extend(item.attachments.iter().map(|file| format!("{key}: file {}", file.name)));
    lines.extend(item.relations.iter().map(|(kind, other)| format!("{key}: {kind} {}", world.key_of(*other))));
    lines.extend(tracker::groups_of(project, item.id).map(|name| format!("{key}: in {name}")));
    lines.extend(
        item.history.iter().map(|change| format!("{key}: log {:?} {:?} {:?}", change.verb, change.field, change.new)),
    );
}
