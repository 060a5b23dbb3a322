//! Reads a run's work item and puts it into words for the model: in parallel, with as few requests as
//! Plane allows, bounded, and marked as other people's text.
//!
//! A first mention costs four requests: the work item, its comments, its change log, and the titles of
//! the project's work items, which name parents, children and relations and are remembered for a
//! minute. A fifth tells the project's time zone, seldom. The log tells whether anything hangs on the work
//! item; only then are relations, links and files asked for. In a project with more than a hundred work items
//! an older parent and older related ones cost a request each, five at most; older children stay unnamed, as
//! Plane has no list of them.
//!
//! Times are told in the project's time zone or in the configured one, never in the asker's own: no call of
//! Plane's tells it. A member is told with names and a picture only, and the offset Plane writes times with is
//! that of whoever asks, which is the app.

pub mod look;
mod pictures;
pub mod seen;
mod titles;

use jiff::Timestamp;

use self::{look::Look, seen::Seen, titles::Titles};
use super::{Agent, fence::unfenced, gist::Gist};
use crate::{
    domain::{
        disposition::Disposition,
        event::RunInfo,
        ids::{ProjectId, WorkItemId},
        work_item::{Attachment, Change, Comment, ItemTitle, Link, Page, Relation, WorkItem},
    },
    plane::{PlaneError, html},
    tools::{
        When,
        describe::{self, Names, one_line},
    },
};

/// Longest description kept; what a model has room for is decided when it is asked.
const DESCRIPTION_LIMIT_CHARS: usize = 40_000;
/// Comments asked for.
const COMMENTS: u32 = 50;
/// The newest of them are kept whole, but for this limit.
const WHOLE_COMMENTS: usize = 8;
const WHOLE_COMMENT_LIMIT_CHARS: usize = 8_000;
const OLDER_COMMENT_LIMIT_CHARS: usize = 600;
/// Changes asked for: as many as one request gives, so that the log tells what hangs on the work item.
const CHANGES: u32 = 100;
/// Changes kept.
const CHANGES_KEPT: usize = 15;
/// Lines kept of every other list: a page of Plane's, and more than are ever shown, so that what is told
/// to be missing is counted right.
const LINES_KEPT: usize = 100;
/// Longest title, link or file name.
const LINE_LIMIT_CHARS: usize = 300;
/// Longest media type of a file; whoever uploads it may name any.
const MEDIA_TYPE_LIMIT_CHARS: usize = 60;
/// Earlier conversations recalled, and how many are looked through for them.
const RECALLED: usize = 5;
const GISTS_READ: usize = 100;

impl Agent {
    /// The run's work item as it is now; `None` if the run belongs to none. `before` is the look of the
    /// turn before.
    ///
    /// # Errors
    /// The work item itself could not be read. Comments and history that Plane withholds are only
    /// left out; what may pass is an error, so that the turn is tried again with the whole picture.
    pub async fn look(&self, run: &RunInfo, before: Option<&Look>) -> Result<Option<Look>, PlaneError> {
        let (Some(project), Some(id)) = (run.project, run.work_item) else {
            return Ok(None);
        };
        let place = Place { run, project, id };
        let (item, comments, history, titles, when, earlier) = tokio::join!(
            self.plane.work_item(run.workspace, project, id),
            self.plane.comments(run.workspace, project, id, 0, COMMENTS),
            self.plane.history(run.workspace, project, id, CHANGES),
            self.facts.titles(run.workspace, project),
            self.when(run),
            self.earlier(run, id),
        );
        let (item, mut unread) = (item?, Vec::new());
        let comments = unless_withheld(comments, "comments", &mut unread)?;
        let history = unless_withheld(history, "history", &mut unread)?;
        let titles = titles
            .inspect_err(|error| {
                tracing::debug!(%error, "children and the names behind relations are left out of the context");
                unread.push("children".to_owned());
            })
            .ok();
        let ((relations, links, attachments), names) =
            tokio::join!(self.hung(&place, &history), self.names_in(&place, &item, &comments.items, &history.items));
        let relations = or_unread(relations, "relations", &mut unread);
        let links = or_unread(links, "links", &mut unread);
        let attachments = or_unread(attachments, "attachments", &mut unread);
        let titles = self.titles_of(&place, &item, &relations, titles).await;
        let mut look = Look {
            at: Timestamp::now(),
            zone: when.zone_name(),
            browse: self.plane.browse(run.workspace),
            relations: relations.iter().map(|known| line(known, &item, &titles)).collect(),
            links: links.iter().map(link_line).collect(),
            attachments: attachments.iter().map(file_line).collect(),
            pictures: pictures::of(run, &item, &comments.items, &attachments, &names),
            earlier: earlier.iter().map(|gist| gist.to_line(&when)).collect(),
            ..Look::default()
        };
        describe_item(&mut look, &item, &titles, &names, &when);
        describe_talk(&mut look, &comments, &history, &names, &when);
        look.seen = Seen::of(&item, &comments.items, &names);
        if let Some(before) = before {
            look.news = before.seen.news(&look.seen, &comments.items, run, &names);
        }
        look.unread = unread;
        look.keep_inside_the_fence();
        Ok(Some(look))
    }

