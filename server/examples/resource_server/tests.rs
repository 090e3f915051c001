//! The API against real signing keys and an identity server's endpoints over HTTP.

use crate::api::{Api, Refusal, TokenCheck, serve};
use crate::http::{Http, metadata_url};
use crate::jwt::JwtVerifier;
use crate::{Options, api};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as BASE64URL};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use pintle::clock::{Clock, SystemClock};
use pintle::config::model::Algorithm;
use pintle::entropy::SystemEntropy;
use pintle::keys::{KeyOptions, KeyRing, MasterKey};
use pintle::store::memory::MemoryStore;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::net::TcpListener;
use url::Url;

const AUDIENCE: &str = "https://api.example";

/// An identity server's metadata, keys and introspection; the only active opaque token is `good`.
struct Issuer {
    url: String,
    keys: KeyRing,
    key_fetches: AtomicUsize,
}

impl Issuer {
    async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let options = KeyOptions {
            algorithms: vec![Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Es256],
            rotate_every: Duration::from_secs(86400),
            publish_before: Duration::from_secs(60),
            retain: Duration::from_secs(60),
        };
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let master = MasterKey::new([1; 32]);
        let keys = KeyRing::open(store, &master, options, clock, Arc::new(SystemEntropy)).await.unwrap();
        let issuer = Arc::new(Self { url, keys, key_fetches: AtomicUsize::new(0) });
        tokio::spawn(issuer.clone().run(listener));
        issuer
    }

    async fn run(self: Arc<Self>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let issuer = self.clone();
            let service = hyper::service::service_fn(move |request| {
                let issuer = issuer.clone();
                async move { Ok::<_, Infallible>(issuer.answer(request).await) }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let url = &self.url;
        let body = match request.uri().path() {
            "/jwks" => {
                self.key_fetches.fetch_add(1, SeqCst);
                self.keys.jwks().to_string()
            }
            "/introspect" => {
                let basic = format!("Basic {}", STANDARD.encode("my+api:s%3Acret"));
                assert_eq!(request.headers()["authorization"], basic.as_str());
                let form = request.into_body().collect().await.unwrap().to_bytes();
                let good = form == "token=good&token_type_hint=access_token";
                json!({ "active": good, "iss": url, "aud": [AUDIENCE], "sub": "1", "scope": "a b" }).to_string()
            }
            _ => json!({ "issuer": url, "jwks_uri": format!("{url}/jwks"),
                         "introspection_endpoint": format!("{url}/introspect") })
            .to_string(),
        };
        Response::new(Full::from(body))
    }

    fn claims(&self) -> Value {
        json!({ "iss": self.url, "aud": AUDIENCE, "sub": "1", "client_id": "app", "scope": "a b", "exp": 4102444800_u64 })
    }

    fn sign(&self, algorithm: Algorithm, header: Value, claims: &Value) -> String {
        let kid = self.keys.current(algorithm).unwrap();
        let mut whole = json!({ "typ": "at+jwt", "alg": algorithm.name(), "kid": kid });
        whole.as_object_mut().unwrap().extend(header.as_object().unwrap().clone());
        let input = [&whole, claims].map(|part| BASE64URL.encode(part.to_string())).join(".");
        let signature = self.keys.sign(&kid, algorithm, input.as_bytes()).unwrap();
        format!("{input}.{}", BASE64URL.encode(signature))
    }

    fn token(&self, changes: Value) -> String {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.sign(Algorithm::EdDsa, json!({}), &claims)
    }

    fn verifier(&self) -> JwtVerifier {
        JwtVerifier::new(Http::default(), self.url.clone(), AUDIENCE.into(), format!("{}/jwks", self.url))
    }

    fn options(&self, introspect: Option<&str>) -> Options {
        Options {
            issuer: self.url.parse().unwrap(),
            audience: AUDIENCE.into(),
            scope: Some("a".into()),
            introspect: introspect.map(str::to_owned),
            listen: "127.0.0.1:0".parse().unwrap(),
        }
    }
}

fn is_invalid<T>(answer: &Result<T, Refusal>) -> bool {
    matches!(answer, Err(Refusal::InvalidToken(_)))
}

#[test]
fn the_well_known_part_goes_before_the_issuers_path() {
    let url = |issuer: &str| metadata_url(&Url::parse(issuer).unwrap()).to_string();
    assert_eq!(url("https://id.example"), "https://id.example/.well-known/oauth-authorization-server");
    assert_eq!(url("https://id.example/a/"), "https://id.example/.well-known/oauth-authorization-server/a");
}

#[tokio::test]
async fn a_token_of_each_algorithm_is_accepted_with_one_fetch_of_the_keys() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    for algorithm in [Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Es256] {
        for typ in ["at+jwt", "application/at+jwt", "JWT"] {
            let token = issuer.sign(algorithm, json!({ "typ": typ }), &issuer.claims());
            let caller = verifier.check(&token).await.unwrap();
            assert_eq!((caller.subject.as_deref(), caller.client_id.as_deref()), (Some("1"), Some("app")));
            assert_eq!(caller.scopes, ["a", "b"]);
        }
    }
    assert_eq!(issuer.key_fetches.load(SeqCst), 1);
}

