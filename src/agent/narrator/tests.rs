//! The narrator against a Plane that notes what is posted and when, with the clock paused.

use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;
use jiff::Timestamp;

use super::*;
use crate::{
    domain::{
        activity::{Posted, RunActivity},
        deed::{Deed, Grouping},
        ids::{
            ActivityId, CommentId, CycleId, FileId, LinkId, ModuleId, PageId, ProjectId, RunId, WorkItemId, WorkspaceId,
        },
        intake::IntakeItem,
        plans::{Cycle, Module, PageTitle},
        work_item::{
            Attachment, Change, Comment, Document, Estimate, FileContent, ItemTitle, Label, Link, Page, Person,
            Project, Relation, SearchHit, State, WorkItem,
        },
        write::{ItemFields, Target},
    },
    plane::{Carried, DeedApi, ItemOrder, ProjectApi, RunStatus, WritePass, thread::Heard},
};

/// Takes activities and nothing else.
struct Board {
    began: Instant,
    shown: Mutex<Vec<(Duration, Draft)>>,
    answers: Mutex<VecDeque<PlaneError>>,
}

impl Board {
    fn texts(&self) -> Vec<String> {
        let shown = self.shown.lock().unwrap();
        shown.iter().map(|(at, draft)| format!("{} {}", at.as_millis(), text_of(draft))).collect()
    }
}

fn text_of(draft: &Draft) -> String {
    match &draft.saying {
        Saying::Thought { body }
        | Saying::Response { body }
        | Saying::Elicitation { body, .. }
        | Saying::Error { body, .. } => body.clone(),
        Saying::Action { name, parameters } => match parameters.get("result") {
            Some(result) => format!("{name} = {result}"),
            None if parameters.is_empty() => format!("{name}()"),
            None => format!("{name}: {}", parameters.values().cloned().collect::<Vec<_>>().join("; ")),
        },
    }
}

fn not_asked<T>() -> Result<T, PlaneError> {
    Err(PlaneError::Malformed { what: "a test", message: "the narrator only posts".to_owned() })
}

#[async_trait]
impl DeedApi for Board {
    async fn carry_out(&self, _: WorkspaceId, _: &Deed, _: StepKey, _: WritePass) -> Result<Carried, PlaneError> {
        not_asked()
    }
    async fn known_links(&self, _: WorkspaceId, _: Target) -> Result<Vec<(LinkId, Link)>, PlaneError> {
        not_asked()
    }
    async fn grouped(&self, _: WorkspaceId, _: ProjectId, _: Grouping) -> Result<Vec<WorkItemId>, PlaneError> {
        not_asked()
    }
    async fn intake(&self, _: WorkspaceId, _: ProjectId) -> Result<Vec<IntakeItem>, PlaneError> {
        not_asked()
    }
    async fn intake_item(&self, _: WorkspaceId, _: Target) -> Result<IntakeItem, PlaneError> {
        not_asked()
    }
    async fn estimates(&self, _: WorkspaceId, _: ProjectId) -> Result<Vec<Estimate>, PlaneError> {
        not_asked()
    }
}

#[async_trait]
impl ProjectApi for Board {
    async fn cycles(&self, _: WorkspaceId, _: ProjectId) -> Result<Vec<Cycle>, PlaneError> {
        not_asked()
    }
    async fn modules(&self, _: WorkspaceId, _: ProjectId) -> Result<Vec<Module>, PlaneError> {
        not_asked()
    }
    async fn cycle_items(
        &self,
        _: WorkspaceId,
        _: ProjectId,
        _: CycleId,
        _: u32,
        _: u32,
    ) -> Result<Page<WorkItem>, PlaneError> {
        not_asked()
    }
    async fn module_items(
        &self,
        _: WorkspaceId,
        _: ProjectId,
        _: ModuleId,
        _: u32,
        _: u32,
    ) -> Result<Page<WorkItem>, PlaneError> {
        not_asked()
    }
    async fn pages(&self, _: WorkspaceId, _: ProjectId) -> Result<Vec<PageTitle>, PlaneError> {
        not_asked()
    }
}

