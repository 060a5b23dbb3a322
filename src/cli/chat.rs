//! `aileron chat`: the agent itself in the terminal, to try out prompts and skills.
//!
//! Session, journal, tools, prompts and worker are those that serve; only Plane's runs are played here.
//! The work item is read in Plane, nothing is posted to it. Texts that are edited count from the next
//! turn. In a pipe each line is a prompt, taken when the one before is answered.

mod conversation;
mod overheard;
mod screen;
mod stage;

use std::{
    collections::VecDeque,
    io::{BufRead as _, IsTerminal as _},
    process::ExitCode,
    sync::Arc,
};

use tokio::sync::mpsc;

use self::{
    conversation::Conversation,
    overheard::Overheard,
    screen::{Heard, Screen},
    stage::Stage,
};
use super::{
    demo, logs, put, say,
    side::{Side, Target},
};
use crate::config::{LogConfig, LogFormat, WritePolicy, WritesConfig, load::Sources};

const HELP: &str = "\
/stop            stop what is running
/skills          the skills there are; begin a prompt with /name to choose one
/context [full]  what the model gets, with its tokens section by section
/history         what was said so far
/new             begin a new conversation
/quit            leave";

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    target: Target,
}

pub(super) async fn main(sources: &Sources, options: &Options) -> anyhow::Result<ExitCode> {
    // Broken files are told in the conversation.
    let filter = format!("{},aileron::agent::prompts::library=off", demo::log_filter(sources));
    logs::start(&LogConfig { format: LogFormat::Text, filter });
    let mut side = Side::open(sources, &options.target).await?;
    side.config.writes = WritesConfig { usual: WritePolicy::Deny, ..WritesConfig::default() };
    let (tell, heard) = mpsc::unbounded_channel();
    let stage = Arc::new(Stage::new(side.plane.clone(), tell.clone()));
    let agent = Arc::new(side.agent(stage, Arc::new(Overheard::new(side.model()?, tell))));
    say(&format!("{}.", demo::banner(&side.chain().first)));
    say(&format!("{}\nNothing is posted to Plane. /help lists the commands.\n", side.title));
    let billed_as = side.chain().first.clone();
    let conversation = Conversation::begin(agent, side.store.clone(), side.run.clone(), billed_as);
    let typed = std::io::stdin().is_terminal();
    let mut chat = Chat { conversation, screen: Screen::default(), typed, waiting: VecDeque::new(), ended: false };
    let outcome = chat.talk(lines(), heard).await;
    let failed = chat.screen.last_failed();
    chat.conversation.end().await;
    side.close().await;
    outcome?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The lines of standard input; bytes that are not UTF-8 are replaced. They are read on a thread of
/// their own: reading cannot be called off.
fn lines() -> mpsc::UnboundedReceiver<String> {
    let (send, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().split(b'\n').map_while(Result::ok) {
            if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
    lines
}

struct Chat {
    conversation: Conversation,
    screen: Screen,
    /// Whether somebody types: then a line joins the turn that is running.
    typed: bool,
    /// Lines that wait for their turn.
    waiting: VecDeque<String>,
    /// No more lines will come.
    ended: bool,
}

/// What follows from a line.
enum Then {
    GoOn,
    Leave,
}

impl Chat {
    async fn talk(
        &mut self,
        mut lines: mpsc::UnboundedReceiver<String>,
        mut heard: mpsc::UnboundedReceiver<Heard>,
    ) -> anyhow::Result<()> {
        self.invite();
        loop {
            if !self.conversation.is_running()
                && let Some(line) = self.waiting.pop_front()
            {
                if let Then::Leave = self.take(&line).await? {
                    return Ok(());
                }
                continue;
            }
            if self.ended && !self.conversation.is_running() {
                return Ok(());
            }
            tokio::select! {
                Some(heard) = heard.recv() => {
                    if self.screen.hear(&heard) {
                        self.conversation.answered(self.screen.last_word());
                        self.invite();
                    }
                }
                line = lines.recv(), if !self.ended => match line {
                    Some(line) => self.receive(line).await?,
                    None => self.ended = true,
                },
                _ = tokio::signal::ctrl_c() => {
                    if !self.conversation.is_running() {
                        return Ok(());
                    }
                    self.stop().await?;
                }
            }
        }
    }

    /// Lines wait while a turn runs, except for a stop, and for what is typed.
    async fn receive(&mut self, line: String) -> anyhow::Result<()> {
        let line = line.trim().to_owned();
        if line == "/stop" && self.conversation.is_running() {
            // What was said before the stop is void.
            self.waiting.clear();
            return self.stop().await;
        }
        if self.typed && self.conversation.is_running() && !line.starts_with('/') && !line.is_empty() {
            return self.conversation.say(&line).await;
        }
        self.waiting.push_back(line);
        Ok(())
    }

    async fn stop(&mut self) -> anyhow::Result<()> {
        self.screen.note("stopping");
        self.conversation.stop().await
    }

    /// Carries out a line at rest.
    async fn take(&mut self, line: &str) -> anyhow::Result<Then> {
        if !self.typed && !line.is_empty() {
            say(&format!("> {line}"));
        }
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match word {
            "" => {}
            "/quit" | "/exit" => return Ok(Then::Leave),
            "/help" => say(HELP),
            "/stop" => say("Nothing is running."),
            "/skills" => say(&self.conversation.skills().await),
            "/context" => say(&self.conversation.context(rest.trim() == "full").await?),
            "/history" => say(&self.conversation.history()),
            "/new" => {
                self.conversation.renew();
                say("A new conversation.");
            }
            command if command.starts_with('/') && !self.conversation.has_skill(line).await => {
                say(&format!("There is neither a command nor a skill {command}; see /help and /skills."));
            }
            _ => {
                self.conversation.edits().iter().for_each(|told| self.screen.note(told));
                return self.conversation.say(line).await.map(|()| Then::GoOn);
            }
        }
        self.invite();
        Ok(Then::GoOn)
    }

    fn invite(&self) {
        if self.typed {
            put("> ");
        }
    }
}
