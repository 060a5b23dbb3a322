//! What arrives at `/webhook`: every order and shape is answered once, everything else is harmless.

use std::time::Duration;

use aileron::sandbox::{Breakage, Delivery, Mention, Shape, Status, Which};
use serde_json::json;

use crate::support::{
    app::{Channel, TestApp, WEBHOOK_SECRET, on_both_channels},
    http,
    model::{Gate, Piece, Turn},
    picture::assert_answered,
};

on_both_channels! {
    the_same_event_delivered_many_times_at_once_is_answered_once,
    many_mentions_at_once_are_each_answered_with_their_own_words,
    an_event_that_comes_again_after_the_end_changes_nothing,
    a_prompt_while_the_last_word_is_on_its_way_gets_its_own_answer,
}

#[tokio::test]
async fn both_shapes_and_every_order_of_the_two_events_are_answered_once() {
    use Which::{Created, Prompt};
    let deliveries = [
        (Shape::Wrapped, vec![Created, Prompt]),
        (Shape::Wrapped, vec![Prompt, Created]),
        (Shape::Wrapped, vec![Created]),
        (Shape::Wrapped, vec![Prompt]),
        (Shape::Wrapped, vec![Prompt, Prompt, Created, Created, Prompt]),
        (Shape::Flat, vec![Created, Prompt]),
        (Shape::Flat, vec![Prompt, Created]),
        (Shape::Flat, vec![Created]),
        (Shape::Flat, vec![Prompt]),
    ];
    let app = TestApp::setup()
        .rule(|_| Some(Turn::says("Answered.")))
        .plane(|options| options.rate_limit_per_minute = None)
        .start()
        .await;
    let mut runs = Vec::new();
    for (shape, events) in &deliveries {
        let delivery = Delivery { shape: *shape, events: events.clone() };
        runs.push(app.mention_by("MOB-3", "hello", delivery).await.run);
    }
    for run in &runs {
        assert_answered(&app.ended(*run).await);
        app.plane.redeliver(*run).await;
    }
    app.fence().await;
    for (run, delivery) in runs.iter().zip(&deliveries) {
        let picture = app.plane.run(*run);
        assert_eq!(picture.terminal_count(), 1, "{delivery:?}:\n{}", picture.to_text());
    }
    assert_eq!(app.model.requests().len(), deliveries.len() + 1, "one request a mention, one for the fence");
}

async fn the_same_event_delivered_many_times_at_once_is_answered_once(channel: Channel) {
    let app = channel.start([Turn::says("Once.")]).await;
    let mentioned = app.mention("MOB-3", "hello").await;
    let deliveries = (0..12).map(|_| app.plane.redeliver(mentioned.run));
    for statuses in futures_util::future::join_all(deliveries).await {
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    }
    assert_answered(&app.ended(mentioned.run).await);
    app.fence().await;
    assert_eq!(app.plane.run(mentioned.run).terminal_count(), 1);
}

async fn many_mentions_at_once_are_each_answered_with_their_own_words(channel: Channel) {
    let app = channel
        .setup()
        .rule(|request| {
            let asked = request.texts("user").pop()?;
            let number = asked.split("echo-").nth(1)?.chars().take_while(char::is_ascii_digit).collect::<String>();
            Some(Turn::says(&format!("reply-{number}.")))
        })
        .plane(|options| options.rate_limit_per_minute = None)
        .start()
        .await;
    let texts = (10..22).map(|number| format!("echo-{number}")).collect::<Vec<_>>();
    let mentions = texts.iter().map(|text| app.mention("MOB-3", text));
    let mentioned = futures_util::future::join_all(mentions).await;
    for (mentioned, text) in mentioned.iter().zip(&texts) {
        let answer = assert_answered(&app.ended(mentioned.run).await);
        assert_eq!(answer.replace("reply", "echo").trim_end_matches('.'), text);
    }
}

#[tokio::test]
async fn a_prompt_made_to_hurt_is_answered_like_any_other() {
    let app = TestApp::setup().rule(|_| Some(Turn::says("Unhurt."))).start().await;
    let deep = format!("{}deep{}", "<div>".repeat(30_000), "</div>".repeat(30_000));
    let broken = "<p><<mention-component id=\"</p><script>alert(1)</script>&#0;&#xD800; \u{0} ``` </user> \u{202e}evil";
    for body in [deep.as_str(), broken, "", "<p></p>"] {
        let nothing = Delivery { shape: Shape::Flat, events: Vec::new() };
        let mentioned = app.mention_by("MOB-3", "as Plane has it", nothing).await;
        let seed = app.plane.workspace(0);
        let event = json!({
            "type": "agent_run_activity", "action": "prompted", "workspace_id": seed.workspace, "project_id": seed.project,
            "issue_id": seed.work_items["MOB-3"], "app_client_id": app.plane.client_id(), "agent_user_id": seed.bot,
            "agent_run": {"id": mentioned.run, "agent_user": seed.bot, "workspace": seed.workspace,
                          "project": seed.project, "issue": seed.work_items["MOB-3"], "status": "created"},
            "agent_run_activity": {"id": mentioned.prompt_activity, "agent_run": mentioned.run, "type": "prompt",
                                   "content": {"type": "prompt", "body": body}, "signal": "continue"},
        });
        assert_eq!(app.webhook("agent_run_user_prompt", &event.to_string()).await, 200);
        assert_answered(&app.ended(mentioned.run).await);
    }
}

