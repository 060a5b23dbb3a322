//! The Chat Completions adapter against real HTTP: what providers send, also when it is cut,
//! delayed or wrong, and what they receive.

pub(crate) mod accents;
pub(crate) mod provider;

use std::time::Duration;

use aileron::{
    config::{CredentialConfig, MaxTokensField, RemoteConfig, RemoteKind, SystemRole},
    domain::talk::{AssistantMessage, Finish, Message, ProviderRaw, ToolCall, ToolOffer, Usage},
    llm::{
        Delta, LlmError, Request,
        openai::OpenAiModel,
        remote::SetupError,
        retry::{RetryPolicy, Retrying},
    },
};
use serde_json::{Map, Value, json};

use self::provider::{Answer, Captured, End, Provider, ask, http_client, say};

const HELLO: &str = r#"{"choices":[{"index":0,"delta":{"content":"hello"}}]}"#;
const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

/// Much of what servers do at once: comments, CRLF, data over two lines, characters of several
/// bytes, tags and arguments in pieces, usage at the end, no blank line after the last event.
const RICH: &str = concat!(
    ": OPENROUTER PROCESSING\r\n\r\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\r\n\r\n",
    "event: message\r\ndata: {\"choices\":[{\"index\":0,\r\ndata: \"delta\":{\"content\":\"<thi\"}}]}\r\n\r\n",
    "data:{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"nk>größer</th\"}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ink>日本 — ✓\"}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"find\",\"arguments\":\"{\\\"q\\\"\"}}]}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{\"name\":\"\",\"arguments\":\":\\\"é\\\"}\"}}]}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":null},\"finish_reason\":\"tool_calls\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}\n\n",
    "data: [DONE]",
);

#[tokio::test]
async fn however_the_bytes_are_cut_the_reply_is_the_same() {
    let bytes = RICH.as_bytes();
    let sizes = [bytes.len(), 1, 2, 3, 5, 7, 13, 64, 200];
    let answers = sizes.map(|size| Answer::stream(bytes.chunks(size).map(<[u8]>::to_vec)));
    let provider = Provider::start(answers).await;
    let model = provider.model();
    for size in sizes {
        let (reply, deltas) = ask(&model, &say("hi")).await;
        let reply = reply.unwrap();
        let call = ToolCall {
            id: "a".to_owned(),
            name: "find".to_owned(),
            arguments: "{\"q\":\"é\"}".to_owned(),
            raw: Map::new(),
        };
        let raw = Some(ProviderRaw { model: identity(&provider), fields: Map::new() });
        let message = AssistantMessage { text: "日本 — ✓".to_owned(), calls: vec![call], raw };
        assert_eq!(reply.message, message, "parts of {size} bytes");
        assert_eq!(reply.finish, Finish::ToolCalls);
        assert_eq!(reply.usage, Some(Usage { input: 7, output: 3, ..Usage::default() }));
        let told = |reasoning: bool| -> String {
            let texts = deltas.iter().filter_map(|delta| match delta {
                Delta::Reasoning(text) => reasoning.then_some(text.as_str()),
                Delta::Text(text) => (!reasoning).then_some(text.as_str()),
                Delta::Restarted { .. } => None,
            });
            texts.collect()
        };
        assert_eq!((told(true).as_str(), told(false).as_str()), ("größer", "日本 — ✓"), "parts of {size} bytes");
    }
}

