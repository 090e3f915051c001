//! A component's accounts are synced: who vanished there is logged out here.

use crate::plugins::component;
use crate::vendor::shell;
use pintle::admin::{self, Command, Question, SyncRun};
use pintle::clock::{Clock as _, SystemClock};
use pintle::keys::{MasterKey, MasterKeyOrigin};
use pintle::store::Store;
use pintle::store::memory::MemoryStore;
use pintle_tests::{Options, TestServer};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

fn config(plugin: &Path, users: &str) -> String {
    format!(
        r#"
issuer = "https://id.example.com"
data_dir = "data"
[log]
audit = "audit.log"
[listen]
address = "127.0.0.1:{{port}}"
[[clients]]
id = "app"
type = "confidential"
secret = {{ value = "app-secret" }}
trusted = true
grants = ["password", "refresh_token"]
scopes = ["read"]
[plugins.erp]
source = {plugin:?}
config = {{ users = [{users}] }}
allow = ["kv"]
secrets = {{ key = {{ value = "s3cret" }} }}
[users]
chain = ["erp"]
sync = [{{ plugin = "erp", refuse_removal_over = "40%" }}]
"#
    )
}

async fn start(plugin: &Path, users: &str, store: Arc<dyn Store>) -> TestServer {
    let mut options = Options::new(config(plugin, users));
    options.store = Some(store);
    options.customize =
        Some(Box::new(|builder| builder.master_key(MasterKey::new([7; 32]), MasterKeyOrigin::Env("TEST".to_owned()))));
    options.start().await
}

async fn run(server: &TestServer, force: bool) -> Result<Value, String> {
    let mut step = SyncRun { plugin: "erp".to_owned(), number: None, full: true, force };
    loop {
        let answer = admin::execute(&server.app.core(), Command::SyncRun(step.clone())).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if answer["done"] == true {
            return Ok(answer["counts"].clone());
        }
        step.number = answer["number"].as_u64();
    }
}

async fn log_in(server: &TestServer, name: &str) -> (u16, String) {
    let body = format!("grant_type=password&username={name}&password=s3cret");
    let answer = server.caller().post_as("app", "app-secret", "/token", &body).await;
    (answer.status, answer.field("access_token"))
}

/// The accounts that the audit log calls withdrawn, once it has so many.
async fn withdrawn(server: &TestServer, count: usize) -> Vec<Value> {
    let path = server.folder.path().join("audit.log");
    loop {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let found: Vec<Value> = lines.filter(|line| line["event"] == "account.withdrawn").collect();
        if found.len() >= count {
            return found;
        }
        tokio::task::yield_now().await;
    }
}

