//! What a model can do and what it costs, as data.
//!
//! [`known`] holds the models we know, `[models.x]` says otherwise where it wants to,
//! and a model neither of them knows gets defaults that no server chokes on.

use super::known;
use crate::{
    config::{MaxTokensField, ModelConfig, ProviderConfig, ReasoningStyle, SystemRole},
    domain::talk::Usage,
};

/// A model's abilities and prices.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelCard {
    /// The row of the table it was taken from; `None` for a model the table does not know.
    pub known_as: Option<&'static str>,
    /// Tokens of a request and its reply together.
    pub context_window: u32,
    /// Most tokens of one reply, reasoning included.
    pub max_output: u32,
    /// Whether pictures may be sent.
    pub vision: bool,
    /// Whether it calls functions natively; without that it is no use to us.
    pub tools: bool,
    /// Whether several calls may come in one reply.
    pub parallel_tools: bool,
    pub reasoning: ReasoningStyle,
    /// Whether `temperature` may be sent.
    pub temperature: bool,
    pub system_role: SystemRole,
    pub max_tokens_field: MaxTokensField,
    /// `None` where nobody told.
    pub price: Option<Price>,
}

/// US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    pub input: f64,
    pub output: f64,
    /// Input that was read from the provider's cache.
    pub cached_input: f64,
    /// Input that was written to it.
    pub cache_write: f64,
}

/// The card of a model nobody knows: a small window, text only, and nothing sent that some server
/// could refuse.
pub const UNKNOWN: ModelCard = ModelCard {
    known_as: None,
    context_window: 32_768,
    max_output: 4_096,
    vision: false,
    tools: true,
    parallel_tools: true,
    reasoning: ReasoningStyle::None,
    temperature: true,
    system_role: SystemRole::System,
    max_tokens_field: MaxTokensField::MaxTokens,
    price: None,
};

/// What the rehearsal, which is no model, would say of itself.
pub const REHEARSAL: ModelCard = ModelCard {
    known_as: Some("rehearsal"),
    context_window: 1_000_000,
    price: Some(Price { input: 0.0, output: 0.0, cached_input: 0.0, cache_write: 0.0 }),
    ..UNKNOWN
};

/// The id a configured model is known by: what the config says it is, or else its own.
pub(super) fn id_of(config: &ModelConfig) -> &str {
    config.card.known_as.as_deref().unwrap_or(&config.model)
}

impl ModelCard {
    /// The card of a configured model: the table's, with what the config says laid over it.
    #[must_use]
    pub fn of(config: &ModelConfig) -> Self {
        let said = &config.card;
        let mut card = match &config.provider {
            ProviderConfig::Rehearsal => REHEARSAL,
            ProviderConfig::Remote(provider) => {
                known::find(id_of(config)).unwrap_or_else(|| match provider.base_url.host_str() {
                    // What OpenAI brings out next takes only the newer field.
                    Some("api.openai.com") => {
                        ModelCard { max_tokens_field: MaxTokensField::MaxCompletionTokens, ..UNKNOWN }
                    }
                    Some(_) | None => UNKNOWN,
                })
            }
        };
        card.context_window = said.context_window.unwrap_or(card.context_window);
        card.max_output = said.max_output_tokens.unwrap_or(card.max_output).min(card.context_window);
        card.vision = said.vision.unwrap_or(card.vision);
        card.tools = said.tools.unwrap_or(card.tools);
        card.parallel_tools = said.parallel_tools.unwrap_or(card.parallel_tools);
        card.reasoning = said.reasoning.unwrap_or(card.reasoning);
        card.temperature = said.temperature_allowed.unwrap_or(card.temperature);
        card.system_role = said.system_role.unwrap_or(card.system_role);
        card.max_tokens_field = said.max_tokens_field.unwrap_or(card.max_tokens_field);
        let known = card.price;
        let input = said.price_in.or(known.map(|price| price.input));
        card.price = input.map(|input| Price {
            input,
            output: said.price_out.or(known.map(|price| price.output)).unwrap_or(input),
            // A price of one's own says nothing of the cache's: without a word it costs as much.
            cached_input: said
                .price_cached_in
                .or(known.filter(|_| said.price_in.is_none()).map(|price| price.cached_input))
                .unwrap_or(input),
            cache_write: said
                .price_cache_write
                .or(known.filter(|_| said.price_in.is_none()).map(|price| price.cache_write))
                .unwrap_or(input),
        });
        card
    }

