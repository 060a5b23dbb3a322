//! `aileron prompts`: what the agent says and is told, where each text comes from, and what a model
//! would get.

mod diff;
mod render;

pub(super) use self::render::table;

use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;

use super::say;
use crate::{
    agent::prompts::{
        library::{Edition, Library},
        place::{Item, Place},
        template::Template,
        wording::{Origin, built_in_text},
    },
    config::load::{self, Sources},
};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List every prompt, skill and tool, and where its text comes from.
    List(Where),
    /// Print a text as it is used, such as system.md, triage or read_comments.
    Show {
        name: String,
        #[command(flatten)]
        place: Where,
    },
    /// Show how the texts in use differ from the built-in ones.
    Diff {
        /// Only this one.
        name: Option<String>,
        #[command(flatten)]
        place: Where,
    },
    /// Try every file on disk and say what is wrong, with its line.
    Check,
    /// Show what the model would get for a work item, with its tokens section by section.
    Render(render::Options),
}

/// The place whose texts are meant; everywhere if none is named.
#[derive(Debug, Clone, clap::Args)]
struct Where {
    /// The workspace's slug.
    #[arg(long, value_name = "SLUG")]
    workspace: Option<String>,
    /// The project's identifier.
    #[arg(long, value_name = "IDENTIFIER")]
    project: Option<String>,
}

impl Where {
    fn place(&self) -> Place {
        let workspace = self.workspace.as_ref().map(|slug| slug.to_lowercase());
        Place { workspace, project: self.project.as_ref().map(|identifier| identifier.to_uppercase()) }
    }
}

pub(super) async fn main(sources: &Sources, options: &Options) -> anyhow::Result<ExitCode> {
    match &options.command {
        Command::List(place) => {
            let edition = edition(sources)?;
            list(&edition, &place.place());
            tell_problems(&edition);
        }
        Command::Show { name, place } => {
            let edition = edition(sources)?;
            say(find(&edition, &place.place(), name)?.2.trim_end());
        }
        Command::Diff { name, place } => differences(edition(sources)?.as_ref(), &place.place(), name.as_deref())?,
        Command::Check => return Ok(check(edition(sources)?.as_ref())),
        Command::Render(options) => return render::main(sources, options).await,
    }
    Ok(ExitCode::SUCCESS)
}

/// The texts on disk and behind them the compiled-in ones; nothing else needs to be set up for it.
fn edition(sources: &Sources) -> anyhow::Result<std::sync::Arc<Edition>> {
    let config = load::load_texts(sources).map_err(|problems| {
        let list = problems.iter().map(|problem| format!("\n  {problem}")).collect::<String>();
        anyhow::anyhow!("the configuration cannot be read:{list}")
    })?;
    Ok(Library::open(config).current())
}

fn list(edition: &Edition, place: &Place) {
    let wording = edition.wording(place);
    let purpose = |item: &Item| match item {
        Item::Template(name) => Template::named(name).map(|template| template.purpose.to_owned()),
        Item::Skill(name) => {
            Some(wording.skills.get(name).map_or("switched off".to_owned(), |skill| skill.description.clone()))
        }
        Item::Tool(_) => Some("what the model is told of the tool".to_owned()),
    };
    let rows: Vec<_> =
        wording.sources().map(|(item, origin, _)| (item.to_string(), origin.to_string(), purpose(item))).collect();
    let width = |column: fn(&(String, String, Option<String>)) -> usize| rows.iter().map(column).max().unwrap_or(0);
    let (names, origins) = (width(|row| row.0.chars().count()), width(|row| row.1.chars().count()));
    for (name, origin, purpose) in &rows {
        say(format!("{name:names$}  {origin:origins$}  {}", purpose.as_deref().unwrap_or_default()).trim_end());
    }
    say(&format!("\nhash {}", wording.hash));
}

fn tell_problems(edition: &Edition) {
    if !edition.problems().is_empty() {
        say("\nnot in use:");
    }
    edition.problems().iter().for_each(|problem| say(&format!("  {problem}")));
}

/// A text by the name people call it.
fn find(edition: &Edition, place: &Place, name: &str) -> anyhow::Result<(Item, Origin, String)> {
    let wording = edition.wording(place);
    let plain = name.trim_start_matches("./").trim_start_matches("prompts/").trim_start_matches('/');
    let plain = plain.trim_end_matches(".md");
    let is_meant = |item: &Item| {
        let path = item.to_string();
        let path = path.trim_end_matches(".md");
        path == plain || path.rsplit('/').next() == Some(plain)
    };
    let mut found = wording.sources().filter(|(item, ..)| is_meant(item));
    let Some((item, origin, text)) = found.next() else {
        bail!("there is no text {name:?}; `aileron prompts list` shows them all");
    };
    Ok((item.clone(), origin.clone(), text.to_owned()))
}

fn differences(edition: &Edition, place: &Place, name: Option<&str>) -> anyhow::Result<()> {
    let texts: Vec<(Item, Origin, String)> = match name {
        Some(name) => vec![find(edition, place, name)?],
        None => {
            let wording = edition.wording(place);
            wording.sources().map(|(item, origin, text)| (item.clone(), origin.clone(), text.to_owned())).collect()
        }
    };
    let mut differ = 0;
    for (item, origin, text) in texts.iter().filter(|(_, origin, _)| *origin != Origin::BuiltIn) {
        let built_in = built_in_text(item).unwrap_or_default();
        let lines = diff::unified(&built_in, text);
        if !lines.is_empty() {
            differ += 1;
            say(&format!("--- {item} (built in)\n+++ {origin}\n{lines}"));
        }
    }
    if differ == 0 {
        say("No text differs from the built-in one.");
    }
    Ok(())
}

fn check(edition: &Edition) -> ExitCode {
    let files = edition.files_in_use().count();
    match edition.problems() {
        [] => {
            say(&format!("{files} files on disk, all in order."));
            ExitCode::SUCCESS
        }
        problems => {
            problems.iter().for_each(|problem| say(&problem.to_string()));
            say("\nWhat cannot be used leaves what was in use before, or the built-in text.");
            ExitCode::FAILURE
        }
    }
}
