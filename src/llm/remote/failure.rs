//! Decides what a provider's failure means, and how long it asks us to wait.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;

use super::complaint::Complaint;
use crate::llm::LlmError;

/// What the headers of a failed response say about trying again.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct RetryHints {
    pub(super) wait: Option<Duration>,
    /// The server's own word on whether a retry makes sense.
    pub(super) should_retry: Option<bool>,
}

impl RetryHints {
    /// Reads `retry-after-ms`, `retry-after` in seconds or as a date, `x-should-retry`, and where there
    /// is none of these when a limit that is used up is lifted.
    pub(super) fn from_headers(headers: &HeaderMap, now: Timestamp) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let milliseconds = text("retry-after-ms").and_then(wait_from_seconds).map(|wait| wait / 1000);
        let wait = milliseconds.or_else(|| {
            let told = text("retry-after").or_else(|| text("llm_provider-retry-after"))?;
            wait_from_seconds(told).or_else(|| wait_until_date(told, now))
        });
        let wait = wait.or_else(|| {
            let used_up = LIMITS.iter().filter(|(remaining, _)| text(remaining) == Some("0"));
            used_up.filter_map(|(_, reset)| wait_until_reset(text(reset)?, now)).max()
        });
        let should_retry = match text("x-should-retry") {
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(_) | None => None,
        };
        Self { wait, should_retry }
    }
}

/// What is left of a limit, and when it is whole again.
const LIMITS: [(&str, &str); 6] = [
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
    ("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"),
];

/// A wait given as a number of seconds, which may have a fraction; `None` for anything else.
pub(super) fn wait_from_seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// What a failure means. `http_status` is `None` in the middle of a stream, where only the body can
/// tell a status.
pub(super) fn error_for(http_status: Option<u16>, complaint: &Complaint, hints: &RetryHints) -> LlmError {
    let status = http_status.or(complaint.status);
    let retry_after = hints.wait.or(complaint.wait);
    let message = complaint.message.clone();
    let error = by_words(status, complaint, retry_after).unwrap_or_else(|| by_status(status, complaint, retry_after));
    match (hints.should_retry, error) {
        (Some(false), LlmError::RateLimited { .. } | LlmError::Unavailable { .. }) => {
            LlmError::Refused { status: status.unwrap_or(0), message }
        }
        (Some(true), LlmError::Refused { .. }) => LlmError::Unavailable { retry_after, message },
        (_, error) => error,
    }
}

/// Failures that are told by a code or a phrase, whatever the status.
fn by_words(status: Option<u16>, complaint: &Complaint, retry_after: Option<Duration>) -> Option<LlmError> {
    let message = complaint.message.clone();
    if complaint.has_label(&["tool_use_failed"]) {
        return Some(LlmError::BadToolCall { message });
    }
    let spent =
        ["insufficient_quota", "billing_error", "billing_hard_limit_reached", "billing_not_active", "quota_per_day"];
    if complaint.has_label(&spent) || complaint.says(&["credit balance is too low"]) {
        return Some(LlmError::OutOfCredit { message });
    }
    if status == Some(402) {
        // OpenRouter answers 402 also while other requests hold the budget, and then says how long.
        return Some(match retry_after {
            Some(_) => LlmError::RateLimited { retry_after, message },
            None => LlmError::OutOfCredit { message },
        });
    }
    let withheld =
        ["content_filter", "content_policy_violation", "responsibleaipolicyviolation", "data_inspection_failed"];
    if complaint.has_label(&withheld) || complaint.moderated {
        return Some(LlmError::Filtered { message });
    }
    if is_too_long(status, complaint) {
        return Some(LlmError::TooLong { message });
    }
    let bad_key = ["api_key_invalid", "invalid_api_key", "authentication_error", "permission_error"];
    if complaint.has_label(&bad_key) && !matches!(status, Some(429 | 500..)) {
        return Some(LlmError::Unauthorized { status: status.unwrap_or(401), message });
    }
    let no_tools = [
        "does not support tools",
        "does not support function",
        "do not support tools",
        "tool use is not supported",
        "support tool use",
        "tools is not supported",
        "tools are not supported",
        "requires --enable-auto-tool-choice",
        "not supported tools",
    ];
    if matches!(status, Some(400 | 404 | 422 | 500 | 501)) && complaint.says(&no_tools) {
        return Some(LlmError::NoTools { message });
    }
    if complaint.has_label(&["model_not_found", "deploymentnotfound"]) && !matches!(status, Some(429 | 500..)) {
        return Some(LlmError::NotFound { message });
    }
    None
}

