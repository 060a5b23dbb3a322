//! The stand-in Plane against the contract: shapes as recorded from a real server, and the rules of
//! runs, webhooks, tokens and limits.

#![cfg(test)]

use std::{
    collections::{BTreeSet, VecDeque},
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use aileron::{
    domain::ids::RunId,
    sandbox::{Breakage, Delivery, Edition, Fault, Mention, Sandbox, SandboxOptions, Seed, Shape, Status, Which},
};
use axum::{Router, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(10);

/// A client that behaves, with the sandbox it talks to.
struct Desk {
    sandbox: Sandbox,
    http: reqwest::Client,
    seed: Seed,
}

impl Desk {
    async fn open() -> Self {
        Self::open_with(SandboxOptions { rate_limit_per_minute: None, ..SandboxOptions::default() }).await
    }

    async fn open_with(options: SandboxOptions) -> Self {
        let sandbox = Sandbox::start(options).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let seed = sandbox.workspace(0);
        Self { sandbox, http, seed }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1/workspaces/{}/{path}", self.sandbox.base_url(), self.seed.slug)
    }

    fn project(&self, path: &str) -> String {
        self.url(&format!("projects/{}/{path}", self.seed.project))
    }

    fn item(&self, key: &str, path: &str) -> String {
        self.project(&format!("work-items/{}/{path}", self.seed.work_items[key]))
    }

    async fn get(&self, url: &str) -> (u16, Value) {
        let answer = self.http.get(url).header("x-api-key", &self.seed.api_key).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn post(&self, url: &str, body: Value) -> (u16, Value) {
        let request = self.http.post(url).header("x-api-key", &self.seed.api_key).json(&body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn begin(&self) -> RunId {
        self.sandbox.mention(Mention::new("MOB-3", "@aileron triage this")).await.run
    }

    async fn say(&self, run: RunId, kind: &str, body: &str) -> (u16, Value) {
        let activity = json!({"type": kind, "content": {"type": kind, "body": body}});
        self.post(&self.url(&format!("runs/{run}/activities/")), activity).await
    }

    fn status(&self, run: RunId) -> Status {
        self.sandbox.run(run).status
    }
}

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sandbox").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Status and body of a recorded answer.
fn recorded(name: &str) -> (u16, Value) {
    let mut response = fixture(name)["response"].take();
    (u16::try_from(response["status"].as_u64().unwrap()).unwrap(), response["body"].take())
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().map(String::as_str).collect()
}

/// The object inside whatever envelope.
fn first(body: &Value) -> &Value {
    let list = body.get("results").or_else(|| body.get("issues")).unwrap_or(body);
    list.get(0).unwrap_or(list)
}

#[tokio::test]
async fn answers_have_the_keys_of_a_real_server() {
    let desk = Desk::open().await;
    drop(desk.sandbox.report(0, "luis", "Guest reports a bug", "<p></p>"));
    let page = "?per_page=50";
    for (name, url) in [
        ("users-me.json", format!("{}/api/v1/users/me/", desk.sandbox.base_url())),
        ("projects-list.json", desk.url(&format!("projects/{page}"))),
        ("states-list.json", desk.project(&format!("states/{page}"))),
        ("labels-list.json", desk.project(&format!("labels/{page}"))),
        ("work-item-retrieve.json", desk.item("MOB-3", "")),
        ("work-item-retrieve.json", desk.url("work-items/MOB-3/")),
        ("work-item-retrieve.json", desk.project(&format!("work-items/{page}"))),
        ("cycles-list.json", desk.project(&format!("cycles/{page}"))),
        ("modules-list.json", desk.project(&format!("modules/{page}"))),
        ("work-items-search.json", desk.url("work-items/search/?search=cart")),
        ("comments-list.json", desk.item("MOB-3", &format!("comments/{page}"))),
        ("activities-list.json", desk.item("MOB-3", &format!("activities/{page}"))),
        ("links-list.json", desk.item("MOB-1", &format!("links/{page}"))),
        ("relations-list.json", desk.item("MOB-9", "relations/")),
        ("intake-list.json", desk.project(&format!("intake-issues/{page}"))),
    ] {
        let recorded = &fixture(name)["response"];
        let (status, body) = desk.get(&url).await;
        assert_eq!(status, 200, "{url}: {body}");
        assert_eq!(keys(first(&body)), keys(first(&recorded["body"])), "{name}");
        if recorded["body"].get("results").is_some() && name != "work-item-retrieve.json" {
            assert_eq!(keys(&body), keys(&recorded["body"]), "{name}");
        }
    }
    // Community Edition, where this was recorded, tells no roles.
    let recorded = fixture("project-members.json");
    let mut told = keys(first(&recorded["response"]["body"]));
    told.extend(["role", "is_bot"]);
    let (_, members) = desk.get(&desk.project("project-members/")).await;
    assert_eq!(keys(first(&members)), told);
    assert_eq!(desk.sandbox.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn refusals_are_worded_as_on_a_real_server() {
    let desk = Desk::open().await;
    let me = format!("{}/api/v1/users/me/", desk.sandbox.base_url());
    let key = desk.seed.api_key.clone();
    let foreign = desk.url("projects/00000000-0000-4000-8000-000000000000/work-items/?per_page=5");
    let paged = desk.project("work-items/?per_page=5&cursor=5:-1:0");
    let unknown = format!("{}/api/v1/nope/", desk.sandbox.base_url());
    for (name, request) in [
        ("users-me-missing-token.json", desk.http.get(&me)),
        ("users-me-bad-token.json", desk.http.get(&me).header("x-api-key", "plane_api_wrong")),
        ("users-me-method-not-allowed.json", desk.http.post(&me).header("x-api-key", &key).json(&json!({}))),
        ("unknown-api-path-404.json", desk.http.get(&unknown).header("x-api-key", &key)),
        ("work-item-create-as-outsider-403.json", desk.http.get(&foreign).header("x-api-key", &key)),
        ("work-items-list-cursor-negative.json", desk.http.get(&paged).header("x-api-key", &key)),
    ] {
        let recorded = &fixture(name)["response"];
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), u16::try_from(recorded["status"].as_u64().unwrap()).unwrap(), "{name}");
        assert_eq!(answer.json::<Value>().await.unwrap(), recorded["body"], "{name}");
    }
}

#[tokio::test]
async fn odd_paths_get_the_odd_answers_of_a_real_server() {
    let desk = Desk::open().await;
    for (url, status) in [
        (desk.url("work-items/mob-3/"), 403),
        (desk.url("work-items/ZZZ-3/"), 403),
        (desk.url("work-items/MOB-9999/"), 404),
        (desk.url("work-items/MOB-abc/"), 500),
        (desk.project("work-items/123/"), 404),
        (desk.project("work-items/00000000-0000-4000-8000-000000000000/"), 404),
        (desk.url("work-items/search/?search=a&limit=x"), 500),
        (desk.project("work-items/?per_page=5&order_by=nonsense"), 500),
        (desk.url("work-items/MOB-3"), 301),
    ] {
        assert_eq!(desk.get(&url).await.0, status, "{url}");
    }
    let (_, expanded) = desk.get(&desk.item("MOB-3", "?expand=parent,state,labels,created_by,updated_by")).await;
    assert_eq!(expanded["parent"], json!({}), "an empty reference expands to an empty object");
    assert_eq!(expanded["state"]["name"], "Backlog");
    let (_, hits) = desk.get(&desk.url("work-items/search/?search=Deutsch")).await;
    assert_eq!(hits, json!({"issues": []}), "descriptions are not searched");
    let (_, hits) = desk.get(&desk.url("work-items/search/?search=MOB-5")).await;
    assert_eq!(hits["issues"][0]["sequence_id"], 5);
}

#[tokio::test]
async fn a_client_that_strays_is_told_on() {
    let desk = Desk::open().await;
    let run = desk.begin().await;
    desk.get(&desk.url("work-items/MOB-3")).await;
    desk.get(&desk.project("states/")).await;
    desk.get(&desk.project("states/?per_page=500")).await;
    desk.get(&desk.project("work-items/?per_page=5&priority=high&expand=nonsense&fields=id,titel")).await;
    let parameters = json!({"n": 1});
    let action = json!({"type": "action", "content": {"type": "action", "action": "a", "parameters": parameters}});
    let (status, errors) = desk.post(&desk.url(&format!("runs/{run}/activities/")), action).await;
    assert_eq!((status, keys(&errors)), (400, BTreeSet::from(["content"])));
    let violations = desk.sandbox.violations().join("\n");
    for told in [
        "no trailing slash",
        "how large a page",
        "outside 1..=100",
        "query key priority",
        "expand nonsense",
        "no field titel",
        "must map strings to strings",
    ] {
        assert!(violations.contains(told), "{told}: {violations}");
    }
}

#[tokio::test]
async fn a_run_moves_as_its_activities_say() {
    let desk = Desk::open().await;
    let run = desk.begin().await;
    assert_eq!(desk.status(run), Status::Created);
    let (_, thought) = desk.say(run, "thought", "Reading").await;
    assert_eq!((thought["ephemeral"].as_bool(), &thought["comment"]), (Some(true), &Value::Null));
    assert_eq!(desk.status(run), Status::InProgress);
    desk.say(run, "elicitation", "Which state?").await;
    assert_eq!(desk.status(run), Status::Awaiting);
    desk.sandbox.reply(run, "maya", "Todo").await;
    assert_eq!(desk.status(run), Status::InProgress);
    let (status, response) = desk.say(run, "response", "**Done**").await;
    assert_eq!((status, response["ephemeral"].as_bool()), (201, Some(false)));
    assert_eq!(desk.status(run), Status::Completed);
    let comments = desk.sandbox.comments(0, "MOB-3");
    assert_eq!(comments.last().unwrap().html, "<p><strong>Done</strong></p>\n");
    assert_eq!(comments.last().unwrap().author, "aileron");
    desk.sandbox.reply(run, "maya", "again").await;
    desk.say(run, "error", "It broke").await;
    assert_eq!(desk.status(run), Status::Failed);
    assert_eq!(desk.sandbox.violations(), Vec::<String>::new());
    let text = desk.sandbox.run(run).to_text();
    assert!(text.starts_with("run on MOB-3: failed\n[maya] prompt\n"), "{text}");
    assert!(text.ends_with("[aileron] error\n    It broke\n"), "{text}");
}

#[tokio::test]
async fn a_stopped_run_takes_one_response_and_nothing_more() {
    let desk = Desk::open().await;
    let run = desk.begin().await;
    desk.sandbox.stop(run, "maya").await;
    assert_eq!(desk.status(run), Status::Stopping);
    desk.say(run, "response", "Stopped.").await;
    assert_eq!(desk.status(run), Status::Stopped);
    assert_eq!(desk.say(run, "thought", "one more").await.0, 400);
    assert!(desk.sandbox.violations()[0].contains("after the run was stopped"));
    desk.sandbox.reply(run, "maya", "go on").await;
    assert_eq!(desk.status(run), Status::InProgress);
}

#[tokio::test]
async fn a_repeated_step_and_a_second_answer_are_told_on() {
    let desk = Desk::open().await;
    let run = desk.begin().await;
    let thought = json!({"type": "thought", "content": {"type": "thought", "body": "x"},
                         "content_metadata": {"aileron": {"step": "s1"}}});
    for _ in 0..2 {
        desk.post(&desk.url(&format!("runs/{run}/activities/")), thought.clone()).await;
    }
    desk.say(run, "response", "one").await;
    desk.say(run, "response", "two").await;
    let violations = desk.sandbox.violations();
    assert!(violations[0].ends_with("posted step s1 twice"), "{violations:?}");
    assert!(violations[1].ends_with("after every prompt had been answered"), "{violations:?}");
    assert_eq!(violations.len(), 2);
}

#[tokio::test]
async fn a_run_nobody_touches_grows_stale_and_wakes_again() {
    let options = SandboxOptions { stale_after: Duration::from_millis(100), ..SandboxOptions::default() };
    let desk = Desk::open_with(options).await;
    let run = desk.begin().await;
    desk.sandbox.until(run, |run| run.status == Status::Stale, LIMIT).await.unwrap();
    let (_, activities) = desk.get(&desk.url(&format!("runs/{run}/activities/?per_page=100"))).await;
    assert_eq!(activities["results"][0]["type"], "prompt");
    desk.say(run, "response", "Here").await;
    assert_eq!(desk.status(run), Status::Completed);
}

#[tokio::test]
async fn waiting_ends_with_the_picture_when_the_time_is_over() {
    let desk = Desk::open().await;
    let run = desk.begin().await;
    let late = desk.sandbox.until(run, |run| run.terminal_count() == 1, Duration::from_millis(20)).await;
    assert_eq!(late.unwrap_err().status, Status::Created);
}

#[tokio::test]
async fn the_minute_is_a_sliding_window_with_the_real_headers() {
    let desk = Desk::open_with(SandboxOptions { rate_limit_per_minute: Some(3), ..SandboxOptions::default() }).await;
    let me = format!("{}/api/v1/users/me/", desk.sandbox.base_url());
    let ask = || desk.http.get(&me).header("x-api-key", &desk.seed.api_key).send();
    for left in ["2", "1", "0"] {
        let answer = ask().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["x-ratelimit-remaining"]),
            (200, &left.parse().unwrap())
        );
        assert!(answer.headers().contains_key("x-ratelimit-reset"));
    }
    let limited = ask().await.unwrap();
    assert_eq!(limited.status(), 429);
    let wait: u64 = limited.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait));
    assert!(!limited.headers().contains_key("x-ratelimit-remaining"));
    assert_eq!(limited.json::<Value>().await.unwrap(), fixture("rate-limit-request-61.json")["response"]["body"]);
    let wrong = desk.http.get(&me).header("x-api-key", "wrong").send().await.unwrap();
    assert_eq!(wrong.status(), 403, "a refused credential is not counted");
}

#[tokio::test]
async fn a_bot_token_comes_by_the_installation_and_goes_with_it() {
    let desk = Desk::open_with(SandboxOptions { workspaces: 2, ..SandboxOptions::default() }).await;
    let (sandbox, base) = (&desk.sandbox, desk.sandbox.base_url());
    let installation_id = sandbox.workspace(1).installation.to_string();
    let exchange = |secret: &'static str| {
        let form = [
            ("grant_type", "client_credentials"),
            ("app_installation_id", installation_id.as_str()),
            ("scope", "agents.runs:read agents.runs:write"),
        ];
        let secret = if secret.is_empty() { sandbox.client_secret() } else { secret };
        let request = desk.http.post(format!("{base}/auth/o/token/")).basic_auth(sandbox.client_id(), Some(secret));
        request.form(&form).send()
    };
    assert_eq!(exchange("wrong").await.unwrap().status(), 401);
    let granted: Value = exchange("").await.unwrap().json().await.unwrap();
    let token = granted["access_token"].as_str().unwrap().to_owned();
    assert_eq!(granted["expires_in"], 86_400);
    let installation = format!("{base}/auth/o/app-installation/?id={installation_id}");
    let look = || desk.http.get(&installation).bearer_auth(&token).send();
    let found: Value = look().await.unwrap().json().await.unwrap();
    assert_eq!(found[0]["workspace_detail"]["slug"], "globex");
    let acme = desk.http.get(desk.url("work-items/MOB-3/")).bearer_auth(&token).send().await.unwrap();
    assert_eq!(acme.status(), 403, "the token is good in its own workspace only");
    sandbox.expire_tokens(1);
    assert_eq!(look().await.unwrap().status(), 401);
    assert_eq!(exchange("").await.unwrap().status(), 200);
    sandbox.revoke_installation(1);
    let gone: Value = exchange("").await.unwrap().json().await.unwrap();
    assert_eq!(gone["error"], "invalid_grant");
}

