//! Plane: whether it is there, takes our credentials, and is as the configuration says.

use std::sync::Arc;

use reqwest::{Client, Response};
use serde_json::Value;

use super::Report;
use crate::{
    cli::{inspect::ask_server, side::Copied},
    config::{ChannelConfig, Config, FixedTokenConfig},
    plane::{
        self,
        credentials::{Authorization, Credentials},
        oauth::OAuthClient,
    },
    server::arrivals::ArrivalLine,
};

/// No run has this id, so what is said about it tells whether there are runs at all.
const NO_RUN: &str = "00000000-0000-0000-0000-000000000000";
/// What Plane answers where there is no such path, and not only no such record.
const NO_SUCH_PATH: &str = "Page not found.";
/// Most projects that are looked at.
const MOST_PROJECTS: &str = "100";

/// One workspace, and how to ask in it.
struct Asked<'a> {
    http: &'a Client,
    config: &'a Config,
    base: &'a str,
    slug: &'a str,
    authorization: &'a Authorization,
}

pub(super) async fn check(report: &mut Report, config: &Config) -> anyhow::Result<()> {
    let http = plane::client::http_client()?;
    let base = config.plane.api_url.as_str().trim_end_matches('/');
    let reached = http.get(format!("{base}/api/v1/users/me/")).timeout(config.plane.request_timeout).send().await;
    match reached.map(|response| response.status()) {
        // Without a token Plane refuses; any other answer comes from something else.
        Ok(status) if matches!(status.as_u16(), 200 | 401 | 403) => report.good(&format!("Plane answers at {base}")),
        Ok(status) => report.bad(&format!(
            "{base} answers with {status}; is plane.api_url (PLANE_API_URL) a Plane server, without /api/v1?"
        )),
        Err(error) => {
            let error = error.without_url();
            report.bad(&format!(
                "Plane does not answer at {base}: {error}. Check plane.api_url (PLANE_API_URL) and the network."
            ));
            return Ok(());
        }
    }
    let book = Arc::new(Copied::beside(&config.store));
    let oauth = OAuthClient::new(http.clone(), &config.plane);
    let credentials = Credentials::new(book, oauth, config.plane.fixed.as_ref());
    credentials.load().await?;
    let installations = credentials.installations();
    if installations.is_empty() {
        report.note(
            "the app is not known to be installed anywhere; open /oauth/setup of the running server in a browser",
        );
    }
    for installation in installations {
        let slug = &installation.slug;
        match credentials.authorize(installation.workspace).await {
            Ok(authorization) => {
                let asked = Asked { http: &http, config, base, slug, authorization: &authorization };
                let fixed = config.plane.fixed.as_ref().filter(|fixed| fixed.workspace_id == installation.workspace);
                asked.check(report, fixed).await?;
            }
            Err(error) => report.bad(&format!("workspace {slug}: {error}; install the app again at /oauth/setup")),
        }
    }
    check_arrivals(report, config).await;
    Ok(())
}

