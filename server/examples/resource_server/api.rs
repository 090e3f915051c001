//! The API: who may call, and what it answers.

use crate::Options;
use crate::http::{Http, Metadata, discover};
use crate::introspection::Introspector;
use crate::jwt::JwtVerifier;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Who calls, as the token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// `sub`.
    pub subject: Option<String>,
    /// `client_id`.
    pub client_id: Option<String>,
    /// `scope`, split.
    pub scopes: Vec<String>,
}

/// Why a request is refused (RFC 6750 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No bearer token: 401 without an error code.
    NoToken,
    /// 401 `invalid_token`.
    InvalidToken(String),
    /// 403 `insufficient_scope`.
    InsufficientScope(String),
    /// It cannot be said whether the token is valid: 503, never a yes.
    Unavailable(String),
}

/// 401.
pub fn invalid(why: impl std::fmt::Display) -> Refusal {
    Refusal::InvalidToken(why.to_string())
}

/// 503.
pub fn unavailable(why: impl std::fmt::Display) -> Refusal {
    Refusal::Unavailable(why.to_string())
}

/// How tokens are checked.
pub enum TokenCheck {
    /// By their signature.
    Jwt(JwtVerifier),
    /// By asking.
    Introspection(Introspector),
}

/// The API.
pub struct Api {
    /// How tokens are checked.
    pub check: TokenCheck,
    /// A scope that every token must have.
    pub scope: Option<String>,
}

impl Api {
    /// Finds the server's endpoints.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn connect(options: &Options) -> Result<Self, Refusal> {
        let http = Http::default();
        let Metadata { issuer, jwks_uri, introspection_endpoint } = discover(&http, &options.issuer).await?;
        let audience = options.audience.clone();
        let check = match &options.introspect {
            Some(client) => {
                let endpoint = introspection_endpoint.ok_or_else(|| unavailable("the server does not introspect"))?;
                TokenCheck::Introspection(Introspector::new(http, issuer, audience, endpoint, client))
            }
            None => {
                let uri = jwks_uri.ok_or_else(|| unavailable("the server publishes no keys"))?;
                TokenCheck::Jwt(JwtVerifier::new(http, issuer, audience, uri))
            }
        };
        Ok(Self { check, scope: options.scope.clone() })
    }

    /// Who sent a request with these headers.
    ///
    /// # Errors
    /// Why it is refused.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let token = bearer_token(headers).ok_or(Refusal::NoToken)?;
        let caller = match &self.check {
            TokenCheck::Jwt(verifier) => verifier.check(token).await?,
            TokenCheck::Introspection(introspector) => introspector.check(token).await?,
        };
        match &self.scope {
            Some(scope) if !caller.scopes.contains(scope) => Err(Refusal::InsufficientScope(scope.clone())),
            _ => Ok(caller),
        }
    }

    /// `GET /me` says who calls.
    pub async fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response<Full<Bytes>> {
        if (method, path) != (&Method::GET, "/me") {
            return reply(StatusCode::NOT_FOUND, &serde_json::json!({ "error": "not_found" }), None);
        }
        match self.authenticate(headers).await {
            Ok(Caller { subject, client_id, scopes }) => {
                let me = serde_json::json!({ "sub": subject, "client_id": client_id, "scope": scopes.join(" ") });
                reply(StatusCode::OK, &me, None)
            }
            Err(refusal) => refuse(&refusal),
        }
    }
}

/// The token of `Authorization: Bearer` (RFC 6750 §2.1).
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The answer to a refused request (RFC 6750 §3.1).
pub fn refuse(refusal: &Refusal) -> Response<Full<Bytes>> {
    let (status, error, challenge) = match refusal {
        Refusal::NoToken => (StatusCode::UNAUTHORIZED, "no_token", "Bearer".to_owned()),
        Refusal::InvalidToken(_) => {
            (StatusCode::UNAUTHORIZED, "invalid_token", r#"Bearer error="invalid_token""#.to_owned())
        }
        Refusal::InsufficientScope(scope) => {
            let challenge = format!(r#"Bearer error="insufficient_scope", scope="{scope}""#);
            (StatusCode::FORBIDDEN, "insufficient_scope", challenge)
        }
        Refusal::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", String::new()),
    };
    eprintln!("refused: {refusal:?}");
    let challenge = Some(challenge).filter(|challenge| !challenge.is_empty());
    reply(status, &serde_json::json!({ "error": error }), challenge)
}

fn reply(status: StatusCode, body: &serde_json::Value, challenge: Option<String>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = status;
    let challenge = challenge.and_then(|challenge| challenge.parse().ok()).map(|value| (WWW_AUTHENTICATE, value));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().extend(challenge.into_iter().chain([(CONTENT_TYPE, json)]));
    response
}

/// Answers every connection of `listener`.
pub async fn serve(listener: TcpListener, api: Arc<Api>) {
    while let Ok((stream, _)) = listener.accept().await {
        let api = api.clone();
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let api = api.clone();
            async move { Ok::<_, Infallible>(api.answer(request.method(), request.uri().path(), request.headers()).await) }
        });
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}
