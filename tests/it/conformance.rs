//! The adapters against a server that others wrote: aimock, which speaks all of their wires from one
//! list of cases. It runs under Node.js and comes from the npm registry; where it is not installed these
//! tests say so and pass, unless AILERON_REQUIRE_AIMOCK is set.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use aileron::{
    config::{CredentialConfig, ErrorClass, ModelConfig, ProviderConfig, ReasoningStyle, RemoteConfig, RemoteKind},
    domain::talk::{Finish, Message, ToolOffer},
    llm::{
        Delta, LlmError, Model, Reply, Request, adapters,
        retry::{RetryPolicy, Retrying},
    },
};
use serde_json::json;

use crate::{
    llm_wire::{
        accents::KINDS,
        provider::{ask, http_client},
    },
    support::http,
};

/// Where the README and `.ci/run` install it.
const INSTALLED: &str = "target/conformance/node_modules/@copilotkit/aimock/dist/cli.js";

/// A running aimock; dropped, it ends.
struct Aimock {
    process: Child,
    root: String,
}

impl Drop for Aimock {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Aimock {
    /// `None`, with a note, where it is not installed.
    async fn start() -> Option<Self> {
        let home = Path::new(env!("CARGO_MANIFEST_DIR"));
        let program = variable("AILERON_AIMOCK").map_or_else(|| home.join(INSTALLED), PathBuf::from);
        if !program.exists() {
            assert!(
                variable("AILERON_REQUIRE_AIMOCK").is_none(),
                "aimock is required and not at {}",
                program.display()
            );
            eprintln!(
                "skipped: aimock is not installed; `npm install --prefix target/conformance --ignore-scripts \
                 @copilotkit/aimock@1.43.0` installs it"
            );
            return None;
        }
        for _ in 0..5 {
            if let Some(aimock) = Self::launch(&program, &home.join("tests/fixtures/conformance/aimock.json")).await {
                return Some(aimock);
            }
        }
        panic!("aimock at {} does not start", program.display());
    }

    /// `None` if somebody else took the port between here and there.
    async fn launch(program: &Path, cases: &Path) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new("node")
            .arg(program)
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "--log-level", "silent", "-f"])
            .arg(cases)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut aimock = Self { process, root: format!("http://127.0.0.1:{port}") };
        // It does not tell when it is ready.
        for _ in 0..300 {
            if aimock.process.try_wait().unwrap().is_some() {
                return None;
            }
            let journal = http::client().get(format!("{}/__aimock/journal", aimock.root)).send().await;
            if journal.is_ok_and(|answer| answer.status().is_success()) {
                return Some(aimock);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        None
    }

    fn model(&self, kind: RemoteKind) -> Arc<dyn Model> {
        let path = match kind {
            RemoteKind::OpenAi | RemoteKind::OpenAiResponses => "/v1",
            RemoteKind::Azure | RemoteKind::Anthropic => "",
        };
        let mut provider = RemoteConfig::new(kind, format!("{}{path}", self.root).parse().unwrap());
        provider.credential = Some(CredentialConfig::Secret("sk-conformance".to_owned().into()));
        // Refuses a conversation whose signed thinking was not sent back.
        provider.extra_headers = vec![("x-aimock-strict".to_owned(), "true".to_owned().into())];
        provider.first_token_timeout = Duration::from_secs(20);
        let mut model = ModelConfig::new("main", ProviderConfig::Remote(Box::new(provider.clone())), "some-model");
        model.reasoning_effort = Some("low".to_owned());
        model.card.reasoning = Some(match kind {
            RemoteKind::Anthropic => ReasoningStyle::Budget,
            RemoteKind::OpenAi | RemoteKind::OpenAiResponses | RemoteKind::Azure => ReasoningStyle::Effort,
        });
        adapters::adapter(&model, &provider, http_client()).unwrap()
    }
}

#[expect(clippy::disallowed_methods, reason = "the variables are this test's, not the program's")]
fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

fn request(messages: Vec<Message>) -> Request {
    let parameters = json!({ "type": "object", "properties": { "q": { "type": "string" } }, "required": ["q"], "additionalProperties": false });
    let tool = ToolOffer { name: "find".to_owned(), description: "Finds things.".to_owned(), parameters };
    Request { messages, tools: vec![tool] }
}

fn first(text: &str) -> Vec<Message> {
    vec![Message::System { text: "Be brief.".to_owned() }, Message::User { text: text.to_owned() }]
}

