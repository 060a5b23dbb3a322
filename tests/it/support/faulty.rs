//! The seams of the agent with a counter in them: every call through the store, Plane and the model is
//! numbered, and the process can "die" before or after any of them, or a call can go wrong.
//!
//! A death freezes: from that moment no call returns, so nothing that had not been done yet is done,
//! while calls under way still take their effect. That is what is left of a process that was killed,
//! except for what the operating system forgets, which is the business of `store_on_disk.rs`.

use std::{
    future::{Future, pending},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aileron::{
    domain::{
        activity::{Draft, Posted, RunActivity},
        deed::{Deed, Grouping},
        event::{RunEvent, RunInfo},
        ids::{
            CommentId, CycleId, FileId, LinkId, ModuleId, PageId, ProjectId, RunId, StepKey, WorkItemId, WorkspaceId,
        },
        installation::{BookError, Installation, InstallationBook},
        intake::IntakeItem,
        plans::{Cycle, Module, PageTitle},
        usage::UsageRow,
        work_item::{
            Attachment, Change, Comment, Document, Estimate, FileContent, ItemTitle, Label, Link, Page, Person,
            Project, Relation, SearchHit, State, WorkItem,
        },
        write::{ItemFields, Target},
    },
    llm::{LlmError, Model, OnDelta, Reply, Request, card::ModelCard},
    plane::{Carried, DeedApi, ItemOrder, PlaneApi, PlaneError, ProjectApi, RunStatus, WritePass, thread::Heard},
    store::{
        Accepted, Claim, JournalStep, Lease, Letter, Pruned, Release, Retention, RunRecord, RunView, Signal, Store,
        StoreError, Waiting,
    },
};
use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use tokio::sync::{broadcast, watch};

/// What goes wrong in one life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    Nothing,
    /// Death just before call `number` begins, or just after it has taken effect.
    Death {
        number: usize,
        side: Side,
    },
    /// The calls of Plane with these numbers (counted from 1 among themselves) go wrong.
    Plane {
        from: usize,
        times: usize,
        trouble: Trouble,
    },
    /// As `Plane`, for calls of the model.
    Model {
        from: usize,
        times: usize,
        trouble: Trouble,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    After,
}

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    Latency,
    ServerError,
    LimitedFor(Duration),
    Limited,
    /// Nothing happened and there is no answer.
    NoConnection,
    /// It happened and there is no answer.
    LostAnswer,
    /// It happened and the answer cannot be read.
    Garbled,
}

impl Trouble {
    pub(crate) const ALL: [Self; 7] = [
        Self::Latency,
        Self::ServerError,
        Self::LimitedFor(Duration::from_millis(60)),
        Self::Limited,
        Self::NoConnection,
        Self::LostAnswer,
        Self::Garbled,
    ];

    fn takes_effect(self) -> bool {
        matches!(self, Self::Latency | Self::LostAnswer | Self::Garbled)
    }

    fn of_plane(self) -> Option<PlaneError> {
        let (what, message) = ("the call", "by the test".to_owned());
        Some(match self {
            Self::Latency => return None,
            Self::ServerError => PlaneError::Server { what, status: 500, message, retry_after: None },
            Self::LimitedFor(wait) => PlaneError::RateLimited { retry_after: Some(wait) },
            Self::Limited => PlaneError::RateLimited { retry_after: None },
            Self::NoConnection | Self::LostAnswer => PlaneError::Transport { what, message },
            Self::Garbled => PlaneError::Malformed { what, message },
        })
    }

    fn of_model(self) -> Option<LlmError> {
        let message = "by the test".to_owned();
        Some(match self {
            Self::Latency => return None,
            Self::ServerError => LlmError::Unavailable { retry_after: None, message },
            Self::LimitedFor(wait) => LlmError::RateLimited { retry_after: Some(wait), message },
            Self::Limited => LlmError::RateLimited { retry_after: None, message },
            Self::NoConnection => LlmError::Transport { message, timed_out: false },
            Self::LostAnswer => LlmError::Truncated { message },
            Self::Garbled => LlmError::BadToolCall { message },
        })
    }
}

/// How long a call with latency takes on top.
const LATENCY: Duration = Duration::from_millis(150);

/// The counter that all seams of one life share.
pub(crate) struct Seams {
    plan: Plan,
    calls: Mutex<Vec<&'static str>>,
    plane_calls: AtomicUsize,
    model_calls: AtomicUsize,
    state: watch::Sender<Vitals>,
}

