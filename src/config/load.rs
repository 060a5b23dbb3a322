//! Loads the configuration: defaults, file, environment, flags, in rising order of precedence.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

pub use super::origin::{Place, Problem};
use super::{
    Config, TextsConfig, environment,
    origin::{Origins, line_at},
    raw::RawConfig,
    resolve,
};

/// The compiled-in defaults, which are also the manual.
pub const DEFAULTS: &str = include_str!("../../aileron.default.toml");

/// Most problems told at once.
const MOST_PROBLEMS: usize = 50;

/// The file looked for in the working directory when none is named.
const DEFAULT_FILE: &str = "aileron.toml";

/// Everything the configuration is made of.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file named by `--config` or `AILERON_CONFIG`; it must exist. Otherwise `aileron.toml` in
    /// the working directory is used if it is there.
    pub file: Option<PathBuf>,
    pub environment: BTreeMap<String, String>,
    /// Settings from flags: key path and value.
    pub flags: Vec<(&'static str, String)>,
    /// The names of the tools that change something, which alone can have a policy; `None` where nobody knows.
    pub changing_tools: Option<Vec<&'static str>>,
}

impl Sources {
    /// The file and this process's environment.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>) -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { file, environment, ..Self::default() }
    }
}

/// Loads and checks everything.
///
/// # Errors
/// Everything that is wrong, each with its place; never only the first of several bad values.
pub fn load(sources: &Sources) -> Result<Config, Vec<Problem>> {
    let (raw, origins, base) = read(sources)?;
    let config = resolve::resolve(raw, &origins, &sources.environment, &base)?;
    let problems: Vec<_> = unknown_tools(&config, sources)
        .map(|(name, known)| {
            let message = format!("there is no such tool that changes something; these are: {}", known.join(", "));
            origins.problem(&format!("writes.tools.{name}"), message)
        })
        .collect();
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

/// A policy for a misspelt tool would be none.
fn unknown_tools<'a>(
    config: &'a Config,
    sources: &'a Sources,
) -> impl Iterator<Item = (&'a String, &'a Vec<&'static str>)> {
    let known = sources.changing_tools.iter();
    known.flat_map(|known| {
        config.writes.tools.keys().filter(|name| !known.contains(&name.as_str())).map(move |name| (name, known))
    })
}

/// Loads only what is said about prompts, skills and tools: they can be worked on before anything else
/// is set up.
///
/// # Errors
/// What cannot be read as configuration at all.
pub fn load_texts(sources: &Sources) -> Result<TextsConfig, Vec<Problem>> {
    let (raw, origins, base) = read(sources)?;
    Ok(resolve::texts(raw, &origins, &base))
}

/// Everything as it is written, merged, with where it comes from and what paths are relative to.
fn read(sources: &Sources) -> Result<(RawConfig, Origins, PathBuf), Vec<Problem>> {
    let mut origins =
        Origins { file: read_file(sources.file.as_deref()).map_err(|problem| vec![problem])?, ..Origins::default() };
    let mut table = defaults()?;
    let mut written = None;
    if let Some((path, text)) = &origins.file {
        let file = parse_file(path, text).map_err(|problem| vec![problem])?;
        // Alone first: what the environment covers up today is wrong all the same.
        typed(file.clone(), &origins)?;
        merge(&mut table, file.clone());
        written = Some(file);
    }
    let mut overlay = environment::overlay(&sources.environment);
    if !overlay.problems.is_empty() {
        return Err(overlay.problems);
    }
    name_model_from_environment(&table, written.as_ref(), sources, &mut overlay);
    for (key, (value, variable)) in overlay.values {
        if let Err(message) = set(&mut table, &key, value) {
            let place = Place::Environment { variable };
            return Err(vec![Problem { place, key, message }]);
        }
        origins.environment.insert(key, variable);
    }
    for (key, value) in &sources.flags {
        // Flags name keys of our own, which all exist.
        let _ = set(&mut table, key, Value::String(value.clone()));
    }
    let raw = typed(table, &origins)?;
    let base = origins.file.as_ref().and_then(|(path, _)| path.parent()).map(Path::to_owned).unwrap_or_default();
    Ok((raw, origins, base))
}

fn defaults() -> Result<Table, Vec<Problem>> {
    let broken = |error: toml::de::Error| {
        let path = PathBuf::from("aileron.default.toml (built in)");
        vec![Problem {
            place: Place::File { path, line: None },
            key: String::new(),
            message: error.message().to_owned(),
        }]
    };
    DEFAULTS.parse().map_err(broken)
}

fn read_file(named: Option<&Path>) -> Result<Option<(PathBuf, String)>, Problem> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some((path.to_owned(), text))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => Ok(None),
        Err(error) => {
            let place = Place::File { path: path.to_owned(), line: None };
            Err(Problem { place, key: String::new(), message: format!("cannot be read: {error}") })
        }
    }
}

