//! JWT access tokens, verified with the server's published keys (RFC 9068 §4).

use crate::api::{Caller, Refusal, invalid, unavailable};
use crate::http::Http;
use hyper::header::{CACHE_CONTROL, HeaderMap};
use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::time::Instant;

/// An unknown `kid` makes us fetch the keys again, but no more often than this: anyone can make up a `kid`.
const MIN_REFETCH: Duration = Duration::from_secs(10);
/// How long keys are used where the server does not say.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(300);
/// How long known keys are used beyond their age while the server cannot be reached.
const MAX_STALE: Duration = Duration::from_secs(60 * 60);

/// A published key. Its algorithm comes from here, never from a token's header.
struct VerificationKey {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl VerificationKey {
    fn new(jwk: &Jwk) -> Option<(String, Arc<Self>)> {
        let algorithm = match jwk.common.key_algorithm? {
            KeyAlgorithm::EdDSA => Algorithm::EdDSA,
            KeyAlgorithm::RS256 => Algorithm::RS256,
            KeyAlgorithm::ES256 => Algorithm::ES256,
            _ => return None,
        };
        let key = DecodingKey::from_jwk(jwk).ok()?;
        Some((jwk.common.key_id.clone()?, Arc::new(Self { algorithm, key })))
    }
}

/// The keys that were fetched last.
#[derive(Default)]
struct KeyCache {
    keys: HashMap<String, Arc<VerificationKey>>,
    fresh_until: Option<Instant>,
}

impl KeyCache {
    /// The key, if the keys are no older than their age and `beyond`.
    fn find(&self, kid: &str, beyond: Duration) -> Option<Arc<VerificationKey>> {
        self.keys.get(kid).filter(|_| self.is_within(beyond)).cloned()
    }

    fn is_within(&self, beyond: Duration) -> bool {
        self.fresh_until.is_some_and(|until| Instant::now() < until + beyond)
    }
}

/// Verifies JWTs with the server's published keys.
pub struct JwtVerifier {
    http: Http,
    issuer: String,
    audience: String,
    jwks_uri: String,
    cache: RwLock<Arc<KeyCache>>,
    /// When the keys were last asked for; locked while they are, so that many requests make one fetch.
    tried_at: tokio::sync::Mutex<Option<Instant>>,
}

/// What we need of the claims, here and in an introspection response.
#[derive(Deserialize)]
pub struct JwtClaims {
    sub: Option<String>,
    client_id: Option<String>,
    #[serde(default)]
    scope: String,
}

impl From<JwtClaims> for Caller {
    fn from(claims: JwtClaims) -> Self {
        let scopes = claims.scope.split_ascii_whitespace().map(str::to_owned).collect();
        Self { subject: claims.sub, client_id: claims.client_id, scopes }
    }
}

impl JwtVerifier {
    /// A verifier that has fetched nothing yet.
    #[must_use]
    pub fn new(http: Http, issuer: String, audience: String, jwks_uri: String) -> Self {
        Self { http, issuer, audience, jwks_uri, cache: RwLock::default(), tried_at: Default::default() }
    }

    /// Checks a JWT access token as RFC 9068 §4 says. The plain `typ` is accepted beside `at+jwt`: the audience, which
    /// is checked too, keeps ID tokens out.
    ///
    /// # Errors
    /// `InvalidToken`, `Unavailable`.
    pub async fn check(&self, token: &str) -> Result<Caller, Refusal> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| invalid("not a JWT"))?;
        let typ = header.typ.as_deref().unwrap_or_default().to_ascii_lowercase();
        if !matches!(typ.as_str(), "at+jwt" | "application/at+jwt" | "jwt") || header.crit.is_some() {
            return Err(invalid("not an access token"));
        }
        let kid = header.kid.ok_or_else(|| invalid("no kid"))?;
        let key = self.key(&kid).await?;
        let mut validation = Validation::new(key.algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.validate_nbf = true;
        validation.leeway = 5;
        let decoded = jsonwebtoken::decode::<JwtClaims>(token, &key.key, &validation).map_err(invalid)?;
        Ok(decoded.claims.into())
    }

    /// The key named `kid`: from the cache, or fetched when it is not there or the cache is old.
    async fn key(&self, kid: &str) -> Result<Arc<VerificationKey>, Refusal> {
        if let Some(key) = self.cache().find(kid, Duration::ZERO) {
            return Ok(key);
        }
        let mut tried_at = self.tried_at.lock().await;
        // Who waited for another's fetch finds its result.
        if let Some(key) = self.cache().find(kid, Duration::ZERO) {
            return Ok(key);
        }
        let mut fault = None;
        if tried_at.is_none_or(|at| at.elapsed() >= MIN_REFETCH) {
            *tried_at = Some(Instant::now());
            fault = self.refresh().await.err();
        }
        let cache = self.cache();
        match (cache.find(kid, MAX_STALE), fault) {
            (Some(key), _) => Ok(key),
            (None, Some(fault)) => Err(fault),
            (None, None) if cache.is_within(MAX_STALE) => Err(invalid("signed with an unknown key")),
            (None, None) => Err(unavailable("the keys could not be fetched")),
        }
    }

    fn cache(&self) -> Arc<KeyCache> {
        self.cache.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn refresh(&self) -> Result<(), Refusal> {
        let (set, headers): (JwkSet, _) = self.http.fetch(&self.jwks_uri).await?;
        let keys = set.keys.iter().filter_map(VerificationKey::new).collect();
        let fresh_until = Some(Instant::now() + max_age(&headers).unwrap_or(DEFAULT_MAX_AGE));
        *self.cache.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(KeyCache { keys, fresh_until });
        Ok(())
    }
}

/// `max-age` of `Cache-Control` (RFC 9111 §5.2.2.1), at most a day.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let directives = headers.get(CACHE_CONTROL)?.to_str().ok()?.split(',');
    let seconds = directives.filter_map(|directive| directive.trim().strip_prefix("max-age=")).next()?;
    Some(Duration::from_secs(seconds.parse::<u64>().ok()?.min(86400)))
}
