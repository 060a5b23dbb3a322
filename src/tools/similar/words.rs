//! What texts are compared by: words in one spelling, meanings, pairs of words, and parts of words.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

/// A kind of feature, and how much it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    Word,
    /// What several words stand for, in several languages.
    Meaning,
    Pair,
    /// Two characters of a script that does not separate words.
    Signs,
    /// Three letters of a word: inflections, compounds, typing errors, languages we know nothing of.
    Letters,
}

impl Kind {
    pub(super) fn weight(self) -> f64 {
        match self {
            Self::Word => 1.0,
            Self::Meaning => 0.8,
            Self::Pair => 0.6,
            Self::Signs => 0.7,
            Self::Letters => 0.12,
        }
    }

    /// Whether it says something to a reader.
    pub(super) fn is_telling(self) -> bool {
        !matches!(self, Self::Letters)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Feature {
    pub(super) kind: Kind,
    pub(super) name: String,
}

/// Words that say nothing of a subject, in the spelling of [`folded`].
const STOP_WORDS: &str = "a an and are as at be been but by can could do does for from had has have he her his how i if in into is it its \
    just me my no not of on one only or our she should so some such than that the their them then there they this to too was we were what \
    when where which while who will with would you your after although because every instead there though until still also \
    aber alle als am an auch auf aus bei beim bin bis da das dass dem den der des die dies diese doch du durch ein eine einem einen einer \
    er es fur hat haben ich ihr im immer in ist ja kann man mehr mit muss nach nicht noch nur oder schon sein seit sich sie sind so uber um \
    und uns unter vom von vor war was weil wenn wer wie wir wird zu zum zur \
    au aux avec c ce ces cette d dans de des du elle en est et il ils j je l la le les leur mais n ne on ou par pas plus pour qu que qui s sa \
    se ses si son sont sur un une vous y \
    al como con cuando de del el ella en entre es esta este ha hay la las lo los mas me mi muy no nos o para pero por que se si sin su sus un \
    una y ya \
    в во и из к на не но о от по при с со что это для как он она они мы вы же ли бы";

static STOPS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| STOP_WORDS.split_whitespace().collect());

/// Meanings by word and by pair of words, and those that are looked for in the running text.
struct Meanings {
    by_word: HashMap<String, usize>,
    in_text: Vec<(String, usize)>,
}

static MEANINGS: LazyLock<Meanings> = LazyLock::new(|| {
    let mut meanings = Meanings { by_word: HashMap::new(), in_text: Vec::new() };
    let lines = include_str!("concepts.txt").lines().filter(|line| !line.starts_with('#'));
    for (number, line) in lines.enumerate() {
        for word in line.split(',').map(folded) {
            if word.chars().any(has_no_spaces) {
                meanings.in_text.push((word.trim().to_owned(), number));
                continue;
            }
            let stems: Vec<String> = word.split_whitespace().filter(|word| !STOPS.contains(word)).map(stem).collect();
            meanings.by_word.entry(stems.join(" ")).or_insert(number);
        }
    }
    meanings
});

/// The features of a text; each comes once, since a word said twice is not twice as telling. `shown` is
/// how the text itself has it.
pub(super) fn features(text: &str, mut found: impl FnMut(Feature, &str)) {
    let mut seen: HashSet<Feature> = HashSet::new();
    let mut add = |kind: Kind, name: String, shown: &str| {
        let feature = Feature { kind, name };
        if seen.insert(feature.clone()) {
            found(feature, shown);
        }
    };
    let text = spaced(text);
    let meanings = &*MEANINGS;
    let mut before: Option<(String, String)> = None;
    for shown in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        if shown.chars().any(has_no_spaces) {
            let signs: Vec<char> = shown.chars().collect();
            for pair in signs.windows(2.min(signs.len())) {
                let pair: String = pair.iter().collect();
                add(Kind::Signs, pair.clone(), &pair);
            }
            before = None;
            continue;
        }
        let word = folded(shown);
        if STOPS.contains(word.as_str()) {
            continue;
        }
        let stem = stem(&word);
        if let Some(number) = meanings.by_word.get(&stem) {
            add(Kind::Meaning, number.to_string(), shown);
        }
        for triple in triples(&word) {
            add(Kind::Letters, triple, "");
        }
        if let Some((last, last_shown)) = &before {
            let pair = format!("{last} {stem}");
            let both = format!("{last_shown} {shown}");
            if let Some(number) = meanings.by_word.get(&pair) {
                add(Kind::Meaning, number.to_string(), &both);
            }
            add(Kind::Pair, pair, &both);
        }
        add(Kind::Word, stem.clone(), shown);
        before = Some((stem, shown.to_owned()));
    }
    if text.chars().any(has_no_spaces) {
        let whole = folded(&text);
        for (word, number) in meanings.in_text.iter().filter(|(word, _)| whole.contains(word.as_str())) {
            add(Kind::Meaning, number.to_string(), word);
        }
    }
}

