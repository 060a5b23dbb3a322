//! Taking back what the run has changed: a call becomes one change for each that is to be taken back.

use super::{Drive, Flow};
use crate::{
    agent::step::PlannedCall,
    store::StoreError,
    tools::{Called, ToolError},
};

impl crate::agent::Agent {
    pub(super) async fn undo_part(
        &self,
        _run: &crate::domain::event::RunInfo,
        _call: &PlannedCall,
    ) -> Result<Called, ToolError> {
        Err(ToolError::NotAllowed("later".to_owned()))
    }
}

impl Drive<'_> {
    pub(super) async fn call_undo(&mut self, call: &PlannedCall) -> Result<Flow, StoreError> {
        self.tell(call, Err(ToolError::NotAllowed("later".to_owned())), None).await
    }

    pub(super) fn is_undo(&self, call: &PlannedCall) -> bool {
        !call.is_part && self.texts.wording().toolbox.effect(&call.call.name) == Some(crate::tools::Effect::Undo)
    }
}
