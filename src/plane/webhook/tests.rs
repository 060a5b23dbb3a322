//! Every shape a webhook comes in, and what becomes of it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const RUN: &str = "66666666-6666-4666-8666-666666666666";
const ACTIVITY: &str = "55555555-5555-4555-8555-555555555555";
const BOT: &str = "88888888-8888-4888-8888-888888888888";
const PERSON: &str = "44444444-4444-4444-8444-444444444444";
const WORKSPACE: &str = "22222222-2222-4222-8222-222222222222";
const ITEM: &str = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";
const PROJECT: &str = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
const COMMENT: &str = "99999999-9999-4999-8999-999999999999";

fn run_object() -> Value {
    json!({"id": RUN, "agent_user": BOT, "issue": ITEM, "project": PROJECT, "workspace": WORKSPACE,
        "status": "created", "type": "comment_thread", "started_at": "2026-01-15T10:30:00.000000Z"})
}

fn created() -> Value {
    json!({"type": "agent_run", "action": "created", "agent_run": run_object(), "agent_user_id": BOT,
        "app_client_id": "client-abc", "comment_id": COMMENT, "issue_id": ITEM, "project_id": PROJECT,
        "workspace_id": WORKSPACE})
}

fn prompted() -> Value {
    json!({"type": "agent_run_activity", "action": "prompted",
        "agent_run_activity": {"id": ACTIVITY, "agent_run": RUN, "type": "prompt",
            "content": {"type": "prompt", "body": "<p>please triage this</p>"}, "content_metadata": {},
            "ephemeral": false, "signal": "continue", "signal_metadata": {}, "actor": PERSON, "comment": COMMENT,
            "project": PROJECT, "workspace": WORKSPACE, "created_at": "2026-01-15T10:30:02.000000Z"},
        "agent_run": run_object(), "agent_user_id": BOT, "app_client_id": "client-abc", "comment_id": COMMENT,
        "issue_id": ITEM, "project_id": PROJECT, "workspace_id": WORKSPACE})
}

fn wrapped(event: &str, data: &Value) -> Value {
    json!({"event": event, "action": "created", "webhook_id": "11111111-1111-4111-8111-111111111111",
        "workspace_id": WORKSPACE, "data": data, "activity": null})
}

fn read(header: Option<&str>, body: &Value) -> Incoming {
    parse(header, body.to_string().as_bytes(), Some("client-abc"))
}

fn event(body: &Value) -> RunEvent {
    match read(None, body) {
        Incoming::Event(event) => event,
        other @ (Incoming::Ignored { .. } | Incoming::Unreadable { .. }) => panic!("{other:?}"),
    }
}

fn prompt_of(event: RunEvent) -> Prompt {
    match event.kind {
        RunEventKind::Prompted(prompt) => prompt,
        other @ (RunEventKind::Started | RunEventKind::StopRequested(_)) => panic!("{other:?}"),
    }
}

#[test]
fn wrapped_and_flat_bodies_are_the_same_event() {
    for (name, body) in [(RUN_EVENT, created()), (PROMPT_EVENT, prompted())] {
        assert_eq!(event(&body), event(&wrapped(name, &body)));
    }
}

#[test]
fn a_created_run_tells_all_it_knows() {
    let event = event(&created());
    assert_eq!(event.kind, RunEventKind::Started);
    assert_eq!(event.run.id.to_string(), RUN);
    assert_eq!(event.run.workspace.to_string(), WORKSPACE);
    assert_eq!(event.run.project.unwrap().to_string(), PROJECT);
    assert_eq!(event.run.work_item.unwrap().to_string(), ITEM);
    assert_eq!(event.run.agent_user.unwrap().to_string(), BOT);
    assert_eq!(event.run.comment.unwrap().to_string(), COMMENT);
    assert_eq!(event.run.creator, None);
}

#[test]
fn a_prompt_keeps_its_body_author_and_time() {
    let prompt = prompt_of(event(&prompted()));
    assert_eq!(prompt.activity.unwrap().to_string(), ACTIVITY);
    assert_eq!(prompt.body, "<p>please triage this</p>");
    assert_eq!(prompt.actor.unwrap().to_string(), PERSON);
    assert_eq!(prompt.written_at, Some("2026-01-15T10:30:02Z".parse().unwrap()));
}

#[test]
fn nested_references_are_read_like_plain_ones() {
    let mut body = prompted();
    body["agent_run"]["workspace"] = json!({"id": WORKSPACE, "slug": "acme"});
    body["agent_run"]["issue"] = json!({"id": ITEM, "name": "x"});
    body["agent_run_activity"]["agent_run"] = json!({"id": RUN});
    body["agent_run_activity"]["actor"] = json!({"id": PERSON, "display_name": "maya"});
    assert_eq!(event(&body), event(&prompted()));
    body["agent_run"] = json!(RUN);
    assert_eq!(event(&body).run.id.to_string(), RUN);
}

#[test]
fn missing_and_null_fields_leave_the_event_readable() {
    let body = json!({"agent_run_activity": {"id": ACTIVITY, "agent_run": RUN, "workspace": WORKSPACE, "actor": "None"},
        "agent_run": null, "issue_id": null, "project_id": "None", "comment_id": null, "news": [1]});
    let event = event(&body);
    assert_eq!((event.run.work_item, event.run.project, event.run.comment), (None, None, None));
    let prompt = prompt_of(event);
    assert_eq!((prompt.body.as_str(), prompt.actor, prompt.written_at), ("", None, None));
}

