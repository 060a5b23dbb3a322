//! Looks for comments that no webhook tells of, for servers that cannot reach the agent.
//!
//! Plane has no list of all comments, but a comment counts as a change of its work item. So the work items of
//! the chosen projects are asked for, those changed last first, and the comments of those that have changed
//! since the last look. Whatever is found is received like a webhook, and known by the same key.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{Agent, reception::Reception};
use crate::{
    domain::ids::{ProjectId, WorkspaceId},
    plane::{ItemOrder, PlaneError},
    store::{Accepted, StoreError},
};

/// Work items looked at in one pass of a project.
const MOST_ITEMS: u32 = 30;
/// How far back the first pass looks: an answer to something older would come out of the blue.
const FIRST_LOOK: SignedDuration = SignedDuration::from_hours(24);
/// How far each pass looks back behind the beginning of the one before, for what Plane notes late and for
/// clocks that differ.
const OVERLAP: SignedDuration = SignedDuration::from_mins(2);

/// Looks for comments now and then.
pub struct Poll {
    agent: Arc<Agent>,
    reception: Arc<Reception>,
    workspace: WorkspaceId,
    projects: Vec<ProjectId>,
    every: Duration,
    /// From when on each project has to be looked at again.
    since: HashMap<ProjectId, Timestamp>,
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
        Self { agent, reception, workspace, projects, every, since: HashMap::new() }
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
            let began = Timestamp::now();
            let first = began.saturating_sub(FIRST_LOOK).unwrap_or(Timestamp::MIN);
            let since = self.since.get(&project).copied().unwrap_or(first);
            match self.look(project, since).await? {
                Ok(()) => {
                    self.since.insert(project, began.saturating_sub(OVERLAP).unwrap_or(began));
                }
                // The next pass looks as far back as this one should have.
                Err(error) => tracing::warn!(%project, %error, "the project's comments cannot be read for now"),
            }
        }
        Ok(())
    }

    async fn look(&self, project: ProjectId, since: Timestamp) -> Result<Result<(), PlaneError>, StoreError> {
        let order = ItemOrder::RecentlyUpdatedFirst;
        let items = match self.agent.plane.work_items(self.workspace, project, order, 0, MOST_ITEMS).await {
            Ok(page) => page.items,
            Err(error) => return Ok(Err(error)),
        };
        for item in items.into_iter().filter(|item| item.updated_at.is_none_or(|at| at > since)) {
            let mut heard = match self.agent.plane.overheard(self.workspace, project, item.id).await {
                Ok(heard) => heard,
                Err(error) => return Ok(Err(error)),
            };
            // A reply comes after what it replies to.
            heard.sort_by_key(|heard| heard.comment.written_at);
            heard.retain(|heard| heard.comment.changed_at.max(heard.comment.written_at).is_none_or(|at| at > since));
            for comment in heard {
                let Some(event) = self.reception.place(&comment).await? else { continue };
                let (run, now) = (event.run.id, Timestamp::now());
                if self.agent.store.accept(event, now, now).await? == Accepted::New {
                    tracing::info!(%run, "a comment is found");
                    metrics::counter!("aileron_polled_comments_total").increment(1);
                }
            }
        }
        Ok(Ok(()))
    }
}
