//! What is looked at in Plane before a change is sent again, or after it had to wait.

use tokio::time::Instant;

use super::{Cut, Drive, write::Next};
use crate::{
    agent::{effects, step::PlannedCall},
    domain::{
        disposition::Disposition,
        write::{PlannedWrite, Written},
    },
    store::StoreError,
    tools::ToolError,
};

impl Drive<'_> {
    /// Whether an earlier attempt has come through.
    pub(super) async fn look_up(
        &mut self,
        call: &PlannedCall,
        planned: &PlannedWrite,
        attempted_at: Instant,
    ) -> Result<Next<Option<Written>>, StoreError> {
        let (plane, workspace) = (self.agent.plane.clone(), self.run().workspace);
        let settled_at = attempted_at + self.agent.limits.settle;
        let looking = async {
            tokio::time::sleep_until(settled_at).await;
            effects::look_up(plane.as_ref(), workspace, call.finished_key, &planned.write).await
        };
        let error = match self.unless_cut(looking).await {
            Ok(Ok(found)) => return Ok(Next::On(found)),
            Ok(Err(error)) => error,
            Err(cut) => return self.cut_short(cut).await.map(Next::Settled),
        };
        match error.disposition() {
            // Plane will not say, and to repeat it blindly is out of the question.
            Disposition::TellModel => self.tell(call, Err(ToolError::OutcomeUnknown), None).await,
            Disposition::Retry { .. } | Disposition::GiveUp => self.change_later(call, &error).await,
        }
        .map(Next::Settled)
    }

    /// Settles a change nothing has been sent of if what it changes is no longer as it was when it was planned.
    pub(super) async fn settle_if_overtaken(
        &mut self,
        call: &PlannedCall,
        planned: &PlannedWrite,
    ) -> Result<Next<()>, StoreError> {
        let (plane, workspace) = (self.agent.plane.clone(), self.run().workspace);
        match self.unless_cut(effects::overtaken(plane.as_ref(), workspace, &planned.write)).await {
            Ok(Ok(None)) => return Ok(Next::On(())),
            Ok(Ok(Some(overtaken))) => self.changed(call, planned, overtaken).await,
            Ok(Err(error)) => match error.disposition() {
                Disposition::TellModel => self.tell(call, Err(ToolError::Plane(error)), None).await,
                Disposition::Retry { .. } | Disposition::GiveUp => self.change_later(call, &error).await,
            },
            Err(Cut::Stop) => self.refuse_if_stopped(call).await,
            Err(cut @ (Cut::Deadline | Cut::HandBack)) => self.cut_short(cut).await,
        }
        .map(Next::Settled)
    }
}
