//! Older turns give way to a summary, written by the model, or made without it if it fails.

use serde_json::json;

use super::{Cut, Drive, Flow, spend::measure};
use crate::{
    agent::{compaction, journal, narrator::Doing},
    domain::{talk::Message, usage::Spent},
    llm::{Reply, Request},
    store::{JournalStep, StoreError},
};

/// Compactions of one turn for which the model is asked. More are needed only where the window is tiny.
const MOST_ASKED: u32 = 1;

impl Drive<'_> {
    /// Puts a summary in the place of every turn up to this one. Only the entry with the summary makes it
    /// happen: before that nothing was lost, and a turn that is resumed compacts anew.
    pub(super) async fn compact(&mut self, through_turn: u32) -> Result<Flow, StoreError> {
        let asked = if self.compacted < MOST_ASKED { self.summarise(through_turn).await } else { Ok(None) };
        self.compacted += 1;
        let (summary, replies) = match asked {
            Ok(reply) => {
                let summary = reply.as_ref().and_then(|reply| compaction::accepted(&reply.message.text));
                let replies: Vec<_> = reply.iter().map(|reply| self.reply(&reply.message, reply.usage)).collect();
                let label = if summary.is_some() { "model" } else { "mechanical" };
                metrics::counter!("aileron_compactions_total", "by" => label).increment(1);
                tracing::info!(by = label, "older turns are put into a summary");
                let mechanical = || compaction::mechanical(self.session.conversation(), through_turn);
                (summary.unwrap_or_else(mechanical), replies)
            }
            Err(cut) => return self.cut_short(cut).await,
        };
        let Some((entry, fold_from)) = self.session.compaction(through_turn, summary) else {
            return Ok(Flow::Go);
        };
        let entries = vec![journal::encode(&entry)];
        replies.iter().for_each(|reply| self.record.spent.add(&Spent::on(reply.usage)));
        let step = JournalStep { entries, fold_from: Some(fold_from), replies, ..JournalStep::default() };
        self.take_up(step, vec![entry]).await?;
        Ok(Flow::Go)
    }

    /// The model's reply with a summary; `None` if it gives none.
    async fn summarise(&mut self, through_turn: u32) -> Result<Option<Reply>, Cut> {
        let conversation = compaction::transcript(self.session.conversation(), through_turn);
        let values = json!({ "agent_name": self.agent.name, "conversation": conversation });
        let text = match self.texts.prompts().render("compact.md", values) {
            Ok(text) => text,
            Err(error) => {
                tracing::error!(%error, "a prompt failed; the summary is made without the model");
                return Ok(None);
            }
        };
        self.doing(Doing::Model);
        let request = Request { messages: vec![Message::User { text }], tools: Vec::new() };
        let model = self.model();
        Ok(match self.unless_cut(model.complete(&request, &|_| {})).await? {
            Ok(reply) => {
                measure(reply.usage);
                Some(reply)
            }
            Err(error) => {
                tracing::warn!(kind = error.kind(), "the model gives no summary; it is made without it");
                None
            }
        })
    }
}
