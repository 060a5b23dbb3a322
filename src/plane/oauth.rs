//! Plane's OAuth: where the person is sent to install the app, how a bot token is got, and which
//! workspace an installation belongs to.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use url::Url;
use uuid::Uuid;

use super::{
    PlaneError,
    client::transport::{Answer, send},
    wire::fields::Fields,
};
use crate::{
    config::{OAuthConfig, PlaneConfig},
    domain::ids::{InstallationId, UserId, WorkspaceId},
};

const TOKEN: &str = "the token request";
const LOOKUP: &str = "the installation";
/// How long a person may take to consent.
const STATE_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// The two OAuth endpoints the bot flow needs, and the consent page.
pub struct OAuthClient {
    http: Client,
    base: Url,
    config: OAuthConfig,
    timeout: Duration,
}

/// A bot token as Plane issued it.
#[derive(Debug, Clone)]
pub struct BotToken {
    pub token: SecretString,
    /// How long it lives; `None` where Plane does not say.
    pub expires_in: Option<Duration>,
}

/// What Plane tells about an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledApp {
    pub workspace: WorkspaceId,
    pub slug: String,
    /// The workspace's name for people; the slug where Plane did not say.
    pub workspace_name: String,
    /// Our bot's user id there.
    pub bot: Option<UserId>,
    /// `installed` when usable.
    pub status: String,
}

impl OAuthClient {
    /// `None` if the config has no OAuth app. `http` has to follow no redirects.
    #[must_use]
    pub fn new(http: Client, config: &PlaneConfig) -> Option<Self> {
        let app = config.oauth.clone()?;
        Some(Self { http, base: config.api_url.clone(), config: app, timeout: config.request_timeout })
    }

    /// The consent page to send the person's browser to; `state` comes from [`issue_state`].
    #[must_use]
    pub fn authorize_url(&self, state: &str) -> Url {
        let mut url = self.endpoint("authorize-app");
        url.query_pairs_mut()
            .append_pair("client_id", &self.config.client_id)
            .append_pair("response_type", "code")
            .append_pair("redirect_uri", self.config.redirect_uri.as_str())
            .append_pair("scope", &self.scope())
            .append_pair("state", state);
        url
    }

    /// Signs consent states; the app's own secret, so that nothing else has to be kept.
    #[must_use]
    pub fn state_secret(&self) -> &SecretString {
        &self.config.client_secret
    }

    /// Gets a bot token for an installation, at install and at every renewal.
    ///
    /// # Errors
    /// [`PlaneError::Refused`] with 400, 401 or 404 means that the installation is gone or the
    /// app's secret has changed.
    pub async fn exchange(&self, installation: InstallationId) -> Result<BotToken, PlaneError> {
        let mut answer = self.ask_for_token(installation, Some(&self.scope())).await?;
        // Some servers take the scope at consent only.
        if !answer.is_success() && error_code(&answer).as_deref() == Some("invalid_scope") {
            answer = self.ask_for_token(installation, None).await?;
        }
        if !answer.is_success() {
            return Err(refusal(answer, TOKEN));
        }
        let body = answer.json(TOKEN)?;
        let fields = Fields::of(&body);
        let token = fields.and_then(|fields| fields.filled_text("access_token"));
        let token = token.ok_or(PlaneError::Malformed { what: TOKEN, message: "no access_token".to_owned() })?;
        let seconds = fields.and_then(|fields| fields.count("expires_in")).filter(|seconds| *seconds > 0);
        Ok(BotToken { token: SecretString::from(token), expires_in: seconds.map(Duration::from_secs) })
    }

    /// Asks which workspace an installation belongs to.
    ///
    /// # Errors
    /// [`PlaneError::NotFound`] if the token does not see this installation.
    pub async fn lookup(&self, token: &SecretString, installation: InstallationId) -> Result<InstalledApp, PlaneError> {
        let mut url = self.endpoint("app-installation");
        url.query_pairs_mut().append_pair("id", &installation.to_string());
        let request = self.http.get(url).bearer_auth(token.expose_secret()).timeout(self.timeout);
        let answer = send(request.header(reqwest::header::ACCEPT, "application/json"), "GET", LOOKUP).await?;
        if !answer.is_success() {
            return Err(refusal(answer, LOOKUP));
        }
        let body = answer.json(LOOKUP)?;
        let rows = body.as_array().map_or_else(|| std::slice::from_ref(&body), Vec::as_slice);
        let is_ours = |fields: &Fields<'_>| fields.id::<InstallationId>("id") == Some(installation);
        let found = rows
            .iter()
            .filter_map(Fields::of)
            .find(is_ours)
            .ok_or_else(|| PlaneError::NotFound { what: LOOKUP, message: "the token does not see it".to_owned() })?;
        installed_app(found)
            .ok_or(PlaneError::Malformed { what: LOOKUP, message: "no workspace, or no slug of it".to_owned() })
    }

