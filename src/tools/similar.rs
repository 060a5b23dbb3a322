//! How alike a text is to others: BM25 over words, meanings, pairs of words, and letters.
//!
//! Words tell the subject; meanings are words of the same sense, in several languages; letters catch what
//! words miss. A title counts more than a description, because it was written to say what the matter is.
//! Only what the text in question has is looked for in the others, so that thousands can be compared.

mod words;

use std::collections::{HashMap, HashSet};

use self::words::{Feature, features};

/// How much a feature of the title counts against one of the description.
const TITLE_WEIGHT: f64 = 2.0;
/// How soon a further mention counts for little.
const SATURATION: f64 = 1.2;
/// How much a long text has to have more of, from 0 to 1.
const LENGTH_PENALTY: f64 = 0.4;
/// Characters of a description that are looked at.
const LONGEST_TEXT_CHARS: usize = 2_000;
/// Words named as what two texts share.
const MOST_SHARED: usize = 6;

/// A title with its description.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Text<'a> {
    pub(super) title: &'a str,
    pub(super) body: &'a str,
}

/// One text's place in the ranking.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Match {
    /// Its place among the others.
    pub(super) index: usize,
    /// From 0, nothing in common, to about 1, the same.
    pub(super) score: f64,
    /// The words that make most of it, the weightiest first; `cart ~ Warenkorb` for two of one meaning.
    pub(super) shared: Vec<String>,
}

/// What a text has of the features in question: their weights by number, and how it has them.
#[derive(Default)]
struct Found {
    weights: HashMap<usize, f64>,
    shown: HashMap<usize, String>,
    length: f64,
}

/// The others most like a text, the most alike first.
pub(super) fn most_alike(text: Text<'_>, others: &[Text<'_>], most: usize) -> Vec<Match> {
    let mut numbers: HashMap<Feature, usize> = HashMap::new();
    let wanted = read(text, |feature| {
        let next = numbers.len();
        Some(*numbers.entry(feature).or_insert(next))
    });
    let found: Vec<Found> = others.iter().map(|other| read(*other, |feature| numbers.get(&feature).copied())).collect();

    let count = others.len() as f64;
    let mut have = vec![0.0; numbers.len()];
    for number in found.iter().flat_map(|found| found.weights.keys()) {
        have[*number] += 1.0;
    }
    let mut worth = vec![0.0; numbers.len()];
    let mut telling = vec![false; numbers.len()];
    for (feature, number) in &numbers {
        let rarity = (1.0 + (count - have[*number] + 0.5) / (have[*number] + 0.5)).ln();
        worth[*number] = rarity * feature.kind.weight() * wanted.weights.get(number).map_or(0.0, |tf| (1.0 + tf).ln());
        telling[*number] = feature.kind.is_telling();
    }
    let average = (found.iter().map(|found| found.length).sum::<f64>() / count.max(1.0)).max(1.0);
    let part = |number: usize, found: &Found| {
        let tf = found.weights.get(&number).copied().unwrap_or(0.0);
        let length = 1.0 - LENGTH_PENALTY + LENGTH_PENALTY * found.length / average;
        worth[number] * tf * (SATURATION + 1.0) / (tf + SATURATION * length)
    };
    let whole: f64 = wanted.weights.keys().map(|number| part(*number, &wanted)).sum();
    let mut matches: Vec<Match> = found
        .iter()
        .enumerate()
        .map(|(index, found)| {
            let mut parts: Vec<(usize, f64)> =
                found.weights.keys().map(|number| (*number, part(*number, found))).collect();
            parts.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
            let score = if whole > 0.0 { parts.iter().map(|(_, part)| part).sum::<f64>() / whole } else { 0.0 };
            let telling = parts.iter().map(|(number, _)| *number).filter(|number| telling[*number]);
            Match { index, score, shared: shared(telling, &wanted, found) }
        })
        .filter(|found| found.score > 0.0)
        .collect();
    matches.sort_by(|one, other| other.score.total_cmp(&one.score).then(one.index.cmp(&other.index)));
    matches.truncate(most);
    matches
}

/// Finds the features that `number_of` knows.
fn read(text: Text<'_>, mut number_of: impl FnMut(Feature) -> Option<usize>) -> Found {
    let mut found = Found::default();
    let body: String = text.body.chars().take(LONGEST_TEXT_CHARS).collect();
    for (part, weight) in [(text.title, TITLE_WEIGHT), (body.as_str(), 1.0)] {
        features(part, |feature, shown| {
            let telling = feature.kind.is_telling();
            found.length += if telling { weight } else { 0.0 };
            if let Some(number) = number_of(feature) {
                *found.weights.entry(number).or_insert(0.0) += weight;
                if telling {
                    found.shown.entry(number).or_insert_with(|| shown.to_owned());
                }
            }
        });
    }
    found
}

fn shared(numbers: impl Iterator<Item = usize>, wanted: &Found, found: &Found) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    let mut said: HashSet<String> = HashSet::new();
    for number in numbers {
        let (Some(ours), Some(theirs)) = (wanted.shown.get(&number), found.shown.get(&number)) else { continue };
        let (ours, theirs) = (ours.to_lowercase(), theirs.to_lowercase());
        // A pair of words says the words, too.
        if said.contains(&ours) && said.contains(&theirs) {
            continue;
        }
        for text in [&ours, &theirs] {
            said.extend(text.split(' ').map(str::to_owned).chain([text.clone()]));
        }
        told.push(if ours == theirs { ours } else { format!("{ours} ~ {theirs}") });
        if told.len() == MOST_SHARED {
            break;
        }
    }
    told
}

#[cfg(test)]
mod tests;
