//! What people do: they mention the agent, reply to it, stop it. Each leaves a comment, an activity
//! and webhooks.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Shared,
    comment_writes::Place,
    edition::Edition,
    markup,
    plan::{Delivery, Mentioned, Which},
    run::{Activity, ActivityKind, Run},
    seed::BOT,
    webhook,
    world::{Comment, External, Item, Workspace, World},
};
use crate::domain::ids::{ActivityId, CommentId, RunId, UserId, WorkItemId};

/// The sandbox was asked about something that is not in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unknown {
    #[error("the sandbox has no workspace number {0}")]
    Workspace(usize),
    #[error("the sandbox has no work item {0}")]
    WorkItem(String),
    #[error("the sandbox has no person {0}")]
    Person(String),
    #[error("the sandbox has no run {0}")]
    Run(RunId),
    #[error("the sandbox has no comment {0}")]
    Comment(CommentId),
}

/// What was said, with the webhooks that are due for it.
pub(super) struct Said {
    pub(super) run: RunId,
    pub(super) prompt_activity: ActivityId,
    pub(super) comment: Option<CommentId>,
    pub(super) events: Vec<(String, Vec<u8>)>,
}

impl Shared {
    /// A new thread: a comment, a run and its first prompt.
    pub(super) fn begin(
        &self,
        workspace: usize,
        work_item: &str,
        author: &str,
        text: &str,
        delivery: &Delivery,
    ) -> Result<Said, Unknown> {
        let said = {
            let mut world = self.lock();
            let place = place(&world, workspace, work_item, author)?;
            let comment = CommentId(Uuid::new_v4());
            // In comments a conversation is the one that began it.
            let id = match world.edition {
                Edition::Commercial => RunId(Uuid::new_v4()),
                Edition::Community => RunId(comment.0),
            };
            let text = if markup::mentions(text, BOT) { text.to_owned() } else { format!("@{BOT} {text}") };
            let html = markup::comment_html(&text, &world.workspaces[workspace].people);
            add_comment_as(&mut world, comment, place.item, place.author, html.clone(), (None, Some(id)));
            let home = &world.workspaces[workspace];
            let project = home.item_by_key(work_item).map(|(project, _)| project.id);
            let project = project.ok_or_else(|| Unknown::WorkItem(work_item.to_owned()))?;
            let run = Run::new(id, home.id, (project, place.item), [home.bot, place.author]);
            let run = Run { comment, ..run };
            world.runs.push(run);
            self.prompt(
                &mut world,
                id,
                place.author,
                Words { html, comment: Some(comment), signal: "continue" },
                delivery,
            )?
        };
        self.touch();
        Ok(said)
    }

    /// A further prompt in a run's thread.
    pub(super) fn follow_up(&self, run: RunId, author: &str, text: &str, delivery: &Delivery) -> Result<Said, Unknown> {
        let said = {
            let mut world = self.lock();
            let (author, workspace) = participant(&world, run, author)?;
            let html = markup::comment_html(text, &workspace.people);
            let (issue, root) = world.run(run).map(|run| (run.issue, run.comment)).ok_or(Unknown::Run(run))?;
            let comment = add_comment(&mut world, issue, author, html.clone(), Some(root), Some(run));
            self.prompt(&mut world, run, author, Words { html, comment: Some(comment), signal: "continue" }, delivery)?
        };
        self.touch();
        Ok(said)
    }

    /// A further prompt in a comment that is no reply to any other.
    pub(super) fn say_beside(&self, run: RunId, author: &str, text: &str) -> Result<Said, Unknown> {
        let said = {
            let mut world = self.lock();
            let (author, workspace) = participant(&world, run, author)?;
            let html = markup::comment_html(text, &workspace.people);
            let issue = world.run(run).map(|run| run.issue).ok_or(Unknown::Run(run))?;
            let comment = add_comment(&mut world, issue, author, html.clone(), None, Some(run));
            let words = Words { html, comment: Some(comment), signal: "continue" };
            self.prompt(&mut world, run, author, words, &Delivery::prompt_only())?
        };
        self.touch();
        Ok(said)
    }

    /// Someone presses stop: no comment, only a prompt that carries the signal.
    pub(super) fn press_stop(&self, run: RunId, author: &str) -> Result<Said, Unknown> {
        let said = {
            let mut world = self.lock();
            let (author, _) = participant(&world, run, author)?;
            world.run_mut(run).ok_or(Unknown::Run(run))?.stop(author);
            let words = match world.edition {
                Edition::Commercial => Words { html: "Stop".to_owned(), comment: None, signal: "stop" },
                Edition::Community => {
                    let html = "<p>stop</p>".to_owned();
                    let (issue, root) = world.run(run).map(|run| (run.issue, run.comment)).ok_or(Unknown::Run(run))?;
                    let comment = add_comment(&mut world, issue, author, html.clone(), Some(root), Some(run));
                    Words { html, comment: Some(comment), signal: "stop" }
                }
            };
            self.prompt(&mut world, run, author, words, &Delivery::prompt_only())?
        };
        self.touch();
        Ok(said)
    }

