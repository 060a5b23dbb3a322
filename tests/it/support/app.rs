//! One agent with all it talks to: the real binary, a stand-in Plane, a scripted model.

use std::{fs, path::Path, process::ExitStatus};

use aileron::{
    domain::ids::RunId,
    sandbox::{Breakage, Delivery, Edition, Fault, Mention, Mentioned, RunPicture, Sandbox, SandboxOptions},
};
use reqwest::Response;
use tempfile::TempDir;

use super::{
    LIMIT,
    binary::{self, Finished, Running, Settings},
    http, install,
    model::{Captured, Rule, ScriptedModel, Turn},
    secrets, within,
};

pub(crate) const WEBHOOK_SECRET: &str = "plane_wh_5ec4e70123456789abcdef0123456789";
pub(crate) const MODEL_KEY: &str = "sk-5ec4e7-model-key";
pub(crate) const REDIRECT_URI: &str = "https://aileron.example.com/oauth/callback";
/// Who writes, unless a test says otherwise.
pub(crate) const AUTHOR: &str = "maya";

/// No scenario uses this work item.
const FENCE_WORK_ITEM: &str = "MOB-8";

/// How the agent may speak in the stand-in Plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Installed through OAuth in every workspace the stand-in has.
    Installed,
    /// A fixed token for the first workspace.
    Fixed,
    /// Not yet at all.
    Nothing,
}

/// Where people and the agent talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    /// In the agent runs of a commercial Plane.
    Runs,
    /// In the comments of a Community Plane.
    Comments,
}

/// Makes two tests of each of these functions, one for each channel.
macro_rules! on_both_channels {
    ($($name:ident),* $(,)?) => {
        mod in_runs {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::support::app::Channel::Runs).await;
            })*
        }
        mod in_comments {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::support::app::Channel::Comments).await;
            })*
        }
    };
}
pub(crate) use on_both_channels;

impl Channel {
    /// The usual surroundings on this channel.
    pub(crate) fn setup(self) -> Setup {
        match self {
            Self::Runs => TestApp::setup(),
            Self::Comments => TestApp::setup()
                .access(Access::Fixed)
                .plane(|options| options.edition = Edition::Community)
                // This edition does not tell who is a member and who is a guest of a project.
                .set("AILERON__WRITES__ASSUMED_ROLE", "member")
                .set("AILERON__PLANE__CHANNEL", "comments"),
        }
    }

    /// How many webhooks tell of a mention.
    pub(crate) fn events_of_a_mention(self) -> usize {
        match self {
            Self::Runs => 2,
            Self::Comments => 1,
        }
    }

    /// What goes wrong when a turn that has shown some progress says its last word.
    pub(crate) fn at_last_word(self, times: usize, what: Breakage) -> Fault {
        match self {
            Self::Runs => Fault::new("POST", "/activities/", times, what),
            Self::Comments => Fault::new("PATCH", "/comments/", times, what),
        }
    }

    /// What goes wrong when the agent says something where nothing of its turn stands yet.
    pub(crate) fn at_new_words(self, times: usize, what: Breakage) -> Fault {
        match self {
            Self::Runs => Fault::new("POST", "/activities/", times, what),
            Self::Comments => Fault::new("POST", "/comments/", times, what),
        }
    }

    /// What goes wrong when Plane is asked how a conversation stands.
    pub(crate) fn at_status(self, what: Breakage) -> Fault {
        match self {
            Self::Runs => Fault::new("GET", "/runs/", 1, what),
            Self::Comments => Fault::new("GET", "/comments/", 1, what),
        }
    }

    /// The same with this script.
    pub(crate) async fn start(self, script: impl IntoIterator<Item = Turn>) -> TestApp {
        self.setup().script(script).start().await
    }
}

/// What a test asks for before the start.
pub(crate) struct Setup {
    script: Vec<Turn>,
    rule: Option<Rule>,
    plane: SandboxOptions,
    access: Access,
    settings: Settings,
    tolerated: Vec<&'static str>,
}

/// The agent and its surroundings. Dropping it ends the agent and checks what no test may leave
/// behind: a breach of Plane's contract or of the provider's wire rules, an answer of the script
/// nobody asked for, a panic, a secret in the log.
pub(crate) struct TestApp {
    pub(crate) plane: Sandbox,
    pub(crate) model: ScriptedModel,
    home: TempDir,
    settings: Settings,
    served: Option<Running>,
    url: String,
    tolerated: Vec<&'static str>,
}