async fn is_active(server: &TestServer, token: &str) -> bool {
    let answer = server.caller().post_as("app", "app-secret", "/introspect", &format!("token={token}")).await;
    answer.json()["active"] == true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_synced_account_that_vanished_is_logged_out_and_one_that_is_not_named_yet_may_log_in() {
    let plugin = tokio::task::spawn_blocking(|| component("tests/kinds").path).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(SystemClock::new())));
    let server = start(&plugin, r#""ann", "bob", "cid""#, store.clone()).await;
    assert_eq!(run(&server, false).await.unwrap()["added"], 3);
    let (_, ann) = log_in(&server, "ann").await;
    let (_, bob) = log_in(&server, "bob").await;
    drop(server);

    let server = start(&plugin, r#""ann", "cid", "new""#, store.clone()).await;
    assert!(is_active(&server, &bob).await, "nobody knows yet");
    assert_eq!(log_in(&server, "new").await.0, 200);
    let counts = run(&server, false).await.unwrap();
    assert_eq!((&counts["added"], &counts["removed"]), (&1.into(), &1.into()));
    assert!(is_active(&server, &ann).await && !is_active(&server, &bob).await);
    let lines = withdrawn(&server, 1).await;
    assert_eq!((lines.len(), &lines[0]["target"], &lines[0]["username"]), (1, &"erp/id-bob".into(), &"bob".into()));
    drop(server);

    // The verifier has bob again, the sync does not know it yet.
    let server = start(&plugin, r#""bob""#, store).await;
    assert_eq!(log_in(&server, "bob").await.0, 400);
    let question = Question { username: "bob".into(), password: None, client: None, scopes: Vec::new() };
    let question = Question { password: Some("s3cret".to_owned().into()), ..question };
    let answer = admin::execute(&server.app.core(), Command::ExplainLogin(question)).await.unwrap();
    assert_eq!(answer["hindrance"], "the sync knows the account as gone or disabled", "{answer}");
    let refused = run(&server, false).await.unwrap_err();
    assert!(refused.contains("3 of 3") && refused.contains("--force"), "{refused}");
    assert!(!is_active(&server, &bob).await, "what has ended stays ended");
    assert_eq!(log_in(&server, "bob").await.0, 200, "but it was named");
    assert_eq!(run(&server, true).await.unwrap()["removed"], 3);
    let list = admin::execute(&server.app.core(), Command::SyncList).await.unwrap();
    assert_eq!((&list["items"][0]["accounts"], &list["items"][0]["state"]), (&1.into(), &"in sync".into()));
}

/// Otherwise the answer would tell that the password is right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_withdrawn_is_refused_as_for_a_wrong_password() {
    let plugin = tokio::task::spawn_blocking(|| component("tests/kinds").path).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(SystemClock::new())));
    let server = start(&plugin, r#""ann", "bob", "cid""#, store.clone()).await;
    run(&server, false).await.unwrap();
    drop(server);
    let server = start(&plugin, r#""ann", "cid""#, store.clone()).await;
    run(&server, false).await.unwrap();
    drop(server);
    let server = start(&plugin, r#""ann", "bob", "cid""#, store.clone()).await;
    let attempt = async |password: &str| {
        let (began, body) = (server.clock.now_ms(), format!("grant_type=password&username=bob&password={password}"));
        let answer = server.caller().post_as("app", "app-secret", "/token", &body).await;
        (answer.status, answer.text, server.clock.now_ms() - began)
    };
    let wrong = attempt("wrong").await;
    assert_eq!((wrong.0, wrong.2), (400, 500));
    for _ in 0..4 {
        assert_eq!(attempt("s3cret").await, wrong);
    }
    assert_eq!(attempt("s3cret").await.0, 429, "each was a failed try");
    let audit = std::fs::read_to_string(server.folder.path().join("audit.log")).unwrap();
    let rejected: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let why =
        |line: &&Value| line["event"] == "login.rejected" && line.to_string().contains("the sync knows it as gone");
    assert_eq!(rejected.iter().filter(why).count(), 4, "{audit}");
    drop(server);

    // Without the sync nobody knows; that is said.
    let server = start(&plugin, r#""ann", "bob", "cid""#, store).await;
    let file = server.folder.path().join("pintle.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("sync = [", "# sync = [")).unwrap();
    let reloaded = admin::execute_live(&*server.app, Command::Reload { plugin: None }).await.unwrap();
    assert!(reloaded["warnings"].to_string().contains("`erp` are not synced any more"), "{reloaded}");
}

/// The commands as an operator types them, on a server's folder.
struct Commands {
    folder: TempDir,
    plugin: PathBuf,
}

impl Commands {
    /// What the command printed, where it ended with `code`.
    fn run(&self, line: &str, code: i32) -> String {
        let out = shell(self.folder.path(), &format!("pintle --config pintle.toml {line} 2>&1; [ $? = {code} ]"));
        out.lines().filter(|line| !line.contains(" WARN ")).map(|line| format!("{line}\n")).collect()
    }

    /// What a dry run would do: its differences, and whether the run would be refused.
    fn differences(&self) -> (Vec<String>, bool) {
        let said: Value = serde_json::from_str(&self.run("sync run erp --full --dry-run --json", 0)).unwrap();
        let text = |of: &Value, key: &str| of[key].as_str().unwrap().to_owned();
        let line = |of: &Value| format!("{} {}", text(of, "what"), text(of, "username"));
        let mut lines: Vec<String> = said["differences"].as_array().unwrap().iter().map(line).collect();
        lines.sort();
        (lines, said["refused"] == true)
    }

    /// The source has these accounts from now on.
    fn has(&self, users: &str) {
        std::fs::write(self.folder.path().join("pintle.toml"), config(&self.plugin, users).replace("{port}", "0"))
            .unwrap();
    }
}

#[test]
fn a_dry_run_lists_what_the_run_then_does() {
    let commands = Commands { folder: tempfile::tempdir().unwrap(), plugin: component("tests/kinds").path };
    commands.has(r#""ann", "bob", "cat", "disabled-dan""#);
    let added = ["add ann", "add bob", "add cat", "add disabled-dan"].map(str::to_owned).to_vec();
    for _ in 0..2 {
        assert_eq!(commands.differences(), (added.clone(), false), "a dry run changes nothing");
    }
    let done = commands.run("sync run erp --full", 0);
    assert!(done.contains("4 added, 0 changed, 0 disabled, 0 unchanged, 0 removed; 4 accounts"), "{done}");
    assert_eq!(commands.differences(), (Vec::new(), false));
    commands.has(r#""ann", "eve", "cat", "disabled-dan""#);
    assert_eq!(commands.differences(), (["add eve", "remove bob"].map(str::to_owned).to_vec(), false));
    commands.has(r#""ann", "disabled-dan""#);
    assert_eq!(commands.differences(), (["remove bob", "remove cat"].map(str::to_owned).to_vec(), true));
    let refused = commands.run("sync run erp --full", 1);
    assert!(refused.contains("refuse_removal_over"), "{refused}");
    let forced = commands.run("sync run erp --full --force", 0);
    assert!(forced.contains("0 added, 0 changed, 0 disabled, 2 unchanged, 2 removed; 2 accounts"), "{forced}");
}
