//! Talk with other bots, which is bounded: two agents that answer each other would never come to an end. Where
//! Plane does not tell bots from people the bound is one that people hardly reach.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::domain::ids::{UserId, WorkItemId};

/// Answers one bot gets on one work item within [`WINDOW`].
const MOST_ANSWERS: usize = 3;
/// The same for one of whom it is unknown.
const MOST_ANSWERS_TO_ANYONE: usize = 30;
const WINDOW: Duration = Duration::from_secs(60 * 60);
/// Bots on work items remembered at the same time.
const MOST_REMEMBERED: usize = 1_000;

/// Who speaks, as far as that bounds the talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Speaker {
    pub id: UserId,
    /// Otherwise it is unknown whether it is.
    pub is_bot: bool,
}

impl Speaker {
    fn most_answers(self) -> usize {
        if self.is_bot { MOST_ANSWERS } else { MOST_ANSWERS_TO_ANYONE }
    }
}

/// Which bots were answered where, lately. It is forgotten with the process.
#[derive(Debug, Default)]
pub struct BotTalk {
    answered: Mutex<HashMap<(WorkItemId, UserId), Vec<Instant>>>,
}

impl BotTalk {
    /// Whether a bot had its answers and the last word after them.
    pub(super) fn is_over(&self, item: WorkItemId, bot: Speaker) -> bool {
        self.count(item, bot.id, false) > bot.most_answers()
    }

    /// Notes that a bot is answered, and says whether that is the last word.
    pub(super) fn note(&self, item: WorkItemId, bot: Speaker) -> bool {
        self.count(item, bot.id, true) > bot.most_answers()
    }

    fn count(&self, item: WorkItemId, bot: UserId, one_more: bool) -> usize {
        let now = Instant::now();
        let lately = |at: &Instant| now.duration_since(*at) < WINDOW;
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        if answered.len() >= MOST_REMEMBERED {
            answered.retain(|_, times| times.last().is_some_and(lately));
        }
        let times = answered.entry((item, bot)).or_default();
        times.retain(lately);
        times.extend(one_more.then_some(now));
        times.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bot_gets_three_answers_a_last_word_and_silence_until_an_hour_has_passed() {
        let talk = BotTalk::default();
        let (item, other) = (WorkItemId(uuid::Uuid::from_u128(1)), WorkItemId(uuid::Uuid::from_u128(2)));
        let bot = Speaker { id: UserId(uuid::Uuid::from_u128(3)), is_bot: true };
        for last_word in [false, false, false, true] {
            assert!(!talk.is_over(item, bot));
            assert_eq!(talk.note(item, bot), last_word);
            tokio::time::advance(Duration::from_secs(60)).await;
        }
        assert!(talk.is_over(item, bot) && !talk.is_over(other, bot));
        tokio::time::advance(WINDOW).await;
        assert!(!talk.is_over(item, bot) && !talk.note(item, bot));
    }

    #[tokio::test(start_paused = true)]
    async fn who_may_be_a_bot_gets_many_more_answers_but_not_without_end() {
        let (talk, item) = (BotTalk::default(), WorkItemId(uuid::Uuid::from_u128(1)));
        let anyone = Speaker { id: UserId(uuid::Uuid::from_u128(3)), is_bot: false };
        let last_words = (0..=MOST_ANSWERS_TO_ANYONE).filter(|_| talk.note(item, anyone)).count();
        assert!(last_words == 1 && talk.is_over(item, anyone));
    }
}
