//! Takes back what this run has changed. The turn carries it out: it knows the run's changes.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{Called, Effect, Told, Tool, ToolCx, ToolError, parse_arguments, schema};
use crate::domain::feature::Feature;

pub struct Undo;

/// What the model may choose.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// true to take back everything this thread has changed; left out, only what was changed last.
    #[serde(default)]
    pub everything: Option<bool>,
}

/// Reads the arguments of a call.
///
/// # Errors
/// They do not fit.
pub fn parse(arguments: &str) -> Result<Args, ToolError> {
    parse_arguments("undo", arguments)
}

#[async_trait]
impl Tool for Undo {
    fn name(&self) -> &'static str {
        "undo"
    }

    fn effect(&self) -> Effect {
        Effect::Undo
    }

    fn needs(&self) -> Option<Feature> {
        None
    }

    fn parameters(&self) -> Value {
        schema::parameters::<Args>()
    }

    /// Also of a part of a call, whose arguments are others.
    fn told(&self, _: &str) -> Option<Told> {
        Some(Told::new("Taking back a change", "Took back a change"))
    }

    async fn call_text(&self, _: &str, _: &ToolCx<'_>) -> Result<Called, ToolError> {
        Err(ToolError::NotAllowed("Changes are taken back in a turn only.".to_owned()))
    }
}
