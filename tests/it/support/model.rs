//! A language model that says what the test wrote down, over HTTP in any of the wire formats.
//!
//! It refuses a request a provider would refuse, keeps every request for inspection, and knows when
//! a client closed the connection before the answer was over.

mod rules;
mod script;
mod wires;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use script::{Failure, What};
pub(crate) use script::{Gate, Piece, Turn};
use wires::Wire;

use super::within;

/// Answers each request with the first turn of the script that fits it and was not served yet.
pub(crate) struct ScriptedModel {
    shared: Arc<Shared>,
    address: SocketAddr,
    _server: JoinSet<()>,
}

struct Shared {
    script: Mutex<Vec<Turn>>,
    rule: Option<Rule>,
    seen: watch::Sender<Seen>,
}

/// Answers requests no turn of the script fits; `None` refuses them.
pub(crate) type Rule = Box<dyn Fn(&Captured) -> Option<Turn> + Send + Sync>;

#[derive(Debug, Default)]
struct Seen {
    requests: Vec<Captured>,
    complaints: Vec<String>,
    /// Streams the client closed before their end.
    dropped: usize,
}

/// A request as it came in, in the form of Chat Completions.
#[derive(Debug, Clone)]
pub(crate) struct Captured {
    pub(crate) body: Value,
    /// The body as it was.
    pub(crate) raw: Value,
    /// The `Authorization` header.
    pub(crate) authorization: String,
    /// The `Proxy-Authorization` header.
    pub(crate) proxy_authorization: String,
}

impl ScriptedModel {
    pub(crate) async fn start(script: Vec<Turn>, rule: Option<Rule>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { script: Mutex::new(script), rule, seen: watch::Sender::default() });
        let route = |wire: Wire| {
            post(move |state: State<Arc<Shared>>, headers: HeaderMap, body: Json<Value>| {
                complete(wire, state, headers, body)
            })
        };
        let router = Router::new()
            .route("/v1/chat/completions", route(Wire::Chat))
            .route("/openai/deployments/{deployment}/chat/completions", route(Wire::Chat))
            .route("/v1/responses", route(Wire::Responses))
            .route("/v1/messages", route(Wire::Messages))
            .with_state(Arc::clone(&shared));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { shared, address, _server: server }
    }

    /// Up to and including `/v1`.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The server alone, as some providers want to be told.
    pub(crate) fn root_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds turns at the end of the script.
    pub(crate) fn then(&self, turns: impl IntoIterator<Item = Turn>) {
        self.shared.script.lock().unwrap().extend(turns);
    }

    pub(crate) fn requests(&self) -> Vec<Captured> {
        self.shared.seen.borrow().requests.clone()
    }

    /// What was wrong with the requests that came in.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.shared.seen.borrow().complaints.clone()
    }

    /// How many turns of the script nobody asked for.
    pub(crate) fn turns_left(&self) -> usize {
        self.shared.script.lock().unwrap().len()
    }

    /// Awaits the request with this number, counted from 1.
    pub(crate) async fn until_request(&self, number: usize) -> Captured {
        let what = format!("request {number} to the model");
        let mut seen = self.shared.seen.subscribe();
        let seen = within(&what, seen.wait_for(|seen| seen.requests.len() >= number)).await.unwrap();
        seen.requests[number - 1].clone()
    }

    /// Awaits that the client has closed this many answers before their end.
    pub(crate) async fn until_dropped(&self, streams: usize) {
        let mut seen = self.shared.seen.subscribe();
        within("the client closing a model stream", seen.wait_for(|seen| seen.dropped >= streams)).await.unwrap();
    }
}

