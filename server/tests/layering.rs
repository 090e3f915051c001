//! Who may know whom, checked from the sources: a slip fails the build.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::path::{Path, PathBuf};

/// Where each crate may be named, as prefixes of paths below `server/src`.
const CRATES: &[(&str, &[&str])] = &[
    ("warp", &["http/", "app/mod.rs"]),
    ("hyper", &["http/"]),
    ("hyper_util", &["http/"]),
    ("sled", &["store/sled"]),
    ("wasmtime", &["plugin/wasm"]),
    ("wasmtime_wasi", &["plugin/wasm"]),
    ("wit_component", &["plugin/build"]),
    ("libloading", &["plugin/native"]),
    ("figment", &["config/"]),
    // The configuration says which hashes and filters are well formed.
    ("argon2", &["password/", "config/secret.rs"]),
    ("ed25519_dalek", &["keys/"]),
    ("jsonschema", &["plugin/schema.rs"]),
    ("semver", &["plugin/"]),
    ("aws_lc_rs", &["keys"]),
    ("rustls", &["http/", "plugin/outbound.rs"]),
    ("reqwest", &["plugin/outbound.rs"]),
    ("clap", &["cli/", "main.rs"]),
    ("csv", &["cli/"]),
    ("indicatif", &["cli/"]),
    ("getrandom", &["entropy.rs"]),
    ("tracing_subscriber", &["logging.rs", "cli/log.rs", "config/operation.rs"]),
    ("prometheus_client", &["metrics"]),
];

/// Which of our modules each layer may name beside itself. Every source is in one.
const LAYERS: &[(&str, &[&str])] = &[
    // Pure: times are values there, and an algorithm is a name.
    ("oauth/", &["oauth", "clock::UnixTime"]),
    ("clock.rs", &[]),
    ("entropy.rs", &[]),
    ("store/", &["store", "clock"]),
    ("config/", &["config", "oauth", "password"]),
    ("keys", &["keys", "store", "clock", "entropy", "config"]),
    ("password/", &["password", "entropy", "config"]),
    ("accounts/", &["accounts", "password", "store", "clock", "entropy", "config"]),
    ("lockout/", &["lockout", "accounts", "store", "clock", "config"]),
    ("printable.rs", &[]),
    ("plugin/", &["plugin", "accounts", "clock", "config", "entropy", "keys", "password", "printable", "store"]),
    // Below the use cases: what happened is given to it, and it knows nothing of tokens or users.
    ("events/", &["events", "audit", "store", "plugin", "metrics", "clock", "entropy", "config"]),
    (
        "flow/",
        &[
            "flow", "oauth", "store", "plugin", "keys", "accounts", "lockout", "password", "audit", "events",
            "metrics", "clock", "entropy", "config",
        ],
    ),
    ("metrics", &["metrics"]),
    ("audit", &["audit", "clock", "metrics"]),
    ("http/", &["http", "flow", "oauth", "config", "audit", "metrics", "clock", "entropy"]),
    (
        "admin/",
        &[
            "admin", "flow", "oauth", "store", "keys", "accounts", "lockout", "audit", "events", "config", "clock",
            "entropy",
        ],
    ),
    ("logging.rs", &["logging", "config", "printable"]),
    ("systemd.rs", &["systemd"]),
    (
        "app/",
        &[
            "app", "http", "flow", "oauth", "store", "plugin", "keys", "accounts", "lockout", "password", "audit",
            "events", "metrics", "clock", "entropy", "config", "admin",
        ],
    ),
    // The binary: it knows the library as `pintle`, by what the library shows to every embedder.
    ("cli/", &["cli"]),
    ("main.rs", &["cli"]),
    ("lib.rs", &[]),
];

/// What `oauth` must not know.
const IMPURE: &[&str] = &["tokio", "async fn", "std::fs", "std::net", "std::time::Instant", "SystemTime", "tracing::"];

struct Source {
    path: String,
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(read(&root, path));
            }
        }
    }
    assert!(found.len() > 100, "the sources were not found");
    found
}

