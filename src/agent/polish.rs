//! The last touch on an answer: work items become links, and data that slipped out is at least fenced.
//!
//! People stay plain handles (`@maya`). Plane takes the bodies of activities as Markdown and documents no
//! mention in it; its own element for mentions is HTML, which does not belong there and might be shown as it
//! is. A comment, which is HTML, does mention people, see [`crate::plane::markdown`].

use super::verbatim::{Verbatim, WITHHELD};
use crate::domain::activity::{Ask, Saying};

/// Longest key taken for one: Plane's identifiers have twelve characters at most.
const KEY_LIMIT: usize = 20;

/// Links every work item that is named by its key, such as `MOB-12`, to where people find it. Only keys
/// that `is_known` vouches for are linked: what merely looks like one (`UTF-8`) is left alone, and so is
/// what stands in code, in a link or in an address.
#[must_use]
pub(super) fn link_keys(text: &str, browse: &str, is_known: &dyn Fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut fenced = false;
    for line in text.split_inclusive('\n') {
        let opens = line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~");
        if opens || fenced {
            fenced ^= opens;
            out.push_str(line);
        } else {
            link_line(line, browse, is_known, &mut out);
        }
    }
    out
}

fn link_line(line: &str, browse: &str, is_known: &dyn Fn(&str) -> bool, out: &mut String) {
    let mut rest = line;
    let mut before: Option<char> = None;
    while let Some(first) = rest.chars().next() {
        let verbatim = verbatim_length(rest);
        let in_word = before.is_some_and(continues_word);
        let key = if in_word { None } else { key_at(rest) };
        let taken = match (verbatim, key) {
            (Some(length), _) => {
                out.push_str(&rest[..length]);
                length
            }
            (None, Some(key)) if is_known(key) => {
                out.push_str(&format!("[{key}]({browse}{key}/)"));
                key.len()
            }
            (None, _) => {
                out.push(first);
                first.len_utf8()
            }
        };
        before = rest[..taken].chars().next_back();
        rest = &rest[taken..];
    }
}

/// The length of what stands here and must stay as it is: code, a link, an address.
fn verbatim_length(text: &str) -> Option<usize> {
    if text.starts_with('`') {
        let ticks = text.len() - text.trim_start_matches('`').len();
        let end = text[ticks..].find(&text[..ticks])?;
        return Some(ticks + end + ticks);
    }
    if text.starts_with('[') {
        let middle = text.find("](")?;
        let end = text[middle..].find(')')?;
        return Some(middle + end + 1);
    }
    if text.starts_with('<') {
        return text.find('>').map(|end| end + 1);
    }
    let is_address = text.starts_with("http://") || text.starts_with("https://");
    is_address.then(|| text.find(char::is_whitespace).unwrap_or(text.len()))
}

/// The key a text begins with.
fn key_at(text: &str) -> Option<&str> {
    let identifier = text.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit()))?;
    let digits = text[identifier..].strip_prefix('-')?;
    let number = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let after = digits[number..].chars().next();
    let ends = after.is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '-' | '_')));
    let key = &text[..identifier + 1 + number];
    let fits = text.starts_with(|c: char| c.is_ascii_uppercase()) && number > 0 && key.len() <= KEY_LIMIT;
    (fits && ends).then_some(key)
}

/// Whether a text names a work item by this key. Words that look like keys, such as `UTF-8`, stand in texts
/// as well, so one that is not of `own` project has to head a line about it, as in `WEB-5: Title`.
#[must_use]
pub(super) fn names(text: &str, key: &str, own: &str) -> bool {
    let is_own =
        key.rsplit_once('-').is_some_and(|(project, _)| own.rsplit_once('-').is_some_and(|(own, _)| own == project));
    text.match_indices(key).any(|(at, _)| {
        let whole = !text[..at].ends_with(continues_word) && key_at(&text[at..]) == Some(key);
        whole && (is_own || text[at + key.len()..].starts_with(": "))
    })
}

