//! What the agent has changed in Plane, as the operator sees it: read from the journals of the runs that
//! are kept.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::usage::Slugs;
use crate::{
    agent::{
        changes::{self, Outcome},
        journal,
    },
    domain::{
        ids::RunId,
        write::{FieldChange, Written},
    },
    store::Store,
};

/// Runs looked through, those touched last first.
const MOST_RUNS: usize = 10_000;

/// Which changes are asked for. What is left out narrows nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Wanted {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The key of a work item, such as `MOB-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_item: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLine {
    pub at: Timestamp,
    pub workspace: String,
    pub run: RunId,
    pub turn: u32,
    /// Counts the changes of the run from 1.
    pub number: u32,
    pub tool: String,
    pub summary: String,
    /// Before and after, field by field.
    pub changes: Vec<FieldChange>,
    /// The beginning of the text it writes, where it writes one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Why, in the model's words.
    pub reason: Option<String>,
    pub asked_by: Vec<String>,
    pub approved_by: Option<String>,
    /// The number of the change of the same run that it takes back.
    pub undoes: Option<u32>,
    /// What became of it, in words.
    pub outcome: String,
}

/// The changes asked for, oldest first.
///
/// # Errors
/// The store could not be read, in one sentence.
pub async fn audit_lines(store: &dyn Store, wanted: &Wanted) -> Result<Vec<AuditLine>, String> {
    let failed = |error: crate::store::StoreError| error.to_string();
    let slugs = Slugs::read(store).await?;
    let runs = match wanted.run {
        Some(run) => vec![run],
        None => {
            let touched = |since: Timestamp, run: &crate::store::RunRecord| run.touched_at >= since;
            let runs = store.runs(MOST_RUNS).await.map_err(failed)?;
            let recent = runs.into_iter().filter(|run| wanted.since.is_none_or(|since| touched(since, run)));
            recent.map(|run| run.info.id).collect()
        }
    };
    let mut lines = Vec::new();
    for run in runs {
        let Some(view) = store.run(run).await.map_err(failed)? else { continue };
        let entries = view.journal.iter().filter_map(|text| journal::decode(text).ok());
        let workspace = slugs.of(view.record.info.workspace);
        let made = changes::of_journal(entries).into_iter().map(|change| line(&workspace, run, change));
        lines.extend(made.filter(|line| is_wanted(line, wanted)));
    }
    lines.sort_by_key(|line| line.at);
    Ok(lines)
}

fn line(workspace: &str, run: RunId, change: changes::Change) -> AuditLine {
    let outcome = match &change.outcome {
        Outcome::Settled(receipt) => in_words(&receipt.written),
        Outcome::NotMade(_) => "not done".to_owned(),
        Outcome::Unknown => "unknown: Plane did not say".to_owned(),
    };
    let text = change.text();
    AuditLine {
        at: change.at,
        workspace: workspace.to_owned(),
        run,
        turn: change.turn,
        number: change.number,
        tool: change.tool,
        summary: change.planned.summary,
        changes: change.planned.changes,
        text,
        reason: change.reason,
        asked_by: change.asked_by,
        approved_by: change.approved_by,
        undoes: change.undoes,
        outcome,
    }
}

fn in_words(written: &Written) -> String {
    match written {
        Written::Done { key, ignored, overtaken, .. } => {
            let called = key.as_ref().map(|key| format!(": {key}")).unwrap_or_default();
            let but = |fields: &[String], what: &str| {
                if fields.is_empty() { String::new() } else { format!(", {what} {}", fields.join(", ")) }
            };
            format!("done{called}{}{}", but(ignored, "but not"), but(overtaken, "and somebody has changed since:"))
        }
        Written::Overtaken { fields } => format!("not done: somebody had changed {}", fields.join(", ")),
    }
}

fn is_wanted(line: &AuditLine, wanted: &Wanted) -> bool {
    let names = |key: &String| names_key(&line.summary, key) || names_key(&line.outcome, key);
    wanted.since.is_none_or(|since| line.at >= since) && wanted.work_item.as_ref().is_none_or(names)
}

/// Whether a text names a work item, and not one whose key only begins alike.
fn names_key(text: &str, key: &str) -> bool {
    text.split(|c: char| !(c.is_alphanumeric() || c == '-')).any(|word| word.eq_ignore_ascii_case(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_tells_what_plane_dropped_and_what_others_have_changed() {
        let list = |fields: &[&str]| fields.iter().map(|field| (*field).to_owned()).collect::<Vec<_>>();
        let done = |key: Option<&str>, ignored: &[&str], overtaken: &[&str]| Written::Done {
            id: uuid::Uuid::nil(),
            key: key.map(str::to_owned),
            ignored: list(ignored),
            overtaken: list(overtaken),
        };
        for (written, told) in [
            (done(None, &[], &[]), "done"),
            (done(Some("MOB-77"), &[], &[]), "done: MOB-77"),
            (done(Some("MOB-77"), &["assignees"], &[]), "done: MOB-77, but not assignees"),
            (
                done(None, &["labels", "state"], &["name"]),
                "done, but not labels, state, and somebody has changed since: name",
            ),
            (Written::Overtaken { fields: list(&["labels"]) }, "not done: somebody had changed labels"),
        ] {
            assert_eq!(in_words(&written), told);
        }
    }

    #[test]
    fn a_key_is_found_as_a_whole() {
        assert!(names_key("Change MOB-1", "mob-1") && names_key("Comment on MOB-1.", "MOB-1"));
        assert!(!names_key("Change MOB-12", "MOB-1") && !names_key("Change XMOB-1", "MOB-1"));
    }
}