#[test]
fn the_workspace_of_the_envelope_serves_where_the_payload_has_none() {
    let mut body = created();
    body["workspace_id"] = json!("None");
    body["agent_run"]["workspace"] = Value::Null;
    assert!(matches!(read(None, &body), Incoming::Unreadable { .. }));
    assert_eq!(event(&wrapped(RUN_EVENT, &body)).run.workspace.to_string(), WORKSPACE);
}

#[test]
fn a_stop_is_told_by_its_signal() {
    let mut body = prompted();
    body["agent_run_activity"]["signal"] = json!("stop");
    assert!(matches!(event(&body).kind, RunEventKind::StopRequested(_)));
    body["agent_run_activity"]["signal"] = json!("something_new");
    assert!(matches!(event(&body).kind, RunEventKind::Prompted(_)));
    body["agent_run_activity"].as_object_mut().unwrap().remove("signal");
    assert!(matches!(event(&body).kind, RunEventKind::Prompted(_)));
}

#[test]
fn a_prompt_event_without_its_activity_still_starts_the_run() {
    let mut body = prompted();
    body["agent_run_activity"] = Value::Null;
    assert_eq!(event(&body).kind, RunEventKind::Started);
}

#[test]
fn what_is_not_for_the_agent_is_ignored() {
    let mut foreign = prompted();
    foreign["app_client_id"] = json!("another");
    let mut own = prompted();
    own["agent_run_activity"]["actor"] = json!(BOT);
    let mut thought = prompted();
    thought["agent_run_activity"]["type"] = json!("thought");
    let comment = wrapped("issue_comment", &json!({"id": COMMENT, "comment_html": "<p>hi</p>"}));
    let deleted = json!({"event": "issue", "action": "deleted", "data": null});
    let v2 = json!({"version": "v2", "event": "workitem.created", "data": {"id": ITEM}});
    for body in [foreign, own, thought, comment, deleted, v2, json!({})] {
        assert!(matches!(read(None, &body), Incoming::Ignored { .. }), "{body}");
    }
}

#[test]
fn without_a_client_id_of_our_own_every_app_is_ours() {
    assert!(matches!(parse(None, created().to_string().as_bytes(), None), Incoming::Event(_)));
}

#[test]
fn what_cannot_be_understood_is_reported_without_its_content() {
    let mut no_prompt_id = prompted();
    no_prompt_id["agent_run_activity"]["id"] = json!("secret-text");
    let bodies = [
        "",
        "not json secret-text",
        "[1]",
        "\"x\"",
        "{\"agent_run\": {\"id\": \"secret-text\"}}",
        &no_prompt_id.to_string(),
    ];
    for body in bodies {
        match parse(Some(PROMPT_EVENT), body.as_bytes(), None) {
            Incoming::Unreadable { reason } => assert!(!reason.contains("secret-text"), "{reason}"),
            other @ (Incoming::Event(_) | Incoming::Ignored { .. }) => panic!("{body}: {other:?}"),
        }
    }
    assert!(matches!(read(Some(RUN_EVENT), &json!({"data": {}})), Incoming::Unreadable { .. }));
}

/// Replaces, by a path of picks, one value somewhere in the tree.
fn mutate(value: &mut Value, picks: &[usize], with: &Value) {
    let Some((&pick, rest)) = picks.split_first() else {
        *value = with.clone();
        return;
    };
    let inner = match value {
        Value::Object(fields) if !fields.is_empty() => {
            let nth = pick % fields.len();
            fields.values_mut().nth(nth)
        }
        Value::Array(items) if !items.is_empty() => {
            let nth = pick % items.len();
            items.get_mut(nth)
        }
        Value::Object(_) | Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    };
    match inner {
        Some(inner) => mutate(inner, rest, with),
        None => *value = with.clone(),
    }
}

proptest! {
    #[test]
    fn no_change_to_a_body_makes_it_panic(
        which in 0..4_usize,
        changes in proptest::collection::vec((proptest::collection::vec(0..20_usize, 1..4), 0..8_usize), 1..4),
    ) {
        let mut body = match which {
            0 => created(),
            1 => prompted(),
            2 => wrapped(RUN_EVENT, &created()),
            _ => wrapped(PROMPT_EVENT, &prompted()),
        };
        let values = [json!(null), json!({}), json!([]), json!("None"), json!(7), json!("äöü"), json!(BOT), json!([[RUN]])];
        for (path, value) in &changes {
            mutate(&mut body, path, &values[*value]);
        }
        if let Incoming::Event(event) = read(None, &body) {
            prop_assert!(!event.key().0.is_empty());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..300), header in "[a-z_]{0,20}") {
        let event = matches!(parse(Some(&header), &body, None), Incoming::Event(_));
        prop_assert!(!event);
    }

    #[test]
    fn a_body_cut_short_is_unreadable(keep in 0.0..1.0_f64) {
        let text = prompted().to_string();
        let cut = (text.len() as f64 * keep) as usize;
        let incoming = parse(None, &text.as_bytes()[..cut], None);
        let unreadable = matches!(incoming, Incoming::Unreadable { .. });
        prop_assert!(unreadable);
    }
}
