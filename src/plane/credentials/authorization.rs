//! What lets one request through: the workspace's slug and a token in the right header.

use std::fmt;

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    domain::installation::{Credential, Installation},
    plane::PlaneError,
};

/// What one request needs.
pub struct Authorization {
    /// The workspace's part of the path.
    pub slug: String,
    pub token: SecretString,
    /// Whether a refused token can be renewed.
    pub renewable: bool,
    api_key: bool,
}

impl Authorization {
    /// What requests under this installation are sent with.
    pub(super) fn of(installation: &Installation) -> Self {
        let slug = installation.slug.clone();
        match &installation.credential {
            Credential::OAuth { token, .. } => {
                Authorization { slug, token: token.clone(), renewable: true, api_key: false }
            }
            Credential::StaticBearer(token) => {
                Authorization { slug, token: token.clone(), renewable: false, api_key: false }
            }
            Credential::ApiKey(token) => Authorization { slug, token: token.clone(), renewable: false, api_key: true },
        }
    }

    /// The header that carries the token, for the call named `what`.
    ///
    /// # Errors
    /// A token with characters that no header can carry.
    pub fn header(&self, what: &'static str) -> Result<(HeaderName, HeaderValue), PlaneError> {
        let token = self.token.expose_secret();
        let (name, value) = if self.api_key {
            (HeaderName::from_static("x-api-key"), HeaderValue::from_str(token))
        } else {
            (AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")))
        };
        let mut value = value.map_err(|_| PlaneError::Malformed {
            what,
            message: "the token has characters that no header can carry".to_owned(),
        })?;
        value.set_sensitive(true);
        Ok((name, value))
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization").field("slug", &self.slug).finish_non_exhaustive()
    }
}
