//! What the model may do. A tool is one file here and one description in `tools/`.
//!
//! [`all`] is the only list of tools; offers to the model, `aileron check` and the tidy test derive
//! from it. What the model may choose is a tool's `Args`; what it may not (workspace, credentials,
//! step key) is in [`ToolCx`].

pub mod add_comment;
pub mod add_link;
pub mod archive_work_item;
pub mod ask_user;
pub mod change_cycle;
pub mod change_module;
pub mod create_label;
pub mod create_page;
pub mod create_work_item;
pub mod delete_comment;
pub mod delete_work_item;
pub mod describe;
pub mod edit_comment;
pub mod find_pages;
pub mod find_similar_work_items;
mod item_change;
pub mod list_intake;
pub mod list_project_facts;
pub mod list_work_items;
pub mod load_skill;
mod own_comment;
pub mod read_attachment;
pub mod read_comments;
pub mod read_history;
pub mod read_page;
pub mod read_work_item;
pub mod relate_work_items;
mod resolve;
pub mod rights;
mod schema;
pub mod search_work_items;
mod similar;
mod target;
pub mod told;
pub mod toolbox;
pub mod triage_intake;
pub mod undo;
pub mod unrelate_work_items;
pub mod update_work_item;
pub mod when;
pub mod write;

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use self::{rights::Rights, told::Told, toolbox::Toolbox, when::When, write::WriteTool};
use crate::{
    domain::{
        event::RunInfo,
        feature::Feature,
        ids::{ProjectId, WorkspaceId},
        picture::PictureRef,
        write::PlannedWrite,
    },
    plane::{PlaneApi, PlaneError, facts::Facts},
};

/// How a tool touches the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Reads only; may run beside others and be repeated.
    Read,
    /// Changes something. The tool only plans it; it is journalled and then carried out, one at a time.
    Write,
    /// As [`Effect::Write`], and what it takes away does not come back.
    Destroy,
    /// Takes back changes of the run; carried out by the turn, which knows them.
    Undo,
    /// Ends the turn with a question; carried out by the session, not by [`Tool::call_text`].
    Ask,
    /// Fetches instructions of ours; carried out by the turn, which knows the texts it speaks with.
    Instruct,
}

impl Effect {
    /// Whether it changes something.
    #[must_use]
    pub fn changes(self) -> bool {
        match self {
            Self::Write | Self::Destroy | Self::Undo => true,
            Self::Read | Self::Ask | Self::Instruct => false,
        }
    }
}

/// What a tool gets besides its arguments.
pub struct ToolCx<'a> {
    pub workspace: WorkspaceId,
    pub run: &'a RunInfo,
    pub plane: &'a dyn PlaneApi,
    pub facts: &'a Facts,
    /// How times are told.
    pub when: &'a When,
    /// What those may do who speak in the turn.
    pub rights: &'a Rights<'a>,
    /// Set once the call looks into another project than the run's: others may not see that one.
    pub elsewhere: &'a AtomicBool,
}

impl ToolCx<'_> {
    /// Whether everyone who speaks can see the project. What they cannot see is not there for the agent.
    ///
    /// # Errors
    /// Plane did not answer.
    pub async fn sees(&self, project: ProjectId) -> Result<bool, ToolError> {
        let seen = self.rights.in_project(project).await?.is_some();
        if seen && self.run.project != Some(project) {
            self.elsewhere.store(true, Ordering::Relaxed);
        }
        Ok(seen)
    }
}

/// What a tool gives back.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolOutput {
    /// Compact Markdown for the model.
    pub text: String,
    /// A few words for the person, such as "3 work items".
    pub summary: String,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Called {
    Output(ToolOutput),
    /// And a picture, for a model that sees.
    Shows(ToolOutput, PictureRef),
    /// The call would change this. Nothing has happened yet.
    Wants(Box<PlannedWrite>),
}

/// Why a tool did not do it. The text is for the model.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    #[error("There is no tool named {name:?}. The tools are: {known}.")]
    Unknown { name: String, known: String },
    #[error("The arguments of {tool} do not fit: {message}. Call it again with corrected arguments.")]
    BadArguments { tool: &'static str, message: String },
    /// The call names something that does not exist; the text lists what does.
    #[error("{0}")]
    NoSuchThing(String),
    /// The call is understood and not permitted.
    #[error("{0}")]
    NotAllowed(String),
    /// The person stopped the run before it was made.
    #[error("Not carried out: the person stopped the run.")]
    Stopped,
    /// It was tried, and Plane does not say what became of it.
    #[error(
        "It is unknown whether this was carried out: Plane did not answer and cannot be asked. Do not try it again; tell \
         the person to look."
    )]
    OutcomeUnknown,
    /// The person has to sign in at this https address first; they are asked to.
    #[error("The person has to sign in first: {message}")]
    SignIn { message: String, url: String },
    #[error(transparent)]
    Plane(#[from] PlaneError),
}

