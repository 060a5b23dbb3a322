//! Whether an answer says that the agent changed something. It is held against what was really done: a
//! model must not tell people of a change that nobody made. Where it is not plain what kind of change a
//! sentence tells of, any change will do.

mod made;
mod objects;
mod tongues;

pub(super) use self::made::Made;
use self::{
    made::Kind,
    objects::Object,
    tongues::{TONGUES, Tongue, Verb},
};

/// Words that may stand between subject and verb.
const BETWEEN: &[&str] = &["now ", "just ", "already ", "also ", "successfully ", "then ", "ya ", "déjà ", "bien "];

/// What stands between two things that were done.
const JOINTS: &[&str] = &[", and ", ", und ", " and ", " und ", " et ", " y ", " & ", ", "];

/// What may follow a verb that has no subject of its own: otherwise it may be a participle ("closed items").
const DETERMINERS: &[&str] = &[
    "it", "them", "this", "that", "these", "the", "a", "an", "its", "both", "all", "le", "la", "l", "les", "un", "une",
    "el", "los", "las", "una", "lo",
];

/// Words with which a sentence tells of what somebody else did.
const OF_OTHERS: &[&str] = &["hat", "haben", "hatte", "wurde", "wurden", "ist", "sind", "wird", "dass"];

/// Objects of nothing done.
const NOTHING: &[&str] = &["nothing", "none", "nichts", "rien", "nada"];

/// Words by which a text says that it tells of something earlier.
const EARLIER: &[&str] = &[
    "earlier",
    "before",
    "previously",
    "already",
    "vorhin",
    "bereits",
    "schon",
    "zuvor",
    "früher",
    "eben",
    "plus tôt",
    "déjà",
    "auparavant",
    "antes",
    "anteriormente",
];

/// Whether a text tells of something that was earlier.
pub(super) fn speaks_of_earlier(text: &str) -> bool {
    let text = text.to_lowercase();
    EARLIER.iter().any(|word| text.contains(word))
}

/// Whether a text says in the first person that something of the tracker was changed that is none of `made`.
#[must_use]
pub(super) fn tells_of_unmade(text: &str, made: &Made) -> bool {
    text.to_lowercase().split(['.', '!', '?', '\n', ';']).any(|sentence| {
        let sentence = sentence.trim_start_matches(['-', '*', '>', ' ', '#']).trim();
        let claims = TONGUES.iter().flat_map(|tongue| tongue.claims_in(sentence));
        claims.into_iter().any(|claim| !claim.is_met_by(made))
    })
}

/// One thing somebody says to have done.
struct Claim {
    verb: Verb,
    /// What it was done to, without and with all that is said of it.
    object: Object,
    clause: Object,
}

impl Claim {
    fn is_met_by(&self, made: &Made) -> bool {
        if made.is_empty() {
            return false;
        }
        let kinds = self.kinds();
        kinds.is_empty() || made.has_any(&kinds)
    }

    /// What would make it true; empty where that is not plain.
    fn kinds(&self) -> Vec<Kind> {
        let named = self.clause.named();
        let is_item = self.object.is_item();
        let and = |kinds: &[Kind]| [named.as_slice(), kinds].concat();
        match self.verb {
            Verb::Sets => named,
            // "I have added a link" may be one in a comment; a label is in none.
            Verb::Writes if named.iter().any(|kind| IN_TEXTS.contains(kind)) => and(TEXTS),
            Verb::Writes => named,
            Verb::Moves if !named.is_empty() => and(if self.clause.has_priority() { &[Kind::Priority] } else { &[] }),
            Verb::Moves if is_item && self.clause.has_priority() => Vec::new(),
            Verb::Moves if is_item => {
                vec![Kind::State, Kind::Cycle, Kind::Module, Kind::Parent, Kind::Archived, Kind::Intake]
            }
            Verb::Assigns if is_item && !named.contains(&Kind::Labels) => {
                let groups = [Kind::Cycle, Kind::Module, Kind::Parent];
                named.into_iter().filter(|kind| groups.contains(kind)).chain([Kind::Assignees]).collect()
            }
            Verb::Assigns => and(&[Kind::Assignees]),
            Verb::Closes if is_item => vec![Kind::State, Kind::Archived, Kind::Intake],
            Verb::Makes if is_item || !self.object.named().is_empty() => {
                [self.object.named().as_slice(), &[Kind::Created]].concat()
            }
            Verb::Deletes if is_item || !named.is_empty() => {
                named.into_iter().filter(|kind| *kind != Kind::Comment).chain([Kind::Deleted]).collect()
            }
            Verb::Links if is_item && self.clause.relates() => {
                [TEXTS, &[Kind::Link, Kind::Relation, Kind::Parent]].concat()
            }
            Verb::Moves | Verb::Closes | Verb::Makes | Verb::Deletes | Verb::Links => Vec::new(),
            Verb::Archives => vec![Kind::Archived],
            Verb::Labels => vec![Kind::Labels],
            Verb::Comments => vec![Kind::Comment],
            Verb::Renames => and(&[Kind::Title]),
        }
    }
}