    /// A comment that is nobody's business but people's.
    pub(super) fn plain_comment(
        &self,
        workspace: usize,
        work_item: &str,
        author: &str,
        text: &str,
    ) -> Result<CommentId, Unknown> {
        self.comment_under(workspace, work_item, author, text, External::default())
    }

    /// The same under a key such as programs give.
    pub(super) fn comment_under(
        &self,
        workspace: usize,
        work_item: &str,
        author: &str,
        text: &str,
        external: External,
    ) -> Result<CommentId, Unknown> {
        let comment = {
            let mut world = self.lock();
            let place = place(&world, workspace, work_item, author)?;
            let html = markup::comment_html(text, &world.workspaces[workspace].people);
            let comment = add_comment(&mut world, place.item, place.author, html, None, None);
            if let Some(added) = world.item_mut(place.item).and_then(|item| item.comments.last_mut()) {
                added.external = external;
            }
            let home = &world.workspaces[workspace];
            if let Some((project, _)) = home.item_by_key(work_item) {
                let at = Place { home: home.id, project: project.id, item: place.item };
                webhook::tell_of_comment(&mut world, at, comment, place.author, &[("created", None)]);
            }
            comment
        };
        self.touch();
        Ok(comment)
    }

    /// Somebody changes a comment, be it another's, as everyone of the project can with an API key; the webhook
    /// tells of it.
    pub(super) fn rewrite(&self, comment: CommentId, by: &str, text: &str, tell: bool) -> Result<(), Unknown> {
        {
            let mut world = self.lock();
            let (home, place) = home_of(&world, comment).ok_or(Unknown::Comment(comment))?;
            let by = home.person(by).map(|person| person.id).ok_or_else(|| Unknown::Person(by.to_owned()))?;
            let html = markup::comment_html(text, &home.people);
            let now = Timestamp::now();
            let item = world.item_mut(place.item).ok_or(Unknown::Comment(comment))?;
            item.updated_at = now;
            let mut before = String::new();
            for known in item.comments.iter_mut().filter(|known| known.id == comment) {
                before = std::mem::replace(&mut known.html, html.clone());
                (known.updated_at, known.updated_by) = (now, Some(by));
            }
            if tell {
                let change = ("updated", Some(("comment_html", before.as_str())));
                webhook::tell_of_comment(&mut world, place, comment, by, &[change]);
            }
        }
        self.touch();
        Ok(())
    }

    /// A person assigns a work item to somebody; the webhook tells of it.
    pub(super) fn assign(&self, workspace: usize, work_item: &str, author: &str, to: &str) -> Result<(), Unknown> {
        {
            let mut world = self.lock();
            let place = place(&world, workspace, work_item, author)?;
            let home = &world.workspaces[workspace];
            let to = home.person(to).map(|person| person.id).ok_or_else(|| Unknown::Person(to.to_owned()))?;
            let item = world.item_mut(place.item).ok_or_else(|| Unknown::WorkItem(work_item.to_owned()))?;
            let before = item.assignees.clone();
            item.assignees.push(to);
            item.updated_at = Timestamp::now();
            webhook::tell_of_assignment(&mut world, place.item, place.author, &before);
        }
        self.touch();
        Ok(())
    }

    /// Sends what is due in the background.
    pub(super) fn deliver_due(self: &Arc<Self>) {
        let due = std::mem::take(&mut self.lock().due);
        if due.is_empty() {
            return;
        }
        let shared = Arc::clone(self);
        self.tasks.spawn(async move {
            tokio::select! {
                () = shared.stop.cancelled() => {}
                _ = shared.send(&due) => {}
            }
        });
    }

    /// Sends events one after the other; the target's answers in order.
    pub(super) async fn send(&self, events: &[(String, Vec<u8>)]) -> Vec<u16> {
        let Some(target) = self.lock().target.clone() else {
            return Vec::new();
        };
        let mut statuses = Vec::with_capacity(events.len());
        for (name, body) in events {
            statuses
                .push(webhook::deliver(&self.http, &target, &self.options.webhook_secret, name, body.clone()).await);
        }
        statuses
    }

