//! The rules: what to look up for a request, and what to say about it.

use serde_json::{Map, Value, json};

use super::reading::{Conversation, bullets, section};

/// What the rehearsal does next.
#[derive(Debug)]
pub(super) enum Act {
    Call { thought: String, wanted: Vec<Wanted> },
    Answer { thought: String, text: String },
}

/// A tool call it wants.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) tool: &'static str,
    pub(super) arguments: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intent {
    Triage,
    /// To triage, and to set what that suggests.
    Apply,
    Undo,
    Summarise,
    Plan,
    Ask,
    Other,
}

/// Decides from the conversation and the tools offered, and from nothing else.
pub(super) fn decide(conversation: &Conversation, offered: &[&str]) -> Act {
    let reply = Some(conversation.result("ask_user")).filter(|reply| !reply.is_empty());
    let intent = match (intent_of(&conversation.request), reply) {
        // The reply to our question says what is wanted.
        (Intent::Ask, Some(reply)) => intent_of(&reply.to_lowercase()),
        (intent, _) => intent,
    };
    let mut wanted = wanted_for(intent, conversation);
    wanted.retain(|wanted| offered.contains(&wanted.tool) && !conversation.was_called(wanted.tool));
    let what = conversation.key.as_deref().unwrap_or("this work item");
    if !wanted.is_empty() {
        let names = wanted.iter().map(|wanted| wanted.tool.replace('_', " ")).collect::<Vec<_>>().join(" and ");
        let thought = format!("The person asks me to {} {what}. Before I answer I want to {names}.", verb(intent));
        return Act::Call { thought, wanted };
    }
    let text = match intent {
        Intent::Triage => triage(conversation),
        Intent::Apply => told_of(conversation, "update_work_item"),
        Intent::Undo => told_of(conversation, "undo"),
        Intent::Summarise => summary(conversation),
        Intent::Plan => plan(conversation),
        Intent::Ask | Intent::Other => greeting(conversation),
    };
    let chosen = reply.map(|reply| format!("You chose “{}”.\n\n", first_words(reply))).unwrap_or_default();
    let thought = format!("I have what I need to {} {what}, so I write the answer.", verb(intent));
    Act::Answer { thought, text: format!("{chosen}{text}") }
}

fn intent_of(request: &str) -> Intent {
    let words: Vec<&str> = request.split(|letter: char| !letter.is_alphanumeric()).collect();
    let starts = |beginning: &str| words.iter().any(|word| word.starts_with(beginning));
    let changes = ["apply", "set", "fix"].into_iter().any(|word| words.contains(&word));
    if words.contains(&"undo") || words.contains(&"revert") {
        Intent::Undo
    } else if changes && (starts("triag") || starts("prioriti") || starts("label")) {
        Intent::Apply
    } else if starts("triag") || starts("prioriti") {
        Intent::Triage
    } else if starts("summar") {
        Intent::Summarise
    } else if words.iter().any(|word| word.starts_with("plan") && !word.starts_with("plane")) {
        Intent::Plan
    } else if words.iter().any(|word| ["which", "ask", "choose"].contains(word)) {
        Intent::Ask
    } else {
        Intent::Other
    }
}

fn verb(intent: Intent) -> &'static str {
    match intent {
        Intent::Triage => "triage",
        Intent::Apply => "triage and set up",
        Intent::Undo => "take back what I changed in",
        Intent::Summarise => "summarise",
        Intent::Plan => "plan the work around",
        Intent::Ask => "let them choose what to do with",
        Intent::Other => "say something about",
    }
}

fn wanted_for(intent: Intent, conversation: &Conversation) -> Vec<Wanted> {
    let wanted =
        |tool, arguments: Value| Wanted { tool, arguments: arguments.as_object().cloned().unwrap_or_default() };
    match intent {
        Intent::Undo => vec![wanted("undo", json!({}))],
        Intent::Apply if conversation.was_called("list_project_facts") => {
            let found = suggestion(conversation);
            let reason = found.sign.map(|sign| format!("the text says “{sign}”")).unwrap_or_default();
            let arguments = json!({ "priority": found.priority, "add_labels": found.labels, "reason": reason });
            vec![wanted("update_work_item", arguments)]
        }
        Intent::Apply => vec![wanted("list_project_facts", json!({}))],
        Intent::Triage => {
            let mut calls = vec![wanted("list_project_facts", json!({}))];
            calls.extend(
                key_word(&conversation.title).map(|word| wanted("search_work_items", json!({ "query": word }))),
            );
            calls
        }
        Intent::Summarise => vec![wanted("read_comments", json!({}))],
        Intent::Plan => vec![wanted("list_work_items", json!({}))],
        Intent::Ask => {
            let question = "What should I do with this work item?";
            vec![wanted(
                "ask_user",
                json!({ "question": question, "options": ["Triage it", "Summarise it", "Make a plan"] }),
            )]
        }
        Intent::Other => vec![wanted("read_work_item", json!({}))],
    }
}

