//! The skills in force: what they allow, and which model they ask for.
//!
//! A skill is in force from where it is taken to the end of the turn; where the turn ends in a
//! question, to the end of the turn that its reply opens.

use super::Session;
use crate::{agent::journal::TakenSkill, tools::load_skill};

/// The tools that may be called now. Where any of the skills in force names tools, nothing else may;
/// several skills allow what any of them names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    named: Vec<String>,
}

impl Allowed {
    /// Whether the model may call this tool. It may always go on to another skill: a request can be a
    /// case for two, and loading one touches nothing.
    #[must_use]
    pub fn tool(&self, tool: &str) -> bool {
        self.named.is_empty() || tool == load_skill::NAME || self.named.iter().any(|named| named == tool)
    }

    /// The names, for the model.
    #[must_use]
    pub fn names(&self) -> String {
        self.named.join(", ")
    }
}

impl Session {
    /// The skills in force, in the order they were taken.
    #[must_use]
    pub fn skills(&self) -> &[TakenSkill] {
        &self.skills
    }

    /// What the skills in force allow.
    #[must_use]
    pub fn allowed(&self) -> Allowed {
        let mut named: Vec<_> = self.skills.iter().flat_map(|skill| skill.tools.iter().cloned()).collect();
        named.sort_unstable();
        named.dedup();
        Allowed { named }
    }

    /// The model that the newest skill with a wish asks for.
    #[must_use]
    pub fn wanted_model(&self) -> Option<&str> {
        self.skills.iter().rev().find_map(|skill| skill.model.as_deref())
    }

    /// The hash of the texts that the run last spoke with.
    #[must_use]
    pub fn wording(&self) -> Option<&str> {
        self.wording.as_deref()
    }