    fn prompt(
        &self,
        world: &mut World,
        run: RunId,
        author: UserId,
        words: Words,
        delivery: &Delivery,
    ) -> Result<Said, Unknown> {
        let activity = Activity {
            id: match (world.edition, words.comment) {
                (Edition::Community, Some(comment)) => ActivityId(comment.0),
                (Edition::Commercial | Edition::Community, _) => ActivityId(Uuid::new_v4()),
            },
            kind: ActivityKind::Prompt,
            content: content(&words.html),
            content_metadata: json!({}),
            signal: words.signal.to_owned(),
            signal_metadata: json!({}),
            actor: author,
            comment: words.comment,
            created_at: Timestamp::now(),
        };
        let prompt_activity = activity.id;
        let record = world.run_mut(run).ok_or(Unknown::Run(run))?;
        // Prompts are never missteps: only the agent's own activities are judged.
        let _ = record.absorb(activity.clone());
        let workspace = record.workspace;
        let (Some(workspace), Some(record)) = (world.workspace(workspace), world.run(run)) else {
            return Err(Unknown::Run(run));
        };
        let at = Place { home: record.workspace, project: record.project, item: record.issue };
        let make = |which| match (world.edition, words.comment) {
            (Edition::Commercial, _) => {
                Some(webhook::event(which, delivery.shape, workspace, &self.client_id, record, &activity))
            }
            (Edition::Community, Some(comment)) if which == Which::Prompt => {
                webhook::comment_event(world, at, comment, author, "created", None)
            }
            (Edition::Community, _) => None,
        };
        let events: Vec<_> = delivery.events.iter().filter_map(|which| make(*which)).collect();
        if let Some(record) = world.run_mut(run) {
            record.events.extend(events.iter().cloned());
        }
        Ok(Said { run, prompt_activity, comment: words.comment, events })
    }
}

impl Said {
    pub(super) fn answered(self, statuses: Vec<u16>) -> Mentioned {
        Mentioned { run: self.run, prompt_activity: self.prompt_activity, comment: self.comment, statuses }
    }
}

/// Adds a comment to a work item. Plane makes one of every lasting activity, too.
pub(super) fn add_comment(
    world: &mut World,
    item: WorkItemId,
    actor: UserId,
    html: String,
    parent: Option<CommentId>,
    run: Option<RunId>,
) -> CommentId {
    let id = CommentId(Uuid::new_v4());
    add_comment_as(world, id, item, actor, html, (parent, run));
    id
}

/// The same with the comment's id; the parent and the run come last.
fn add_comment_as(
    world: &mut World,
    id: CommentId,
    item: WorkItemId,
    actor: UserId,
    html: String,
    (parent, run): (Option<CommentId>, Option<RunId>),
) {
    let (access, external, now) = ("INTERNAL".to_owned(), External::default(), Timestamp::now());
    let (updated_by, created_at, updated_at) = (None, now, now);
    let comment = Comment { id, html, access, actor, updated_by, parent, external, created_at, updated_at, run };
    let counts_as_change = world.edition == Edition::Community;
    if let Some(item) = world.item_mut(item) {
        item.comments.push(comment);
        if counts_as_change {
            item.updated_at = now;
        }
    }
}

struct Words {
    html: String,
    comment: Option<CommentId>,
    signal: &'static str,
}

struct Author {
    item: WorkItemId,
    author: UserId,
}

fn place(world: &World, workspace: usize, work_item: &str, author: &str) -> Result<Author, Unknown> {
    let workspace = world.workspaces.get(workspace).ok_or(Unknown::Workspace(workspace))?;
    let (_, item) = workspace.item_by_key(work_item).ok_or_else(|| Unknown::WorkItem(work_item.to_owned()))?;
    let author = workspace.person(author).ok_or_else(|| Unknown::Person(author.to_owned()))?;
    Ok(Author { item: item.id, author: author.id })
}

fn home_of(world: &World, comment: CommentId) -> Option<(&Workspace, Place)> {
    let has = |item: &Item| item.comments.iter().any(|known| known.id == comment);
    world.workspaces.iter().find_map(|home| {
        let mut projects = home.projects.iter();
        let (project, item) =
            projects.find_map(|project| Some((project.id, project.items.iter().find(|item| has(item))?.id)))?;
        Some((home, Place { home: home.id, project, item }))
    })
}

fn participant<'a>(world: &'a World, run: RunId, author: &str) -> Result<(UserId, &'a Workspace), Unknown> {
    let workspace = world.run(run).and_then(|run| world.workspace(run.workspace)).ok_or(Unknown::Run(run))?;
    let person = workspace.person(author).ok_or_else(|| Unknown::Person(author.to_owned()))?;
    Ok((person.id, workspace))
}

fn content(body: &str) -> serde_json::Map<String, Value> {
    [("type".to_owned(), Value::from("prompt")), ("body".to_owned(), Value::from(body))].into_iter().collect()
}
