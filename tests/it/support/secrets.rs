//! What must never be seen outside the requests it authenticates.

use aileron::sandbox::Sandbox;

use super::app::{MODEL_KEY, WEBHOOK_SECRET};

/// Fails if a key, a token or a signing secret occurs in the text.
pub(crate) fn assert_absent(text: &str, plane: &Sandbox) {
    let mut secrets = vec![MODEL_KEY.to_owned(), WEBHOOK_SECRET.to_owned(), plane.client_secret().to_owned()];
    // Every bot token the stand-in Plane hands out starts like this.
    secrets.push("pln_bot_".to_owned());
    secrets.push(plane.workspace(0).api_key);
    for secret in secrets {
        assert!(!text.contains(&secret), "{secret} is shown in:\n{text}");
    }
}
