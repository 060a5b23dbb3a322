//! A run as a person would see it, for tests and for the terminal.

use std::{collections::BTreeMap, fmt::Write as _};

use jiff::Timestamp;
use serde_json::Value;

use super::run::{Activity, ActivityKind, Run, Status};
use crate::domain::ids::{ActivityId, CommentId, RunId, UserId};

/// A run at one moment.
#[derive(Debug, Clone)]
pub struct RunPicture {
    pub id: RunId,
    /// The key of the work item it belongs to.
    pub work_item: String,
    pub status: Status,
    /// In the order Plane received them.
    pub activities: Vec<ActivityPicture>,
}

/// One activity of a run.
#[derive(Debug, Clone)]
pub struct ActivityPicture {
    pub id: ActivityId,
    pub kind: ActivityKind,
    /// Empty for an action.
    pub body: String,
    /// The tool's name, of an action.
    pub action: Option<String>,
    pub parameters: BTreeMap<String, String>,
    pub signal: String,
    pub signal_metadata: Value,
    pub content_metadata: Value,
    pub ephemeral: bool,
    pub actor: UserId,
    /// Display name of the actor.
    pub actor_name: String,
    pub created_at: Timestamp,
    /// The comment Plane made of it, or the person's own.
    pub comment: Option<CommentId>,
}

impl RunPicture {
    pub(super) fn of(run: &Run, work_item: String, name_of: impl Fn(UserId) -> String) -> Self {
        let activities = run.activities.iter().map(|activity| ActivityPicture::of(activity, &name_of)).collect();
        Self { id: run.id, work_item, status: run.status, activities }
    }

    /// How many activities ended a turn.
    #[must_use]
    pub fn terminal_count(&self) -> usize {
        self.activities.iter().filter(|activity| activity.kind.is_terminal()).count()
    }

    /// The activity that ended the last turn that has ended.
    #[must_use]
    pub fn last_terminal(&self) -> Option<&ActivityPicture> {
        self.activities.iter().rev().find(|activity| activity.kind.is_terminal())
    }

    /// The bodies of all thoughts in order.
    #[must_use]
    pub fn thoughts(&self) -> Vec<&str> {
        self.of_kind(ActivityKind::Thought).map(|activity| activity.body.as_str()).collect()
    }

    /// All actions in order; a tool's call and its outcome are one each.
    #[must_use]
    pub fn actions(&self) -> Vec<&ActivityPicture> {
        self.of_kind(ActivityKind::Action).collect()
    }

    /// The body of the last response.
    #[must_use]
    pub fn response(&self) -> Option<&str> {
        self.of_kind(ActivityKind::Response).last().map(|activity| activity.body.as_str())
    }

    /// The last elicitation.
    #[must_use]
    pub fn elicitation(&self) -> Option<&ActivityPicture> {
        self.of_kind(ActivityKind::Elicitation).last()
    }

    /// The body of the last error.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.of_kind(ActivityKind::Error).last().map(|activity| activity.body.as_str())
    }

    /// The activities of one kind in order.
    pub fn of_kind(&self, kind: ActivityKind) -> impl Iterator<Item = &ActivityPicture> {
        self.activities.iter().filter(move |activity| activity.kind == kind)
    }

    /// The whole picture in a fixed form without ids and times, so that two runs compare as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("run on {}: {}\n", self.work_item, self.status);
        for activity in &self.activities {
            activity.write_to(&mut text);
        }
        text
    }
}

impl ActivityPicture {
    fn of(activity: &Activity, name_of: impl Fn(UserId) -> String) -> Self {
        let text = |key: &str| activity.content.get(key).and_then(Value::as_str).map(str::to_owned);
        let parameters = activity.content.get("parameters").and_then(Value::as_object);
        Self {
            id: activity.id,
            kind: activity.kind,
            body: text("body").unwrap_or_default(),
            action: text("action"),
            parameters: parameters
                .into_iter()
                .flatten()
                .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
                .collect(),
            signal: activity.signal.clone(),
            signal_metadata: activity.signal_metadata.clone(),
            content_metadata: activity.content_metadata.clone(),
            ephemeral: activity.kind.is_ephemeral(),
            actor: activity.actor,
            actor_name: name_of(activity.actor),
            created_at: activity.created_at,
            comment: activity.comment,
        }
    }

    fn write_to(&self, text: &mut String) {
        let mut head = format!("[{}] {}", self.actor_name, self.kind.as_str());
        if self.signal != "continue" {
            let _ = write!(head, " ({})", self.signal);
        }
        if let Some(action) = &self.action {
            let _ = write!(head, ": {action}");
        }
        let _ = writeln!(text, "{head}");
        for (key, value) in &self.parameters {
            let _ = writeln!(text, "    {key} = {}", redact(value));
        }
        for line in redact(&self.body).lines() {
            let _ = writeln!(text, "    {line}");
        }
        for option in self.signal_metadata.get("options").and_then(Value::as_array).into_iter().flatten() {
            let label = option.get("label").and_then(Value::as_str).or(option.as_str()).unwrap_or("?");
            let _ = writeln!(text, "    ( ) {}", redact(label));
        }
        for (key, value) in self.signal_metadata.as_object().into_iter().flatten().filter(|(key, _)| *key != "options")
        {
            let _ = writeln!(text, "    {key}: {}", redact(&value.to_string()));
        }
    }
}

/// Puts `<id>` for every uuid and `<time>` for every timestamp.
fn redact(text: &str) -> String {
    let mut redacted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(length) = uuid_length(rest) {
            redacted.push_str("<id>");
            rest = &rest[length..];
        } else if let Some(length) = time_length(rest) {
            redacted.push_str("<time>");
            rest = &rest[length..];
        } else {
            redacted.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    redacted
}

fn uuid_length(text: &str) -> Option<usize> {
    let candidate = text.get(..36)?;
    (candidate.matches('-').count() == 4 && uuid::Uuid::try_parse(candidate).is_ok()).then_some(36)
}

/// `2026-01-15T10:30` with whatever fraction and offset follows.
fn time_length(text: &str) -> Option<usize> {
    let shape = |(index, byte): (usize, u8)| match index {
        4 | 7 => byte == b'-',
        10 => byte == b'T',
        13 => byte == b':',
        _ => byte.is_ascii_digit(),
    };
    let start = text.as_bytes().get(..16)?;
    start.iter().copied().enumerate().all(shape).then(|| {
        let tail =
            text[16..].find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.' | 'Z' | '+'))).map(|end| 16 + end);
        tail.unwrap_or(text.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_times_are_redacted_and_nothing_else() {
        assert_eq!(
            redact("é 66666666-6666-4666-8666-66666666abcd at 2026-01-15T10:30:02.000000Z, 2026-01-15."),
            "é <id> at <time>, 2026-01-15."
        );
    }
}
