//! What a sentence says that something was done to.

use super::made::Kind;

/// What is named by these words, in the languages that are understood.
const NAMES: &[(Kind, &[&str])] = &[
    (Kind::Title, &["title", "titles", "titel", "titre", "título"]),
    (Kind::Description, &["description", "descriptions", "beschreibung", "descripción"]),
    (Kind::Priority, &["priority", "priorities", "priorität", "priorité", "prioridad"]),
    (Kind::State, &["state", "states", "status", "zustand", "état", "statut", "estado"]),
    (Kind::Labels, &["label", "labels", "tag", "tags", "étiquette", "étiquettes", "etiqueta", "etiquetas"]),
    (
        Kind::Assignees,
        &["assignee", "assignees", "assignment", "zuständigen", "zuständige", "zuständigkeit", "responsable"],
    ),
    (Kind::Parent, &["parent", "child", "sub-task", "subtask", "sub-item", "unteraufgabe"]),
    (Kind::Dates, &["deadline", "dates", "datum", "fälligkeit", "fälligkeitsdatum", "startdatum", "échéance", "fecha"]),
    (Kind::Estimate, &["estimate", "estimates", "points", "schätzung", "estimation", "estimación"]),
    (Kind::Comment, &["comment", "comments", "note", "reply", "kommentar", "kommentare", "commentaire", "comentario"]),
    (Kind::Link, &["link", "links", "url", "lien", "enlace", "verknüpfung"]),
    (
        Kind::Relation,
        &[
            "relation",
            "relations",
            "duplicate",
            "duplikat",
            "blocked",
            "blocks",
            "blocking",
            "dependency",
            "verknüpfung",
        ],
    ),
    (Kind::Cycle, &["cycle", "cycles", "sprint", "zyklus", "ciclo"]),
    (Kind::Module, &["module", "modules", "modul", "módulo"]),
    (Kind::Page, &["page", "pages", "seite", "página"]),
    (Kind::Intake, &["intake", "duplicate"]),
];

/// Dates are named by two words; one alone may be anything.
const DATES: &[&str] = &["due date", "start date", "target date", "end date", "date d"];

/// What a work item is called.
const ITEMS: &[&str] = &[
    "ticket",
    "tickets",
    "issue",
    "issues",
    "task",
    "tasks",
    "item",
    "items",
    "bug",
    "bugs",
    "story",
    "epic",
    "sub-task",
    "subtask",
    "sub-issue",
    "aufgabe",
    "aufgaben",
    "vorgang",
    "tâche",
    "élément",
    "tarea",
    "tareas",
    "elemento",
];

/// What stands for one, as the first word.
const PRONOUNS: &[&str] = &["it", "them", "this", "both", "es", "sie"];

/// Where an object ends and what is said of it begins.
const PREPOSITIONS: &[&str] = &[
    "of", "for", "about", "with", "in", "on", "from", "that", "to", "as", "at", "by", "called", "named", "von", "für",
    "zu", "mit", "über", "aus", "des", "zum", "zur", "auf", "bei", "de", "du", "pour", "avec", "dans", "sur", "à",
    "para", "con", "en", "sobre", "del",
];

const PRIORITIES: &[&str] =
    &["urgent", "high", "medium", "low", "dringend", "hoch", "mittel", "niedrig", "haute", "basse", "alta", "baja"];

/// The words of an object.
pub(super) struct Object(Vec<String>);

impl Object {
    pub(super) fn of(text: &str) -> Self {
        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '-'));
        Self(words.filter(|word| !word.is_empty()).map(str::to_owned).collect())
    }

    /// The object itself, without what is said of it.
    pub(super) fn up_to_preposition(&self) -> Self {
        let end = |word: &&String| !PREPOSITIONS.contains(&word.as_str());
        Self(self.0.iter().take_while(end).cloned().collect())
    }

    pub(super) fn begins_with(&self, words: &[&str]) -> bool {
        self.0.first().is_some_and(|first| words.contains(&first.as_str()))
    }

    /// What of a work item or of its project is named.
    pub(super) fn named(&self) -> Vec<Kind> {
        let text = self.0.join(" ");
        let dates = DATES.iter().any(|words| text.contains(words)).then_some(Kind::Dates);
        let is_named = |words: &[&str]| self.0.iter().any(|word| words.contains(&word.as_str()));
        NAMES.iter().filter(|(_, words)| is_named(words)).map(|(kind, _)| *kind).chain(dates).collect()
    }

    /// Whether it is a work item.
    pub(super) fn is_item(&self) -> bool {
        self.begins_with(PRONOUNS) || self.0.iter().any(|word| ITEMS.contains(&word.as_str()) || has_key(word))
    }

    /// Whether it is brought together with something: "linked below" tells only where the answer has it.
    pub(super) fn relates(&self) -> bool {
        self.0.iter().any(|word| ["to", "with", "mit", "zu", "à", "con"].contains(&word.as_str()))
    }

    pub(super) fn has_priority(&self) -> bool {
        self.0.iter().any(|word| PRIORITIES.contains(&word.as_str()))
    }
}

/// A key such as `mob-12`.
pub(super) fn has_key(sentence: &str) -> bool {
    sentence.split(|c: char| !(c.is_alphanumeric() || c == '-')).any(|word| {
        word.split_once('-').is_some_and(|(project, number)| {
            project.len() >= 2
                && project.chars().all(char::is_alphabetic)
                && !number.is_empty()
                && number.chars().all(|c| c.is_ascii_digit())
        })
    })
}
