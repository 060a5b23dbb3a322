//! Which conversation a comment belongs to, if any: told from what the store knows, before the comment is
//! made durable. What is misjudged here, because comments came in another order than they were written, is
//! found when the conversation is read as a whole.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::journal::{self, Entry};
use crate::{
    config::CommentsConfig,
    domain::{
        activity::{Ask, Draft, Saying},
        event::{Prompt, RunEvent, RunEventKind, RunInfo},
        ids::{ActivityId, CommentId, ProjectId, RunId, UserId, WorkItemId, WorkspaceId},
    },
    plane::{
        html,
        thread::{Call, Heard, Rule},
        webhook::item::Handed,
    },
    store::{RunState, RunView, Store, StoreError},
};

/// Conversations remembered at the start, those touched last first; older ones are joined by replies only.
const MOST_KNOWN: usize = 1_000;
/// Conversations on one work item that are looked at, the newest first.
const MOST_ON_ITEM: usize = 8;

/// Receives comments.
pub struct Reception {
    store: Arc<dyn Store>,
    rule: Rule,
    on_assignment: bool,
    label: Option<String>,
    /// The conversations on each work item, the newest last; read from the store at the first comment.
    known: Mutex<Option<Known>>,
}

type Known = HashMap<Place, Vec<RunInfo>>;

/// Where a comment stands. Plane takes one by way of any project, and tells of that one.
type Place = (WorkspaceId, ProjectId, WorkItemId);

fn place_of(run: &RunInfo) -> Option<Place> {
    Some((run.workspace, run.project?, run.work_item?))
}

impl Reception {
    #[must_use]
    pub fn new(store: Arc<dyn Store>, config: &CommentsConfig) -> Self {
        let (on_assignment, label) = (config.on_assignment, config.label.clone());
        Self { store, rule: Rule::new(config), on_assignment, label, known: Mutex::default() }
    }

