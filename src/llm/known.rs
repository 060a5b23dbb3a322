//! The models we know: one row each, found by id whatever prefix, date or suffix it carries.
//!
//! Windows and prices are the vendors' public list prices of November 2026 for requests of ordinary
//! length; they age. `[models.x]` overrides any of it.

use super::card::{ModelCard, Price, UNKNOWN};
use crate::config::{MaxTokensField, ReasoningStyle, SystemRole};

/// One model, or one family of them.
struct Row {
    /// The plain id. With `*` behind it every id that starts so is meant, which suits open models,
    /// whose names carry sizes and quantisations.
    id: &'static str,
    card: ModelCard,
}

const OPENAI: ModelCard = ModelCard {
    vision: true,
    system_role: SystemRole::System,
    max_tokens_field: MaxTokensField::MaxCompletionTokens,
    ..UNKNOWN
};
const OPENAI_REASONING: ModelCard = ModelCard {
    context_window: 400_000,
    max_output: 128_000,
    reasoning: ReasoningStyle::Effort,
    temperature: false,
    system_role: SystemRole::Developer,
    ..OPENAI
};
const O_SERIES: ModelCard =
    ModelCard { context_window: 200_000, max_output: 100_000, parallel_tools: false, ..OPENAI_REASONING };
const CLAUDE: ModelCard = ModelCard {
    context_window: 200_000,
    max_output: 64_000,
    vision: true,
    reasoning: ReasoningStyle::Budget,
    ..UNKNOWN
};
const CLAUDE_ADAPTIVE: ModelCard =
    ModelCard { context_window: 1_000_000, max_output: 128_000, reasoning: ReasoningStyle::Adaptive, ..CLAUDE };
const CLAUDE_NEW: ModelCard = ModelCard { temperature: false, ..CLAUDE_ADAPTIVE };
const GEMINI: ModelCard = ModelCard {
    context_window: 1_048_576,
    max_output: 65_536,
    vision: true,
    reasoning: ReasoningStyle::Effort,
    ..UNKNOWN
};
const GROK: ModelCard = ModelCard { context_window: 1_000_000, max_output: 64_000, vision: true, ..UNKNOWN };
const MISTRAL: ModelCard = ModelCard { context_window: 262_144, max_output: 32_768, vision: true, ..UNKNOWN };
const DEEPSEEK: ModelCard = ModelCard { context_window: 131_072, max_output: 8_192, ..UNKNOWN };
const OPEN: ModelCard = ModelCard { context_window: 32_768, max_output: 8_192, ..UNKNOWN };
const OPEN_LONG: ModelCard = ModelCard { context_window: 131_072, max_output: 16_384, ..UNKNOWN };

/// Input, output and cached input; writing to the cache costs as much as any input.
const fn usd(input: f64, output: f64, cached_input: f64) -> Option<Price> {
    Some(Price { input, output, cached_input, cache_write: input })
}

/// The same where writing to the cache has a price of its own.
const fn usd_write(input: f64, output: f64, cached_input: f64, cache_write: f64) -> Option<Price> {
    Some(Price { input, output, cached_input, cache_write })
}

const fn row(id: &'static str, price: Option<Price>, card: ModelCard) -> Row {
    Row { id, card: ModelCard { known_as: Some(id), price, ..card } }
}

const fn sized(card: ModelCard, context_window: u32, max_output: u32) -> ModelCard {
    ModelCard { context_window, max_output, ..card }
}

const fn blind(card: ModelCard) -> ModelCard {
    ModelCard { vision: false, ..card }
}

