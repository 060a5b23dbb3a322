//! Tools that change something. Such a tool only plans: it resolves the model's names to ids and
//! absolute values. Whoever called it journals the plan and carries it out.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Called, Effect, Told, Tool, ToolCx, ToolError, parse_arguments, schema, target};
use crate::domain::{
    feature::Feature,
    ids::ProjectId,
    work_item::WorkItem,
    write::{PlannedWrite, Target},
};

/// A tool with typed arguments that plans a change and makes none.
#[async_trait]
pub trait WriteTool: Send + Sync + 'static {
    /// What the model may choose. Field docs become the descriptions of the fields.
    type Args: DeserializeOwned + JsonSchema + Send;
    const NAME: &'static str;
    /// [`Effect::Write`], or [`Effect::Destroy`] where nothing brings back what it takes away.
    const EFFECT: Effect = Effect::Write;
    /// What not every Plane has and this cannot do without.
    const NEEDS: Option<Feature> = None;

    /// The call as people are told of it.
    fn told(args: &Self::Args) -> Told;

    /// Says exactly what the call would change. Reads, and may be repeated.
    async fn plan(&self, args: Self::Args, cx: &ToolCx<'_>) -> Result<PlannedWrite, ToolError>;
}

/// A [`WriteTool`] as a [`Tool`].
pub(super) struct Writes<T>(pub(super) T);

#[async_trait]
impl<T: WriteTool> Tool for Writes<T> {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn effect(&self) -> Effect {
        T::EFFECT
    }

    fn needs(&self) -> Option<Feature> {
        T::NEEDS
    }

    fn parameters(&self) -> Value {
        schema::parameters::<T::Args>()
    }

    fn told(&self, arguments: &str) -> Option<Told> {
        parse_arguments(T::NAME, arguments).ok().map(|args| T::told(&args))
    }

    async fn call_text(&self, arguments: &str, cx: &ToolCx<'_>) -> Result<Called, ToolError> {
        let args = parse_arguments(T::NAME, arguments)?;
        self.0.plan(args, cx).await.map(|planned| Called::Wants(Box::new(planned)))
    }
}

/// Writes stay in the project the person wrote in: that they may comment there is known, and of other
/// projects nothing is.
pub(super) fn only_here(project: ProjectId, cx: &ToolCx<'_>) -> Result<(), ToolError> {
    if cx.run.project == Some(project) {
        return Ok(());
    }
    Err(ToolError::NotAllowed(
        "That work item belongs to another project. You may only change work items of the project you were mentioned in."
            .to_owned(),
    ))
}

/// Fetches the work item that is to be changed.
pub(super) async fn item_here(text: Option<&str>, cx: &ToolCx<'_>) -> Result<(WorkItem, Target), ToolError> {
    let item = target::work_item(text, cx).await?;
    only_here(item.project.id, cx)?;
    let target = Target { project: item.project.id, id: item.id };
    Ok((item, target))
}