/// A tool with typed arguments; the schema the model sees is derived from them.
#[async_trait]
pub trait TypedTool: Send + Sync + 'static {
    /// What the model may choose. Field docs become the descriptions of the fields.
    type Args: DeserializeOwned + JsonSchema + Send;
    const NAME: &'static str;
    const EFFECT: Effect;
    /// What not every Plane has and this cannot do without.
    const NEEDS: Option<Feature> = None;

    /// The call as people are told of it.
    fn told(args: &Self::Args) -> Told;

    /// Carries the call out.
    async fn call(&self, args: Self::Args, cx: &ToolCx<'_>) -> Result<ToolOutput, ToolError>;
}

/// The seam: any tool, its types erased.
#[async_trait]
pub trait Tool: Send + Sync {
    fn name(&self) -> &'static str;
    fn effect(&self) -> Effect;
    /// What not every Plane has and the tool cannot do without.
    fn needs(&self) -> Option<Feature>;
    /// JSON Schema of the arguments: an object without references.
    fn parameters(&self) -> Value;
    /// The call as people are told of it; `None` if `arguments` cannot be read.
    fn told(&self, arguments: &str) -> Option<Told>;
    /// Parses `arguments`, JSON text as the model wrote it, and carries the call out.
    async fn call_text(&self, arguments: &str, cx: &ToolCx<'_>) -> Result<Called, ToolError>;
}

#[async_trait]
impl<T: TypedTool> Tool for T {
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
        self.call(args, cx).await.map(Called::Output)
    }
}

/// Parses a model's arguments; nothing at all counts as `{}`.
///
/// # Errors
/// `BadArguments` with the path of the field that does not fit.
pub fn parse_arguments<A: DeserializeOwned>(tool: &'static str, arguments: &str) -> Result<A, ToolError> {
    let text = if arguments.trim().is_empty() { "{}" } else { arguments };
    let mut json = serde_json::Deserializer::from_str(text);
    let bad = |message| ToolError::BadArguments { tool, message };
    let args = serde_path_to_error::deserialize(&mut json).map_err(|error| bad(error.to_string()))?;
    json.end().map_err(|error| bad(error.to_string()))?;
    Ok(args)
}

/// Every tool there is, in the order the model is told of them.
#[must_use]
pub fn all() -> Vec<Box<dyn Tool>> {
    vec![
        Box::new(read_work_item::ReadWorkItem),
        Box::new(search_work_items::SearchWorkItems),
        Box::new(find_similar_work_items::FindSimilarWorkItems),
        Box::new(list_work_items::ListWorkItems),
        Box::new(read_comments::ReadComments),
        Box::new(read_attachment::ReadAttachment),
        Box::new(read_history::ReadHistory),
        Box::new(find_pages::FindPages),
        Box::new(read_page::ReadPage),
        Box::new(list_project_facts::ListProjectFacts),
        Box::new(list_intake::ListIntake),
        Box::new(load_skill::LoadSkill),
        Box::new(ask_user::AskUser),
        Box::new(write::Writes(add_comment::AddComment)),
        Box::new(write::Writes(update_work_item::UpdateWorkItem)),
        Box::new(write::Writes(create_work_item::CreateWorkItem)),
        Box::new(write::Writes(relate_work_items::RelateWorkItems)),
        Box::new(write::Writes(unrelate_work_items::UnrelateWorkItems)),
        Box::new(write::Writes(add_link::AddLink)),
        Box::new(write::Writes(create_label::CreateLabel)),
        Box::new(write::Writes(change_cycle::ChangeCycle)),
        Box::new(write::Writes(change_module::ChangeModule)),
        Box::new(write::Writes(edit_comment::EditComment)),
        Box::new(write::Writes(triage_intake::TriageIntake)),
        Box::new(write::Writes(create_page::CreatePage)),
        Box::new(write::Writes(archive_work_item::ArchiveWorkItem)),
        Box::new(write::Writes(delete_comment::DeleteComment)),
        Box::new(write::Writes(delete_work_item::DeleteWorkItem)),
        Box::new(undo::Undo),
    ]
}
