//! The seeded workspaces: a small product team with its board, its comments and its history.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    edition::Edition,
    files,
    plans::{self, Cycle, Module},
    seed_text::{self, ItemText, ProjectText},
    world::{Attachment, Change, Comment, External, Item, Label, Link, Page, Person, Project, State, Workspace, World},
};
use crate::domain::ids::{
    CommentId, CycleId, EstimateId, InstallationId, LabelId, ModuleId, PageId, ProjectId, StateId, UserId, WorkItemId,
    WorkspaceId,
};

/// The display name of the agent's bot user.
pub(super) const BOT: &str = "aileron";

/// A world with this many workspaces (1 or 2) and nothing happening in it yet.
pub(super) fn world(edition: Edition, workspaces: usize) -> World {
    let texts = [("acme", "Acme", &seed_text::MOBILE), ("globex", "Globex", &seed_text::WEB)];
    let now = Timestamp::now();
    World::new(
        edition,
        texts.into_iter().take(workspaces.max(1)).map(|(slug, name, text)| workspace(slug, name, text, now)).collect(),
    )
}

/// The same name has the same id in every sandbox, so that addresses can be shared.
fn id(name: &str) -> Uuid {
    let digest = Sha256::digest(name.as_bytes());
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

fn hours_before(now: Timestamp, hours: i64) -> Timestamp {
    now.checked_sub(SignedDuration::from_hours(hours)).unwrap_or(now)
}

fn workspace(slug: &str, name: &str, text: &ProjectText, now: Timestamp) -> Workspace {
    let person = |(first, last, role): &(&str, &str, u8)| Person {
        id: user(slug, &first.to_lowercase()),
        first_name: (*first).to_owned(),
        last_name: (*last).to_owned(),
        display_name: first.to_lowercase(),
        role: *role,
        is_bot: false,
    };
    let mut people: Vec<Person> = text.people.iter().map(person).collect();
    people.push(Person {
        id: user(slug, BOT),
        first_name: BOT.to_owned(),
        last_name: String::new(),
        display_name: BOT.to_owned(),
        role: 15,
        is_bot: true,
    });
    Workspace {
        id: WorkspaceId(id(slug)),
        slug: slug.to_owned(),
        name: name.to_owned(),
        installation: InstallationId(id(&format!("{slug}/installation"))),
        installed: true,
        webhook: id(&format!("{slug}/webhook")),
        bot: user(slug, BOT),
        api_key: format!("plane_api_{}", id(&format!("{slug}/key")).simple()),
        people,
        projects: vec![project(slug, text, now)],
        created_at: hours_before(now, 24 * 200),
    }
}

fn user(slug: &str, display_name: &str) -> UserId {
    UserId(id(&format!("{slug}/user/{display_name}")))
}

fn project(slug: &str, text: &ProjectText, now: Timestamp) -> Project {
    let at = |rest: String| id(&format!("{slug}/{}/{rest}", text.identifier));
    let states = seed_text::STATES.iter().zip(1_i32..).map(|((name, group, color), place)| State {
        id: StateId(at(format!("state/{name}"))),
        name: (*name).to_owned(),
        group: (*group).to_owned(),
        color: (*color).to_owned(),
        sequence: f64::from(place) * 10_000.0 + 5_000.0,
    });
    let labels = text.labels.iter().map(|(name, color)| Label {
        id: LabelId(at(format!("label/{name}"))),
        name: (*name).to_owned(),
        color: (*color).to_owned(),
        external: External::default(),
    });
    let of_number = |sequence: &u64| WorkItemId(at(format!("item/{sequence}")));
    let cycle = |(name, begins_in, numbers): &(&str, i64, &[u64])| Cycle {
        id: CycleId(at(format!("cycle/{name}"))),
        name: (*name).to_owned(),
        days: plans::fortnight(now, *begins_in),
        items: numbers.iter().map(of_number).collect(),
    };
    let module = |(name, status, numbers): &(&str, &str, &[u64])| Module {
        id: ModuleId(at(format!("module/{name}"))),
        name: (*name).to_owned(),
        status: (*status).to_owned(),
        items: numbers.iter().map(of_number).collect(),
    };
    let items = text.items.iter().zip(1_u64..).map(|(item_text, sequence)| {
        let place = Place { slug, identifier: text.identifier, sequence, now };
        place.item(item_text)
    });
    Project {
        id: ProjectId(at("project".to_owned())),
        identifier: text.identifier.to_owned(),
        name: text.name.to_owned(),
        description: text.description.to_owned(),
        timezone: text.timezone.to_owned(),
        states: states.collect(),
        labels: labels.collect(),
        items: items.collect(),
        archived: Vec::new(),
        highest: 0,
        page: Page { id: PageId(at("page".to_owned())), name: text.page.0.to_owned(), html: text.page.1.to_owned() },
        more_pages: Vec::new(),
        intake: Vec::new(),
        estimates: ["1", "2", "3", "5", "8"]
            .map(|value| (EstimateId(at(format!("estimate/{value}"))), value.to_owned()))
            .to_vec(),
        cycles: text.cycles.iter().map(cycle).collect(),
        modules: text.modules.iter().map(module).collect(),
        members: None,
        created_by: user(slug, &text.people[0].0.to_lowercase()),
        created_at: hours_before(now, 24 * 180),
    }
}

/// Where a work item is seeded; its ids derive from here.
struct Place<'a> {
    slug: &'a str,
    identifier: &'a str,
    sequence: u64,
    now: Timestamp,
}

