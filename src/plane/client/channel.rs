//! Where people and the agent talk: in agent runs, or in comments. What is said goes out and is read again here
//! whichever it is; that comments arrive in another way than runs is the matter of those who receive them.

mod comments;
mod runs;

use std::time::Duration;

use self::comments::Comments;
use super::caller::Caller;
use crate::{
    config::ChannelConfig,
    domain::{
        activity::{Draft, Posted, RunActivity},
        event::RunInfo,
    },
    plane::{PlaneError, RunStatus},
};

/// Least time between two edits of a comment: each is a request, and a webhook to everyone who listens.
const EDIT_GAP: Duration = Duration::from_secs(4);

pub(in crate::plane::client) enum Channel {
    Runs,
    Comments(Comments),
}

impl Channel {
    pub(super) fn new(config: &ChannelConfig) -> Self {
        match config {
            ChannelConfig::Runs => Self::Runs,
            ChannelConfig::Comments(config) => Self::Comments(Comments::new(config)),
        }
    }

    /// `browse` is where people find the workspace's work items.
    pub(super) async fn post(
        &self,
        caller: &Caller,
        run: &RunInfo,
        draft: &Draft,
        browse: Option<&str>,
    ) -> Result<Posted, PlaneError> {
        match self {
            Self::Runs => runs::post(caller, run, draft, browse).await,
            Self::Comments(comments) => comments.post(caller, run, draft, browse).await,
        }
    }

    pub(super) async fn activities(&self, caller: &Caller, run: &RunInfo) -> Result<Vec<RunActivity>, PlaneError> {
        match self {
            Self::Runs => runs::activities(caller, run).await,
            Self::Comments(comments) => comments.activities(caller, run).await,
        }
    }

    pub(super) async fn status(&self, caller: &Caller, run: &RunInfo) -> Result<(RunInfo, RunStatus), PlaneError> {
        match self {
            Self::Runs => runs::status(caller, run).await,
            Self::Comments(comments) => comments.status(caller, run).await,
        }
    }

    pub(super) fn progress_gap(&self) -> Option<Duration> {
        match self {
            Self::Runs => None,
            Self::Comments(_) => Some(EDIT_GAP),
        }
    }
}
