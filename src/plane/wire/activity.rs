//! Agent runs and their activities.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::fields::Fields;
use crate::{
    domain::{
        activity::{Ask, Draft, Posted, RunActivity, RunActivityKind, Saying},
        event::RunInfo,
        ids::{ProjectId, WorkspaceId},
    },
    plane::{RunStatus, markdown::defused, plain::unrendered},
};

/// Our corner of `content_metadata`, where the step's key travels.
const OUR_METADATA: &str = "aileron";

/// The body that creates an activity. Plane derives `ephemeral` from the type, so it is not sent.
/// Links to addresses that begin with `own` lead into Plane.
pub(in crate::plane) fn create_body(draft: &Draft, project: Option<ProjectId>, own: Option<&str>) -> Value {
    let (kind, content) = content(&draft.saying, own);
    let (signal, signal_metadata) = signal(&draft.saying);
    let mut body = Map::new();
    body.insert("type".to_owned(), kind.into());
    body.insert("content".to_owned(), content);
    body.insert("content_metadata".to_owned(), metadata(draft));
    body.insert("signal".to_owned(), signal.into());
    if let Some(signal_metadata) = signal_metadata {
        body.insert("signal_metadata".to_owned(), signal_metadata);
    }
    if let Some(project) = project {
        body.insert("project".to_owned(), project.to_string().into());
    }
    Value::Object(body)
}

fn content(saying: &Saying, own: Option<&str>) -> (&'static str, Value) {
    // Bodies are Markdown, except that a thought is shown as it is.
    let with_body = |kind: &'static str, body: &str| (kind, json!({"type": kind, "body": defused(body, own)}));
    match saying {
        Saying::Thought { body } => ("thought", json!({"type": "thought", "body": unrendered(body)})),
        Saying::Action { name, parameters } => {
            let parameters: BTreeMap<_, _> = parameters.iter().map(|(key, text)| (key, unrendered(text))).collect();
            ("action", json!({"type": "action", "action": name, "parameters": parameters}))
        }
        Saying::Response { body } => with_body("response", body),
        Saying::Elicitation { body, ask: _ } => with_body("elicitation", body),
        Saying::Error { body, code: _, retryable: _ } => with_body("error", body),
    }
}

fn signal(saying: &Saying) -> (&'static str, Option<Value>) {
    match saying {
        Saying::Thought { .. } | Saying::Action { .. } | Saying::Response { .. } => ("continue", None),
        Saying::Elicitation { ask, .. } => match ask {
            Ask::Freely => ("continue", None),
            Ask::Select { options, several } => {
                ("select", Some(json!({ "options": options, "allow_multiple": several })))
            }
            Ask::SignIn { url } => ("auth_request", Some(json!({ "url": url }))),
        },
        Saying::Error { code, retryable, .. } => {
            ("continue", Some(json!({"error_code": code, "retryable": retryable})))
        }
    }
}

fn metadata(draft: &Draft) -> Value {
    let mut metadata = match draft.detail.clone() {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(detail)) => detail,
        Some(other @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_))) => {
            Map::from_iter([("detail".to_owned(), other)])
        }
    };
    // Last, so that no detail can take the key's place.
    metadata.insert(OUR_METADATA.to_owned(), json!({"step": draft.key.to_string()}));
    Value::Object(metadata)
}

/// Reads the answer to a created activity.
pub(in crate::plane) fn posted(body: &Value) -> Option<Posted> {
    let fields = Fields::of(body)?;
    Some(Posted { id: fields.id("id")?, comment: fields.id("comment"), at: fields.time("created_at") })
}

/// Reads an activity of a run.
pub(in crate::plane) fn run_activity(body: &Value) -> Option<RunActivity> {
    let fields = Fields::of(body)?;
    let content = fields.object("content");
    let step = fields
        .object("content_metadata")
        .and_then(|metadata| metadata.object(OUR_METADATA)?.text("step"))
        .map(str::to_owned);
    let kind = match fields.text("type").or_else(|| content?.text("type")) {
        Some("prompt") => RunActivityKind::Prompt {
            body: content.map(|content| content.text_or_empty("body")).unwrap_or_default(),
            stop: fields.text("signal").is_some_and(|signal| signal.eq_ignore_ascii_case("stop")),
        },
        Some("response" | "elicitation" | "error") => RunActivityKind::Ending,
        Some(_) | None => RunActivityKind::Other,
    };
    Some(RunActivity {
        id: fields.id("id")?,
        actor: fields.id("actor"),
        created_at: fields.time("created_at"),
        step,
        kind,
    })
}

/// Reads a run; `workspace` is the one it was asked for in.
pub(in crate::plane) fn run(body: &Value, workspace: WorkspaceId) -> Option<(RunInfo, RunStatus)> {
    let fields = Fields::of(body)?;
    let info = RunInfo {
        id: fields.id("id")?,
        workspace: fields.id("workspace").unwrap_or(workspace),
        project: fields.id("project"),
        work_item: fields.id("issue"),
        agent_user: fields.id("agent_user"),
        creator: fields.id("creator"),
        comment: fields.id("comment"),
        source_comment: fields.id("source_comment"),
    };
    Some((info, status(fields.text("status").unwrap_or_default())))
}