/// The word of a title that is most likely to find others like it: what went wrong, or else the
/// longest.
fn key_word(title: &str) -> Option<String> {
    let lower = title.to_lowercase();
    let trouble = PRIORITIES.iter().flat_map(|(_, signs)| signs.iter()).find(|sign| has_word(&lower, sign));
    if let Some(trouble) = trouble {
        return Some((*trouble).to_owned());
    }
    let words = lower.split(|letter: char| !letter.is_alphanumeric()).filter(|word| word.chars().count() >= 4);
    // The first of the longest; `max_by_key` would take the last.
    words.rev().max_by_key(|word| word.chars().count()).map(str::to_owned)
}

/// Words that speak for a priority, the gravest first.
const PRIORITIES: [(&str, &[&str]); 4] = [
    ("urgent", &["data loss", "loses data", "lost data", "security", "leak", "outage"]),
    ("high", &["crash", "cannot", "can't", "blocked", "broken", "corrupt", "freez", "hang"]),
    ("medium", &["error", "fail", "wrong", "slow", "missing"]),
    ("low", &["typo", "wording", "cosmetic", "colour", "color", "align", "spelling"]),
];

/// Words that speak for a label whose name holds the first one.
const LABEL_SIGNS: [(&str, &[&str]); 4] = [
    ("bug", &["crash", "error", "fail", "broken", "wrong", "data loss", "hang", "corrupt", "twice"]),
    ("doc", &["typo", "documentation", "docs", "readme", "wording"]),
    ("perf", &["slow", "memory", "latency", "performance"]),
    ("security", &["security", "leak", "password"]),
];

/// What the rules suggest for a work item.
struct Suggestion {
    priority: &'static str,
    /// The word that speaks for it.
    sign: Option<&'static str>,
    labels: Vec<String>,
    /// Whether the project's labels are known at all.
    labels_known: bool,
}

fn suggestion(conversation: &Conversation) -> Suggestion {
    let text = format!("{}\n{}", conversation.title, conversation.section("Description")).to_lowercase();
    let (priority, sign) = PRIORITIES
        .iter()
        .find_map(|(priority, signs)| Some((*priority, signs.iter().find(|sign| has_word(&text, sign))?)))
        .map_or(("medium", None), |(priority, sign)| (priority, Some(*sign)));
    let facts = section(conversation.result("list_project_facts"), "Labels");
    let labels: Vec<&str> = bullets(&facts).iter().map(|line| line.split(": ").next().unwrap_or(line)).collect();
    let fitting = labels.iter().filter(|label| label_fits(label, &text)).map(|label| (*label).to_owned());
    Suggestion { priority, sign, labels: fitting.collect(), labels_known: !labels.is_empty() }
}

/// What came of a change, as the tool told it.
fn told_of(conversation: &Conversation, tool: &str) -> String {
    let result = conversation.result(tool);
    if result.is_empty() {
        return "I have no tool for that here, so nothing was changed.".to_owned();
    }
    result.strip_prefix("Error: ").unwrap_or(result).to_owned()
}

fn triage(conversation: &Conversation) -> String {
    let Suggestion { priority, sign, labels, labels_known } = suggestion(conversation);
    let why = sign
        .map_or_else(|| "nothing in the text speaks for another".to_owned(), |sign| format!("the text says “{sign}”"));
    let now = conversation.field("Priority").map(|now| format!("; it is {now} now")).unwrap_or_default();

    let labels_line = match (labels.is_empty(), labels_known) {
        (false, _) => labels.join(", "),
        (true, true) => "none of the project's labels fits by my rules".to_owned(),
        (true, false) => "the project's labels are not known to me".to_owned(),
    };

    let own = conversation.key.as_deref().unwrap_or_default();
    let hits = bullets(conversation.result("search_work_items"));
    let others: Vec<&str> = hits.into_iter().filter(|hit| hit.split(':').next() != Some(own)).collect();
    let duplicates = if others.is_empty() { "none found".to_owned() } else { list(others.iter().take(5).copied()) };
    format!(
        "**Triage of {}**\n\n- **Suggested priority:** {priority} ({why}{now})\n- **Suggested labels:** {labels_line}\n- **Possible duplicates:** {duplicates}",
        heading(conversation)
    )
}

