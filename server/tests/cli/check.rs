//! `pintle check`.

use super::ground::Ground;
use std::fs;

#[test]
fn a_check_makes_nothing_and_says_what_would_run() {
    let ground = Ground::new();
    let ended = ground.run("check --json");
    let report = ended.json();
    assert_eq!(fs::read_dir(ground.path()).unwrap().count(), 0, "nothing was made");
    assert_eq!(report["listeners"][0]["address"], "127.0.0.1:0");
    assert_eq!(report["clients"][0]["id"], "demo");
    assert_eq!(report["chain"][0]["plugin"], "local");
    let local = report["plugins"].as_array().unwrap().iter().find(|plugin| plugin["name"] == "local").unwrap();
    assert_eq!((&local["packaging"], &local["kinds"][0]), (&"builtin".into(), &"user-verifier".into()));
    assert!(local["version"].is_string(), "{local}");
    assert_eq!(local["sha256"].as_str().map(str::len), Some(64), "the executable's: {local}");
    assert_eq!((&report["token_format"], &report["algorithm"]), (&"jwt".into(), &"EdDSA".into()));
    assert!(report["store"]["state"].as_str().unwrap().contains("not there yet"));
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("keys.master") && warnings.contains("public and trusted"), "{warnings}");
    let text = ground.run("check").stdout;
    assert!(text.contains("demo-service") && text.contains("plain HTTP") && text.contains("warnings"), "{text}");
}

#[test]
fn a_check_works_beside_a_server_and_after_it() {
    let ground = Ground::new();
    let state = || ground.run("check --json").json()["store"]["state"].as_str().unwrap().to_owned();
    let server = ground.serve();
    ground.run("client add billing --type confidential --grant client_credentials");
    assert!(state().starts_with("in use by process"));
    server.stop();
    assert_eq!(state(), "ok");
    assert!(ground.run("check").stdout.contains("billing"));
}

#[test]
fn a_check_says_until_when_the_former_algorithm_signs() {
    let ground = Ground::new();
    ground.serve().stop();
    fs::write(ground.path().join("es256.toml"), "[tokens.access]\nalgorithm = \"ES256\"\n").unwrap();
    let report = ground.run("check --json --overlay es256.toml").json();
    assert_eq!(report["algorithm"], "EdDSA");
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("ES256 signs from 2") && warnings.contains("EdDSA until then"), "{warnings}");
}

#[test]
fn a_bad_configuration_shows_all_its_errors() {
    let ground = Ground::new();
    let bad =
        "issuer = \"https://id.example.com\"\n[listen]\nadress = \"[::]:1\"\n[tokens.access]\nlifetime = \"1 hourr\"\n";
    fs::write(ground.path().join("bad.toml"), bad).unwrap();
    for command in ["check", "serve", "user list"] {
        let ended = ground.run(&format!("{command} --config bad.toml"));
        assert_eq!(ended.code, 3, "{ended:?}");
        assert!(ended.stderr.contains("2 errors"), "{ended:?}");
        assert!(ended.stderr.contains("bad.toml:3: listen.adress") && ended.stderr.contains("bad.toml:5"), "{ended:?}");
    }
}

#[test]
fn a_missing_secret_or_another_master_key_is_a_bad_configuration() {
    let ground = Ground::new();
    ground.run("client list");
    let issuer = "issuer = \"http://127.0.0.1:8080\"\ndata_dir = \"pintle-data\"\n";
    let secret = "[[clients]]\nid = \"a\"\ntype = \"confidential\"\nsecret = { file = \"nowhere.secret\" }\n";
    fs::write(ground.path().join("secret.toml"), format!("{issuer}{secret}")).unwrap();
    let ended = ground.run("check --config secret.toml");
    assert!(ended.code == 3 && ended.stderr.contains("nowhere.secret"), "{ended:?}");
    fs::remove_file(ground.data_dir().join("master.key")).unwrap();
    let ended = ground.run("check");
    assert!(ended.code == 3 && ended.stderr.contains("master key"), "{ended:?}");
}

#[test]
fn a_plugin_that_cannot_be_loaded_is_shown_and_fails_the_check() {
    let ground = Ground::new();
    fs::write(ground.path().join("broken.wasm"), "no component").unwrap();
    let config = "issuer = \"http://127.0.0.1:8080\"\n[plugins.broken]\nsource = \"broken.wasm\"\n";
    fs::write(ground.path().join("pintle.toml"), config).unwrap();
    let ended = ground.run("check --config pintle.toml");
    assert!(ended.code == 3 && ended.stderr.contains("plugin broken:"), "{ended:?}");
    assert!(ended.stdout.contains("broken.wasm"), "{ended:?}");
}
