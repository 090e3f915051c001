//! A chain of backends: what the first one says decides who is asked next. And which files may be one at all.

use crate::plugins::{component, library};
use pintle_tests::{Options, TestServer};
use std::time::Duration;

/// The component answers for the users `mine` (wrong password) and `down` (no answer) and knows nobody else; the second
/// backend knows them all.
async fn start(on_error: &str) -> TestServer {
    let first = tokio::task::spawn_blocking(|| component("tests/hostile")).await.unwrap();
    let overlay = format!(
        "[plugins.first]\nsource = \"{}\"\nrequired = true\n[users]\n\
         chain = [{{ plugin = \"first\", on_error = \"{on_error}\" }}, \"local\"]\n",
        first.path.display()
    );
    let server = Options::reference("clarico").overlay(&overlay).start().await;
    for name in ["mine", "down", "ann"] {
        server.user(name, "correct horse").await;
    }
    server
}

async fn answer(server: &TestServer, username: &str, password: &str) -> String {
    let body = format!("grant_type=password&username={username}&password={password}");
    let answer = server.caller().post("/token", &body).await;
    if answer.status == 200 { "200".to_owned() } else { answer.error() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_asks_the_next_one_rejected_stops_and_broken_is_the_operators_choice() {
    let (stop, next) = (start("stop").await, start("next").await);
    for (username, password, stopping, going_on) in [
        ("ann", "correct horse", "200", "200"),
        ("ann", "wrong", "400 invalid_grant", "400 invalid_grant"),
        ("nobody", "correct horse", "400 invalid_grant", "400 invalid_grant"),
        ("mine", "correct horse", "400 invalid_grant", "400 invalid_grant"),
        ("down", "correct horse", "503 temporarily_unavailable", "200"),
        ("down", "wrong", "503 temporarily_unavailable", "400 invalid_grant"),
    ] {
        assert_eq!(answer(&stop, username, password).await, stopping, "{username}, {password}, stop");
        assert_eq!(answer(&next, username, password).await, going_on, "{username}, {password}, next");
    }
}

/// A policy whose file is not there: no answer, ever.
#[tokio::test]
async fn a_broken_scope_policy_ends_the_login_unless_the_operator_does_without_it() {
    for (on_error, expected, verdict) in [
        ("stop", "503 temporarily_unavailable", "error"),
        ("static", "200 read", "error, scope as client and request allow"),
    ] {
        let overlay = format!(
            "[plugins.gone]\nsource = \"gone.wasm\"\n[log]\naudit = \"audit.log\"\n\
             [scopes]\npolicies = [{{ plugin = \"gone\", on_error = \"{on_error}\" }}]\n"
        );
        let server = Options::reference("clarico").overlay(&overlay).start().await;
        server.user("ann", "correct horse").await;
        let body = "grant_type=password&username=ann&password=correct horse&scope=read";
        let answer = server.caller().post("/token", body).await;
        let seen = if answer.status == 200 { format!("200 {}", answer.field("scope")) } else { answer.error() };
        assert_eq!(seen, expected);
        let body = "grant_type=password&username=ann&password=correct horse&scope=admin";
        assert_eq!(
            server.caller().post("/token", body).await.error(),
            "400 invalid_scope",
            "never more than the client's"
        );
        let (audit, verdict) = (server.folder.path().join("audit.log"), format!("{verdict:?}"));
        let written = async {
            while !std::fs::read_to_string(&audit).unwrap().contains(&verdict) {
                tokio::task::yield_now().await;
            }
        };
        let written = tokio::time::timeout(Duration::from_secs(10), written).await;
        assert!(written.is_ok(), "{}", std::fs::read_to_string(&audit).unwrap());
    }
}

/// What a server says that has the native plugin `scopes` with these lines in its entry, and these in `[trust]`.
async fn with_native(entry: &str, trust: &str) -> String {
    let built = tokio::task::spawn_blocking(|| library("plugins/scope-rules")).await.unwrap();
    let entry = entry.replace("{sha256}", &built.sha256);
    let source = format!("[plugins.scopes]\nsource = \"{}\"\n{entry}", built.path.display());
    let overlay = format!("{source}\n[trust]\n{trust}\n[scopes]\npolicies = [\"scopes\"]\n");
    let started = Options::reference("clarico").overlay(&overlay).try_start().await;
    match started {
        Ok(server) => {
            server.user("ann", "correct horse").await;
            answer(&server, "ann", "correct horse").await
        }
        Err(error) => {
            let error = error.replace(&built.path.display().to_string(), "library.so");
            let error = error.replace(&built.sha256, "{sha256}");
            // What is wrong with the file itself begins with the file and the line.
            error[error.find("plugins.").unwrap_or(0)..].to_owned()
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_native_library_runs_only_where_it_is_trusted_by_its_hash() {
    let sha256 = "sha256 = \"{sha256}\"";
    let another = format!("sha256 = \"{}\"", "0".repeat(64));
    let required = format!("{another}\nrequired = true");
    assert_eq!(with_native(sha256, "native = true").await, "200");
    let untrusted = "plugins.scopes.source: found a native plugin, expected trust.native = true beside it: such a \
                     plugin runs with the server's rights";
    assert_eq!(with_native(sha256, "").await, untrusted);
    let unhashed = "plugins.scopes.sha256: found no such key, expected the SHA-256 of the native plugin's file";
    assert_eq!(with_native("", "native = true").await, unhashed);
    assert_eq!(with_native(&another, "native = true").await, "503 temporarily_unavailable");
    let zeros = "0".repeat(64);
    let refused = format!(
        "plugins.scopes.source: library.so: its sha256 is {{sha256}}, the entry says {zeros}; without `required = true` the \
         server would start and its calls fail"
    );
    assert_eq!(with_native(&required, "native = true").await, refused);
}
