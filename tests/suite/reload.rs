//! Reloads: what serves is all of one reading of configuration and plugins, or all of the next.

use crate::plugins::component;
use futures_util::future::join_all;
use pintle::admin::{self, Command};
use pintle_tests::{Options, TestServer};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

const LOGIN: &str = "grant_type=password&username=ann&password=correct horse";

/// Puts the component of `folder` at `path`, as an installation would: under another name, then renamed.
async fn install(folder: &'static str, path: &Path) {
    let built = tokio::task::spawn_blocking(move || component(folder)).await.unwrap();
    let new = path.with_extension("new");
    std::fs::copy(built.path, &new).unwrap();
    std::fs::rename(&new, path).unwrap();
}

fn write(server: &TestServer, overlay: &str) {
    std::fs::write(server.folder.path().join("overlay.toml"), overlay).unwrap();
}

async fn login(server: &TestServer, username: &str) -> String {
    let body = format!("grant_type=password&username={username}&password=correct horse");
    let answer = server.caller().post("/token", &body).await;
    if answer.status == 200 { "200".to_owned() } else { answer.error() }
}

async fn command(server: &TestServer, command: Command) -> Value {
    admin::execute_live(&*server.app, command).await.unwrap()
}

async fn refused(server: &TestServer, command: Command) -> String {
    admin::execute_live(&*server.app, command).await.unwrap_err().message
}

