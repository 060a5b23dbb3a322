//! A question to the person: how it is asked, and what their reply means.

use super::approval::Approval;
use crate::{
    domain::{
        activity::{Ask, Choice},
        talk::ToolCall,
    },
    tools::ask_user,
};

/// A question; the call that asked it waits for the person's reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Where changes wait for approval these are several; this is the first.
    pub call_id: String,
    pub text: String,
    pub kind: Kind,
    /// It tells of a change that nobody made.
    pub unmade: bool,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Words.
    Words,
    /// One of these, or several where that is said; words are accepted too.
    Choice { options: Vec<String>, several: bool },
    /// To sign in somewhere, so that a tool can go on.
    SignIn { url: String },
    /// A word on changes that wait for it.
    Approval(Box<Approval>),
}

impl Question {
    /// The first well-formed question among the calls of a reply.
    #[must_use]
    pub fn first_of(calls: &[ToolCall]) -> Option<Self> {
        calls.iter().filter(|call| call.name == ask_user::NAME).find_map(|call| {
            let args = ask_user::parse(&call.arguments).ok()?;
            let kind = if args.options.is_empty() {
                Kind::Words
            } else {
                Kind::Choice { options: args.options, several: args.several }
            };
            Some(Self { call_id: call.id.clone(), text: args.question, kind, unmade: false })
        })
    }

    /// The question whether these changes may be made; `None` if there are none.
    #[must_use]
    pub fn about(approval: Approval) -> Option<Self> {
        let call_id = approval.call_ids().next()?.to_owned();
        Some(Self { call_id, text: String::new(), kind: Kind::Approval(Box::new(approval)), unmade: false })
    }

    /// The calls that wait for the reply, and have no result until then.
    #[must_use]
    pub fn call_ids(&self) -> Vec<String> {
        match &self.kind {
            Kind::Approval(approval) => approval.call_ids().map(str::to_owned).collect(),
            Kind::Words | Kind::Choice { .. } | Kind::SignIn { .. } => vec![self.call_id.clone()],
        }
    }

    /// The options, where there are some.
    #[must_use]
    pub fn options(&self) -> Vec<String> {
        match &self.kind {
            Kind::Choice { options, .. } => options.clone(),
            Kind::Approval(approval) => approval.options(),
            Kind::Words | Kind::SignIn { .. } => Vec::new(),
        }
    }

    /// Whether several of them may be chosen.
    #[must_use]
    pub fn takes_several(&self) -> bool {
        match &self.kind {
            Kind::Choice { several, .. } => *several,
            Kind::Words | Kind::SignIn { .. } | Kind::Approval(_) => false,
        }
    }

    /// How it is put to the person.
    #[must_use]
    pub fn ask(&self) -> Ask {
        match &self.kind {
            Kind::Words => Ask::Freely,
            Kind::SignIn { url } => Ask::SignIn { url: url.clone() },
            Kind::Choice { .. } | Kind::Approval(_) => {
                let choice = |(number, label)| Choice { id: choice_id(number), label };
                Ask::Select { options: (1..).zip(self.options()).map(choice).collect(), several: self.takes_several() }
            }
        }
    }

    /// The reply as the model is to read it. Plane does not say whether a choice comes back as its
    /// id or its label; people write the number, too. What matches no option is the model's to judge.
    #[must_use]
    pub fn reply(&self, text: &str) -> String {
        let said = text.trim();
        match &self.kind {
            Kind::Words => {
                format!("The person replied:\n\n{said}\n\n[If this is no answer but a new request, do that instead.]")
            }
            Kind::Approval(_) => unapproved(said),
            Kind::SignIn { .. } => format!(
                "The person was asked to sign in and replied:\n\n{said}\n\n[If they did sign in, call the tool again; \
                 if not, go on without it.]"
            ),
            Kind::Choice { options, several } => match chosen(options, said).as_slice() {
                [] => format!(
                    "The person chose none of the options but wrote:\n\n{said}\n\n[Take it as the answer if it is one in \
                     other words. If it is something new, leave the question and do what they ask now.]"
                ),
                [one] => format!("The person chose:\n\n{one}"),
                many if *several => format!("The person chose:\n\n{}", list(many)),
                many => format!("The person was to choose one and named several:\n\n{}", list(many)),
            },
        }
    }
}

/// What the model is told of a change that was neither approved nor rejected.
fn unapproved(said: &str) -> String {
    format!(
        "Not done. The person was asked to approve this and wrote instead:\n\n{said}\n\n[If they want it otherwise, call the \
         tools again for what they want now: they will be asked again. If it is something new, leave the changes and do \
         that.]"
    )
}

