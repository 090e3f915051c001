use super::*;
use pintle_plugin_api::conformance::{self, Fixtures, LinkedSubject};
use pintle_plugin_api::testing::{FakeHost, missing_from_plugin_toml};

/// `FakeHost` takes `plain:<password>` for a hash.
const CONFIG: &str = r#"{"users": [
    {"name": "ann", "password_hash": "plain:correct horse"},
    {"name": "bob", "password_hash": "plain:correct horse", "disabled": true}
]}"#;

#[test]
fn it_keeps_the_contract() {
    let host = FakeHost::default();
    let subject = LinkedSubject::new(linked(), CONFIG, &host).unwrap();
    let report = conformance::run(&subject, &Fixtures { config_json: CONFIG.to_owned(), ..Fixtures::default() });
    assert!(report.passed(), "{report}");
}

#[test]
fn every_fault_of_the_config_is_named() {
    let faults = Backend::create(r#"{"users": [{"name": "ann"}], "user": []}"#).err().unwrap();
    assert!(faults.iter().any(|fault| fault.starts_with("users[0].password_hash")), "{faults:?}");
    assert!(faults.iter().any(|fault| fault.starts_with("user:")), "{faults:?}");
}

#[test]
fn plugin_toml_says_what_the_plugin_is() {
    assert_eq!(missing_from_plugin_toml(include_str!("../plugin.toml"), &Backend::manifest()), [""; 0]);
}
