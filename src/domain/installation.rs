//! An app installed in a workspace, and the port through which installations are kept.

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;

use super::ids::{InstallationId, UserId, WorkspaceId};

/// What lets us speak in one workspace.
#[derive(Debug, Clone)]
pub struct Installation {
    pub workspace: WorkspaceId,
    /// The workspace's part of every API path.
    pub slug: String,
    /// The workspace's name for people; the slug where Plane did not say.
    pub workspace_name: String,
    /// Our bot's user id there, where known.
    pub bot: Option<UserId>,
    pub credential: Credential,
    pub status: InstallationStatus,
    pub installed_at: Timestamp,
}

/// How requests are authenticated.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A bot token from OAuth, renewed with the installation's id.
    OAuth { installation: InstallationId, token: SecretString, issued_at: Timestamp, expires_at: Option<Timestamp> },
    /// A token from the config, sent as `Authorization: Bearer`.
    StaticBearer(SecretString),
    /// A personal access token from the config, sent as `X-API-Key`.
    ApiKey(SecretString),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstallationStatus {
    Active,
    /// Plane refused to renew the token: the app was uninstalled or its secret changed.
    Revoked,
}

/// Where OAuth installations are kept. The store implements it and the Plane client uses it, so
/// that neither has to know the other.
#[async_trait]
pub trait InstallationBook: Send + Sync {
    /// All installations, in the order of their slugs.
    async fn installations(&self) -> Result<Vec<Installation>, BookError>;
    /// Durably replaces the installation of the same workspace.
    async fn save_installation(&self, installation: Installation) -> Result<(), BookError>;
}

/// The book could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("installations could not be read or saved")]
pub struct BookError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
