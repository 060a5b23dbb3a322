//! Walks the parsed tree and says what each of Plane's elements becomes.

use scraper::{ElementRef, Node};
use url::Url;

use super::{
    People,
    guard::is_silent,
    writer::{Writer, longest_run_of_backticks},
};
use crate::domain::ids::UserId;

/// The parser may add elements, so the tree is deeper than the tags; this is beyond what the guard
/// lets through and only keeps the stack bounded.
const DEEPEST: usize = 700;
const LONGEST_URL: usize = 2_000;
const LONGEST_NAME_CHARS: usize = 120;

pub(super) struct Walker<'a> {
    writer: Writer,
    own_bot: Option<UserId>,
    own_mention_dropped: bool,
    people: People<'a>,
    /// How many lists enclose the current element.
    lists: usize,
}

/// Whether a `mention-component` names a person or bot.
pub(super) fn mentions_a_user(mention: ElementRef<'_>) -> bool {
    matches!(mention.attr("entity_name"), None | Some("" | "user_mention"))
}

/// How a picture is called in Markdown.
pub(super) fn image_name(image: ElementRef<'_>) -> String {
    let given = |name: &str| image.attr(name).map(one_line).filter(|text| !text.is_empty());
    let source = given("src").filter(|source| !source.starts_with("data:"));
    given("alt").or(source).or_else(|| given("id")).unwrap_or_else(|| "unnamed".to_owned())
}

impl<'a> Walker<'a> {
    pub(super) fn new(writer: Writer, own_bot: Option<UserId>, people: People<'a>) -> Self {
        Self { writer, own_bot, own_mention_dropped: false, people, lists: 0 }
    }

    /// The writer, and whether the own bot's mention was left out.
    pub(super) fn finish(self) -> (Writer, bool) {
        (self.writer, self.own_mention_dropped)
    }

    pub(super) fn children(&mut self, parent: ElementRef<'_>, depth: usize) {
        if depth > DEEPEST {
            self.writer.leave_out(1);
            return;
        }
        for child in parent.children() {
            if let Node::Text(text) = child.value() {
                self.writer.text(text);
            } else if let Some(element) = ElementRef::wrap(child) {
                self.element(element, depth + 1);
            }
        }
    }

    fn element(&mut self, element: ElementRef<'_>, depth: usize) {
        let name = element.value().name();
        match name {
            "strong" | "b" => self.marked("**", element, depth),
            "em" | "i" => self.marked("*", element, depth),
            "s" | "del" | "strike" => self.marked("~~", element, depth),
            "code" | "kbd" | "samp" | "tt" => self.code_span(element),
            "a" => self.link(element, depth),
            "br" => self.writer.break_once_more(),
            "ul" | "ol" | "menu" => self.list(element, depth),
            "li" => self.item("- ", element, depth),
            "pre" => self.code_block(element),
            "blockquote" => self.quote(element, depth),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.heading(name, element, depth),
            "table" => self.table(element, depth),
            "hr" => self.rule(),
            "img" | "image-component" => self.image(element),
            "mention-component" => self.mention(element),
            "issue-embed-component" => self.embed(element),
            "div" => self.division(element, depth),
            "span" => self.span(element, depth),
            silent if is_silent(silent) => {}
            block if is_block(block) => self.block(element, depth),
            _ => self.children(element, depth),
        }
    }

    fn block(&mut self, element: ElementRef<'_>, depth: usize) {
        self.writer.break_lines(2);
        self.children(element, depth);
        self.writer.break_lines(2);
    }

    fn division(&mut self, element: ElementRef<'_>, depth: usize) {
        if element.attr("data-type") == Some("horizontalRule") {
            self.rule();
        } else if element.attr("data-block-type") == Some("callout-component") {
            self.quote(element, depth);
        } else {
            self.block(element, depth);
        }
    }

    fn span(&mut self, element: ElementRef<'_>, depth: usize) {
        let emoji = element.attr("data-name").filter(|_| element.attr("data-type") == Some("emoji"));
        match emoji.filter(|name| !name.trim().is_empty()) {
            Some(name) => self.writer.word(&format!(":{}:", one_line(name))),
            None => self.children(element, depth),
        }
    }