/// Puts a plain note in place of a last word that repeats our rules.
pub(super) fn withhold_rules(rules: &Verbatim, saying: &mut Saying) {
    let repeats = match saying {
        Saying::Response { body } => rules.is_in(body),
        Saying::Elicitation { body, ask: Ask::Select { options, .. } } => {
            rules.is_in(body) || rules.is_in(&options.iter().map(|option| format!("{option:?}")).collect::<String>())
        }
        Saying::Elicitation { body, ask: Ask::Freely | Ask::SignIn { .. } } => rules.is_in(body),
        Saying::Thought { .. } | Saying::Action { .. } | Saying::Error { .. } => false,
    };
    if repeats {
        tracing::warn!("the model repeats its instructions; a plain note is posted instead");
        *saying = Saying::Response { body: WITHHELD.to_owned() };
    }
}

fn continues_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '/')
}

/// Whether a text is no answer in words but JSON, bare or in one fence.
#[must_use]
pub(super) fn is_raw_data(text: &str) -> bool {
    let text = text.trim();
    let fenced = text.strip_prefix("```").and_then(|text| text.strip_suffix("```"));
    let bare = fenced.map_or(text, |text| text.trim_start_matches(|c: char| c.is_ascii_alphabetic())).trim();
    let looks_it = bare.starts_with('{') || bare.starts_with('[');
    looks_it && serde_json::from_str::<serde_json::Value>(bare).is_ok_and(|value| value.is_object() || value.is_array())
}

/// Raw data as people can at least read it.
#[must_use]
pub(super) fn fenced(text: &str) -> String {
    if text.trim_start().starts_with("```") { text.to_owned() } else { format!("```json\n{}\n```", text.trim()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn linked(text: &str) -> String {
        link_keys(text, "https://app.example/acme/browse/", &|key| key.starts_with("MOB-"))
    }

    #[test]
    fn known_keys_become_links_and_nothing_else_changes() {
        let link = "[MOB-5](https://app.example/acme/browse/MOB-5/)";
        for (text, expected) in [
            ("Duplicate of MOB-5.", format!("Duplicate of {link}.")),
            ("**MOB-5**, (MOB-5)", format!("**{link}**, ({link})")),
            ("MOB-5", link.to_owned()),
            ("- MOB-5: é MOB-5", format!("- {link}: é {link}")),
        ] {
            assert_eq!(linked(text), expected);
        }
        for same in [
            "UTF-8 and SHA-256, WEB-5",
            "`MOB-5` and ``MOB-5 ` ``",
            "[MOB-5](https://elsewhere.example/MOB-5)",
            "https://app.example/browse/MOB-5/ and <https://x.example/MOB-5>",
            "xMOB-5, MOB-5x, MOB-, -5, a/MOB-5, MOB-5-b",
            "```\nMOB-5\n```",
        ] {
            assert_eq!(linked(same), same);
        }
    }

    #[test]
    fn a_key_is_named_whole_and_another_projects_only_at_the_head_of_a_line() {
        for (text, key, named) in [
            ("blocked by MOB-12: Checkout", "MOB-12", true),
            ("see MOB-12, please", "MOB-12", true),
            ("see MOB-12, please", "MOB-1", false),
            ("XMOB-1 MOB-1x a/MOB-1", "MOB-1", false),
            ("- WEB-5: Footer", "WEB-5", true),
            ("Support UTF-8 everywhere", "UTF-8", false),
        ] {
            assert_eq!(names(text, key, "MOB-3"), named, "{key} in {text:?}");
        }
    }

    #[test]
    fn raw_data_is_told_from_words() {
        for raw in ["{\"a\": 1}", " [1, 2] ", "```json\n{\"a\": 1}\n```", "```\n[]\n```"] {
            assert!(is_raw_data(raw), "{raw}");
        }
        for words in ["", "It is {high}.", "[x] done", "Here it is:\n```json\n{}\n```", "{not json}", "42"] {
            assert!(!is_raw_data(words), "{words}");
        }
    }

    proptest! {
        #[test]
        fn linking_never_loses_a_word(text in "[A-Z0-9\\-`\\[\\]()<> a\\n:/éMOB5]{0,80}") {
            let without: String = linked(&text).replace("](https://app.example/acme/browse/", "\u{1}");
            for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
                prop_assert!(without.contains(word), "{word} of {text:?} is lost");
            }
            prop_assert_eq!(link_keys(&text, "x", &|_| false), text);
        }
    }
}
