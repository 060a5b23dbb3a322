//! `aileron audit`: what the agent has changed in Plane, who asked for it and who approved it.

use std::process::ExitCode;

use anyhow::Context as _;
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{configured, inspect::told, say, usage::name_fixed};
use crate::{
    config::load::Sources,
    domain::ids::RunId,
    server::control::audit::{AuditLine, Wanted, audit_lines},
    store::Store,
};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Only the changes of this run.
    #[arg(long, value_name = "ID")]
    run: Option<RunId>,
    /// Only the changes of this work item, such as MOB-1.
    #[arg(long, value_name = "KEY")]
    work_item: Option<String>,
    /// Only what was changed since, a day such as 2026-11-25 or a time such as 2026-11-25T14:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn main(sources: &Sources, options: &Options) -> anyhow::Result<ExitCode> {
    let since = options.since.as_deref().map(time).transpose()?;
    let wanted = Wanted { run: options.run, work_item: options.work_item.clone(), since };
    let config = configured(sources)?;
    let path = format!("/audit?{}", query(&wanted));
    let read = async |store: &dyn Store| audit_lines(store, &wanted).await.map_err(anyhow::Error::msg);
    let mut lines = told(&config.store, &path, read).await?;
    lines.iter_mut().for_each(|line| name_fixed(&config, &mut line.workspace));
    if options.json {
        say(&serde_json::to_string_pretty(&lines)?);
        return Ok(ExitCode::SUCCESS);
    }
    if lines.is_empty() {
        say("No change of this kind is known. Runs that were forgotten are not searched; see store.keep_runs_days.");
    }
    for line in &lines {
        say(&text(line));
    }
    Ok(ExitCode::SUCCESS)
}

fn query(wanted: &Wanted) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(wanted.run.map(|run| ("run", run.to_string())));
    query.extend_pairs(wanted.work_item.as_ref().map(|key| ("work_item", key)));
    query.extend_pairs(wanted.since.map(|since| ("since", since.to_string())));
    query.finish()
}

fn time(text: &str) -> anyhow::Result<Timestamp> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let day = text.parse::<Date>().ok().and_then(|day| day.to_zoned(TimeZone::UTC).ok());
    let day = day.with_context(|| {
        format!("--since {text:?} is no day such as 2026-11-25 and no time such as 2026-11-25T14:00:00Z")
    })?;
    Ok(day.timestamp())
}

fn text(line: &AuditLine) -> String {
    let approved = match &line.approved_by {
        Some(approver) => format!(", approved by {approver}"),
        None => String::new(),
    };
    let undoes = line.undoes.map(|number| format!(", takes back change {number}")).unwrap_or_default();
    let mut text = format!(
        "{}  {}  run {}  turn {}  change {}\n    {}: {}\n    asked for by {}{approved}{undoes}",
        line.at,
        line.workspace,
        line.run,
        line.turn,
        line.number,
        line.summary,
        line.outcome,
        line.asked_by.join(", "),
    );
    if let Some(reason) = &line.reason {
        text.push_str(&format!("\n    because: {reason}"));
    }
    for change in &line.changes {
        text.push_str(&format!("\n    {change}"));
    }
    if !line.text.is_empty() {
        text.push_str(&format!("\n    text: {}", line.text));
    }
    text
}
