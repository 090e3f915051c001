//! A plugin of every kind that a backend can be, in three packagings: the answers are the same.

use crate::contract::golden;
use crate::plugins::{component, library};
use pintle::clock::SystemClock;
use pintle::config::model::{NetworkGrant, PluginEntry, PluginSource, SecretSource, Trust};
use pintle::entropy::SystemEntropy;
use pintle::plugin::registry::{Environment, LoadedPlugin, Registry};
use pintle::plugin::trial::{self, LoadedSubject, Trial, TrialFixtures};
use pintle_plugin_api::conformance::{self, Fixtures, Report};
use pintle_plugin_api::{CallContext, Event, PluginError, VerifyRequest};
use pintle_tests::{Options, TestServer};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

/// A server that takes what is posted with the right key.
async fn receiver() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = vec![0; 16 * 1024];
            let length = stream.read(&mut bytes).await.unwrap_or(0);
            let known = String::from_utf8_lossy(&bytes[..length]).contains("authorization: Bearer s3cret\r\n");
            let status = if known { "200 OK" } else { "401 Unauthorized" };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    origin
}

async fn server() -> TestServer {
    Options::reference("clarico").start().await
}

fn environment(server: &TestServer) -> Environment {
    let builtins = BTreeMap::from([("kinds".to_owned(), pintle_test_kinds::linked())]);
    pintle_tests::environment(&server.app.core(), builtins, &server.folder.path().join("plugins"))
}

