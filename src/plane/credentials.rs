//! Which token speaks in which workspace, and how tokens are kept fresh.

mod authorization;

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

pub use self::authorization::Authorization;
use super::{
    PlaneError,
    oauth::{BotToken, OAuthClient},
};
use crate::{
    config::{FixedTokenConfig, FixedTokenKind},
    domain::{
        ids::{InstallationId, UserId, WorkspaceId},
        installation::{BookError, Credential, Installation, InstallationBook, InstallationStatus},
    },
};

/// How long a refusal to renew is believed before Plane is asked again.
const REVOKED_HOLD: Duration = Duration::from_secs(10 * 60);
/// How long any other failure to renew is, so that those who waited for it do not repeat it.
const FAILED_HOLD: Duration = Duration::from_secs(3);
const TOKEN: &str = "the token request";

/// Holds the installations of all workspaces in memory and renews their tokens. What is new is saved
/// in the book before it is used.
pub struct Credentials {
    book: Arc<dyn InstallationBook>,
    oauth: Option<OAuthClient>,
    clock: fn() -> Timestamp,
    slots: RwLock<HashMap<WorkspaceId, Arc<Slot>>>,
}

struct Slot {
    installation: RwLock<Installation>,
    /// Held while a renewal is under way; holds how the last one failed.
    renewal: tokio::sync::Mutex<Option<FailedRenewal>>,
}

struct FailedRenewal {
    error: PlaneError,
    believed_until: Timestamp,
}

impl Credentials {
    /// Starts with the config's token, if it has one; [`Self::load`] adds what the book holds.
    #[must_use]
    pub fn new(book: Arc<dyn InstallationBook>, oauth: Option<OAuthClient>, fixed: Option<&FixedTokenConfig>) -> Self {
        let credentials = Self { book, oauth, clock: Timestamp::now, slots: RwLock::default() };
        if let Some(fixed) = fixed {
            credentials.keep(fixed_installation(fixed, Timestamp::now()));
        }
        credentials
    }

    /// Reads the time from `clock`.
    #[must_use]
    pub fn with_clock(mut self, clock: fn() -> Timestamp) -> Self {
        self.clock = clock;
        self
    }

    /// Takes over the installations in the book. For a workspace that has a token in the config, that
    /// token stays.
    ///
    /// # Errors
    /// [`PlaneError::Book`] if the book cannot be read.
    pub async fn load(&self) -> Result<(), PlaneError> {
        for installation in self.book.installations().await.map_err(book_error)? {
            let known = self.slot(installation.workspace).map(|slot| slot.read());
            if known.is_none_or(|known| matches!(known.credential, Credential::OAuth { .. })) {
                self.keep(installation);
            }
        }
        Ok(())
    }

    /// The OAuth app, if there is one.
    #[must_use]
    pub fn oauth(&self) -> Option<&OAuthClient> {
        self.oauth.as_ref()
    }

