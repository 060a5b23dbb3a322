//! What Plane says when it refuses: one sentence out of any of its error bodies.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::fields::id_of;

/// Longest message taken over from an answer.
const LONGEST_MESSAGE_CHARS: usize = 300;

/// The first of these that holds something is the message.
const MESSAGE_FIELDS: [&str; 4] = ["detail", "error", "message", "error_message"];

/// The message in an error body, never empty and at most 300 characters.
pub(in crate::plane) fn message(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.is_empty() {
        return "no message".to_owned();
    }
    if text.starts_with('<') {
        return "HTML page".to_owned();
    }
    let message = match serde_json::from_str::<Value>(text) {
        Ok(value) => json_message(&value),
        Err(_) => text.to_owned(),
    };
    let message = shorten(&message);
    if message.is_empty() { "no message".to_owned() } else { message }
}

/// The record that stands in the way of a create, as a conflict names it.
pub(in crate::plane) fn existing(body: &[u8]) -> Option<Uuid> {
    let body: Value = serde_json::from_slice(body).ok()?;
    id_of(&body)
}

/// How long a `Retry-After` asks to wait, given in seconds or as an HTTP date.
pub(in crate::plane) fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = jiff::fmt::rfc2822::parse(header).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
}

fn json_message(value: &Value) -> String {
    let Value::Object(fields) = value else {
        return flat(value);
    };
    for name in MESSAGE_FIELDS {
        if let Some(text) = fields.get(name).map(flat).filter(|text| !text.is_empty()) {
            return text;
        }
    }
    let parts: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {}", flat(value))).collect();
    parts.join("; ")
}

/// A value as text: lists are joined, maps keyed by an index or a field are written out. Nesting
/// is bounded because the JSON parser bounds it.
fn flat(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(flat).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                if name.bytes().all(|byte| byte.is_ascii_digit()) {
                    flat(value)
                } else {
                    format!("{name}: {}", flat(value))
                }
            })
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// One line without control characters, cut at the limit.
fn shorten(text: &str) -> String {
    let line = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = line.collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST_MESSAGE_CHARS {
        return line;
    }
    let mut cut: String = line.chars().take(LONGEST_MESSAGE_CHARS - 1).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_shape_yields_its_message() {
        let cases = [
            (r#"{"detail":"Given API token is not valid"}"#, "Given API token is not valid"),
            (r#"{"error":["a","b"],"status":false}"#, "a, b"),
            (r#"{"error":"REQUEST_BODY_TOO_LARGE","detail":"too large"}"#, "too large"),
            (r#"{"message":"Activity not found.","code":"NOT_FOUND"}"#, "Activity not found."),
            (r#"{"error_code":5900,"error_message":"RATE_LIMIT_EXCEEDED"}"#, "RATE_LIMIT_EXCEEDED"),
            (r#"{"name":["too long"],"state":["no uuid"]}"#, "name: too long; state: no uuid"),
            (r#"{"assignees":{"0":["Invalid pk"]}}"#, "assignees: Invalid pk"),
            (
                r#"{"non_field_errors":["Start date cannot exceed target date"]}"#,
                "non_field_errors: Start date cannot exceed target date",
            ),
            (r#""plain""#, "plain"),
            ("bad gateway", "bad gateway"),
            ("<html><body>502</body></html>", "HTML page"),
            ("", "no message"),
            ("{}", "no message"),
            ("null", "no message"),
        ];
        for (body, expected) in cases {
            assert_eq!(message(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn a_long_message_is_cut_and_kept_on_one_line() {
        let text = message(format!("{}\n\u{7}x", "ä".repeat(5000)).as_bytes());
        assert_eq!(text.chars().count(), 300);
        assert!(text.ends_with('…'));
        assert_eq!(message(b"a\n\x07b"), "a b");
    }

    #[test]
    fn a_wait_is_read_in_seconds_and_as_a_date() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(retry_after("7", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("0.5", now), Some(Duration::from_millis(500)));
        assert_eq!(retry_after("Thu, 01 Jan 2026 00:00:30 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Wed, 31 Dec 2025 00:00:30 GMT", now), Some(Duration::ZERO));
        for odd in ["", "soon", "-1", "NaN", "inf"] {
            assert_eq!(retry_after(odd, now), None, "{odd}");
        }
    }
}