fn list(labels: &[&String]) -> String {
    labels.iter().map(|label| format!("- {label}")).collect::<Vec<_>>().join("\n")
}

/// The options a reply names, and nothing else, in their order; empty if any part of it names none.
pub(super) fn chosen<'a>(options: &'a [String], said: &str) -> Vec<&'a String> {
    if let Some(one) = option_named(options, said) {
        return vec![one];
    }
    let Some(mut named) = parts(said).iter().map(|part| option_named(options, part)).collect::<Option<Vec<_>>>() else {
        return Vec::new();
    };
    named.sort_by_key(|label| options.iter().position(|option| option == *label));
    named.dedup();
    named
}

/// A reply cut at commas, line ends and the "and" of a few languages; or a JSON list, as a client may
/// send several choices.
fn parts(said: &str) -> Vec<String> {
    if let Ok(list) = serde_json::from_str::<Vec<String>>(said) {
        return list;
    }
    const BETWEEN: [&str; 9] = [" and ", " und ", " et ", " y ", " e ", " & ", " + ", "、", " og "];
    let mut text = said.to_owned();
    for word in BETWEEN {
        text = text.replace(word, ",");
    }
    text.split([',', ';', '\n']).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// By label, whatever its case, by id, or by number.
fn option_named<'a>(options: &'a [String], part: &str) -> Option<&'a String> {
    let part = part.trim().trim_matches(['"', '\'']);
    let plain = part.trim_start_matches(['#', '-', '*', ' ']).trim_end_matches(['.', ')', ':']).trim();
    let label_of = |text: &str| text.trim_start_matches(['-', '*', ' ']).trim().to_lowercase();
    let same = |label: &str| label_of(label) == label_of(part);
    let found = (1..).zip(options).find(|(number, label)| {
        same(label) || choice_id(*number).eq_ignore_ascii_case(plain) || number.to_string() == plain
    });
    found.map(|(_, label)| label)
}

fn choice_id(number: usize) -> String {
    format!("option-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(several: bool) -> Question {
        let options = vec!["High".to_owned(), "Low".to_owned(), "Größer, später".to_owned()];
        Question {
            call_id: "q".to_owned(),
            text: "Which?".to_owned(),
            kind: Kind::Choice { options, several },
            unmade: false,
        }
    }

    #[test]
    fn a_choice_is_understood_by_label_id_or_number() {
        let cases = [
            ("low", "Low"),
            ("option-2", "Low"),
            ("2", "Low"),
            ("1.", "High"),
            ("#1)", "High"),
            ("größer, SPÄTER", "Größer, später"),
        ];
        for (said, meant) in cases {
            assert_eq!(question(false).reply(said), format!("The person chose:\n\n{meant}"), "{said}");
        }
        let Ask::Select { options, several: false } = question(false).ask() else { panic!() };
        assert_eq!(options[1], Choice { id: "option-2".to_owned(), label: "Low".to_owned() });
    }

    #[test]
    fn several_choices_are_understood_however_they_are_written() {
        for said in
            ["1, 2", "2 and 1", "Low, High", "[\"option-1\", \"option-2\"]", "1\n2", "high und 2", "- High\n- Low"]
        {
            assert_eq!(question(true).reply(said), "The person chose:\n\n- High\n- Low", "{said}");
        }
        assert!(question(false).reply("1, 2").starts_with("The person was to choose one and named several"));
        assert_eq!(question(true).reply("2"), "The person chose:\n\nLow");
    }

    #[test]
    fn what_names_no_option_is_left_to_the_model() {
        for said in ["neither", "4", "1 and also the blue one", "Forget it: who wrote the crash report?"] {
            let reply = question(true).reply(said);
            assert!(reply.starts_with("The person chose none of the options but wrote:") && reply.contains(said));
            assert!(reply.contains("If it is something new, leave the question"), "{reply}");
        }
    }

    #[test]
    fn a_sign_in_asks_with_its_address_and_sends_the_model_back_to_its_tool() {
        let kind = Kind::SignIn { url: "https://auth.example/".to_owned() };
        let question = Question { call_id: "c".to_owned(), text: "Sign in".to_owned(), kind, unmade: false };
        assert_eq!(question.ask(), Ask::SignIn { url: "https://auth.example/".to_owned() });
        assert!(question.reply("done").contains("call the tool again"));
    }
}
