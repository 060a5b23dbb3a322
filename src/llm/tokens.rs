//! How many tokens a text costs, counted with tiktoken and corrected by what providers bill.
//!
//! No token is shorter than a byte, so [`TokenMeter::most`] bounds a count without any work; only
//! what might not fit by that measure has to be counted. The first count loads a table of 45 MB, and
//! counting reads about 20 MB a second: not for threads that serve others.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicU64, Ordering},
};

use tiktoken_rs::CoreBPE;

use super::{card, known};
use crate::config::ModelConfig;

/// Longest piece handed to tiktoken, whose regular expressions fail on much longer ones. The cuts
/// change a count by a token at most each.
const PIECE_BYTES: usize = 64 * 1024;
/// Corrections are kept in thousandths.
const ONE: u64 = 1_000;
/// A provider that bills less than half or more than four times of what was counted is counting
/// something else.
const LEAST_CORRECTION: u64 = 500;
const MOST_CORRECTION: u64 = 4_000;
/// Calls below this say more about a provider's own overhead than about its tokens.
const LEAST_TELLING: u64 = 500;

/// The two tables that every model of OpenAI since 2022 uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    O200k,
    Cl100k,
}

impl Encoding {
    fn table(self) -> &'static CoreBPE {
        match self {
            Self::O200k => tiktoken_rs::o200k_base_singleton(),
            Self::Cl100k => tiktoken_rs::cl100k_base_singleton(),
        }
    }
}

/// Counts the tokens of one model. For a model whose tokens are not public it counts with the nearest
/// table and adds a margin; [`Self::learn`] brings both nearer to what the provider bills.
#[derive(Debug)]
pub struct TokenMeter {
    encoding: Encoding,
    /// The margin, and after the first bill the relation of billed to counted tokens.
    correction: AtomicU64,
}

impl TokenMeter {
    /// The meter for a configured model.
    #[must_use]
    pub fn of(config: &ModelConfig) -> Self {
        Self::for_model(card::id_of(config))
    }

    /// The meter for a model by the name its provider gives it.
    #[must_use]
    pub fn for_model(model: &str) -> Self {
        let (encoding, margin) = known_model(model);
        Self { encoding, correction: AtomicU64::new(margin) }
    }

    /// An upper bound of [`Self::count`] that costs nothing.
    #[must_use]
    pub fn most(&self, bytes: usize) -> u64 {
        corrected(bytes as u64, self.correction.load(Ordering::Relaxed))
    }

    /// How many tokens the text costs, as well as can be told. Takes time; see the module's head.
    #[must_use]
    pub fn count(&self, text: &str) -> u64 {
        corrected(raw_count(self.encoding, text), self.correction.load(Ordering::Relaxed))
    }

    /// Learns from a call that was counted as `counted` and billed as `billed`. Being short is worse
    /// than being long, so a higher bill counts in full and a lower one by an eighth.
    pub fn learn(&self, counted: u64, billed: u64) {
        if counted < LEAST_TELLING || billed == 0 {
            return;
        }
        let learnt = |correction: u64| {
            let right = correction.saturating_mul(billed) / counted;
            let right = right.clamp(LEAST_CORRECTION, MOST_CORRECTION);
            Some(if right >= correction { right } else { correction - (correction - right) / 8 })
        };
        // The closure always gives a value.
        let _ = self.correction.fetch_update(Ordering::Relaxed, Ordering::Relaxed, learnt);
    }
}

fn corrected(tokens: u64, correction: u64) -> u64 {
    tokens.saturating_mul(correction).div_ceil(ONE)
}

fn raw_count(encoding: Encoding, text: &str) -> u64 {
    let table = encoding.table();
    let no_special_tokens = HashSet::new();
    let mut rest = text;
    let mut tokens = 0;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE_BYTES));
        // What tiktoken cannot count has at most this many.
        tokens += table.count(piece, &no_special_tokens).unwrap_or(piece.len()) as u64;
        rest = after;
    }
    tokens
}

/// Families of models by how their names begin, with the margin in thousandths. The longest
/// beginning stands first where several fit.
const FAMILIES: &[(&str, Encoding, u64)] = &[
    ("gpt-4o", Encoding::O200k, ONE),
    ("gpt-4.1", Encoding::O200k, ONE),
    ("gpt-4.5", Encoding::O200k, ONE),
    ("gpt-4", Encoding::Cl100k, ONE),
    ("gpt-3.5", Encoding::Cl100k, ONE),
    ("gpt-35", Encoding::Cl100k, ONE),
    ("gpt-5", Encoding::O200k, ONE),
    ("gpt-oss", Encoding::O200k, ONE),
    ("chatgpt-4o", Encoding::O200k, ONE),
    ("o1", Encoding::O200k, ONE),
    ("o3", Encoding::O200k, ONE),
    ("o4", Encoding::O200k, ONE),
    ("codex", Encoding::O200k, ONE),
    // Later models of OpenAI, and everyone else's.
    ("gpt-", Encoding::O200k, 1_150),
    ("claude", Encoding::O200k, 1_400),
    ("gemini", Encoding::O200k, 1_200),
];

