//! What an agent may post into a run, checked as strictly as the documents allow.

use serde_json::{Map, Value, json};

use super::run::ActivityKind;

/// A body that may become an activity.
#[derive(Debug)]
pub(super) struct NewActivity {
    pub(super) kind: ActivityKind,
    pub(super) content: Map<String, Value>,
    pub(super) content_metadata: Value,
    pub(super) signal: String,
    pub(super) signal_metadata: Value,
}

/// Field errors as Plane words them: `{"content": ["…"]}`.
pub(super) type FieldErrors = Map<String, Value>;

/// Reads an activity; the second value lists what Plane would let pass but no client should send.
pub(super) fn read(body: &Value) -> (Result<NewActivity, FieldErrors>, Vec<String>) {
    let Some(body) = body.as_object() else {
        return (Err(error("non_field_errors", "Invalid data. Expected a dictionary.")), Vec::new());
    };
    let known = ["type", "content", "content_metadata", "signal", "signal_metadata", "project"];
    let strays = body.keys().filter(|key| !known.contains(&key.as_str())).map(|key| format!("sent `{key}`")).collect();
    (read_known(body), strays)
}

fn read_known(body: &Map<String, Value>) -> Result<NewActivity, FieldErrors> {
    let kind = kind(body)?;
    let content = content(body, kind)?;
    let object = |key: &str| match body.get(key) {
        None | Some(Value::Null) => Ok(json!({})),
        Some(value @ Value::Object(_)) => Ok(value.clone()),
        Some(_) => Err(error(key, "Value must be valid JSON.")),
    };
    let content_metadata = object("content_metadata")?;
    let signal_metadata = object("signal_metadata")?;
    let signal = match body.get("signal") {
        None => "continue",
        Some(signal) => signal.as_str().unwrap_or_default(),
    };
    check_signal(signal, &signal_metadata, kind)?;
    Ok(NewActivity { kind, content, content_metadata, signal: signal.to_owned(), signal_metadata })
}

fn kind(body: &Map<String, Value>) -> Result<ActivityKind, FieldErrors> {
    match body.get("type").and_then(Value::as_str) {
        None => Err(error("type", "This field is required.")),
        Some("thought") => Ok(ActivityKind::Thought),
        Some("action") => Ok(ActivityKind::Action),
        Some("response") => Ok(ActivityKind::Response),
        Some("elicitation") => Ok(ActivityKind::Elicitation),
        Some("error") => Ok(ActivityKind::Error),
        Some(other) => Err(error("type", &format!("\"{other}\" is not a valid choice."))),
    }
}

fn content(body: &Map<String, Value>, kind: ActivityKind) -> Result<Map<String, Value>, FieldErrors> {
    let Some(content) = body.get("content").and_then(Value::as_object) else {
        return Err(error("content", "This field is required."));
    };
    if content.get("type").and_then(Value::as_str) != Some(kind.as_str()) {
        return Err(error("content", "content.type must equal type."));
    }
    let keys: &[&str] =
        if kind == ActivityKind::Action { &["type", "action", "parameters"] } else { &["type", "body"] };
    if let Some(stray) = content.keys().find(|key| !keys.contains(&key.as_str())) {
        return Err(error("content", &format!("Unexpected key `{stray}`.")));
    }
    let text = |key: &str| content.get(key).and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty());
    if kind != ActivityKind::Action {
        return if text("body") { Ok(content.clone()) } else { Err(error("content", "body must be a text.")) };
    }
    if !text("action") {
        return Err(error("content", "action must be a text."));
    }
    let parameters = content.get("parameters").and_then(Value::as_object);
    match parameters.map(|parameters| parameters.values().all(Value::is_string)) {
        Some(true) => Ok(content.clone()),
        Some(false) => Err(error("content", "parameters must map strings to strings.")),
        None => Err(error("content", "parameters is required.")),
    }
}

