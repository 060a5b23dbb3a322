//! `aileron writes`: the operator's switch for all changes.

use std::process::ExitCode;

use anyhow::{Context as _, bail};

use super::{configured, say};
use crate::{agent::policy::switch::WriteSwitch, config::load::Sources};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Nothing says how it stands.
    #[arg(value_enum)]
    to: Option<To>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum To {
    /// Changes are made again, as the configuration allows.
    On,
    /// Nothing is changed any more, at once and without a restart.
    Off,
}

pub(super) fn main(sources: &Sources, options: &Options) -> anyhow::Result<ExitCode> {
    let config = configured(sources)?;
    let switch = WriteSwitch::of(&config.store.data_dir);
    let data_dir = std::path::absolute(&config.store.data_dir).unwrap_or_else(|_| config.store.data_dir.clone());
    if !data_dir.join("store").exists() {
        // In another directory the switch would switch nothing.
        bail!(
            "there is no store in {}, so no server works there; name its data directory as the server does, with DATA_DIR \
             or store.data_dir",
            data_dir.display()
        );
    }
    if let Some(to) = options.to {
        let context = || format!("the switch in {} cannot be set", data_dir.display());
        switch.set(to == To::Off).with_context(context)?;
    }
    say(&format!("Data directory: {}", data_dir.display()));
    say(match (switch.is_off(), config.writes.permit_some()) {
        (true, _) => "Changes are switched off: the agent changes nothing until `aileron writes on`.",
        (false, true) => "Changes are on, as the configuration allows.",
        (false, false) => "Changes are on, but the configuration denies them all (writes = \"deny\").",
    });
    Ok(ExitCode::SUCCESS)
}
