//! Plugins in shadow: asked on real logins, compared, never used.

use crate::plugins::component;
use pintle::admin::{self, Command};
use pintle_tests::{Options, TestServer};
use serde_json::{Value, json};

/// The component `hostile` in shadow of the server's own accounts: it rejects `mine`, is down for `down`, and knows nobody
/// else.
fn overlay(path: &std::path::Path) -> String {
    format!(
        "[plugins.next]\nsource = \"{}\"\nallow = [\"crypto\"]\nshadow = \"local\"\n[log]\naudit = \"audit.log\"\n",
        path.display()
    )
}

async fn start(overlay: &str) -> TestServer {
    let server = Options::reference("clarico").overlay(overlay).start().await;
    for name in ["ann", "mine", "down", "trap"] {
        server.user(name, "correct horse").await;
    }
    server
}

async fn hostile() -> std::path::PathBuf {
    tokio::task::spawn_blocking(|| component("tests/hostile")).await.unwrap().path.clone()
}

async fn login(server: &TestServer, username: &str, password: &str) -> String {
    let body = format!("grant_type=password&username={username}&password={password}");
    let answer = server.caller().post("/token", &body).await;
    if answer.status == 200 { "200".to_owned() } else { answer.error() }
}

async fn diff(server: &TestServer, shadow: Option<&str>) -> Value {
    let command = Command::PluginDiff { shadow: shadow.map(str::to_owned) };
    admin::execute_live(&*server.app, command).await.unwrap()
}

/// What the shadow has to show once it was asked so often: it answers behind the request.
async fn after(server: &TestServer, asked: u64) -> Value {
    loop {
        let answer = diff(server, None).await;
        let figure = |name: &str| answer["shadows"][0][name].as_u64().unwrap();
        if figure("same") + figure("different") + figure("skipped") >= asked {
            return answer;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_go_as_the_live_plugin_says_and_the_differences_are_listed() {
    let server = start(&overlay(&hostile().await)).await;
    assert_eq!(login(&server, "ann", "correct horse").await, "200");
    assert_eq!(login(&server, "mine", "correct horse").await, "200");
    assert_eq!(login(&server, "down", "correct horse").await, "200", "an outage in shadow is nobody's");
    assert_eq!(login(&server, "trap", "correct horse").await, "200");
    assert_eq!(login(&server, "mine", "wrong").await, "400 invalid_grant");
    assert_eq!(login(&server, "nobody", "wrong").await, "400 invalid_grant");
    let answer = after(&server, 6).await;
    let sum = &answer["shadows"][0];
    assert_eq!((&sum["shadow"], &sum["live"]), (&json!("next"), &json!("local")));
    assert_eq!((&sum["same"], &sum["different"], &sum["skipped"]), (&json!(2), &json!(4), &json!(0)), "{answer}");
    let mut rows: Vec<_> = answer["differences"].as_array().unwrap().iter().map(row).collect();
    rows.sort();
    let expected = [
        ["ann", "user-verifier", "answer", "accepted", "unknown-user"],
        ["down", "user-verifier", "answer", "accepted", "unavailable"],
        ["mine", "user-verifier", "answer", "accepted", "rejected"],
        ["trap", "user-verifier", "answer", "accepted", "trapped"],
    ];
    assert_eq!(rows, expected.map(|row| row.map(str::to_owned)));
    assert!(!answer.to_string().contains("horse"), "{answer}");
    let audit = std::fs::read_to_string(server.folder.path().join("audit.log")).unwrap();
    assert!(!audit.contains("\"next\""), "the shadow has no part in a decision: {audit}");
    let figures = server.caller().get("/metrics").await.text;
    assert!(
        figures.contains("pintle_plugin_shadow_answers_total{plugin=\"next\",comparison=\"different\"} 4"),
        "{figures}"
    );
    assert_eq!(diff(&server, Some("next")).await, after(&server, 6).await);
    let unknown = Command::PluginDiff { shadow: Some("local".to_owned()) };
    let error = admin::execute_live(&*server.app, unknown).await.unwrap_err();
    assert!(error.message.contains("no plugin `local` in shadow"), "{}", error.message);
}

fn row(difference: &Value) -> [String; 5] {
    ["user", "kind", "fact", "live_answer", "shadow_answer"].map(|key| difference[key].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_brings_and_removes_a_shadow_and_starts_anew_for_another_file() {
    let (hostile, accounts) = (hostile().await, component_of_accounts().await);
    let server = start("[log]\naudit = \"audit.log\"\n").await;
    let reload = async |overlay: &str| {
        std::fs::write(server.folder.path().join("overlay.toml"), overlay).unwrap();
        admin::execute_live(&*server.app, Command::Reload { plugin: None }).await.unwrap()
    };
    assert_eq!(diff(&server, None).await, json!({ "shadows": [], "differences": [] }));
    reload(&overlay(&hostile)).await;
    assert_eq!(login(&server, "mine", "correct horse").await, "200");
    assert_eq!(after(&server, 1).await["shadows"][0]["different"], 1);
    reload(&overlay(&hostile)).await;
    assert_eq!(after(&server, 1).await["shadows"][0]["different"], 1, "nothing has changed for it");
    let same = overlay(&accounts).replace("\"crypto\"", "\"crypto\", \"accounts\"");
    reload(&same).await;
    assert_eq!(login(&server, "mine", "correct horse").await, "200");
    assert_eq!(login(&server, "mine", "wrong").await, "400 invalid_grant");
    let answer = after(&server, 2).await;
    assert_eq!((&answer["shadows"][0]["same"], &answer["differences"]), (&json!(2), &json!([])), "{answer}");
    reload("[log]\naudit = \"audit.log\"\n").await;
    assert_eq!(diff(&server, None).await, json!({ "shadows": [], "differences": [] }));
}

async fn component_of_accounts() -> std::path::PathBuf {
    tokio::task::spawn_blocking(|| component("plugins/accounts")).await.unwrap().path.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_and_claims_are_compared_as_well() {
    let kinds = tokio::task::spawn_blocking(|| component("tests/kinds")).await.unwrap().path.clone();
    let overlay = format!(
        "[plugins.rules]\nsource = \"builtin:scope-rules\"\n[[plugins.rules.config.rules]]\nscopes = [\"write\"]\n\
         groups = [\"admins\"]\n[plugins.open]\nsource = \"builtin:scope-rules\"\nshadow = \"rules\"\n\
         [scopes]\npolicies = [\"rules\"]\n[plugins.kinds]\nsource = \"{0}\"\nconfig = {{ users = [\"ann\"] }}\n\
         secrets = {{ key = {{ value = \"kinds key\" }} }}\n[claims]\nsources = [\"kinds\"]\n\
         [plugins.other]\nsource = \"{0}\"\nshadow = \"kinds\"\nsecrets = {{ key = {{ value = \"kinds key\" }} }}\n",
        kinds.display()
    );
    let server = start(&overlay).await;
    assert_eq!(login(&server, "ann", "correct horse").await, "200");
    let answers = loop {
        let answer = diff(&server, None).await;
        let asked = |sum: &Value| ["same", "different"].iter().filter_map(|name| sum[name].as_u64()).sum::<u64>();
        if answer["shadows"].as_array().unwrap().iter().all(|sum| asked(sum) > 0) {
            break answer;
        }
        tokio::task::yield_now().await;
    };
    let rows: Vec<_> = answers["differences"].as_array().unwrap().iter().map(row).collect();
    assert!(rows.iter().any(|row| row[1] == "scope-policy" && row[2] == "granted"), "{rows:?}");
    assert_eq!(answers["shadows"][1]["shadow"], "other", "{answers}");
}
