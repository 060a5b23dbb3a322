//! Reads what a provider says about a failure, in whichever of the many shapes it says it.
//!
//! An `error` object, string or array, a flat object, FastAPI's `detail`, upstream JSON within a
//! string, or a proxy's HTML page: none is an error of its own.

use std::time::Duration;

use serde_json::Value;

use super::failure::wait_from_seconds;

/// Longest text of a provider that is passed on, in characters.
const MAX_MESSAGE_CHARS: usize = 300;
/// As much of the text is searched for known words.
const MAX_SEARCHED_CHARS: usize = 4_000;

/// What the provider said, as far as it could be understood.
#[derive(Debug, Default, Clone)]
pub(in crate::llm) struct Complaint {
    /// One line for people, bounded.
    pub(in crate::llm) message: String,
    /// All text, in lower case, to be searched for known words.
    pub(in crate::llm) words: String,
    /// Codes and types, in lower case.
    pub(in crate::llm) labels: Vec<String>,
    /// The request's parameter at fault.
    pub(in crate::llm) param: Option<String>,
    /// A status given in the body, which is all there is in the middle of a stream.
    pub(in crate::llm) status: Option<u16>,
    /// A wait given in the body.
    pub(in crate::llm) wait: Option<Duration>,
    /// The provider's moderation gave reasons.
    pub(in crate::llm) moderated: bool,
}

impl Complaint {
    /// Reads the body of a failed response.
    pub(in crate::llm) fn from_body(body: &[u8]) -> Self {
        if let Ok(value) = serde_json::from_slice::<Value>(body) {
            return Self::from_value(&value);
        }
        let text = String::from_utf8_lossy(body.get(..body.len().min(16 << 10)).unwrap_or_default());
        let mut complaint = Self::default();
        let start = text.trim_start();
        if start.starts_with('<') {
            complaint.add_text(&format!("a web page instead of an answer{}", title_of(start)));
        } else {
            complaint.add_text(&text);
        }
        complaint.finish()
    }

