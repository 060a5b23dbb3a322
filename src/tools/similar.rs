//! How alike two texts are: TF-IDF over words and over the letter triples in them.
//!
//! Words tell the subject; triples catch what words miss: inflections, compounds, typing errors, and
//! languages we know nothing of. A title counts more than a description, because it was written to say
//! what the matter is.

use std::collections::{BTreeSet, HashMap};

/// How much a feature of the title counts against one of the description.
const TITLE_WEIGHT: f64 = 2.0;
/// How much triples count against words.
const TRIPLE_WEIGHT: f64 = 0.35;
/// Characters of a description that are looked at.
const LONGEST_TEXT_CHARS: usize = 2_000;
/// English words that say nothing of a subject. In other languages their rarity is decided by the texts.
const STOP_WORDS: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "by", "can", "do", "does", "for", "from", "has", "have", "if", "in",
    "is", "it", "its", "no", "not", "of", "on", "or", "so", "that", "the", "their", "them", "they", "this", "to",
    "was", "we", "when", "where", "which", "while", "with", "you", "should", "would",
];

/// Texts that can be compared with one another.
pub(super) struct Corpus {
    documents: Vec<HashMap<String, f64>>,
    lengths: Vec<f64>,
}

/// One text's place in the ranking.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Match {
    /// Its place in the corpus.
    pub(super) index: usize,
    /// From 0, nothing in common, to 1, the same.
    pub(super) score: f64,
    /// The words that make most of it, the weightiest first.
    pub(super) shared: Vec<String>,
}

impl Corpus {
    /// Takes titles with their descriptions.
    pub(super) fn new<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut documents: Vec<_> = texts.into_iter().map(|(title, text)| features(title, text)).collect();
        let mut seen_in: HashMap<String, f64> = HashMap::new();
        for feature in documents.iter().flat_map(HashMap::keys) {
            *seen_in.entry(feature.clone()).or_insert(0.0) += 1.0;
        }
        let count = documents.len() as f64;
        for document in &mut documents {
            for (feature, weight) in document.iter_mut() {
                let rarity = (1.0 + count / seen_in.get(feature).copied().unwrap_or(1.0)).ln();
                *weight *= rarity;
            }
        }
        let lengths = documents.iter().map(|document| document.values().map(|w| w * w).sum::<f64>().sqrt()).collect();
        Self { documents, lengths }
    }

    /// The texts most like the one at `index`, itself left out.
    pub(super) fn like(&self, index: usize, most: usize) -> Vec<Match> {
        let mut matches: Vec<_> =
            (0..self.documents.len()).filter(|other| *other != index).map(|other| self.compare(index, other)).collect();
        matches.retain(|found| found.score > 0.0);
        matches.sort_by(|one, other| other.score.total_cmp(&one.score).then(one.index.cmp(&other.index)));
        matches.truncate(most);
        matches
    }

    fn compare(&self, index: usize, other: usize) -> Match {
        let (ours, theirs) = (&self.documents[index], &self.documents[other]);
        let mut common: Vec<(&String, f64)> =
            ours.iter().filter_map(|(feature, weight)| Some((feature, weight * theirs.get(feature)?))).collect();
        common.sort_by(|one, other| other.1.total_cmp(&one.1).then_with(|| one.0.cmp(other.0)));
        let product: f64 = common.iter().map(|(_, weight)| weight).sum();
        let length = self.lengths[index] * self.lengths[other];
        let words = common.iter().filter(|(feature, _)| !feature.starts_with(TRIPLE_MARK));
        Match {
            index: other,
            score: if length > 0.0 { product / length } else { 0.0 },
            shared: words.take(5).map(|(word, _)| (*word).clone()).collect(),
        }
    }
}

/// Opens the name of a triple, so that it is never taken for a word.
const TRIPLE_MARK: char = '\u{1}';

