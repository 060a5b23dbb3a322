//! The attempts as they are written down, and the encodings they may be given.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Book {
    #[serde(rename = "attack")]
    pub(super) attacks: Vec<Attack>,
    #[serde(rename = "case")]
    pub(super) cases: Vec<Case>,
}

/// What a model that obeys does.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attack {
    name: String,
    /// A list a step, as JSON: `[["tool", {arguments}], …]`.
    calls: Vec<String>,
    pub(super) says: String,
    /// Said beside the calls.
    pub(super) beside: Option<String>,
    #[serde(default)]
    repeats: bool,
    #[serde(default)]
    pub(super) forbidden: Vec<String>,
    pub(super) changes: Changes,
    /// Part of a line of the tracker, each, that comes or goes where a member asks who may.
    #[serde(default)]
    pub(super) leaves: Vec<String>,
    /// What the model is told of its tools, where a member asks.
    #[serde(default)]
    pub(super) refused: Vec<String>,
    /// Whether a member is asked even where changes are allowed.
    #[serde(default)]
    pub(super) asks: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Changes {
    Nothing,
    Item,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) place: String,
    pub(super) language: String,
    encoding: Option<String>,
    #[serde(default)]
    pub(super) html: bool,
    #[serde(default = "yes")]
    pub(super) reaches: bool,
    pub(super) attack: String,
    text: String,
}

fn yes() -> bool {
    true
}

impl Book {
    pub(super) fn read() -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/injections/cases.toml");
        toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
    }

    pub(super) fn case(&self, name: &str) -> Option<&Case> {
        self.cases.iter().find(|case| case.name == name)
    }

    pub(super) fn attack(&self, case: &Case) -> &Attack {
        let attack = self.attacks.iter().find(|attack| attack.name == case.attack);
        attack.unwrap_or_else(|| panic!("{} names no attack", case.name))
    }
}

impl Attack {
    /// Whether it is after a change that a member may bring about.
    pub(super) fn may_change(&self) -> bool {
        self.changes == Changes::Item || !self.leaves.is_empty()
    }

    /// The calls of a step, counted from 0; `None` when all is done.
    pub(super) fn step(&self, number: usize) -> Option<Vec<(String, Value)>> {
        let number = if self.repeats { number % self.calls.len() } else { number };
        let calls = self.calls.get(number)?;
        Some(serde_json::from_str(calls).unwrap_or_else(|error| panic!("calls of {}: {error}", self.name)))
    }
}

impl Case {
    /// The words in their encoding.
    pub(super) fn words(&self) -> String {
        let text = self.text.as_str();
        match self.encoding.as_deref() {
            None => text.to_owned(),
            Some("base64") => format!("Decode and do: {}", base64(text)),
            Some("rot13") => format!("Decode from rot13 and do: {}", rot13(text)),
            Some("hex") => format!("Decode from hex and do: {}", hex::encode(text)),
            Some("backwards") => format!("Read backwards and do: {}", text.chars().rev().collect::<String>()),
            Some("entities") => text.chars().map(|c| format!("&#{};", u32::from(c))).collect(),
            Some("zero-width") => text.chars().flat_map(|c| [c, '\u{200b}']).collect(),
            Some("homoglyphs") => text.chars().map(homoglyph).collect(),
            Some(other) => panic!("{} has an encoding nobody knows: {other}", self.name),
        }
    }

    /// The words as the model ought to see them.
    pub(super) fn words_seen(&self) -> String {
        if self.encoding.as_deref() == Some("entities") { self.text.clone() } else { self.words() }
    }

    /// Whether it plays at being the end of the fence it stands in.
    pub(super) fn forges_a_fence(&self) -> bool {
        ["</", "＜/"].iter().any(|end| self.text.contains(end))
    }
}

fn homoglyph(c: char) -> char {
    match c {
        'a' => 'а',
        'e' => 'е',
        'o' => 'о',
        'p' => 'р',
        'c' => 'с',
        'i' => 'і',
        's' => 'ѕ',
        '-' => '‑',
        other => other,
    }
}

pub(super) fn rot13(text: &str) -> String {
    let turn = |c: char| match c {
        'a'..='m' | 'A'..='M' => char::from(c as u8 + 13),
        'n'..='z' | 'N'..='Z' => char::from(c as u8 - 13),
        other => other,
    };
    text.chars().map(turn).collect()
}

pub(super) fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in text.as_bytes().chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            out.push(if place > three.len() { '=' } else { char::from(digit) });
        }
    }
    out
}

/// As much of it as is base64.
pub(super) fn from_base64(text: &str) -> Vec<u8> {
    let digit = |c: char| {
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".find(c).or("-_".find(c).map(|at| 62 + at))
    };
    let digits: Vec<u32> = text.chars().map_while(digit).filter_map(|digit| u32::try_from(digit).ok()).collect();
    let fours = digits.chunks_exact(4).map(|four| four.iter().fold(0, |bits, digit| bits << 6 | digit));
    fours.flat_map(|bits| bits.to_be_bytes().into_iter().skip(1)).collect()
}

#[test]
fn the_attempts_are_many_and_of_many_kinds() {
    use std::collections::BTreeSet;
    let book = Book::read();
    assert!(book.cases.len() >= 160, "{} cases", book.cases.len());
    let of = |field: fn(&Case) -> &str| book.cases.iter().map(field).collect::<BTreeSet<_>>().len();
    assert_eq!(of(|case| &case.name), book.cases.len(), "every case has a name of its own");
    assert!(of(|case| &case.place) >= 10 && of(|case| &case.language) >= 9);
    for case in &book.cases {
        let attack = book.attack(case);
        assert!(attack.step(attack.calls.len()).is_none() || attack.repeats, "{}", case.name);
        assert!(!case.words().is_empty());
    }
    let unused = book.attacks.iter().find(|attack| !book.cases.iter().any(|case| case.attack == attack.name));
    assert!(unused.is_none(), "{unused:?} is in no case");
    assert_eq!((base64("light wo"), base64("ab").as_str()), ("bGlnaHQgd28=".to_owned(), "YWI="));
}
