//! The one place where another model takes over.
//!
//! Models are asked in their order. One that keeps failing is passed over for a while; each renders the
//! conversation for itself, so the next can go on wherever the one before broke off. What was told of
//! an answer that is given up is taken back with [`Delta::Restarted`].

mod breaker;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use self::breaker::{Breaker, Trial};
use super::{Delta, LlmError, Model, OnDelta, Reply, Request, card::ModelCard};
use crate::config::ErrorClass;

/// A model, and those that take its place.
pub struct Fallback {
    links: Vec<Link>,
    fallback_on: Vec<ErrorClass>,
}

struct Link {
    model: Arc<dyn Model>,
    breaker: Breaker,
}

impl Fallback {
    /// In the order they are asked; there must be one at least.
    #[must_use]
    pub fn new(models: Vec<Arc<dyn Model>>, fallback_on: &[ErrorClass]) -> Self {
        let links = models.into_iter().map(|model| Link { model, breaker: Breaker::default() }).collect();
        Self { links, fallback_on: fallback_on.to_vec() }
    }

    /// Asks in order those that `pass` lets through; `None` if it let none.
    async fn round(
        &self,
        request: &Request,
        on_delta: OnDelta<'_>,
        pass: fn(&Breaker) -> Option<Trial<'_>>,
    ) -> Option<Result<Reply, LlmError>> {
        let mut given_up: Option<LlmError> = None;
        let mut window = 0;
        for link in &self.links {
            let card = link.model.card();
            // A conversation that was too long for one is too long for all that hold no more.
            if matches!(given_up, Some(LlmError::TooLong { .. })) && card.context_window <= window {
                continue;
            }
            // Only now: whoever holds the pass of one that is tried again keeps all others from it.
            let Some(trial) = pass(&link.breaker) else { continue };
            if let Some(error) = &given_up {
                tracing::warn!(model = link.model.name(), reason = error.kind(), "another model takes over");
                metrics::counter!("aileron_model_fallbacks_total", "reason" => error.kind()).increment(1);
                on_delta(Delta::Restarted { reason: error.in_short().to_owned(), wait: Duration::ZERO });
            }
            match link.model.complete(request, on_delta).await {
                Ok(reply) => {
                    trial.succeeded();
                    return Some(Ok(reply));
                }
                Err(error) => {
                    trial.failed(&error);
                    window = window.max(card.context_window);
                    if !self.fallback_on.contains(&error.class()) {
                        return Some(Err(error));
                    }
                    // The first failure says most: it is the model's that was meant to answer.
                    given_up.get_or_insert(error);
                }
            }
        }
        given_up.map(Err)
    }
}

#[async_trait]
impl Model for Fallback {
    fn name(&self) -> &str {
        self.links.first().map_or("none", |link| link.model.name())
    }

    /// The first model's: what it can take decides how a request is made.
    fn card(&self) -> &ModelCard {
        self.links.first().map_or(&super::card::UNKNOWN, |link| link.model.card())
    }

    async fn complete(&self, request: &Request, on_delta: OnDelta<'_>) -> Result<Reply, LlmError> {
        if let Some(outcome) = self.round(request, on_delta, Breaker::try_pass).await {
            return outcome;
        }
        // All are passed over: an answer from a shaky provider is better than none.
        let outcome = self.round(request, on_delta, |breaker| Some(breaker.pass())).await;
        outcome.unwrap_or(Err(LlmError::Unavailable { retry_after: None, message: "no model is left".to_owned() }))
    }
}

#[cfg(test)]
mod tests;
