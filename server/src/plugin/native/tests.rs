//! Libraries in C, most of them hostile. The compiler is the system's `cc`.

use super::*;
use crate::config::model::{NetworkGrant, PluginLimits};
use crate::plugin::host::Interface;
use crate::plugin::hosted::Hosted;
use crate::plugin::limits::Limits;
use crate::plugin::outbound::{Outbound, Resolver, SystemResolver};
use crate::plugin::private_dir::sha256_hex;
use crate::plugin::testing::FakeServices;
use crate::plugin::{CallError, ScopePolicy as _, UserVerifier as _};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// The bytes of the library, compiled with these definitions. A `MARK` of its own gives each test its own globals.
fn library(folder: &Path, mark: &str, definitions: &[&str]) -> Vec<u8> {
    let manifest_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = folder.join("library.so");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-D_GNU_SOURCE", "-o"])
        .arg(&output)
        .arg(format!("-Wl,-soname,{mark}"))
        .arg(format!("-I{}", manifest_dir.join("../plugin-api/include").display()))
        .args(definitions.iter().map(|definition| format!("-D{definition}")))
        .arg(manifest_dir.join("src/plugin/native/tests/hostile.c"))
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    std::fs::read(output).unwrap()
}

async fn open(mark: &str, definitions: &[&str], config_json: &str) -> (TempDir, Result<NativePlugin, String>) {
    let host = PluginHost::new("p", Arc::new(FakeServices::default()), [Interface::Kv], config_json);
    let folder = tempfile::tempdir().unwrap();
    let loaded = open_in(folder.path(), host, mark, definitions).await;
    (folder, loaded)
}

/// In one folder, the same library is loaded once: all plugins of it have its globals.
async fn open_in(folder: &Path, host: PluginHost, mark: &str, definitions: &[&str]) -> Result<NativePlugin, String> {
    let bytes = library(folder, mark, definitions);
    let private = PrivateDir::open(&folder.join("private")).unwrap();
    NativePlugin::load(bytes.clone(), sha256_hex(&bytes), private, Arc::new(host)).await
}

async fn start(mark: &str) -> (TempDir, Hosted) {
    start_with(mark, &[]).await
}

async fn start_with(mark: &str, definitions: &[&str]) -> (TempDir, Hosted) {
    start_for(|host| host, mark, definitions).await
}

/// - `grant`: what the host offers beside `kv`
async fn start_for(grant: impl Fn(PluginHost) -> PluginHost, mark: &str, definitions: &[&str]) -> (TempDir, Hosted) {
    let folder = tempfile::tempdir().unwrap();
    let plugin = start_in(folder.path(), grant, mark, definitions).await;
    (folder, plugin)
}

async fn start_in(folder: &Path, grant: impl Fn(PluginHost) -> PluginHost, mark: &str, definitions: &[&str]) -> Hosted {
    let host = || grant(PluginHost::new("p", Arc::new(FakeServices::default()), [Interface::Kv], "{}"));
    let plugin = open_in(folder, host(), mark, definitions).await.unwrap();
    plugin.start().await.unwrap().unwrap();
    let limits = Limits::new(PluginLimits { timeout: Some(Duration::from_millis(300)), ..PluginLimits::default() });
    Hosted::new(Box::new(plugin), Arc::new(host()), limits)
}

async fn ask(plugin: &Hosted, username: &str) -> Result<VerifyOutcome, PluginError> {
    call(plugin, username).await.map_err(|ended| ended.error)
}

async fn call(plugin: &Hosted, username: &str) -> Result<VerifyOutcome, CallError> {
    let request = VerifyRequest {
        username: Some(username.to_owned()),
        kind: "password".to_owned(),
        secret: b"secret".to_vec().into(),
        ..VerifyRequest::default()
    };
    plugin.verify(&CallContext::default(), request).await
}

/// Asks until the answer is that; for what happens on other threads.
async fn until(plugin: &Hosted, username: &str, expected: &str) {
    let asking = async {
        while ask(plugin, username).await != rejected(expected) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), asking).await.unwrap();
}

fn rejected(why: &str) -> Result<VerifyOutcome, PluginError> {
    Ok(VerifyOutcome::Rejected(why.to_owned()))
}

#[tokio::test]
async fn a_table_that_is_not_the_headers_is_refused() {
    let cases: &[(&str, &[&str], &str)] = &[
        ("magic", &["MAGIC=\"PINTEL\""], "magic"),
        ("major", &["MAJOR=2"], "version 2.0"),
        ("old", &["MAJOR=0"], "version 0.0"),
        ("size", &["SIZE=64"], "64 bytes"),
        ("null-call", &["CALL=NULL"], "lacks create, call or destroy"),
        ("manifest", &["MANIFEST=\"{\""], "manifest"),
        ("no-entry", &["ENTRY=another_entry"], "does not export"),
        ("null-table", &["NOTHING"], "cannot run here"),
    ];
    for (mark, definitions, expected) in cases {
        let error = open(mark, definitions, "{}").await.1.err().unwrap();
        assert!(error.contains(expected), "{mark}: {error}");
    }
}

