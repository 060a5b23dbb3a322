//! How a tool call is told to people: "Searched work items: 'login timeout' → 4 found".

use super::describe::shortened;

/// Longest part shown of what a call is about.
const ABOUT_CHARS: usize = 80;

/// A call in words, without its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// While it is under way, such as "Searching work items".
    pub doing: &'static str,
    /// Once it is done, such as "Searched work items".
    pub done: &'static str,
    /// What it is about and how that is called, such as a query; never an id.
    pub about: Option<(&'static str, String)>,
}

impl Told {
    #[must_use]
    pub fn new(doing: &'static str, done: &'static str) -> Self {
        Self { doing, done, about: None }
    }

    /// Says what the call is about. An id says nothing to people and is left out.
    #[must_use]
    pub fn about(mut self, what: &'static str, text: impl AsRef<str>) -> Self {
        let text = text.as_ref().trim();
        if !text.is_empty() && uuid::Uuid::try_parse(text).is_err() {
            self.about = Some((what, shortened(text, ABOUT_CHARS)));
        }
        self
    }
}
