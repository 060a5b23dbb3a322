//! The part of `aileron check` that looks at the models: what is known of each, and whether it answers.

use std::time::Duration;

use serde_json::json;

use super::Report;
use crate::{
    config::{Config, ModelConfig, ProviderConfig, RemoteConfig},
    domain::talk::{Message, ToolOffer},
    llm::{LlmError, Request, adapters, retry::RetryPolicy},
};

/// How long a model may take to say one word.
const PATIENCE: Duration = Duration::from_secs(60);
/// The tool a model is asked to call.
const TOOL: &str = "report_ready";

/// Whether each model can be used at all, and what is known of it.
pub(super) fn check_cards(report: &mut Report, config: &Config) {
    for model in all(config) {
        match adapters::model(model, None) {
            Ok(built) => {
                if let Some(hint) = built.card().hint(model) {
                    report.note(&hint);
                }
                let without_price = built.card().price.is_none() && limits_money(config);
                if without_price {
                    report.note(&format!(
                        "no price is known of the model {:?}, so its calls count nothing towards the budget in dollars; \
                         set price_in and price_out in [models.{}]",
                        model.model, model.name
                    ));
                }
            }
            Err(error) => report.bad(&format!("the model {:?} cannot be set up: {error}", model.name)),
        }
    }
}

/// Asks each model for one word by way of a tool.
pub(super) async fn check_answers(report: &mut Report, config: &Config) {
    for model in all(config) {
        match &model.provider {
            ProviderConfig::Rehearsal => {
                report.note(&format!("model {:?} is the rehearsal: fixed rules, no language model", model.name));
            }
            ProviderConfig::Remote(provider) => check_answer(report, model, provider).await,
        }
    }
}

async fn check_answer(report: &mut Report, config: &ModelConfig, provider: &RemoteConfig) {
    let once = RetryPolicy { max_retries: 0, max_wait: Duration::ZERO, after_timeouts: false };
    let Ok(model) = adapters::model(config, Some(once)) else {
        // Told already, with what is known of it.
        return;
    };
    let who = format!("model {:?} ({}) at {}", config.name, config.model, provider.base_url);
    let request = request();
    match tokio::time::timeout(PATIENCE, model.complete(&request, &|_| {})).await {
        Err(_) => report.bad(&format!("{who} did not answer within {} seconds", PATIENCE.as_secs())),
        Ok(Err(error)) => report.bad(&format!("{who}: {error}. {}", cure(&error, config))),
        Ok(Ok(reply)) => {
            if reply.message.calls.iter().any(|call| call.name == TOOL) {
                report.good(&format!("{who} answers and calls tools"));
            } else {
                report.good(&format!("{who} answers"));
                report.note(&format!(
                    "{who} did not call the tool it was asked to call; if it never does, choose a model that calls \
                     functions"
                ));
            }
            if reply.usage.is_none() {
                report.note(&format!("{who} tells no token counts: its calls count nothing towards a budget"));
            }
        }
    }
}

fn request() -> Request {
    let tool = ToolOffer {
        name: TOOL.to_owned(),
        description: "Says that you are ready.".to_owned(),
        parameters: json!({ "type": "object", "properties": {}, "required": [], "additionalProperties": false }),
    };
    let text = format!("Call the tool {TOOL}. If you cannot, reply with the one word: ready");
    Request { messages: vec![Message::User { text }], tools: vec![tool] }
}

/// Every model that may be asked, each once.
fn all(config: &Config) -> Vec<&ModelConfig> {
    let mut found: Vec<&ModelConfig> = Vec::new();
    for model in config.models.chains().flat_map(|(_, chain)| chain.models()) {
        if !found.iter().any(|known| known.name == model.name) {
            found.push(model);
        }
    }
    found
}

fn limits_money(config: &Config) -> bool {
    let limits = [config.budget.run, config.budget.workspace_day, config.budget.day];
    limits.iter().any(|limit| limit.nano_dollars.is_some())
}

fn cure(error: &LlmError, config: &ModelConfig) -> String {
    match error {
        LlmError::Unauthorized { .. } => {
            "Set the right key (OPENAI_API_KEY or ANTHROPIC_API_KEY, or the provider's api_key).".to_owned()
        }
        LlmError::NotFound { .. } => {
            "Set the right model (OPENAI_MODEL or ANTHROPIC_MODEL, or the model's model) and base_url.".to_owned()
        }
        LlmError::OutOfCredit { .. } => "Add credit at the provider.".to_owned(),
        LlmError::RateLimited { .. } | LlmError::Unavailable { .. } => "Try again later.".to_owned(),
        LlmError::Transport { .. } => "Check base_url (OPENAI_BASE_URL) and the network.".to_owned(),
        LlmError::NoTools { .. } => format!(
            "The agent works by calling functions: choose a model that does for [models.{}], or switch it on at the \
             server.",
            config.name
        ),
        LlmError::Refused { .. } => "Compare the model's settings with what the provider takes.".to_owned(),
        LlmError::TooLong { .. }
        | LlmError::Filtered { .. }
        | LlmError::BadToolCall { .. }
        | LlmError::Truncated { .. } => "Try again; if it stays, try another model.".to_owned(),
    }
}