    async fn ask_for_token(&self, installation: InstallationId, scope: Option<&str>) -> Result<Answer, PlaneError> {
        let installation = installation.to_string();
        let mut form = vec![("grant_type", "client_credentials"), ("app_installation_id", installation.as_str())];
        form.extend(scope.map(|scope| ("scope", scope)));
        let request = self
            .http
            .post(self.endpoint("token"))
            .basic_auth(&self.config.client_id, Some(self.config.client_secret.expose_secret()))
            .header(reqwest::header::ACCEPT, "application/json")
            .header(reqwest::header::CACHE_CONTROL, "no-cache")
            .timeout(self.timeout)
            .form(&form);
        send(request, "POST", TOKEN).await
    }

    fn scope(&self) -> String {
        self.config.scopes.join(" ")
    }

    fn endpoint(&self, name: &str) -> Url {
        let mut url = self.base.clone();
        // An address without a path cannot come out of the config, which takes http and https only.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["auth", "o", name, ""]);
        }
        url
    }
}

/// A state for the consent page, and the nonce that the browser has to bring back in a cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedState {
    pub state: String,
    pub nonce: String,
}

/// Makes a state that only we can have made and that is good for ten minutes.
#[must_use]
pub fn issue_state(secret: &SecretString, now: Timestamp) -> IssuedState {
    let nonce = Uuid::new_v4().simple().to_string();
    let expires_at = now.as_second().saturating_add(STATE_LIFE.as_secs());
    let signed = format!("{nonce}.{expires_at}");
    let signature = state_mac(secret, &signed).map(|mac| hex::encode(mac.finalize().into_bytes())).unwrap_or_default();
    IssuedState { state: format!("{signed}.{signature}"), nonce }
}

/// Whether a state that came back is ours, not too old, and of the browser it was given to.
#[must_use]
pub fn check_state(secret: &SecretString, state: &str, cookie_nonce: Option<&str>, now: Timestamp) -> bool {
    let Some((signed, signature)) = state.rsplit_once('.') else {
        return false;
    };
    let Some((nonce, expires_at)) = signed.split_once('.') else {
        return false;
    };
    let (Some(mac), Ok(signature)) = (state_mac(secret, signed), hex::decode(signature)) else {
        return false;
    };
    let genuine = mac.verify_slice(&signature).is_ok();
    let fresh = expires_at.parse::<i64>().is_ok_and(|expires_at| now.as_second() < expires_at);
    genuine && fresh && cookie_nonce == Some(nonce)
}

fn state_mac(secret: &SecretString, signed: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).ok()?;
    // Keeps this use of the secret apart from any other.
    mac.update(b"aileron-oauth-state:");
    mac.update(signed.as_bytes());
    Some(mac)
}

fn installed_app(fields: Fields<'_>) -> Option<InstalledApp> {
    let detail = fields.object("workspace_detail").or_else(|| fields.object("workspace"));
    let slug = detail.and_then(|detail| detail.filled_text("slug"))?;
    Some(InstalledApp {
        workspace: fields.id("workspace").or_else(|| fields.id("workspace_detail"))?,
        workspace_name: detail.and_then(|detail| detail.filled_text("name")).unwrap_or_else(|| slug.clone()),
        slug,
        bot: fields.id("app_bot"),
        status: fields.text_or_empty("status"),
    })
}

/// The code of an OAuth error, such as `invalid_scope`.
fn error_code(answer: &Answer) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    Fields::of(&body)?.filled_text("error")
}

/// Unlike elsewhere, a 401 or 404 here is an answer about the installation, not about a workspace.
fn refusal(answer: Answer, what: &'static str) -> PlaneError {
    let (status, message) = (answer.status, answer.message());
    match status {
        400..=428 | 430..=499 => PlaneError::Refused { what, status, message },
        _ => answer.into_error(what, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> SecretString {
        SecretString::from("client-secret")
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
    }

    #[test]
    fn a_state_is_good_for_its_browser_for_ten_minutes() {
        let issued = issue_state(&secret(), at(0));
        let nonce = Some(issued.nonce.as_str());
        assert!(check_state(&secret(), &issued.state, nonce, at(0)));
        assert!(check_state(&secret(), &issued.state, nonce, at(9)));
        assert!(!check_state(&secret(), &issued.state, nonce, at(10)));
        assert!(!check_state(&secret(), &issued.state, None, at(1)));
        assert!(!check_state(&secret(), &issued.state, Some("another"), at(1)));
        assert!(!check_state(&SecretString::from("another"), &issued.state, nonce, at(1)));
    }

    #[test]
    fn a_state_cannot_be_altered() {
        let issued = issue_state(&secret(), at(0));
        let nonce = Some(issued.nonce.as_str());
        let [_, expires_at, signature]: [&str; 3] = issued.state.split('.').collect::<Vec<_>>().try_into().unwrap();
        let later: i64 = expires_at.parse::<i64>().unwrap() + 1;
        for forged in [
            format!("{}.{later}.{signature}", issued.nonce),
            format!("{}.{expires_at}.", issued.nonce),
            format!("{}.{expires_at}", issued.nonce),
            issued.nonce.clone(),
            "..".to_owned(),
            String::new(),
        ] {
            assert!(!check_state(&secret(), &forged, nonce, at(1)), "{forged}");
        }
    }

    #[test]
    fn two_states_differ() {
        assert_ne!(issue_state(&secret(), at(0)).nonce, issue_state(&secret(), at(0)).nonce);
    }
}
