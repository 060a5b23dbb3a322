//! A question to the person: how it is asked, and what their reply means.

use crate::{
    domain::{
        activity::{Ask, Choice},
        talk::ToolCall,
    },
    tools::ask_user,
};

/// A question the model asks; its call waits for the person's reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    pub call_id: String,
    pub text: String,
    pub options: Vec<String>,
}

impl Question {
    /// The first well-formed question among the calls of a reply.
    #[must_use]
    pub fn first_of(calls: &[ToolCall]) -> Option<Self> {
        calls.iter().filter(|call| call.name == ask_user::NAME).find_map(|call| {
            let args = ask_user::parse(&call.arguments).ok()?;
            Some(Self { call_id: call.id.clone(), text: args.question, options: args.options })
        })
    }

    /// How it is put to the person.
    #[must_use]
    pub fn ask(&self) -> Ask {
        if self.options.is_empty() {
            return Ask::Freely;
        }
        let choice = |(number, label): (usize, &String)| Choice { id: choice_id(number), label: label.clone() };
        Ask::Select { options: (1..).zip(&self.options).map(choice).collect() }
    }

    /// The reply as the model is to read it. Plane does not say whether a choice comes back as its
    /// id or its label; people write the number, too.
    #[must_use]
    pub fn reply(&self, text: &str) -> String {
        let said = text.trim();
        let chosen = (1..).zip(&self.options).find(|(number, label)| {
            let plain = said.trim_end_matches(['.', ')']);
            label.trim().eq_ignore_ascii_case(said)
                || choice_id(*number).eq_ignore_ascii_case(said)
                || number.to_string() == plain
        });
        let reply = chosen.map_or(said, |(_, label)| label.as_str());
        format!("The person replied:\n\n{reply}")
    }
}

fn choice_id(number: usize) -> String {
    format!("option-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_understood_by_label_id_or_number() {
        let options = vec!["High".to_owned(), "Low".to_owned()];
        let question = Question { call_id: "q".to_owned(), text: "Which?".to_owned(), options };
        let cases =
            [("low", "Low"), ("option-2", "Low"), ("2", "Low"), ("1.", "High"), ("neither", "neither"), ("3", "3")];
        for (said, meant) in cases {
            assert!(question.reply(said).ends_with(&format!("\n\n{meant}")), "{said}");
        }
        let Ask::Select { options } = question.ask() else { panic!() };
        assert_eq!(options[1], Choice { id: "option-2".to_owned(), label: "Low".to_owned() });
    }
}
