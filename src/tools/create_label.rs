//! Adds a label to the project.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Told, ToolCx, ToolError, WriteTool, describe, target};
use crate::domain::{
    deed::Deed,
    write::{PlannedWrite, Write},
};

const NAME_LIMIT_CHARS: usize = 100;
/// The colours that have names; the last one is taken where none is named.
const COLORS: [(&str, &str); 8] = [
    ("red", "#E5484D"),
    ("orange", "#F76B15"),
    ("yellow", "#FFB224"),
    ("green", "#30A46C"),
    ("blue", "#3E63DD"),
    ("purple", "#8E4EC6"),
    ("pink", "#D6409F"),
    ("grey", "#8B8D98"),
];

pub struct CreateLabel;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// What it is called.
    name: String,
    /// red, orange, yellow, green, blue, purple, pink, grey, or such as #3E63DD; grey if left out.
    #[serde(default)]
    color: Option<String>,
}

#[async_trait]
impl WriteTool for CreateLabel {
    type Args = Args;
    const NAME: &'static str = "create_label";

    fn told(args: &Args) -> Told {
        Told::new("Creating a label", "Created a label").about("label", &args.name)
    }

    async fn plan(&self, args: Args, cx: &ToolCx<'_>) -> Result<PlannedWrite, ToolError> {
        let project = target::current_project(cx)?;
        let name = describe::name(&args.name);
        if name.is_empty() || name.chars().count() > NAME_LIMIT_CHARS {
            let message = format!("name must have between 1 and {NAME_LIMIT_CHARS} characters");
            return Err(ToolError::BadArguments { tool: Self::NAME, message });
        }
        let color = color(args.color.as_deref().unwrap_or_default())?;
        // Not from what is remembered: a label made a moment ago must not be made again.
        let labels = cx.plane.labels(cx.workspace, project).await?;
        let same = |known: &str| known.to_lowercase() == name.to_lowercase();
        if let Some(known) = labels.iter().find(|label| same(&label.name)) {
            return Err(ToolError::NoSuchThing(format!("The project has the label {:?} already; use it.", known.name)));
        }
        Ok(PlannedWrite {
            summary: format!("New label {name:?}"),
            changes: Vec::new(),
            write: Write::Deed(Deed::CreateLabel { project, name, color }),
        })
    }
}

fn color(wanted: &str) -> Result<String, ToolError> {
    let wanted = wanted.trim();
    let [.., (_, usual)] = COLORS;
    if wanted.is_empty() {
        return Ok(usual.to_owned());
    }
    if let Some((_, code)) = COLORS.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)) {
        return Ok((*code).to_owned());
    }
    let digits = wanted.strip_prefix('#').unwrap_or_default();
    if digits.len() == 6 && digits.chars().all(|digit| digit.is_ascii_hexdigit()) {
        return Ok(wanted.to_uppercase());
    }
    let names = COLORS.map(|(name, _)| name).join(", ");
    let shown: String = wanted.chars().take(40).collect();
    Err(ToolError::NoSuchThing(format!("{shown:?} is no colour. Use one of {names}, or such as #3E63DD.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_has_a_name_or_six_digits() {
        assert_eq!(color("").unwrap(), "#8B8D98");
        assert_eq!(color(" Red ").unwrap(), "#E5484D");
        assert_eq!(color("#3e63dd").unwrap(), "#3E63DD");
        for bad in ["mauve", "#fff", "3E63DD", "#3E63DG", "red;x"] {
            assert!(color(bad).unwrap_err().to_string().contains("red, orange"), "{bad}");
        }
    }
}
