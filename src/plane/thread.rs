//! Conversations in comments: what makes a comment a request, and which comments belong together.
//!
//! A conversation is a comment that calls on the agent and what follows from it; its run has the id of that
//! comment. Comments on a work item are one flat list where Plane knows no replies, so besides replies the
//! next comments of the person who began it belong to it, for a while. All of this is a function of what
//! stands in the comments, so it reads the same after a restart.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::{RunStatus, html};
use crate::{
    config::CommentsConfig,
    domain::{
        activity::{RunActivity, RunActivityKind},
        event::RunInfo,
        ids::{ActivityId, CommentId, ProjectId, RunId, UserId, WorkItemId, WorkspaceId},
    },
};

/// Comments that say no more than this stop the turn.
const STOPS: [&str; 4] = ["stop", "/stop", "stop it", "please stop"];

/// A comment on a work item, as far as a conversation needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    pub id: CommentId,
    /// Whose words it holds; `None` where that is not certain.
    pub author: Option<UserId>,
    pub html: String,
    /// The comment it replies to.
    pub parent: Option<CommentId>,
    pub written_at: Option<Timestamp>,
    /// When it was last changed.
    pub changed_at: Option<Timestamp>,
    /// What is written under it as we do it; whether it is ours is told by [`Rule::own`].
    pub mark: Option<Mark>,
    /// Whether another program put it there, such as an import.
    pub foreign: bool,
}

/// A comment that somebody wrote or edited, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    pub workspace: WorkspaceId,
    pub project: ProjectId,
    pub work_item: WorkItemId,
    pub comment: Spoken,
    /// What it said before it was edited.
    pub edited_from: Option<String>,
}

/// What one of our own comments stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub run: RunId,
    /// The step's key as text.
    pub step: String,
    pub kind: MarkKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkKind {
    /// Progress, which the next one replaces.
    Progress,
    Answer,
    Question,
    Error,
}

/// How a comment speaks to the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// It mentions the agent or begins with its name.
    ByName,
    /// It names nobody.
    Unnamed,
    /// It mentions somebody else, or says nothing.
    Elsewhere,
}

/// What a comment means to the agent, all that is around it left aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    pub call: Call,
    pub stop: bool,
}

/// By what comments are judged.
#[derive(Debug, Clone)]
pub struct Rule {
    bot: UserId,
    names: Vec<String>,
    ignore: Vec<UserId>,
    pub window: SignedDuration,
}

impl Rule {
    #[must_use]
    pub fn new(config: &CommentsConfig) -> Self {
        Self {
            bot: config.bot,
            names: config.names.clone(),
            ignore: config.ignore.clone(),
            window: SignedDuration::try_from(config.reply_window).unwrap_or(SignedDuration::MAX),
        }
    }

    /// Who the agent writes as.
    #[must_use]
    pub fn bot(&self) -> UserId {
        self.bot
    }

    /// The person who wrote a comment, if it is one whose words may be a request.
    #[must_use]
    pub fn person(&self, comment: &Spoken) -> Option<UserId> {
        comment.author.and_then(|author| self.human(author)).filter(|_| comment.mark.is_none() && !comment.foreign)
    }

    /// What a comment of the agent's own stands for. Anyone may write its marks under theirs.
    #[must_use]
    pub fn own<'a>(&self, comment: &'a Spoken) -> Option<&'a Mark> {
        comment.mark.as_ref().filter(|_| comment.author == Some(self.bot))
    }

    /// The user, unless it is the agent's own or one that is ignored.
    #[must_use]
    pub fn human(&self, user: UserId) -> Option<UserId> {
        (user != self.bot && !self.ignore.contains(&user)).then_some(user)
    }

    /// What a comment means. What it quotes calls on nobody.
    #[must_use]
    pub fn meaning(&self, html: &str) -> Meaning {
        let users = html::called_users(html);
        let text = html::prompt_text(html, Some(self.bot), &|_| None);
        let behind_name = self.names.iter().find_map(|name| behind(&text, name));
        let call = if users.contains(&self.bot) || behind_name.is_some() {
            Call::ByName
        } else if users.is_empty() && !text.trim().is_empty() {
            Call::Unnamed
        } else {
            Call::Elsewhere
        };
        let words = behind_name.unwrap_or(&text).trim_matches(|c: char| c.is_whitespace() || ".,:;!".contains(c));
        Meaning { call, stop: STOPS.iter().any(|stop| words.eq_ignore_ascii_case(stop)) }
    }

    /// Whether something written at `at` still belongs to a conversation last touched at `last`. What is told
    /// of late may have been written before that.
    #[must_use]
    pub fn follows(&self, last: Timestamp, at: Timestamp) -> bool {
        self.window.is_positive() && at.duration_since(last).abs() <= self.window
    }
}

/// What stands behind a name a text begins with.
fn behind<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let head = text.get(..name.len()).filter(|head| head.to_lowercase() == name)?;
    let rest = &text[head.len()..];
    let ends = !rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '_'));
    ends.then_some(rest)
}

impl Spoken {
    /// When it came to say what it says now: for our own words, which are edited in place, the last change.
    fn at(&self) -> Option<Timestamp> {
        if self.mark.is_some() { self.changed_at.max(self.written_at) } else { self.written_at }
    }
}

/// A conversation that may still be joined.
struct Open {
    root: CommentId,
    awaits: bool,
    at: Option<Timestamp>,
}

/// One comment of a conversation: what the agent makes of it, and how it moves the conversation on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contribution {
    pub activity: RunActivity,
    pub turning: Turning,
}

