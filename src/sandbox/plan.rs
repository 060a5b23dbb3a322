//! What a test or the demo asks of the sandbox: how to start it, what people say, what goes wrong.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::Value;

use super::edition::Edition;
use crate::domain::ids::{
    ActivityId, CommentId, InstallationId, PageId, ProjectId, RunId, StateId, UserId, WorkItemId, WorkspaceId,
};

/// How a sandbox is started.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// How many seeded workspaces there are: 1 (`acme`) or 2 (and `globex`).
    pub workspaces: usize,
    /// Requests one credential may make in any [`Self::rate_limit_window`]; `None` is no limit.
    pub rate_limit_per_minute: Option<u32>,
    /// A minute, or less for tests that cannot wait for real ones.
    pub rate_limit_window: Duration,
    /// How long a bot token is good for.
    pub token_lifetime: Duration,
    /// What webhooks are signed with.
    pub webhook_secret: String,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// A run without an update for this long becomes `stale`.
    pub stale_after: Duration,
    /// Which edition of Plane it plays.
    pub edition: Edition,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            workspaces: 1,
            rate_limit_per_minute: Some(60),
            rate_limit_window: Duration::from_secs(60),
            token_lifetime: Duration::from_secs(86_400),
            webhook_secret: "plane_wh_0123456789abcdef0123456789abcdef".to_owned(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            stale_after: Duration::from_secs(300),
            edition: Edition::Commercial,
        }
    }
}

/// What is in a seeded workspace.
#[derive(Debug, Clone)]
pub struct Seed {
    pub slug: String,
    pub workspace: WorkspaceId,
    pub name: String,
    pub project: ProjectId,
    /// What work item keys begin with, such as `MOB`.
    pub project_identifier: String,
    /// The project's one page.
    pub page: PageId,
    /// The agent's bot user.
    pub bot: UserId,
    /// Good as `X-API-Key`; it acts as the bot.
    pub api_key: String,
    pub installation: InstallationId,
    /// Display name to user id, the bot included.
    pub people: BTreeMap<String, UserId>,
    /// Key, such as `MOB-3`, to id.
    pub work_items: BTreeMap<String, WorkItemId>,
    /// Name to id.
    pub states: BTreeMap<String, StateId>,
}

/// A person mentions the agent in a new comment thread.
#[derive(Debug, Clone)]
pub struct Mention {
    /// Counts from 0.
    pub workspace: usize,
    /// The work item's key, such as `MOB-3`.
    pub work_item: String,
    /// Display or first name of a seeded person.
    pub author: String,
    /// Plain text. A mention of the agent is put in front where it has none.
    pub text: String,
    pub delivery: Delivery,
}

impl Mention {
    /// Maya mentions the agent in a work item of the first workspace.
    #[must_use]
    pub fn new(work_item: &str, text: &str) -> Self {
        Self {
            workspace: 0,
            work_item: work_item.to_owned(),
            author: "maya".to_owned(),
            text: text.to_owned(),
            delivery: Delivery::default(),
        }
    }
}

/// How the webhooks of one prompt are delivered.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub shape: Shape,
    /// Delivered one after the other in this order; duplicates are delivered as such.
    pub events: Vec<Which>,
}

impl Default for Delivery {
    fn default() -> Self {
        Self { shape: Shape::Wrapped, events: vec![Which::Created, Which::Prompt] }
    }
}

impl Delivery {
    /// Only the prompt event, wrapped: what a follow-up in a known run causes.
    #[must_use]
    pub fn prompt_only() -> Self {
        Self { shape: Shape::Wrapped, events: vec![Which::Prompt] }
    }
}

/// The two documented shapes of an agent event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The event's object is in `data` of the general webhook envelope.
    Wrapped,
    /// The event's object is the whole body.
    Flat,
}

/// The two agent events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// `agent_run_create`
    Created,
    /// `agent_run_user_prompt`
    Prompt,
}

/// What came of a mention, a reply or a stop.
#[derive(Debug, Clone)]
pub struct Mentioned {
    pub run: RunId,
    pub prompt_activity: ActivityId,
    /// The person's comment; `None` for a stop, which has none.
    pub comment: Option<CommentId>,
    /// The target's answer to each delivery in order; 0 where there was no answer. Empty without
    /// a target.
    pub statuses: Vec<u16>,
}

/// Makes the next matching requests go wrong.
#[derive(Debug, Clone)]
pub struct Fault {
    /// `GET`, `POST`, … or empty for any.
    pub method: String,
    /// Matches where the path contains this.
    pub path: String,
    /// How many requests it strikes.
    pub times: usize,
    pub what: Breakage,
    /// Whether it struck already.
    pub struck: bool,
}

impl Fault {
    #[must_use]
    pub fn new(method: &str, path: &str, times: usize, what: Breakage) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), times, what, struck: false }
    }
}

/// How a request goes wrong.
#[derive(Debug, Clone)]
pub enum Breakage {
    /// This answer, without effect.
    Status {
        code: u16,
        /// Seconds.
        retry_after: Option<u64>,
        /// Sent as it is, as JSON where it looks like it and as HTML otherwise.
        body: String,
    },
    /// The right effect at once, the right answer only after this long.
    Delay(Duration),
    /// The connection is reset and nothing has happened.
    ResetBeforeEffect,
    /// Everything has happened and then the connection is reset.
    ResetAfterEffect,
    /// The connection is reset, and only this much later does it happen: as in a server that goes on with
    /// a request whose client is gone, having found before that the external id is free.
    ResetAndLateEffect(Duration),
    /// Everything has happened and the answer has the right status and half a JSON body.
    Malformed,
}

/// A request the sandbox received on its API or OAuth paths.
#[derive(Debug, Clone)]
pub struct RecordedRequest {
    pub method: String,
    pub path: String,
    /// Without the question mark, undecoded.
    pub query: String,
    pub credential: CredentialKind,
    /// The body where it is JSON.
    pub body: Option<Value>,
    /// 0 where the connection was reset, or while the answer is still due.
    pub status: u16,
    /// When it arrived.
    pub at: Instant,
}

/// What a request was authenticated with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    None,
    ApiKey,
    Bearer,
    /// The OAuth app's own id and secret.
    Basic,
}

/// A comment as people see it.
#[derive(Debug, Clone)]
pub struct CommentPicture {
    pub id: CommentId,
    /// Display name.
    pub author: String,
    pub html: String,
    pub external_source: Option<String>,
    pub external_id: Option<String>,
    pub created_at: Timestamp,
}
