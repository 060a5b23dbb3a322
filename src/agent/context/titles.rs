//! What other work items are called: those of the project's newest that Plane lists with one request, and
//! a few older ones that are asked for by their ids.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{Agent, Place};
use crate::domain::{
    ids::WorkItemId,
    work_item::{ItemTitle, Page, Relation, WorkItem},
};

/// Older work items asked for, a request each.
const MOST_ASKED_FOR: usize = 5;

/// The titles that are known.
pub(super) struct Titles {
    /// `None` where Plane did not tell them.
    pub(super) newest: Option<Arc<Page<ItemTitle>>>,
    asked_for: Vec<ItemTitle>,
}

impl Titles {
    pub(super) fn get(&self, id: WorkItemId) -> Option<&ItemTitle> {
        let newest = self.newest.as_deref().map_or(&[][..], |page| page.items.as_slice());
        newest.iter().chain(&self.asked_for).find(|title| title.id == id)
    }

    pub(super) fn are_told(&self) -> bool {
        self.newest.is_some()
    }
}

impl Agent {
    /// Adds to the project's newest work items the parent and the related ones that are older.
    pub(super) async fn titles_of(
        &self,
        place: &Place<'_>,
        item: &WorkItem,
        relations: &[Relation],
        newest: Option<Arc<Page<ItemTitle>>>,
    ) -> Titles {
        let mut titles = Titles { newest, asked_for: Vec::new() };
        // What cannot be told of a hundred is not asked for one by one; and what is in another project may be
        // none of this person's business.
        if !titles.newest.as_ref().is_some_and(|page| page.more) {
            return titles;
        }
        let here = |project: Option<_>| project.is_none_or(|project| project == place.project);
        let parent = item.parent.iter().filter(|parent| here(parent.project)).map(|parent| parent.id);
        let related = relations.iter().filter(|relation| here(relation.project)).map(|relation| relation.other);
        let mut older: Vec<WorkItemId> = Vec::new();
        for id in parent.chain(related).filter(|id| titles.get(*id).is_none()) {
            if older.len() < MOST_ASKED_FOR && !older.contains(&id) {
                older.push(id);
            }
        }
        let ask = |id| self.plane.work_item(place.run.workspace, place.project, id);
        for answer in join_all(older.into_iter().map(ask)).await {
            match answer {
                Ok(older) => titles.asked_for.push(ItemTitle {
                    id: older.id,
                    sequence: older.sequence,
                    name: older.name,
                    parent: older.parent.map(|parent| parent.id),
                    state: older.state,
                }),
                Err(error) => tracing::debug!(%error, "an older work item goes without its title"),
            }
        }
        titles
    }
}
