//! What a call of a plugin costs, by packaging: the scope policy `scope-rules`, whose own work is next to nothing.

use super::row;
use pintle::app::Builder;
use pintle::config::{self, LoadOptions};
use pintle::plugin::ScopePolicy;
use pintle::plugin::build::{BuildOptions, build, build_native};
use pintle_plugin_api::{CallContext, ScopeQuery};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const CALLS: usize = 4000;

fn configuration(folder: &Path) -> std::path::PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let options = BuildOptions { target_dir: Some(root.join("target/plugins")), ..BuildOptions::default() };
    let wasm = build(&root.join("plugins/scope-rules"), &options, &mut |_| {}).unwrap();
    let native = build_native(&root.join("plugins/scope-rules"), &options, &mut |_| {}).unwrap();
    let entry = |name: &str, rest: &str| format!("[plugins.{name}]\nrequired = true\n{rest}\n");
    let text = format!(
        "issuer = \"http://127.0.0.1:1\"\ndata_dir = \"data\"\n[listen]\naddress = \"127.0.0.1:1\"\n\
         [trust]\nnative = true\n{}{}{}{}",
        entry("linked", "source = \"builtin:scope-rules\""),
        entry("native", &format!("source = \"{}\"\nsha256 = \"{}\"", native.path.display(), native.sha256)),
        entry("fresh", &format!("source = \"{}\"", wasm.path.display())),
        entry("reused", &format!("source = \"{}\"\nreuse = 128", wasm.path.display())),
    );
    let file = folder.join("pintle.toml");
    std::fs::write(&file, text).unwrap();
    file
}

pub async fn overheads() {
    let folder = tempfile::tempdir().unwrap();
    let file = configuration(folder.path());
    let config = config::load(&LoadOptions { file: Some(file), ..LoadOptions::default() });
    let app = Builder::new(config.unwrap_or_else(|errors| panic!("{errors}")).config).build().await.unwrap();
    let names = ["linked", "native", "fresh", "reused"];
    let policies: Vec<Arc<dyn ScopePolicy>> =
        names.iter().map(|name| app.registry().scope_policy(name).unwrap()).collect();
    let client_json =
        r#"{"id":"app","name":"App","type":"public","trusted":true,"scopes":["read","write"]}"#.to_owned();
    let query = ScopeQuery { client_json, requested: vec!["read".into(), "write".into()], ..ScopeQuery::default() };
    let mut micros = vec![Vec::new(); names.len()];
    for _ in 0..CALLS {
        for (policy, micros) in policies.iter().zip(&mut micros) {
            let started = Instant::now();
            policy.evaluate(&CallContext::default(), query.clone()).await.unwrap();
            micros.push(started.elapsed().as_secs_f64() * 1e6);
        }
    }
    let shown = ["linked in", "native, with the hop to its thread", "Wasm, fresh instance", "Wasm, reused instance"];
    for (name, micros) in shown.iter().zip(micros) {
        row(&format!("plugin call, p50: {name}"), super::median(micros), "us", "");
    }
}