fn is_too_long(status: Option<u16>, complaint: &Complaint) -> bool {
    // The phrases also occur in limits of tokens a minute, which are no matter of length.
    if matches!(status, Some(401 | 403 | 404 | 429)) {
        return false;
    }
    status == Some(413)
        || complaint.has_label(&["context_length_exceeded", "exceed_context_size_error"])
        || complaint.says(&[
            "context length",
            "context window",
            "context limit",
            "context size",
            "prompt is too long",
            "input is too long",
            "input tokens exceed",
            "input token count",
            "exceeds the maximum number of tokens",
            "maximum prompt length",
            "current length is",
        ])
}

fn by_status(status: Option<u16>, complaint: &Complaint, retry_after: Option<Duration>) -> LlmError {
    let message = complaint.message.clone();
    match status {
        Some(status @ (401 | 403)) => LlmError::Unauthorized { status, message },
        Some(404 | 405) => LlmError::NotFound { message },
        Some(429) => LlmError::RateLimited { retry_after, message },
        Some(408 | 409 | 500..) => LlmError::Unavailable { retry_after, message },
        Some(status) => LlmError::Refused { status, message },
        None if complaint.has_label(&[
            "rate_limit_exceeded",
            "rate_limit_error",
            "throttling_error",
            "resource_exhausted",
        ]) =>
        {
            LlmError::RateLimited { retry_after, message }
        }
        None if complaint.has_label(&["invalid_request_error", "invalid_argument"]) => {
            LlmError::Refused { status: 400, message }
        }
        None => LlmError::Unavailable { retry_after, message },
    }
}

/// `6m0s`, `1.5s`, `120ms`, a number of seconds, or a time.
fn wait_until_reset(text: &str, now: Timestamp) -> Option<Duration> {
    if let Some(wait) = wait_from_seconds(text) {
        return Some(wait);
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO));
    }
    let mut wait = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let seconds = match unit {
            "d" => 86_400.0,
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        wait += Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        rest = after;
    }
    Some(wait)
}

