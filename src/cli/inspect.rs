//! `aileron installations` and `aileron letters`, and for `usage` too: what the store holds, asked of the
//! running server or read directly if none runs.

use std::{path::Path, process::ExitCode};

use anyhow::Context as _;
use serde::de::DeserializeOwned;

use super::{configured, say};
use crate::{
    config::{StoreConfig, load::Sources},
    server::control::{self, InstallationLine},
    store::{Store, StoreError, sled::SledStore},
};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn installations(sources: &Sources, options: &Options) -> anyhow::Result<ExitCode> {
    let config = configured(sources)?;
    let read = async |store: &dyn Store| control::installation_lines(store).await.map_err(anyhow::Error::msg);
    let mut lines = told(&config.store, "/installations", read).await?;
    if let Some(fixed) = &config.plane.fixed {
        lines.push(fixed_line(fixed));
    }
    if options.json {
        say(&serde_json::to_string_pretty(&lines)?);
        return Ok(ExitCode::SUCCESS);
    }
    if lines.is_empty() {
        say("Not installed in any workspace. Open /oauth/setup of the running server in a browser to install it.");
    }
    for line in lines {
        let expires = line.token_expires_at.map(|at| format!(", token until {at}")).unwrap_or_default();
        let status = format!("{:?}", line.status).to_lowercase();
        say(&format!("{}  {}  {}  {}{expires}", line.workspace_slug, line.workspace_id, status, line.credential));
    }
    Ok(ExitCode::SUCCESS)
}

fn fixed_line(fixed: &crate::config::FixedTokenConfig) -> InstallationLine {
    InstallationLine {
        workspace_slug: fixed.workspace_slug.clone(),
        workspace_name: fixed.workspace_slug.clone(),
        workspace_id: fixed.workspace_id.to_string(),
        status: crate::domain::installation::InstallationStatus::Active,
        credential: "fixed token from the config".to_owned(),
        installed_at: String::new(),
        token_expires_at: None,
    }
}

pub(super) async fn letters(sources: &Sources, options: &Options) -> anyhow::Result<ExitCode> {
    let config = configured(sources)?;
    let letters = told(&config.store, "/letters", async |store: &dyn Store| Ok(store.letters().await?)).await?;
    if options.json {
        say(&serde_json::to_string_pretty(&letters)?);
        return Ok(ExitCode::SUCCESS);
    }
    if letters.is_empty() {
        say("Every signed webhook so far could be read.");
    }
    for letter in letters {
        say(&format!("{}  {}  {}\n    {}", letter.received_at, letter.event, letter.reason, letter.body));
    }
    Ok(ExitCode::SUCCESS)
}

/// What the running server tells at `path`; if none runs, what `read` finds in the store. Nothing if
/// there is no data directory yet.
pub(super) async fn told<T: DeserializeOwned>(
    config: &StoreConfig,
    path: &str,
    read: impl AsyncFnOnce(&dyn Store) -> anyhow::Result<Vec<T>>,
) -> anyhow::Result<Vec<T>> {
    if !config.data_dir.exists() {
        return Ok(Vec::new());
    }
    match SledStore::open(&config.data_dir) {
        Ok(opened) => {
            let found = read(&opened.store).await;
            opened.store.close().await;
            found
        }
        Err(StoreError::Locked { .. }) => ask_server(&config.data_dir, path).await,
        Err(error) => Err(error).context("the store cannot be opened"),
    }
}

/// What the running server tells at `path`.
pub(super) async fn ask_server<T: DeserializeOwned>(data_dir: &Path, path: &str) -> anyhow::Result<T> {
    let socket = control::socket_path(data_dir);
    let client = reqwest::Client::builder().unix_socket(socket.as_path()).build().context("no HTTP client")?;
    let response = client
        .get(format!("http://aileron{path}"))
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .with_context(|| {
            format!("the server that holds {} does not answer on its control socket", data_dir.display())
        })?;
    response.json().await.context("the server's answer cannot be read: is it another version?")
}
