//! Changes that wait for a person's word: how they are put to the person, and what the reply means.
//!
//! Only what is plainly a yes counts as one. Whatever else a person writes goes to the model, which may
//! propose something else; nothing is changed on the strength of a guess.

use jiff::Timestamp;

use super::{question::chosen, session::parts::Parts};
use crate::{
    domain::{
        ids::{StepKey, UserId},
        talk::ToolCall,
        write::PlannedWrite,
    },
    tools::{describe::shortened, write::REASON},
};

/// Most single changes that get an option of their own; the others can be named by their letters.
const MOST_SINGLE_OPTIONS: usize = 8;

/// Longest summary in an option, in characters.
const OPTION_CHARS: usize = 100;

/// A change that waits, and the call that wants it.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposed {
    pub call: ToolCall,
    pub planned: PlannedWrite,
}

/// What a person is asked to approve.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Approval {
    pub changes: Vec<Proposed>,
    /// Calls that came to be several changes, and what came of the others so far.
    pub parts: Parts,
    /// Who asked for them; nobody where Plane did not say who speaks.
    pub asked_by: Vec<UserId>,
    /// Whether somebody replied who may not decide.
    pub refused_someone: bool,
    /// Since when it is shown, by Plane's clock, where that is known.
    pub shown_at: Option<Timestamp>,
    /// The step it was posted under.
    pub shown_as: Option<StepKey>,
}

/// What a reply says of the changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// These are approved, by their places; the others are not.
    Approved(Vec<usize>),
    Rejected,
    /// It decides nothing.
    Words,
}

impl Approval {
    /// The options: all, none, and single ones where there are several.
    #[must_use]
    pub fn options(&self) -> Vec<String> {
        let several = self.changes.len() > 1;
        let (all, none) = if several { ("Approve all", "Reject all") } else { ("Approve", "Reject") };
        let mut options = vec![all.to_owned(), none.to_owned()];
        if several {
            let single = self.changes.iter().enumerate().take(MOST_SINGLE_OPTIONS);
            options.extend(single.map(|(at, change)| {
                format!("Only {}: {}", letter(at), shortened(&change.planned.summary, OPTION_CHARS))
            }));
        }
        options
    }

    /// What a reply decides: an option by label, id or number, letters of changes, or a plain yes or no.
    #[must_use]
    pub fn decision(&self, reply: &str) -> Decision {
        // A vote is no list mark before a number.
        match reply.trim() {
            "-1" | "−1" | "–1" => return Decision::Rejected,
            "+1" => return Decision::Approved((0..self.changes.len()).collect()),
            _ => {}
        }
        let options = self.options();
        let chosen: Vec<_> = chosen(&options, reply.trim())
            .into_iter()
            .filter_map(|label| options.iter().position(|option| option == label))
            .collect();
        match chosen.as_slice() {
            [] => {}
            [0] => return Decision::Approved((0..self.changes.len()).collect()),
            [1] => return Decision::Rejected,
            singles if singles.iter().all(|at| *at > 1) => {
                return Decision::Approved(singles.iter().map(|at| at - 2).collect());
            }
            // To approve and to reject at once decides nothing.
            _ => return Decision::Words,
        }
        // "y" and "n" are words before they are letters.
        let plain = plain(reply);
        if YES.contains(&plain.as_str()) {
            return Decision::Approved((0..self.changes.len()).collect());
        }
        if NO.contains(&plain.as_str()) {
            return Decision::Rejected;
        }
        self.named_by_letters(reply).map_or(Decision::Words, Decision::Approved)
    }

    /// Whether these words were written before the question was there, so that they are about something else.
    #[must_use]
    pub fn is_older(&self, written_at: Option<Timestamp>) -> bool {
        self.shown_at.zip(written_at).is_some_and(|(shown, written)| written < shown)
    }

    /// The calls that wait for the decision.
    pub fn call_ids(&self) -> impl Iterator<Item = &str> {
        self.changes.iter().map(|change| change.call.id.as_str())
    }

    /// `B`, `a, c`, `only A and C`, `approve B`.
    fn named_by_letters(&self, reply: &str) -> Option<Vec<usize>> {
        let text = reply.to_lowercase().replace([',', ';', '&', '+', '.', ')', '('], " ");
        let mut named = Vec::new();
        for word in text.split_whitespace() {
            if matches!(word, "only" | "approve" | "just" | "and" | "nur" | "und" | "et" | "y" | "seulement" | "solo") {
                continue;
            }
            named.push((0..self.changes.len()).find(|at| letter(*at).to_lowercase() == word)?);
        }
        named.sort_unstable();
        named.dedup();
        (!named.is_empty()).then_some(named)
    }
}

/// How a change is named on the card: A to Z, then AA, AB ….
#[must_use]
pub fn letter(at: usize) -> String {
    let last = char::from(b'A' + u8::try_from(at % 26).unwrap_or(0));
    if at < 26 { last.to_string() } else { format!("{}{last}", letter(at / 26 - 1)) }
}

/// Why a change is wanted, in the model's words.
#[must_use]
pub fn reason(call: &ToolCall) -> Option<String> {
    let arguments: serde_json::Value = serde_json::from_str(&call.arguments).ok()?;
    let reason = arguments.get(REASON)?.as_str()?.split_whitespace().collect::<Vec<_>>().join(" ");
    (!reason.is_empty()).then_some(reason)
}