fn check_signal(signal: &str, metadata: &Value, kind: ActivityKind) -> Result<(), FieldErrors> {
    match signal {
        "continue" => Ok(()),
        "stop" => Err(error("signal", "Only a person can stop a run.")),
        "auth_request" | "select" if kind != ActivityKind::Elicitation => {
            Err(error("signal", &format!("{signal} goes with an elicitation.")))
        }
        "auth_request" => {
            let address = metadata.get("url").and_then(Value::as_str).and_then(|text| url::Url::parse(text).ok());
            let is_https = address.is_some_and(|address| address.scheme() == "https");
            if is_https { Ok(()) } else { Err(error("signal_metadata", "url must be an https address.")) }
        }
        "select" => check_options(metadata.get("options")),
        other => Err(error("signal", &format!("\"{other}\" is not a valid choice."))),
    }
}

fn check_options(options: Option<&Value>) -> Result<(), FieldErrors> {
    let options = options.and_then(Value::as_array).filter(|options| !options.is_empty());
    let Some(options) = options else {
        return Err(error("signal_metadata", "options must list at least one."));
    };
    let mut seen = std::collections::BTreeSet::new();
    for option in options {
        let text = |key: &str| option.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let (Some(id), Some(_)) = (text("id"), text("label")) else {
            return Err(error("signal_metadata", "every option needs an id and a label."));
        };
        if !seen.insert(id) {
            return Err(error("signal_metadata", "option ids must differ."));
        }
    }
    Ok(())
}

fn error(field: &str, message: &str) -> FieldErrors {
    [(field.to_owned(), json!([message]))].into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: Value) -> String {
        read(&body).0.unwrap_err().keys().next().unwrap().clone()
    }

    #[test]
    fn well_formed_activities_pass() {
        for body in [
            json!({"type": "thought", "content": {"type": "thought", "body": "Reading"}}),
            json!({"type": "action", "content": {"type": "action", "action": "search", "parameters": {}}}),
            json!({"type": "action", "content": {"type": "action", "action": "s", "parameters": {"q": "x"}},
                   "signal": "continue", "content_metadata": {"aileron": {"step": "1"}}}),
            json!({"type": "elicitation", "content": {"type": "elicitation", "body": "Which?"}, "signal": "select",
                   "signal_metadata": {"options": [{"id": "a", "label": "A"}, {"id": "b", "label": "B"}]}}),
            json!({"type": "elicitation", "content": {"type": "elicitation", "body": "Sign in"},
                   "signal": "auth_request", "signal_metadata": {"url": "https://auth.example.test/"}}),
        ] {
            let (read, strays) = read(&body);
            assert!(read.is_ok() && strays.is_empty(), "{body}");
        }
    }

    #[test]
    fn malformed_activities_are_refused_at_the_right_field() {
        let thought = json!({"type": "thought", "body": "x"});
        let options = |options: Value| {
            json!({"type": "elicitation", "content": {"type": "elicitation", "body": "?"}, "signal": "select",
                   "signal_metadata": {"options": options}})
        };
        for (body, field) in [
            (json!([]), "non_field_errors"),
            (json!({"content": thought}), "type"),
            (json!({"type": "prompt", "content": {"type": "prompt", "body": "x"}}), "type"),
            (json!({"type": "response", "content": thought}), "content"),
            (json!({"type": "thought", "content": {"type": "thought", "body": " "}}), "content"),
            (
                json!({"type": "action", "content": {"type": "action", "action": "a", "parameters": {"n": 1}}}),
                "content",
            ),
            (json!({"type": "thought", "content": thought, "signal": "select"}), "signal"),
            (json!({"type": "thought", "content": thought, "signal": "stop"}), "signal"),
            (json!({"type": "thought", "content": thought, "content_metadata": "x"}), "content_metadata"),
            (options(json!([])), "signal_metadata"),
            (options(json!(["plain"])), "signal_metadata"),
            (options(json!([{"id": "a", "label": "A"}, {"id": "a", "label": "B"}])), "signal_metadata"),
            (
                json!({"type": "elicitation", "content": {"type": "elicitation", "body": "?"}, "signal": "auth_request",
                    "signal_metadata": {"url": "http://auth.example.test/"}}),
                "signal_metadata",
            ),
        ] {
            assert_eq!(refused(body.clone()), field, "{body}");
        }
    }

    #[test]
    fn what_the_server_derives_itself_is_noticed() {
        let body = json!({"type": "thought", "content": {"type": "thought", "body": "x"}, "ephemeral": true});
        assert_eq!(read(&body).1, ["sent `ephemeral`"]);
    }
}