fn label_fits(label: &str, text: &str) -> bool {
    let name = label.to_lowercase();
    let mut signs = LABEL_SIGNS.iter().filter(|(word, _)| name.contains(word)).flat_map(|(_, signs)| signs.iter());
    name.chars().count() >= 3 && has_word(text, &name) || signs.any(|sign| has_word(text, sign))
}

/// Whether the text has the word or, for longer ones, one that begins with it: "crashes" has "crash".
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, found)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + found.len()..).and_then(|text| text.chars().next());
        let begins = !before.is_some_and(char::is_alphanumeric);
        begins && (word.len() >= 4 || !after.is_some_and(char::is_alphanumeric))
    })
}

fn summary(conversation: &Conversation) -> String {
    let mut lines = vec![format!("**Summary of {}**\n", heading(conversation))];
    for field in ["State", "Priority", "Assignees"] {
        lines.extend(conversation.field(field).map(|value| format!("- **{field}:** {value}")));
    }
    let description = conversation.section("Description");
    if let Some(first) = description.lines().find(|line| !line.trim().is_empty()) {
        lines.push(format!("- **Description:** {}", first_words(first)));
    }
    let read = conversation.result("read_comments");
    let given = conversation.section("Comments");
    let comments = comments_in(if read.is_empty() { &given } else { read });
    if comments.is_empty() {
        lines.push("- **Comments:** none".to_owned());
    } else {
        let newest = comments.len().saturating_sub(5);
        let shown = comments.iter().skip(newest).map(String::as_str);
        lines.push(format!("- **Comments ({}):** {}", comments.len(), list(shown)));
    }
    lines.join("\n")
}

/// Each comment as its author and first line.
fn comments_in(markdown: &str) -> Vec<String> {
    let mut comments = Vec::new();
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        if let Some(author) =
            line.strip_prefix("**").and_then(|rest| rest.split("**").next()).filter(|_| line.ends_with(':'))
        {
            comments.push(format!("{author}: {}", first_words(lines.next().unwrap_or_default())));
        }
    }
    comments
}

fn plan(conversation: &Conversation) -> String {
    let all = bullets(conversation.result("list_work_items"));
    let is_open =
        |row: &&str| !["(done", "(cancelled", "(completed"].iter().any(|closed| row.to_lowercase().contains(closed));
    let mut rows: Vec<&str> = all.iter().copied().filter(is_open).collect();
    let rank = |row: &str| {
        let order = ["urgent", "high", "medium", "low"];
        order.iter().position(|priority| row.contains(&format!("priority {priority}"))).unwrap_or(order.len())
    };
    // Stable, so that what is equally urgent keeps the project's order.
    rows.sort_by_key(|row| rank(row));
    if rows.is_empty() {
        return format!("**Plan**\n\nI found no open work items to plan; start with {}.", heading(conversation));
    }
    let steps =
        rows.iter().take(5).enumerate().map(|(at, row)| format!("{}. {row}", at + 1)).collect::<Vec<_>>().join("\n");
    format!("**Plan**, the most urgent of {} open work items first\n\n{steps}", rows.len())
}

fn greeting(conversation: &Conversation) -> String {
    let state = conversation.field("State").map(|state| format!(" It is in the state {state}.")).unwrap_or_default();
    format!(
        "Hello! This thread belongs to {}.{state} Ask me to triage it, to summarise it, or to plan the work.",
        heading(conversation)
    )
}

fn heading(conversation: &Conversation) -> String {
    conversation
        .key
        .as_ref()
        .map_or_else(|| "this work item".to_owned(), |key| format!("{key}: {}", conversation.title))
}

fn list<'a>(entries: impl Iterator<Item = &'a str>) -> String {
    entries.map(|entry| format!("\n  - {entry}")).collect()
}

/// The beginning of a text, on one line.
fn first_words(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut cut: String = line.chars().take(160).collect();
    if cut.len() < line.len() {
        cut.push('…');
    }
    cut
}
