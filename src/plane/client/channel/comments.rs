//! Conversations as comments on a work item.
//!
//! A turn has one comment that shows its progress and is edited in place. In the end it is edited into the
//! answer, unless an earlier request to edit it may still be on its way and would take the answer's place
//! again: then it is deleted, and the answer is a comment of its own. What was said is found again by the
//! step's key in `external_id`, which is believed only under a comment that is the agent's own.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

use super::super::{
    caller::{Call, Caller},
    made::MOST_IN_THE_WAY,
    readable,
};
use crate::{
    config::{CommentsConfig, Progress},
    domain::{
        activity::{Draft, Posted, RunActivity},
        event::RunInfo,
        ids::{ActivityId, CommentId, ProjectId, RunId, WorkItemId},
    },
    plane::{
        PlaneError, RunStatus,
        budget::Lane,
        thread::{self, Contribution, MarkKind, Root, Rule, Spoken},
        wire::spoken,
    },
};

/// Pages of a hundred comments read in search of the one that began a conversation.
const MOST_PAGES: u32 = 30;
/// The same where none began it.
const MOST_PAGES_WITHOUT: u32 = 5;

/// The voice of the agent in comments.
pub(in crate::plane::client) struct Comments {
    rule: Rule,
    progress: Progress,
    shown: Mutex<HashMap<RunId, Shown>>,
}

/// The comments that show the progress of a run's turn.
#[derive(Debug, Clone, Default)]
struct Shown {
    /// The newest is the last.
    comments: Vec<CommentId>,
    /// Whether a request about them may still be on its way, or have made one that is not listed here.
    unsure: bool,
}

/// What is to be said, and the body that says it.
struct Words<'a> {
    draft: &'a Draft,
    body: Value,
}

/// Where a conversation is.
struct Place {
    project: ProjectId,
    item: WorkItemId,
}

impl Comments {
    pub(super) fn new(config: &CommentsConfig) -> Self {
        Self { rule: Rule::new(config), progress: config.progress, shown: Mutex::default() }
    }

    pub(super) async fn post(
        &self,
        caller: &Caller,
        run: &RunInfo,
        draft: &Draft,
        browse: Option<&str>,
    ) -> Result<Posted, PlaneError> {
        let place = place(run)?;
        let words = Words { draft, body: spoken::body(draft, browse) };
        if draft.saying.is_terminal() {
            self.end(caller, run, &place, &words).await
        } else {
            self.show(caller, run, &place, &words).await
        }
    }

    pub(super) async fn activities(&self, caller: &Caller, run: &RunInfo) -> Result<Vec<RunActivity>, PlaneError> {
        let conversation = self.read(caller, run).await?;
        Ok(conversation.into_iter().map(|contribution| contribution.activity).collect())
    }

    pub(super) async fn status(&self, caller: &Caller, run: &RunInfo) -> Result<(RunInfo, RunStatus), PlaneError> {
        Ok((run.clone(), thread::status(&self.read(caller, run).await?)))
    }

    /// Shows progress where the progress before it stands.
    async fn show(
        &self,
        caller: &Caller,
        run: &RunInfo,
        place: &Place,
        words: &Words<'_>,
    ) -> Result<Posted, PlaneError> {
        if self.progress == Progress::None {
            return Ok(Posted { id: ActivityId(run.id.0), comment: None, at: None });
        }
        let mut shown = self.shown(run.id);
        if shown.comments.is_empty() && shown.unsure {
            shown = self.look_up(caller, run).await?;
        }
        let sure = !shown.unsure;
        // Whoever narrates may be cut off at any moment from here on.
        self.keep(run.id, Shown { unsure: true, ..shown.clone() });
        let result = match shown.comments.last().copied() {
            Some(comment) => self.edit(caller, run, place, comment, words).await,
            None => self.create(caller, run, place, words).await,
        };
        match &result {
            Ok(posted) => {
                let comment = CommentId(posted.id.0);
                shown.comments.retain(|known| *known != comment);
                shown.comments.push(comment);
                self.keep(run.id, Shown { unsure: !sure, ..shown });
            }
            // Someone deleted it; the next one begins anew.
            Err(PlaneError::NotFound { .. }) => {
                shown.comments.pop();
                self.keep(run.id, shown);
            }
            Err(error) if error.outcome_unknown() => {}
            Err(_) => self.keep(run.id, shown),
        }
        result
    }