    /// All installations, in the order of their slugs.
    #[must_use]
    pub fn installations(&self) -> Vec<Installation> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Installation> = slots.values().map(|slot| slot.read()).collect();
        all.sort_by(|left, right| left.slug.cmp(&right.slug));
        all
    }

    /// The installation in a workspace.
    #[must_use]
    pub fn installation(&self, workspace: WorkspaceId) -> Option<Installation> {
        self.slot(workspace).map(|slot| slot.read())
    }

    /// Our bot's user id in a workspace, where known.
    #[must_use]
    pub fn bot(&self, workspace: WorkspaceId) -> Option<UserId> {
        self.slot(workspace)?.read().bot
    }

    /// The workspace's part of addresses, where it is installed.
    #[must_use]
    pub fn slug(&self, workspace: WorkspaceId) -> Option<String> {
        Some(self.slot(workspace)?.read().slug)
    }

    /// Finishes an install: gets a token, asks which workspace it is for, and saves both.
    ///
    /// # Errors
    /// Whatever Plane answers; [`PlaneError::Refused`] if it does not know the installation.
    pub async fn install(&self, installation: InstallationId) -> Result<Installation, PlaneError> {
        let oauth = self.oauth.as_ref().ok_or_else(no_oauth)?;
        let bot_token = oauth.exchange(installation).await?;
        let app = oauth.lookup(&bot_token.token, installation).await?;
        if app.status != "installed" {
            tracing::warn!(workspace = %app.slug, status = %app.status, "Plane does not call the app installed");
        }
        let now = (self.clock)();
        let installed = Installation {
            workspace: app.workspace,
            slug: app.slug,
            workspace_name: app.workspace_name,
            bot: app.bot,
            credential: oauth_credential(installation, bot_token, now),
            status: InstallationStatus::Active,
            installed_at: now,
        };
        self.adopt(installed.clone()).await?;
        Ok(installed)
    }

    /// What a request in this workspace is sent with. A token in the last fifth of its life is
    /// renewed first; if that fails, it is used to its end.
    ///
    /// # Errors
    /// [`PlaneError::NotInstalled`], or [`PlaneError::Unauthorized`] if the installation is revoked.
    pub async fn authorize(&self, workspace: WorkspaceId) -> Result<Authorization, PlaneError> {
        let slot = self.slot(workspace).ok_or(PlaneError::NotInstalled(workspace))?;
        let installation = slot.read();
        let Credential::OAuth { token, issued_at, expires_at, .. } = &installation.credential else {
            return Ok(Authorization::of(&installation));
        };
        let now = (self.clock)();
        let revoked = installation.status == InstallationStatus::Revoked;
        if (revoked || is_due(*issued_at, *expires_at, now))
            && let Err(error) = self.renew(workspace, token).await
            && (revoked || !still_usable(&error, *expires_at, now))
        {
            return Err(error);
        }
        Ok(Authorization::of(&slot.read()))
    }

    /// Replaces a token that Plane refuses. Callers that come with the same token at the same time
    /// cause one request; a token that was replaced already is left alone.
    ///
    /// # Errors
    /// [`PlaneError::Unauthorized`] once Plane has refused to renew, for ten minutes without asking
    /// again.
    pub async fn renew(&self, workspace: WorkspaceId, stale: &SecretString) -> Result<(), PlaneError> {
        let slot = self.slot(workspace).ok_or(PlaneError::NotInstalled(workspace))?;
        let mut last_failure = slot.renewal.lock().await;
        let installation = slot.read();
        let Credential::OAuth { installation: id, token, .. } = &installation.credential else {
            let message = "the token in the config is not valid".to_owned();
            return Err(PlaneError::Unauthorized { slug: installation.slug, message });
        };
        let revoked = installation.status == InstallationStatus::Revoked;
        if !revoked && token.expose_secret() != stale.expose_secret() {
            return Ok(());
        }
        if let Some(failure) = last_failure.as_ref().filter(|failure| (self.clock)() < failure.believed_until) {
            return Err(failure.error.clone());
        }
        let outcome = self.exchange_and_save(&slot, &installation, *id).await;
        *last_failure = outcome.as_ref().err().map(|error| self.remember(error));
        outcome
    }

    async fn exchange_and_save(
        &self,
        slot: &Slot,
        installation: &Installation,
        id: InstallationId,
    ) -> Result<(), PlaneError> {
        let oauth = self.oauth.as_ref().ok_or_else(no_oauth)?;
        let outcome = oauth.exchange(id).await;
        let (renewed, refusal) = match outcome {
            Ok(bot_token) => {
                let credential = oauth_credential(id, bot_token, (self.clock)());
                (Installation { credential, status: InstallationStatus::Active, ..installation.clone() }, None)
            }
            Err(PlaneError::Refused { status: 400 | 401 | 404, message, .. }) => {
                tracing::warn!(workspace = %installation.slug, "Plane no longer renews our token: installation revoked");
                let error = PlaneError::Unauthorized { slug: installation.slug.clone(), message };
                (Installation { status: InstallationStatus::Revoked, ..installation.clone() }, Some(error))
            }
            Err(error) => return Err(error),
        };
        self.book.save_installation(renewed.clone()).await.map_err(book_error)?;
        *slot.installation.write().unwrap_or_else(PoisonError::into_inner) = renewed;
        refusal.map_or(Ok(()), Err)
    }

    /// Saves and uses a new installation. A renewal of the one it replaces is waited for, so that the
    /// older token cannot be written over the new one.
    async fn adopt(&self, installed: Installation) -> Result<(), PlaneError> {
        let Some(slot) = self.slot(installed.workspace) else {
            self.book.save_installation(installed.clone()).await.map_err(book_error)?;
            self.keep(installed);
            return Ok(());
        };
        let mut last_failure = slot.renewal.lock().await;
        self.book.save_installation(installed.clone()).await.map_err(book_error)?;
        if matches!(slot.read().credential, Credential::OAuth { .. }) {
            *slot.installation.write().unwrap_or_else(PoisonError::into_inner) = installed;
            *last_failure = None;
        }
        Ok(())
    }

    fn remember(&self, error: &PlaneError) -> FailedRenewal {
        let hold = if matches!(error, PlaneError::Unauthorized { .. }) { REVOKED_HOLD } else { FAILED_HOLD };
        let now = (self.clock)();
        FailedRenewal { error: error.clone(), believed_until: now.checked_add(hold).unwrap_or(now) }
    }

    fn slot(&self, workspace: WorkspaceId) -> Option<Arc<Slot>> {
        self.slots.read().unwrap_or_else(PoisonError::into_inner).get(&workspace).cloned()
    }

    /// Puts an installation in place of what is known of its workspace. What failed before is forgotten.
    fn keep(&self, installation: Installation) {
        let workspace = installation.workspace;
        let slot = Slot { installation: RwLock::new(installation), renewal: tokio::sync::Mutex::new(None) };
        self.slots.write().unwrap_or_else(PoisonError::into_inner).insert(workspace, Arc::new(slot));
    }
}

