//! Writes Markdown line by line under nested prefixes (`> `, list indents), and stops at a limit.

/// Collects text. Line breaks, marks and spaces wait until there is text to follow them, so that
/// empty elements leave no trace.
pub(super) struct Writer {
    out: String,
    written_chars: usize,
    limit_chars: usize,
    left_out_chars: usize,
    prefixes: Vec<Prefix>,
    breaks: usize,
    /// How many prefixes a blank line between the last and the next text carries.
    break_depth: usize,
    space: bool,
    marks: Vec<String>,
    /// A list marker waits for its text, so a block may start without a break.
    fresh: bool,
    open_fence: Option<String>,
}

struct Prefix {
    /// Written once, such as a list marker; the others lines get `rest`.
    first: Option<String>,
    rest: String,
}

impl Writer {
    pub(super) fn new(limit_chars: usize) -> Self {
        Self {
            out: String::new(),
            written_chars: 0,
            limit_chars,
            left_out_chars: 0,
            prefixes: Vec::new(),
            breaks: 0,
            break_depth: 0,
            space: false,
            marks: Vec::new(),
            fresh: false,
            open_fence: None,
        }
    }

    /// How much more fits, in characters.
    pub(super) fn room(&self) -> usize {
        self.limit_chars.saturating_sub(self.written_chars)
    }

    /// Whether nothing has been written.
    pub(super) fn is_blank(&self) -> bool {
        self.out.is_empty() && self.left_out_chars == 0
    }

    /// Counts text that is left out for want of room.
    pub(super) fn leave_out(&mut self, chars: usize) {
        self.left_out_chars += chars;
    }

    /// Running text: white space collapses.
    pub(super) fn text(&mut self, text: &str) {
        let mut words = text.split_whitespace();
        let starts_apart = text.starts_with(char::is_whitespace);
        self.space |= starts_apart;
        if let Some(first) = words.next() {
            self.word(first);
            for word in words {
                self.space = true;
                self.word(word);
            }
            self.space = text.ends_with(char::is_whitespace);
        }
    }

    /// A piece of text that is kept as it is, on one line.
    pub(super) fn word(&mut self, word: &str) {
        self.start_text();
        self.push(word);
    }

    /// At least `count` line breaks before the next text, at most a blank line.
    pub(super) fn break_lines(&mut self, count: usize) {
        if !self.fresh {
            self.set_breaks(self.breaks.max(count));
        }
    }

    /// Exactly one line break before the next text, whatever was asked for before.
    pub(super) fn break_tight(&mut self) {
        if !self.fresh {
            self.set_breaks(1);
        }
    }

    /// One line break more than before.
    pub(super) fn break_once_more(&mut self) {
        self.set_breaks((self.breaks + 1).min(2));
    }

    /// The lines from here to [`Self::pop_prefix`] start with `rest`, the first of them with `first`.
    pub(super) fn push_prefix(&mut self, first: &str, rest: &str) {
        self.prefixes.push(Prefix { first: Some(first.to_owned()), rest: rest.to_owned() });
        self.fresh = true;
    }

    pub(super) fn pop_prefix(&mut self) {
        self.prefixes.pop();
        self.break_depth = self.break_depth.min(self.prefixes.len());
        self.fresh = false;
    }

    /// Writes a marker that still waits for its text, as of an empty list item.
    pub(super) fn settle_marker(&mut self) {
        if self.fresh {
            self.start_text();
        }
    }

    /// Opens a mark such as `**` before the next text.
    pub(super) fn open_mark(&mut self, mark: &str) {
        self.marks.push(mark.to_owned());
    }

    /// Closes a mark; nothing is written if no text came since it was opened.
    pub(super) fn close_mark(&mut self, opened: &str, close: &str) {
        if self.marks.last().is_some_and(|mark| mark == opened) {
            self.marks.pop();
        } else {
            self.push(close);
        }
    }

    /// One line of its own that is kept as it is.
    pub(super) fn line(&mut self, line: &str) {
        self.break_lines(1);
        self.start_text();
        self.push(line);
        self.set_breaks(1);
    }

    /// A fenced block. The fence is longer than any run of backticks within.
    pub(super) fn fenced(&mut self, language: &str, code: &str) {
        let fence = "`".repeat(longest_run_of_backticks(code).max(2) + 1);
        self.break_lines(2);
        self.line(&format!("{fence}{language}"));
        self.open_fence = Some(fence.clone());
        for line in code.trim_end_matches('\n').split('\n') {
            self.line(line);
        }
        if self.left_out_chars == 0 {
            self.line(&fence);
            self.open_fence = None;
        }
        self.set_breaks(2);
    }

    /// The text, with a note if something was left out.
    pub(super) fn finish(mut self) -> String {
        let end = self.out.trim_end().len();
        self.out.truncate(end);
        if self.left_out_chars > 0 {
            if let Some(fence) = self.open_fence.take() {
                self.out.push('\n');
                self.out.push_str(&fence);
            }
            self.out.push_str(&format!("\n\n[… {} more characters]", self.left_out_chars));
        }
        self.out.trim_start_matches('\n').to_owned()
    }

    fn set_breaks(&mut self, count: usize) {
        if self.breaks == 0 {
            self.break_depth = self.prefixes.len();
        }
        self.break_depth = self.break_depth.min(self.prefixes.len());
        self.breaks = count;
        self.space = false;
    }

    /// Writes what waits: breaks, prefixes, a space, marks.
    fn start_text(&mut self) {
        let at_start = self.out.is_empty();
        if !at_start {
            for nth in 0..self.breaks {
                if nth > 0 {
                    let blank: String =
                        self.prefixes.iter().take(self.break_depth).map(|prefix| &*prefix.rest).collect();
                    self.push(blank.trim_end());
                }
                self.push("\n");
            }
        }
        if at_start || self.breaks > 0 {
            let prefix: String = self
                .prefixes
                .iter_mut()
                .map(|prefix| prefix.first.take().unwrap_or_else(|| prefix.rest.clone()))
                .collect();
            self.push(&prefix);
        } else if self.space {
            self.push(" ");
        }
        self.breaks = 0;
        self.space = false;
        self.fresh = false;
        for mark in std::mem::take(&mut self.marks) {
            self.push(&mark);
        }
    }

    fn push(&mut self, text: &str) {
        let chars = text.chars().count();
        let room = self.room();
        if chars <= room && self.left_out_chars == 0 {
            self.out.push_str(text);
            self.written_chars += chars;
            return;
        }
        // Once something is left out everything after it is, so that no text is joined wrongly.
        let kept = if self.left_out_chars == 0 { room } else { 0 };
        self.out.extend(text.chars().take(kept));
        self.written_chars += kept;
        self.left_out_chars += chars - kept;
    }
}

/// The length of the longest run of backticks.
pub(super) fn longest_run_of_backticks(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}
