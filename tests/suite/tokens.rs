//! Introspection, revocation, formats and keys over HTTP.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use pintle::clock::Clock;
use pintle::flow::revoke;
use pintle_tests::{Caller, Options, TestServer};
use serde_json::{Value, json};
use std::time::Duration;

const CONFIG: &str = r#"
issuer = "http://127.0.0.1:{port}"
data_dir = "data"
[listen]
address = "127.0.0.1:{port}"
[[clients]]
id = "app"
type = "confidential"
secret = { value = "app-secret" }
trusted = true
grants = ["password", "refresh_token", "client_credentials"]
scopes = ["read", "write"]
cors = ["https://app.example"]
[[clients]]
id = "other"
type = "confidential"
secret = { value = "other-secret" }
grants = ["client_credentials"]
scopes = ["read"]
cors = ["https://other.example"]
[[clients]]
id = "api"
type = "confidential"
secret = { value = "api-secret" }
introspect = true
grants = ["client_credentials"]
scopes = ["read"]
access_lifetime = "5m"
[plugins.local]
source = "builtin:accounts"
[users]
chain = ["local"]
"#;

async fn start(overlay: &str) -> TestServer {
    let server = Options::new(CONFIG).overlay(overlay).start().await;
    server.user("dory", "dorypass").await;
    server
}

const LOGIN: &str = "grant_type=password&username=dory&password=dorypass";
const MACHINE: &str = "grant_type=client_credentials";

async fn as_app(caller: &Caller, path: &str, body: &str) -> pintle_tests::Answer {
    caller.post_as("app", "app-secret", path, body).await
}

async fn active(caller: &Caller, client: &str, token: &str) -> bool {
    let answer = caller.post_as(client, &format!("{client}-secret"), "/introspect", &format!("token={token}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    if answer.json()["active"] == false {
        assert_eq!(answer.json(), json!({ "active": false }), "an inactive token's answer says nothing else");
    }
    answer.json()["active"] == true
}

#[tokio::test]
async fn a_client_sees_its_own_tokens_and_others_only_where_registered() {
    for overlay in ["", "[tokens.access]\nformat = \"opaque\"\n"] {
        let server = start(overlay).await;
        let caller = server.caller();
        let tokens = as_app(&caller, "/token", LOGIN).await;
        let machine = as_app(&caller, "/token", MACHINE).await.field("access_token");
        for token in [tokens.field("access_token"), tokens.field("refresh_token"), machine] {
            assert!(active(&caller, "app", &token).await);
            assert!(active(&caller, "api", &token).await);
            assert!(!active(&caller, "other", &token).await);
        }
        assert!(!active(&caller, "api", "nonsense").await);
        let body = format!("token={}", tokens.field("access_token"));
        let seen = as_app(&caller, "/introspect", &body).await.json();
        assert_eq!(seen["username"], "dory");
        assert_eq!(seen["token_type"], "Bearer");
        assert_eq!(seen["scope"], "read write");
        assert_eq!(seen["client_id"], "app");
        assert_eq!(seen["exp"].as_u64().unwrap() - seen["iat"].as_u64().unwrap(), 3600);
        assert_ne!(seen["jti"], tokens.field("access_token"));
        server.clock.advance(Duration::from_secs(3600));
        assert!(!active(&caller, "api", &tokens.field("access_token")).await);
        assert!(active(&caller, "api", &tokens.field("refresh_token")).await);
    }
}

#[tokio::test]
async fn introspection_says_when_a_token_was_issued_or_nothing() {
    for (overlay, known) in [("", true), ("[tokens.access]\nformat = \"opaque\"\n", false)] {
        let server = start(overlay).await;
        let caller = server.caller();
        let seconds = |by| server.clock.advance(Duration::from_secs(by));
        let refresh = async |token: &str| {
            as_app(&caller, "/token", &format!("grant_type=refresh_token&refresh_token={token}")).await
        };
        let age = async |token: &str| {
            let seen = as_app(&caller, "/introspect", &format!("token={token}")).await.json();
            assert_eq!(seen["active"], true);
            seen.get("iat").map(|iat| server.clock.now().0 - iat.as_u64().unwrap())
        };
        let first = as_app(&caller, "/token", LOGIN).await;
        seconds(10);
        let rotated = refresh(&first.field("refresh_token")).await;
        seconds(3);
        let repeated = refresh(&first.field("refresh_token")).await;
        seconds(20);
        let last = refresh(&repeated.field("refresh_token")).await;
        seconds(100);
        assert_eq!(age(&first.field("access_token")).await, Some(133));
        assert_eq!(age(&rotated.field("access_token")).await, known.then_some(123));
        assert_eq!(age(&repeated.field("access_token")).await, known.then_some(120), "given in the grace window");
        assert_eq!(age(&last.field("access_token")).await, known.then_some(100));
        assert_eq!(age(&last.field("refresh_token")).await, Some(100));
    }
}

#[tokio::test]
async fn revoking_any_token_of_a_family_ends_it_and_a_foreign_one_nothing() {
    for (overlay, which) in
        [("", "access_token"), ("", "refresh_token"), ("[tokens.access]\nformat = \"opaque\"\n", "access_token")]
    {
        let server = start(overlay).await;
        let caller = server.caller();
        let tokens = as_app(&caller, "/token", LOGIN).await;
        let body = format!("token={}&token_type_hint=refresh_token", tokens.field(which));
        let foreign = caller.post_as("other", "other-secret", "/revoke", &body).await;
        assert_eq!((foreign.status, foreign.text.as_str()), (200, ""));
        assert!(active(&caller, "app", &tokens.field("access_token")).await);
        assert_eq!(as_app(&caller, "/revoke", &body).await.status, 200);
        assert!(!active(&caller, "app", &tokens.field("access_token")).await);
        assert!(!active(&caller, "app", &tokens.field("refresh_token")).await);
        assert_eq!(as_app(&caller, "/revoke", &body).await.status, 200, "once more is no error");
        assert_eq!(as_app(&caller, "/revoke", "token=unknown").await.status, 200);
    }
}

#[tokio::test]
async fn a_machines_token_is_revoked_alone_or_with_its_client() {
    let server = start("").await;
    let caller = server.caller();
    let get = async || as_app(&caller, "/token", MACHINE).await.field("access_token");
    let (first, second) = (get().await, get().await);
    as_app(&caller, "/revoke", &format!("token={first}")).await;
    assert!(!active(&caller, "app", &first).await);
    assert!(active(&caller, "app", &second).await);
    revoke::client(&server.app.core(), "app").await.unwrap();
    assert!(!active(&caller, "app", &second).await);
    assert!(active(&caller, "app", &get().await).await);
}

#[tokio::test]
async fn a_client_has_a_lifetime_of_its_own() {
    let server = start("").await;
    let answer = server.caller().post_as("api", "api-secret", "/token", MACHINE).await;
    assert_eq!(answer.json()["expires_in"], 300);
}

async fn verifies(server: &TestServer, token: &str) -> bool {
    let jwks: JwkSet = serde_json::from_str(&server.caller().get("/jwks").await.text).unwrap();
    let header = decode_header(token).unwrap();
    let Some(jwk) = jwks.find(&header.kid.unwrap()) else { return false };
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&[&server.origin]);
    validation.validate_exp = false;
    decode::<Value>(token, &DecodingKey::from_jwk(jwk).unwrap(), &validation).is_ok()
}

