//! What plugins cost: a call by packaging and language, memory over many calls, loading again what was compiled before.
//!
//! In Rust it is the scope policy `scope-rules`, in JavaScript `by-department`, in Python a verifier that does not know the
//! user: what they do themselves is next to nothing. What calls the host reads a key
//! of its table that is not there.

use super::bar::{self, Bar, median, row};
use super::languages;
use super::memory::resident_mib;
use super::process;
use futures_util::future::{BoxFuture, join_all};
use pintle::app::{App, Builder};
use pintle::config::model::{Config, PluginEntry, PluginSource, Trust};
use pintle::config::{self, LoadOptions};
use pintle::plugin::build::{BuildOptions, build, build_native};
use pintle::plugin::private_dir::sha256_hex;
use pintle::plugin::registry::{Environment, Registry, builtins};
use pintle_plugin_api::{CallContext, ScopeQuery, VerifyRequest};
use pintle_tests::environment;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// An entry, what it is, how often it is called, and the bar in microseconds.
const CALLS: [(&str, &str, usize, Bar); 8] = [
    ("linked", "linked in", 4000, Bar::None),
    (HOP, "floor of native: to a thread that waits, and back", 4000, Bar::None),
    ("native", "native, with the hop to a thread", 4000, Bar::Below(40.0)),
    ("fresh", "Wasm from Rust, fresh instance", 4000, Bar::Below(50.0)),
    ("reused", "Wasm from Rust, reused instance", 4000, Bar::Below(15.0)),
    ("javascript", "Wasm from JavaScript, fresh instance", 500, Bar::Below(3000.0)),
    ("python", "Wasm from Python, fresh instance", 500, Bar::Below(3000.0)),
    ("host", "Wasm from Rust, fresh instance, with a host call", 1000, Bar::None),
];
/// No plugin: what waking a thread and being woken by it costs here, which differs between machines more than all else.
const HOP: &str = "hop";
/// Calls before memory is looked at, and calls over which it must not grow by more than this, in MiB.
const WARM_UP: usize = 1000;
const MANY: usize = 10_000;
const GROWTH: Bar = Bar::Below(4.0);
/// How many of those are under way at once.
const AT_ONCE: usize = 8;
const LOADS: usize = 15;

fn configuration(folder: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let options = BuildOptions { target_dir: Some(root.join("target/plugins")), ..BuildOptions::default() };
    let wasm = build(&root.join("plugins/scope-rules"), &options, &mut |_| {}).unwrap();
    let host = build(&root.join("tests/hostile"), &options, &mut |_| {}).unwrap();
    let native = build_native(&root.join("plugins/scope-rules"), &options, &mut |_| {}).unwrap();
    let entry = |name: &str, rest: &str| format!("[plugins.{name}]\nrequired = true\n{rest}\n");
    let component = |file: &Path| format!("source = \"{}\"", file.display());
    let text = [
        "issuer = \"http://127.0.0.1:1\"\ndata_dir = \"data\"\n[listen]\naddress = \"127.0.0.1:1\"\n[trust]\nnative = true\n".to_owned(),
        entry("linked", "source = \"builtin:scope-rules\""),
        entry("native", &format!("source = \"{}\"\nsha256 = \"{}\"", native.path.display(), native.sha256)),
        entry("fresh", &component(&wasm.path)),
        entry("reused", &format!("{}\nreuse = 128", component(&wasm.path))),
        entry("javascript", &component(&languages::javascript())),
        entry("host", &format!("{}\nallow = [\"kv\"]", component(&host.path))),
        entry("python", &format!("{}\nallow = [\"crypto\"]", component(&languages::python()))),
    ];
    let file = folder.join("pintle.toml");
    std::fs::write(&file, text.concat()).unwrap();
    file
}

/// A call of a plugin that answers.
type Calling = Box<dyn Fn() -> BoxFuture<'static, ()>>;

fn calling(registry: &Registry, name: &str) -> Calling {
    if name == HOP {
        return hop();
    }
    if let Ok(policy) = registry.scope_policy(name) {
        let client_json =
            r#"{"id":"app","name":"App","type":"public","trusted":true,"scopes":["read","write"]}"#.to_owned();
        let requested = vec!["read".to_owned(), "write".to_owned()];
        let query = ScopeQuery { client_json, requested, ..ScopeQuery::default() };
        return Box::new(move || {
            let (policy, query) = (Arc::clone(&policy), query.clone());
            Box::pin(async move { drop(policy.evaluate(&CallContext::default(), query).await.unwrap()) })
        });
    }
    let verifier = registry.user_verifier(name).unwrap();
    let username = if name == "host" { "abuse kv-get" } else { "zoe" };
    Box::new(move || {
        let verifier = Arc::clone(&verifier);
        let request = VerifyRequest {
            username: Some(username.to_owned()),
            kind: "password".to_owned(),
            ..VerifyRequest::default()
        };
        Box::pin(async move { drop(verifier.verify(&CallContext::default(), request).await.unwrap()) })
    })
}

/// A job to a thread, and its answer, by the channels that native calls use.
fn hop() -> Calling {
    let (jobs, inbox) = std::sync::mpsc::channel::<tokio::sync::oneshot::Sender<()>>();
    std::thread::spawn(move || inbox.into_iter().for_each(|answer| answer.send(()).unwrap()));
    Box::new(move || {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        jobs.send(sender).unwrap();
        Box::pin(async move { receiver.await.unwrap() })
    })
}

