//! Authorization server metadata (RFC 8414 §2, OpenID Connect Discovery §3): only what truly works is announced, and a
//! list without elements is left out (RFC 8414 §3.2).

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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<String>,
    /// Required (RFC 8414 §2), hence not left out when empty.
    response_types_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    response_modes_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    grant_types_supported: Vec<String>,
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
    /// The key set's URL, where tokens are signed.
    pub jwks: Option<String>,
    /// The introspection endpoint's URL.
    pub introspect: String,
    /// The revocation endpoint's URL.
    pub revoke: String,
    /// All scopes of the clients.
    pub scopes: Vec<String>,
    /// All grants of the clients.
    pub grants: Vec<String>,
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
            jwks_uri: facts.jwks,
            introspection_endpoint: facts.introspect,
            revocation_endpoint: facts.revoke,
            scopes_supported: facts.scopes,
            grant_types_supported: facts.grants,
            token_endpoint_auth_methods_supported: any.clone(),
            introspection_endpoint_auth_methods_supported: authenticated,
            revocation_endpoint_auth_methods_supported: any,
        }
    }
}

/// The paths of the document for an issuer with the path `path` (empty, or `/…`): RFC 8414 §3.1 puts the well-known
/// part before it, OpenID Connect Discovery §4 behind it.
#[must_use]
pub fn well_known_paths(path: &str) -> Vec<String> {
    vec![format!("/.well-known/oauth-authorization-server{path}"), format!("{path}/.well-known/openid-configuration")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_is_left_out_unless_it_is_required() {
        let facts = Facts {
            issuer: "https://id.example".into(),
            authorize: None,
            token: "https://id.example/token".into(),
            jwks: None,
            introspect: "https://id.example/introspect".into(),
            revoke: "https://id.example/revoke".into(),
            scopes: vec![],
            grants: vec![],
        };
        let document = serde_json::to_value(Metadata::new(facts)).unwrap();
        let empty = |(name, value): (&String, &serde_json::Value)| {
            value.as_array().is_some_and(Vec::is_empty).then(|| name.clone())
        };
        let empty: Vec<String> = document.as_object().unwrap().iter().filter_map(empty).collect();
        assert_eq!(empty, ["response_types_supported"]);
    }
}
