//! `aileron check`: everything that can be wrong before the first mention, and what to mend.

mod models;
mod plane;

use std::process::ExitCode;

use super::{say, serve::library};
use crate::{
    config::{AgentConfig, Config, StoreConfig, load, load::Sources},
    store::{
        StoreError,
        sled::{Condition, copied_installations, damaged_stores, probe},
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
        check_store(&mut report, &config.store);
        if !options.offline {
            models::check_answers(&mut report, config).await;
            plane::check(&mut report, config).await?;
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

/// Looks at the store without making, mending or keeping one: that is for `aileron serve`, under its own
/// user, and to be told by it.
fn check_store(report: &mut Report, config: &StoreConfig) {
    let dir = config.data_dir.display();
    for aside in damaged_stores(&config.data_dir) {
        report.note(&format!(
            "{} is a damaged store that was set aside; nothing reads it any more, delete it when you have looked at it",
            aside.display()
        ));
    }
    match probe(&config.data_dir) {
        Ok(Condition::Missing) => {
            report.note(&format!("there is no store in {dir} yet; it is made at the first start"))
        }
        Ok(Condition::Whole) => report.good(&format!("the store in {dir} opens")),
        Ok(Condition::Worn { commits_lost, records_missing }) => report.bad(&format!(
            "the store in {dir} has lost its last {commits_lost} commits and {records_missing} older records to \
             damage; `aileron serve` goes on without them and looks in Plane for prompts that were not answered yet"
        )),
        Ok(Condition::Damaged { reason }) => report.bad(&format!(
            "the store in {dir} is damaged ({reason}). It was left where it is: the next `aileron serve` sets it aside, \
             begins an empty one with the {} installations in installations.json, and looks in Plane for prompts \
             that were not answered yet in the runs listed in runs.jsonl. If a workspace is missing then, install the \
             app again there. Conversations are forgotten",
            copied_installations(&config.data_dir).len()
        )),
        Err(StoreError::Locked { .. }) => report.note(&format!(
            "the store in {dir} is in use: an aileron is running; `aileron installations`, `letters` and `usage` ask it"
        )),
        Err(error) => report.bad(&format!("store.data_dir: {error}")),
    }
}
