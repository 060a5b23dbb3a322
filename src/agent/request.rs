//! The request a model gets: system prompt, guidance, conversation, tools. The turn sends it, and
//! `aileron prompts render` shows it.

use jiff::Timestamp;
use serde_json::json;

use super::{
    Agent,
    prompts::{PromptError, nothing},
    session::Session,
    step::AskMode,
    texts::Texts,
};
use crate::{
    domain::talk::{Message, ToolOffer},
    llm::Request,
    tools::load_skill,
};

impl Agent {
    /// The request for the session as it stands.
    pub(super) fn request(&self, texts: &Texts, session: &Session, mode: AskMode) -> Result<Request, PromptError> {
        let mut messages = vec![Message::System { text: self.system(texts)? }];
        messages.extend(session.messages());
        match mode {
            AskMode::Normal => {}
            AskMode::AfterEmpty => {
                messages.push(Message::User { text: texts.prompts().render("empty_answer.md", nothing())? });
            }
            AskMode::WrapUp => {
                let values = json!({ "max_steps": self.limits.max_steps });
                messages.push(Message::User { text: texts.prompts().render("out_of_steps.md", values)? });
            }
        }
        let tools = match mode {
            AskMode::Normal | AskMode::AfterEmpty => offers(texts, session),
            AskMode::WrapUp => Vec::new(),
        };
        Ok(Request { messages, tools })
    }

    /// Our rules, and behind them the workspace's guidance.
    fn system(&self, texts: &Texts) -> Result<String, PromptError> {
        let values = json!({
            "agent_name": self.name,
            "today": Timestamp::now().strftime("%Y-%m-%d").to_string(),
            "workspace": texts.workspace_name(),
            "can_write": texts.wording().toolbox.can_write(),
        });
        let rules = texts.prompts().render("system.md", values)?;
        Ok(match texts.guidance() {
            Some(guidance) => format!("{rules}\n\n{guidance}"),
            None => rules,
        })
    }
}

/// What the model may call now, the menu of skills beside the tool that loads them.
fn offers(texts: &Texts, session: &Session) -> Vec<ToolOffer> {
    let menu = texts.wording().skills.menu();
    let allowed = session.allowed();
    let offered = texts.wording().toolbox.offers().iter().filter(|offer| allowed.tool(&offer.name));
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
