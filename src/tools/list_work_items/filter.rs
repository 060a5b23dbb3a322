//! Which work items are wanted: the model's words, resolved to ids and days.

use std::collections::BTreeSet;

use jiff::{Timestamp, civil::Date};

use super::Args;
use crate::{
    domain::{
        ids::{LabelId, ProjectId, StateId, UserId, WorkItemId},
        plans::{Cycle, Module},
        work_item::{State, WorkItem},
        write::Slot,
    },
    tools::{ToolCx, ToolError, When, describe, resolve, target},
};

const OPEN_GROUPS: [&str; 3] = ["backlog", "unstarted", "started"];
const CLOSED_GROUPS: [&str; 2] = ["completed", "cancelled"];

/// What fits; what is `None` or empty leaves everything in.
#[derive(Default)]
pub(super) struct Filter {
    states: Option<BTreeSet<StateId>>,
    labels: Option<AnyOf<LabelId>>,
    assignees: Option<AnyOf<UserId>>,
    priorities: Vec<&'static str>,
    created_by: Option<UserId>,
    pub(super) cycle: Option<Cycle>,
    pub(super) module: Option<Module>,
    parent: Option<Slot<WorkItemId>>,
    created: Days,
    updated: Days,
    due: Days,
    /// Only what has no due date.
    undated: bool,
}

/// Any of some ids, or none at all.
struct AnyOf<T> {
    ids: BTreeSet<T>,
    or_none: bool,
}

impl<T: Ord + Copy> AnyOf<T> {
    fn fits(&self, held: impl Iterator<Item = T>) -> bool {
        let held: BTreeSet<T> = held.collect();
        if held.is_empty() { self.or_none } else { !self.ids.is_disjoint(&held) }
    }
}

/// From one day to another, both included.
#[derive(Default)]
struct Days {
    from: Option<Date>,
    to: Option<Date>,
}

impl Days {
    fn of(field: &str, from: Option<&str>, to: Option<&str>) -> Result<Self, ToolError> {
        let day = |text: Option<&str>| match one(text) {
            None => Ok(None),
            Some(text) => resolve::day(field, text).map(|slot| match slot {
                Slot::Is(day) => Some(day),
                Slot::Empty => None,
            }),
        };
        let days = Self { from: day(from)?, to: day(to)? };
        match (days.from, days.to) {
            (Some(from), Some(to)) if from > to => Err(ToolError::NoSuchThing(format!(
                "No day is on {from} or later and on {to} or earlier: exchange the two days of {field}."
            ))),
            _ => Ok(days),
        }
    }

    fn fits(&self, day: Option<Date>) -> bool {
        match day {
            None => self.from.is_none() && self.to.is_none(),
            Some(day) => self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to),
        }
    }
}

impl Filter {
    /// Looks up what the names mean.
    pub(super) async fn of(args: &Args, project: ProjectId, cx: &ToolCx<'_>) -> Result<Self, ToolError> {
        let mut filter = Self {
            created: Days::of("created", args.created_from.as_deref(), args.created_to.as_deref())?,
            updated: Days::of("updated", args.updated_from.as_deref(), args.updated_to.as_deref())?,
            due: Days::of("due", args.due_from.as_deref(), args.due_to.as_deref())?,
            undated: one(args.due_to.as_deref()).is_some_and(resolve::is_nothing),
            ..Self::default()
        };
        for name in filled(&args.priorities) {
            filter.priorities.push(resolve::priority(name)?);
        }
        let names: Vec<_> = filled(&args.states).collect();
        if !names.is_empty() {
            let states = cx.facts.states(cx.workspace, project).await?;
            filter.states = Some(states_named(&names, &states)?);
        }
        let names: Vec<_> = filled(&args.labels).collect();
        if !names.is_empty() {
            let labels = cx.facts.labels(cx.workspace, project).await?;
            filter.labels = Some(any_of(&names, |name| resolve::label(name, &labels).map(|label| label.id))?);
        }
        let names: Vec<_> = filled(&args.assignees).collect();
        let creator = one(args.created_by.as_deref());
        if !names.is_empty() || creator.is_some() {
            let people = cx.facts.members(cx.workspace, project).await?;
            let id_of = |name: &str| resolve::person(name, &people).map(|person| person.id);
            filter.assignees = (!names.is_empty()).then(|| any_of(&names, id_of)).transpose()?;
            filter.created_by = creator.map(id_of).transpose()?;
        }
        if let Some(name) = one(args.cycle.as_deref()) {
            let cycles = cx.facts.cycles(cx.workspace, project).await?;
            filter.cycle = Some(resolve::cycle(name, &cycles, cx.when.today())?.clone());
        }
        if let Some(name) = one(args.module.as_deref()) {
            let modules = cx.facts.modules(cx.workspace, project).await?;
            filter.module = Some(resolve::module(name, &modules)?.clone());
        }
        filter.parent = match one(args.parent.as_deref()) {
            None => None,
            Some(nothing) if resolve::is_nothing(nothing) => Some(Slot::Empty),
            Some(key) => Some(Slot::Is(target::located(Some(key), cx).await?.1)),
        };
        Ok(filter)
    }

