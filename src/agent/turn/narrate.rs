//! What is shown while a turn goes on.

use std::sync::Arc;

use serde_json::json;

use super::Drive;
use crate::agent::{
    narrator::{Doing, Heartbeat, Narrator, Note, Pace},
    texts::Texts,
};

impl Drive<'_> {
    pub(super) fn doing(&mut self, what: Doing) {
        let key = self.session.key(0);
        self.narrate(Note::Doing { what, key });
    }

    pub(super) fn narrate(&mut self, note: Note) {
        let (agent, record, texts) = (self.agent, &self.record, &self.texts);
        let (already, said) = (&self.already, &self.said);
        let narrator = self.narrator.get_or_insert_with(|| {
            let heartbeat = heartbeat(texts);
            let run = record.info.clone();
            Narrator::start(
                &agent.tasks,
                agent.plane.clone(),
                run,
                already.keys().chain(said).cloned().collect(),
                Pace::default().no_faster_than(agent.plane.progress_gap()),
                heartbeat,
            )
        });
        narrator.tell(note);
    }

    /// Makes sure that no progress is posted from here on.
    pub(super) async fn hush(&mut self, farewell: bool) {
        if let Some(narrator) = self.narrator.take() {
            self.said.extend(narrator.quiet(farewell).await);
        }
    }
}

/// Makes the words of heartbeats.
pub(super) fn heartbeat(texts: &Texts) -> Heartbeat {
    let texts = texts.clone();
    Arc::new(move |doing, since| {
        let values = json!({ "doing": doing.as_str(), "seconds": since.as_secs() });
        texts.prompts().render("heartbeat.md", values).ok().filter(|body| !body.is_empty())
    })
}