#[tokio::test]
async fn a_token_for_others_of_others_expired_or_incomplete_is_refused() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    assert!(verifier.check(&issuer.token(json!({ "aud": ["x", AUDIENCE] }))).await.is_ok());
    let table = [
        json!({ "aud": "https://other.example" }),
        json!({ "aud": null }),
        json!({ "iss": "https://other.example" }),
        json!({ "iss": null }),
        json!({ "exp": 1 }),
        json!({ "exp": null }),
        json!({ "nbf": 4102444000_u64 }),
    ];
    for changes in table {
        let answer = verifier.check(&issuer.token(changes.clone())).await;
        assert!(is_invalid(&answer), "{changes}: {answer:?}");
    }
}

#[tokio::test]
async fn the_algorithm_is_the_keys_and_the_header_cannot_change_it() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    let headers = [
        json!({ "alg": "HS256" }),
        json!({ "alg": "none" }),
        json!({ "alg": "RS256" }),
        json!({ "typ": "dpop+jwt" }),
        json!({ "typ": null }),
        json!({ "kid": null }),
        json!({ "crit": ["x"] }),
    ];
    for header in headers {
        let answer = verifier.check(&issuer.sign(Algorithm::EdDsa, header.clone(), &issuer.claims())).await;
        assert!(is_invalid(&answer), "{header}: {answer:?}");
    }
    let token = issuer.token(json!({}));
    let signature_at = token.rfind('.').unwrap() + 5;
    let other = if &token[signature_at..=signature_at] == "A" { "B" } else { "A" };
    let forged = format!("{}{other}{}", &token[..signature_at], &token[signature_at + 1..]);
    assert!(is_invalid(&verifier.check(&forged).await));
    for text in ["", "a.b.c", "opaque"] {
        assert!(is_invalid(&verifier.check(text).await), "{text}");
    }
}

#[tokio::test]
async fn an_unknown_kid_fetches_the_keys_again_but_not_at_will() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    let old = issuer.token(json!({}));
    assert!(verifier.check(&old).await.is_ok());
    issuer.keys.rotate(Some(Algorithm::EdDsa), true).await.unwrap();
    let new = issuer.token(json!({}));
    assert!(is_invalid(&verifier.check(&new).await), "too soon to ask again");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(10)).await;
    tokio::time::resume();
    assert!(verifier.check(&new).await.is_ok());
    assert!(is_invalid(&verifier.check(&old).await), "withdrawn");
    assert_eq!(issuer.key_fetches.load(SeqCst), 2);
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_no_yes_and_no_no() {
    let issuer = Issuer::start().await;
    let token = issuer.token(json!({}));
    let nowhere = {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}/jwks", closed.local_addr().unwrap())
    };
    let verifier = JwtVerifier::new(Http::default(), issuer.url.clone(), AUDIENCE.into(), nowhere);
    for _ in 0..2 {
        assert!(matches!(verifier.check(&token).await, Err(Refusal::Unavailable(_))));
    }
}

#[tokio::test]
async fn introspection_accepts_what_is_active_and_no_more() {
    let issuer = Issuer::start().await;
    let api = Api::connect(&issuer.options(Some("my api:s:cret"))).await.unwrap();
    let TokenCheck::Introspection(introspector) = &api.check else { panic!("not by introspection") };
    assert_eq!(introspector.check("good").await.unwrap().scopes, ["a", "b"]);
    assert!(is_invalid(&introspector.check("bad").await));
    let mut options = issuer.options(Some("my api:s:cret"));
    options.audience = "https://other.example".into();
    let TokenCheck::Introspection(other) = Api::connect(&options).await.unwrap().check else { panic!() };
    assert!(is_invalid(&other.check("good").await), "active, but for another API");
}

#[tokio::test]
async fn the_api_answers_with_the_status_and_challenge_of_rfc_6750() {
    let issuer = Issuer::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let me = format!("http://{}/me", listener.local_addr().unwrap());
    tokio::spawn(serve(listener, Arc::new(Api::connect(&issuer.options(None)).await.unwrap())));
    let (good, narrow) = (issuer.token(json!({})), issuer.token(json!({ "scope": "b" })));
    let table = [
        (Some(format!("bearer {good}")), 200, None),
        (None, 401, Some("Bearer")),
        (Some("Basic eDp5".to_owned()), 401, Some("Bearer")),
        (Some("Bearer x".to_owned()), 401, Some(r#"Bearer error="invalid_token""#)),
        (Some(format!("Bearer {narrow}")), 403, Some(r#"Bearer error="insufficient_scope", scope="a""#)),
    ];
    for (authorization, status, challenge) in table {
        let mut request = Request::get(&me);
        if let Some(value) = &authorization {
            request = request.header("authorization", value);
        }
        let response = Http::default().send(request.body(Full::default()).unwrap()).await.unwrap();
        assert_eq!(response.status(), status, "{authorization:?}");
        assert_eq!(response.headers().get("www-authenticate").map(|value| value.to_str().unwrap()), challenge);
    }
}

#[test]
fn a_refusal_that_is_none_of_the_tokens_fault_has_no_challenge() {
    let response = api::refuse(&Refusal::Unavailable("down".into()));
    assert_eq!((response.status().as_u16(), response.headers().get("www-authenticate")), (503, None));
}