#[async_trait]
impl PlaneApi for Board {
    async fn post_activity(&self, _: WorkspaceId, _: &RunInfo, draft: &Draft) -> Result<Posted, PlaneError> {
        self.shown.lock().unwrap().push((self.began.elapsed(), draft.clone()));
        let failure = self.answers.lock().unwrap().pop_front();
        failure.map_or(Ok(Posted { id: ActivityId(uuid::Uuid::nil()), comment: None, at: None }), Err)
    }
    async fn run_activities(&self, _: &RunInfo) -> Result<Vec<RunActivity>, PlaneError> {
        not_asked()
    }
    async fn run(&self, _: &RunInfo) -> Result<(RunInfo, RunStatus), PlaneError> {
        not_asked()
    }
    async fn work_item(&self, _: WorkspaceId, _: ProjectId, _: WorkItemId) -> Result<WorkItem, PlaneError> {
        not_asked()
    }
    async fn work_item_by_key(&self, _: WorkspaceId, _: &str, _: u64) -> Result<WorkItem, PlaneError> {
        not_asked()
    }
    async fn work_items(
        &self,
        _: WorkspaceId,
        _: ProjectId,
        _: ItemOrder,
        _: u32,
        _: u32,
    ) -> Result<Page<WorkItem>, PlaneError> {
        not_asked()
    }
    async fn search(
        &self,
        _: WorkspaceId,
        _: Option<ProjectId>,
        _: &str,
        _: u32,
    ) -> Result<Vec<SearchHit>, PlaneError> {
        not_asked()
    }
    async fn comments(
        &self,
        _: WorkspaceId,
        _: ProjectId,
        _: WorkItemId,
        _: u32,
        _: u32,
    ) -> Result<Page<Comment>, PlaneError> {
        not_asked()
    }
    async fn overheard(
        &self,
        _: WorkspaceId,
        _: ProjectId,
        _: WorkItemId,
        _: Timestamp,
    ) -> Result<Vec<Heard>, PlaneError> {
        not_asked()
    }
    async fn comment(&self, _: WorkspaceId, _: ProjectId, _: WorkItemId, _: CommentId) -> Result<Comment, PlaneError> {
        not_asked()
    }
    async fn history(&self, _: WorkspaceId, _: ProjectId, _: WorkItemId, _: u32) -> Result<Page<Change>, PlaneError> {
        not_asked()
    }
    fn browse(&self, _: WorkspaceId) -> Option<String> {
        None
    }
    async fn relations(&self, _: WorkspaceId, _: ProjectId, _: WorkItemId) -> Result<Vec<Relation>, PlaneError> {
        not_asked()
    }
    async fn links(&self, _: WorkspaceId, _: ProjectId, _: WorkItemId) -> Result<Page<Link>, PlaneError> {
        not_asked()
    }
    async fn attachments(&self, _: WorkspaceId, _: ProjectId, _: WorkItemId) -> Result<Vec<Attachment>, PlaneError> {
        not_asked()
    }
    async fn file(&self, _: WorkspaceId, _: Target, _: FileId, _: usize) -> Result<FileContent, PlaneError> {
        not_asked()
    }
    async fn titles(&self, _: WorkspaceId, _: ProjectId) -> Result<Page<ItemTitle>, PlaneError> {
        not_asked()
    }
    async fn project(&self, _: WorkspaceId, _: ProjectId) -> Result<Project, PlaneError> {
        not_asked()
    }
    async fn page(&self, _: WorkspaceId, _: ProjectId, _: PageId) -> Result<Document, PlaneError> {
        not_asked()
    }
    async fn states(&self, _: WorkspaceId, _: ProjectId) -> Result<Vec<State>, PlaneError> {
        not_asked()
    }
    async fn labels(&self, _: WorkspaceId, _: ProjectId) -> Result<Vec<Label>, PlaneError> {
        not_asked()
    }
    async fn members(&self, _: WorkspaceId, _: ProjectId) -> Result<Vec<Person>, PlaneError> {
        not_asked()
    }
    async fn workspace_members(&self, _: WorkspaceId) -> Result<Vec<Person>, PlaneError> {
        not_asked()
    }
    async fn write_pass(&self, _: WorkspaceId) -> Result<WritePass, PlaneError> {
        not_asked()
    }
    async fn add_comment(
        &self,
        _: WorkspaceId,
        _: Target,
        _: &str,
        _: StepKey,
        _: WritePass,
    ) -> Result<CommentId, PlaneError> {
        not_asked()
    }
    async fn comment_of_step(
        &self,
        _: WorkspaceId,
        _: Target,
        _: &str,
        _: StepKey,
    ) -> Result<Option<CommentId>, PlaneError> {
        not_asked()
    }
    async fn create_work_item(
        &self,
        _: WorkspaceId,
        _: ProjectId,
        _: &ItemFields,
        _: StepKey,
        _: WritePass,
    ) -> Result<WorkItem, PlaneError> {
        not_asked()
    }
    async fn work_item_of_step(
        &self,
        _: WorkspaceId,
        _: ProjectId,
        _: &ItemFields,
        _: StepKey,
    ) -> Result<Option<WorkItem>, PlaneError> {
        not_asked()
    }
    async fn update_work_item(
        &self,
        _: WorkspaceId,
        _: Target,
        _: &ItemFields,
        _: WritePass,
    ) -> Result<WorkItem, PlaneError> {
        not_asked()
    }
}

