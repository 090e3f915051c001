//! Which layer wins, and where relative paths start.

use super::Setup;
use crate::config::model::{Address, PluginSource, SecretSource};
use crate::config::{LoadOptions, Place, load};
use std::time::Duration;

const BASE: &str = r#"issuer = "http://127.0.0.1:8080"

[tokens.access]
lifetime = "10m"
format = "opaque"

[[clients]]
id = "web"
type = "public"

[[clients]]
id = "service"
type = "confidential"
secret = { file = "service.secret" }
"#;

#[test]
fn a_later_layer_wins_and_tables_are_joined() {
    let setup = Setup::new(BASE)
        .overlay("production.toml", "[tokens.access]\nlifetime = \"5m\"\n[log]\nformat = \"json\"\n")
        .overlay("site.toml", "log.filter = \"warn\"\n")
        .variable("PINTLE_LOG__FILTER", "debug");
    let loaded = setup.load();
    assert_eq!(loaded.config.tokens.access.lifetime, Duration::from_secs(300));
    assert_eq!(loaded.config.tokens.access.format, "opaque");
    assert!(loaded.config.log.json);
    assert_eq!(loaded.config.log.filter, "debug");
    let names: Vec<_> = loaded.files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["pintle.toml", "production.toml", "site.toml"]);
}

#[test]
fn an_overlays_list_replaces_the_list_below_it() {
    let setup = Setup::new(BASE).overlay("overlay.toml", "[[clients]]\nid = \"spa\"\ntype = \"public\"\n");
    let ids: Vec<String> = setup.load().config.clients.into_iter().map(|client| client.id).collect();
    assert_eq!(ids, ["spa"]);
}

#[test]
fn the_environment_sets_text_numbers_lists_and_booleans() {
    let setup = Setup::new(BASE)
        .variable("PINTLE_LISTEN__ADDRESS", "[\"127.0.0.1:1\", \"[::1]:2\"]")
        .variable("PINTLE_LISTEN__MAX_CONNECTIONS", "17")
        .variable("PINTLE_AUTHORIZE__BEARER_LOGIN", "true")
        .variable("PINTLE_TOKENS__ACCESS__AUDIENCE", "0123")
        .variable("OTHER", "ignored");
    let config = setup.load().config;
    let addresses = ["127.0.0.1:1", "[::1]:2"].map(|address| Address::Tcp(address.parse().unwrap()));
    assert_eq!(config.listen.addresses, addresses);
    assert_eq!(config.listen.max_connections, 17);
    assert!(config.authorize.bearer_login);
    assert_eq!(config.tokens.access.audience, ["0123"]);
}

#[test]
fn a_variable_that_holds_a_secret_is_no_key() {
    let setup = Setup::new(BASE)
        .variable("PINTLE_KEYS__MASTER__ENV", "PINTLE_MASTER_KEY")
        .variable("PINTLE_MASTER_KEY", "0000")
        .overlay("overlay.toml", "[[clients]]\nid = \"s\"\ntype = \"confidential\"\nsecret.env = \"PINTLE_S\"\n")
        .variable("PINTLE_S", "1111");
    assert_eq!(setup.load().config.keys.master, Some(SecretSource::Env("PINTLE_MASTER_KEY".to_owned())));
}

#[test]
fn relative_paths_start_from_the_configuration_file() {
    let text = format!("{BASE}\n[plugins.erp]\nsource = \"plugins/erp.wasm\"\n[listen]\naddress = \"unix:p.sock\"\n");
    let setup = Setup::new(&text).variable("PINTLE_DATA_DIR", "elsewhere");
    let config = setup.load().config;
    let folder = setup.folder.path();
    assert_eq!(config.data_dir, folder.join("elsewhere"));
    assert_eq!(config.plugins["erp"].source, PluginSource::Wasm(folder.join("plugins/erp.wasm")));
    assert_eq!(config.listen.addresses, [Address::Unix(folder.join("p.sock"))]);
    assert_eq!(config.clients[1].secrets, [SecretSource::File(folder.join("service.secret"))]);
}

