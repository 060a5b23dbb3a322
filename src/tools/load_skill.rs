//! Gives the model the instructions of a skill, so that a skill costs its one line until it is wanted.
//!
//! The turn carries it out, from the texts it speaks with.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Effect, Told, ToolCx, ToolError, ToolOutput, TypedTool, parse_arguments};

/// The tool's name.
pub const NAME: &str = "load_skill";

pub struct LoadSkill;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The skill's name.
    pub name: String,
}

/// Reads which skill is meant.
///
/// # Errors
/// Arguments that do not fit.
pub fn parse(arguments: &str) -> Result<Args, ToolError> {
    parse_arguments(NAME, arguments)
}

#[async_trait]
impl TypedTool for LoadSkill {
    type Args = Args;
    const NAME: &'static str = NAME;
    const EFFECT: Effect = Effect::Instruct;

    fn told(args: &Args) -> Told {
        Told::new("Loading a skill", "Loaded a skill").about("skill", &args.name)
    }

    /// Only reached where a tool is called outside a turn, and there are no skills there.
    async fn call(&self, args: Args, _cx: &ToolCx<'_>) -> Result<ToolOutput, ToolError> {
        Err(ToolError::NoSuchThing(format!("There is no skill {:?} here.", args.name)))
    }
}
