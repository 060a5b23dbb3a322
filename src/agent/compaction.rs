//! Older turns in short: what a model is given to sum up, and the summary made without one.

use super::{
    context::look::shortened,
    fence::unfenced,
    session::{Conversation, Talk},
};
use crate::{domain::talk::Message, tools::describe};

/// Longest summary kept, in characters.
const SUMMARY_CHARS: usize = 6_000;
/// Longest single text given to be summed up.
const SAID_CHARS: usize = 4_000;
/// Longest whole given to be summed up: some 15,000 tokens. Beyond it the oldest gives way.
const TALK_CHARS: usize = 60_000;
/// What the summary made without a model keeps of what was said.
const ASKED_CHARS: usize = 200;
const ANSWERED_CHARS: usize = 300;
const EARLIER_SUMMARY_CHARS: usize = 2_000;

/// The turns up to this one as text, with what was summed up before them.
#[must_use]
pub fn transcript(conversation: Conversation<'_>, through_turn: u32) -> String {
    let mut lines = Vec::new();
    for talk in older(conversation, through_turn) {
        for message in &talk.messages {
            lines.extend(told(message));
        }
    }
    let dropped = fit_from_the_end(&mut lines, TALK_CHARS);
    let before =
        conversation.summary.map(|summary| format!("Before that, in short:\n{summary}\n\n")).unwrap_or_default();
    let left_out = if dropped > 0 { format!("[… {dropped} older messages]\n\n") } else { String::new() };
    unfenced(&format!("{before}{left_out}{}", lines.join("\n\n")))
}

/// A model's summary, cut to its length; `None` if it is none.
#[must_use]
pub fn accepted(summary: &str) -> Option<String> {
    let summary = summary.trim();
    (!summary.is_empty()).then(|| unfenced(&shortened(summary, SUMMARY_CHARS)))
}

/// A summary made without a model: who asked what and what was answered, the newest in full.
#[must_use]
pub fn mechanical(conversation: Conversation<'_>, through_turn: u32) -> String {
    let mut lines: Vec<String> = older(conversation, through_turn).map(exchange).collect();
    let before = conversation.summary.map(|summary| shortened(summary, EARLIER_SUMMARY_CHARS));
    let room = SUMMARY_CHARS - before.as_ref().map_or(0, |before| before.chars().count());
    let dropped = fit_from_the_end(&mut lines, room);
    if dropped > 0 {
        lines.insert(0, format!("- [… {dropped} older exchanges]"));
    }
    before.into_iter().chain(lines).collect::<Vec<_>>().join("\n")
}

fn older(conversation: Conversation<'_>, through_turn: u32) -> impl Iterator<Item = &Talk> {
    conversation.talks.iter().filter(move |talk| talk.turn <= through_turn)
}

/// Drops the oldest until the rest fits; how many those were.
fn fit_from_the_end(lines: &mut Vec<String>, limit_chars: usize) -> usize {
    let mut length = 0;
    let kept = lines.iter().rev().take_while(|line| {
        length += line.chars().count() + 1;
        length <= limit_chars
    });
    let dropped = lines.len() - kept.count();
    lines.drain(..dropped);
    dropped
}

/// One message in words. Results of tools are left out: what mattered of them is in the answers.
fn told(message: &Message) -> Option<String> {
    match message {
        Message::System { .. } => None,
        Message::User { text } => Some(shortened(text, SAID_CHARS)),
        Message::Tool { .. } | Message::Picture { .. } => None,
        Message::Assistant(reply) => {
            let mut words = Vec::new();
            if !reply.text.trim().is_empty() {
                words.push(format!("You answered:\n{}", shortened(reply.text.trim(), SAID_CHARS)));
            }
            if !reply.calls.is_empty() {
                let calls: Vec<_> = reply.calls.iter().map(|call| call.name.as_str()).collect();
                words.push(format!("(You used {}.)", calls.join(", ")));
            }
            (!words.is_empty()).then(|| words.join("\n"))
        }
    }
}

fn exchange(talk: &Talk) -> String {
    let asked = talk.messages.iter().find_map(|message| match message {
        Message::User { text } => Some(describe::shortened(text, ASKED_CHARS)),
        // A reply to a question opens a turn as a result.
        Message::Tool { text, .. } => Some(describe::shortened(text, ASKED_CHARS)),
        Message::System { .. } | Message::Picture { .. } | Message::Assistant(_) => None,
    });
    let answered = talk.messages.iter().rev().find_map(|message| match message {
        Message::Assistant(reply) if !reply.text.trim().is_empty() => {
            Some(describe::shortened(reply.text.trim(), ANSWERED_CHARS))
        }
        Message::Assistant(_)
        | Message::System { .. }
        | Message::User { .. }
        | Message::Picture { .. }
        | Message::Tool { .. } => None,
    });
    match answered {
        Some(answered) => format!("- {} → you answered: {answered}", asked.unwrap_or_default()),
        None => format!("- {} → no answer", asked.unwrap_or_default()),
    }
}
