//! `explain login`: who is asked, what they say, and why it ends as it does.

use crate::plugins::component;
use pintle::admin::{self, Command, ErrorKind, Question, SecretText};
use pintle_tests::{Options, TestServer};
use serde_json::{Value, json};

const RULES: &str = "[plugins.rules]\nsource = \"builtin:scope-rules\"\n[[plugins.rules.config.rules]]\nscopes = [\"write\"]\n\
                     groups = [\"admins\"]\n[scopes]\npolicies = [\"rules\"]\n[log]\naudit = \"audit.log\"\n";

/// Asked in turn: a plugin that misbehaves as asked, a directory, the server's own accounts.
async fn start() -> TestServer {
    let (first, kinds) =
        tokio::task::spawn_blocking(|| (component("tests/hostile"), component("tests/kinds"))).await.unwrap();
    let overlay = format!(
        "[plugins.first]\nsource = \"{}\"\n[plugins.kinds]\nsource = \"{}\"\n\
         config = {{ users = [\"ann\", \"disabled-dan\"] }}\nsecrets = {{ key = {{ value = \"kinds key\" }} }}\n\
         [users]\nchain = [{{ plugin = \"first\", on_error = \"next\" }}, \"kinds\", \"local\"]\n{RULES}",
        first.path.display(),
        kinds.path.display()
    );
    let server = Options::reference("clarico").overlay(&overlay).start().await;
    server.user("dory", "correct horse").await;
    server
}

fn question(username: &str, password: Option<&str>) -> Question {
    let password = password.map(|password| SecretText::from(password.to_owned()));
    Question { username: username.to_owned(), password, client: None, scopes: Vec::new() }
}

/// The answer; the clock of the test stands still, so that nothing takes any time.
async fn explain(server: &TestServer, question: Question) -> Value {
    admin::execute(&server.app.core(), Command::ExplainLogin(question)).await.unwrap()
}