    pub(super) fn fits(&self, item: &WorkItem, when: &When) -> bool {
        let day = |at: Option<Timestamp>| at.map(|at| when.day_of(at));
        let state = |states: &BTreeSet<StateId>| item.state.as_ref().is_some_and(|state| states.contains(&state.id));
        let parent = |parent: &Slot<WorkItemId>| match parent {
            Slot::Empty => item.parent.is_none(),
            Slot::Is(id) => item.parent.as_ref().is_some_and(|parent| parent.id == *id),
        };
        self.states.as_ref().is_none_or(state)
            && self.labels.as_ref().is_none_or(|any| any.fits(item.labels.iter().map(|label| label.id)))
            && self.assignees.as_ref().is_none_or(|any| any.fits(item.assignees.iter().map(|person| person.id)))
            && (self.priorities.is_empty() || self.priorities.contains(&item.priority.as_str()))
            && self.created_by.is_none_or(|id| item.created_by.as_ref().is_some_and(|person| person.id == id))
            && self.parent.as_ref().is_none_or(parent)
            && self.created.fits(day(item.created_at))
            && self.updated.fits(day(item.updated_at))
            && self.due.fits(item.target_date)
            && (!self.undated || item.target_date.is_none())
    }

    /// Whether nothing fits that was last changed on this day or before.
    pub(super) fn begins_after(&self, day: Date) -> bool {
        // What was created later was changed later, too.
        [self.updated.from, self.created.from].into_iter().flatten().any(|from| from > day)
    }
}

fn filled(names: &[String]) -> impl Iterator<Item = &str> {
    names.iter().map(|name| name.trim()).filter(|name| !name.is_empty())
}

fn one(name: Option<&str>) -> Option<&str> {
    name.map(str::trim).filter(|name| !name.is_empty())
}

fn any_of<T: Ord>(names: &[&str], id_of: impl Fn(&str) -> Result<T, ToolError>) -> Result<AnyOf<T>, ToolError> {
    let mut any = AnyOf { ids: BTreeSet::new(), or_none: false };
    for name in names {
        match id_of(name) {
            Ok(id) => drop(any.ids.insert(id)),
            // A record of this name comes first.
            Err(_) if resolve::is_nothing(name) => any.or_none = true,
            Err(error) => return Err(error),
        }
    }
    Ok(any)
}

/// The states with these names, and those in groups with these names.
fn states_named(names: &[&str], states: &[State]) -> Result<BTreeSet<StateId>, ToolError> {
    let mut found = BTreeSet::new();
    for name in names {
        let missed = match resolve::state(name, states) {
            Ok(state) => {
                found.insert(state.id);
                continue;
            }
            Err(missed) => missed,
        };
        let lower = name.to_lowercase();
        let groups: &[&str] = match lower.as_str() {
            "open" => &OPEN_GROUPS,
            "closed" => &CLOSED_GROUPS,
            "canceled" => &["cancelled"],
            group if OPEN_GROUPS.contains(&group) || CLOSED_GROUPS.contains(&group) => &[group],
            _ => {
                let groups = [&OPEN_GROUPS[..], &CLOSED_GROUPS[..]].concat().join(", ");
                return Err(ToolError::NoSuchThing(format!("{missed} Groups are: {groups}, open, closed.")));
            }
        };
        found.extend(states.iter().filter(|state| groups.contains(&state.group.as_str())).map(|state| state.id));
    }
    Ok(found)
}

/// The filters in words, such as `state In Progress, label bug`; empty where there are none.
pub(super) fn told(args: &Args) -> String {
    let mut parts = Vec::new();
    for (what, names) in [
        ("state", &args.states),
        ("label", &args.labels),
        ("assignee", &args.assignees),
        ("priority", &args.priorities),
    ] {
        let names: Vec<_> = filled(names).collect();
        if !names.is_empty() {
            parts.push(format!("{what} {}", names.join(" or ")));
        }
    }
    for (what, value) in [
        ("created by", &args.created_by),
        ("cycle", &args.cycle),
        ("module", &args.module),
        ("parent", &args.parent),
        ("created from", &args.created_from),
        ("created to", &args.created_to),
        ("updated from", &args.updated_from),
        ("updated to", &args.updated_to),
        ("due from", &args.due_from),
        ("due to", &args.due_to),
    ] {
        parts.extend(one(value.as_deref()).map(|value| format!("{what} {value}")));
    }
    describe::shortened(&parts.join(", "), 300)
}

#[cfg(test)]
mod tests;
