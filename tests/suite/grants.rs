//! What plugins add to the token endpoint: directories asked at a refresh, claims, grants of their own, challenges.

use crate::plugins::component;
use pintle::clock::SystemClock;
use pintle::keys::{MasterKey, MasterKeyOrigin};
use pintle::store::Store;
use pintle::store::memory::MemoryStore;
use pintle_tests::{Answer, Caller, Options, TestServer};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const BADGE: &str = "urn%3Aexample%3Abadge";

fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(Arc::new(SystemClock::new())))
}

/// A server whose users, claims and badges are the plugin's; `users` as a TOML list, `more` laid over it.
async fn start(store: &Arc<dyn Store>, users: &str, more: &str) -> TestServer {
    let kinds = tokio::task::spawn_blocking(|| component("tests/kinds")).await.unwrap();
    let config = format!(
        "issuer = \"https://id.example\"\ndata_dir = \"data\"\n[listen]\naddress = \"127.0.0.1:{{port}}\"\n\
         [[clients]]\nid = \"app\"\ntype = \"confidential\"\nsecret = {{ value = \"app-secret-of-16\" }}\n\
         trusted = true\ngrants = [\"password\", \"refresh_token\", \"urn:example:badge\"]\nscopes = [\"read\", \"write\"]\n\
         [[clients]]\nid = \"other\"\ntype = \"confidential\"\nsecret = {{ value = \"other-secret-of-16\" }}\n\
         trusted = true\ngrants = [\"password\"]\nscopes = [\"read\"]\n\
         [plugins.kinds]\nsource = \"{}\"\nrequired = true\nsecrets = {{ key = {{ value = \"s3cret\" }} }}\n\
         config = {{ users = {users} }}\n[users]\nchain = [\"kinds\"]\n[grants]\nextensions = [\"kinds\"]\n",
        kinds.path.display()
    );
    let mut options = Options::new(config).overlay(more);
    options.store = Some(store.clone());
    options.customize =
        Some(Box::new(|builder| builder.master_key(MasterKey::new([7; 32]), MasterKeyOrigin::Env("TEST".to_owned()))));
    options.start().await
}

async fn app(caller: &Caller, path: &str, body: &str) -> Answer {
    caller.post_as("app", "app-secret-of-16", path, body).await
}

async fn login(caller: &Caller, name: &str) -> Answer {
    app(caller, "/token", &format!("grant_type=password&username={name}&password=s3cret")).await
}

async fn refresh(caller: &Caller, answer: &Answer) -> Answer {
    let token = answer.field("refresh_token");
    app(caller, "/token", &format!("grant_type=refresh_token&refresh_token={token}")).await
}

async fn introspect(caller: &Caller, answer: &Answer) -> Value {
    app(caller, "/introspect", &format!("token={}", answer.field("access_token"))).await.json()
}

