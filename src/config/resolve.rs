//! From written settings to usable ones: addresses parsed, secrets fetched, names followed.

mod channel;
mod guidance;
mod model;
mod writes;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{
    AgentConfig, Config, FixedTokenConfig, FixedTokenKind, LogConfig, LogFormat, OAuthConfig, PlaneConfig,
    ServerConfig, StoreConfig, TextsConfig,
    origin::{Origins, Place, Problem},
    raw::{ChannelKind, RawAgent, RawConfig, RawFixed, RawOAuth, RawPlane, RawSecret, RawStore},
};

/// With fewer, what is kept back for answers would leave nothing to read with.
const LEAST_REQUESTS_PER_MINUTE: u32 = 10;

pub(super) fn resolve(
    raw: RawConfig,
    origins: &Origins,
    environment: &BTreeMap<String, String>,
    base: &Path,
) -> Result<Config, Vec<Problem>> {
    let mut resolver = Resolver { origins, environment, problems: Vec::new() };
    let listen = resolver.parsed(
        "server.listen",
        raw.server.listen.as_deref().unwrap_or_default(),
        "an address such as 127.0.0.1:8080",
    );
    let writes = resolver.writes(&raw);
    let name = raw.agent.name.clone().unwrap_or_else(|| "aileron".to_owned());
    let plane = resolver.plane(raw.plane, &name);
    let guidance = resolver.guidance(raw.projects);
    let models = resolver.models(&raw.agent, &raw.models, &raw.providers, &raw.workspaces);
    let budget = resolver.budget(&raw.budget);
    let time_zone = resolver.time_zone(raw.agent.time_zone.as_deref());
    let agent = AgentConfig { time_zone, ..agent(raw.agent, base) };
    let log = LogConfig {
        format: raw.log.format.unwrap_or(LogFormat::Text),
        filter: raw.log.filter.unwrap_or_else(|| "info".to_owned()),
    };
    if let Err(error) = tracing_subscriber::EnvFilter::try_new(&log.filter) {
        resolver.complain("log.filter", format!("expected a filter such as \"info\": {error}"));
    }
    let store = resolver.store(raw.store);
    match (listen, plane, models) {
        (Some(listen), Some(plane), Some(models)) if resolver.problems.is_empty() => {
            let max_body_bytes = raw.server.max_body_kib.unwrap_or(5120) as usize * 1024;
            let server = ServerConfig { listen, max_body_bytes };
            let model_names = models.named.keys().cloned().collect();
            Ok(Config { server, store, plane, agent, models, model_names, budget, guidance, writes, log })
        }
        (_, _, _) => Err(resolver.problems),
    }
}

pub(super) fn texts(raw: RawConfig, origins: &Origins, base: &Path) -> TextsConfig {
    let model_names = raw.models.keys().cloned().collect();
    // What is wrong with anything else is told where it is used.
    let mut resolver = Resolver { origins, environment: &BTreeMap::new(), problems: Vec::new() };
    let offer_writes = resolver.writes(&raw).permit_some();
    let AgentConfig { prompts_dir, tools_dir, .. } = agent(raw.agent, base);
    TextsConfig { prompts_dir, tools_dir, model_names, offer_writes }
}

fn agent(raw: RawAgent, base: &Path) -> AgentConfig {
    let secs = |secs: Option<u32>, default| Duration::from_secs(u64::from(secs.unwrap_or(default)));
    let millis = |millis: Option<u32>, default| Duration::from_millis(u64::from(millis.unwrap_or(default)));
    AgentConfig {
        name: raw.name.unwrap_or_else(|| "aileron".to_owned()),
        prompts_dir: base.join(raw.prompts_dir.unwrap_or_else(|| "prompts".into())),
        tools_dir: base.join(raw.tools_dir.unwrap_or_else(|| "tools".into())),
        time_zone: None,
        concurrency: raw.concurrency.unwrap_or(32).max(1) as usize,
        max_steps: raw.max_steps.unwrap_or(24).max(1),
        max_turn: secs(raw.max_turn_secs, 900),
        prompt_grace: millis(raw.prompt_grace_ms, 5000),
        drain: millis(raw.drain_ms, 10_000),
        sweep: secs(raw.sweep_secs, 300),
    }
}

/// Plane Cloud has its API on a host of its own; a server of one's own has both on one.
fn web_url_beside(api_url: &Url) -> Url {
    let mut url = api_url.clone();
    if url.host_str() == Some("api.plane.so") && url.set_host(Some("app.plane.so")).is_err() {
        return api_url.clone();
    }
    url
}

