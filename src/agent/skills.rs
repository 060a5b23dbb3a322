//! Skills: instructions for one kind of request, a file each, read by the model only when wanted.
//!
//! The model sees one line of each beside the tool `load_skill`, and a person can choose one by writing
//! `/name` at the head of a request. A skill that names tools bounds the turn to them.

use std::collections::BTreeMap;

use crate::config::{
    files::Flaw,
    front_matter::{Field, FrontMatter},
};

/// The compiled-in skills by name.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("break-down", include_str!("../../prompts/skills/break-down.md")),
    ("duplicates", include_str!("../../prompts/skills/duplicates.md")),
    ("release-notes", include_str!("../../prompts/skills/release-notes.md")),
    ("standup", include_str!("../../prompts/skills/standup.md")),
    ("status-report", include_str!("../../prompts/skills/status-report.md")),
    ("summary", include_str!("../../prompts/skills/summary.md")),
    ("triage", include_str!("../../prompts/skills/triage.md")),
];

/// Names with a slash before them that mean something else where people type.
const RESERVED: &[&str] = &["stop", "skills", "context", "history", "new", "help", "quit", "exit"];

const LONGEST_NAME_CHARS: usize = 40;
/// Every skill costs its line in every request.
const LONGEST_LINE_CHARS: usize = 400;
const LONGEST_TEXT_CHARS: usize = 16_000;

/// One skill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skill {
    pub name: String,
    /// What it does, in one sentence.
    pub description: String,
    /// When to use it; may be empty.
    pub when: String,
    /// The only tools it may use; none named is all of them.
    pub tools: Vec<String>,
    /// The model to work with, by its name in the config.
    pub model: Option<String>,
    /// The instructions.
    pub text: String,
}

/// What a skill may refer to.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub tools: Vec<&'static str>,
    pub models: Vec<String>,
}

/// Reads a skill's file; `None` if the file switches the skill of its name off.
///
/// # Errors
/// What is wrong first, with its line.
pub fn parse(name: &str, source: &str, known: &Known) -> Result<Option<Skill>, Flaw> {
    check_name(name)?;
    let file = FrontMatter::parse(source)?;
    let mut skill = Skill {
        name: name.to_owned(),
        description: String::new(),
        when: String::new(),
        tools: Vec::new(),
        model: None,
        text: file.text,
    };
    let mut enabled = true;
    for field in &file.fields {
        match field.key.as_str() {
            "name" if field.text() != name => {
                let reason = format!("the name is {:?} and the file is {name}.md; they have to agree", field.text());
                return Err(Flaw::at(field.line, reason));
            }
            "name" => {}
            "description" => skill.description = line_of(field)?,
            "when" | "when_to_use" => skill.when = line_of(field)?,
            "tools" => skill.tools = known_tools(field, known)?,
            "model" => skill.model = known_model(field, known)?,
            "enabled" => enabled = field.flag()?,
            other => {
                let keys = "name, description, when, tools, model, enabled";
                return Err(Flaw::at(field.line, format!("unknown key `{other}`; the keys are: {keys}")));
            }
        }
    }
    if !enabled {
        return Ok(None);
    }
    if skill.description.is_empty() {
        let reason = "the description is missing; write `description: …` between two `---` lines on top, since the model \
                      chooses by it";
        return Err(Flaw::at(1, reason));
    }
    check_text(&skill.text, file.text_line)?;
    Ok(Some(skill))
}

fn check_name(name: &str) -> Result<(), Flaw> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > LONGEST_NAME_CHARS || !name.chars().all(plain) || name.starts_with('-') {
        return Err(Flaw::at(0, "a skill's file is named with small letters, digits and - only, as /name is typed"));
    }
    if RESERVED.contains(&name) {
        return Err(Flaw::at(0, format!("/{name} means something else already; choose another name")));
    }
    Ok(())
}

fn check_text(text: &str, line: usize) -> Result<(), Flaw> {
    if text.is_empty() {
        return Err(Flaw::at(line, "there are no instructions below the settings"));
    }
    if text.chars().count() > LONGEST_TEXT_CHARS {
        return Err(Flaw::at(line, format!("the instructions are longer than {LONGEST_TEXT_CHARS} characters")));
    }
    Ok(())
}

fn line_of(field: &Field) -> Result<String, Flaw> {
    let text = field.text();
    if text.chars().count() > LONGEST_LINE_CHARS {
        let reason =
            format!("`{}` is longer than {LONGEST_LINE_CHARS} characters; it is sent with every request", field.key);
        return Err(Flaw::at(field.line, reason));
    }
    Ok(text)
}

fn known_tools(field: &Field, known: &Known) -> Result<Vec<String>, Flaw> {
    let named = field.list();
    if let Some(unknown) = named.iter().find(|tool| !known.tools.contains(&tool.as_str())) {
        let reason = format!("there is no tool `{unknown}`; the tools are: {}", known.tools.join(", "));
        return Err(Flaw::at(field.line, reason));
    }
    if named.is_empty() {
        return Err(Flaw::at(field.line, "names no tool; leave `tools` out if the skill may use all of them"));
    }
    Ok(named)
}

fn known_model(field: &Field, known: &Known) -> Result<Option<String>, Flaw> {
    let named = field.text();
    if !known.models.contains(&named) {
        let reason = format!(
            "there is no model `{named}` in the configuration that can be used; those are: {}",
            known.models.join(", ")
        );
        return Err(Flaw::at(field.line, reason));
    }
    Ok(Some(named))
}