fn features(title: &str, text: &str) -> HashMap<String, f64> {
    let mut features = HashMap::new();
    let text: String = text.chars().take(LONGEST_TEXT_CHARS).collect();
    for (source, weight) in [(title, TITLE_WEIGHT), (text.as_str(), 1.0)] {
        // A word said twice is not twice as telling.
        let words: BTreeSet<String> = words(source).collect();
        for word in words {
            for triple in triples(&word) {
                *features.entry(triple).or_insert(0.0) += weight * TRIPLE_WEIGHT;
            }
            *features.entry(stem(&word)).or_insert(0.0) += weight;
        }
    }
    features
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .filter(|word| !STOP_WORDS.contains(&word.as_str()))
}

/// The word without the commonest English endings. Crude on purpose: the triples make up for it.
fn stem(word: &str) -> String {
    for ending in ["ations", "ation", "ings", "ing", "ies", "ed", "es", "s"] {
        if let Some(stem) = word.strip_suffix(ending)
            && stem.chars().count() >= 3
        {
            return stem.to_owned();
        }
    }
    word.to_owned()
}

fn triples(word: &str) -> Vec<String> {
    let letters: Vec<char> = std::iter::once(' ').chain(word.chars()).chain(std::iter::once(' ')).collect();
    letters.windows(3).map(|triple| std::iter::once(TRIPLE_MARK).chain(triple.iter().copied()).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The labelled set, as (group, title, description).
    fn labelled() -> Vec<(u64, String, String)> {
        let text = include_str!("../../tests/fixtures/duplicates.json");
        let set: serde_json::Value = serde_json::from_str(text).unwrap();
        let item = |row: &serde_json::Value| {
            let text = |at: usize| row[at].as_str().unwrap().to_owned();
            (row[0].as_u64().unwrap(), text(1), text(2))
        };
        set["items"].as_array().unwrap().iter().map(item).collect()
    }

    #[test]
    fn a_duplicate_in_other_words_is_among_the_first_five() {
        let set = labelled();
        assert!(set.len() >= 60);
        let corpus = Corpus::new(set.iter().map(|(_, title, text)| (title.as_str(), text.as_str())));
        let (mut wanted, mut found, mut first) = (0, 0, 0);
        for (index, (group, title, _)) in set.iter().enumerate().filter(|(_, (group, ..))| *group > 0) {
            wanted += 1;
            let like = corpus.like(index, 5);
            let place = like.iter().position(|found| set[found.index].0 == *group);
            if place.is_none() {
                println!("not found for {title:?}: {:?}", like.iter().map(|m| &set[m.index].1).collect::<Vec<_>>());
            }
            found += usize::from(place.is_some());
            first += usize::from(place == Some(0));
        }
        println!("duplicates: recall@5 {found}/{wanted}, first {first}/{wanted}");
        assert!(found * 100 >= wanted * 95, "recall@5 {found}/{wanted}");
    }

    #[test]
    fn what_makes_two_texts_alike_is_named_in_words() {
        let corpus = Corpus::new([
            ("Login times out", "customers are logged out"),
            ("Session timeout at login", "they are logged out"),
            ("Gift wrapping", "with a card"),
        ]);
        let like = corpus.like(0, 5);
        assert_eq!(like[0].index, 1);
        assert!(like[0].shared.contains(&"login".to_owned()) && like[0].score < 1.0, "{like:?}");
        assert!(like.iter().all(|found| found.shared.iter().all(|word| !word.starts_with(TRIPLE_MARK))));
    }

    #[test]
    fn odd_texts_do_no_harm() {
        let long = "x".repeat(100_000);
        let corpus = Corpus::new([("", ""), ("…", "!?"), (long.as_str(), long.as_str()), ("日本語の件名", "説明")]);
        for index in 0..4 {
            assert!(corpus.like(index, 9).iter().all(|found| found.score.is_finite()));
        }
        assert!(Corpus::new([]).documents.is_empty());
    }
}
