//! The OAuth installation, seen from the admin's browser.

use reqwest::Response;
use url::Url;

use super::{
    app::{REDIRECT_URI, TestApp},
    http,
};

/// What `/oauth/setup` left in the browser.
pub(crate) struct Begun {
    /// Plane's consent page.
    pub(crate) consent: Url,
    /// The cookies set, as a browser would send them back.
    pub(crate) cookie: String,
}

impl Begun {
    /// The anti-forgery state the consent page will echo.
    pub(crate) fn state(&self) -> String {
        let state = self.consent.query_pairs().find(|(name, _)| name == "state");
        state.expect("the consent address has a state").1.into_owned()
    }
}

/// Opens `/oauth/setup` as Plane makes the admin's browser do.
pub(crate) async fn begin(app: &TestApp) -> Begun {
    let response = app.get("/oauth/setup").await;
    assert!(response.status().is_redirection(), "/oauth/setup answered {}", response.status());
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let consent = header("location").expect("/oauth/setup redirects").parse().unwrap();
    let cookies = response.headers().get_all("set-cookie").iter();
    let pairs = cookies.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap_or_default().to_owned());
    Begun { consent, cookie: pairs.collect::<Vec<_>>().join("; ") }
}

/// Comes back from the consent page.
pub(crate) async fn callback(app: &TestApp, query: &[(&str, &str)], cookie: &str) -> Response {
    let request = http::client().get(app.url("/oauth/callback")).query(query).header("cookie", cookie);
    request.send().await.unwrap()
}

/// The whole installation in a workspace, through Plane's consent page; it must succeed.
pub(crate) async fn install(app: &TestApp, workspace: usize) {
    let begun = begin(app).await;
    let mut approve = begun.consent.clone();
    approve.query_pairs_mut().append_pair("approve", &app.plane.workspace(workspace).slug);
    let approved = http::client().get(approve).send().await.unwrap();
    let back = approved.headers().get("location").expect("the consent page redirects").to_str().unwrap();
    let back = Url::parse(back).unwrap();
    assert_eq!(back.as_str().split('?').next(), Some(REDIRECT_URI));

    let query = back.query_pairs().into_owned().collect::<Vec<_>>();
    let query = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>();
    let response = callback(app, &query, &begun.cookie).await;
    let status = response.status();
    let text = response.text().await.unwrap();
    assert!(status.is_success() || status.is_redirection(), "the installation failed with {status}: {text}");
}