/// The file without comments and without what only tests see.
fn read(root: &Path, path: PathBuf) -> Source {
    let text = fs::read_to_string(&path).unwrap();
    let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code = product.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    Source { path: path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/"), code }
}

fn is_test(path: &str) -> bool {
    path.contains("/tests")
        || path.contains("test_store")
        || path.contains("testing")
        || path.ends_with("wasm/guests.rs")
}

/// Whether `code` names the path `name`, as a whole word followed by `::`.
fn names(code: &str, name: &str) -> bool {
    let needle = format!("{name}::");
    code.match_indices(&needle).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

#[test]
fn each_library_is_known_in_one_place() {
    let mut slips = Vec::new();
    for source in sources().iter().filter(|source| !is_test(&source.path)) {
        for (library, places) in CRATES {
            let allowed = places.iter().any(|place| source.path.starts_with(place));
            if !allowed && names(&source.code, library) {
                slips.push(format!("{} names {library}, which belongs to {}", source.path, places.join(", ")));
            }
        }
    }
    assert!(slips.is_empty(), "{}", slips.join("\n"));
}

#[test]
fn no_layer_looks_sideways_or_up() {
    let modules = [
        "accounts", "admin", "app", "audit", "cli", "clock", "config", "entropy", "events", "flow", "http", "keys",
        "lockout", "logging", "metrics", "oauth", "password", "plugin", "store", "systemd",
    ];
    let mut slips = Vec::new();
    for source in sources().iter().filter(|source| !is_test(&source.path)) {
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| source.path.starts_with(layer)) else {
            slips.push(format!("{} is in no layer", source.path));
            continue;
        };
        for module in modules {
            let named = source.code.contains(&format!("crate::{module}::"))
                || source.code.contains(&format!("crate::{module};"));
            let whole = allowed.contains(&module);
            let parts = allowed.iter().filter(|part| part.starts_with(&format!("{module}::")));
            let only_parts = parts.map(|part| source.code.matches(&format!("crate::{part}")).count()).sum::<usize>()
                == source.code.matches(&format!("crate::{module}::")).count();
            if named && !whole && !only_parts {
                slips.push(format!("{} names crate::{module}", source.path));
            }
        }
    }
    assert!(slips.is_empty(), "{}", slips.join("\n"));
}

#[test]
fn the_protocol_rules_are_pure() {
    let mut slips = Vec::new();
    for source in sources().iter().filter(|source| source.path.starts_with("oauth/")) {
        for impure in IMPURE {
            if source.code.contains(impure) {
                slips.push(format!("{} has {impure}", source.path));
            }
        }
    }
    assert!(slips.is_empty(), "{}", slips.join("\n"));
}

#[test]
fn a_plugin_knows_only_the_plugin_api() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut seen = 0;
    for entry in fs::read_dir(root.join("plugins")).unwrap() {
        let manifest = entry.unwrap().path().join("Cargo.toml");
        let Ok(text) = fs::read_to_string(&manifest) else { continue };
        seen += 1;
        let ours: Vec<&str> = text.lines().filter(|line| line.starts_with("pintle-")).collect();
        assert!(ours.iter().all(|line| line.starts_with("pintle-plugin-api")), "{}: {ours:?}", manifest.display());
    }
    assert!(seen >= 4, "the plugins were not found");
    let api = fs::read_to_string(root.join("plugin-api/Cargo.toml")).unwrap();
    assert!(!api.lines().any(|line| line.starts_with("pintle-")), "plugin-api depends on something of ours");
}

#[test]
fn the_visible_top_level_is_the_prescribed_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let allowed = [
        "Cargo.toml",
        "Cargo.lock",
        "server",
        "plugin-api",
        "plugins",
        "config",
        "tests",
        "README.md",
        "target",
        "pintle-data",
    ];
    for entry in fs::read_dir(root).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        assert!(name.starts_with('.') || allowed.contains(&name.as_str()), "{name} stands at the top level");
    }
}
