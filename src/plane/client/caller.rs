//! Authorised calls, and the one place that decides whether a call is repeated.

use std::{sync::Arc, time::Duration};

use reqwest::{Client, Method};
use serde_json::Value;
use tracing::Instrument;
use url::Url;

use super::transport::{Answer, send};
use crate::{
    config::PlaneConfig,
    domain::{ids::WorkspaceId, work_item::Page},
    plane::{
        PlaneError,
        budget::{Budgets, LONGEST_PAUSE, Lane, Permit, WritePass},
        credentials::{Authorization, Credentials},
        wire::list,
    },
};

/// Tries of one read that fails, the first included.
const TRIES: u32 = 3;
/// Tries of one call that meets a 429. Each waits as long as Plane asks.
const MOST_LIMITED: u32 = 5;
/// A longer wait is left to whoever asked.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
const FIRST_BACKOFF: Duration = Duration::from_millis(400);
/// Records a page of a list that is read whole.
const WHOLE_LIST_PAGE: u32 = 100;
/// Pages read of such a list; beyond that it is cut, as no project has so many states or labels.
const MOST_PAGES: u32 = 30;

pub(super) struct Caller {
    pub(super) http: Client,
    base: Url,
    pub(super) timeout: Duration,
    credentials: Arc<Credentials>,
    budgets: Budgets,
}

/// What is asked for: a path below the workspace, and how errors call it.
pub(super) struct Call<'a> {
    pub(super) workspace: WorkspaceId,
    pub(super) what: &'static str,
    /// Segments below `/api/v1/workspaces/{slug}/`; the closing slash is added.
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(&'a str, String)],
    pub(super) lane: Lane,
}

/// What a call is made for.
#[derive(Clone, Copy)]
enum Wanted {
    /// What is there. A redirect tells nothing of that, and nothing was done.
    Record,
    /// Where it lies.
    Place,
}

impl Wanted {
    fn is_met_by(self, answer: &Answer) -> bool {
        match self {
            Self::Record => answer.is_success(),
            Self::Place => answer.is_success() || answer.is_redirect(),
        }
    }
}

impl Caller {
    pub(super) fn new(http: Client, config: &PlaneConfig, credentials: Arc<Credentials>) -> Self {
        let budgets = Budgets::new(config);
        Self { http, base: config.api_url.clone(), timeout: config.request_timeout, credentials, budgets }
    }

    /// Reads. In [`Lane::Read`] it is repeated on 5xx and silence.
    pub(super) async fn get(&self, call: &Call<'_>) -> Result<Value, PlaneError> {
        self.ask(&Method::GET, call, None).await?.json(call.what)
    }

    /// Reads where something lies that Plane only points to.
    pub(super) async fn location(&self, call: &Call<'_>) -> Result<Url, PlaneError> {
        let malformed = |message: &str| PlaneError::Malformed { what: call.what, message: message.to_owned() };
        let answer = self.ask_for(Wanted::Place, &Method::GET, call, None).await?;
        let location = answer.location.ok_or_else(|| malformed("an answer that names no place"))?;
        self.base.join(&location).map_err(|_| malformed("a place that is no address"))
    }

    /// Posts an activity; repeated only on 429, which says that nothing happened.
    pub(super) async fn post(&self, call: &Call<'_>, body: &Value) -> Result<Value, PlaneError> {
        self.ask(&Method::POST, call, Some(body)).await?.json(call.what)
    }

    /// Sets a record's fields to absolute values; repeated only on 429.
    pub(super) async fn patch(&self, call: &Call<'_>, body: &Value) -> Result<Value, PlaneError> {
        self.ask(&Method::PATCH, call, Some(body)).await?.json(call.what)
    }

    /// Deletes a record; repeated only on 429.
    pub(super) async fn delete(&self, call: &Call<'_>) -> Result<(), PlaneError> {
        self.ask(&Method::DELETE, call, None).await.map(drop)
    }