const fn reasoning(card: ModelCard) -> ModelCard {
    ModelCard { reasoning: ReasoningStyle::Effort, ..card }
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("gpt-3.5-turbo", usd(0.5, 1.5, 0.5), blind(sized(OPENAI, 16_385, 4_096))),
    row("gpt-4", usd(30.0, 60.0, 30.0), blind(sized(OPENAI, 8_192, 4_096))),
    row("gpt-4-turbo", usd(10.0, 30.0, 10.0), sized(OPENAI, 128_000, 4_096)),
    row("gpt-4o", usd(2.5, 10.0, 1.25), sized(OPENAI, 128_000, 16_384)),
    row("gpt-4o-mini", usd(0.15, 0.6, 0.075), sized(OPENAI, 128_000, 16_384)),
    row("gpt-4.1", usd(2.0, 8.0, 0.5), sized(OPENAI, 1_047_576, 32_768)),
    row("gpt-4.1-mini", usd(0.4, 1.6, 0.1), sized(OPENAI, 1_047_576, 32_768)),
    row("gpt-4.1-nano", usd(0.1, 0.4, 0.025), sized(OPENAI, 1_047_576, 32_768)),
    row("o1", usd(15.0, 60.0, 7.5), O_SERIES),
    row("o3", usd(2.0, 8.0, 0.5), O_SERIES),
    row("o3-mini", usd(1.1, 4.4, 0.55), blind(O_SERIES)),
    row("o3-pro", usd(20.0, 80.0, 20.0), O_SERIES),
    row("o4-mini", usd(1.1, 4.4, 0.275), O_SERIES),
    row("gpt-5", usd(1.25, 10.0, 0.125), OPENAI_REASONING),
    row("gpt-5-mini", usd(0.25, 2.0, 0.025), OPENAI_REASONING),
    row("gpt-5-nano", usd(0.05, 0.4, 0.005), OPENAI_REASONING),
    row("gpt-5-codex", usd(1.25, 10.0, 0.125), OPENAI_REASONING),
    row("gpt-5-pro", usd(15.0, 120.0, 15.0), sized(OPENAI_REASONING, 400_000, 272_000)),
    row("gpt-5-chat", usd(1.25, 10.0, 0.125), sized(OPENAI, 128_000, 16_384)),
    row("gpt-5.1", usd(1.25, 10.0, 0.125), OPENAI_REASONING),
    row("gpt-5.1-codex", usd(1.25, 10.0, 0.125), OPENAI_REASONING),
    row("gpt-5.2", usd(1.75, 14.0, 0.175), OPENAI_REASONING),
    row("gpt-5.2-codex", usd(1.75, 14.0, 0.175), OPENAI_REASONING),
    row("gpt-5.3-codex", usd(1.75, 14.0, 0.175), OPENAI_REASONING),
    row("gpt-5.4", usd(2.5, 15.0, 0.25), sized(OPENAI_REASONING, 1_050_000, 128_000)),
    row("gpt-5.4-mini", usd(0.75, 4.5, 0.075), OPENAI_REASONING),
    row("gpt-5.4-nano", usd(0.2, 1.25, 0.02), OPENAI_REASONING),
    row("gpt-5.5", usd(5.0, 30.0, 0.5), sized(OPENAI_REASONING, 1_050_000, 128_000)),
    row("gpt-5.6", usd_write(4.0, 20.0, 0.4, 5.0), sized(OPENAI_REASONING, 1_050_000, 128_000)),
    row("gpt-5.6-sol", usd_write(4.0, 20.0, 0.4, 5.0), sized(OPENAI_REASONING, 1_050_000, 128_000)),
    row("gpt-5.6-terra", usd_write(2.0, 12.0, 0.2, 2.5), sized(OPENAI_REASONING, 1_050_000, 128_000)),
    row("gpt-5.6-luna", usd_write(0.2, 1.2, 0.02, 0.25), sized(OPENAI_REASONING, 1_050_000, 128_000)),
    row("gpt-6-astra", usd_write(10.0, 50.0, 1.0, 12.5), sized(OPENAI_REASONING, 1_050_000, 128_000)),
    row("gpt-6-sol", usd_write(2.0, 10.0, 0.2, 2.5), sized(OPENAI_REASONING, 1_050_000, 128_000)),
    row("gpt-6-luna", usd_write(0.1, 0.5, 0.01, 0.125), sized(OPENAI_REASONING, 1_050_000, 128_000)),
    row("gpt-6.1-sol", usd_write(2.0, 10.0, 0.1, 2.5), sized(OPENAI_REASONING, 1_050_000, 128_000)),
    row("gpt-6.1-terra", usd_write(1.0, 5.0, 0.05, 1.25), sized(OPENAI_REASONING, 1_050_000, 128_000)),
    row("gpt-oss*", None, reasoning(OPEN_LONG)),

    row("claude-haiku-4-5", usd_write(1.0, 5.0, 0.1, 1.25), CLAUDE),
    row("claude-haiku-5-5", usd_write(0.1, 0.5, 0.01, 0.125), CLAUDE_NEW),
    row("claude-sonnet-4-5", usd_write(3.0, 15.0, 0.3, 3.75), CLAUDE),
    row("claude-sonnet-4-6", usd_write(3.0, 15.0, 0.3, 3.75), CLAUDE_ADAPTIVE),
    row("claude-sonnet-5", usd_write(2.0, 10.0, 0.2, 2.5), CLAUDE_NEW),
    row("claude-sonnet-5-5", usd_write(2.0, 10.0, 0.1, 2.5), CLAUDE_NEW),
    row("claude-opus-4-5", usd_write(5.0, 25.0, 0.5, 6.25), CLAUDE),
    row("claude-opus-4-6", usd_write(5.0, 25.0, 0.5, 6.25), CLAUDE_ADAPTIVE),
    row("claude-opus-4-7", usd_write(5.0, 25.0, 0.5, 6.25), CLAUDE_NEW),
    row("claude-opus-4-8", usd_write(5.0, 25.0, 0.5, 6.25), CLAUDE_NEW),
    row("claude-opus-5", usd_write(5.0, 25.0, 0.5, 6.25), CLAUDE_NEW),
    row("claude-opus-5-5", usd_write(4.0, 20.0, 0.2, 5.0), CLAUDE_NEW),
    row("claude-fable-5", usd_write(10.0, 50.0, 1.0, 12.5), CLAUDE_NEW),
    row("claude-fable-5-1", usd_write(10.0, 50.0, 0.25, 12.5), CLAUDE_NEW),
    row("claude-mythos-5", usd_write(10.0, 50.0, 1.0, 12.5), CLAUDE_NEW),
    row("claude-mythos-5-1", usd_write(10.0, 50.0, 0.25, 12.5), CLAUDE_NEW),

    row("gemini-2.5-pro", usd(1.25, 10.0, 0.125), GEMINI),
    row("gemini-2.5-flash", usd(0.3, 2.5, 0.03), GEMINI),
    row("gemini-2.5-flash-lite", usd(0.1, 0.4, 0.01), GEMINI),
    row("gemini-3-flash", usd(0.5, 3.0, 0.05), GEMINI),
    row("gemini-3.1-pro", usd(2.0, 12.0, 0.2), GEMINI),
    row("gemini-3.1-flash-lite", usd(0.25, 1.5, 0.025), GEMINI),
    row("gemini-3.5-flash", usd(1.5, 9.0, 0.15), GEMINI),
    row("gemini-3.5-flash-lite", usd(0.3, 2.5, 0.03), ModelCard { temperature: false, ..GEMINI }),
    row("gemini-3.6-flash", usd(0.75, 3.75, 0.075), ModelCard { temperature: false, ..GEMINI }),
    row("gemini-3.7-flash", usd(0.75, 3.75, 0.075), ModelCard { temperature: false, ..GEMINI }),
    row("gemini-3.8-flash", usd(0.75, 3.75, 0.075), ModelCard { temperature: false, ..GEMINI }),
    row("gemini-4-argon", usd(2.0, 10.0, 0.1), GEMINI),
    row("gemini-4-hydrogen", usd(1.5, 7.5, 0.075), GEMINI),

    row("grok-4.20*", usd(1.25, 2.5, 0.2), GROK),
    row("grok-4.3", usd(1.25, 2.5, 0.2), GROK),
    row("grok-4.5", usd(2.0, 6.0, 0.3), sized(GROK, 500_000, 64_000)),
    row("grok-4.6", usd(2.0, 6.0, 0.5), sized(GROK, 500_000, 64_000)),
    row("grok-4.7", usd(2.0, 6.0, 0.5), sized(GROK, 500_000, 64_000)),
    row("grok-code-fast*", usd(1.0, 2.0, 0.2), blind(sized(GROK, 256_000, 32_768))),

    row("deepseek-chat", usd(0.28, 0.42, 0.028), DEEPSEEK),
    // It reasons, and does not call functions.
    row("deepseek-reasoner", usd(0.28, 0.42, 0.028), ModelCard { tools: false, ..sized(DEEPSEEK, 131_072, 65_536) }),
    row("deepseek-v4-flash", usd(0.3, 1.2, 0.006), sized(DEEPSEEK, 1_000_000, 393_216)),
    row("deepseek-v4-pro", usd(1.32, 3.96, 0.044), sized(DEEPSEEK, 1_000_000, 393_216)),
    row("deepseek-r1*", None, ModelCard { tools: false, ..sized(DEEPSEEK, 65_536, 8_192) }),
    row("deepseek-v3*", None, DEEPSEEK),

    row("mistral-large", usd(0.5, 1.5, 0.05), MISTRAL),
    row("mistral-medium", usd(1.5, 7.5, 0.15), MISTRAL),
    row("mistral-small", usd(0.15, 0.6, 0.015), MISTRAL),
    row("magistral-medium", usd(1.5, 7.5, 0.15), MISTRAL),
    row("magistral-small", usd(0.15, 0.6, 0.015), MISTRAL),
    row("devstral-medium", usd(0.4, 2.0, 0.04), blind(MISTRAL)),
    row("devstral*", None, blind(OPEN_LONG)),
    row("codestral", usd(0.3, 0.9, 0.03), blind(sized(MISTRAL, 128_000, 32_768))),
    row("ministral*", None, OPEN_LONG),

    row("llama-3.1*", None, OPEN_LONG),
    row("llama3.1*", None, OPEN_LONG),
    row("llama-3.3*", None, OPEN_LONG),
    row("llama3.3*", None, OPEN_LONG),
    row("llama-4*", None, ModelCard { vision: true, ..OPEN_LONG }),
    row("llama4*", None, ModelCard { vision: true, ..OPEN_LONG }),
    row("llama3.2*", None, OPEN_LONG),
    row("qwen2.5*", None, OPEN),
    row("qwen3*", None, reasoning(OPEN)),
    row("gemma3*", None, ModelCard { vision: true, tools: false, ..OPEN_LONG }),
    row("gemma-3*", None, ModelCard { vision: true, tools: false, ..OPEN_LONG }),
    row("smollm2*", None, ModelCard { tools: false, ..sized(OPEN, 8_192, 2_048) }),
];

