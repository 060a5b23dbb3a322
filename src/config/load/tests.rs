//! What a configuration may say, and what is said of it where it is wrong.

use secrecy::ExposeSecret as _;

use super::*;
use crate::config::ProviderConfig;

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut environment: BTreeMap<String, String> = [
        ("PLANE_WEBHOOK_SECRET", "one, two"),
        ("PLANE_CLIENT_ID", "id"),
        ("PLANE_CLIENT_SECRET", "hush"),
        ("PLANE_REDIRECT_URI", "https://aileron.example.com/oauth/callback"),
        ("OPENAI_API_KEY", "sk-1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for (name, value) in pairs {
        environment.insert((*name).to_owned(), (*value).to_owned());
    }
    environment
}

fn load_with(file: &str, pairs: &[(&str, &str)]) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("aileron.toml");
    std::fs::write(&path, file).unwrap();
    let sources = Sources { file: Some(path), environment: environment(pairs), flags: Vec::new() };
    load(&sources).map_err(|problems| problems.iter().map(|problem| format!("{problem}\n")).collect())
}

#[test]
fn the_environment_alone_is_enough() {
    let config = load(&Sources { environment: environment(&[("PORT", "9000")]), ..Sources::default() }).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:9000");
    let secrets: Vec<_> = config.plane.webhook_secrets.iter().map(|secret| secret.expose_secret()).collect();
    assert_eq!(secrets, ["one", "two"]);
    assert_eq!(config.plane.api_url.as_str(), "https://api.plane.so/");
    assert!(matches!(config.model.provider, ProviderConfig::OpenAi(_)));
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let file = "[agent]\nmax_steps = 5\nconcurrency = 2\n";
    let config = load_with(file, &[("AILERON__AGENT__MAX_STEPS", "7")]).unwrap();
    assert_eq!((config.agent.max_steps, config.agent.concurrency, config.agent.drain.as_secs()), (7, 2, 10));
}

#[test]
fn numbers_where_text_is_wanted_are_text() {
    let config = load_with("", &[("AILERON__AGENT__NAME", "007"), ("OPENAI_MODEL", "5")]).unwrap();
    assert_eq!((config.agent.name.as_str(), config.model.model.as_str()), ("007", "5"));
}

#[test]
fn a_file_that_gives_main_to_another_provider_keeps_its_model() {
    let file = "[providers.local]\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:1/v1\"\n\
                [models.main]\nprovider = \"local\"\nmodel = \"small\"\n";
    let config = load_with(file, &[("OPENAI_MODEL", "gpt-x")]).unwrap();
    assert_eq!(config.model.model, "small");
}

#[test]
fn secrets_come_from_text_environment_or_file_without_their_line_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    std::fs::write(&path, "sk-from-file\n").unwrap();
    let path = path.display().to_string();
    let key = |config: Config| match config.model.provider {
        ProviderConfig::OpenAi(provider) => provider.api_key.unwrap().expose_secret().to_owned(),
        ProviderConfig::Rehearsal => panic!(),
    };
    let from_env = load_with(
        "[providers.openai]\napi_key = { env = \"MY_KEY\" }\n",
        &[("OPENAI_API_KEY", ""), ("MY_KEY", "sk-env\n")],
    );
    assert_eq!(key(from_env.unwrap()), "sk-env");
    let from_file = load_with("", &[("OPENAI_API_KEY", ""), ("OPENAI_API_KEY_FILE", &path)]);
    assert_eq!(key(from_file.unwrap()), "sk-from-file");
    let any_key = load_with("", &[("OPENAI_API_KEY", ""), ("AILERON__PROVIDERS__OPENAI__API_KEY_FILE", &path)]);
    assert_eq!(key(any_key.unwrap()), "sk-from-file");
}

/// File, environment, and parts of what is to be told.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

