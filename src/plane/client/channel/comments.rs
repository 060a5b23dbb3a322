//! Conversations as comments on a work item.
//!
//! A turn has one comment that shows its progress and is edited in place. In the end it is edited into the
//! answer, unless an earlier request to edit it may still be on its way and would take the answer's place
//! again: then it is deleted, and the answer is a comment of its own. What was said is found again by the
//! step's key in `external_id`.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

use super::super::{
    caller::{Call, Caller},
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
        thread::{self, Contribution, MarkKind, Rule, Spoken},
        wire::spoken,
    },
};

/// Pages of a hundred comments read in search of the one that began a conversation.
const MOST_PAGES: u32 = 30;

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
            Ok(comment) => {
                shown.comments.retain(|known| known != comment);
                shown.comments.push(*comment);
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
        result.map(posted)
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
        let comment = match edited {
            Some(comment) => comment,
            None => self.create(caller, run, place, words).await?,
        };
        self.all_shown().remove(&run.id);
        Ok(posted(comment))
    }

    async fn create(
        &self,
        caller: &Caller,
        run: &RunInfo,
        place: &Place,
        words: &Words<'_>,
    ) -> Result<CommentId, PlaneError> {
        let path = place.path(None);
        let path: Vec<_> = path.iter().map(String::as_str).collect();
        let what = "the comment";
        let call = Call { workspace: run.workspace, what, path: &path, query: &[], lane: Lane::of(words.draft) };
        match caller.post(&call, &words.body).await {
            Ok(body) => Ok(readable(what, spoken::spoken(&body))?.id),
            // The check is by external id alone, and that is ours.
            Err(PlaneError::Taken { id, .. }) => Ok(CommentId(id)),
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
    ) -> Result<CommentId, PlaneError> {
        let path = place.path(Some(comment));
        let path: Vec<_> = path.iter().map(String::as_str).collect();
        let call = Call {
            workspace: run.workspace,
            what: "the comment",
            path: &path,
            query: &[],
            lane: Lane::of(words.draft),
        };
        caller.patch(&call, &words.body).await?;
        Ok(comment)
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
        let root = CommentId(run.id.0);
        let conversation = thread::conversation(root, self.since(caller, run).await?, &self.rule);
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
    async fn since(&self, caller: &Caller, run: &RunInfo) -> Result<Vec<Spoken>, PlaneError> {
        let (place, root) = (place(run)?, CommentId(run.id.0));
        let path = place.path(None);
        let path: Vec<_> = path.iter().map(String::as_str).collect();
        let what = "the comments of the conversation";
        let call = Call { workspace: run.workspace, what, path: &path, query: &[], lane: Lane::Ack };
        let mut all: Vec<Spoken> = Vec::new();
        for number in 0..MOST_PAGES {
            let page = caller.page(&call, number, 100, spoken::spoken).await?;
            // Newest first, so the root is the last that matters.
            let end = page.items.iter().position(|comment| comment.id == root);
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

fn posted(comment: CommentId) -> Posted {
    Posted { id: ActivityId(comment.0), comment: Some(comment), at: None }
}
