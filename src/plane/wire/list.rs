//! Lists in every shape Plane has for them: an envelope, a bare array, an array in an array.

use serde_json::Value;

use super::fields::Fields;
use crate::domain::work_item::Page;

/// The key under which the search puts its hits.
const SEARCH_HITS: &str = "issues";

/// Reads one page. Records that cannot be read (no id) are left out, so that one of them does not
/// hide the rest. `None` if the body is no list at all.
pub(in crate::plane) fn page<T>(body: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<Page<T>> {
    let (rows, envelope) = rows(body)?;
    let rows = flatten(rows);
    let items: Vec<T> = rows.iter().filter_map(|row| read(row)).collect();
    if items.len() < rows.len() {
        tracing::warn!(left_out = rows.len() - items.len(), "some records of a list from Plane could not be read");
    }
    // An empty page ends a list whatever the envelope claims.
    let more = !rows.is_empty() && envelope.and_then(|fields| fields.truth("next_page_results")).unwrap_or(false);
    let total = envelope
        .and_then(|fields| fields.count("total_results").or_else(|| fields.count("total_count")))
        .unwrap_or(items.len() as u64);
    Some(Page { items, total, more })
}

fn rows(body: &Value) -> Option<(&[Value], Option<Fields<'_>>)> {
    if let Some(rows) = body.as_array() {
        return Some((rows, None));
    }
    let fields = Fields::of(body)?;
    for name in ["results", SEARCH_HITS] {
        if let Some(rows) = fields.value(name).and_then(Value::as_array) {
            return Some((rows, Some(fields)));
        }
    }
    None
}

fn flatten(rows: &[Value]) -> Vec<&Value> {
    rows.iter().flat_map(|row| row.as_array().map_or_else(|| vec![row], |inner| inner.iter().collect())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn numbers(body: &Value) -> Option<Page<u64>> {
        page(body, Value::as_u64)
    }

    #[test]
    fn a_list_is_read_in_every_shape() {
        for body in [json!([1, 2]), json!([[1, 2]]), json!({"results": [1, 2]}), json!({"issues": [1, 2]})] {
            let page = numbers(&body).unwrap();
            assert_eq!((page.items, page.total, page.more), (vec![1, 2], 2, false), "{body}");
        }
        assert_eq!(numbers(&json!({"detail": "no"})), None);
        assert_eq!(numbers(&json!("no")), None);
    }

    #[test]
    fn the_envelope_tells_whether_more_follows_and_its_cursor_does_not() {
        let last = json!({"results": [1], "next_cursor": "20:1:0", "next_page_results": false, "total_results": 21});
        let page = numbers(&last).unwrap();
        assert_eq!((page.more, page.total), (false, 21));
        assert!(numbers(&json!({"results": [1], "next_page_results": true})).unwrap().more);
        assert!(!numbers(&json!({"results": [], "next_page_results": true})).unwrap().more);
    }

    #[test]
    fn an_unreadable_record_does_not_hide_the_others() {
        assert_eq!(numbers(&json!([1, "odd", 3])).unwrap().items, vec![1, 3]);
    }
}
