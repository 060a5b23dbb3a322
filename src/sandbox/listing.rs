//! Pages, `fields` and `expand` as Plane does them, oddities included.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    json,
    world::{Project, Workspace},
};

const LARGEST_PAGE: i64 = 1000;

/// Decoded query parameters; of a repeated key the last one counts.
pub(super) type Query = BTreeMap<String, String>;

/// Why there is no page: the status and body to answer.
pub(super) type Refusal = (u16, Value);

/// Cuts the page out of everything and wraps it in the envelope.
pub(super) fn page(all: Vec<Value>, query: &Query) -> Result<Value, Refusal> {
    let per_page = query.get("per_page").map_or(Ok(LARGEST_PAGE), |text| text.parse::<i64>());
    let per_page = per_page.map_err(|_| (400, json!({"detail": "Invalid per_page parameter."})))?;
    if per_page > LARGEST_PAGE {
        return Err((400, json!({"detail": "Invalid per_page value. Cannot exceed 1000."})));
    }
    // A real server fails at these, too.
    let size = usize::try_from(per_page).ok().filter(|size| *size > 0).ok_or_else(server_error)?;
    let index = page_index(query.get("cursor").map(String::as_str))?;
    let total = all.len();
    let start = usize::try_from(index).unwrap_or(usize::MAX).saturating_mul(size);
    let results: Vec<Value> = all.into_iter().skip(start).take(size).collect();
    Ok(json!({
        "grouped_by": null, "sub_grouped_by": null, "total_count": total,
        "next_cursor": format!("{size}:{}:0", index + 1), "prev_cursor": format!("{size}:{}:1", index - 1),
        "next_page_results": start.saturating_add(size) < total, "prev_page_results": index > 0,
        "count": results.len(), "total_pages": total.div_ceil(size), "total_results": total, "extra_stats": null,
        "results": results,
    }))
}

/// The body of every 500.
pub(super) fn server_error() -> Refusal {
    (500, json!({"error": "Something went wrong please try again later"}))
}

/// Puts whole objects in place of ids. What Plane cannot expand stays as it is.
pub(super) fn expand(value: &mut Value, keys: &str, workspace: &Workspace, project: Option<&Project>) {
    for key in keys.split(',').map(str::trim) {
        let Some(id) = value.get(key).cloned() else { continue };
        let person = |id: &Value| {
            let found = workspace.people.iter().find(|person| json!(person.id) == *id);
            // An empty reference expands to an empty object, not to null.
            found.map_or_else(|| json!({}), super::world::Person::to_json)
        };
        let expanded = match key {
            "actor" | "created_by" | "updated_by" | "project_lead" | "default_assignee" => person(&id),
            "assignees" => id.as_array().into_iter().flatten().map(person).collect(),
            "workspace" => json!({"name": workspace.name, "slug": workspace.slug, "id": workspace.id}),
            "state" | "labels" | "parent" | "project" | "issue" => {
                let Some(project) = project else { continue };
                in_project(key, &id, workspace, project)
            }
            _ => continue,
        };
        value[key] = expanded;
    }
}

/// Keeps only the named keys. Plane ignores names it does not know; they are handed back.
pub(super) fn keep_fields(value: &mut Value, fields: &str) -> Vec<String> {
    let Value::Object(map) = value else { return Vec::new() };
    let names: Vec<&str> = fields.split(',').map(str::trim).collect();
    let unknown = names.iter().filter(|name| !map.contains_key(**name)).map(|name| (*name).to_owned()).collect();
    let kept: Map<String, Value> =
        std::mem::take(map).into_iter().filter(|(key, _)| names.contains(&key.as_str())).collect();
    *map = kept;
    unknown
}

/// What a client may ask to be expanded.
pub(super) fn is_expandable(key: &str) -> bool {
    const KNOWN: [&str; 16] = [
        "user",
        "workspace",
        "project",
        "default_assignee",
        "project_lead",
        "state",
        "created_by",
        "updated_by",
        "issue",
        "actor",
        "owned_by",
        "members",
        "parent",
        "estimate_point",
        "assignees",
        "labels",
    ];
    KNOWN.contains(&key)
}

fn page_index(cursor: Option<&str>) -> Result<i64, Refusal> {
    let Some(cursor) = cursor else { return Ok(0) };
    let invalid = || (400, json!({"detail": "Invalid cursor parameter."}));
    let parts: Vec<i64> = cursor.split(':').map(str::parse).collect::<Result<_, _>>().map_err(|_| invalid())?;
    let [_, index, _] = parts.as_slice() else {
        return Err(invalid());
    };
    if *index < 0 || *index > 1_000_000_000 {
        return Err((400, json!({"detail": "Error in parsing"})));
    }
    Ok(*index)
}

fn in_project(key: &str, id: &Value, workspace: &Workspace, project: &Project) -> Value {
    match key {
        "state" => project.states.iter().find(|state| json!(state.id) == *id).map_or_else(
            || json!({}),
            |state| json!({"id": state.id, "name": state.name, "color": state.color, "group": state.group}),
        ),
        "labels" => {
            let labels = id.as_array().into_iter().flatten().filter_map(|id| {
                let label = project.labels.iter().find(|label| json!(label.id) == *id)?;
                Some(json::label(workspace, project, label))
            });
            labels.collect()
        }
        "project" => json!({
            "id": project.id, "identifier": project.identifier, "name": project.name, "cover_image": null,
            "icon_prop": null, "emoji": null, "description": project.description, "cover_image_url": null,
        }),
        _ => project.items.iter().find(|item| json!(item.id) == *id).map_or_else(
            || json!({}),
            |item| json!({"id": item.id, "sequence_id": item.sequence, "project_id": project.id}),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> Query {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_last_page_still_names_a_next_cursor() {
        let all: Vec<Value> = (0..18).map(Value::from).collect();
        let last = page(all.clone(), &query(&[("per_page", "5"), ("cursor", "5:3:0")])).unwrap();
        assert_eq!(last["next_cursor"], "5:4:0");
        assert_eq!(last["next_page_results"], false);
        assert_eq!(last["results"], json!([15, 16, 17]));
        let empty = page(all, &query(&[("cursor", "5:1:0")])).unwrap();
        assert_eq!(empty["count"], 0, "the cursor's own page size is ignored");
        assert_eq!(empty["prev_cursor"], "1000:0:1");
    }

    #[test]
    fn silly_pages_fail_as_on_a_real_server() {
        for (key, value, status) in [
            ("per_page", "0", 500),
            ("per_page", "-1", 500),
            ("per_page", "1001", 400),
            ("per_page", "ten", 400),
            ("cursor", "abc", 400),
            ("cursor", "5:-1:1", 400),
            ("cursor", "1:99999999999999999999:0", 400),
        ] {
            assert_eq!(page(vec![], &query(&[(key, value)])).unwrap_err().0, status, "{key}={value}");
        }
    }
}
