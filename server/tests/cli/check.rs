//! `pintle check`.

use super::ground::Ground;
use pintle::clock::SystemClock;
use pintle::store::sled::{SledOptions, SledStore};
use std::fs;
use std::sync::Arc;

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
fn a_check_shows_who_is_told_of_events() {
    let ground = Ground::new();
    let check = |strict: &str| {
        let sink = format!("{{ plugin = \"hook\", kinds = [\"login.*\"]{strict} }}");
        let overlay = format!("plugins.hook.source = \"hook.wasm\"\nevents.sinks = [{sink}]\n");
        fs::write(ground.path().join("events.toml"), overlay).unwrap();
        ground.run("check --overlay events.toml")
    };
    let ended = check("");
    assert!(
        ended.code == 0 && ended.stdout.contains("plugins.hook"),
        "a warning, for logins do not need it: {ended:?}"
    );
    let ended = check(", strict = true");
    assert!(ended.code == 3 && ended.stderr.contains("plugin hook: "), "what it is not told is not decided: {ended:?}");
    assert_eq!(ground.run("event list --dead --json").json(), serde_json::json!([]));
    assert_eq!(fs::read_dir(ground.path()).unwrap().count(), 1, "looking makes nothing");
    assert!(ended.stdout.contains("events to       hook (login.*, strict)"), "{ended:?}");
}