#[tokio::test]
async fn consent_leads_back_with_the_installation_and_the_state() {
    let options = SandboxOptions { workspaces: 2, ..SandboxOptions::default() };
    let desk = Desk::open_with(options).await;
    let (sandbox, base) = (&desk.sandbox, desk.sandbox.base_url());
    let callback = "http://127.0.0.1:1/oauth/callback";
    let consent = desk.http.get(format!("{base}/auth/o/authorize-app/")).query(&[
        ("client_id", sandbox.client_id()),
        ("response_type", "code"),
        ("redirect_uri", callback),
        ("scope", "agents.runs:read"),
        ("state", "s\"<1>"),
        ("approve", "globex"),
    ]);
    let answer = consent.send().await.unwrap();
    let location = url::Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    let back: std::collections::HashMap<_, _> = location.query_pairs().into_owned().collect();
    assert_eq!(back["state"], "s\"<1>");
    assert_eq!(back["app_installation_id"], sandbox.workspace(1).installation.to_string());
}

#[tokio::test]
async fn requests_break_as_planned() {
    let desk = Desk::open().await;
    let run = desk.begin().await;
    let posts = |times, what| Fault::new("POST", "/activities/", times, what);
    let thought = json!({"type": "thought", "content": {"type": "thought", "body": "x"}});
    let url = desk.url(&format!("runs/{run}/activities/"));
    let send = || desk.http.post(&url).header("x-api-key", &desk.seed.api_key).json(&thought).send();
    let thoughts = || desk.sandbox.run(run).thoughts().len();

    desk.sandbox
        .inject(posts(1, Breakage::Status { code: 503, retry_after: Some(7), body: "<h1>Busy</h1>".to_owned() }));
    let busy = send().await.unwrap();
    assert_eq!((busy.status().as_u16(), &busy.headers()["retry-after"]), (503, &"7".parse().unwrap()));
    desk.sandbox.inject(posts(1, Breakage::ResetBeforeEffect));
    assert!(send().await.is_err());
    assert_eq!(thoughts(), 0);
    desk.sandbox.inject(posts(1, Breakage::ResetAfterEffect));
    assert!(send().await.is_err());
    assert_eq!(thoughts(), 1);
    desk.sandbox.inject(posts(1, Breakage::Malformed));
    let broken = send().await.unwrap();
    assert_eq!(broken.status(), 201);
    assert!(broken.json::<Value>().await.is_err());
    desk.sandbox.inject(posts(1, Breakage::Delay(Duration::from_millis(80))));
    let before = Instant::now();
    assert_eq!(send().await.unwrap().status(), 201);
    assert!(before.elapsed() >= Duration::from_millis(80));
    assert_eq!(send().await.unwrap().status(), 201, "the faults are used up");
    let statuses: Vec<u16> = desk.sandbox.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [503, 0, 0, 201, 201, 201]);
}