#[tokio::test]
async fn only_a_stream_with_an_end_is_a_reply() {
    let event = format!("data: {HELLO}\n\n");
    for (name, answer, whole) in [
        ("a finish reason without [DONE]", Answer::stream([event.clone() + &format!("data: {STOP}\n\n")]), true),
        ("a finish reason without a blank line", Answer::stream([event.clone() + &format!("data: {STOP}")]), true),
        ("[DONE] without a finish reason", Answer::stream([event.clone() + "data: [DONE]\n\n"]), true),
        ("[DONE] as the last bytes", Answer::stream([event.clone() + "data:[DONE]"]), true),
        ("neither", Answer::stream([event.clone()]), false),
        ("no event", Answer::stream([": nothing\n\n"]), false),
        ("nothing", Answer::stream(Vec::<Vec<u8>>::new()), false),
        ("half an event", Answer::stream([event.clone() + "data: {\"choices\":[{\"del"]), false),
        ("an event that is no JSON", Answer::stream([event.clone() + "data: oops\n\ndata: [DONE]\n\n"]), false),
        ("bytes that are no text", Answer::stream([event.clone().into_bytes(), b"data: \xff\xfe\n\n".to_vec()]), false),
        ("a broken connection", Answer::stream([event.clone()]).ending(End::Cut), false),
    ] {
        let provider = Provider::start([answer]).await;
        match ask(&provider.model(), &say("hi")).await.0 {
            Ok(reply) => assert!(whole && reply.message.text == "hello", "{name}: {reply:?}"),
            Err(error) => assert!(!whole && matches!(error, LlmError::Truncated { .. }), "{name}: {error:?}"),
        }
    }
}

#[tokio::test]
async fn silence_ends_the_call() {
    let stalled = Answer::stream([format!("data: {HELLO}\n\n")]).ending(End::Stall);
    let mut provider = Provider::start([stalled, Answer::json(500, "").ending(End::Stall)]).await;
    let model = provider.model_with(|_, provider| provider.idle_timeout = Duration::from_millis(150));
    let (reply, deltas) = ask(&model, &say("hi")).await;
    assert!(matches!(reply, Err(LlmError::Transport { .. })), "{reply:?}");
    assert_eq!(deltas, [Delta::Text("hello".to_owned())]);
    provider.closed.recv().await.unwrap();
    // A failure whose body never ends still tells its status.
    let (reply, _) = ask(&model, &say("hi")).await;
    assert!(matches!(reply, Err(LlmError::Unavailable { .. })), "{reply:?}");
}

#[tokio::test]
async fn heartbeats_break_the_silence() {
    let mut parts = vec![": still there\n\n".to_owned(); 8];
    parts.push(format!("data: {HELLO}\n\ndata: {STOP}\n\n"));
    let provider = Provider::start_slow([Answer::stream(parts)], Duration::from_millis(100)).await;
    let model = provider.model_with(|_, provider| provider.idle_timeout = Duration::from_millis(500));
    assert_eq!(ask(&model, &say("hi")).await.0.unwrap().message.text, "hello");
}

