//! What happens to a run, as plain functions over a [`View`].
//!
//! | what comes in | idle | due | leased | dead |
//! |---|---|---|---|---|
//! | started, never prompted nor stopped | due as given | due at the earlier | waits for the release | due as given |
//! | started, prompted or stopped before | stays | stays | stays | stays |
//! | prompt | due as given | due at the earlier | waits, told by the next `append` | due as given |
//! | prompt written no later than a stop | stays | stays | stays | stays |
//! | stop | due before all others | due before all others | waits, told by the next `append` | due before all others |
//! | stop written before a prompt already taken up | stays | stays | stays | stays |
//!
//! A run is created before anyone can stop it, so a start that comes after a stop has nothing left
//! to start. An event under a known key changes nothing in any state.
//!
//! | how a lease ends | nothing waits | something waits | told of nothing new since |
//! |---|---|---|---|
//! | idle | idle | due at once | due at once |
//! | retry | due then, one attempt more | due then, one attempt more | due at once, one attempt more |
//! | hand back | due at once | due at once | due at once |
//! | dead | dead | dead | dead |
//!
//! "At once" is before all others where a stop is among what waits.

use jiff::{SignedDuration, Timestamp};

use super::{
    kept::Kept,
    records::{
        InboxItem, decode, decode_text, encode_text, gist_key, gist_key_run, inbox_key, inbox_key_number, journal_end,
        journal_key, queue_key, queue_key_parts, run_key, touched_key_run,
    },
    retention,
    roster::Listed,
    usage,
    view::{Table, View},
};
use crate::{
    domain::{
        event::{Prompt, RunEvent, RunEventKind},
        ids::{RunId, WorkItemId},
        usage::Spent,
    },
    store::{
        Accepted, Claim, FIRST_IN_LINE, JournalStep, Lease, Release, RunRecord, RunState, RunView, Signal, StoreError,
        Waiting, WaitingPrompt,
    },
};

/// Longer than any wait for another attempt.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn accept(
    view: &mut View<'_>,
    event: RunEvent,
    now: Timestamp,
    due_at: Timestamp,
) -> Result<Accepted, StoreError> {
    if !retention::is_news(view, &event, now)? {
        return Ok(Accepted::Duplicate);
    }

    let id = event.run.id;
    let mut run = match Kept::load(view, id)? {
        Some(run) => run,
        None => Kept::new(view, event.run.clone(), now)?,
    };
    run.stored.record.info.merge(&event.run);
    run.stored.record.touched_at = now;
    let accepted = match event.kind {
        RunEventKind::Started => {
            if !run.stored.record.prompted && run.stored.record.stopped_at.is_none() {
                run.came_in(view, due_at);
            }
            Accepted::New
        }
        RunEventKind::Prompted(prompt) if is_void(&prompt, run.stored.record.stopped_at) => Accepted::Duplicate,
        RunEventKind::Prompted(prompt) => {
            run.stored.record.prompted = true;
            run.stored.newest_prompt_at = run.stored.newest_prompt_at.max(prompt.written_at);
            run.put_in_inbox(view, &InboxItem::Prompt(prompt))?;
            run.came_in(view, due_at);
            Accepted::New
        }
        RunEventKind::StopRequested(stop) => {
            accept_stop(view, &mut run, stop, now)?;
            Accepted::New
        }
    };
    view.list(Listed::from(&run.stored.record));
    run.save(view)?;
    Ok(accepted)
}