fn run() -> RunInfo {
    RunInfo {
        id: RunId(uuid::Uuid::nil()),
        workspace: WorkspaceId(uuid::Uuid::nil()),
        project: None,
        work_item: None,
        agent_user: None,
        creator: None,
        comment: None,
        source_comment: None,
    }
}

fn key(part: u32) -> StepKey {
    StepKey { run: run().id, turn: 1, step: 1, part }
}

fn thought(part: u32, body: &str) -> Note {
    Note::Thought { key: key(part), body: body.to_owned() }
}

fn action(part: u32, name: &str, result: Option<&str>) -> Draft {
    let parameters: BTreeMap<_, _> =
        result.map(|result| ("result".to_owned(), result.to_owned())).into_iter().collect();
    Draft { key: key(part), saying: Saying::Action { name: name.to_owned(), parameters }, detail: None }
}

fn narrate(already: &[StepKey], answers: Vec<PlaneError>) -> (Arc<Board>, Narrator) {
    let board = Board { began: Instant::now(), shown: Mutex::default(), answers: Mutex::new(answers.into()) };
    let board = Arc::new(board);
    let heartbeat: Heartbeat =
        Arc::new(|doing, since| Some(format!("still {} after {}", doing.as_str(), since.as_secs())));
    let already = already.iter().map(ToString::to_string).collect();
    let narrator = Narrator::start(&TaskTracker::new(), board.clone(), run(), already, Pace::default(), heartbeat);
    (board, narrator)
}

