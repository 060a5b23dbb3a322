//! The request a model gets: system prompt, guidance, conversation, tools. The turn sends it, and
//! `aileron prompts render` shows it.

use serde_json::json;

use super::{
    Agent,
    budget::Draft,
    prompts::{PromptError, nothing},
    session::Session,
    sight::Sight,
    step::AskMode,
    texts::Texts,
};
use crate::{domain::talk::ToolOffer, tools::load_skill};

impl Agent {
    /// The request for the session as it stands, in parts, before it is fitted into the model's window.
    /// `today` is the day in the words of the place; `sight` has the pictures, which only a model that sees is
    /// shown.
    pub(super) fn draft(
        &self,
        texts: &Texts,
        session: &Session,
        mode: AskMode,
        today: String,
        (sight, model_sees): (&Sight, bool),
    ) -> Result<Draft, PromptError> {
        let system = self.system(texts, today)?;
        let tail = match mode {
            AskMode::Normal => None,
            AskMode::AfterEmpty => Some(texts.prompts().render("empty_answer.md", nothing())?),
            AskMode::AfterRaw => Some(texts.prompts().render("raw_answer.md", nothing())?),
            AskMode::AfterClaim => Some(texts.prompts().render("claimed.md", nothing())?),
            AskMode::WrapUp => {
                let values = json!({ "max_steps": self.limits.max_steps });
                Some(texts.prompts().render("out_of_steps.md", values)?)
            }
        };
        let tools = match mode {
            AskMode::Normal | AskMode::AfterEmpty | AskMode::AfterRaw | AskMode::AfterClaim => {
                self.offers(texts, session)
            }
            AskMode::WrapUp => Vec::new(),
        };
        let pictures = sight.messages(session, model_sees);
        Ok(Draft::new(system, session.conversation(), tail, tools).with_pictures(pictures))
    }

    /// Our rules, and behind them the workspace's guidance.
    fn system(&self, texts: &Texts, today: String) -> Result<String, PromptError> {
        let values = json!({
            "agent_name": self.name,
            "today": today,
            "workspace": texts.workspace_name(),
            "can_write": texts.wording().toolbox.can_write(),
        });
        let rules = texts.prompts().render("system.md", values)?;
        Ok(match texts.guidance() {
            Some(guidance) => format!("{rules}\n\n{guidance}"),
            None => rules,
        })
    }

    /// What the model may call now, the menu of skills beside the tool that loads them. What needs
    /// something the workspace's Plane does not have is left out.
    fn offers(&self, texts: &Texts, session: &Session) -> Vec<ToolOffer> {
        let menu = texts.wording().skills.menu();
        let allowed = session.allowed();
        let toolbox = &texts.wording().toolbox;
        let works =
            |name: &str| !toolbox.needs(name).is_some_and(|feature| self.facts.lacks(texts.workspace(), feature));
        let offered = toolbox.offers().iter().filter(|offer| allowed.tool(&offer.name) && works(&offer.name));
        offered
            .filter(|offer| offer.name != load_skill::NAME || !menu.is_empty())
            .cloned()
            .map(|mut offer| {
                if offer.name == load_skill::NAME {
                    offer.description = format!("{}\n\n{menu}", offer.description);
                }
                offer
            })
            .collect()
    }
}