/// Changes with every call that ends.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Vitals {
    pub(crate) dead: bool,
    /// Calls that have begun and not ended, without those of the model.
    pub(crate) under_way: usize,
}

/// One call under way; dropped when it ends or is given up.
struct UnderWay<'a>(&'a Seams);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.state.send_modify(|vitals| vitals.under_way -= 1);
    }
}

impl Seams {
    pub(crate) fn new(plan: Plan) -> Arc<Self> {
        Arc::new(Self {
            plan,
            calls: Mutex::default(),
            plane_calls: AtomicUsize::new(0),
            model_calls: AtomicUsize::new(0),
            state: watch::Sender::default(),
        })
    }

    /// The names of the numbered calls so far.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().clone()
    }

    pub(crate) fn plane_calls(&self) -> usize {
        self.plane_calls.load(Ordering::SeqCst)
    }

    pub(crate) fn model_calls(&self) -> usize {
        self.model_calls.load(Ordering::SeqCst)
    }

    pub(crate) fn vitals(&self) -> watch::Receiver<Vitals> {
        self.state.subscribe()
    }

    fn number(&self, name: &'static str) -> usize {
        let mut calls = self.calls.lock().unwrap();
        calls.push(name);
        calls.len()
    }

    fn is_dead(&self) -> bool {
        self.state.borrow().dead
    }

    fn die(&self) {
        self.state.send_modify(|vitals| vitals.dead = true);
    }

    fn begin(&self) -> UnderWay<'_> {
        self.state.send_modify(|vitals| vitals.under_way += 1);
        UnderWay(self)
    }

    /// A numbered call.
    async fn call<T>(&self, name: &'static str, call: impl Future<Output = T>) -> T {
        if self.is_dead() {
            return pending().await;
        }
        let number = self.number(name);
        if self.plan == (Plan::Death { number, side: Side::Before }) {
            self.die();
            return pending().await;
        }
        let result = {
            let _under_way = self.begin();
            let result = call.await;
            if self.plan == (Plan::Death { number, side: Side::After }) {
                self.die();
            }
            result
        };
        self.alive(result).await
    }

    /// A call that only looks, and so is no point of its own to die at.
    async fn look<T>(&self, call: impl Future<Output = T>) -> T {
        if self.is_dead() {
            return pending().await;
        }
        let result = {
            let _under_way = self.begin();
            call.await
        };
        self.alive(result).await
    }

    async fn alive<T>(&self, result: T) -> T {
        if self.is_dead() { pending().await } else { result }
    }

    async fn plane<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, PlaneError>>,
    ) -> Result<T, PlaneError> {
        let number = self.plane_calls.fetch_add(1, Ordering::SeqCst) + 1;
        let trouble = match self.plan {
            Plan::Plane { from, times, trouble } => (from..from + times).contains(&number).then_some(trouble),
            Plan::Nothing | Plan::Death { .. } | Plan::Model { .. } => None,
        };
        self.call(name, troubled(trouble, call, Trouble::of_plane)).await
    }
}

async fn troubled<T, E>(
    trouble: Option<Trouble>,
    call: impl Future<Output = Result<T, E>>,
    error: impl Fn(Trouble) -> Option<E>,
) -> Result<T, E> {
    let Some(trouble) = trouble else { return call.await };
    if trouble == Trouble::Latency {
        tokio::time::sleep(LATENCY).await;
    }
    let result = if trouble.takes_effect() { Some(call.await) } else { None };
    match (error(trouble), result) {
        (Some(error), _) => Err(error),
        (None, Some(result)) => result,
        (None, None) => unreachable!("what has no effect is an error"),
    }
}

/// One seam with the counter in it.
pub(crate) struct Faulty<T: ?Sized> {
    inner: Arc<T>,
    seams: Arc<Seams>,
}

impl<T: ?Sized> Faulty<T> {
    pub(crate) fn new(inner: Arc<T>, seams: &Arc<Seams>) -> Self {
        Self { inner, seams: Arc::clone(seams) }
    }
}