async fn pass(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

#[tokio::test(start_paused = true)]
async fn the_first_thought_is_said_at_once() {
    let (board, narrator) = narrate(&[], vec![]);
    narrator.tell(thought(0, "Reading."));
    pass(1).await;
    assert_eq!(board.texts(), ["0 Reading."]);
}

#[tokio::test(start_paused = true)]
async fn a_quick_call_is_shown_once_with_its_result_and_a_slow_one_twice() {
    let (board, narrator) = narrate(&[], vec![]);
    narrator.tell(Note::ActionStarted(action(1, "quick", None)));
    pass(100).await;
    narrator.tell(Note::ActionFinished { started: key(1), draft: action(2, "quick", Some("done")) });
    narrator.tell(Note::ActionStarted(action(3, "slow", None)));
    pass(2_000).await;
    narrator.tell(Note::ActionFinished { started: key(3), draft: action(4, "slow", Some("done")) });
    pass(300).await;
    assert_eq!(board.texts(), ["350 quick = done", "1350 slow()", "2350 slow = done"]);
}

#[tokio::test(start_paused = true)]
async fn reasoning_is_shown_in_whole_sentences_with_a_gap_between() {
    let (board, narrator) = narrate(&[], vec![]);
    for sentence in ["One goes first. ", "Two and three follow. ", "Then comes the third. ", "Four is the last. "] {
        narrator.tell(Note::Reasoning(sentence.to_owned()));
        pass(1_000).await;
    }
    pass(10_000).await;
    assert_eq!(
        board.texts(),
        ["0 One goes first.", "2000 Two and three follow. Then comes the third.", "4000 Four is the last."]
    );
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_by_a_heartbeat_that_says_what_is_done() {
    let (board, narrator) = narrate(&[], vec![]);
    narrator.tell(thought(0, "Reading."));
    narrator.tell(Note::Doing { what: Doing::Model, key: key(0) });
    pass(100_000).await;
    assert_eq!(board.texts(), ["0 Reading.", "45000 still model after 45", "90000 still model after 90"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_after_it_was_made_quiet() {
    let (board, narrator) = narrate(&[], vec![]);
    narrator.tell(thought(0, "Reading."));
    pass(1).await;
    let notes = narrator.notes();
    notes.send(Note::ActionStarted(action(1, "cut", None))).unwrap();
    narrator.quiet(false).await;
    assert!(notes.send(thought(9, "too late")).is_err());
    pass(100_000).await;
    assert_eq!(board.texts(), ["0 Reading."]);
}

#[tokio::test(start_paused = true)]
async fn the_farewell_says_what_is_finished_and_at_least_one_thing() {
    let (board, narrator) = narrate(&[], vec![]);
    narrator.tell(thought(0, "Reading."));
    narrator.tell(Note::ActionFinished { started: key(1), draft: action(2, "one", Some("a")) });
    narrator.tell(Note::ActionFinished { started: key(3), draft: action(4, "two", Some("b")) });
    narrator.quiet(true).await;
    assert_eq!(board.texts(), ["0 Reading.", "0 2 steps: one → a; two → b"]);
}

#[tokio::test(start_paused = true)]
async fn calls_that_end_together_are_told_in_one_with_a_line_each() {
    let (board, narrator) = narrate(&[], vec![]);
    for (part, name) in [(1, "one"), (3, "two"), (5, "three")] {
        narrator.tell(Note::ActionStarted(action(part, name, None)));
        narrator.tell(Note::ActionFinished { started: key(part), draft: action(part + 1, name, Some("done")) });
    }
    pass(300).await;
    narrator.tell(Note::ActionFinished { started: key(7), draft: action(8, "four", Some("done")) });
    pass(100).await;
    narrator.tell(Note::ActionFinished { started: key(9), draft: action(10, "five", Some("done")) });
    pass(5_000).await;
    let shown = ["250 3 steps: one → done; two → done; three → done", "1250 2 steps: four → done; five → done"];
    assert_eq!(board.texts(), shown);
    assert_eq!(board.shown.lock().unwrap()[0].1.key, key(6), "under the key of the last");
}

#[tokio::test(start_paused = true)]
async fn thoughts_keep_a_distance_and_none_is_said_twice() {
    let (board, narrator) = narrate(&[], vec![]);
    narrator.tell(thought(0, "I look for duplicates."));
    pass(100).await;
    narrator.tell(thought(1, "I read the comments."));
    pass(100).await;
    narrator.tell(thought(2, "I compare both."));
    pass(3_000).await;
    narrator.tell(thought(3, "I look for duplicates…"));
    narrator.tell(Note::Reasoning("I compare both.\n".to_owned()));
    pass(10_000).await;
    assert_eq!(board.texts(), ["0 I look for duplicates.", "2000 I compare both."]);
}

#[tokio::test(start_paused = true)]
async fn what_plane_shows_already_is_not_said_again() {
    let (board, narrator) = narrate(&[key(0), key(2)], vec![]);
    narrator.tell(thought(0, "Reading."));
    narrator.tell(Note::ActionFinished { started: key(1), draft: action(2, "one", Some("a")) });
    narrator.tell(Note::ActionFinished { started: key(3), draft: action(4, "two", Some("b")) });
    narrator.quiet(true).await;
    assert_eq!(board.texts(), ["0 two = b"]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_plane_silences_progress_for_as_long_as_it_asks() {
    let limited = PlaneError::RateLimited { retry_after: Some(Duration::from_secs(7)) };
    let (board, narrator) = narrate(&[], vec![limited]);
    narrator.tell(thought(0, "Reading."));
    pass(1).await;
    narrator.tell(thought(1, "Old news."));
    pass(1_000).await;
    narrator.tell(thought(2, "News."));
    pass(20_000).await;
    assert_eq!(board.texts(), ["0 Reading.", "7000 News."]);
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_is_refused_is_tried_again_when_there_is_room() {
    let limited = || PlaneError::RateLimited { retry_after: Some(Duration::from_secs(3)) };
    let (board, _narrator) = narrate(&[], vec![limited(), limited()]);
    pass(60_000).await;
    let at: Vec<_> = board.texts().iter().map(|text| text.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(at, ["45000", "48000", "51000"]);
}