    /// Most tokens a request may have so that a whole reply still fits the window. Models whose
    /// reply may fill the window leave half of it.
    #[must_use]
    pub fn max_input(&self) -> u32 {
        self.context_window.saturating_sub(self.max_output).max(self.context_window / 2)
    }

    /// What to tell the operator of a model the table does not know; `None` for a known one and for
    /// one whose window the config names.
    #[must_use]
    pub fn hint(&self, config: &ModelConfig) -> Option<String> {
        if self.known_as.is_some() || config.card.context_window.is_some() {
            return None;
        }
        Some(format!(
            "the model {:?} is not in the table of known models: a window of {} tokens, {} of them for a reply, no \
             pictures and no price are assumed. Set context_window, max_output_tokens, vision, price_in and price_out \
             in [models.{}], or known_as to the id of a known model",
            config.model, self.context_window, self.max_output, config.name
        ))
    }
}

impl Price {
    /// The cost of one reply in billionths of a dollar, so that sums stay exact.
    #[must_use]
    pub fn nano_dollars(&self, usage: &Usage) -> u64 {
        // A price per million times a thousand is nano-dollars a token; a cast from a float saturates.
        let part = |tokens: u64, price: f64| (tokens as f64 * price * 1_000.0).round() as u64;
        let cached = usage.cached_input.min(usage.input);
        let written = usage.cache_write.min(usage.input - cached);
        part(usage.input - cached - written, self.input)
            + part(cached, self.cached_input)
            + part(written, self.cache_write)
            + part(usage.output, self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CardOverrides, RemoteConfig, RemoteKind};

    fn configured(id: &str, card: CardOverrides) -> ModelConfig {
        let provider = RemoteConfig::new(RemoteKind::OpenAi, "http://127.0.0.1:1/v1".parse().unwrap());
        ModelConfig { card, ..ModelConfig::new("main", ProviderConfig::Remote(Box::new(provider)), id) }
    }

    #[test]
    fn the_config_has_the_last_word() {
        let said = CardOverrides {
            context_window: Some(1_000),
            vision: Some(false),
            tools: Some(false),
            price_in: Some(7.0),
            ..CardOverrides::default()
        };
        let card = ModelCard::of(&configured("gpt-4.1", said));
        assert_eq!((card.context_window, card.max_output, card.vision, card.tools), (1_000, 1_000, false, false));
        let price = card.price.unwrap();
        assert_eq!((price.input, price.output, price.cached_input, price.cache_write), (7.0, 8.0, 7.0, 7.0));
    }

    #[test]
    fn an_unknown_model_is_taken_carefully_and_told() {
        let config = configured("house-model-7b", CardOverrides::default());
        let card = ModelCard::of(&config);
        assert_eq!(card, UNKNOWN);
        let hint = card.hint(&config).unwrap();
        assert!(hint.contains("house-model-7b") && hint.contains("[models.main]"), "{hint}");
        let named = CardOverrides { context_window: Some(8_192), ..CardOverrides::default() };
        let config = configured("house-model-7b", named);
        assert_eq!(ModelCard::of(&config).hint(&config), None);
    }

    #[test]
    fn a_deployment_can_say_which_model_it_is() {
        let said = CardOverrides { known_as: Some("gpt-4o".to_owned()), ..CardOverrides::default() };
        assert_eq!(ModelCard::of(&configured("prod-eu-2", said)).known_as, Some("gpt-4o"));
    }

    #[test]
    fn every_token_is_paid_once() {
        let price = Price { input: 3.0, output: 15.0, cached_input: 0.3, cache_write: 3.75 };
        let usage =
            Usage { input: 1_000, cached_input: 600, cache_write: 100, output: 10, reasoning: 4, nano_dollars: 0 };
        assert_eq!(price.nano_dollars(&usage), 300 * 3_000 + 600 * 300 + 100 * 3_750 + 10 * 15_000);
        // More cached than sent is a provider's mistake and must not wrap around.
        let wrong = Usage { input: 10, cached_input: 20, cache_write: 20, ..Usage::default() };
        assert_eq!(price.nano_dollars(&wrong), 10 * 300);
    }

    #[test]
    fn a_reply_that_may_fill_the_window_leaves_half_of_it() {
        assert_eq!(ModelCard { context_window: 100, max_output: 100, ..UNKNOWN }.max_input(), 50);
        assert_eq!(ModelCard { context_window: 100, max_output: 30, ..UNKNOWN }.max_input(), 70);
    }
}