#[async_trait]
impl Model for Faulty<dyn Model> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn card(&self) -> &ModelCard {
        self.inner.card()
    }

    /// Not among the calls under way: a model may never answer.
    async fn complete(&self, request: &Request, on_delta: OnDelta<'_>) -> Result<Reply, LlmError> {
        let seams = &self.seams;
        if seams.is_dead() {
            return pending().await;
        }
        let (number, own) = (seams.number("model"), seams.model_calls.fetch_add(1, Ordering::SeqCst) + 1);
        if seams.plan == (Plan::Death { number, side: Side::Before }) {
            seams.die();
            return pending().await;
        }
        let trouble = match seams.plan {
            Plan::Model { from, times, trouble } => (from..from + times).contains(&own).then_some(trouble),
            Plan::Nothing | Plan::Death { .. } | Plan::Plane { .. } => None,
        };
        let result = troubled(trouble, self.inner.complete(request, on_delta), Trouble::of_model).await;
        if seams.plan == (Plan::Death { number, side: Side::After }) {
            seams.die();
        }
        seams.alive(result).await
    }
}

#[async_trait]
impl InstallationBook for Faulty<dyn Store> {
    async fn installations(&self) -> Result<Vec<Installation>, BookError> {
        self.seams.look(self.inner.installations()).await
    }

    async fn save_installation(&self, installation: Installation) -> Result<(), BookError> {
        self.seams.call("save_installation", self.inner.save_installation(installation)).await
    }
}

#[async_trait]
impl Store for Faulty<dyn Store> {
    async fn accept(&self, event: RunEvent, now: Timestamp, due_at: Timestamp) -> Result<Accepted, StoreError> {
        self.seams.call("accept", self.inner.accept(event, now, due_at)).await
    }

    async fn keep_letter(&self, letter: Letter) -> Result<Accepted, StoreError> {
        self.seams.call("keep_letter", self.inner.keep_letter(letter)).await
    }

    async fn usage(&self, from: Date, until: Date) -> Result<Vec<UsageRow>, StoreError> {
        self.seams.look(self.inner.usage(from, until)).await
    }

    async fn changes_on(&self, workspace: WorkspaceId, day: Date) -> Result<u64, StoreError> {
        self.seams.look(self.inner.changes_on(workspace, day)).await
    }

    async fn letters(&self) -> Result<Vec<Letter>, StoreError> {
        self.seams.look(self.inner.letters()).await
    }

    /// Numbered only where it finds something, so that the numbers do not depend on how often a
    /// worker that has nothing to do looks around. To die before it is to die after the call before.
    async fn claim(&self, now: Timestamp, until: Timestamp) -> Result<Option<Claim>, StoreError> {
        let seams = &self.seams;
        let claim = seams.look(self.inner.claim(now, until)).await?;
        if claim.is_some() {
            let number = seams.number("claim");
            if seams.plan == (Plan::Death { number, side: Side::After }) {
                seams.die();
            }
        }
        Ok(seams.alive(claim).await)
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.seams.look(self.inner.next_due()).await
    }

    async fn renew(&self, lease: Lease, until: Timestamp) -> Result<(), StoreError> {
        self.seams.call("renew", self.inner.renew(lease, until)).await
    }

    async fn append(&self, lease: Lease, step: JournalStep) -> Result<Waiting, StoreError> {
        self.seams.call("append", self.inner.append(lease, step)).await
    }

    async fn release(&self, lease: Lease, release: Release, now: Timestamp) -> Result<(), StoreError> {
        self.seams.call("release", self.inner.release(lease, release, now)).await
    }

    async fn run(&self, run: RunId) -> Result<Option<RunView>, StoreError> {
        self.seams.look(self.inner.run(run)).await
    }

    async fn runs(&self, limit: usize) -> Result<Vec<RunRecord>, StoreError> {
        self.seams.look(self.inner.runs(limit)).await
    }

    async fn gists(&self, work_item: WorkItemId, limit: usize) -> Result<Vec<(RunId, String)>, StoreError> {
        self.seams.look(self.inner.gists(work_item, limit)).await
    }

    async fn prune(&self, retention: Retention, now: Timestamp) -> Result<Pruned, StoreError> {
        self.seams.look(self.inner.prune(retention, now)).await
    }

    fn signals(&self) -> broadcast::Receiver<Signal> {
        self.inner.signals()
    }

