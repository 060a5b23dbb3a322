//! What the rehearsal makes out of a conversation.

use crate::domain::talk::Message;

/// A conversation as far as the rules need it.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    /// `MOB-3`, where the work item is known.
    pub(super) key: Option<String>,
    pub(super) title: String,
    /// The whole work item as it was given, Markdown.
    pub(super) item: String,
    /// What the person asks in this turn, in lower case.
    pub(super) request: String,
    /// The tools called in this turn, with their results where they are known.
    pub(super) results: Vec<(String, Option<String>)>,
}

impl Conversation {
    pub(super) fn read(messages: &[Message]) -> Self {
        let mut read = Self::default();
        let mut call_ids: Vec<String> = Vec::new();
        for message in messages {
            match message {
                // Rules see no pictures.
                Message::System { .. } | Message::Picture { .. } => {}
                Message::User { text } => match text.lines().find_map(item_heading) {
                    Some((key, title)) => {
                        read.key = Some(key.to_owned());
                        read.title = title.to_owned();
                        text.clone_into(&mut read.item);
                    }
                    // How a skill is to be worked by is beyond fixed rules.
                    None if text.contains("<skill name=") => {}
                    // What is told of pictures is nobody's request.
                    None if text.contains("<plane-data>") => {}
                    None => {
                        read.request.push_str(&without_author(text).to_lowercase());
                        read.request.push('\n');
                    }
                },
                // Text without calls ended an earlier turn.
                Message::Assistant(said) if said.calls.is_empty() => {
                    read.request.clear();
                    read.results.clear();
                    call_ids.clear();
                }
                Message::Assistant(said) => {
                    for call in &said.calls {
                        call_ids.push(call.id.clone());
                        read.results.push((call.name.clone(), None));
                    }
                }
                Message::Tool { call_id, text } => {
                    let at = call_ids.iter().rposition(|id| id == call_id);
                    if let Some((_, result)) = at.and_then(|at| read.results.get_mut(at)) {
                        *result = Some(text.clone());
                    }
                }
            }
        }
        read
    }

    pub(super) fn was_called(&self, tool: &str) -> bool {
        self.results.iter().any(|(name, _)| name == tool)
    }

    /// The last result of a tool in this turn, or an empty text.
    pub(super) fn result(&self, tool: &str) -> &str {
        self.results
            .iter()
            .rev()
            .find(|(name, _)| name == tool)
            .and_then(|(_, text)| text.as_deref())
            .unwrap_or_default()
    }

    /// The value of a line such as `Priority: high` among the work item's fields.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.item.lines().find_map(|line| {
            let line = line.trim_start_matches(['-', '*', ' ']);
            let (label, value) = line.split_once(':')?;
            (label.trim_matches('*') == name).then(|| value.trim_matches(['*', ' ']))
        })
    }

    /// What stands under a heading of the work item.
    pub(super) fn section(&self, heading: &str) -> String {
        section(&self.item, heading)
    }
}

/// The lines under `## heading`, without blank lines at the ends.
pub(super) fn section(markdown: &str, heading: &str) -> String {
    let lines = markdown.lines().skip_while(|line| line.strip_prefix("## ").map(str::trim) != Some(heading)).skip(1);
    let lines: Vec<&str> = lines.take_while(|line| !line.starts_with("## ") && !line.starts_with("</")).collect();
    lines.join("\n").trim().to_owned()
}

/// The texts of the list entries of `markdown`.
pub(super) fn bullets(markdown: &str) -> Vec<&str> {
    markdown.lines().filter_map(|line| line.strip_prefix("- ")).map(str::trim).collect()
}

/// `# MOB-3: Title` is the heading of a work item.
fn item_heading(line: &str) -> Option<(&str, &str)> {
    let (key, title) = line.strip_prefix("# ")?.split_once(": ")?;
    let (project, number) = key.rsplit_once('-')?;
    let is_key = !project.is_empty() && project.chars().all(char::is_alphanumeric) && number.parse::<u64>().is_ok();
    is_key.then(|| (key, title.trim()))
}

/// A person's message may open with `@maya writes:`.
fn without_author(text: &str) -> &str {
    match text.split_once(" writes:\n") {
        Some((author, said)) if !author.contains('\n') => said,
        Some(_) | None => text,
    }
}
