//! The start of a turn: what waits is taken up, the first words are said, the prompts put into words.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use super::{Cut, Drive, Flow, Squeeze};
use crate::{
    agent::{
        approval::{Approval, Decision},
        bots::Speaker,
        intake::in_written_order,
        journal::{Bound, Entry, PassedOver},
        narrator::Note,
        sight::Sight,
    },
    domain::{
        disposition::Disposition,
        ids::{UserId, WorkItemId},
    },
    plane::PlaneError,
    store::{Release, StoreError},
};

impl Drive<'_> {
    pub(super) async fn rest(&mut self) -> Result<Flow, StoreError> {
        self.hush(false).await;
        if !self.waiting.prompts.is_empty() {
            return self.open_turn().await;
        }
        // A run stopped before its prompt came has nothing left to answer.
        let settled = self.record.prompted || self.record.stopped_at.is_some();
        if settled { Ok(Flow::Leave(Release::Idle)) } else { self.fetch_prompt().await }
    }

    /// Begins a turn with the prompts that wait.
    pub(super) async fn open_turn(&mut self) -> Result<Flow, StoreError> {
        self.record.prompted = true;
        let numbers: Vec<_> = self.waiting.prompts.iter().map(|waiting| waiting.number).collect();
        if self.is_over_with_bots() {
            tracing::info!("another bot is not answered any more");
            let waiting = self.waiting.prompts.iter().map(|waiting| waiting.prompt.activity);
            let passed = waiting.map(|activity| Entry::PassedOver { activity, reason: PassedOver::OtherBot });
            self.record(passed.collect(), numbers).await?;
            return Ok(Flow::Go);
        }
        self.texts = self.agent.texts(self.run());
        // Only where a late event may turn out to be answered already do names come before words.
        let certain = !self.session.expects_late_event();
        if certain {
            self.begin_turn();
        }
        let (agent, info, prompts) =
            (self.agent, self.record.info.clone(), in_written_order(self.waiting.prompts.clone()));
        let mut texts = self.texts.clone();
        let slow = async { tokio::join!(agent.said(&info, &prompts), agent.settle(&info, &mut texts)).0 };
        let said = match self.unless_cut(slow).await {
            Ok(said) => said,
            Err(Cut::Stop) => return self.refresh().await,
            Err(Cut::Deadline | Cut::HandBack) => return Ok(Flow::Leave(Release::HandBack)),
        };
        let (mut entries, prompts) = self.without_late_events(said);
        if !prompts.is_empty() {
            if !certain {
                self.begin_turn();
            }
            self.texts = texts;
            let skills = self.texts.chosen_skills(&prompts);
            let entitled = match (self.session.awaited_approval(), prompts.first()) {
                (Some(approval), Some(reply)) if self.is_entitled(approval, reply.by).await => {
                    match self.stands(approval, &reply.text).await {
                        Ok(stands) => stands,
                        Err(error) => return Ok(self.later(&error)),
                    }
                }
                (_, _) => false,
            };
            let last_word = self.note_bots(prompts.iter().map(|said| said.by));
            let turn = Some(self.session.next_turn());
            entries.push(Entry::Opened { at: Timestamp::now(), turn, prompts, entitled });
            entries.extend(self.rewording());
            entries.extend(skills);
            entries.extend(last_word.map(|bound| Entry::BoundHit { bound }));
        }
        self.record(entries, numbers).await?;
        Ok(Flow::Go)
    }

    /// Whether a word of approval can be meant for what was asked: the question stands there as it was posted.
    /// Where people talk in comments anyone of the project can change it.
    async fn stands(&self, approval: &Approval, reply: &str) -> Result<bool, PlaneError> {
        let (Decision::Approved(_), Some(key)) = (approval.decision(reply), approval.shown_as) else {
            return Ok(true);
        };
        let key = key.to_string();
        let shown = match self.agent.plane.run_activities(self.run()).await {
            Ok(shown) => shown,
            Err(error) if error.disposition() == Disposition::TellModel => {
                tracing::warn!(%error, "it cannot be seen whether a question stands; no word counts as an approval");
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let stands = shown.iter().any(|activity| activity.step.as_ref() == Some(&key));
        if !stands {
            tracing::warn!("a question about changes is gone or was changed by somebody else; no word approves it");
        }
        Ok(stands)
    }

    /// Whether all that waits is by bots that had their answers here.
    fn is_over_with_bots(&self) -> bool {
        let speakers = self.waiting.prompts.iter().map(|waiting| waiting.prompt.actor);
        let talk = &self.agent.bots;
        self.all_bots(speakers).is_some_and(|(item, bots)| bots.iter().all(|bot| talk.is_over(item, *bot)))
    }

    /// Notes the answer to bots, if all who speak may be some, and gives the bound if it is the last word.
    fn note_bots(&self, speakers: impl Iterator<Item = Option<UserId>>) -> Option<Bound> {
        let (item, bots) = self.all_bots(speakers)?;
        let over: Vec<_> = bots.into_iter().filter(|bot| self.agent.bots.note(item, *bot)).collect();
        let last = over.last()?;
        Some(if last.is_bot { Bound::OtherBot } else { Bound::MaybeBot })
    }

    /// The speakers, if none of them is known to be a person. Nobody waits for that: something has to be said
    /// before anything slow.
    fn all_bots(&self, speakers: impl Iterator<Item = Option<UserId>>) -> Option<(WorkItemId, BTreeSet<Speaker>)> {
        let members = self.agent.facts.known_members(self.run().workspace, self.run().project?)?;
        let speaker = |id: UserId| match members.iter().find(|member| member.id == id)?.is_bot {
            Some(false) => None,
            is_bot => Some(Speaker { id, is_bot: is_bot == Some(true) }),
        };
        let bots = speakers.map(|by| by.and_then(speaker)).collect::<Option<BTreeSet<_>>>()?;
        Some((self.run().work_item?, bots)).filter(|(_, bots)| !bots.is_empty())
    }

    /// Starts to narrate and says the first words, before anything slow.
    fn begin_turn(&mut self) {
        self.deadline = Instant::now() + self.agent.limits.max_turn;
        (self.squeeze, self.compacted) = (Squeeze::None, 0);
        self.sight = Sight::default();
        self.greet();
    }

    /// Whether Plane shows anything of this turn.
    pub(super) fn has_spoken(&self) -> bool {
        let key = self.session.greeting_key();
        let of_this_turn = format!("{}/{}/", key.run, key.turn);
        self.already.keys().any(|shown| shown.starts_with(&of_this_turn))
    }

    pub(super) fn greet(&mut self) {
        let key = self.session.greeting_key();
        match self.texts.prompts().render("acknowledge.md", json!({ "key": null })) {
            Ok(body) => self.narrate(Note::Thought { key, body }),
            Err(error) => tracing::error!(%error, "the first thought is left out"),
        }
    }

    async fn fetch_prompt(&mut self) -> Result<Flow, StoreError> {
        let (agent, info) = (self.agent, self.record.info.clone());
        let fetched = match self.unless_cut(agent.fetch_prompts(&info)).await {
            Ok(fetched) => fetched,
            Err(Cut::Stop) => return self.refresh().await,
            Err(Cut::Deadline | Cut::HandBack) => return Ok(Flow::Leave(Release::HandBack)),
        };
        match fetched {
            // The prompt's own event still finds the run; asking a few times covers a late one.
            Ok(events) if events.is_empty() && self.record.attempts < 3 => {
                Ok(Flow::Leave(self.retry_release(Duration::from_secs(20))))
            }
            Ok(events) if events.is_empty() => Ok(Flow::Leave(Release::Idle)),
            Ok(events) => {
                self.record.prompted = true;
                self.take_in(events).await
            }
            Err(error) => Ok(match error.disposition() {
                Disposition::TellModel => {
                    tracing::warn!(%error, "a created run has no readable prompt");
                    Flow::Leave(Release::Idle)
                }
                Disposition::Retry { .. } | Disposition::GiveUp => self.later(&error),
            }),
        }
    }
}
