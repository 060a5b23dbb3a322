//! Text to HTML: what people type, the agent's Markdown, and foreign HTML made harmless for the page.

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd};
use scraper::{ElementRef, Html};

use super::world::Person;
use crate::domain::ids::UserId;

/// Longer HTML is shown as plain text: parsing takes quadratic time in its depth.
const LONGEST_HTML_BYTES: usize = 64 * 1024;
/// Deeper elements are left out.
const DEEPEST: usize = 60;

/// Whether `text` mentions this display name as a whole word.
pub(super) fn mentions(text: &str, display_name: &str) -> bool {
    let at_names = text.split('@').skip(1).map(name_at_start);
    at_names.into_iter().any(|name| name.eq_ignore_ascii_case(display_name))
}

/// What Plane's editor makes of typed text: paragraphs, with a component for every `@person`.
pub(super) fn comment_html(text: &str, people: &[Person]) -> String {
    let paragraphs = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    paragraphs.map(|paragraph| format!("<p>{}</p>", paragraph_html(paragraph, people))).collect()
}

/// The agent's Markdown as HTML in which nothing runs: raw HTML is shown as text, only web and mail
/// links survive, and an image becomes a link to it.
pub(super) fn markdown_html(markdown: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let harmless = Parser::new_ext(markdown, options).map(harmless_event);
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, harmless);
    html
}

/// Any HTML reduced to what the page may show; mentions become names.
pub(super) fn harmless_html(html: &str, name_of: &dyn Fn(UserId) -> String) -> String {
    if html.len() > LONGEST_HTML_BYTES {
        let mut end = LONGEST_HTML_BYTES;
        while !html.is_char_boundary(end) {
            end -= 1;
        }
        return format!("<p>{} […]</p>", escape(&html[..end]));
    }
    let fragment = Html::parse_fragment(html);
    let mut clean = String::new();
    write_children(&mut clean, fragment.root_element(), name_of, 0);
    clean
}

/// HTML as a person reads it: blocks as lines, lists with their numbers, links with their addresses.
pub(super) fn plain_text(html: &str) -> String {
    let fragment = Html::parse_fragment(html);
    let mut text = String::new();
    write_plain(&mut text, fragment.root_element(), 0);
    text.trim().to_owned()
}

fn write_plain(text: &mut String, parent: ElementRef<'_>, depth: usize) {
    if depth > DEEPEST {
        return;
    }
    let numbered = parent.value().name() == "ol";
    let mut number = 0;
    for child in parent.children() {
        let Some(element) = ElementRef::wrap(child) else {
            text.push_str(child.value().as_text().map(|words| words.trim_matches('\n')).unwrap_or_default());
            continue;
        };
        match element.value().name() {
            "br" => text.push('\n'),
            "li" => {
                number += 1;
                let start = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
                text.push_str(start);
                text.push_str(&if numbered { format!("{number}. ") } else { "- ".to_owned() });
                write_plain(text, element, depth + 1);
            }
            "p" | "ul" | "ol" | "h1" | "h2" | "h3" | "pre" | "blockquote" | "table" => {
                let start = if text.is_empty() || text.ends_with(". ") || text.ends_with("- ") { "" } else { "\n\n" };
                text.push_str(start);
                write_plain(text, element, depth + 1);
            }
            "strong" => {
                text.push_str("**");
                write_plain(text, element, depth + 1);
                text.push_str("**");
            }
            "a" => {
                text.push('[');
                write_plain(text, element, depth + 1);
                text.push_str(&format!("]({})", element.value().attr("href").unwrap_or_default()));
            }
            _ => write_plain(text, element, depth + 1),
        }
    }
}

/// Escaped for text and for attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#x27;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn harmless_event(event: Event<'_>) -> Event<'_> {
    if let Event::Html(raw) | Event::InlineHtml(raw) = event {
        return Event::Text(raw);
    }
    if let Event::Start(Tag::Link { link_type, dest_url, title, id } | Tag::Image { link_type, dest_url, title, id }) =
        event
    {
        let dest_url = if is_harmless_address(&dest_url) { dest_url } else { CowStr::Borrowed("#") };
        return Event::Start(Tag::Link { link_type, dest_url, title, id });
    }
    if matches!(event, Event::Start(Tag::HtmlBlock)) {
        return Event::Start(Tag::Paragraph);
    }
    if let Event::End(end @ (TagEnd::HtmlBlock | TagEnd::Image)) = event {
        return Event::End(if end == TagEnd::Image { TagEnd::Link } else { TagEnd::Paragraph });
    }
    event
}

fn paragraph_html(text: &str, people: &[Person]) -> String {
    let mut pieces = text.split('@');
    let mut html = escape_lines(pieces.next().unwrap_or_default());
    for piece in pieces {
        let name = name_at_start(piece);
        match people.iter().find(|person| person.display_name.eq_ignore_ascii_case(name)) {
            Some(person) => {
                html.push_str(&format!(
                    "<mention-component id=\"{}\" entity_identifier=\"{}\" entity_name=\"user_mention\"></mention-component>",
                    uuid::Uuid::new_v4(),
                    person.id
                ));
                html.push_str(&escape_lines(&piece[name.len()..]));
            }
            None => {
                html.push('@');
                html.push_str(&escape_lines(piece));
            }
        }
    }
    html
}

