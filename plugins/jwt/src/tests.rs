use super::*;
use pintle_plugin_api::conformance::{Fixtures, LinkedSubject, run};
use pintle_plugin_api::testing::{FakeHost, missing_from_plugin_toml};
use pintle_plugin_api::{CallContext, Host};

const CLAIMS: &str = r#"{"iss":"https://id.example","jti":"h1","exp":1}"#;

fn context(alg: &str) -> CallContext {
    let ext = vec![("alg".to_owned(), alg.to_owned()), ("typ".to_owned(), "at+jwt".to_owned())];
    CallContext { ext, ..CallContext::default() }
}

fn issue(alg: &str, claims: &str) -> Result<String, PluginError> {
    let call = Call { context: &context(alg), host: &FakeHost::default() };
    Jwt.issue(&call, claims, "k1").map(|issued| issued.token)
}

fn validate(token: &str) -> TokenVerdict {
    let call = Call { context: &CallContext::default(), host: &FakeHost::default() };
    Jwt.validate(&call, token).unwrap()
}

/// A token of any header and payload that the host has signed, as only a mistake of the core could make it.
fn signed(header: &str, payload: &str) -> String {
    let input = format!("{}.{}", base64url::encode(header.as_bytes()), base64url::encode(payload.as_bytes()));
    let signature = FakeHost::default().sign("k1", "EdDSA", input.as_bytes()).unwrap();
    format!("{input}.{}", base64url::encode(&signature))
}

#[test]
fn header_and_payload_are_as_rfc_9068_wants_them() {
    let token = issue("RS256", CLAIMS).unwrap();
    let mut parts =
        token.split('.').map(|part| String::from_utf8_lossy(&base64url::decode(part).unwrap()).into_owned());
    assert_eq!(parts.next().unwrap(), r#"{"alg":"RS256","kid":"k1","typ":"at+jwt"}"#);
    assert_eq!(parts.next().unwrap(), CLAIMS);
}

#[test]
fn the_handle_of_a_signed_token_is_found_though_it_has_expired() {
    assert_eq!(validate(&issue("ES256", CLAIMS).unwrap()), TokenVerdict::Mine("h1".to_owned()));
}

#[test]
fn a_wrong_signature_is_invalid() {
    let token = issue("EdDSA", CLAIMS).unwrap();
    let (input, _) = token.rsplit_once('.').unwrap();
    assert!(matches!(validate(&format!("{input}.AAAA")), TokenVerdict::Invalid(_)));
}

#[test]
fn what_is_not_three_parts_of_base64url_is_not_mine() {
    let token = issue("EdDSA", CLAIMS).unwrap();
    for other in ["opaque".to_owned(), "a.b".to_owned(), format!("{token}.e30"), format!("{token}="), "...".to_owned()]
    {
        assert_eq!(validate(&other), TokenVerdict::NotMine, "{other}");
    }
}

#[test]
fn a_signed_token_with_a_doubtful_header_is_invalid() {
    let good = r#"{"alg":"EdDSA","kid":"k1"}"#;
    assert_eq!(validate(&signed(good, CLAIMS)), TokenVerdict::Mine("h1".to_owned()));
    for header in [
        r#"{"alg":"HS256","kid":"k1"}"#,
        r#"{"alg":"none","kid":"k1"}"#,
        r#"{"alg":"EdDSA","alg":"EdDSA","kid":"k1"}"#,
        r#"{"alg":"EdDSA","kid":"k1","crit":["b64"]}"#,
        r#"{"alg":"EdDSA"}"#,
        r#"{"alg":"RS256","kid":"k1"}"#,
    ] {
        assert!(matches!(validate(&signed(header, CLAIMS)), TokenVerdict::Invalid(_)), "{header}");
    }
}

#[test]
fn a_signed_payload_without_one_handle_is_invalid() {
    let good = r#"{"alg":"EdDSA","kid":"k1"}"#;
    for payload in ["{}", "[]", r#"{"jti":7}"#, r#"{"jti":"a","jti":"b"}"#] {
        assert!(matches!(validate(&signed(good, payload)), TokenVerdict::Invalid(_)), "{payload}");
    }
}

#[test]
fn an_algorithm_of_no_use_is_not_issued() {
    assert!(matches!(issue("HS256", CLAIMS), Err(PluginError::Invalid(_))));
    let call = Call { context: &CallContext::default(), host: &FakeHost::default() };
    assert!(matches!(Jwt.issue(&call, CLAIMS, "k1"), Err(PluginError::Invalid(_))));
}

#[test]
fn a_host_that_cannot_sign_or_verify_is_an_error() {
    let down = PluginError::Unavailable("keys".to_owned());
    let host = FakeHost::default().failing(down.clone());
    let call = Call { context: &context("EdDSA"), host: &host };
    assert_eq!(Jwt.issue(&call, CLAIMS, "k1"), Err(down.clone()));
    assert_eq!(Jwt.validate(&call, &issue("EdDSA", CLAIMS).unwrap()), Err(down));
}

#[test]
fn it_conforms() {
    let host = FakeHost::default();
    for alg in ALGORITHMS {
        let fixtures = Fixtures { alg: alg.to_owned(), ..Fixtures::default() };
        let report = run(&LinkedSubject::new(linked(), "{}", &host).unwrap(), &fixtures);
        assert!(report.passed(), "{report}");
    }
}

#[test]
fn plugin_toml_says_what_the_manifest_says() {
    let missing = missing_from_plugin_toml(include_str!("../plugin.toml"), &Jwt::manifest());
    assert_eq!(missing, Vec::<String>::new());
}