fn step(backend: &str, verdict: &str, why: &str) -> Value {
    let ms = if verdict == "not-asked" { Value::Null } else { json!(0) };
    json!({ "backend": backend, "verdict": verdict, "ms": ms, "why": why })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_backend_is_named_with_its_verdict_and_why_the_chain_went_on_or_stopped() {
    let server = start().await;
    let decided = |backend: &str| step(backend, "not-asked", "a backend before it has decided");
    let unknown = |backend: &str| step(backend, "unknown-user", "not its user: the next one is asked");
    let its_user = |backend: &str| step(backend, "accepted", "it is its user: nobody else is asked");
    let refusing = "its user may not log in with this: as asked: nobody else is asked";
    let passed_over = "no answer: unavailable: as asked; on_error = \"next\": the next one is asked";
    let last = "not its user: there is no further backend";
    for (username, password, outcome, steps) in [
        ("dory", "correct horse", "accepted", [unknown("first"), unknown("kinds"), its_user("local")]),
        ("ann", "kinds key", "accepted", [unknown("first"), its_user("kinds"), decided("local")]),
        (
            "mine",
            "correct horse",
            "rejected",
            [step("first", "rejected", refusing), decided("kinds"), decided("local")],
        ),
        ("nobody", "x", "unknown-user", [unknown("first"), unknown("kinds"), step("local", "unknown-user", last)]),
        (
            "down",
            "x",
            "unavailable",
            [step("first", "error", passed_over), unknown("kinds"), step("local", "unknown-user", last)],
        ),
    ] {
        let answer = explain(&server, question(username, Some(password))).await;
        assert_eq!((&answer["outcome"], &answer["backends"]), (&json!(outcome), &json!(steps)), "{username}");
        assert_eq!(answer["identity"].is_null(), outcome != "accepted", "{username}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scope_decision_is_shown_policy_by_policy_and_nothing_is_issued() {
    let server = start().await;
    let asked = Question { client: Some("quote-web".into()), ..question("dory", Some("correct horse")) };
    let commits = server.app.core().store.stats().commits;
    let answer = explain(&server, asked.clone()).await;
    let decided = json!({
        "policy": "rules", "verdict": "decided", "ms": 0, "granted": ["read"], "require": [], "max_ttl_s": null, "error": null,
    });
    let scope = json!({
        "client": "quote-web", "requested": ["read", "write"], "policies": [decided], "granted": ["read"],
        "expires_in": 3600, "refused": null,
    });
    assert_eq!(answer["scope"], scope);
    assert_eq!(answer["identity"]["sub"], Value::Null, "no identity is made");
    assert_eq!(server.app.core().store.stats().commits, commits, "nothing is written");
    let beyond = explain(&server, Question { scopes: vec!["write".into()], ..asked.clone() }).await;
    assert_eq!(beyond["scope"]["granted"], Value::Null);
    assert!(
        beyond["scope"]["refused"].as_str().unwrap().contains("none of the requested scopes is granted"),
        "{beyond}"
    );
    let token = server.caller().post("/token", "grant_type=password&username=dory&password=correct horse").await;
    assert_eq!(token.field("scope"), "read", "a login goes as it was explained");
    let known = explain(&server, asked).await;
    assert!(known["identity"]["sub"].is_string(), "{known}");
    let nowhere = Command::ExplainLogin(Question { client: Some("x".into()), ..question("dory", None) });
    assert_eq!(admin::execute(&server.app.core(), nowhere).await.unwrap_err().kind, ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_password_directories_are_looked_up_and_nobody_else_is_asked() {
    let server = start().await;
    let mute = |backend: &str| step(backend, "not-asked", "it is no directory: without a password it cannot be asked");
    for (username, outcome, kinds) in [
        ("ann", "found", step("kinds", "found", "it has the user")),
        ("disabled-dan", "found", step("kinds", "disabled", "it has the user, who may not log in")),
        ("dory", "not-found", step("kinds", "not-found", "it has no such user")),
    ] {
        let answer = explain(&server, question(username, None)).await;
        assert_eq!(answer["outcome"], outcome, "{username}");
        assert_eq!(answer["backends"], json!([mute("first"), kinds, mute("local")]), "{username}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_count_as_no_try_and_are_in_the_audit_log_without_the_password() {
    let server = start().await;
    for _ in 0..20 {
        explain(&server, question("dory", Some("wrong horse"))).await;
    }
    let right = "grant_type=password&username=dory&password=correct horse";
    assert_eq!(server.caller().post("/token", right).await.status, 200, "nobody is locked out");
    let audit = server.folder.path().join("audit.log");
    let lines = || {
        let text = std::fs::read_to_string(&audit).unwrap();
        assert!(!text.contains("wrong horse"));
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["action"] == "explain.login").collect::<Vec<_>>()
    };
    while lines().len() < 20 {
        tokio::task::yield_now().await;
    }
    let line = lines().remove(0);
    assert_eq!((&line["username"], &line["plugins"][2]["verdict"]), (&json!("dory"), &json!("rejected")), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_after_the_backends_decides_as_well() {
    let server = start().await;
    let right = question("dory", Some("correct horse"));
    let ends = async |question: &Question| {
        let answer = explain(&server, question.clone()).await;
        (answer["outcome"].clone(), answer["hindrance"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(ends(&right).await, (json!("accepted"), String::new()));
    admin::execute(&server.app.core(), Command::PluginDisable { plugin: "jwt".to_owned() }).await.unwrap();
    assert_eq!(ends(&right).await, (json!("unavailable"), "plugin jwt: disabled".to_owned()));
    admin::execute(&server.app.core(), Command::PluginEnable { plugin: "jwt".to_owned() }).await.unwrap();
    let wrong = "grant_type=password&username=dory&password=wrong";
    while server.caller().post("/token", wrong).await.status != 429 {}
    let (outcome, why) = ends(&right).await;
    assert!(outcome == "locked-out" && why.starts_with("too many logins have failed"), "{outcome}: {why}");
}
