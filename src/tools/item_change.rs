//! From the values a model names to the fields that are to be set, and to before and after in words.

use std::sync::Arc;

use super::{ToolCx, ToolError, describe, resolve, target};
use crate::{
    domain::{
        feature::Feature,
        ids::{LabelId, ProjectId, UserId},
        work_item::{Person, WorkItem},
        write::{FieldChange, ItemFields, Slot},
    },
    plane::{html, markdown},
};

const NAME_LIMIT_CHARS: usize = 255;
const DESCRIPTION_LIMIT_CHARS: usize = 50_000;
/// Most of a description told before and after; all else is told to its end, since people approve it.
const SHOWN_CHARS: usize = 120;

/// The values as the model names them; what is absent is left alone.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) tool: &'static str,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) priority: Option<String>,
    pub(super) state: Option<String>,
    pub(super) add_labels: Vec<String>,
    pub(super) remove_labels: Vec<String>,
    pub(super) add_assignees: Vec<String>,
    pub(super) remove_assignees: Vec<String>,
    pub(super) parent: Option<String>,
    pub(super) start_date: Option<String>,
    pub(super) due_date: Option<String>,
    pub(super) estimate: Option<String>,
}

impl Wanted {
    /// Models send empty texts for what they do not mean.
    fn without_blanks(mut self) -> Self {
        let texts = [
            &mut self.description,
            &mut self.priority,
            &mut self.state,
            &mut self.parent,
            &mut self.start_date,
            &mut self.due_date,
            &mut self.estimate,
        ];
        for text in texts {
            if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
                *text = None;
            }
        }
        for list in [&mut self.add_labels, &mut self.remove_labels, &mut self.add_assignees, &mut self.remove_assignees]
        {
            list.retain(|name| !name.trim().trim_start_matches('@').is_empty());
        }
        self
    }
}

/// How a work item is called: by its key, or else by its number.
pub(super) fn called(item: &WorkItem) -> String {
    item.key().unwrap_or_else(|| format!("work item {}", item.sequence))
}

/// The project's members; without them names cannot become mentions, which is no reason to fail.
pub(super) async fn people(cx: &ToolCx<'_>, project: ProjectId) -> Arc<Vec<Person>> {
    cx.facts.members(cx.workspace, project).await.unwrap_or_default()
}

/// The fields that `wanted` sets to something other than what `item` holds, and each of them in words.
pub(super) async fn change_of(
    wanted: Wanted,
    item: Option<&WorkItem>,
    project: ProjectId,
    cx: &ToolCx<'_>,
) -> Result<(ItemFields, Vec<FieldChange>), ToolError> {
    let wanted = wanted.without_blanks();
    let mut change = Change { item, fields: ItemFields::default(), told: Vec::new() };
    change.texts(&wanted, project, cx).await?;
    change.choices(&wanted, project, cx).await?;
    change.lists(&wanted, project, cx).await?;
    change.parent(&wanted, project, cx).await?;
    change.dates(&wanted)?;
    change.estimate(&wanted, project, cx).await?;
    Ok((change.fields, change.told))
}

struct Change<'a> {
    item: Option<&'a WorkItem>,
    fields: ItemFields,
    told: Vec<FieldChange>,
}

