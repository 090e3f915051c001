//! Access tokens of any format, by asking the server (RFC 7662).

use crate::api::{Caller, Refusal, invalid, unavailable};
use crate::http::Http;
use crate::jwt::JwtClaims;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use serde::Deserialize;
use url::form_urlencoded::{Serializer, byte_serialize};

/// Asks the server about each token.
pub struct Introspector {
    http: Http,
    issuer: String,
    audience: String,
    endpoint: String,
    /// The value of `Authorization`.
    credentials: String,
}

/// `aud`: one or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// What we need of an introspection response (RFC 7662 §2.2).
#[derive(Deserialize)]
struct Introspection {
    active: bool,
    iss: Option<String>,
    aud: Option<Audience>,
    #[serde(flatten)]
    claims: JwtClaims,
}

impl Introspector {
    /// `client`: `id:secret`, sent as RFC 6749 §2.3.1 says.
    #[must_use]
    pub fn new(http: Http, issuer: String, audience: String, endpoint: String, client: &str) -> Self {
        let (id, secret) = client.split_once(':').unwrap_or((client, ""));
        let [id, secret] = [id, secret].map(|part| byte_serialize(part.as_bytes()).collect::<String>());
        let credentials = format!("Basic {}", BASE64.encode(format!("{id}:{secret}")));
        Self { http, issuer, audience, endpoint, credentials }
    }

    /// Asks whether the token is active, and meant for this API where the server says for whom it is.
    ///
    /// # Errors
    /// `InvalidToken`, `Unavailable`.
    pub async fn check(&self, token: &str) -> Result<Caller, Refusal> {
        let request = Request::post(&self.endpoint)
            .header(AUTHORIZATION, &self.credentials)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(form(&[("token", token), ("token_type_hint", "access_token")])))
            .map_err(unavailable)?;
        let (answer, _): (Introspection, _) = self.http.json(request).await?;
        let is_ours = match &answer.aud {
            None => true,
            Some(Audience::One(audience)) => *audience == self.audience,
            Some(Audience::Many(audiences)) => audiences.contains(&self.audience),
        };
        if !answer.active {
            return Err(invalid("not active"));
        }
        if !is_ours || answer.iss.is_some_and(|issuer| issuer != self.issuer) {
            return Err(invalid("not for this API"));
        }
        Ok(answer.claims.into())
    }
}

/// `application/x-www-form-urlencoded`.
fn form(pairs: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}
