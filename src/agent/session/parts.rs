//! Calls that came to be several changes: each of those is a call of its own, and the model sees one result.

use std::collections::BTreeMap;

use super::transcript::WITHHELD;

/// Between a call's id and the number of a part of it.
const MARK: char = '#';

/// The id of the part of a call that is about this change.
pub(in crate::agent) fn part_id(call_id: &str, number: u32) -> String {
    format!("{call_id}{MARK}{number}")
}

/// What came so far of the parts of such calls, by the id of the whole.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parts(BTreeMap<String, Told>);

#[derive(Debug, Clone, PartialEq)]
struct Told {
    texts: Vec<String>,
    /// Whether one of them looked into another project.
    elsewhere: bool,
}

/// What the model is told of a call.
pub(super) struct CallResult {
    pub(super) call_id: String,
    pub(super) text: String,
    pub(super) elsewhere: bool,
}

impl Parts {
    /// `note` is told besides what comes of the parts; `elsewhere`: it is about another project.
    pub(super) fn unfold(&mut self, call_id: &str, (note, elsewhere): (String, bool)) {
        let texts = if note.is_empty() { Vec::new() } else { vec![note] };
        self.0.insert(call_id.to_owned(), Told { texts, elsewhere });
    }

    pub(super) fn is_whole(&self, call_id: &str) -> bool {
        self.0.contains_key(call_id)
    }

    /// The call that a part belongs to.
    pub(super) fn whole_of(&self, call_id: &str) -> Option<String> {
        let (whole, _) = call_id.rsplit_once(MARK)?;
        self.is_whole(whole).then(|| whole.to_owned())
    }

    /// A part looked into another project, which counts for the whole call. Says whether it is one.
    pub(super) fn looked_elsewhere(&mut self, call_id: &str) -> bool {
        let whole = self.whole_of(call_id).and_then(|whole| self.0.get_mut(&whole));
        whole.map(|told| told.elsewhere = true).is_some()
    }

    /// Adds what came of a part of this call.
    pub(super) fn add(&mut self, whole: &str, text: String) {
        if let Some(told) = self.0.get_mut(whole) {
            told.texts.push(text);
        }
    }

    /// The result of a whole call.
    pub(super) fn take(&mut self, whole: &str) -> Option<CallResult> {
        self.0.remove_entry(whole).map(CallResult::whole)
    }

    /// The results of all of them.
    pub(super) fn into_results(self) -> impl Iterator<Item = CallResult> {
        self.0.into_iter().map(CallResult::whole)
    }

    /// What was read in other projects is for nobody who has come since.
    pub(super) fn withhold_elsewhere(&mut self) {
        for told in self.0.values_mut().filter(|told| told.elsewhere) {
            *told = Told { texts: vec![WITHHELD.to_owned()], elsewhere: false };
        }
    }
}

impl CallResult {
    fn whole((call_id, told): (String, Told)) -> Self {
        Self { call_id, text: told.texts.join("\n\n"), elsewhere: told.elsewhere }
    }
}