/// Reads the file as TOML; what its keys mean is checked once everything is merged.
fn parse_file(path: &Path, text: &str) -> Result<Table, Problem> {
    text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map(|span| line_at(text, span.start));
        Problem {
            place: Place::File { path: path.to_owned(), line },
            key: String::new(),
            message: error.message().to_owned(),
        }
    })
}

/// `OPENAI_MODEL` names the model called "main" as long as that is an "openai" one, `ANTHROPIC_MODEL` as
/// long as it is an "anthropic" one: a file that puts another provider's model there keeps it. Where
/// nobody has said whose model it is, `ANTHROPIC_MODEL` alone makes it Anthropic's.
fn name_model_from_environment(
    table: &Table,
    file: Option<&Table>,
    sources: &Sources,
    overlay: &mut environment::Overlay,
) {
    let provider_in = |table: &Table| {
        let main = table.get("models").and_then(|models| models.get("main"));
        main.and_then(|main| main.get("provider")).and_then(Value::as_str).map(str::to_owned)
    };
    let named = |name: &str| sources.environment.get(name).filter(|model| !model.trim().is_empty());
    let (openai, anthropic) = (named("OPENAI_MODEL"), named("ANTHROPIC_MODEL"));
    let mut provider = overlay
        .values
        .get("models.main.provider")
        .and_then(|(value, _)| value.as_str().map(str::to_owned))
        .or_else(|| provider_in(table));
    let said = overlay.values.contains_key("models.main.provider") || file.and_then(provider_in).is_some();
    if !said && openai.is_none() && anthropic.is_some() {
        provider = Some("anthropic".to_owned());
        let value = (Value::String("anthropic".to_owned()), "ANTHROPIC_MODEL".to_owned());
        overlay.values.insert("models.main.provider".to_owned(), value);
    }
    let model = match provider.as_deref() {
        Some("openai") => openai.map(|model| (model, "OPENAI_MODEL")),
        Some("anthropic") => anthropic.map(|model| (model, "ANTHROPIC_MODEL")),
        Some(_) | None => None,
    };
    if let Some((model, variable)) = model {
        let value = (Value::String(model.trim().to_owned()), variable.to_owned());
        overlay.values.entry("models.main.model".to_owned()).or_insert(value);
    }
}

/// Lays `over` on `base`: tables are merged, everything else is replaced.
fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => drop(base.insert(key, value)),
        }
    }
}

fn set(table: &mut Table, key: &str, value: Value) -> Result<(), String> {
    let (parents, last) = key.rsplit_once('.').unwrap_or(("", key));
    let mut table = table;
    for part in parents.split('.').filter(|part| !part.is_empty()) {
        table = table
            .entry(part)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .ok_or_else(|| format!("`{part}` is a value, not a section"))?;
    }
    table.insert(last.to_owned(), value);
    Ok(())
}

/// The merged table as typed values. A key that does not fit is told, taken out, and the rest read
/// again, so that all of them are told at once. Text from the environment that looks like a number
/// but is wanted as text is given as text.
fn typed(mut table: Table, origins: &Origins) -> Result<RawConfig, Vec<Problem>> {
    let mut problems = Vec::new();
    for _ in 0..MOST_PROBLEMS {
        let error = match serde_path_to_error::deserialize(table.clone()) {
            Ok(raw) if problems.is_empty() => return Ok(raw),
            Ok(_) => return Err(problems),
            Err(error) => error,
        };
        let message = error.inner().message();
        let key = error.path().to_string();
        let scalar = lookup(&table, &key).filter(|value| value.is_integer() || value.is_float() || value.is_bool());
        match scalar.map(ToString::to_string) {
            Some(text) if origins.environment.contains_key(&key) && wants_text(message) => {
                let _ = set(&mut table, &key, Value::String(text));
            }
            Some(_) | None => {
                problems.push(origins.problem(&key, without_value(message)));
                if !remove(&mut table, &key) {
                    break;
                }
            }
        }
    }
    Err(problems)
}

fn wants_text(message: &str) -> bool {
    message.contains("expected a string") || message.contains("path string")
}

/// The message without the text that was found: it may be a secret in the wrong place.
fn without_value(message: &str) -> String {
    match (message.find(": string \""), message.rfind("\", expected")) {
        (Some(start), Some(end)) if start < end => format!("{}: text{}", &message[..start], &message[end + 1..]),
        (_, _) => message.to_owned(),
    }
}

/// Takes a key out of the table; an element of a list takes the whole list with it.
fn remove(table: &mut Table, key: &str) -> bool {
    let key = key.split('[').next().unwrap_or(key);
    let (parents, last) = key.rsplit_once('.').unwrap_or(("", key));
    let parents = parents.split('.').filter(|part| !part.is_empty());
    let parent = parents.into_iter().try_fold(table, |table, part| table.get_mut(part)?.as_table_mut());
    parent.is_some_and(|parent| parent.remove(last).is_some())
}

fn lookup<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let mut parts = key.split('.');
    let first = table.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

#[cfg(test)]
mod tests;