impl Change<'_> {
    fn tell(&mut self, field: &str, before: &str, after: &str) {
        let shown = |text: &str| if text.is_empty() { "none".to_owned() } else { describe::one_line(text) };
        self.told.push(FieldChange { field: field.to_owned(), before: shown(before), after: shown(after) });
    }

    async fn texts(&mut self, wanted: &Wanted, project: ProjectId, cx: &ToolCx<'_>) -> Result<(), ToolError> {
        let bad = |message: String| Err(ToolError::BadArguments { tool: wanted.tool, message });
        if let Some(name) = &wanted.name {
            let name = describe::name(name);
            if name.is_empty() || name.chars().count() > NAME_LIMIT_CHARS {
                return bad(format!("name must have between 1 and {NAME_LIMIT_CHARS} characters"));
            }
            let before = self.item.map(|item| item.name.clone()).unwrap_or_default();
            if before != name {
                self.tell("name", &before, &name);
                self.fields.name = Some(name);
            }
        }
        let Some(description) = wanted.description.as_deref().map(str::trim) else {
            return Ok(());
        };
        if description.chars().count() > DESCRIPTION_LIMIT_CHARS {
            return bad(format!("description must have at most {DESCRIPTION_LIMIT_CHARS} characters"));
        }
        let people = people(cx, project).await;
        let handle = |name: &str| people.iter().find(|person| person.display_name.eq_ignore_ascii_case(name));
        let after = markdown::to_html(description, &|name| handle(name).map(|person| person.id));
        let before = self.item.map(|item| item.description_html.as_str()).unwrap_or_default();
        if !html::same_text(before, &after) {
            let plain = html::to_markdown(before, &|_| None, DESCRIPTION_LIMIT_CHARS);
            let part = |text: &str| describe::shortened(text, SHOWN_CHARS);
            self.tell("description", &part(&plain), &part(description));
            self.fields.description_html = Some(after);
        }
        Ok(())
    }

    async fn choices(&mut self, wanted: &Wanted, project: ProjectId, cx: &ToolCx<'_>) -> Result<(), ToolError> {
        if let Some(priority) = &wanted.priority {
            let after = resolve::priority(priority)?;
            let before = self.item.map(|item| item.priority.as_str().to_owned()).unwrap_or_default();
            if before != after && !(self.item.is_none() && after == "none") {
                self.tell("priority", &before, after);
                self.fields.priority = Some(after.to_owned());
            }
        }
        if let Some(state) = &wanted.state {
            let states = cx.facts.states(cx.workspace, project).await?;
            let after = resolve::state(state, &states)?;
            let before = self.item.and_then(|item| item.state.as_ref());
            if before.map(|state| state.id) != Some(after.id) {
                let name = before.and_then(|state| state.name.clone()).unwrap_or_default();
                self.tell("state", &name, &after.name);
                self.fields.state = Some(after.id);
            }
        }
        Ok(())
    }

    async fn lists(&mut self, wanted: &Wanted, project: ProjectId, cx: &ToolCx<'_>) -> Result<(), ToolError> {
        if !(wanted.add_labels.is_empty() && wanted.remove_labels.is_empty()) {
            let known = cx.facts.labels(cx.workspace, project).await?;
            let ids = |names: &[String]| -> Result<Vec<LabelId>, ToolError> {
                names.iter().map(|name| resolve::label(name, &known).map(|label| label.id)).collect()
            };
            let before: Vec<_> = self.item.into_iter().flat_map(|item| &item.labels).map(|label| label.id).collect();
            let after = merged(&before, &ids(&wanted.add_labels)?, &ids(&wanted.remove_labels)?);
            if after != before {
                let name = |id: &LabelId| known.iter().find(|label| label.id == *id).map(|label| label.name.clone());
                self.tell("labels", &joined(&before, name), &joined(&after, name));
                self.fields.labels = Some(after);
            }
        }
        if !(wanted.add_assignees.is_empty() && wanted.remove_assignees.is_empty()) {
            let known = cx.facts.members(cx.workspace, project).await?;
            let ids = |names: &[String]| -> Result<Vec<UserId>, ToolError> {
                names.iter().map(|name| resolve::person(name, &known).map(|person| person.id)).collect()
            };
            let before: Vec<_> =
                self.item.into_iter().flat_map(|item| &item.assignees).map(|person| person.id).collect();
            let after = merged(&before, &ids(&wanted.add_assignees)?, &ids(&wanted.remove_assignees)?);
            if after != before {
                let name = |id: &UserId| known.iter().find(|person| person.id == *id).map(Person::handle);
                self.tell("assignees", &joined(&before, name), &joined(&after, name));
                self.fields.assignees = Some(after);
            }
        }
        Ok(())
    }

    async fn parent(&mut self, wanted: &Wanted, project: ProjectId, cx: &ToolCx<'_>) -> Result<(), ToolError> {
        let Some(parent) = &wanted.parent else { return Ok(()) };
        let (after, shown) = if resolve::is_nothing(parent) {
            (Slot::Empty, String::new())
        } else {
            let parent = target::work_item(Some(parent), cx).await?;
            let is_itself = self.item.is_some_and(|item| item.id == parent.id);
            if parent.project.id != project || is_itself {
                return Err(ToolError::NoSuchThing(
                    "A parent must be another work item of the same project.".to_owned(),
                ));
            }
            (Slot::Is(parent.id), called(&parent))
        };
        let held = self.item.and_then(|item| item.parent.as_ref());
        if Slot::from(held.map(|parent| parent.id)) != after {
            let before = held.map(|parent| match parent.sequence {
                Some(sequence) => format!("number {sequence}"),
                None => "another work item".to_owned(),
            });
            self.tell("parent", &before.unwrap_or_default(), &shown);
            self.fields.parent = Some(after);
        }
        Ok(())
    }

    async fn estimate(&mut self, wanted: &Wanted, project: ProjectId, cx: &ToolCx<'_>) -> Result<(), ToolError> {
        let Some(estimate) = &wanted.estimate else { return Ok(()) };
        let missing = || ToolError::NoSuchThing(Feature::Estimates.missing().to_owned());
        if cx.facts.lacks(cx.workspace, Feature::Estimates) {
            return Err(missing());
        }
        let known = match cx.facts.estimates(cx.workspace, project).await {
            Err(error) if error.no_such_call() => {
                cx.facts.learn_lack(cx.workspace, Feature::Estimates);
                return Err(missing());
            }
            known => known?,
        };
        if known.is_empty() {
            return Err(ToolError::NoSuchThing("The project uses no estimates.".to_owned()));
        }
        let after = if resolve::is_nothing(estimate) { None } else { Some(resolve::estimate(estimate, &known)?) };
        let held = self.item.and_then(|item| item.estimate);
        if held != after.map(|estimate| estimate.id) {
            let value =
                |id| known.iter().find(|estimate| Some(estimate.id) == id).map(|estimate| estimate.value.as_str());
            self.tell("estimate", value(held).unwrap_or_default(), after.map_or("", |estimate| &estimate.value));
            self.fields.estimate = Some(after.map(|estimate| estimate.id).into());
        }
        Ok(())
    }

    fn dates(&mut self, wanted: &Wanted) -> Result<(), ToolError> {
        let day = |field, text: &Option<String>| text.as_deref().map(|text| resolve::day(field, text)).transpose();
        let start = day("start_date", &wanted.start_date)?;
        let due = day("due_date", &wanted.due_date)?;
        if start.is_none() && due.is_none() {
            return Ok(());
        }
        let held = (self.item.and_then(|item| item.start_date), self.item.and_then(|item| item.target_date));
        // Plane compares the two only if both are in one request.
        let first = start.unwrap_or_else(|| held.0.into());
        let last = due.unwrap_or_else(|| held.1.into());
        if let (Slot::Is(first), Slot::Is(last)) = (first, last)
            && first > last
        {
            return Err(ToolError::NoSuchThing(format!("The start date {first} would be after the due date {last}.")));
        }
        let shown = |slot: Slot<jiff::civil::Date>| match slot {
            Slot::Empty => String::new(),
            Slot::Is(date) => date.to_string(),
        };
        if let Some(after) = start.filter(|after| *after != held.0.into()) {
            self.tell("start date", &shown(held.0.into()), &shown(after));
            self.fields.start_date = Some(after);
        }
        if let Some(after) = due.filter(|after| *after != held.1.into()) {
            self.tell("due date", &shown(held.1.into()), &shown(after));
            self.fields.target_date = Some(after);
        }
        Ok(())
    }
}

