//! Looks for comments that no webhook tells of, for servers that cannot reach the agent.
//!
//! Plane has no list of all comments, but a comment counts as a change of its work item. So the work items of
//! the chosen projects are asked for, those changed last first, and the comments of those that have changed
//! since the last look. Whatever is found is received like a webhook, and known by the same key. All times are
//! Plane's own, so that its clock and ours may differ.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{Agent, reception::Reception};
use crate::{
    domain::ids::{ProjectId, WorkItemId, WorkspaceId},
    plane::{ItemOrder, PlaneError, thread::Heard},
    store::{Accepted, StoreError},
};

/// Work items asked for at a time.
const ITEMS_PER_PAGE: u32 = 50;
/// How many times in one pass of a project.
const MOST_PAGES: u32 = 20;
/// How far back the first pass looks: an answer to something older would come out of the blue.
const FIRST_LOOK: SignedDuration = SignedDuration::from_hours(24);
/// How far each pass looks back behind the newest change that the one before saw: what was noted earlier may
/// be shown later.
const OVERLAP: SignedDuration = SignedDuration::from_mins(2);
/// How long after a comment its work item may come to count as changed.
const LATE: SignedDuration = SignedDuration::from_mins(10);

/// Looks for comments now and then.
pub struct Poll {
    agent: Arc<Agent>,
    reception: Arc<Reception>,
    workspace: WorkspaceId,
    projects: Vec<ProjectId>,
    every: Duration,
    seen: HashMap<ProjectId, Seen>,
}

/// What was seen of a project.
#[derive(Debug, Clone)]
struct Seen {
    /// Changes up to here were seen, but for those that showed late.
    until: Timestamp,
    /// When the work items changed last that changed lately, as far as their comments were read.
    items: HashMap<WorkItemId, Timestamp>,
}

impl Seen {
    fn nothing(now: Timestamp) -> Self {
        Self { until: now.saturating_sub(FIRST_LOOK).unwrap_or(Timestamp::MIN), items: HashMap::new() }
    }

    /// From when on changes may be unseen.
    fn from(&self) -> Timestamp {
        self.until.saturating_sub(OVERLAP).unwrap_or(Timestamp::MIN)
    }

    fn has(&self, item: WorkItemId, changed_at: Option<Timestamp>) -> bool {
        changed_at.is_some_and(|at| self.items.get(&item) == Some(&at))
    }

    fn note(&mut self, item: WorkItemId, changed_at: Option<Timestamp>) {
        self.items.extend(changed_at.map(|at| (item, at)));
    }

    /// The whole list was gone through.
    fn settle(&mut self) {
        self.until = self.items.values().copied().fold(self.until, Timestamp::max);
        let from = self.from();
        self.items.retain(|_, at| *at >= from);
    }
}

impl Poll {
    /// A pass begins as often as `every` says, unless the one before still goes on.
    #[must_use]
    pub fn new(
        agent: Arc<Agent>,
        reception: Arc<Reception>,
        workspace: WorkspaceId,
        projects: Vec<ProjectId>,
        every: Duration,
    ) -> Self {
        Self { agent, reception, workspace, projects, every, seen: HashMap::new() }
    }

