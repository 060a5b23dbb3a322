//! Work items, comments, the change log, and a project's states, labels and members.

use serde_json::Value;

use super::{
    fields::{Fields, id_of},
    hands, write,
};
use crate::domain::{
    ids::{ProjectId, UserId},
    role::Role,
    work_item::{
        Change, Comment, Document, ItemTitle, Label, LabelRef, ParentRef, Person, Priority, Project, ProjectRef,
        SearchHit, State, StateRef, WorkItem,
    },
};

/// Reads a work item; `project` is the one it was asked for in, if the path said so.
pub(in crate::plane) fn work_item(body: &Value, project: Option<ProjectId>) -> Option<WorkItem> {
    let fields = Fields::of(body)?;
    Some(WorkItem {
        id: fields.id("id")?,
        project: project_ref(fields, project)?,
        sequence: fields.count("sequence_id").unwrap_or_default(),
        name: fields.text_or_empty("name"),
        description_html: fields.text_or_empty("description_html"),
        priority: Priority::from(fields.text("priority").unwrap_or_default()),
        state: state_ref(fields),
        labels: fields.list("labels").iter().filter_map(label_ref).collect(),
        assignees: fields.list("assignees").iter().filter_map(person).collect(),
        created_by: fields.value("created_by").and_then(person),
        parent: parent_ref(fields),
        start_date: fields.date("start_date"),
        target_date: fields.date("target_date"),
        estimate: fields.id("estimate_point"),
        created_at: fields.time("created_at"),
        updated_at: fields.time("updated_at"),
        completed_at: fields.time("completed_at"),
    })
}

fn project_ref(fields: Fields<'_>, asked_in: Option<ProjectId>) -> Option<ProjectRef> {
    let expanded = fields.object("project");
    Some(ProjectRef {
        id: fields.id("project").or(asked_in)?,
        identifier: expanded.and_then(|project| project.filled_text("identifier")),
        name: expanded.and_then(|project| project.filled_text("name")),
    })
}

fn state_ref(fields: Fields<'_>) -> Option<StateRef> {
    let expanded = fields.object("state");
    Some(StateRef {
        id: fields.id("state")?,
        name: expanded.and_then(|state| state.filled_text("name")),
        group: expanded.and_then(|state| state.filled_text("group")),
    })
}

fn label_ref(value: &Value) -> Option<LabelRef> {
    let name = Fields::of(value).and_then(|label| label.filled_text("name"));
    Some(LabelRef { id: id_of(value)?, name })
}

fn parent_ref(fields: Fields<'_>) -> Option<ParentRef> {
    let expanded = fields.object("parent");
    Some(ParentRef {
        id: fields.id("parent")?,
        project: expanded.and_then(|parent| parent.id("project_id").or_else(|| parent.id("project"))),
        sequence: expanded.and_then(|parent| parent.count("sequence_id")),
    })
}

/// Reads a person given as an id or an object.
pub(in crate::plane) fn person(value: &Value) -> Option<Person> {
    let id: UserId = id_of(value)?;
    let Some(fields) = Fields::of(value) else {
        return Some(Person::unnamed(id));
    };
    let names = [fields.text_or_empty("first_name"), fields.text_or_empty("last_name")];
    Some(Person {
        id,
        display_name: fields.text_or_empty("display_name"),
        full_name: names.join(" ").trim().to_owned(),
        role: role(fields),
        is_bot: fields.truth("is_bot"),
    })
}

fn role(fields: Fields<'_>) -> Option<Role> {
    let by_name = fields.text("role_slug").and_then(Role::from_slug);
    by_name.or_else(|| fields.count("role").map(Role::from_number))
}

/// Reads a project member: the user itself, or a membership that names one under `member`.
pub(in crate::plane) fn member(value: &Value) -> Option<Person> {
    let nested = Fields::of(value).and_then(|membership| membership.value("member"));
    let member = person(nested.unwrap_or(value))?;
    // The role is the membership's.
    let role = Fields::of(value).and_then(role).or(member.role);
    Some(Person { role, ..member })
}

/// Reads a hit of the search.
pub(in crate::plane) fn search_hit(value: &Value) -> Option<SearchHit> {
    let fields = Fields::of(value)?;
    let identifier =
        fields.text("project__identifier").or_else(|| fields.text("project_identifier")).unwrap_or_default();
    let sequence = fields.count("sequence_id").unwrap_or_default();
    Some(SearchHit {
        id: fields.id("id")?,
        project: fields.id("project_id").or_else(|| fields.id("project"))?,
        key: format!("{identifier}-{sequence}"),
        name: fields.text_or_empty("name"),
    })
}

/// Reads a comment.
pub(in crate::plane) fn comment(value: &Value) -> Option<Comment> {
    let fields = Fields::of(value)?;
    Some(Comment {
        id: fields.id("id")?,
        html: fields.text_or_empty("comment_html"),
        author: fields.value("actor").and_then(person).or_else(|| fields.value("created_by").and_then(person)),
        created_at: fields.time("created_at"),
        edited: fields.value("edited_at").is_some(),
        words: hands::words(fields),
        added_by: write::step(fields).and_then(write::run_of),
    })
}

/// Reads an entry of the change log. An entry needs no id of its own, but must be an object.
pub(in crate::plane) fn change(value: &Value) -> Option<Change> {
    let fields = Fields::of(value)?;
    Some(Change {
        at: fields.time("created_at"),
        actor: fields.value("actor").and_then(person),
        verb: fields.text_or_empty("verb"),
        field: fields.filled_text("field"),
        old: fields.filled_text("old_value"),
        new: fields.filled_text("new_value"),
    })
}

/// Reads a project.
pub(in crate::plane) fn project(value: &Value) -> Option<Project> {
    let fields = Fields::of(value)?;
    Some(Project {
        id: fields.id("id")?,
        identifier: fields.text_or_empty("identifier"),
        name: fields.text_or_empty("name"),
        description: fields.text_or_empty("description"),
        time_zone: fields.text_or_empty("timezone"),
    })
}

/// Reads a work item of which only a few fields were asked for.
pub(in crate::plane) fn title(value: &Value) -> Option<ItemTitle> {
    let fields = Fields::of(value)?;
    Some(ItemTitle {
        id: fields.id("id")?,
        sequence: fields.count("sequence_id").unwrap_or_default(),
        name: fields.text_or_empty("name"),
        parent: fields.id("parent"),
        state: state_ref(fields),
    })
}

/// Reads a page. Editions differ in whether an empty one has a text at all.
pub(in crate::plane) fn document(value: &Value) -> Option<Document> {
    let fields = Fields::of(value)?;
    fields.text("id")?;
    Some(Document { name: fields.text_or_empty("name"), html: fields.text_or_empty("description_html") })
}

/// Reads a state together with its place on the board, which decides the order of a list.
pub(in crate::plane) fn placed_state(value: &Value) -> Option<(f64, State)> {
    let fields = Fields::of(value)?;
    let state = State {
        id: fields.id("id")?,
        name: fields.text_or_empty("name"),
        group: fields.text_or_empty("group"),
        is_default: fields.truth("default").unwrap_or(false),
    };
    Some((fields.number("sequence").unwrap_or(f64::MAX), state))
}

/// Reads a label.
pub(in crate::plane) fn label(value: &Value) -> Option<Label> {
    let fields = Fields::of(value)?;
    Some(Label {
        id: fields.id("id")?,
        name: fields.text_or_empty("name"),
        description: fields.text_or_empty("description"),
    })
}
