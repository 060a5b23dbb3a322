//! Where a setting was written, so that an error can point at it.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use toml::de::{DeTable, DeValue};

/// Something wrong in the configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    /// The key's path, such as `plane.api_url`; empty where no single key is meant.
    pub key: String,
    pub message: String,
}

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    File {
        path: PathBuf,
        line: Option<usize>,
    },
    Environment {
        variable: String,
    },
    /// Nobody set it.
    Unset,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File { path, line: Some(line) } => write!(f, "{}:{line}: ", path.display())?,
            Place::File { path, line: None } => write!(f, "{}: ", path.display())?,
            Place::Environment { variable } => write!(f, "environment variable {variable}: ")?,
            Place::Unset => {}
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// Who set what.
#[derive(Debug, Default)]
pub(super) struct Origins {
    /// The file's path and text, if there is one.
    pub file: Option<(PathBuf, String)>,
    /// Key path to the variable that set it.
    pub environment: BTreeMap<String, String>,
}

impl Origins {
    /// Where the key was set: the environment wins, as it does for the value.
    pub(super) fn place(&self, key: &str) -> Place {
        let from_environment = self
            .environment
            .iter()
            .find(|(path, _)| *path == key || path.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')));
        if let Some((_, variable)) = from_environment {
            return Place::Environment { variable: variable.clone() };
        }
        let line = self.file.as_ref().and_then(|(path, text)| Some((path.clone(), line_of(text, key)?)));
        line.map_or(Place::Unset, |(path, line)| Place::File { path, line: Some(line) })
    }

    pub(super) fn problem(&self, key: &str, message: impl Into<String>) -> Problem {
        Problem { place: self.place(key), key: key.to_owned(), message: message.into() }
    }
}

/// The line a key stands on, counted from 1.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut at = None;
    let mut parts = key.split('.').peekable();
    while let Some(part) = parts.next() {
        let part = part.split('[').next().unwrap_or(part);
        let (name, value) = table.iter().find(|(name, _)| name.get_ref().as_ref() == part)?;
        at = Some(name.span().start);
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => {
                if parts.peek().is_some() {
                    return None;
                }
            }
        }
    }
    at.map(|at| line_at(text, at))
}

/// The line of a byte offset, counted from 1.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