struct Resolver<'a> {
    origins: &'a Origins,
    environment: &'a BTreeMap<String, String>,
    problems: Vec<Problem>,
}

impl Resolver<'_> {
    fn complain(&mut self, key: &str, message: impl Into<String>) {
        let problem = self.origins.problem(key, message);
        // What is written once and used in several places is wrong once.
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn parsed<T: std::str::FromStr>(&mut self, key: &str, text: &str, expected: &str) -> Option<T> {
        let parsed = text.trim().parse().ok();
        if parsed.is_none() {
            // What was found is not told: it may be a secret in the wrong place.
            self.complain(key, format!("expected {expected}"));
        }
        parsed
    }

    /// A time zone of that name; `None` for the project's own.
    fn time_zone(&mut self, name: Option<&str>) -> Option<String> {
        let name = name.map(str::trim).filter(|name| *name != "project")?;
        if jiff::tz::TimeZone::get(name).is_err() {
            self.complain("agent.time_zone", "expected \"project\" or a time zone such as \"Europe/Berlin\"");
        }
        Some(name.to_owned())
    }

    fn http_url(&mut self, key: &str, text: &str) -> Option<Url> {
        let url: Url = self.parsed(key, text.trim_end_matches('/'), "an http or https address")?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            self.complain(key, "expected an http or https address");
            return None;
        }
        if url.password().is_some() || !url.username().is_empty() {
            self.complain(key, "the address must not hold a user or password");
            return None;
        }
        Some(url)
    }

    /// The secret itself, without the line end that files and copied text bring along.
    fn secret(&mut self, key: &str, raw: &RawSecret) -> Option<SecretString> {
        let text = match raw {
            RawSecret::Text(text) => text.expose_secret().to_owned(),
            RawSecret::Env(name) => match self.environment.get(name) {
                Some(text) => text.clone(),
                None => {
                    self.complain(key, format!("the environment variable {name} it refers to is not set"));
                    return None;
                }
            },
            RawSecret::Command { .. } => {
                self.complain(key, "a command is possible only for a provider's api_key");
                return None;
            }
            RawSecret::File(path) => match std::fs::read_to_string(path) {
                Ok(text) => text,
                Err(error) => {
                    self.complain(key, format!("the secret's file {} cannot be read: {error}", path.display()));
                    return None;
                }
            },
        };
        if text.trim().is_empty() {
            self.complain(key, "the secret is empty");
            return None;
        }
        Some(SecretString::from(text.trim().to_owned()))
    }

    fn store(&mut self, raw: RawStore) -> StoreConfig {
        let days = |days: u32| Duration::from_secs(u64::from(days) * 24 * 60 * 60);
        let keep_runs_days = raw.keep_runs_days.unwrap_or(90).max(1);
        let keep_keys_days = raw.keep_keys_days.unwrap_or(400);
        if keep_keys_days < keep_runs_days {
            self.complain(
                "store.keep_keys_days",
                format!("expected at least store.keep_runs_days, which is {keep_runs_days}, found {keep_keys_days}"),
            );
        }
        StoreConfig {
            data_dir: raw.data_dir.unwrap_or_else(|| PathBuf::from("data")),
            keep_runs: days(keep_runs_days),
            max_runs: u64::from(raw.max_runs.unwrap_or(200_000).max(1)),
            keep_keys: days(keep_keys_days),
            compact_above: u64::from(raw.compact_above_mib.unwrap_or(64)) << 20,
        }
    }

    fn plane(&mut self, raw: RawPlane, name: &str) -> Option<PlaneConfig> {
        let api_url = self.http_url("plane.api_url", raw.api_url.as_deref().unwrap_or_default()).map(|mut url| {
            url.set_query(None);
            url.set_fragment(None);
            url
        });
        let web_url = match &raw.web_url {
            Some(text) => self.http_url("plane.web_url", text),
            None => api_url.as_ref().map(web_url_beside),
        };
        let webhook_secrets: Vec<_> =
            raw.webhook_secrets.iter().filter_map(|raw| self.secret("plane.webhook_secrets", raw)).collect();
        let kind = raw.channel.unwrap_or(ChannelKind::Runs);
        // Whoever looks for comments needs no webhook; of agent runs nothing else tells.
        let looks = kind == ChannelKind::Comments && raw.comments.poll_secs.unwrap_or(0) > 0;
        if raw.webhook_secrets.is_empty() && !looks {
            self.complain(
                "plane.webhook_secrets",
                "missing: set it, or PLANE_WEBHOOK_SECRET, to the secret Plane signs webhooks with",
            );
        }
        let oauth = self.oauth(raw.oauth);
        let fixed = self.fixed(raw.fixed);
        let channel = self.channel(kind, raw.comments, fixed.as_ref(), name);
        if oauth.is_none() && fixed.is_none() && self.problems.is_empty() {
            let message = "no credentials: set PLANE_CLIENT_ID, PLANE_CLIENT_SECRET and PLANE_REDIRECT_URI to install by OAuth, \
                 or plane.fixed.token with workspace_slug and workspace_id";
            let (place, key) = (Place::Unset, "plane".to_owned());
            self.problems.push(Problem { place, key, message: message.to_owned() });
        }
        let requests_per_minute = raw.requests_per_minute.unwrap_or(60);
        if requests_per_minute < LEAST_REQUESTS_PER_MINUTE {
            self.complain(
                "plane.requests_per_minute",
                format!("expected at least {LEAST_REQUESTS_PER_MINUTE}, found {requests_per_minute}"),
            );
        }
        Some(PlaneConfig {
            api_url: api_url?,
            web_url: web_url?,
            webhook_secrets,
            oauth,
            fixed,
            channel: channel?,
            request_timeout: Duration::from_secs(u64::from(raw.request_timeout_secs.unwrap_or(30).max(1))),
            requests_per_minute,
            budget_window: Duration::from_secs(u64::from(raw.budget_window_secs.unwrap_or(60).max(1))),
            facts_ttl: Duration::from_secs(u64::from(raw.facts_ttl_secs.unwrap_or(300))),
            settle: Duration::from_millis(u64::from(raw.settle_ms.unwrap_or(5000))),
        })
    }

    fn oauth(&mut self, raw: RawOAuth) -> Option<OAuthConfig> {
        let (Some(client_id), Some(client_secret), Some(redirect_uri)) =
            (&raw.client_id, &raw.client_secret, &raw.redirect_uri)
        else {
            let set = [
                ("plane.oauth.client_id", "PLANE_CLIENT_ID", raw.client_id.is_some()),
                ("plane.oauth.client_secret", "PLANE_CLIENT_SECRET", raw.client_secret.is_some()),
                ("plane.oauth.redirect_uri", "PLANE_REDIRECT_URI", raw.redirect_uri.is_some()),
            ];
            if set.iter().any(|(_, _, set)| *set) {
                for (key, variable, _) in set.iter().filter(|(_, _, set)| !set) {
                    self.complain(
                        key,
                        format!("missing: set it, or {variable}, since the other parts of the OAuth app are set"),
                    );
                }
            }
            return None;
        };
        let client_secret = self.secret("plane.oauth.client_secret", client_secret);
        let redirect_uri = self.http_url("plane.oauth.redirect_uri", redirect_uri);
        Some(OAuthConfig {
            client_id: client_id.clone(),
            client_secret: client_secret?,
            redirect_uri: redirect_uri?,
            scopes: raw.scopes,
        })
    }

    fn fixed(&mut self, raw: RawFixed) -> Option<FixedTokenConfig> {
        let (Some(token), Some(slug), Some(workspace)) = (&raw.token, &raw.workspace_slug, &raw.workspace_id) else {
            let set = [
                ("plane.fixed.token", raw.token.is_some()),
                ("plane.fixed.workspace_slug", raw.workspace_slug.is_some()),
                ("plane.fixed.workspace_id", raw.workspace_id.is_some()),
            ];
            if set.iter().any(|(_, set)| *set) {
                for (key, _) in set.iter().filter(|(_, set)| !set) {
                    self.complain(key, "missing: a fixed token needs token, workspace_slug and workspace_id");
                }
            }
            return None;
        };
        let token = self.secret("plane.fixed.token", token);
        let workspace_id = self.parsed("plane.fixed.workspace_id", workspace, "a UUID");
        let bot = match &raw.bot {
            Some(bot) => Some(self.parsed("plane.fixed.bot", bot, "a UUID")?),
            None => None,
        };
        if slug.is_empty() || !slug.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
            self.complain("plane.fixed.workspace_slug", "expected letters, digits, - and _");
            return None;
        }
        Some(FixedTokenConfig {
            kind: raw.kind.unwrap_or(FixedTokenKind::ApiKey),
            token: token?,
            workspace_slug: slug.clone(),
            workspace_id: workspace_id?,
            bot,
        })
    }
}