/// Words that may stand behind a known id without making it another model.
const SUFFIXES: &[&str] = &[
    "latest",
    "preview",
    "exp",
    "experimental",
    "beta",
    "free",
    "nitro",
    "floor",
    "online",
    "extended",
    "thinking",
    "v1",
    "v2",
    "fast",
    "high",
    "medium",
    "low",
    "reasoning",
];

/// The card of a model by its id at any provider; the longest row that fits.
pub(super) fn find(id: &str) -> Option<ModelCard> {
    let id = plain(id);
    let fitting = ROWS.iter().filter(|row| fits(row.id, &id));
    let mut card = fitting.max_by_key(|row| row.id.trim_end_matches('*').len())?.card.clone();
    // OpenRouter's way to say that it costs nothing.
    if id.ends_with(":free") {
        card.price = usd(0.0, 0.0, 0.0);
    }
    Some(card)
}

/// The id in lower case, without what gateways and clouds put before it. A fine-tuned model goes by its
/// base's: `ft:gpt-4o-mini:org::id`.
pub(super) fn plain(id: &str) -> String {
    let id = id.trim().to_ascii_lowercase();
    let rest = id.rsplit('/').next().unwrap_or(&id);
    let mut rest = rest.strip_prefix("ft:").unwrap_or(rest);
    // Bedrock: `us.anthropic.claude-…`. No model's own name begins with a word and a dot.
    while let Some((vendor, after)) = rest.split_once('.') {
        if vendor.is_empty() || after.is_empty() || !vendor.chars().all(|c| c.is_ascii_alphabetic()) {
            break;
        }
        rest = after;
    }
    // Some write a Claude's version with a dot, others with a dash.
    if rest.starts_with("claude") { rest.replace('.', "-") } else { rest.to_owned() }
}

