//! The tool calls that are open, with the keys of what is shown of them.

use std::collections::HashMap;

use super::Session;
use crate::{
    agent::step::PlannedCall,
    domain::{ids::StepKey, talk::ToolCall, write::PlannedWrite},
};

/// How often the same call with the same arguments is carried out in one turn.
const SAME_CALL_LIMIT: u32 = 2;

impl Session {
    pub(super) fn plan(
        &self,
        base_step: u32,
        calls: &[ToolCall],
        open: &[String],
        intended: &HashMap<String, PlannedWrite>,
    ) -> Vec<PlannedCall> {
        let key = |part| StepKey { run: self.run, turn: self.turn, step: base_step, part };
        (1u32..)
            .zip(calls)
            .filter(|(_, call)| open.contains(&call.id))
            .map(|(number, call)| PlannedCall {
                call: call.clone(),
                started_key: key(number * 2 - 1),
                finished_key: key(number * 2),
                intended: intended.get(&call.id).cloned(),
                repeated: self.is_repeated(call, intended),
            })
            .collect()
    }

    fn is_repeated(&self, call: &ToolCall, intended: &HashMap<String, PlannedWrite>) -> bool {
        let same = (call.name.clone(), call.arguments.clone());
        let changed_before = self.intended_calls.contains(&same) && !intended.contains_key(&call.id);
        changed_before || self.calls_made.get(&same) > Some(&SAME_CALL_LIMIT)
    }
}