/// What began a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root {
    /// The comment that did, or an id that no comment has.
    pub id: CommentId,
    /// Who handed the work item over, where that began it.
    pub handed_by: Option<UserId>,
}

impl Root {
    #[must_use]
    pub fn of(run: &RunInfo) -> Self {
        Self { id: CommentId(run.id.0), handed_by: run.creator.filter(|_| run.comment.is_none()) }
    }
}

/// The comments of the conversation that `root` began, oldest first. `all` are the comments of its work item
/// since then, in any order.
///
/// Nothing tells when a work item was handed over, so what follows from that counts from the first word of our
/// own.
#[must_use]
pub fn conversation(root: Root, mut all: Vec<Spoken>, rule: &Rule) -> Vec<Contribution> {
    let (mut handed_by, root) = (root.handed_by, root.id);
    all.sort_by_key(|comment| (comment.at().is_none(), comment.at()));
    let mut open: HashMap<UserId, Open> = HashMap::new();
    let mut threads: HashMap<CommentId, CommentId> = HashMap::from([(root, root)]);
    let mut found = Vec::new();
    for comment in all {
        let at = comment.at();
        if let Some(mark) = rule.own(&comment) {
            threads.insert(comment.id, CommentId(mark.run.0));
            if let Some(person) = handed_by.take_if(|_| mark.run.0 == root.0) {
                open.insert(person, Open { root, awaits: false, at });
            }
            for talk in open.values_mut().filter(|talk| talk.root.0 == mark.run.0) {
                (talk.awaits, talk.at) = (mark.kind == MarkKind::Question, at);
            }
            if mark.run.0 == root.0 {
                found.push(own(&comment, mark));
            }
            continue;
        }
        let Some(person) = rule.person(&comment) else { continue };
        let meaning = rule.meaning(&comment.html);
        if comment.id == root && meaning.call != Call::ByName {
            // The agent was called in a reply to it.
            continue;
        }
        let last = open.get(&person);
        let near = last.filter(|talk| talk.at.zip(at).is_none_or(|(last, at)| rule.follows(last, at)));
        let joined = match (comment.parent, meaning.call) {
            _ if comment.id == root => Some(root),
            (_, Call::Elsewhere) => None,
            // A reply belongs where it replies, and begins a conversation there if it calls on the agent.
            (Some(parent), Call::ByName) => Some(threads.get(&parent).copied().unwrap_or(parent)),
            (Some(parent), Call::Unnamed) => threads.get(&parent).copied(),
            (None, Call::ByName) if meaning.stop => last.or(newest(&open)).map(|talk| talk.root),
            (None, Call::ByName) => Some(last.filter(|talk| talk.awaits).map_or(comment.id, |talk| talk.root)),
            (None, Call::Unnamed) => near.map(|talk| talk.root),
        };
        let Some(thread) = joined else { continue };
        let begins = comment.id == root || threads.insert(thread, thread).is_none();
        threads.insert(comment.id, thread);
        if begins {
            open.insert(person, Open { root: thread, awaits: false, at });
        }
        for talk in open.values_mut().filter(|talk| talk.root == thread) {
            (talk.awaits, talk.at) = (false, at);
        }
        if thread == root {
            let stop = meaning.stop && comment.id != root;
            let kind = RunActivityKind::Prompt { body: comment.html, stop };
            let id = ActivityId(comment.id.0);
            let activity = RunActivity { id, actor: Some(person), created_at: at, step: None, kind };
            found.push(Contribution { activity, turning: if stop { Turning::Stop } else { Turning::Prompt } });
        }
    }
    found
}

fn newest(open: &HashMap<UserId, Open>) -> Option<&Open> {
    open.values().max_by_key(|talk| talk.at)
}

fn own(comment: &Spoken, mark: &Mark) -> Contribution {
    let kind = match mark.kind {
        MarkKind::Progress => RunActivityKind::Other,
        MarkKind::Answer | MarkKind::Question | MarkKind::Error => RunActivityKind::Ending,
    };
    let (id, step) = (ActivityId(comment.id.0), Some(mark.step.clone()));
    let activity = RunActivity { id, actor: comment.author, created_at: comment.at(), step, kind };
    Contribution { activity, turning: Turning::Word(mark.kind) }
}

/// Where a conversation stands, by what was said in it and how its turns ended.
#[must_use]
pub fn status(conversation: &[Contribution]) -> RunStatus {
    let mut status = RunStatus::Created;
    for contribution in conversation {
        status = match (status, contribution.turning) {
            (done @ (RunStatus::Completed | RunStatus::Stopped | RunStatus::Failed), Turning::Stop) => done,
            (_, Turning::Stop) => RunStatus::Stopping,
            (RunStatus::Stopping, Turning::Word(MarkKind::Answer)) => RunStatus::Stopped,
            (_, Turning::Word(MarkKind::Error)) => RunStatus::Failed,
            (RunStatus::Stopping, Turning::Prompt | Turning::Word(_)) => RunStatus::Stopping,
            (_, Turning::Word(MarkKind::Answer)) => RunStatus::Completed,
            (_, Turning::Word(MarkKind::Question)) => RunStatus::Awaiting,
            (_, Turning::Prompt | Turning::Word(MarkKind::Progress)) => RunStatus::InProgress,
        };
    }
    status
}

/// What moves a conversation on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turning {
    Prompt,
    Stop,
    /// Something of our own.
    Word(MarkKind),
}

#[cfg(test)]
mod tests;
