use super::*;
use pintle_plugin_api::CallContext;
use pintle_plugin_api::conformance::{Fixtures, LinkedSubject, run};
use pintle_plugin_api::testing::{FakeHost, missing_from_plugin_toml};

fn verify(host: &FakeHost, request: &VerifyRequest) -> Result<VerifyOutcome, PluginError> {
    Accounts.verify(&Call { context: &CallContext::default(), host }, request)
}

fn ann(secret: &[u8]) -> VerifyRequest {
    VerifyRequest {
        username: Some("ann".to_owned()),
        kind: "password".to_owned(),
        secret: secret.to_vec().into(),
        ..VerifyRequest::default()
    }
}

#[test]
fn the_right_password_is_accepted_as_pwd() {
    let outcome = verify(&FakeHost::with_ann_and_bob(), &ann(b"correct horse")).unwrap();
    let VerifyOutcome::Accepted(accepted) = outcome else { panic!("{outcome:?}") };
    assert_eq!((accepted.account.id.as_str(), accepted.amr), ("7", vec!["pwd".to_owned()]));
}

#[test]
fn a_disabled_account_is_rejected() {
    let bob = VerifyRequest { username: Some("bob".to_owned()), ..ann(b"correct horse") };
    assert_eq!(verify(&FakeHost::with_ann_and_bob(), &bob), Ok(rejected()));
}

#[test]
fn another_kind_of_proof_is_somebody_elses() {
    let request = VerifyRequest { kind: "webauthn".to_owned(), ..ann(b"correct horse") };
    assert_eq!(verify(&FakeHost::with_ann_and_bob(), &request), Ok(VerifyOutcome::UnknownUser));
}

#[test]
fn a_broken_table_is_neither_unknown_nor_rejected() {
    let down = PluginError::Unavailable("hashing queue is full".to_owned());
    let host = FakeHost::with_ann_and_bob().failing(down.clone());
    assert_eq!(verify(&host, &ann(b"correct horse")), Err(down));
}

#[test]
fn it_conforms() {
    let host = FakeHost::with_ann_and_bob();
    let report = run(&LinkedSubject::new(linked(), "{}", &host).unwrap(), &Fixtures::default());
    assert!(report.passed(), "{report}");
}

#[test]
fn plugin_toml_says_what_the_manifest_says() {
    let missing = missing_from_plugin_toml(include_str!("../plugin.toml"), &Accounts::manifest());
    assert_eq!(missing, Vec::<String>::new());
}
