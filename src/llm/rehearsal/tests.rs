//! Whole turns of the rehearsal.

use std::sync::Mutex;

use serde_json::json;

use super::*;
use crate::domain::talk::ToolOffer;

const ITEM: &str = "The work item this thread belongs to:\n\n<plane-data>\n# MOB-3: App crashes while uploading avatars\n\nState: Todo (unstarted)\nPriority: none\n\n## Description\n\nThe mobile app crashes on every large picture.\n\n## Comments\n\n(none)\n</plane-data>";
const FACTS: &str = "## States\n\n- Todo (unstarted, default)\n\n## Labels\n\n- bug: Something is broken\n- docs\n- mobile\n\n## Members\n\n- @maya Maya";

struct Scene {
    messages: Vec<Message>,
    tools: Vec<&'static str>,
}

impl Scene {
    fn new(request: &str) -> Self {
        let messages = vec![
            Message::System { text: "You are an agent.".to_owned() },
            Message::User { text: ITEM.to_owned() },
            Message::User { text: format!("@maya writes:\n\n{request}") },
        ];
        let tools = vec![
            "read_work_item",
            "search_work_items",
            "list_work_items",
            "read_comments",
            "list_project_facts",
            "ask_user",
        ];
        Self { messages, tools }
    }

    async fn ask(&self) -> (Reply, Vec<Delta>) {
        let offer =
            |name: &&str| ToolOffer { name: (*name).to_owned(), description: String::new(), parameters: json!({}) };
        let request = Request { messages: self.messages.clone(), tools: self.tools.iter().map(offer).collect() };
        let deltas = Mutex::new(Vec::new());
        let reply =
            Rehearsal::new("rehearsal").complete(&request, &|delta| deltas.lock().unwrap().push(delta)).await.unwrap();
        (reply, deltas.into_inner().unwrap())
    }

    /// Answers every call of the reply from `results`, in order.
    fn answer(&mut self, reply: Reply, results: &[&str]) {
        assert_eq!(reply.message.calls.len(), results.len());
        let calls = reply.message.calls.clone();
        self.messages.push(Message::Assistant(reply.message));
        for (call, text) in calls.into_iter().zip(results) {
            self.messages.push(Message::Tool { call_id: call.id, text: (*text).to_owned() });
        }
    }
}

fn calls(reply: &Reply) -> Vec<(&str, &str)> {
    reply.message.calls.iter().map(|call| (call.name.as_str(), call.arguments.as_str())).collect()
}

#[tokio::test]
async fn triage_looks_things_up_and_answers_from_what_it_found() {
    let mut scene = Scene::new("@aileron please triage this");
    let (reply, deltas) = scene.ask().await;
    assert_eq!(calls(&reply), [("list_project_facts", "{}"), ("search_work_items", r#"{"query":"crash"}"#)]);
    assert_eq!(reply.finish, Finish::ToolCalls);
    assert!(deltas.len() > 1 && deltas.iter().all(|delta| matches!(delta, Delta::Reasoning(_))), "{deltas:?}");

    scene.answer(
        reply,
        &[FACTS, "2 work items:\n\n- MOB-3: App crashes while uploading avatars\n- MOB-9: Uploading fails"],
    );
    let (reply, deltas) = scene.ask().await;
    let text = &reply.message.text;
    assert_eq!(reply.finish, Finish::Done);
    assert!(text.contains("priority:** high") && text.contains("“crash”"), "{text}");
    assert!(text.contains("labels:** bug, mobile\n"), "{text}");
    assert!(text.contains("\n  - MOB-9: Uploading fails") && !text.contains("  - MOB-3"), "{text}");
    assert!(text.ends_with(NOTICE));
    let told: Vec<_> = deltas
        .iter()
        .filter_map(|delta| if let Delta::Text(text) = delta { Some(text.as_str()) } else { None })
        .collect();
    assert!(told.len() > 1);
    assert_eq!(told.concat(), *text);
}

#[tokio::test]
async fn a_summary_uses_the_item_and_its_comments() {
    let mut scene = Scene::new("summarise this for me");
    let (reply, _) = scene.ask().await;
    assert_eq!(calls(&reply), [("read_comments", "{}")]);
    scene.answer(reply, &["1 of 1 comments, oldest first:\n\n**@ravi**, 2026-10-01:\nHappens on Android too."]);
    let text = scene.ask().await.0.message.text;
    assert!(text.contains("large picture") && text.contains("@ravi: Happens on Android too."), "{text}");
}

#[tokio::test]
async fn a_plan_puts_the_urgent_first_and_leaves_out_what_is_done() {
    let mut scene = Scene::new("plan the week");
    let (reply, _) = scene.ask().await;
    assert_eq!(calls(&reply), [("list_work_items", "{}")]);
    scene.answer(
        reply,
        &["- MOB-1: A (Todo, priority low)\n- MOB-2: B (Done, priority urgent)\n- MOB-4: C (Todo, priority high)"],
    );
    let text = scene.ask().await.0.message.text;
    assert!(text.contains("1. MOB-4: C") && text.contains("2. MOB-1: A") && !text.contains("MOB-2"), "{text}");
}

#[tokio::test]
async fn a_question_is_asked_and_its_reply_is_used() {
    let mut scene = Scene::new("ask me what to do");
    let (reply, _) = scene.ask().await;
    assert_eq!(reply.message.calls[0].name, "ask_user");
    scene.answer(reply, &["Summarise it"]);
    let (reply, _) = scene.ask().await;
    assert_eq!(calls(&reply), [("read_comments", "{}")]);
    scene.answer(reply, &["There are no comments."]);
    let text = scene.ask().await.0.message.text;
    assert!(text.contains("You chose “Summarise it”") && text.contains("Summary of MOB-3"), "{text}");
}

#[tokio::test]
async fn a_new_turn_looks_things_up_anew_under_new_ids() {
    let mut scene = Scene::new("hello");
    let (first, _) = scene.ask().await;
    assert_eq!(calls(&first), [("read_work_item", "{}")]);
    scene.answer(first.clone(), &["# MOB-3: …"]);
    let (answer, _) = scene.ask().await;
    scene.messages.push(Message::Assistant(answer.message));
    scene.messages.push(Message::User { text: "hello again".to_owned() });
    let (second, _) = scene.ask().await;
    assert_eq!(calls(&second), [("read_work_item", "{}")]);
    assert_ne!(first.message.calls[0].id, second.message.calls[0].id);
}

#[tokio::test]
async fn without_tools_there_is_an_answer_all_the_same() {
    for request in ["triage", "summary", "plan", "which one?", "hi", ""] {
        let mut scene = Scene::new(request);
        scene.tools.clear();
        let (reply, _) = scene.ask().await;
        assert!(reply.message.calls.is_empty() && reply.message.text.ends_with(NOTICE), "{request}");
    }
}

#[tokio::test]
async fn an_empty_conversation_is_answered() {
    let scene = Scene { messages: Vec::new(), tools: vec!["search_work_items"] };
    assert!(!scene.ask().await.0.message.text.is_empty());
}

#[tokio::test]
async fn the_same_conversation_gets_the_same_reply() {
    let scene = Scene::new("triage");
    assert_eq!(scene.ask().await, scene.ask().await);
}