/// What people write texts into.
const TEXTS: &[Kind] = &[Kind::Comment, Kind::Description, Kind::Page, Kind::Created];

/// What may be written about in a text as well as be set.
const IN_TEXTS: &[Kind] = &[
    Kind::State,
    Kind::Priority,
    Kind::Dates,
    Kind::Estimate,
    Kind::Link,
    Kind::Relation,
    Kind::Title,
    Kind::Page,
    Kind::Intake,
];

impl Tongue {
    fn claims_in(&self, sentence: &str) -> Vec<Claim> {
        let about_tracker = self.things.iter().any(|thing| sentence.contains(thing)) || objects::has_key(sentence);
        if !about_tracker {
            return Vec::new();
        }
        self.subject.iter().flat_map(|subject| self.told_by(sentence, subject)).collect()
    }

    fn told_by(&self, sentence: &str, subject: &str) -> Vec<Claim> {
        let claims = sentence.match_indices(subject).filter_map(|(at, _)| {
            let starts =
                sentence[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '\'' && c != '’');
            let rest = &sentence[at + subject.len()..];
            starts.then(|| if self.verb_later { self.verbs_behind(rest) } else { self.verbs_ahead(rest) })
        });
        claims.flatten().collect()
    }

    /// `set the priority to high and assigned it to maya`
    fn verbs_ahead(&self, rest: &str) -> Vec<Claim> {
        let mut told: Vec<(Verb, String)> = Vec::new();
        for clause in clauses(rest) {
            let mut clause = clause.as_str();
            while let Some(behind) = BETWEEN.iter().find_map(|word| clause.strip_prefix(word)) {
                clause = behind;
            }
            let verb = self.verb_at(clause).filter(|(_, behind)| told.is_empty() || names_something(behind));
            match (verb, told.last_mut()) {
                (Some((verb, behind)), _) => told.push((verb, behind.to_owned())),
                (None, None) => return Vec::new(),
                (None, Some(_)) if self.subject.iter().any(|subject| clause.starts_with(subject)) => break,
                (None, Some((_, before))) => {
                    before.push_str(", ");
                    before.push_str(clause);
                }
            }
        }
        let claims = told.into_iter().map(|(verb, clause)| (verb, Object::of(&clause)));
        let claims = claims.map(|(verb, clause)| Claim { verb, object: clause.up_to_preposition(), clause });
        claims.filter(|claim| !claim.object.begins_with(NOTHING)).collect()
    }

    /// `die priorität gesetzt und das ticket maya zugewiesen`
    fn verbs_behind(&self, rest: &str) -> Vec<Claim> {
        let mut claims: Vec<Claim> = Vec::new();
        let mut before = String::new();
        for clause in clauses(rest) {
            let words: Vec<&str> = clause.split(|c: char| !c.is_alphanumeric() && c != '-').collect();
            let at = words.iter().position(|word| self.verb_named(word).is_some());
            let is_mine = !words.iter().any(|word| OF_OTHERS.contains(word));
            let verb = at.and_then(|at| Some((at, self.verb_named(words.get(at)?)?)));
            match verb.filter(|(at, _)| is_mine && (claims.is_empty() || at + 1 == words.len())) {
                Some((at, verb)) => {
                    let told = format!("{before}{}", words.get(..at).unwrap_or_default().join(" "));
                    before.clear();
                    let clause = Object::of(&told);
                    claims.push(Claim { verb, object: clause.up_to_preposition(), clause });
                }
                None => {
                    before.push_str(&clause);
                    before.push(' ');
                }
            }
        }
        claims.into_iter().filter(|claim| !claim.object.begins_with(NOTHING)).collect()
    }

    /// The verb a text begins with, and what follows it.
    fn verb_at<'a>(&self, text: &'a str) -> Option<(Verb, &'a str)> {
        let all = self.verbs.iter().flat_map(|(verb, words)| words.iter().map(move |word| (*verb, *word)));
        let found = all.filter_map(|(verb, word)| {
            let behind = text.strip_prefix(word)?;
            let ends = behind.chars().next().is_none_or(|c| !c.is_alphanumeric());
            ends.then_some((verb, behind))
        });
        // "mis à jour" is not "mis".
        found.min_by_key(|(_, behind)| behind.len())
    }

    fn verb_named(&self, word: &str) -> Option<Verb> {
        self.verbs.iter().find(|(_, words)| words.contains(&word)).map(|(verb, _)| *verb)
    }
}

fn clauses(text: &str) -> Vec<String> {
    let cut = JOINTS.iter().fold(text.to_owned(), |text, joint| text.replace(joint, "\u{1}"));
    cut.split('\u{1}').map(str::trim).filter(|clause| !clause.is_empty()).map(str::to_owned).collect()
}

/// Whether a thing follows, as it does a verb.
fn names_something(behind: &str) -> bool {
    let behind = behind.trim_start();
    let word = behind.split(|c: char| !c.is_alphanumeric() && c != '-').next().unwrap_or_default();
    behind.starts_with('@') || objects::has_key(word) || DETERMINERS.contains(&word)
}

#[cfg(test)]
mod tests;