fn status(text: &str) -> RunStatus {
    match text {
        "created" => RunStatus::Created,
        "in_progress" => RunStatus::InProgress,
        "awaiting" => RunStatus::Awaiting,
        "completed" => RunStatus::Completed,
        "stopping" => RunStatus::Stopping,
        "stopped" => RunStatus::Stopped,
        "failed" => RunStatus::Failed,
        "stale" => RunStatus::Stale,
        other => RunStatus::Other(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::{activity::Choice, ids::StepKey};

    const RUN: &str = "66666666-6666-4666-8666-666666666666";

    fn draft(saying: Saying) -> Draft {
        Draft { key: StepKey { run: RUN.parse().unwrap(), turn: 1, step: 2, part: 0 }, saying, detail: None }
    }

    fn every_saying() -> Vec<Saying> {
        let parameters = BTreeMap::from([("work_item".to_owned(), "MOB-2".to_owned())]);
        let options = vec![Choice { id: "a".to_owned(), label: "Approve".to_owned() }];
        let body = "text".to_owned();
        vec![
            Saying::Thought { body: body.clone() },
            Saying::Action { name: "read_work_item".to_owned(), parameters },
            Saying::Response { body: body.clone() },
            Saying::Elicitation { body: body.clone(), ask: Ask::Freely },
            Saying::Elicitation { body: body.clone(), ask: Ask::Select { options, several: true } },
            Saying::Elicitation { body: body.clone(), ask: Ask::SignIn { url: "https://example.com/".to_owned() } },
            Saying::Error { body, code: "MODEL_UNREACHABLE".to_owned(), retryable: true },
        ]
    }

    #[test]
    fn every_activity_names_its_type_twice_and_carries_its_key() {
        for saying in every_saying() {
            let body = create_body(&draft(saying), None, None);
            assert_eq!(body["type"], body["content"]["type"], "{body}");
            assert_eq!(body["content_metadata"]["aileron"]["step"], format!("{RUN}/1/2/0"));
            assert!(body.get("ephemeral").is_none());
            assert!(body.get("project").is_none());
            assert!(body["signal"].is_string());
        }
    }

    #[test]
    fn signals_carry_what_the_person_needs_to_reply() {
        let bodies: Vec<Value> =
            every_saying().into_iter().map(|saying| create_body(&draft(saying), None, None)).collect();
        let signals: Vec<&str> = bodies.iter().map(|body| body["signal"].as_str().unwrap()).collect();
        assert_eq!(signals, ["continue", "continue", "continue", "continue", "select", "auth_request", "continue"]);
        let select = json!({"options": [{"id": "a", "label": "Approve"}], "allow_multiple": true});
        assert_eq!(bodies[4]["signal_metadata"], select);
        assert_eq!(bodies[5]["signal_metadata"], json!({"url": "https://example.com/"}));
        assert_eq!(bodies[6]["signal_metadata"], json!({"error_code": "MODEL_UNREACHABLE", "retryable": true}));
        assert!(bodies[2].get("signal_metadata").is_none());
    }

    #[test]
    fn nothing_in_a_body_loads_by_itself() {
        for saying in every_saying() {
            let spoiled = match saying {
                Saying::Response { .. } => Saying::Response { body: "![x](https://e.test/)".to_owned() },
                Saying::Elicitation { ask, .. } => {
                    Saying::Elicitation { body: "![x](https://e.test/)".to_owned(), ask }
                }
                Saying::Error { code, retryable, .. } => {
                    Saying::Error { body: "![x](https://e.test/)".to_owned(), code, retryable }
                }
                Saying::Thought { .. } | Saying::Action { .. } => continue,
            };
            assert_eq!(create_body(&draft(spoiled), None, None)["content"]["body"], "[x](https://e.test/) (e.test)");
        }
    }

    #[test]
    fn an_action_has_a_name_and_parameters_and_no_body() {
        let body = create_body(&draft(every_saying().remove(1)), None, None);
        assert_eq!(
            body["content"],
            json!({"type": "action", "action": "read_work_item", "parameters": {"work_item": "MOB-2"}})
        );
    }

    #[test]
    fn detail_travels_beside_the_key_and_cannot_replace_it() {
        let mut draft = draft(Saying::Thought { body: String::new() });
        draft.detail = Some(json!({"items": 3, "aileron": {"step": "forged"}}));
        let body = create_body(&draft, Some("aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa".parse().unwrap()), None);
        assert_eq!(body["content_metadata"], json!({"items": 3, "aileron": {"step": format!("{RUN}/1/2/0")}}));
        assert_eq!(body["project"], "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa");
        draft.detail = Some(json!([1, 2]));
        assert_eq!(create_body(&draft, None, None)["content_metadata"]["detail"], json!([1, 2]));
    }

    #[test]
    fn what_we_post_is_found_again_by_its_key() {
        let draft = draft(Saying::Thought { body: "reading".to_owned() });
        let mut stored = create_body(&draft, None, None);
        stored["id"] = "55555555-5555-4555-8555-555555555555".into();
        let found = run_activity(&stored).unwrap();
        assert_eq!(found.step, Some(draft.key.to_string()));
        assert_eq!(found.kind, RunActivityKind::Other);
        stored["type"] = "elicitation".into();
        assert_eq!(run_activity(&stored).unwrap().kind, RunActivityKind::Ending);
    }

    #[test]
    fn a_run_is_read_with_little_more_than_its_id() {
        let workspace: WorkspaceId = "22222222-2222-4222-8222-222222222222".parse().unwrap();
        let (info, status) =
            run(&json!({"id": RUN, "status": "queued", "issue": null, "project": {}}), workspace).unwrap();
        assert_eq!((info.workspace, info.work_item, info.project), (workspace, None, None));
        assert_eq!(status, RunStatus::Other("queued".to_owned()));
    }
}
