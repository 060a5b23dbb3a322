//! What one turn speaks with: one edition of the texts, the wording of the turn's place, and the
//! guidance of its project.

use std::sync::Arc;

use serde_json::json;

use super::{
    Agent,
    journal::{Entry, Said, TakenSkill},
    prompts::{PromptError, Prompts, library::Edition, place::Place, wording::Wording},
    skills::Skill,
};
use crate::{
    domain::{event::RunInfo, ids::WorkspaceId, talk::ToolCall},
    tools::{Effect, ToolError, ToolOutput, load_skill},
};

/// The texts of a turn. A clone is cheap and says the same.
#[derive(Clone)]
pub(crate) struct Texts {
    edition: Arc<Edition>,
    wording: Arc<Wording>,
    place: Place,
    workspace: WorkspaceId,
    /// The workspace's name for people.
    workspace_name: Option<String>,
    guidance: Option<Arc<str>>,
    /// Whether everything is known that has to be asked for.
    settled: bool,
}

impl Texts {
    pub(crate) fn wording(&self) -> &Arc<Wording> {
        &self.wording
    }

    pub(super) fn prompts(&self) -> &Prompts {
        &self.wording.prompts
    }

    pub(super) fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    pub(super) fn workspace_name(&self) -> Option<&str> {
        self.workspace_name.as_deref()
    }

    /// The guidance of the workspace, rendered; `None` if there is none.
    pub(crate) fn guidance(&self) -> Option<&str> {
        self.guidance.as_deref()
    }

    /// The entries that follow from people's choosing skills at the head of what they say.
    pub(crate) fn chosen_skills(&self, said: &[Said]) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for skill in said.iter().filter_map(|said| self.wording.skills.chosen_by(&said.text)) {
            match self.skill_text(skill, true) {
                Ok(text) => {
                    let entry = Entry::SkillTaken { skill: taken(skill), text: Some(text) };
                    if !entries.contains(&entry) {
                        entries.push(entry);
                    }
                }
                Err(error) => tracing::error!(%error, skill = skill.name, "a chosen skill is left out"),
            }
        }
        entries
    }

    /// The skill the model asks for.
    pub(super) fn load_skill(&self, call: &ToolCall) -> Result<ToolOutput, ToolError> {
        let name = load_skill::parse(&call.arguments)?.name;
        let skill = self.skill_named(&name).ok_or_else(|| {
            let known = self.wording.skills.iter().map(|skill| skill.name.as_str()).collect::<Vec<_>>().join(", ");
            let shown: String = name.chars().take(40).collect();
            ToolError::NoSuchThing(format!("There is no skill {shown:?}. The skills are: {known}."))
        })?;
        let text = self.skill_text(skill, false).map_err(|error| {
            tracing::error!(%error, skill = skill.name, "a skill cannot be loaded");
            ToolError::NoSuchThing("This skill cannot be read at the moment; go on without it.".to_owned())
        })?;
        Ok(ToolOutput { text, summary: "loaded".to_owned() })
    }

    /// The skill that is in force after this call was carried out; most calls load none.
    pub(super) fn skill_loaded_by(&self, call: &ToolCall) -> Option<TakenSkill> {
        let loads = self.wording.toolbox.effect(&call.name) == Some(Effect::Instruct);
        let name = load_skill::parse(&call.arguments).ok().filter(|_| loads)?.name;
        self.skill_named(&name).map(taken)
    }

    fn skill_named(&self, name: &str) -> Option<&Skill> {
        self.wording.skills.get(name.trim().trim_start_matches('/'))
    }

    fn skill_text(&self, skill: &Skill, chosen_by_person: bool) -> Result<String, PromptError> {
        let values = json!({
            "name": skill.name,
            "text": skill.text,
            "tools": skill.tools,
            "chosen_by_person": chosen_by_person,
        });
        self.prompts().render("skill.md", values)
    }
}

fn taken(skill: &Skill) -> TakenSkill {
    TakenSkill { name: skill.name.clone(), tools: skill.tools.clone(), model: skill.model.clone() }
}

impl Agent {
    /// The newest texts for a run, as far as they can be told without asking Plane: something has to
    /// be said before anything slow.
    pub(crate) fn texts(&self, run: &RunInfo) -> Texts {
        let installation = self.credentials.installation(run.workspace);
        let project = run.project.and_then(|project| self.facts.known_project(run.workspace, project));
        let place = Place {
            workspace: installation.as_ref().map(|installation| installation.slug.to_lowercase()),
            project: project.map(|project| project.identifier.to_uppercase()),
        };
        let edition = self.library.current();
        let wording = edition.wording(&place);
        let workspace_name = installation.map(|installation| installation.workspace_name);
        let workspace = run.workspace;
        Texts { edition, wording, place, workspace, workspace_name, guidance: None, settled: false }
    }

    /// Asks for what the texts depend on, if they do. What cannot be learnt is tried again at the
    /// next call; until then the texts stay those of the workspace.
    pub(crate) async fn settle(&self, run: &RunInfo, texts: &mut Texts) {
        if texts.settled {
            return;
        }
        let asks = texts.edition.asks_for_project() || self.guidance.asks_for_project();
        let (true, Some(project)) = (asks, run.project) else {
            texts.settled = true;
            return;
        };
        match self.facts.project(run.workspace, project).await {
            Ok(known) => {
                texts.place.project = Some(known.identifier.to_uppercase());
                texts.wording = texts.edition.wording(&texts.place);
                let parts = self.guidance.texts(self, run.workspace, project, &texts.place).await;
                texts.guidance = rendered_guidance(texts.prompts(), &parts).map(Arc::from);
                texts.settled = true;
            }
            Err(error) => tracing::warn!(%error, "the project is unknown; its own prompts and guidance are left out"),
        }
    }
}

fn rendered_guidance(prompts: &Prompts, parts: &[super::guidance::Part]) -> Option<String> {
    if parts.is_empty() {
        return None;
    }
    let texts: Vec<_> = parts.iter().map(|part| json!({ "source": part.source, "text": part.text })).collect();
    match prompts.render("guidance.md", json!({ "texts": texts })) {
        Ok(text) => Some(text),
        Err(error) => {
            tracing::error!(%error, "the workspace's guidance is left out");
            None
        }
    }
}
