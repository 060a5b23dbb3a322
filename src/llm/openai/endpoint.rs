//! Where requests go and what they carry besides the body.

use async_openai::config::Config;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::SetupError;
use crate::config::OpenAiConfig;

/// An address and its headers. Nothing is read from the environment, unlike in async-openai's own
/// configuration, which would send one provider's headers to another.
#[derive(Clone)]
pub(super) struct Endpoint {
    url: String,
    headers: HeaderMap,
    /// The trait asks for a key; ours is in the headers.
    no_key: SecretString,
    secrets: Vec<SecretString>,
}

impl Endpoint {
    pub(super) fn new(provider: &OpenAiConfig) -> Result<Self, SetupError> {
        let mut url = provider.base_url.clone();
        // Keeps a query such as Azure's `?api-version=`.
        url.path_segments_mut().map_err(|()| SetupError::Address)?.pop_if_empty().extend(["chat", "completions"]);

        let mut headers = HeaderMap::new();
        let mut secrets = Vec::new();
        if let Some(key) = &provider.api_key {
            let value = format!("Bearer {}", key.expose_secret().trim());
            headers.insert(AUTHORIZATION, secret_value(&value).ok_or(SetupError::Key)?);
            secrets.push(key.expose_secret().trim().to_owned().into());
        }
        for (name, value) in &provider.extra_headers {
            let bad = || SetupError::Header { name: name.clone() };
            let header: HeaderName = name.parse().map_err(|_invalid| bad())?;
            headers.insert(header, secret_value(value.expose_secret().trim()).ok_or_else(bad)?);
            secrets.push(value.expose_secret().trim().to_owned().into());
        }
        Ok(Self { url: url.into(), headers, no_key: String::new().into(), secrets })
    }

    /// `text` without the key or any header's value: providers like to repeat what they refuse.
    pub(super) fn without_secrets(&self, text: &str) -> String {
        let long_enough = self.secrets.iter().map(ExposeSecret::expose_secret).filter(|secret| secret.len() >= 6);
        long_enough.fold(text.to_owned(), |text, secret| text.replace(secret, "[key]"))
    }
}

impl Config for Endpoint {
    fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    /// There is one address only.
    fn url(&self, _path: &str) -> String {
        self.url.clone()
    }

    fn query(&self) -> Vec<(&str, &str)> {
        Vec::new()
    }

    fn api_base(&self) -> &str {
        &self.url
    }

    fn api_key(&self) -> &SecretString {
        &self.no_key
    }
}

fn secret_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