#[tokio::test]
async fn another_hash_than_the_configs_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let private = PrivateDir::open(&folder.path().join("private")).unwrap();
    let host = Arc::new(PluginHost::new("p", Arc::new(FakeServices::default()), [], "{}"));
    let load = async |bytes: &[u8], sha256: &str| {
        let loaded = NativePlugin::load(bytes.to_vec(), sha256.to_owned(), private.clone(), Arc::clone(&host)).await;
        loaded.err().unwrap()
    };
    assert!(load(b"library", &sha256_hex(b"another")).await.contains("the entry says"));
    assert!(load(b"library", "").await.contains("the entry says"));
    assert!(load(b"no library", &sha256_hex(b"no library")).await.contains("loader"));
}

#[tokio::test]
async fn the_faults_of_a_config_are_listed() {
    let (_folder, plugin) = open("config", &[], r#"{"faulty":1}"#).await;
    assert_eq!(plugin.unwrap().start().await, Ok(Err(vec!["faulty: is not a key".to_owned()])));
}

#[tokio::test]
async fn a_call_and_its_host_calls_are_answered() {
    let (_folder, plugin) = start("calls").await;
    let Ok(VerifyOutcome::Accepted(accepted)) = ask(&plugin, "ann").await else { unreachable!() };
    assert_eq!((accepted.account.id.as_str(), accepted.amr), ("7", vec!["pwd".to_owned()]));
    assert_eq!(ask(&plugin, "kv").await, rejected("0"));
    assert_eq!(ask(&plugin, "foreign-id").await, rejected("-1"));
    assert_eq!(ask(&plugin, "no-id").await, rejected("1"));
    assert!(matches!(
        plugin.evaluate(&CallContext::default(), ScopeQuery::default()).await,
        Err(CallError { error: PluginError::Internal(_), fault: Fault::Failed })
    ));
}

#[tokio::test]
async fn it_is_known_whose_doing_the_end_of_a_call_was() {
    let (_folder, plugin) = start("faults").await;
    for (name, fault) in [("error", Fault::Failed), ("garbage", Fault::Failed), ("fatal", Fault::Trapped)] {
        assert_eq!(call(&plugin, name).await.unwrap_err().fault, fault, "{name}");
    }
    assert_eq!(call(&plugin, "hang").await.unwrap_err().fault, Fault::TimedOut);
}

#[tokio::test]
async fn no_odd_answer_is_an_acceptance() {
    let (_folder, plugin) = start("answers").await;
    assert_eq!(ask(&plugin, "error").await, Err(PluginError::Unavailable("upstream".to_owned())));
    for odd in ["bad-error", "garbage", "nothing", "unsupported", "unknown-status", "fatal", "big"] {
        assert!(matches!(ask(&plugin, odd).await, Err(PluginError::Internal(_))), "{odd}");
    }
}

#[tokio::test]
async fn a_broken_instance_is_destroyed_and_made_anew() {
    let (_folder, plugin) = start("fatal").await;
    assert_eq!(ask(&plugin, "count").await, rejected("1"));
    assert_eq!(ask(&plugin, "count").await, rejected("2"));
    assert!(ask(&plugin, "fatal").await.is_err());
    assert_eq!(ask(&plugin, "count").await, rejected("1"));
    until(&plugin, "destroyed", "1").await;
}

/// Making it takes twice as long as a call may.
#[tokio::test]
async fn an_instance_that_takes_long_to_make_is_not_lost_with_the_call_that_asked_for_it() {
    let (_folder, plugin) = start_with("slow", &["SLOW_AGAIN=600000"]).await;
    assert!(ask(&plugin, "fatal").await.is_err());
    assert!(matches!(ask(&plugin, "count").await, Err(PluginError::Unavailable(why)) if why.contains("no answer")));
    until(&plugin, "created", "2").await;
}

#[tokio::test]
async fn an_instance_that_cannot_be_made_is_tried_again_later() {
    let (_folder, plugin) = start_with("broken-again", &["BROKEN_AGAIN"]).await;
    assert!(ask(&plugin, "fatal").await.is_err());
    assert!(matches!(ask(&plugin, "count").await, Err(PluginError::Internal(why)) if why.contains("status -3")));
    until(&plugin, "created", "3").await;
}

#[tokio::test]
async fn a_call_that_hangs_keeps_its_instance_and_others_get_a_new_one() {
    let (_folder, plugin) = start("hang").await;
    assert_eq!(ask(&plugin, "count").await, rejected("1"));
    assert!(matches!(ask(&plugin, "hang").await, Err(PluginError::Unavailable(_))));
    assert_eq!(ask(&plugin, "count").await, rejected("1"), "a new instance");
    assert_eq!(ask(&plugin, "destroyed").await, rejected("0"), "the old one is still being called");
    assert_eq!(ask(&plugin, "release").await, rejected("0"));
    until(&plugin, "late-status", "-1").await;
    until(&plugin, "destroyed", "1").await;
}

#[tokio::test]
async fn three_lost_calls_disable_the_plugin_until_one_returns() {
    let (_folder, plugin) = start("lost").await;
    for _ in 0..MAX_LOST {
        assert!(matches!(ask(&plugin, "hang").await, Err(PluginError::Unavailable(why)) if why.contains("no answer")));
    }
    assert!(matches!(ask(&plugin, "count").await, Err(PluginError::Unavailable(why)) if why.contains("disabled")));
}

/// An upstream that takes connections and says nothing.
#[tokio::test]
async fn calls_whose_upstream_hangs_give_their_threads_back_and_others_are_answered() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = url::Url::parse(&format!("http://{}", silent.local_addr().unwrap())).unwrap();
    let network = |host: PluginHost| {
        let (grant, resolver) =
            (NetworkGrant { origin: origin.clone(), private: false, ca: None }, Arc::new(SystemResolver));
        host.with_network(Outbound::new(&[grant], &(resolver as Arc<dyn Resolver>)).unwrap())
    };
    let (_folder, plugin) = start_for(network, "upstream", &["FLAGS=PINTLE_THREADSAFE"]).await;
    let slow = futures_util::future::join_all((0..MAX_LOST).map(|_| ask(&plugin, "upstream")));
    assert_eq!(slow.await.len(), MAX_LOST);
    loop {
        match ask(&plugin, "finished").await {
            Ok(VerifyOutcome::Rejected(count)) if count == MAX_LOST.to_string() => break,
            Ok(VerifyOutcome::Rejected(_)) => tokio::task::yield_now().await,
            other => panic!("while they come back: {other:?}"),
        }
    }
}

