//! The agent in this process, from webhook to worker, on a real store and against the stand-in Plane,
//! played through a scenario. It can be killed at any call and started again on the same directory.

use std::{
    fmt::Write as _,
    future::pending,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aileron::{
    agent::{
        Agent, Limits, bots::BotTalk, guidance::Guidance, models::Models, policy::switch::WriteSwitch,
        prompts::library::Library, reception::Reception,
    },
    config::{
        ChannelConfig, CommentsConfig, FixedTokenConfig, FixedTokenKind, PlaneConfig, Progress, WritePolicy,
        WritesConfig,
    },
    domain::{
        ids::RunId,
        role::Role,
        talk::{AssistantMessage, Finish, ToolCall},
    },
    llm::{
        LlmError, Model, OnDelta, Reply, Request,
        card::ModelCard,
        retry::{RetryPolicy, Retrying},
        tokens::TokenMeter,
    },
    plane::{
        PlaneApi,
        client::{PlaneClient, http_client},
        credentials::Credentials,
        facts::Facts,
    },
    sandbox::{ActivityKind, Delivery, Edition, Mention, RunPicture, Sandbox, SandboxOptions, Which},
    server::{self, Parts},
    store::{
        Retention, RunState, Store, StoreError,
        sled::{Opened, SledStore},
    },
    worker::Worker,
};
use async_trait::async_trait;
use axum::{Router, body::Body};
use jiff::SignedDuration;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use super::{
    app::{AUTHOR, Channel},
    faulty::{Faulty, Plan, Seams, Vitals},
};

/// How long one life may take to get anywhere.
const PATIENCE: Duration = Duration::from_secs(60);

/// Nothing is old enough to be forgotten.
const KEEP_ALL: Retention =
    Retention { keep_runs: SignedDuration::MAX, max_runs: u64::MAX, keep_keys: SignedDuration::MAX };

/// What happens to the agent from outside, and how its model thinks.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) think: fn(&Request) -> Thinks,
    pub(crate) acts: &'static [Act],
    /// How many turns end.
    pub(crate) ends: usize,
    /// How the last one does: the kind of its last activity, and the run's status.
    pub(crate) end: (&'static str, &'static str),
    pub(crate) max_steps: u32,
    /// Tokens the model has room for, a quarter of them for its reply.
    pub(crate) window: u32,
    /// What becomes of changes the model asks for.
    pub(crate) writes: WritePolicy,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    /// Maya mentions the agent; both events of it are delivered.
    Mention(&'static str),
    /// The same in a work item of its own, for what changes it.
    MentionInNew(&'static str),
    /// The same, but the event with the prompt never comes.
    MentionWithoutPrompt(&'static str),
    Reply(&'static str),
    /// A reply whose event overtakes all that were not delivered yet; they come when everything is over.
    ReplyAhead(&'static str),
    Stop,
    /// A stop whose event comes only when everything is over.
    StopUnheard,
    /// Awaits that the model was asked.
    Asked,
    /// Awaits that so many turns have shown their last word.
    Ended(usize),
    /// The same, and that the run is at rest.
    AtRest(usize),
    /// Lets the model speak where it [`Thinks::CallsWhenTold`].
    LetSpeak,
}

/// What the model makes of a request. It depends on nothing but the request, as a crash may ask again.
pub(crate) enum Thinks {
    Says(&'static str),
    /// Text, and calls beside it by name and arguments.
    Calls(&'static str, Vec<(&'static str, Value)>),
    /// The same, but not before [`Act::LetSpeak`].
    CallsWhenTold(Vec<(&'static str, Value)>),
    Never,
    Fails(LlmError),
}

/// A child that another test starts holds copies of this process's locks until it is a program of its own,
/// a few milliseconds later.
fn open_when_free(dir: &Path) -> Opened {
    for _ in 0..500 {
        match SledStore::open(dir) {
            Err(StoreError::Locked { .. }) => std::thread::sleep(Duration::from_millis(10)),
            opened => return opened.unwrap(),
        }
    }
    panic!("{} stays locked", dir.display());
}

/// What all lives of all runs of a scenario share.
pub(crate) struct World {
    pub(crate) plane: Sandbox,
    pub(crate) client: Arc<dyn PlaneApi>,
    config: PlaneConfig,
    http: reqwest::Client,
    credentials: Arc<Credentials>,
    library: Arc<Library>,
    metrics: metrics_exporter_prometheus::PrometheusHandle,
}

impl Scenario {
    /// Whether there is such a thing on a channel: a comment is told of with its words or not at all.
    pub(crate) fn is_played(&self, channel: Channel) -> bool {
        channel == Channel::Runs || !self.acts.iter().any(|act| matches!(act, Act::MentionWithoutPrompt(_)))
    }
}

impl World {
    pub(crate) async fn start(channel: Channel) -> Self {
        let edition = match channel {
            Channel::Runs => Edition::Commercial,
            Channel::Comments => Edition::Community,
        };
        let options = SandboxOptions { edition, rate_limit_per_minute: None, ..SandboxOptions::default() };
        let plane = Sandbox::start(options).await.unwrap();
        let seed = plane.workspace(0);
        let config = PlaneConfig {
            api_url: plane.base_url().parse().unwrap(),
            web_url: "https://plane.example.test".parse().unwrap(),
            webhook_secrets: Vec::new(),
            oauth: None,
            fixed: Some(FixedTokenConfig {
                kind: FixedTokenKind::ApiKey,
                token: seed.api_key.clone().into(),
                workspace_slug: seed.slug.clone(),
                workspace_id: seed.workspace,
                bot: Some(seed.bot),
            }),
            request_timeout: Duration::from_secs(10),
            channel: match channel {
                Channel::Runs => ChannelConfig::Runs,
                Channel::Comments => ChannelConfig::Comments(CommentsConfig {
                    bot: seed.bot,
                    names: vec!["@aileron".to_owned()],
                    reply_window: PATIENCE,
                    progress: Progress::Become,
                    ignore: Vec::new(),
                    poll: Duration::ZERO,
                    projects: Vec::new(),
                    on_assignment: false,
                    label: None,
                }),
            },
            facts_ttl: Duration::from_secs(600),
            settle: Duration::ZERO,
            requests_per_minute: 1_000_000,
            budget_window: Duration::from_secs(1),
        };
        // Nothing is ever installed here, so any book will do.
        let book = SledStore::open(quick_dir().path()).unwrap().store;
        let credentials = Arc::new(Credentials::new(Arc::new(book), None, config.fixed.as_ref()));
        let http = http_client().unwrap();
        let client = Arc::new(PlaneClient::new(http.clone(), &config, Arc::clone(&credentials)));
        let library = Arc::new(Library::built_in());
        let metrics = PrometheusBuilder::new().build_recorder().handle();
        Self { plane, client, config, http, credentials, library, metrics }
    }

    /// A client that remembers nothing.
    fn new_client(&self) -> Arc<dyn PlaneApi> {
        Arc::new(PlaneClient::new(self.http.clone(), &self.config, Arc::clone(&self.credentials)))
    }

    fn reception(&self, store: &Arc<dyn Store>) -> Option<Arc<Reception>> {
        match &self.config.channel {
            ChannelConfig::Runs => None,
            ChannelConfig::Comments(config) => Some(Arc::new(Reception::new(Arc::clone(store), config))),
        }
    }
}

/// What the model and the people of one run have come to, over all lives.
#[derive(Default)]
struct Stage {
    asked: watch::Sender<usize>,
    may_speak: watch::Sender<bool>,
    replies: AtomicUsize,
}

struct Thinker {
    card: ModelCard,
    think: fn(&Request) -> Thinks,
    stage: Arc<Stage>,
}

#[async_trait]
impl Model for Thinker {
    fn name(&self) -> &str {
        "thinker"
    }

    fn card(&self) -> &ModelCard {
        &self.card
    }

    async fn complete(&self, request: &Request, _on_delta: OnDelta<'_>) -> Result<Reply, LlmError> {
        self.stage.asked.send_modify(|asked| *asked += 1);
        Ok(match (self.think)(request) {
            Thinks::Says(text) => self.reply(text, Vec::new()),
            Thinks::Calls(text, calls) => self.reply(text, calls),
            Thinks::CallsWhenTold(calls) => {
                let _ = self.stage.may_speak.subscribe().wait_for(|told| *told).await;
                self.reply("", calls)
            }
            Thinks::Never => pending().await,
            Thinks::Fails(error) => return Err(error),
        })
    }
}

impl Thinker {
    fn reply(&self, text: &str, calls: Vec<(&'static str, Value)>) -> Reply {
        // Ids are unique across lives, as a provider's are.
        let number = self.stage.replies.fetch_add(1, Ordering::SeqCst);
        let calls: Vec<_> = (0..)
            .zip(calls)
            .map(|(index, (name, arguments)): (u32, _)| ToolCall {
                id: format!("call-{number}-{index}"),
                name: name.to_owned(),
                arguments: arguments.to_string(),
                raw: serde_json::Map::new(),
            })
            .collect();
        let finish = if calls.is_empty() { Finish::Done } else { Finish::ToolCalls };
        Reply { message: AssistantMessage { text: text.to_owned(), calls, raw: None }, finish, usage: None }
    }
}

/// One life of the agent.
struct Life {
    seams: Arc<Seams>,
    /// Without faults.
    store: Arc<dyn Store>,
    router: Router,
    tasks: JoinSet<()>,
}

fn limits(scenario: &Scenario) -> Limits {
    let is_unheard = scenario.acts.iter().any(|act| matches!(act, Act::StopUnheard));
    Limits {
        max_steps: scenario.max_steps,
        max_turn: Duration::from_secs(600),
        settle: Duration::ZERO,
        status_every: if is_unheard { Duration::ZERO } else { PATIENCE },
    }
}

impl Life {
    async fn begin(world: &World, scenario: &Scenario, dir: &Path, stage: &Arc<Stage>, plan: Plan) -> Self {
        let dir = dir.to_owned();
        let opened = tokio::task::spawn_blocking(move || open_when_free(&dir)).await.unwrap();
        assert!(opened.set_aside.is_none() && opened.commits_lost == 0, "the store is damaged");
        let store: Arc<dyn Store> = Arc::new(opened.store);
        let seams = Seams::new(plan);
        let faulty_store: Arc<dyn Store> = Arc::new(Faulty::new(Arc::clone(&store), &seams));
        let plane: Arc<dyn PlaneApi> = Arc::new(Faulty::new(world.new_client(), &seams));
        let card = ModelCard {
            context_window: scenario.window,
            max_output: scenario.window / 4,
            ..aileron::llm::card::UNKNOWN
        };
        let thinker: Arc<dyn Model> = Arc::new(Thinker { card, think: scenario.think, stage: Arc::clone(stage) });
        let policy = RetryPolicy { max_retries: 2, max_wait: Duration::from_secs(5), after_timeouts: true };
        let agent = Arc::new(Agent {
            name: "aileron".to_owned(),
            store: Arc::clone(&faulty_store),
            facts: Facts::new(Arc::clone(&plane), Duration::from_secs(600)),
            plane,
            models: Models::from(Arc::new(Retrying::new(Faulty::new(thinker, &seams), policy)) as Arc<dyn Model>),
            meter: Arc::new(TokenMeter::for_model("thinker")),
            writes: WritesConfig { usual: scenario.writes, assumed_role: Role::Member, ..WritesConfig::default() },
            switch: WriteSwitch::default(),
            bots: BotTalk::default(),
            time_zone: None,
            library: Arc::clone(&world.library),
            guidance: Guidance::new(Vec::new(), Duration::ZERO),
            credentials: Arc::clone(&world.credentials),
            limits: limits(scenario),
            tasks: TaskTracker::new(),
        });
        let without_prompt = scenario.acts.iter().any(|act| matches!(act, Act::MentionWithoutPrompt(_)));
        let router = server::router(Parts {
            store: Arc::clone(&faulty_store),
            webhook_secrets: vec![world.plane.webhook_secret().to_owned().into()],
            client_id: None,
            arrivals: Arc::default(),
            reception: world.reception(&faulty_store),
            credentials: Arc::clone(&world.credentials),
            secure_cookies: false,
            max_body_bytes: 1 << 20,
            // Where the prompt's event comes, it always comes in time.
            prompt_grace: if without_prompt { Duration::ZERO } else { PATIENCE },
            metrics: world.metrics.clone(),
            notice: None,
            library: Arc::clone(&world.library),
        });
        let mut tasks = JoinSet::new();
        let worker = Worker::new(agent, faulty_store, 4, KEEP_ALL);
        tasks.spawn(async move {
            worker.run(CancellationToken::new(), Duration::ZERO).await.unwrap();
        });
        Self { seams, store, router, tasks }
    }

    /// What a kill leaves: calls under way take effect, nothing else happens any more.
    async fn end(mut self) {
        let _ = self.seams.vitals().wait_for(|vitals| vitals.under_way == 0).await;
        self.tasks.shutdown().await;
        self.store.close().await;
    }

    /// Returns when the process has died.
    async fn dead(&self) {
        let _ = self.seams.vitals().wait_for(|vitals| vitals.dead).await;
    }

    async fn webhook(&self, plane: &Sandbox, (event, body): &(String, Vec<u8>)) -> u16 {
        let request = http::Request::post("/webhook").header("x-plane-event", event);
        let request = request.header("x-plane-signature", plane.sign(body)).body(Body::from(body.clone())).unwrap();
        let Ok(response) = self.router.clone().oneshot(request).await;
        response.status().as_u16()
    }

    async fn at_rest(&self, world: &World, run: RunId, ends: usize) {
        let mut vitals = self.seams.vitals();
        loop {
            let before: Vitals = *vitals.borrow_and_update();
            if before.under_way == 0 && world.plane.run(run).terminal_count() >= ends {
                let view = self.store.run(run).await.unwrap().expect("the run is known");
                let idle = view.record.state == RunState::Idle && view.waiting == Default::default();
                if idle && !vitals.has_changed().unwrap() {
                    return;
                }
            }
            let _ = vitals.changed().await;
        }
    }
}

/// How a scenario went.
pub(crate) struct Played {
    pub(crate) picture: RunPicture,
    /// What the run wrote into the tracker.
    pub(crate) written: String,
    /// The numbered calls of the first life.
    pub(crate) calls: Vec<&'static str>,
    pub(crate) plane_calls: usize,
    pub(crate) model_calls: usize,
    /// How often the agent died.
    pub(crate) deaths: usize,
}

/// One run of a scenario, with a plan for its first life.
struct Play<'a> {
    world: &'a World,
    scenario: &'a Scenario,
    dir: TempDir,
    stage: Arc<Stage>,
    life: Life,
    calls: Vec<&'static str>,
    deaths: usize,
    run: Option<RunId>,
    delivered: usize,
}

/// Plays a scenario to its end and delivers every event once more.
pub(crate) async fn play(world: &World, scenario: &Scenario, plan: Plan) -> Played {
    let (dir, stage) = (quick_dir(), Arc::<Stage>::default());
    let life = Life::begin(world, scenario, dir.path(), &stage, plan).await;
    let (calls, deaths, run, delivered) = (Vec::new(), 0, None, 0);
    let mut play = Play { world, scenario, dir, stage, life, calls, deaths, run, delivered };
    for act in scenario.acts {
        play.act(*act).await;
    }
    play.act(Act::AtRest(scenario.ends)).await;
    play.delivered = 0;
    play.deliver().await;
    play.act(Act::AtRest(scenario.ends)).await;
    if play.deaths == 0 {
        play.calls = play.life.seams.calls();
    }
    let (plane_calls, model_calls) = (play.life.seams.plane_calls(), play.life.seams.model_calls());
    play.life.end().await;
    let run = play.run.expect("a mention");
    let picture = world.plane.run(run);
    let written = world.plane.written_by(run).replace(&picture.work_item, "the work item");
    Played { picture, written, calls: play.calls, plane_calls, model_calls, deaths: play.deaths }
}

/// A directory in memory where there is one. Only processes die here; what a disk forgets in a power
/// cut is not at stake, and thousands of syncs would be most of the time.
fn quick_dir() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

impl Play<'_> {
    async fn act(&mut self, act: Act) {
        let plane = &self.world.plane;
        match act {
            Act::Mention(text) => match plane.edition() {
                Edition::Commercial => self.mention("MOB-3", text, Delivery::default()).await,
                // What the person of one play says would belong to another's conversation here.
                Edition::Community => {
                    let key = plane.add_work_item(0, "A matter of its own");
                    self.mention(&key, text, Delivery::default()).await;
                }
            },
            Act::MentionInNew(text) => {
                let key = plane.add_work_item(0, "Crash at login");
                self.mention(&key, text, Delivery::default()).await;
            }
            Act::MentionWithoutPrompt(text) => {
                self.mention("MOB-3", text, Delivery { events: vec![Which::Created], ..Delivery::default() }).await;
            }
            Act::Reply(text) => {
                plane.reply(self.run(), AUTHOR, text).await;
                self.deliver().await;
            }
            Act::ReplyAhead(text) => {
                plane.reply(self.run(), AUTHOR, text).await;
                self.delivered = plane.events(self.run()).len() - 1;
                self.deliver().await;
            }
            Act::Stop => {
                plane.stop(self.run(), AUTHOR).await;
                self.deliver().await;
            }
            Act::StopUnheard => drop(plane.stop(self.run(), AUTHOR).await),
            Act::LetSpeak => {
                self.stage.may_speak.send_replace(true);
            }
            Act::Asked | Act::Ended(_) | Act::AtRest(_) => self.await_act(act).await,
        }
    }

    async fn mention(&mut self, work_item: &str, text: &str, delivery: Delivery) {
        let mentioned = self.world.plane.mention(Mention { delivery, ..Mention::new(work_item, text) }).await;
        self.run = Some(mentioned.run);
        self.deliver().await;
    }

    fn run(&self) -> RunId {
        self.run.expect("the scenario begins with a mention")
    }

    /// Delivers the events not delivered yet, each until it is taken, as Plane does.
    async fn deliver(&mut self) {
        let events = self.world.plane.events(self.run());
        while self.delivered < events.len() {
            let status = tokio::select! {
                biased;
                () = self.life.dead() => None,
                status = self.life.webhook(&self.world.plane, &events[self.delivered]) => Some(status),
            };
            match status {
                Some(status) => {
                    assert_eq!(status, 200, "a webhook is refused");
                    self.delivered += 1;
                }
                None => self.rise().await,
            }
        }
    }

    /// Awaits something, over a death if there is one.
    async fn await_act(&mut self, act: Act) {
        loop {
            let awaited = async {
                match act {
                    Act::Asked => drop(self.stage.asked.subscribe().wait_for(|asked| *asked > 0).await),
                    Act::Ended(ends) => {
                        let ended = |picture: &RunPicture| picture.terminal_count() >= ends;
                        let _ = self.world.plane.until(self.run(), ended, PATIENCE).await;
                    }
                    Act::AtRest(ends) => self.life.at_rest(self.world, self.run(), ends).await,
                    Act::Mention(_)
                    | Act::MentionInNew(_)
                    | Act::MentionWithoutPrompt(_)
                    | Act::Reply(_)
                    | Act::ReplyAhead(_)
                    | Act::Stop
                    | Act::StopUnheard
                    | Act::LetSpeak => {}
                }
            };
            let happened = tokio::select! {
                biased;
                () = self.life.dead() => false,
                happened = tokio::time::timeout(PATIENCE, awaited) => {
                    assert!(happened.is_ok(), "{}: {act:?} never happened: {}", self.scenario.name, self.told().await);
                    true
                }
            };
            if happened {
                return;
            }
            self.rise().await;
        }
    }

    async fn told(&self) -> String {
        let mut told = self.world.plane.run(self.run()).to_text();
        let kept = self.life.store.run(self.run()).await;
        let _ = write!(told, "calls {:?}\nstore {kept:#?}", self.life.seams.calls());
        told
    }

    /// A new life after a death, in which nothing goes wrong.
    async fn rise(&mut self) {
        self.deaths += 1;
        let dir = self.dir.path().to_owned();
        let nothing = Life {
            seams: Seams::new(Plan::Nothing),
            store: Arc::clone(&self.life.store),
            router: Router::new(),
            tasks: JoinSet::new(),
        };
        let dead = std::mem::replace(&mut self.life, nothing);
        self.calls = dead.seams.calls();
        dead.end().await;
        self.life = Life::begin(self.world, self.scenario, &dir, &self.stage, Plan::Nothing).await;
    }
}

/// The picture without progress. What is shown of thoughts and actions may differ after a crash: it is
/// not journalled, so some of it is lost with the process, as Plane itself forgets it with the next.
pub(crate) fn lasting(picture: &RunPicture) -> String {
    let mut picture = picture.clone();
    picture.activities.retain(|activity| !is_progress(activity.kind));
    // Some scenarios are played in a work item of their own.
    let key = std::mem::take(&mut picture.work_item);
    picture.to_text().replace(&key, "the work item")
}

fn is_progress(kind: ActivityKind) -> bool {
    matches!(kind, ActivityKind::Thought | ActivityKind::Action)
}

/// Each thought as text, and each call that was told of; calls that end together are told in one, and a
/// slow one is told of before.
pub(crate) fn progress(picture: &RunPicture) -> Vec<String> {
    let shown = picture.activities.iter().filter(|activity| is_progress(activity.kind));
    shown
        .flat_map(|activity| -> Vec<String> {
            match activity.content_metadata["calls"].as_array() {
                Some(calls) => calls.iter().map(|call| format!("action {call}")).collect(),
                // A comment tells of calls in words, which are others before and after the call.
                None if activity.kind == ActivityKind::Action => Vec::new(),
                None => vec![format!("{}: {}", activity.kind.as_str(), activity.body)],
            }
        })
        .collect()
}
