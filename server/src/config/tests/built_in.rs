//! The files in `config/`.

use crate::config::model::{Algorithm, ClientType, Development};
use crate::config::{DEFAULTS, LoadOptions, Loaded, load};
use std::path::PathBuf;
use std::time::Duration;

fn loaded(options: &LoadOptions) -> Loaded {
    load(options).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn without_a_file_the_development_configuration_runs_on_loopback_with_a_demo_user() {
    let Loaded { config, warnings, files } = loaded(&LoadOptions::default());
    assert!(files.is_empty());
    assert_eq!(config.issuer, "http://127.0.0.1:8080");
    assert_eq!(config.data_dir, PathBuf::from("pintle-data"));
    let demo = Development { demo_user: Some("demo".to_owned()), demo_client: Some("demo-service".to_owned()) };
    assert_eq!(config.development, Some(demo));
    assert_eq!(config.clients[0].client_type, ClientType::Public);
    assert_eq!(config.clients[0].grants, ["password", "refresh_token"]);
    assert!(config.clients[1].secrets.is_empty());
    let keys: Vec<&str> = warnings.iter().map(|warning| warning.key.as_str()).collect();
    assert_eq!(keys, ["keys.master", "clients[0].trusted", "clients[0].grants[0]"]);
}

#[test]
fn the_production_example_loads_without_a_warning() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../config/production.example.toml");
    let Loaded { config, warnings, .. } = loaded(&LoadOptions { file: Some(file), ..LoadOptions::default() });
    assert_eq!(warnings, []);
    assert_eq!(config.clients[1].secrets.len(), 2);
    assert_eq!(config.listen.addresses.len(), 2);
}

#[test]
fn the_defaults_are_those_that_the_model_documents() {
    let Loaded { config, .. } = loaded(&LoadOptions::default());
    let second = Duration::from_secs(1);
    assert_eq!(config.paths.introspect, ["/introspect"]);
    assert_eq!(config.tokens.access.algorithm, Algorithm::EdDsa);
    assert_eq!(config.tokens.access.typ, "at+jwt");
    assert_eq!((config.tokens.code_lifetime, config.tokens.refresh.grace), (60 * second, 5 * second));
    assert_eq!((config.passwords.memory_kib, config.passwords.iterations, config.passwords.parallelism), (19456, 2, 1));
    assert_eq!((config.passwords.queue, config.passwords.failure_time), (256, second / 2));
    assert_eq!((config.lockout.free_tries, config.lockout.max_delay), (5, 900 * second));
    assert_eq!((config.keys.rotate_every, config.keys.publish_before), (90 * 86400 * second, 86400 * second));
    assert_eq!((config.listen.idle_timeout, config.listen.max_connections), (60 * second, 4096));
    assert_eq!((config.store.cache_mib, config.store.sweep_every), (16, 60 * second));
    assert!(config.passwords.threads >= 1);
}

/// The readers' sources name every key; each must stand in the documentation of keys.
#[test]
fn every_key_that_is_read_is_documented_in_the_defaults() {
    let sources = [
        include_str!("../clients.rs"),
        include_str!("../keys.rs"),
        include_str!("../listen.rs"),
        include_str!("../mod.rs"),
        include_str!("../operation.rs"),
        include_str!("../passwords.rs"),
        include_str!("../paths.rs"),
        include_str!("../plugins.rs"),
        include_str!("../server.rs"),
        include_str!("../tokens.rs"),
        include_str!("../users.rs"),
    ];
    let mut keys = 0;
    for source in sources {
        let source: String = source.split_whitespace().collect();
        for call in [".key(\"", ".optional(\"", ".required(\"", "endpoint(\""] {
            for rest in source.split(call).skip(1) {
                let key = rest.split('"').next().unwrap();
                let written = [format!("{key} ="), format!("[{key}]"), format!(".{key}]"), format!("[[{key}]]")];
                let table = format!("[{key}.");
                assert!(written.iter().any(|w| DEFAULTS.contains(w)) || DEFAULTS.contains(&table), "{key}");
                keys += 1;
            }
        }
    }
    assert!(keys > 70, "{keys}");
}