fn escape_lines(text: &str) -> String {
    escape(text).replace('\n', "<br>")
}

fn name_at_start(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_'))).unwrap_or(text.len());
    &text[..end]
}

fn is_harmless_address(address: &str) -> bool {
    let lower = address.to_ascii_lowercase();
    ["http://", "https://", "mailto:"].iter().any(|scheme| lower.starts_with(scheme))
}

fn write_children(clean: &mut String, parent: ElementRef<'_>, name_of: &dyn Fn(UserId) -> String, depth: usize) {
    if depth > DEEPEST {
        return;
    }
    for child in parent.children() {
        if let Some(text) = child.value().as_text() {
            clean.push_str(&escape(text));
        } else if let Some(element) = ElementRef::wrap(child) {
            write_element(clean, element, name_of, depth + 1);
        }
    }
}

fn write_element(clean: &mut String, element: ElementRef<'_>, name_of: &dyn Fn(UserId) -> String, depth: usize) {
    let name = element.value().name();
    match name {
        "script" | "style" | "iframe" | "object" | "template" | "noscript" | "svg" | "math" | "title" => {}
        "br" | "hr" => clean.push_str(&format!("<{name}>")),
        "mention-component" => {
            let user = element.value().attr("entity_identifier").and_then(|id| id.parse().ok());
            let name = user.map_or_else(|| "someone".to_owned(), name_of);
            clean.push_str(&format!("<span class=\"mention\">@{}</span>", escape(&name)));
        }
        "a" => {
            let href = element.value().attr("href").filter(|href| is_harmless_address(href)).unwrap_or("#");
            clean.push_str(&format!("<a href=\"{}\" rel=\"noopener noreferrer\" target=\"_blank\">", escape(href)));
            write_children(clean, element, name_of, depth);
            clean.push_str("</a>");
        }
        "input" => {
            let checked = if element.value().attr("checked").is_some() { "☑ " } else { "☐ " };
            clean.push_str(checked);
        }
        "p" | "ul" | "ol" | "li" | "strong" | "b" | "em" | "i" | "u" | "s" | "del" | "code" | "pre" | "blockquote"
        | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "table" | "thead" | "tbody" | "tr" | "th" | "td" | "div" => {
            clean.push_str(&format!("<{name}>"));
            write_children(clean, element, name_of, depth);
            clean.push_str(&format!("</{name}>"));
        }
        _ => write_children(clean, element, name_of, depth),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(html: &str) -> String {
        harmless_html(html, &|_| "maya".to_owned())
    }

    #[test]
    fn markdown_cannot_smuggle_html_or_scripts() {
        let html = markdown_html(
            "**b** <script>x</script>\n\n<img src=x onerror=y>\n\n[a](javascript:x) ![i](https://e.test/i.png) [m](mailto:a@b)",
        );
        assert!(html.contains("<strong>b</strong>"));
        assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("javascript:"), "{html}");
        assert!(html.contains("href=\"https://e.test/i.png\"") && html.contains("mailto:a@b"), "{html}");
    }

    #[test]
    fn foreign_html_keeps_its_text_and_loses_its_teeth() {
        let html = clean(
            "<p onclick=x>a<b>c</b><script>evil()</script><a href=\"JavaScript:x\">l</a><x-y>k</x-y></p><style>p{}</style>",
        );
        assert_eq!(html, "<p>a<b>c</b><a href=\"#\" rel=\"noopener noreferrer\" target=\"_blank\">l</a>k</p>");
    }

    #[test]
    fn deep_or_long_html_is_cut_and_not_followed() {
        assert!(clean(&"<div>".repeat(5_000)).len() < 2_000);
        assert!(clean(&"é<".repeat(LONGEST_HTML_BYTES)).contains("[…]"));
    }

    #[test]
    fn a_mention_becomes_a_component_and_back_a_name() {
        let person = Person {
            id: UserId(uuid::Uuid::nil()),
            first_name: "Maya".to_owned(),
            last_name: String::new(),
            display_name: "maya".to_owned(),
            role: 15,
            is_bot: false,
        };
        let html = comment_html("a & <b> @Maya, look\nhere\n\nmail me@nowhere", &[person]);
        assert!(html.starts_with("<p>a &amp; &lt;b&gt; <mention-component id="), "{html}");
        assert!(html.ends_with("</mention-component>, look<br>here</p><p>mail me@nowhere</p>"), "{html}");
        assert!(clean(&html).contains("<span class=\"mention\">@maya</span>, look<br>here"));
    }

    #[test]
    fn only_a_whole_name_is_a_mention() {
        assert!(mentions("Hey @Aileron, go", "aileron"));
        assert!(!mentions("mail a@aileronic.test", "aileron"));
    }
}