    /// The clocks of the run's project, or of the place the config names.
    async fn when(&self, run: &RunInfo) -> When {
        let now = Timestamp::now();
        match (&self.time_zone, run.project) {
            (Some(zone), _) => When::new(zone, now),
            (None, Some(project)) => match self.facts.project(run.workspace, project).await {
                Ok(project) => When::new(&project.time_zone, now),
                Err(error) => {
                    tracing::debug!(%error, "the project's time zone is unknown; times are told in UTC");
                    When::new("UTC", now)
                }
            },
            (None, None) => When::new("UTC", now),
        }
    }

    /// What other runs on the work item came to, the newest last.
    async fn earlier(&self, run: &RunInfo, id: WorkItemId) -> Vec<Gist> {
        let gists = match self.store.gists(id, GISTS_READ).await {
            Ok(gists) => gists,
            Err(error) => {
                tracing::warn!(%error, "earlier conversations cannot be recalled");
                return Vec::new();
            }
        };
        let others = gists.iter().filter(|(other, _)| *other != run.id);
        let mut gists: Vec<_> = others.filter_map(|(_, text)| Gist::decode(text)).collect();
        // A work item's id is Plane's own, but what one workspace said is never told in another.
        gists.retain(|gist| gist.workspace == run.workspace);
        gists.sort_by_key(|gist| gist.at);
        gists.split_off(gists.len().saturating_sub(RECALLED))
    }

    /// Relations, links and files, each asked for only if the log tells of some or is not known whole.
    async fn hung(&self, place: &Place<'_>, history: &Page<Change>) -> Hung {
        let (plane, workspace, project, id) = (&self.plane, place.run.workspace, place.project, place.id);
        let partly_known = history.total > history.items.len() as u64 || history.items.is_empty();
        let told = |is: fn(&str) -> bool| {
            partly_known || history.items.iter().filter_map(|change| change.field.as_deref()).any(is)
        };
        tokio::join!(
            when_told(told(is_relation), plane.relations(workspace, project, id)),
            when_told(told(|field| field.contains("link")), async {
                plane.links(workspace, project, id).await.map(|page| page.items)
            }),
            when_told(told(|field| field.contains("attachment")), plane.attachments(workspace, project, id)),
        )
    }

    /// The names of everyone who wrote, acted or is mentioned. Members are asked for only if someone is
    /// not among those Plane has named already.
    async fn names_in(&self, place: &Place<'_>, item: &WorkItem, comments: &[Comment], changes: &[Change]) -> Names {
        let mut names = Names::default();
        let authors = comments.iter().filter_map(|comment| comment.author.as_ref());
        let actors = changes.iter().filter_map(|change| change.actor.as_ref());
        let named: Vec<_> = item.assignees.iter().chain(&item.created_by).chain(authors).chain(actors).collect();
        for person in &named {
            names.add(person.id, &person.display_name);
        }
        let texts = comments.iter().map(|comment| comment.html.as_str()).chain([item.description_html.as_str()]);
        let mentioned = texts.flat_map(html::mentioned_users);
        let everyone: Vec<_> = mentioned.chain(named.iter().map(|person| person.id)).collect();
        if !names.know_all(&everyone) {
            // A name that cannot be looked up is no reason to fail the reading.
            for person in self.facts.members(place.run.workspace, place.project).await.unwrap_or_default().iter() {
                names.add(person.id, &person.display_name);
            }
        }
        names
    }
}

/// The work item of a run.
struct Place<'a> {
    run: &'a RunInfo,
    project: ProjectId,
    id: WorkItemId,
}

type Hung = (Result<Vec<Relation>, PlaneError>, Result<Vec<Link>, PlaneError>, Result<Vec<Attachment>, PlaneError>);

async fn when_told<T>(told: bool, ask: impl Future<Output = Result<Vec<T>, PlaneError>>) -> Result<Vec<T>, PlaneError> {
    if told { ask.await } else { Ok(Vec::new()) }
}

fn is_relation(field: &str) -> bool {
    ["block", "relat", "duplicate", "start_", "finish_", "depend", "implement"].iter().any(|part| field.contains(part))
}

fn describe_item(look: &mut Look, item: &WorkItem, titles: &Titles, names: &Names, when: &When) {
    let parent = item.parent.as_ref().and_then(|parent| titles.get(parent.id));
    look.key = item.key().unwrap_or_else(|| "This work item".to_owned());
    look.name = one_line(&item.name);
    look.fields = describe::fields(item, parent.map(|parent| title_line(parent, item)), names, when);
    look.description = describe::description(item, names, DESCRIPTION_LIMIT_CHARS);
    let Some(titles) = &titles.newest else { return };
    let children = titles.items.iter().filter(|title| title.parent == Some(item.id));
    look.children = children.map(|child| format!("- {}", title_line(child, item))).collect();
    if titles.more && !look.children.is_empty() {
        let searched = titles.items.len();
        let note = format!("- [only the {searched} newest of {} work items were searched for children]", titles.total);
        // In front, where no cut takes it away.
        look.children.insert(0, note);
    }
}

