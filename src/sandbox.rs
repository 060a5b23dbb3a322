//! A stand-in Plane: agent runs, OAuth, work items and comments over real HTTP, with the contract enforced.
//!
//! The demo and the tests run against it. It shares no wire structs with `crate::plane`, so that a
//! mistake cannot agree with itself. [`Sandbox`] is the handle: it plays the people (they mention,
//! reply, stop), shows what the agent made of it, tells every breach of the contract, and breaks
//! requests on demand.

mod activity_body;
mod api;
mod comment_writes;
mod deeds;
mod demo;
mod edition;
mod files;
mod item;
mod item_writes;
mod json;
mod listing;
mod markup;
mod oauth;
mod people;
mod picture;
mod plan;
mod plans;
mod plant;
mod project_writes;
mod reads;
mod route;
mod run;
mod scope;
mod seed;
mod seed_text;
mod serve;
mod talk;
mod thread;
mod tracker;
mod webhook;
mod world;
mod writes;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{
    edition::Edition,
    picture::{ActivityPicture, RunPicture},
    plan::{
        Breakage, CommentPicture, CredentialKind, Delivery, Fault, Mention, Mentioned, RecordedRequest, SandboxOptions,
        Seed, Shape, Which,
    },
    plant::Place,
    run::{ActivityKind, Status},
};
use self::{talk::Unknown, world::World};
use crate::domain::ids::RunId;

/// How long [`Sandbox::shutdown`] waits for open connections.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);

/// A running stand-in Plane. Clones are handles to the same one.
///
/// Methods that name something seeded or a run panic where there is no such thing: that is a mistake
/// in the test or the demo, not something to handle.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

struct Shared {
    options: SandboxOptions,
    address: SocketAddr,
    client_id: String,
    client_secret: String,
    world: Mutex<World>,
    /// Counts changes, so that waiting needs no polling.
    changed: watch::Sender<u64>,
    stop: CancellationToken,
    tasks: TaskTracker,
    http: reqwest::Client,
}

impl Sandbox {
    /// Binds the address and serves until [`Sandbox::shutdown`].
    ///
    /// # Errors
    /// The address cannot be bound, or there is no HTTP client for the webhooks.
    pub async fn start(options: SandboxOptions) -> std::io::Result<Self> {
        // Whoever came first has installed a provider; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind(options.listen).await?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(std::io::Error::other)?;
        let shared = Arc::new(Shared {
            address: listener.local_addr()?,
            client_id: "sandbox-client".to_owned(),
            client_secret: "sandbox-client-secret".to_owned(),
            world: Mutex::new(seed::world(options.edition, options.workspaces)),
            changed: watch::Sender::new(0),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            http,
            options,
        });
        serve::spawn(&shared, listener);
        Ok(Self { shared })
    }

