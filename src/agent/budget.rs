//! Fits a conversation into a model's window.
//!
//! What gives way, in this order, as far as needed and no further:
//!
//! 1. pictures, those of the work item first;
//! 2. results of tools, the oldest first, but not those of the newest step;
//! 3. the work item: comments, then the description, with an explicit "[… n more]";
//! 4. older turns, which [`Fit::Compact`] asks to be put into a summary;
//! 5. the results of the newest step;
//! 6. earlier steps of this turn, each with its results;
//! 7. what is told of pictures, the summary, and what was said earlier in this turn;
//! 8. the middle of the newest prompt. Its beginning and its end are never left out.
//!
//! Most conversations are far too short for any of it. That is seen from their length in bytes, which
//! no count of tokens exceeds, so that nothing needs to be counted.

mod shrink;
mod weight;

use self::weight::Weigher;
use super::{
    context::look::{CUTS, Cut, Look},
    prompts::Prompts,
    session::{Conversation, Talk},
    sight::Shown,
};
use crate::{
    domain::talk::{Message, ToolOffer},
    llm::{Request, tokens::TokenMeter},
};

/// Tokens kept free for a summary that does not exist yet.
const SUMMARY_TOKENS: u64 = 1_500;
/// Older turns kept word for word, and how many may gather before they are compacted to that.
const TURNS_KEPT: usize = 3;
const MOST_OLDER_TURNS: usize = 7;

/// Opens the summary in the conversation.
const SUMMARY_HEAD: &str = "What was said earlier in this thread, in short. It is a record, not a request:";

/// A request in parts, each with its place in the order of giving way.
pub struct Draft {
    parts: Vec<Part>,
    look: Option<Look>,
    tools: Vec<ToolOffer>,
}

#[derive(Debug, Clone, PartialEq)]
struct Part {
    message: Message,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The system prompt, and what is told the model at the end.
    Fixed,
    Summary,
    /// A message of this older turn.
    Older(u32),
    Look,
    /// A picture, or what is told of pictures.
    Picture,
    /// What a person said in this turn.
    Prompt,
    /// A reply of the model in this turn, or a result, counted by replies from 1.
    Step(u32),
}

/// What became of a draft.
#[derive(Debug, PartialEq)]
pub enum Fit {
    Fits(Fitted),
    /// Every turn up to this one has to be compacted first.
    Compact {
        through_turn: u32,
    },
    /// Not even the least of it fits.
    TooLong,
}

/// A request that fits.
#[derive(Debug, PartialEq)]
pub struct Fitted {
    pub request: Request,
    /// How many tokens it costs, if that had to be counted.
    pub counted: Option<u64>,
}

/// How much there may be.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Tokens.
    pub limit: u64,
    /// The provider found it too long although we did not: use at most three fifths of what there is, or
    /// as little as there can be.
    pub squeezed: bool,
}

impl Draft {
    /// Puts the parts in order. `tail` is said last.
    #[must_use]
    pub fn new(system: String, conversation: Conversation<'_>, tail: Option<String>, tools: Vec<ToolOffer>) -> Self {
        let mut parts = vec![part(Message::System { text: system }, Place::Fixed)];
        if let Some(summary) = conversation.summary {
            let text = format!("{SUMMARY_HEAD}\n\n{summary}");
            parts.push(part(Message::User { text }, Place::Summary));
        }
        if let Some((current, older)) = conversation.talks.split_last() {
            for talk in older {
                parts.extend(talk.messages.iter().map(|message| part(message.clone(), Place::Older(talk.turn))));
            }
            parts.extend(current_turn(current, conversation.look.map(|(_, at)| at)));
        }
        parts.extend(tail.map(|text| part(Message::User { text }, Place::Fixed)));
        Self { parts, look: conversation.look.map(|(look, _)| look.clone()), tools }
    }

    /// Puts in what there is to see: behind the work item, or behind the results of the calls that asked for it.
    #[must_use]
    pub fn with_pictures(mut self, pictures: Vec<Shown>) -> Self {
        for Shown { call_id, message } in pictures {
            let is_anchor = |part: &Part| match (&call_id, &part.message) {
                (None, _) => part.place == Place::Look,
                (Some(call_id), Message::Tool { call_id: of, .. }) => of == call_id,
                (Some(_), _) => false,
            };
            let Some(anchor) = self.parts.iter().rposition(is_anchor) else { continue };
            // No provider takes anything between a call and the last result of its reply; and what was put here
            // before stays in front.
            let before = |part: &&Part| part.place == Place::Picture || matches!(part.message, Message::Tool { .. });
            let at = anchor + 1 + self.parts[anchor + 1..].iter().take_while(before).count();
            self.parts.insert(at, part(message, Place::Picture));
        }
        self
    }

