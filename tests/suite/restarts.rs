//! Restarts with another configuration: no token is cut off from the key that it needs.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use pintle::clock::{Clock, ManualClock, SystemClock};
use pintle::keys::{MasterKey, MasterKeyOrigin};
use pintle::store::Store;
use pintle::store::memory::MemoryStore;
use pintle_tests::{Answer, Options, TestServer};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const CONFIG: &str = r#"
issuer = "https://id.example"
data_dir = "data"
[listen]
address = "127.0.0.1:{port}"
[[clients]]
id = "app"
type = "confidential"
secret = { value = "app-secret" }
grants = ["client_credentials"]
scopes = ["read"]
"#;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What outlives a server.
struct Machine {
    clock: Arc<ManualClock>,
    store: Arc<dyn Store>,
}

impl Machine {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
        let store = Arc::new(MemoryStore::new(clock.clone()));
        Self { clock, store }
    }

    async fn start(&self, client: &str, overlay: &str) -> TestServer {
        let clock = self.clock.clone();
        let mut options = Options::new(format!("{CONFIG}{client}")).overlay(overlay);
        options.store = Some(self.store.clone());
        options.customize = Some(Box::new(move |builder| {
            let origin = MasterKeyOrigin::File(PathBuf::from("master.key"));
            builder.clock(clock).master_key(MasterKey::new([1; 32]), origin)
        }));
        options.start().await
    }

    async fn advance(&self, server: &TestServer, by: Duration) {
        self.clock.advance(by);
        server.app.core().keys.tick().await.unwrap();
    }
}

async fn as_app(server: &TestServer, path: &str, body: &str) -> Answer {
    server.caller().post_as("app", "app-secret", path, body).await
}

async fn issue(server: &TestServer) -> String {
    as_app(server, "/token", "grant_type=client_credentials").await.field("access_token")
}

/// Whether the token works for a resource server that reads the key set, and for one that asks.
async fn works(server: &TestServer, token: &str) -> (bool, bool) {
    let jwks: JwkSet = serde_json::from_str(&server.caller().get("/jwks").await.text).unwrap();
    let header = decode_header(token).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&["https://id.example"]);
    validation.validate_exp = false;
    let verified = jwks
        .find(&header.kid.unwrap())
        .is_some_and(|jwk| decode::<Value>(token, &DecodingKey::from_jwk(jwk).unwrap(), &validation).is_ok());
    let seen = as_app(server, "/introspect", &format!("token={token}")).await;
    (verified, seen.json()["active"] == true)
}

async fn announced(server: &TestServer) -> bool {
    server.caller().get("/.well-known/openid-configuration").await.json().get("jwks_uri").is_some()
}

#[tokio::test]
async fn a_token_outlives_a_restart_with_shorter_lifetimes_another_algorithm_or_opaque_tokens() {
    let long = "[tokens.access]\nlifetime = \"30d\"\n";
    for changed in ["lifetime = \"1s\"", "lifetime = \"1s\"\nalgorithm = \"ES256\"", "format = \"opaque\""] {
        let machine = Machine::new();
        let first = machine.start("", long).await;
        let token = issue(&first).await;
        first.stop().await;
        let second = machine.start("", &format!("[tokens.access]\n{changed}\n")).await;
        second.app.core().keys.rotate(None, false).await.unwrap();
        machine.advance(&second, DAY).await;
        machine.advance(&second, 29 * DAY - Duration::from_secs(1)).await;
        assert_eq!((works(&second, &token).await, announced(&second).await), ((true, true), true), "{changed}");
        machine.advance(&second, 2 * DAY).await;
        assert_eq!(works(&second, &token).await, (false, false), "{changed}");
        assert_eq!(announced(&second).await, !changed.contains("opaque"), "{changed}");
    }
}

#[tokio::test]
async fn a_token_outlives_the_removal_of_the_client_with_the_long_lifetime() {
    let client = "access_lifetime = \"30d\"\n";
    let machine = Machine::new();
    let first = machine.start(client, "").await;
    let token = issue(&first).await;
    first.stop().await;
    let second = machine.start("", "").await;
    second.app.core().keys.rotate(None, false).await.unwrap();
    machine.advance(&second, DAY).await;
    machine.advance(&second, 28 * DAY).await;
    assert_eq!(works(&second, &token).await, (true, true));
}

#[tokio::test]
async fn another_algorithm_signs_when_its_key_has_been_published_for_long_enough() {
    let machine = Machine::new();
    machine.start("", "").await.stop().await;
    let server = machine.start("", "[tokens.access]\nalgorithm = \"ES256\"\n").await;
    let cached = server.caller().get("/jwks").await.text;
    let mut algorithms = Vec::new();
    for passed in [Duration::ZERO, DAY - Duration::from_secs(60), Duration::from_secs(60)] {
        machine.advance(&server, passed).await;
        let header = decode_header(&issue(&server).await).unwrap();
        assert!(cached.contains(&header.kid.unwrap()), "a resource server knows the key already");
        algorithms.push(format!("{:?}", header.alg));
    }
    assert_eq!(algorithms, ["EdDSA", "EdDSA", "ES256"]);
}