#[tokio::test]
async fn a_created_run_whose_prompt_never_comes_is_asked_for_its_prompt() {
    let app = TestApp::start([Turn::says("I looked it up.")]).await;
    let created = Delivery { shape: Shape::Wrapped, events: vec![Which::Created] };
    let mentioned = app.mention_by("MOB-3", "did you hear me?", created).await;
    assert_eq!(assert_answered(&app.ended(mentioned.run).await), "I looked it up.");
    let said = app.model.until_request(1).await.texts("user");
    assert!(said.last().is_some_and(|text| text.contains("did you hear me?")), "{said:?}");
}

#[tokio::test]
async fn two_workspaces_are_served_at_once_and_kept_apart() {
    let app = TestApp::setup()
        .plane(|options| options.workspaces = 2)
        .script([
            Turn::says("For acme.").when("question of acme"),
            Turn::says("For globex.").when("question of globex"),
        ])
        .start()
        .await;
    let globex = app.plane.workspace(1);
    let item = globex.work_items.keys().next().expect("a work item").clone();
    let author = globex.people.iter().find(|(_, id)| **id != globex.bot).expect("a person").0.clone();
    let in_globex = Mention { workspace: 1, author, ..Mention::new(&item, "question of globex") };
    let (first, second) = tokio::join!(app.mention("MOB-3", "question of acme"), app.plane.mention(in_globex));
    assert_eq!(assert_answered(&app.ended(first.run).await), "For acme.");
    assert_eq!(assert_answered(&app.ended(second.run).await), "For globex.");

    for request in app.model.requests() {
        let of_acme = request.mentions("question of acme");
        assert!(of_acme != request.mentions("question of globex"), "{:#}", request.body["messages"]);
        assert_eq!(of_acme, request.mentions("MOB-3"), "{:#}", request.body["messages"]);
    }
}

#[tokio::test]
async fn an_unsigned_or_wrongly_signed_webhook_is_refused_and_has_no_effect() {
    let app = TestApp::start([]).await;
    let body = r#"{"event": "agent_run_user_prompt", "data": {}}"#;
    let good = http::sign(WEBHOOK_SECRET, body.as_bytes());
    let foreign = http::sign("plane_wh_another", body.as_bytes());
    let mut altered = body.to_owned();
    altered.push(' ');
    for (signature, body) in [
        (None, body),
        (Some(""), body),
        (Some("zz"), body),
        (Some(foreign.as_str()), body),
        (Some(&good[..62]), body),
        (Some(&*format!("sha256={good}")), body),
        (Some(good.as_str()), altered.as_str()),
    ] {
        let mut headers = vec![("X-Plane-Event", "agent_run_user_prompt")];
        headers.extend(signature.map(|signature| ("X-Plane-Signature", signature)));
        let status = app.plane.deliver_raw(&headers, body.into()).await;
        assert!(status == 401 || status == 403, "{signature:?} was answered with {status}");
    }
    let letters = app.command(&["letters"]).await;
    assert!(!letters.stdout.contains("agent_run_user_prompt"), "{}", letters.stdout);
}

#[tokio::test]
async fn while_a_secret_is_rotated_both_the_old_and_the_new_one_are_good() {
    let both = format!("plane_wh_the_next_one, {WEBHOOK_SECRET}");
    let app = TestApp::setup().script([Turn::says("Old secret.")]).set("PLANE_WEBHOOK_SECRET", &both).start().await;
    let mentioned = app.mention("MOB-3", "hello").await;
    assert_answered(&app.ended(mentioned.run).await);
    let body = r#"{"event": "project", "data": {}}"#;
    let signature = http::sign("plane_wh_the_next_one", body.as_bytes());
    let headers = [("X-Plane-Event", "project"), ("X-Plane-Signature", signature.as_str())];
    assert_eq!(app.plane.deliver_raw(&headers, body.into()).await, 200);
}