fn entry(packaging: &str, origin: &str) -> PluginEntry {
    let (source, sha256) = match packaging {
        "wasm" => (PluginSource::Wasm(component("tests/kinds").path), None),
        "released" => (PluginSource::Wasm(golden("kinds")), None),
        "native" => {
            let built = library("tests/kinds");
            (PluginSource::Native(built.path), Some(built.sha256))
        }
        _ => (PluginSource::Builtin("kinds".to_owned()), None),
    };
    let origin = NetworkGrant { origin: origin.parse().unwrap(), private: false, ca: None };
    PluginEntry {
        sha256,
        config_json: format!(r#"{{"users":["ann","bob","disabled-eve"],"url":"{}hook"}}"#, origin.origin),
        allow: Some(vec!["kv".to_owned()]),
        required: true,
        network: vec![origin],
        secrets: BTreeMap::from([("key".to_owned(), SecretSource::Value("s3cret".to_owned().into()))]),
        ..PluginEntry::new(source)
    }
}

async fn load(packaging: &'static str, origin: String, environment: &Environment) -> Arc<LoadedPlugin> {
    let entry = tokio::task::spawn_blocking(move || entry(packaging, &origin)).await.unwrap();
    let trust = Trust { native: true, ..Trust::default() };
    let entries = BTreeMap::from([("kinds".to_owned(), entry)]);
    let registry = Registry::load(&entries, &trust, environment).await.unwrap_or_else(|errors| panic!("{errors:?}"));
    registry.plugin("kinds").unwrap().clone()
}

fn call() -> CallContext {
    CallContext { request_id: "r1".to_owned(), ..CallContext::default() }
}

fn event(id: &str) -> Event {
    Event { id: id.to_owned(), kind: "login.accepted".to_owned(), at_ms: 7, json: format!(r#"{{"id":"{id}"}}"#) }
}

/// Everything that the plugin says to a fixed list of questions.
async fn answers(plugin: &LoadedPlugin) -> Vec<String> {
    let mut said = vec![format!("{:?} {:?}", plugin.kinds, plugin.grant_types)];
    let verifier = plugin.as_user_verifier().unwrap();
    for (name, secret) in [("ann", "s3cret"), ("ann", "wrong"), ("nobody", "s3cret")] {
        let request = VerifyRequest {
            username: Some(name.to_owned()),
            kind: "password".to_owned(),
            secret: secret.as_bytes().to_vec().into(),
            ..VerifyRequest::default()
        };
        said.push(format!("{:?}", verifier.verify(&call(), request).await));
    }
    let directory = plugin.as_directory().unwrap();
    for (by, value) in [("id", "id-ann"), ("username", "bob"), ("username", "nobody"), ("email", "ann")] {
        said.push(format!("{:?}", directory.lookup(&call(), by, value).await));
    }
    let account = directory.lookup(&call(), "username", "ann").await.unwrap().unwrap();
    let scopes = ["read".to_owned(), "write".to_owned()];
    said.push(format!("{:?}", plugin.as_claims().unwrap().enrich(&call(), &account, &scopes, "access-token").await));
    let source = plugin.as_account_source().unwrap();
    for cursor in [None, Some("2"), Some("x")] {
        said.push(format!("{:?}", source.pull(&call(), cursor.map(str::to_owned), 2).await));
    }
    let sink = plugin.as_event_sink().unwrap();
    said.push(format!("{:?}", sink.deliver(&call(), vec![event("a"), event("b")]).await));
    let grant = plugin.as_extension_grant().unwrap();
    for (grant_type, name, value) in
        [("urn:example:badge", "badge", "ann"), ("urn:example:badge", "other", "ann"), ("urn:other", "badge", "ann")]
    {
        let params = vec![(name.to_owned(), value.to_owned())];
        said.push(format!("{:?}", grant.exchange(&call(), grant_type, params).await));
    }
    said
}

/// What the conformance kit says of the linked-in plugin.
async fn linked_report(origin: &str, environment: &Environment) -> Report {
    let entry = entry("linked", origin);
    let fixtures = Fixtures {
        config_json: entry.config_json.clone(),
        password: "s3cret".to_owned(),
        disabled: None,
        grant_params: vec![("badge".to_owned(), "ann".to_owned())],
        ..Fixtures::default()
    };
    let plugin = trial::load(entry.clone(), environment).await.unwrap();
    let subject = LoadedSubject::new(entry, plugin, environment.clone(), Handle::current());
    tokio::task::spawn_blocking(move || conformance::run(&subject, &fixtures)).await.unwrap()
}

/// What `pintle plugin test` says of a file.
async fn file_report(packaging: &'static str, origin: String) -> Report {
    let fixtures = format!(
        "password = \"s3cret\"\ndisabled = \"\"\nupstream = \"{origin}\"\ngrant_params = {{ badge = \"ann\" }}\n\
         secrets = {{ key = \"s3cret\" }}\n\
         [config]\nusers = [\"ann\", \"bob\", \"disabled-eve\"]\nurl = \"{{upstream}}/hook\"\n"
    );
    let runtime = Handle::current();
    let run = move || {
        let path = if packaging == "wasm" { component("tests/kinds").path } else { library("tests/kinds").path };
        let fixtures = TrialFixtures::parse(&fixtures).unwrap();
        let (clock, entropy) = (Arc::new(SystemClock::new()), Arc::new(SystemEntropy));
        Trial::new(&path, fixtures, clock, entropy, runtime).unwrap().run()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_has_one_report_in_every_packaging() {
    let (server, origin) = (server().await, receiver().await);
    let linked = linked_report(&origin, &environment(&server)).await;
    assert!(linked.passed(), "{linked}");
    let native = file_report("native", origin.clone()).await;
    assert!(native.passed(), "{native}");
    let wasm = file_report("wasm", origin).await;
    assert_eq!(native, wasm);
    let (as_linked, besides) = native.outcomes.split_at(linked.outcomes.len());
    assert_eq!(as_linked, linked.outcomes);
    let besides: Vec<_> = besides.iter().map(|outcome| outcome.kind.as_str()).collect();
    assert_eq!(besides, ["restarts", "concurrency", "dead host", "dead upstream", "slow upstream"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_answers_the_same_in_every_packaging() {
    let (server, origin) = (server().await, receiver().await);
    let environment = environment(&server);
    let linked = answers(&*load("linked", origin.clone(), &environment).await).await;
    assert!(linked[1].starts_with("Ok(Accepted(") && linked[2].contains("Rejected") && linked[3].contains("Unknown"));
    assert!(linked.contains(&r#"Ok(["a", "b"])"#.to_owned()), "{linked:#?}");
    for packaging in ["native", "wasm", "released"] {
        assert_eq!(answers(&*load(packaging, origin.clone(), &environment).await).await, linked, "{packaging}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_granted_is_denied_in_every_packaging() {
    let (server, origin) = (server().await, receiver().await);
    let environment = environment(&server);
    for packaging in ["linked", "native", "wasm"] {
        let granted = origin.clone();
        let entry = tokio::task::spawn_blocking(move || entry(packaging, &granted)).await.unwrap();
        let entry = PluginEntry { network: Vec::new(), secrets: BTreeMap::new(), ..entry };
        let trust = Trust { native: true, ..Trust::default() };
        let entries = BTreeMap::from([("kinds".to_owned(), entry)]);
        let registry = Registry::load(&entries, &trust, &environment).await.unwrap();
        let plugin = registry.plugin("kinds").unwrap();
        let delivered = plugin.as_event_sink().unwrap().deliver(&call(), vec![event("a")]).await;
        let why = "the plugin's entry grants no `network`".to_owned();
        assert_eq!(delivered.map_err(|ended| ended.error), Err(PluginError::Denied(why)), "{packaging}");
        let request =
            VerifyRequest { username: Some("ann".to_owned()), kind: "password".to_owned(), ..VerifyRequest::default() };
        let verified = plugin.as_user_verifier().unwrap().verify(&call(), request).await;
        let verified = verified.map_err(|ended| ended.error);
        assert!(matches!(verified, Err(PluginError::Denied(_))), "{packaging}: {verified:?}");
    }
}

/// The linked plugin's own answers have the shapes that the comparison above relies on.
#[test]
fn the_test_plugin_says_what_its_manifest_says() {
    let toml = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("kinds/plugin.toml")).unwrap();
    let manifest = (pintle_test_kinds::linked().manifest)();
    assert_eq!(pintle_plugin_api::testing::missing_from_plugin_toml(&toml, &manifest), Vec::<String>::new());
}