impl Setup {
    pub(crate) fn script(mut self, turns: impl IntoIterator<Item = Turn>) -> Self {
        self.script.extend(turns);
        self
    }

    /// Answers whatever no turn of the script fits.
    pub(crate) fn rule(mut self, rule: impl Fn(&Captured) -> Option<Turn> + Send + Sync + 'static) -> Self {
        self.rule = Some(Box::new(rule));
        self
    }

    pub(crate) fn plane(mut self, change: impl FnOnce(&mut SandboxOptions)) -> Self {
        change(&mut self.plane);
        self
    }

    pub(crate) fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Sets an environment variable of the agent.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Lets the agent change things without asking, and look soon what became of them.
    pub(crate) fn may_write(self) -> Self {
        self.set("AILERON__AGENT__WRITES", "allow").set("AILERON__PLANE__SETTLE_MS", "50")
    }

    /// Lets pass what the stand-in Plane complains of where it says this.
    pub(crate) fn tolerate(mut self, violation: &'static str) -> Self {
        self.tolerated.push(violation);
        self
    }

    pub(crate) async fn start(self) -> TestApp {
        let workspaces = self.plane.workspaces;
        let (limit, window) = (self.plane.rate_limit_per_minute, self.plane.rate_limit_window);
        let plane = Sandbox::start(self.plane).await.unwrap();
        let model = ScriptedModel::start(self.script, self.rule).await;
        let home = TempDir::new().unwrap();
        let mut settings = settings_for(&plane, &model, self.access);
        // Against a Plane without a limit the agent has none either.
        let limit = limit.map_or_else(|| "1000000".to_owned(), |limit| limit.to_string());
        settings.insert("AILERON__PLANE__REQUESTS_PER_MINUTE".to_owned(), limit);
        settings.insert("AILERON__PLANE__BUDGET_WINDOW_SECS".to_owned(), window.as_secs().to_string());
        settings.extend(self.settings);
        let mut app =
            TestApp { plane, model, home, settings, served: None, url: String::new(), tolerated: self.tolerated };
        app.serve().await;
        if self.access == Access::Installed {
            for workspace in 0..workspaces {
                install::install(&app, workspace).await;
            }
        }
        app
    }
}

impl TestApp {
    /// One workspace, installed through OAuth, an empty script.
    pub(crate) fn setup() -> Setup {
        Setup {
            script: Vec::new(),
            rule: None,
            plane: SandboxOptions { webhook_secret: WEBHOOK_SECRET.to_owned(), ..SandboxOptions::default() },
            access: Access::Installed,
            settings: Settings::new(),
            tolerated: Vec::new(),
        }
    }

