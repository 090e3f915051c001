//! Calls of the identity server, and its metadata.

use crate::api::{Refusal, unavailable};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::HeaderMap;
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, de::DeserializeOwned};
use std::time::Duration;
use tokio::time::timeout;
use url::Url;

/// The most that the identity server may answer.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// How long it may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The connection to the identity server.
#[derive(Clone)]
pub struct Http(Client<HttpConnector, Full<Bytes>>);

impl Default for Http {
    fn default() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }
}

impl Http {
    /// Sends a request, and takes its whole answer in bounded time and memory.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Refusal> {
        let uri = request.uri().clone();
        let answer = timeout(ANSWER_TIMEOUT, async {
            let (head, body) = self.0.request(request).await.map_err(|error| error.to_string())?.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(|error| error.to_string())?;
            Ok(Response::from_parts(head, body.to_bytes()))
        });
        let answered = answer.await.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        answered.map_err(|why| unavailable(format_args!("{uri}: {why}")))
    }

    /// Sends a request, whose answer must be 200 and JSON.
    pub async fn json<T: DeserializeOwned>(&self, request: Request<Full<Bytes>>) -> Result<(T, HeaderMap), Refusal> {
        let uri = request.uri().clone();
        let (head, body) = self.send(request).await?.into_parts();
        if head.status != StatusCode::OK {
            return Err(unavailable(format_args!("{uri}: {}", head.status)));
        }
        let value = serde_json::from_slice(&body).map_err(|error| unavailable(format_args!("{uri}: {error}")))?;
        Ok((value, head.headers))
    }

    /// A GET of JSON.
    pub async fn fetch<T: DeserializeOwned>(&self, url: &str) -> Result<(T, HeaderMap), Refusal> {
        self.json(Request::get(url).body(Full::default()).map_err(unavailable)?).await
    }
}

/// What we need of the server's metadata (RFC 8414 §2).
#[derive(Clone, Debug, Deserialize)]
pub struct Metadata {
    /// `issuer`.
    pub issuer: String,
    /// `jwks_uri`.
    pub jwks_uri: Option<String>,
    /// `introspection_endpoint`.
    pub introspection_endpoint: Option<String>,
}

/// Where the metadata of `issuer` are: the well-known part goes before the issuer's path (RFC 8414 §3.1).
#[must_use]
pub fn metadata_url(issuer: &Url) -> Url {
    let mut url = issuer.clone();
    url.set_path(&format!("/.well-known/oauth-authorization-server{}", issuer.path().trim_end_matches('/')));
    url
}

/// Fetches the metadata, which must be the issuer's own (RFC 8414 §3.3).
///
/// # Errors
/// `Unavailable`.
pub async fn discover(http: &Http, issuer: &Url) -> Result<Metadata, Refusal> {
    let (metadata, _): (Metadata, _) = http.fetch(metadata_url(issuer).as_str()).await?;
    if metadata.issuer.trim_end_matches('/') != issuer.as_str().trim_end_matches('/') {
        return Err(unavailable(format_args!("the metadata are of another issuer, {}", metadata.issuer)));
    }
    Ok(metadata)
}
