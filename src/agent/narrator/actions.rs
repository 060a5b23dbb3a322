//! Several actions told as one.

use crate::domain::activity::{Draft, Saying};

/// The parameter of an action that holds its result.
pub const RESULT: &str = "result";

/// Whether the action tells of a call that has ended.
pub(super) fn has_result(draft: &Draft) -> bool {
    match &draft.saying {
        Saying::Action { parameters, .. } => parameters.contains_key(RESULT),
        Saying::Thought { .. } | Saying::Response { .. } | Saying::Elicitation { .. } | Saying::Error { .. } => false,
    }
}

/// Several actions told as one, under the key of the last: a line each.
pub(super) fn together(mut drafts: Vec<Draft>) -> Option<Draft> {
    let last = drafts.pop()?;
    if drafts.is_empty() {
        return Some(last);
    }
    let key = last.key;
    drafts.push(last);
    let lines = drafts.iter().map(line_of);
    let parameters = (1..).zip(lines).map(|(number, line): (u32, _)| (number.to_string(), line)).collect();
    let calls = drafts.iter().filter_map(|draft| draft.detail.as_ref()?.get("calls")?.as_array()).flatten();
    let detail = serde_json::json!({ "calls": calls.collect::<Vec<_>>() });
    let name = format!("{} steps", drafts.len());
    Some(Draft { key, saying: Saying::Action { name, parameters }, detail: Some(detail) })
}

/// `Searched work items: 'login timeout' → 4 found`
fn line_of(draft: &Draft) -> String {
    let Saying::Action { name, parameters } = &draft.saying else { return String::new() };
    let about: Vec<_> = parameters.iter().filter(|(what, _)| *what != RESULT).map(|(_, text)| text.as_str()).collect();
    let about = if about.is_empty() { String::new() } else { format!(": {}", about.join(", ")) };
    let result = parameters.get(RESULT).map(|result| format!(" → {result}")).unwrap_or_default();
    format!("{name}{about}{result}")
}
