//! Asks the person a question and ends the turn; their reply continues it.
//!
//! The session recognises this tool and carries it out itself, since its result is the next prompt.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Effect, Told, ToolCx, ToolError, ToolOutput, TypedTool, parse_arguments};

/// The tool's name.
pub const NAME: &str = "ask_user";

/// Most options a person is offered.
const MAX_OPTIONS: usize = 10;

pub struct AskUser;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The question, in the person's language.
    pub question: String,
    /// Two to ten answers to choose from, where there are some; the person may still write freely.
    #[serde(default)]
    pub options: Vec<String>,
    /// true if the person may choose several of the options; false or left out for one.
    #[serde(default)]
    pub several: bool,
}

/// Reads the arguments of a question.
///
/// # Errors
/// Arguments that do not fit, an empty question, too many options.
pub fn parse(arguments: &str) -> Result<Args, ToolError> {
    let mut args: Args = parse_arguments(NAME, arguments)?;
    args.options.retain(|option| !option.trim().is_empty());
    let bad = |message: &str| Err(ToolError::BadArguments { tool: NAME, message: message.to_owned() });
    if args.question.trim().is_empty() {
        return bad("question is empty");
    }
    if args.options.len() > MAX_OPTIONS {
        return bad("there are more than ten options");
    }
    Ok(args)
}

#[async_trait]
impl TypedTool for AskUser {
    type Args = Args;
    const NAME: &'static str = NAME;
    const EFFECT: Effect = Effect::Ask;

    fn told(args: &Args) -> Told {
        Told::new("Asking", "Asked").about("question", &args.question)
    }

    /// Only reached by what the session would not ask: ill-formed questions, and every question
    /// after the first in one reply.
    async fn call(&self, args: Args, _cx: &ToolCx<'_>) -> Result<ToolOutput, ToolError> {
        if args.question.trim().is_empty() || args.options.len() > MAX_OPTIONS {
            let message = "give a question and at most ten options".to_owned();
            return Err(ToolError::BadArguments { tool: NAME, message });
        }
        Err(ToolError::NoSuchThing(
            "Only one question can be asked at a time. Ask this one after the reply.".to_owned(),
        ))
    }
}
