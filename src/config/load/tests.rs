//! What a configuration may say, and what is said of it where it is wrong.

use secrecy::ExposeSecret as _;

use super::*;
use crate::config::{CredentialConfig, ErrorClass, ProviderConfig, RemoteKind};

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
    let sources = Sources { file: Some(path), environment: environment(pairs), ..Sources::default() };
    load(&sources).map_err(|problems| problems.iter().map(|problem| format!("{problem}\n")).collect())
}

#[test]
fn the_environment_alone_is_enough() {
    let config = load(&Sources { environment: environment(&[("PORT", "9000")]), ..Sources::default() }).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:9000");
    let secrets: Vec<_> = config.plane.webhook_secrets.iter().map(|secret| secret.expose_secret()).collect();
    assert_eq!(secrets, ["one", "two"]);
    assert_eq!(config.plane.api_url.as_str(), "https://api.plane.so/");
    assert!(matches!(config.models.usual.first.provider, ProviderConfig::Remote(_)));
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
    assert_eq!((config.agent.name.as_str(), config.models.usual.first.model.as_str()), ("007", "5"));
}

#[test]
fn a_file_that_gives_main_to_another_provider_keeps_its_model() {
    let file = "[providers.local]\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:1/v1\"\n\
                [models.main]\nprovider = \"local\"\nmodel = \"small\"\n";
    let config = load_with(file, &[("OPENAI_MODEL", "gpt-x")]).unwrap();
    assert_eq!(config.models.usual.first.model, "small");
}

