//! What a project has beside its work items: cycles, modules, pages.

use jiff::civil::Date;

use super::ids::{CycleId, ModuleId, PageId};

/// A stretch of days with work items in it; a work item is in one at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle {
    pub id: CycleId,
    pub name: String,
    /// First and last day on the project's clocks; a draft has neither.
    pub start_date: Option<Date>,
    pub end_date: Option<Date>,
    pub progress: Option<Progress>,
}

impl Cycle {
    /// Whether it is under way on this day.
    #[must_use]
    pub fn is_current(&self, today: Date) -> bool {
        self.start_date.is_some_and(|start| start <= today) && self.end_date.is_some_and(|end| today <= end)
    }
}

/// Work items that belong to one undertaking; a work item can be in several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    pub id: ModuleId,
    pub name: String,
    /// In Plane's word, such as `in-progress`; empty where Plane tells none.
    pub status: String,
    pub start_date: Option<Date>,
    pub target_date: Option<Date>,
    pub progress: Option<Progress>,
}

/// How far something has come, in work items. Plane leaves it out right after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub total: u64,
    /// Completed or cancelled.
    pub closed: u64,
}

/// A page of a project in a list, which does not tell its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageTitle {
    pub id: PageId,
    pub name: String,
}