/// For models of no known family.
const UNKNOWN: (Encoding, u64) = (Encoding::O200k, 1_300);

/// tiktoken's own list knows neither the prefixes of gateways (`openai/gpt-5`) nor anyone else's
/// models.
fn known_model(model: &str) -> (Encoding, u64) {
    let name = known::plain(model);
    let family = FAMILIES.iter().find(|(beginning, ..)| name.starts_with(beginning));
    family.map_or(UNKNOWN, |(_, encoding, margin)| (*encoding, *margin))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;
    use crate::config::{ProviderConfig, RemoteConfig, RemoteKind};

    #[test]
    fn a_models_family_is_found_through_every_spelling_of_its_name() {
        let cases = [
            ("gpt-5.4-mini", Encoding::O200k, 1_000),
            ("openai/gpt-5", Encoding::O200k, 1_000),
            ("GPT-4o-2024-05-13", Encoding::O200k, 1_000),
            ("gpt-4-32k-0314", Encoding::Cl100k, 1_000),
            ("ft:gpt-4.1:acme::x", Encoding::O200k, 1_000),
            (" gpt-4 ", Encoding::Cl100k, 1_000),
            ("gpt-6", Encoding::O200k, 1_150),
            ("anthropic/claude-sonnet-4-5", Encoding::O200k, 1_400),
            ("eu.anthropic.claude-opus-5", Encoding::O200k, 1_400),
            ("models/gemini-3-pro", Encoding::O200k, 1_200),
            ("qwen3:8b", Encoding::O200k, 1_300),
        ];
        for (name, encoding, margin) in cases {
            assert_eq!(known_model(name), (encoding, margin), "{name}");
        }
    }

    #[test]
    fn a_deployments_tokens_are_those_of_the_model_it_is() {
        let provider = RemoteConfig::new(RemoteKind::Azure, "http://127.0.0.1:1/".parse().unwrap());
        let mut config = ModelConfig::new("main", ProviderConfig::Remote(Box::new(provider)), "prod-eu-2");
        assert_eq!(TokenMeter::of(&config).most(1_000), 1_300);
        config.card.known_as = Some("gpt-4".to_owned());
        let meter = TokenMeter::of(&config);
        assert_eq!((meter.encoding, meter.most(1_000)), (Encoding::Cl100k, 1_000));
    }

    #[test]
    fn counts_are_those_of_the_published_tables() {
        let o200k = TokenMeter::for_model("gpt-5");
        assert_eq!(o200k.count(""), 0);
        assert_eq!(o200k.count("hello world"), 2);
        assert_eq!(TokenMeter::for_model("gpt-4").count("tiktoken is great!"), 6);
        // What looks like a control token in somebody's text is text.
        assert!(o200k.count("<|endoftext|>") > 1);
    }

    #[test]
    fn cutting_a_long_text_changes_its_count_by_a_token_a_cut_at_most() {
        let text = "Zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich. ".repeat(3_000);
        let whole = Encoding::O200k.table().count(&text, &HashSet::new()).unwrap() as u64;
        let cuts = (text.len() / PIECE_BYTES) as u64;
        assert!(raw_count(Encoding::O200k, &text).abs_diff(whole) <= cuts);
    }

    #[test]
    fn bills_correct_the_count_upwards_at_once_and_downwards_slowly() {
        let meter = TokenMeter::for_model("gpt-5");
        meter.learn(1_000, 1_500);
        assert_eq!(meter.most(1_000), 1_500);
        meter.learn(1_500, 1_000);
        assert!((1_400..1_500).contains(&meter.most(1_000)), "{}", meter.most(1_000));
        meter.learn(1_000, 1_000_000);
        assert_eq!(meter.most(1_000), 4_000, "an absurd bill is bounded");
        meter.learn(10, 1);
        assert_eq!(meter.most(1_000), 4_000, "a tiny call says nothing");
    }

    /// The inputs that make tiktoken panic, fail or turn quadratic when they are given to it whole.
    #[test]
    fn no_text_is_too_odd_to_be_counted_in_time() {
        let meter = TokenMeter::for_model("gpt-5");
        let odd = [" ".repeat(400_000), "a".repeat(200_000), "\n".repeat(200_000), "=".repeat(200_000)];
        for text in odd.into_iter().chain(["\u{200f}א🧵".repeat(50_000)]) {
            let began = Instant::now();
            let count = meter.count(&text);
            assert!(count > 0 && count <= meter.most(text.len()));
            assert!(began.elapsed() < Duration::from_secs(60), "{:?} for {} bytes", began.elapsed(), text.len());
        }
    }

    proptest! {
        #[test]
        fn a_count_never_exceeds_its_bound(text in "\\PC{0,300}|[ \\n\\t]{0,300}", model in "gpt-5|gpt-4|claude-x|other") {
            let meter = TokenMeter::for_model(&model);
            prop_assert!(meter.count(&text) <= meter.most(text.len()));
        }
    }
}
