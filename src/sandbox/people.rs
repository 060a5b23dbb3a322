//! The handle's part that plays people.

use super::{
    Sandbox, known,
    plan::{Delivery, Mention, Mentioned},
    world::External,
};
use crate::domain::ids::{CommentId, RunId};

impl Sandbox {
    /// A person mentions the agent: a comment, a run, its first prompt and the planned webhooks.
    pub async fn mention(&self, mention: Mention) -> Mentioned {
        let Mention { workspace, work_item, author, text, delivery } = mention;
        let said = known(self.shared.begin(workspace, &work_item, &author, &text, &delivery));
        let statuses = self.shared.send(&said.events).await;
        said.answered(statuses)
    }

    /// A person writes a further prompt in the run's thread.
    pub async fn reply(&self, run: RunId, author: &str, text: &str) -> Mentioned {
        self.reply_as(run, author, text, &Delivery::prompt_only()).await
    }

    /// As [`Sandbox::reply`], with a plan for the webhooks.
    pub async fn reply_as(&self, run: RunId, author: &str, text: &str, delivery: &Delivery) -> Mentioned {
        let said = known(self.shared.follow_up(run, author, text, delivery));
        let statuses = self.shared.send(&said.events).await;
        said.answered(statuses)
    }

    /// As [`Sandbox::reply`], but in a comment that stands by itself, as all do in the Community edition.
    pub async fn reply_beside(&self, run: RunId, author: &str, text: &str) -> Mentioned {
        let said = known(self.shared.say_beside(run, author, text));
        let statuses = self.shared.send(&said.events).await;
        said.answered(statuses)
    }

    /// A person presses stop; where there is no such button, they write it.
    pub async fn stop(&self, run: RunId, author: &str) -> Mentioned {
        let said = known(self.shared.press_stop(run, author));
        let statuses = self.shared.send(&said.events).await;
        said.answered(statuses)
    }

    /// A person writes a comment that does not concern the agent.
    pub fn comment(&self, workspace: usize, work_item: &str, author: &str, text: &str) {
        known(self.shared.plain_comment(workspace, work_item, author, text));
        self.shared.deliver_due();
    }

    /// A person renames a work item and sets its priority.
    pub fn edit(&self, workspace: usize, work_item: &str, name: &str, priority: &str) {
        let mut world = self.shared.lock();
        let id = world.workspaces.get(workspace).and_then(|home| home.item_by_key(work_item)).map(|(_, item)| item.id);
        if let Some(item) = id.and_then(|id| world.item_mut(id)) {
            item.name = name.to_owned();
            item.priority = priority.to_owned();
            item.updated_at = jiff::Timestamp::now();
        }
    }

    /// A person assigns a work item to somebody, besides those who have it.
    pub fn assign(&self, workspace: usize, work_item: &str, author: &str, to: &str) {
        known(self.shared.assign(workspace, work_item, author, to));
        self.shared.deliver_due();
    }

    /// Somebody changes a comment, be it another's; the webhook tells of it if `tell`.
    pub fn rewrite(&self, comment: CommentId, by: &str, text: &str, tell: bool) {
        known(self.shared.rewrite(comment, by, text, tell));
        self.shared.deliver_due();
    }

    /// Somebody writes a comment under a key of the agent's.
    pub fn forge(&self, workspace: usize, work_item: &str, author: &str, text: &str, external_id: &str) {
        let external = External { source: Some("aileron".to_owned()), id: Some(external_id.to_owned()) };
        known(self.shared.comment_under(workspace, work_item, author, text, external));
        self.shared.deliver_due();
    }
}
