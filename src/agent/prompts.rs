//! The texts in `prompts/`: what the model is told and what people read that no model wrote.
//!
//! They are minijinja templates, strict: a variable a template may not use is a problem with file
//! and line when the file is read, not in the middle of somebody's turn. [`library`] keeps them up
//! to date, [`place`] says which file counts where, [`wording`] is what one turn speaks with.

pub mod library;
pub mod place;
pub mod template;
pub mod wording;

use std::{collections::BTreeMap, fmt};

use minijinja::{Environment, Error, value::Value};
use serde::Serialize;

use self::{place::Item, template::TEMPLATES};
use super::verbatim::Verbatim;

/// The template of the system prompt.
const RULES: &str = "system.md";

/// The templates of one place.
#[derive(Debug)]
pub struct Prompts {
    environment: Environment<'static>,
    /// The compiled-in ones, for a text that fails while it runs in spite of its trial.
    spare: Environment<'static>,
    rules: Verbatim,
}

impl Prompts {
    /// The compiled-in templates with these in place of the ones of their names.
    pub(super) fn new(texts: &BTreeMap<&'static str, String>) -> Self {
        let (mut environment, mut spare) = (template::environment(), template::environment());
        for template in TEMPLATES {
            // Both were tried before: the one by the library, the other by a test.
            let _ = spare.add_template(template.name, template.text);
            let own = texts.get(template.name).cloned().unwrap_or_else(|| template.text.to_owned());
            let _ = environment.add_template_owned(template.name, own);
        }
        let rules =
            environment.get_template(RULES).map(|rules| Verbatim::of(rules.source())).unwrap_or(Verbatim::of(""));
        Self { environment, spare, rules }
    }

    /// The system prompt, to notice where it is repeated.
    pub(super) fn rules(&self) -> &Verbatim {
        &self.rules
    }

    /// The compiled-in templates.
    #[must_use]
    pub fn built_in() -> Self {
        Self::new(&BTreeMap::new())
    }

    /// Renders a template. An edited one that fails gives way to the compiled-in one.
    ///
    /// # Errors
    /// That one fails, too.
    pub fn render(&self, name: &str, values: impl Serialize) -> Result<String, PromptError> {
        let failed = |source| PromptError { name: name.to_owned(), source };
        let values = Value::from(minijinja::value::Serde(values));
        let rendered = match render_in(&self.environment, name, &values) {
            Ok(text) => text,
            Err(error) => {
                tracing::error!(name, %error, "a prompt cannot be rendered; the built-in one is used");
                render_in(&self.spare, name, &values).map_err(failed)?
            }
        };
        Ok(rendered.trim().to_owned())
    }
}

fn render_in(environment: &Environment<'static>, name: &str, values: &Value) -> Result<String, Error> {
    environment.get_template(name)?.render(values)
}

/// A prompt that could not be rendered.
#[derive(Debug, thiserror::Error)]
#[error("the prompt {name} cannot be rendered: {source}")]
pub struct PromptError {
    name: String,
    #[source]
    source: Error,
}

/// An empty set of values, for templates without variables.
#[must_use]
pub fn nothing() -> Value {
    Value::from_iter(std::iter::empty::<(String, String)>())
}

impl fmt::Display for Item {
    /// Its path in the folder that people edit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Template(name) => f.write_str(name),
            Self::Skill(name) => write!(f, "skills/{name}.md"),
            Self::Tool(file) => write!(f, "tools/{file}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_prompts_render() {
        let prompts = Prompts::built_in();
        assert!(prompts.render("stopped.md", nothing()).unwrap().starts_with("Stopped."));
        let values = serde_json::json!({ "code": "TOO_LONG", "detail": "" });
        assert!(prompts.render("error.md", values).unwrap().contains("too long"));
    }

    #[test]
    fn a_text_that_fails_while_it_runs_gives_way_to_the_built_in_one() {
        let text = "{{ options[7].label }}".to_owned();
        let prompts = Prompts::new(&BTreeMap::from([("question.md", text)]));
        let values = serde_json::json!({ "question": "Which?", "options": [] });
        assert_eq!(prompts.render("question.md", values).unwrap(), "Which?");
    }
}
