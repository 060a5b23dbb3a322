//! The agent: what one run says and does, from a prompt to its one terminal activity.
//!
//! [`session`] decides and never acts; [`turn`] acts and never decides. Between them stands the
//! [`journal`]: a step is written down before the next one begins, so a run goes on after a crash
//! by folding what was written. [`narrator`] shows progress and may lose some of it; the terminal
//! activity is posted by [`turn`] alone.

pub mod budget;
pub mod compaction;
pub mod context;
mod effects;
pub mod gist;
pub mod intake;
pub mod journal;
pub mod narrator;
mod polish;
pub mod prompts;
pub mod question;
pub mod sentences;
pub mod session;
mod speak;
pub mod step;
pub mod sweep;
pub mod turn;

use std::{sync::Arc, time::Duration};

use tokio_util::task::TaskTracker;

use self::prompts::Prompts;
use crate::{
    llm::{Model, tokens::TokenMeter},
    plane::{PlaneApi, facts::Facts},
    store::Store,
    tools::Toolbox,
};

/// Everything a turn needs, built once.
pub struct Agent {
    /// The agent's name in prompts.
    pub name: String,
    pub store: Arc<dyn Store>,
    pub plane: Arc<dyn PlaneApi>,
    pub facts: Facts,
    pub model: Arc<dyn Model>,
    /// Counts the model's tokens.
    pub meter: Arc<TokenMeter>,
    pub toolbox: Toolbox,
    pub prompts: Arc<Prompts>,
    pub limits: Limits,
    /// The time zone the model is told times in; `None` for the project's own.
    pub time_zone: Option<String>,
    /// Everything the agent runs in the background, so that shutdown can wait for it.
    pub tasks: TaskTracker,
}

impl Agent {
    /// Makes the words of heartbeats.
    fn heartbeat(&self) -> narrator::Heartbeat {
        let prompts = Arc::clone(&self.prompts);
        Arc::new(move |doing, since| {
            let values = serde_json::json!({ "doing": doing.as_str(), "seconds": since.as_secs() });
            prompts.render("heartbeat.md", values).ok().filter(|body| !body.is_empty())
        })
    }
}

/// The bounds of one turn.
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
