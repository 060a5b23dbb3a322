//! The texts of one place, put together: what a turn speaks with.

use std::{collections::BTreeMap, fmt, sync::Arc};

use sha2::{Digest, Sha256};

use super::{Prompts, place::Item, template::TEMPLATES};
use crate::{
    agent::skills::{self, Skill, Skills},
    tools::{Toolbox, toolbox},
};

/// Digits of a wording's hash; enough to tell versions apart, short enough to read.
const HASH_DIGITS: usize = 16;

/// Prompts, skills and tools of one place at one moment.
#[derive(Debug)]
pub struct Wording {
    pub prompts: Prompts,
    pub skills: Skills,
    pub toolbox: Arc<Toolbox>,
    /// Names exactly these texts.
    pub hash: String,
    sources: BTreeMap<Item, (Origin, String)>,
}

/// What a file holds, once it is read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Template(String),
    /// No skill where the file switches it off.
    Skill {
        skill: Option<Skill>,
        text: String,
    },
}

/// Where a text comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    BuiltIn,
    File(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::File(path) => f.write_str(path),
        }
    }
}

impl Wording {
    /// Lays the files over the compiled-in texts, in this order.
    pub(super) fn new(
        files: impl Iterator<Item = (Item, Content, Origin)>,
        toolbox: Arc<Toolbox>,
        tool_texts: &BTreeMap<String, (Origin, String)>,
    ) -> Self {
        let mut templates: BTreeMap<&'static str, String> = BTreeMap::new();
        let mut skills = Skills::built_in();
        let mut sources = built_in();
        for (item, content, origin) in files {
            let text = match (&item, content) {
                (Item::Template(name), Content::Template(text)) => {
                    templates.insert(name, text.clone());
                    text
                }
                (Item::Skill(name), Content::Skill { skill, text }) => {
                    skills.set(name, skill);
                    text
                }
                // What a file holds follows from its name.
                (Item::Template(_) | Item::Tool(_), Content::Skill { .. })
                | (Item::Skill(_) | Item::Tool(_), Content::Template(_)) => continue,
            };
            sources.insert(item, (origin, text));
        }
        for (file, _) in toolbox::DESCRIPTIONS {
            if let Some(own) = tool_texts.get(*file) {
                sources.insert(Item::Tool(file), own.clone());
            }
        }
        let hash = hash(&sources);
        Self { prompts: Prompts::new(&templates), skills, toolbox, hash, sources }
    }

    /// Every prompt, skill and description of a tool with where its text comes from, and the text.
    pub fn sources(&self) -> impl Iterator<Item = (&Item, &Origin, &str)> {
        self.sources.iter().map(|(item, (origin, text))| (item, origin, text.as_str()))
    }
}

/// The compiled-in texts.
fn built_in() -> BTreeMap<Item, (Origin, String)> {
    let templates = TEMPLATES.iter().map(|template| (Item::Template(template.name), template.text));
    let skills = skills::BUILT_IN.iter().map(|(name, text)| (Item::Skill((*name).to_owned()), *text));
    let tools = toolbox::DESCRIPTIONS.iter().map(|(file, text)| (Item::Tool(file), *text));
    templates.chain(skills).chain(tools).map(|(item, text)| (item, (Origin::BuiltIn, text.to_owned()))).collect()
}

/// The compiled-in text of an item, if there is one.
#[must_use]
pub fn built_in_text(item: &Item) -> Option<String> {
    built_in().remove(item).map(|(_, text)| text)
}

fn hash(sources: &BTreeMap<Item, (Origin, String)>) -> String {
    let mut digest = Sha256::new();
    let mut add = |name: &str, text: &str| {
        // Lengths keep a text from passing for the end of another.
        for part in [name, text] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part.as_bytes());
        }
    };
    for (item, (_, text)) in sources {
        add(&item.to_string(), text);
    }
    let mut hash = hex::encode(digest.finalize());
    hash.truncate(HASH_DIGITS);
    hash
}
