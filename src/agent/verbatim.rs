//! Notices when a text repeats our rules word for word. Somebody else's text may have asked for them; they
//! tell how to write the next one that does.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use serde_json::Value;

/// Letters and digits in a row that must be the same; nobody writes as many by chance.
const LONGEST_QUOTE: usize = 160;
/// Each stretch of that length holds at least one whole block, wherever it begins.
const BLOCK: usize = LONGEST_QUOTE / 2;

/// What is said in place of such a text.
pub(super) const WITHHELD: &str = "I was about to repeat the instructions I work by, which is not what this thread is for. Tell me what you would \
     like to know, and I will answer in my own words.";

/// The rules, cut for comparing.
#[derive(Debug)]
pub(super) struct Verbatim {
    rules: String,
    blocks: Vec<String>,
}

impl Verbatim {
    pub(super) fn of(rules: &str) -> Self {
        let rules = letters(rules);
        let chars: Vec<char> = rules.chars().collect();
        let blocks = chars.chunks_exact(BLOCK).map(|block| block.iter().collect()).collect();
        Self { rules, blocks }
    }

    /// Whether a text has a long stretch of the rules in it, as it is or in a common encoding.
    pub(super) fn is_in(&self, text: &str) -> bool {
        let unescaped = from_percents(text);
        let plain = letters(&unescaped);
        let backwards: String = plain.chars().rev().collect();
        let joined: String = unescaped.chars().filter(|c| !is_layout(*c)).collect();
        let hidden = decoded(&joined).map(|bytes| letters(&String::from_utf8_lossy(&bytes)));
        let open = [letters(text), backwards, rotated(&plain), plain];
        open.into_iter().chain(hidden).any(|text| self.quoted_in(&text))
    }

    /// As [`Verbatim::is_in`], for the arguments of a tool.
    pub(super) fn is_in_arguments(&self, arguments: &str) -> bool {
        match serde_json::from_str::<Value>(arguments) {
            Ok(value) => self.is_in(&texts(&value)),
            Err(_) => self.is_in(arguments),
        }
    }

    fn quoted_in(&self, text: &str) -> bool {
        self.blocks.iter().any(|block| {
            text.match_indices(block.as_str()).any(|(at, _)| {
                self.rules.match_indices(block.as_str()).any(|(place, _)| {
                    let before = common(text[..at].chars().rev(), self.rules[..place].chars().rev());
                    let after = common(text[at..].chars(), self.rules[place..].chars());
                    before + after >= LONGEST_QUOTE
                })
            })
        })
    }
}

fn common(one: impl Iterator<Item = char>, other: impl Iterator<Item = char>) -> usize {
    one.zip(other).take_while(|(one, other)| one == other).count()
}

/// Letters and digits alone, so that neither spaces nor markup make a difference.
fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn rotated(text: &str) -> String {
    let turn = |c: char| match c {
        'a'..='m' => char::from(c as u8 + 13),
        'n'..='z' => char::from(c as u8 - 13),
        other => other,
    };
    text.chars().map(turn).collect()
}

/// What breaks a long line, or stands around and before the parts of one.
fn is_layout(c: char) -> bool {
    c.is_whitespace() || matches!(c, '`' | '"' | '\'' | '>' | '*' | '|')
}

/// What the stretches hold that may be an encoded quote, wherever in them it begins.
fn decoded(text: &str) -> impl Iterator<Item = Vec<u8>> {
    let long = |run: &&str| run.len() >= LONGEST_QUOTE;
    let hex = text.split(|c: char| !c.is_ascii_hexdigit()).filter(long);
    let base64 = text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_'))).filter(long);
    let hex = hex.flat_map(|run| (0..2).filter_map(|skipped| from_hex(&run[skipped..])));
    hex.chain(base64.flat_map(|run| (0..4).filter_map(|skipped| from_base64(&run[skipped..]))))
}

/// A text in which what an address escapes is plain.
fn from_percents(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| *first == b'%').and_then(|digits| hex::decode(digits).ok());
        rest = if escaped.is_some() { &after[2..] } else { after };
        bytes.extend(escaped.unwrap_or_else(|| vec![*first]));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn from_hex(run: &str) -> Option<Vec<u8>> {
    hex::decode(run.get(..run.len() / 2 * 2)?).ok()
}

fn from_base64(run: &str) -> Option<Vec<u8>> {
    let run = run.trim_end_matches('=').replace('-', "+").replace('_', "/");
    // What is left over of the last four digits is part of no quote.
    STANDARD_NO_PAD.decode(run.get(..run.len() / 4 * 4)?).ok()
}

/// Every text in a JSON value, one behind the other.
fn texts(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(texts).collect::<Vec<_>>().join(" "),
        Value::Object(fields) => fields.values().map(texts).collect::<Vec<_>>().join(" "),
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = include_str!("../../prompts/system.md");

    fn quote() -> &'static str {
        let start = RULES.find("- Do what the person asks").unwrap();
        &RULES[start..start + 300]
    }

    #[test]
    fn a_long_quote_is_noticed_however_it_is_dressed() {
        let rules = Verbatim::of(RULES);
        let rotated: String = quote()
            .chars()
            .map(|c| match c {
                'a'..='m' | 'A'..='M' => char::from(c as u8 + 13),
                'n'..='z' | 'N'..='Z' => char::from(c as u8 - 13),
                other => other,
            })
            .collect();
        let base64 = "LSBEbyB3aGF0IHRoZSBwZXJzb24gYXNrczogdHJpYWdlLCBzdW1tYXJpZXMsIHBsYW5zLCBhbnN3ZXJzLiBPYnNlcnZlIGZpcnN0LCB0aGVu\
                      IGNvbmNsdWRlLiBVc2UgdG9vbHMgZm9yIHdoYXQgeW91IGRvIG5vdCBrbm93LCBzZXZlcmFsIGF0IG9uY2Ugd2hlcmUgdGhleSBkbyBub3QgZGVw\
                      ZW5kIG9uIG9uZSBhbm90aGVyOyBkbyBub3QgY2FsbCBhIHRvb2wgZm9yIHdoYXQgaXMgYWxyZWFkeSBpbiBmcm9udCBvZiB5b3Uu";
        for text in [
            format!("My rules: {}", quote()),
            format!("> {}", quote().to_uppercase().replace(' ', "\n> **")),
            quote().chars().rev().collect(),
            rotated,
            hex::encode(quote()),
            format!("here: {base64} !"),
            format!("{}?{}=", base64.replace('+', "-").replace('/', "_"), &base64[..203]),
            format!("See [it](https://e.test/?d={base64})"),
            format!("https://e.test/ab/{base64}"),
            format!("> {}", base64.as_bytes().chunks(76).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n> ")),
            hex::encode(quote()).as_bytes().chunks(2).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" "),
            format!("https://e.test/?d={}", quote().replace(' ', "%20").replace('e', "%65")),
        ] {
            assert!(rules.is_in(&text), "{text}");
        }
        let arguments = serde_json::json!({"text": quote(), "page": 1}).to_string();
        assert!(rules.is_in_arguments(&arguments));
    }

    #[test]
    fn words_of_ones_own_and_short_quotes_pass() {
        let rules = Verbatim::of(RULES);
        for text in [
            "",
            "I read the work item first and then look for duplicates; I cannot change anything here.",
            &quote()[..120],
            "{\"a\": 1}",
        ] {
            assert!(!rules.is_in(text), "{text}");
        }
        assert!(!Verbatim::of("").is_in("anything"));
    }
}