    /// `http://127.0.0.1:PORT`
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.shared.address)
    }

    /// What kind of Plane it is.
    #[must_use]
    pub fn edition(&self) -> Edition {
        self.shared.options.edition
    }

    /// The OAuth app's id.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.shared.client_id
    }

    /// The OAuth app's secret.
    #[must_use]
    pub fn client_secret(&self) -> &str {
        &self.shared.client_secret
    }

    /// What webhooks are signed with.
    #[must_use]
    pub fn webhook_secret(&self) -> &str {
        &self.shared.options.webhook_secret
    }

    /// What is in a workspace; counts from 0.
    #[must_use]
    pub fn workspace(&self, index: usize) -> Seed {
        let seed = self.shared.lock().workspaces.get(index).and_then(world::Workspace::seed);
        known(seed.ok_or(Unknown::Workspace(index)))
    }

    /// Where webhooks go from now on, such as `http://127.0.0.1:PORT/webhook`.
    pub fn deliver_to(&self, url: &str) {
        self.shared.lock().target = Some(url.to_owned());
    }

    /// The run as it is now.
    #[must_use]
    pub fn run(&self, run: RunId) -> RunPicture {
        known(self.shared.picture(run))
    }

    /// Every run, oldest first.
    #[must_use]
    pub fn runs(&self) -> Vec<RunId> {
        self.shared.lock().runs.iter().map(|run| run.id).collect()
    }

    /// Waits until the run looks as wanted.
    ///
    /// # Errors
    /// The run as it is when `limit` is over.
    pub async fn until(
        &self,
        run: RunId,
        what: impl Fn(&RunPicture) -> bool,
        limit: Duration,
    ) -> Result<RunPicture, RunPicture> {
        let mut changed = self.shared.changed.subscribe();
        let wanted = async {
            loop {
                changed.mark_unchanged();
                let picture = self.run(run);
                if what(&picture) || changed.changed().await.is_err() {
                    return picture;
                }
            }
        };
        tokio::time::timeout(limit, wanted).await.map_err(|_| self.run(run))
    }

    /// Waits until the sandbox as a whole looks as wanted, for instance by its requests; says
    /// whether it did before `limit` was over.
    pub async fn until_all(&self, what: impl Fn(&Self) -> bool, limit: Duration) -> bool {
        let mut changed = self.shared.changed.subscribe();
        let wanted = async {
            loop {
                changed.mark_unchanged();
                if what(self) || changed.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(limit, wanted).await.is_ok()
    }

    /// Every request to the API and OAuth paths in the order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.lock().requests.clone()
    }

    /// Every breach of the contract by the client, in words.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.shared.lock().violations.clone()
    }

    /// Makes the next matching requests go wrong. Faults are tried in the order they were given.
    pub fn inject(&self, fault: Fault) {
        self.shared.lock().faults.push(fault);
    }

    /// The faults that have not struck even once, as method and path.
    #[must_use]
    pub fn faults_not_begun(&self) -> Vec<String> {
        let world = self.shared.lock();
        let unused = world.faults.iter().filter(|fault| !fault.struck);
        unused.map(|fault| format!("{} {}", fault.method, fault.path)).collect()
    }

    /// Forgets the faults that have not struck yet.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
    }

    /// Bot tokens of this workspace given out so far are refused from now on.
    pub fn expire_tokens(&self, workspace: usize) {
        let id = self.workspace(workspace).workspace;
        self.shared.lock().tokens.retain(|_, token| token.workspace != id);
    }

    /// The app is uninstalled from this workspace: no token works and none is given out.
    pub fn revoke_installation(&self, workspace: usize) {
        self.expire_tokens(workspace);
        if let Some(workspace) = self.shared.lock().workspaces.get_mut(workspace) {
            workspace.installed = false;
        }
    }

    /// A work item's comments, oldest first. It may be in the archive.
    #[must_use]
    pub fn comments(&self, workspace: usize, work_item: &str) -> Vec<CommentPicture> {
        let world = self.shared.lock();
        let home = world.workspaces.get(workspace);
        let found = home.and_then(|home| home.item_by_key(work_item).or_else(|| home.archived_by_key(work_item)));
        let (_, item) = known(found.ok_or_else(|| Unknown::WorkItem(work_item.to_owned())));
        item.comments.iter().map(|comment| item.picture_of(comment, world.name_of(comment.actor))).collect()
    }

    /// A work item's priority.
    #[must_use]
    pub fn priority(&self, workspace: usize, work_item: &str) -> String {
        let world = self.shared.lock();
        let found = world.workspaces.get(workspace).and_then(|workspace| workspace.item_by_key(work_item));
        known(found.map(|(_, item)| item.priority.clone()).ok_or_else(|| Unknown::WorkItem(work_item.to_owned())))
    }

    /// Adds an empty work item to the first project of a workspace and gives its key.
    #[must_use]
    pub fn add_work_item(&self, workspace: usize, name: &str) -> String {
        known(tracker::add_item(&mut self.shared.lock(), workspace, name).ok_or(Unknown::Workspace(workspace)))
    }

    /// A person sets a work item's priority by hand.
    pub fn set_priority(&self, workspace: usize, work_item: &str, priority: &str) {
        let mut world = self.shared.lock();
        let found = world.workspaces.get(workspace).and_then(|workspace| workspace.item_by_key(work_item));
        let id = known(found.map(|(_, item)| item.id).ok_or_else(|| Unknown::WorkItem(work_item.to_owned())));
        if let Some(item) = world.item_mut(id) {
            item.priority = priority.to_owned();
        }
    }

    /// What a run wrote into the tracker, and how its work item stands, as text without ids and times.
    #[must_use]
    pub fn written_by(&self, run: RunId) -> String {
        known(tracker::written_by(&self.shared.lock(), run).ok_or(Unknown::Run(run)))
    }

    /// Posts these bytes to the webhook target with these headers and nothing else; 0 where there
    /// was no answer or there is no target.
    pub async fn deliver_raw(&self, headers: &[(&str, &str)], body: Vec<u8>) -> u16 {
        let target = self.shared.lock().target.clone();
        let Some(target) = target else { return 0 };
        webhook::post(&self.shared.http, &target, headers, body).await
    }

    /// The right `X-Plane-Signature` for these bytes.
    #[must_use]
    pub fn sign(&self, body: &[u8]) -> String {
        webhook::signature(self.webhook_secret(), body)
    }

    /// The exact events of a run so far: header name and body.
    #[must_use]
    pub fn events(&self, run: RunId) -> Vec<(String, Vec<u8>)> {
        let events = self.shared.lock().run(run).map(|run| run.events.clone());
        known(events.ok_or(Unknown::Run(run)))
    }

    /// Delivers every event of the run again under a new `X-Plane-Delivery`; the answers in order.
    pub async fn redeliver(&self, run: RunId) -> Vec<u16> {
        let events = self.events(run);
        self.shared.send(&events).await
    }

    /// What the page says on top, such as which model answers.
    pub fn set_banner(&self, text: &str) {
        self.shared.lock().banner = Some(text.to_owned());
        self.shared.touch();
    }

    /// Ends all connections and tasks.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        let _ = tokio::time::timeout(SHUTDOWN_PATIENCE, self.shared.tasks.wait()).await;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes everyone who waits for a change.
    fn touch(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    fn picture(&self, run: RunId) -> Result<RunPicture, Unknown> {
        let world = self.lock();
        let record = world.run(run).ok_or(Unknown::Run(run))?;
        Ok(RunPicture::of(record, world.key_of(record.issue), |user| world.name_of(user)))
    }

    /// Turns runs stale that nobody has touched for too long; says when to look again.
    fn grow_stale(&self) -> Instant {
        let now = Instant::now();
        let mut next = now + self.options.stale_after;
        let mut stale = false;
        for run in self.lock().runs.iter_mut().filter(|run| run.status.is_live() && run.status != Status::Stale) {
            let due = run.touched + self.options.stale_after;
            if due <= now {
                run.status = Status::Stale;
                stale = true;
            } else {
                next = next.min(due);
            }
        }
        if stale {
            self.touch();
        }
        next
    }
}

/// Ends the test or the demo that names what is not there.
#[expect(clippy::panic, reason = "the caller is a test or the demo, and carrying on would hide its mistake")]
fn known<T>(found: Result<T, Unknown>) -> T {
    match found {
        Ok(found) => found,
        Err(unknown) => panic!("{unknown}"),
    }
}