#[test]
fn secrets_come_from_text_environment_or_file_without_their_line_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    std::fs::write(&path, "sk-from-file\n").unwrap();
    let path = path.display().to_string();
    let key = |config: Config| {
        let ProviderConfig::Remote(provider) = config.models.usual.first.provider else { panic!() };
        let Some(CredentialConfig::Secret(key)) = provider.credential else { panic!() };
        key.expose_secret().to_owned()
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

#[test]
fn anthropics_names_alone_make_main_anthropics() {
    let first = |file: &str, pairs: &[(&str, &str)]| {
        let model = load_with(file, pairs).unwrap().models.usual.first;
        let ProviderConfig::Remote(provider) = &model.provider else { panic!() };
        (provider.kind, provider.base_url.host_str().unwrap().to_owned(), model.model.clone())
    };
    let claude = [("OPENAI_API_KEY", ""), ("ANTHROPIC_API_KEY", "sk-ant"), ("ANTHROPIC_MODEL", "claude-sonnet-5")];
    let expected = (RemoteKind::Anthropic, "api.anthropic.com".to_owned(), "claude-sonnet-5".to_owned());
    assert_eq!(first("", &claude), expected);
    // Where someone says whose model main is, that stays.
    let with_openai = [claude.as_slice(), &[("OPENAI_MODEL", "gpt-x"), ("OPENAI_API_KEY", "sk-1")]].concat();
    assert_eq!(first("", &with_openai).2, "gpt-x");
    let file = "[models.main]\nprovider = \"anthropic\"\nmodel = \"from-file\"\n";
    assert_eq!(first(file, &with_openai).2, "claude-sonnet-5");
    assert_eq!(first(file, &[("ANTHROPIC_API_KEY", "k")]).2, "from-file");
}

#[test]
fn workspaces_and_fallbacks_are_chains_of_models() {
    let file = "[agent]\nfallback = [\"spare\"]\n[providers.claude]\nkind = \"anthropic\"\napi_key = \"k\"\n\
                [models.spare]\nprovider = \"claude\"\nmodel = \"claude-sonnet-5\"\n\
                [workspaces.acme]\nmodel = \"spare\"\nfallback = []\n[workspaces.beta]\nmodel = \"spare\"\nfallback = [\"main\"]\n\
                [workspaces.gamma]\nmodel = \"spare\"\n";
    let models = load_with(file, &[]).unwrap().models;
    let names = |slug: Option<&str>| {
        let chain = slug.map_or(&models.usual, |slug| &models.workspaces[slug]);
        chain.models().map(|model| model.name.as_str()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        (names(None).as_str(), names(Some("acme")).as_str(), names(Some("beta")).as_str()),
        ("main spare", "spare", "spare main")
    );
    assert_eq!(names(Some("gamma")), "spare");
    assert_eq!((models.fallback_on.len(), models.fallback_on.contains(&ErrorClass::Filtered)), (11, false));
}

#[test]
fn a_key_may_be_what_a_program_prints_and_a_limit_a_sum() {
    let file = "[providers.openai]\napi_key = { command = [\"pass\", \"openai\"], keep_secs = 60 }\n\
                [budget]\nrun_usd = 0.25\nday_tokens = 1000\n";
    let config = load_with(file, &[("OPENAI_API_KEY", "")]).unwrap();
    let ProviderConfig::Remote(provider) = config.models.usual.first.provider else { panic!() };
    let Some(CredentialConfig::Command { command, keep }) = provider.credential else { panic!() };
    assert_eq!((command.join(" ").as_str(), keep.as_secs()), ("pass openai", 60));
    assert_eq!((config.budget.run.nano_dollars, config.budget.day.tokens), (Some(250_000_000), Some(1000)));
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
        (
            // Comments are looked for only where people talk in comments.
            "[plane.comments]\npoll_secs = 60\n",
            &[("PLANE_WEBHOOK_SECRET", "")],
            &["plane.webhook_secrets", "PLANE_WEBHOOK_SECRET"],
        ),
        ("", &[("PLANE_CLIENT_SECRET", "")], &["plane.oauth.client_secret", "PLANE_CLIENT_SECRET"]),
        ("", &[("OPENAI_API_KEY", "")], &["providers.openai.api_key", "OPENAI_API_KEY"]),
        ("[agent]\nmodel = \"best\"\n", &[], &["aileron.toml:2", "agent.model", "best", "main"]),
        ("[agent]\nfallback = [\"best\"]\n", &[], &["aileron.toml:2", "agent.fallback", "best", "main"]),
        ("[agent]\nfallback = [\"main\"]\n", &[], &["aileron.toml:2", "agent.fallback", "named twice"]),
        ("[agent]\nfallback_on = [\"sometimes\"]\n", &[], &["aileron.toml:2", "fallback_on", "rate_limited"]),
        ("[workspaces.acme]\nmodel = \"best\"\n", &[], &["aileron.toml:2", "workspaces.acme.model", "best"]),
        ("[models.main]\nprice_in = -1.0\n", &[], &["aileron.toml:2", "models.main.price_in", "dollars"]),
        ("[models.main]\ncontext_window = 0\n", &[], &["aileron.toml:2", "models.main.context_window"]),
        ("[budget]\nrun_usd = -1.0\n", &[], &["aileron.toml:2", "budget.run_usd", "dollars"]),
        ("[providers.openai]\nkind = \"azur\"\n", &[], &["aileron.toml:2", "azur", "openai-responses", "azure"]),
        ("[providers.openai]\nproxy = \"socks5://x\"\n", &[], &["aileron.toml:2", "providers.openai.proxy", "http"]),
        ("[providers.openai]\nca_file = \"no/such\"\n", &[], &["aileron.toml:2", "ca_file", "no/such"]),
        (
            "[plane]\nwebhook_secrets = { command = [\"x\"] }\n",
            &[("PLANE_WEBHOOK_SECRET", "")],
            &["plane.webhook_secrets", "api_key"],
        ),
        (
            "[providers.a]\nkind = \"azure\"\n[models.main]\nprovider = \"a\"\n",
            &[],
            &["providers.a.base_url", "openai.azure.com"],
        ),
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
fn whoever_looks_for_comments_needs_no_webhook() {
    let id = "11111111-1111-4111-8111-111111111111";
    let file = format!(
        "[plane]\nchannel = \"comments\"\n[plane.comments]\npoll_secs = 60\nprojects = [\"{id}\"]\n[plane.fixed]\n\
         token = \"t\"\nworkspace_slug = \"acme\"\nworkspace_id = \"{id}\"\nbot = \"{id}\"\n"
    );
    assert!(load_with(&file, &[("PLANE_WEBHOOK_SECRET", "")]).unwrap().plane.webhook_secrets.is_empty());
    let file = file.replace("poll_secs = 60", "poll_secs = 0");
    let told = load_with(&file, &[("PLANE_WEBHOOK_SECRET", "")]).unwrap_err();
    assert!(told.contains("plane.webhook_secrets"), "{told}");
}

#[test]
fn several_wrong_values_are_all_told_at_once() {
    let told =
        load_with("[server]\nlisten = \"x\"\n[plane]\napi_url = \"y\"\n", &[("OPENAI_API_KEY", "")]).unwrap_err();
    assert_eq!(told.lines().count(), 3, "{told}");
}

#[test]
fn what_is_wrong_with_models_is_told_once_however_often_they_are_named() {
    let two = "[workspaces.a]\nfallback = []\n[workspaces.b]\nmodel = \"main\"\n";
    let cases: &[Case] = &[
        (two, &[("OPENAI_API_KEY", "")], &["providers.openai.api_key"]),
        (
            "[models.main]\nprice_in = -1.0\n[workspaces.a]\nmodel = \"best\"\n[workspaces.b]\nmodel = \"worst\"\n",
            &[],
            &["models.main.price_in", "workspaces.a.model", "workspaces.b.model"],
        ),
        (
            "[agent]\nmodel = \"best\"\nfallback = [\"worst\", \"main\", \"main\"]\n[workspaces.a]\n[workspaces.b]\n",
            &[],
            &["agent.model", "agent.fallback: there is no model", "agent.fallback: \"main\" is named twice"],
        ),
        (
            "[agent]\nfallback = [\"spare\"]\n[models.spare]\nprovider = \"openai\"\nmodel = \"x\"\n\
             [providers.openai]\nbase_url = \"ftp://x\"\nproxy = \"socks5://x\"\nca_file = \"no/such\"\n\
             api_key = { env = \"NO_SUCH\" }\nheaders = { x = { env = \"NO_SUCH\" } }\n",
            &[("OPENAI_API_KEY", "")],
            &["openai.base_url", "openai.proxy", "openai.ca_file", "openai.api_key", "openai.headers"],
        ),
    ];
    for (file, pairs, expected) in cases {
        let told = load_with(file, pairs).expect_err(file);
        for part in *expected {
            assert_eq!(told.matches(part).count(), 1, "{file:?}: {part:?} in\n{told}");
        }
        assert_eq!(told.lines().count(), expected.len(), "{file:?}:\n{told}");
    }
}

#[test]
fn a_model_that_nothing_names_may_be_unfinished_and_is_not_offered() {
    let file = "[models.spare]\nprovider = \"openai\"\nmodel = \"gpt-4o\"\n[models.draft]\nmodel = \"x\"\n";
    let config = load_with(file, &[]).unwrap();
    assert_eq!(config.models.named.keys().collect::<Vec<_>>(), ["main", "spare"]);
    assert_eq!(config.model_names, ["main", "spare"]);
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
fn nothing_that_prints_a_configuration_prints_a_secret() {
    let file = "[providers.openai]\nproxy = \"http://me:hidden-1@proxy:3128\"\napi_key = \"hidden-2\"\n\
                headers = { x = \"hidden-3\" }\n";
    let pairs = [("OPENAI_API_KEY", ""), ("PLANE_WEBHOOK_SECRET", "hidden-4"), ("PLANE_CLIENT_SECRET", "hidden-5")];
    let config = load_with(file, &pairs).unwrap();
    let ProviderConfig::Remote(provider) = &config.models.usual.first.provider else { panic!() };
    assert_eq!(provider.proxy.as_ref().unwrap().expose_secret(), "http://me:hidden-1@proxy:3128/");
    let printed = format!("{config:?}");
    assert!(printed.contains("proxy: Some(") && !printed.contains("hidden"), "{printed}");
}

#[test]
fn a_query_stays_in_a_providers_address() {
    let config = load_with("", &[("OPENAI_BASE_URL", "https://x.azure.com/openai/v1?api-version=preview")]).unwrap();
    let ProviderConfig::Remote(provider) = config.models.usual.first.provider else { panic!() };
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
