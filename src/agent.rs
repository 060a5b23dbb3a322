//! The agent: what one run says and does, from a prompt to its one terminal activity.
//!
//! [`session`] decides and never acts; [`turn`] acts and never decides. Between them stands the
//! [`journal`]: a step is written down before the next one begins, so a run goes on after a crash
//! by folding what was written. [`narrator`] shows progress and may lose some of it; the terminal
//! activity is posted by [`turn`] alone.

pub mod approval;
pub mod bots;
pub mod budget;
mod card;
pub mod changes;
mod claims;
pub mod compaction;
pub mod context;
pub mod effects;
mod fence;
pub mod gist;
pub mod guidance;
pub mod intake;
pub mod journal;
pub mod models;
pub mod narrator;
pub mod policy;
mod polish;
pub mod poll;
pub mod preview;
pub mod prompts;
pub mod question;
pub mod reception;
mod request;
pub mod sentences;
pub mod session;
pub mod sight;
pub mod skills;
mod speak;
pub mod step;
pub mod sweep;
mod texts;
pub mod turn;
mod verbatim;

use std::{sync::Arc, time::Duration};

use tokio_util::task::TaskTracker;

use self::{bots::BotTalk, guidance::Guidance, models::Models, policy::switch::WriteSwitch, prompts::library::Library};
use crate::{
    config::WritesConfig,
    domain::ids::WorkspaceId,
    llm::{Model, tokens::TokenMeter},
    plane::{PlaneApi, credentials::Credentials, facts::Facts},
    store::Store,
};

/// Everything a turn needs, built once.
pub struct Agent {
    /// The agent's name in prompts.
    pub name: String,
    pub store: Arc<dyn Store>,
    pub plane: Arc<dyn PlaneApi>,
    pub facts: Facts,
    pub models: Models,
    /// Counts the tokens of the usual model, and of those that have no meter of their own.
    pub meter: Arc<TokenMeter>,
    /// Prompts, skills and tools as they are edited.
    pub library: Arc<Library>,
    pub guidance: Guidance,
    pub credentials: Arc<Credentials>,
    pub limits: Limits,
    /// How much may be changed, where, and who decides.
    pub writes: WritesConfig,
    /// The operator's switch for all of that.
    pub switch: WriteSwitch,
    /// Which other bots spoke lately.
    pub bots: BotTalk,
    /// The time zone the model is told times in; `None` for the project's own.
    pub time_zone: Option<String>,
    /// Everything the agent runs in the background, so that shutdown can wait for it.
    pub tasks: TaskTracker,
}

impl Agent {
    /// The workspace's model, or the one that a skill in force asks for.
    fn model_of(&self, workspace: WorkspaceId, wanted: Option<&str>) -> Arc<dyn Model> {
        let own = self.models.of(workspace);
        let wanted = wanted.filter(|name| *name != own.name());
        let other = wanted.and_then(|name| self.models.wanted(workspace, name));
        if let (Some(name), None) = (wanted, other) {
            // The configuration has changed since the skill was taken.
            tracing::debug!(wanted = name, "a skill asks for a model that is not there; the workspace's own is used");
        }
        Arc::clone(other.unwrap_or(own))
    }

    /// What counts the tokens of a model.
    fn meter_of(&self, model: &dyn Model) -> &Arc<TokenMeter> {
        self.models.meter(model.name()).unwrap_or(&self.meter)
    }
}

/// The bounds of one turn, and the patience it takes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Model calls with tools; one more without tools may follow to wrap up.
    pub max_steps: u32,
    /// Wall time since the turn was taken up.
    pub max_turn: Duration,
    /// How long after an attempt to change something it may still take effect although no answer came.
    pub settle: Duration,
    /// How often a turn that goes on asks Plane whether a person has stopped it, in case no webhook tells.
    pub status_every: Duration,
}
