//! The one thread that touches the disk, and how the rest of the program talks to it.
//!
//! Commands that wait are taken together and run one after another against one [`View`]. What they
//! wrote is committed in one transaction and synced once; only then is any of them answered. So a
//! slow disk makes the batches larger, not the queue longer.
//!
//! The first error of the disk ends the store for good: after a failed sync nobody can know what is
//! durable, and sled itself does not recover from one.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use tokio::sync::{broadcast, mpsc, oneshot};

use super::{
    compact::Compaction,
    open::Files,
    roster::Roster,
    view::{Changes, View},
};
use crate::store::{Signal, StoreError};

/// Most commands in one commit.
const BATCH_COMMANDS: usize = 256;

/// A batch takes no further command once it has written this much.
const BATCH_BYTES: usize = 4 << 20;

/// Commands that may wait before callers are held back.
const QUEUE_COMMANDS: usize = 1024;

/// Between two slices of a copy while nobody asks for anything, so that a copy leaves the processor and the
/// disk to others half of the time.
const PAUSE: Duration = Duration::from_millis(1);

/// A handle to the thread. Dropping it waits until the thread has let go of the files.
pub(super) struct Owner {
    /// `None` only while being dropped.
    sender: Option<mpsc::Sender<Message>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Why nothing works any more. Once set it stays.
    ended: Arc<OnceLock<StoreError>>,
}

enum Message {
    Work(Command),
    Close(oneshot::Sender<()>),
}

/// Runs against the view and leaves what is to be done after the commit.
type Command = Box<dyn FnOnce(&mut View<'_>) -> Finished + Send>;

struct Finished {
    error: Option<StoreError>,
    answer: Box<dyn FnOnce(Result<(), StoreError>)>,
}

impl Owner {
    /// Hands the files over to a thread of their own.
    pub(super) fn start(
        files: Files,
        roster: Roster,
        compaction: Compaction,
        signals: broadcast::Sender<Signal>,
    ) -> Result<Self, StoreError> {
        let (sender, receiver) = mpsc::channel(QUEUE_COMMANDS);
        let ended = Arc::new(OnceLock::new());
        let batches = Batches { files, roster, compaction, receiver, signals, ended: Arc::clone(&ended) };
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || batches.run())
            .map_err(|error| StoreError::Broken(format!("starting the thread: {error}")))?;
        Ok(Self { sender: Some(sender), thread: Mutex::new(Some(thread)), ended })
    }

    /// Has `work` done, and answers when what it wrote is durable. What `work` wrote before it
    /// returned an error is taken back.
    ///
    /// The work is done even if the caller stops waiting for it.
    pub(super) async fn call<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&mut View<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.health()?;
        let (reply, answer) = oneshot::channel();
        let command: Command = Box::new(move |view| {
            let result = work(view);
            Finished {
                error: result.as_ref().err().cloned(),
                // Nobody may wait for the answer any more, which is fine.
                answer: Box::new(move |committed| drop(reply.send(committed.and(result)))),
            }
        });
        self.send(Message::Work(command)).await?;
        match answer.await {
            Ok(result) => result,
            Err(_) => Err(self.why_ended()),
        }
    }

    pub(super) fn health(&self) -> Result<(), StoreError> {
        match self.ended.get() {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Returns when everything sent before is durable and the files are let go of.
    pub(super) async fn close(&self) {
        let (reply, answer) = oneshot::channel();
        if self.send(Message::Close(reply)).await.is_ok() {
            // An error only means that the thread is gone already.
            let _ = answer.await;
        }
    }

    async fn send(&self, message: Message) -> Result<(), StoreError> {
        let Some(sender) = &self.sender else {
            return Err(StoreError::Closed);
        };
        sender.send(message).await.map_err(|_| self.why_ended())
    }

    fn why_ended(&self) -> StoreError {
        let unknown = || StoreError::Broken("an operation was given up".to_owned());
        self.ended.get().cloned().unwrap_or_else(unknown)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.sender = None;
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It catches its panics, so joining it tells nothing more.
            let _ = thread.join();
        }
    }
}

/// What the thread owns.
struct Batches {
    files: Files,
    roster: Roster,
    compaction: Compaction,
    receiver: mpsc::Receiver<Message>,
    signals: broadcast::Sender<Signal>,
    ended: Arc<OnceLock<StoreError>>,
}