fn reload() -> Command {
    Command::Reload { plugin: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_takes_up_a_plugins_new_file() {
    let plugins = tempfile::tempdir().unwrap();
    let file = plugins.path().join("first.wasm");
    install("tests/hostile", &file).await;
    let overlay = format!(
        "[plugins.first]\nsource = \"{}\"\nallow = [\"accounts\", \"crypto\"]\n[users]\nchain = [\"first\", \"local\"]\n",
        file.display()
    );
    let server = Options::reference("clarico").overlay(&overlay).start().await;
    server.user("mine", "correct horse").await;
    assert_eq!(login(&server, "mine").await, "400 invalid_grant", "the first plugin rejects this user");
    assert_eq!(command(&server, reload()).await["plugins"], json!([]), "nothing has changed");
    install("plugins/accounts", &file).await;
    assert_eq!(login(&server, "mine").await, "400 invalid_grant", "nobody has asked for the new file yet");
    let answer = command(&server, Command::Reload { plugin: Some("local".into()) }).await;
    let changed = &answer["plugins"];
    assert_eq!((&changed[0]["name"], &changed[0]["change"]), (&json!("first"), &json!("changed")));
    assert_ne!(changed[0]["old"]["sha256"], changed[0]["new"]["sha256"]);
    assert_eq!((&changed[1]["name"], &changed[1]["change"]), (&json!("local"), &json!("unchanged")));
    assert_eq!(login(&server, "mine").await, "200");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_takes_up_paths_clients_and_settings_and_says_what_needs_a_restart() {
    let server = Options::reference("clarico").start().await;
    server.user("ann", "correct horse").await;
    let refresh = server.caller().post("/token", LOGIN).await.field("refresh_token");
    write(
        &server,
        "[paths]\ntoken = \"/oauth/token\"\n[tokens.access]\nlifetime = \"9m\"\nalgorithm = \"ES256\"\n[listen]\nmax_connections = 7\n\
         [[clients]]\nid = \"quote-web\"\ntype = \"public\"\ntrusted = true\ngrants = [\"password\", \"refresh_token\"]\n\
         scopes = [\"read\"]\n[[clients]]\nid = \"new\"\ntype = \"confidential\"\nsecret = { value = \"s\" }\n\
         grants = [\"client_credentials\"]\nscopes = [\"read\"]\n",
    );
    let answer = command(&server, reload()).await;
    assert_eq!(answer["clients_added"], json!(["new"]));
    assert_eq!(answer["needs_restart"], json!(["listen"]));
    assert_eq!(server.caller().post("/token", LOGIN).await.status, 404);
    let body = format!("grant_type=refresh_token&refresh_token={refresh}");
    let renewed = server.caller().post("/oauth/token", &body).await.json();
    assert_eq!((&renewed["expires_in"], &renewed["scope"]), (&json!(540), &json!("read")), "{renewed}");
    assert_eq!(server.caller().post_as("new", "s", "/oauth/token", "grant_type=client_credentials").await.status, 200);
    let keys = server.caller().get("/jwks").await.json();
    let published = |alg: &str| keys["keys"].as_array().unwrap().iter().any(|key| key["alg"] == alg);
    assert!(published("RS256") && published("ES256"), "the next algorithm is published before it signs: {keys}");
    write(&server, "");
    assert_eq!(command(&server, reload()).await["clients_removed"], json!(["new"]));
    assert_eq!(server.caller().post_as("new", "s", "/token", "grant_type=client_credentials").await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_that_finds_anything_wrong_changes_nothing_and_says_all_of_it() {
    let plugins = tempfile::tempdir().unwrap();
    let file = plugins.path().join("first.wasm");
    install("tests/hostile", &file).await;
    let first = format!("[plugins.first]\nsource = \"{}\"\n[users]\nchain = [\"first\", \"local\"]\n", file.display());
    let audit = "[log]\naudit = \"audit.log\"\n";
    let server = Options::reference("clarico").overlay(&format!("{first}{audit}")).start().await;
    server.user("ann", "correct horse").await;
    server.user("mine", "correct horse").await;
    std::fs::write(&file, "garbage").unwrap();
    let unreadable = "[tokens.access]\nformat = \"jwt\"\nlifetime = \"soon\"\n[lockout]\nfree_trys = 3\n";
    let missing = "[[clients]]\nid = \"quote-web\"\ntype = \"public\"\n[[clients]]\nid = \"new\"\ntype = \"confidential\"\nsecret = { file = \"gone\" }\ngrants = [\"client_credentials\"]\n";
    for (overlay, said) in [
        (unreadable.to_owned(), &["overlay.toml:3: tokens.access.lifetime", "overlay.toml:5: lockout.free_trys"][..]),
        (missing.to_owned(), &["clients[1].secret"]),
        (
            format!("{first}[tokens.access]\nlifetime = \"9m\"\n"),
            &["overlay.toml:2: plugins.first.source", "not a component"],
        ),
        ("[users]\nchain = [\"local\", \"first\"]\n".to_owned(), &["users.chain[1]"]),
    ] {
        write(&server, &overlay);
        let message = refused(&server, reload()).await;
        assert!(message.starts_with("nothing was changed"), "{message}");
        assert!(said.iter().all(|part| message.contains(part)), "{message}");
        assert_eq!(login(&server, "ann").await, "200");
        assert_eq!(login(&server, "mine").await, "400 invalid_grant", "the plugin that was loaded still answers");
        let answer = server.caller().post("/token", LOGIN).await;
        assert_eq!(answer.json()["expires_in"], 3600);
    }
    install("tests/hostile", &file).await;
    write(&server, &format!("{first}{audit}"));
    let message = refused(&server, Command::Reload { plugin: Some("gone".into()) }).await;
    assert!(message.contains("no plugin `gone`"), "{message}");
    command(&server, reload()).await;
    let log = server.folder.path().join("audit.log");
    let reloads = || {
        let text = std::fs::read_to_string(&log).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines.into_iter().filter(|line| line["event"] == "reload").map(|line| line["error"].clone()).collect::<Vec<_>>()
    };
    while reloads().len() < 6 {
        tokio::task::yield_now().await;
    }
    let failed = json!("refused");
    assert_eq!(reloads(), [vec![failed; 5], vec![Value::Null]].concat());
}

/// What was broken before may stay so; a backend that is down does not keep another change from being made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_is_no_worse_than_before_is_a_warning() {
    let gone = "[plugins.gone]\nsource = \"gone.wasm\"\n";
    let server = Options::reference("clarico").overlay(gone).start().await;
    write(&server, &format!("{gone}[tokens.access]\nlifetime = \"9m\"\n"));
    let answer = command(&server, reload()).await;
    assert!(answer["warnings"][0].as_str().unwrap().starts_with("plugin gone is still not to be had: "), "{answer}");
    assert_eq!(server.app.config().tokens.access.lifetime.as_secs(), 540);
    write(&server, &format!("{gone}[plugins.new]\nsource = \"gone.wasm\"\n"));
    assert!(refused(&server, reload()).await.contains("plugins.new.source"));
}

/// What has changed, or was named, has to be well; the rest may be as it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_is_not_well_keeps_out_its_own_change_and_nobody_elses() {
    let plugins = tempfile::tempdir().unwrap();
    let file = plugins.path().join("first.wasm");
    install("tests/hostile", &file).await;
    let sick = format!("[plugins.first]\nsource = \"{}\"\nconfig = {{ sick = true }}\n", file.display());
    let elsewhere = "[tokens.access]\nlifetime = \"9m\"\n";
    let server = Options::reference("clarico").overlay(&sick).start().await;
    write(&server, &format!("{sick}{elsewhere}"));
    let answer = command(&server, reload()).await;
    assert_eq!(answer["warnings"], json!(["plugin first is not well: unavailable: as configured"]));
    let unwell = "plugins.first: it is not well: unavailable: as configured";
    assert!(refused(&server, Command::Reload { plugin: Some("first".into()) }).await.contains(unwell));
    write(&server, &format!("{sick}reuse = 2\n"));
    assert!(refused(&server, reload()).await.contains(unwell));
    assert_eq!(server.app.config().tokens.access.lifetime.as_secs(), 540, "nothing of it was taken up");
    command(&server, Command::PluginDisable { plugin: "first".into() }).await;
    command(&server, reload()).await;
    assert_eq!(server.app.config().tokens.access.lifetime.as_secs(), 3600, "one that is disabled need not be well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disabled_plugin_is_unavailable_until_it_is_enabled_also_after_a_restart() {
    let started = Options::reference("clarico").start().await;
    started.user("ann", "correct horse").await;
    let disable = Command::PluginDisable { plugin: "local".into() };
    assert_eq!(command(&started, disable).await, json!({ "plugin": "local", "disabled": true }));
    assert_eq!(login(&started, "ann").await, "503 temporarily_unavailable");
    let ready = started.caller().get("/health/ready").await;
    assert!(ready.status == 503 && ready.text.contains("plugin local is disabled"), "{}", ready.text);
    command(&started, reload()).await;
    assert_eq!(login(&started, "ann").await, "503 temporarily_unavailable", "a reload enables nothing");
    let again = Options { store: Some(started.app.core().store.clone()), ..Options::reference("clarico") };
    let folder = started.folder.path().join("data/master.key");
    let master = pintle::keys::MasterKey::find(None, folder.parent().unwrap(), &[]).unwrap();
    let again = Options {
        customize: Some(Box::new(|builder| {
            let (key, origin) = master.unwrap();
            builder.master_key(key, origin)
        })),
        ..again
    };
    let server = again.start().await;
    assert_eq!(login(&server, "ann").await, "503 temporarily_unavailable");
    let state = async || command(&server, Command::PluginList).await[1]["state"].clone();
    assert_eq!(state().await, "disabled");
    command(&server, Command::PluginEnable { plugin: "local".into() }).await;
    assert_eq!((login(&server, "ann").await.as_str(), state().await), ("200", json!("ready")));
    for unknown in [Command::PluginDisable { plugin: "x".into() }, Command::PluginEnable { plugin: "x".into() }] {
        assert!(refused(&server, unknown).await.contains("no plugin `x`"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_is_down_is_not_asked_for_a_while_and_then_once() {
    let built = tokio::task::spawn_blocking(|| component("tests/hostile")).await.unwrap();
    let overlay = format!(
        "[plugins.first]\nsource = \"{}\"\nlimits = {{ breaker = {{ calls = 4, share = 100, open_for = \"9s\" }} }}\n\
         [users]\nchain = [\"first\", \"local\"]\n[lockout]\nfree_tries = 100\n",
        built.path.display()
    );
    let server = Options::reference("clarico").overlay(&overlay).start().await;
    server.user("ann", "correct horse").await;
    let seen = async || {
        let plugins = command(&server, Command::PluginList).await;
        let first = plugins.as_array().unwrap().iter().find(|plugin| plugin["name"] == "first").unwrap().clone();
        (
            first["state"].as_str().unwrap().to_owned(),
            first["calls"].as_u64().unwrap(),
            first["failures"].as_u64().unwrap(),
        )
    };
    for _ in 0..8 {
        assert_eq!(login(&server, "trap").await, "503 temporarily_unavailable");
    }
    assert_eq!(seen().await, ("ready".into(), 8, 8), "what a request brings about shuts nobody out");
    for _ in 0..4 {
        assert_eq!(login(&server, "ann").await, "200");
        server.clock.advance(std::time::Duration::from_secs(11));
    }
    for _ in 0..4 {
        assert_eq!(login(&server, "down").await, "503 temporarily_unavailable");
    }
    assert_eq!(seen().await, ("breaker open".into(), 16, 12));
    assert_eq!(login(&server, "ann").await, "503 temporarily_unavailable");
    assert_eq!(seen().await, ("breaker open".into(), 16, 12), "it was not asked");
    let metrics = server.caller().get("/metrics").await.text;
    assert!(metrics.contains("pintle_plugin_breaker_open{plugin=\"first\"} 1"), "{metrics}");
    assert!(metrics.contains("outcome=\"withheld\""), "{metrics}");
    write(&server, &format!("{overlay}[tokens.access]\nlifetime = \"9m\"\n"));
    command(&server, reload()).await;
    assert_eq!(seen().await, ("breaker open".into(), 16, 12), "a reload elsewhere does not ask it");
    server.clock.advance(std::time::Duration::from_secs(9));
    assert_eq!(login(&server, "down").await, "503 temporarily_unavailable", "the probe");
    assert_eq!(login(&server, "ann").await, "503 temporarily_unavailable");
    server.clock.advance(std::time::Duration::from_secs(9));
    assert_eq!(login(&server, "ann").await, "200", "the next probe");
    assert_eq!(seen().await, ("ready".into(), 18, 13));
    for _ in 0..4 {
        assert_eq!(login(&server, "down").await, "503 temporarily_unavailable");
    }
    write(&server, &overlay.replace("9s", "8s"));
    command(&server, reload()).await;
    assert_eq!(seen().await, ("ready".into(), 0, 0), "another entry begins anew");
    let metrics = server.caller().get("/metrics").await.text;
    assert!(metrics.contains("pintle_plugin_breaker_open{plugin=\"first\"} 0"), "{metrics}");
}

/// A secret is no part of the entry: what it does to a plugin shows in how that is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_would_not_be_well_any_more_keeps_everything_out() {
    let hook = tokio::task::spawn_blocking(|| component("plugins/webhook")).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, format!("whsec_{}", crate::webhook::KEY)).unwrap();
    let overlay = format!(
        "[plugins.hook]\nsource = \"{}\"\nnetwork = [\"https://hook.example\"]\n\
         secrets = {{ signing_key = {{ file = \"{}\" }} }}\nconfig = {{ url = \"/hook\" }}\n\
         [events]\nsinks = [\"hook\"]\n",
        hook.path.display(),
        key.display()
    );
    let server = Options::reference("clarico").overlay(&overlay).start().await;
    command(&server, reload()).await;
    std::fs::write(&key, "rubbish").unwrap();
    let message = refused(&server, reload()).await;
    assert!(message.contains("plugins.hook: it was well and would not be any more"), "{message}");
    std::fs::write(&key, format!("whsec_{}", crate::webhook::KEY)).unwrap();
    let in_shadow = overlay.replace("config", "shadow = \"local\"\nconfig");
    write(&server, &in_shadow);
    let message = refused(&server, reload()).await;
    assert!(message.contains("events.sinks[0]"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disabled_plugin_has_to_load_all_the_same() {
    let plugins = tempfile::tempdir().unwrap();
    let file = plugins.path().join("first.wasm");
    install("tests/hostile", &file).await;
    let overlay = format!("[plugins.first]\nsource = \"{}\"\n", file.display());
    let server = Options::reference("clarico").overlay(&overlay).start().await;
    command(&server, Command::PluginDisable { plugin: "first".into() }).await;
    std::fs::write(&file, "garbage").unwrap();
    assert!(refused(&server, reload()).await.contains("plugins.first.source"));
}

/// One of the two readings under load: its tokens say `audience`, the scope that its policy leaves, and in `sub` which
/// `backend` of its chain knew the user.
fn reading(verifier: &Path, rules: &Path, audience: &str, denied: &str, backend: &str) -> String {
    format!(
        "[tokens.access]\naudience = [\"{audience}\"]\n[lockout]\nfree_tries = 1000\n\
         [plugins.first]\nsource = \"{}\"\n[plugins.rules]\nsource = \"{}\"\n\
         [[plugins.rules.config.rules]]\nscopes = [\"{denied}\"]\nusers = [\"nobody\"]\n\
         [plugins.{backend}]\nsource = \"builtin:accounts\"\n\
         [users]\nchain = [\"first\", \"{backend}\"]\n[scopes]\npolicies = [\"rules\"]\n",
        verifier.display(),
        rules.display()
    )
}

/// Which reading a token is of: its audience, scope and subject.
fn facts(token: &str) -> (String, String, String) {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let audience = claims["aud"].as_str().or(claims["aud"][0].as_str()).unwrap();
    let text = |name: &str| claims[name].as_str().unwrap().to_owned();
    (audience.to_owned(), text("scope"), text("sub"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_login_fails_or_sees_half_a_reload_while_the_server_is_reloaded() {
    const CALLERS: usize = 8;
    let (reloads, logins) = (200, 20_000);
    let plugins = tempfile::tempdir().unwrap();
    let (verifier, rules) = (plugins.path().join("first.wasm"), plugins.path().join("rules.wasm"));
    install("tests/hostile", &verifier).await;
    install("plugins/scope-rules", &rules).await;
    let readings = [
        reading(&verifier, &rules, "https://a.example", "write", "local"),
        reading(&verifier, &rules, "https://b.example", "read", "others"),
    ];
    let options = Options { real_clock: true, ..Options::reference("clarico").overlay(&readings[0]) };
    let server = Arc::new(options.start().await);
    join_all((0..CALLERS).map(async |caller| server.user(&format!("user{caller}"), "correct horse").await)).await;
    // Each backend's users are people of their own.
    let mut subjects = [Vec::new(), Vec::new()];
    for reading in [1, 0] {
        write(&server, &readings[reading]);
        command(&server, reload()).await;
        for caller in 0..CALLERS {
            let token = server.caller().post("/token", &LOGIN.replace("ann", &format!("user{caller}"))).await;
            subjects[reading].push(facts(&token.field("access_token")).2);
        }
    }
    let subjects = Arc::new(subjects);
    let (done, progress, seen) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()), Arc::new([0, 0].map(AtomicUsize::new)));
    let callers = (0..CALLERS).map(|caller| {
        let (server, done, progress, seen) = (server.clone(), done.clone(), progress.clone(), seen.clone());
        let subjects = subjects.clone();
        tokio::spawn(async move {
            let http = server.caller();
            let body = format!("grant_type=password&username=user{caller}&password=correct horse");
            while done.fetch_add(1, Ordering::SeqCst) < logins {
                let answer = http.post("/token", &body).await;
                assert_eq!(answer.status, 200, "{}", answer.text);
                let token = answer.field("access_token");
                let (audience, scope, subject) = facts(&token);
                let reading = match (audience.as_str(), scope.as_str()) {
                    ("https://a.example", "read") => 0,
                    ("https://b.example", "write") => 1,
                    mixed => panic!("half of each: {mixed:?}"),
                };
                assert_eq!(subject, subjects[reading][caller], "another chain's user");
                seen[reading].fetch_add(1, Ordering::SeqCst);
                progress.notify_one();
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    for turn in 1..=reloads {
        while done.load(Ordering::SeqCst) < turn * logins / (reloads + 1) {
            let next = tokio::time::timeout(std::time::Duration::from_secs(60), progress.notified()).await;
            assert!(next.is_ok(), "the callers have stopped");
        }
        write(&server, &readings[turn % 2]);
        command(&server, reload()).await;
        let token = server.caller().post("/token", &LOGIN.replace("ann", "user0")).await.field("access_token");
        assert_eq!(facts(&token).0, ["https://a.example", "https://b.example"][turn % 2]);
    }
    for caller in callers {
        caller.await.unwrap();
    }
    let [a, b] = [&seen[0], &seen[1]].map(|count| count.load(Ordering::SeqCst));
    assert!(a + b == logins && a > 0 && b > 0, "{a} and {b} logins");
    println!("{reloads} reloads during {logins} logins: {a} by the one reading, {b} by the other");
}
