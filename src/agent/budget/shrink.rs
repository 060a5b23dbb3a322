//! The ways a part can give way. Each stops as soon as everything fits.

use std::cmp::Reverse;

use super::{Part, Place, weight::Weigher};
use crate::{
    agent::context::look::shortened,
    domain::talk::{Message, ToolOffer},
};

/// What remains of an old result.
const OLD_RESULT_CHARS: usize = 200;
/// Lengths the newest results are cut to, one after the other.
const NEWEST_RESULT_CHARS: [usize; 5] = [8_000, 4_000, 2_000, 800, 200];
const SUMMARY_CHARS: usize = 1_000;
const EARLIER_WORDS_CHARS: usize = 600;
/// Lengths the newest prompt is cut to.
const PROMPT_CHARS: [usize; 5] = [16_000, 8_000, 4_000, 2_000, 800];

/// The parts' weights and their limit.
pub(super) struct Scales<'a> {
    weigher: Weigher<'a>,
    weights: Vec<u64>,
    tools: u64,
    limit: u64,
}

impl<'a> Scales<'a> {
    pub(super) fn new(weigher: Weigher<'a>, parts: &[Part], tools: &[ToolOffer], limit: u64) -> Self {
        let weights = parts.iter().map(|part| weigher.message(&part.message)).collect();
        let tools = weigher.tools(tools);
        Self { weigher, weights, tools, limit }
    }

    pub(super) fn squeeze(&mut self) {
        self.limit = self.limit.min(self.total() / 5 * 3);
    }

    pub(super) fn total(&self) -> u64 {
        self.weights.iter().sum::<u64>() + self.tools
    }

    pub(super) fn fits(&self) -> bool {
        self.total() <= self.limit
    }

    pub(super) fn missing(&self) -> u64 {
        self.total().saturating_sub(self.limit)
    }

    pub(super) fn sum(&self, parts: &[Part], which: impl Fn(Place) -> bool) -> u64 {
        parts.iter().zip(&self.weights).filter(|(part, _)| which(part.place)).map(|(_, weight)| weight).sum()
    }

    pub(super) fn weigh_again(&mut self, parts: &[Part], which: impl Fn(Place) -> bool) {
        for (part, weight) in parts.iter().zip(&mut self.weights) {
            if which(part.place) {
                *weight = self.weigher.message(&part.message);
            }
        }
    }

    fn replace(&mut self, parts: &mut [Part], at: usize, message: Message) {
        if let (Some(part), Some(weight)) = (parts.get_mut(at), self.weights.get_mut(at)) {
            *weight = self.weigher.message(&message);
            part.message = message;
        }
    }

    fn remove(&mut self, parts: &mut Vec<Part>, at: usize) {
        parts.remove(at);
        self.weights.remove(at);
    }

    fn insert(&mut self, parts: &mut Vec<Part>, at: usize, part: Part) {
        self.weights.insert(at, self.weigher.message(&part.message));
        parts.insert(at, part);
    }
}

/// Takes out pictures: those of the work item before those the model asked for, the last one first.
pub(super) fn pictures(parts: &mut [Part], scales: &mut Scales<'_>) {
    let is_picture = |at: &usize| matches!(parts[*at].message, Message::Picture { .. });
    let first_step = parts.iter().position(|part| matches!(part.place, Place::Step(_))).unwrap_or(parts.len());
    let mut places: Vec<_> = (0..parts.len()).filter(is_picture).collect();
    places.sort_by_key(|at| (*at > first_step, Reverse(*at)));
    for at in places {
        if scales.fits() {
            return;
        }
        let gone = with_text(&parts[at].message, |caption| format!("{caption}\n[left out to save space]"));
        scales.replace(parts, at, gone);
    }
}

/// Takes out what is told of pictures, where not even that has room.
pub(super) fn words_of_pictures(parts: &mut Vec<Part>, scales: &mut Scales<'_>) {
    while !scales.fits()
        && let Some(at) = parts.iter().rposition(|part| part.place == Place::Picture)
    {
        scales.remove(parts, at);
    }
}

/// Cuts results the model has had time to use, the oldest first.
pub(super) fn old_results(parts: &mut [Part], scales: &mut Scales<'_>) {
    let newest = newest_step(parts);
    for at in 0..parts.len() {
        if scales.fits() {
            return;
        }
        let is_old = match parts[at].place {
            Place::Older(_) => true,
            Place::Step(step) => step < newest,
            Place::Fixed | Place::Summary | Place::Look | Place::Picture | Place::Prompt => false,
        };
        if is_old {
            let whole = parts[at].message.clone();
            cut_result(parts, scales, at, &whole, OLD_RESULT_CHARS);
        }
    }
}