#[test]
fn files_that_are_missing_or_no_text_are_all_named() {
    let mut setup = Setup::new(BASE);
    let latin = setup.folder.path().join("latin1.toml");
    std::fs::write(&latin, b"# one\nissuer = \"h\xe9\"\n").unwrap();
    setup.options.overlays = vec![setup.folder.path().join("none.toml"), latin];
    let expected = "none.toml: found no readable file: No such file or directory (os error 2), expected a TOML file\n\
                    latin1.toml:2: found bytes that are not UTF-8, expected a TOML file, which is UTF-8";
    assert_eq!(setup.errors(), expected);
}

#[test]
fn a_plugins_config_becomes_json() {
    let text = "[plugins.erp.config]\nurl = \"https://erp\"\nsince = 1979-05-27\nretries = 3\nratio = 0.5\n\
                map = { a = [1, true] }\n";
    let config = Setup::new(&format!("{BASE}\n[plugins.erp]\nsource = \"erp.wasm\"\n{text}")).load().config;
    let json: serde_json::Value = serde_json::from_str(&config.plugins["erp"].config_json).unwrap();
    let expected = serde_json::json!({
        "url": "https://erp", "since": "1979-05-27", "retries": 3, "ratio": 0.5, "map": { "a": [1, true] }
    });
    assert_eq!(json, expected);
}

#[test]
fn nothing_printed_holds_a_secret() {
    let text = "issuer = \"http://127.0.0.1:8080\"\n[plugins.erp]\nsource = \"erp.wasm\"\nconfig.password = \"never-shown\"\n\
                [[clients]]\nid = \"s\"\ntype = \"confidential\"\nsecret.value = \"never-shown\"\n";
    let loaded = Setup::new(text).load();
    assert!(!format!("{loaded:?}").contains("never-shown"));
}

#[test]
fn a_development_server_is_its_issuer_where_it_listens() {
    let issuer = |variables: &[(&str, &str)]| {
        let environment = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let config = load(&LoadOptions { environment, ..LoadOptions::default() }).unwrap().config;
        assert_eq!(config.tokens.access.audience, [config.issuer.as_str()]);
        config.issuer
    };
    let at = |address| issuer(&[("PINTLE_LISTEN__ADDRESS", address)]);
    assert_eq!(at("127.0.0.1:28441"), "http://127.0.0.1:28441");
    assert_eq!(at("[unix:p.sock, \"[::1]:80\"]"), "http://[::1]");
    assert_eq!(at("127.0.0.1:0"), "http://127.0.0.1:8080", "known too late");
    let own = [("PINTLE_LISTEN__ADDRESS", "127.0.0.1:28441"), ("PINTLE_ISSUER", "http://localhost:9000")];
    assert_eq!(issuer(&own), "http://localhost:9000");
}

#[test]
fn what_is_found_wrong_later_is_located_in_the_layer_that_counts() {
    let setup = Setup::new(BASE)
        .overlay("site.toml", "[keys]\nmaster.file = \"k\"\n")
        .variable("PINTLE_LOG__AUDIT", "never-shown");
    let places = setup.load().config.places;
    let file = |name: &str, line| Place::File { name: setup.folder.path().join(name).display().to_string(), line };
    assert_eq!(places.locate("keys.master"), file("site.toml", Some(2)));
    assert_eq!(places.locate("clients[1].secret"), file("pintle.toml", Some(14)));
    assert_eq!(places.locate("log.audit"), Place::Environment("PINTLE_LOG__AUDIT".to_owned()));
    assert_eq!(places.locate("plugins.jwt.source"), file("pintle.toml", None));
    assert!(!format!("{places:?}").contains("never-shown"));
}

#[test]
fn what_a_variable_may_hold_has_bounds() {
    let errors = |name: &str, text: &str| Setup::new(BASE).variable(name, text).errors();
    let deep = errors("PINTLE_A", &"[".repeat(100_000));
    assert!(deep.contains("PINTLE_A: a: found a text of 100000 bytes, expected at most 65536"), "{deep}");
    let deep = errors("PINTLE_A", &"[{a=".repeat(5000));
    assert!(deep.contains("found 10000 opening brackets within each other, expected at most 16"), "{deep}");
    let name = format!("PINTLE_{}", vec!["A"; 40_000].join("__"));
    assert!(errors(&name, "1").contains("found a name of too many keys, expected at most 16"));
    let most = format!("{}1{}", "[".repeat(16), "]".repeat(16));
    assert!(errors("PINTLE_LISTEN__ADDRESS", &most).contains("listen.address[0]: found a list"));
}
