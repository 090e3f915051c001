//! The calls of the two documents that Pintle starts from, with host and port changed.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use pintle_tests::{Answer, Options, TestServer};
use serde_json::Value;

async fn clarico() -> TestServer {
    let server = Options::reference("clarico").start().await;
    server.user("user123", "pass456").await;
    server
}

async fn korap() -> TestServer {
    let server = Options::reference("korap").start().await;
    server.user("dory", "dorypass").await;
    server
}

const KALAMAR: (&str, &str) = ("dRJnpFH6RHTr6L7bNhrn7F", "_IGaQqvUUrPTzRKJvqPYnA");
const DORY: &str = "grant_type=password&client_id=dRJnpFH6RHTr6L7bNhrn7F&username=dory&password=dorypass\
                    &scope=search match_info";

fn assert_uncached(answer: &Answer) {
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("pragma"), "no-cache");
}

#[tokio::test]
async fn the_first_seeds_call_gets_the_answer_that_its_document_shows() {
    let server = clarico().await;
    let answer = server.caller().post("/token", "grant_type=password&username=user123&password=pass456").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_uncached(&answer);
    let body = answer.json();
    let mut fields: Vec<&String> = body.as_object().unwrap().keys().collect();
    fields.sort();
    assert_eq!(fields, ["access_token", "expires_in", "refresh_token", "scope", "token_type"]);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 3600);
    assert_eq!(body["scope"], "read write");
    assert!(answer.field("access_token").starts_with("eyJ"));
}

#[tokio::test]
async fn an_independent_library_verifies_the_first_seeds_token_through_the_jwks() {
    let server = clarico().await;
    let caller = server.caller();
    let answer = caller.post("/token", "grant_type=password&username=user123&password=pass456").await;
    let token = answer.field("access_token");
    let metadata = caller.get("/.well-known/oauth-authorization-server").await.json();
    let jwks_path = metadata["jwks_uri"].as_str().unwrap().strip_prefix(&server.origin).unwrap().to_owned();
    let jwks: JwkSet = serde_json::from_str(&caller.get(&jwks_path).await.text).unwrap();
    let header = decode_header(&token).unwrap();
    assert_eq!(header.alg, Algorithm::RS256);
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    let key = DecodingKey::from_jwk(jwks.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[format!("{}/api", server.origin)]);
    validation.set_issuer(&[&server.origin]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let claims = decode::<Value>(&token, &key, &validation).unwrap().claims;
    assert_eq!(claims["client_id"], "quote-web");
    assert_eq!(claims["scope"], "read write");
}

#[tokio::test]
async fn the_second_seeds_calls_get_the_answer_that_their_document_shows() {
    let server = korap().await;
    let by_basic = server.caller().post_as(KALAMAR.0, KALAMAR.1, "/api/oauth2/token", DORY).await;
    let in_body = format!(
        "grant_type=password&client_id={}&client_secret={}&redirect_uri=http://example.client.com/redirect\
         &username=dory&password=dorypass&scope=search match_info",
        KALAMAR.0, KALAMAR.1
    );
    let by_body = server.caller().post("/api/oauth2/token", &in_body).await;
    for answer in [by_basic, by_body] {
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_uncached(&answer);
        let body = answer.json();
        assert_eq!(body["scope"], "search match_info");
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["expires_in"], 259_200);
        assert!(answer.field("access_token").len() <= 64);
        assert!(!answer.field("access_token").contains('.'));
        assert!(!answer.field("refresh_token").is_empty());
    }
}

#[tokio::test]
async fn without_a_scope_the_second_seeds_client_gets_every_scope() {
    let server = korap().await;
    let body = "grant_type=password&username=dory&password=dorypass";
    let answer = server.caller().post_as(KALAMAR.0, KALAMAR.1, "/api/oauth2/token", body).await;
    assert_eq!(answer.field("scope"), "search match_info authorize user_info");
}

#[tokio::test]
async fn a_wrong_password_is_an_invalid_grant() {
    let server = clarico().await;
    let wrong = server.caller().post("/token", "grant_type=password&username=user123&password=nope").await;
    let unknown = server.caller().post("/token", "grant_type=password&username=nobody&password=nope").await;
    assert_eq!(wrong.error(), "400 invalid_grant");
    assert_eq!(wrong.text, unknown.text);
    assert_uncached(&wrong);
}

#[tokio::test]
async fn a_third_partys_password_grant_is_refused_after_it_was_authenticated() {
    let server = korap().await;
    let body = "grant_type=password&username=dory&password=dorypass";
    let caller = server.caller();
    let answer = caller.post_as("third-party", "third-party-secret", "/api/oauth2/token", body).await;
    assert_eq!(answer.error(), "401 unauthorized_client");
    assert!(answer.header("www-authenticate").starts_with("Basic"));
    let unauthenticated = caller.post_as("third-party", "wrong", "/api/oauth2/token", body).await;
    assert_eq!(unauthenticated.error(), "401 invalid_client");
}

/// Logs dory in, gets a code for the third party with her token, and returns the code.
async fn code(server: &TestServer, query: &str) -> Answer {
    let body = "grant_type=password&username=dory&password=dorypass";
    let login = server.caller().post_as(KALAMAR.0, KALAMAR.1, "/api/oauth2/token", body).await;
    server.caller().get_as(&login.field("access_token"), &format!("/api/oauth2/authorize?{query}")).await
}

const ASK: &str =
    "response_type=code&client_id=third-party&redirect_uri=http://localhost:9999/callback&scope=search&state=xyz";

#[tokio::test]
async fn a_code_is_got_with_the_users_token_and_redeemed_once_by_the_third_party() {
    let server = korap().await;
    let answer = code(&server, ASK).await;
    assert_eq!(answer.status, 302, "{}", answer.text);
    let location = answer.header("location");
    let (uri, query) = location.split_once('?').unwrap();
    assert_eq!(uri, "http://localhost:9999/callback");
    assert!(query.contains("state=xyz"), "{query}");
    let code = query.split('&').find_map(|pair| pair.strip_prefix("code=")).unwrap();
    let redeem = format!("grant_type=authorization_code&code={code}&redirect_uri=http://localhost:9999/callback");
    let caller = server.caller();
    let redeem = || caller.post_as("third-party", "third-party-secret", "/api/oauth2/token", &redeem);
    let tokens = redeem().await;
    assert_eq!(tokens.status, 200, "{}", tokens.text);
    assert_eq!(tokens.field("scope"), "search");
    let refresh = format!("grant_type=refresh_token&refresh_token={}", tokens.field("refresh_token"));
    assert_eq!(redeem().await.error(), "400 invalid_grant");
    let after = caller.post_as("third-party", "third-party-secret", "/api/oauth2/token", &refresh).await;
    assert_eq!(after.error(), "400 invalid_grant", "the replay has ended what the code gave");
}

#[tokio::test]
async fn a_refused_bearer_token_is_answered_as_the_second_seeds_web_client_expects() {
    let server = korap().await;
    let answer = server.caller().get_as("nonsense", &format!("/api/oauth2/authorize?{ASK}")).await;
    assert_eq!(answer.error(), "401 invalid_token");
    let message = answer.json()["errors"][0][1].as_str().unwrap().to_owned();
    assert!(message.contains("expired") || message.contains("invalid"), "{message}");
    assert!(answer.header("www-authenticate").starts_with("Bearer realm=\"pintle\", error=\"invalid_token\""));
}