impl Batches {
    fn run(mut self) {
        let mut closing = None;
        self.compact();
        while closing.is_none() {
            closing = match (self.next(), self.ended.get()) {
                (Next::Message(message), None) => self.serve(message),
                (Next::Message(Message::Close(reply)), Some(_)) => Some(reply),
                (Next::Message(Message::Work(_)), Some(_)) => None,
                (Next::Nothing, _) => {
                    std::thread::sleep(PAUSE);
                    None
                }
                (Next::Gone, _) => break,
            };
            self.compact();
        }
        let _ = self.ended.set(StoreError::Closed);
        self.compaction.end();
        drop(self.files);
        if let Some(reply) = closing {
            let _ = reply.send(());
        }
    }

    /// Waits for a message, unless there is something else to do.
    fn next(&mut self) -> Next {
        if !self.compaction.is_under_way() {
            return self.receiver.blocking_recv().map_or(Next::Gone, Next::Message);
        }
        match self.receiver.try_recv() {
            Ok(message) => Next::Message(message),
            Err(mpsc::error::TryRecvError::Empty) => Next::Nothing,
            Err(mpsc::error::TryRecvError::Disconnected) => Next::Gone,
        }
    }

    /// Does a slice of the work that gives space back.
    fn compact(&mut self) {
        if self.ended.get().is_some() {
            return self.compaction.end();
        }
        if let Err(error) = self.compaction.advance(&mut self.files) {
            self.give_up(&error);
        }
    }

    fn give_up(&self, error: &StoreError) {
        tracing::error!(%error, "the store does not work any more");
        let _ = self.ended.set(error.clone());
        self.files.suspect();
    }

    /// Serves one batch, beginning with `first`. `Some` if the store is to be closed then.
    fn serve(&mut self, first: Message) -> Option<oneshot::Sender<()>> {
        let mut batch = Batch::default();
        let guarded = catch_unwind(AssertUnwindSafe(|| self.run_batch(first, &mut batch)));
        let outcome = guarded.unwrap_or_else(|_| Err(StoreError::Broken("an operation panicked".to_owned())));
        if let Err(error) = &outcome {
            // Before the answers, so that whoever gets one finds the store ended.
            self.give_up(error);
        }
        for finished in batch.finished {
            (finished.answer)(outcome.clone());
        }
        batch.closing
    }

    /// Runs `first` and what waits behind it, and commits once.
    fn run_batch(&mut self, first: Message, batch: &mut Batch) -> Result<(), StoreError> {
        let mut view = View::new(&self.files.live.trees);
        let mut next = Some(first);
        while let Some(message) = next.take() {
            match message {
                Message::Work(command) => {
                    let finished = run_command(&mut view, command);
                    let broken = broken(&finished);
                    batch.finished.push(finished);
                    broken?;
                }
                Message::Close(reply) => {
                    batch.closing = Some(reply);
                    break;
                }
            }
            if batch.finished.len() < BATCH_COMMANDS && view.pending_bytes() < BATCH_BYTES {
                next = self.receiver.try_recv().ok();
            }
        }
        let Changes { writes, signals, listed } = view.into_changes()?;
        if !writes.is_empty() {
            let written = self.files.commit(writes)?;
            self.compaction.follow(&written);
        }
        if !listed.is_empty() {
            self.roster.note(listed);
        }
        for signal in signals {
            // Nobody may be listening.
            let _ = self.signals.send(signal);
        }
        Ok(())
    }
}

/// What the thread is to do next.
enum Next {
    Message(Message),
    /// Nobody asks for anything.
    Nothing,
    /// Nobody can ask any more.
    Gone,
}

/// The commands that were run and wait for the commit.
#[derive(Default)]
struct Batch {
    finished: Vec<Finished>,
    closing: Option<oneshot::Sender<()>>,
}

/// Runs one command and takes back its changes if it failed.
fn run_command(view: &mut View<'_>, command: Command) -> Finished {
    view.begin();
    let finished = command(view);
    if finished.error.is_some() {
        view.rollback();
    }
    finished
}

/// An error of the disk, which ends the whole batch.
fn broken(finished: &Finished) -> Result<(), StoreError> {
    match &finished.error {
        Some(error @ StoreError::Broken(_)) => Err(error.clone()),
        Some(
            StoreError::LeaseLost(_) | StoreError::Locked { .. } | StoreError::Unreadable { .. } | StoreError::Closed,
        )
        | None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
