//! A run in the terminal: each activity as a few lines.

use std::collections::BTreeMap;

/// Progress in words.
pub(super) fn thought(body: &str) -> String {
    format!("thought      {body}")
}

/// A tool call, with its result once there is one.
pub(super) fn action(name: &str, parameters: &BTreeMap<String, String>) -> String {
    let (results, parameters): (Vec<_>, Vec<_>) = parameters.iter().partition(|(name, _)| *name == "result");
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let mut lines = vec![format!("action       {name} ({})", parameters.join(", "))];
    lines.extend(results.iter().map(|(_, result)| format!("  result     {result}")));
    lines.join("\n")
}

/// The turn's last word: what it is, and the word.
pub(super) fn ending(what: &str, body: &str) -> String {
    format!("\n{what}\n\n{body}")
}
