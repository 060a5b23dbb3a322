//! The texts in `prompts/`: what the model is told and what people read that no model wrote.
//!
//! They are minijinja templates, strict: a variable a template may not use is an error with file
//! and line when the prompts are loaded, not in the middle of somebody's turn.

use std::path::Path;

use minijinja::{Environment, Error, UndefinedBehavior, syntax::SyntaxConfig, value::Value};
use serde::Serialize;

use crate::config::files::{EditableFiles, FileProblem};

/// The compiled-in templates with the variables each may use.
const TEMPLATES: &[(&str, &str, &[&str])] = &[
    ("acknowledge.md", include_str!("../../prompts/acknowledge.md"), &["key"]),
    ("bounded.md", include_str!("../../prompts/bounded.md"), &["best", "bound", "max_steps", "max_minutes"]),
    ("compact.md", include_str!("../../prompts/compact.md"), &["agent_name", "conversation"]),
    (
        "context.md",
        include_str!("../../prompts/context.md"),
        &[
            "key",
            "name",
            "zone",
            "fields",
            "news",
            "description",
            "children",
            "relations",
            "links",
            "attachments",
            "comments",
            "older_comments",
            "history",
            "older_changes",
            "earlier",
            "unread",
        ],
    ),
    ("cut_answer.md", include_str!("../../prompts/cut_answer.md"), &["text"]),
    ("empty_answer.md", include_str!("../../prompts/empty_answer.md"), &[]),
    ("error.md", include_str!("../../prompts/error.md"), &["code", "detail"]),
    ("heartbeat.md", include_str!("../../prompts/heartbeat.md"), &["doing", "seconds"]),
    ("out_of_steps.md", include_str!("../../prompts/out_of_steps.md"), &["max_steps"]),
    ("question.md", include_str!("../../prompts/question.md"), &["question", "options", "several"]),
    ("raw_answer.md", include_str!("../../prompts/raw_answer.md"), &[]),
    ("stopped.md", include_str!("../../prompts/stopped.md"), &[]),
    ("unsure.md", include_str!("../../prompts/unsure.md"), &["changes"]),
    ("system.md", include_str!("../../prompts/system.md"), &["agent_name", "can_write", "today", "workspace"]),
];

/// The loaded templates.
#[derive(Debug)]
pub struct Prompts {
    environment: Environment<'static>,
}

impl Prompts {
    /// Loads every template, files in `dir` replacing the compiled-in ones.
    ///
    /// # Errors
    /// Every template that cannot be used, with its line and the reason.
    pub fn load(dir: &Path) -> Result<(Self, EditableFiles), Vec<FileProblem>> {
        let defaults: Vec<_> = TEMPLATES.iter().map(|(name, text, _)| (*name, *text)).collect();
        let files = EditableFiles::load(dir, &defaults)?;
        let mut environment = empty_environment();
        let mut problems = Vec::new();
        for (name, _, variables) in TEMPLATES {
            if let Err(error) = environment.add_template_owned(*name, files.text(name).to_owned()) {
                problems.push(problem_of(&files, name, &error));
                continue;
            }
            problems.extend(foreign_variables(&environment, &files, name, variables));
        }
        if problems.is_empty() { Ok((Self { environment }, files)) } else { Err(problems) }
    }

    /// Renders a template.
    ///
    /// # Errors
    /// A template that fails while it runs, such as a filter used on the wrong kind of value.
    pub fn render(&self, name: &str, values: impl Serialize) -> Result<String, PromptError> {
        let failed = |source| PromptError { name: name.to_owned(), source };
        let template = self.environment.get_template(name).map_err(failed)?;
        let text = template.render(minijinja::value::Serde(values)).map_err(failed)?;
        Ok(text.trim().to_owned())
    }
}

/// A prompt that could not be rendered.
#[derive(Debug, thiserror::Error)]
#[error("the prompt {name} cannot be rendered: {source}")]
pub struct PromptError {
    name: String,
    #[source]
    source: Error,
}

fn empty_environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // The texts are Markdown for people and models; HTML escaping would garble them.
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true);
    if let Ok(syntax) = syntax.build() {
        environment.set_syntax(syntax);
    }
    environment
}

/// Variables the template uses and will not be given, each with the line it first stands on.
fn foreign_variables(
    environment: &Environment<'static>,
    files: &EditableFiles,
    name: &str,
    variables: &[&str],
) -> Vec<FileProblem> {
    let Ok(template) = environment.get_template(name) else {
        return Vec::new();
    };
    let mut used: Vec<_> = template.undeclared_variables(false).into_iter().collect();
    used.sort();
    used.retain(|variable| !variables.contains(&variable.as_str()));
    let known = if variables.is_empty() { "none".to_owned() } else { variables.join(", ") };
    used.into_iter()
        .map(|variable| {
            let line = files.text(name).lines().position(|line| line.contains(&variable)).map_or(0, |at| at + 1);
            files.problem(name, line, format!("there is no variable `{variable}` here; the variables are: {known}"))
        })
        .collect()
}

fn problem_of(files: &EditableFiles, name: &str, error: &Error) -> FileProblem {
    let reason =
        error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()));
    files.problem(name, error.line().unwrap_or(0), reason)
}

/// An empty set of values, for templates without variables.
#[must_use]
pub fn nothing() -> Value {
    Value::from_iter(std::iter::empty::<(String, String)>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems_with(name: &str, text: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(name), text).unwrap();
        let problems = Prompts::load(dir.path()).err().unwrap_or_default();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_built_in_prompts_load_and_render() {
        let (prompts, files) = Prompts::load(Path::new("/nonexistent")).unwrap();
        assert_eq!(files.from_disk().count(), 0);
        let text = prompts.render("stopped.md", nothing()).unwrap();
        assert!(text.starts_with("Stopped."));
        let values = serde_json::json!({ "code": "TOO_LONG", "detail": "" });
        assert!(prompts.render("error.md", values).unwrap().contains("too long"));
    }

    #[test]
    fn a_file_replaces_the_built_in_prompt() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("stopped.md"), "Halt.\n").unwrap();
        let (prompts, files) = Prompts::load(dir.path()).unwrap();
        assert_eq!(prompts.render("stopped.md", nothing()).unwrap(), "Halt.");
        assert_eq!(files.from_disk().collect::<Vec<_>>(), ["stopped.md"]);
    }

    #[test]
    fn broken_prompts_are_reported_with_file_line_and_reason() {
        let broken = problems_with("system.md", "You are {{ agent_name }}.\n{% if %}\n");
        assert!(broken.contains("system.md:2: syntax error"), "{broken}");
        let foreign = problems_with("system.md", "Hello\n{{ agnet_name }}\n");
        assert!(foreign.contains("system.md:2: there is no variable `agnet_name` here"), "{foreign}");
        let misspelt = problems_with("sytsem.md", "Hello");
        assert!(misspelt.contains("no such file is used"), "{misspelt}");
    }
}
