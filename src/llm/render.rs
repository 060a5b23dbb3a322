//! A conversation made fit for the model that is to read it, whoever spoke in it before.
//!
//! What is the same for every wire is done here: each call has exactly one result right after it,
//! names and ids are such that every provider takes them, and what a model said in terms of its own
//! is told apart from what another one did.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::{
    config::PromptCache,
    domain::{
        picture::Picture,
        talk::{AssistantMessage, Message, ToolCall},
    },
    llm::remote::Speaker,
};

/// Longest name of a tool that providers take.
const MAX_NAME_CHARS: usize = 64;
/// Longest id of a call that providers take.
const MAX_ID_CHARS: usize = 40;
/// Stands in for a picture where the model that is asked cannot see.
const NOT_SEEN: &str =
    "You cannot see pictures, so this one is not shown to you. Do not guess what is in it; say so where it matters.";

/// One message, or the calls of one message together with their results.
#[derive(Debug, PartialEq)]
pub(super) enum Turn<'a> {
    System(&'a str),
    User(Cow<'a, str>),
    /// A picture under its caption, for a model that sees.
    Picture(&'a str, &'a Picture),
    Said(Said<'a>),
}

/// What the model said, with the results of its calls.
#[derive(Debug, PartialEq)]
pub(super) struct Said<'a> {
    pub(super) text: &'a str,
    /// The opaque fields, if the model that is asked made them.
    pub(super) own: Option<&'a Map<String, Value>>,
    pub(super) calls: Vec<Call<'a>>,
}

/// A call as it may be sent, with its result.
#[derive(Debug, PartialEq)]
pub(super) struct Call<'a> {
    pub(super) id: String,
    pub(super) name: String,
    /// JSON text of an object.
    pub(super) arguments: String,
    /// Opaque fields of the call, if the model that is asked made them.
    pub(super) own: Option<&'a Map<String, Value>>,
    pub(super) result: &'a str,
}

impl Call<'_> {
    /// The arguments as JSON.
    pub(super) fn input(&self) -> Value {
        serde_json::from_str(&self.arguments).unwrap_or_else(|_| json!({}))
    }
}

/// The conversation for this model.
pub(super) fn turns<'a>(conversation: &'a [Message], speaker: &Speaker) -> Vec<Turn<'a>> {
    turns_for(conversation, &speaker.identity, speaker.card.vision)
}

fn turns_for<'a>(conversation: &'a [Message], identity: &str, sees: bool) -> Vec<Turn<'a>> {
    let mut turns = Vec::with_capacity(conversation.len());
    let mut rest = conversation.iter().peekable();
    while let Some(message) = rest.next() {
        match message {
            Message::System { text } => turns.push(Turn::System(text)),
            Message::User { text } => turns.push(Turn::User(text.into())),
            Message::Picture { caption, picture } if sees => turns.push(Turn::Picture(caption, picture)),
            Message::Picture { caption, .. } => turns.push(Turn::User(format!("{caption}\n{NOT_SEEN}").into())),
            Message::Assistant(message) => {
                let mut results: Vec<(&str, &str)> = Vec::new();
                while let Some(Message::Tool { call_id, text }) =
                    rest.next_if(|next| matches!(next, Message::Tool { .. }))
                {
                    results.push((call_id, text));
                }
                if !message.text.is_empty() || !message.calls.is_empty() {
                    turns.push(Turn::Said(said(message, &results, identity)));
                }
            }
            // A result without its call, as trimming may leave it.
            Message::Tool { .. } => {}
        }
    }
    turns
}

