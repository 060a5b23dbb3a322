//! The accumulator against chunks as providers send them, and against anything else.

use std::sync::Mutex;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{domain::talk::ProviderRaw, llm::Delta};

/// The reply made of these chunks, and all deltas of one kind as one text each.
fn collect(chunks: &[Value], told_done: bool) -> (Result<Reply, LlmError>, String, String) {
    let told = Mutex::new((String::new(), String::new()));
    let on_delta = |delta: Delta| {
        let mut told = told.lock().unwrap();
        match delta {
            Delta::Reasoning(text) => told.0.push_str(&text),
            Delta::Text(text) => told.1.push_str(&text),
            Delta::Restarted { .. } => panic!("nothing restarts here"),
        }
    };
    let mut accumulator = Accumulator::default();
    let absorbed = chunks.iter().try_for_each(|chunk| accumulator.absorb(chunk, &on_delta));
    let reply = absorbed.and_then(|()| accumulator.finish(told_done, &on_delta)).map(|(mut reply, fields)| {
        reply.message.raw = (!fields.is_empty()).then(|| ProviderRaw { model: "main".to_owned(), fields });
        reply
    });
    let (reasoning, text) = told.into_inner().unwrap();
    (reply, reasoning, text)
}

fn delta(delta: Value) -> Value {
    json!({ "choices": [{ "index": 0, "delta": delta }] })
}

fn end(reason: &str) -> Value {
    json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] })
}

fn call(arguments: &str) -> Value {
    delta(json!({ "tool_calls": [{ "index": 0, "id": "a", "function": { "name": "f", "arguments": arguments } }] }))
}

#[test]
fn reasoning_is_one_channel_and_never_text() {
    for (chunks, reasoning) in [
        (vec![delta(json!({ "reasoning_content": "why" }))], "why"),
        (vec![delta(json!({ "reasoning": "why" }))], "why"),
        (vec![delta(json!({ "reasoning": "why", "reasoning_content": "why" }))], "why"),
        (vec![delta(json!({ "reasoning_content": null, "reasoning": "why" }))], "why"),
        (vec![delta(json!({ "reasoning_details": [{ "type": "reasoning.text", "text": "why" }] }))], "why"),
        (
            vec![delta(
                json!({ "content": [{ "type": "thinking", "thinking": [{ "type": "text", "text": "why" }] }] }),
            )],
            "why",
        ),
        (vec![delta(json!({ "content": "<thi" })), delta(json!({ "content": "nk>why</think>" }))], "why"),
    ] {
        let mut chunks = chunks;
        chunks.extend([delta(json!({ "content": "so" })), end("stop")]);
        let (reply, told_reasoning, told_text) = collect(&chunks, true);
        assert_eq!(reply.unwrap().message.text, "so", "{chunks:?}");
        assert_eq!((told_reasoning.as_str(), told_text.as_str()), (reasoning, "so"), "{chunks:?}");
    }
}

#[test]
fn text_before_a_lone_closing_tag_is_not_in_the_reply() {
    let (reply, ..) = collect(
        &[delta(json!({ "content": "hm, let me see</th" })), delta(json!({ "content": "ink>\n\nYes." })), end("stop")],
        true,
    );
    assert_eq!(reply.unwrap().message.text, "Yes.");
}

#[test]
fn a_content_array_is_text() {
    let parts = json!({ "content": [{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }] });
    assert_eq!(collect(&[delta(parts), end("stop")], true).0.unwrap().message.text, "ab");
}

#[test]
fn a_finish_reason_has_one_meaning_everywhere() {
    for (reason, finish) in [
        ("stop", Finish::Done),
        ("STOP", Finish::Done),
        ("length", Finish::Length),
        ("MAX_TOKENS", Finish::Length),
        ("content_filter", Finish::Filtered),
        ("tool_calls", Finish::ToolCalls),
        ("brand_new", Finish::Other("brand_new".to_owned())),
    ] {
        let (reply, ..) = collect(&[delta(json!({ "content": "a" })), end(reason)], true);
        assert_eq!(reply.unwrap().finish, finish, "{reason}");
    }
}

