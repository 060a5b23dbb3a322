//! Pictures are fetched before the model that sees them is asked, once a turn.

use super::{Drive, Flow};
use crate::store::StoreError;

impl Drive<'_> {
    /// Fetches what the model is to be shown and has not been.
    pub(super) async fn open_pictures(&mut self) -> Result<Option<Flow>, StoreError> {
        if !self.model().card().vision {
            return Ok(None);
        }
        let (agent, workspace) = (self.agent, self.run().workspace);
        let missing = self.sight.missing(&self.session);
        match self.unless_cut(agent.open_pictures(workspace, missing)).await {
            Ok(fetched) => {
                self.sight.extend(fetched);
                Ok(None)
            }
            Err(cut) => self.cut_short(cut).await.map(Some),
        }
    }
}
