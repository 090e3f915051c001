//! Four plugins in three packagings: each of the twelve keeps the contract, and a login is the same through all.

use crate::contract::golden;
use crate::plugins::{by_department, component, library};
use pintle::accounts::NewAccount;
use pintle::config::model::{PluginEntry, PluginSource};
use pintle::plugin::registry::{Environment, builtins};
use pintle::plugin::trial::{self, LoadedSubject};
use pintle::store::Batch;
use pintle_plugin_api::conformance::{self, Fixtures, Report};
use pintle_tests::{Answer, Options, TestServer, environment};
use serde_json::Value;
use tokio::runtime::Handle;

const PLUGINS: [&str; 4] = ["accounts", "scope-rules", "jwt", "opaque"];

fn entry(source: PluginSource, sha256: Option<String>) -> PluginEntry {
    let allow = Some(["accounts", "crypto", "kv"].map(str::to_owned).to_vec());
    PluginEntry { sha256, allow, required: true, ..PluginEntry::new(source) }
}

/// A server whose accounts and keys the plugins under test use.
pub async fn world() -> (TestServer, Environment, Fixtures) {
    let config = include_str!("../fixtures/reference/clarico.toml").replace("RS256", "EdDSA");
    let server = Options::new(config).start().await;
    let core = &server.app.core();
    for name in ["ann", "bob"] {
        let password = Some("correct horse".to_owned().into());
        let new = NewAccount { username: name.into(), password, ..NewAccount::default() };
        let account = core.accounts.create(new).await.unwrap();
        core.accounts.set_disabled(&account.id, name == "bob", Batch::new()).await.unwrap();
    }
    let environment = environment(core, builtins(), &server.folder.path().join("plugins"));
    let key_id = core.keys.list().first().unwrap().id.clone();
    (server, environment, Fixtures { key_id, ..Fixtures::default() })
}

pub async fn report(entry: PluginEntry, environment: &Environment, fixtures: &Fixtures) -> Report {
    let plugin = trial::load(entry.clone(), environment).await.unwrap();
    let subject = LoadedSubject::new(entry, plugin, environment.clone(), Handle::current());
    let fixtures = fixtures.clone();
    tokio::task::spawn_blocking(move || conformance::run(&subject, &fixtures)).await.unwrap()
}

