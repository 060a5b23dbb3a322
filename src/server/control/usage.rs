//! What was spent on models, as the operator sees it.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{domain::usage::Spent, store::Store};

/// Most runs listed.
const MOST_RUNS: usize = 1_000;

/// Which days are asked for, both included.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Days {
    pub from: Date,
    pub until: Date,
}

/// What one workspace spent on one model on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageLine {
    pub day: Date,
    /// The slug, or the id of a workspace that is not known any more.
    pub workspace: String,
    pub model: String,
    pub spent: Spent,
}

/// What one run spent, all its turns together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLine {
    pub run: String,
    pub workspace: String,
    pub first_seen: String,
    pub spent: Spent,
}

/// The rows of these days.
///
/// # Errors
/// The store could not be read, in one sentence.
pub async fn usage_lines(store: &dyn Store, days: Days) -> Result<Vec<UsageLine>, String> {
    let slugs = Slugs::read(store).await?;
    let rows = store.usage(days.from, days.until).await.map_err(|error| error.to_string())?;
    let lines = rows.into_iter().map(|row| UsageLine {
        day: row.day,
        workspace: slugs.of(row.workspace),
        model: row.model,
        spent: row.spent,
    });
    Ok(lines.collect())
}

/// The runs that spent anything, those touched last first.
///
/// # Errors
/// The store could not be read, in one sentence.
pub async fn run_lines(store: &dyn Store) -> Result<Vec<RunLine>, String> {
    let slugs = Slugs::read(store).await?;
    let runs = store.runs(MOST_RUNS).await.map_err(|error| error.to_string())?;
    let lines = runs.into_iter().filter(|run| run.spent != Spent::default()).map(|run| RunLine {
        run: run.info.id.to_string(),
        workspace: slugs.of(run.info.workspace),
        first_seen: run.first_seen.to_string(),
        spent: run.spent,
    });
    Ok(lines.collect())
}

pub(super) struct Slugs(Vec<crate::domain::installation::Installation>);

impl Slugs {
    pub(super) async fn read(store: &dyn Store) -> Result<Self, String> {
        store.installations().await.map(Self).map_err(|error| error.to_string())
    }

    pub(super) fn of(&self, workspace: crate::domain::ids::WorkspaceId) -> String {
        let known = self.0.iter().find(|installation| installation.workspace == workspace);
        known.map_or_else(|| workspace.to_string(), |installation| installation.slug.clone())
    }
}