impl Slot {
    fn read(&self) -> Installation {
        self.installation.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether four fifths of a token's life are over.
fn is_due(issued_at: Timestamp, expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    expires_at.is_some_and(|expires_at| {
        let life = expires_at.duration_since(issued_at);
        now.duration_since(issued_at) >= life * 4 / 5
    })
}

/// Whether a token that could not be renewed in time is good for another request.
fn still_usable(error: &PlaneError, expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    !matches!(error, PlaneError::Unauthorized { .. }) && expires_at.is_none_or(|expires_at| now < expires_at)
}

fn oauth_credential(installation: InstallationId, bot_token: BotToken, now: Timestamp) -> Credential {
    let expires_at = bot_token.expires_in.and_then(|life| now.checked_add(life).ok());
    Credential::OAuth { installation, token: bot_token.token, issued_at: now, expires_at }
}

fn fixed_installation(fixed: &FixedTokenConfig, now: Timestamp) -> Installation {
    let credential = match fixed.kind {
        FixedTokenKind::Bearer => Credential::StaticBearer(fixed.token.clone()),
        FixedTokenKind::ApiKey => Credential::ApiKey(fixed.token.clone()),
    };
    Installation {
        workspace: fixed.workspace_id,
        slug: fixed.workspace_slug.clone(),
        workspace_name: fixed.workspace_slug.clone(),
        bot: fixed.bot,
        credential,
        status: InstallationStatus::Active,
        installed_at: now,
    }
}

fn no_oauth() -> PlaneError {
    let message = "no OAuth app in the config (plane.oauth)".to_owned();
    PlaneError::Refused { what: TOKEN, status: 401, message }
}

fn book_error(error: BookError) -> PlaneError {
    PlaneError::Book(error.0.to_string())
}
