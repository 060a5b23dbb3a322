//! Where requests go and what they carry besides the body.

use async_openai::config::Config;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::{SetupError, Wire};
use crate::config::{AuthHeader, ModelConfig, RemoteConfig};

/// An address and its headers. Nothing is read from the environment, unlike in async-openai's own
/// configuration, which would send one provider's headers to another.
#[derive(Clone)]
pub(super) struct Endpoint {
    url: String,
    headers: HeaderMap,
    key_header: HeaderName,
    /// The trait asks for a key; ours is in the headers.
    no_key: SecretString,
    secrets: Vec<SecretString>,
}

impl Endpoint {
    /// Without a key, which may have to be fetched.
    pub(super) fn new<W: Wire>(provider: &RemoteConfig, model: &ModelConfig) -> Result<Self, SetupError> {
        let url = W::address(provider, model).ok_or(SetupError::Address)?;
        let mut headers = HeaderMap::new();
        for (name, value) in W::headers(provider) {
            let value = value.parse().map_err(|_invalid| SetupError::Header { name: name.to_owned() })?;
            headers.insert(HeaderName::from_static(name), value);
        }
        let mut secrets = Vec::new();
        for (name, value) in &provider.extra_headers {
            let bad = || SetupError::Header { name: name.clone() };
            let header: HeaderName = name.parse().map_err(|_invalid| bad())?;
            headers.insert(header, secret_value(value.expose_secret().trim()).ok_or_else(bad)?);
            secrets.push(value.expose_secret().trim().to_owned().into());
        }
        let key_header = match provider.auth {
            AuthHeader::Bearer => AUTHORIZATION,
            AuthHeader::ApiKey => HeaderName::from_static(W::KEY_HEADER),
        };
        Ok(Self { url: url.into(), headers, key_header, no_key: String::new().into(), secrets })
    }

    /// The same endpoint with a key.
    pub(super) fn with_key(&self, key: &SecretString) -> Result<Self, SetupError> {
        let mut endpoint = self.clone();
        let text = key.expose_secret().trim();
        let value = if self.key_header == AUTHORIZATION { format!("Bearer {text}") } else { text.to_owned() };
        endpoint.headers.insert(self.key_header.clone(), secret_value(&value).ok_or(SetupError::Key)?);
        endpoint.secrets.push(text.to_owned().into());
        Ok(endpoint)
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
