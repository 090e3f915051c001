//! Which browser applications read which answers, and what the metadata says of clients that come and go.

use pintle::admin::{self, Command, NewClient};
use pintle::clock::SystemClock;
use pintle::keys::{MasterKey, MasterKeyOrigin};
use pintle::oauth::client::{ClientType, GrantType};
use pintle::store::Store;
use pintle::store::memory::MemoryStore;
use pintle_tests::{Answer, Caller, Options, TestServer};
use serde_json::json;
use std::sync::Arc;

const CONFIG: &str = r#"
issuer = "http://127.0.0.1:{port}"
data_dir = "data"
[listen]
address = "127.0.0.1:{port}"
[[clients]]
id = "app"
type = "confidential"
secret = { value = "app-secret" }
grants = ["client_credentials"]
scopes = ["read"]
cors = ["https://app.example"]
"#;

const SPA: &str = "https://spa.example";

fn spa() -> NewClient {
    NewClient {
        id: "spa".to_owned(),
        name: None,
        client_type: ClientType::Public,
        grants: vec![GrantType::RefreshToken],
        extension_grants: Vec::new(),
        scopes: vec!["read".to_owned(), "draw".to_owned()],
        redirect_uris: Vec::new(),
        cors: vec![SPA.to_owned()],
        trusted: false,
        introspect: false,
    }
}

async fn run(server: &TestServer, command: Command) {
    admin::execute(&server.app.core(), command).await.unwrap();
}

async fn preflight(caller: &Caller, origin: &str, path: &str) -> String {
    let request = caller.request("OPTIONS", path).header("Origin", origin);
    let answer = caller.send(request.header("Access-Control-Request-Method", "POST")).await;
    assert_eq!(answer.status, 204);
    answer.header("access-control-allow-origin")
}

async fn post(caller: &Caller, origin: &str, path: &str, secret: Option<&str>, body: &str) -> Answer {
    let request = caller.request("POST", path).header("Origin", origin).body(body.to_owned());
    let request = request.header("Content-Type", "application/x-www-form-urlencoded");
    caller.send(if secret.is_some() { request.basic_auth("app", secret) } else { request }).await
}

#[tokio::test]
async fn a_client_added_by_command_shares_its_answers_until_it_is_removed() {
    let server = Options::new(CONFIG).start().await;
    let caller = server.caller();
    let shared = async || {
        let unknown = post(&caller, SPA, "/token", None, "grant_type=nonsense").await;
        assert_eq!(unknown.error(), "400 unsupported_grant_type", "before the client is known");
        let own = post(&caller, SPA, "/token", None, "grant_type=refresh_token&client_id=spa&refresh_token=x").await;
        let of = |answer: &Answer| answer.header("access-control-allow-origin");
        [preflight(&caller, SPA, "/token").await, preflight(&caller, SPA, "/revoke").await, of(&unknown), of(&own)]
    };
    assert_eq!(shared().await, [""; 4]);
    run(&server, Command::ClientAdd(spa())).await;
    assert_eq!(shared().await, [SPA; 4]);
    assert_eq!(preflight(&caller, "https://app.example", "/token").await, "https://app.example");
    assert_eq!(preflight(&caller, "https://evil.example", "/token").await, "");
    run(&server, Command::ClientRemove { id: "spa".to_owned() }).await;
    assert_eq!(shared().await, [""; 4]);
}

#[tokio::test]
async fn the_metadata_follows_the_clients() {
    let server = Options::new(CONFIG).start().await;
    let caller = server.caller();
    let announced = async || {
        let document = caller.get("/.well-known/oauth-authorization-server").await.json();
        (document["scopes_supported"].clone(), document["grant_types_supported"].clone())
    };
    let before = (json!(["read"]), json!(["client_credentials"]));
    assert_eq!(announced().await, before);
    run(&server, Command::ClientAdd(spa())).await;
    assert_eq!(announced().await, (json!(["read", "draw"]), json!(["client_credentials", "refresh_token"])));
    run(&server, Command::ClientRemove { id: "spa".to_owned() }).await;
    assert_eq!(announced().await, before);
}

#[tokio::test]
async fn clients_added_before_the_start_are_known_at_it() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(SystemClock::new())));
    let start = async || {
        let mut options = Options::new(CONFIG);
        options.store = Some(store.clone());
        options.customize = Some(Box::new(|builder| {
            builder.master_key(MasterKey::new([7; 32]), MasterKeyOrigin::Env("TEST".to_owned()))
        }));
        options.start().await
    };
    let first = start().await;
    run(&first, Command::ClientAdd(spa())).await;
    first.stop().await;
    let second = start().await;
    assert_eq!(preflight(&second.caller(), SPA, "/token").await, SPA);
}

#[tokio::test]
async fn a_revocation_is_shared_with_the_clients_own_origin_only() {
    let server = Options::new(CONFIG).start().await;
    let caller = server.caller();
    let revoke = async |origin: &str, secret: &str, body: &str| {
        let answer = post(&caller, origin, "/revoke", Some(secret), body).await;
        (answer.status, answer.header("access-control-allow-origin"))
    };
    let own = "https://app.example".to_owned();
    assert_eq!(revoke(&own, "app-secret", "token=x").await, (200, own.clone()));
    assert_eq!(revoke(&own, "app-secret", "").await, (400, own.clone()), "errors too");
    assert_eq!(revoke(&own, "wrong", "token=x").await, (401, own.clone()), "an application may read that it is wrong");
    assert_eq!(revoke("https://evil.example", "app-secret", "token=x").await, (200, String::new()));
    assert_eq!(preflight(&caller, &own, "/revoke").await, own);
}
