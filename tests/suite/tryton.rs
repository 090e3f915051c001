//! The component erp-tryton in a running server, against a real Tryton.

pub mod server;

use crate::plugins::component;
use pintle_plugin_api::{Account, AccountChange, CallContext, PluginError};
use pintle_tests::{Answer, Options, TestServer};
use serde_json::json;
use server::{PASSWORD, SERVICE_PASSWORD, Tryton, UNICODE};
use std::collections::BTreeMap;
use std::time::Duration;

/// Trytons of several tests share the machine; only the test of time has less of it.
const PATIENT: &str = "limits = { timeout = \"30s\" }";

/// A server that asks Tryton first and its own accounts then, with further keys in the plugin's entry.
async fn pintle(tryton: &Tryton, entry: &str, config: &str) -> TestServer {
    let built = tokio::task::spawn_blocking(|| component("plugins/erp-tryton")).await.unwrap();
    let overlay = format!(
        "[plugins.erp]\nsource = \"{}\"\nrequired = true\nnetwork = [\"{}\"]\n{entry}\n\
         secrets = {{ service_password = {{ value = \"{SERVICE_PASSWORD}\" }} }}\n\
         config = {{ database = \"erp\", service_user = \"pintle\"{config} }}\n\
         [users]\nchain = [\"erp\", \"local\"]\n[lockout]\nfree_tries = 1000\n",
        built.path.display(),
        tryton.origin()
    );
    Options::reference("clarico").overlay(&overlay).start().await
}

async fn log_in(server: &TestServer, username: &str, password: &str) -> Answer {
    let form = [("grant_type", "password"), ("username", username), ("password", password)];
    let caller = server.caller();
    let body = reqwest::Client::new().post("http://unused").form(&form).build().unwrap();
    let body = String::from_utf8(body.body().unwrap().as_bytes().unwrap().to_vec()).unwrap();
    caller.post("/token", &body).await
}

fn call() -> CallContext {
    CallContext { request_id: "r1".to_owned(), ..CallContext::default() }
}