    fn health(&self) -> Result<(), StoreError> {
        self.inner.health()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

type Got<T> = Result<T, PlaneError>;

#[async_trait]
impl DeedApi for Faulty<dyn PlaneApi> {
    async fn carry_out(&self, workspace: WorkspaceId, deed: &Deed, key: StepKey, pass: WritePass) -> Got<Carried> {
        self.seams.plane("carry_out", self.inner.carry_out(workspace, deed, key, pass)).await
    }

    async fn known_links(&self, workspace: WorkspaceId, item: Target) -> Got<Vec<(LinkId, Link)>> {
        self.seams.plane("known_links", self.inner.known_links(workspace, item)).await
    }

    async fn grouped(&self, workspace: WorkspaceId, project: ProjectId, grouping: Grouping) -> Got<Vec<WorkItemId>> {
        self.seams.plane("grouped", self.inner.grouped(workspace, project, grouping)).await
    }

    async fn intake(&self, workspace: WorkspaceId, project: ProjectId) -> Got<Vec<IntakeItem>> {
        self.seams.plane("intake", self.inner.intake(workspace, project)).await
    }

    async fn intake_item(&self, workspace: WorkspaceId, item: Target) -> Got<IntakeItem> {
        self.seams.plane("intake_item", self.inner.intake_item(workspace, item)).await
    }

    async fn estimates(&self, workspace: WorkspaceId, project: ProjectId) -> Got<Vec<Estimate>> {
        self.seams.plane("estimates", self.inner.estimates(workspace, project)).await
    }
}

#[async_trait]
impl ProjectApi for Faulty<dyn PlaneApi> {
    async fn cycles(&self, workspace: WorkspaceId, project: ProjectId) -> Got<Vec<Cycle>> {
        self.seams.plane("cycles", self.inner.cycles(workspace, project)).await
    }

    async fn modules(&self, workspace: WorkspaceId, project: ProjectId) -> Got<Vec<Module>> {
        self.seams.plane("modules", self.inner.modules(workspace, project)).await
    }

    async fn cycle_items(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        cycle: CycleId,
        page: u32,
        per_page: u32,
    ) -> Got<Page<WorkItem>> {
        self.seams.plane("cycle_items", self.inner.cycle_items(workspace, project, cycle, page, per_page)).await
    }

    async fn module_items(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        module: ModuleId,
        page: u32,
        per_page: u32,
    ) -> Got<Page<WorkItem>> {
        self.seams.plane("module_items", self.inner.module_items(workspace, project, module, page, per_page)).await
    }

    async fn pages(&self, workspace: WorkspaceId, project: ProjectId) -> Got<Vec<PageTitle>> {
        self.seams.plane("pages", self.inner.pages(workspace, project)).await
    }
}

#[async_trait]
impl PlaneApi for Faulty<dyn PlaneApi> {
    async fn post_activity(&self, workspace: WorkspaceId, run: &RunInfo, draft: &Draft) -> Got<Posted> {
        let name = if draft.saying.is_terminal() { "post the last word" } else { "post progress" };
        self.seams.plane(name, self.inner.post_activity(workspace, run, draft)).await
    }

    async fn run_activities(&self, run: &RunInfo) -> Got<Vec<RunActivity>> {
        self.seams.plane("run_activities", self.inner.run_activities(run)).await
    }

    async fn run(&self, run: &RunInfo) -> Got<(RunInfo, RunStatus)> {
        self.seams.plane("run", self.inner.run(run)).await
    }

    fn progress_gap(&self) -> Option<Duration> {
        self.inner.progress_gap()
    }

    async fn work_item(&self, workspace: WorkspaceId, project: ProjectId, id: WorkItemId) -> Got<WorkItem> {
        self.seams.plane("work_item", self.inner.work_item(workspace, project, id)).await
    }

    async fn work_item_by_key(&self, workspace: WorkspaceId, identifier: &str, sequence: u64) -> Got<WorkItem> {
        self.seams.plane("work_item_by_key", self.inner.work_item_by_key(workspace, identifier, sequence)).await
    }

    async fn work_items(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        order: ItemOrder,
        page: u32,
        per_page: u32,
    ) -> Got<Page<WorkItem>> {
        self.seams.plane("work_items", self.inner.work_items(workspace, project, order, page, per_page)).await
    }

    async fn search(
        &self,
        workspace: WorkspaceId,
        project: Option<ProjectId>,
        query: &str,
        limit: u32,
    ) -> Got<Vec<SearchHit>> {
        self.seams.plane("search", self.inner.search(workspace, project, query, limit)).await
    }

    async fn comments(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        id: WorkItemId,
        page: u32,
        per_page: u32,
    ) -> Got<Page<Comment>> {
        self.seams.plane("comments", self.inner.comments(workspace, project, id, page, per_page)).await
    }

    async fn overheard(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        id: WorkItemId,
        since: Timestamp,
    ) -> Got<Vec<Heard>> {
        self.seams.plane("overheard", self.inner.overheard(workspace, project, id, since)).await
    }

    async fn comment(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        id: WorkItemId,
        comment: CommentId,
    ) -> Got<Comment> {
        self.seams.plane("comment", self.inner.comment(workspace, project, id, comment)).await
    }

    async fn history(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        id: WorkItemId,
        limit: u32,
    ) -> Got<Page<Change>> {
        self.seams.plane("history", self.inner.history(workspace, project, id, limit)).await
    }

    fn browse(&self, workspace: WorkspaceId) -> Option<String> {
        self.inner.browse(workspace)
    }

    async fn relations(&self, workspace: WorkspaceId, project: ProjectId, id: WorkItemId) -> Got<Vec<Relation>> {
        self.seams.plane("relations", self.inner.relations(workspace, project, id)).await
    }

    async fn links(&self, workspace: WorkspaceId, project: ProjectId, id: WorkItemId) -> Got<Page<Link>> {
        self.seams.plane("links", self.inner.links(workspace, project, id)).await
    }

    async fn attachments(&self, workspace: WorkspaceId, project: ProjectId, id: WorkItemId) -> Got<Vec<Attachment>> {
        self.seams.plane("attachments", self.inner.attachments(workspace, project, id)).await
    }

    async fn file(&self, workspace: WorkspaceId, item: Target, file: FileId, limit: usize) -> Got<FileContent> {
        self.seams.plane("file", self.inner.file(workspace, item, file, limit)).await
    }

    async fn titles(&self, workspace: WorkspaceId, project: ProjectId) -> Got<Page<ItemTitle>> {
        self.seams.plane("titles", self.inner.titles(workspace, project)).await
    }

    async fn project(&self, workspace: WorkspaceId, project: ProjectId) -> Got<Project> {
        self.seams.plane("project", self.inner.project(workspace, project)).await
    }

    async fn page(&self, workspace: WorkspaceId, project: ProjectId, page: PageId) -> Got<Document> {
        self.seams.plane("page", self.inner.page(workspace, project, page)).await
    }

    async fn states(&self, workspace: WorkspaceId, project: ProjectId) -> Got<Vec<State>> {
        self.seams.plane("states", self.inner.states(workspace, project)).await
    }

    async fn labels(&self, workspace: WorkspaceId, project: ProjectId) -> Got<Vec<Label>> {
        self.seams.plane("labels", self.inner.labels(workspace, project)).await
    }

    async fn members(&self, workspace: WorkspaceId, project: ProjectId) -> Got<Vec<Person>> {
        self.seams.plane("members", self.inner.members(workspace, project)).await
    }

    async fn workspace_members(&self, workspace: WorkspaceId) -> Got<Vec<Person>> {
        self.seams.plane("workspace_members", self.inner.workspace_members(workspace)).await
    }

    /// Sends nothing, so that nobody can die of it.
    async fn write_pass(&self, workspace: WorkspaceId) -> Got<WritePass> {
        self.seams.look(self.inner.write_pass(workspace)).await
    }

    async fn add_comment(
        &self,
        workspace: WorkspaceId,
        item: Target,
        html: &str,
        key: StepKey,
        pass: WritePass,
    ) -> Got<CommentId> {
        self.seams.plane("add_comment", self.inner.add_comment(workspace, item, html, key, pass)).await
    }

    async fn comment_of_step(
        &self,
        workspace: WorkspaceId,
        item: Target,
        html: &str,
        key: StepKey,
    ) -> Got<Option<CommentId>> {
        self.seams.plane("comment_of_step", self.inner.comment_of_step(workspace, item, html, key)).await
    }

    async fn create_work_item(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        fields: &ItemFields,
        key: StepKey,
        pass: WritePass,
    ) -> Got<WorkItem> {
        self.seams.plane("create_work_item", self.inner.create_work_item(workspace, project, fields, key, pass)).await
    }

    async fn work_item_of_step(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
        fields: &ItemFields,
        key: StepKey,
    ) -> Got<Option<WorkItem>> {
        self.seams.plane("work_item_of_step", self.inner.work_item_of_step(workspace, project, fields, key)).await
    }

    async fn update_work_item(
        &self,
        workspace: WorkspaceId,
        item: Target,
        fields: &ItemFields,
        pass: WritePass,
    ) -> Got<WorkItem> {
        self.seams.plane("update_work_item", self.inner.update_work_item(workspace, item, fields, pass)).await
    }
}