    fn marked(&mut self, mark: &str, element: ElementRef<'_>, depth: usize) {
        self.writer.open_mark(mark);
        self.children(element, depth);
        self.writer.close_mark(mark, mark);
    }

    fn heading(&mut self, name: &str, element: ElementRef<'_>, depth: usize) {
        let level = name.trim_start_matches('h').parse().unwrap_or(1);
        let mark = format!("{} ", "#".repeat(level));
        self.writer.break_lines(2);
        self.marked_start(&mark, element, depth);
        self.writer.break_lines(2);
    }

    /// A mark that is opened and not closed.
    fn marked_start(&mut self, mark: &str, element: ElementRef<'_>, depth: usize) {
        self.writer.open_mark(mark);
        self.children(element, depth);
        self.writer.close_mark(mark, "");
    }

    fn quote(&mut self, element: ElementRef<'_>, depth: usize) {
        self.writer.break_lines(2);
        self.writer.push_prefix("> ", "> ");
        self.children(element, depth);
        self.writer.pop_prefix();
        self.writer.break_lines(2);
    }

    fn list(&mut self, list: ElementRef<'_>, depth: usize) {
        if self.lists == 0 {
            self.writer.break_lines(2)
        } else {
            self.writer.break_tight()
        }
        self.lists += 1;
        let ordered = list.value().name() == "ol";
        let mut number: u64 = list.attr("start").and_then(|start| start.parse().ok()).unwrap_or(1);
        let mut first = true;
        for child in list.children().filter_map(ElementRef::wrap) {
            if !first {
                self.writer.break_tight();
            }
            first = false;
            if child.value().name() == "li" {
                let marker = if ordered { format!("{number}. ") } else { task_marker(child).to_owned() };
                number = number.saturating_add(1);
                self.item(&marker, child, depth + 1);
            } else {
                self.element(child, depth + 1);
            }
        }
        self.lists -= 1;
        self.writer.break_lines(if self.lists == 0 { 2 } else { 1 });
    }

    fn item(&mut self, marker: &str, item: ElementRef<'_>, depth: usize) {
        self.writer.break_lines(1);
        let indent = if marker.starts_with('-') { 2 } else { marker.len() };
        self.writer.push_prefix(marker, &" ".repeat(indent));
        self.children(item, depth);
        self.writer.settle_marker();
        self.writer.pop_prefix();
        self.writer.break_lines(1);
    }

    fn rule(&mut self) {
        self.writer.break_lines(2);
        self.writer.line("---");
        self.writer.break_lines(2);
    }

    fn code_span(&mut self, element: ElementRef<'_>) {
        let mut text = String::new();
        collect_text(element, &mut text, 0);
        let code = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if code.is_empty() {
            return;
        }
        let ticks = "`".repeat(longest_run_of_backticks(&code) + 1);
        let pad = if code.starts_with('`') || code.ends_with('`') { " " } else { "" };
        self.writer.word(&format!("{ticks}{pad}{code}{pad}{ticks}"));
    }

    fn code_block(&mut self, element: ElementRef<'_>) {
        let inner = element.child_elements().find(|child| child.value().name() == "code");
        let language = [inner, Some(element)].into_iter().flatten().find_map(language_of).unwrap_or_default();
        let mut code = String::new();
        collect_text(element, &mut code, 0);
        self.writer.fenced(&language, &code);
    }

    fn link(&mut self, element: ElementRef<'_>, depth: usize) {
        let Some(address) = element.attr("href").and_then(safe_address) else {
            return self.children(element, depth);
        };
        let written = element.attr("href").unwrap_or_default();
        let mut shown = String::new();
        collect_text(element, &mut shown, 0);
        if shown.trim() == written.trim() {
            return self.writer.word(&address);
        }
        self.writer.open_mark("[");
        self.children(element, depth);
        self.writer.close_mark("[", &format!("]({address})"));
    }

    fn image(&mut self, element: ElementRef<'_>) {
        self.writer.word(&format!("[image: {}]", image_name(element)));
    }

    fn embed(&mut self, element: ElementRef<'_>) {
        let id = element.attr("entity_identifier").or_else(|| element.attr("id")).unwrap_or("unknown");
        self.writer.word(&format!("[work item {}]", one_line(id)));
    }

