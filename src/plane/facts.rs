//! What changes seldom about a project, remembered for a while: the project itself, its states, labels,
//! members, cycles, modules, the titles of its work items, roughly what these are about, and pictures looked at
//! lately.

mod pictures;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

pub use self::pictures::PictureError;
use self::pictures::Pictures;
use super::{ItemOrder, PlaneApi, PlaneError};
use crate::domain::{
    deed::Deed,
    feature::Feature,
    ids::{ProjectId, WorkspaceId},
    plans::{Cycle, Module},
    work_item::{Estimate, ItemTitle, Label, Page, Person, Project, State, WorkItem},
    write::Write,
};

/// Titles and states of work items change more often than the rest, so they are remembered no longer. What
/// work items are about changes as seldom as the rest, and takes many requests.
const TITLES_TTL: Duration = Duration::from_secs(60);

/// For how long it is remembered that a Plane does not have something.
const LACKING_TTL: Duration = Duration::from_hours(6);

/// Projects remembered at the same time.
const MOST_PROJECTS: usize = 500;
/// Projects whose work items are remembered at the same time; these are large.
const MOST_ITEM_LISTS: usize = 20;
/// Pages of a hundred work items that are remembered, the ones updated last.
const ITEM_PAGES: u32 = 10;
/// Most of a description that is remembered, in bytes.
const LONGEST_DESCRIPTION_BYTES: usize = 8 * 1024;

/// Remembers facts per project for a fixed time. Callers that ask for the same fact at the same time
/// cause one request; failures are not remembered.
pub struct Facts {
    api: Arc<dyn PlaneApi>,
    ttl: Duration,
    projects: Remembered<Project>,
    states: Remembered<Vec<State>>,
    labels: Remembered<Vec<Label>>,
    members: Remembered<Vec<Person>>,
    items: Remembered<RecentItems>,
    titles: Remembered<Page<ItemTitle>>,
    pictures: Pictures,
    cycles: Remembered<Vec<Cycle>>,
    modules: Remembered<Vec<Module>>,
    estimates: Remembered<Vec<Estimate>>,
    workspace_members: Remembered<Vec<Person>, WorkspaceId>,
    /// What a workspace's Plane turned out not to have, and when it did.
    lacking: Mutex<HashMap<(WorkspaceId, Feature), Instant>>,
}

/// The work items of a project that were updated last, their descriptions shortened.
pub struct RecentItems {
    pub items: Vec<WorkItem>,
    /// How many the project has.
    pub total: u64,
}

impl Facts {
    #[must_use]
    pub fn new(api: Arc<dyn PlaneApi>, ttl: Duration) -> Self {
        Self {
            api,
            ttl,
            projects: Remembered::default(),
            states: Remembered::default(),
            labels: Remembered::default(),
            members: Remembered::default(),
            items: Remembered { most: MOST_ITEM_LISTS, ..Remembered::default() },
            titles: Remembered::default(),
            pictures: Pictures::default(),
            cycles: Remembered::default(),
            modules: Remembered::default(),
            estimates: Remembered::default(),
            workspace_members: Remembered::default(),
            lacking: Mutex::default(),
        }
    }

