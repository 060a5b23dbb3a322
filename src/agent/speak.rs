//! Puts a turn's ending into the words of its one terminal activity.

use serde_json::json;

use super::{
    Limits, card,
    journal::{Bound, Failure},
    polish,
    prompts::{PromptError, Prompts, nothing},
    question::{Kind, Question},
    step::Ending,
};
use crate::domain::{
    activity::{Draft, Saying},
    ids::StepKey,
};

/// Longest answer in characters; Plane documents no limit, and beyond this nobody reads a comment.
const ANSWER_LIMIT_CHARS: usize = 20_000;

/// Where work items are found, and which keys are known to be some.
pub(super) struct Links<'a> {
    pub(super) browse: Option<&'a str>,
    pub(super) is_known: &'a dyn Fn(&str) -> bool,
}

/// The terminal activity of an ending, with its work items linked.
pub(super) fn compose_linked(
    prompts: &Prompts,
    limits: Limits,
    ending: &Ending,
    key: StepKey,
    done: &[String],
    links: &Links<'_>,
) -> Draft {
    let mut draft = compose(prompts, limits, ending, key, done);
    if !is_card(ending) {
        // A card is ours, word for word, and what it shows would be refused before if it repeated our rules.
        polish::withhold_rules(prompts.rules(), &mut draft.saying);
    }
    if let (Some(browse), Saying::Response { body } | Saying::Elicitation { body, .. }) =
        (links.browse, &mut draft.saying)
    {
        *body = polish::link_keys(body, browse, links.is_known);
    }
    draft
}

/// The terminal activity of an ending. `done` is what the turn has changed: one that ends before its time
/// says so.
pub(super) fn compose(prompts: &Prompts, limits: Limits, ending: &Ending, key: StepKey, done: &[String]) -> Draft {
    let saying = match ending {
        Ending::Answer { text, unmade: true, .. } => Saying::Response { body: unmade(prompts, text, done) },
        Ending::Answer { text, cut: false, .. } if polish::is_raw_data(text) => {
            Saying::Response { body: polish::fenced(text) }
        }
        Ending::Answer { text, cut: false, .. } => Saying::Response { body: text.clone() },
        Ending::Answer { text, cut: true, .. } => {
            Saying::Response { body: or_plain(prompts.render("cut_answer.md", json!({ "text": text })), text) }
        }
        Ending::Bounded { bound, best, unmade: true } => {
            Saying::Response { body: bounded(prompts, limits, *bound, &unmade(prompts, best, done)) }
        }
        Ending::Bounded { bound, best, unmade: false } => {
            Saying::Response { body: bounded(prompts, limits, *bound, best) }
        }
        Ending::Stopped => Saying::Response { body: or_plain(prompts.render("stopped.md", nothing()), "Stopped.") },
        Ending::Question(question @ Question { kind: Kind::Approval(approval), .. }) => {
            let body = or_plain(prompts.render("approval.md", card::values(approval)), &card::plain(approval));
            Saying::Elicitation { body, ask: question.ask() }
        }
        Ending::Question(question) => {
            let values = json!({
                "question": question.text,
                "options": question.options(),
                "several": question.takes_several(),
            });
            let body = or_plain(prompts.render("question.md", values), &question.text);
            let body = if question.unmade { unmade(prompts, &body, done) } else { body };
            Saying::Elicitation { body, ask: question.ask() }
        }
        Ending::Failed(failure) => error(prompts, failure, !done.is_empty()),
    };
    // A card keeps within bounds of its own: what it does not show must not be approved.
    let saying = if is_card(ending) { saying } else { within_limit(saying) };
    let mut draft = Draft { key, saying, detail: None };
    let early = matches!(ending, Ending::Failed(_) | Ending::Bounded { .. } | Ending::Stopped);
    if early && !done.is_empty() {
        let plain = format!("Done before that: {}", done.join(", "));
        add(&mut draft, &or_plain(prompts.render("done.md", json!({ "changes": done })), &plain));
    }
    draft
}

/// Whether it asks a person to approve changes.
fn is_card(ending: &Ending) -> bool {
    matches!(ending, Ending::Question(Question { kind: Kind::Approval(_), .. }))
}

/// Tells of changes that may have been made before the turn was cut short.
pub(super) fn add_what_is_unsure(prompts: &Prompts, draft: &mut Draft, unsure: &[String]) {
    if unsure.is_empty() {
        return;
    }
    let plain = format!("It is unknown whether this was still done: {}", unsure.join(", "));
    let told = or_plain(prompts.render("unsure.md", json!({ "changes": unsure })), &plain);
    add(draft, &told);
}

fn add(draft: &mut Draft, text: &str) {
    match &mut draft.saying {
        Saying::Response { body } | Saying::Error { body, .. } | Saying::Elicitation { body, .. } => {
            body.push_str("\n\n");
            body.push_str(text);
        }
        Saying::Thought { .. } | Saying::Action { .. } => {}
    }
}

/// An answer that tells of a change nobody made, with a note that says so.
fn unmade(prompts: &Prompts, text: &str, done: &[String]) -> String {
    or_plain(prompts.render("unmade.md", json!({ "text": text, "changes": done })), text)
}

fn bounded(prompts: &Prompts, limits: Limits, bound: Bound, best: &str) -> String {
    let bound = match bound {
        Bound::Steps => "steps",
        Bound::WallTime => "time",
        Bound::RunBudget => "run_budget",
        Bound::WorkspaceBudget => "workspace_budget",
        Bound::DayBudget => "day_budget",
        Bound::OtherBot => "other_bot",
        Bound::MaybeBot => "maybe_bot",
    };
    let values = json!({
        "best": best,
        "bound": bound,
        "max_steps": limits.max_steps,
        "max_minutes": limits.max_turn.as_secs().div_ceil(60),
    });
    or_plain(prompts.render("bounded.md", values), best)
}

fn error(prompts: &Prompts, failure: &Failure, changed: bool) -> Saying {
    let code = failure.code.as_str();
    let values = json!({ "code": code, "detail": failure.detail, "changed": changed });
    let body = or_plain(prompts.render("error.md", values), "Something went wrong and I had to give up on this turn.");
    Saying::Error { body, code: code.to_owned(), retryable: failure.code.retryable() }
}

/// A prompt that fails at this point must not cost the person the answer.
fn or_plain(rendered: Result<String, PromptError>, plain: &str) -> String {
    rendered.unwrap_or_else(|error| {
        tracing::error!(%error, "a prompt failed; plain words are used instead");
        if plain.is_empty() { "I stopped at a limit before I had an answer.".to_owned() } else { plain.to_owned() }
    })
}

fn within_limit(mut saying: Saying) -> Saying {
    match &mut saying {
        Saying::Response { body } | Saying::Elicitation { body, .. } | Saying::Error { body, .. } => {
            if let Some((at, _)) = body.char_indices().nth(ANSWER_LIMIT_CHARS) {
                let more = body[at..].chars().count();
                body.truncate(at);
                body.push_str(&format!("\n\n[… {more} more characters were cut]"));
            }
        }
        Saying::Thought { .. } | Saying::Action { .. } => {}
    }
    saying
}