    /// The usual surroundings with this script.
    pub(crate) async fn start(script: impl IntoIterator<Item = Turn>) -> Self {
        Self::setup().script(script).start().await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What the agent logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.home().join("stderr.log")).unwrap_or_default()
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        http::client().get(self.url(path)).send().await.unwrap()
    }

    /// The title of a work item of the first workspace, as Plane tells it.
    pub(crate) async fn title(&self, work_item: &str) -> String {
        let seed = self.plane.workspace(0);
        let path = format!("/api/v1/workspaces/{}/work-items/{work_item}/", seed.slug);
        let request = http::client().get(format!("{}{path}", self.plane.base_url())).header("X-API-Key", seed.api_key);
        let item: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
        item["name"].as_str().expect("a work item has a name").to_owned()
    }

    /// Runs another command of the binary with the same settings.
    pub(crate) async fn command(&self, arguments: &[&str]) -> Finished {
        binary::run(self.home(), arguments, &self.settings).await
    }

    /// Awaits that `aileron installations` shows a word. The command reads what is on disk, and
    /// nothing tells a test of a write there, so it is asked again and again.
    pub(crate) async fn until_listed(&self, word: &str) {
        let listed = async { while !self.command(&["installations"]).await.stdout.contains(word) {} };
        within(&format!("`aileron installations` listing {word:?}"), listed).await;
    }

    /// Awaits that the agent, unsure of what it posted, asks Plane for the run's activities.
    pub(crate) async fn until_listed_again(&self, run: RunId) {
        let in_comments = self.settings.get("AILERON__PLANE__CHANNEL").is_some_and(|channel| channel == "comments");
        let path = if in_comments { "/comments/".to_owned() } else { format!("/runs/{run}/activities/") };
        let is_list = |method: &str, asked: &str| method == "GET" && asked.ends_with(&path);
        let listed = |plane: &Sandbox| {
            let requests = plane.requests();
            let posted = requests.iter().rposition(|request| request.method != "GET" && request.path.contains(&path));
            posted.is_some_and(|at| requests[at..].iter().any(|request| is_list(&request.method, &request.path)))
        };
        assert!(self.plane.until_all(listed, LIMIT).await, "nobody looked whether the activity was posted");
    }

    /// Sends a signed webhook as Plane would and returns the status of the answer.
    pub(crate) async fn webhook(&self, event: &str, body: &str) -> u16 {
        let signature = http::sign(WEBHOOK_SECRET, body.as_bytes());
        self.plane.deliver_raw(&[("X-Plane-Event", event), ("X-Plane-Signature", &signature)], body.into()).await
    }

    /// What the model was told of each of its calls, as of the last time it was asked.
    pub(crate) fn results(&self) -> Vec<String> {
        self.model.requests().last().expect("a call of the model").texts("tool")
    }

    /// As [`Self::results`], in one text.
    pub(crate) fn told(&self) -> String {
        self.results().join("\n")
    }

    /// Maya mentions the agent in a work item of the first workspace.
    pub(crate) async fn mention(&self, work_item: &str, text: &str) -> Mentioned {
        self.mention_by(work_item, text, Delivery::default()).await
    }

    /// As [`Self::mention`], by somebody else.
    pub(crate) async fn mention_as(&self, author: &str, work_item: &str, text: &str) -> RunId {
        self.plane.mention(Mention { author: author.to_owned(), ..Mention::new(work_item, text) }).await.run
    }

    /// As [`Self::mention`], with the webhooks delivered as asked; each must be answered with 200.
    pub(crate) async fn mention_by(&self, work_item: &str, text: &str, delivery: Delivery) -> Mentioned {
        let mentioned = self.plane.mention(Mention { delivery, ..Mention::new(work_item, text) }).await;
        assert!(mentioned.statuses.iter().all(|status| *status == 200), "webhooks answered {:?}", mentioned.statuses);
        mentioned
    }

    /// Maya writes again in the run's thread.
    pub(crate) async fn reply(&self, run: RunId, text: &str) {
        let replied = self.plane.reply(run, AUTHOR, text).await;
        assert!(replied.statuses.iter().all(|status| *status == 200), "webhooks answered {:?}", replied.statuses);
    }

    /// Maya presses stop.
    pub(crate) async fn stop(&self, run: RunId) {
        let stopped = self.plane.stop(run, AUTHOR).await;
        assert!(stopped.statuses.iter().all(|status| *status == 200), "webhooks answered {:?}", stopped.statuses);
    }

    /// Lets the agent answer something else from start to end. Whatever it still had to do before,
    /// it has done or begun by now, so that "nothing more happens" can be asserted without waiting.
    pub(crate) async fn fence(&self) {
        self.model.then([Turn::says("Here.").when("are you still there")]);
        let mentioned = self.mention(FENCE_WORK_ITEM, "are you still there?").await;
        self.ended(mentioned.run).await;
    }

    /// Awaits that the run came to an end that is told: a response, a question or an error.
    pub(crate) async fn ended(&self, run: RunId) -> RunPicture {
        self.ended_times(run, 1).await
    }

    /// Awaits the run's end number `times`, counting those of earlier turns.
    pub(crate) async fn ended_times(&self, run: RunId, times: usize) -> RunPicture {
        self.until(run, "an end", move |picture| picture.terminal_count() >= times).await
    }

    pub(crate) async fn until(&self, run: RunId, what: &str, happened: impl Fn(&RunPicture) -> bool) -> RunPicture {
        match self.plane.until(run, happened, LIMIT).await {
            Ok(picture) => picture,
            Err(picture) => panic!("{what} did not happen within {} s:\n{}", LIMIT.as_secs(), picture.to_text()),
        }
    }

    /// Asks the agent to stop as an operator would, and awaits its exit.
    pub(crate) async fn sigterm(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.exit().await
    }

    /// Sends a signal to the running agent.
    pub(crate) fn signal(&self, name: &str) {
        self.served.as_ref().expect("the agent runs").signal(name);
    }

    /// The running agent's process.
    pub(crate) fn process_id(&self) -> u32 {
        self.served.as_ref().expect("the agent runs").id()
    }

    /// Awaits that the agent ends by itself.
    pub(crate) async fn exit(&mut self) -> ExitStatus {
        let status = self.served.as_mut().expect("the agent runs").exit().await;
        self.served = None;
        status
    }

    /// Ends the agent as a power cut would.
    pub(crate) async fn kill(&mut self) {
        self.served.take().expect("the agent runs").kill().await;
    }

    /// Sets an environment variable for the next start.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.settings.insert(name.to_owned(), value.to_owned());
    }

    /// Starts the agent again on the same data.
    pub(crate) async fn serve(&mut self) {
        let mut served = Running::start(self.home.path(), &["serve"], &self.settings);
        let Some(url) = served.line_after("aileron listens on ").await else {
            panic!("aileron serve ended before it listened, {}:\n{}", served.exit().await, self.log());
        };
        self.plane.deliver_to(&format!("{url}/webhook"));
        self.url = url;
        self.served = Some(served);
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        // The child is killed when it is dropped.
        drop(self.served.take());
        let log = self.log();
        if std::thread::panicking() {
            eprintln!("--- the agent's log ---\n{log}");
            eprintln!("--- complaints of the model ---\n{:#?}", self.model.complaints());
            eprintln!("--- breaches of the contract ---\n{:#?}", self.plane.violations());
            return;
        }
        assert_eq!(self.model.complaints(), Vec::<String>::new(), "the provider would refuse this");
        let tolerated = |violation: &String| self.tolerated.iter().any(|known| violation.contains(known));
        let violations = self.plane.violations().into_iter().filter(|violation| !tolerated(violation));
        assert_eq!(violations.collect::<Vec<_>>(), Vec::<String>::new(), "Plane's contract was broken");
        assert_eq!(self.model.turns_left(), 0, "some answers of the script were never asked for");
        assert!(!log.contains("panicked at"), "the agent panicked:\n{log}");
        secrets::assert_absent(&log, &self.plane);
        for request in self.model.requests() {
            secrets::assert_absent(&request.body.to_string(), &self.plane);
        }
    }
}

