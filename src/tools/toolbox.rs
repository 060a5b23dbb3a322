//! The tools as one run sees them: found by name, described from files, results capped.

use std::{collections::BTreeMap, path::Path};

use super::{Called, Effect, Told, Tool, ToolCx, ToolError};
use crate::{
    config::files::{EditableFiles, FileProblem},
    domain::talk::ToolOffer,
};

/// Longest result a tool may give the model, in characters (about 4,000 tokens of prose).
const RESULT_LIMIT_CHARS: usize = 16_000;

/// The compiled-in descriptions; `<name>.md` in the tools folder replaces one.
pub const DESCRIPTIONS: &[(&str, &str)] = &[
    ("add_comment.md", include_str!("../../tools/add_comment.md")),
    ("ask_user.md", include_str!("../../tools/ask_user.md")),
    ("create_work_item.md", include_str!("../../tools/create_work_item.md")),
    ("find_similar_work_items.md", include_str!("../../tools/find_similar_work_items.md")),
    ("list_project_facts.md", include_str!("../../tools/list_project_facts.md")),
    ("list_work_items.md", include_str!("../../tools/list_work_items.md")),
    ("read_comments.md", include_str!("../../tools/read_comments.md")),
    ("read_work_item.md", include_str!("../../tools/read_work_item.md")),
    ("search_work_items.md", include_str!("../../tools/search_work_items.md")),
    ("update_work_item.md", include_str!("../../tools/update_work_item.md")),
];

/// The tools that are switched on.
pub struct Toolbox {
    tools: BTreeMap<&'static str, Box<dyn Tool>>,
    /// In the fixed order of [`super::all`], so that providers can cache the prefix.
    offers: Vec<ToolOffer>,
}

impl Toolbox {
    /// Reads the descriptions, files in `dir` replacing the compiled-in ones.
    ///
    /// # Errors
    /// Every file that cannot be used, with its line and the reason.
    pub fn load(dir: &Path) -> Result<(Self, EditableFiles), Vec<FileProblem>> {
        let files = EditableFiles::load(dir, DESCRIPTIONS)?;
        let mut problems = Vec::new();
        let mut toolbox = Self { tools: BTreeMap::new(), offers: Vec::new() };
        for tool in super::all() {
            let file = format!("{}.md", tool.name());
            match Description::parse(files.text(&file)) {
                Ok(Description { enabled: false, .. }) => {}
                Ok(Description { text, .. }) => {
                    toolbox.offers.push(ToolOffer {
                        name: tool.name().to_owned(),
                        description: text,
                        parameters: tool.parameters(),
                    });
                    toolbox.tools.insert(tool.name(), tool);
                }
                Err((line, reason)) => problems.push(files.problem(&file, line, reason)),
            }
        }
        if problems.is_empty() { Ok((toolbox, files)) } else { Err(problems) }
    }

    /// The same without the tools that change something.
    #[must_use]
    pub fn without_writes(mut self) -> Self {
        self.tools.retain(|_, tool| tool.effect() != Effect::Write);
        self.offers.retain(|offer| self.tools.contains_key(offer.name.as_str()));
        self
    }

    /// Whether any of the tools changes something.
    #[must_use]
    pub fn can_write(&self) -> bool {
        self.tools.values().any(|tool| tool.effect() == Effect::Write)
    }

    /// What the model is told.
    #[must_use]
    pub fn offers(&self) -> &[ToolOffer] {
        &self.offers
    }

    /// How a tool touches the world; `None` for a name that is not offered.
    #[must_use]
    pub fn effect(&self, name: &str) -> Option<Effect> {
        self.tools.get(name).map(|tool| tool.effect())
    }

    /// The call as people are told of it; `None` for a tool that is not offered, and for arguments that
    /// cannot be read.
    #[must_use]
    pub fn told(&self, name: &str, arguments: &str) -> Option<Told> {
        self.tools.get(name)?.told(arguments)
    }

