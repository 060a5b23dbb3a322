//! Cycles, modules and pages as a project lists them.

use jiff::{civil::Date, tz::TimeZone};
use serde_json::Value;

use super::{fields::Fields, record};
use crate::domain::{
    ids::ProjectId,
    plans::{Cycle, Module, PageTitle, Progress},
    work_item::{Estimate, WorkItem},
};

/// Reads a cycle; an archived one is none.
pub(in crate::plane) fn cycle(value: &Value) -> Option<Cycle> {
    let fields = open(value)?;
    Some(Cycle {
        id: fields.id("id")?,
        name: fields.text_or_empty("name"),
        start_date: day_there(fields, "start_date"),
        end_date: day_there(fields, "end_date"),
        progress: progress(fields),
    })
}

/// Reads a module; an archived one is none.
pub(in crate::plane) fn module(value: &Value) -> Option<Module> {
    let fields = open(value)?;
    Some(Module {
        id: fields.id("id")?,
        name: fields.text_or_empty("name"),
        status: fields.text_or_empty("status"),
        start_date: fields.date("start_date"),
        target_date: fields.date("target_date"),
        progress: progress(fields),
    })
}

/// Reads a work item of a cycle or module: itself, or a link that has it under `issue`.
pub(in crate::plane) fn member_item(value: &Value, project: ProjectId) -> Option<WorkItem> {
    let fields = Fields::of(value)?;
    let linked = fields.object("issue").and_then(|_| fields.value("issue"));
    // The id of a link is not the work item's, so a row that only links is better not read.
    linked.or_else(|| fields.has("name").then_some(value)).and_then(|item| record::work_item(item, Some(project)))
}

/// Reads a page of a list; an archived one is none.
pub(in crate::plane) fn page_title(value: &Value) -> Option<PageTitle> {
    let fields = open(value)?;
    Some(PageTitle { id: fields.id("id")?, name: fields.text_or_empty("name") })
}

/// Reads a value of an estimate.
pub(in crate::plane) fn estimate(value: &Value) -> Option<Estimate> {
    let fields = Fields::of(value)?;
    Some(Estimate { id: fields.id("id")?, value: fields.filled_text("value")? })
}

fn open(value: &Value) -> Option<Fields<'_>> {
    Fields::of(value).filter(|fields| fields.value("archived_at").is_none())
}

/// The day a moment falls on in the cycle's own time zone: a cycle ends one minute before midnight there.
fn day_there(fields: Fields<'_>, name: &str) -> Option<Date> {
    let zone = fields.text("timezone").and_then(|zone| TimeZone::get(zone).ok()).unwrap_or(TimeZone::UTC);
    fields.time(name).map(|at| zone.to_datetime(at).date()).or_else(|| fields.date(name))
}

fn progress(fields: Fields<'_>) -> Option<Progress> {
    let total = fields.count("total_issues")?;
    let closed = ["completed_issues", "cancelled_issues"].map(|name| fields.count(name).unwrap_or(0));
    Some(Progress { total, closed: closed.iter().sum() })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use serde_json::json;

    use super::*;

    const ID: &str = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";

    #[test]
    fn the_days_of_a_cycle_are_those_on_its_own_clocks() {
        let body = json!({
            "id": ID, "name": "Sprint 1", "timezone": "America/New_York",
            "start_date": "2026-11-16T05:00:01Z", "end_date": "2026-11-30T04:59:00Z",
        });
        let read = cycle(&body).unwrap();
        assert_eq!((read.start_date, read.end_date), (Some(date(2026, 11, 16)), Some(date(2026, 11, 29))));
        assert!(read.is_current(date(2026, 11, 29)) && !read.is_current(date(2026, 11, 30)));
        let draft = cycle(&json!({"id": ID, "name": "Later", "start_date": null})).unwrap();
        assert!(draft.start_date.is_none() && !draft.is_current(date(2026, 11, 29)));
    }

    #[test]
    fn archived_ones_and_rows_that_only_link_are_left_out() {
        assert_eq!(module(&json!({"id": ID, "name": "Old", "archived_at": "2026-11-16"})), None);
        let project = ID.parse().unwrap();
        assert_eq!(member_item(&json!({"id": ID, "issue": ID}), project), None);
        let item = json!({"id": ID, "name": "In it", "sequence_id": 3});
        assert_eq!(member_item(&item, project).unwrap().name, "In it");
        assert_eq!(member_item(&json!({"id": "x", "issue": item}), project).unwrap().sequence, 3);
    }
}