async fn all_packagings_conform(name: &str) {
    let (_server, environment, fixtures) = world().await;
    let folder = format!("plugins/{name}");
    let (wasm, native) = tokio::task::spawn_blocking(move || (component(&folder), library(&folder))).await.unwrap();
    let entries = [
        entry(PluginSource::Builtin(name.to_owned()), None),
        entry(PluginSource::Native(native.path), Some(native.sha256)),
        entry(PluginSource::Wasm(wasm.path), Some(wasm.sha256)),
    ];
    let mut reports = Vec::new();
    for entry in entries {
        let report = report(entry, &environment, &fixtures).await;
        assert!(report.passed(), "{report}");
        reports.push(report);
    }
    assert_eq!(reports[0].outcomes, reports[1].outcomes);
    assert_eq!(reports[0].outcomes, reports[2].outcomes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_conforms_in_all_packagings() {
    all_packagings_conform(PLUGINS[0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scope_rules_conforms_in_all_packagings() {
    all_packagings_conform(PLUGINS[1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jwt_conforms_in_all_packagings() {
    all_packagings_conform(PLUGINS[2]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opaque_conforms_in_all_packagings() {
    all_packagings_conform(PLUGINS[3]).await;
}

/// The lines of an entry for a plugin's file, or for the linked-in one.
fn source(name: &str, packaging: &str) -> String {
    let file = |built: pintle::plugin::build::BuiltPlugin| {
        format!("source = \"{}\"\nsha256 = \"{}\"\n", built.path.display(), built.sha256)
    };
    match packaging {
        "released" => format!("source = \"{}\"\n", golden(name).display()),
        "wasm" => file(component(&format!("plugins/{name}"))),
        "native" => file(library(&format!("plugins/{name}"))),
        _ => format!("source = \"builtin:{name}\"\n"),
    }
}

fn configuration(packaging: &str, format: &str) -> String {
    let entry = |key: &str, name: &str, more: &str| format!("[plugins.{key}]\n{}{more}", source(name, packaging));
    let verifier = entry("users", "accounts", "allow = [\"accounts\"]\nrequired = true\n");
    let rules = "config = { rules = [{ scopes = [\"write\"], users = [\"ann\"] }] }\nrequired = true\n";
    let policy = entry("rules", "scope-rules", rules);
    let allowed = if format == "jwt" { "allow = [\"crypto\"]\n" } else { "" };
    let tokens = entry("tokens", format, &format!("{allowed}required = true\n"));
    format!(
        "issuer = \"http://127.0.0.1:{{port}}\"\ndata_dir = \"data\"\n[listen]\naddress = \"127.0.0.1:{{port}}\"\n\
         [tokens.access]\nformat = \"tokens\"\n[trust]\nnative = true\n\
         [[clients]]\nid = \"app\"\ntype = \"confidential\"\nsecret = {{ value = \"secret\" }}\ntrusted = true\n\
         grants = [\"password\", \"refresh_token\"]\nscopes = [\"read\", \"write\"]\n\
         {verifier}{policy}{tokens}[users]\nchain = [\"users\"]\n[scopes]\npolicies = [\"rules\"]\n"
    )
}

/// The answer without what differs from token to token.
fn comparable(answer: &Answer) -> Value {
    let mut value = answer.json();
    for name in ["access_token", "refresh_token", "jti", "iat", "exp", "auth_time", "sub", "iss", "aud"] {
        if let Some(field) = value.get_mut(name) {
            *field = Value::Bool(!field.is_null());
        }
    }
    value
}

/// All answers of a session: logins right, wrong and unknown, by two users; introspection; a refresh.
async fn session(packaging: &'static str, format: &'static str) -> Vec<Value> {
    let configuration = tokio::task::spawn_blocking(move || configuration(packaging, format)).await.unwrap();
    let server = Options::new(configuration).start().await;
    server.user("ann", "correct horse").await;
    server.user("eve", "correct horse").await;
    let caller = server.caller();
    let call = async |path: &str, body: &str| caller.post_as("app", "secret", path, body).await;
    let mut seen = Vec::new();
    for (name, password) in [("ann", "correct horse"), ("eve", "correct horse"), ("ann", "wrong"), ("bob", "wrong")] {
        let answer = call("/token", &format!("grant_type=password&username={name}&password={password}")).await;
        assert!(answer.status == 200 || answer.status == 400, "{packaging}: {}", answer.text);
        seen.push(comparable(&answer));
        if answer.status == 200 {
            assert_eq!(answer.field("access_token").contains('.'), format == "jwt");
            seen.push(comparable(&call("/introspect", &format!("token={}", answer.field("access_token"))).await));
            let refresh = format!("grant_type=refresh_token&refresh_token={}", answer.field("refresh_token"));
            seen.push(comparable(&call("/token", &refresh).await));
        }
    }
    assert_eq!(seen[0]["scope"], "read write");
    assert_eq!(seen[1]["active"], true);
    assert_eq!(seen[3]["scope"], "read", "the policy narrows");
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_through_three_plugins_is_the_same_in_every_packaging() {
    for format in ["jwt", "opaque"] {
        let linked = session("linked", format).await;
        assert_eq!(session("wasm", format).await, linked);
        assert_eq!(session("native", format).await, linked);
        assert_eq!(session("released", format).await, linked);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_in_javascript_decides_the_scopes() {
    let file = tokio::task::spawn_blocking(by_department).await.unwrap();
    let overlay = format!(
        "[plugins.departments]\nsource = \"{}\"\nrequired = true\nlimits = {{ timeout = \"5s\", cpu = \"2s\" }}\n\
         config = {{ default = [\"read\"], departments = {{ sales = [\"write\"] }} }}\n\
         [scopes]\npolicies = [\"departments\"]\n",
        file.display()
    );
    let server = Options::reference("clarico").overlay(&overlay).start().await;
    for (name, groups) in [("ann", vec!["department:sales".to_owned()]), ("eve", vec![])] {
        let password = Some("correct horse".to_owned().into());
        let new = NewAccount { username: name.into(), password, groups, ..NewAccount::default() };
        server.app.core().accounts.create(new).await.unwrap();
    }
    let login = async |name: &str| {
        let body = format!("grant_type=password&username={name}&password=correct horse");
        server.caller().post("/token", &body).await.field("scope")
    };
    assert_eq!(login("ann").await, "read write");
    assert_eq!(login("eve").await, "read");
}