/// The reply and a result for each of its calls.
fn and_results(reply: &Reply) -> impl Iterator<Item = Message> {
    let results =
        reply.message.calls.iter().map(|call| Message::Tool { call_id: call.id.clone(), text: "found".to_owned() });
    std::iter::once(Message::Assistant(reply.message.clone())).chain(results)
}

fn reasoning(deltas: &[Delta]) -> String {
    let parts = deltas.iter().filter_map(|delta| match delta {
        Delta::Reasoning(text) => Some(text.as_str()),
        Delta::Text(_) | Delta::Restarted { .. } => None,
    });
    parts.collect()
}

#[tokio::test]
async fn tools_are_called_answered_and_talked_about() {
    let Some(aimock) = Aimock::start().await else { return };
    for kind in KINDS {
        let model = aimock.model(kind);
        let mut messages = first("TRY tools");
        let (reply, deltas) = ask(model.as_ref(), &request(messages.clone())).await;
        let reply = reply.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        assert_eq!(reply.message.text, "Looking both up.", "{kind:?}");
        assert_eq!(reasoning(&deltas), "Two things are asked for.", "{kind:?}");
        let calls: Vec<_> = reply
            .message
            .calls
            .iter()
            .map(|call| (call.id.as_str(), serde_json::from_str::<serde_json::Value>(&call.arguments).unwrap()))
            .collect();
        assert_eq!(
            calls,
            [("call_one", json!({ "q": "first \"quoted\" é" })), ("call_two", json!({ "q": "second" }))],
            "{kind:?}"
        );
        messages.extend(and_results(&reply));
        let (reply, _) = ask(model.as_ref(), &request(messages)).await;
        let reply = reply.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        assert_eq!((reply.message.text.as_str(), reply.finish), ("Found both.", Finish::Done), "{kind:?}");
    }
}

#[tokio::test]
async fn signed_thinking_goes_back_as_it_came() {
    let Some(aimock) = Aimock::start().await else { return };
    let model = aimock.model(RemoteKind::Anthropic);
    let mut messages = first("TRY signed");
    let reply = ask(model.as_ref(), &request(messages.clone())).await.0.unwrap();
    let kept = serde_json::to_string(&reply.message.raw).unwrap();
    assert!(kept.contains("b3BhcXVl") && kept.contains("aGlkZGVu"), "{kept}");
    messages.extend(and_results(&reply));
    let reply = ask(model.as_ref(), &request(messages)).await.0.unwrap();
    assert_eq!(reply.message.text, "Thought and found.");
}

#[tokio::test]
async fn each_failure_is_told_for_what_it_is() {
    let Some(aimock) = Aimock::start().await else { return };
    for kind in KINDS {
        let model = aimock.model(kind);
        for (text, class) in [
            ("TRY key", ErrorClass::Unauthorized),
            ("TRY limit", ErrorClass::RateLimited),
            ("TRY broken", ErrorClass::Unavailable),
            ("TRY busy", ErrorClass::Unavailable),
            ("TRY long", ErrorClass::TooLong),
            ("TRY short stream", ErrorClass::Truncated),
            ("TRY dropped stream", ErrorClass::Truncated),
        ] {
            let error = ask(model.as_ref(), &request(first(text))).await.0.expect_err(text);
            assert_eq!(error.class(), class, "{kind:?} {text}: {error}");
            if let LlmError::RateLimited { retry_after, .. } = error {
                assert_eq!(retry_after, Some(Duration::from_secs(2)), "{kind:?}");
            }
        }
        let cut = ask(model.as_ref(), &request(first("TRY length"))).await.0.unwrap();
        assert_eq!((cut.message.text.as_str(), cut.finish), ("cut off here", Finish::Length), "{kind:?}");
    }
}

#[tokio::test]
async fn what_passes_is_waited_out() {
    for kind in KINDS {
        // Each kind has a server of its own, since the second answer comes only once.
        let Some(aimock) = Aimock::start().await else { return };
        let policy = RetryPolicy { max_retries: 1, max_wait: Duration::from_secs(5), after_timeouts: true };
        let model = Retrying::new(aimock.model(kind), policy);
        let reply = ask(&model, &request(first("TRY again"))).await.0.unwrap();
        assert_eq!(reply.message.text, "On the second try.", "{kind:?}");
    }
}
