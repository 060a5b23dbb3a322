//! Plane's HTML as compact Markdown for a model.
//!
//! Plane stores descriptions and comments as HTML with elements of its own (mentions, images, task
//! lists, callouts), which general converters drop. Comments are not sanitised by every server, so
//! the input may be anything; [`guard`] refuses what would cost too much before it is parsed.

mod guard;
mod walk;
mod writer;

use std::collections::HashSet;

use scraper::{ElementRef, Html, Selector};

use self::{walk::Walker, writer::Writer};
use crate::domain::ids::{FileId, UserId};

/// Longest prompt handed on, in characters.
const PROMPT_LIMIT_CHARS: usize = 32_000;

/// Most people looked at in one text, the first ones; the others count as not mentioned.
pub const MOST_MENTIONED: usize = 100;

/// Looks up how a person is called, without the `@`.
pub type People<'a> = &'a dyn Fn(UserId) -> Option<String>;

/// Converts HTML to Markdown of at most `limit_chars` characters, plus a note of how much is missing
/// where it was cut. Input that is too large or too deeply nested comes back as bare text.
#[must_use]
pub fn to_markdown(html: &str, people: People<'_>, limit_chars: usize) -> String {
    convert(html, None, people, limit_chars).text
}

/// The text of a prompt, which may be HTML or plain. The mention of our own bot that it starts with
/// is left out: it only says that the agent is meant.
#[must_use]
pub fn prompt_text(body: &str, own_bot: Option<UserId>, people: People<'_>) -> String {
    if !guard::has_tags(body) {
        return guard::decode_plain(body, PROMPT_LIMIT_CHARS);
    }
    let converted = convert(body, own_bot, people, PROMPT_LIMIT_CHARS);
    if converted.own_mention_dropped {
        return behind_mention(&converted.text).to_owned();
    }
    converted.text
}

/// The text behind a mention it begins with as plain text; `None` if it begins otherwise, and be it with
/// a longer handle.
#[must_use]
pub fn without_mention<'a>(text: &'a str, handle: &str) -> Option<&'a str> {
    let after = text.strip_prefix(handle)?;
    let ends = !after.trim_start_matches('.').starts_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '_'));
    ends.then(|| behind_mention(after))
}

/// "@aileron, please" should not become ", please".
fn behind_mention(text: &str) -> &str {
    text.trim_start_matches([',', ':', ';']).trim()
}

/// The people and bots mentioned, each once, in the order of their first mention: at most
/// [`MOST_MENTIONED`].
#[must_use]
pub fn mentioned_users(html: &str) -> Vec<UserId> {
    mentions(html, |_| true)
}

/// The people and bots a text calls on: those it mentions outside of what it quotes.
#[must_use]
pub fn called_users(html: &str) -> Vec<UserId> {
    mentions(html, |mention| {
        !mention.ancestors().filter_map(ElementRef::wrap).any(|el| el.value().name() == "blockquote")
    })
}

/// Those of whose mentions one counts. What is not parsed is searched as a whole.
fn mentions(html: &str, counts: impl Fn(&ElementRef<'_>) -> bool) -> Vec<UserId> {
    if !guard::is_tame(html) {
        return first_of_each(guard::mentioned_ids(html));
    }
    let Ok(mentions) = Selector::parse("mention-component") else {
        return Vec::new();
    };
    let document = Html::parse_fragment(html);
    let counting = document.select(&mentions).filter(|mention| walk::mentions_a_user(*mention)).filter(counts);
    first_of_each(counting.filter_map(|mention| mention.attr("entity_identifier")))
}

fn first_of_each<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<UserId> {
    let mut known = HashSet::new();
    ids.filter_map(|id| id.parse().ok()).filter(|user| known.insert(*user)).take(MOST_MENTIONED).collect()
}

/// The pictures in a text that Plane itself keeps, each once and in their order, with what stands for each in
/// Markdown. Those that lie elsewhere are left out: whoever writes a text may name any address.
#[must_use]
pub fn pictures(html: &str) -> Vec<(FileId, String)> {
    let mut pictures: Vec<(FileId, String)> = Vec::new();
    if !html.contains("image-component") || !guard::is_tame(html) {
        return pictures;
    }
    let Ok(images) = Selector::parse("image-component") else {
        return pictures;
    };
    for image in Html::parse_fragment(html).select(&images) {
        let id = image.attr("src").and_then(|source| source.trim().parse().ok());
        if let Some(id) = id.filter(|id| !pictures.iter().any(|(known, _)| known == id)) {
            pictures.push((id, walk::image_name(image)));
        }
    }
    pictures
}

/// Whether two pieces of HTML say the same. Plane writes what it stores in its own way.
#[must_use]
pub fn same_text(one: &str, other: &str) -> bool {
    let plain = |html: &str| to_markdown(html, &|_| None, usize::MAX).trim().to_owned();
    one == other || plain(one) == plain(other)
}

struct Converted {
    text: String,
    own_mention_dropped: bool,
}

fn convert(html: &str, own_bot: Option<UserId>, people: People<'_>, limit_chars: usize) -> Converted {
    if !guard::is_tame(html) {
        return Converted { text: guard::strip_tags(html, limit_chars), own_mention_dropped: false };
    }
    let document = Html::parse_fragment(html);
    let mut walker = Walker::new(Writer::new(limit_chars), own_bot, people);
    walker.children(document.root_element(), 0);
    let (writer, own_mention_dropped) = walker.finish();
    Converted { text: writer.finish(), own_mention_dropped }
}

#[cfg(test)]
mod tests;
