//! Puts a work item into a module, or takes it out of one.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Told, ToolCx, ToolError, WriteTool, item_change, resolve, write::item_here};
use crate::domain::{
    deed::{Deed, Grouping},
    write::{PlannedWrite, Write},
};

pub struct ChangeModule;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Key such as MOB-12, or id. Leave out for the current work item.
    #[serde(default)]
    work_item: Option<String>,
    /// Name of the module.
    module: String,
    /// Set to true to take it out instead of putting it in.
    #[serde(default)]
    remove: bool,
}

#[async_trait]
impl WriteTool for ChangeModule {
    type Args = Args;
    const NAME: &'static str = "change_module";

    fn told(args: &Args) -> Told {
        Told::new("Changing the module", "Changed the module").about("module", &args.module)
    }

    async fn plan(&self, args: Args, cx: &ToolCx<'_>) -> Result<PlannedWrite, ToolError> {
        let (item, target) = item_here(args.work_item.as_deref(), cx).await?;
        let called = item_change::called(&item);
        let modules = cx.facts.modules(cx.workspace, target.project).await?;
        let module = resolve::module(&args.module, &modules)?;
        let grouping = Grouping::Module(module.id);
        let is_in = cx.plane.grouped(cx.workspace, target.project, grouping).await?.contains(&item.id);
        let name = &module.name;
        let (summary, deed) = match (args.remove, is_in) {
            (false, true) => {
                let message = format!("{called} is in the module {name} already; nothing is to be changed.");
                return Err(ToolError::NoSuchThing(message));
            }
            (true, false) => return Err(ToolError::NoSuchThing(format!("{called} is not in the module {name}."))),
            (false, false) => {
                (format!("Put {called} into the module {name}"), Deed::PutInto { item: target, grouping, from: None })
            }
            (true, true) => {
                (format!("Take {called} out of the module {name}"), Deed::TakeOut { item: target, grouping })
            }
        };
        Ok(PlannedWrite { summary, changes: Vec::new(), write: Write::Deed(deed) })
    }
}
