//! What clients read: users, projects, work items and what hangs on them, runs.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::{
    api::{Answer, forbidden, missing},
    edition::Edition,
    files, json,
    listing::{self, Refusal},
    plans,
    project_writes::record_json,
    route::{InProject, InWorkspace, OfItem, Route},
    serve::Call,
    world::{Item, Person, Project, Workspace, World},
};
use crate::domain::ids::{ProjectId, RunId, WorkItemId};

/// Answers reads for one workspace.
pub(super) struct Reader<'a> {
    pub(super) world: &'a World,
    pub(super) workspace: &'a Workspace,
    pub(super) call: &'a Call,
    /// Names in `fields` that are not there; Plane ignores them.
    pub(super) unknown_fields: Vec<String>,
}

impl Reader<'_> {
    /// What the route answers to a GET.
    pub(super) fn read(&mut self, route: &Route) -> Answer {
        let place = match route {
            Route::Me => {
                let bot = self.workspace.people.iter().find(|person| person.id == self.workspace.bot);
                return Ok((200, bot.map(Person::to_json).ok_or_else(missing)?));
            }
            Route::Workspace(_, place) => place,
        };
        match place {
            InWorkspace::Members => Ok((200, self.members(None))),
            InWorkspace::Projects => {
                let all = self.workspace.projects.iter().map(|project| json::project(self.workspace, project));
                self.page(all.collect(), None)
            }
            InWorkspace::Project(project) => {
                let project = self.workspace.project(ProjectId(*project)).ok_or_else(missing)?;
                self.one(json::project(self.workspace, project), Some(project))
            }
            InWorkspace::InProject(project, place) => {
                let project = self.workspace.project(ProjectId(*project)).ok_or_else(forbidden)?;
                self.read_in_project(project, place)
            }
            InWorkspace::Search => self.search(),
            InWorkspace::ByKey(identifier, sequence) => {
                let sequence: u64 = sequence.parse().map_err(|_| listing::server_error())?;
                let found = self.workspace.item_by_key(&format!("{identifier}-{sequence}"));
                let (project, item) = found.ok_or_else(missing)?;
                self.one(json::item(self.workspace, project, item), Some(project))
            }
            InWorkspace::Run(run) => Ok((200, self.run(RunId(*run))?.to_json())),
            InWorkspace::RunActivities(run) => {
                let run = self.run(RunId(*run))?;
                self.page(run.activities.iter().map(|activity| run.activity_json(activity)).collect(), None)
            }
            InWorkspace::RunActivity(run, id) => {
                let run = self.run(RunId(*run))?;
                let activity = run.activities.iter().find(|activity| activity.id.0 == *id);
                let not_found = || (404, json!({"message": "Activity not found.", "code": "NOT_FOUND"}));
                Ok((200, run.activity_json(activity.ok_or_else(not_found)?)))
            }
        }
    }

    fn read_in_project(&mut self, project: &Project, place: &InProject) -> Answer {
        let home = self.workspace;
        match place {
            InProject::Members => Ok((200, self.members(Some(project)))),
            InProject::States => {
                let all = project.states.iter().map(|state| json::state(home, project, state)).collect();
                self.page(all, Some(project))
            }
            InProject::State(id) => {
                let state = project.states.iter().find(|state| state.id.0 == *id).ok_or_else(missing)?;
                self.one(json::state(home, project, state), Some(project))
            }
            InProject::Labels => {
                let all = project.labels.iter().rev().map(|label| json::label(home, project, label)).collect();
                self.page(all, Some(project))
            }
            InProject::Label(id) => {
                let label = project.labels.iter().find(|label| label.id.0 == *id).ok_or_else(missing)?;
                self.one(json::label(home, project, label), Some(project))
            }
            InProject::Page(id) => {
                let page = project.pages().find(|page| page.id.0 == *id).ok_or_else(missing)?;
                self.one(json::page(home, project, page), Some(project))
            }
            InProject::Pages => {
                let rows = project.pages().map(|page| {
                    let mut row = json::page(home, project, page);
                    row.as_object_mut().map(|row| row.remove("description_html"));
                    row
                });
                self.page(rows.collect(), None)
            }
            InProject::Estimates => Ok((200, estimates(project))),
            InProject::EstimatePoints(_) => Ok((200, estimate_points(project))),
            InProject::IntakeList => self.intake(project),
            InProject::Intake(id) => {
                let record = project.intake.iter().find(|record| record.item.id.0 == *id).ok_or_else(missing)?;
                self.one(record_json(home, project, record), Some(project))
            }
            InProject::CycleItem(..) | InProject::ModuleItem(..) => Err(missing()),
            InProject::Cycles => {
                self.page(project.cycles.iter().map(|c| plans::cycle(home, project, c)).collect(), None)
            }
            InProject::Modules => {
                self.page(project.modules.iter().map(|m| plans::module(home, project, m)).collect(), None)
            }
            InProject::CycleItems(id) => {
                let cycle = project.cycles.iter().find(|cycle| cycle.id.0 == *id).ok_or_else(missing)?;
                self.some_items(project, &cycle.items)
            }
            InProject::ModuleItems(id) => {
                let module = project.modules.iter().find(|module| module.id.0 == *id).ok_or_else(missing)?;
                self.some_items(project, &module.items)
            }
            InProject::Items => self.items(project),
            // The project is looked at, the work item is not.
            InProject::OfItem(_, OfItem::Attachment(file)) => files::location(project, *file),
            InProject::OfItem(item, place) => match project.item(WorkItemId(*item)) {
                Some(item) => self.read_of_item(project, item, place),
                None => self.read_of_unknown_item(place),
            },
        }
    }

    /// What was snoozed until a time that has passed is hidden.
    fn intake(&mut self, project: &Project) -> Answer {
        let now = jiff::Timestamp::now().to_string();
        let shown = |till: &Option<String>| till.as_ref().is_none_or(|till| *till >= now);
        let records = project.intake.iter().rev().filter(|record| shown(&record.snoozed_till));
        self.page(records.map(|record| record_json(self.workspace, project, record)).collect(), Some(project))
    }

    fn read_of_item(&mut self, project: &Project, item: &Item, place: &OfItem) -> Answer {
        let home = self.workspace;
        let all: Vec<Value> = match place {
            OfItem::Itself => return self.one(json::item(home, project, item), Some(project)),
            OfItem::Relations => return Ok((200, json::relations(project, item))),
            // A bare array.
            OfItem::Attachments => {
                let files = item
                    .attachments
                    .iter()
                    .filter(|file| file.listed)
                    .map(|file| json::attachment(home, project, item, file));
                return Ok((200, files.collect()));
            }
            OfItem::Attachment(file) => return files::location(project, *file),
            OfItem::Comment(id) => {
                let comment = item.comments.iter().find(|comment| comment.id.0 == *id).ok_or_else(missing)?;
                return self.one(json::comment(home, project, item, comment), Some(project));
            }
            // Newest first, whatever order is asked for.
            OfItem::Comments => item.comments.iter().rev().map(|c| json::comment(home, project, item, c)).collect(),
            OfItem::Link(id) => {
                let link = item.links.iter().find(|link| link.id == *id).ok_or_else(missing)?;
                return self.one(json::link(home, project, item, link), Some(project));
            }
            OfItem::RemoveRelation | OfItem::Archive | OfItem::Unarchive => return Err(missing()),
            OfItem::Links => item.links.iter().map(|link| json::link(home, project, item, link)).collect(),
            OfItem::Changes => {
                let changes = item.history.iter().map(|change| json::change(home, project, item, change));
                match self.call.query.get("order_by").map(String::as_str) {
                    None | Some("created_at") => changes.collect(),
                    Some("-created_at") => changes.rev().collect(),
                    Some(_) => return Err(listing::server_error()),
                }
            }
        };
        self.page(all, Some(project))
    }

    /// Lists under an unknown item are empty, not missing.
    fn read_of_unknown_item(&mut self, place: &OfItem) -> Answer {
        match place {
            OfItem::Comments | OfItem::Links | OfItem::Changes => self.page(Vec::new(), None),
            OfItem::Attachments => Ok((200, json!([]))),
            OfItem::Itself
            | OfItem::Relations
            | OfItem::Comment(_)
            | OfItem::Link(_)
            | OfItem::Attachment(_)
            | OfItem::RemoveRelation
            | OfItem::Archive
            | OfItem::Unarchive => Err(missing()),
        }
    }

    fn run(&self, id: RunId) -> Result<&super::run::Run, Refusal> {
        self.world.run(id).filter(|run| run.workspace == self.workspace.id).ok_or_else(missing)
    }

    /// A bare array: the members of a project, or everyone. Community Edition tells roles of workspaces only.
    fn members(&self, project: Option<&Project>) -> Value {
        let edition = self.world.edition;
        let member = |person: &Person| {
            let mut member = person.to_json();
            if project.is_none() || edition == Edition::Commercial {
                json::merge(&mut member, json!({"role": person.role}));
            }
            if edition == Edition::Commercial {
                json::merge(&mut member, json!({"is_bot": person.is_bot}));
            }
            member
        };
        let is_in = |person: &&Person| project.is_none_or(|project| project.has_member(person.id));
        self.workspace.people.iter().filter(is_in).map(member).collect()
    }

    fn some_items(&mut self, project: &Project, ids: &[WorkItemId]) -> Answer {
        let items = ids.iter().filter_map(|id| project.item(*id));
        self.page(items.map(|item| json::item(self.workspace, project, item)).collect(), Some(project))
    }

    fn items(&mut self, project: &Project) -> Answer {
        let query = &self.call.query;
        if let (Some(id), Some(source)) = (query.get("external_id"), query.get("external_source")) {
            let same =
                |item: &&Item| item.external.id.as_ref() == Some(id) && item.external.source.as_ref() == Some(source);
            let mut found = project.items.iter().filter(same);
            let item = found.next().ok_or_else(missing)?;
            if found.next().is_some() {
                return Err(listing::server_error());
            }
            return self.one(json::item(self.workspace, project, item), Some(project));
        }
        let mut items: Vec<&Item> = project.items.iter().collect();
        match query.get("order_by").map_or("-created_at", String::as_str) {
            "created_at" => items.sort_by_key(|item| (item.created_at, item.sequence)),
            "-created_at" => items.sort_by_key(|item| Reverse((item.created_at, item.sequence))),
            "updated_at" => items.sort_by_key(|item| item.updated_at),
            "-updated_at" => items.sort_by_key(|item| Reverse(item.updated_at)),
            "sequence_id" => items.sort_by_key(|item| item.sequence),
            "-sequence_id" => items.sort_by_key(|item| Reverse(item.sequence)),
            "priority" => items.sort_by_key(|item| urgency(&item.priority)),
            "-priority" => items.sort_by_key(|item| Reverse(urgency(&item.priority))),
            _ => return Err(listing::server_error()),
        }
        let all = items.into_iter().map(|item| json::item(self.workspace, project, item)).collect();
        self.page(all, Some(project))
    }

    /// Names, project identifiers and whole numbers only; descriptions are not searched.
    fn search(&self) -> Answer {
        let query = &self.call.query;
        let limit: usize =
            query.get("limit").map_or(Ok(10), |limit| limit.parse()).map_err(|_| listing::server_error())?;
        let text = query.get("search").map_or("", String::as_str).trim().to_lowercase();
        if text.is_empty() {
            return Ok((200, json!({"issues": []})));
        }
        let whole_workspace = query.get("workspace_search").is_some_and(|flag| flag == "true");
        let only = query.get("project_id").filter(|_| !whole_workspace);
        let numbers: Vec<u64> =
            text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect();
        let mut hits = Vec::new();
        for project in &self.workspace.projects {
            if only.is_some_and(|only| *only != project.id.to_string()) {
                continue;
            }
            let in_identifier = project.identifier.to_lowercase().contains(&text);
            let hit = |item: &&Item| {
                in_identifier || item.name.to_lowercase().contains(&text) || numbers.contains(&item.sequence)
            };
            hits.extend(project.items.iter().filter(hit).map(|item| json::search_hit(self.workspace, project, item)));
        }
        hits.truncate(limit);
        Ok((200, json!({"issues": hits})))
    }

    fn one(&mut self, mut value: Value, project: Option<&Project>) -> Answer {
        self.shape(&mut value, project);
        Ok((200, value))
    }

    fn page(&mut self, all: Vec<Value>, project: Option<&Project>) -> Answer {
        let mut page = listing::page(all, &self.call.query)?;
        for value in page["results"].as_array_mut().into_iter().flatten() {
            self.shape(value, project);
        }
        self.unknown_fields.dedup();
        Ok((200, page))
    }

    fn shape(&mut self, value: &mut Value, project: Option<&Project>) {
        if let Some(keys) = self.call.query.get("expand") {
            listing::expand(value, keys, self.workspace, project);
        }
        if let Some(fields) = self.call.query.get("fields") {
            self.unknown_fields.extend(listing::keep_fields(value, fields));
        }
    }
}

fn estimates(project: &Project) -> Value {
    json!([{"id": project.id, "name": "Points", "type": "points", "project": project.id}])
}

fn estimate_points(project: &Project) -> Value {
    let all = project.estimates.iter().enumerate();
    all.map(|(key, (id, value))| json!({"id": id, "key": key, "value": value, "estimate": project.id})).collect()
}

/// Ascending order begins with the most urgent.
fn urgency(priority: &str) -> usize {
    let order = ["urgent", "high", "medium", "low", "none"];
    order.iter().position(|name| *name == priority).unwrap_or(order.len())
}
