//! The environment as a layer over the file: the names Plane's examples and the model SDKs use, and
//! `AILERON__SECTION__KEY` for everything else.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::origin::{Place, Problem};

/// Variables with a name of their own, and the key each sets.
const NAMED: &[(&str, &str)] = &[
    ("AILERON_LISTEN", "server.listen"),
    ("DATA_DIR", "store.data_dir"),
    ("PLANE_API_URL", "plane.api_url"),
    ("PLANE_CLIENT_ID", "plane.oauth.client_id"),
    ("PLANE_CLIENT_SECRET", "plane.oauth.client_secret"),
    ("PLANE_REDIRECT_URI", "plane.oauth.redirect_uri"),
    ("OPENAI_API_KEY", "providers.openai.api_key"),
    ("OPENAI_BASE_URL", "providers.openai.base_url"),
    ("ANTHROPIC_API_KEY", "providers.anthropic.api_key"),
    ("ANTHROPIC_BASE_URL", "providers.anthropic.base_url"),
];

/// Keys that hold secrets: they are never read as numbers, and `_FILE` works for them.
const SECRETS: &[&str] = &["client_secret", "token", "api_key"];

/// What the environment sets.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    /// Key path to value and variable.
    pub values: BTreeMap<String, (Value, String)>,
    pub problems: Vec<Problem>,
}

/// Reads the variables; an empty one counts as unset.
pub(super) fn overlay(variables: &BTreeMap<String, String>) -> Overlay {
    let mut overlay = Overlay::default();
    let get = |name: &str| variables.get(name).filter(|value| !value.trim().is_empty());
    if let Some(port) = get("PORT") {
        let listen = Value::String(format!("127.0.0.1:{}", port.trim()));
        overlay.values.insert("server.listen".to_owned(), (listen, "PORT".to_owned()));
    }
    for (name, key) in NAMED {
        overlay.set_named(name, key, get(name), get(&format!("{name}_FILE")));
    }
    overlay.set_webhook_secrets(get("PLANE_WEBHOOK_SECRET"), get("PLANE_WEBHOOK_SECRET_FILE"));
    if get("DATABASE_URL").is_some_and(|url| url.starts_with("postgres")) {
        overlay.complain("DATABASE_URL", "this version keeps its data in the embedded store only; unset it");
    }
    for (name, value) in variables {
        if let Some(path) = name.strip_prefix("AILERON__") {
            overlay.set_any(name, path, value);
        }
    }
    overlay
}

impl Overlay {
    fn complain(&mut self, variable: &str, message: &str) {
        let place = Place::Environment { variable: variable.to_owned() };
        self.problems.push(Problem { place, key: String::new(), message: message.to_owned() });
    }

    fn set_named(&mut self, name: &str, key: &str, text: Option<&String>, file: Option<&String>) {
        let is_secret = SECRETS.iter().any(|secret| key.ends_with(secret));
        match (text, file.filter(|_| is_secret)) {
            (Some(_), Some(_)) => self.complain(name, &format!("both {name} and {name}_FILE are set; unset one")),
            (Some(text), None) => {
                self.values.insert(key.to_owned(), (Value::String(text.trim().to_owned()), name.to_owned()));
            }
            (None, Some(file)) => {
                self.values.insert(key.to_owned(), (file_secret(file), format!("{name}_FILE")));
            }
            (None, None) => {}
        }
    }

    fn set_webhook_secrets(&mut self, text: Option<&String>, file: Option<&String>) {
        let name = "PLANE_WEBHOOK_SECRET";
        let (secrets, name) = match (text, file) {
            (Some(_), Some(_)) => {
                return self.complain(name, &format!("both {name} and {name}_FILE are set; unset one"));
            }
            (Some(text), None) => {
                let secrets = text.split(',').map(str::trim).filter(|secret| !secret.is_empty());
                (secrets.map(|secret| Value::String(secret.to_owned())).collect(), name.to_owned())
            }
            (None, Some(file)) => (vec![file_secret(file)], format!("{name}_FILE")),
            (None, None) => return,
        };
        self.values.insert("plane.webhook_secrets".to_owned(), (Value::Array(secrets), name));
    }

    fn set_any(&mut self, name: &str, path: &str, value: &str) {
        let key = path.split("__").map(str::to_lowercase).collect::<Vec<_>>().join(".");
        let last = key.rsplit('.').next().unwrap_or_default();
        if let Some(key) = key.strip_suffix("_file")
            && SECRETS.iter().any(|secret| last == format!("{secret}_file"))
        {
            self.values.insert(key.to_owned(), (file_secret(value), name.to_owned()));
            return;
        }
        let value = if SECRETS.contains(&last) { Value::String(value.trim().to_owned()) } else { typed(value) };
        self.values.insert(key, (value, name.to_owned()));
    }
}

/// Reads `12`, `true` or `["a", "b"]` as TOML would, and anything else as text.
fn typed(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok().filter(|table| table.len() == 1);
    parsed.and_then(|mut table| table.remove("value")).unwrap_or_else(|| Value::String(text.trim().to_owned()))
}

fn file_secret(path: &str) -> Value {
    Value::Table(Table::from_iter([("file".to_owned(), Value::String(path.trim().to_owned()))]))
}
