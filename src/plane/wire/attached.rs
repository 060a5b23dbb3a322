//! What hangs on a work item: relations, links, files.

use serde_json::Value;

use super::fields::{Fields, id_of};
use crate::domain::{
    ids::LinkId,
    work_item::{Attachment, Link, Relation},
};

/// Reads the relations: an object with a list under each kind. The lists hold ids, or objects that
/// name the other work item and its project.
pub(in crate::plane) fn relations(body: &Value) -> Option<Vec<Relation>> {
    let kinds = body.as_object()?;
    let mut relations = Vec::new();
    for (kind, others) in kinds {
        for other in others.as_array().into_iter().flatten() {
            let fields = Fields::of(other);
            let id = fields.and_then(|fields| fields.id("issue_id")).or_else(|| id_of(other));
            let project = fields.and_then(|fields| fields.id("project_id"));
            relations.extend(id.map(|other| Relation { kind: kind.clone(), other, project }));
        }
    }
    Some(relations)
}

/// Reads a link. Its title may be missing, its address may not.
pub(in crate::plane) fn link(value: &Value) -> Option<Link> {
    let fields = Fields::of(value)?;
    Some(Link { title: fields.text_or_empty("title"), url: fields.filled_text("url")? })
}

/// Reads a link with the id it is known by.
pub(in crate::plane) fn known_link(value: &Value) -> Option<(LinkId, Link)> {
    Some((Fields::of(value)?.id("id")?, link(value)?))
}

/// Reads a file; one that was never uploaded is none.
pub(in crate::plane) fn attachment(value: &Value) -> Option<Attachment> {
    let fields = Fields::of(value)?;
    let attributes = fields.object("attributes");
    let text = |name| attributes.and_then(|attributes| attributes.filled_text(name)).unwrap_or_default();
    Some(Attachment {
        id: fields.id("id"),
        name: text("name"),
        media_type: text("type"),
        bytes: attributes.and_then(|attributes| attributes.count("size")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn relations_are_read_in_both_shapes() {
        let (one, two) = ("bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb", "cccccccc-cccc-4ccc-8ccc-cccccccccccc");
        let body = json!({"blocking": [], "blocked_by": [one], "relates_to": [{"project_id": one, "issue_id": two}]});
        let relations = relations(&body).unwrap();
        let read: Vec<_> = relations.iter().map(|found| (found.kind.as_str(), found.other.to_string())).collect();
        assert_eq!(read, [("blocked_by", one.to_owned()), ("relates_to", two.to_owned())]);
        assert_eq!(relations[1].project.map(|project| project.to_string()).as_deref(), Some(one));
    }

    #[test]
    fn a_link_without_a_title_and_a_file_without_attributes_are_still_read() {
        let untitled = link(&json!({"title": null, "url": "https://x.example"})).unwrap();
        assert_eq!((untitled.title.as_str(), untitled.url.as_str()), ("", "https://x.example"));
        assert_eq!(link(&json!({"title": "x"})), None);
        assert_eq!(attachment(&json!({"id": "x"})).unwrap().bytes, None);
    }
}
