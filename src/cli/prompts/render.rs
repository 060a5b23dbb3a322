//! `aileron prompts render`: exactly what the model would get, with its tokens section by section.

use std::{process::ExitCode, sync::Arc};

use super::super::{
    demo, logs, say,
    side::{Side, Target},
};
use crate::{
    agent::preview::Preview,
    config::{LogConfig, LogFormat, load::Sources},
    llm::tokens::TokenMeter,
};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    target: Target,
    /// What the person asks; it may begin with /skill.
    #[arg(long, value_name = "TEXT", default_value = "please triage this")]
    prompt: String,
    /// Only the table of tokens.
    #[arg(long)]
    tokens: bool,
}

pub(super) async fn main(sources: &Sources, options: &Options) -> anyhow::Result<ExitCode> {
    logs::start(&LogConfig { format: LogFormat::Text, filter: demo::log_filter(sources) });
    let side = Side::open(sources, &options.target).await?;
    let agent = side.agent(side.plane.clone(), side.model()?);
    let preview = agent.preview(&side.run, &options.prompt).await;
    let meter = TokenMeter::of(&side.chain().first);
    side.close().await;
    let preview = preview?;
    if !options.tokens {
        for section in &preview.sections {
            say(&format!("=== {}\n{}\n", section.name, section.text));
        }
    }
    say(&table(preview, meter).await?);
    Ok(ExitCode::SUCCESS)
}

/// The tokens of every section and of its parts. Counting takes its time, so it is done aside.
pub(in crate::cli) async fn table(preview: Preview, meter: TokenMeter) -> anyhow::Result<String> {
    let meter = Arc::new(meter);
    let counted = tokio::task::spawn_blocking(move || {
        let mut lines = vec![format!("{:>8}  {}", "tokens", "section")];
        let mut total = 0;
        for section in &preview.sections {
            let tokens = meter.count(&section.text) + section.beside;
            total += tokens;
            lines.push(format!("{tokens:>8}  {}", section.name));
            for (name, text) in &section.parts {
                lines.push(format!("{:>8}    {name} {}", "", meter.count(text)));
            }
        }
        lines.push(format!("{total:>8}  in all (texts {})", preview.hash));
        lines.join("\n")
    });
    Ok(counted.await?)
}
