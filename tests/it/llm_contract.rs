//! What every adapter promises, whatever its server speaks: the same cases on each, over real HTTP,
//! with the server's own bodies and a look at the requests sent.

use std::time::Duration;

use aileron::{
    config::{ErrorClass, PromptCache, ReasoningStyle, RemoteKind},
    domain::talk::{Finish, Message, ToolOffer},
    llm::{
        Delta, LlmError, Reply, Request,
        fallback::Fallback,
        retry::{RetryPolicy, Retrying},
    },
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::llm_wire::{
    accents::{self, End, Heard, KINDS, Spoken},
    provider::{Answer, Captured, End as Bytes, Provider, ask, say},
};

fn rich() -> Spoken {
    Spoken {
        reasoning: vec!["größer ", "denken"],
        text: vec!["日本 ", "— ✓"],
        calls: vec![("call_a", "find", vec!["{\"q\":", "\"é\"}"]), ("call_b", "find", vec!["{\"q\":\"", "two\"}"])],
        end: End::Done,
    }
}

fn tool() -> ToolOffer {
    ToolOffer {
        name: "find".to_owned(),
        description: "Finds things.".to_owned(),
        parameters: json!({ "type": "object", "properties": { "q": { "type": "string" } }, "required": ["q"] }),
    }
}

fn request(messages: Vec<Message>) -> Request {
    Request { messages, tools: vec![tool()] }
}

fn system() -> Message {
    Message::System { text: "Be brief.".to_owned() }
}

fn user(text: &str) -> Message {
    Message::User { text: text.to_owned() }
}

/// The reply's own message and a result for each of its calls.
fn and_results(reply: &Reply) -> Vec<Message> {
    let results = reply
        .message
        .calls
        .iter()
        .map(|call| Message::Tool { call_id: call.id.clone(), text: format!("result of {}", call.arguments) });
    std::iter::once(Message::Assistant(reply.message.clone())).chain(results).collect()
}

fn told(deltas: &[Delta]) -> (String, String) {
    let mut told = (String::new(), String::new());
    for delta in deltas {
        match delta {
            Delta::Reasoning(text) => told.0.push_str(text),
            Delta::Text(text) => told.1.push_str(text),
            Delta::Restarted { .. } => told = (String::new(), String::new()),
        }
    }
    told
}

fn assert_rich(kind: RemoteKind, reply: &Reply, deltas: &[Delta]) {
    assert_eq!(reply.message.text, "日本 — ✓", "{kind:?}");
    let calls: Vec<_> = reply
        .message
        .calls
        .iter()
        .map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.as_str()))
        .collect();
    assert_eq!(calls, [("call_a", "find", "{\"q\":\"é\"}"), ("call_b", "find", "{\"q\":\"two\"}")], "{kind:?}");
    assert_eq!(reply.finish, Finish::ToolCalls, "{kind:?}");
    let usage = reply.usage.unwrap();
    assert_eq!((usage.input, usage.cached_input, usage.output, usage.reasoning), (100, 60, 20, 5), "{kind:?}");
    assert_eq!(told(deltas), ("größer denken".to_owned(), "日本 — ✓".to_owned()), "{kind:?}");
}

#[tokio::test]
async fn reasoning_text_and_parallel_calls_come_whole_wherever_the_bytes_are_cut() {
    for kind in KINDS {
        let bytes = accents::stream(kind, &rich()).into_bytes();
        // In two at every border, and every byte by itself.
        let cuts = (0..=bytes.len()).map(|at| vec![bytes[..at].to_vec(), bytes[at..].to_vec()]);
        let single = bytes.iter().map(|byte| vec![*byte]).collect::<Vec<_>>();
        let answers: Vec<_> = cuts
            .chain([single])
            .map(|parts| Answer::stream(parts.into_iter().filter(|part| !part.is_empty())))
            .collect();
        let count = answers.len();
        let provider = Provider::start(answers).await;
        let model = provider.speaking(kind, |_, _| {});
        for at in 0..count {
            let (reply, deltas) = ask(model.as_ref(), &say("hi")).await;
            assert_rich(kind, &reply.unwrap_or_else(|error| panic!("{kind:?} cut at {at}: {error}")), &deltas);
        }
    }
}

