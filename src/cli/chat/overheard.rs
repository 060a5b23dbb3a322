//! A model that is listened to while it speaks.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::screen::Heard;
use crate::llm::{Delta, LlmError, Model, OnDelta, Reply, Request, card::ModelCard};

pub(super) struct Overheard {
    inner: Arc<dyn Model>,
    tell: mpsc::UnboundedSender<Heard>,
}

impl Overheard {
    pub(super) fn new(inner: Arc<dyn Model>, tell: mpsc::UnboundedSender<Heard>) -> Self {
        Self { inner, tell }
    }
}

#[async_trait]
impl Model for Overheard {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn card(&self) -> &ModelCard {
        self.inner.card()
    }

    async fn complete(&self, request: &Request, on_delta: OnDelta<'_>) -> Result<Reply, LlmError> {
        // Whoever listened may have left.
        let _ = self.tell.send(Heard::Begins);
        let listen = |delta: Delta| {
            let _ = match &delta {
                Delta::Text(text) => self.tell.send(Heard::Text(text.clone())),
                Delta::Restarted { .. } => self.tell.send(Heard::Begins),
                Delta::Reasoning(_) => Ok(()),
            };
            on_delta(delta);
        };
        self.inner.complete(request, &listen).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::{card, rehearsal::Rehearsal};

    #[test]
    fn who_listens_does_not_change_what_the_model_can_do() {
        let (tell, _heard) = mpsc::unbounded_channel();
        let model = Overheard::new(Arc::new(Rehearsal::new("main")), tell);
        assert_eq!((model.name(), model.card()), ("main", &card::REHEARSAL));
    }
}
