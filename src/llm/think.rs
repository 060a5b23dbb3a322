//! Parts the thinking some models write into their text from the text itself.
//!
//! Local models without a reasoning parser write `<think>…</think>` (or `<thinking>`) into the
//! content, with the tags split over chunks. The result depends only on the text, never on how it
//! was cut into chunks.
//!
//! * An opening tag counts at the start of the text and at the start of a line. One that stands
//!   further on and is never closed was no tag but text.
//! * A closing tag without an opening one means that the chat template had already opened the
//!   block: all before it was thinking. It was shown as text while it streamed, since nobody could
//!   know; the whole reply leaves it out. This counts once, and not where thinking was told apart.

use super::Delta;

/// A piece of the stream, told as soon as it is certain.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Reasoning(&'a str),
    Text(&'a str),
}

impl From<Piece<'_>> for Delta {
    fn from(piece: Piece<'_>) -> Self {
        match piece {
            Piece::Reasoning(text) => Self::Reasoning(text.to_owned()),
            Piece::Text(text) => Self::Text(text.to_owned()),
        }
    }
}

/// Reads content as it streams.
#[derive(Debug, Default)]
pub(super) struct ThinkSplitter {
    /// The end of what was pushed, as long as it may be the beginning of a tag.
    held: String,
    text: String,
    reasoning: String,
    block: Option<Block>,
    /// Thinking was already told apart, so a lone closing tag is text.
    told_apart: bool,
}

/// An open thinking block.
#[derive(Debug)]
struct Block {
    tag: &'static Tag,
    /// Where in `reasoning` it starts.
    from: usize,
    /// Whether it opened before any visible text.
    at_start: bool,
}

#[derive(Debug)]
struct Tag {
    open: &'static str,
    close: &'static str,
}

const TAGS: [Tag; 2] = [Tag { open: "<think>", close: "</think>" }, Tag { open: "<thinking>", close: "</thinking>" }];