/// Leases the run that has been due longest, or whose lease has been over longest.
pub(super) fn claim(view: &mut View<'_>, now: Timestamp, until: Timestamp) -> Result<Option<Claim>, StoreError> {
    while let Some((table, key)) = longest_due(view)? {
        let (at, id) = queue_key_parts(&key)?;
        if at > now {
            break;
        }
        match lease(view, id, now, until) {
            Ok(Some(claim)) => return Ok(Some(claim)),
            // Nothing of the run's is lost, but it must not block those behind it for ever.
            Ok(None) => view.remove(table, &key),
            Err(error @ StoreError::Unreadable { .. }) => {
                tracing::error!(run = %id, %error, "a run cannot be read and is passed over");
                view.remove(table, &key);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

pub(super) fn next_due(view: &View<'_>) -> Result<Option<Timestamp>, StoreError> {
    match view.scan_prefix(Table::Queue, b"", 1)?.first() {
        Some((key, _)) => queue_key_parts(key).map(|(at, _)| Some(at)),
        None => Ok(None),
    }
}

pub(super) fn renew(view: &mut View<'_>, lease: Lease, until: Timestamp) -> Result<(), StoreError> {
    let mut run = Kept::load_leased(view, lease)?;
    run.stored.record.state = RunState::Leased { until };
    run.save(view)
}

pub(super) fn append(view: &mut View<'_>, lease: Lease, step: &JournalStep) -> Result<Waiting, StoreError> {
    let mut run = Kept::load_leased(view, lease)?;
    for entry in &step.entries {
        let key = journal_key(lease.run, run.stored.record.journal_len);
        view.insert(Table::Journal, key, encode_text(entry));
        run.stored.record.journal_len += 1;
    }
    for reply in &step.replies {
        usage::count(view, run.stored.record.info.workspace, reply)?;
        run.stored.record.spent.add(&Spent::on(reply.usage));
    }
    if let Some(changes) = step.changes {
        usage::count_changes(view, run.stored.record.info.workspace, changes)?;
    }
    if let Some(fold_from) = step.fold_from {
        run.stored.record.fold_from = fold_from.min(run.stored.record.journal_len);
    }
    if let (Some(gist), Some(work_item)) = (&step.gist, run.stored.record.info.work_item) {
        view.insert(Table::Gists, gist_key(work_item, lease.run), encode_text(gist));
    }
    for (number, item) in inbox(view, lease.run)? {
        let consumed = match item {
            InboxItem::Prompt(_) => step.consumed.contains(&number),
            InboxItem::Stop(_) => step.stop_consumed,
        };
        if consumed {
            view.remove(Table::Inbox, &inbox_key(lease.run, number));
        }
    }
    // Asking what waits is not progress: only a step with content ends a row of failures.
    let is_step = *step != JournalStep::default();
    if is_step || run.stored.news {
        if is_step {
            run.stored.record.attempts = 0;
        }
        run.stored.news = false;
        run.save(view)?;
    }
    waiting(view, lease.run)
}

pub(super) fn release(view: &mut View<'_>, lease: Lease, release: Release, now: Timestamp) -> Result<(), StoreError> {
    let mut run = Kept::load_leased(view, lease)?;
    let waiting = waiting(view, lease.run)?;
    let at_once = if waiting.stop.is_some() { FIRST_IN_LINE } else { now };
    let news = std::mem::take(&mut run.stored.news);
    let record = &mut run.stored.record;
    record.touched_at = now;
    record.state = match release {
        Release::Idle => {
            run.stored.unfinished = false;
            record.attempts = 0;
            let anything_waits = waiting != Waiting::default();
            if news || anything_waits { RunState::Due { at: at_once } } else { RunState::Idle }
        }
        Release::Retry { at } => {
            record.attempts = record.attempts.saturating_add(1);
            RunState::Due { at: if news { at_once } else { at } }
        }
        Release::HandBack => RunState::Due { at: at_once },
        Release::Dead { reason } => RunState::Dead { reason },
    };
    if matches!(record.state, RunState::Due { .. }) {
        view.announce(Signal::Due);
    }
    run.save(view)
}

pub(super) fn run(view: &View<'_>, id: RunId) -> Result<Option<RunView>, StoreError> {
    let Some(run) = Kept::load(view, id)? else {
        return Ok(None);
    };
    Ok(Some(RunView { record: run.stored.record, journal: journal(view, id, 0)?, waiting: waiting(view, id)? }))
}

pub(super) fn runs(view: &View<'_>, limit: usize) -> Result<Vec<RunRecord>, StoreError> {
    let mut records = Vec::new();
    for (key, _) in view.scan_prefix(Table::Touched, b"", limit)? {
        if let Some(run) = Kept::load(view, touched_key_run(&key)?)? {
            records.push(run.stored.record);
        }
    }
    Ok(records)
}

pub(super) fn gists(view: &View<'_>, work_item: WorkItemId, limit: usize) -> Result<Vec<(RunId, String)>, StoreError> {
    let entries = view.scan_prefix(Table::Gists, work_item.0.as_bytes(), limit)?;
    entries.iter().map(|(key, bytes)| Ok((gist_key_run(key)?, decode_text(Table::Gists, bytes)?))).collect()
}

/// Makes every leased run due at once. Only one process owns the store, so whoever held a lease
/// when it is opened is gone.
pub(super) fn void_leases(view: &mut View<'_>, now: Timestamp) -> Result<(), StoreError> {
    for (key, _) in view.scan_prefix(Table::Leases, b"", usize::MAX)? {
        let (_, id) = queue_key_parts(&key)?;
        let mut run = match Kept::load(view, id) {
            Ok(Some(run)) => run,
            // Left to `claim`, which passes it over once its lease is over.
            Ok(None) | Err(StoreError::Unreadable { .. }) => continue,
            Err(error) => return Err(error),
        };
        // The last touch keeps the order of the runs. It lies ahead where the clock was put back.
        let stop_waits = waiting(view, id)?.stop.is_some();
        let at = if stop_waits { FIRST_IN_LINE } else { run.stored.record.touched_at.min(now) };
        run.stored.record.state = RunState::Due { at };
        run.save(view)?;
    }
    Ok(())
}

/// Makes due at once what waits for a time nobody asks for: a clock that was ahead has set it.
pub(super) fn pull_in(view: &mut View<'_>, now: Timestamp) -> Result<(), StoreError> {
    let latest = now.saturating_add(LONGEST_WAIT).unwrap_or(Timestamp::MAX);
    let after = queue_key(latest, RunId(uuid::Uuid::max()));
    for (key, _) in view.scan_between(Table::Queue, &after, &queue_key(Timestamp::MAX, RunId(uuid::Uuid::max())))? {
        let (_, id) = queue_key_parts(&key)?;
        match Kept::load(view, id) {
            Ok(Some(mut run)) => {
                run.stored.record.state = RunState::Due { at: now };
                run.save(view)?;
            }
            // Left to `claim`.
            Ok(None) | Err(StoreError::Unreadable { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether a stop that was written later has overtaken the prompt. One without a time counts as
/// written when it came in, which is after every stop known by then.
fn is_void(prompt: &Prompt, stopped_at: Option<Timestamp>) -> bool {
    match (prompt.written_at, stopped_at) {
        (Some(written_at), Some(stopped_at)) => written_at <= stopped_at,
        (Some(_) | None, _) => false,
    }
}

/// A second stop finds the first still waiting: one confirmation answers both, but prompts written
/// between the two are void as well. A stop that comes after a prompt written later was taken up has
/// been overtaken: the person went on, and the work on what they said last is not to be stopped.
fn accept_stop(view: &mut View<'_>, run: &mut Kept, stop: Prompt, now: Timestamp) -> Result<(), StoreError> {
    let id = run.stored.record.info.id;
    let written_at = stop.written_at.unwrap_or(now);
    let stopped_at = run.stored.record.stopped_at.map_or(written_at, |earlier| earlier.max(written_at));
    run.stored.record.stopped_at = Some(stopped_at);

    let (mut stop_waits, mut prompt_waits) = (false, false);
    for (number, item) in inbox(view, id)? {
        match item {
            InboxItem::Stop(_) => stop_waits = true,
            InboxItem::Prompt(prompt) => {
                let written_after = prompt.written_at.is_some_and(|written_at| written_at > stopped_at);
                if written_after {
                    prompt_waits = true;
                } else {
                    view.remove(Table::Inbox, &inbox_key(id, number));
                }
            }
        }
    }
    let overtaken = stop.written_at.is_some_and(|at| run.stored.newest_prompt_at.is_some_and(|newest| newest > at));
    if overtaken && !prompt_waits {
        return Ok(());
    }
    if !stop_waits {
        run.put_in_inbox(view, &InboxItem::Stop(stop))?;
    }
    run.came_in(view, FIRST_IN_LINE);
    view.announce(Signal::Stop(id));
    Ok(())
}

/// Where the run stands that has been due, or whose lease has been over, longest.
fn longest_due(view: &View<'_>) -> Result<Option<(Table, Vec<u8>)>, StoreError> {
    let first = |table| Ok(view.scan_prefix(table, b"", 1)?.pop().map(|(key, _)| (table, key)));
    let (due, leased) = (first(Table::Queue)?, first(Table::Leases)?);
    Ok(due.into_iter().chain(leased).min_by(|(_, one), (_, other)| one.cmp(other)))
}

/// `None` if the queue names a run that does not exist.
fn lease(view: &mut View<'_>, id: RunId, now: Timestamp, until: Timestamp) -> Result<Option<Claim>, StoreError> {
    let Some(mut run) = Kept::load(view, id)? else {
        return Ok(None);
    };
    let journal = journal(view, id, run.stored.record.fold_from)?;
    let waiting = waiting(view, id)?;
    run.stored.fence += 1;
    run.stored.news = false;
    let unfinished = std::mem::replace(&mut run.stored.unfinished, true);
    run.stored.record.touched_at = now;
    run.stored.record.state = RunState::Leased { until };
    let claim = Claim {
        lease: Lease { run: id, fence: run.stored.fence },
        record: run.stored.record.clone(),
        journal,
        waiting,
        unfinished,
    };
    run.save(view)?;
    Ok(Some(claim))
}

/// The entries from the one with this number on.
fn journal(view: &View<'_>, id: RunId, from: u64) -> Result<Vec<String>, StoreError> {
    let entries = view.scan_between(Table::Journal, &journal_key(id, from), &journal_end(id))?;
    entries.iter().map(|(_, bytes)| decode_text(Table::Journal, bytes)).collect()
}

fn inbox(view: &View<'_>, id: RunId) -> Result<Vec<(u64, InboxItem)>, StoreError> {
    let entries = view.scan_prefix(Table::Inbox, &run_key(id), usize::MAX)?;
    entries.iter().map(|(key, bytes)| Ok((inbox_key_number(key)?, decode(Table::Inbox, bytes)?))).collect()
}

fn waiting(view: &View<'_>, id: RunId) -> Result<Waiting, StoreError> {
    let mut waiting = Waiting::default();
    for (number, item) in inbox(view, id)? {
        match item {
            InboxItem::Prompt(prompt) => waiting.prompts.push(WaitingPrompt { number, prompt }),
            InboxItem::Stop(stop) => waiting.stop = Some(stop),
        }
    }
    Ok(waiting)
}
