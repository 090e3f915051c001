//! `/metrics` and `/health/ready` of running servers.

use crate::plugins::component;
use futures_util::future::join_all;
use pintle::clock::SystemClock;
use pintle::store::sled::{SledOptions, SledStore};
use pintle_tests::{Caller, Options, TestServer};
use std::sync::Arc;

async fn login(caller: &Caller, username: &str) -> u16 {
    caller.post("/token", &format!("grant_type=password&username={username}&password=correct horse")).await.status
}

/// The value of the first sample whose line starts so; none if there is no such line.
fn sample(text: &str, start: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(start)?.trim().parse().ok())
}

async fn metrics(caller: &Caller) -> String {
    let answer = caller.get("/metrics").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.text
}

#[tokio::test]
async fn refused_requests_are_counted_too() {
    let server = Options::reference("clarico").start().await;
    let caller = server.caller();
    assert_eq!(caller.get("/nowhere").await.status, 404);
    assert_eq!(caller.get("/elsewhere").await.status, 404);
    assert_eq!(caller.post("/token", &"x".repeat(20_000)).await.status, 413);
    let text = metrics(&caller).await;
    assert_eq!(sample(&text, r#"pintle_requests_total{endpoint="none",status="404"}"#), Some(2.0), "{text}");
    assert_eq!(sample(&text, r#"pintle_requests_total{endpoint="token",status="413"}"#), Some(1.0), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_are_shown_in_the_groups_that_they_were_synced_in() {
    let folder = tempfile::tempdir().unwrap();
    let options = SledOptions { path: folder.path().join("store"), cache_mib: 16 };
    let store = SledStore::open(options, Arc::new(SystemClock::new())).unwrap();
    let options = Options::reference("clarico").overlay("[lockout]\nfree_tries = 1000\n");
    let server = Options { store: Some(Arc::new(store)), ..options }.start().await;
    let users: Vec<String> = (0..16).map(|number| format!("user{number}")).collect();
    for user in &users {
        server.user(user, "correct horse").await;
    }
    let caller = server.caller();
    assert_eq!(join_all(users.iter().map(|user| login(&caller, user))).await, [200; 16]);
    let text = metrics(&caller).await;
    let stats = server.app.core().store.stats();
    assert_eq!(sample(&text, "pintle_commit_batch_sum"), Some(stats.commits as f64), "{text}");
    assert_eq!(sample(&text, "pintle_commit_batch_count"), Some(stats.syncs as f64), "{text}");
}

/// `limits` of the hostile plugin, in TOML.
async fn hostile(limits: &str) -> TestServer {
    let hostile = tokio::task::spawn_blocking(|| component("tests/hostile")).await.unwrap();
    let overlay = format!(
        "[plugins.hostile]\nsource = \"{}\"\nrequired = true\nlimits = {{ {limits} }}\n\
         [users]\nchain = [\"hostile\", \"local\"]\n[lockout]\nfree_tries = 1000\n",
        hostile.path.display()
    );
    let options = Options { real_clock: true, ..Options::reference("clarico") };
    let server = options.overlay(&overlay).start().await;
    server.user("ann", "correct horse").await;
    server
}

fn calls(text: &str, what: &str, plugin: &str, outcome: &str) -> Option<f64> {
    let labels = format!(r#"{{plugin="{plugin}",kind="user-verifier",outcome="{outcome}"}}"#);
    sample(text, &format!("pintle_plugin_call_duration_seconds_{what}{labels}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugins_calls_are_told_apart_by_how_they_ended_and_timed_finely() {
    let server = hostile("concurrency = 1, queue = 0").await;
    let caller = server.caller();
    assert_eq!(login(&caller, "ann").await, 200);
    assert_eq!(login(&caller, "trap").await, 503);
    assert_eq!(login(&caller, "down").await, 503);
    // Whoever comes second is turned away while the first runs for its 200 ms.
    assert_eq!(tokio::join!(login(&caller, "loop"), login(&caller, "loop")), (503, 503));
    let text = metrics(&caller).await;
    for outcome in ["trapped", "failed", "timed_out", "overloaded"] {
        assert_eq!(calls(&text, "count", "hostile", outcome), Some(1.0), "{outcome} in\n{text}");
    }
    // An answer of the Wasm plugin takes some tens of microseconds.
    let sum = calls(&text, "sum", "hostile", "answered").unwrap();
    assert!(sum > 0.0, "{text}");
}

#[tokio::test]
async fn only_a_plugin_that_logins_need_makes_a_server_unready() {
    let plugin = "[plugins.spare]\nsource = \"missing.wasm\"\n";
    let cases = [
        ("", 200),
        ("[users]\nchain = [{ plugin = \"spare\", on_error = \"next\" }, \"accounts\"]\n", 200),
        ("[users]\nchain = [\"accounts\", \"spare\"]\n", 503),
        ("[scopes]\npolicies = [\"spare\"]\n", 503),
        ("[tokens.access]\nformat = \"spare\"\n", 503),
    ];
    for (use_of_it, status) in cases {
        let own = "[plugins.accounts]\nsource = \"builtin:accounts\"\n";
        let server = Options::reference("clarico").overlay(&format!("{plugin}{own}{use_of_it}")).start().await;
        let answer = server.caller().get("/health/ready").await;
        assert_eq!(answer.status, status, "{use_of_it}: {}", answer.text);
        assert_eq!(answer.text.contains("plugin spare could not be loaded"), status == 503, "{}", answer.text);
    }
}
