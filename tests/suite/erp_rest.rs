//! The component erp-rest in a running server, against a small CRM with state of its own.

use crate::plugins::component;
use pintle_plugin_api::{Account, AccountChange, CallContext, PluginError};
use pintle_tests::{Answer, Caller, Options, TestServer};
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const PASSWORD: &str = "pässwörd & 🔑";
/// What breaks paths, queries and forms.
const UNICODE: &str = "zoë/../müller?";

struct Crm {
    origin: String,
    child: Child,
}

impl Crm {
    fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("suite/erp_rest/crm.py");
        let mut child = Command::new("python3").arg(script).stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { origin: format!("http://127.0.0.1:{}", port.trim()), child }
    }

    async fn send(&self, method: &str, path: &str, body: serde_json::Value) -> Answer {
        let caller = Caller::new(&self.origin);
        caller.send(caller.request(method, path).json(&body)).await
    }

    async fn log(&self) -> Vec<String> {
        let log = self.send("GET", "/log", json!(null)).await;
        log.json().as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Crm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that asks the CRM first and its own accounts then.
async fn pintle(crm: &Crm, entry: &str) -> TestServer {
    let built = tokio::task::spawn_blocking(|| component("plugins/erp-rest")).await.unwrap();
    let overlay = format!(
        r#"[plugins.crm]
source = "{}"
required = true
network = ["{}"]
secrets = {{ client = {{ value = "client s&cret" }} }}
{entry}

[plugins.crm.config]
auth = {{ type = "client_credentials", token_path = "/oauth/token", client_id = "pintle", secret = "client", scope = "users" }}

[plugins.crm.config.account]
id = "$.id"
username = "$.login"
display_name = "$.name"
email = "$.email"
disabled = {{ path = "$.state", equals = "locked" }}
groups = "$.roles[*].name"

[plugins.crm.config.verify]
path = "/api/logins"
json = {{ credentials = {{ name = "{{username}}", password = "{{password}}" }} }}
account = "$.user"
outcomes = [
    {{ outcome = "accepted", status = 201 }},
    {{ outcome = "unknown", status = 422, path = "$.error", equals = "nobody" }},
    {{ outcome = "rejected", status = 422, path = "$.error", equals = "password" }},
    {{ outcome = "disabled", status = 422, path = "$[?@ == 'state']" }},
]

[plugins.crm.config.lookup]
id = {{ path = "/api/users/{{id}}" }}

[plugins.crm.config.list]
path = "/api/users"
query = {{ size = "{{limit}}" }}
items = "$.data"
paging = {{ type = "page", parameter = "page" }}
deleted = "$.gone"
changed = {{ parameter = "since", format = "unix", overlap = "1h" }}

[users]
chain = ["crm", "local"]

[lockout]
free_tries = 1000
"#,
        built.path.display(),
        crm.origin
    );
    Options::reference("clarico").overlay(&overlay).start().await
}

async fn log_in(server: &TestServer, username: &str, password: &str) -> String {
    let form = [("grant_type", "password"), ("username", username), ("password", password)];
    let caller = server.caller();
    let answer = caller.send(caller.request("POST", "/token").form(&form)).await;
    if answer.status == 200 { "200".to_owned() } else { answer.error() }
}

fn call() -> CallContext {
    CallContext { request_id: "r1".to_owned(), ..CallContext::default() }
}

async fn lookup(server: &TestServer, by: &str, value: &str) -> Result<Option<Account>, PluginError> {
    server.app.registry().directory("crm").unwrap().lookup(&call(), by, value).await.map_err(|ended| ended.error)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_s_users_log_in_and_each_other_answer_is_told_apart() {
    let crm = Crm::start();
    let server = pintle(&crm, "").await;
    server.user("local", "correct horse").await;
    let (ok, no) = ("200", "400 invalid_grant");
    for (username, password, expected) in [
        ("ann", PASSWORD, ok),
        (UNICODE, PASSWORD, ok),
        ("..", PASSWORD, ok),
        ("ann", "wrong", no),
        ("eve", PASSWORD, no),
        ("local", "correct horse", ok),
        ("local", PASSWORD, no),
        ("nobody", PASSWORD, no),
    ] {
        assert_eq!(log_in(&server, username, password).await, expected, "{username}, {password}");
    }
    assert!(crm.log().await.iter().all(|line| !line.contains('?') && !line.contains("w%C3%B6rd")));
    drop(crm);
    assert_eq!(log_in(&server, "ann", PASSWORD).await, "503 temporarily_unavailable");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_found_by_id_with_one_token_for_many_calls() {
    let crm = Crm::start();
    let server = pintle(&crm, "reuse = 128").await;
    let ann = Account {
        id: "1".to_owned(),
        username: "ann".to_owned(),
        display_name: Some("Ann".to_owned()),
        email: Some("ann@example.com".to_owned()),
        groups: vec!["staff".to_owned(), "sales".to_owned()],
        ..Account::default()
    };
    assert_eq!(lookup(&server, "id", "1").await, Ok(Some(ann.clone())));
    assert!(lookup(&server, "id", "4").await.unwrap().unwrap().disabled);
    for id in ["99", "../users/1", "..", ""] {
        assert_eq!(lookup(&server, "id", id).await, Ok(None), "{id}");
    }
    assert!(matches!(lookup(&server, "username", "ann").await, Err(PluginError::Denied(_))));
    let tokens = |log: Vec<String>| log.iter().filter(|line| *line == "POST /oauth/token").count();
    assert_eq!(tokens(crm.log().await), 1);
    // Nobody notices that the API has ended the token.
    crm.send("DELETE", "/tokens", json!(null)).await;
    assert_eq!(lookup(&server, "id", "1").await, Ok(Some(ann)));
    assert_eq!(tokens(crm.log().await), 2);
}

/// A whole run: what it said of whom, and the next cursor.
async fn run(server: &TestServer, cursor: Option<String>, limit: u32) -> (Vec<String>, String) {
    let source = server.app.registry().account_source("crm").unwrap();
    let (mut cursor, mut said) = (cursor, Vec::new());
    loop {
        let page = source.pull(&call(), cursor, limit).await.unwrap();
        assert!(page.changes.len() <= limit as usize);
        said.extend(page.changes.into_iter().map(|change| match change {
            AccountChange::Upsert(account) if account.disabled => format!("{} disabled", account.id),
            AccountChange::Upsert(account) => account.id,
            AccountChange::Delete(id) => format!("{id} gone"),
        }));
        cursor = page.next;
        if page.complete {
            return (said, cursor.unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_run_names_all_accounts_and_the_next_ones_what_has_changed() {
    let crm = Crm::start();
    let server = pintle(&crm, "reuse = 128").await;
    let all = ["1", "2", "3", "4 disabled", "5", "6", "7"];
    let (said, cursor) = run(&server, None, 100).await;
    assert_eq!(said, all);
    assert_eq!(run(&server, None, 2).await.0, all);
    let (said, cursor) = run(&server, Some(cursor), 100).await;
    assert_eq!(said, Vec::<String>::new());
    crm.send("PUT", "/bob", json!({"state": "locked"})).await;
    crm.send("PUT", "/dan", json!({"gone": true})).await;
    crm.send("PUT", "/new", json!({})).await;
    let (said, cursor) = run(&server, Some(cursor), 100).await;
    assert_eq!(said, ["2 disabled", "6 gone", "8"]);
    assert_eq!(run(&server, Some(cursor), 1).await.0, said);
    assert_eq!(run(&server, None, 100).await.0, ["1", "2 disabled", "3", "4 disabled", "5", "7", "8"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_faulty_mapping_keeps_the_server_from_starting_with_each_path() {
    let built = tokio::task::spawn_blocking(|| component("plugins/erp-rest")).await.unwrap();
    let overlay = format!(
        "[plugins.crm]\nsource = \"{}\"\nnetwork = [\"http://127.0.0.1:1\"]\n[plugins.crm.config]\n\
         account = {{ id = \"$.id[\", username = \"$.login\", mail = \"$.m\" }}\n",
        built.path.display()
    );
    let Err(why) = Options::reference("clarico").overlay(&overlay).try_start().await else { panic!("it starts") };
    assert!(why.contains("plugins.crm.config.account.id: \"$.id[\" is no JSON path (RFC 9535)"), "{why}");
    assert!(why.contains("overlay.toml:5: plugins.crm.config.account.mail: unknown key"), "{why}");
}