    /// Carries out a call as the model wrote it, or says what it would change.
    ///
    /// # Errors
    /// Whatever the model has to be told instead of a result.
    pub async fn call(&self, name: &str, arguments: &str, cx: &ToolCx<'_>) -> Result<Called, ToolError> {
        let Some(tool) = self.tools.get(name) else {
            let known = self.tools.keys().copied().collect::<Vec<_>>().join(", ");
            return Err(ToolError::Unknown { name: name.chars().take(64).collect(), known });
        };
        Ok(match tool.call_text(arguments, cx).await? {
            Called::Output(mut output) => {
                output.text = capped(output.text);
                Called::Output(output)
            }
            Called::Wants(write) => Called::Wants(write),
        })
    }
}

/// Cuts a result at the limit and says so, so that the model does not take a part for the whole.
fn capped(text: String) -> String {
    let Some((cut, _)) = text.char_indices().nth(RESULT_LIMIT_CHARS) else {
        return text;
    };
    let more = text[cut..].chars().count();
    format!("{}\n\n[… {more} more characters were cut; ask for less at a time]", &text[..cut])
}

/// A tool's file: optional front matter between `---` lines, then the description.
struct Description {
    enabled: bool,
    text: String,
}

impl Description {
    fn parse(source: &str) -> Result<Self, (usize, String)> {
        let source = source.replace("\r\n", "\n");
        let Some(rest) = source.strip_prefix("---\n") else {
            return Self::new(true, &source, 1);
        };
        let Some((front, text)) = rest.split_once("\n---\n") else {
            return Err((1, "the front matter opened by `---` is not closed by another `---` line".to_owned()));
        };
        let mut enabled = true;
        for (number, line) in (2..).zip(front.lines()) {
            match line.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
                Some(("enabled", "true")) => enabled = true,
                Some(("enabled", "false")) => enabled = false,
                Some(("enabled", value)) => {
                    return Err((number, format!("`enabled` must be true or false, not `{value}`")));
                }
                Some((key, _)) => return Err((number, format!("unknown key `{key}`; the only key is `enabled`"))),
                None if line.trim().is_empty() => {}
                None => return Err((number, "expected `enabled = true` or `enabled = false`".to_owned())),
            }
        }
        Self::new(enabled, text, front.lines().count() + 3)
    }

    fn new(enabled: bool, text: &str, line: usize) -> Result<Self, (usize, String)> {
        let text = text.trim().to_owned();
        if text.is_empty() {
            return Err((
                line,
                "the description is empty; a model cannot use a tool it knows nothing about".to_owned(),
            ));
        }
        Ok(Self { enabled, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_can_switch_its_tool_off() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ask_user.md"), "---\nenabled = false\n---\nAsks.\n").unwrap();
        let (toolbox, _) = Toolbox::load(dir.path()).unwrap();
        assert_eq!(toolbox.effect("ask_user"), None);
        assert_eq!(toolbox.effect("read_work_item"), Some(Effect::Read));
        assert!(toolbox.offers().iter().all(|offer| offer.name != "ask_user"));
    }

    #[test]
    fn without_writes_nothing_that_changes_anything_is_offered() {
        let (toolbox, _) = Toolbox::load(Path::new("/nonexistent")).unwrap();
        assert_eq!(toolbox.effect("add_comment"), Some(Effect::Write));
        let toolbox = toolbox.without_writes();
        assert_eq!(toolbox.effect("add_comment"), None);
        let left = toolbox.offers().iter().map(|offer| toolbox.effect(&offer.name));
        assert!(left.into_iter().all(|effect| effect.is_some_and(|effect| effect != Effect::Write)));
    }

    #[test]
    fn a_broken_description_is_reported_with_file_and_line() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ask_user.md"), "---\nenabled = false\nenbaled = true\n---\nAsks.\n").unwrap();
        std::fs::write(dir.path().join("read_comments.md"), "\n").unwrap();
        let problems = Toolbox::load(dir.path()).err().unwrap();
        let text = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(text.contains("ask_user.md:3: unknown key `enbaled`"), "{text}");
        assert!(text.contains("read_comments.md:1: the description is empty"), "{text}");
    }

    #[test]
    fn a_long_result_is_cut_between_characters_and_says_so() {
        let text = capped("é".repeat(RESULT_LIMIT_CHARS + 5));
        assert!(text.contains("[… 5 more characters"));
        assert_eq!(capped("short".to_owned()), "short");
    }
}
