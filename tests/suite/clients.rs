//! Real clients, unmodified.

use oauth2::basic::BasicClient;
use oauth2::{
    AuthUrl, ClientId, ClientSecret, IntrospectionUrl, ResourceOwnerPassword, ResourceOwnerUsername, RevocationUrl,
    Scope, StandardRevocableToken, TokenIntrospectionResponse, TokenResponse, TokenUrl,
};
use pintle_tests::{Options, TestServer};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

const FULL: &str = r#"
issuer = "http://127.0.0.1:{port}"
data_dir = "data"
[listen]
address = "127.0.0.1:{port}"
[[clients]]
id = "app"
type = "confidential"
secret = { value = "s:e+c ret/%" }
trusted = true
grants = ["password", "refresh_token", "client_credentials"]
scopes = ["read", "write"]
[plugins.local]
source = "builtin:accounts"
[users]
chain = ["local"]
"#;

async fn full() -> TestServer {
    // Real clients look at expiry with the machine's clock.
    let server = Options { real_clock: true, ..Options::new(FULL) }.start().await;
    server.user("dory", "dorypass").await;
    server
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs a client and returns what it printed.
async fn run(program: &Path, script: &str, arguments: &[&str]) -> Value {
    let script = root().join("tests/clients").join(script);
    let command = Command::new(program).arg(&script).args(arguments).stdin(Stdio::null()).output().await;
    let output = command.unwrap_or_else(|error| {
        panic!("{} cannot be run ({error}): the command tests/run installs what is missing", program.display())
    });
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} failed; tests/run installs its packages:\n{complaint}", script.display());
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn python(arguments: &[&str]) -> Value {
    run(&root().join("target/test-tools/python/bin/python"), "oauthlib_client.py", arguments).await
}

#[tokio::test]
async fn requests_oauthlib_logs_a_user_in_without_client_credentials() {
    let server = Options::reference("clarico").start().await;
    server.user("user123", "pass456").await;
    let url = format!("{}/token", server.origin);
    let seen = python(&[&url, "password", "quote-web", "", "user123", "pass456"]).await;
    let expected = json!({ "refreshed": true, "token_type": "Bearer", "scope": ["read", "write"], "expires_in": 3600 });
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn requests_oauthlib_logs_a_user_in_through_a_super_client() {
    let server = Options::reference("korap").start().await;
    server.user("dory", "dorypass").await;
    let url = format!("{}/api/oauth2/token", server.origin);
    let (id, secret) = ("dRJnpFH6RHTr6L7bNhrn7F", "_IGaQqvUUrPTzRKJvqPYnA");
    let seen = python(&[&url, "password", id, secret, "dory", "dorypass"]).await;
    let scope = json!(["search", "match_info", "authorize", "user_info"]);
    let expected = json!({ "refreshed": true, "token_type": "Bearer", "scope": scope, "expires_in": 259_200 });
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn requests_oauthlib_gets_a_token_for_a_machine() {
    let server = Options::reference("korap").start().await;
    let url = format!("{}/api/oauth2/token", server.origin);
    let seen = python(&[&url, "client_credentials", "third-party", "third-party-secret", "", ""]).await;
    assert_eq!(seen, json!({ "token_type": "Bearer", "scope": ["search"], "expires_in": 259_200 }));
}

#[tokio::test]
async fn openid_client_discovers_gets_refreshes_introspects_and_revokes() {
    let server = full().await;
    let secret = "s:e+c ret/%";
    let login = "grant_type=password&username=dory&password=dorypass&client_id=app&client_secret=s:e%2Bc ret/%25";
    let refresh = server.caller().post("/token", login).await.field("refresh_token");
    let seen = run(Path::new("node"), "openid_client.mjs", &[&server.origin, "app", secret, &refresh]).await;
    let expected = json!({
        "tokenEndpoint": format!("{}/token", server.origin),
        "sameMetadata": true,
        "machine": { "type": "bearer", "active": true, "clientId": "app", "revoked": false },
        "user": { "rotated": true, "active": true, "name": "dory", "ended": false },
    });
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn the_crate_oauth2_gets_refreshes_introspects_and_revokes() {
    let server = full().await;
    let url = |path: &str| format!("{}{path}", server.origin);
    let client = BasicClient::new(ClientId::new("app".into()))
        .set_client_secret(ClientSecret::new("s:e+c ret/%".into()))
        .set_auth_uri(AuthUrl::new(url("/authorize")).unwrap())
        .set_token_uri(TokenUrl::new(url("/token")).unwrap())
        .set_introspection_url(IntrospectionUrl::new(url("/introspect")).unwrap())
        .set_revocation_url(RevocationUrl::new(url("/revoke")).unwrap());
    let http = oauth2::reqwest::Client::new();

    let machine = client.exchange_client_credentials().add_scope(Scope::new("read".into()));
    let machine = machine.request_async(&http).await.unwrap();
    assert_eq!(machine.scopes().unwrap(), &vec![Scope::new("read".into())]);

    let (name, password) = (ResourceOwnerUsername::new("dory".into()), ResourceOwnerPassword::new("dorypass".into()));
    let login = client.exchange_password(&name, &password).request_async(&http).await.unwrap();
    let refreshed = client.exchange_refresh_token(login.refresh_token().unwrap()).request_async(&http).await.unwrap();
    let seen = client.introspect(refreshed.access_token()).request_async(&http).await.unwrap();
    assert!(seen.active());
    assert_eq!(seen.username(), Some("dory"));

    // The crate refuses to revoke over plain HTTP, so its request is built by hand for the last step.
    let token = StandardRevocableToken::from(refreshed.refresh_token().unwrap());
    assert!(client.revoke_token(token).is_err(), "the crate has changed: revoke through it");
    let revoke = format!("token={}", refreshed.refresh_token().unwrap().secret());
    assert_eq!(server.caller().post_as("app", "s%3Ae%2Bc+ret%2F%25", "/revoke", &revoke).await.status, 200);
    let ended = client.introspect(refreshed.access_token()).request_async(&http).await.unwrap();
    assert!(!ended.active());
}
