//! Tools that change something. Such a tool only plans: it resolves the model's names to ids and
//! absolute values. Whoever called it journals the plan and carries it out.

use std::borrow::Cow;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{Called, Effect, Told, Tool, ToolCx, ToolError, parse_arguments, schema, target};
use crate::domain::{
    feature::Feature,
    work_item::WorkItem,
    write::{PlannedWrite, Target},
};

/// The argument that every change has besides its own.
pub const REASON: &str = "reason";

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

    /// Every change may be given a reason, which the person reads who is asked to approve it.
    fn parameters(&self) -> Value {
        let mut parameters = schema::parameters::<T::Args>();
        if let Some(fields) = parameters.get_mut("properties").and_then(Value::as_object_mut) {
            let description =
                "Why, in a few words in the language of the person; they read it when they are asked to approve.";
            fields.insert(REASON.to_owned(), json!({ "type": "string", "description": description }));
        }
        parameters
    }

    fn told(&self, arguments: &str) -> Option<Told> {
        parse_arguments(T::NAME, &without_reason(arguments)).ok().map(|args| T::told(&args))
    }

    async fn call_text(&self, arguments: &str, cx: &ToolCx<'_>) -> Result<Called, ToolError> {
        let args = parse_arguments(T::NAME, &without_reason(arguments))?;
        self.0.plan(args, cx).await.map(|planned| Called::Wants(Box::new(planned)))
    }
}

/// The arguments that are the tool's own.
fn without_reason(arguments: &str) -> Cow<'_, str> {
    match serde_json::from_str::<Map<String, Value>>(arguments) {
        Ok(mut fields) if fields.contains_key(REASON) => {
            fields.remove(REASON);
            Cow::Owned(Value::Object(fields).to_string())
        }
        Ok(_) | Err(_) => Cow::Borrowed(arguments),
    }
}

/// Fetches the work item that is to be changed.
pub(super) async fn item_here(text: Option<&str>, cx: &ToolCx<'_>) -> Result<(WorkItem, Target), ToolError> {
    let item = target::work_item(text, cx).await?;
    let target = Target { project: item.project.id, id: item.id };
    Ok((item, target))
}