    /// Looks at once and then again and again until `shutdown`. It may be dropped at any point.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut passes = tokio::time::interval(self.every);
        passes.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = passes.tick() => {}
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                result = self.pass() => {
                    if let Err(error) = result {
                        tracing::warn!(%error, "comments cannot be taken in");
                    }
                }
            }
        }
    }

    async fn pass(&mut self) -> Result<(), StoreError> {
        for project in self.projects.clone() {
            let mut seen = self.seen.get(&project).cloned().unwrap_or_else(|| Seen::nothing(Timestamp::now()));
            let result = self.look(project, &mut seen).await?;
            match result {
                Ok(()) => seen.settle(),
                // The next pass looks as far back as this one should have, and need not read again what it did.
                Err(error) => tracing::warn!(%project, %error, "the project's comments cannot be read for now"),
            }
            self.seen.insert(project, seen);
        }
        Ok(())
    }

    async fn look(&self, project: ProjectId, seen: &mut Seen) -> Result<Result<(), PlaneError>, StoreError> {
        let from = seen.from();
        for number in 0..MOST_PAGES {
            let order = ItemOrder::RecentlyUpdatedFirst;
            let page = match self.agent.plane.work_items(self.workspace, project, order, number, ITEMS_PER_PAGE).await {
                Ok(page) => page,
                Err(error) => return Ok(Err(error)),
            };
            let is_behind = page.items.last().is_none_or(|item| item.updated_at.is_some_and(|at| at < from));
            for item in page.items.iter().filter(|item| item.updated_at.is_none_or(|at| at >= from)) {
                if seen.has(item.id, item.updated_at) {
                    continue;
                }
                if let Err(error) = self.listen(project, item.id, from).await? {
                    return Ok(Err(error));
                }
                seen.note(item.id, item.updated_at);
            }
            if is_behind || !page.more {
                return Ok(Ok(()));
            }
        }
        tracing::warn!(%project, "too many work items changed at once: comments on those changed first are not looked for");
        Ok(Ok(()))
    }

    async fn listen(
        &self,
        project: ProjectId,
        item: WorkItemId,
        from: Timestamp,
    ) -> Result<Result<(), PlaneError>, StoreError> {
        let from = from.saturating_sub(LATE).unwrap_or(Timestamp::MIN);
        let heard = match self.agent.plane.overheard(self.workspace, project, item, from).await {
            Ok(heard) => heard,
            Err(error) => return Ok(Err(error)),
        };
        for comment in of_late(heard, from) {
            let Some(event) = self.reception.place(&comment).await? else { continue };
            let (run, now) = (event.run.id, Timestamp::now());
            if self.agent.store.accept(event, now, now).await? == Accepted::New {
                tracing::info!(%run, "a comment is found");
                metrics::counter!("aileron_polled_comments_total").increment(1);
            }
        }
        Ok(Ok(()))
    }
}

/// The comments written or changed since then, in the order in which they were written.
fn of_late(mut heard: Vec<Heard>, from: Timestamp) -> Vec<Heard> {
    heard.retain(|heard| heard.comment.changed_at.max(heard.comment.written_at).is_none_or(|at| at >= from));
    // A reply comes after what it replies to.
    heard.sort_by_key(|heard| heard.comment.written_at);
    for heard in &mut heard {
        if heard.comment.written_at.is_some_and(|at| at < from) {
            // What an older one said before it was changed is not told.
            heard.edited_from = Some(String::new());
        }
    }
    heard
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        domain::ids::{CommentId, UserId},
        plane::thread::Spoken,
    };

    fn at(mins: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(mins)
    }

    fn heard(number: u128, written: i64, changed: i64) -> Heard {
        let id = Uuid::from_u128(number);
        let comment = Spoken {
            id: CommentId(id),
            author: Some(UserId(id)),
            html: "<p>x</p>".to_owned(),
            parent: None,
            written_at: Some(at(written)),
            changed_at: Some(at(changed)),
            mark: None,
            foreign: false,
        };
        Heard {
            workspace: WorkspaceId(id),
            project: ProjectId(id),
            work_item: WorkItemId(id),
            comment,
            edited_from: None,
        }
    }

    #[test]
    fn an_old_comment_that_was_changed_counts_as_an_edit_and_a_new_one_as_it_is() {
        let all = vec![heard(1, 12, 13), heard(2, 5, 5), heard(3, 4, 11), heard(4, 10, 10)];
        let found: Vec<_> = of_late(all, at(10))
            .into_iter()
            .map(|heard| (heard.comment.id.0.as_u128(), heard.edited_from.is_some()))
            .collect();
        assert_eq!(found, [(3, true), (4, false), (1, false)]);
    }

    #[test]
    fn what_was_seen_is_known_by_planes_own_times() {
        let mut seen = Seen::nothing(at(60 * 24));
        assert_eq!(seen.from(), at(-2));
        let [one, two, three] = [1, 2, 3].map(|number| WorkItemId(Uuid::from_u128(number)));
        for (item, mins) in [(one, 100), (two, 99), (three, 97)] {
            seen.note(item, Some(at(mins)));
        }
        seen.settle();
        assert_eq!(seen.from(), at(98), "not from our own clock");
        assert!(seen.has(one, Some(at(100))) && seen.has(two, Some(at(99))));
        assert!(!seen.has(one, Some(at(101))), "it has changed again");
        assert!(!seen.items.contains_key(&three), "it need not be known any longer");
        seen.settle();
        assert_eq!(seen.from(), at(98), "nothing new, nothing passed over");
    }
}