/// The text with names such as `PriceFormatter` taken apart, behind the whole.
fn spaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let chars: Vec<char> = word.chars().collect();
        let humps: Vec<usize> =
            (1..chars.len()).filter(|at| chars[*at].is_uppercase() && chars[at - 1].is_lowercase()).collect();
        out.push_str(word);
        if !humps.is_empty() {
            for (at, c) in chars.iter().enumerate() {
                if at == 0 || humps.contains(&at) {
                    out.push(' ');
                }
                out.push(*c);
            }
            out.push(' ');
        }
    }
    out
}

/// Small letters without accents.
fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => out.push('a'),
            'ç' | 'č' | 'ć' => out.push('c'),
            'è' | 'é' | 'ê' | 'ë' | 'ě' => out.push('e'),
            'ì' | 'í' | 'î' | 'ï' => out.push('i'),
            'ñ' | 'ń' => out.push('n'),
            'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' => out.push('o'),
            'ù' | 'ú' | 'û' | 'ü' => out.push('u'),
            'š' | 'ś' => out.push('s'),
            'ž' | 'ź' | 'ż' => out.push('z'),
            'ß' => out.push_str("ss"),
            'æ' => out.push_str("ae"),
            'œ' => out.push_str("oe"),
            'ё' => out.push('е'),
            'أ' | 'إ' | 'آ' => out.push('ا'),
            '\u{300}'..='\u{36f}' | '\u{64b}'..='\u{652}' => {}
            other => out.push(other),
        }
    }
    out
}

/// Chinese, Japanese and Thai write without spaces.
fn has_no_spaces(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{e00}'..='\u{e7f}')
}

/// The word without the commonest endings. Crude on purpose: the letters make up for it.
fn stem(word: &str) -> String {
    const ENDINGS: [&str; 22] = [
        "ations", "ation", "ungen", "ments", "ment", "ings", "ung", "ing", "ies", "ern", "ить", "ов", "ам", "ах", "ed",
        "en", "er", "es", "em", "s", "e", "n",
    ];
    let word = word.strip_prefix("ال").filter(|rest| rest.chars().count() >= 3).unwrap_or(word);
    for ending in ENDINGS {
        if let Some(stem) = word.strip_suffix(ending)
            && stem.chars().count() >= 4
        {
            return stem.to_owned();
        }
    }
    word.to_owned()
}

fn triples(word: &str) -> Vec<String> {
    let letters: Vec<char> = std::iter::once(' ').chain(word.chars()).chain(std::iter::once(' ')).collect();
    letters.windows(3).map(|triple| triple.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str, kind: Kind) -> Vec<String> {
        let mut names = Vec::new();
        features(text, |feature, _| names.extend((feature.kind == kind).then_some(feature.name)));
        names
    }

    #[test]
    fn words_are_brought_into_one_spelling() {
        assert_eq!(named("Crashes, CRASHED", Kind::Word), ["crash"]);
        assert_eq!(named("Kühlschränke für die Küche", Kind::Word), ["kuhlschrank", "kuch"]);
        assert_eq!(named("PriceFormatter.format", Kind::Word), ["priceformatt", "pric", "formatt", "format"]);
        assert_eq!(named("the and für der", Kind::Word), Vec::<String>::new());
        assert_eq!(named("购物车", Kind::Signs), ["购物", "物车"]);
    }

    #[test]
    fn a_meaning_is_the_same_in_every_language() {
        let meanings = ["cart", "Warenkorb", "le panier", "carrito", "корзина", "カートを開く", "购物车", "السلة"]
            .map(|text| named(text, Kind::Meaning));
        assert!(meanings.iter().all(|meaning| *meaning == meanings[0] && meaning.len() == 1), "{meanings:?}");
        assert_eq!(named("cannot sign in", Kind::Meaning).len(), 2);
    }
}
