//! Older turns give way to a summary, written by the model, or made without it if it fails.

use serde_json::json;

use super::{Cut, Drive, Flow};
use crate::{
    agent::{
        compaction,
        journal::{self, Bound, Entry},
        narrator::Doing,
    },
    domain::talk::Message,
    llm::Request,
    store::{JournalStep, Release, StoreError},
};

/// Compactions of one turn for which the model is asked. More are needed only where the window is tiny.
const MOST_ASKED: u32 = 1;

impl Drive<'_> {
    /// Puts a summary in the place of every turn up to this one. Only the entry with the summary makes it
    /// happen: before that nothing was lost, and a turn that is resumed compacts anew.
    pub(super) async fn compact(&mut self, through_turn: u32) -> Result<Flow, StoreError> {
        let summary = if self.compacted < MOST_ASKED { self.summarise(through_turn).await } else { Cut::Done(None) };
        self.compacted += 1;
        let summary = match summary {
            Cut::Done(summary) => {
                let label = if summary.is_some() { "model" } else { "mechanical" };
                metrics::counter!("aileron_compactions_total", "by" => label).increment(1);
                tracing::info!(by = label, "older turns are put into a summary");
                summary.unwrap_or_else(|| compaction::mechanical(self.session.conversation(), through_turn))
            }
            Cut::Deadline => {
                self.record(vec![Entry::BoundHit { bound: Bound::WallTime }], Vec::new()).await?;
                return Ok(Flow::Go);
            }
            Cut::Stop => return self.refresh().await,
            Cut::HandBack => return Ok(Flow::Leave(Release::HandBack)),
        };
        let Some((entry, fold_from)) = self.session.compaction(through_turn, summary) else {
            return Ok(Flow::Go);
        };
        let entries = vec![journal::encode(&entry)];
        let step = JournalStep { entries, fold_from: Some(fold_from), ..JournalStep::default() };
        self.take_up(step, vec![entry]).await?;
        Ok(Flow::Go)
    }

    /// The model's summary; `None` if it gives none.
    async fn summarise(&mut self, through_turn: u32) -> Cut<Option<String>> {
        let conversation = compaction::transcript(self.session.conversation(), through_turn);
        let values = json!({ "agent_name": self.agent.name, "conversation": conversation });
        let text = match self.texts.prompts().render("compact.md", values) {
            Ok(text) => text,
            Err(error) => {
                tracing::error!(%error, "a prompt failed; the summary is made without the model");
                return Cut::Done(None);
            }
        };
        self.doing(Doing::Model);
        let request = Request { messages: vec![Message::User { text }], tools: Vec::new() };
        let model = self.model();
        match self.unless_cut(model.complete(&request, &|_| {})).await {
            Cut::Done(Ok(reply)) => Cut::Done(compaction::accepted(&reply.message.text)),
            Cut::Done(Err(error)) => {
                tracing::warn!(kind = error.kind(), "the model gives no summary; it is made without it");
                Cut::Done(None)
            }
            Cut::Stop => Cut::Stop,
            Cut::HandBack => Cut::HandBack,
            Cut::Deadline => Cut::Deadline,
        }
    }
}