#[test]
fn what_is_wrong_is_said_with_place_key_and_expectation() {
    let cases: &[Case] = &[
        (
            "[agent]\n\nmax_stepps = 3\n",
            &[],
            &["aileron.toml:3", "agent.max_stepps", "unknown field `max_stepps`", "max_steps"],
        ),
        ("[agent]\nmax_steps = \"many\"\n", &[], &["aileron.toml:2", "agent.max_steps", "expected"]),
        ("[server]\nlisten = \"nowhere\"\n", &[], &["aileron.toml:2", "server.listen", "127.0.0.1:8080"]),
        ("[plane]\napi_url = \"ftp://x\"\n", &[], &["aileron.toml:2", "plane.api_url", "http or https"]),
        ("[plane]\nrequests_per_minute = 9\n", &[], &["aileron.toml:2", "plane.requests_per_minute", "at least 10"]),
        ("", &[("PLANE_API_URL", "plane")], &["environment variable PLANE_API_URL", "plane.api_url"]),
        ("", &[("AILERON__AGENT__MAX_STEPS", "x")], &["AILERON__AGENT__MAX_STEPS", "agent.max_steps"]),
        ("", &[("AILERON__AGENT__NONSENSE", "x")], &["AILERON__AGENT__NONSENSE", "nonsense"]),
        ("", &[("PLANE_WEBHOOK_SECRET", "")], &["plane.webhook_secrets", "PLANE_WEBHOOK_SECRET"]),
        ("", &[("PLANE_CLIENT_SECRET", "")], &["plane.oauth.client_secret", "PLANE_CLIENT_SECRET"]),
        ("", &[("OPENAI_API_KEY", "")], &["providers.openai.api_key", "OPENAI_API_KEY"]),
        ("[agent]\nmodel = \"best\"\n", &[], &["aileron.toml:2", "agent.model", "best", "main"]),
        ("[log]\nfilter = \"a=b=c\"\n", &[], &["aileron.toml:2", "log.filter"]),
        ("[plane.fixed]\ntoken = \"t\"\n", &[], &["plane.fixed.workspace_slug", "plane.fixed.workspace_id"]),
        (
            "[providers.openai]\napi_key = { env = \"NO_SUCH\" }\n",
            &[("OPENAI_API_KEY", "")],
            &["aileron.toml:2", "NO_SUCH"],
        ),
        ("[providers.openai]\napi_key = { fle = \"x\" }\n", &[], &["aileron.toml:2", "api_key", "fle"]),
        ("", &[("DATABASE_URL", "postgres://x")], &["DATABASE_URL", "embedded store"]),
    ];
    for (file, pairs, expected) in cases {
        let told = load_with(file, pairs).expect_err(file);
        for part in *expected {
            assert!(told.contains(part), "{file:?} {pairs:?}: no {part:?} in\n{told}");
        }
    }
}

#[test]
fn several_wrong_values_are_all_told_at_once() {
    let told =
        load_with("[server]\nlisten = \"x\"\n[plane]\napi_url = \"y\"\n", &[("OPENAI_API_KEY", "")]).unwrap_err();
    assert_eq!(told.lines().count(), 3, "{told}");
}

#[test]
fn a_single_webhook_secret_needs_no_brackets() {
    let config = load_with("[plane]\nwebhook_secrets = \"plane_wh_1\"\n", &[("PLANE_WEBHOOK_SECRET", "")]).unwrap();
    assert_eq!(config.plane.webhook_secrets.len(), 1);
}

#[test]
fn a_secret_in_the_wrong_place_is_not_repeated() {
    for file in [
        "[providers.openai]\napi_key = [\"hidden-1\"]\n",
        "[providers.openai]\nheaders = \"Bearer hidden-1\"\n",
        "[plane]\nfixed = \"hidden-1\"\n",
        "[plane]\napi_url = \"https://user:hidden-1@host:99999\"\n",
        "[plane]\napi_url = \"https://user:hidden-1@host\"\n",
        "[agent]\nmax_steps = \"hidden-1\"\n",
        "[plane.fixed]\ntoken = \"t\"\nworkspace_slug = \"a\"\nworkspace_id = \"hidden-1\"\n",
        "[plane.fixed]\ntoken = \"t\"\nworkspace_slug = \"hidden-1/\"\nworkspace_id = \"00000000-0000-0000-0000-000000000000\"\n",
    ] {
        let told = load_with(file, &[]).expect_err(file);
        assert!(!told.contains("hidden-1"), "{file}: {told}");
    }
}

#[test]
fn several_keys_of_the_wrong_type_are_all_told_at_once() {
    let told = load_with("[agent]\nmax_steps = \"x\"\nfoo = 1\n[log]\nformat = 7\n[bar]\n", &[]).unwrap_err();
    for line in [
        "aileron.toml:2: agent.max_steps",
        "aileron.toml:3: agent.foo",
        "aileron.toml:5: log.format",
        "aileron.toml:6: bar",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
}

#[test]
fn a_query_stays_in_a_providers_address() {
    let config = load_with("", &[("OPENAI_BASE_URL", "https://x.azure.com/openai/v1?api-version=preview")]).unwrap();
    let ProviderConfig::OpenAi(provider) = config.model.provider else { panic!() };
    assert_eq!(provider.base_url.query(), Some("api-version=preview"));
}

/// The default file is the manual, so it has to name every key there is.
#[test]
fn the_default_file_names_every_key() {
    let known = include_str!("../raw.rs");
    let keys =
        known.lines().filter_map(|line| line.trim().strip_prefix("pub ")).filter_map(|line| line.split_once(':'));
    for (key, _) in keys {
        let documented = DEFAULTS.lines().any(|line| {
            let line = line.trim_start_matches(['#', ' ', '[']);
            line.starts_with(&format!("{key} ="))
                || line.starts_with(&format!("{key}]"))
                || line.contains(&format!("{key}."))
        }) || DEFAULTS.contains(&format!(".{key}]"));
        assert!(documented, "`{key}` is not described in aileron.default.toml");
    }
}
