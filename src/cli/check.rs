//! `aileron check`: everything that can be wrong before the first mention, and what to mend.

mod models;

use std::{process::ExitCode, sync::Arc};

use super::{say, serve::library};
use crate::{
    config::{AgentConfig, Config, load, load::Sources},
    domain::installation::InstallationBook,
    plane::{self, credentials::Credentials, oauth::OAuthClient},
    store::{
        Store, StoreError,
        sled::{SledStore, damaged_stores},
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Check files and settings only; ask neither the model nor Plane.
    #[arg(long)]
    offline: bool,
}

/// What was found so far.
#[derive(Default)]
struct Report {
    problems: usize,
}

impl Report {
    fn good(&self, what: &str) {
        say(&format!("ok       {what}"));
    }

    fn note(&self, what: &str) {
        say(&format!("note     {what}"));
    }

    fn bad(&mut self, what: &str) {
        self.problems += 1;
        say(&format!("problem  {what}"));
    }
}

pub(super) async fn main(sources: &Sources, options: &Options) -> anyhow::Result<ExitCode> {
    let mut report = Report::default();
    let config = match load::load(sources) {
        Ok(config) => {
            report.good("the configuration is complete");
            Some(config)
        }
        Err(problems) => {
            problems.iter().for_each(|problem| report.bad(&problem.to_string()));
            None
        }
    };
    if let Some(config) = &config {
        check_files(&mut report, config);
        models::check_cards(&mut report, config);
        let book = check_store(&mut report, config).await;
        if !options.offline {
            models::check_answers(&mut report, config).await;
            check_plane(&mut report, config, book).await?;
        }
    }
    Ok(match report.problems {
        0 => {
            say("\nEverything is in order.");
            ExitCode::SUCCESS
        }
        1 => {
            say("\n1 problem. Every key is described in aileron.default.toml.");
            ExitCode::FAILURE
        }
        many => {
            say(&format!("\n{many} problems. Every key is described in aileron.default.toml."));
            ExitCode::FAILURE
        }
    })
}

/// What people edit: prompts, skills, descriptions of tools.
fn check_files(report: &mut Report, config: &Config) {
    let edition = library(config).current();
    let AgentConfig { prompts_dir, tools_dir, .. } = &config.agent;
    let files: Vec<_> = edition.files_in_use().collect();
    if files.is_empty() {
        let (prompts, tools) = (prompts_dir.display(), tools_dir.display());
        report.good(&format!("the built-in prompts, skills and tools are used; nothing in {prompts} and {tools}"));
    } else {
        report.good(&format!("files on disk replace or add to the built-in texts: {}", files.join(", ")));
    }
    edition.problems().iter().for_each(|problem| report.bad(&problem.to_string()));
}

/// Looks at the store without making one; a running server holds it and that is fine.
async fn check_store(report: &mut Report, config: &Config) -> Option<Arc<dyn Store>> {
    let dir = config.store.data_dir.display();
    if !config.store.data_dir.exists() {
        report.note(&format!("{dir} does not exist yet; it is made at the first start"));
        return None;
    }
    let opened = SledStore::open(&config.store.data_dir);
    for aside in damaged_stores(&config.store.data_dir) {
        report.note(&format!(
            "{} is a damaged store that was set aside; nothing reads it any more, delete it when you have looked at it",
            aside.display()
        ));
    }
    match opened {
        Ok(opened) => {
            if let Some(aside) = opened.set_aside {
                report.bad(&format!(
                    "the store in {dir} was damaged and is set aside as {}; {} installations were restored from \
                     installations.json. If a workspace is missing, install the app again there. Conversations are \
                     forgotten; {} runs are known from runs.jsonl, and `aileron serve` looks there for prompts that \
                     were not answered yet. Any others must be written again",
                    aside.display(),
                    opened.installations_restored,
                    opened.runs_restored
                ));
            } else {
                report.good(&format!("the store in {dir} opens"));
            }
            Some(Arc::new(opened.store))
        }
        Err(StoreError::Locked { .. }) => {
            report
                .note(&format!("the store in {dir} is in use: an aileron is running; `aileron installations` asks it"));
            None
        }
        Err(error) => {
            report.bad(&format!("store.data_dir: {error}"));
            None
        }
    }
}

async fn check_plane(report: &mut Report, config: &Config, store: Option<Arc<dyn Store>>) -> anyhow::Result<()> {
    let http = plane::client::http_client()?;
    let base = config.plane.api_url.as_str().trim_end_matches('/');
    let me = format!("{base}/api/v1/users/me/");
    let reached = http.get(&me).timeout(config.plane.request_timeout).send().await;
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
    let book: Arc<dyn InstallationBook> = match store.clone() {
        Some(store) => store,
        None => Arc::new(NoInstallations),
    };
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
                let (name, value) = authorization.header("users/me")?;
                let asked = http.get(&me).header(name, value).timeout(config.plane.request_timeout).send().await;
                match asked.map(|response| response.status()) {
                    Ok(status) if status.is_success() => report.good(&format!("workspace {slug}: Plane takes the token")),
                    Ok(status) => report.bad(&format!("workspace {slug}: Plane answers {status} to the token; install the app again or set another token")),
                    Err(error) => report.bad(&format!("workspace {slug}: {}", error.without_url())),
                }
            }
            Err(error) => report.bad(&format!("workspace {slug}: {error}; install the app again at /oauth/setup")),
        }
    }
    if let Some(store) = store {
        store.close().await;
    }
    Ok(())
}

/// For a check beside a running server, which alone may read the store.
struct NoInstallations;

#[async_trait::async_trait]
impl InstallationBook for NoInstallations {
    async fn installations(
        &self,
    ) -> Result<Vec<crate::domain::installation::Installation>, crate::domain::installation::BookError> {
        Ok(Vec::new())
    }

    async fn save_installation(
        &self,
        _: crate::domain::installation::Installation,
    ) -> Result<(), crate::domain::installation::BookError> {
        Ok(())
    }
}
