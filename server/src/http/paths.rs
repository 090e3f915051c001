//! The paths of the endpoints, as the configuration has them (behind its root already), and the well-known ones.

use crate::config::model::Paths;
use crate::oauth::metadata::well_known_paths;

/// Whole paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePaths {
    /// The token endpoint's.
    pub token: Vec<String>,
    /// The authorization endpoint's.
    pub authorize: Vec<String>,
    /// The introspection endpoint's.
    pub introspect: Vec<String>,
    /// The revocation endpoint's.
    pub revoke: Vec<String>,
    /// The key set's.
    pub jwks: Vec<String>,
    /// The metadata document's.
    pub metadata: Vec<String>,
}

impl RoutePaths {
    /// The paths of a server with this issuer.
    #[must_use]
    pub fn new(paths: &Paths, issuer: &str) -> Self {
        let issuer_path = url::Url::parse(issuer).map(|url| url.path().trim_end_matches('/').to_owned());
        Self {
            token: paths.token.clone(),
            authorize: paths.authorize.clone(),
            introspect: paths.introspect.clone(),
            revoke: paths.revoke.clone(),
            jwks: paths.jwks.clone(),
            metadata: well_known_paths(&issuer_path.unwrap_or_default()),
        }
    }
}

/// The URL of a path at the issuer's origin.
#[must_use]
pub fn url_of(issuer: &str, path: &str) -> String {
    match url::Url::parse(issuer) {
        Ok(url) => format!("{}{path}", url.origin().ascii_serialization()),
        Err(_) => format!("{issuer}{path}"),
    }
}