fn payload(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&pintle_plugin_api::base64url::decode(payload).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_is_asked_at_every_refresh() {
    let store = store();
    let server = start(&store, r#"["ann", "bob"]"#, "").await;
    let (ann, bob) = (login(&server.caller(), "ann").await, login(&server.caller(), "bob").await);
    let ann = refresh(&server.caller(), &ann).await;
    assert_eq!((ann.status, bob.status), (200, 200), "{}", ann.text);
    server.stop().await;
    let server = start(&store, r#"["bob"]"#, "").await;
    assert_eq!(refresh(&server.caller(), &ann).await.error(), "400 invalid_grant", "ann is gone");
    assert_eq!(refresh(&server.caller(), &bob).await.status, 200);
    server.stop().await;
    // A look-up that cannot be made is no "gone", and no "still there".
    let missing = "[plugins.kinds]\nsource = \"nothing.wasm\"\nrequired = false\n";
    let server = start(&store, r#"["ann"]"#, missing).await;
    assert_eq!(refresh(&server.caller(), &ann).await.error(), "503 temporarily_unavailable");
    server.stop().await;
    let server = start(&store, r#"["ann"]"#, "").await;
    assert_eq!(refresh(&server.caller(), &ann).await.status, 200, "nothing was lost meanwhile");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_of_a_plugin_are_in_tokens_and_introspection_but_never_the_cores_own() {
    let server = start(&store(), r#"["ann"]"#, "[claims]\nsources = [\"kinds\"]\n").await;
    let caller = server.caller();
    let answer = login(&caller, "ann").await;
    let (token, seen) = (payload(&answer.field("access_token")), introspect(&caller, &answer).await);
    assert_eq!(
        (&token["badge"], &token["asked"], &token["target"]),
        (&json!("id-ann"), &json!("read+write"), &json!("access-token"))
    );
    assert_eq!((&seen["badge"], &seen["target"]), (&json!("id-ann"), &json!("introspection")));
    assert_eq!(token["sub"], seen["sub"]);
    assert_ne!(token["sub"], "root");
    assert!(token.get("pintle_family").is_none() && seen.get("pintle_family").is_none());
    let other = format!("token={}", answer.field("access_token"));
    let other = caller.post_as("other", "other-secret-of-16", "/introspect", &other).await;
    assert_eq!(other.json(), json!({ "active": false }), "nothing of a plugin for who may not see the token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_claims_end_the_request_unless_they_are_optional() {
    let limits = "[plugins.broken]\nsource = \"nothing.wasm\"\n";
    for (source, expected) in [("\"broken\"", 503), ("{ plugin = \"broken\", optional = true }", 200)] {
        let server = start(&store(), r#"["ann"]"#, &format!("{limits}[claims]\nsources = [{source}]\n")).await;
        assert_eq!(login(&server.caller(), "ann").await.status, expected, "{source}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugins_grant_gives_tokens_within_what_the_client_may_have() {
    let server = start(&store(), r#"["ann", "disabled-eve"]"#, "").await;
    let caller = server.caller();
    let badge = async |more: &str| app(&caller, "/token", &format!("grant_type={BADGE}{more}")).await;
    let granted = badge("&badge=ann").await;
    assert_eq!((granted.status, granted.field("scope").as_str()), (200, "read write"), "{}", granted.text);
    assert_eq!(badge("&badge=ann&scope=read").await.field("scope"), "read");
    assert_eq!(badge("&badge=ann&scope=root").await.error(), "400 invalid_scope");
    assert_eq!(badge("").await.error(), "400 invalid_request");
    assert_eq!(badge("&badge=nobody").await.error(), "400 invalid_grant");
    assert_eq!(badge("&badge=disabled-eve").await.error(), "400 invalid_grant");
    let other = format!("grant_type={BADGE}&badge=ann");
    let other = caller.post_as("other", "other-secret-of-16", "/token", &other).await;
    assert_eq!(other.error(), "400 unauthorized_client");
    let refreshed = refresh(&caller, &granted).await;
    for answer in [&granted, &refreshed] {
        assert_eq!(payload(&answer.field("access_token"))["badge_scheme"], "test", "claims of the grant stay");
        assert_eq!(introspect(&caller, answer).await["badge_scheme"], "test");
    }
    let metadata = caller.get("/.well-known/oauth-authorization-server").await.json();
    let grants = metadata["grant_types_supported"].as_array().unwrap();
    assert!(grants.contains(&json!("urn:example:badge")), "{grants:?}");
    let unknown = app(&caller, "/token", "grant_type=urn%3Aexample%3Anothing").await;
    assert_eq!(unknown.error(), "400 unsupported_grant_type");
}

/// An account that a grant names is another person than the chain's of the same id only if another backend has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_and_a_grant_of_one_backend_are_one_subject() {
    let server = start(&store(), r#"["ann"]"#, "").await;
    let caller = server.caller();
    let by_password = login(&caller, "ann").await;
    let by_badge = app(&caller, "/token", &format!("grant_type={BADGE}&badge=ann")).await;
    let sub = |answer: &Answer| payload(&answer.field("access_token"))["sub"].clone();
    assert_eq!(sub(&by_password), sub(&by_badge));
}

async fn challenged(caller: &Caller) -> String {
    let answer = login(caller, "otp-ann").await;
    assert_eq!(answer.error(), "400 insufficient_authorization", "{}", answer.text);
    assert_eq!(answer.json()["challenge"], json!({ "kind": "otp", "params": { "digits": 6 } }));
    answer.field("auth_session")
}

async fn answer(caller: &Caller, session: &str, code: &str) -> Answer {
    let body = format!("grant_type=password&auth_session={session}&challenge_response={code}");
    app(caller, "/token", &body).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_challenge_is_answered_at_the_token_endpoint_once_by_its_client_in_time() {
    let server = start(&store(), r#"["otp-ann"]"#, "").await;
    let caller = server.caller();
    let session = challenged(&caller).await;
    let stolen = format!("grant_type=password&auth_session={session}&challenge_response=123456");
    let stolen = caller.post_as("other", "other-secret-of-16", "/token", &stolen).await;
    assert_eq!(stolen.error(), "400 invalid_grant", "another client's");
    let done = answer(&caller, &session, "123456").await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(payload(&done.field("access_token"))["amr"], json!(["pwd", "otp"]));
    assert_eq!(answer(&caller, &session, "123456").await.error(), "400 invalid_grant", "used");
    assert_eq!(answer(&caller, "nonsense", "123456").await.error(), "400 invalid_grant");
    let session = challenged(&caller).await;
    server.clock.advance(Duration::from_secs(300));
    assert_eq!(answer(&caller, &session, "123456").await.error(), "400 invalid_grant", "too late");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_cannot_be_guessed_with_the_right_password() {
    let server = start(&store(), r#"["otp-ann"]"#, "").await;
    let caller = server.caller();
    let session = challenged(&caller).await;
    for _ in 0..3 {
        assert_eq!(answer(&caller, &session, "000000").await.error(), "400 invalid_grant");
    }
    assert_eq!(answer(&caller, &session, "123456").await.error(), "400 invalid_grant", "three tries a session");
    let session = challenged(&caller).await;
    for _ in 0..2 {
        assert_eq!(answer(&caller, &session, "000000").await.error(), "400 invalid_grant");
    }
    // The five free tries of the account are used up: the right password in between did not bring them back.
    assert_eq!(answer(&caller, &session, "123456").await.error(), "429 temporarily_unavailable");
    assert_eq!(login(&caller, "otp-ann").await.error(), "429 temporarily_unavailable");
}
