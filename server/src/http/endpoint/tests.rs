//! What the endpoints write into the audit log: each decision once, and nothing else.

use super::{Endpoint, Request};
use crate::accounts::NewAccount;
use crate::app::{App, Builder};
use crate::clock::{ManualClock, UnixTime};
use crate::config::{self, LoadOptions};
use crate::keys::{MasterKey, MasterKeyOrigin};
use crate::store::memory::MemoryStore;
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::Value;
use std::sync::Arc;
use warp::hyper::{HeaderMap, header};

const CONFIG: &str = r#"
issuer = "http://127.0.0.1:8080"
data_dir = "data"
[authorize]
bearer_login = true
[log]
audit = "audit.log"
[passwords]
memory_kib = 8
iterations = 1
[[clients]]
id = "app"
type = "public"
trusted = true
grants = ["password", "authorization_code"]
scopes = ["read", "authorize"]
redirect_uris = ["https://app.example/cb"]
[plugins.local]
source = "builtin:accounts"
[users]
chain = ["local"]
"#;

const LOGIN: &str = "grant_type=password&client_id=app&username=dory&password=dorypass";
const CHALLENGE: &str = "code_challenge_method=S256&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

struct Fixture {
    app: App,
    folder: tempfile::TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pintle.toml");
        std::fs::write(&file, CONFIG).unwrap();
        let config = config::load(&LoadOptions { file: Some(file), ..LoadOptions::default() }).unwrap().config;
        let clock = Arc::new(ManualClock::at(UnixTime(1_800_000_000)));
        let app = Builder::new(config)
            .clock(clock.clone())
            .store(Arc::new(MemoryStore::new(clock)))
            .master_key(MasterKey::new([7; 32]), MasterKeyOrigin::Env("TEST".to_owned()));
        let app = app.build().await.unwrap();
        let password = Some("dorypass".to_owned().into());
        let dory = NewAccount { username: "dory".to_owned(), password, ..NewAccount::default() };
        app.core().accounts.create(dory).await.unwrap();
        Self { app, folder }
    }

    /// The status and the body's `access_token`.
    async fn ask(&self, endpoint: Endpoint, method: &str, query: &str, bearer: &str, body: &str) -> (u16, String) {
        let mut headers = HeaderMap::new();
        if method == "POST" {
            headers.insert(header::CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
        }
        if !bearer.is_empty() {
            headers.insert(header::AUTHORIZATION, format!("Bearer {bearer}").parse().unwrap());
        }
        let request = Request {
            path: String::new(),
            method: method.parse().unwrap(),
            headers,
            ip: None,
            request_id: "test".to_owned(),
            query: query.to_owned(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        let response = endpoint.serve(&self.app.served(), request).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        (status, body["access_token"].as_str().unwrap_or_default().to_owned())
    }

    /// `event error`, line by line. The log is written when the last handle on it is dropped.
    fn events(self) -> Vec<String> {
        drop(self.app);
        let text = std::fs::read_to_string(self.folder.path().join("audit.log")).unwrap();
        let event = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            let word = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            format!("{} {}", word("event"), word("error")).trim_end().to_owned()
        };
        text.lines().map(event).collect()
    }
}

#[tokio::test]
async fn a_method_that_decides_nothing_is_no_event() {
    let fixture = Fixture::new().await;
    for endpoint in [Endpoint::Token, Endpoint::Revoke, Endpoint::Introspect] {
        for (method, status) in [("GET", 405), ("PUT", 405), ("OPTIONS", 204)] {
            assert_eq!(fixture.ask(endpoint, method, "", "", LOGIN).await.0, status, "{endpoint:?} {method}");
        }
    }
    for (method, status) in [("POST", 405), ("OPTIONS", 204)] {
        assert_eq!(fixture.ask(Endpoint::Authorize, method, "", "", "").await.0, status, "{method}");
    }
    assert_eq!(fixture.ask(Endpoint::Token, "POST", "", "", LOGIN).await.0, 200);
    assert_eq!(fixture.events(), ["login.accepted", "token.issued"]);
}

#[tokio::test]
async fn an_authorization_request_is_one_event_wherever_its_error_goes() {
    let fixture = Fixture::new().await;
    let (_, token) = fixture.ask(Endpoint::Token, "POST", "", "", LOGIN).await;
    let ask = async |query: &str, bearer: &str| fixture.ask(Endpoint::Authorize, "GET", query, bearer, "").await.0;
    let code = format!("client_id=app&response_type=code&{CHALLENGE}");
    assert_eq!(ask(&format!("{code}&scope=read"), &token).await, 302);
    assert_eq!(ask(&format!("{code}&scope=write"), &token).await, 302, "refused in the redirect");
    assert_eq!(ask("client_id=app&response_type=token&scope=read", &token).await, 302);
    assert_eq!(ask(&format!("{code}&scope=read"), "nonsense").await, 401, "refused in the status");
    let expected = [
        "login.accepted",
        "token.issued",
        "code.issued",
        "code.refused invalid_scope",
        "code.refused unsupported_response_type",
        "code.refused invalid_token",
    ];
    assert_eq!(fixture.events(), expected);
}
