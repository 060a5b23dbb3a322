//! `aileron usage`: what the models cost, by day, workspace, model or run.

use std::{collections::BTreeMap, process::ExitCode};

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};

use super::{configured, inspect::told, say};
use crate::{
    config::{Config, load::Sources},
    domain::usage::Spent,
    server::control::usage::{Days, run_lines, usage_lines},
    store::Store,
};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// How many days back, today included.
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    days: u16,
    /// What to sum by; "run" lists the newest runs, whenever they were.
    #[arg(long, value_enum, default_value_t = By::Day)]
    by: By,
    /// Print JSON, a line for each day, workspace and model (or run).
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum By {
    Day,
    Workspace,
    Model,
    Run,
}

pub(super) async fn main(sources: &Sources, options: &Options) -> anyhow::Result<ExitCode> {
    let config = configured(sources)?;
    if options.by == By::Run {
        let read = async |store: &dyn Store| run_lines(store).await.map_err(anyhow::Error::msg);
        let mut lines = told(&config.store, "/usage/runs", read).await?;
        lines.iter_mut().for_each(|line| name_fixed(&config, &mut line.workspace));
        if options.json {
            say(&serde_json::to_string_pretty(&lines)?);
        } else {
            let named = lines.iter().map(|line| (format!("{}  {}", line.run, line.workspace), line.spent));
            table("run", named.collect());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let until = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let from = until.checked_sub(i32::from(options.days.saturating_sub(1)).days()).unwrap_or(until);
    let days = Days { from, until };
    let read = async |store: &dyn Store| usage_lines(store, days).await.map_err(anyhow::Error::msg);
    let mut lines = told(&config.store, &format!("/usage?from={from}&until={until}"), read).await?;
    lines.iter_mut().for_each(|line| name_fixed(&config, &mut line.workspace));
    if options.json {
        say(&serde_json::to_string_pretty(&lines)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut sums: BTreeMap<String, Spent> = BTreeMap::new();
    for line in &lines {
        let name = match options.by {
            By::Day | By::Run => line.day.to_string(),
            By::Workspace => line.workspace.clone(),
            By::Model => line.model.clone(),
        };
        sums.entry(name).or_default().add(&line.spent);
    }
    let head = match options.by {
        By::Day | By::Run => "day (UTC)",
        By::Workspace => "workspace",
        By::Model => "model",
    };
    table(head, sums.into_iter().collect());
    Ok(ExitCode::SUCCESS)
}

/// The store does not know the slug of a workspace whose token is in the config.
pub(super) fn name_fixed(config: &Config, workspace: &mut String) {
    if let Some(fixed) = config.plane.fixed.as_ref().filter(|fixed| fixed.workspace_id.to_string() == *workspace) {
        workspace.clone_from(&fixed.workspace_slug);
    }
}

/// Prints one line for each name, and their sum.
fn table(head: &str, rows: Vec<(String, Spent)>) {
    if rows.is_empty() {
        say("No model has been asked in this time.");
        return;
    }
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(head.len());
    say(&format!(
        "{head:width$}  {:>8} {:>12} {:>12} {:>12} {:>12}",
        "replies", "input", "cached", "output", "dollars"
    ));
    let mut sum = Spent::default();
    for (name, spent) in &rows {
        sum.add(spent);
        say(&line(name, width, spent));
    }
    if rows.len() > 1 {
        say(&line("sum", width, &sum));
    }
    if sum.uncounted > 0 {
        say(&format!("Of {} replies the provider told no counts; they are not in these figures.", sum.uncounted));
    }
}

fn line(name: &str, width: usize, spent: &Spent) -> String {
    format!(
        "{name:width$}  {:>8} {:>12} {:>12} {:>12} {:>12}",
        spent.replies,
        spent.input,
        spent.cached_input,
        spent.output,
        dollars(spent.nano_dollars)
    )
}

/// To a hundredth of a cent, rounded up, so that nothing spent looks like nothing.
fn dollars(nano_dollars: u64) -> String {
    let parts = nano_dollars.div_ceil(100_000);
    format!("{}.{:04}", parts / 10_000, parts % 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_told_to_a_hundredth_of_a_cent() {
        for (nano, told) in [(0, "0.0000"), (1, "0.0001"), (1_234_500_000, "1.2345"), (1_234_500_001, "1.2346")] {
            assert_eq!(dollars(nano), told);
        }
    }
}