fn describe_talk(look: &mut Look, comments: &Page<Comment>, history: &Page<Change>, names: &Names, when: &When) {
    let newest_first = comments.items.iter().enumerate().map(|(place, comment)| {
        let limit = if place < WHOLE_COMMENTS { WHOLE_COMMENT_LIMIT_CHARS } else { OLDER_COMMENT_LIMIT_CHARS };
        describe::comment(comment, names, when, limit)
    });
    look.comments = newest_first.collect();
    look.comments.reverse();
    look.older_comments = comments.total.saturating_sub(look.comments.len() as u64);
    let newest = history.items.iter().take(CHANGES_KEPT);
    look.history = newest.map(|change| describe::change(change, names, when)).collect();
    look.history.reverse();
    look.older_changes = history.total.saturating_sub(look.history.len() as u64);
}

/// `MOB-4: Push notifications arrive twice (Todo)`
fn title_line(title: &ItemTitle, beside: &WorkItem) -> String {
    let key = beside.project.identifier.as_ref().map(|identifier| format!("{identifier}-{}: ", title.sequence));
    let state = title.state.as_ref().and_then(|state| state.name.as_ref()).map(|state| format!(" ({state})"));
    let name = describe::shortened(&title.name, LINE_LIMIT_CHARS);
    format!("{}{name}{}", key.unwrap_or_default(), state.unwrap_or_default())
}

/// `- blocked by MOB-1: Redesign the checkout screen (In Progress)`
fn line(relation: &Relation, item: &WorkItem, titles: &Titles) -> String {
    let other = match titles.get(relation.other) {
        Some(title) => title_line(title, item),
        None if !titles.are_told() => "a work item whose title could not be read".to_owned(),
        None if relation.project.is_some_and(|project| project != item.project.id) => {
            "a work item of another project".to_owned()
        }
        None => "an older work item of this project".to_owned(),
    };
    let kind = describe::shortened(&relation.kind.replace('_', " "), LINE_LIMIT_CHARS);
    format!("- {kind} {other}")
}

fn link_line(link: &Link) -> String {
    let url = describe::shortened(&link.url, LINE_LIMIT_CHARS);
    match describe::shortened(&link.title, LINE_LIMIT_CHARS) {
        title if title.is_empty() => format!("- {url}"),
        title => format!("- {title}: {url}"),
    }
}

fn file_line(file: &Attachment) -> String {
    let name = if file.name.is_empty() { "a file" } else { &file.name };
    let notes = [Some(describe::shortened(&file.media_type, MEDIA_TYPE_LIMIT_CHARS)), file.bytes.map(size)];
    let notes: Vec<_> = notes.into_iter().flatten().filter(|note| !note.is_empty()).collect();
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
    format!("- {}{notes}", describe::shortened(name, LINE_LIMIT_CHARS))
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} KB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

impl Look {
    /// Bounds every list and takes from every text what could end the fence it is shown in.
    fn keep_inside_the_fence(&mut self) {
        self.name = unfenced(&self.name);
        self.description = unfenced(&self.description);
        let lists = [
            &mut self.fields,
            &mut self.comments,
            &mut self.children,
            &mut self.relations,
            &mut self.links,
            &mut self.attachments,
            &mut self.history,
            &mut self.news,
            &mut self.earlier,
        ];
        for list in lists {
            if list.len() > LINES_KEPT {
                let more = list.len() - LINES_KEPT;
                list.truncate(LINES_KEPT);
                list.push(format!("- [… {more} more]"));
            }
            list.iter_mut().for_each(|text| *text = unfenced(text));
        }
    }
}

fn unless_withheld<T>(
    page: Result<Page<T>, PlaneError>,
    what: &str,
    unread: &mut Vec<String>,
) -> Result<Page<T>, PlaneError> {
    let error = match page {
        Ok(page) => return Ok(page),
        Err(error) => error,
    };
    match error.disposition() {
        Disposition::TellModel => {
            tracing::debug!(%error, what, "left out of the context");
            unread.push(what.to_owned());
            Ok(Page { items: Vec::new(), total: 0, more: false })
        }
        Disposition::Retry { .. } | Disposition::GiveUp => Err(error),
    }
}

/// What hangs on a work item is worth having, but not worth failing the turn for.
fn or_unread<T>(list: Result<Vec<T>, PlaneError>, what: &str, unread: &mut Vec<String>) -> Vec<T> {
    list.unwrap_or_else(|error| {
        tracing::debug!(%error, what, "left out of the context");
        unread.push(what.to_owned());
        Vec::new()
    })
}