/// The skills of one place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Skills {
    skills: BTreeMap<String, Skill>,
}

impl Skills {
    /// The compiled-in ones.
    #[must_use]
    pub fn built_in() -> Self {
        let known = Known { tools: crate::tools::all().iter().map(|tool| tool.name()).collect(), models: Vec::new() };
        let mut skills = Self::default();
        for (name, source) in BUILT_IN {
            // A test reads each of them.
            skills.set(name, parse(name, source, &known).ok().flatten());
        }
        skills
    }

    /// Puts a skill in place of the one of this name, or takes that away.
    pub fn set(&mut self, name: &str, skill: Option<Skill>) {
        match skill {
            Some(skill) => drop(self.skills.insert(name.to_owned(), skill)),
            None => drop(self.skills.remove(name)),
        }
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Skill> {
        self.skills.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Skill> {
        self.skills.values()
    }

    /// The skill a request asks for by beginning with `/name`.
    #[must_use]
    pub fn chosen_by(&self, request: &str) -> Option<&Skill> {
        let name = request.trim_start().strip_prefix('/')?.split(char::is_whitespace).next()?;
        self.get(name.trim_end_matches([':', ',', '.', '!', '?']).to_lowercase().as_str())
    }

    /// One line a skill, as the model chooses by them.
    #[must_use]
    pub fn menu(&self) -> String {
        let line = |skill: &Skill| {
            let when = if skill.when.is_empty() { String::new() } else { format!(" Use it when {}.", skill.when) };
            format!("- {}: {}{when}", skill.name, skill.description)
        };
        self.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        Known { tools: vec!["read_comments", "ask_user"], models: vec!["main".to_owned(), "big".to_owned()] }
    }

    #[test]
    fn the_shipped_skills_are_sound() {
        let known = Known { tools: crate::tools::all().iter().map(|tool| tool.name()).collect(), models: Vec::new() };
        for (name, source) in BUILT_IN {
            let skill = parse(name, source, &known).unwrap().unwrap();
            assert!(!skill.when.is_empty() && !skill.tools.is_empty(), "{name}");
            assert!(source.contains(&format!("name: {name}\n")), "{name} says its own name");
        }
        assert_eq!(Skills::built_in().iter().count(), BUILT_IN.len());
        let menu = Skills::built_in().menu();
        assert!(menu.lines().count() == BUILT_IN.len() && menu.chars().count() < 2_200, "{} characters", menu.len());
    }

    #[test]
    fn a_skill_is_read_with_all_it_says() {
        let source = "---\nname: haiku\ndescription: Writes a haiku.\nwhen to use: someone is sad\ntools: [read_comments]\n\
                      model: big\n---\nFive, seven, five.\n";
        let skill = parse("haiku", source, &known()).unwrap().unwrap();
        let expected = Skill {
            name: "haiku".to_owned(),
            description: "Writes a haiku.".to_owned(),
            when: "someone is sad".to_owned(),
            tools: vec!["read_comments".to_owned()],
            model: Some("big".to_owned()),
            text: "Five, seven, five.".to_owned(),
        };
        assert_eq!(skill, expected);
        assert_eq!(parse("haiku", "---\nenabled: false\n---\n", &known()).unwrap(), None);
    }

    #[test]
    fn what_is_wrong_with_a_skill_is_told_with_its_line() {
        let long = format!("---\ndescription: {}\n---\nText", "x".repeat(500));
        let endless = format!("---\ndescription: x\n---\n{}", "x".repeat(20_000));
        let cases = [
            ("haiku", "Just text", 1, "the description is missing"),
            ("haiku", "---\nname: ode\ndescription: x\n---\nText", 2, "they have to agree"),
            ("haiku", "---\ndescription: x\ntools: read_comments, fly\n---\nText", 3, "there is no tool `fly`"),
            ("haiku", "---\ndescription: x\ntools:\n---\nText", 3, "names no tool"),
            ("haiku", "---\ndescription: x\nmodel: small\n---\nText", 3, "that can be used; those are: main, big"),
            ("haiku", "---\ndescription: x\ncolour: red\n---\nText", 3, "unknown key `colour`"),
            ("haiku", "---\ndescription: x\nenabled: yes\n---\nText", 3, "must be true or false"),
            ("haiku", "---\ndescription: x\n---\n\n", 5, "no instructions"),
            ("haiku", "---\ndescription: x\n", 1, "not closed"),
            ("haiku", long.as_str(), 2, "longer than 400"),
            ("haiku", endless.as_str(), 4, "longer than 16000"),
            ("Hai ku", "---\ndescription: x\n---\nText", 0, "small letters"),
            ("stop", "---\ndescription: x\n---\nText", 0, "means something else"),
        ];
        for (name, source, line, reason) in cases {
            let flaw = parse(name, source, &known()).unwrap_err();
            assert!(flaw.line == line && flaw.reason.contains(reason), "{source:?}: {flaw:?}");
        }
    }

    #[test]
    fn a_request_chooses_a_skill_with_a_slash_at_its_head() {
        let skills = Skills::built_in();
        let cases = [
            ("/triage", Some("triage")),
            ("  /Triage: look for duplicates, too", Some("triage")),
            ("/break-down\nplease", Some("break-down")),
            ("please /triage", None),
            ("/tmp/core is full", None),
            ("/ triage", None),
            ("triage", None),
            ("", None),
        ];
        for (request, name) in cases {
            assert_eq!(skills.chosen_by(request).map(|skill| skill.name.as_str()), name, "{request:?}");
        }
    }
}
