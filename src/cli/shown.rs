//! A run in the terminal: each activity as a few lines.

use std::collections::BTreeMap;

/// Progress in words.
pub(super) fn thought(body: &str) -> String {
    format!("thought      {body}")
}

/// A tool call with what it is about and its result once there is one; several told in one have a line each.
pub(super) fn action(name: &str, parameters: &BTreeMap<String, String>) -> String {
    let (results, about): (Vec<_>, Vec<_>) = parameters.iter().partition(|(name, _)| *name == "result");
    if about.len() > 1 {
        let lines = about.iter().map(|(_, line)| format!("\n             {line}"));
        return format!("action       {name}{}", lines.collect::<String>());
    }
    let about: String = about.iter().map(|(_, text)| format!(": {text}")).collect();
    let result: String = results.iter().map(|(_, text)| format!(" → {text}")).collect();
    format!("action       {name}{about}{result}")
}

/// The turn's last word: what it is, and the word.
pub(super) fn ending(what: &str, body: &str) -> String {
    format!("\n{what}\n\n{body}")
}