#[tokio::test]
async fn a_comment_is_repeatable_by_its_external_id() {
    let desk = Desk::open().await;
    let url = desk.item("MOB-7", "comments/");
    let comment = json!({"comment_html": "<p onclick=x>hi</p>", "external_source": "aileron", "external_id": "1"});
    let (status, created) = desk.post(&url, comment.clone()).await;
    assert_eq!(status, 201);
    assert_eq!(keys(&created), keys(&fixture("comment-create.json")["response"]["body"]));
    assert_eq!(created["comment_html"], "<p onclick=x>hi</p>", "comments are stored as they come");
    let (status, taken) = desk.post(&url, comment).await;
    assert_eq!((status, &taken["id"]), (409, &created["id"]));
    assert_eq!(desk.sandbox.comments(0, "MOB-7").len(), 1);
}

/// A webhook target that records what arrives and answers with the statuses it was given.
#[derive(Clone, Default)]
struct Target {
    received: Arc<Mutex<Vec<(HeaderMap, String)>>>,
    answers: Arc<Mutex<VecDeque<u16>>>,
}

impl Target {
    async fn start(&self) -> (String, tokio::task::JoinSet<()>) {
        async fn receive(State(target): State<Target>, headers: HeaderMap, body: String) -> StatusCode {
            target.received.lock().unwrap().push((headers, body));
            let status = target.answers.lock().unwrap().pop_front().unwrap_or(200);
            StatusCode::from_u16(status).unwrap()
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhook", listener.local_addr().unwrap());
        let app = Router::new().route("/webhook", post(receive)).with_state(self.clone());
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
        (url, tasks)
    }

    fn take(&self) -> Vec<(HeaderMap, String)> {
        std::mem::take(&mut self.received.lock().unwrap())
    }
}

#[tokio::test]
async fn webhooks_are_signed_over_their_bytes_and_new_with_every_attempt() {
    let desk = Desk::open().await;
    let target = Target::default();
    let (url, _tasks) = target.start().await;
    desk.sandbox.deliver_to(&url);
    target.answers.lock().unwrap().extend([200, 503, 200]);
    let events = vec![Which::Prompt, Which::Created, Which::Prompt];
    let delivery = Delivery { shape: Shape::Wrapped, events };
    let said = desk.sandbox.mention(Mention { delivery, ..Mention::new("MOB-3", "@aileron café 🚀") }).await;
    assert_eq!(said.statuses, [200, 503, 200]);
    let received = target.take();
    let mut deliveries = BTreeSet::new();
    for (headers, body) in &received {
        assert!(body.is_ascii(), "{body}");
        assert_eq!(headers["x-plane-signature"], desk.sandbox.sign(body.as_bytes()).as_str());
        assert_eq!(headers["user-agent"], "Autopilot");
        let parsed: Value = serde_json::from_str(body).unwrap();
        assert_eq!(headers["x-plane-event"], parsed["event"].as_str().unwrap());
        assert_eq!(parsed["data"]["agent_run"]["id"], said.run.to_string());
        deliveries.insert(headers["x-plane-delivery"].to_str().unwrap().to_owned());
    }
    assert!(received[0].1.contains(r"caf\u00e9 \ud83d\ude80"), "{}", received[0].1);
    let prompt: Value = serde_json::from_str(&received[0].1).unwrap();
    let activity = &prompt["data"]["agent_run_activity"];
    assert_eq!(activity["id"], said.prompt_activity.to_string());
    assert!(activity["content"]["body"].as_str().unwrap().contains("<mention-component"));
    assert_eq!(desk.sandbox.redeliver(said.run).await, [200, 200, 200]);
    let again = target.take();
    assert_eq!(
        again.iter().map(|(_, body)| body).collect::<Vec<_>>(),
        received.iter().map(|(_, body)| body).collect::<Vec<_>>()
    );
    deliveries.extend(again.iter().map(|(headers, _)| headers["x-plane-delivery"].to_str().unwrap().to_owned()));
    assert_eq!(deliveries.len(), 6);
    let stopped = desk.sandbox.stop(said.run, "bob").await;
    let stop: Value = serde_json::from_str(&target.take()[0].1).unwrap();
    assert_eq!(stop["data"]["agent_run_activity"]["signal"], "stop");
    assert_eq!(stop["data"]["agent_run"]["status"], "stopping");
    assert_eq!(stopped.comment, None);
}

#[tokio::test]
async fn a_flat_event_is_the_inner_object_alone() {
    let desk = Desk::open().await;
    let target = Target::default();
    let (url, _tasks) = target.start().await;
    desk.sandbox.deliver_to(&url);
    let delivery = Delivery { shape: Shape::Flat, events: vec![Which::Created] };
    desk.sandbox.mention(Mention { delivery, ..Mention::new("MOB-3", "triage this") }).await;
    let flat: Value = serde_json::from_str(&target.take()[0].1).unwrap();
    assert_eq!((flat["type"].as_str(), flat["action"].as_str()), (Some("agent_run"), Some("created")));
    assert!(flat.get("data").is_none() && flat["agent_run"]["status"] == "created");
    assert_eq!(desk.sandbox.deliver_raw(&[("x-test", "1")], b"{".to_vec()).await, 200);
    assert_eq!(target.take()[0].1, "{");
}

#[tokio::test]
async fn a_target_that_is_not_there_is_status_zero() {
    let desk = Desk::open().await;
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    desk.sandbox.deliver_to(&format!("http://{unused}/webhook"));
    let said = desk.sandbox.mention(Mention::new("MOB-3", "@aileron hi")).await;
    assert_eq!(said.statuses, [0, 0]);
}

#[tokio::test]
async fn the_page_answers_no_other_site() {
    let desk = Desk::open().await;
    let base = desk.sandbox.base_url();
    let page = desk.http.get(format!("{base}/")).send().await.unwrap();
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    let comments = format!("{base}/demo/comments");
    let new = json!({"work_item": "MOB-3", "text": "@aileron <script>x</script>"});
    let foreign = desk.http.post(&comments).header("origin", "https://evil.test").json(&new).send().await.unwrap();
    assert_eq!(foreign.status(), 403);
    let rebound = desk.http.get(format!("{base}/demo/state")).header("host", "evil.test").send().await.unwrap();
    assert_eq!(rebound.status(), 403);
}

#[tokio::test]
async fn what_is_written_on_the_page_starts_a_run_and_stop_stops_it() {
    let desk = Desk::open().await;
    let base = desk.sandbox.base_url();
    let comments = format!("{base}/demo/comments");
    let new = json!({"work_item": "MOB-3", "text": "@aileron <script>x</script>"});
    let own = desk.http.post(&comments).header("origin", &base).json(&new).send().await.unwrap();
    assert_eq!(own.status(), 201);
    let run: RunId = own.json::<Value>().await.unwrap()["run"].as_str().unwrap().parse().unwrap();
    let stopped = desk.http.post(format!("{base}/demo/runs/{run}/stop")).send().await.unwrap();
    assert_eq!(stopped.status(), 201);
    assert_eq!(desk.status(run), Status::Stopping);
    let state: Value = desk.http.get(format!("{base}/demo/state")).send().await.unwrap().json().await.unwrap();
    let html = state["runs"][0]["activities"][0]["html"].as_str().unwrap();
    assert!(html.contains("@aileron</span> &lt;script&gt;"), "{html}");
    let bad = desk.http.post(&comments).json(&json!({"work_item": "MOB-99", "text": "x"})).send().await.unwrap();
    assert_eq!(bad.status(), 404);
}

#[tokio::test]
async fn the_page_hears_of_changes_until_the_sandbox_stops() {
    let desk = Desk::open().await;
    let mut events = desk.http.get(format!("{}/demo/events", desk.sandbox.base_url())).send().await.unwrap();
    assert!(events.chunk().await.unwrap().unwrap().starts_with(b"data: {"));
    desk.sandbox.set_banner("a new banner");
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains("a new banner") {
        heard.extend(events.chunk().await.unwrap().unwrap());
    }
    let before = Instant::now();
    desk.sandbox.shutdown().await;
    while events.chunk().await.unwrap().is_some() {}
    assert!(before.elapsed() < Duration::from_secs(4), "an open stream must not hold up the end");
}

#[tokio::test]
async fn the_community_edition_does_not_know_what_only_the_others_have() {
    let options =
        SandboxOptions { rate_limit_per_minute: None, edition: Edition::Community, ..SandboxOptions::default() };
    let community = Desk::open_with(options).await;
    let commercial = Desk::open().await;
    for (path, there) in [("relations/remove/", 404), ("archive/", 400)] {
        let (status, body) = community.post(&community.item("MOB-3", path), json!({})).await;
        assert_eq!((status, &body), (404, &json!({"error": "Page not found."})), "{path}");
        assert_eq!(commercial.post(&commercial.item("MOB-3", path), json!({})).await.0, there, "{path}");
    }
}

#[tokio::test]
async fn links_and_relations_are_refused_in_the_words_of_a_real_server() {
    let desk = Desk::open().await;
    let links = desk.item("MOB-3", "links/");
    for (file, body) in [
        ("link-create-duplicate-url.json", json!({"url": "https://ci.example/7", "title": "again"})),
        ("link-create-invalid-url.json", json!({"url": "not a url"})),
        ("link-create-ftp.json", json!({"url": "ftp://ci.example/7"})),
        ("link-create-javascript.json", json!({"url": "javascript:alert(1)"})),
        ("link-create-missing-url.json", json!({"title": "x"})),
    ] {
        desk.post(&links, json!({"url": "https://ci.example/7"})).await;
        assert_eq!(desk.post(&links, body).await, recorded(file), "{file}");
    }
    let relations = desk.item("MOB-3", "relations/");
    let other = desk.seed.work_items["MOB-10"];
    for (file, body) in [
        ("relation-create-invalid-type.json", json!({"relation_type": "implements", "issues": [other]})),
        ("relation-create-unknown-issue.json", json!({"relation_type": "blocked_by", "issues": [uuid::Uuid::nil()]})),
        ("relation-create-empty-issues.json", json!({"relation_type": "blocked_by", "issues": []})),
    ] {
        assert_eq!(desk.post(&relations, body).await, recorded(file), "{file}");
    }
    let (status, body) = desk.post(&relations, json!({"relation_type": "blocking", "issues": [other]})).await;
    assert_eq!((status, body[0]["relation_type"].as_str()), (201, Some("blocked_by")));
    let second = desk.post(&relations, json!({"relation_type": "duplicate", "issues": [other]})).await;
    assert_eq!(second, recorded("relation-create-same-pair-other-type-ignored.json"));
}
