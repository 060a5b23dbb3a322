//! The tools as one run sees them: found by name, described from files, results capped.

use std::{collections::BTreeMap, fmt};

use super::{Called, Effect, Told, Tool, ToolCx, ToolError};
use crate::{
    config::{files::Flaw, front_matter::FrontMatter},
    domain::{feature::Feature, talk::ToolOffer},
};

/// Longest result a tool may give the model, in characters (about 4,000 tokens of prose).
const RESULT_LIMIT_CHARS: usize = 16_000;

/// The compiled-in descriptions; `<name>.md` in the tools folder replaces one.
pub const DESCRIPTIONS: &[(&str, &str)] = &[
    ("add_comment.md", include_str!("../../tools/add_comment.md")),
    ("add_link.md", include_str!("../../tools/add_link.md")),
    ("archive_work_item.md", include_str!("../../tools/archive_work_item.md")),
    ("ask_user.md", include_str!("../../tools/ask_user.md")),
    ("change_cycle.md", include_str!("../../tools/change_cycle.md")),
    ("change_module.md", include_str!("../../tools/change_module.md")),
    ("create_label.md", include_str!("../../tools/create_label.md")),
    ("create_page.md", include_str!("../../tools/create_page.md")),
    ("create_work_item.md", include_str!("../../tools/create_work_item.md")),
    ("delete_comment.md", include_str!("../../tools/delete_comment.md")),
    ("delete_work_item.md", include_str!("../../tools/delete_work_item.md")),
    ("edit_comment.md", include_str!("../../tools/edit_comment.md")),
    ("find_pages.md", include_str!("../../tools/find_pages.md")),
    ("find_similar_work_items.md", include_str!("../../tools/find_similar_work_items.md")),
    ("list_intake.md", include_str!("../../tools/list_intake.md")),
    ("list_project_facts.md", include_str!("../../tools/list_project_facts.md")),
    ("list_work_items.md", include_str!("../../tools/list_work_items.md")),
    ("load_skill.md", include_str!("../../tools/load_skill.md")),
    ("read_attachment.md", include_str!("../../tools/read_attachment.md")),
    ("read_comments.md", include_str!("../../tools/read_comments.md")),
    ("read_history.md", include_str!("../../tools/read_history.md")),
    ("read_page.md", include_str!("../../tools/read_page.md")),
    ("read_work_item.md", include_str!("../../tools/read_work_item.md")),
    ("relate_work_items.md", include_str!("../../tools/relate_work_items.md")),
    ("search_work_items.md", include_str!("../../tools/search_work_items.md")),
    ("triage_intake.md", include_str!("../../tools/triage_intake.md")),
    ("unrelate_work_items.md", include_str!("../../tools/unrelate_work_items.md")),
    ("undo.md", include_str!("../../tools/undo.md")),
    ("update_work_item.md", include_str!("../../tools/update_work_item.md")),
];

/// The tools that are switched on.
pub struct Toolbox {
    tools: BTreeMap<&'static str, Box<dyn Tool>>,
    /// In the fixed order of [`super::all`], so that providers can cache the prefix.
    offers: Vec<ToolOffer>,
}

impl Default for Toolbox {
    /// The tools with their compiled-in descriptions.
    fn default() -> Self {
        Self::from_texts(|_| None)
    }
}

impl fmt::Debug for Toolbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.tools.keys()).finish()
    }
}

/// Whether a text can describe the tool of this file.
///
/// # Errors
/// What is wrong with it, or that there is no such tool.
pub fn check(file: &str, text: &str) -> Result<(), Flaw> {
    if !DESCRIPTIONS.iter().any(|(name, _)| *name == file) {
        let names = DESCRIPTIONS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        return Err(Flaw::at(0, format!("no such file is used; the names are: {names}")));
    }
    Description::parse(text).map(drop)
}

