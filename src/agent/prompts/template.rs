//! The compiled-in templates, the variables each may use, and how a text that is to replace one is
//! tried before it is used.

use minijinja::{Environment, Error, UndefinedBehavior, syntax::SyntaxConfig};

use crate::config::files::Flaw;

/// One prompt.
#[derive(Debug)]
pub struct Template {
    /// Its file's name.
    pub name: &'static str,
    /// The compiled-in text.
    pub text: &'static str,
    /// What it is for, in a few words.
    pub purpose: &'static str,
    /// The variables it is given.
    pub variables: &'static [&'static str],
    /// Values it is tried with, JSON objects: what only shows when a template runs shows then.
    samples: &'static [&'static str],
}

/// Every prompt there is.
pub const TEMPLATES: &[Template] = &[
    Template {
        name: "acknowledge.md",
        text: include_str!("../../../prompts/acknowledge.md"),
        purpose: "the first thought, before anything slow",
        variables: &["key"],
        samples: &[r#"{"key": null}"#, r#"{"key": "MOB-1"}"#],
    },
    Template {
        name: "approval.md",
        text: include_str!("../../../prompts/approval.md"),
        purpose: "asks the person to approve changes",
        variables: &["changes", "options", "refused_someone"],
        samples: &[
            r#"{"changes": [{"letter": "A", "summary": "Change MOB-1: Crash", "reason": null, "text": [],
                "fields": [{"name": "priority", "before": "none", "after": "high"}]}],
                "options": ["Approve", "Reject"], "refused_someone": false}"#,
            r#"{"changes": [{"letter": "A", "summary": "Change MOB-1: Crash", "reason": "It crashes.", "text": [],
                "fields": [{"name": "priority", "before": "none", "after": "high"}]},
                {"letter": "B", "summary": "Comment on MOB-1", "reason": null, "text": ["Hello"], "fields": []}],
                "options": ["Approve all", "Reject all"], "refused_someone": true}"#,
        ],
    },
    Template {
        name: "bounded.md",
        text: include_str!("../../../prompts/bounded.md"),
        purpose: "the answer of a turn that hit a bound",
        variables: &["best", "bound", "max_steps", "max_minutes"],
        samples: &[
            r#"{"best": "", "bound": "steps", "max_steps": 24, "max_minutes": 15}"#,
            r#"{"best": "So far.", "bound": "time", "max_steps": 24, "max_minutes": 15}"#,
        ],
    },
    Template {
        name: "claimed.md",
        text: include_str!("../../../prompts/claimed.md"),
        purpose: "asks the model again after it told of a change nobody made",
        variables: &[],
        samples: &["{}"],
    },
    Template {
        name: "compact.md",
        text: include_str!("../../../prompts/compact.md"),
        purpose: "asks the model for a summary of older turns",
        variables: &["agent_name", "conversation"],
        samples: &[r#"{"agent_name": "aileron", "conversation": "@maya: hello"}"#],
    },
    Template {
        name: "context.md",
        text: include_str!("../../../prompts/context.md"),
        purpose: "the work item as the model sees it",
        variables: &[
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
        samples: &[
            r#"{"key": "MOB-1", "name": "Crash", "zone": "UTC", "fields": ["- State: Todo"], "news": [],
                "description": "(none)", "children": [], "relations": [], "links": [], "attachments": [],
                "comments": [], "older_comments": 0, "history": [], "older_changes": 0, "earlier": [], "unread": []}"#,
            r#"{"key": "MOB-1", "name": "Crash", "zone": "Europe/Berlin", "fields": ["- State: Todo"],
                "news": ["- the state is Todo now"], "description": "Text.", "children": ["- MOB-2: Part"],
                "relations": ["- blocked by MOB-3: Other"], "links": ["- a: https://a.test"],
                "attachments": ["- log.txt"], "comments": ["**@maya**: hello"], "older_comments": 7,
                "history": ["- created"], "older_changes": 3, "earlier": ["- yesterday: done"],
                "unread": ["links"]}"#,
        ],
    },
    Template {
        name: "cut_answer.md",
        text: include_str!("../../../prompts/cut_answer.md"),
        purpose: "an answer cut at the model's length limit",
        variables: &["text"],
        samples: &[r#"{"text": "So far."}"#],
    },
    Template {
        name: "done.md",
        text: include_str!("../../../prompts/done.md"),
        purpose: "what a turn had changed that ended before its time",
        variables: &["changes"],
        samples: &[r#"{"changes": ["Change MOB-1"]}"#],
    },
    Template {
        name: "empty_answer.md",
        text: include_str!("../../../prompts/empty_answer.md"),
        purpose: "asks the model again after an empty answer",
        variables: &[],
        samples: &["{}"],
    },
    Template {
        name: "error.md",
        text: include_str!("../../../prompts/error.md"),
        purpose: "a failure, told to the person",
        variables: &["code", "detail", "changed"],
        samples: &[
            r#"{"code": "INTERNAL", "detail": "", "changed": false}"#,
            r#"{"code": "MODEL_RATE_LIMITED", "detail": "Wait.", "changed": true}"#,
        ],
    },
    Template {
        name: "guidance.md",
        text: include_str!("../../../prompts/guidance.md"),
        purpose: "guidance from the workspace, behind the system prompt",
        variables: &["texts"],
        samples: &[r#"{"texts": [{"source": "the configuration", "text": "Be brief."}]}"#],
    },
    Template {
        name: "heartbeat.md",
        text: include_str!("../../../prompts/heartbeat.md"),
        purpose: "the sign of life after a long silence",
        variables: &["doing", "seconds"],
        samples: &[r#"{"doing": "model", "seconds": 45}"#, r#"{"doing": "reading", "seconds": 90}"#],
    },
    Template {
        name: "out_of_steps.md",
        text: include_str!("../../../prompts/out_of_steps.md"),
        purpose: "asks the model to wrap up",
        variables: &["max_steps"],
        samples: &[r#"{"max_steps": 24}"#],
    },
    Template {
        name: "question.md",
        text: include_str!("../../../prompts/question.md"),
        purpose: "a question to the person",
        variables: &["question", "options", "several"],
        samples: &[
            r#"{"question": "Which?", "options": [], "several": false}"#,
            r#"{"question": "Which?", "options": ["A", "B"], "several": false}"#,
            r#"{"question": "Which?", "options": ["A", "B"], "several": true}"#,
        ],
    },
    Template {
        name: "raw_answer.md",
        text: include_str!("../../../prompts/raw_answer.md"),
        purpose: "asks the model again after an answer of raw data",
        variables: &[],
        samples: &["{}"],
    },
    Template {
        name: "skill.md",
        text: include_str!("../../../prompts/skill.md"),
        purpose: "how a skill's text is given to the model",
        variables: &["name", "text", "tools", "chosen_by_person"],
        samples: &[
            r#"{"name": "triage", "text": "Do it.", "tools": [], "chosen_by_person": false}"#,
            r#"{"name": "triage", "text": "Do it.", "tools": ["read_comments"], "chosen_by_person": true}"#,
        ],
    },
    Template {
        name: "stopped.md",
        text: include_str!("../../../prompts/stopped.md"),
        purpose: "confirms a stop",
        variables: &[],
        samples: &["{}"],
    },
    Template {
        name: "system.md",
        text: include_str!("../../../prompts/system.md"),
        purpose: "what the model is told first",
        variables: &["agent_name", "can_write", "today", "workspace"],
        samples: &[
            r#"{"agent_name": "aileron", "can_write": false, "today": "2026-01-31", "workspace": null}"#,
            r#"{"agent_name": "aileron", "can_write": true, "today": "2026-01-31", "workspace": "Acme"}"#,
        ],
    },
    Template {
        name: "unmade.md",
        text: include_str!("../../../prompts/unmade.md"),
        purpose: "an answer that tells of a change nobody made",
        variables: &["text", "changes"],
        samples: &[
            r#"{"text": "I set the priority.", "changes": []}"#,
            r#"{"text": "I closed MOB-1.", "changes": ["Change MOB-1"]}"#,
        ],
    },
    Template {
        name: "unsure.md",
        text: include_str!("../../../prompts/unsure.md"),
        purpose: "changes of which it is unknown whether they were made",
        variables: &["changes"],
        samples: &[r#"{"changes": ["Set the priority of MOB-1"]}"#],
    },
];

impl Template {
    /// The prompt of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        TEMPLATES.iter().find(|template| template.name == name)
    }

    /// Everything that is wrong with a text that is to replace this one; nothing if it can be used.
    #[must_use]
    pub fn flaws(&self, text: &str) -> Vec<Flaw> {
        if text.trim().is_empty() {
            let reason = "is empty; delete it to have the built-in text, or write {# nothing #} to have none";
            return vec![Flaw::at(1, reason)];
        }
        let mut environment = environment();
        for template in TEMPLATES {
            // The compiled-in ones are tried by a test; here they are only there to be included.
            let _ = environment.add_template(template.name, template.text);
        }
        if let Err(error) = environment.add_template_owned(self.name, text.to_owned()) {
            return vec![flaw(&error)];
        }
        let foreign = self.foreign_variables(&environment, text);
        if !foreign.is_empty() {
            return foreign;
        }
        let failures = self.samples.iter().filter_map(|sample| self.failure(&environment, sample));
        failures.take(1).collect()
    }

    /// Variables the text uses and will not be given, each with the line it first stands on.
    fn foreign_variables(&self, environment: &Environment<'_>, text: &str) -> Vec<Flaw> {
        let Ok(template) = environment.get_template(self.name) else { return Vec::new() };
        let mut used: Vec<_> = template.undeclared_variables(false).into_iter().collect();
        used.sort();
        used.retain(|variable| !self.variables.contains(&variable.as_str()));
        let known = if self.variables.is_empty() { "none".to_owned() } else { self.variables.join(", ") };
        let told = |variable: String| {
            let line = text.lines().position(|line| line.contains(&variable)).map_or(0, |at| at + 1);
            Flaw::at(line, format!("there is no variable `{variable}` here; the variables are: {known}"))
        };
        used.into_iter().map(told).collect()
    }

    fn failure(&self, environment: &Environment<'_>, sample: &str) -> Option<Flaw> {
        let values: serde_json::Value = serde_json::from_str(sample).ok()?;
        let template = environment.get_template(self.name).ok()?;
        template.render(minijinja::value::Serde(values)).err().map(|error| flaw(&error))
    }
}

/// An environment as all prompts are rendered in.
pub(super) fn environment() -> Environment<'static> {
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

fn flaw(error: &Error) -> Flaw {
    let reason =
        error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()));
    Flaw::at(error.line().unwrap_or(0), reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_compiled_in_template_passes_its_own_trial() {
        for template in TEMPLATES {
            assert_eq!(template.flaws(template.text), [], "{}", template.name);
            assert!(!template.samples.is_empty(), "{} is tried with nothing", template.name);
            for sample in template.samples {
                let sample: serde_json::Map<String, serde_json::Value> = serde_json::from_str(sample).unwrap();
                let mut given: Vec<_> = sample.keys().map(String::as_str).collect();
                let mut variables = template.variables.to_vec();
                given.sort_unstable();
                variables.sort_unstable();
                assert_eq!(given, variables, "{}", template.name);
            }
        }
    }

    /// Every template as it reads with each of its samples. After a change on purpose, take over what the
    /// test wrote beside each file.
    #[test]
    fn every_template_reads_as_it_did() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/prompts");
        let prompts = crate::agent::prompts::Prompts::built_in();
        let mut changed = Vec::new();
        for template in TEMPLATES {
            let mut text = String::new();
            for sample in template.samples {
                let values: serde_json::Value = serde_json::from_str(sample).unwrap();
                text.push_str(&format!("given {values}\n\n{}\n\n", prompts.render(template.name, &values).unwrap()));
            }
            let path = dir.join(template.name);
            if std::fs::read_to_string(&path).ok().as_deref() != Some(text.as_str()) {
                std::fs::write(path.with_extension("md.new"), text).unwrap();
                changed.push(template.name);
            }
        }
        assert!(changed.is_empty(), "these read otherwise, see tests/snapshots/prompts/*.md.new: {changed:?}");
        let kept = std::fs::read_dir(dir).unwrap().count();
        assert_eq!(kept, TEMPLATES.len(), "a snapshot is left over");
    }

    #[test]
    fn what_is_wrong_with_a_text_is_told_with_its_line() {
        let cases = [
            ("system.md", "You are {{ agent_name }}.\n{% if %}\n", 2, "syntax error"),
            ("system.md", "Hello\n{{ agnet_name }}\n", 2, "there is no variable `agnet_name` here"),
            ("system.md", "Hello\n\n{{ today | shout }}\n", 3, "unknown filter"),
            ("question.md", "{{ question }}\n{{ options.first.label }}", 2, "undefined"),
            ("guidance.md", "{% for text in texts %}\n{{ text.source }}\n{{ text.txt }}\n{% endfor %}", 3, "undefined"),
            ("stopped.md", "{% include 'stoped.md' %}", 1, "template not found"),
            ("stopped.md", " \n", 1, "is empty"),
        ];
        for (name, text, line, reason) in cases {
            let flaws = Template::named(name).unwrap().flaws(text);
            assert_eq!(flaws.len(), 1, "{text:?}: {flaws:?}");
            assert_eq!(flaws[0].line, line, "{text:?}: {flaws:?}");
            assert!(flaws[0].reason.contains(reason), "{text:?}: {flaws:?}");
        }
    }

    #[test]
    fn a_text_may_say_nothing_and_may_include_another() {
        assert_eq!(Template::named("heartbeat.md").unwrap().flaws("{# nothing #}"), []);
        assert_eq!(Template::named("cut_answer.md").unwrap().flaws("{{ text }}\n{% include 'stopped.md' %}"), []);
    }
}