#[tokio::test]
async fn every_algorithm_is_verified_by_an_independent_library() {
    for algorithm in ["EdDSA", "RS256", "ES256"] {
        let server = start(&format!("[tokens.access]\nalgorithm = \"{algorithm}\"\ntyp = \"JWT\"\n")).await;
        let token = as_app(&server.caller(), "/token", LOGIN).await.field("access_token");
        assert_eq!(format!("{:?}", decode_header(&token).unwrap().alg), algorithm);
        assert_eq!(decode_header(&token).unwrap().typ.as_deref(), Some("JWT"));
        assert!(verifies(&server, &token).await, "{algorithm}");
    }
}

#[tokio::test]
async fn the_next_key_is_published_before_it_signs_and_the_last_until_its_tokens_have_expired() {
    let server = start("[keys]\nrotate_every = \"30d\"\npublish_before = \"1d\"\n").await;
    let caller = server.caller();
    let published = async || -> Vec<String> {
        let set = caller.get("/jwks").await;
        assert!(set.header("cache-control").starts_with("public, max-age="));
        set.json()["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    let sign = async || as_app(&caller, "/token", LOGIN).await.field("access_token");
    let kid = |token: &str| decode_header(token).unwrap().kid.unwrap();
    let first = sign().await;
    assert_eq!(published().await, [kid(&first)]);
    server.clock.advance(Duration::from_secs(29 * 86_400));
    server.app.core().keys.tick().await.unwrap();
    let next: Vec<String> = published().await.into_iter().filter(|key| *key != kid(&first)).collect();
    assert_eq!(next.len(), 1, "published");
    let last = sign().await;
    assert_eq!(kid(&last), kid(&first), "and not signing yet");
    server.clock.advance(Duration::from_secs(86_400));
    server.app.core().keys.tick().await.unwrap();
    assert_eq!(kid(&sign().await), next[0]);
    assert!(verifies(&server, &last).await);
    server.clock.advance(Duration::from_secs(2 * 3600));
    server.app.core().keys.tick().await.unwrap();
    assert!(!published().await.contains(&kid(&first)), "its tokens have expired");
}

#[tokio::test]
async fn both_well_known_documents_announce_what_works() {
    let server = start("").await;
    let caller = server.caller();
    let oauth = caller.get("/.well-known/oauth-authorization-server").await;
    assert_eq!(oauth.json(), caller.get("/.well-known/openid-configuration").await.json());
    let document = oauth.json();
    assert_eq!(document["issuer"], server.origin);
    assert_eq!(document.get("authorization_endpoint"), None, "there is none without bearer_login");
    assert_eq!(document["grant_types_supported"], json!(["client_credentials", "password", "refresh_token"]));
    assert_eq!(document["response_types_supported"], json!([]));

    let with_path = Options::reference("korap").start().await;
    for path in ["/.well-known/oauth-authorization-server/api", "/api/.well-known/openid-configuration"] {
        let document = with_path.caller().get(path).await.json();
        assert_eq!(document["issuer"], format!("{}/api", with_path.origin));
        assert_eq!(document["token_endpoint"], format!("{}/api/oauth2/token", with_path.origin));
        assert_eq!(document.get("jwks_uri"), None, "its tokens are opaque");
    }
}

#[tokio::test]
async fn only_a_clients_own_origins_read_its_answers() {
    let server = start("").await;
    let caller = server.caller();
    let from = async |origin: &str, body: &str| {
        let request = caller.request("POST", "/token").basic_auth("app", Some("app-secret")).header("Origin", origin);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(body.to_owned());
        caller.send(request).await.header("access-control-allow-origin")
    };
    assert_eq!(from("https://app.example", LOGIN).await, "https://app.example");
    assert_eq!(from("https://app.example", "grant_type=password").await, "https://app.example", "errors too");
    assert_eq!(from("https://other.example", LOGIN).await, "", "another client's");
    assert_eq!(from("https://evil.example", LOGIN).await, "");
    let preflight = async |origin: &str, path: &str| {
        let request = caller.request("OPTIONS", path).header("Origin", origin);
        caller.send(request.header("Access-Control-Request-Method", "POST")).await
    };
    let allowed = preflight("https://other.example", "/token").await;
    assert_eq!(
        (allowed.status, allowed.header("access-control-allow-origin").as_str()),
        (204, "https://other.example")
    );
    assert_eq!(preflight("https://evil.example", "/token").await.header("access-control-allow-origin"), "");
    assert_eq!(preflight("https://app.example", "/introspect").await.header("access-control-allow-origin"), "");
    assert_eq!(caller.get("/.well-known/openid-configuration").await.header("access-control-allow-origin"), "*");
}

#[tokio::test]
async fn several_paths_are_served_at_once() {
    let server = start("[paths]\nroot = \"/v1\"\ntoken = [\"/token\", \"/oauth/token\"]\n").await;
    for path in ["/v1/token", "/v1/oauth/token"] {
        assert_eq!(as_app(&server.caller(), path, MACHINE).await.status, 200, "{path}");
    }
    assert_eq!(as_app(&server.caller(), "/token", MACHINE).await.error(), "404 not_found");
}

#[tokio::test]
async fn no_secret_of_a_whole_session_reaches_the_audit_log() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.log");
    let server = start(&format!("[log]\naudit = \"{}\"\n", file.display())).await;
    let caller = server.caller();
    let tokens = as_app(&caller, "/token", LOGIN).await;
    let refresh = format!("grant_type=refresh_token&refresh_token={}", tokens.field("refresh_token"));
    let next = as_app(&caller, "/token", &refresh).await;
    as_app(&caller, "/token", "grant_type=password&username=dory&password=a-wrong-password").await;
    as_app(&caller, "/token", "grant_type=password&username=a-password-in-the-wrong-field&password=x").await;
    as_app(&caller, "/introspect", &format!("token={}", next.field("access_token"))).await;
    as_app(&caller, "/revoke", &format!("token={}", next.field("refresh_token"))).await;
    let mut secrets = vec!["dorypass", "a-wrong-password", "app-secret", "a-password-in-the-wrong-field"];
    let issued: Vec<String> = [&tokens, &next]
        .iter()
        .flat_map(|answer| [answer.field("access_token"), answer.field("refresh_token")])
        .collect();
    secrets.extend(issued.iter().map(String::as_str));
    server.stop().await;
    let mut text = String::new();
    for _ in 0..200 {
        text = std::fs::read_to_string(&file).unwrap();
        if text.lines().count() >= 6 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for expected in ["token.issued", "token.refused", "token.introspected", "token.revoked", "\"dory\"", "\"local\""] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
}
