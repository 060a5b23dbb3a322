//! What the scenarios stand on: the real binary, a stand-in Plane, and a model that follows a script.

pub(crate) mod app;
pub(crate) mod binary;
pub(crate) mod browser;
pub(crate) mod faulty;
pub(crate) mod http;
pub(crate) mod install;
pub(crate) mod life;
pub(crate) mod model;
pub(crate) mod picture;
pub(crate) mod secrets;

use std::time::Duration;

/// How long anything awaited may take before the test fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Awaits with the common limit; `what` names the thing in the failure.
pub(crate) async fn within<F: Future>(what: &str, awaited: F) -> F::Output {
    match tokio::time::timeout(LIMIT, awaited).await {
        Ok(output) => output,
        Err(_) => panic!("{what} did not happen within {} s", LIMIT.as_secs()),
    }
}