fn fits(row: &str, id: &str) -> bool {
    if let Some(family) = row.strip_suffix('*') {
        return id.starts_with(family);
    }
    let Some(rest) = id.strip_prefix(row) else {
        return false;
    };
    // Whatever stands behind a colon is a tag of the server's.
    let (rest, _tag) = rest.split_once(':').unwrap_or((rest, ""));
    if !rest.is_empty() && !rest.starts_with(['-', '@', '_']) {
        return false;
    }
    // A date comes in one piece or several; a single digit would be another version.
    let is_date = |part: &str| part.len() >= 2 && part.chars().all(|c| c.is_ascii_digit());
    rest.split(['-', '@', '_']).filter(|part| !part.is_empty()).all(|part| is_date(part) || SUFFIXES.contains(&part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_whatever_is_put_around_it() {
        for (id, row) in [
            ("gpt-4.1", Some("gpt-4.1")),
            ("openai/gpt-4.1-mini-2025-04-14", Some("gpt-4.1-mini")),
            ("gpt-4-0613", Some("gpt-4")),
            ("gpt-5-mini", Some("gpt-5-mini")),
            ("gpt-5.4-2026-03-05", Some("gpt-5.4")),
            ("openrouter/openai/gpt-5.2:nitro", Some("gpt-5.2")),
            ("ft:gpt-4o-mini:org::id", Some("gpt-4o-mini")),
            ("openai/FT:gpt-4.1-2025-04-14:org.name::id", Some("gpt-4.1")),
            ("claude-sonnet-4-5-20250929", Some("claude-sonnet-4-5")),
            ("anthropic/claude-sonnet-4.5", Some("claude-sonnet-4-5")),
            ("us.anthropic.claude-opus-4-6-v1:0", Some("claude-opus-4-6")),
            ("claude-sonnet-4-5@20250929", Some("claude-sonnet-4-5")),
            ("models/gemini-2.5-flash-preview-09-2025", Some("gemini-2.5-flash")),
            ("models/gemini-2.5-flash-lite", Some("gemini-2.5-flash-lite")),
            ("google/gemini-3.1-pro-preview", Some("gemini-3.1-pro")),
            ("Qwen/Qwen3-32B-AWQ", Some("qwen3*")),
            ("qwen3:8b", Some("qwen3*")),
            ("llama3.1:8b-instruct-q4_K_M", Some("llama3.1*")),
            ("mistral-small-latest", Some("mistral-small")),
            ("mistral-large-2512", Some("mistral-large")),
            ("grok-4.20-0309-reasoning", Some("grok-4.20*")),
            // Another model is not taken for the one whose name it extends.
            ("gpt-5.9", None),
            ("gpt-4.1-turbo", None),
            ("claude-opus-4-9", None),
            ("gpt-4o-audio-preview", None),
            ("o1-pro", None),
            ("gpt-5.1-chat-latest", None),
            ("", None),
            ("gpt-", None),
        ] {
            assert_eq!(find(id).and_then(|card| card.known_as), row, "{id}");
        }
    }

    #[test]
    fn what_is_free_costs_nothing() {
        let price = |id: &str| find(id).and_then(|card| card.price).map(|price| price.input);
        assert_eq!((price("openai/gpt-4.1:free"), price("openai/gpt-4.1")), (Some(0.0), Some(2.0)));
    }

    #[test]
    fn the_table_makes_sense() {
        for row in ROWS {
            let card = &row.card;
            assert!(card.max_output <= card.context_window, "{}", row.id);
            assert_eq!(find(row.id.trim_end_matches('*')).and_then(|card| card.known_as), Some(row.id), "{}", row.id);
            if let Some(price) = card.price {
                assert!(price.cached_input <= price.input && price.input <= price.cache_write, "{}", row.id);
                assert!(price.output >= price.input, "{}", row.id);
            }
        }
    }
}