fn said<'a>(message: &'a AssistantMessage, results: &[(&str, &'a str)], identity: &str) -> Said<'a> {
    let maker = match &message.raw {
        Some(raw) if raw.model == identity => Maker::Asked,
        Some(_) => Maker::Another,
        None => Maker::Untold,
    };
    let own = message.raw.as_ref().filter(|_| maker == Maker::Asked).map(|raw| &raw.fields);
    let calls = message.calls.iter().map(|call| {
        let result = results.iter().find(|(call_id, _)| *call_id == call.id).map(|(_, text)| *text);
        Call {
            id: sendable_id(call, maker),
            name: sendable_name(&call.name),
            arguments: sendable_arguments(&call.arguments),
            // Without a tag on the message nothing tells the opaque fields of its calls foreign.
            own: Some(&call.raw).filter(|raw| maker != Maker::Another && !raw.is_empty()),
            result: match result {
                Some("") => "(no result)",
                Some(text) => text,
                None => "(this call was not carried out)",
            },
        }
    });
    Said { text: &message.text, own, calls: calls.collect() }
}

/// Who made a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Maker {
    Asked,
    Another,
    /// It was written before messages were tagged, or by no model at all.
    Untold,
}

/// One model's ids need not suit another: nine letters and digits suit all. They are a function of
/// the id, so that a call and its result stay together and the conversation's beginning stays the same.
fn sendable_id(call: &ToolCall, maker: Maker) -> String {
    let fits = !call.id.is_empty()
        && call.id.len() <= MAX_ID_CHARS
        && call.id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    match maker {
        Maker::Asked => call.id.clone(),
        Maker::Untold if fits => call.id.clone(),
        Maker::Untold | Maker::Another => nine_letters(&call.id),
    }
}

fn nine_letters(id: &str) -> String {
    // FNV-1a: short, and the same in every process.
    let hash = id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut rest = hash;
    let mut letters = String::with_capacity(9);
    for _ in 0..9 {
        // A digit of base 36 is below 36, which fits.
        letters.extend(char::from_digit((rest % 36) as u32, 36));
        rest /= 36;
    }
    letters
}

/// Providers refuse a history that holds a name the model made up with characters they do not allow.
fn sendable_name(name: &str) -> String {
    let allowed = |letter: char| {
        if letter.is_ascii_alphanumeric() || letter == '_' || letter == '-' { letter } else { '_' }
    };
    let name: String = name.chars().take(MAX_NAME_CHARS).map(allowed).collect();
    if name.is_empty() { "_".to_owned() } else { name }
}

/// Several servers parse the arguments of the history and fail on malformed ones. What the model
/// wrote stays readable for it.
fn sendable_arguments(arguments: &str) -> String {
    if arguments.trim().is_empty() {
        return "{}".to_owned();
    }
    if serde_json::from_str::<Map<String, Value>>(arguments).is_ok() {
        return arguments.to_owned();
    }
    json!({ "malformed_arguments": arguments }).to_string()
}

/// Asks for the prefix up to here to be cached, in Anthropic's words.
pub(super) fn cache_control(cache: PromptCache) -> Value {
    match cache {
        // The usual time needs no word, and not every gateway knows the word.
        PromptCache::Off | PromptCache::Minutes5 => json!({ "type": "ephemeral" }),
        PromptCache::Hour1 => json!({ "type": "ephemeral", "ttl": "1h" }),
    }
}

/// Nine letters and digits: what the strictest provider takes as a call's id.
pub(super) fn new_call_id() -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(9).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::talk::ProviderRaw;

    fn call(id: &str) -> ToolCall {
        let raw = json!({ "extra_content": 1 }).as_object().cloned().unwrap();
        ToolCall { id: id.to_owned(), name: "find".to_owned(), arguments: String::new(), raw }
    }

    fn made_by(model: Option<&str>, id: &str) -> Vec<Message> {
        let raw = model.map(|model| ProviderRaw { model: model.to_owned(), fields: Map::new() });
        let message = AssistantMessage { text: String::new(), calls: vec![call(id)], raw };
        vec![Message::Assistant(message), Message::Tool { call_id: id.to_owned(), text: "r".to_owned() }]
    }

    #[test]
    fn only_the_models_own_ids_and_fields_stay() {
        for (maker, id, keeps_id, keeps_fields) in [
            (Some("me"), "call:any thing", true, true),
            (Some("another"), "call_1", false, false),
            (None, "call_1", true, true),
            (None, "call:1", false, true),
            (None, "", false, true),
        ] {
            let messages = made_by(maker, id);
            let turns = turns_for(&messages, "me", false);
            let [Turn::Said(said)] = turns.as_slice() else { panic!("{turns:?}") };
            let call = &said.calls[0];
            assert_eq!((call.id == id, call.own.is_some()), (keeps_id, keeps_fields), "{maker:?} {id:?}");
            assert_eq!((call.result, said.own.is_some()), ("r", maker == Some("me")));
            assert!(keeps_id || (call.id.len() == 9 && call.id.chars().all(char::is_alphanumeric)), "{}", call.id);
        }
    }

    #[test]
    fn a_rewritten_id_is_the_same_every_time() {
        assert_eq!(nine_letters("call_1"), nine_letters("call_1"));
        assert_ne!(nine_letters("call_1"), nine_letters("call_2"));
    }
}
