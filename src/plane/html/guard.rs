//! Decides in one linear pass whether HTML is safe to parse, and makes text of what is not.
//!
//! The parser is quadratic in depth and in the number of attributes, and copies every unclosed
//! inline mark into each block that follows; a comment of a few kilobytes could cost seconds or
//! gigabytes. The pass reads tags exactly as the parser does, and counts depth from above: a closing
//! tag that the parser may ignore is ignored. Odd but harmless input may therefore be refused.

use scraper::Html;

const LARGEST_BYTES: usize = 256 * 1024;
const DEEPEST: usize = 256;
/// Marks that may be open at once. Real text has a handful: bold, italic, struck, code, link.
const MOST_OPEN_MARKS: usize = 12;
const MOST_ATTRIBUTES_OF_A_TAG: usize = 200;

const VOID: [&str; 14] =
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];
/// The elements the parser reopens in later blocks.
const MARKS: [&str; 14] =
    ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];
/// Their content is text to the parser up to their closing tag, whatever it looks like.
const RAW: [&str; 2] = ["script", "style"];
/// Elements that change how the parser reads tags and that no editor of Plane writes.
const FOREIGN: [&str; 14] = [
    "svg",
    "math",
    "select",
    "frameset",
    "plaintext",
    "noscript",
    "template",
    "textarea",
    "title",
    "xmp",
    "iframe",
    "noembed",
    "noframes",
    "object",
];

/// Whether the content of an element is no text for people.
pub(super) fn is_silent(name: &str) -> bool {
    RAW.contains(&name) || FOREIGN.contains(&name)
}

/// Whether `html` is small and flat enough to be parsed.
pub(super) fn is_tame(html: &str) -> bool {
    if html.len() > LARGEST_BYTES {
        return false;
    }
    let mut open: Vec<String> = Vec::new();
    let mut marks = 0_usize;
    for tag in Tags::of(html) {
        if tag.attributes > MOST_ATTRIBUTES_OF_A_TAG || tag.hides_a_comment || FOREIGN.contains(&&*tag.name) {
            return false;
        }
        if VOID.contains(&&*tag.name) {
            continue;
        }
        if !tag.closes {
            marks += usize::from(MARKS.contains(&&*tag.name));
            open.push(tag.name);
        } else if let Some(at) = closable(&open, &tag.name) {
            marks -= usize::from(MARKS.contains(&&*tag.name));
            open.truncate(at);
        }
        if open.len() > DEEPEST || marks > MOST_OPEN_MARKS {
            return false;
        }
    }
    true
}

/// Where the element is that a closing tag closes for certain: the innermost one, or one in which
/// only paragraphs and list items, whose closing tags may be missing, are open.
fn closable(open: &[String], name: &str) -> Option<usize> {
    for (at, candidate) in open.iter().enumerate().rev() {
        if candidate == name {
            return Some(at);
        }
        if !matches!(candidate.as_str(), "p" | "li") || !matches!(name, "ul" | "ol" | "div" | "blockquote") {
            return None;
        }
    }
    None
}

/// Whether the text has anything that reads as a tag.
pub(super) fn has_tags(text: &str) -> bool {
    Tags::of(text).any(|tag| tag.complete)
}

/// The bare text of HTML that is not tame, with a note that says so.
pub(super) fn strip_tags(html: &str, limit_chars: usize) -> String {
    let mut text = String::new();
    let mut rest = 0;
    let mut tags = Tags::of(html);
    while let Some(tag) = tags.next() {
        push_decoded(&mut text, html.get(rest..tag.start).unwrap_or_default());
        if !tag.closes && is_silent(&tag.name) {
            tags.skip_to_close_of(&tag.name);
        }
        if !MARKS.contains(&&*tag.name) && !matches!(&*tag.name, "span" | COMMENT) && !text.ends_with('\n') {
            text.push('\n');
        }
        rest = tags.position();
    }
    push_decoded(&mut text, html.get(rest..).unwrap_or_default());
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let text = cut(&lines.join("\n"), limit_chars);
    format!("{text}\n\n[… formatting left out: too large or too deeply nested]")
}

/// Text without tags: its entities decoded, its lines kept.
pub(super) fn decode_plain(text: &str, limit_chars: usize) -> String {
    if !text.contains('&') || text.len() > LARGEST_BYTES {
        return cut(text.trim(), limit_chars);
    }
    let fragment = Html::parse_fragment(&text.replace('<', "&lt;"));
    let decoded: String = fragment.root_element().text().collect();
    cut(decoded.trim(), limit_chars)
}

/// What stands in `entity_identifier` attributes, found without parsing.
pub(super) fn mentioned_ids(html: &str) -> impl Iterator<Item = &str> {
    html.split("entity_identifier").skip(1).filter_map(|after| {
        let value = after.trim_start().strip_prefix('=')?.trim_start().trim_start_matches(['"', '\'']);
        value.get(..36)
    })
}

/// Cuts to `limit_chars` characters and says how much is missing.
fn cut(text: &str, limit_chars: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(limit_chars) else {
        return text.to_owned();
    };
    let (kept, missing) = text.split_at(end);
    format!("{}\n\n[… {} more characters]", kept.trim_end(), missing.chars().count())
}