#[test]
fn a_check_works_beside_a_server_and_after_it() {
    let ground = Ground::new();
    let state = || ground.run("check --json").json()["store"]["state"].as_str().unwrap().to_owned();
    let server = ground.serve();
    ground.run("client add billing --type confidential --grant client_credentials");
    assert!(state().starts_with("in use by process"));
    let beside = ground.run("check --json").json();
    let ids: Vec<_> = beside["clients"].as_array().unwrap().iter().map(|client| client["id"].clone()).collect();
    assert_eq!(ids, ["demo", "demo-service", "billing"], "the server was asked");
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
fn a_check_beside_a_server_says_what_its_keys_mean() {
    let ground = Ground::new();
    let server = ground.serve();
    assert_eq!(ground.run("check --json").json()["algorithm"], "EdDSA");
    let beside = ground.run_in(&[RS256], "check --json").json();
    assert_eq!(beside["algorithm"], "EdDSA", "of the server's keys");
    let warnings = beside["warnings"].to_string();
    assert!(warnings.contains("RS256 signs once its key") && warnings.contains("EdDSA until then"), "{warnings}");
    let at_once = ("PINTLE_KEYS__PUBLISH_BEFORE", "0s");
    assert_eq!(ground.run_in(&[RS256, at_once], "check --json").json()["algorithm"], "RS256");
    let opaque = ground.run_in(&[("PINTLE_TOKENS__ACCESS__FORMAT", "opaque")], "check --json").json();
    assert!(opaque["algorithm"].is_null(), "{opaque}");
    drop(server);
}

/// One that takes no commands, such as one that is embedded somewhere.
#[test]
fn a_check_says_what_it_cannot_know() {
    let ground = Ground::new();
    ground.serve().stop();
    let options = SledOptions { path: ground.data_dir().join("store"), cache_mib: 16 };
    let store = SledStore::open(options, Arc::new(SystemClock::new())).unwrap();
    let report = ground.run("check --json").json();
    assert!(report["store"]["state"].as_str().unwrap().contains("not looked at"), "{report}");
    assert!(report["algorithm"].is_null() && report["warnings"].to_string().contains("is not known"), "{report}");
    drop(store);
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
    add_client(&ground);
    let issuer = "issuer = \"http://127.0.0.1:8080\"\ndata_dir = \"pintle-data\"\n";
    let secret = "[[clients]]\nid = \"a\"\ntype = \"confidential\"\nsecret = { file = \"nowhere.secret\" }\n";
    fs::write(ground.path().join("secret.toml"), format!("{issuer}{secret}")).unwrap();
    let ended = ground.run("check --config secret.toml");
    assert!(ended.code == 3 && ended.stderr.contains("nowhere.secret"), "{ended:?}");
    fs::remove_file(ground.data_dir().join("master.key")).unwrap();
    let ended = ground.run("check");
    assert!(ended.code == 3 && ended.stderr.contains("keys.master: the keys in the store are sealed"), "{ended:?}");
}

const BROKEN: &str = r#"issuer = "http://127.0.0.1:8080"
[plugins.broken]
source = "broken.wasm"
[plugins.local]
source = "builtin:accounts"
[users]
chain = ["local"]
"#;

#[test]
fn a_plugin_that_cannot_be_loaded_is_shown_and_fails_the_check_where_logins_need_it() {
    let ground = Ground::new();
    fs::write(ground.path().join("broken.wasm"), "no component").unwrap();
    fs::write(ground.path().join("pintle.toml"), BROKEN).unwrap();
    let check = |overlay: &str| {
        fs::write(ground.path().join("overlay.toml"), overlay).unwrap();
        ground.run("check --config pintle.toml --overlay overlay.toml")
    };
    let needed = [
        "[users]\nchain = [\"broken\", \"local\"]\n",
        "[scopes]\npolicies = [\"broken\"]\n",
        "[claims]\nsources = [\"broken\"]\n",
    ];
    let passed_over = [
        "",
        "[users]\nchain = [{ plugin = \"broken\", on_error = \"next\" }, \"local\"]\n",
        "[scopes]\npolicies = [{ plugin = \"broken\", on_error = \"static\" }]\n",
        "[claims]\nsources = [{ plugin = \"broken\", optional = true }]\n",
    ];
    for (overlay, code) in needed.map(|overlay| (overlay, 3)).into_iter().chain(passed_over.map(|overlay| (overlay, 0)))
    {
        let ended = check(overlay);
        assert_eq!(ended.code, code, "{overlay}: {ended:?}");
        assert_eq!(ended.stderr.contains("plugin broken:"), code == 3, "{overlay}: {ended:?}");
        assert_eq!(ended.stdout.contains("logins work without it"), code == 0, "{overlay}: {ended:?}");
        assert!(ended.stdout.contains("broken.wasm"), "{ended:?}");
        // What any sha256sum says of these bytes.
        let sha256 = "809a2841a76367cf095551e1442260747ed151c15d6fe1a257ea2acbe721eb16";
        assert!(ended.stdout.contains(sha256), "{ended:?}");
    }
    assert!(!ground.path().join("data").exists(), "nothing was made");
}

fn add_client(ground: &Ground) {
    assert_eq!(ground.run("client add billing --type confidential --grant client_credentials").code, 0);
}

const RS256: (&str, &str) = ("PINTLE_TOKENS__ACCESS__ALGORITHM", "RS256");

#[test]
fn looking_at_a_store_with_another_algorithm_rotates_nothing() {
    let ground = Ground::new();
    add_client(&ground);
    let keys = || ground.run("keys list --json").json();
    let before = keys();
    assert_eq!((&before[0]["algorithm"], &before[0]["state"]), (&"EdDSA".into(), &"current".into()), "{before}");
    let checked = ground.run_in(&[RS256], "check --json").json();
    assert_eq!(checked["algorithm"], "EdDSA", "until the other one has been published");
    assert!(checked["warnings"].to_string().contains("RS256 signs from"), "{checked}");
    for words in ["keys list --json", "user list", "client list", "lockout list", "token inspect nonsense"] {
        assert_eq!(ground.run_in(&[RS256], words).code, 0, "{words}");
    }
    assert_eq!(ground.run_in(&[RS256], "keys list --json").json(), before, "the store's, not what a start would make");
    assert_eq!(keys(), before);
    let server = ground.serve();
    assert_eq!(server.fetch("/jwks").1["keys"][0]["kid"], before[0]["id"]);
}

#[test]
fn looking_makes_no_store() {
    let ground = Ground::new();
    for words in ["user list", "keys list", "check"] {
        assert_eq!(ground.run(words).code, 0, "{words}");
    }
    assert!(!ground.data_dir().exists());
}

const MASTER: (&str, &str) = ("MK", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");

#[test]
fn a_start_without_its_master_key_makes_no_store() {
    let ground = Ground::new();
    for words in ["serve", "user list", "client remove nobody", "check"] {
        let ended = ground.run_in(&[("PINTLE_KEYS__MASTER__ENV", "MK")], words);
        assert!(ended.code == 3 && ended.stderr.contains("variable MK"), "{words}: {ended:?}");
        let place = "environment variable PINTLE_KEYS__MASTER__ENV: keys.master: ";
        assert!(ended.stderr.contains(place), "{words}: {ended:?}");
    }
    assert!(!ground.data_dir().exists());
}

#[test]
fn a_store_is_never_paired_with_a_second_master_key() {
    let ground = Ground::new();
    let master = [MASTER, ("PINTLE_KEYS__MASTER__ENV", "MK")];
    // As an older release left it: a store without any keys.
    let options = SledOptions { path: ground.data_dir().join("store"), cache_mib: 16 };
    drop(SledStore::open(options, Arc::new(SystemClock::new())).unwrap());
    assert_eq!(ground.run("check").code, 0, "with a key that is forgotten again");
    assert_eq!(ground.run_in(&master, "client remove nobody").code, 4, "the store's keys are made now");
    for words in ["check", "serve", "user list", "client remove nobody"] {
        let ended = ground.run(words);
        assert!(ended.code == 3 && ended.stderr.contains("keys.master` names none"), "{words}: {ended:?}");
    }
    assert!(!ground.data_dir().join("master.key").exists());
    assert_eq!(ground.run_in(&master, "check").code, 0);
}

const POINTING: &str = r#"issuer = "https://id.example.com"
data_dir = "data"
keys.master = { file = "master" }
[listen]
tls = { certificate = "cert.pem", key = "key.pem" }
[log]
audit = "nowhere/audit.log"
[[clients]]
id = "a"
type = "confidential"
secret = { file = "a.secret" }
[[clients]]
id = "b"
type = "confidential"
secret = [{ env = "UNSET" }, { file = "b.secret" }]
[plugins.erp]
source = "erp.wasm"
required = true
[plugins.optional]
source = "optional.wasm"
[plugins.library]
source = "library.so"
sha256 = "SHA"
required = true
[trust]
native = true
"#;

const POINTED: &str = "error: 10 errors in what the configuration points at:
pintle.toml:3: keys.master: cannot read the master key from master: MISSING; let the server's user read it, or make one with `openssl rand -base64 32`
pintle.toml:11: clients[0].secret: cannot read the file a.secret: MISSING; let the server's user read it, or name another
pintle.toml:15: clients[1].secret[0]: the environment variable UNSET is not set; set it for the server, or give a file
pintle.toml:15: clients[1].secret[1]: cannot read the file b.secret: MISSING; let the server's user read it, or name another
pintle.toml:5: listen.tls.certificate: cannot read cert.pem: I/O error: MISSING; name a PEM file that the server's user may read
pintle.toml:5: listen.tls.key: cannot read key.pem: I/O error: MISSING; name a PEM file that the server's user may read
pintle.toml:7: log.audit: cannot write to nowhere: MISSING; let the server's user write there, or name another file
pintle.toml:17: plugins.erp.source: erp.wasm: MISSING; without `required = true` the server would start and its calls fail
pintle.toml:22: plugins.library.source: library.so: MISSING; without `required = true` the server would start and its calls fail
pintle.toml:20: plugins.optional.source: optional.wasm: MISSING
";

#[test]
fn everything_that_keys_point_at_in_vain_is_shown_at_once_with_its_place() {
    let ground = Ground::new();
    fs::write(ground.path().join("pintle.toml"), POINTING.replace("SHA", &"0".repeat(64))).unwrap();
    for command in ["check", "serve"] {
        let ended = ground.run_in(&[("PINTLE_LOG__FILTER", "off")], &format!("{command} --config pintle.toml"));
        assert_eq!(ended.code, 3, "{ended:?}");
        let errors = ended.stderr[ended.stderr.find("error:").unwrap()..].replace(MISSING, "MISSING");
        assert_eq!(errors, POINTED, "{command}");
    }
    assert!(!ground.path().join("data").exists(), "nothing was made");
}

const MISSING: &str = "No such file or directory (os error 2)";

#[test]
fn an_audit_file_is_checked_and_not_made() {
    let ground = Ground::new();
    fs::write(ground.path().join("file"), "no folder").unwrap();
    assert_eq!(ground.run_in(&[("PINTLE_LOG__AUDIT", "audit.log")], "check").code, 0);
    assert!(!ground.path().join("audit.log").exists());
    for (file, why) in [("file/audit.log", "Not a directory"), ("none/audit.log", "No such file")] {
        let ended = ground.run_in(&[("PINTLE_LOG__AUDIT", file)], "check");
        assert!(ended.code == 3 && ended.stderr.contains(why), "{ended:?}");
    }
}

#[test]
fn root_makes_nothing_in_the_data_folder_of_another_user() {
    // SAFETY: takes nothing, changes nothing, cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        return;
    }
    let ground = Ground::new();
    fs::create_dir(ground.data_dir()).unwrap();
    std::os::unix::fs::chown(ground.data_dir(), Some(61_000), Some(61_000)).unwrap();
    for words in ["serve", "check", "user list", "keys rotate"] {
        let ended = ground.run(words);
        assert!(ended.code == 1 && ended.stderr.contains("sudo -u '#61000' pintle"), "{words}: {ended:?}");
    }
    assert_eq!(fs::read_dir(ground.data_dir()).unwrap().count(), 0);
}
