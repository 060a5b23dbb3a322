//! What a work item was like when it was last looked at, and what has changed since.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    domain::{
        event::RunInfo,
        ids::CommentId,
        work_item::{Comment, WorkItem},
    },
    tools::describe::{Names, one_line, parent_key, state_name},
};

/// As much of a work item as is needed to tell later what has changed. Names rather than ids, so that
/// what is told of a change needs no look-up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    name: String,
    state: String,
    priority: String,
    labels: Vec<String>,
    assignees: Vec<String>,
    parent: String,
    start_date: String,
    due_date: String,
    /// Of the description as Plane has it.
    description: String,
    newest_comment: Option<CommentId>,
    newest_comment_at: Option<Timestamp>,
}

impl Seen {
    /// `comments` are the newest, newest first.
    pub(super) fn of(item: &WorkItem, comments: &[Comment], names: &Names) -> Self {
        let newest = comments.first();
        Self {
            name: one_line(&item.name),
            state: item
                .state
                .as_ref()
                .map(|state| state_name(state.name.as_deref(), state.group.as_deref()))
                .unwrap_or_default(),
            priority: item.priority.as_str().to_owned(),
            labels: item.labels.iter().filter_map(|label| label.name.clone()).collect(),
            assignees: item.assignees.iter().map(|person| names.handle(person)).collect(),
            parent: parent_key(item).unwrap_or_default(),
            start_date: item.start_date.map(|date| date.to_string()).unwrap_or_default(),
            due_date: item.target_date.map(|date| date.to_string()).unwrap_or_default(),
            description: hex::encode(&Sha256::digest(item.description_html.as_bytes())[..8]),
            newest_comment: newest.map(|comment| comment.id),
            newest_comment_at: newest.and_then(|comment| comment.created_at),
        }
    }

    /// What is different now, one line each. Comments of the agent and of whoever it talks to are part of
    /// the conversation and no news.
    pub(super) fn news(&self, now: &Self, comments: &[Comment], run: &RunInfo, names: &Names) -> Vec<String> {
        let mut news = Vec::new();
        for (what, before, after) in [
            ("Title", &self.name, &now.name),
            ("State", &self.state, &now.state),
            ("Priority", &self.priority, &now.priority),
            ("Parent", &self.parent, &now.parent),
            ("Start date", &self.start_date, &now.start_date),
            ("Due date", &self.due_date, &now.due_date),
        ] {
            if before != after {
                news.push(format!("- {what}: {} → {}", or_none(before), or_none(after)));
            }
        }
        for (what, before, after) in
            [("Labels", &self.labels, &now.labels), ("Assignees", &self.assignees, &now.assignees)]
        {
            let gone = before.iter().filter(|one| !after.contains(one)).map(|one| format!("− {one}"));
            let come = after.iter().filter(|one| !before.contains(one)).map(|one| format!("+ {one}"));
            let changes: Vec<_> = come.chain(gone).collect();
            if !changes.is_empty() {
                news.push(format!("- {what}: {}", changes.join(", ")));
            }
        }
        if self.description != now.description {
            news.push("- The description was edited".to_owned());
        }
        news.extend(self.new_comments(comments, run, names));
        news
    }

    fn new_comments(&self, comments: &[Comment], run: &RunInfo, names: &Names) -> Option<String> {
        let newer = |comment: &&Comment| {
            Some(comment.id) != self.newest_comment
                && self.newest_comment_at.is_none_or(|last| comment.created_at.is_none_or(|at| at > last))
        };
        let by_others = |comment: &&Comment| {
            let author = comment.author.as_ref().map(|person| person.id);
            author.is_none() || (author != run.agent_user && author != run.creator)
        };
        let new: Vec<_> = comments.iter().take_while(newer).filter(by_others).collect();
        let mut authors: Vec<_> =
            new.iter().filter_map(|comment| comment.author.as_ref()).map(|person| names.handle(person)).collect();
        authors.sort();
        authors.dedup();
        let by = if authors.is_empty() { String::new() } else { format!(" by {}", authors.join(", ")) };
        match new.len() {
            0 => None,
            1 => Some(format!("- A new comment{by}")),
            count => Some(format!("- {count} new comments{by}")),
        }
    }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}
