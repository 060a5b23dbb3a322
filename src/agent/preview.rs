//! What the model would get, section by section: made by the same code as the real request.

use jiff::Timestamp;

use super::{
    Agent,
    budget::Room,
    context::look::CUTS,
    journal::{Entry, JournalError, Said, decode},
    prompts::PromptError,
    session::Session,
    sight::Sight,
    step::AskMode,
    texts::Texts,
};
use crate::{
    domain::{
        event::RunInfo,
        talk::{Message, ToolOffer},
    },
    llm::Request,
    plane::PlaneError,
    tools::When,
};

/// A request, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// The hash of the texts it is made of.
    pub hash: String,
    pub sections: Vec<Section>,
    /// The whole of it.
    pub request: Request,
}

/// A part of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    pub name: String,
    pub text: String,
    /// The parts it has itself, by name and text; together they are about the whole.
    pub parts: Vec<(String, String)>,
    /// Tokens of what is no text: a picture.
    pub beside: u64,
}

/// There is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    #[error("the work item cannot be read: {0}")]
    Plane(#[from] PlaneError),
    #[error(transparent)]
    Prompt(#[from] PromptError),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Agent {
    /// The first request of a run in which a person says this.
    ///
    /// # Errors
    /// The work item cannot be read, or a prompt cannot be rendered.
    pub async fn preview(&self, run: &RunInfo, words: &str) -> Result<Preview, PreviewError> {
        let mut texts = self.texts(run);
        self.settle(run, &mut texts).await;
        let look = self.look(run, None).await?;
        let said = Said { activity: None, by: None, author: None, text: words.to_owned(), written_at: None };
        let skills = texts.chosen_skills(std::slice::from_ref(&said));
        let mut entries =
            vec![Entry::Opened { at: Timestamp::now(), turn: None, prompts: vec![said], entitled: false }];
        entries.extend(skills);
        entries.push(Entry::ContextRead { look: look.map(Box::new) });
        self.taken_apart(run, &texts, &Session::fold(run.id, self.limits, 0, entries)).await
    }

    /// The request as it would be sent for a run that is under way, from its journal.
    ///
    /// # Errors
    /// The journal cannot be read, or a prompt cannot be rendered.
    pub async fn preview_of(&self, run: &RunInfo, journal: &[String]) -> Result<Preview, PreviewError> {
        let entries = journal.iter().map(|entry| decode(entry)).collect::<Result<Vec<_>, _>>()?;
        let mut texts = self.texts(run);
        self.settle(run, &mut texts).await;
        self.taken_apart(run, &texts, &Session::fold(run.id, self.limits, 0, entries)).await
    }

    async fn taken_apart(&self, run: &RunInfo, texts: &Texts, session: &Session) -> Result<Preview, PreviewError> {
        let zone = session.last_look().map(|look| look.zone.as_str()).or(self.time_zone.as_deref());
        let today = When::new(zone.unwrap_or("UTC"), Timestamp::now()).today_in_words();
        let sees = self.model_of(run.workspace, session.wanted_model()).card().vision;
        let mut sight = Sight::default();
        if sees {
            sight.extend(self.open_pictures(run.workspace, sight.missing(session)).await);
        }
        let mut draft = self.draft(texts, session, AskMode::Normal, today, (&sight, sees))?;
        let all = Room { limit: u64::MAX, squeezed: false };
        let request = draft.at_a_glance(all, &self.meter, texts.prompts()).map(|fitted| fitted.request);
        let request = request.unwrap_or_else(|| Request { messages: Vec::new(), tools: Vec::new() });
        let look =
            session.conversation().look.map(|(look, _)| look.to_markdown(texts.prompts(), CUTS[0])).transpose()?;
        let sections = sections(&request, texts.guidance(), look.as_deref().unwrap_or_default());
        Ok(Preview { hash: texts.wording().hash.clone(), sections, request })
    }
}

fn sections(request: &Request, guidance: Option<&str>, context: &str) -> Vec<Section> {
    let mut sections = Vec::new();
    for message in &request.messages {
        match message {
            Message::System { text } => {
                let rules = guidance.and_then(|guidance| text.strip_suffix(guidance)).unwrap_or(text);
                sections.push(Section::whole("system prompt", rules.trim_end()));
                sections.extend(guidance.map(|guidance| Section::whole("guidance", guidance)));
            }
            Message::User { text } if text == context => {
                sections.push(Section { parts: chapters(text), ..Section::whole("work item", text) });
            }
            Message::User { text } if text.contains("<skill name=") => sections.push(Section::whole("skill", text)),
            Message::User { text } if text.contains("<plane-data>") => sections.push(Section::whole("pictures", text)),
            Message::User { text } => sections.push(Section::whole("person", text)),
            Message::Picture { caption, picture } => {
                let told = format!("{caption}\n[{}, at most {} tokens]", picture.media_type, picture.tokens);
                sections.push(Section { beside: picture.tokens, ..Section::whole("pictures", &told) });
            }
            Message::Assistant(said) => {
                let calls = said.calls.iter().map(|call| format!("[calls {} {}]", call.name, call.arguments));
                let lines: Vec<_> = std::iter::once(said.text.clone()).chain(calls).filter(|l| !l.is_empty()).collect();
                sections.push(Section::whole("model", &lines.join("\n")));
            }
            Message::Tool { text, .. } => sections.push(Section::whole("tool result", text)),
        }
    }
    if !request.tools.is_empty() {
        let parts: Vec<_> = request.tools.iter().map(|offer| (offer.name.clone(), offer_text(offer))).collect();
        let text = parts.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n\n");
        sections.push(Section { parts, ..Section::whole("tools", &text) });
    }
    sections
}

impl Section {
    fn whole(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), text: text.to_owned(), parts: Vec::new(), beside: 0 }
    }
}

/// A Markdown text cut before its headings of the second level.
fn chapters(markdown: &str) -> Vec<(String, String)> {
    let mut chapters = vec![("head".to_owned(), String::new())];
    for line in markdown.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            chapters.push((heading.trim().to_lowercase(), String::new()));
        }
        if let Some((_, text)) = chapters.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    chapters
}

/// A tool about as providers put it before the model.
fn offer_text(offer: &ToolOffer) -> String {
    format!("{}: {}\n{}", offer.name, offer.description, offer.parameters)
}