    /// The right to one change, in its lane.
    pub(super) async fn write_pass(&self, workspace: WorkspaceId) -> Result<WritePass, PlaneError> {
        self.credentials.authorize(workspace).await?;
        Ok(WritePass(self.budgets.of(workspace).permit(Lane::Write).await?))
    }

    /// Creates or changes a record at once and never repeats it, not even on 429: whoever asked may
    /// not want it any more.
    pub(super) async fn change(
        &self,
        method: Method,
        call: &Call<'_>,
        body: &Value,
        pass: WritePass,
    ) -> Result<Value, PlaneError> {
        self.call(pass.0, Wanted::Record, &method, call, Some(body)).await?.json(call.what)
    }

    /// As [`Caller::change`], for what Plane may answer with nothing at all; that is null here.
    pub(super) async fn act(
        &self,
        method: Method,
        call: &Call<'_>,
        body: Option<&Value>,
        pass: WritePass,
    ) -> Result<Value, PlaneError> {
        let answer = self.call(pass.0, Wanted::Record, &method, call, body).await?;
        if answer.body.trim_ascii().is_empty() { Ok(Value::Null) } else { answer.json(call.what) }
    }

    /// Reads one page; `page` counts from 0.
    pub(super) async fn page<T>(
        &self,
        call: &Call<'_>,
        page: u32,
        per_page: u32,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Page<T>, PlaneError> {
        // Plane applies no default of its own that could be relied on, and answers 500 to 0.
        let per_page = per_page.clamp(1, 100);
        let mut query = call.query.to_vec();
        query.push(("per_page", per_page.to_string()));
        if page > 0 {
            query.push(("cursor", format!("{per_page}:{page}:0")));
        }
        let body = self.get(&Call { query: &query, ..*call }).await?;
        list::page(&body, read)
            .ok_or_else(|| PlaneError::Malformed { what: call.what, message: "JSON, but no list".to_owned() })
    }

    /// Reads a list to its end. Records that moved between pages meanwhile are kept once.
    pub(super) async fn whole_list<T, K: PartialEq>(
        &self,
        call: &Call<'_>,
        read: impl Fn(&Value) -> Option<T>,
        key: impl Fn(&T) -> K,
    ) -> Result<Vec<T>, PlaneError> {
        let mut all: Vec<T> = Vec::new();
        for number in 0..MOST_PAGES {
            let page = self.page(call, number, WHOLE_LIST_PAGE, &read).await?;
            for item in page.items {
                if !all.iter().any(|known| key(known) == key(&item)) {
                    all.push(item);
                }
            }
            if !page.more {
                return Ok(all);
            }
        }
        tracing::warn!(what = call.what, kept = all.len(), "a list of Plane is longer than is read");
        Ok(all)
    }

    async fn ask(&self, method: &Method, call: &Call<'_>, body: Option<&Value>) -> Result<Answer, PlaneError> {
        self.ask_for(Wanted::Record, method, call, body).await
    }

    /// One call, repeated where nobody else does that.
    async fn ask_for(
        &self,
        wanted: Wanted,
        method: &Method,
        call: &Call<'_>,
        body: Option<&Value>,
    ) -> Result<Answer, PlaneError> {
        let (mut tried, mut limited) = (1, 1);
        loop {
            let permit = self.permit(call).await?;
            let error = match self.call(permit, wanted, method, call, body).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if let PlaneError::RateLimited { retry_after } = &error {
                if limited == MOST_LIMITED || retry_after.is_some_and(|wait| wait > LONGEST_PAUSE) {
                    return Err(error);
                }
                // The next permit waits as long as Plane asked.
                limited += 1;
            } else {
                let repeatable = *method == Method::GET && call.lane == Lane::Read;
                wait_or_give_up(error, repeatable, tried).await?;
                tried += 1;
            }
        }
    }

    /// The right to one request, for workspaces with an installation.
    async fn permit(&self, call: &Call<'_>) -> Result<Permit, PlaneError> {
        self.credentials.authorize(call.workspace).await?;
        self.budgets.of(call.workspace).permit(call.lane).await
    }

    /// One call; a refused token is renewed once.
    async fn call(
        &self,
        permit: Permit,
        wanted: Wanted,
        method: &Method,
        call: &Call<'_>,
        body: Option<&Value>,
    ) -> Result<Answer, PlaneError> {
        // Asked for after the wait, which may have outlived a token.
        let authorization = self.credentials.authorize(call.workspace).await?;
        let answer = self.send(permit, method, call, body, &authorization).await?;
        if wanted.is_met_by(&answer) {
            return Ok(answer);
        }
        if !(answer.refuses_token() && authorization.renewable) {
            return Err(answer.into_error(call.what, &authorization.slug));
        }
        self.credentials.renew(call.workspace, &authorization.token).await?;
        let permit = self.permit(call).await?;
        let authorization = self.credentials.authorize(call.workspace).await?;
        let answer = self.send(permit, method, call, body, &authorization).await?;
        if wanted.is_met_by(&answer) { Ok(answer) } else { Err(answer.into_error(call.what, &authorization.slug)) }
    }

    async fn send(
        &self,
        mut permit: Permit,
        method: &Method,
        call: &Call<'_>,
        body: Option<&Value>,
        authorization: &Authorization,
    ) -> Result<Answer, PlaneError> {
        let url = self.address(&authorization.slug, call)?;
        let (name, value) = authorization.header(call.what)?;
        let mut request = self.http.request(method.clone(), url).timeout(self.timeout);
        request = request.header(name, value).header(reqwest::header::ACCEPT, "application/json").query(call.query);
        if let Some(body) = body {
            request = request.json(body);
        }
        let method = match *method {
            Method::POST => "POST",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            _ => "GET",
        };
        let span = tracing::debug_span!("plane", workspace = %authorization.slug, method);
        permit.sent();
        let answer = send(request, method, call.what).instrument(span).await?;
        if answer.status == 429 {
            permit.limited(answer.retry_after);
        } else {
            permit.answered(answer.remaining);
        }
        Ok(answer)
    }

    /// The address, always with the closing slash: without it Plane redirects, and a POST is lost.
    fn address(&self, slug: &str, call: &Call<'_>) -> Result<Url, PlaneError> {
        let mut url = self.base.clone();
        let mut segments = url.path_segments_mut().map_err(|()| PlaneError::Malformed {
            what: call.what,
            message: "plane.api_url cannot have a path".to_owned(),
        })?;
        segments.pop_if_empty().extend(["api", "v1", "workspaces", slug]).extend(call.path).push("");
        drop(segments);
        Ok(url)
    }
}

/// Waits before the next try, or hands the error back.
async fn wait_or_give_up(error: PlaneError, repeatable: bool, tried: u32) -> Result<(), PlaneError> {
    let asked = match &error {
        PlaneError::Server { retry_after, .. } => *retry_after,
        PlaneError::Transport { .. } => None,
        PlaneError::RateLimited { .. }
        | PlaneError::NotInstalled(_)
        | PlaneError::Unauthorized { .. }
        | PlaneError::Forbidden { .. }
        | PlaneError::NotFound { .. }
        | PlaneError::Refused { .. }
        | PlaneError::Taken { .. }
        | PlaneError::Malformed { .. }
        | PlaneError::Book(_) => return Err(error),
    };
    let wait = asked.unwrap_or_else(|| backoff(tried));
    if !repeatable || tried >= TRIES || wait > LONGEST_WAIT {
        return Err(error);
    }
    tracing::debug!(tried, wait_ms = wait.as_millis(), "asking Plane again");
    tokio::time::sleep(wait).await;
    Ok(())
}

/// Doubles with every try; a random half keeps parallel callers apart.
fn backoff(tried: u32) -> Duration {
    let full = FIRST_BACKOFF.saturating_mul(1 << tried.min(6));
    full.mul_f64(0.5 + fastrand::f64() / 2.0)
}
