//! Whether a webhook really comes from Plane: an HMAC over the raw bytes of its body.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// Whether `header` (the value of `X-Plane-Signature`) is the lower-case hex HMAC-SHA256 of `body`
/// under any of the secrets. Several may be valid at once while one is being rotated.
///
/// Without secrets, without a header, or with a header that is not hex, the answer is no. `body`
/// has to be the bytes as received: the same JSON written anew has another signature.
#[must_use]
pub fn verify(secrets: &[SecretString], body: &[u8], header: Option<&str>) -> bool {
    let Some(claimed) = header.and_then(decode_lower_hex) else {
        return false;
    };
    // Every secret is tried, so that the time taken does not tell which one matched.
    secrets.iter().fold(false, |found, secret| matches(secret, body, &claimed) | found)
}

fn matches(secret: &SecretString, body: &[u8], claimed: &[u8]) -> bool {
    let key = secret.expose_secret().as_bytes();
    if key.is_empty() {
        return false;
    }
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return false;
    };
    mac.update(body);
    mac.verify_slice(claimed).is_ok()
}

fn decode_lower_hex(text: &str) -> Option<Vec<u8>> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    hex::decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY_OBJECT: &str = "f283dc8b25272ac4787da96acdbf7e1b6dd939bf9be6446aa6d1632d6ab94cc8";
    const ESCAPED: &str = "2b83772abd7dc93b6da66126e2e4673f9caacb13000b397fa9b8c8eee6767d65";
    const REWRITTEN: &str = "34f695772a1b7f36c48b4f60e7c3f941028d454a728fdc4ea363f592abda412a";

    fn secrets() -> Vec<SecretString> {
        vec![SecretString::from("plane_wh_0123456789abcdef0123456789abcdef")]
    }

    #[test]
    fn the_known_signatures_verify() {
        let escaped =
            br#"{"event": "issue_comment", "data": {"comment_html": "<p>caf\u00e9 \u2192 \ud83d\ude80</p>", "edited_at": null}}"#;
        assert_eq!(escaped.len(), 111);
        assert!(verify(&secrets(), b"{}", Some(EMPTY_OBJECT)));
        assert!(verify(&secrets(), escaped, Some(ESCAPED)));
    }

    #[test]
    fn the_same_json_written_anew_has_another_signature() {
        let rewritten =
            "{\"event\":\"issue_comment\",\"data\":{\"comment_html\":\"<p>café → 🚀</p>\",\"edited_at\":null}}";
        assert_eq!(rewritten.len(), 90);
        assert!(verify(&secrets(), rewritten.as_bytes(), Some(REWRITTEN)));
        assert!(!verify(&secrets(), rewritten.as_bytes(), Some(ESCAPED)));
    }

    #[test]
    fn any_of_several_secrets_may_sign() {
        let mut several = vec![SecretString::from("an-older-one"), SecretString::from("")];
        assert!(!verify(&several, b"{}", Some(EMPTY_OBJECT)));
        several.extend(secrets());
        assert!(verify(&several, b"{}", Some(EMPTY_OBJECT)));
    }

    #[test]
    fn what_is_missing_or_malformed_does_not_verify() {
        assert!(!verify(&[], b"{}", Some(EMPTY_OBJECT)));
        for header in
            [None, Some(""), Some("zz"), Some("f2"), Some(&EMPTY_OBJECT[1..]), Some(&*format!("sha256={EMPTY_OBJECT}"))]
        {
            assert!(!verify(&secrets(), b"{}", header), "{header:?}");
        }
        assert!(!verify(&secrets(), b"{}", Some(&EMPTY_OBJECT.to_uppercase())));
        assert!(!verify(&secrets(), b"{} ", Some(EMPTY_OBJECT)));
    }

    #[test]
    fn an_empty_secret_signs_nothing() {
        // HMAC of "" under the empty key: an unset secret in the config must not open the door.
        let digest = "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad";
        assert!(!verify(&[SecretString::from("")], b"", Some(digest)));
    }
}