async fn lookup(server: &TestServer, by: &str, value: &str) -> Result<Option<Account>, PluginError> {
    server.app.registry().directory("erp").unwrap().lookup(&call(), by, value).await.map_err(|ended| ended.error)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tryton_s_users_log_in_and_each_other_answer_is_told_apart() {
    let tryton = Tryton::start().await;
    let server = pintle(&tryton, PATIENT, "").await;
    server.user("local", "correct horse").await;
    server.user("eve", "correct horse").await;
    let (ok, no) = ("200 ", "400 invalid_grant");
    for (username, password, expected) in [
        ("ann", PASSWORD, ok),
        (UNICODE, PASSWORD, ok),
        ("ann", "wrong", no),
        (UNICODE, "wrong", no),
        ("ann", "", "400 invalid_request"),
        // Tryton's user, though deactivated, is nobody else's.
        ("eve", PASSWORD, no),
        ("eve", "correct horse", no),
        // Not Tryton's: the next backend is asked, and Tryton sees no password.
        ("local", "correct horse", ok),
        ("local", "wrong", no),
        ("ANN", PASSWORD, no),
        ("pintle", SERVICE_PASSWORD, no),
        ("root", PASSWORD, no),
    ] {
        let answer = log_in(&server, username, password).await;
        assert_eq!(answer.error(), expected, "{username}, {password}: {}", answer.text);
    }
    assert_eq!(tryton.sql("SELECT count(*) FROM ir_session"), ["0"]);
    let tried = tryton.sql("SELECT DISTINCT login FROM res_user_login_attempt ORDER BY login");
    assert_eq!(tried, ["ann", UNICODE]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tryton_that_limits_logins_refuses_the_service_user_or_is_gone_is_unavailable() {
    let mut tryton = Tryton::with("max_attempt = 0").await;
    let server = pintle(&tryton, PATIENT, "").await;
    assert_eq!(log_in(&server, "ann", "wrong").await.error(), "400 invalid_grant");
    // The second try within Tryton's five minutes, right or wrong.
    assert_eq!(log_in(&server, "ann", PASSWORD).await.error(), "503 temporarily_unavailable");
    assert_eq!(log_in(&server, UNICODE, PASSWORD).await.status, 200);
    tryton.write("pintle", json!({"password": "4nother_wd"})).await;
    let refused = lookup(&server, "username", "ann").await;
    assert!(matches!(refused, Err(PluginError::Denied(_))), "{refused:?}");
    assert_eq!(log_in(&server, UNICODE, PASSWORD).await.error(), "503 temporarily_unavailable");
    tryton.stop();
    assert_eq!(log_in(&server, UNICODE, PASSWORD).await.error(), "503 temporarily_unavailable");
    assert!(matches!(lookup(&server, "username", "ann").await, Err(PluginError::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tryton_that_hangs_is_given_up_in_time() {
    let tryton = Tryton::start().await;
    let server = pintle(&tryton, "limits = { timeout = \"1s\" }", "").await;
    tryton.signal(libc::SIGSTOP);
    let answer = tokio::time::timeout(Duration::from_secs(5), log_in(&server, "ann", PASSWORD)).await;
    assert_eq!(answer.expect("an answer in time").error(), "503 temporarily_unavailable");
    tryton.signal(libc::SIGCONT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_found_by_id_and_by_name() {
    let tryton = Tryton::start().await;
    let server =
        pintle(&tryton, &format!("{PATIENT}\nreuse = 128"), ", keep_session = true, email_verified = true").await;
    let ann = Account {
        id: tryton.id("ann").await.to_string(),
        username: "ann".to_owned(),
        display_name: Some("Ann Ónÿmous".to_owned()),
        email: Some("ann@example.com".to_owned()),
        email_verified: true,
        groups: vec!["Sales".to_owned()],
        ..Account::default()
    };
    assert_eq!(lookup(&server, "username", "ann").await, Ok(Some(ann.clone())));
    assert_eq!(lookup(&server, "id", &ann.id).await, Ok(Some(ann.clone())));
    assert_eq!(lookup(&server, "username", UNICODE).await.unwrap().unwrap().username, UNICODE);
    assert!(lookup(&server, "username", "eve").await.unwrap().unwrap().disabled);
    for (by, value) in [("username", "nobody"), ("username", "pintle"), ("id", "999999"), ("id", "ann")] {
        assert_eq!(lookup(&server, by, value).await, Ok(None), "{by} {value}");
    }
    assert!(matches!(lookup(&server, "email", "ann@example.com").await, Err(PluginError::Invalid(_))));
    // One session for all of it; when it has ended, nobody notices.
    assert_eq!(tryton.sql("SELECT count(*) FROM ir_session"), ["1"]);
    tryton.sql("DELETE FROM ir_session");
    assert_eq!(lookup(&server, "username", "ann").await, Ok(Some(ann)));
    assert_eq!(tryton.sql("SELECT count(*) FROM ir_session"), ["1"]);
    assert_eq!(log_in(&server, "ann", PASSWORD).await.status, 200);
}

/// A whole run: the users by login with whether they are disabled, how many pages there were, and the next cursor.
async fn run(server: &TestServer, cursor: Option<String>, limit: u32) -> (BTreeMap<String, Account>, usize, String) {
    let source = server.app.registry().account_source("erp").unwrap();
    let (mut cursor, mut users, mut pages) = (cursor, BTreeMap::new(), 0);
    loop {
        let page = source.pull(&call(), cursor, limit).await.unwrap();
        assert!(page.changes.len() <= limit as usize);
        for change in page.changes {
            let AccountChange::Upsert(account) = change else { panic!("{change:?}") };
            assert!(users.insert(account.username.clone(), account).is_none());
        }
        (cursor, pages) = (page.next, pages + 1);
        if page.complete {
            return (users, pages, cursor.unwrap());
        }
    }
}

fn names(users: &BTreeMap<String, Account>) -> Vec<&str> {
    users.keys().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_run_names_all_users_and_the_next_ones_what_has_changed() {
    let tryton = Tryton::start().await;
    let server = pintle(&tryton, PATIENT, "").await;
    // Everything was written long ago, but for what is written from now on.
    let age = "SET create_date = '2020-01-01 00:00:00', write_date = '2020-01-01 00:00:00'";
    for table in ["res_user", "res_group"] {
        tryton.sql(&format!("UPDATE {table} {age}"));
    }
    let (users, pages, cursor) = run(&server, None, 2).await;
    assert_eq!((names(&users), pages), (vec!["admin", "ann", "eve", UNICODE], 3));
    assert_eq!((users["ann"].disabled, users["eve"].disabled), (false, true));
    assert_eq!((&users["ann"].groups[..], users[UNICODE].email.as_deref()), (&["Sales".to_owned()][..], None));
    let (users, pages, cursor) = run(&server, Some(cursor), 2).await;
    assert_eq!((names(&users), pages), (vec![], 1));

    tryton.write(UNICODE, json!({"email": "zoe@example.com"})).await;
    tryton.write("ann", json!({"active": false})).await;
    tryton.rpc("model.res.user.create", vec![json!([{"login": "new", "name": "New"}])]).await;
    let (users, _, cursor) = run(&server, Some(cursor), 2).await;
    assert_eq!(names(&users), ["ann", "new", UNICODE]);
    assert!(users["ann"].disabled && !users["new"].disabled);
    assert_eq!(users[UNICODE].email.as_deref(), Some("zoe@example.com"));
    // What is within the overlap comes again, which changes nothing.
    let (again, _, cursor) = run(&server, Some(cursor), 1000).await;
    assert_eq!(again, users);

    tryton.sql(&format!("UPDATE res_user {age}"));
    let sales = tryton.rpc("model.res.group.search", vec![json!([["name", "=", "Sales"]])]).await;
    tryton.rpc("model.res.group.write", vec![sales, json!({"name": "Selling"})]).await;
    let (users, _, cursor) = run(&server, Some(cursor), 1000).await;
    assert_eq!((names(&users), &users["ann"].groups[..]), (vec!["ann"], &["Selling".to_owned()][..]));

    let new = tryton.id("new").await;
    tryton.sql(&format!("DELETE FROM res_user WHERE id = {new}"));
    assert!(!names(&run(&server, Some(cursor), 1000).await.0).contains(&"new"));
    assert_eq!(names(&run(&server, None, 1000).await.0), ["admin", "ann", "eve", UNICODE]);
    assert_eq!(lookup(&server, "id", &new.to_string()).await, Ok(None));
}