fn merged<T: PartialEq + Copy>(before: &[T], add: &[T], remove: &[T]) -> Vec<T> {
    let mut after: Vec<T> = before.iter().filter(|id| !remove.contains(id)).copied().collect();
    for id in add {
        if !after.contains(id) {
            after.push(*id);
        }
    }
    after
}

fn joined<T>(ids: &[T], name: impl Fn(&T) -> Option<String>) -> String {
    ids.iter().map(|id| name(id).unwrap_or_else(|| "(unknown)".to_owned())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        ids::WorkItemId,
        work_item::{Priority, ProjectRef},
    };

    fn from(start: i8, due: i8) -> WorkItem {
        WorkItem {
            id: WorkItemId(uuid::Uuid::from_u128(1)),
            project: ProjectRef { id: ProjectId(uuid::Uuid::from_u128(2)), identifier: None, name: None },
            sequence: 5,
            name: "Crash".to_owned(),
            description_html: String::new(),
            priority: Priority::None,
            state: None,
            labels: Vec::new(),
            assignees: Vec::new(),
            start_date: Some(jiff::civil::date(2026, 12, start)),
            target_date: Some(jiff::civil::date(2026, 12, due)),
            parent: None,
            estimate: None,
            created_at: None,
            updated_at: None,
            completed_at: None,
            created_by: None,
        }
    }

    #[test]
    fn dates_are_compared_only_if_one_of_them_is_to_change() {
        for (item, start_date, due_date, fine) in [
            (from(20, 1), None, None, true),
            (from(1, 20), Some("2026-12-21"), None, false),
            (from(1, 20), None, Some("2026-12-21"), true),
            (from(20, 1), None, Some("2026-12-21"), true),
            (from(20, 1), Some("2026-12-02"), None, false),
        ] {
            let wanted = Wanted {
                start_date: start_date.map(str::to_owned),
                due_date: due_date.map(str::to_owned),
                ..Wanted::default()
            };
            let mut change = Change { item: Some(&item), fields: ItemFields::default(), told: Vec::new() };
            assert_eq!(change.dates(&wanted).is_ok(), fine, "{start_date:?} to {due_date:?}");
        }
    }
}
