//! The HTTP client of one provider: its proxy, its certificates, its patience.

use secrecy::ExposeSecret as _;

use super::SetupError;
use crate::config::RemoteConfig;

/// A client as the provider's settings ask for.
///
/// # Errors
/// A certificate that cannot be read, or no client at all.
pub fn http_client(provider: &RemoteConfig) -> Result<reqwest::Client, SetupError> {
    let trouble = |error: reqwest::Error| SetupError::Client(error.without_url().to_string());
    // No limit on the whole: an answer may stream for minutes, and its silences are watched.
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(provider.connect_timeout)
        .user_agent(concat!("aileron/", env!("CARGO_PKG_VERSION")));
    if let Some(proxy) = &provider.proxy {
        builder = builder.proxy(reqwest::Proxy::all(proxy.expose_secret()).map_err(trouble)?);
    }
    if let Some(pem) = &provider.ca_certificates {
        let certificates = reqwest::Certificate::from_pem_bundle(pem.as_bytes());
        builder = builder.tls_certs_merge(certificates.map_err(|_unreadable| SetupError::Certificate)?);
    }
    builder.build().map_err(trouble)
}
