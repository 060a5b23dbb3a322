//! Which model is asked when, and what is told of it.

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{breaker::PATIENCE, *};
use crate::{
    domain::talk::{AssistantMessage, Finish},
    llm::card::UNKNOWN,
};

const ON: [ErrorClass; 6] = [
    ErrorClass::Unavailable,
    ErrorClass::RateLimited,
    ErrorClass::Truncated,
    ErrorClass::Unauthorized,
    ErrorClass::TooLong,
    ErrorClass::Refused,
];

/// Fails as its script says, then answers with its own name.
struct Scripted {
    name: &'static str,
    card: ModelCard,
    /// How many calls, from the next on, say something and then nothing for ever.
    stuck: AtomicUsize,
    script: Mutex<VecDeque<LlmError>>,
    asked: AtomicUsize,
}

impl Scripted {
    fn new(name: &'static str, window: u32, script: impl IntoIterator<Item = LlmError>) -> Arc<Self> {
        let card = ModelCard { context_window: window, ..UNKNOWN };
        let script = Mutex::new(script.into_iter().collect());
        Arc::new(Self { name, card, stuck: AtomicUsize::new(0), script, asked: AtomicUsize::new(0) })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Model for Scripted {
    fn name(&self) -> &str {
        self.name
    }

    fn card(&self) -> &ModelCard {
        &self.card
    }

    async fn complete(&self, _request: &Request, on_delta: OnDelta<'_>) -> Result<Reply, LlmError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        on_delta(Delta::Text(self.name.to_owned()));
        let fewer = |stuck: usize| stuck.checked_sub(1);
        if self.stuck.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer).is_ok() {
            return std::future::pending().await;
        }
        if let Some(error) = self.script.lock().unwrap().pop_front() {
            return Err(error);
        }
        let message = AssistantMessage { text: self.name.to_owned(), ..AssistantMessage::default() };
        Ok(Reply { message, finish: Finish::Done, usage: None })
    }
}

fn down() -> LlmError {
    LlmError::Unavailable { retry_after: None, message: "m".to_owned() }
}

fn chain(models: &[&Arc<Scripted>]) -> Fallback {
    Fallback::new(models.iter().map(|model| Arc::clone(*model) as Arc<dyn Model>).collect(), &ON)
}

async fn ask(model: &Fallback) -> (Result<String, LlmError>, Vec<Delta>) {
    let deltas = Mutex::new(Vec::new());
    let request = Request { messages: Vec::new(), tools: Vec::new() };
    let reply = model.complete(&request, &|delta| deltas.lock().unwrap().push(delta)).await;
    (reply.map(|reply| reply.message.text), deltas.into_inner().unwrap())
}

#[tokio::test]
async fn the_next_takes_over_and_what_was_told_is_taken_back() {
    let (one, two) = (Scripted::new("one", 10, [down()]), Scripted::new("two", 10, []));
    let (answer, deltas) = ask(&chain(&[&one, &two])).await;
    assert_eq!(answer.unwrap(), "two");
    let text = |text: &str| Delta::Text(text.to_owned());
    assert!(
        matches!(&deltas[..], [said, Delta::Restarted { wait: Duration::ZERO, .. }, again] if *said == text("one") && *again == text("two")),
        "{deltas:?}"
    );
}

#[tokio::test]
async fn a_failure_that_is_not_meant_to_move_on_ends_the_call() {
    let (one, two) =
        (Scripted::new("one", 10, [LlmError::Filtered { message: "m".to_owned() }]), Scripted::new("two", 10, []));
    assert!(matches!(ask(&chain(&[&one, &two])).await.0, Err(LlmError::Filtered { .. })));
    assert_eq!(two.asked(), 0);
}

#[tokio::test]
async fn what_is_too_long_goes_only_to_a_larger_window() {
    let too_long = || LlmError::TooLong { message: "m".to_owned() };
    let one = Scripted::new("one", 10, [too_long(), too_long()]);
    let (small, large) = (Scripted::new("small", 10, []), Scripted::new("large", 11, []));
    assert_eq!(ask(&chain(&[&one, &small, &large])).await.0.unwrap(), "large");
    assert!(matches!(ask(&chain(&[&one, &small])).await.0, Err(LlmError::TooLong { .. })));
    assert_eq!(small.asked(), 0);
}

#[tokio::test]
async fn when_all_fail_the_first_failure_is_told() {
    let one = Scripted::new("one", 10, [LlmError::Unauthorized { status: 401, message: "m".to_owned() }]);
    let two = Scripted::new("two", 10, [down()]);
    assert!(matches!(ask(&chain(&[&one, &two])).await.0, Err(LlmError::Unauthorized { .. })));
}

#[tokio::test(start_paused = true)]
async fn one_that_keeps_failing_is_passed_over_then_tried_once() {
    let one = Scripted::new("one", 10, (0..4).map(|_| down()));
    let two = Scripted::new("two", 10, []);
    let chain = chain(&[&one, &two]);
    for asked in [1, 2, 3, 3, 3] {
        assert_eq!(ask(&chain).await.0.unwrap(), "two");
        assert_eq!(one.asked(), asked);
    }
    // A single call finds out that it still fails, and it rests twice as long.
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!((ask(&chain).await.0.unwrap(), one.asked()), ("two".to_owned(), 4));
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!((ask(&chain).await.0.unwrap(), one.asked()), ("two".to_owned(), 4));
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!((ask(&chain).await.0.unwrap(), one.asked()), ("one".to_owned(), 5));
    assert_eq!((ask(&chain).await.0.unwrap(), one.asked()), ("one".to_owned(), 6));
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_opens_at_once_and_for_long() {
    let one = Scripted::new("one", 10, [LlmError::Unauthorized { status: 401, message: "m".to_owned() }]);
    let two = Scripted::new("two", 10, []);
    let chain = chain(&[&one, &two]);
    for _ in 0..3 {
        assert_eq!((ask(&chain).await.0.unwrap(), one.asked()), ("two".to_owned(), 1));
    }
    tokio::time::advance(Duration::from_secs(601)).await;
    assert_eq!(ask(&chain).await.0.unwrap(), "one");
}

#[tokio::test(start_paused = true)]
async fn if_all_are_passed_over_all_are_asked_all_the_same() {
    let key = || LlmError::Unauthorized { status: 401, message: "m".to_owned() };
    let (one, two) = (Scripted::new("one", 10, [key(), key()]), Scripted::new("two", 10, [key()]));
    let chain = chain(&[&one, &two]);
    assert!(ask(&chain).await.0.is_err());
    assert_eq!(ask(&chain).await.0.unwrap(), "two");
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_is_cut_off_leaves_the_way_open_for_the_next() {
    let breaker = Breaker::default();
    for _ in 0..3 {
        breaker.pass().failed(&down());
    }
    assert!(breaker.try_pass().is_none());
    tokio::time::advance(Duration::from_secs(30)).await;
    let trial = breaker.try_pass().unwrap();
    assert!(breaker.try_pass().is_none());
    drop(trial);
    assert!(breaker.try_pass().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_call_under_way_keeps_no_other_from_the_models_behind_it() {
    let one = Scripted::new("one", 10, [down(), down()]);
    let two = Scripted::new("two", 10, [LlmError::Unauthorized { status: 401, message: "m".to_owned() }]);
    let chain = chain(&[&one, &two]);
    assert!(ask(&chain).await.0.is_err());
    tokio::time::advance(Duration::from_secs(601)).await;
    // The second's single try is free while the first still answers somebody.
    one.stuck.store(1, Ordering::SeqCst);
    tokio::select! {
        biased;
        answer = ask(&chain) => panic!("{answer:?}"),
        answer = ask(&chain) => assert_eq!(answer.0.unwrap(), "two"),
    }
    assert_eq!((one.asked(), two.asked()), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn calls_cut_off_after_a_long_silence_are_failures() {
    let (one, two) = (Scripted::new("one", 10, []), Scripted::new("two", 10, []));
    let chain = chain(&[&one, &two]);
    one.stuck.store(6, Ordering::SeqCst);
    let cut_off = async |after: u64| tokio::time::timeout(Duration::from_secs(after), ask(&chain)).await.is_err();
    // A person who goes on after a minute says nothing of the model.
    for _ in 0..PATIENCE {
        assert!(cut_off(60).await);
    }
    for _ in 0..PATIENCE {
        assert!(cut_off(121).await);
    }
    assert_eq!((ask(&chain).await.0.unwrap(), one.asked()), ("two".to_owned(), 6));
    // Tried once and as silent again, it rests twice as long.
    tokio::time::advance(Duration::from_secs(31)).await;
    one.stuck.store(1, Ordering::SeqCst);
    assert!(cut_off(121).await);
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!((ask(&chain).await.0.unwrap(), one.asked()), ("two".to_owned(), 7));
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!((ask(&chain).await.0.unwrap(), one.asked()), ("one".to_owned(), 8));
}
