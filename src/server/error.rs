//! How a refused request is answered.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    #[error("the signature is missing or wrong")]
    BadSignature,
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    /// The sender broke off; it will send again.
    #[error("the body did not arrive whole")]
    Incomplete,
    #[error("the event cannot be stored at the moment; send it again later")]
    NotStored,
    #[error("this server is not set up for OAuth: set PLANE_CLIENT_ID, PLANE_CLIENT_SECRET and PLANE_REDIRECT_URI")]
    NoOAuth,
    /// Told to the person installing the app.
    #[error("{0}")]
    Install(String),
    #[error("Plane did not complete the installation: {0}")]
    InstallFailed(String),
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::BadSignature => StatusCode::UNAUTHORIZED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Incomplete | Self::Install(_) => StatusCode::BAD_REQUEST,
            Self::NotStored => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoOAuth => StatusCode::NOT_FOUND,
            Self::InstallFailed(_) => StatusCode::BAD_GATEWAY,
        };
        (status, format!("{self}\n")).into_response()
    }
}
