use super::*;
use crate::clock::SystemClock;
use crate::entropy::SystemEntropy;
use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

fn trial(name: &str, bytes: &[u8], fixtures: TrialFixtures, runtime: &Handle) -> Result<Trial, TrialError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, bytes).unwrap();
    // Only what is loaded later needs the file to stay.
    let is_loaded = [".wasm", ".pintle"].iter().any(|ending| name.ends_with(ending));
    let file = if is_loaded { folder.keep().join(name) } else { file };
    Trial::new(&file, fixtures, Arc::new(SystemClock::new()), Arc::new(SystemEntropy), runtime.clone())
}

#[test]
fn a_file_that_is_no_plugin_fails_with_a_report() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let trial = trial("x.wasm", b"\0asm garbage", TrialFixtures::default(), runtime.handle()).unwrap();
    let report = trial.run();
    assert!(!report.passed());
    assert_eq!(report.outcomes[0].check, "can be loaded");
    assert!(trial.folder.path().is_dir());
    let folder = trial.folder.path().to_owned();
    drop(trial);
    assert!(!folder.exists(), "the trial's folder goes with it");
}

#[test]
fn a_file_of_another_kind_is_refused() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let error = trial("x.txt", b"", TrialFixtures::default(), runtime.handle()).err().unwrap();
    assert!(
        error.to_string().ends_with("x.txt: a plugin's file ends in .pintle, .wasm, .so, .dylib or .dll"),
        "{error}"
    );
}

#[test]
fn a_library_is_opened_from_another_folder_each_time_and_a_component_compiled_once() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folders = |name: &str| {
        let trial = trial(name, b"code", TrialFixtures::default(), runtime.handle()).unwrap();
        let folder = || trial.environment(World::Whole, Arc::clone(&trial.kept)).unwrap().cache_dir;
        let (one, other) = (folder(), folder());
        assert!(one.is_dir() && other.is_dir() && [&one, &other].iter().all(|it| it.starts_with(trial.folder.path())));
        (one, other)
    };
    let (one, other) = folders("x.so");
    assert_ne!(one, other);
    assert!(!one.exists() && !other.exists(), "they go with the trial");
    let (one, other) = folders("x.wasm");
    assert_eq!(one, other);
}

#[cfg(feature = "wasm")]
#[test]
fn the_plugin_in_a_bundle_is_asked_about_a_config_past_the_schema() {
    use crate::plugin::bundle::{Bundle, Part};
    use crate::plugin::wasm::guests::{Guest, component, wit};
    use std::collections::BTreeMap;
    let toml = b"name = \"text\"\nversion = \"1.0.0\"\nkinds = [\"user-verifier\"]\n".to_vec();
    let contents = BTreeMap::from([
        (Part::PLUGIN_TOML, toml),
        (Part::CONFIG_SCHEMA, br#"{"type":"object","additionalProperties":false}"#.to_vec()),
        (Part::COMPONENT, component(&wit(), &Guest::counting())),
    ]);
    let bundle = Bundle::new(contents).unwrap().to_bytes();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let trial = |fixtures| trial("text.pintle", &bundle, fixtures, runtime.handle()).unwrap();
    let typo = r#"{"typo":1}"#;
    let whole = trial(TrialFixtures::default());
    let subject = whole.loaded(World::Whole, None, 1).unwrap();
    assert_eq!(subject.validate_config(typo), Ok(Vec::new()), "the guest takes anything");
    let refused = trial(TrialFixtures::default().with_config_json(typo).unwrap());
    let why = refused.loaded(World::Whole, None, 1).err().unwrap();
    assert!(why.contains("the plugin's schema allows nothing here"), "{why}");
}

#[test]
fn the_upstream_is_put_into_the_config() {
    let toml = "upstream = \"http://127.0.0.1:1\"\ndisabled = \"\"\n[config]\nurl = \"{upstream}/api\"\n";
    let fixtures = TrialFixtures::parse(toml).unwrap();
    assert_eq!(fixtures.kit(Some("http://127.0.0.1:2")).config_json, r#"{"url":"http://127.0.0.1:2/api"}"#);
    assert_eq!(fixtures.kit(None).disabled, None);
    assert_eq!(fixtures.kit(None).username, "ann");
}

#[test]
fn fixtures_that_make_no_sense_are_refused() {
    let refused = |toml: &str| TrialFixtures::parse(toml).unwrap_err().to_string();
    assert!(refused("[config]\nurl = \"{upstream}\"\n").contains("`upstream` is missing"));
    assert!(refused("user = \"ann\"\n").contains("unknown field `user`"));
    assert!(TrialFixtures::default().with_config_json("[]").is_err());
}

#[test]
fn a_dead_upstream_refuses_and_a_slow_one_says_nothing() {
    let address = |upstream: &Upstream| upstream.origin().strip_prefix("http://").unwrap().to_owned();
    assert!(TcpStream::connect(address(&Upstream::dead().unwrap())).is_err());
    let slow = Upstream::slow().unwrap();
    let mut stream = TcpStream::connect(address(&slow)).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(stream.read(&mut [0; 1]).is_err());
}