#[tokio::test]
async fn instances_whose_destroy_hangs_are_no_more_than_can_be_lost() {
    let (folder, plugin) = start_with("destroy-waits", &["DESTROY_WAITS"]).await;
    for _ in 0..=MAX_LOST {
        assert!(matches!(ask(&plugin, "fatal").await, Err(PluginError::Internal(why)) if why.contains("status -7")));
    }
    assert!(matches!(ask(&plugin, "count").await, Err(PluginError::Unavailable(why)) if why.contains("no answer")));
    let other = start_in(folder.path(), |host| host, "destroy-waits", &["DESTROY_WAITS"]).await;
    assert_eq!(ask(&other, "release").await, rejected("0"));
    until(&plugin, "destroyed", &(MAX_LOST + 1).to_string()).await;
}

#[tokio::test]
async fn a_polite_call_ends_when_it_is_cancelled() {
    let (_folder, plugin) = start("polite").await;
    for _ in 0..MAX_LOST + 1 {
        assert!(
            matches!(ask(&plugin, "polite").await, Err(PluginError::Unavailable(why)) if why.contains("no answer"))
        );
        until(&plugin, "late-status", "0").await;
    }
}

#[tokio::test]
async fn a_caller_who_leaves_early_cancels_the_call_without_losing_the_instance() {
    let (_folder, plugin) = start("leaves").await;
    assert_eq!(ask(&plugin, "count").await, rejected("1"));
    assert!(tokio::time::timeout(Duration::from_millis(50), ask(&plugin, "polite")).await.is_err());
    assert_eq!(ask(&plugin, "count").await, rejected("3"), "the same instance");
}

#[tokio::test]
async fn calls_meet_in_one_instance_only_where_it_is_thread_safe() {
    let (_folder, plugin) = start_with("threadsafe", &["FLAGS=PINTLE_THREADSAFE"]).await;
    let both = tokio::join!(ask(&plugin, "meet"), ask(&plugin, "meet"));
    assert_eq!(both, (Ok(VerifyOutcome::UnknownUser), Ok(VerifyOutcome::UnknownUser)));

    let (_folder, plugin) = start("serialized").await;
    let (one, other) = tokio::join!(ask(&plugin, "meet"), ask(&plugin, "meet"));
    assert!(one.is_err() || other.is_err(), "the first waits in vain for a second");
}
