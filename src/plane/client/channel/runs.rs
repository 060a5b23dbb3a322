//! Conversations as agent runs.

use super::super::{
    caller::{Call, Caller},
    readable,
};
use crate::{
    domain::{
        activity::{Draft, Posted, RunActivity},
        event::RunInfo,
    },
    plane::{PlaneError, RunStatus, budget::Lane, wire::activity},
};

pub(super) async fn post(
    caller: &Caller,
    run: &RunInfo,
    draft: &Draft,
    browse: Option<&str>,
) -> Result<Posted, PlaneError> {
    let what = "the activity";
    let path = ["runs", &run.id.to_string(), "activities"];
    let body = activity::create_body(draft, run.project, browse);
    let call = Call { workspace: run.workspace, what, path: &path, query: &[], lane: Lane::of(draft) };
    readable(what, activity::posted(&caller.post(&call, &body).await?))
}

pub(super) async fn activities(caller: &Caller, run: &RunInfo) -> Result<Vec<RunActivity>, PlaneError> {
    let path = ["runs", &run.id.to_string(), "activities"];
    let (workspace, what) = (run.workspace, "the activities of the run");
    let call = Call { workspace, what, path: &path, query: &[], lane: Lane::Ack };
    let mut all = caller.whole_list(&call, activity::run_activity, |activity| activity.id).await?;
    // Plane promises no order. What has no time counts as newest and keeps its place there.
    all.sort_by_key(|activity| (activity.created_at.is_none(), activity.created_at));
    Ok(all)
}

pub(super) async fn status(caller: &Caller, run: &RunInfo) -> Result<(RunInfo, RunStatus), PlaneError> {
    let (workspace, what) = (run.workspace, "the run");
    let path = ["runs", &run.id.to_string()];
    let body = caller.get(&Call { workspace, what, path: &path, query: &[], lane: Lane::Ack }).await?;
    readable(what, activity::run(&body, workspace))
}