#[test]
fn calls_go_on_whatever_the_finish_reason_says() {
    for reason in ["stop", "tool_calls", ""] {
        let (reply, ..) = collect(&[call("{}"), end(reason)], true);
        let reply = reply.unwrap();
        assert_eq!((reply.finish, reply.message.calls.len()), (Finish::ToolCalls, 1), "{reason:?}");
    }
}

#[test]
fn a_stream_without_any_end_is_truncated() {
    for chunks in [vec![], vec![delta(json!({ "content": "half" }))], vec![call("{}")], vec![end("")]] {
        assert!(matches!(collect(&chunks, false).0, Err(LlmError::Truncated { .. })), "{chunks:?}");
    }
}

#[test]
fn a_call_cut_by_the_limit_is_not_in_the_reply() {
    let reply = collect(&[call("{\"x\": \"ha"), end("length")], true).0.unwrap();
    assert_eq!((reply.finish, reply.message.calls.len()), (Finish::Length, 0));
    let whole = collect(&[call("{\"x\": 1}"), end("length")], true).0.unwrap();
    assert_eq!((whole.finish, whole.message.calls.len()), (Finish::Length, 1));
}

#[test]
fn malformed_arguments_stay_for_the_model_to_mend() {
    let reply = collect(&[call("{\"x\": ha"), end("tool_calls")], true).0.unwrap();
    assert_eq!(reply.message.calls[0].arguments, "{\"x\": ha");
}

#[test]
fn a_call_without_a_name_asks_for_another_try() {
    let nameless = delta(json!({ "tool_calls": [{ "index": 0, "id": "a", "function": { "arguments": "{}" } }] }));
    assert!(matches!(collect(&[nameless, end("tool_calls")], true).0, Err(LlmError::BadToolCall { .. })));
}

#[test]
fn a_refusal_is_filtered_and_carries_out_nothing() {
    let chunks = [call("{}"), delta(json!({ "refusal": "I can" })), delta(json!({ "refusal": "not." })), end("stop")];
    let reply = collect(&chunks, true).0.unwrap();
    assert_eq!(reply.finish, Finish::Filtered);
    assert_eq!((reply.message.text.as_str(), reply.message.calls.len()), ("I cannot.", 0));
}

#[test]
fn an_error_in_mid_stream_ends_the_reply() {
    for (chunk, expected) in [
        (
            json!({ "error": { "code": 502, "message": "gone" }, "choices": [{ "delta": { "content": "" }, "finish_reason": "error" }] }),
            "unavailable",
        ),
        (json!({ "error": { "code": "429", "type": "throttling_error", "message": "slow" } }), "limited"),
        (json!({ "error": { "code": "rate_limit_exceeded", "message": "slow" } }), "limited"),
        (json!({ "error": { "code": "tool_use_failed", "message": "bad" } }), "call"),
        (json!({ "error": "overloaded" }), "unavailable"),
        (json!({ "type": "error", "code": "server_error", "message": "m" }), "unavailable"),
        (json!([{ "error": { "code": 503, "message": "m" } }]), "unavailable"),
        (end("error"), "unavailable"),
    ] {
        let found = match collect(&[delta(json!({ "content": "par" })), chunk.clone()], true).0 {
            Err(LlmError::Unavailable { .. }) => "unavailable",
            Err(LlmError::RateLimited { .. }) => "limited",
            Err(LlmError::BadToolCall { .. }) => "call",
            other => panic!("{chunk}: {other:?}"),
        };
        assert_eq!(found, expected, "{chunk}");
    }
}

#[test]
fn the_last_usage_counts_and_odd_chunks_do_no_harm() {
    let chunks = [
        json!({ "choices": [], "prompt_filter_results": [{}] }),
        json!({ "choices": [{ "index": 0, "finish_reason": null }] }),
        json!({ "choices": null }),
        json!(null),
        json!({ "choices": [], "usage": { "prompt_tokens": 1, "completion_tokens": 1 } }),
        delta(json!({ "role": "assistant", "content": null })),
        delta(json!({ "content": "ok" })),
        json!({ "choices": [{ "index": 1, "delta": { "content": "another choice" } }] }),
        end("stop"),
        json!({ "choices": [], "usage": {
            "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 22,
            "prompt_tokens_details": { "cached_tokens": 4 }, "completion_tokens_details": { "reasoning_tokens": 7 },
        } }),
        json!({ "choices": [], "usage": null }),
    ];
    let reply = collect(&chunks, true).0.unwrap();
    assert_eq!(reply.message.text, "ok");
    assert_eq!(reply.usage, Some(Usage { input: 10, cached_input: 4, output: 12, reasoning: 7, ..Usage::default() }));
}