#[tokio::test]
async fn dropping_the_call_closes_the_connection() {
    let stalled = Answer::stream([format!("data: {HELLO}\n\n")]).ending(End::Stall);
    let mut provider = Provider::start([stalled]).await;
    let model = provider.model();
    let (sender, mut first_delta) = tokio::sync::mpsc::unbounded_channel();
    let request = say("hi");
    let on_delta = move |delta| sender.send(delta).unwrap();
    tokio::select! {
        reply = aileron::llm::Model::complete(&model, &request, &on_delta) => panic!("{reply:?}"),
        delta = first_delta.recv() => assert_eq!(delta, Some(Delta::Text("hello".to_owned()))),
    }
    provider.closed.recv().await.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let whole = r#"{ "object": "chat.completion",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": "hello" }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 2, "completion_tokens": 1 } }"#;
    let lines = format!("{HELLO}\n{STOP}\n");
    let answers = [
        Answer::json(200, whole),
        Answer::json(200, &lines).header("content-type", "application/x-ndjson"),
        Answer::json(200, r#"{"error":{"code":429,"message":"slow"}}"#),
        Answer::json(200, r#"{"choices":[{"mess"#),
        Answer::json(200, "<html>Sign in</html>").header("content-type", "text/html; charset=utf-8"),
    ];
    let provider = Provider::start(answers).await;
    let model = provider.model();
    let reply = ask(&model, &say("hi")).await.0.unwrap();
    assert_eq!((reply.message.text.as_str(), reply.usage.unwrap().input), ("hello", 2));
    assert_eq!(ask(&model, &say("hi")).await.0.unwrap().message.text, "hello");
    assert!(matches!(ask(&model, &say("hi")).await.0, Err(LlmError::RateLimited { .. })));
    assert!(matches!(ask(&model, &say("hi")).await.0, Err(LlmError::Truncated { .. })));
    assert!(matches!(ask(&model, &say("hi")).await.0, Err(LlmError::NotFound { .. })));
}

#[tokio::test]
async fn an_error_event_in_mid_stream_is_the_error() {
    let error = r#"{"error":{"message":"Provider disconnected","code":502}}"#;
    let provider =
        Provider::start([Answer::stream([format!("data: {HELLO}\n\nevent: error\ndata: {error}\n\n")])]).await;
    let (reply, _) = ask(&provider.model(), &say("hi")).await;
    assert!(matches!(reply, Err(LlmError::Unavailable { message, .. }) if message == "Provider disconnected"));
}

#[tokio::test]
async fn failures_keep_their_status_and_wait() {
    let answers = [
        Answer::json(429, r#"{"error":{"message":"slow","code":429}}"#).header("retry-after", "1.5"),
        Answer::json(429, "{}").header("retry-after-ms", "250").header("retry-after", "9"),
        Answer::json(503, "<html>").header("retry-after", "Wed, 21 Oct 2099 07:28:00 GMT"),
        Answer::json(503, "{}").header("x-should-retry", "false"),
        Answer::json(401, r#"{"detail":"bad key"}"#),
        Answer::json(400, r#"[{"error":{"code":"context_length_exceeded"}}]"#),
    ];
    let provider = Provider::start(answers).await;
    let model = provider.model();
    let far = Duration::from_secs(1 << 20);
    let next = async || ask(&model, &say("hi")).await.0.unwrap_err();
    let is_limited =
        |error, wait| matches!(error, LlmError::RateLimited { retry_after, .. } if retry_after == Some(wait));
    assert!(is_limited(next().await, Duration::from_millis(1_500)));
    assert!(is_limited(next().await, Duration::from_millis(250)));
    assert!(matches!(next().await, LlmError::Unavailable { retry_after: Some(wait), .. } if wait > far));
    assert!(matches!(next().await, LlmError::Refused { status: 503, .. }));
    assert!(matches!(next().await, LlmError::Unauthorized { status: 401, message } if message == "bad key"));
    assert!(matches!(next().await, LlmError::TooLong { .. }));
}

#[tokio::test]
async fn no_error_repeats_the_key_or_a_long_body() {
    let key = "test-key-1234567890";
    let answers = [
        Answer::json(
            401,
            &json!({ "error": { "message": format!("Incorrect key {key}. {}", "x".repeat(5_000)) } }).to_string(),
        ),
        Answer::json(500, &format!("Authorization: Bearer {key} {}", "y ".repeat(100_000))),
        Answer::events(&[&json!({ "error": { "message": format!("key {key}") } }).to_string()]),
    ];
    let provider = Provider::start(answers).await;
    let model = provider.model();
    for _ in 0..3 {
        let error = ask(&model, &say("hi")).await.0.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains(key), "{text}");
        assert!(text.contains("[key]") && error.to_string().len() < 500, "{text}");
    }
}

#[tokio::test]
async fn a_line_without_an_end_is_not_collected_for_ever() {
    let part = "x".repeat(1 << 20);
    let parts = std::iter::once("data: ".to_owned()).chain(std::iter::repeat_n(part, 6));
    let mut provider = Provider::start([Answer::stream(parts).ending(End::Stall)]).await;
    assert!(matches!(ask(&provider.model(), &say("hi")).await.0, Err(LlmError::Truncated { .. })));
    provider.closed.recv().await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_transport_error() {
    let mut provider = Provider::start([]).await;
    // Nobody listens on port 1 of loopback.
    provider.base_url = "http://127.0.0.1:1/v1?key=secret-in-query".to_owned();
    let error = ask(&provider.model(), &say("hi")).await.0.unwrap_err();
    assert!(matches!(error, LlmError::Transport { .. }) && !format!("{error:?}").contains("secret"), "{error:?}");
}

fn refusal(parameter: &str, message: &str) -> Answer {
    let error = json!({ "error": { "message": message, "type": "invalid_request_error", "param": parameter, "code": "unsupported_parameter" } });
    Answer::json(400, &error.to_string())
}

#[tokio::test]
async fn a_refused_parameter_is_left_out_and_stays_out() {
    let answers = [
        refusal("temperature", "Unsupported value: 'temperature' does not support 0.2 with this model."),
        Answer::json(422, r#"{"detail":[{"loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]}"#),
        refusal("max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        refusal("", "Unrecognized request argument supplied: parallel_tool_calls"),
        Answer::events(&[HELLO, STOP]),
        Answer::events(&[HELLO, STOP]),
    ];
    let provider = Provider::start(answers).await;
    let model = provider.model_with(|model, _| {
        model.temperature = Some(0.2);
        model.card.max_output_tokens = Some(100);
        model.parallel_tool_calls = Some(false);
        model.reasoning_effort = Some("low".to_owned());
    });
    let mut request = say("hi");
    request.tools.push(tool());
    for _ in 0..2 {
        assert_eq!(ask(&model, &request).await.0.unwrap().message.text, "hello");
    }
    let requests = provider.requests();
    assert_eq!(requests.len(), 6);
    let first = &requests[0].body;
    assert_eq!(
        (&first["temperature"], &first["max_tokens"], &first["parallel_tool_calls"]),
        (&json!(0.2), &json!(100), &json!(false))
    );
    assert_eq!(first["stream_options"], json!({ "include_usage": true }));
    for last in &requests[4..] {
        let fields: Vec<_> = last.body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, ["max_completion_tokens", "messages", "model", "reasoning_effort", "stream", "tools"]);
    }
}

#[tokio::test]
async fn a_model_that_takes_tools_only_without_reasoning_is_told_so() {
    let message = "Function tools with reasoning_effort are not supported here. Set reasoning_effort to 'none'.";
    let provider = Provider::start([refusal("reasoning_effort", message), Answer::events(&[HELLO, STOP])]).await;
    assert!(ask(&provider.model(), &say("hi")).await.0.is_ok());
    let requests = provider.requests();
    assert_eq!(
        (&requests[0].body["reasoning_effort"], &requests[1].body["reasoning_effort"]),
        (&Value::Null, &json!("none"))
    );
}

#[tokio::test]
async fn a_refusal_that_no_change_can_mend_is_returned() {
    let again = || refusal("temperature", "Unsupported parameter: 'temperature'");
    let provider = Provider::start([again(), again(), again(), Answer::json(400, r#"{"error":"nonsense"}"#)]).await;
    let model = provider.model_with(|model, _| model.temperature = Some(1.0));
    // Sent, left out, and refused all the same.
    assert!(matches!(ask(&model, &say("hi")).await.0, Err(LlmError::Refused { status: 400, .. })));
    // Never sent again.
    assert!(matches!(ask(&model, &say("hi")).await.0, Err(LlmError::Refused { status: 400, .. })));
    assert!(matches!(ask(&model, &say("hi")).await.0, Err(LlmError::Refused { status: 400, .. })));
    assert_eq!(provider.requests().len(), 4);
}

fn tool() -> ToolOffer {
    ToolOffer {
        name: "find".to_owned(),
        description: "Finds things.".to_owned(),
        parameters: json!({ "type": "object", "properties": {} }),
    }
}

fn called(id: &str, arguments: &str, raw: Value) -> ToolCall {
    let raw = raw.as_object().cloned().unwrap_or_default();
    ToolCall { id: id.to_owned(), name: "find".to_owned(), arguments: arguments.to_owned(), raw }
}

fn assistant(calls: Vec<ToolCall>, raw_of: Option<&str>) -> Message {
    let fields = json!({ "reasoning_content": "because" }).as_object().cloned().unwrap();
    let raw = raw_of.map(|model| ProviderRaw { model: model.to_owned(), fields });
    Message::Assistant(AssistantMessage { text: String::new(), calls, raw })
}

fn result(call_id: &str, text: &str) -> Message {
    Message::Tool { call_id: call_id.to_owned(), text: text.to_owned() }
}

/// What tags the words of the provider's own model.
fn identity(provider: &Provider) -> String {
    let server = provider.base_url.trim_start_matches("http://").trim_end_matches("/v1");
    format!("openai@{server}/some-model")
}

async fn sent(
    messages: Vec<Message>,
    tools: Vec<ToolOffer>,
    model_of: impl FnOnce(&Provider) -> OpenAiModel,
) -> Captured {
    let provider = Provider::start([Answer::events(&[HELLO, STOP])]).await;
    let model = model_of(&provider);
    ask(&model, &Request { messages, tools }).await.0.unwrap();
    provider.requests().remove(0)
}

#[tokio::test]
async fn every_call_is_followed_by_its_one_result() {
    let messages = vec![
        Message::System { text: "s".to_owned() },
        Message::User { text: "u".to_owned() },
        assistant(
            vec![called("a", "", json!({})), called("b", "{\"x\"", json!({})), called("c", "{}", json!({}))],
            None,
        ),
        result("c", "three"),
        result("a", ""),
        result("a", "again"),
        result("stranger", "x"),
        Message::User { text: "and?".to_owned() },
        result("late", "x"),
        Message::Assistant(AssistantMessage::default()),
    ];
    let captured = sent(messages, vec![tool()], Provider::model).await;
    let call = |id: &str, arguments: &str| json!({ "id": id, "type": "function", "function": { "name": "find", "arguments": arguments } });
    assert_eq!(
        captured.body,
        json!({
            "model": "some-model",
            "stream": true,
            "stream_options": { "include_usage": true },
            "messages": [
                { "role": "system", "content": "s" },
                { "role": "user", "content": "u" },
                { "role": "assistant", "content": null, "tool_calls": [
                    call("a", "{}"), call("b", r#"{"malformed_arguments":"{\"x\""}"#), call("c", "{}"),
                ] },
                { "role": "tool", "tool_call_id": "a", "content": "(no result)" },
                { "role": "tool", "tool_call_id": "b", "content": "(this call was not carried out)" },
                { "role": "tool", "tool_call_id": "c", "content": "three" },
                { "role": "user", "content": "and?" },
            ],
            "tools": [{ "type": "function", "function": {
                "name": "find", "description": "Finds things.", "parameters": { "type": "object", "properties": {} },
            } }],
        })
    );
}

#[tokio::test]
async fn opaque_fields_go_back_only_to_the_model_they_came_from() {
    let signature = json!({ "extra_content": { "google": { "thought_signature": "sig" } } });
    for goes_back in [true, false] {
        let provider = Provider::start([Answer::events(&[HELLO, STOP])]).await;
        let maker = if goes_back { identity(&provider) } else { "anthropic@api.anthropic.com/some-model".to_owned() };
        let messages = vec![assistant(vec![called("a", "{}", signature.clone())], Some(&maker)), result("a", "r")];
        ask(&provider.model(), &Request { messages, tools: Vec::new() }).await.0.unwrap();
        let message = &provider.requests()[0].body["messages"][0];
        assert_eq!(message.get("reasoning_content") == Some(&json!("because")), goes_back, "{message}");
        assert_eq!(
            message["tool_calls"][0].get("extra_content") == Some(&signature["extra_content"]),
            goes_back,
            "{message}"
        );
        assert!(message.get("reasoning_content").is_none() || goes_back);
    }
}

#[tokio::test]
async fn what_a_reply_brought_goes_back_as_it_came() {
    let chunk = json!({ "choices": [{ "index": 0, "finish_reason": "tool_calls", "delta": {
        "reasoning_content": "because",
        "tool_calls": [{ "index": 0, "id": "a", "function": { "name": "find", "arguments": "{}" },
                         "extra_content": { "google": { "thought_signature": "sig" } } }],
    } }] });
    let provider = Provider::start([Answer::events(&[&chunk.to_string()]), Answer::events(&[HELLO, STOP])]).await;
    let model = provider.model();
    let reply = ask(&model, &say("hi")).await.0.unwrap();
    let messages = vec![Message::Assistant(reply.message), result("a", "r")];
    ask(&model, &Request { messages, tools: vec![tool()] }).await.0.unwrap();
    let message = &provider.requests()[1].body["messages"][0];
    assert_eq!(message["reasoning_content"], "because");
    assert_eq!(message["tool_calls"][0]["extra_content"]["google"]["thought_signature"], "sig");
}

#[tokio::test]
async fn the_configuration_shapes_the_request() {
    let captured = sent(vec![Message::System { text: "s".to_owned() }], Vec::new(), |provider| {
        provider.model_with(|model, provider| {
            model.card.system_role = Some(SystemRole::Developer);
            model.stream_usage = false;
            model.card.max_output_tokens = Some(5);
            model.card.max_tokens_field = Some(MaxTokensField::MaxCompletionTokens);
            model.parallel_tool_calls = Some(true);
            model.extra_body =
                json!({ "top_k": 3, "messages": [], "stream": false, "tools": [1] }).as_object().cloned().unwrap();
            provider.base_url.set_query(Some("api-version=1"));
            provider.extra_headers = vec![("x-team".to_owned(), "blue".to_owned().into())];
        })
    })
    .await;
    assert_eq!(captured.path_and_query, "/v1/chat/completions?api-version=1");
    assert_eq!(captured.headers["authorization"], "Bearer test-key-1234567890");
    assert_eq!(captured.headers["x-team"], "blue");
    assert_eq!(
        captured.body,
        json!({
            "model": "some-model",
            "messages": [{ "role": "developer", "content": "s" }],
            "stream": true,
            "max_completion_tokens": 5,
            "top_k": 3,
        })
    );
}

#[tokio::test]
async fn a_local_server_needs_no_key() {
    let captured = sent(vec![Message::User { text: "u".to_owned() }], Vec::new(), |provider| {
        provider.model_with(|_, provider| provider.credential = None)
    })
    .await;
    assert!(!captured.headers.contains_key("authorization"));
}

#[tokio::test]
async fn what_no_header_can_hold_is_refused_at_setup() {
    let provider = Provider::start([]).await;
    let setup = |change: fn(&mut RemoteConfig)| {
        let mut config = provider.config(RemoteKind::OpenAi);
        change(&mut config);
        let mut model = None;
        provider.model_with(|config, _| model = Some(config.clone()));
        OpenAiModel::new(&model.unwrap(), &config, http_client()).err()
    };
    assert_eq!(setup(|_| {}), None);
    assert_eq!(
        setup(|config| config.credential = Some(CredentialConfig::Secret("a\nb".to_owned().into()))),
        Some(SetupError::Key)
    );
    let bad_header = setup(|config| config.extra_headers = vec![("no good".to_owned(), "x".to_owned().into())]);
    assert_eq!(bad_header, Some(SetupError::Header { name: "no good".to_owned() }));
    assert_eq!(setup(|config| config.base_url = "mailto:x@y".parse().unwrap()), Some(SetupError::Address));
}

#[tokio::test]
async fn a_limit_and_then_success_is_one_call_for_the_caller() {
    let limited = Answer::json(429, "{}").header("retry-after-ms", "1");
    let without_end = Answer::stream([format!("data: {HELLO}\n\n")]);
    let provider = Provider::start([limited, without_end, Answer::events(&[HELLO, STOP])]).await;
    let policy = RetryPolicy { max_retries: 2, max_wait: Duration::from_secs(5), after_timeouts: true };
    let (reply, deltas) = ask(&Retrying::new(provider.model(), policy), &say("hi")).await;
    assert_eq!(reply.unwrap().message.text, "hello");
    assert_eq!(provider.requests().len(), 3);
    let hello = || Delta::Text("hello".to_owned());
    assert!(
        matches!(&deltas[..], [Delta::Restarted { .. }, text, Delta::Restarted { .. }, again] if *text == hello() && *again == hello()),
        "{deltas:?}"
    );
}
