//! What a run has changed in Plane, read from its journal: what was done, who asked, who approved.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{
    card,
    journal::{Entry, Said},
};
use crate::{
    domain::write::{PlannedWrite, Receipt},
    tools::describe::shortened,
};

/// Most of a text that is told.
const TEXT_CHARS: usize = 200;

/// One change the run has begun.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Counts the run's changes from 1, in the order they were begun.
    pub number: u32,
    /// The turn it was made in.
    pub turn: u32,
    pub at: Timestamp,
    /// The tool that was called.
    pub tool: String,
    /// Who asked for it, by handle where Plane tells.
    pub asked_by: Vec<String>,
    /// Who approved it, where somebody was asked.
    pub approved_by: Option<String>,
    pub planned: PlannedWrite,
    /// Why the model wanted it, in its words.
    pub reason: Option<String>,
    /// The change it takes back.
    pub undoes: Option<u32>,
    pub outcome: Outcome,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Plane has taken it, or had been overtaken; the receipt tells which.
    Settled(Box<Receipt>),
    /// It was not made, for this reason in the words for the model.
    NotMade(String),
    /// It may or may not have happened.
    Unknown,
}

impl Change {
    /// The beginning of the text that it writes; empty where there is none, or where what it changes tells it.
    #[must_use]
    pub fn text(&self) -> String {
        let text = if self.planned.changes.is_empty() { card::text(&self.planned, usize::MAX) } else { String::new() };
        shortened(&text, TEXT_CHARS)
    }

    /// The receipt of what was done.
    #[must_use]
    pub fn receipt(&self) -> Option<&Receipt> {
        match &self.outcome {
            Outcome::Settled(receipt) => Some(receipt),
            Outcome::NotMade(_) | Outcome::Unknown => None,
        }
    }
}

/// Reads a whole journal.
#[must_use]
pub fn of_journal(entries: impl IntoIterator<Item = Entry>) -> Vec<Change> {
    let mut reading = Reading::default();
    for entry in entries {
        reading.take(entry);
    }
    reading.changes
}

#[derive(Default)]
struct Reading {
    changes: Vec<Change>,
    turn: u32,
    /// Who speaks in the turn.
    speakers: Vec<String>,
    /// The tool and the arguments of every call, by its id; calls of other turns may have the same.
    calls: HashMap<String, Call>,
    /// By call, who asked for what waits for a word.
    proposed: HashMap<String, Vec<String>>,
    approver: Option<String>,
    /// By call, the change that is under way.
    open: HashMap<String, usize>,
}

#[derive(Clone)]
struct Call {
    tool: String,
    reason: Option<String>,
    /// The change that a part of an undoing takes back.
    undoes: Option<u32>,
}

impl Reading {
    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Opened { turn, prompts, entitled, .. } => {
                self.turn = turn.unwrap_or(self.turn + 1);
                self.speakers = prompts.iter().map(name).collect();
                self.approver = prompts.first().map(name).filter(|_| entitled);
            }
            Entry::Steered { prompts } => self.speakers.extend(prompts.iter().map(name)),
            Entry::Answered { message, .. } => {
                for call in message.calls {
                    let known = Call { reason: super::approval::reason(&call), tool: call.name, undoes: None };
                    self.calls.insert(call.id, known);
                }
            }
            Entry::Unfolded { call_id, changes, .. } => {
                let Some(whole) = self.calls.get(&call_id).cloned() else { return };
                for number in changes {
                    let part = Call { undoes: Some(number), ..whole.clone() };
                    self.calls.insert(super::session::part_id(&call_id, number), part);
                }
            }
            Entry::WriteProposed { call_id, .. } => drop(self.proposed.insert(call_id, self.speakers.clone())),
            Entry::WriteIntended { at, call_id, write, .. } => self.begin(at, &call_id, write),
            Entry::ToolDone { call_id, text, receipt, unknown, .. } => {
                let outcome = match receipt {
                    Some(receipt) => Outcome::Settled(Box::new(receipt)),
                    None if unknown => Outcome::Unknown,
                    None => Outcome::NotMade(text),
                };
                self.end(&call_id, outcome);
            }
            Entry::ContextRead { .. }
            | Entry::Compacted { .. }
            | Entry::Worded { .. }
            | Entry::SkillTaken { .. }
            | Entry::PictureRead { .. }
            | Entry::SignInAsked { .. }
            | Entry::BoundHit { .. }
            | Entry::Failed { .. }
            | Entry::Stopped
            | Entry::StopMoot
            | Entry::Recognised { .. }
            | Entry::PassedOver { .. }
            | Entry::Intended { .. }
            | Entry::Closed { .. } => {}
        }
    }

    fn begin(&mut self, at: Timestamp, call_id: &str, planned: PlannedWrite) {
        let call = self.calls.get(call_id).cloned();
        let asked_by = self.proposed.remove(call_id);
        self.changes.push(Change {
            number: u32::try_from(self.changes.len() + 1).unwrap_or(u32::MAX),
            turn: self.turn,
            at,
            tool: call.as_ref().map(|call| call.tool.clone()).unwrap_or_default(),
            approved_by: asked_by.is_some().then(|| self.approver.clone()).flatten(),
            asked_by: asked_by.unwrap_or_else(|| self.speakers.clone()),
            planned,
            reason: call.as_ref().and_then(|call| call.reason.clone()),
            undoes: call.and_then(|call| call.undoes),
            outcome: Outcome::Unknown,
        });
        self.open.insert(call_id.to_owned(), self.changes.len() - 1);
    }

    fn end(&mut self, call_id: &str, outcome: Outcome) {
        self.proposed.remove(call_id);
        if let Some(change) = self.open.remove(call_id).and_then(|at| self.changes.get_mut(at)) {
            change.outcome = outcome;
        }
    }
}

fn name(said: &Said) -> String {
    match (&said.author, said.by) {
        (Some(author), _) => author.clone(),
        (None, Some(by)) => by.to_string(),
        (None, None) => "somebody".to_owned(),
    }
}

/// The changes that can be taken back, newest first: those that were done, take nothing back themselves and
/// have not been taken back. `everything`: of the whole run, and not only of the last turn with any.
#[must_use]
pub fn to_take_back(changes: &[Change], everything: bool) -> Vec<&Change> {
    let gone: Vec<_> = changes.iter().filter(|change| change.receipt().is_some()).filter_map(|c| c.undoes).collect();
    let stands = |change: &&Change| {
        let done = change.receipt().is_some_and(Receipt::is_done);
        done && change.undoes.is_none() && !gone.contains(&change.number)
    };
    let standing: Vec<_> = changes.iter().filter(stands).collect();
    let last = standing.iter().map(|change| change.turn).max();
    standing.into_iter().rev().filter(|change| everything || Some(change.turn) == last).collect()
}

#[cfg(test)]
mod tests;
