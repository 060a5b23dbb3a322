//! Conversations in comments, as whoever watches them sees them: as runs. Plane itself knows nothing of it; the
//! agent says in `external_id` which conversation and step a comment of its own belongs to, and what it is.

use serde_json::{Value, json};

use super::{
    markup,
    run::{Activity, ActivityKind, Run},
    world::{Comment, World},
};
use crate::domain::ids::{ActivityId, CommentId, RunId, WorkItemId};

const SOURCE: &str = "aileron";

struct Mark {
    run: RunId,
    step: String,
    kind: ActivityKind,
}

fn mark_of(comment: &Comment) -> Option<Mark> {
    let id = comment.external.id.as_deref().filter(|_| comment.external.source.as_deref() == Some(SOURCE))?;
    let (step, kind) = id.rsplit_once('#')?;
    // Behind that it may say in whose comment's place it is.
    let kind = kind.split('~').next()?;
    let kind = match kind {
        "thought" => ActivityKind::Thought,
        "action" => ActivityKind::Action,
        "answer" => ActivityKind::Response,
        "question" => ActivityKind::Elicitation,
        "error" => ActivityKind::Error,
        _ => return None,
    };
    Some(Mark { run: step.split('/').next()?.parse().ok()?, step: step.to_owned(), kind })
}

/// Whether a comment is the last word of a turn.
pub(super) fn is_last_word(comment: &Comment) -> bool {
    mark_of(comment).is_some_and(|mark| mark.kind.is_terminal())
}

/// Takes what a comment of the agent's says by now into its conversation; tells what is wrong with it.
pub(super) fn absorb(world: &mut World, item: WorkItemId, id: CommentId) -> Vec<String> {
    let Some((_, record)) = world.item(item) else { return Vec::new() };
    let Some(comment) = record.comments.iter().find(|comment| comment.id == id) else { return Vec::new() };
    let Some(mark) = mark_of(comment) else { return Vec::new() };
    let body = markup::plain_text(&comment.html);
    let name = if mark.kind == ActivityKind::Action { Value::from(body.clone()) } else { Value::Null };
    let content = json!({"type": mark.kind.as_str(), "body": body, "action": name});
    // Progress is shown again where the one before it was; only a last word may not come twice.
    let step = if mark.kind.is_terminal() { Value::from(mark.step) } else { Value::Null };
    let activity = Activity {
        id: ActivityId(id.0),
        kind: mark.kind,
        content: content.as_object().cloned().unwrap_or_default(),
        content_metadata: json!({"aileron": {"step": step}}),
        signal: "continue".to_owned(),
        signal_metadata: json!({}),
        actor: comment.actor,
        comment: Some(id),
        created_at: comment.updated_at,
    };
    let is_left = |other: &&Comment| {
        other.id != id
            && other.actor == comment.actor
            && mark_of(other).is_some_and(|other| other.run == mark.run && !other.kind.is_terminal())
    };
    let left = mark.kind.is_terminal() && record.comments.iter().find(is_left).is_some();
    let mut missteps = Vec::new();
    if left {
        missteps.push(format!("leaves progress beside its last word in run {}", mark.run));
    }
    // A work item that was handed over begins a conversation, too.
    if mark.run.0 == item.0 && record.assignees.contains(&comment.actor) && world.run(mark.run).is_none() {
        let begun = handed_over(world, item, &activity);
        world.runs.extend(begun);
    }
    match world.run_mut(mark.run) {
        Some(run) => {
            missteps.extend(run.absorb(activity).err().map(|misstep| format!("{misstep} in run {}", mark.run)))
        }
        None => missteps.push("speaks in a conversation that nobody began".to_owned()),
    }
    if let Some(comment) = world.item_mut(item).and_then(|item| item.comments.iter_mut().find(|known| known.id == id)) {
        comment.run = Some(mark.run);
    }
    missteps
}

/// The conversation that handing a work item over began, with `first` as the agent's first word in it.
fn handed_over(world: &World, item: WorkItemId, first: &Activity) -> Option<Run> {
    let (home, project) = world.workspaces.iter().find_map(|home| {
        let project = home.projects.iter().find(|project| project.item(item).is_some())?;
        Some((home, project))
    })?;
    let creator = project.item(item)?.created_by;
    let mut run = Run::new(RunId(item.0), home.id, (project.id, item), [first.actor, creator]);
    let prompt = Activity {
        id: ActivityId(item.0),
        kind: ActivityKind::Prompt,
        content: serde_json::Map::new(),
        content_metadata: json!({}),
        actor: creator,
        comment: None,
        ..first.clone()
    };
    // Only the agent's own activities are judged.
    let _ = run.absorb(prompt);
    Some(run)
}
