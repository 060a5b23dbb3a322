//! Whether an answer says that the agent changed something. It is held against what was really done: a
//! model must not tell people of a change that nobody made.

/// What a first person's account of a finished change looks like in one language.
struct Tongue {
    /// How such a sentence begins, at a word's start.
    subject: &'static [&'static str],
    /// Whether the verb stands somewhere behind, as in German, rather than at once.
    verb_later: bool,
    verbs: &'static [&'static str],
    /// What can be changed in a tracker. A sentence without one is about something else.
    things: &'static [&'static str],
}

const TONGUES: &[Tongue] = &[
    Tongue {
        subject: &["i have ", "i've ", "i ", "we have ", "we've "],
        verb_later: false,
        verbs: &[
            "set",
            "changed",
            "updated",
            "created",
            "added",
            "moved",
            "assigned",
            "unassigned",
            "closed",
            "deleted",
            "removed",
            "labelled",
            "labeled",
            "archived",
            "linked",
            "renamed",
            "reopened",
            "raised",
            "lowered",
            "posted",
            "marked",
            "resolved",
            "applied",
            "edited",
            "completed",
        ],
        things: &[
            "priority",
            "state",
            "status",
            "label",
            "assign",
            "due date",
            "start date",
            "description",
            "title",
            "comment",
            "work item",
            "issue",
            "ticket",
            "task",
            "link",
            "relation",
            "cycle",
            "module",
            "parent",
            "estimate",
            "page",
        ],
    },
    Tongue {
        subject: &["ich habe ", "habe ich ", "ich hab "],
        verb_later: true,
        verbs: &[
            "gesetzt",
            "geändert",
            "aktualisiert",
            "erstellt",
            "angelegt",
            "hinzugefügt",
            "verschoben",
            "zugewiesen",
            "geschlossen",
            "gelöscht",
            "entfernt",
            "archiviert",
            "verlinkt",
            "umbenannt",
            "kommentiert",
            "erhöht",
            "gesenkt",
        ],
        things: &[
            "priorität",
            "status",
            "label",
            "zuständig",
            "datum",
            "beschreibung",
            "titel",
            "kommentar",
            "ticket",
            "aufgabe",
            "work item",
            "verknüpfung",
            "zyklus",
            "modul",
        ],
    },
    Tongue {
        subject: &["j'ai ", "j’ai "],
        verb_later: false,
        verbs: &[
            "modifié",
            "changé",
            "mis à jour",
            "créé",
            "ajouté",
            "déplacé",
            "assigné",
            "fermé",
            "supprimé",
            "archivé",
            "renommé",
            "défini",
            "passé",
            "mis",
        ],
        things: &[
            "priorité",
            "état",
            "statut",
            "étiquette",
            "commentaire",
            "description",
            "titre",
            "ticket",
            "tâche",
            "date",
            "élément",
        ],
    },
    Tongue {
        subject: &["he "],
        verb_later: false,
        verbs: &[
            "cambiado",
            "actualizado",
            "creado",
            "añadido",
            "agregado",
            "movido",
            "asignado",
            "cerrado",
            "eliminado",
            "borrado",
            "archivado",
            "renombrado",
            "puesto",
            "establecido",
        ],
        things: &["prioridad", "estado", "etiqueta", "comentario", "descripción", "título", "tarea", "ticket", "fecha"],
    },
];

/// Words that may stand between subject and verb.
const BETWEEN: &[&str] = &["now ", "just ", "already ", "also ", "successfully ", "then ", "ya ", "déjà ", "bien "];

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

/// Whether a text says in the first person that something of the tracker was changed.
#[must_use]
pub(super) fn claims_change(text: &str) -> bool {
    text.to_lowercase().split(['.', '!', '?', '\n', ';']).any(|sentence| {
        let sentence = sentence.trim_start_matches(['-', '*', '>', ' ', '#']).trim();
        TONGUES.iter().any(|tongue| tongue.is_told_in(sentence))
    })
}

impl Tongue {
    fn is_told_in(&self, sentence: &str) -> bool {
        let about_tracker = self.things.iter().any(|thing| sentence.contains(thing)) || has_key(sentence);
        about_tracker && self.subject.iter().any(|subject| self.finds(sentence, subject))
    }

    fn finds(&self, sentence: &str, subject: &str) -> bool {
        sentence.match_indices(subject).any(|(at, _)| {
            let starts =
                sentence[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '\'' && c != '’');
            let rest = &sentence[at + subject.len()..];
            starts && if self.verb_later { self.has_verb(rest) } else { self.begins_with_verb(rest) }
        })
    }

    fn begins_with_verb(&self, rest: &str) -> bool {
        let mut rest = rest;
        while let Some(behind) = BETWEEN.iter().find_map(|word| rest.strip_prefix(word)) {
            rest = behind;
        }
        self.verbs.iter().any(|verb| {
            rest.strip_prefix(verb).is_some_and(|behind| behind.chars().next().is_none_or(|c| !c.is_alphanumeric()))
        })
    }

    fn has_verb(&self, rest: &str) -> bool {
        rest.split(|c: char| !c.is_alphanumeric()).any(|word| self.verbs.contains(&word))
    }
}

/// A key such as `mob-12`.
fn has_key(sentence: &str) -> bool {
    sentence.split(|c: char| !(c.is_alphanumeric() || c == '-')).any(|word| {
        word.split_once('-').is_some_and(|(project, number)| {
            project.len() >= 2
                && project.chars().all(char::is_alphabetic)
                && !number.is_empty()
                && number.chars().all(|c| c.is_ascii_digit())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_of_changes_are_recognised_and_other_sentences_are_not() {
        for claim in [
            "I've set the priority to high.",
            "Done. I have now updated MOB-12 and assigned it to @maya.",
            "- I added the label bug",
            "I just created a work item for the test.",
            "Ich habe die Priorität auf hoch gesetzt.",
            "Den Status habe ich auf „Erledigt“ geändert.",
            "J'ai ajouté un commentaire.",
            "He cambiado la prioridad a alta.",
        ] {
            assert!(claims_change(claim), "{claim}");
        }
        for other in [
            "I suggest to set the priority to high.",
            "I would set the priority to high.",
            "Should I change the priority?",
            "I can add a label if you want.",
            "@bob set the priority to high yesterday.",
            "The priority was changed by @bob.",
            "I have read MOB-12 and its comments.",
            "I've added it up: 12 are open.",
            "Ich habe den Kommentar gelesen.",
            "J'ai lu le ticket.",
            "He leído la tarea.",
            "",
        ] {
            assert!(!claims_change(other), "{other}");
        }
    }
}