#[tokio::test]
async fn what_is_not_for_us_is_acknowledged_and_ignored() {
    let app = TestApp::start([]).await;
    let run = "66666666-6666-4666-8666-666666666666";
    let workspace = app.plane.workspace(0).workspace.to_string();
    let foreign = json!({
        "event": "agent_run_create", "action": "created", "workspace_id": workspace, "activity": null,
        "data": {"type": "agent_run", "action": "created", "app_client_id": "another-app", "workspace_id": workspace,
                 "agent_run": {"id": run, "workspace": workspace, "status": "created"}},
    });
    assert_eq!(app.webhook("agent_run_create", &foreign.to_string()).await, 200);
    assert_eq!(app.webhook("issue", r#"{"event": "issue", "action": "created", "data": {"id": "x"}}"#).await, 200);
    assert_eq!(app.webhook("workitem.comment.created", r#"{"version": "v2", "data": {}}"#).await, 200);
    app.fence().await;
    assert!(!app.plane.requests().iter().any(|request| request.path.contains(run)), "the foreign run was touched");
    assert!(!app.command(&["letters"]).await.stdout.contains("another-app"));
}

#[tokio::test]
async fn a_signed_event_nobody_can_read_is_kept_for_the_operator_and_logged_once() {
    let app = TestApp::start([]).await;
    let body = r#"{"event": "agent_run_create", "data": {"type": "agent_run", "agent_run": {"id": "MARK-7f3"}}}"#;
    for _ in 0..3 {
        assert_eq!(app.webhook("agent_run_create", body).await, 200);
    }
    assert_eq!(app.webhook("agent_run_create", "not even JSON: MARK-9d1").await, 200);
    let letters = app.command(&["letters"]).await;
    assert!(letters.status.success(), "{}", letters.stderr);
    for mark in ["MARK-7f3", "MARK-9d1"] {
        assert_eq!(letters.stdout.matches(mark).count(), 1, "{}", letters.stdout);
    }
    let log = app.log();
    let warnings = log.lines().filter(|line| line.contains("letter") || line.contains("cannot be read")).count();
    assert_eq!(warnings, 2, "one line for each of the two bodies:\n{log}");
    assert!(!log.contains("MARK-"), "bodies are not logged");
}

#[tokio::test]
async fn a_body_too_large_is_refused() {
    // Small enough to be on its way as a whole: a sender that is cut off while it still sends hears nothing.
    let app = TestApp::setup().set("AILERON__SERVER__MAX_BODY_KIB", "16").start().await;
    let large = "x".repeat(24 * 1024);
    assert_eq!(app.webhook("issue", &large).await, 413);
    assert_eq!(app.get("/readyz").await.status(), 200, "and the agent lives on");
}

#[tokio::test]
async fn health_readiness_and_metrics_are_told() {
    let app = TestApp::start([Turn::says("Counted.")]).await;
    let mentioned = app.mention("MOB-3", "hello").await;
    app.ended(mentioned.run).await;
    assert_eq!(app.get("/healthz").await.status(), 200);
    assert_eq!(app.get("/readyz").await.status(), 200);
    let metrics = app.get("/metrics").await;
    assert_eq!(metrics.status(), 200);
    let text = metrics.text().await.unwrap();
    assert!(text.contains("aileron_plane_requests_total{"), "{text}");
    assert_eq!(app.get("/nothing/here").await.status(), 404);
    assert_eq!(app.get("/webhook").await.status(), 405);
}

async fn an_event_that_comes_again_after_the_end_changes_nothing(channel: Channel) {
    let mut app = channel.start([Turn::says("Once.")]).await;
    let mentioned = app.mention("MOB-3", "hello").await;
    assert_answered(&app.ended(mentioned.run).await);
    app.plane.redeliver(mentioned.run).await;
    app.kill().await;
    app.serve().await;
    app.plane.redeliver(mentioned.run).await;
    app.fence().await;
    let picture = app.plane.run(mentioned.run);
    assert_eq!((assert_answered(&picture).as_str(), picture.terminal_count()), ("Once.", 1));
}

#[tokio::test]
async fn a_run_that_went_stale_meanwhile_is_answered_once() {
    let gate = Gate::new();
    let app = TestApp::setup()
        .script([Turn::says("Here at last.").after(vec![Piece::Hold(gate.clone())])])
        .plane(|options| options.stale_after = Duration::from_millis(200))
        .start()
        .await;
    let mentioned = app.mention("MOB-3", "hello").await;
    gate.reached().await;
    app.until(mentioned.run, "the run going stale", |picture| picture.status == Status::Stale).await;
    app.plane.redeliver(mentioned.run).await;
    gate.open();
    assert_eq!(assert_answered(&app.ended(mentioned.run).await), "Here at last.");
    app.fence().await;
    assert_eq!(app.plane.run(mentioned.run).terminal_count(), 1);
}

/// Between the moment the last word is settled and the moment Plane's receipt for it is noted.
async fn a_prompt_while_the_last_word_is_on_its_way_gets_its_own_answer(channel: Channel) {
    let gate = Gate::new();
    let app = channel.start([Turn::says("First.").after(vec![Piece::Hold(gate.clone())]), Turn::says("Second.")]).await;
    let mentioned = app.mention("MOB-3", "one").await;
    gate.reached().await;
    app.until(mentioned.run, "the first thought", |picture| !picture.thoughts().is_empty()).await;
    app.plane.inject(channel.at_last_word(1, Breakage::Delay(Duration::from_millis(500))));
    gate.open();
    app.ended(mentioned.run).await;
    app.reply(mentioned.run, "two").await;
    app.plane.redeliver(mentioned.run).await;
    let picture = app.ended_times(mentioned.run, 2).await;
    assert_eq!(assert_answered(&picture), "Second.");
    app.fence().await;
    assert_eq!(app.plane.run(mentioned.run).terminal_count(), 2);
}
