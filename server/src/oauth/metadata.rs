//! Authorization server metadata (RFC 8414 §2, OpenID Connect Discovery §3): only what truly works is announced.

use super::client::GrantType;
use super::client_auth::ClientAuthMethod;
use serde::Serialize;

/// What the document says.
#[derive(Clone, Debug, Serialize)]
pub struct Metadata {
    issuer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_endpoint: Option<String>,
    token_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<String>,
    introspection_endpoint: String,
    revocation_endpoint: String,
    scopes_supported: Vec<String>,
    response_types_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    response_modes_supported: Vec<&'static str>,
    grant_types_supported: Vec<&'static str>,
    token_endpoint_auth_methods_supported: Vec<&'static str>,
    introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    code_challenge_methods_supported: Vec<&'static str>,
    authorization_response_iss_parameter_supported: bool,
}

/// What the server has.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The issuer.
    pub issuer: String,
    /// The authorization endpoint's URL, where it works.
    pub authorize: Option<String>,
    /// The token endpoint's URL.
    pub token: String,
    /// The key set's URL.
    pub jwks: String,
    /// The introspection endpoint's URL.
    pub introspect: String,
    /// The revocation endpoint's URL.
    pub revoke: String,
    /// All scopes of the configured clients.
    pub scopes: Vec<String>,
    /// All grants of the configured clients.
    pub grants: Vec<GrantType>,
}

impl Metadata {
    /// The document for a server.
    #[must_use]
    pub fn new(facts: Facts) -> Self {
        let authenticated = vec![ClientAuthMethod::ClientSecretBasic.name(), ClientAuthMethod::ClientSecretPost.name()];
        let any = [authenticated.clone(), vec![ClientAuthMethod::None.name()]].concat();
        let code = |values: &[&'static str]| if facts.authorize.is_some() { values.to_vec() } else { vec![] };
        Self {
            response_types_supported: code(&["code"]),
            response_modes_supported: code(&["query"]),
            code_challenge_methods_supported: code(&["S256"]),
            authorization_response_iss_parameter_supported: facts.authorize.is_some(),
            issuer: facts.issuer,
            authorization_endpoint: facts.authorize,
            token_endpoint: facts.token,
            jwks_uri: Some(facts.jwks),
            introspection_endpoint: facts.introspect,
            revocation_endpoint: facts.revoke,
            scopes_supported: facts.scopes,
            grant_types_supported: facts.grants.iter().map(|grant| grant.name()).collect(),
            token_endpoint_auth_methods_supported: any.clone(),
            introspection_endpoint_auth_methods_supported: authenticated,
            revocation_endpoint_auth_methods_supported: any,
        }
    }

    /// The document as JSON. The key set is announced while it has keys: also after the configured tokens have become
    /// opaque, as long as signed ones live.
    #[must_use]
    pub fn document(&self, has_keys: bool) -> Vec<u8> {
        let shown = if has_keys { self.clone() } else { Self { jwks_uri: None, ..self.clone() } };
        serde_json::to_vec(&shown).unwrap_or_default()
    }
}

/// The paths of the document for an issuer with the path `path` (empty, or `/…`): RFC 8414 §3.1 puts the well-known
/// part before it, OpenID Connect Discovery §4 behind it.
#[must_use]
pub fn well_known_paths(path: &str) -> Vec<String> {
    vec![format!("/.well-known/oauth-authorization-server{path}"), format!("{path}/.well-known/openid-configuration")]
}