#[tokio::test]
async fn a_stream_that_ends_early_is_an_error_or_the_whole_reply_and_never_a_part_of_it() {
    for kind in KINDS {
        let bytes = accents::stream(kind, &rich()).into_bytes();
        let ends: Vec<_> = (0..bytes.len()).step_by(7).collect();
        let provider = Provider::start(ends.iter().map(|at| Answer::stream([bytes[..*at].to_vec()]))).await;
        let model = provider.speaking(kind, |_, _| {});
        for at in ends {
            match ask(model.as_ref(), &say("hi")).await.0 {
                Ok(reply) => {
                    let calls: Vec<_> = reply.message.calls.iter().map(|call| call.arguments.as_str()).collect();
                    let whole = ("日本 — ✓", vec!["{\"q\":\"é\"}", "{\"q\":\"two\"}"]);
                    assert_eq!((reply.message.text.as_str(), calls), whole, "{kind:?} up to {at}");
                }
                Err(error) => assert_eq!(error.class(), ErrorClass::Truncated, "{kind:?} up to {at}: {error}"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn whatever_the_pieces_the_reply_is_the_same(
        kind in prop::sample::select(KINDS.to_vec()),
        sizes in prop::collection::vec(1usize..40, 1..60),
        crlf in any::<bool>(),
    ) {
        let mut text = accents::stream(kind, &rich());
        if crlf {
            text = text.replace('\n', "\r\n");
        }
        let mut rest = text.as_bytes();
        let mut parts = Vec::new();
        for size in sizes.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (part, after) = rest.split_at(size.min(rest.len()));
            parts.push(part.to_vec());
            rest = after;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let provider = Provider::start([Answer::stream(parts)]).await;
            let (reply, deltas) = ask(provider.speaking(kind, |_, _| {}).as_ref(), &say("hi")).await;
            assert_rich(kind, &reply.unwrap(), &deltas);
        });
    }
}

#[tokio::test]
async fn a_conversation_goes_back_in_the_servers_own_words() {
    for kind in KINDS {
        let last = Spoken { text: vec!["Done."], ..Spoken::default() };
        let provider = Provider::start([
            accents::answer(kind, &rich()),
            accents::answer(kind, &last),
            accents::answer(kind, &last),
        ])
        .await;
        let model = provider.speaking(kind, |_, _| {});
        let mut messages = vec![system(), user("hi")];
        let reply = ask(model.as_ref(), &request(messages.clone())).await.0.unwrap();
        messages.extend(and_results(&reply));
        let reply = ask(model.as_ref(), &request(messages.clone())).await.0.unwrap();
        assert_eq!((reply.message.text.as_str(), &reply.finish), ("Done.", &Finish::Done), "{kind:?}");
        messages.extend([Message::Assistant(reply.message), user("and now?")]);
        ask(model.as_ref(), &request(messages)).await.0.unwrap();

        let requests = provider.requests();
        let heard: Vec<Vec<Heard>> = requests.iter().map(|request| accents::heard(kind, &request.body)).collect();
        let roles = |heard: &[Heard]| heard.iter().map(|message| message.role).collect::<Vec<_>>().join(" ");
        assert_eq!(roles(&heard[0]), "system user", "{kind:?}");
        let calls: Vec<_> = heard[1].iter().flat_map(|message| message.calls.clone()).collect();
        let find = |id: &str, q: &str| (id.to_owned(), "find".to_owned(), json!({ "q": q }));
        assert_eq!(calls, [find("call_a", "é"), find("call_b", "two")], "{kind:?}");
        let results: Vec<_> =
            heard[1].iter().filter(|message| message.result_of.is_some()).map(|message| message.text.clone()).collect();
        assert_eq!(results, ["result of {\"q\":\"é\"}", "result of {\"q\":\"two\"}"], "{kind:?}");
        assert!(heard[1].iter().any(|message| message.role == "assistant" && message.text == "日本 — ✓"), "{kind:?}");
        assert!(roles(&heard[2]).ends_with("assistant user"), "{kind:?}: {}", roles(&heard[2]));
        // What one request has in common with the one before is the same, word for word: providers
        // cache it.
        assert!(heard[1].starts_with(&heard[0]) && heard[2].starts_with(&heard[1]), "{kind:?}");
    }
}

#[tokio::test]
async fn what_only_the_maker_understands_goes_back_unchanged_and_only_there() {
    for kind in KINDS {
        let provider = Provider::start([accents::answer(kind, &rich())]).await;
        let reply = ask(provider.speaking(kind, |_, _| {}).as_ref(), &request(vec![user("hi")])).await.0.unwrap();
        let messages = [vec![system(), user("hi")], and_results(&reply)].concat();
        let own = match kind {
            RemoteKind::OpenAi | RemoteKind::Azure => "reasoning_content",
            RemoteKind::OpenAiResponses => "sealed",
            RemoteKind::Anthropic => "c2lnbmVk",
        };
        for reader in KINDS {
            // The same server again, and another one of every kind.
            let other =
                Provider::start([accents::answer(reader, &Spoken { text: vec!["ok"], ..Spoken::default() })]).await;
            let model = other.speaking(reader, |_, _| {});
            ask(model.as_ref(), &request(messages.clone())).await.0.unwrap();
            let body = other.requests().remove(0).body;
            let heard = accents::heard(reader, &body);
            assert_eq!(heard.iter().flat_map(|message| &message.calls).count(), 2, "{kind:?} read by {reader:?}");
            assert!(!body.to_string().contains(own), "{kind:?} read by {reader:?}: {body}");
        }
        provider.then([accents::answer(kind, &Spoken { text: vec!["ok"], ..Spoken::default() })]);
        provider.requests();
        ask(provider.speaking(kind, |_, _| {}).as_ref(), &request(messages)).await.0.unwrap();
        let body = provider.requests().remove(0).body;
        accents::heard(kind, &body);
        assert!(body.to_string().contains(own), "{kind:?}: {body}");
    }
}

/// What a server answers, and what it means.
struct Fault {
    status: u16,
    label: &'static str,
    message: &'static str,
    class: ErrorClass,
}

const fn fault(status: u16, label: &'static str, message: &'static str, class: ErrorClass) -> Fault {
    Fault { status, label, message, class }
}

const FAULTS: &[Fault] = &[
    fault(400, "invalid_request_error", "nonsense", ErrorClass::Refused),
    fault(401, "authentication_error", "invalid key", ErrorClass::Unauthorized),
    fault(402, "billing_error", "pay first", ErrorClass::OutOfCredit),
    fault(403, "permission_error", "not yours", ErrorClass::Unauthorized),
    fault(404, "not_found_error", "no such model", ErrorClass::NotFound),
    fault(408, "timeout", "too slow", ErrorClass::Unavailable),
    fault(413, "request_too_large", "too many bytes", ErrorClass::TooLong),
    fault(400, "invalid_request_error", "prompt is too long: 9 tokens > 5 maximum", ErrorClass::TooLong),
    fault(400, "context_length_exceeded", "too long", ErrorClass::TooLong),
    fault(400, "content_filter", "not this", ErrorClass::Filtered),
    fault(400, "invalid_request_error", "this model does not support tools", ErrorClass::NoTools),
    fault(429, "rate_limit_error", "slow down", ErrorClass::RateLimited),
    fault(429, "insufficient_quota", "nothing left", ErrorClass::OutOfCredit),
    fault(400, "invalid_request_error", "Your credit balance is too low", ErrorClass::OutOfCredit),
    fault(500, "api_error", "boom", ErrorClass::Unavailable),
    fault(503, "overloaded_error", "busy", ErrorClass::Unavailable),
    fault(529, "overloaded_error", "overloaded", ErrorClass::Unavailable),
];

#[tokio::test]
async fn every_failure_means_the_same_at_every_server() {
    for kind in KINDS {
        let answers =
            FAULTS.iter().map(|fault| Answer::json(fault.status, &accents::failure(kind, fault.label, fault.message)));
        let provider = Provider::start(answers).await;
        let model = provider.speaking(kind, |_, _| {});
        for fault in FAULTS {
            let error = ask(model.as_ref(), &request(vec![user("hi")])).await.0.unwrap_err();
            assert_eq!(
                error.class(),
                fault.class,
                "{kind:?} {} {} {}: {error}",
                fault.status,
                fault.label,
                fault.message
            );
        }
        assert_eq!(provider.requests().len(), FAULTS.len(), "{kind:?}: a failure was tried again where it must not be");
    }
}

#[tokio::test]
async fn every_failure_in_the_middle_of_an_answer_means_the_same_too() {
    let spoken = |end: End| Spoken { end, ..rich() };
    for kind in KINDS {
        let broken = Answer::stream([accents::stream(kind, &spoken(End::Nothing))]).ending(Bytes::Cut);
        let silent = Answer::stream([accents::stream(kind, &spoken(End::Nothing))]).ending(Bytes::Stall);
        let slow = Answer::stream([": still there\n\n"]).ending(Bytes::Stall);
        let never = Answer::stream(Vec::<Vec<u8>>::new()).ending(Bytes::Stall);
        let nowhere = Answer::json(200, "").header("content-type", "text/html");
        let failures = [
            (accents::answer(kind, &spoken(End::Overloaded)), ErrorClass::Unavailable),
            (accents::answer(kind, &spoken(End::Nothing)), ErrorClass::Truncated),
            (broken, ErrorClass::Truncated),
            (silent, ErrorClass::Transport),
            (slow, ErrorClass::Transport),
            (never, ErrorClass::Transport),
            (nowhere, ErrorClass::NotFound),
        ];
        let (answers, classes): (Vec<_>, Vec<_>) = failures.into_iter().unzip();
        let provider = Provider::start(answers).await;
        let model = provider.speaking(kind, |_, provider| {
            provider.idle_timeout = Duration::from_millis(300);
            provider.first_token_timeout = Duration::from_millis(200);
        });
        for (at, class) in classes.into_iter().enumerate() {
            let error = ask(model.as_ref(), &say("hi")).await.0.unwrap_err();
            assert_eq!(error.class(), class, "{kind:?} {at}: {error}");
        }
    }
}

#[tokio::test]
async fn a_heartbeat_is_no_first_word() {
    for kind in KINDS {
        let beats = std::iter::repeat_n(": still there\n\n".to_owned(), 40);
        let provider = Provider::start_slow([Answer::stream(beats)], Duration::from_millis(20)).await;
        let model = provider.speaking(kind, |_, provider| provider.first_token_timeout = Duration::from_millis(200));
        let error = ask(model.as_ref(), &say("hi")).await.0.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Transport, "{kind:?}: {error}");
    }
}

#[tokio::test]
async fn heartbeats_do_not_carry_on_an_answer_that_broke_off() {
    for kind in KINDS {
        let begun = accents::stream(kind, &Spoken { end: End::Nothing, ..rich() });
        let beats = std::iter::repeat_n(": still there\n\n".to_owned(), 40);
        let answer = Answer::stream(std::iter::once(begun).chain(beats));
        let provider = Provider::start_slow([answer], Duration::from_millis(20)).await;
        let model = provider.speaking(kind, |_, provider| provider.first_token_timeout = Duration::from_millis(200));
        let error = ask(model.as_ref(), &say("hi")).await.0.unwrap_err();
        assert!(matches!(error, LlmError::Transport { timed_out: true, .. }), "{kind:?}: {error}");
    }
}

#[tokio::test]
async fn limits_and_refusals_are_told_with_what_was_said_and_nothing_half_done() {
    for kind in KINDS {
        let cut = Spoken {
            calls: vec![("call_a", "find", vec!["{\"q\":1}"]), ("call_b", "find", vec!["{\"q\""])],
            end: End::Length,
            ..Spoken::default()
        };
        let short = Spoken { text: vec!["half an ans"], end: End::Length, ..Spoken::default() };
        let withheld = Spoken { text: vec!["I will not"], end: End::Filtered, ..rich() };
        let provider = Provider::start([cut, short, withheld].map(|spoken| accents::answer(kind, &spoken))).await;
        let model = provider.speaking(kind, |_, _| {});
        let next = async || ask(model.as_ref(), &say("hi")).await.0.unwrap();
        let reply = next().await;
        let calls: Vec<_> = reply.message.calls.iter().map(|call| call.id.as_str()).collect();
        assert_eq!((calls, &reply.finish), (vec!["call_a"], &Finish::Length), "{kind:?}");
        // The call that was cut is not in what goes back either.
        provider.then([accents::answer(kind, &Spoken { text: vec!["ok"], ..Spoken::default() })]);
        let messages = [vec![user("hi")], and_results(&reply)].concat();
        let reply = next().await;
        assert_eq!((reply.message.text.as_str(), &reply.finish), ("half an ans", &Finish::Length), "{kind:?}");
        let reply = next().await;
        assert_eq!((reply.message.calls.len(), &reply.finish), (0, &Finish::Filtered), "{kind:?}");
        provider.requests();
        ask(model.as_ref(), &request(messages)).await.0.unwrap();
        let heard = accents::heard(kind, &provider.requests()[0].body);
        assert_eq!(heard.iter().flat_map(|message| &message.calls).count(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn odd_calls_are_handed_on_as_they_are_and_sent_back_in_order() {
    for kind in KINDS {
        let odd = Spoken {
            calls: vec![
                ("same", "find", vec![]),
                ("same", "find", vec!["{\"q\": oops"]),
                ("", "no such tool!", vec!["{}"]),
            ],
            ..Spoken::default()
        };
        let provider = Provider::start([accents::answer(kind, &odd)]).await;
        let model = provider.speaking(kind, |_, _| {});
        let reply = ask(model.as_ref(), &request(vec![user("hi")])).await.0.unwrap();
        let calls = &reply.message.calls;
        assert_eq!(calls.len(), 3, "{kind:?} {calls:?}");
        assert!(calls[0].arguments.is_empty() || calls[0].arguments == "{}", "{kind:?}");
        assert_eq!(
            (calls[1].arguments.as_str(), calls[2].name.as_str()),
            ("{\"q\": oops", "no such tool!"),
            "{kind:?}"
        );
        let ids: std::collections::BTreeSet<_> = calls.iter().map(|call| call.id.as_str()).collect();
        assert!(ids.len() == 3 && ids.iter().all(|id| !id.is_empty()), "{kind:?} {ids:?}");
        let messages = [vec![system(), user("hi")], and_results(&reply)].concat();
        provider.then([accents::answer(kind, &Spoken { text: vec!["ok"], ..Spoken::default() })]);
        ask(model.as_ref(), &request(messages)).await.0.unwrap();
        let heard = accents::heard(kind, &provider.requests()[1].body);
        let back: Vec<_> =
            heard.iter().flat_map(|message| &message.calls).map(|(_, _, arguments)| arguments.clone()).collect();
        assert_eq!(back[..2], [json!({}), json!({ "malformed_arguments": "{\"q\": oops" })], "{kind:?}");
    }
}

#[tokio::test]
async fn a_cut_answer_is_asked_for_again_and_what_was_told_is_void() {
    for kind in KINDS {
        let half = Spoken { end: End::Nothing, ..rich() };
        let provider = Provider::start([accents::answer(kind, &half), accents::answer(kind, &rich())]).await;
        let policy = RetryPolicy { max_retries: 1, max_wait: Duration::from_secs(5), after_timeouts: true };
        let model = Retrying::new(provider.speaking(kind, |_, _| {}), policy);
        let (reply, deltas) = ask(&model, &say("hi")).await;
        assert_rich(kind, &reply.unwrap(), &deltas);
    }
}

#[tokio::test]
async fn another_provider_takes_over_inside_a_call_whatever_either_speaks() {
    for from in KINDS {
        for to in KINDS {
            let one = Provider::start([
                accents::answer(from, &rich()),
                accents::answer(from, &Spoken { text: vec!["half"], end: End::Overloaded, ..Spoken::default() }),
            ])
            .await;
            let last = Spoken { text: vec!["Done."], ..Spoken::default() };
            let two = Provider::start([accents::answer(to, &last)]).await;
            let models = vec![one.speaking(from, |_, _| {}), two.speaking(to, |_, _| {})];
            let chain = Fallback::new(models, &[ErrorClass::Unavailable]);
            let mut messages = vec![system(), user("hi")];
            let reply = ask(&chain, &request(messages.clone())).await.0.unwrap();
            messages.extend(and_results(&reply));
            // In the middle of a round of tools, after a part of the answer was told.
            let (reply, deltas) = ask(&chain, &request(messages)).await;
            assert_eq!(reply.unwrap().message.text, "Done.", "{from:?} to {to:?}");
            assert_eq!(told(&deltas), (String::new(), "Done.".to_owned()), "{from:?} to {to:?}");
            let body = two.requests().remove(0).body;
            let heard = accents::heard(to, &body);
            let calls: Vec<_> = heard
                .iter()
                .flat_map(|message| &message.calls)
                .map(|(_, name, arguments)| (name.as_str(), arguments.clone()))
                .collect();
            assert_eq!(calls, [("find", json!({ "q": "é" })), ("find", json!({ "q": "two" }))], "{from:?} to {to:?}");
        }
    }
}

#[tokio::test]
async fn each_setting_is_said_in_the_servers_words() {
    for kind in KINDS {
        let provider =
            Provider::start([accents::answer(kind, &Spoken { text: vec!["ok"], ..Spoken::default() })]).await;
        let model = provider.speaking(kind, |model, provider| {
            model.card.max_output_tokens = Some(9_000);
            model.card.reasoning = Some(match kind {
                RemoteKind::Anthropic => ReasoningStyle::Budget,
                RemoteKind::OpenAi | RemoteKind::OpenAiResponses | RemoteKind::Azure => ReasoningStyle::Effort,
            });
            model.reasoning_effort = Some("low".to_owned());
            model.parallel_tool_calls = Some(false);
            model.seed = Some(7);
            model.service_tier = Some("flex".to_owned());
            model.extra_body = json!({ "extra": { "x": 1 }, "stream": false, "messages": [], "input": [] })
                .as_object()
                .cloned()
                .unwrap();
            provider.extra_headers = vec![("x-team".to_owned(), "blue".to_owned().into())];
        });
        ask(model.as_ref(), &request(vec![system(), user("hi")])).await.0.unwrap();
        let sent = provider.requests().remove(0);
        let body = &sent.body;
        assert_eq!(
            (&sent.headers["x-team"], &body["extra"]["x"], &body["service_tier"]),
            (&"blue".parse().unwrap(), &json!(1), &json!("flex"))
        );
        assert_eq!(accents::heard(kind, body).len(), 2, "{kind:?}: an extra field took the place of one of ours");
        let key = "test-key-1234567890";
        let bearer = format!("Bearer {key}");
        let (header, value, path) = match kind {
            RemoteKind::OpenAi => ("authorization", bearer.as_str(), "/v1/chat/completions"),
            RemoteKind::OpenAiResponses => ("authorization", bearer.as_str(), "/v1/responses"),
            RemoteKind::Azure => {
                ("api-key", key, "/openai/deployments/some-model/chat/completions?api-version=2024-10-21")
            }
            RemoteKind::Anthropic => ("x-api-key", key, "/v1/messages"),
        };
        assert_eq!((sent.headers[header].to_str().unwrap(), sent.path_and_query.as_str()), (value, path), "{kind:?}");
        assert_settings(kind, &sent);
    }
}

fn assert_settings(kind: RemoteKind, sent: &Captured) {
    let body = &sent.body;
    match kind {
        RemoteKind::OpenAi | RemoteKind::Azure => assert_eq!(
            (&body["max_tokens"], &body["reasoning_effort"], &body["seed"], &body["parallel_tool_calls"]),
            (&json!(9_000), &json!("low"), &json!(7), &json!(false))
        ),
        RemoteKind::OpenAiResponses => assert_eq!(
            (&body["max_output_tokens"], &body["reasoning"], &body["include"], &body["parallel_tool_calls"]),
            (
                &json!(9_000),
                &json!({ "effort": "low", "summary": "auto" }),
                &json!(["reasoning.encrypted_content"]),
                &json!(false)
            )
        ),
        RemoteKind::Anthropic => {
            assert_eq!(
                (&body["max_tokens"], &body["thinking"], &body["tool_choice"]),
                (
                    &json!(9_000),
                    &json!({ "type": "enabled", "budget_tokens": 2_048 }),
                    &json!({ "type": "auto", "disable_parallel_tool_use": true })
                )
            );
            assert_eq!(sent.headers["anthropic-version"], "2023-06-01");
        }
    }
}

#[tokio::test]
async fn what_a_server_refuses_of_that_is_left_out_from_then_on() {
    for kind in KINDS {
        let refusals = ["temperature", "service_tier"].map(|parameter| {
            let message = format!("{parameter}: Extra inputs are not permitted");
            Answer::json(400, &accents::failure(kind, "invalid_request_error", &message))
        });
        let ok = || accents::answer(kind, &Spoken { text: vec!["ok"], ..Spoken::default() });
        let provider = Provider::start(refusals.into_iter().chain([ok(), ok()])).await;
        let model = provider.speaking(kind, |model, _| {
            model.temperature = Some(0.2);
            model.service_tier = Some("flex".to_owned());
        });
        for _ in 0..2 {
            assert!(ask(model.as_ref(), &say("hi")).await.0.is_ok(), "{kind:?}");
        }
        let requests = provider.requests();
        assert_eq!(requests[0].body["temperature"], 0.2, "{kind:?}");
        for request in &requests[2..] {
            assert!(
                request.body.get("temperature").is_none() && request.body.get("service_tier").is_none(),
                "{kind:?}"
            );
        }
        assert_eq!(requests.len(), 4, "{kind:?}");
    }
}

fn marks(value: &Value) -> usize {
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| usize::from(name == "cache_control") + marks(value)).sum()
        }
        Value::Array(items) => items.iter().map(marks).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

#[tokio::test]
async fn anthropic_is_told_what_stays_the_same() {
    let kind = RemoteKind::Anthropic;
    for (cache, expected) in [(PromptCache::Minutes5, 4), (PromptCache::Hour1, 4), (PromptCache::Off, 0)] {
        let ok = || accents::answer(kind, &Spoken { text: vec!["ok"], ..Spoken::default() });
        let provider = Provider::start([accents::answer(kind, &rich()), ok(), ok()]).await;
        let model = provider.speaking(kind, |model, _| model.prompt_cache = cache);
        let mut messages = vec![system(), user("hi")];
        let reply = ask(model.as_ref(), &request(messages.clone())).await.0.unwrap();
        messages.extend(and_results(&reply));
        messages.push(user("and?"));
        ask(model.as_ref(), &request(messages)).await.0.unwrap();
        let requests = provider.requests();
        let body = &requests[1].body;
        assert_eq!(marks(body), expected, "{body}");
        if cache == PromptCache::Off {
            continue;
        }
        let mark = &body["system"][0]["cache_control"];
        assert_eq!(mark.get("ttl"), (cache == PromptCache::Hour1).then_some(&json!("1h")));
        let messages = body["messages"].as_array().unwrap();
        let last = messages.last().unwrap()["content"].as_array().unwrap().last().unwrap();
        assert!(body["tools"][0]["cache_control"] == *mark && last["cache_control"] == *mark, "{body}");
        // What the request before was marked up to is marked again, so that it is found.
        assert_eq!(messages[0]["content"][0]["cache_control"], *mark, "{body}");
    }
}

#[tokio::test]
async fn a_request_without_tools_after_calls_is_one_each_server_takes() {
    for kind in KINDS {
        let ok = Spoken { text: vec!["ok"], ..Spoken::default() };
        let provider = Provider::start([accents::answer(kind, &rich()), accents::answer(kind, &ok)]).await;
        let model = provider.speaking(kind, |_, _| {});
        let reply = ask(model.as_ref(), &request(vec![user("hi")])).await.0.unwrap();
        let messages = [vec![user("hi")], and_results(&reply), vec![user("Now answer.")]].concat();
        ask(model.as_ref(), &Request { messages, tools: Vec::new() }).await.0.unwrap();
        let body = provider.requests().remove(1).body;
        match kind {
            RemoteKind::Anthropic => {
                assert_eq!((&body["tools"][0]["name"], &body["tool_choice"]["type"]), (&json!("find"), &json!("none")));
            }
            RemoteKind::OpenAi | RemoteKind::OpenAiResponses | RemoteKind::Azure => {
                assert!(body.get("tools").is_none())
            }
        }
    }
}

#[tokio::test]
async fn a_round_of_tools_begun_without_thinking_goes_on_without() {
    let (from, to) = (RemoteKind::OpenAi, RemoteKind::Anthropic);
    let one = Provider::start([accents::answer(from, &rich())]).await;
    let reply = ask(one.speaking(from, |_, _| {}).as_ref(), &request(vec![user("hi")])).await.0.unwrap();
    let ok = || accents::answer(to, &Spoken { text: vec!["ok"], ..Spoken::default() });
    let two = Provider::start([ok(), ok()]).await;
    let model = two.speaking(to, |model, _| {
        model.card.reasoning = Some(ReasoningStyle::Budget);
        model.reasoning_effort = Some("high".to_owned());
    });
    let mut messages = [vec![user("hi")], and_results(&reply)].concat();
    ask(model.as_ref(), &request(messages.clone())).await.0.unwrap();
    messages.push(user("another thing"));
    ask(model.as_ref(), &request(messages)).await.0.unwrap();
    let requests = two.requests();
    assert!(requests[0].body.get("thinking").is_none());
    assert_eq!(requests[1].body["thinking"]["type"], "enabled");
}

#[tokio::test]
async fn a_key_that_ran_out_is_printed_anew_once() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!("echo x >> {0}/n; echo key-$(wc -l < {0}/n)", dir.path().display());
    let refused = || Answer::json(401, "{}");
    let kind = RemoteKind::OpenAi;
    let ok = accents::answer(kind, &Spoken { text: vec!["ok"], ..Spoken::default() });
    let provider = Provider::start([refused(), ok, refused(), refused()]).await;
    let model = provider.speaking(kind, |_, provider| {
        let command = ["sh", "-c", &script].map(str::to_owned).to_vec();
        provider.credential =
            Some(aileron::config::CredentialConfig::Command { command, keep: Duration::from_secs(60) });
    });
    assert!(ask(model.as_ref(), &say("hi")).await.0.is_ok());
    assert_eq!(ask(model.as_ref(), &say("hi")).await.0.unwrap_err().class(), ErrorClass::Unauthorized);
    let keys: Vec<_> = provider
        .requests()
        .iter()
        .map(|request| request.headers["authorization"].to_str().unwrap().to_owned())
        .collect();
    assert_eq!(keys, ["Bearer key-1", "Bearer key-2", "Bearer key-2", "Bearer key-3"]);
}

#[tokio::test]
async fn thinking_tags_in_the_text_are_thinking_at_every_server() {
    for kind in KINDS {
        let spoken = Spoken { text: vec!["<thi", "nk>secret</th", "ink>ans", "wer"], ..Spoken::default() };
        let provider = Provider::start([accents::answer(kind, &spoken)]).await;
        let (reply, deltas) = ask(provider.speaking(kind, |_, _| {}).as_ref(), &say("hi")).await;
        assert_eq!(reply.unwrap().message.text, "answer", "{kind:?}");
        assert_eq!(told(&deltas), ("secret".to_owned(), "answer".to_owned()), "{kind:?}");
    }
}
