//! Cuts a stream of reasoning into whole sentences fit to be shown as a thought.
//!
//! A thought is a sign of what is going on, not a transcript: of what was reasoned since the last one
//! only the newest sentences that mean something to a reader are shown. Hesitation, ids, code and the
//! like are left out.

/// Longest thought, in characters; Plane documents no limit, short ones read well.
pub const THOUGHT_LIMIT_CHARS: usize = 280;

/// Collects deltas and hands out the newest whole sentences.
#[derive(Debug, Default)]
pub struct Sentences {
    text: String,
}

impl Sentences {
    pub fn push(&mut self, delta: &str) {
        self.text.push_str(delta);
        // Only the end of the text is ever shown, so what lies far behind it can go.
        if self.text.len() > 16 * THOUGHT_LIMIT_CHARS {
            let keep_from = self.text.len() - 8 * THOUGHT_LIMIT_CHARS;
            let cut = (keep_from..self.text.len()).find(|at| self.text.is_char_boundary(*at)).unwrap_or(0);
            self.text.drain(..cut);
        }
    }

    /// Forgets what was collected: the stream starts anew.
    pub fn clear(&mut self) {
        self.text.clear();
    }

    /// Whether [`Self::take`] would give anything.
    #[must_use]
    pub fn has_some(&self) -> bool {
        last_end(&self.text).is_some_and(|end| !plain(&self.text[..end]).is_empty())
    }

    /// The newest whole sentences, as many as fit a thought; they are not given twice.
    pub fn take(&mut self) -> Option<String> {
        let end = last_end(&self.text)?;
        let whole: String = self.text.drain(..end).collect();
        let whole = plain(&whole);
        if whole.is_empty() {
            return None;
        }
        let mut start = whole.len();
        // Step back sentence by sentence while the tail still fits.
        while let Some(earlier) = last_end(whole[..start].trim_end_matches(['.', '!', '?', ' ', '…', '。'])) {
            if whole[earlier..].trim().chars().count() > THOUGHT_LIMIT_CHARS {
                break;
            }
            start = earlier;
        }
        if whole.chars().count() <= THOUGHT_LIMIT_CHARS {
            start = 0;
        }
        let tail = if start == whole.len() { whole.as_str() } else { whole[start..].trim() };
        Some(shortened(tail))
    }
}

/// One line of plain text, of the sentences that are worth showing: thoughts are not rendered as
/// Markdown.
fn plain(text: &str) -> String {
    let mut sentences = Vec::new();
    let mut rest = text;
    while let Some(end) = first_end(rest) {
        sentences.push(&rest[..end]);
        rest = &rest[end..];
    }
    sentences.push(rest);
    let words = |sentence: &str| {
        let sentence = sentence.replace(['*', '#', '`'], "");
        sentence.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let told: Vec<_> = sentences.into_iter().map(words).filter(|sentence| is_telling(sentence)).collect();
    told.join(" ")
}

/// Whether a sentence says something to someone who sees only it.
fn is_telling(sentence: &str) -> bool {
    const HESITATION: [&str; 12] =
        ["hmm", "wait", "okay", "ok", "alright", "well", "actually", "uh", "oh", "right", "yes", "no"];
    let first: String = sentence.chars().take_while(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let looks_like_code = sentence.contains(['{', '}', '<', '>', '|', '=', '_', '\\']);
    let has_id = sentence
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .any(|word| word.len() >= 32 || uuid::Uuid::try_parse(word).is_ok());
    let long_enough = sentence.chars().filter(|c| c.is_alphanumeric()).count() >= 8;
    long_enough && !looks_like_code && !has_id && !HESITATION.contains(&first.as_str())
}

/// Where the first whole sentence ends.
fn first_end(text: &str) -> Option<usize> {
    ends(text).next()
}

/// Cuts text to the length of a thought.
#[must_use]
pub fn shortened(text: &str) -> String {
    if text.chars().count() <= THOUGHT_LIMIT_CHARS {
        return text.to_owned();
    }
    let cut: String = text.chars().take(THOUGHT_LIMIT_CHARS - 1).collect();
    format!("{}…", cut.trim_end())
}

/// Where the last whole sentence ends.
fn last_end(text: &str) -> Option<usize> {
    ends(text).last()
}

/// Where sentences end: after their mark, if white space or a line end follows.
fn ends(text: &str) -> impl Iterator<Item = usize> + '_ {
    let mut previous: Option<char> = None;
    text.char_indices().filter_map(move |(at, character)| {
        let after_mark = previous.is_some_and(|mark| matches!(mark, '.' | '!' | '?' | '…'));
        let wide_mark = matches!(character, '。' | '！' | '？');
        previous = Some(character);
        (character == '\n' || wide_mark || (after_mark && character.is_whitespace())).then(|| at + character.len_utf8())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(deltas: &[&str]) -> Vec<String> {
        let mut sentences = Sentences::default();
        let mut out = Vec::new();
        for delta in deltas {
            sentences.push(delta);
            out.extend(sentences.take());
        }
        out
    }

    #[test]
    fn only_whole_sentences_are_said_and_none_twice() {
        assert_eq!(
            said(&["I look at ", "the crash. Then", " at v1.2 of it.", "\nDone with that"]),
            ["I look at the crash.", "Then at v1.2 of it."]
        );
        assert_eq!(said(&["no end yet"]), Vec::<String>::new());
    }

    #[test]
    fn only_what_means_something_to_a_reader_is_said() {
        let dull = "Hmm, let me think about it. Wait. {\"query\": 1} is the call. \
                    The item is 66666666-6666-4666-8666-66666666abcd. Ok!\n";
        assert_eq!(said(&[dull]), Vec::<String>::new());
        let mixed = "Okay, so what now? The crash began with build 1187.\n";
        assert_eq!(said(&[mixed]), ["The crash began with build 1187."]);
        assert_eq!(said(&["これはクラッシュの問題です。"]), ["これはクラッシュの問題です。"]);
    }

    #[test]
    fn of_many_sentences_the_newest_that_fit_are_said() {
        let long =
            format!("{} The end is near. It is here.\n", "Something or other happens again and again. ".repeat(20));
        let [thought] = said(&[&long]).try_into().unwrap();
        assert!(thought.ends_with("The end is near. It is here."), "{thought}");
        assert!(thought.starts_with("Something or other"), "{thought}");
        assert!(thought.chars().count() <= THOUGHT_LIMIT_CHARS);
    }

    proptest! {
        #[test]
        fn a_thought_is_short_and_plain_whatever_comes(deltas in prop::collection::vec(".{0,400}|[a-z .!\\n]{0,600}", 0..12)) {
            let mut sentences = Sentences::default();
            for delta in &deltas {
                sentences.push(delta);
                if let Some(thought) = sentences.take() {
                    prop_assert!(thought.chars().count() <= THOUGHT_LIMIT_CHARS);
                    prop_assert!(!thought.contains('\n') && !thought.trim().is_empty());
                }
            }
        }
    }
}
