//! A model's Markdown as Plane is given it: as the HTML of a comment, or as the Markdown of an activity.
//!
//! What others wrote may have talked the model into anything, and Plane stores what it gets, so nothing
//! that runs, loads or hides may get through: raw HTML is shown as text, only web and mail addresses are
//! linked, an image becomes a link to it, and a link whose words do not tell where it leads is followed by
//! the name of the place. Nothing calls everybody.

use std::borrow::Cow;

use pulldown_cmark::{CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html};

use super::plain::{calling_nobody, without_hidden};
use crate::domain::ids::UserId;

const OPTIONS: Options = Options::ENABLE_TABLES.union(Options::ENABLE_STRIKETHROUGH).union(Options::ENABLE_TASKLISTS);
/// People one text may call; one that names more calls none of them.
const MOST_MENTIONS: usize = 5;
/// How deep things may be hidden in one another.
const MOST_ROUNDS: usize = 4;

/// How the element begins that Plane shows a person with.
const MENTION: &str = "<mention-component";

/// Looks up who is called so, without the `@`.
pub type Handles<'a> = &'a dyn Fn(&str) -> Option<UserId>;

/// Converts Markdown; `@name` becomes a mention where `handles` knows the name.
#[must_use]
pub fn to_html(markdown: &str, handles: Handles<'_>) -> String {
    let markdown = calling_nobody(&without_hidden(markdown));
    let html = written(&markdown, handles, None);
    let mentions = html.matches(MENTION).count();
    if mentions > MOST_MENTIONS { written(&markdown, &|_| None, None) } else { html }
}

/// The same for what is said in a conversation: it mentions nobody, and links to addresses that begin with
/// `own` are ours.
#[must_use]
pub fn said_html(markdown: &str, own: Option<&str>) -> String {
    written(&calling_nobody(&without_hidden(markdown)), &|_| None, own)
}

