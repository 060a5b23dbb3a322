//! What tools make, each under the key of its step, so that it is made once. Plane looks at the key alone, and
//! anyone may write it under something of theirs: what has it is ours only if it is what was planned. Otherwise
//! ours is made beside it, under the key and the other's id.

use reqwest::Method;
use serde_json::Value;

use super::{
    caller::{Call, Caller},
    readable,
};
use crate::{
    domain::{
        ids::{ProjectId, StepKey, UserId, WorkItemId, WorkspaceId},
        work_item::WorkItem,
        write::ItemFields,
    },
    plane::{
        PlaneError, WritePass,
        budget::Lane,
        wire::{record, write},
    },
};

/// Records of somebody else's that may have our keys before we give up.
pub(super) const MOST_IN_THE_WAY: usize = 3;

/// Posts `body`, which has `key`; gives the record that was made, or the one that was made under the key
/// before, as `is_ours` tells. The first request goes out at once.
pub(super) async fn make(
    caller: &Caller,
    call: &Call<'_>,
    mut body: Value,
    key: StepKey,
    mut pass: WritePass,
    is_ours: impl Fn(&Value) -> bool + Sync,
) -> Result<Value, PlaneError> {
    let mut in_the_way = 0;
    loop {
        let (other, taken) = match caller.act(Method::POST, call, Some(&body), pass).await {
            // What only has the same name is somebody else's.
            Err(PlaneError::Taken { what, id, message }) if message.contains("external id") => {
                (id, PlaneError::Taken { what, id, message })
            }
            answer => return answer,
        };
        let (id, mut path) = (other.to_string(), call.path.to_vec());
        path.push(&id);
        match caller.get(&Call { path: &path, ..*call }).await {
            Ok(record) if is_ours(&record) => return Ok(record),
            Ok(_) | Err(PlaneError::NotFound { .. } | PlaneError::Forbidden { .. }) => {}
            Err(error) => return Err(error),
        }
        if in_the_way == MOST_IN_THE_WAY {
            return Err(taken);
        }
        tracing::warn!(run = %key.run, what = call.what, "something of somebody else's has a key of ours");
        in_the_way += 1;
        body["external_id"] = write::key_beside(key, other).into();
        pass = caller.write_pass(call.workspace).await?;
    }
}

/// The work item that was made under `key`.
pub(super) async fn work_item_of_step(
    caller: &Caller,
    workspace: WorkspaceId,
    project: ProjectId,
    (key, fields): (StepKey, &ItemFields),
    bot: Option<UserId>,
) -> Result<Option<WorkItem>, PlaneError> {
    let (what, path) = ("the work item", ["projects", &project.to_string(), "work-items"]);
    let mut external_id = key.to_string();
    for _ in 0..=MOST_IN_THE_WAY {
        let query = [("external_source", write::SOURCE.to_owned()), ("external_id", external_id)];
        // One bare record, although the path is that of a list.
        let body = match caller.get(&Call { workspace, what, path: &path, query: &query, lane: Lane::Write }).await {
            Ok(body) => body,
            Err(PlaneError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let found = readable(what, record::work_item(&body, Some(project)))?;
        if write::is_planned_work_item(&body, fields, bot) {
            return Ok(Some(found));
        }
        let WorkItemId(other) = found.id;
        external_id = write::key_beside(key, other);
    }
    Ok(None)
}
