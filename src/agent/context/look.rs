//! One look at a work item: what the model is shown of it, in parts that can be shortened one by one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::seen::Seen;
use crate::{
    agent::{
        polish,
        prompts::{PromptError, Prompts},
    },
    domain::picture::PictureRef,
};

/// A work item as it was at one moment, in words. Its texts are other people's; none can end the fence
/// the template puts around them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Look {
    pub at: Timestamp,
    /// The time zone its times are told in.
    pub zone: String,
    /// Such as `MOB-12`.
    pub key: String,
    pub name: String,
    /// Where people find work items by key: the address up to the key.
    pub browse: Option<String>,
    /// One line each.
    pub fields: Vec<String>,
    pub description: String,
    /// Oldest first.
    pub comments: Vec<String>,
    /// Comments older than these.
    pub older_comments: u64,
    pub children: Vec<String>,
    pub relations: Vec<String>,
    pub links: Vec<String>,
    pub attachments: Vec<String>,
    /// The pictures on it, those a question is most likely about first.
    pub pictures: Vec<PictureRef>,
    /// The newest changes, oldest first.
    pub history: Vec<String>,
    /// Changes older than these.
    pub older_changes: u64,
    /// What changed since the turn before.
    pub news: Vec<String>,
    /// Earlier conversations about the same work item, newest last.
    pub earlier: Vec<String>,
    /// What Plane did not tell this time.
    pub unread: Vec<String>,
    /// What the next look is compared with.
    pub seen: Seen,
}

/// How much of a look is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    description_chars: usize,
    comments: usize,
    comment_chars: usize,
    changes: usize,
    /// Lines of every other list.
    lines: usize,
}

/// From whole to hardly anything. Comments give way first, since there is a tool to read them with.
pub const CUTS: [Cut; 6] = [
    Cut { description_chars: usize::MAX, comments: usize::MAX, comment_chars: usize::MAX, changes: 15, lines: 50 },
    Cut { description_chars: usize::MAX, comments: 20, comment_chars: 2_000, changes: 10, lines: 30 },
    Cut { description_chars: 12_000, comments: 10, comment_chars: 1_000, changes: 5, lines: 20 },
    Cut { description_chars: 4_000, comments: 5, comment_chars: 600, changes: 3, lines: 10 },
    Cut { description_chars: 1_200, comments: 2, comment_chars: 300, changes: 0, lines: 5 },
    Cut { description_chars: 300, comments: 0, comment_chars: 0, changes: 0, lines: 2 },
];

impl Look {
    /// The look in Markdown, as much of it as `cut` leaves.
    ///
    /// # Errors
    /// A template that fails while it runs.
    pub fn to_markdown(&self, prompts: &Prompts, cut: Cut) -> Result<String, PromptError> {
        let first = |lines: &[String]| -> Vec<String> {
            let mut kept: Vec<_> = lines.iter().take(cut.lines).cloned().collect();
            if lines.len() > kept.len() {
                kept.push(format!("- [… {} more]", lines.len() - kept.len()));
            }
            kept
        };
        let comments = newest(&self.comments, cut.comments);
        let history = newest(&self.history, cut.changes);
        let dropped = |all: &[String], kept: &[String]| (all.len() - kept.len()) as u64;
        prompts.render(
            "context.md",
            json!({
                "key": self.key,
                "name": self.name,
                "zone": self.zone,
                "fields": self.fields,
                "description": shortened(&self.description, cut.description_chars),
                "comments": comments.iter().map(|text| shortened(text, cut.comment_chars)).collect::<Vec<_>>(),
                "older_comments": self.older_comments + dropped(&self.comments, comments),
                "children": first(&self.children),
                "relations": first(&self.relations),
                "links": first(&self.links),
                "attachments": first(&self.attachments),
                "history": history,
                "older_changes": self.older_changes + dropped(&self.history, history),
                "news": first(&self.news),
                "earlier": newest(&self.earlier, cut.lines),
                "unread": self.unread,
            }),
        )
    }

    /// Whether Plane itself told of a work item with this key; what people write may be wrong.
    #[must_use]
    pub fn tells_of(&self, key: &str) -> bool {
        let lists = [&self.fields, &self.children, &self.relations, &self.history];
        self.key == key || lists.into_iter().flatten().any(|text| polish::names(text, key, &self.key))
    }

    /// What is shown if the template fails: the turn goes on with the least that is of use.
    #[must_use]
    pub fn without_template(&self) -> String {
        format!("<plane-data>\n{}: {}\n\n{}\n</plane-data>", self.key, self.name, self.fields.join("\n"))
    }
}

fn newest(lines: &[String], count: usize) -> &[String] {
    &lines[lines.len().saturating_sub(count)..]
}

/// The beginning of a text, and how much of it is missing.
#[must_use]
pub fn shortened(text: &str, limit_chars: usize) -> String {
    let Some((at, _)) = text.char_indices().nth(limit_chars) else {
        return text.to_owned();
    };
    format!("{}\n[… {} more characters]", text[..at].trim_end(), text[at..].chars().count())
}
