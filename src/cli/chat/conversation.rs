//! One conversation: the run that is played, the worker that works on it, and what was said.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::super::prompts::table;
use crate::{
    agent::{Agent, prompts::library::Edition},
    config::ModelConfig,
    domain::{
        event::{Prompt, RunEvent, RunEventKind, RunInfo},
        ids::{ActivityId, RunId},
    },
    llm::tokens::TokenMeter,
    store::{Retention, Store, StoreError},
    worker::Worker,
};

/// What a conversation holds is small and gone with the process.
const KEEP_ALL: Retention =
    Retention { keep_runs: SignedDuration::MAX, max_runs: u64::MAX, keep_keys: SignedDuration::MAX };

pub(super) struct Conversation {
    agent: Arc<Agent>,
    store: Arc<dyn Store>,
    run: RunInfo,
    /// The model whose tokens are counted.
    billed_as: ModelConfig,
    running: bool,
    /// Who said what.
    said: Vec<(String, String)>,
    /// The texts as they were when they were last looked at.
    edition: Arc<Edition>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl Conversation {
    pub(super) fn begin(agent: Arc<Agent>, store: Arc<dyn Store>, run: RunInfo, billed_as: ModelConfig) -> Self {
        let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
        let worker = Worker::new(agent.clone(), store.clone(), 1, KEEP_ALL);
        let stop = shutdown.clone();
        tasks.spawn(async move {
            if let Err(error) = worker.run(stop, Duration::ZERO).await {
                tracing::error!(%error, "the conversation cannot go on");
            }
        });
        tasks.close();
        // As nobody has been told yet, what is broken now is news.
        let edition = Arc::new(Edition::default());
        Self { agent, store, run, billed_as, running: false, said: Vec::new(), edition, shutdown, tasks }
    }

    pub(super) async fn end(&self) {
        self.shutdown.cancel();
        self.tasks.wait().await;
    }

    pub(super) fn is_running(&self) -> bool {
        self.running
    }

    /// The person says something.
    pub(super) async fn say(&mut self, text: &str) -> anyhow::Result<()> {
        self.said.push(("you".to_owned(), text.to_owned()));
        self.running = true;
        self.tell(RunEventKind::Prompted(prompt(text))).await?;
        Ok(())
    }

    /// The person presses stop.
    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        self.tell(RunEventKind::StopRequested(prompt("Stop"))).await?;
        Ok(())
    }

    async fn tell(&self, kind: RunEventKind) -> Result<(), StoreError> {
        let now = Timestamp::now();
        self.store.accept(RunEvent { run: self.run.clone(), kind }, now, now).await.map(drop)
    }

    /// The turn has come to its end with this.
    pub(super) fn answered(&mut self, text: &str) {
        self.running = false;
        self.said.push((self.agent.name.clone(), text.to_owned()));
    }

    /// Forgets what was said and begins anew.
    pub(super) fn renew(&mut self) {
        self.run.id = RunId(uuid::Uuid::new_v4());
        self.said.clear();
    }

    pub(super) fn history(&self) -> String {
        if self.said.is_empty() {
            return "Nothing was said yet.".to_owned();
        }
        self.said.iter().map(|(who, text)| format!("{who}: {text}")).collect::<Vec<_>>().join("\n\n")
    }

    /// What is new about the texts on disk: that others are in use, and what cannot be used.
    pub(super) fn edits(&mut self) -> Vec<String> {
        let edition = self.agent.library.current();
        if Arc::ptr_eq(&edition, &self.edition) {
            return Vec::new();
        }
        let before = std::mem::replace(&mut self.edition, edition);
        let news = self.edition.problems().iter().filter(|problem| !before.problems().contains(problem));
        let mut told: Vec<_> = news.map(|problem| format!("not in use: {problem}")).collect();
        if self.edition.files_in_use().next().is_some() || before.files_in_use().next().is_some() {
            told.push("edited texts are in use".to_owned());
        }
        told
    }

    /// One line a skill.
    pub(super) async fn skills(&self) -> String {
        let mut texts = self.agent.texts(&self.run);
        self.agent.settle(&self.run, &mut texts).await;
        let skills = texts.wording().skills.iter().map(|skill| format!("/{:<16} {}", skill.name, skill.description));
        let lines = skills.collect::<Vec<_>>().join("\n");
        if lines.is_empty() { "There are no skills.".to_owned() } else { lines }
    }

    /// Whether the line begins with the name of a skill.
    pub(super) async fn has_skill(&self, line: &str) -> bool {
        let mut texts = self.agent.texts(&self.run);
        self.agent.settle(&self.run, &mut texts).await;
        texts.wording().skills.chosen_by(line).is_some()
    }

    /// What the model would get if it were asked now.
    pub(super) async fn context(&self, full: bool) -> anyhow::Result<String> {
        let journal = self.store.run(self.run.id).await?.map(|view| view.journal).unwrap_or_default();
        let preview = if journal.is_empty() {
            self.agent.preview(&self.run, "").await?
        } else {
            self.agent.preview_of(&self.run, &journal).await?
        };
        let mut out = String::new();
        if full {
            for section in &preview.sections {
                out.push_str(&format!("=== {}\n{}\n\n", section.name, section.text));
            }
        }
        out.push_str(&table(preview, TokenMeter::of(&self.billed_as)).await?);
        Ok(out)
    }
}

/// What is typed is text, not HTML.
fn prompt(text: &str) -> Prompt {
    let body = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    Prompt {
        activity: Some(ActivityId(uuid::Uuid::new_v4())),
        body: format!("<p>{body}</p>"),
        actor: None,
        written_at: Some(Timestamp::now()),
    }
}