    /// Says the last word of a turn, in place of its progress.
    async fn end(
        &self,
        caller: &Caller,
        run: &RunInfo,
        place: &Place,
        words: &Words<'_>,
    ) -> Result<Posted, PlaneError> {
        let mut shown = self.shown(run.id);
        if shown.comments.is_empty() && shown.unsure {
            shown = self.look_up(caller, run).await?;
        }
        let becomes = (!shown.unsure && self.progress == Progress::Become).then(|| shown.comments.pop()).flatten();
        for comment in shown.comments {
            self.delete(caller, run, place, comment).await?;
        }
        self.keep(run.id, Shown { comments: becomes.into_iter().collect(), unsure: becomes.is_some() });
        let edited = match becomes {
            Some(comment) => match self.edit(caller, run, place, comment, words).await {
                // Someone deleted it.
                Err(PlaneError::NotFound { .. }) => None,
                edited => Some(edited?),
            },
            None => None,
        };
        let posted = match edited {
            Some(posted) => posted,
            None => self.create(caller, run, place, words).await?,
        };
        self.all_shown().remove(&run.id);
        Ok(posted)
    }

    async fn create(
        &self,
        caller: &Caller,
        run: &RunInfo,
        place: &Place,
        words: &Words<'_>,
    ) -> Result<Posted, PlaneError> {
        let path = place.path(None);
        let path: Vec<_> = path.iter().map(String::as_str).collect();
        let what = "the comment";
        let call = Call { workspace: run.workspace, what, path: &path, query: &[], lane: Lane::of(words.draft) };
        let mut body = words.body.clone();
        let mut in_the_way = 0;
        loop {
            match caller.post(&call, &body).await {
                Ok(body) => return Ok(posted(&readable(what, spoken::spoken(&body))?)),
                // Plane looks at the key alone, and anyone may have written it under theirs.
                Err(PlaneError::Taken { id, .. }) if in_the_way < MOST_IN_THE_WAY => {
                    if let Some(posted) = self.own(caller, run, place, CommentId(id)).await? {
                        return Ok(posted);
                    }
                    tracing::warn!(run = %run.id, "somebody else's comment has a key of ours");
                    spoken::put_beside(&mut body, words.draft, CommentId(id));
                    in_the_way += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// A comment, if it is here and the agent's own.
    async fn own(
        &self,
        caller: &Caller,
        run: &RunInfo,
        place: &Place,
        comment: CommentId,
    ) -> Result<Option<Posted>, PlaneError> {
        let path = place.path(Some(comment));
        let path: Vec<_> = path.iter().map(String::as_str).collect();
        let (workspace, what) = (run.workspace, "the comment");
        match caller.get(&Call { workspace, what, path: &path, query: &[], lane: Lane::Terminal }).await {
            Ok(body) => {
                let comment = readable(what, spoken::spoken(&body))?;
                Ok(self.rule.own(&comment).map(|_| posted(&comment)))
            }
            Err(PlaneError::NotFound { .. } | PlaneError::Forbidden { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn edit(
        &self,
        caller: &Caller,
        run: &RunInfo,
        place: &Place,
        comment: CommentId,
        words: &Words<'_>,
    ) -> Result<Posted, PlaneError> {
        let path = place.path(Some(comment));
        let path: Vec<_> = path.iter().map(String::as_str).collect();
        let what = "the comment";
        let call = Call { workspace: run.workspace, what, path: &path, query: &[], lane: Lane::of(words.draft) };
        let answer = match caller.patch(&call, &words.body).await {
            // Here Plane does not tell which comment has the key.
            Err(PlaneError::Taken { .. }) => {
                if let Some(posted) = self.said(caller, run, words.draft).await? {
                    return Ok(posted);
                }
                tracing::warn!(run = %run.id, "somebody else's comment has a key of ours");
                let mut body = words.body.clone();
                spoken::put_beside(&mut body, words.draft, comment);
                caller.patch(&call, &body).await?
            }
            answer => answer?,
        };
        let at = spoken::spoken(&answer).and_then(|comment| comment.changed_at);
        Ok(Posted { id: ActivityId(comment.0), comment: Some(comment), at })
    }

    /// The comment in which something was said before.
    async fn said(&self, caller: &Caller, run: &RunInfo, draft: &Draft) -> Result<Option<Posted>, PlaneError> {
        let step = draft.key.to_string();
        let conversation = self.read(caller, run).await?;
        let activities = conversation.into_iter().map(|contribution| contribution.activity);
        let mut same = activities.filter(|activity| activity.step.as_ref() == Some(&step));
        Ok(same.next().map(|activity| Posted {
            id: activity.id,
            comment: Some(CommentId(activity.id.0)),
            at: activity.created_at,
        }))
    }

    /// Deletes a comment that shows progress. One that cannot be deleted must not keep back the answer.
    async fn delete(
        &self,
        caller: &Caller,
        run: &RunInfo,
        place: &Place,
        comment: CommentId,
    ) -> Result<(), PlaneError> {
        let path = place.path(Some(comment));
        let path: Vec<_> = path.iter().map(String::as_str).collect();
        let call =
            Call { workspace: run.workspace, what: "the comment", path: &path, query: &[], lane: Lane::Terminal };
        match caller.delete(&call).await {
            Err(error @ (PlaneError::Forbidden { .. } | PlaneError::Refused { .. })) => {
                tracing::warn!(%error, "a comment that shows progress stays");
                Ok(())
            }
            Err(PlaneError::NotFound { .. }) | Ok(()) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The conversation as Plane shows it. What it shows of progress is remembered, as what an earlier process
    /// has asked for may still be on its way.
    async fn read(&self, caller: &Caller, run: &RunInfo) -> Result<Vec<Contribution>, PlaneError> {
        let root = Root::of(run);
        let conversation = thread::conversation(root, self.since(caller, run, root).await?, &self.rule);
        let comments: Vec<_> = conversation.iter().filter_map(progress).collect();
        let mut all = self.all_shown();
        let known = all.get(&run.id).map(|shown| shown.comments.as_slice()).unwrap_or_default();
        if comments.iter().any(|comment| !known.contains(comment)) {
            all.insert(run.id, Shown { comments, unsure: true });
        }
        Ok(conversation)
    }

    async fn look_up(&self, caller: &Caller, run: &RunInfo) -> Result<Shown, PlaneError> {
        self.read(caller, run).await?;
        Ok(Shown { unsure: true, ..self.shown(run.id) })
    }

    /// The comments of the work item since the one that began the conversation.
    async fn since(&self, caller: &Caller, run: &RunInfo, root: Root) -> Result<Vec<Spoken>, PlaneError> {
        let place = place(run)?;
        let path = place.path(None);
        let path: Vec<_> = path.iter().map(String::as_str).collect();
        let what = "the comments of the conversation";
        let call = Call { workspace: run.workspace, what, path: &path, query: &[], lane: Lane::Ack };
        let mut all: Vec<Spoken> = Vec::new();
        let most = if root.handed_by.is_some() { MOST_PAGES_WITHOUT } else { MOST_PAGES };
        for number in 0..most {
            let page = caller.page(&call, number, 100, spoken::spoken).await?;
            // Newest first, so the root is the last that matters.
            let end = page.items.iter().position(|comment| comment.id == root.id);
            let wanted = end.map_or(page.items.len(), |at| at + 1);
            for comment in page.items.into_iter().take(wanted) {
                if all.iter().all(|known| known.id != comment.id) {
                    all.push(comment);
                }
            }
            if end.is_some() || !page.more {
                break;
            }
        }
        Ok(all)
    }

    fn shown(&self, run: RunId) -> Shown {
        self.all_shown().get(&run).cloned().unwrap_or_default()
    }

    fn keep(&self, run: RunId, shown: Shown) {
        self.all_shown().insert(run, shown);
    }

    fn all_shown(&self) -> MutexGuard<'_, HashMap<RunId, Shown>> {
        // Every change is one insertion, so it is whole whatever its holder did.
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn path(&self, comment: Option<CommentId>) -> Vec<String> {
        let mut path = vec!["projects".to_owned(), self.project.to_string(), "work-items".to_owned()];
        path.extend([self.item.to_string(), "comments".to_owned()]);
        path.extend(comment.map(|comment| comment.to_string()));
        path
    }
}

fn place(run: &RunInfo) -> Result<Place, PlaneError> {
    let place = run.project.zip(run.work_item).map(|(project, item)| Place { project, item });
    place.ok_or_else(|| PlaneError::NotFound {
        what: "the conversation",
        message: "nothing tells on which work item it is".to_owned(),
    })
}

fn progress(contribution: &Contribution) -> Option<CommentId> {
    let is_progress = contribution.turning == thread::Turning::Word(MarkKind::Progress);
    is_progress.then_some(CommentId(contribution.activity.id.0))
}

fn posted(comment: &Spoken) -> Posted {
    let Spoken { id, changed_at, written_at, .. } = *comment;
    Posted { id: ActivityId(id.0), comment: Some(id), at: changed_at.max(written_at) }
}