    /// # Errors
    /// What [`PlaneApi::project`] answers.
    pub async fn project(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Arc<Project>, PlaneError> {
        self.projects.get((workspace, project), self.ttl, || self.api.project(workspace, project)).await
    }

    /// # Errors
    /// What [`PlaneApi::states`] answers.
    pub async fn states(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Arc<Vec<State>>, PlaneError> {
        self.states.get((workspace, project), self.ttl, || self.api.states(workspace, project)).await
    }

    /// # Errors
    /// What [`PlaneApi::labels`] answers.
    pub async fn labels(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Arc<Vec<Label>>, PlaneError> {
        self.labels.get((workspace, project), self.ttl, || self.api.labels(workspace, project)).await
    }

    /// # Errors
    /// What [`PlaneApi::members`] answers.
    pub async fn members(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Arc<Vec<Person>>, PlaneError> {
        self.members.get((workspace, project), self.ttl, || self.api.members(workspace, project)).await
    }

    /// # Errors
    /// What [`super::ProjectApi::cycles`] answers.
    pub async fn cycles(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Arc<Vec<Cycle>>, PlaneError> {
        self.cycles.get((workspace, project), self.ttl, || self.api.cycles(workspace, project)).await
    }

    /// # Errors
    /// What [`super::ProjectApi::modules`] answers.
    pub async fn modules(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Arc<Vec<Module>>, PlaneError> {
        self.modules.get((workspace, project), self.ttl, || self.api.modules(workspace, project)).await
    }

    /// # Errors
    /// What [`super::DeedApi::estimates`] answers.
    pub async fn estimates(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
    ) -> Result<Arc<Vec<Estimate>>, PlaneError> {
        self.estimates.get((workspace, project), self.ttl, || self.api.estimates(workspace, project)).await
    }

    /// # Errors
    /// What [`PlaneApi::workspace_members`] answers.
    pub async fn workspace_members(&self, workspace: WorkspaceId) -> Result<Arc<Vec<Person>>, PlaneError> {
        self.workspace_members.get(workspace, self.ttl, || self.api.workspace_members(workspace)).await
    }

    /// The project as it was when it was last asked for, however long ago, without waiting.
    #[must_use]
    pub fn known_project(&self, workspace: WorkspaceId, project: ProjectId) -> Option<Arc<Project>> {
        self.projects.known((workspace, project))
    }

    /// The members as they were when they were last asked for, however long ago, without waiting.
    #[must_use]
    pub fn known_members(&self, workspace: WorkspaceId, project: ProjectId) -> Option<Arc<Vec<Person>>> {
        self.members.known((workspace, project))
    }

    /// # Errors
    /// What [`PlaneApi::titles`] answers.
    pub async fn titles(&self, workspace: WorkspaceId, project: ProjectId) -> Result<Arc<Page<ItemTitle>>, PlaneError> {
        let ttl = self.ttl.min(TITLES_TTL);
        self.titles.get((workspace, project), ttl, || self.api.titles(workspace, project)).await
    }

    /// What is known of a project's work items is no longer true: one was made or changed.
    pub fn forget_items(&self, workspace: WorkspaceId, project: ProjectId) {
        self.titles.forget((workspace, project));
        self.items.forget((workspace, project));
        // They count their work items.
        self.cycles.forget((workspace, project));
        self.modules.forget((workspace, project));
    }

    /// Forgets what is no longer true once this is made.
    pub fn forget_after(&self, workspace: WorkspaceId, write: &Write) {
        if let Some(project) = write.changes_items_of() {
            self.forget_items(workspace, project);
        }
        if let Write::Deed(Deed::CreateLabel { project, .. } | Deed::DeleteLabel { project, .. }) = write {
            self.labels.forget((workspace, *project));
        }
    }

    /// A call turned out not to exist in this workspace's Plane, as [`PlaneError::no_such_call`] tells.
    pub fn learn_lack(&self, workspace: WorkspaceId, feature: Feature) {
        tracing::info!(%workspace, ?feature, "this Plane does not have it");
        self.lacking().insert((workspace, feature), Instant::now());
    }

    /// Whether this workspace's Plane is known not to have it. After some hours it is tried again, as it may
    /// have been upgraded.
    #[must_use]
    pub fn lacks(&self, workspace: WorkspaceId, feature: Feature) -> bool {
        self.lacking().get(&(workspace, feature)).is_some_and(|learnt| learnt.elapsed() < LACKING_TTL)
    }

    fn lacking(&self) -> MutexGuard<'_, HashMap<(WorkspaceId, Feature), Instant>> {
        self.lacking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thousand work items that were updated last, as they were some minutes ago at most. It takes a
    /// request for each hundred.
    ///
    /// # Errors
    /// What [`PlaneApi::work_items`] answers.
    pub async fn recent_items(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
    ) -> Result<Arc<RecentItems>, PlaneError> {
        self.items.get((workspace, project), self.ttl, || self.fetch_items(workspace, project)).await
    }

    /// As [`Facts::recent_items`], as they were a minute ago at most.
    ///
    /// # Errors
    /// What [`PlaneApi::work_items`] answers.
    pub async fn current_items(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
    ) -> Result<Arc<RecentItems>, PlaneError> {
        let ttl = self.ttl.min(TITLES_TTL);
        self.items.get((workspace, project), ttl, || self.fetch_items(workspace, project)).await
    }

    async fn fetch_items(&self, workspace: WorkspaceId, project: ProjectId) -> Result<RecentItems, PlaneError> {
        let mut recent = RecentItems { items: Vec::new(), total: 0 };
        for number in 0..ITEM_PAGES {
            let page = self.api.work_items(workspace, project, ItemOrder::RecentlyUpdatedFirst, number, 100).await?;
            recent.total = page.total;
            for mut item in page.items {
                let mut end = item.description_html.len().min(LONGEST_DESCRIPTION_BYTES);
                while !item.description_html.is_char_boundary(end) {
                    end -= 1;
                }
                item.description_html.truncate(end);
                item.description_html.shrink_to_fit();
                // An item that was updated meanwhile may be on two pages.
                if recent.items.iter().all(|known| known.id != item.id) {
                    recent.items.push(item);
                }
            }
            if !page.more {
                break;
            }
        }
        Ok(recent)
    }
}

type Key = (WorkspaceId, ProjectId);

/// One kind of fact, by project where nothing else is said.
pub struct Remembered<T, K = Key> {
    most: usize,
    slots: Mutex<HashMap<K, Slot<T>>>,
}

struct Slot<T> {
    asked_at: Instant,
    /// Held while the fact is fetched, so that others wait for it.
    fact: Arc<tokio::sync::Mutex<Option<Fact<T>>>>,
}

struct Fact<T> {
    fetched_at: Instant,
    value: Arc<T>,
}

impl<T, K> Default for Remembered<T, K> {
    fn default() -> Self {
        Self { most: MOST_PROJECTS, slots: Mutex::default() }
    }
}

impl<T, K: Copy + Eq + std::hash::Hash> Remembered<T, K> {
    /// What is remembered, or what `fetch` gives.
    ///
    /// # Errors
    /// What `fetch` answers.
    pub async fn get<F>(&self, key: K, ttl: Duration, fetch: impl FnOnce() -> F) -> Result<Arc<T>, PlaneError>
    where
        F: Future<Output = Result<T, PlaneError>>,
    {
        let slot = self.slot(key);
        let mut fact = slot.lock().await;
        if let Some(known) = fact.as_ref().filter(|known| known.fetched_at.elapsed() < ttl) {
            return Ok(Arc::clone(&known.value));
        }
        let value = Arc::new(fetch().await?);
        *fact = Some(Fact { fetched_at: Instant::now(), value: Arc::clone(&value) });
        Ok(value)
    }

    /// What is remembered, however old.
    fn known(&self, key: K) -> Option<Arc<T>> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        // Where it is being fetched nobody waits for it here.
        let fact = slots.get(&key)?.fact.try_lock().ok()?;
        fact.as_ref().map(|known| Arc::clone(&known.value))
    }

    fn forget(&self, key: K) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }

    fn slot(&self, key: K) -> Arc<tokio::sync::Mutex<Option<Fact<T>>>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= self.most
            && !slots.contains_key(&key)
            && let Some(oldest) = slots.iter().min_by_key(|(_, slot)| slot.asked_at).map(|(key, _)| *key)
        {
            slots.remove(&oldest);
        }
        let slot = slots.entry(key).or_insert_with(|| Slot { asked_at: Instant::now(), fact: Arc::default() });
        slot.asked_at = Instant::now();
        Arc::clone(&slot.fact)
    }
}

#[cfg(test)]
mod tests;