impl Place<'_> {
    fn id(&self, rest: &str) -> Uuid {
        id(&format!("{}/{}/{rest}", self.slug, self.identifier))
    }

    fn item_id(&self, sequence: u64) -> WorkItemId {
        WorkItemId(self.id(&format!("item/{sequence}")))
    }

    fn user(&self, display_name: &str) -> UserId {
        user(self.slug, display_name)
    }

    fn item(&self, text: &ItemText) -> Item {
        let created_at = hours_before(self.now, text.hours_old);
        let created_by = self.user(text.author);
        let done = seed_text::STATES.iter().any(|(name, group, _)| *name == text.state && *group == "completed");
        let updated_at = hours_before(self.now, text.hours_old / 3);
        Item {
            id: self.item_id(self.sequence),
            sequence: self.sequence,
            name: text.name.to_owned(),
            description_html: text.html.to_owned(),
            priority: text.priority.to_owned(),
            state: StateId(self.id(&format!("state/{}", text.state))),
            assignees: text.assignees.iter().map(|name| self.user(name)).collect(),
            labels: text.labels.iter().map(|name| LabelId(self.id(&format!("label/{name}")))).collect(),
            parent: text.parent.map(|sequence| self.item_id(sequence)),
            start_date: None,
            target_date: None,
            estimate: None,
            external: External::default(),
            created_by,
            updated_by: None,
            created_at,
            updated_at,
            completed_at: done.then_some(updated_at),
            comments: self.comments(text),
            history: self.history(text),
            links: self.links(text),
            relations: text.relations.iter().map(|(kind, other)| ((*kind).to_owned(), self.item_id(*other))).collect(),
            attachments: self.attachments(text),
        }
    }

    fn comments(&self, text: &ItemText) -> Vec<Comment> {
        let count = i64::try_from(text.comments.len()).unwrap_or(1).max(1);
        let comment = |((author, html), place): (&(&str, &str), i64)| Comment {
            id: CommentId(self.id(&format!("item/{}/comment/{place}", self.sequence))),
            html: (*html).to_owned(),
            access: "INTERNAL".to_owned(),
            actor: self.user(author),
            updated_by: None,
            parent: None,
            external: External::default(),
            created_at: hours_before(self.now, text.hours_old * (count - place + 1) / (count + 1)),
            updated_at: hours_before(self.now, text.hours_old * (count - place + 1) / (count + 1)),
            run: None,
        };
        text.comments.iter().zip(1..).map(comment).collect()
    }

    fn history(&self, text: &ItemText) -> Vec<Change> {
        let change = |place: usize, field: Option<&str>, new: Option<&str>, actor: &str, hours: i64| Change {
            id: self.id(&format!("item/{}/change/{place}", self.sequence)),
            verb: if field.is_some() { "updated" } else { "created" }.to_owned(),
            field: field.map(str::to_owned),
            old: field.map(|field| if field == "state" { "Backlog" } else { "none" }.to_owned()),
            new: new.map(str::to_owned),
            sentence: field.map_or_else(|| "created the issue".to_owned(), |field| format!("updated the {field} to")),
            actor: self.user(actor),
            at: hours_before(self.now, hours),
        };
        let mut history = vec![change(0, None, None, text.author, text.hours_old)];
        let who = text.assignees.first().copied().unwrap_or(text.author);
        if text.priority != "none" {
            history.push(change(1, Some("priority"), Some(text.priority), text.author, text.hours_old * 2 / 3));
        }
        if text.state != "Backlog" {
            history.push(change(2, Some("state"), Some(text.state), who, text.hours_old / 2));
        }
        // Whatever is hung on a work item is in its log, too.
        let mut hang = |verb: &str, field: &str, new: String, sentence: String| {
            let place = history.len() + 10;
            history.push(Change {
                id: self.id(&format!("item/{}/change/{place}", self.sequence)),
                verb: verb.to_owned(),
                field: Some(field.to_owned()),
                old: None,
                new: Some(new),
                sentence,
                actor: self.user(text.author),
                at: hours_before(self.now, text.hours_old / 2),
            });
        };
        for (_, url) in text.links {
            hang("created", "link", (*url).to_owned(), "created a link".to_owned());
        }
        for (name, _, _) in text.attachments {
            hang("created", "attachment", (*name).to_owned(), "created an attachment".to_owned());
        }
        for (kind, other) in text.relations {
            hang("updated", kind, format!("{}-{other}", self.identifier), format!("added {kind} relation"));
        }
        history
    }

    fn attachments(&self, text: &ItemText) -> Vec<Attachment> {
        let file = |((name, media_type, bytes), place): (&(&str, &str, u64), usize)| Attachment {
            id: self.id(&format!("item/{}/attachment/{place}", self.sequence)),
            name: (*name).to_owned(),
            media_type: (*media_type).to_owned(),
            content: files::seeded(media_type, *bytes),
            listed: true,
            created_by: self.user(text.author),
            created_at: hours_before(self.now, text.hours_old / 2),
        };
        text.attachments.iter().zip(0..).map(file).collect()
    }

    fn links(&self, text: &ItemText) -> Vec<Link> {
        let link = |((title, url), place): (&(&str, &str), usize)| Link {
            id: self.id(&format!("item/{}/link/{place}", self.sequence)),
            title: (*title).to_owned(),
            url: (*url).to_owned(),
            created_by: self.user(text.author),
            created_at: hours_before(self.now, text.hours_old),
        };
        text.links.iter().zip(0..).map(link).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seeded_reference_exists() {
        let world = world(Edition::Commercial, 2);
        for workspace in &world.workspaces {
            for (project, item) in workspace.projects.iter().flat_map(|p| p.items.iter().map(move |i| (p, i))) {
                let key = project.key_of(item);
                assert!(project.state(item.state).is_some(), "{key} state");
                assert!(item.labels.iter().all(|label| project.label(*label).is_some()), "{key} labels");
                assert!(item.parent.is_none_or(|parent| project.item(parent).is_some()), "{key} parent");
                assert!(item.relations.iter().all(|(_, other)| project.item(*other).is_some()), "{key} relations");
                let known = |user: &UserId| workspace.people.iter().any(|person| person.id == *user);
                assert!(item.assignees.iter().all(known) && known(&item.created_by), "{key} people");
                assert!(item.comments.iter().all(|comment| known(&comment.actor)), "{key} comments");
            }
        }
    }
}