    pub(super) fn take_skill(&mut self, skill: TakenSkill, text: Option<String>) {
        if self.is_resting() || self.is_posting() {
            return;
        }
        self.skills.retain(|taken| taken.name != skill.name);
        self.skills.push(skill);
        if let Some(text) = text {
            self.transcript.instruct(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::{
        agent::{
            Limits,
            journal::{Entry, Outcome, Said},
            step::{Ending, Step},
        },
        domain::{
            activity::{Draft, Saying},
            ids::{ActivityId, RunId},
            talk::{AssistantMessage, Finish, Message, ToolCall},
        },
    };

    fn after(entries: Vec<Entry>) -> Session {
        let limits = Limits {
            max_steps: 9,
            max_turn: Duration::from_secs(60),
            settle: Duration::ZERO,
            status_every: Duration::from_secs(60),
        };
        Session::fold(RunId(uuid::Uuid::nil()), limits, 0, entries)
    }

    fn opened(text: &str) -> Vec<Entry> {
        let said = Said { activity: None, by: None, author: None, text: text.to_owned(), written_at: None };
        let at = Timestamp::UNIX_EPOCH;
        vec![Entry::Opened { at, turn: None, prompts: vec![said], entitled: false }, Entry::ContextRead { look: None }]
    }

    fn took(name: &str, tools: &[&str], model: Option<&str>) -> Entry {
        let tools = tools.iter().map(|tool| (*tool).to_owned()).collect();
        let skill = TakenSkill { name: name.to_owned(), tools, model: model.map(str::to_owned) };
        Entry::SkillTaken { skill, text: None }
    }

    fn replied(name: &str) -> Entry {
        let arguments = r#"{"question": "Which?"}"#.to_owned();
        let call = ToolCall { id: "c".to_owned(), name: name.to_owned(), arguments, raw: serde_json::Map::new() };
        let message = AssistantMessage { text: String::new(), calls: vec![call], raw: None };
        Entry::Answered { message, finish: Finish::ToolCalls, usage: None }
    }

    /// The turn's last word, posted.
    fn ended(session: &Session) -> Vec<Entry> {
        let Step::Compose { key, .. } = session.next() else { panic!("{:?}", session.next()) };
        let draft = Draft { key, saying: Saying::Response { body: "said".to_owned() }, detail: None };
        let outcome = Outcome::Posted { activity: ActivityId(uuid::Uuid::nil()), at: None };
        vec![Entry::Intended { draft }, Entry::Closed { outcome }]
    }

    #[test]
    fn a_skill_bounds_the_turn_to_the_tools_it_names() {
        let cases: &[(&[Entry], &[&str], &[&str])] = &[
            (&[], &["read_comments", "ask_user", "load_skill"], &[]),
            (&[took("a", &[], None)], &["read_comments", "ask_user", "load_skill"], &[]),
            (
                &[took("a", &["read_comments"], None)],
                &["read_comments", "load_skill"],
                &["ask_user", "search_work_items"],
            ),
            (
                &[took("a", &["read_comments"], None), took("b", &["ask_user"], None)],
                &["read_comments", "ask_user"],
                &["search_work_items"],
            ),
            (&[took("a", &["read_comments"], None), took("b", &[], None)], &["read_comments"], &["ask_user"]),
            (&[took("a", &["read_comments"], None), took("a", &[], None)], &["ask_user"], &[]),
        ];
        for (taken, may, may_not) in cases {
            let allowed = after([opened("go"), taken.to_vec()].concat()).allowed();
            assert!(may.iter().all(|tool| allowed.tool(tool)), "{taken:?}");
            assert!(!may_not.iter().any(|tool| allowed.tool(tool)), "{taken:?}");
        }
    }

    #[test]
    fn the_newest_wish_for_a_model_counts() {
        let session = after([opened("go"), vec![took("a", &[], Some("big")), took("b", &[], None)]].concat());
        assert_eq!(session.wanted_model(), Some("big"));
        assert_eq!(after(opened("go")).wanted_model(), None);
    }

    #[test]
    fn a_skill_ends_with_its_turn_unless_that_ends_in_a_question() {
        let mut entries = [opened("go"), vec![took("a", &["ask_user"], None), replied("ask_user")]].concat();
        entries.extend(ended(&after(entries.clone())));
        entries.extend(opened("this one"));
        assert!(!after(entries.clone()).allowed().tool("read_comments"), "the reply goes on with the work");
        entries.push(Entry::Answered {
            message: AssistantMessage { text: "Done.".to_owned(), ..AssistantMessage::default() },
            finish: Finish::Done,
            usage: None,
        });
        entries.extend(ended(&after(entries.clone())));
        entries.extend(opened("something else"));
        assert!(after(entries).allowed().tool("read_comments"));
    }

    #[test]
    fn a_question_that_the_skill_does_not_allow_is_not_asked() {
        let asks = |tools: &[&str]| {
            let session = after([opened("go"), vec![took("a", tools, None), replied("ask_user")]].concat());
            match session.next() {
                Step::Compose { ending: Ending::Question(_), .. } => true,
                Step::CallTools(calls) => {
                    assert_eq!(calls.len(), 1, "the call is left to be refused");
                    false
                }
                other @ (Step::Rest
                | Step::ReadContext
                | Step::AskModel { .. }
                | Step::Compose { .. }
                | Step::Post(_)) => panic!("{other:?}"),
            }
        };
        assert!(asks(&["ask_user"]));
        assert!(!asks(&["read_comments"]));
    }

    #[test]
    fn a_chosen_skills_text_follows_the_persons_words_and_a_resting_run_takes_none() {
        let skill = TakenSkill { name: "a".to_owned(), tools: Vec::new(), model: None };
        let entry = Entry::SkillTaken { skill, text: Some("Do it so.".to_owned()) };
        let session = after([opened("/a now"), vec![entry.clone()]].concat());
        let talk = session.conversation().talks.last().expect("a turn");
        let texts = talk.messages.iter().map(|message| match message {
            Message::User { text } => text.as_str(),
            other @ (Message::System { .. }
            | Message::Picture { .. }
            | Message::Assistant(_)
            | Message::Tool { .. }) => panic!("{other:?}"),
        });
        assert_eq!(texts.collect::<Vec<_>>(), ["/a now", "Do it so."]);
        assert_eq!(after(vec![entry]).skills(), []);
    }

    #[test]
    fn journals_from_before_skills_and_wordings_are_read() {
        let old = r#"1 {"entry":"opened","at":"2026-01-01T00:00:00Z","prompts":[]}"#;
        assert!(crate::agent::journal::decode(old).is_ok());
        let new = Entry::Worded { hash: "abc".to_owned() };
        assert_eq!(crate::agent::journal::decode(&crate::agent::journal::encode(&new)).unwrap(), new);
        assert_eq!(after([opened("go"), vec![new]].concat()).wording(), Some("abc"));
    }
}