pub(super) fn newest_results(parts: &mut [Part], scales: &mut Scales<'_>) {
    let newest = newest_step(parts);
    let whole = parts.to_vec();
    for limit in NEWEST_RESULT_CHARS {
        for (at, part) in whole.iter().enumerate().filter(|(_, part)| part.place == Place::Step(newest)) {
            if scales.fits() {
                return;
            }
            cut_result(parts, scales, at, &part.message, limit);
        }
    }
}

/// Takes out earlier steps of this turn, each with all its results, the oldest first.
pub(super) fn earlier_steps(parts: &mut Vec<Part>, scales: &mut Scales<'_>) {
    let newest = newest_step(parts);
    let mut note = None;
    for step in 1..newest {
        if scales.fits() {
            return;
        }
        let Some(first) = parts.iter().position(|part| part.place == Place::Step(step)) else { continue };
        while let Some(at) = parts.iter().position(|part| part.place == Place::Step(step)) {
            scales.remove(parts, at);
        }
        let text = format!("[{step} earlier steps of yours in this turn are left out here to save space]");
        let message = Message::User { text };
        match note {
            Some(at) => scales.replace(parts, at, message),
            None => {
                scales.insert(parts, first, Part { message, place: Place::Fixed });
                note = Some(first);
            }
        }
    }
}

/// Cuts the summary and what people said, the newest prompt last and only in its middle.
pub(super) fn words(parts: &mut [Part], scales: &mut Scales<'_>) {
    let newest = parts.iter().rposition(|part| part.place == Place::Prompt);
    for at in 0..parts.len() {
        if scales.fits() {
            return;
        }
        let limit = match parts[at].place {
            Place::Summary => SUMMARY_CHARS,
            Place::Prompt if Some(at) != newest => EARLIER_WORDS_CHARS,
            Place::Fixed | Place::Older(_) | Place::Look | Place::Picture | Place::Prompt | Place::Step(_) => continue,
        };
        let cut = with_text(&parts[at].message, |text| shortened(text, limit));
        scales.replace(parts, at, cut);
    }
    let Some(newest) = newest else { return };
    let whole = parts[newest].message.clone();
    for limit in PROMPT_CHARS {
        if scales.fits() {
            return;
        }
        let cut = with_text(&whole, |text| without_middle(text, limit));
        scales.replace(parts, newest, cut);
    }
}

fn newest_step(parts: &[Part]) -> u32 {
    let step = |part: &Part| match part.place {
        Place::Step(step) => Some(step),
        Place::Fixed | Place::Summary | Place::Older(_) | Place::Look | Place::Picture | Place::Prompt => None,
    };
    parts.iter().filter_map(step).max().unwrap_or(0)
}

fn cut_result(parts: &mut [Part], scales: &mut Scales<'_>, at: usize, whole: &Message, limit: usize) {
    let Message::Tool { call_id, text } = whole else { return };
    let Some((end, _)) = text.char_indices().nth(limit) else { return };
    let more = text[end..].chars().count();
    let text = format!(
        "{}\n[… {more} more characters are left out to save space; call the tool again if you need them]",
        text[..end].trim_end()
    );
    let message = Message::Tool { call_id: call_id.clone(), text };
    scales.replace(parts, at, message);
}

fn with_text(message: &Message, change: impl FnOnce(&str) -> String) -> Message {
    match message {
        Message::System { text } => Message::System { text: change(text) },
        // Without the picture its caption is all there is of it.
        Message::User { text } | Message::Picture { caption: text, .. } => Message::User { text: change(text) },
        Message::Tool { call_id, text } => Message::Tool { call_id: call_id.clone(), text: change(text) },
        Message::Assistant(reply) => Message::Assistant(reply.clone()),
    }
}

/// Text without its middle: what a long prompt is about stands at its beginning or at its end.
fn without_middle(text: &str, limit: usize) -> String {
    let length = text.chars().count();
    if length <= limit {
        return text.to_owned();
    }
    let (head, tail) = (limit / 2, limit - limit / 2);
    let at = |place: usize| text.char_indices().nth(place).map_or(text.len(), |(at, _)| at);
    let (head_end, tail_start) = (at(head), at(length - tail));
    format!("{}\n[… {} characters left out …]\n{}", &text[..head_end], length - limit, &text[tail_start..])
}