#[test]
fn a_whole_completion_is_taken_as_one_chunk() {
    let whole = json!({ "object": "chat.completion", "choices": [{ "index": 0, "finish_reason": "tool_calls", "message": {
        "role": "assistant", "content": "a", "reasoning_content": "r",
        "tool_calls": [{ "id": "x", "type": "function", "function": { "name": "f", "arguments": "{}" } }],
    } }] });
    let reply = collect(&[whole], true).0.unwrap();
    assert_eq!((reply.message.text.as_str(), reply.message.calls[0].id.as_str()), ("a", "x"));
}

#[test]
fn what_the_provider_wants_back_is_kept() {
    let chunks = [
        delta(json!({ "reasoning_content": "be" })),
        delta(json!({ "reasoning_content": "cause" })),
        delta(
            json!({ "reasoning_details": [{ "type": "reasoning.text", "index": 0, "text": "be", "signature": null }] }),
        ),
        delta(
            json!({ "reasoning_details": [{ "type": "reasoning.text", "index": 0, "text": "cause", "signature": "s" }] }),
        ),
        delta(json!({ "reasoning_details": [{ "type": "reasoning.encrypted", "index": 1, "data": "x" }] })),
        call("{}"),
        end("tool_calls"),
    ];
    let raw = collect(&chunks, true).0.unwrap().message.raw.unwrap();
    assert_eq!(raw.model, "main");
    assert_eq!(
        Value::Object(raw.fields),
        json!({
            "reasoning_content": "because",
            "reasoning_details": [
                { "type": "reasoning.text", "index": 0, "text": "because", "signature": "s" },
                { "type": "reasoning.encrypted", "index": 1, "data": "x" },
            ],
        })
    );
    let without_calls =
        collect(&[delta(json!({ "reasoning_content": "r", "content": "a" })), end("stop")], true).0.unwrap();
    assert_eq!(without_calls.message.raw, None);
}

#[test]
fn an_endless_reply_is_cut() {
    let chunk = delta(json!({ "reasoning": "x".repeat(1 << 20) }));
    let (reply, ..) = collect(&vec![chunk; 6], true);
    assert!(matches!(reply, Err(LlmError::Truncated { .. })));
}

/// JSON that often has the names a chunk has, and anything under them.
fn any_chunk() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        prop::sample::select(vec!["<think>", "</think>", "stop", "length", "{}", "thinking", "text", "error"])
            .prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "choices",
        "delta",
        "message",
        "content",
        "reasoning",
        "reasoning_content",
        "reasoning_details",
        "tool_calls",
        "function",
        "function_call",
        "arguments",
        "name",
        "index",
        "id",
        "finish_reason",
        "usage",
        "prompt_tokens",
        "error",
        "code",
        "type",
        "text",
        "thinking",
        "refusal",
        "extra_content",
        "total_tokens",
        "x",
    ]);
    leaf.prop_recursive(6, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..6).prop_map(|fields| Value::Object(
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_makes_it_panic_and_ids_stay_unique(chunks in prop::collection::vec(any_chunk(), 0..6), deltas in prop::collection::vec(any_chunk(), 0..6)) {
        let mut all = chunks;
        all.extend(deltas.into_iter().map(delta));
        let mut accumulator = Accumulator::default();
        let absorbed = all.iter().try_for_each(|chunk| accumulator.absorb(chunk, &|_| {}));
        if let (Ok(()), Ok((reply, _))) = (absorbed, accumulator.finish(true, &|_| {})) {
            let mut ids: Vec<_> = reply.message.calls.iter().map(|call| &call.id).collect();
            ids.sort();
            ids.dedup();
            prop_assert_eq!(ids.len(), reply.message.calls.len());
        }
    }
}