pub async fn figures() {
    let folder = tempfile::tempdir().unwrap();
    let file = configuration(folder.path());
    let config = config::load(&LoadOptions { file: Some(file), ..LoadOptions::default() });
    let config = config.unwrap_or_else(|errors| panic!("{errors}")).config;
    let app = Builder::new(config.clone()).build().await.unwrap();
    // Long before they are loaded: a file that was just written is read again every time.
    let bundles = ["javascript", "python"].map(|name| (name, in_bundle(&config.plugins[name], folder.path())));
    growth(&app).await;
    bar::missed_elsewhere(process::calls_on_core_0());
    calls(&app, &["linked", HOP, "native"], |_| Bar::None, "both cores").await;
    loads(&app, &config, BTreeMap::from(bundles), folder.path()).await;
}

/// A process of its own, so that all its threads are where it is: between two cores a call's time is that of waking the
/// other one, which takes a virtual machine ten times as long as the call.
pub async fn calls_alone() {
    let folder = tempfile::tempdir().unwrap();
    let config = config::load(&LoadOptions { file: Some(configuration(folder.path())), ..LoadOptions::default() });
    let app = Builder::new(config.unwrap_or_else(|errors| panic!("{errors}")).config).build().await.unwrap();
    calls(&app, &CALLS.map(|(name, ..)| name), |bar| bar, "one core").await;
}

/// In turn, so that a noisy machine disturbs all.
async fn calls(app: &App, names: &[&str], bar: impl Fn(Bar) -> Bar, cores: &str) {
    let chosen: Vec<_> = CALLS.iter().filter(|(name, ..)| names.contains(name)).collect();
    let plugins: Vec<_> = chosen.iter().map(|(name, ..)| calling(&app.registry(), name)).collect();
    let mut micros = vec![Vec::new(); chosen.len()];
    for at in 0..chosen.iter().map(|(_, _, count, _)| *count).max().unwrap_or(0) {
        for ((call, (_, _, count, _)), micros) in plugins.iter().zip(&chosen).zip(&mut micros) {
            if at < *count {
                let started = Instant::now();
                call().await;
                micros.push(started.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
    for ((_, shown, _, aim), micros) in chosen.iter().zip(micros) {
        row(&format!("plugin call, p50, {cores}: {shown}"), median(micros), "us", bar(*aim));
    }
}

/// This process's memory: what every call left behind would be there ten thousand times.
async fn growth(app: &App) {
    for (name, shown, _, _) in CALLS.iter().filter(|(name, ..)| ![HOP, "linked"].contains(name)) {
        let call = calling(&app.registry(), name);
        let many = async |calls: usize| {
            for _ in 0..calls / AT_ONCE {
                join_all((0..AT_ONCE).map(|_| call())).await;
            }
        };
        many(WARM_UP).await;
        let before = resident_mib("self");
        many(MANY).await;
        row(&format!("memory growth over 10,000 calls: {shown}"), resident_mib("self") - before, "MiB", GROWTH);
    }
}

/// From the file to the first answer, with everything that a load checks: at a start, when nothing is known but what is in
/// the cache, and at a reload, when a file that is as it was need not be read again.
async fn loads(app: &App, config: &Config, mut bundles: BTreeMap<&str, PluginEntry>, folder: &Path) {
    let environment = || environment(&app.core(), builtins(), &folder.join("cache"));
    for (name, shown, bundled, at_start) in [
        ("fresh", "Rust", false, Bar::Below(5.0)),
        ("javascript", "JavaScript", false, Bar::Below(5.0)),
        ("javascript", "JavaScript, bundle", true, Bar::Below(5.0)),
        // 18 MB to hash, and twice that to check.
        ("python", "Python", false, Bar::None),
        ("python", "Python, bundle", true, Bar::None),
    ] {
        let bundle = if bundled { bundles.remove(name) } else { None };
        let entry = bundle.unwrap_or_else(|| config.plugins[name].clone());
        let entries = BTreeMap::from([(name.to_owned(), entry)]);
        let reloading = environment();
        let (mut starts, mut reloads) = (Vec::new(), Vec::new());
        for _ in 0..=LOADS {
            starts.push(load(&entries, name, &environment()).await);
            reloads.push(load(&entries, name, &reloading).await);
        }
        // The first ones have compiled and read it.
        let median_of = |mut millis: Vec<f64>| median(millis.split_off(1));
        row(&format!("cached load to the first answer, at a start: {shown}"), median_of(starts), "ms", at_start);
        row(&format!("cached load to the first answer, reloaded: {shown}"), median_of(reloads), "ms", Bar::Below(5.0));
    }
}

/// The same plugin as a vendor ships it.
fn in_bundle(entry: &PluginEntry, folder: &Path) -> PluginEntry {
    let PluginSource::Wasm(component) = &entry.source else { panic!("no component") };
    let file = languages::bundle(component, folder);
    let sha256 = Some(sha256_hex(&std::fs::read(&file).unwrap()));
    PluginEntry { sha256, source: PluginSource::Bundle(file), ..entry.clone() }
}

/// Milliseconds.
async fn load(entries: &BTreeMap<String, PluginEntry>, name: &str, environment: &Environment) -> f64 {
    let started = Instant::now();
    let loaded = Registry::load(entries, &Trust::default(), environment).await;
    let registry = loaded.unwrap_or_else(|errors| panic!("{errors:?}"));
    calling(&registry, name)().await;
    started.elapsed().as_secs_f64() * 1e3
}