    /// What a comment asks of the agent; `None` for one that does not concern it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn place(&self, heard: &Heard) -> Result<Option<RunEvent>, StoreError> {
        let Some(person) = self.rule.person(&heard.comment) else { return Ok(None) };
        let meaning = self.rule.meaning(&heard.comment.html);
        if meaning.call == Call::Elsewhere {
            return Ok(None);
        }
        if let Some(before) = &heard.edited_from {
            // An edit is a request only where it brings the agent's name.
            let is_new = meaning.call == Call::ByName && self.rule.meaning(before).call != Call::ByName;
            if !is_new {
                return Ok(None);
            }
        }
        let mut known = self.known.lock().await;
        let place = (heard.workspace, heard.project, heard.work_item);
        let on_item = self.known_on(&mut known, place).await?;
        let joined = match self.of_thread(heard).await? {
            Some(run) => Some(run),
            None => match meaning.call {
                Call::ByName if meaning.stop => self.to_stop(on_item, person, heard.comment.written_at).await?,
                Call::ByName => self.awaiting(on_item, person).await?.map(|view| view.record.info),
                Call::Unnamed if heard.comment.parent.is_none() => {
                    match self.near(on_item, person, heard.comment.written_at).await? {
                        Some(run) => Some(run),
                        None => self.choosing(on_item, person, heard).await?,
                    }
                }
                // A reply to something else is not for us.
                Call::Unnamed | Call::Elsewhere => None,
            },
        };
        let run = match joined {
            Some(run) => run,
            None if meaning.call == Call::ByName && !meaning.stop => {
                let Some(root) = self.root(heard).await? else { return Ok(None) };
                self.begin(on_item, heard, person, root)
            }
            None => return Ok(None),
        };
        Ok(Some(event(run, heard, person, meaning.stop)))
    }

    /// What handing a work item over asks of the agent, where the configuration says that it asks something.
    /// The conversation is the work item's, with no comment at its root.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn take(&self, handed: &Handed) -> Result<Option<RunEvent>, StoreError> {
        let Some(event) = self.asked(handed) else { return Ok(None) };
        let mut known = self.known.lock().await;
        let place = (handed.workspace, handed.project, handed.work_item);
        let on_item = self.known_on(&mut known, place).await?;
        if on_item.iter().all(|run| run.id != event.run.id) {
            on_item.push(event.run.clone());
        }
        Ok(Some(event))
    }

    fn asked(&self, handed: &Handed) -> Option<RunEvent> {
        let person = self.rule.human(handed.by)?;
        let assigned = self.on_assignment && handed.assigned.contains(&self.rule.bot());
        let label = self.label.as_ref().filter(|label| handed.labelled.contains(label));
        let body = match (assigned, label) {
            (true, _) => {
                "I assigned this work item to you. See what it asks for, and do it as far as you can.".to_owned()
            }
            (false, Some(label)) => {
                format!("I put the label {label} on this work item. See what it asks for, and do it as far as you can.")
            }
            (false, None) => return None,
        };
        let run = RunInfo {
            id: RunId(handed.work_item.0),
            workspace: handed.workspace,
            project: Some(handed.project),
            work_item: Some(handed.work_item),
            agent_user: Some(self.rule.bot()),
            creator: Some(person),
            comment: None,
            source_comment: None,
        };
        let activity = Some(ActivityId(named(&format!("{}/{}/{assigned}", handed.work_item, handed.at))));
        let written_at = handed.at.parse().ok();
        let kind = RunEventKind::Prompted(Prompt { activity, body, actor: Some(person), written_at });
        Some(RunEvent { run, kind })
    }

    /// The known conversations on a work item.
    async fn known_on<'a>(
        &self,
        known: &'a mut Option<Known>,
        place: Place,
    ) -> Result<&'a mut Vec<RunInfo>, StoreError> {
        let known = match known {
            Some(known) => known,
            unread => unread.insert(self.read_known().await?),
        };
        Ok(known.entry(place).or_default())
    }

    async fn read_known(&self) -> Result<Known, StoreError> {
        let mut known = Known::new();
        for record in self.store.runs(MOST_KNOWN).await?.into_iter().rev() {
            if let Some(place) = place_of(&record.info) {
                known.entry(place).or_default().push(record.info);
            }
        }
        Ok(known)
    }

    /// The conversation this comment began, or replies in. Whoever writes a comment may name any parent.
    async fn of_thread(&self, heard: &Heard) -> Result<Option<RunInfo>, StoreError> {
        let place = Some((heard.workspace, heard.project, heard.work_item));
        for id in [Some(heard.comment.id), heard.comment.parent].into_iter().flatten() {
            let found = self.store.run(RunId(id.0)).await?.map(|view| view.record.info);
            if let Some(run) = found.filter(|run| place_of(run) == place) {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    /// The comment that a new conversation begins with: the one replied to, or else this one. Neither may be
    /// that of a conversation elsewhere, or what is said here would be said there.
    async fn root(&self, heard: &Heard) -> Result<Option<CommentId>, StoreError> {
        for id in [heard.comment.parent, Some(heard.comment.id)].into_iter().flatten() {
            if self.store.run(RunId(id.0)).await?.is_none() {
                return Ok(Some(id));
            }
        }
        tracing::warn!(comment = %heard.comment.id, "a comment has the id of a conversation elsewhere, and is left alone");
        Ok(None)
    }

    /// The person's newest conversation that is under way, or else anyone's.
    async fn to_stop(
        &self,
        on_item: &[RunInfo],
        person: UserId,
        at: Option<Timestamp>,
    ) -> Result<Option<RunInfo>, StoreError> {
        let at = at.unwrap_or_else(Timestamp::now);
        let mut of_others = None;
        for run in on_item.iter().rev().take(MOST_ON_ITEM) {
            let Some(view) = self.store.run(run.id).await?.filter(|view| begun_before(view, at)) else { continue };
            if run.creator == Some(person) {
                return Ok(Some(run.clone()));
            }
            if of_others.is_none() && view.record.state != RunState::Idle {
                of_others = Some(run.clone());
            }
        }
        Ok(of_others)
    }

    /// The person's newest conversation, if the agent has asked something in it.
    async fn awaiting(&self, on_item: &[RunInfo], person: UserId) -> Result<Option<RunView>, StoreError> {
        let newest = self.newest(on_item, person).await?;
        Ok(newest.filter(|view| view.record.state == RunState::Idle && question(view).is_some()))
    }

    /// The person's newest conversation, if it is under way or has not been silent for long.
    async fn near(
        &self,
        on_item: &[RunInfo],
        person: UserId,
        at: Option<Timestamp>,
    ) -> Result<Option<RunInfo>, StoreError> {
        let at = at.unwrap_or_else(Timestamp::now);
        let is_near = |view: &RunView| self.rule.follows(view.record.touched_at, at) && begun_before(view, at);
        Ok(self.newest(on_item, person).await?.filter(is_near).map(|view| view.record.info))
    }

    /// The same if what was written is exactly one of the options it left open, however long ago.
    async fn choosing(
        &self,
        on_item: &[RunInfo],
        person: UserId,
        heard: &Heard,
    ) -> Result<Option<RunInfo>, StoreError> {
        let Some(view) = self.awaiting(on_item, person).await? else { return Ok(None) };
        let words = html::prompt_text(&heard.comment.html, Some(self.rule.bot()), &|_| None);
        let chosen = options(&view).iter().any(|option| option.eq_ignore_ascii_case(words.trim()));
        Ok(chosen.then_some(view.record.info))
    }

    async fn newest(&self, on_item: &[RunInfo], person: UserId) -> Result<Option<RunView>, StoreError> {
        for run in on_item.iter().rev().take(MOST_ON_ITEM).filter(|run| run.creator == Some(person)) {
            if let Some(view) = self.store.run(run.id).await? {
                return Ok(Some(view));
            }
        }
        Ok(None)
    }

    fn begin(&self, on_item: &mut Vec<RunInfo>, heard: &Heard, person: UserId, root: CommentId) -> RunInfo {
        let run = RunInfo {
            id: RunId(root.0),
            workspace: heard.workspace,
            project: Some(heard.project),
            work_item: Some(heard.work_item),
            agent_user: Some(self.rule.bot()),
            creator: Some(person),
            comment: Some(root),
            source_comment: Some(heard.comment.id),
        };
        on_item.push(run.clone());
        run
    }
}

/// An id that the same name always has.
fn named(name: &str) -> uuid::Uuid {
    let digest = Sha256::digest(name.as_bytes());
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Whether a conversation had begun at that time: what was written before is no part of it, however late its
/// webhook comes.
fn begun_before(view: &RunView, at: Timestamp) -> bool {
    let waiting = view.waiting.prompts.iter().filter_map(|waiting| waiting.prompt.written_at).min();
    let mut entries = view.journal.iter().map_while(|text| journal::decode(text).ok());
    let opened = entries.find_map(|entry| first_words(&entry));
    opened.into_iter().chain(waiting).min().unwrap_or(view.record.first_seen) <= at
}

/// When the words that opened a turn were written.
fn first_words(entry: &Entry) -> Option<Timestamp> {
    if let Entry::Opened { prompts, .. } = entry {
        prompts.iter().filter_map(|said| said.written_at).min()
    } else {
        None
    }
}

/// The question that was the last word of a conversation, by how it wants to be answered.
fn question(view: &RunView) -> Option<Ask> {
    let mut entries = view.journal.iter().rev().map_while(|text| journal::decode(text).ok());
    match entries.find_map(last_word)?.saying {
        Saying::Elicitation { ask, .. } => Some(ask),
        Saying::Thought { .. } | Saying::Action { .. } | Saying::Response { .. } | Saying::Error { .. } => None,
    }
}

fn options(view: &RunView) -> Vec<String> {
    match question(view) {
        Some(Ask::Select { options, .. }) => options.into_iter().map(|option| option.label).collect(),
        Some(Ask::Freely | Ask::SignIn { .. }) | None => Vec::new(),
    }
}

fn last_word(entry: Entry) -> Option<Draft> {
    if let Entry::Intended { draft } = entry { Some(draft) } else { None }
}

fn event(run: RunInfo, heard: &Heard, person: UserId, stop: bool) -> RunEvent {
    let CommentId(id) = heard.comment.id;
    let prompt = Prompt {
        activity: Some(ActivityId(id)),
        body: heard.comment.html.clone(),
        actor: Some(person),
        written_at: heard.comment.written_at,
    };
    let kind = if stop { RunEventKind::StopRequested(prompt) } else { RunEventKind::Prompted(prompt) };
    RunEvent { run, kind }
}