/// What means yes and nothing else.
const YES: &[&str] = &[
    "yes",
    "y",
    "yep",
    "yeah",
    "yes please",
    "ok",
    "okay",
    "sure",
    "approve",
    "approved",
    "approve all",
    "approve them",
    "approve it",
    "i approve",
    "go",
    "go ahead",
    "do it",
    "please do",
    "yes do it",
    "do so",
    "confirm",
    "confirmed",
    "lgtm",
    "👍",
    "✅",
    "👌",
    "ja",
    "ja bitte",
    "ja gerne",
    "jawohl",
    "passt",
    "mach das",
    "mach es",
    "genehmigt",
    "einverstanden",
    "oui",
    "d'accord",
    "vas y",
    "approuvé",
    "sí",
    "si",
    "vale",
    "de acuerdo",
    "adelante",
    "aprobado",
    "sì",
    "va bene",
    "sim",
    "pode",
    "aprovado",
    "да",
    "хорошо",
    "давай",
    "согласен",
    "tak",
    "evet",
    "はい",
    "承認",
    "好",
    "好的",
    "可以",
    "同意",
    "是",
    "네",
    "예",
    "نعم",
    "हाँ",
    "כן",
];

/// What means no and nothing else.
const NO: &[&str] = &[
    "no",
    "n",
    "nope",
    "no thanks",
    "no thank you",
    "reject",
    "rejected",
    "reject all",
    "reject them",
    "reject it",
    "don't",
    "do not",
    "cancel",
    "decline",
    "never mind",
    "nevermind",
    "👎",
    "❌",
    "nein",
    "nein danke",
    "lieber nicht",
    "ablehnen",
    "non",
    "non merci",
    "refuser",
    "no gracias",
    "rechazar",
    "não",
    "nao",
    "нет",
    "не надо",
    "nie",
    "hayır",
    "いいえ",
    "却下",
    "不",
    "不要",
    "不用",
    "拒绝",
    "아니요",
    "لا",
    "नहीं",
    "לא",
];

fn plain(reply: &str) -> String {
    let text = reply.to_lowercase().replace('’', "'");
    let text = text.trim_matches(|c: char| c.is_whitespace() || ".!,;:\"'*_`".contains(c));
    text.replace([',', '!'], " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        ids::{ProjectId, WorkItemId},
        write::{Target, Write},
    };

    fn approval(changes: usize) -> Approval {
        let change = |at: usize| Proposed {
            call: ToolCall {
                id: format!("c{at}"),
                name: "add_comment".to_owned(),
                arguments: "{}".to_owned(),
                raw: serde_json::Map::new(),
            },
            planned: PlannedWrite {
                write: Write::AddComment {
                    item: Target { project: ProjectId(uuid::Uuid::nil()), id: WorkItemId(uuid::Uuid::nil()) },
                    html: String::new(),
                },
                summary: format!("Comment on MOB-{at}"),
                changes: Vec::new(),
            },
        };
        Approval { changes: (0..changes).map(change).collect(), ..Approval::default() }
    }

    #[test]
    fn what_a_reply_decides() {
        let all = || Decision::Approved(vec![0, 1, 2]);
        let some = |places: &[usize]| Decision::Approved(places.to_vec());
        let cases = [
            ("Approve all", all()),
            ("option-1", all()),
            ("1", all()),
            ("Yes!", all()),
            ("yes, please.", all()),
            ("ja", all()),
            ("好的", all()),
            ("👍", all()),
            ("+1", all()),
            ("-1", Decision::Rejected),
            ("Reject all", Decision::Rejected),
            ("2", Decision::Rejected),
            ("no", Decision::Rejected),
            ("Nein, danke", Decision::Rejected),
            ("Only B: Comment on MOB-1", some(&[1])),
            ("option-4", some(&[1])),
            ("b", some(&[1])),
            ("A, C", some(&[0, 2])),
            ("only a and c", some(&[0, 2])),
            ("approve B", some(&[1])),
            ("3 and 5", some(&[0, 2])),
            // None of these is a plain word on the changes as they stand.
            ("yes, but make it medium", Decision::Words),
            ("A, D", Decision::Words),
            ("1 and 2", Decision::Words),
            ("approve all except B", Decision::Words),
            ("not yet", Decision::Words),
            ("what would that change?", Decision::Words),
            ("the admin approves everything", Decision::Words),
            ("", Decision::Words),
            ("17", Decision::Words),
        ];
        for (reply, decision) in cases {
            assert_eq!(approval(3).decision(reply), decision, "{reply:?}");
        }
    }

    #[test]
    fn a_single_change_has_two_options() {
        assert_eq!(approval(1).options(), ["Approve", "Reject"]);
        for (reply, decision) in [
            ("approve", Decision::Approved(vec![0])),
            ("A", Decision::Approved(vec![0])),
            ("2", Decision::Rejected),
            ("3", Decision::Words),
        ] {
            assert_eq!(approval(1).decision(reply), decision, "{reply:?}");
        }
    }

    #[test]
    fn many_changes_are_named_by_letters() {
        assert_eq!(approval(40).options().len(), 2 + MOST_SINGLE_OPTIONS);
        assert_eq!(approval(40).decision("ab"), Decision::Approved(vec![27]));
        assert_eq!(approval(40).decision("n"), Decision::Rejected);
        assert_eq!(approval(40).decision("only n"), Decision::Approved(vec![13]));
        assert_eq!([letter(0), letter(25), letter(26), letter(52)], ["A", "Z", "AA", "BA"]);
    }

    #[test]
    fn no_word_means_both() {
        assert!(YES.iter().all(|word| !NO.contains(word)));
        for (word, decision) in YES.iter().map(|word| (word, true)).chain(NO.iter().map(|word| (word, false))) {
            let decided = approval(2).decision(word);
            assert_eq!(matches!(decided, Decision::Approved(_)), decision, "{word}");
            assert_ne!(decided, Decision::Words, "{word}");
        }
    }
}