impl Asked<'_> {
    async fn check(&self, report: &mut Report, fixed: Option<&FixedTokenConfig>) -> anyhow::Result<()> {
        let slug = self.slug;
        let me = match self.get("/users/me/", &[]).await {
            Ok(response) if response.status().is_success() => response.json::<Value>().await.unwrap_or_default(),
            Ok(response) => {
                let status = response.status();
                report.bad(&format!(
                    "workspace {slug}: Plane answers {status} to the token; install the app again or set another token"
                ));
                return Ok(());
            }
            Err(error) => {
                report.bad(&format!("workspace {slug}: {error}"));
                return Ok(());
            }
        };
        report.good(&format!("workspace {slug}: Plane takes the token"));
        if let Some(fixed) = fixed {
            check_owner(report, fixed, &me);
            self.check_projects(report, fixed).await;
            self.check_channel(report).await;
        }
        Ok(())
    }

    /// Which projects the key sees, and that they are in the workspace the configuration names.
    async fn check_projects(&self, report: &mut Report, fixed: &FixedTokenConfig) {
        let slug = self.slug;
        let path = format!("/workspaces/{slug}/projects/");
        let projects = match self.get(&path, &[("per_page", MOST_PROJECTS)]).await {
            Ok(response) if response.status().is_success() => response.json::<Value>().await.unwrap_or_default(),
            Ok(response) => {
                let status = response.status();
                return report.bad(&format!(
                    "workspace {slug}: Plane answers {status} to its projects; is plane.fixed.workspace_slug right, and \
                     the user of the key a member of it?"
                ));
            }
            Err(error) => return report.bad(&format!("workspace {slug}: {error}")),
        };
        let projects = projects["results"].as_array().cloned().unwrap_or_default();
        let elsewhere = |project: &&Value| project["workspace"].as_str() != Some(&*fixed.workspace_id.to_string());
        if let Some(id) = projects.iter().find(elsewhere).and_then(|project| project["workspace"].as_str()) {
            report.bad(&format!("plane.fixed.workspace_id is {}, but {slug} is {id}", fixed.workspace_id));
        }
        // Public projects are listed to everyone, and closed to those who are not in them.
        let seen: Vec<_> = projects
            .iter()
            .filter(|project| project["is_member"] != false && project["archived_at"].is_null())
            .filter_map(|project| project["identifier"].as_str())
            .collect();
        if seen.is_empty() {
            report.bad(&format!("workspace {slug}: the key's user is in no project; add it to those it is to work in"));
        } else {
            report.good(&format!("workspace {slug}: the key reaches the projects {}", seen.join(", ")));
        }
    }

    /// Whether there are agent runs, and so which channel fits.
    async fn check_channel(&self, report: &mut Report) {
        let Ok(response) = self.get(&format!("/workspaces/{}/runs/{NO_RUN}/", self.slug), &[]).await else { return };
        let answer = response.text().await.unwrap_or_default();
        let has_runs = !answer.contains(NO_SUCH_PATH);
        match (&self.config.plane.channel, has_runs) {
            (ChannelConfig::Runs, true) => report.good("this Plane has agent runs, and plane.channel is \"runs\""),
            (ChannelConfig::Comments(_), false) => {
                report.good("this Plane has no agent runs, and plane.channel is \"comments\"");
            }
            (ChannelConfig::Runs, false) => {
                report.bad("this Plane has no agent runs, as the Community Edition; set plane.channel = \"comments\"")
            }
            (ChannelConfig::Comments(_), true) => {
                report.note("this Plane has agent runs; plane.channel = \"runs\" shows more than comments can");
            }
        }
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Response> {
        let (name, value) = self.authorization.header("the check")?;
        let request = self.http.get(format!("{}/api/v1{path}", self.base)).header(name, value).query(query);
        Ok(request.timeout(self.config.plane.request_timeout).send().await.map_err(reqwest::Error::without_url)?)
    }
}

/// Whether the key belongs to the user the configuration names.
fn check_owner(report: &mut Report, fixed: &FixedTokenConfig, me: &Value) {
    let (id, name) = (me["id"].as_str().unwrap_or_default(), me["display_name"].as_str().unwrap_or_default());
    match fixed.bot.map(|bot| bot.to_string()) {
        Some(bot) if bot == id => report.good(&format!("plane.fixed.bot is the key's user, @{name}")),
        Some(bot) => report.bad(&format!("plane.fixed.bot is {bot}, but the key belongs to @{name}, {id}")),
        None => report.note(&format!(
            "plane.fixed.bot is not set; with \"{id}\", which is @{name}, the agent knows its own words"
        )),
    }
}

/// Whether Plane reaches us, as far as a running server knows.
async fn check_arrivals(report: &mut Report, config: &Config) {
    let Ok(line) = ask_server::<ArrivalLine>(&config.store.data_dir, "/webhooks").await else {
        return report.note("whether webhooks arrive is not known: no aileron is running");
    };
    match line.last {
        Some(last) => report.good(&format!("webhooks arrive: the last signed one came at {last}")),
        None => report.note(&format!(
            "no signed webhook has come since the server started at {}; write a comment in Plane and check again. If \
             none comes: is the webhook active in Plane, is its address right, is the secret the same, and may Plane \
             send to this address (WEBHOOK_ALLOWED_IPS, WEBHOOK_ALLOWED_HOSTS)?",
            line.since
        )),
    }
}