impl Captured {
    pub(crate) fn messages(&self) -> &[Value] {
        self.body["messages"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// The texts of all messages of a role, in order.
    pub(crate) fn texts(&self, role: &str) -> Vec<String> {
        let of_role = self.messages().iter().filter(|message| message["role"] == role);
        of_role.map(|message| wires::text_of(&message["content"])).collect()
    }

    /// Whether any message says this.
    pub(crate) fn mentions(&self, text: &str) -> bool {
        self.messages().iter().any(|message| wires::text_of(&message["content"]).contains(text))
    }

    /// The pictures in all messages, in order, as addresses that hold them.
    pub(crate) fn pictures(&self) -> Vec<&str> {
        let parts = self.messages().iter().flat_map(|message| message["content"].as_array().into_iter().flatten());
        parts.filter_map(|part| part["image_url"]["url"].as_str()).collect()
    }

    /// The names of the tools offered.
    pub(crate) fn tools(&self) -> Vec<&str> {
        let tools = self.body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
        tools.iter().filter_map(|tool| tool["function"]["name"].as_str()).collect()
    }
}

async fn complete(
    wire: Wire,
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Json(raw): Json<Value>,
) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let captured = Captured {
        body: wires::as_chat(wire, &raw),
        raw,
        authorization: header("authorization"),
        proxy_authorization: header("proxy-authorization"),
    };
    let mut complaints = rules::complaints(&captured.body);
    let turn = shared.next_turn(&captured);
    if turn.is_none() {
        complaints.push(format!("no turn of the script fits this request: {:#}", captured.body["messages"]));
    }
    let usage_wanted = captured.body["stream_options"]["include_usage"] == true;
    let refused = !complaints.is_empty();
    let mut number = 0;
    shared.seen.send_modify(|seen| {
        seen.requests.push(captured);
        seen.complaints.extend(complaints);
        number = seen.requests.len();
    });
    match turn {
        Some(turn) if !refused => match turn.what {
            What::Stream(pieces) => stream_answer(
                &shared,
                match wire {
                    Wire::Chat => frames(number, pieces, usage_wanted),
                    Wire::Responses => wires::responses(number, pieces),
                    Wire::Messages => wires::messages(number, pieces),
                },
            ),
            What::Failure(failure) => failure.into_response(),
        },
        Some(_) | None => (StatusCode::INTERNAL_SERVER_ERROR, "the request breaks a rule of this test").into_response(),
    }
}

impl Shared {
    fn next_turn(&self, request: &Captured) -> Option<Turn> {
        let mut script = self.script.lock().unwrap();
        let fits = |turn: &Turn| turn.when.as_deref().is_none_or(|text| request.mentions(text));
        match script.iter().position(fits) {
            Some(at) => Some(script.remove(at)),
            None => self.rule.as_ref().and_then(|rule| rule(request)),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::from_u16(self.status).unwrap(), Json(self.body)).into_response();
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    }
}

/// What is written to the connection, in order.
enum Frame {
    Data(String),
    Hold(Gate),
    Pause(Duration),
    Cut,
}

fn stream_answer(shared: &Arc<Shared>, frames: VecDeque<Frame>) -> Response {
    let answer = Answer { frames, shared: Arc::clone(shared) };
    let body = stream::unfold(answer, |mut answer| async move {
        loop {
            match answer.frames.front()? {
                Frame::Hold(gate) => {
                    let gate = gate.clone();
                    gate.pass().await;
                    answer.frames.pop_front();
                }
                Frame::Pause(time) => {
                    tokio::time::sleep(*time).await;
                    answer.frames.pop_front();
                }
                Frame::Cut => {
                    answer.frames.clear();
                    return Some((Err(std::io::Error::other("cut by the script")), answer));
                }
                Frame::Data(data) => {
                    let bytes = Bytes::from(format!("data: {data}\n\n"));
                    answer.frames.pop_front();
                    return Some((Ok(bytes), answer));
                }
            }
        }
    });
    ([("content-type", "text/event-stream")], Body::from_stream(body)).into_response()
}

/// An answer on its way. Dropped with frames left, it was closed by the client.
struct Answer {
    frames: VecDeque<Frame>,
    shared: Arc<Shared>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        if !self.frames.is_empty() {
            self.shared.seen.send_modify(|seen| seen.dropped += 1);
        }
    }
}

fn frames(number: usize, pieces: Vec<Piece>, usage_wanted: bool) -> VecDeque<Frame> {
    let chunk = |choices: Value| {
        json!({"id": format!("chatcmpl-{number}"), "object": "chat.completion.chunk", "created": 1_700_000_000,
               "model": "scripted-1", "choices": choices})
    };
    let delta =
        |delta: Value| Frame::Data(chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}])).to_string());
    let mut frames = VecDeque::from([delta(json!({"role": "assistant", "content": ""}))]);
    let mut finish = "stop";
    for piece in pieces {
        frames.push_back(match piece {
            Piece::Reasoning(text) => delta(json!({"reasoning_content": text})),
            Piece::Text(text) => delta(json!({"content": text})),
            Piece::Call { index, name } => {
                finish = "tool_calls";
                let function = json!({"name": name, "arguments": ""});
                let id = format!("call_{number}_{index}");
                delta(json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": function}]}))
            }
            Piece::Arguments { index, text } => {
                delta(json!({"tool_calls": [{"index": index, "function": {"arguments": text}}]}))
            }
            Piece::Hold(gate) => Frame::Hold(gate),
            Piece::Pause(time) => Frame::Pause(time),
            Piece::Cut => {
                frames.push_back(Frame::Cut);
                return frames;
            }
            Piece::Finish(reason) => {
                finish = reason;
                continue;
            }
        });
    }
    frames.push_back(Frame::Data(chunk(json!([{"index": 0, "delta": {}, "finish_reason": finish}])).to_string()));
    if usage_wanted {
        let mut usage = chunk(json!([]));
        usage["usage"] = json!({"prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150});
        frames.push_back(Frame::Data(usage.to_string()));
    }
    frames.push_back(Frame::Data("[DONE]".to_owned()));
    frames
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;
    use crate::support::http;

    #[tokio::test]
    async fn a_stream_closed_by_the_client_is_noticed_and_a_finished_one_is_not() {
        let gate = Gate::new();
        let held = Turn::of([Piece::Text("a".into()), Piece::Hold(gate.clone()), Piece::Text("b".into())]);
        let model = ScriptedModel::start(vec![Turn::says("all of it"), held], None).await;
        let ask = || {
            let body = json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "hello"}]});
            http::client().post(format!("{}/chat/completions", model.base_url())).json(&body).send()
        };
        let whole = ask().await.unwrap().text().await.unwrap();
        assert!(whole.ends_with("data: [DONE]\n\n"), "{whole}");

        let mut stream = ask().await.unwrap().bytes_stream();
        assert!(stream.next().await.is_some());
        gate.reached().await;
        assert_eq!(model.shared.seen.borrow().dropped, 0);
        drop(stream);
        model.until_dropped(1).await;
        assert_eq!(model.turns_left(), 0);
    }

    #[tokio::test]
    async fn a_request_that_breaks_a_rule_is_refused_and_complained_of() {
        let model = ScriptedModel::start(vec![Turn::says("never")], None).await;
        let body = json!({"model": "m", "stream": true, "messages": []});
        let sent = http::client().post(format!("{}/chat/completions", model.base_url())).json(&body).send().await;
        assert_eq!(sent.unwrap().status(), 500);
        assert_eq!(model.complaints().len(), 1);
    }
}
