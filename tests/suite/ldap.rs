//! The plugin `ldap` as an operator runs it: native, in a chain, before a real directory (`slapd.rs`).

use crate::packagings::{report, world};
use crate::plugins::library;
use crate::slapd::{BASE, BIND_DN, BIND_PASSWORD, Fate, Proxy, Slapd};
use pintle::admin::{self, Command};
use pintle::config::model::{PluginEntry, PluginSource, SecretSource, Trust};
use pintle::plugin::build::BuiltPlugin;
use pintle::plugin::registry::{LoadedPlugin, Registry};
use pintle_plugin_api::conformance::Fixtures;
use pintle_plugin_api::{Account, CallContext, PluginError, VerifyOutcome, VerifyRequest};
use pintle_tests::{Options, TestServer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const WRONG: &str = "400 invalid_grant";
const DOWN: &str = "503 temporarily_unavailable";

async fn plugin() -> BuiltPlugin {
    tokio::task::spawn_blocking(|| library("plugins/ldap")).await.unwrap()
}

async fn slapd() -> Slapd {
    tokio::task::spawn_blocking(Slapd::start).await.unwrap()
}

/// The config of most tests: everything that an operator may say about users.
fn config(url: &str) -> Value {
    json!({
        "url": url,
        "bind_dn": BIND_DN,
        "base": BASE,
        "filter": "(&(objectClass=inetOrgPerson)(uid={username}))",
        "may_use": "(!(employeeType=outsider))",
        "blocked": "(employeeType=blocked)",
        "groups": { "attribute": "memberOf" },
        "attributes": { "claims": { "department": "departmentNumber" } },
    })
}

/// `config` with other values of these keys.
fn with(mut config: Value, keys: Value) -> Value {
    let (Value::Object(table), Value::Object(keys)) = (&mut config, keys) else { panic!("not tables") };
    table.extend(keys);
    config
}

/// A server that asks the directory first and its own accounts second; `write` is for the group `admins`.
async fn serve(config: &Value, on_error: &str) -> TestServer {
    serve_with(config, on_error, "").await
}

/// The same with more TOML.
async fn serve_with(config: &Value, on_error: &str, more: &str) -> TestServer {
    let built = plugin().await;
    let config = toml(config);
    let overlay = format!(
        r#"
{more}
[trust]
native = true
[lockout]
free_tries = 1000
[plugins.directory]
source = "{}"
sha256 = "{}"
config = {config}
secrets = {{ bind_password = {{ value = "{BIND_PASSWORD}" }} }}
[plugins.rules]
source = "builtin:scope-rules"
[[plugins.rules.config.rules]]
scopes = ["write"]
groups = ["admins"]
[scopes]
policies = ["rules"]
[users]
chain = [{{ plugin = "directory", on_error = "{on_error}" }}, "local"]
"#,
        built.path.display(),
        built.sha256,
    );
    let server = Options::reference("clarico").overlay(&overlay).start().await;
    server.user("local", "rightful").await;
    // The directory knows this one: its own password never counts.
    server.user("ann", "local-password").await;
    server
}

/// JSON as an inline value of TOML.
fn toml(value: &Value) -> String {
    match value {
        Value::Object(table) => {
            let fields: Vec<String> = table.iter().map(|(key, value)| format!("{key} = {}", toml(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(values) => format!("[{}]", values.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::String(text) => format!("'{text}'"),
        other => other.to_string(),
    }
}

/// Everything but letters and digits as `%xx`.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// What the client gets: `200` and its scope, or the status and the error.
async fn login(server: &TestServer, username: &str, password: &str) -> String {
    let body =
        format!("grant_type=password&scope=read%20write&username={}&password={}", encoded(username), encoded(password));
    let answer = server.caller().post("/token", &body).await;
    if answer.status == 200 { format!("200 {}", answer.field("scope")) } else { answer.error() }
}

fn entry(built: BuiltPlugin, config: &Value) -> PluginEntry {
    PluginEntry {
        sha256: Some(built.sha256),
        config_json: config.to_string(),
        required: true,
        secrets: BTreeMap::from([("bind_password".to_owned(), SecretSource::Value(BIND_PASSWORD.to_owned().into()))]),
        ..PluginEntry::new(PluginSource::Native(built.path))
    }
}

/// The plugin alone, as the server loads it.
struct Alone {
    plugin: Arc<LoadedPlugin>,
    _server: TestServer,
}

async fn alone(config: &Value) -> Alone {
    let (server, environment, _) = world().await;
    let trust = Trust { native: true, ..Trust::default() };
    let entries = BTreeMap::from([("directory".to_owned(), entry(plugin().await, config))]);
    let registry = Registry::load(&entries, &trust, &environment).await.unwrap_or_else(|errors| panic!("{errors:?}"));
    Alone { plugin: registry.plugin("directory").unwrap().clone(), _server: server }
}

impl Alone {
    async fn lookup(&self, by: &str, value: &str) -> Result<Option<Account>, PluginError> {
        self.plugin
            .as_directory()
            .unwrap()
            .lookup(&CallContext::default(), by, value)
            .await
            .map_err(|ended| ended.error)
    }

    async fn verify(&self, username: &str, password: &str) -> Result<VerifyOutcome, PluginError> {
        let request = VerifyRequest {
            username: Some(username.to_owned()),
            kind: "password".to_owned(),
            secret: password.as_bytes().to_vec().into(),
            ..VerifyRequest::default()
        };
        self.plugin
            .as_user_verifier()
            .unwrap()
            .verify(&CallContext::default(), request)
            .await
            .map_err(|ended| ended.error)
    }

    /// The verdict in words; of a refusal its reason, as the audit log has it.
    async fn verdict(&self, username: &str, password: &str) -> String {
        match self.verify(username, password).await {
            Ok(VerifyOutcome::Accepted(accepted)) => format!("accepted {}", accepted.account.username),
            Ok(VerifyOutcome::Rejected(why)) => why,
            Ok(VerifyOutcome::UnknownUser) => "unknown".to_owned(),
            Ok(VerifyOutcome::Challenge(_)) => "challenge".to_owned(),
            Err(error) => error.to_string(),
        }
    }
}

const AMBIGUOUS: &str = "internal: more than one entry matches `filter`: it is not said whose login it is";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_gets_the_answer_of_the_table() {
    let directory = slapd().await;
    let config = config(&directory.url());
    let (server, alone) = (serve(&config, "stop").await, alone(&config).await);
    let long = "x".repeat(4097);
    for (username, password, answer, verdict) in [
        ("ann", "rightful", "200 read write", "accepted ann"),
        ("ANN", "rightful", "200 read write", "accepted ann"),
        ("bob", "rightful", "200 read", "accepted bob"),
        ("jörg", "rightful", "200 read", "accepted jörg"),
        ("山田", "rightful", "200 read", "accepted 山田"),
        ("a*(b)\\c", "rightful", "200 read", "accepted a*(b)\\c"),
        ("jane", "rightful", "200 read", "accepted jane"),
        ("ann", "wrong", WRONG, "wrong password"),
        ("ann", "local-password", WRONG, "wrong password"),
        ("ann", "RIGHTFUL", WRONG, "wrong password"),
        ("ann", "rightful ", WRONG, "wrong password"),
        ("ann", "rightful\0", "400 invalid_request", "the password has a NUL character"),
        ("ann", "", "400 invalid_request", "the password is empty"),
        ("jörg", "", "400 invalid_request", "the password is empty"),
        ("ann", &long, "400 invalid_request", "the password is too long"),
        ("bare", "rightful", WRONG, "wrong password"),
        ("blocked", "rightful", WRONG, "the account is blocked"),
        ("blocked", "wrong", WRONG, "wrong password"),
        ("outsider", "rightful", WRONG, "the user may not use this service"),
        ("expired", "rightful", WRONG, "the password has expired"),
        ("expired", "wrong", WRONG, "wrong password"),
        ("locked", "rightful", WRONG, "the account is locked"),
        ("reset", "rightful", WRONG, "the password must be changed first"),
        ("twin", "rightful", DOWN, AMBIGUOUS),
        ("local", "rightful", "200 read", "unknown"),
        ("local", "wrong", WRONG, "unknown"),
        // Another backend's user may have a password that the directory does not take.
        ("local", &long, "400 invalid_request", "unknown"),
        ("local", "rightful\0", "400 invalid_request", "unknown"),
        ("local", "", "400 invalid_request", "unknown"),
        ("nobody", "rightful", WRONG, "unknown"),
        ("outside", "rightful", WRONG, "unknown"),
    ] {
        assert_eq!(login(&server, username, password).await, answer, "{username:?} {password:?}");
        assert_eq!(alone.verdict(username, password).await, verdict, "{username:?} {password:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_never_more_than_a_name() {
    let directory = slapd().await;
    let config = with(config(&directory.url()), json!({ "filter": "(|(uid={username})(mail={username}))" }));
    let (server, alone) = (serve(&config, "stop").await, alone(&config).await);
    assert_eq!(login(&server, "ann@example.com", "rightful").await, "200 read write");
    for name in [
        "*",
        "an*",
        "ann)",
        "ann)(uid=*",
        "*)(uid=*",
        "*)(|(uid=*",
        "ann)(objectClass=*",
        "x)(|(uid=ann)(uid=x",
        "\\61nn",
        "\\2a",
        "ann\0",
        "ann\0)(uid=*",
        " ann",
        "ann ",
        "a\u{ad}nn",
        "ann\n",
        "uid=ann",
        "uid=ann,ou=people,dc=example,dc=com",
        "{username}",
        "",
    ] {
        assert_eq!(alone.verdict(name, "rightful").await, "unknown", "{name:?}");
        let answer = login(&server, name, "rightful").await;
        // The core lets neither an empty name nor a NUL through.
        let expected = if name.is_empty() || name.contains('\0') { "400 invalid_request" } else { WRONG };
        assert_eq!(answer, expected, "{name:?}");
    }
    for id in ["*", "*)(uid=*", "00000000-0000-4000-8000-00000000000*", ""] {
        assert_eq!(alone.lookup("id", id).await, Ok(None), "{id:?}");
        assert_eq!(alone.lookup("username", id).await, Ok(None), "{id:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_wrong_passwords_lock_and_the_directory_counts() {
    let directory = slapd().await;
    let alone = alone(&config(&directory.url())).await;
    for _ in 0..3 {
        assert_eq!(alone.verdict("tries", "wrong").await, "wrong password");
    }
    assert_eq!(alone.verdict("tries", "rightful").await, "the account is locked");
    assert_eq!(alone.verdict("ann", "rightful").await, "accepted ann");
}

/// The client sees one answer; the operator sees why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_log_tells_refusals_apart() {
    let directory = slapd().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.log");
    let audit = format!("[log]\naudit = \"{}\"\n", file.display());
    let server = serve_with(&config(&directory.url()), "stop", &audit).await;
    let refused = [
        ("ann", "a-wrong-one", "wrong password"),
        ("expired", "rightful", "the password has expired"),
        ("locked", "rightful", "the account is locked"),
        ("blocked", "rightful", "the account is blocked"),
        ("twin", "rightful", AMBIGUOUS),
    ];
    for (username, password, _) in refused {
        login(&server, username, password).await;
    }
    server.stop().await;
    let mut reasons = Vec::new();
    for _ in 0..500 {
        if reasons.len() == refused.len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains("a-wrong-one") && !text.contains("rightful") && !text.contains(BIND_PASSWORD), "{text}");
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let reason = |line: Value| line["plugins"][0]["reason"].as_str().map(str::to_owned);
        reasons = lines
            .filter(|line| line["event"].as_str().is_some_and(|event| event.starts_with("login.")))
            .filter_map(reason)
            .collect();
    }
    assert_eq!(reasons, refused.map(|(_, _, reason)| reason));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_trusted_by_its_certificate_only() {
    let directory = slapd().await;
    let (plain, tls) = (directory.url(), directory.tls_url());
    let by_address = tls.replace("localhost", "127.0.0.1");
    let (ca, another) = (directory.ca(), directory.another_ca());
    for (url, starttls, ca, answer) in [
        (&tls, false, &ca, "200 read write"),
        (&tls, false, &another, DOWN),
        (&by_address, false, &ca, DOWN),
        (&plain, true, &ca, "200 read write"),
        (&plain, true, &another, DOWN),
    ] {
        let secure = with(config(url), json!({ "starttls": starttls, "ca": ca }));
        let server = serve(&secure, "stop").await;
        assert_eq!(login(&server, "ann", "rightful").await, answer, "{url} {starttls} {}", ca.display());
        assert_eq!(login(&server, "ann", "wrong").await, if answer == DOWN { DOWN } else { WRONG }, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_keys_and_a_secret_are_a_config() {
    let directory = slapd().await;
    let minimal = json!({ "url": directory.url(), "base": BASE, "filter": "(uid={username})" });
    let server = serve(&minimal, "next").await;
    assert_eq!(login(&server, "bob", "rightful").await, "200 read");
    assert_eq!(login(&server, "bob", "wrong").await, WRONG);
    assert_eq!(login(&server, "nobody", "rightful").await, WRONG);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_lets_nobody_in_and_ends_with_the_directorys_return() {
    let mut directory = slapd().await;
    let config = config(&directory.url());
    let (stop, next) = (serve(&config, "stop").await, serve(&config, "next").await);
    for round in 0..2 {
        for server in [&stop, &next] {
            assert_eq!(login(server, "ann", "rightful").await, "200 read write", "round {round}");
        }
        directory.stop();
        for (username, password, stopping, going_on) in [
            ("ann", "rightful", DOWN, WRONG),
            ("ann", "wrong", DOWN, WRONG),
            ("bob", "rightful", DOWN, DOWN),
            ("local", "rightful", DOWN, "200 read"),
            ("local", "wrong", DOWN, WRONG),
            ("nobody", "rightful", DOWN, DOWN),
        ] {
            assert_eq!(login(&stop, username, password).await, stopping, "{username} {password}, stop");
            assert_eq!(login(&next, username, password).await, going_on, "{username} {password}, next");
        }
        directory.restart();
    }
    assert_eq!(login(&stop, "ann", "rightful").await, "200 read write");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_between_two_logins_is_not_seen() {
    let mut directory = slapd().await;
    let server = serve(&config(&directory.url()), "stop").await;
    for _ in 0..3 {
        assert_eq!(login(&server, "ann", "rightful").await, "200 read write");
        assert_eq!(login(&server, "ann", "wrong").await, WRONG);
        directory.restart();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_died_unseen_is_replaced_within_the_login() {
    let directory = slapd().await;
    let proxy = Proxy::start(directory.address()).await;
    // Short, so that a login has time for two dead connections.
    let config = with(config(&proxy.url()), json!({ "operation_timeout": "500ms" }));
    let server = serve(&config, "stop").await;
    assert_eq!(login(&server, "ann", "rightful").await, "200 read write");
    for fate in [Fate::Ended, Fate::Forgotten, Fate::Kept] {
        proxy.all(fate);
        assert_eq!(login(&server, "ann", "rightful").await, "200 read write", "{fate:?}");
        assert_eq!(login(&server, "ann", "wrong").await, WRONG, "{fate:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_hangs_is_answered_for_within_the_limit() {
    let directory = slapd().await;
    let server = serve(&config(&directory.url()), "stop").await;
    assert_eq!(login(&server, "ann", "rightful").await, "200 read write");
    directory.pause();
    for password in ["rightful", "wrong"] {
        let begun = Instant::now();
        assert_eq!(login(&server, "ann", password).await, DOWN);
        // The verifier's limit, with room for a slow machine.
        assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    }
    directory.go_on();
    assert_eq!(login(&server, "ann", "rightful").await, "200 read write");
    // No thread was lost on the way.
    for _ in 0..4 {
        assert_eq!(login(&server, "ann", "wrong").await, WRONG);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_answers_for_one_that_is_down_or_hangs() {
    let (mut first, second) = (slapd().await, slapd().await);
    let both = with(config(""), json!({ "url": [first.url(), second.url()] }));
    let server = serve(&both, "stop").await;
    assert_eq!(login(&server, "ann", "rightful").await, "200 read write");
    first.pause();
    assert_eq!(login(&server, "ann", "rightful").await, "200 read write", "the first hangs");
    assert_eq!(login(&server, "ann", "wrong").await, WRONG, "the first hangs");
    first.stop();
    assert_eq!(login(&server, "ann", "rightful").await, "200 read write", "the first is down");
    assert_eq!(login(&server, "nobody", "rightful").await, WRONG, "the first is down");
    first.restart();
    second.pause();
    assert_eq!(login(&server, "ann", "rightful").await, "200 read write", "the second hangs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_account_of_the_servers_own_is_an_outage_and_nobodys_wrong_password() {
    let directory = slapd().await;
    let admin = with(config(&directory.url()), json!({ "bind_dn": "cn=nobody,dc=example,dc=com" }));
    let nowhere = with(config(&directory.url()), json!({ "base": "ou=nowhere,dc=example,dc=com" }));
    let without_id = with(config(&directory.url()), json!({ "id_attribute": "employeeNumber" }));
    for (config, why) in [(admin, "(bind_dn)"), (nowhere, "(base)"), (without_id, "id_attribute")] {
        let alone = alone(&config).await;
        let said = alone.verdict("ann", "rightful").await;
        assert!(said.starts_with("internal: ") && said.contains(why), "{said}");
        assert_eq!(login(&serve(&config, "stop").await, "ann", "rightful").await, DOWN, "{why}");
        if why != "id_attribute" {
            let health = alone.plugin.health(&CallContext::default()).await;
            assert!(matches!(&health, Err(PluginError::Internal(said)) if said.contains(why)), "{health:?}");
        }
    }
    assert_eq!(alone(&config(&directory.url())).await.plugin.health(&CallContext::default()).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_cannot_be_seen_blocks() {
    let directory = slapd().await;
    for hidden in ["(employeeNumber=7)", "(noSuchAttribute=7)"] {
        let alone = alone(&with(config(&directory.url()), json!({ "blocked": hidden }))).await;
        assert_eq!(alone.verdict("ann", "rightful").await, "the account is blocked", "{hidden}");
        let alone = self::alone(&with(config(&directory.url()), json!({ "may_use": hidden }))).await;
        assert_eq!(alone.verdict("ann", "rightful").await, "the user may not use this service", "{hidden}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_logins_share_a_few_connections() {
    let directory = slapd().await;
    let server = serve(&with(config(&directory.url()), json!({ "pool_size": 2 })), "stop").await;
    let logins = (0..24).map(|at| {
        let (name, password) = [("ann", "rightful"), ("bob", "rightful"), ("ann", "wrong"), ("nobody", "x")][at % 4];
        login(&server, name, password)
    });
    let answers = futures_util::future::join_all(logins).await;
    for (at, answer) in answers.iter().enumerate() {
        assert_eq!(answer, ["200 read write", "200 read", WRONG, WRONG][at % 4], "{at}");
    }
}

const ANN_ID: &str = "00000000-0000-4000-8000-000000000001";
const ANN_DN: &str = "uid=ann,ou=people,dc=example,dc=com";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_looked_up_without_a_password() {
    let directory = slapd().await;
    let alone = alone(&config(&directory.url())).await;
    let ann = Account {
        id: ANN_ID.to_owned(),
        username: "ann".to_owned(),
        display_name: Some("Ann Smith".to_owned()),
        email: Some("ann@example.com".to_owned()),
        groups: vec!["admins".to_owned(), "staff".to_owned()],
        claims_json: r#"{"department":"42"}"#.to_owned(),
        ..Account::default()
    };
    assert_eq!(alone.lookup("username", "ann").await, Ok(Some(ann.clone())));
    assert_eq!(alone.lookup("id", ANN_ID).await, Ok(Some(ann)));
    let blocked = alone.lookup("id", "00000000-0000-4000-8000-000000000003").await.unwrap().unwrap();
    assert!(blocked.disabled && blocked.username == "blocked");
    let locked = alone.lookup("username", "locked").await.unwrap().unwrap();
    assert!(locked.disabled, "locked by an administrator");
    assert!(!alone.lookup("username", "expired").await.unwrap().unwrap().disabled);
    assert_eq!(alone.lookup("id", "00000000-0000-4000-8000-000000000004").await, Ok(None), "may not use the service");
    assert_eq!(alone.lookup("id", "00000000-0000-4000-8000-000000000009").await, Ok(None), "outside of the base");
    assert_eq!(alone.lookup("id", "00000000-0000-4000-8000-0000000000ff").await, Ok(None), "gone");
    assert_eq!(alone.lookup("username", "nobody").await, Ok(None));
    assert!(matches!(alone.lookup("username", "twin").await, Err(PluginError::Internal(_))));
    assert!(matches!(alone.lookup("email", "ann@example.com").await, Err(PluginError::Invalid(_))));
}

/// The operator's word for how long: not for one who is unknown to it since, nor where the plugin is switched off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_directory_last_said_stands_in_while_it_is_down() {
    let mut directory = slapd().await;
    let server = serve(&config(&directory.url()), "stop\", stale = \"10m").await;
    let caller = server.caller();
    let log_in = async |name: &str| {
        let body = format!("grant_type=password&username={name}&password=rightful");
        caller.post("/token", &body).await.field("refresh_token")
    };
    let refresh =
        async |token: &str| caller.post("/token", &format!("grant_type=refresh_token&refresh_token={token}")).await;
    let (ann, bob) = (log_in("ann").await, log_in("bob").await);
    let ann = refresh(&ann).await.field("refresh_token");
    directory.stop();
    let held = refresh(&ann).await;
    assert_eq!(held.status, 200, "{}", held.text);
    let ann = held.field("refresh_token");
    assert_eq!(refresh(&bob).await.status, 503, "nothing was said of him");
    let switch = async |command: Command| admin::execute(&server.app.core(), command).await.unwrap();
    switch(Command::PluginDisable { plugin: "directory".to_owned() }).await;
    assert_eq!(refresh(&ann).await.status, 503, "disabled is not down");
    switch(Command::PluginEnable { plugin: "directory".to_owned() }).await;
    server.clock.advance(Duration::from_secs(599));
    let ann = refresh(&ann).await.field("refresh_token");
    server.clock.advance(Duration::from_secs(2));
    assert_eq!(refresh(&ann).await.status, 503, "too long ago; what stood in is no new word");
    directory.restart();
    server.clock.advance(Duration::from_secs(5));
    let ann = refresh(&ann).await.field("refresh_token");
    assert_eq!(refresh(&bob).await.status, 200);
    // Another entry under the same name may be another directory, of which nothing is remembered.
    let file = server.folder.path().join("overlay.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let reload = async || admin::execute_live(&*server.app, Command::Reload { plugin: None }).await.unwrap();
    reload().await;
    directory.stop();
    let ann = refresh(&ann).await.field("refresh_token");
    directory.restart();
    server.clock.advance(Duration::from_secs(5));
    std::fs::write(&file, text.replace("outsider", "stranger")).unwrap();
    reload().await;
    directory.stop();
    assert_eq!(refresh(&ann).await.status, 503, "said by the former entry");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_is_the_attribute_that_the_operator_names() {
    let directory = slapd().await;
    let guid = "00112233-4455-6677-8899-aabbccddeeff";
    for (attribute, id) in [("dn", ANN_DN), ("objectGUID", guid), ("uid", "ann")] {
        let alone = alone(&with(config(&directory.url()), json!({ "id_attribute": attribute }))).await;
        let by_name = alone.lookup("username", "ann").await.unwrap().unwrap();
        assert_eq!(by_name.id, id);
        assert_eq!(alone.lookup("id", id).await, Ok(Some(by_name)), "{attribute}");
    }
    let alone = alone(&with(config(&directory.url()), json!({ "id_attribute": "dn" }))).await;
    for elsewhere in ["uid=outside,dc=example,dc=com", BASE, "uid=gone,ou=people,dc=example,dc=com", "nonsense", ""] {
        assert_eq!(alone.lookup("id", elsewhere).await, Ok(None), "{elsewhere:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_may_be_searched_for() {
    let directory = slapd().await;
    let groups =
        json!({ "base": "ou=groups,dc=example,dc=com", "filter": "(&(objectClass=groupOfNames)(member={dn}))" });
    let searched = with(config(&directory.url()), json!({ "groups": groups }));
    let alone = alone(&searched).await;
    for (name, groups) in
        [("ann", &["admins", "staff"][..]), ("bob", &["staff"]), ("a*(b)\\c", &["staff"]), ("jane", &[])]
    {
        assert_eq!(alone.lookup("username", name).await.unwrap().unwrap().groups, groups, "{name}");
    }
    let server = serve(&searched, "stop").await;
    assert_eq!(login(&server, "ann", "rightful").await, "200 read write");
    assert_eq!(login(&server, "bob", "rightful").await, "200 read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_of_the_config_is_named_with_its_key() {
    let built = plugin().await;
    let overlay = format!(
        "[trust]\nnative = true\n[plugins.directory]\nsource = \"{}\"\nsha256 = \"{}\"\nrequired = true\n\
         config = {{ url = \"ldap://ldap.example.com\", base = \"dc=x\", filter = \"(uid=x)\", bind_password = \"x\" }}\n",
        built.path.display(),
        built.sha256
    );
    let error = Options::reference("clarico").overlay(&overlay).try_start().await.err().unwrap();
    for part in ["bind_password: unknown key", "url: passwords would cross", "filter: \"(uid=x)\""] {
        assert!(error.contains(part), "{part} is missing in {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms() {
    let directory = slapd().await;
    let config = config(&directory.url());
    let (_server, environment, fixtures) = world().await;
    let fixtures = Fixtures {
        config_json: config.to_string(),
        username: "ann".to_owned(),
        password: "rightful".to_owned(),
        disabled: Some("blocked".to_owned()),
        unknown: "nobody".to_owned(),
        ..fixtures
    };
    let report = report(entry(plugin().await, &config), &environment, &fixtures).await;
    assert!(report.passed(), "{report}");
}