    /// The complaint a chunk of a stream holds, if it is one.
    pub(in crate::llm) fn in_stream(chunk: &Value) -> Option<Self> {
        let has_error = match chunk.get("error") {
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Object(fields)) => !fields.is_empty(),
            Some(Value::Array(items)) => !items.is_empty(),
            Some(Value::Bool(failed)) => *failed,
            Some(Value::Number(_)) => true,
            Some(Value::Null) | None => false,
        };
        let is_flat = ["object", "type"].iter().any(|field| chunk.get(field).and_then(Value::as_str) == Some("error"));
        let is_detail = chunk.get("choices").is_none() && chunk.get("detail").is_some();
        (has_error || is_flat || is_detail).then(|| Self::from_value(chunk))
    }

    pub(in crate::llm) fn from_value(value: &Value) -> Self {
        let mut complaint = Self::default();
        complaint.add(value, 0);
        complaint.finish()
    }

    pub(in crate::llm) fn has_label(&self, labels: &[&str]) -> bool {
        self.labels.iter().any(|label| labels.contains(&label.as_str()))
    }

    pub(in crate::llm) fn says(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.words.contains(phrase))
    }

    fn add(&mut self, value: &Value, depth: u8) {
        if depth > 6 {
            return;
        }
        match value {
            Value::String(text) => self.add_text(text),
            Value::Array(items) => items.iter().take(8).for_each(|item| self.add(item, depth + 1)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    match name.as_str() {
                        "error" | "detail" | "details" | "message" | "msg" | "errors" | "metadata" | "innererror" => {
                            self.add(value, depth + 1);
                        }
                        "code" | "type" | "status" | "reason" | "error_type" | "quotaId" => self.add_label(value),
                        "violations" => self.add_violations(value),
                        "param" => self.param = value.as_str().map(str::to_owned).or(self.param.take()),
                        "loc" => self.add_location(value),
                        "reasons" | "flagged_input" => self.moderated = true,
                        "retryDelay" => {
                            self.wait = value.as_str().and_then(|text| wait_from_seconds(text.trim_end_matches('s')))
                        }
                        "raw" => self.add_upstream(value, depth),
                        _ => {}
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn add_text(&mut self, text: &str) {
        let text = text.trim();
        if text.is_empty() || self.message.contains(text) {
            return;
        }
        if !self.message.is_empty() {
            self.message.push_str(": ");
        }
        self.message.extend(text.chars().take(MAX_SEARCHED_CHARS));
    }

    fn add_label(&mut self, value: &Value) {
        if let Some(text) = value.as_str() {
            self.labels.push(text.to_ascii_lowercase());
        }
        let number = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        if let Some(status) =
            number.and_then(|number| u16::try_from(number).ok()).filter(|status| (400..600).contains(status))
        {
            self.status = Some(status);
        }
    }

    /// Gemini tells a spent daily quota only by the id of the quota.
    fn add_violations(&mut self, value: &Value) {
        let ids = value
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|violation| violation.get("quotaId").and_then(Value::as_str));
        self.labels.extend(ids.filter(|id| id.contains("PerDay")).map(|_| "quota_per_day".to_owned()));
    }

    /// FastAPI names the field at fault as a path.
    fn add_location(&mut self, value: &Value) {
        let last = value.as_array().and_then(|path| path.iter().rev().find_map(Value::as_str));
        if let Some(field) = last.filter(|_| self.param.is_none()) {
            self.param = Some(field.to_owned());
        }
    }

    /// OpenRouter wraps what the upstream said as a string, often JSON again.
    fn add_upstream(&mut self, value: &Value, depth: u8) {
        match value.as_str().map(serde_json::from_str::<Value>) {
            Some(Ok(inner)) => self.add(&inner, depth + 1),
            Some(Err(_)) | None => self.add(value, depth + 1),
        }
    }

    fn finish(mut self) -> Self {
        self.words = self.message.to_lowercase();
        if self.message.is_empty() {
            self.message = self.labels.first().cloned().unwrap_or_else(|| "no reason was given".to_owned());
        }
        let flat = self.message.split_whitespace().map(without_key).collect::<Vec<_>>().join(" ");
        self.message = flat.chars().take(MAX_MESSAGE_CHARS).collect();
        self
    }
}

/// Several providers repeat the key they refuse.
fn without_key(word: &str) -> &str {
    if word.contains("sk-") && word.len() > 8 { "[key]" } else { word }
}

fn title_of(html: &str) -> String {
    // Searched without regard to case in a copy of equal length.
    let lower = html.to_ascii_lowercase();
    let title = lower.find("<title>").zip(lower.find("</title>")).and_then(|(from, to)| html.get(from + 7..to));
    title.map(|title| format!(", titled \"{}\"", title.trim())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_shape_yields_the_message() {
        for (body, message) in [
            (r#"{"error":{"message":"slow down","code":null}}"#, "slow down"),
            (r#"{"error":"slow down"}"#, "slow down"),
            (r#"[{"error":{"message":"slow down","code":429}}]"#, "slow down"),
            (r#"{"detail":"slow down"}"#, "slow down"),
            (r#"{"detail":[{"loc":["body","x"],"msg":"slow down"}]}"#, "slow down"),
            (r#"{"object":"error","message":"slow down","code":400}"#, "slow down"),
            (
                r#"{"error":{"message":"outer","metadata":{"raw":"{\"error\":{\"message\":\"inner\"}}"}}}"#,
                "outer: inner",
            ),
            (
                "<html><title>502 Bad Gateway</title></html>",
                "a web page instead of an answer, titled \"502 Bad Gateway\"",
            ),
            ("upstream gone", "upstream gone"),
            ("", "no reason was given"),
            ("\"just text\"", "just text"),
            (r#"{"error":{"message":"bad key sk-abcdefghijkl."}}"#, "bad key [key]"),
        ] {
            assert_eq!(Complaint::from_body(body.as_bytes()).message, message, "{body}");
        }
    }

    #[test]
    fn a_number_as_a_code_is_a_status_also_as_a_string() {
        for code in [json!(429), json!("429")] {
            let chunk = json!({"error": {"message": "m", "code": code, "type": "throttling_error"}});
            assert_eq!(Complaint::in_stream(&chunk).unwrap().status, Some(429));
        }
    }

    #[test]
    fn an_ordinary_chunk_is_no_complaint() {
        for chunk in [
            json!({"choices": []}),
            json!({"error": null, "choices": []}),
            json!({"error": {}, "choices": []}),
            json!(1),
        ] {
            assert!(Complaint::in_stream(&chunk).is_none(), "{chunk}");
        }
    }

    proptest! {
        #[test]
        fn any_body_makes_a_bounded_message(body in prop::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(Complaint::from_body(&body).message.chars().count() <= MAX_MESSAGE_CHARS);
        }
    }
}
