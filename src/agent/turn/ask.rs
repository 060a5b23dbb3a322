//! The model call: what is sent, and what becomes of the reply or of its failure.

use std::sync::Arc;

use super::{Cut, Drive, Flow, Squeeze, spend::measure};
use crate::{
    agent::{
        budget::{self, Fit, Room},
        intake::in_written_order,
        journal::{Bound, Entry, Failure, FailureCode},
        narrator::{Doing, Note},
        prompts::PromptError,
        sight,
        step::AskMode,
    },
    domain::talk::AssistantMessage,
    llm::{Delta, LlmError, Model, Reply, Request},
    store::StoreError,
};

impl Drive<'_> {
    pub(super) async fn ask_model(&mut self, mode: AskMode) -> Result<Flow, StoreError> {
        if !self.waiting.prompts.is_empty() {
            return self.steer().await;
        }
        if let Some(flow) = self.heed_unheard_stop(self.agent.limits.status_every).await? {
            return Ok(flow);
        }
        if let Some(bound) = self.used_up().await? {
            self.record(vec![Entry::BoundHit { bound }], Vec::new()).await?;
            return Ok(Flow::Go);
        }
        let rewording = self.rewording();
        if self.session.is_fresh()
            && self.compacted == 0
            && let Some(through_turn) = budget::overdue(self.session.conversation())
        {
            return self.compact(through_turn).await;
        }
        if let Some(flow) = self.open_pictures().await? {
            return Ok(flow);
        }
        let fitted = match self.request(mode).await {
            Ok(Fit::Fits(fitted)) => {
                if let (Squeeze::Next, Some(counted)) = (self.squeeze, fitted.counted) {
                    self.squeeze = Squeeze::To(counted);
                }
                fitted
            }
            Ok(Fit::Compact { through_turn }) => return self.compact(through_turn).await,
            Ok(Fit::TooLong) => return self.fail(FailureCode::TooLong).await,
            Err(error) => {
                tracing::error!(%error, "the model cannot be asked");
                return self.fail(FailureCode::Internal).await;
            }
        };
        let entry = match self.complete(&fitted.request).await {
            Ok(Ok(reply)) => {
                // What a picture costs is only guessed, and says nothing of words.
                let of_words = fitted.counted.filter(|_| !sight::has_pictures(&fitted.request));
                if let (Some(counted), Some(usage)) = (of_words, reply.usage) {
                    self.agent.meter_of(self.model().as_ref()).learn(counted, usage.input);
                }
                self.answered(reply)
            }
            Ok(Err(error)) if self.can_do_with_less(&error, &fitted.request) => return Ok(Flow::Go),
            Ok(Err(error)) => {
                // The provider's own message may quote the conversation, so only its kind is logged.
                tracing::warn!(kind = error.kind(), "the model call failed");
                metrics::counter!("aileron_model_failures_total").increment(1);
                Entry::Failed { failure: failure_of(&error) }
            }
            // The texts it spoke with are part of what ends the turn.
            Err(Cut::Deadline) => Entry::BoundHit { bound: Bound::WallTime },
            Err(cut @ (Cut::Stop | Cut::HandBack)) => return self.cut_short(cut).await,
        };
        self.record(rewording.into_iter().chain([entry]).collect(), Vec::new()).await?;
        Ok(Flow::Go)
    }

    /// Whether a request that failed is worth sending once more with less in it.
    fn can_do_with_less(&mut self, error: &LlmError, request: &Request) -> bool {
        if matches!(error, LlmError::TooLong { .. }) && self.squeeze == Squeeze::None {
            tracing::warn!("the provider finds the request too long; it is shortened and sent once more");
            self.squeeze = Squeeze::Next;
            return true;
        }
        if matches!(error, LlmError::Refused { .. }) && self.sight.give_up(request) {
            tracing::warn!("the provider refuses a request with pictures; it is sent once more without");
            return true;
        }
        false
    }

    /// Prompts that came while the turn ran join it before the model is asked again.
    async fn steer(&mut self) -> Result<Flow, StoreError> {
        let numbers = self.waiting.prompts.iter().map(|waiting| waiting.number).collect();
        let (agent, info, prompts) =
            (self.agent, self.record.info.clone(), in_written_order(self.waiting.prompts.clone()));
        let said = match self.unless_cut(agent.said(&info, &prompts)).await {
            Ok(said) => said,
            Err(cut) => return self.cut_short(cut).await,
        };
        let (mut entries, prompts) = self.without_late_events(said);
        if !prompts.is_empty() {
            let skills = self.texts.chosen_skills(&prompts);
            entries.push(Entry::Steered { prompts });
            entries.extend(skills);
        }
        self.record(entries, numbers).await?;
        Ok(Flow::Go)
    }

    async fn fail(&mut self, code: FailureCode) -> Result<Flow, StoreError> {
        let failure = Failure::plain(code);
        self.record(vec![Entry::Failed { failure }], Vec::new()).await?;
        Ok(Flow::Go)
    }

    /// The request, shortened to what the model has room for.
    async fn request(&self, mode: AskMode) -> Result<Fit, PromptError> {
        let agent = self.agent;
        let (model, today) = (self.model(), self.when().today_in_words());
        let mut draft = agent.draft(&self.texts, &self.session, mode, today, (&self.sight, model.card().vision))?;
        let (meter, most) = (agent.meter_of(model.as_ref()), u64::from(model.card().max_input()));
        let room = match self.squeeze {
            Squeeze::None => Room { limit: most, squeezed: false },
            Squeeze::Next => Room { limit: most, squeezed: true },
            Squeeze::To(tokens) => Room { limit: most.min(tokens), squeezed: false },
        };
        if let Some(fitted) = draft.at_a_glance(room, meter, self.texts.prompts()) {
            return Ok(Fit::Fits(fitted));
        }
        let (meter, texts) = (Arc::clone(meter), self.texts.clone());
        let fitting = tokio::task::spawn_blocking(move || draft.fit(room, &meter, texts.prompts()));
        Ok(fitting.await.unwrap_or_else(|error| {
            tracing::error!(%error, "the request could not be shortened");
            Fit::TooLong
        }))
    }

    /// The model that speaks in this turn.
    pub(super) fn model(&self) -> Arc<dyn Model> {
        self.agent.model_of(self.run().workspace, self.session.wanted_model())
    }

    async fn complete(&mut self, request: &Request) -> Result<Result<Reply, LlmError>, Cut> {
        self.doing(Doing::Model);
        let key = self.session.key(0);
        let notes = self.narrator.as_ref().map(crate::agent::narrator::Narrator::notes);
        let on_delta = move |delta: Delta| {
            let Some(notes) = &notes else { return };
            let note = match delta {
                Delta::Reasoning(text) => Note::Reasoning(text),
                Delta::Text(_) => return,
                Delta::Restarted { wait, .. } if wait.as_secs() >= 2 => {
                    let _ = notes.send(Note::Doing { what: Doing::Waiting, key });
                    Note::ReasoningVoid
                }
                Delta::Restarted { .. } => Note::ReasoningVoid,
            };
            // A narrator that is gone has nothing more to say.
            let _ = notes.send(note);
        };
        let model = self.model();
        self.unless_cut(model.complete(request, &on_delta)).await
    }

    fn answered(&mut self, reply: Reply) -> Entry {
        measure(reply.usage);
        tracing::info!(
            calls = reply.message.calls.len(),
            finish = ?reply.finish,
            input_tokens = reply.usage.map(|usage| usage.input),
            output_tokens = reply.usage.map(|usage| usage.output),
            "the model replied"
        );
        self.show_text_beside_calls(&reply.message);
        Entry::Answered { message: reply.message, finish: reply.finish, usage: reply.usage }.readable()
    }

    /// What the model says before it calls tools is progress, not an answer.
    fn show_text_beside_calls(&mut self, message: &AssistantMessage) {
        let tells = !message.text.trim().is_empty() && !self.texts.prompts().rules().is_in(&message.text);
        if !message.calls.is_empty() && tells {
            let key = self.session.key(0);
            self.narrate(Note::Thought { key, body: message.text.clone() });
        }
    }
}

fn failure_of(error: &LlmError) -> Failure {
    let (code, detail) = match error {
        LlmError::Unavailable { .. }
        | LlmError::Truncated { .. }
        | LlmError::Transport { .. }
        | LlmError::BadToolCall { .. } => (FailureCode::ModelUnavailable, String::new()),
        LlmError::RateLimited { retry_after, .. } => (FailureCode::ModelRateLimited, wait_told(*retry_after)),
        LlmError::Unauthorized { .. }
        | LlmError::NotFound { .. }
        | LlmError::OutOfCredit { .. }
        | LlmError::NoTools { .. }
        | LlmError::Refused { .. } => (FailureCode::ModelMisconfigured, String::new()),
        LlmError::TooLong { .. } => (FailureCode::TooLong, String::new()),
        LlmError::Filtered { .. } => (FailureCode::AnswerWithheld, String::new()),
    };
    Failure { code, detail }
}

fn wait_told(wait: Option<std::time::Duration>) -> String {
    match wait.map(|wait| wait.as_secs()) {
        None => "It did not say for how long.".to_owned(),
        Some(secs @ 0..=90) => format!("It asks to wait {secs} seconds."),
        Some(secs) => format!("It asks to wait {} minutes.", secs.div_ceil(60)),
    }
}