fn wait_until_date(text: &str, now: Timestamp) -> Option<Duration> {
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, body: &str) -> &'static str {
        match error_for(Some(status), &Complaint::from_body(body.as_bytes()), &RetryHints::default()) {
            LlmError::Unauthorized { .. } => "unauthorized",
            LlmError::NotFound { .. } => "not found",
            LlmError::OutOfCredit { .. } => "out of credit",
            LlmError::RateLimited { .. } => "rate limited",
            LlmError::Unavailable { .. } => "unavailable",
            LlmError::TooLong { .. } => "too long",
            LlmError::Filtered { .. } => "filtered",
            LlmError::NoTools { .. } => "no tools",
            LlmError::Refused { .. } => "refused",
            LlmError::BadToolCall { .. } => "bad tool call",
            LlmError::Truncated { .. } | LlmError::Transport { .. } => "other",
        }
    }

    const KNOWN: &[(u16, &str, &str)] = &[
        (401, r#"{"detail":"bad key"}"#, "unauthorized"),
        (403, "<html>", "unauthorized"),
        (
            400,
            r#"[{"error":{"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}]"#,
            "unauthorized",
        ),
        (404, r#"{"error":{"code":"model_not_found","message":"no such model"}}"#, "not found"),
        (400, r#"{"error":{"code":"model_not_found","message":"no such model"}}"#, "not found"),
        (402, "{}", "out of credit"),
        (
            429,
            r#"{"error":{"type":"insufficient_quota","message":"You exceeded your current quota"}}"#,
            "out of credit",
        ),
        (
            429,
            r#"{"error":{"code":429,"details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProject"}]}]}}"#,
            "out of credit",
        ),
        (
            400,
            r#"{"error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the API"}}"#,
            "out of credit",
        ),
        (429, r#"{"error":{"message":"Rate limit reached: context window tokens per minute"}}"#, "rate limited"),
        (429, r#"{"error":{"message":"slow","code":429,"metadata":{"provider_name":"x"}}}"#, "rate limited"),
        (400, r#"{"error":{"code":"context_length_exceeded","message":"m"}}"#, "too long"),
        (
            400,
            r#"{"object":"error","message":"This model's maximum context length is 4096 tokens","type":"BadRequestError","code":400}"#,
            "too long",
        ),
        (400, r#"{"error":{"message":"prompt is too long: 9 tokens > 5 maximum"}}"#, "too long"),
        (400, r#"{"error":{"type":"exceed_context_size_error","n_ctx":4096}}"#, "too long"),
        (
            400,
            r#"{"error":{"message":"Provider returned error","metadata":{"raw":"{\"error\":{\"code\":\"context_length_exceeded\"}}"}}}"#,
            "too long",
        ),
        (413, "too large", "too long"),
        (
            400,
            r#"{"error":{"code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
            "filtered",
        ),
        (403, r#"{"error":{"code":403,"message":"flagged","metadata":{"reasons":["violence"]}}}"#, "filtered"),
        (400, r#"{"error":{"code":"tool_use_failed","failed_generation":"<function>"}}"#, "bad tool call"),
        (
            400,
            r#"{"error":{"message":"registry.ollama.ai/library/gemma:2b does not support tools","type":"api_error"}}"#,
            "no tools",
        ),
        (404, r#"{"error":{"message":"No endpoints found that support tool use.","code":404}}"#, "no tools"),
        (
            400,
            r#"{"object":"error","message":"\"auto\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set"}"#,
            "no tools",
        ),
        (403, r#"{"type":"error","error":{"type":"permission_error","message":"no"}}"#, "unauthorized"),
        (404, r#"{"error":{"code":"DeploymentNotFound","message":"gone"}}"#, "not found"),
        (400, r#"{"error":{"message":"nonsense"}}"#, "refused"),
        (422, r#"{"detail":[{"loc":["body","x"],"msg":"bad"}]}"#, "refused"),
        (408, "", "unavailable"),
        (409, "", "unavailable"),
        (500, "boom", "unavailable"),
        (529, r#"{"type":"error","error":{"type":"overloaded_error"}}"#, "unavailable"),
    ];

    #[test]
    fn every_known_failure_has_its_meaning() {
        for (status, body, meaning) in KNOWN {
            assert_eq!(kind(*status, body), *meaning, "{status} {body}");
        }
    }

    #[test]
    fn the_server_has_the_last_word_on_retrying() {
        let complaint = Complaint::from_body(b"{}");
        let never = RetryHints { wait: None, should_retry: Some(false) };
        assert!(matches!(error_for(Some(503), &complaint, &never), LlmError::Refused { status: 503, .. }));
        let again = RetryHints { wait: None, should_retry: Some(true) };
        assert!(matches!(error_for(Some(400), &complaint, &again), LlmError::Unavailable { .. }));
    }

    #[test]
    fn a_402_with_a_wait_is_a_limit_and_not_the_end() {
        let hints = RetryHints { wait: Some(Duration::from_secs(3)), should_retry: None };
        let error = error_for(Some(402), &Complaint::from_body(b"{}"), &hints);
        assert!(matches!(error, LlmError::RateLimited { retry_after: Some(_), .. }));
    }

    #[test]
    fn a_wait_is_read_in_every_form() {
        let now: Timestamp = "2026-10-21T07:28:00Z".parse().unwrap();
        for (name, value, millis) in [
            ("retry-after", "2", Some(2_000)),
            ("retry-after", "0.5", Some(500)),
            ("retry-after", "Wed, 21 Oct 2026 07:29:00 GMT", Some(60_000)),
            ("retry-after", "Wed, 21 Oct 2020 07:28:00 GMT", Some(0)),
            ("retry-after-ms", "1500", Some(1_500)),
            ("llm_provider-retry-after", "7", Some(7_000)),
            ("retry-after", "-1", None),
            ("retry-after", "NaN", None),
            ("retry-after", "soon", None),
            ("retry-after", "1e300", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            let wait = RetryHints::from_headers(&headers, now).wait;
            assert_eq!(wait, millis.map(Duration::from_millis), "{name}: {value}");
        }
    }

    #[test]
    fn a_limit_that_is_used_up_tells_when_it_is_lifted() {
        let now: Timestamp = "2026-10-21T07:28:00Z".parse().unwrap();
        for (headers, millis) in [
            (vec![("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "6m0s")], Some(360_000)),
            (vec![("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "1.5s")], Some(1_500)),
            (vec![("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "120ms")], Some(120)),
            (vec![("x-ratelimit-remaining-tokens", "7"), ("x-ratelimit-reset-tokens", "6m0s")], None),
            (vec![("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "soon")], None),
            (
                vec![
                    ("anthropic-ratelimit-tokens-remaining", "0"),
                    ("anthropic-ratelimit-tokens-reset", "2026-10-21T07:28:30Z"),
                ],
                Some(30_000),
            ),
            (
                vec![
                    ("retry-after", "2"),
                    ("x-ratelimit-remaining-requests", "0"),
                    ("x-ratelimit-reset-requests", "1h"),
                ],
                Some(2_000),
            ),
        ] {
            let mut map = HeaderMap::new();
            headers.iter().for_each(|(name, value)| drop(map.insert(*name, value.parse().unwrap())));
            let wait = RetryHints::from_headers(&map, now).wait;
            assert_eq!(wait, millis.map(Duration::from_millis), "{headers:?}");
        }
    }

    #[test]
    fn a_wait_in_the_body_counts_where_the_headers_have_none() {
        let body = br#"[{"error":{"code":429,"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"45.5s"}]}}]"#;
        let error = error_for(Some(429), &Complaint::from_body(body), &RetryHints::default());
        assert!(
            matches!(error, LlmError::RateLimited { retry_after: Some(wait), .. } if wait == Duration::from_millis(45_500))
        );
    }
}
