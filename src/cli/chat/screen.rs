//! What the terminal shows: the answer while it is written, progress, and last words.

use super::super::{put, shown};
use crate::domain::activity::Saying;

/// Something to show.
pub(super) enum Heard {
    /// The model is asked, or asked again: what it said before is void.
    Begins,
    /// A part of its text.
    Text(String),
    /// The agent says something to the person.
    Said(Saying),
}

#[derive(Debug, Default)]
pub(super) struct Screen {
    /// What the model has said since it was last asked; it stands on the screen.
    streamed: String,
    /// Progress that came while the model was speaking: it is not interrupted.
    held: Vec<String>,
    last_word: String,
    failed: bool,
}

impl Screen {
    /// Shows it, and says whether it ended the turn.
    pub(super) fn hear(&mut self, heard: &Heard) -> bool {
        match heard {
            Heard::Begins => self.end_line(),
            Heard::Text(text) => {
                // Models like to begin with blank lines.
                let text = if self.streamed.is_empty() { text.trim_start() } else { text };
                if self.streamed.is_empty() && !text.is_empty() {
                    put("\n");
                }
                put(text);
                self.streamed.push_str(text);
            }
            Heard::Said(saying) => {
                self.say(saying);
                return saying.is_terminal();
            }
        }
        false
    }

    /// A remark about the conversation.
    pub(super) fn note(&mut self, text: &str) {
        self.end_line();
        put(&format!("({text})\n"));
    }

    pub(super) fn last_word(&self) -> &str {
        &self.last_word
    }

    pub(super) fn last_failed(&self) -> bool {
        self.failed
    }

    fn say(&mut self, saying: &Saying) {
        match saying {
            Saying::Thought { body } => self.line(&shown::thought(body), body),
            Saying::Action { name, parameters } => self.line(&shown::action(name, parameters), ""),
            Saying::Response { body } => self.ending("response", body),
            Saying::Elicitation { body, .. } => self.ending("question", body),
            Saying::Error { body, .. } => self.ending("error", body),
        }
        self.failed = match saying {
            Saying::Error { .. } => true,
            Saying::Response { .. } | Saying::Elicitation { .. } => false,
            Saying::Thought { .. } | Saying::Action { .. } => self.failed,
        };
    }

    /// Progress, unless the words are on the screen already.
    fn line(&mut self, text: &str, words: &str) {
        if !words.is_empty() && plain(&self.streamed).contains(&plain(words)) {
            return;
        }
        if self.streamed.is_empty() {
            put(&format!("{text}\n"));
        } else {
            self.held.push(text.to_owned());
        }
    }

    fn ending(&mut self, what: &str, body: &str) {
        // Work items became links after they were written.
        let on_screen = plain(&self.streamed) == plain(&without_links_to_items(body));
        self.end_line();
        if !on_screen {
            put(&format!("{}\n", shown::ending(what, body)));
        }
        put("\n");
        body.clone_into(&mut self.last_word);
    }

    /// Leaves what is being written, and catches up with what came meanwhile.
    fn end_line(&mut self) {
        if !self.streamed.is_empty() {
            put("\n");
            self.streamed.clear();
        }
        self.held.drain(..).for_each(|line| put(&format!("{line}\n")));
    }
}

/// The text with each work item's key in place of the link to it.
fn without_links_to_items(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from_key)) = rest.split_once('[') {
        out.push_str(before);
        let link = from_key.split_once("](").and_then(|(key, from_url)| {
            let (url, after) = from_url.split_once(')')?;
            let ends_in_key = url.trim_end_matches('/').ends_with(&format!("/browse/{key}"));
            ends_in_key.then_some((key, after))
        });
        match link {
            Some((key, after)) => {
                out.push_str(key);
                rest = after;
            }
            None => {
                out.push('[');
                rest = from_key;
            }
        }
    }
    out.push_str(rest);
    out
}

fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_to_work_items_are_taken_out() {
        let text =
            "See [MOB-3](http://127.0.0.1:1/acme/browse/MOB-3/) and [the list](https://a.test/browse/x) [1] [x](y";
        assert_eq!(without_links_to_items(text), "See MOB-3 and [the list](https://a.test/browse/x) [1] [x](y");
    }
}
