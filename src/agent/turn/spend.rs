//! What a turn's replies cost, and whether more may be spent.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::Drive;
use crate::{
    agent::journal::{Bound, Entry},
    config::SpendLimit,
    domain::{
        talk::{AssistantMessage, Usage},
        usage::{ModelReply, Spent},
    },
    store::StoreError,
};

impl Drive<'_> {
    /// The replies among the entries, to be counted with them.
    pub(super) fn replies(&self, entries: &[Entry]) -> Vec<ModelReply> {
        let replies = entries.iter().filter_map(|entry| {
            let Entry::Answered { message, usage, .. } = entry else { return None };
            Some(self.reply(message, *usage))
        });
        replies.collect()
    }

    /// A reply as it is counted, by the model that made it.
    pub(super) fn reply(&self, message: &AssistantMessage, usage: Option<Usage>) -> ModelReply {
        let asked = self.model();
        let maker = message.raw.as_ref().map_or(asked.name(), |raw| raw.model.as_str());
        ModelReply { day: today(), model: maker.to_owned(), usage }
    }

    /// The budget that is used up, if one is: the run's, then the workspace's, then everyone's.
    pub(super) async fn used_up(&self) -> Result<Option<Bound>, StoreError> {
        let budget = self.agent.models.budget;
        if is_used_up(budget.run, &self.record.spent) {
            return Ok(Some(Bound::RunBudget));
        }
        if budget.workspace_day == SpendLimit::default() && budget.day == SpendLimit::default() {
            return Ok(None);
        }
        let (mut of_workspace, mut of_all) = (Spent::default(), Spent::default());
        for row in self.agent.store.usage(today(), today()).await? {
            of_all.add(&row.spent);
            if row.workspace == self.run().workspace {
                of_workspace.add(&row.spent);
            }
        }
        Ok(if is_used_up(budget.workspace_day, &of_workspace) {
            Some(Bound::WorkspaceBudget)
        } else if is_used_up(budget.day, &of_all) {
            Some(Bound::DayBudget)
        } else {
            None
        })
    }
}

fn is_used_up(limit: SpendLimit, spent: &Spent) -> bool {
    limit.nano_dollars.is_some_and(|most| spent.nano_dollars >= most)
        || limit.tokens.is_some_and(|most| spent.tokens() >= most)
}

/// Tells the operator's metrics of a reply.
pub(super) fn measure(usage: Option<Usage>) {
    metrics::counter!("aileron_model_calls_total").increment(1);
    if let Some(usage) = usage {
        metrics::counter!("aileron_tokens_total", "kind" => "input").increment(usage.input);
        metrics::counter!("aileron_tokens_total", "kind" => "output").increment(usage.output);
        metrics::counter!("aileron_tokens_total", "kind" => "cached_input").increment(usage.cached_input);
        metrics::counter!("aileron_model_cost_nano_dollars_total").increment(usage.nano_dollars);
    }
}

/// Days end at midnight UTC, whatever the machine's own zone.
pub(super) fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_used_up_when_it_is_reached_in_either_measure() {
        let spent = Spent { input: 60, output: 40, nano_dollars: 5, ..Spent::default() };
        for (nano_dollars, tokens, used_up) in [
            (None, None, false),
            (Some(5), None, true),
            (Some(6), None, false),
            (None, Some(100), true),
            (None, Some(101), false),
            (Some(6), Some(100), true),
            (Some(0), None, true),
        ] {
            assert_eq!(is_used_up(SpendLimit { nano_dollars, tokens }, &spent), used_up, "{nano_dollars:?} {tokens:?}");
        }
    }
}