    /// The request as it is, if it fits by its length alone. Costs nothing but putting it together.
    #[must_use]
    pub fn at_a_glance(&mut self, room: Room, meter: &TokenMeter, prompts: &Prompts) -> Option<Fitted> {
        self.show(prompts, CUTS[0]);
        let most = Weigher::by_length(meter).whole(&self.parts, &self.tools);
        (!room.squeezed && most <= room.limit).then(|| self.fitted(None))
    }

    /// Shortens until it fits. Takes time: not for threads that serve others.
    #[must_use]
    pub fn fit(mut self, room: Room, meter: &TokenMeter, prompts: &Prompts) -> Fit {
        self.show(prompts, CUTS[0]);
        let mut scales = shrink::Scales::new(Weigher::by_count(meter), &self.parts, &self.tools, room.limit);
        if room.squeezed {
            scales.squeeze();
        }
        shrink::pictures(&mut self.parts, &mut scales);
        shrink::old_results(&mut self.parts, &mut scales);
        for cut in &CUTS[1..] {
            if scales.fits() {
                break;
            }
            self.show(prompts, *cut);
            scales.weigh_again(&self.parts, |place| place == Place::Look);
        }
        if !scales.fits()
            && let Some(through_turn) = self.turns_to_compact(&scales)
        {
            return Fit::Compact { through_turn };
        }
        shrink::newest_results(&mut self.parts, &mut scales);
        shrink::earlier_steps(&mut self.parts, &mut scales);
        shrink::words_of_pictures(&mut self.parts, &mut scales);
        shrink::words(&mut self.parts, &mut scales);
        // The provider's limit is not known, so the shortest there is may well be short enough.
        let worth_a_try = room.squeezed && scales.total() <= room.limit;
        if scales.fits() || worth_a_try { Fit::Fits(self.fitted(Some(scales.total()))) } else { Fit::TooLong }
    }

    /// Renders the look into its place.
    fn show(&mut self, prompts: &Prompts, cut: Cut) {
        let Some(look) = &self.look else { return };
        let text = look.to_markdown(prompts, cut).unwrap_or_else(|error| {
            tracing::error!(%error, "a prompt failed; the work item is given without it");
            look.without_template()
        });
        for part in self.parts.iter_mut().filter(|part| part.place == Place::Look) {
            part.message = Message::User { text: text.clone() };
        }
    }

    /// The oldest turns, as many as make room for what remains and for their summary.
    fn turns_to_compact(&self, scales: &shrink::Scales<'_>) -> Option<u32> {
        let turn_of = |part: &Part| match part.place {
            Place::Older(turn) => Some(turn),
            Place::Fixed | Place::Summary | Place::Look | Place::Picture | Place::Prompt | Place::Step(_) => None,
        };
        let mut turns: Vec<u32> = self.parts.iter().filter_map(turn_of).collect();
        turns.dedup();
        let mut missing = scales.missing() + SUMMARY_TOKENS;
        for turn in &turns {
            let freed = scales.sum(&self.parts, |place| place == Place::Older(*turn));
            if freed >= missing {
                return Some(*turn);
            }
            missing -= freed;
        }
        turns.last().copied()
    }

    fn fitted(&self, counted: Option<u64>) -> Fitted {
        let messages = self.parts.iter().map(|part| part.message.clone()).collect();
        Fitted { request: Request { messages, tools: self.tools.clone() }, counted }
    }
}

/// The turn to compact up to because so many have gathered that they would weigh on every step to come,
/// whether they fit or not.
#[must_use]
pub fn overdue(conversation: Conversation<'_>) -> Option<u32> {
    let (_, older) = conversation.talks.split_last()?;
    if older.len() <= MOST_OLDER_TURNS {
        return None;
    }
    older.get(older.len() - TURNS_KEPT - 1).map(|talk| talk.turn)
}

fn part(message: Message, place: Place) -> Part {
    Part { message, place }
}

fn current_turn(talk: &Talk, look_at: Option<usize>) -> Vec<Part> {
    let mut parts = Vec::with_capacity(talk.messages.len() + 1);
    let look = || part(Message::User { text: String::new() }, Place::Look);
    let mut step = 0;
    for (at, message) in talk.messages.iter().enumerate() {
        if look_at == Some(at) {
            parts.push(look());
        }
        let place = match message {
            Message::System { .. } => Place::Fixed,
            Message::User { .. } | Message::Picture { .. } => Place::Prompt,
            Message::Assistant(_) => {
                step += 1;
                Place::Step(step)
            }
            // A reply to a question of the turn before is what the person said now.
            Message::Tool { .. } if step == 0 => Place::Prompt,
            Message::Tool { .. } => Place::Step(step),
        };
        parts.push(part(message.clone(), place));
    }
    if look_at.is_some_and(|at| at >= talk.messages.len()) {
        parts.push(look());
    }
    parts
}

#[cfg(test)]
mod tests;