fn written(markdown: &str, handles: Handles<'_>, own: Option<&str>) -> String {
    let mut in_code = false;
    let mut link = Link::new(own);
    let events = Parser::new_ext(markdown, OPTIONS).map(harmless).flat_map(|event| {
        if let Some(told) = link.over(&event) {
            return vec![event, Event::Text(told.into())];
        }
        if matches!(event, Event::Start(Tag::CodeBlock(_))) {
            in_code = true;
        } else if matches!(event, Event::End(TagEnd::CodeBlock)) {
            in_code = false;
        } else if let Event::Text(text) = &event
            && !in_code
            && text.contains('@')
        {
            return with_mentions(text, handles);
        }
        vec![event]
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    out.trim().to_owned()
}

fn harmless(event: Event<'_>) -> Event<'_> {
    if let Event::Html(raw) | Event::InlineHtml(raw) = event {
        return Event::Text(raw);
    }
    if let Event::Start(Tag::Link { link_type, dest_url, id, .. } | Tag::Image { link_type, dest_url, id, .. }) = event
    {
        // An address in angle brackets gets its scheme when it is written out.
        let is_mail = link_type == LinkType::Email;
        let dest_url = if is_mail || is_linkable(&dest_url) { dest_url } else { CowStr::Borrowed("#") };
        return Event::Start(Tag::Link { link_type, dest_url, title: CowStr::Borrowed(""), id });
    }
    if matches!(event, Event::Start(Tag::HtmlBlock)) {
        return Event::Start(Tag::Paragraph);
    }
    if let Event::End(end @ (TagEnd::HtmlBlock | TagEnd::Image)) = event {
        return Event::End(if end == TagEnd::Image { TagEnd::Link } else { TagEnd::Paragraph });
    }
    event
}

/// Markdown in which nothing runs, loads or hides by itself; all else is left as it is. Links to addresses
/// that begin with `own` are ours.
#[must_use]
pub fn defused(markdown: &str, own: Option<&str>) -> String {
    let mut text = calling_nobody(&without_hidden(markdown));
    for _ in 0..MOST_ROUNDS {
        match defused_once(&text, own) {
            Some(next) => text = next,
            None => return text,
        }
    }
    // What still hides something in something else was not written to be read.
    text.replace('[', "\\[").replace('<', "&lt;")
}

/// `None`: there is nothing to defuse. What was hidden in raw HTML shows only once that is text.
fn defused_once(text: &str, own: Option<&str>) -> Option<String> {
    let mut edits: Vec<(usize, usize, Cow<'_, str>)> = Vec::new();
    let mut link = Link::new(own);
    for (event, range) in Parser::new_ext(text, OPTIONS).into_offset_iter() {
        if let Some(told) = link.over(&event)
            && !text[range.end..].starts_with(&told)
        {
            edits.push((range.end, 0, told.into()));
        }
        if matches!(event, Event::Html(_) | Event::InlineHtml(_)) {
            edits.extend(text[range.clone()].match_indices('<').map(|(at, _)| (range.start + at, 1, "&lt;".into())));
        } else if matches!(event, Event::Start(Tag::Image { .. })) {
            // Without its mark an image is a link to it.
            edits.push((range.start, 1, "".into()));
        } else if let Event::Start(Tag::Link { link_type, dest_url, .. }) = event
            && link_type != LinkType::Email
            && has_scheme(&dest_url)
            && !is_linkable(&dest_url)
        {
            edits.push((range.start, 0, "\\".into()));
        }
    }
    if edits.is_empty() {
        return None;
    }
    edits.sort_unstable();
    let (mut out, mut from) = (String::with_capacity(text.len() + 16), 0);
    for (at, removed, added) in edits {
        out.push_str(&text[from..at]);
        out.push_str(&added);
        from = at + removed;
    }
    out.push_str(&text[from..]);
    Some(out)
}

/// The link that is being read: its address, and the words it is shown with.
struct Link<'a> {
    own: Option<&'a str>,
    open: Option<(String, String)>,
}

impl<'a> Link<'a> {
    fn new(own: Option<&'a str>) -> Self {
        Self { own, open: None }
    }

    /// Takes the next event. Where it ends a link whose words do not tell where it leads, gives what does.
    fn over(&mut self, event: &Event<'_>) -> Option<String> {
        if let Event::Start(Tag::Link { link_type, dest_url, .. }) = event {
            let ours = self.own.is_some_and(|own| dest_url.starts_with(own));
            let told = *link_type == LinkType::Email || ours || !is_linkable(dest_url);
            self.open = (!told).then(|| (dest_url.to_string(), String::new()));
        } else if let (Event::Text(text) | Event::Code(text), Some((_, words))) = (event, &mut self.open) {
            words.push_str(text);
        } else if matches!(event, Event::End(TagEnd::Link)) {
            return self.open.take().and_then(|(address, words)| untold(&words, &address));
        }
        None
    }
}

/// Where an address leads, in brackets, if the words do not tell.
pub(crate) fn untold(words: &str, address: &str) -> Option<String> {
    let url = url::Url::parse(address.trim()).ok()?;
    let is_mail = url.scheme() == "mailto";
    let place = if is_mail { url.path().to_owned() } else { url.host_str()?.to_owned() };
    let words = core(words);
    let has_user = !is_mail && !url.username().is_empty();
    let told =
        !has_user && (words == core(&place) || (words == core(address) && words.starts_with(core(&place).as_str())));
    (!told).then(|| format!(" ({place})"))
}

/// An address without what people leave out when they write one.
fn core(address: &str) -> String {
    let mut address = address.trim().to_lowercase();
    for head in ["https://", "http://", "mailto:", "www."] {
        if let Some(rest) = address.strip_prefix(head) {
            address = rest.to_owned();
        }
    }
    address.trim_end_matches('/').to_owned()
}

fn has_scheme(address: &str) -> bool {
    address.split(['/', '?', '#']).next().is_some_and(|start| start.contains(':'))
}

fn is_linkable(address: &str) -> bool {
    let lower = address.trim().to_ascii_lowercase();
    ["http://", "https://", "mailto:"].iter().any(|scheme| lower.starts_with(scheme))
}

/// Text with every known `@name` as the element Plane shows a person with.
fn with_mentions<'a>(text: &CowStr<'a>, handles: Handles<'_>) -> Vec<Event<'a>> {
    let mut events = Vec::new();
    let mut plain = String::new();
    let mut rest: &str = text;
    while let Some(at) = rest.find('@') {
        let (before, from_at) = rest.split_at(at);
        plain.push_str(before);
        let after = &from_at[1..];
        let length =
            after.find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))).unwrap_or(after.len());
        // "ask @maya." names maya.
        let name = after[..length].trim_end_matches('.');
        // An address is not a mention.
        let stands_alone = !plain.ends_with(|c: char| c.is_alphanumeric());
        match handles(name).filter(|_| stands_alone && !name.is_empty()) {
            Some(user) => {
                if !plain.is_empty() {
                    events.push(Event::Text(std::mem::take(&mut plain).into()));
                }
                // The same text always gives the same HTML: what was approved is compared with what is sent.
                let node = uuid::Uuid::from_u128(user.0.as_u128().wrapping_add(events.len() as u128 + 1));
                let element = format!(
                    "{MENTION} id=\"{node}\" entity_identifier=\"{user}\" entity_name=\"user_mention\"></mention-component>"
                );
                events.push(Event::InlineHtml(element.into()));
            }
            None => {
                plain.push('@');
                plain.push_str(name);
            }
        }
        rest = &after[name.len()..];
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        events.push(Event::Text(plain.into()));
    }
    events
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAYA: &str = "44444444-4444-4444-8444-444444444444";

    fn html_of(markdown: &str) -> String {
        to_html(markdown, &|name| (name == "maya").then(|| MAYA.parse().unwrap()))
    }

    #[test]
    fn nothing_that_runs_or_hides_gets_through() {
        let html = html_of(
            "**b** <script>x</script>\n\n<img src=x onerror=y>\n\n[a](javascript:x) ![i](https://e.test/i.png)\n\n<div hidden>z</div>",
        );
        assert!(html.contains("<strong>b</strong>") && html.contains("href=\"https://e.test/i.png\""), "{html}");
        assert!(html_of("<bob@x.test>").contains("href=\"mailto:bob@x.test\""));
        for bad in ["<script", "<img", "javascript:", "<div"] {
            assert!(!html.contains(bad), "{bad} in {html}");
        }
    }

    #[test]
    fn a_known_name_becomes_a_mention_and_nothing_else_does() {
        let html = html_of("Ask @maya. Not @nobody, not a@maya, not `@maya`.");
        assert_eq!(html.matches("<mention-component").count(), 1, "{html}");
        assert!(html.contains(MAYA) && html.contains("@nobody") && html.contains("a@maya"), "{html}");
        assert!(!html_of("```\n@maya\n```").contains("mention-component"));
    }

    #[test]
    fn in_an_activity_nothing_loads_or_runs_and_the_rest_stays() {
        for (markdown, expected) in [
            ("![x](https://e.test/?d=1)", "[x](https://e.test/?d=1) (e.test)"),
            ("![x][1]\n\n[1]: https://e.test/", "[x][1] (e.test)\n\n[1]: https://e.test/"),
            ("a <img src=https://e.test/> b", "a &lt;img src=https://e.test/> b"),
            ("<div>\n![x](https://e.test/)\n</div>", "&lt;div>\n[x](https://e.test/) (e.test)\n&lt;/div>"),
            ("``` a ```\n![x](https://e.test/)", "``` a ```\n[x](https://e.test/) (e.test)"),
            ("[x](javascript:alert(1)) <data:text/html,x>", "\\[x](javascript:alert(1)) \\<data:text/html,x>"),
        ] {
            assert_eq!(defused(markdown, None), expected);
        }
        for same in [
            "**a** [MOB-5](https://app.test/browse/MOB-5/) <https://a.test> <bob@a.test> 1 < 2 > 0",
            "`![x](y)` and `<img>`\n\n```\n![x](https://e.test/)\n<img>\n```\n\n- [x] done\n- [a](/b:c)",
        ] {
            assert_eq!(defused(same, Some("https://app.test/browse/")), same);
        }
    }

    #[test]
    fn a_link_tells_where_it_leads() {
        for (markdown, expected) in [
            ("[the log](https://e.test/?d=1)", "[the log](https://e.test/?d=1) (e.test)"),
            ("[https://good.test](https://evil.test)", "[https://good.test](https://evil.test) (evil.test)"),
            ("[good.test](https://good.test@evil.test/)", "[good.test](https://good.test@evil.test/) (evil.test)"),
            ("<https://good.test@evil.test>", "<https://good.test@evil.test> (evil.test)"),
            ("[pаypal.test](https://pаypal.test)", "[pаypal.test](https://pаypal.test) (xn--pypal-4ve.test)"),
            ("[Maya](mailto:x@evil.test)", "[Maya](mailto:x@evil.test) (x@evil.test)"),
            ("[a **b**][1].\n\n[1]: https://e.test", "[a **b**][1] (e.test).\n\n[1]: https://e.test"),
        ] {
            assert_eq!(defused(markdown, None), expected);
        }
        for told in
            ["[e.test/a](https://e.test/a/)", "[www.e.test](http://e.test)", "[x@e.test](mailto:x@e.test)", "[a](/b)"]
        {
            assert_eq!(defused(told, None), told);
            assert!(!html_of(told).contains('('), "{}", html_of(told));
        }
        assert!(
            html_of("[the log](https://e.test/ 'see')").contains("<a href=\"https://e.test/\">the log</a> (e.test)")
        );
    }

    #[test]
    fn nothing_calls_everybody_at_once() {
        let everyone = |name: &str| (!name.is_empty()).then(|| MAYA.parse().unwrap());
        assert_eq!(to_html("@a @b @c @d @e", &everyone).matches(MENTION).count(), 5);
        assert_eq!(to_html("@a @b @c @d @e @f", &everyone).matches(MENTION).count(), 0);
        assert_eq!(html_of("@everyone\u{202e} look"), "<p>everyone look</p>");
        assert_eq!(defused("@here, a\u{200b}b", None), "here, ab");
    }

    proptest! {
        #[test]
        fn whatever_is_written_nothing_loads_or_runs(markdown in "[<>a-z/\"'=!\\[\\]()\\\\\n `:1-]{0,120}") {
            let text = defused(&markdown, None);
            for event in Parser::new_ext(&text, OPTIONS) {
                let bad = matches!(event, Event::Html(_) | Event::InlineHtml(_) | Event::Start(Tag::Image { .. }));
                prop_assert!(!bad, "{event:?} in {text:?}");
            }
            prop_assert_eq!(defused(&text, None), text);
        }

        /// Whatever the model writes: the only elements of HTML in the outcome are the ones we make.
        #[test]
        fn any_markdown_gives_only_our_own_elements(markdown in "[<>a-z/\"'=&@!\\[\\]()\n `*#:-]{0,120}") {
            let html = html_of(&markdown);
            let known = ["p", "em", "strong", "del", "code", "pre", "a", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5",
                "h6", "hr", "br", "blockquote", "mention-component", "table", "thead", "tbody", "tr", "th", "td", "input"];
            for (at, _) in html.match_indices('<') {
                let name: String = html[at + 1..].trim_start_matches('/').chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
                prop_assert!(known.contains(&name.as_str()), "{name:?} in {html}");
            }
        }
    }
}
