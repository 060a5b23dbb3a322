//! The channel: agent runs or comments.

use std::time::Duration;

use super::Resolver;
use crate::config::{
    ChannelConfig, CommentsConfig, FixedTokenConfig, Progress,
    raw::{ChannelKind, RawComments},
};

impl Resolver<'_> {
    /// `name` is the agent's, by which it can be called.
    pub(super) fn channel(
        &mut self,
        kind: ChannelKind,
        raw: RawComments,
        fixed: Option<&FixedTokenConfig>,
        name: &str,
    ) -> Option<ChannelConfig> {
        match kind {
            ChannelKind::Runs => return Some(ChannelConfig::Runs),
            ChannelKind::Comments => {}
        }
        let Some(bot) = fixed.and_then(|fixed| fixed.bot) else {
            let message = "missing: comments need the whole of plane.fixed, and this is the id of the agent's user, \
                           which GET /api/v1/users/me/ answers to its API key";
            self.complain("plane.fixed.bot", message);
            return None;
        };
        let mut ids = |key: &str, texts: &[String]| -> Vec<uuid::Uuid> {
            texts.iter().filter_map(|text| self.parsed(key, text, "a list of UUIDs")).collect()
        };
        let ignore = ids("plane.comments.ignore", &raw.ignore).into_iter().map(crate::domain::ids::UserId).collect();
        let projects = ids("plane.comments.projects", &raw.projects);
        let projects: Vec<_> = projects.into_iter().map(crate::domain::ids::ProjectId).collect();
        let poll = Duration::from_secs(u64::from(raw.poll_secs.unwrap_or(0)));
        if !poll.is_zero() && projects.is_empty() && raw.projects.is_empty() {
            self.complain("plane.comments.projects", "missing: name the projects that poll_secs looks through");
        }
        let names = raw.names.unwrap_or_else(|| vec![format!("@{name}"), format!("/{name}")]);
        Some(ChannelConfig::Comments(CommentsConfig {
            bot,
            names: names.iter().map(|name| name.trim().to_lowercase()).filter(|name| !name.is_empty()).collect(),
            reply_window: Duration::from_secs(u64::from(raw.reply_window_mins.unwrap_or(15)) * 60),
            progress: raw.progress.unwrap_or(Progress::Become),
            ignore,
            poll,
            projects,
            on_assignment: raw.on_assignment.unwrap_or(false),
            label: raw.label.map(|label| label.trim().to_lowercase()).filter(|label| !label.is_empty()),
        }))
    }
}