impl Toolbox {
    /// The tools with the texts that are found by their files in place of the compiled-in descriptions.
    /// A text that does not pass [`check`] is left out.
    #[must_use]
    pub fn from_texts<'a>(text_of: impl Fn(&str) -> Option<&'a str>) -> Self {
        let mut toolbox = Self { tools: BTreeMap::new(), offers: Vec::new() };
        for tool in super::all() {
            let file = format!("{}.md", tool.name());
            let built_in = DESCRIPTIONS.iter().find(|(name, _)| *name == file).map_or("", |(_, text)| *text);
            let own = text_of(&file).and_then(|text| Description::parse(text).ok());
            let described = own.or_else(|| Description::parse(built_in).ok());
            if let Some(Description { enabled: true, text }) = described {
                let (name, parameters) = (tool.name().to_owned(), tool.parameters());
                toolbox.offers.push(ToolOffer { name, description: text, parameters });
                toolbox.tools.insert(tool.name(), tool);
            }
        }
        toolbox
    }

    /// The same without the tools that change something.
    #[must_use]
    pub fn without_writes(mut self) -> Self {
        self.tools.retain(|_, tool| !tool.effect().changes());
        self.offers.retain(|offer| self.tools.contains_key(offer.name.as_str()));
        self
    }

    /// Whether any of the tools changes something.
    #[must_use]
    pub fn can_write(&self) -> bool {
        self.tools.values().any(|tool| tool.effect().changes())
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

    /// What not every Plane has and the tool cannot do without.
    #[must_use]
    pub fn needs(&self, name: &str) -> Option<Feature> {
        self.tools.get(name)?.needs()
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
        let missing = |feature: Feature| ToolError::NoSuchThing(feature.missing().to_owned());
        if let Some(feature) = tool.needs().filter(|feature| cx.facts.lacks(cx.workspace, *feature)) {
            return Err(missing(feature));
        }
        let called = tool.call_text(arguments, cx).await.map_err(|error| match (tool.needs(), error) {
            (Some(feature), ToolError::Plane(error)) if error.no_such_call() => {
                cx.facts.learn_lack(cx.workspace, feature);
                missing(feature)
            }
            (_, error) => error,
        });
        Ok(match called? {
            Called::Output(mut output) => {
                output.text = capped(output.text);
                Called::Output(output)
            }
            other @ (Called::Shows(..) | Called::Wants(_)) => other,
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

/// A tool's file: optional settings between `---` lines, then the description.
struct Description {
    enabled: bool,
    text: String,
}

impl Description {
    fn parse(source: &str) -> Result<Self, Flaw> {
        let file = FrontMatter::parse(source)?;
        let mut enabled = true;
        for field in &file.fields {
            match field.key.as_str() {
                "enabled" => enabled = field.flag()?,
                other => {
                    return Err(Flaw::at(field.line, format!("unknown key `{other}`; the only key is `enabled`")));
                }
            }
        }
        if file.text.is_empty() {
            let reason = "the description is empty; a model cannot use a tool it knows nothing about";
            return Err(Flaw::at(file.text_line, reason));
        }
        Ok(Self { enabled, text: file.text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toolbox(file: &str, text: &str) -> Toolbox {
        Toolbox::from_texts(|asked| (asked == file).then_some(text))
    }

    #[test]
    fn without_writes_nothing_that_changes_anything_is_offered() {
        let toolbox = Toolbox::default();
        assert_eq!(toolbox.effect("add_comment"), Some(Effect::Write));
        let toolbox = toolbox.without_writes();
        assert_eq!(toolbox.effect("add_comment"), None);
        let left = toolbox.offers().iter().map(|offer| toolbox.effect(&offer.name));
        assert!(left.into_iter().all(|effect| effect.is_some_and(|effect| !effect.changes())));
    }

    #[test]
    fn a_description_can_switch_its_tool_off() {
        for text in ["---\nenabled = false\n---\nAsks.\n", "---\nenabled: false\n---\nAsks.\n"] {
            let toolbox = toolbox("ask_user.md", text);
            assert_eq!(toolbox.effect("ask_user"), None);
            assert_eq!(toolbox.effect("read_work_item"), Some(Effect::Read));
            assert!(toolbox.offers().iter().all(|offer| offer.name != "ask_user"));
        }
    }

    #[test]
    fn a_broken_description_is_told_with_its_line() {
        let cases = [
            ("ask_user.md", "---\nenabled = false\nenbaled = true\n---\nAsks.\n", 3, "unknown key `enbaled`"),
            ("read_comments.md", "\n", 2, "the description is empty"),
            ("read_comment.md", "Reads.", 0, "no such file is used"),
        ];
        for (file, text, line, reason) in cases {
            let flaw = check(file, text).unwrap_err();
            assert!(flaw.line == line && flaw.reason.contains(reason), "{flaw:?}");
            assert_eq!(toolbox(file, text).offers(), Toolbox::default().offers(), "the built-in text stands in");
        }
    }

    #[test]
    fn a_long_result_is_cut_between_characters_and_says_so() {
        let text = capped("é".repeat(RESULT_LIMIT_CHARS + 5));
        assert!(text.contains("[… 5 more characters"));
        assert_eq!(capped("short".to_owned()), "short");
    }
}
