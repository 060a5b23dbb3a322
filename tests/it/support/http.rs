//! HTTP from the test's side: a browser without a memory, and a webhook sender's signature.

use std::sync::Once;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A client that follows no redirect, uses no proxy and keeps no cookies.
pub(crate) fn client() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Another test module may have been first; either provider is the same one.
        let installed = rustls::crypto::ring::default_provider().install_default();
        drop(installed);
    });
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// The signature Plane would put on a body.
pub(crate) fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_of_the_contract() {
        let digest = sign("plane_wh_0123456789abcdef0123456789abcdef", b"{}");
        assert_eq!(digest, "f283dc8b25272ac4787da96acdbf7e1b6dd939bf9be6446aa6d1632d6ab94cc8");
    }
}