fn push_decoded(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, entity) = rest.split_at(at);
        out.push_str(before);
        let known = [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&quot;", '"'), ("&#39;", '\''), ("&nbsp;", ' ')];
        match known.iter().find(|(name, _)| entity.starts_with(name)) {
            Some((name, decoded)) => {
                out.push(*decoded);
                rest = entity.get(name.len()..).unwrap_or_default();
            }
            None => {
                out.push('&');
                rest = entity.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
}

/// The name under which comments and declarations are given.
const COMMENT: &str = "!";

struct Tag {
    /// In lower case.
    name: String,
    closes: bool,
    start: usize,
    attributes: usize,
    /// Whether its raw text holds what could start a comment, which changes where it ends.
    hides_a_comment: bool,
    /// Whether its `>` was found.
    complete: bool,
}

/// The tags of a text in order, as the parser would read them, without building anything.
struct Tags<'a> {
    html: &'a str,
    at: usize,
}

impl<'a> Tags<'a> {
    fn of(html: &'a str) -> Self {
        Self { html, at: 0 }
    }

    /// Just behind the last tag given, and behind its raw text.
    fn position(&self) -> usize {
        self.at
    }

    fn rest(&self, at: usize) -> &'a str {
        self.html.get(at..).unwrap_or_default()
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.html.as_bytes().get(at).copied()
    }

    /// Moves to `</name`, or to the end.
    fn skip_to_close_of(&mut self, name: &str) {
        let bytes = self.rest(self.at).as_bytes();
        let closing = format!("</{name}");
        let is_end =
            |at: usize| bytes.get(at).is_none_or(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>'));
        let found = bytes
            .windows(closing.len())
            .enumerate()
            .find(|(at, window)| window.eq_ignore_ascii_case(closing.as_bytes()) && is_end(at + closing.len()));
        self.at = found.map_or(self.html.len(), |(offset, _)| self.at + offset);
    }

    /// Reads the comment or declaration that starts at `start`.
    fn comment(&mut self, start: usize) -> Tag {
        let after = self.rest(start);
        let end = match after.strip_prefix("<!--") {
            Some(body) if body.starts_with('>') => Some(5),
            Some(body) if body.starts_with("->") => Some(6),
            Some(body) => {
                let ends = [body.find("-->").map(|at| at + 3), body.find("--!>").map(|at| at + 4)];
                ends.into_iter().flatten().min().map(|at| at + 4)
            }
            None => after.find('>').map(|at| at + 1),
        };
        self.at = end.map_or(self.html.len(), |end| start + end);
        let complete = end.is_some();
        Tag { name: COMMENT.to_owned(), closes: true, start, attributes: 0, hides_a_comment: false, complete }
    }

    /// Reads the tag whose name starts at `name_start`.
    fn tag(&mut self, start: usize, name_start: usize) -> Tag {
        let name_len = self.rest(name_start).bytes().take_while(|byte| !ends_name(*byte)).count();
        let name = self.rest(name_start).get(..name_len).unwrap_or_default().to_ascii_lowercase();
        let (end, attributes) = self.attributes(name_start + name_len);
        let complete = end < self.html.len();
        self.at = (end + 1).min(self.html.len());
        let closes = name_start > start + 1;
        let mut hides_a_comment = false;
        if !closes && RAW.contains(&&*name) {
            let raw_start = self.at;
            self.skip_to_close_of(&name);
            hides_a_comment = self.html.get(raw_start..self.at).is_some_and(|raw| raw.contains("<!--"));
        }
        Tag { name, closes, start, attributes, hides_a_comment, complete }
    }

    /// Reads attributes from `at`; gives the place of the `>` (or the end) and their number.
    fn attributes(&self, mut at: usize) -> (usize, usize) {
        let mut count = 0;
        while let Some(byte) = self.byte(at) {
            if byte == b'>' {
                break;
            }
            if byte.is_ascii_whitespace() || byte == b'/' {
                at += 1;
                continue;
            }
            count += 1;
            // A name may start with an equals sign; quotes mean nothing in it.
            at += 1 + self.rest_bytes(at + 1).iter().take_while(|byte| !ends_name(**byte) && **byte != b'=').count();
            let gap = self.gap(at);
            if self.byte(at + gap) == Some(b'=') {
                at = self.value_end(at + gap + 1);
            }
        }
        (at, count)
    }

    /// The place behind an attribute's value; `at` is just behind the equals sign.
    fn value_end(&self, at: usize) -> usize {
        let at = at + self.gap(at);
        match self.byte(at) {
            Some(quote @ (b'"' | b'\'')) => {
                let length = self.rest_bytes(at + 1).iter().position(|byte| *byte == quote);
                length.map_or(self.html.len(), |length| at + 1 + length + 1)
            }
            _ => {
                at + self.rest_bytes(at).iter().take_while(|byte| !byte.is_ascii_whitespace() && **byte != b'>').count()
            }
        }
    }

    fn gap(&self, at: usize) -> usize {
        self.rest_bytes(at).iter().take_while(|byte| byte.is_ascii_whitespace()).count()
    }

    fn rest_bytes(&self, at: usize) -> &'a [u8] {
        self.html.as_bytes().get(at..).unwrap_or_default()
    }
}

fn ends_name(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>')
}

impl Iterator for Tags<'_> {
    type Item = Tag;

    fn next(&mut self) -> Option<Tag> {
        loop {
            let start = self.at + self.html.get(self.at..)?.find('<')?;
            match (self.byte(start + 1), self.byte(start + 2)) {
                (Some(first), _) if first.is_ascii_alphabetic() => return Some(self.tag(start, start + 1)),
                (Some(b'/'), Some(first)) if first.is_ascii_alphabetic() => return Some(self.tag(start, start + 2)),
                (Some(b'!' | b'?'), _) | (Some(b'/'), Some(_)) => return Some(self.comment(start)),
                _ => self.at = start + 1,
            }
        }
    }
}
