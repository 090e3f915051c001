use super::*;
use pintle_plugin_api::CallContext;
use pintle_plugin_api::testing::{FakeHost, missing_from_plugin_toml};

/// Nothing listens on a port that was free a moment ago.
fn plugin() -> Ldap {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(r#"{{"url": "ldap://127.0.0.1:{port}", "base": "dc=x", "filter": "(uid={{username}})"}}"#);
    Ldap::create(&config).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn verify(kind: &str, username: Option<&str>, password: &[u8]) -> Result<VerifyOutcome, PluginError> {
    let (context, host) = (CallContext::default(), FakeHost::default());
    let request = VerifyRequest {
        username: username.map(str::to_owned),
        kind: kind.to_owned(),
        secret: password.to_vec().into(),
        ..VerifyRequest::default()
    };
    plugin().verify(&Call { context: &context, host: &host }, &request)
}

#[test]
fn a_directory_that_cannot_be_reached_is_unavailable() {
    // A password that cannot be sent does not say whose login it is.
    for password in [&b"x"[..], b"", b"x\0", &[b'x'; 4097]] {
        let answer = verify("password", Some("ann"), password);
        assert!(matches!(answer, Err(PluginError::Unavailable(_))), "{answer:?}");
    }
}

#[test]
fn what_no_directory_need_be_asked_about_is_answered_without_one() {
    assert_eq!(verify("totp", Some("ann"), b"x"), Ok(VerifyOutcome::UnknownUser));
    assert_eq!(verify("password", None, b"x"), Ok(VerifyOutcome::UnknownUser));
    assert_eq!(verify("password", Some(""), b"x"), Ok(VerifyOutcome::UnknownUser));
    assert_eq!(verify("password", Some(&"x".repeat(1025)), b"x"), Ok(VerifyOutcome::UnknownUser));
}

#[test]
fn another_key_to_look_up_by_is_invalid() {
    let (context, host) = (CallContext::default(), FakeHost::default());
    let answer = plugin().lookup(&Call { context: &context, host: &host }, "email", "x");
    assert!(matches!(answer, Err(PluginError::Invalid(_))), "{answer:?}");
}

#[test]
fn plugin_toml_says_what_the_manifest_says() {
    assert_eq!(missing_from_plugin_toml(include_str!("../plugin.toml"), &Ldap::manifest()), Vec::<String>::new());
}
