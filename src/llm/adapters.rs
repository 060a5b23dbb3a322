//! The providers there are, and how a configured model is built from them.

use std::sync::Arc;

use super::{
    Model,
    anthropic::AnthropicModel,
    azure::AzureModel,
    fallback::Fallback,
    openai::OpenAiModel,
    rehearsal::Rehearsal,
    remote::{SetupError, http_client},
    responses::ResponsesModel,
    retry::{RetryPolicy, Retrying},
};
use crate::config::{ErrorClass, ModelChain, ModelConfig, ProviderConfig, RemoteConfig, RemoteKind};

/// One model, which is asked once.
///
/// A provider that speaks like one of these needs no code but its `[providers.x]` in the config. One with
/// a wire of its own is a module beside the others whose type is a [`Wire`](super::remote::Wire), a kind in
/// [`RemoteKind`] with its word in the config and its usual address and header, and a line here.
///
/// # Errors
/// What the settings say cannot be sent.
pub fn adapter(
    config: &ModelConfig,
    provider: &RemoteConfig,
    http: reqwest::Client,
) -> Result<Arc<dyn Model>, SetupError> {
    Ok(match provider.kind {
        RemoteKind::OpenAi => Arc::new(OpenAiModel::new(config, provider, http)?),
        RemoteKind::OpenAiResponses => Arc::new(ResponsesModel::new(config, provider, http)?),
        RemoteKind::Azure => Arc::new(AzureModel::new(config, provider, http)?),
        RemoteKind::Anthropic => Arc::new(AnthropicModel::new(config, provider, http)?),
    })
}

/// One model whose passing failures are waited out as `policy` says; the provider's own settings say
/// it where that is `None`.
///
/// # Errors
/// What the settings say cannot be sent, or the model is no use to us.
pub fn model(config: &ModelConfig, policy: Option<RetryPolicy>) -> Result<Arc<dyn Model>, SetupError> {
    let provider = match &config.provider {
        ProviderConfig::Rehearsal => return Ok(Arc::new(Rehearsal::new(&config.name))),
        ProviderConfig::Remote(provider) => provider,
    };
    let model = adapter(config, provider, http_client(provider)?)?;
    if !model.card().tools {
        return Err(SetupError::NoTools { id: config.model.clone(), name: config.name.clone() });
    }
    if let Some(hint) = model.card().hint(config) {
        tracing::warn!("{hint}");
    }
    Ok(Arc::new(Retrying::new(model, policy.unwrap_or(RetryPolicy::of(provider)))))
}

/// One model, and another in its place while it fails, which may have others behind it.
///
/// # Errors
/// As [`model`].
pub fn before(
    config: &ModelConfig,
    other: Arc<dyn Model>,
    fallback_on: &[ErrorClass],
) -> Result<Arc<dyn Model>, SetupError> {
    let first = model(config, impatient(config))?;
    Ok(Arc::new(Fallback::new(vec![first, other], fallback_on)))
}

/// Where another can go on, nobody should wait long for the one before.
fn impatient(config: &ModelConfig) -> Option<RetryPolicy> {
    match &config.provider {
        ProviderConfig::Remote(provider) => Some(RetryPolicy::of(provider).impatient()),
        ProviderConfig::Rehearsal => None,
    }
}

/// A model and those that take its place.
///
/// # Errors
/// As [`model`], for any of them.
pub fn chain(chain: &ModelChain, fallback_on: &[ErrorClass]) -> Result<Arc<dyn Model>, SetupError> {
    if chain.fallback.is_empty() {
        return model(&chain.first, None);
    }
    let last = chain.models().count() - 1;
    let models: Result<Vec<_>, _> = chain
        .models()
        .enumerate()
        .map(|(at, config)| model(config, if at < last { impatient(config) } else { None }))
        .collect();
    Ok(Arc::new(Fallback::new(models?, fallback_on)))
}