/// The only place that knows the names of the agent's settings.
fn settings_for(plane: &Sandbox, model: &ScriptedModel, access: Access) -> Settings {
    let mut settings = Settings::new();
    let mut set = |name: &str, value: &str| settings.insert(name.to_owned(), value.to_owned());
    set("AILERON_LISTEN", "127.0.0.1:0");
    set("DATA_DIR", "data");
    set("PLANE_API_URL", &plane.base_url());
    set("PLANE_WEBHOOK_SECRET", WEBHOOK_SECRET);
    set("OPENAI_API_KEY", MODEL_KEY);
    set("OPENAI_BASE_URL", &model.base_url());
    set("OPENAI_MODEL", "scripted-1");
    set("AILERON__LOG__FORMAT", "json");
    set("AILERON__AGENT__PROMPT_GRACE_MS", "200");
    // The stand-in Plane does at once what it does at all, unless a test says otherwise.
    set("AILERON__PLANE__SETTLE_MS", "100");
    set("AILERON__AGENT__DRAIN_MS", "300");
    match access {
        Access::Installed | Access::Nothing => {
            set("PLANE_CLIENT_ID", plane.client_id());
            set("PLANE_CLIENT_SECRET", plane.client_secret());
            set("PLANE_REDIRECT_URI", REDIRECT_URI);
        }
        Access::Fixed => {
            let seed = plane.workspace(0);
            set("AILERON__PLANE__FIXED__KIND", "api-key");
            set("AILERON__PLANE__FIXED__TOKEN", &seed.api_key);
            set("AILERON__PLANE__FIXED__WORKSPACE_SLUG", &seed.slug);
            set("AILERON__PLANE__FIXED__WORKSPACE_ID", &seed.workspace.to_string());
            set("AILERON__PLANE__FIXED__BOT", &seed.bot.to_string());
        }
    }
    settings
}