    fn mention(&mut self, element: ElementRef<'_>) {
        let id = element.attr("entity_identifier").unwrap_or_default();
        if !mentions_a_user(element) {
            let kind = one_line(element.attr("entity_name").unwrap_or_default());
            return self.writer.word(&format!("[{kind} {}]", one_line(id)));
        }
        let Ok(user) = id.parse::<UserId>() else {
            return self.writer.word("@unknown");
        };
        if self.own_bot == Some(user) && self.writer.is_blank() {
            self.own_mention_dropped = true;
            return;
        }
        let name = (self.people)(user).map(|name| one_line(&name)).filter(|name| !name.is_empty());
        let short: String = user.to_string().chars().take(8).collect();
        let handle = name.map_or_else(|| format!("@user:{short}"), |name| format!("@{}", name.trim_start_matches('@')));
        self.writer.word(&handle);
    }

    fn table(&mut self, table: ElementRef<'_>, depth: usize) {
        self.writer.break_lines(2);
        let mut columns = 0;
        for part in table.child_elements() {
            match part.value().name() {
                "tr" => self.row(part, &mut columns, depth),
                "thead" | "tbody" | "tfoot" => {
                    for row in part.child_elements().filter(|row| row.value().name() == "tr") {
                        self.row(row, &mut columns, depth);
                    }
                }
                "caption" => self.block(part, depth + 1),
                _ => {}
            }
        }
        self.writer.break_lines(2);
    }

    fn row(&mut self, row: ElementRef<'_>, columns: &mut usize, depth: usize) {
        let is_cell = |cell: &ElementRef<'_>| matches!(cell.value().name(), "td" | "th");
        let mut cells: Vec<String> = row.child_elements().filter(is_cell).map(|cell| self.cell(cell, depth)).collect();
        if cells.is_empty() {
            return;
        }
        let is_header = *columns == 0;
        *columns = (*columns).max(cells.len());
        cells.resize(*columns, String::new());
        self.writer.line(&format!("| {} |", cells.join(" | ")));
        if is_header {
            self.writer.line(&format!("|{}", " --- |".repeat(*columns)));
        }
    }

    /// A cell's content on one line.
    fn cell(&mut self, cell: ElementRef<'_>, depth: usize) -> String {
        let mut inner = Walker::new(Writer::new(self.writer.room()), self.own_bot, self.people);
        inner.children(cell, depth + 2);
        let text = inner.writer.finish().replace('|', "\\|");
        text.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// The text people see within an element, as it is written.
fn collect_text(parent: ElementRef<'_>, out: &mut String, depth: usize) {
    for child in parent.children() {
        if let Node::Text(text) = child.value() {
            out.push_str(text);
        } else if let Some(element) = ElementRef::wrap(child) {
            match element.value().name() {
                "br" => out.push('\n'),
                name if is_silent(name) || depth > DEEPEST => {}
                _ => collect_text(element, out, depth + 1),
            }
        }
    }
}

fn is_block(name: &str) -> bool {
    matches!(
        name,
        "p" | "address"
            | "article"
            | "aside"
            | "caption"
            | "center"
            | "dd"
            | "details"
            | "dl"
            | "dt"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "footer"
            | "form"
            | "header"
            | "hgroup"
            | "main"
            | "nav"
            | "section"
            | "summary"
    )
}

fn task_marker(item: ElementRef<'_>) -> &'static str {
    match (item.attr("data-type"), item.attr("data-checked")) {
        (_, Some("true")) => "- [x] ",
        (Some("taskItem"), _) | (_, Some(_)) => "- [ ] ",
        (_, None) => "- ",
    }
}

fn language_of(element: ElementRef<'_>) -> Option<String> {
    let class = element.value().classes().find_map(|class| class.strip_prefix("language-"));
    let language = class.or_else(|| element.attr("language"))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '#' | '.' | '-' | '_');
    Some(language.chars().take(30).collect::<String>()).filter(|text| !text.is_empty() && text.chars().all(plain))
}

/// The address of a link if it is one people may follow.
fn safe_address(href: &str) -> Option<String> {
    let url = Url::parse(href.trim()).ok()?;
    if !matches!(url.scheme(), "http" | "https" | "mailto") || url.as_str().len() > LONGEST_URL {
        return None;
    }
    Some(url.as_str().replace('(', "%28").replace(')', "%29"))
}

fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(LONGEST_NAME_CHARS).collect()
}