impl ThinkSplitter {
    /// Takes the next part of the content.
    pub(super) fn push(&mut self, chunk: &str, emit: &mut dyn FnMut(Piece<'_>)) {
        let mut input = std::mem::take(&mut self.held);
        input.push_str(chunk);
        let mut rest = input.as_str();
        while !rest.is_empty() {
            let step = match &self.block {
                Some(block) => self.read_inside(block.tag, rest, emit),
                None => self.read_outside(rest, emit),
            };
            match step {
                Some(after) => rest = after,
                None => return,
            }
        }
    }

    /// Reasoning came in a field of its own: a lone closing tag in the text is then just text.
    pub(super) fn reasoning_came_apart(&mut self) {
        self.told_apart = true;
    }

    /// Bytes collected so far.
    pub(super) fn len(&self) -> usize {
        self.text.len() + self.reasoning.len() + self.held.len()
    }

    /// The visible text and the thinking, when no more will come.
    pub(super) fn finish(mut self, emit: &mut dyn FnMut(Piece<'_>)) -> (String, String) {
        let held = std::mem::take(&mut self.held);
        match self.block.take() {
            None => self.add_text(&held, emit),
            Some(block) => {
                self.add_reasoning(&held, emit);
                if !block.at_start {
                    self.text.push_str(block.tag.open);
                    let taken_back = self.reasoning.split_off(block.from);
                    self.text.push_str(&taken_back);
                }
            }
        }
        (self.text, self.reasoning)
    }

    /// Reads up to the next tag outside of a block; `None` when the rest is held or used up.
    fn read_outside<'a>(&mut self, rest: &'a str, emit: &mut dyn FnMut(Piece<'_>)) -> Option<&'a str> {
        let Some(at) = rest.find('<') else {
            self.add_text(rest, emit);
            return None;
        };
        let (before, candidate) = rest.split_at(at);
        self.add_text(before, emit);

        let at_start = self.text.trim_start().is_empty();
        if at_start || self.text.ends_with('\n') {
            if let Some((tag, after)) = TAGS.iter().find_map(|tag| Some((tag, candidate.strip_prefix(tag.open)?))) {
                self.told_apart |= at_start;
                self.block = Some(Block { tag, from: self.reasoning.len(), at_start });
                return Some(after);
            }
            if TAGS.iter().any(|tag| tag.open.starts_with(candidate)) {
                candidate.clone_into(&mut self.held);
                return None;
            }
        }
        if at_start || (!self.told_apart && !self.text.ends_with('`')) {
            if let Some(after) = TAGS.iter().find_map(|tag| candidate.strip_prefix(tag.close)) {
                self.reasoning.push_str(&self.text);
                self.text.clear();
                self.told_apart = true;
                return Some(after);
            }
            if TAGS.iter().any(|tag| tag.close.starts_with(candidate)) {
                candidate.clone_into(&mut self.held);
                return None;
            }
        }
        self.add_text("<", emit);
        candidate.strip_prefix('<')
    }

    /// Reads up to the closing tag of the open block; `None` when the rest is held or used up.
    fn read_inside<'a>(&mut self, tag: &Tag, rest: &'a str, emit: &mut dyn FnMut(Piece<'_>)) -> Option<&'a str> {
        if let Some((thinking, after)) = rest.split_once(tag.close) {
            self.add_reasoning(thinking, emit);
            self.block = None;
            return Some(after);
        }
        let held_from = rest
            .rmatch_indices('<')
            .next()
            .map(|(at, _)| at)
            .filter(|at| rest.get(*at..).is_some_and(|end| tag.close.starts_with(end)))
            .unwrap_or(rest.len());
        let (thinking, held) = rest.split_at(held_from);
        self.add_reasoning(thinking, emit);
        held.clone_into(&mut self.held);
        None
    }

    fn add_text(&mut self, text: &str, emit: &mut dyn FnMut(Piece<'_>)) {
        if !text.is_empty() {
            self.text.push_str(text);
            emit(Piece::Text(text));
        }
    }

    fn add_reasoning(&mut self, text: &str, emit: &mut dyn FnMut(Piece<'_>)) {
        if !text.is_empty() {
            self.reasoning.push_str(text);
            emit(Piece::Reasoning(text));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(chunks: &[&str]) -> (String, String) {
        let mut splitter = ThinkSplitter::default();
        for chunk in chunks {
            splitter.push(chunk, &mut |_| {});
        }
        splitter.finish(&mut |_| {})
    }

    #[test]
    fn thinking_is_told_from_text() {
        for (content, text, reasoning) in [
            ("plain", "plain", ""),
            ("<think>a</think>b", "b", "a"),
            ("\n<think>a</think>\n\nb", "\n\n\nb", "a"),
            ("<thinking>a <think> b</thinking>c", "c", "a <think> b"),
            ("a</think>b", "b", "a"),
            ("</think>b", "b", ""),
            ("<think></think><think>a</think>b", "b", "a"),
            ("<think>a</think>b </think> c", "b </think> c", "a"),
            ("a\n<think>b</think>c", "a\nc", "b"),
            ("<think>never closed", "", "never closed"),
            ("The tag\n<think> opens it", "The tag\n<think> opens it", ""),
            ("Say `</think>` to close", "Say `</think>` to close", ""),
            ("use <think> here", "use <think> here", ""),
            ("1 < 2 <b> <thin", "1 < 2 <b> <thin", ""),
            ("<think>a</thi", "", "a</thi"),
            ("<<think>", "<<think>", ""),
        ] {
            assert_eq!(split(&[content]), (text.to_owned(), reasoning.to_owned()), "{content}");
        }
    }

    #[test]
    fn a_lone_closing_tag_is_text_where_reasoning_came_apart() {
        let mut splitter = ThinkSplitter::default();
        splitter.reasoning_came_apart();
        splitter.push("a</think>b", &mut |_| {});
        assert_eq!(splitter.finish(&mut |_| {}).0, "a</think>b");
    }

    #[test]
    fn thinking_is_never_told_as_text_once_a_block_is_open() {
        let mut told = String::new();
        let mut splitter = ThinkSplitter::default();
        for chunk in ["<th", "ink>sec", "ret</th", "ink>an", "swer"] {
            splitter.push(chunk, &mut |piece| {
                if let Piece::Text(text) = piece {
                    told.push_str(text);
                }
            });
        }
        assert_eq!(told, "answer");
    }

    proptest! {
        #[test]
        fn the_cuts_between_chunks_do_not_matter(
            parts in prop::collection::vec(
                prop::sample::select(vec!["<think>", "</think>", "<thinking>", "</thinking>", "<", "a", "é", "\n", "`", "</", "think>"]),
                0..12,
            ),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let whole = parts.concat();
            let mut borders: Vec<usize> = whole.char_indices().map(|(at, _)| at).collect();
            borders.push(whole.len());
            let mut at: Vec<usize> = cuts.iter().map(|cut| borders[cut.index(borders.len())]).collect();
            at.extend([0, whole.len()]);
            at.sort_unstable();
            let chunks: Vec<&str> = at.windows(2).map(|pair| &whole[pair[0]..pair[1]]).collect();
            prop_assert_eq!(split(&chunks), split(&[&whole]));
        }
    }
}
