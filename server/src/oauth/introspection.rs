//! Token introspection (RFC 7662).

use super::claims::Claims;
use super::client::Client;
use serde::Serialize;

/// RFC 7662 §2.2. An inactive token's answer says nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IntrospectionResponse {
    /// Whether the token works.
    pub active: bool,
    /// The login name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// `Bearer`, for an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_type: Option<&'static str>,
    /// The token's claims.
    #[serde(flatten)]
    pub claims: Option<Claims>,
}

/// What a token turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveToken {
    /// Its claims.
    pub claims: Claims,
    /// The login name, if there is a user.
    pub username: Option<String>,
    /// Whether it is an access token, not a refresh token.
    pub access: bool,
}

/// Whether `client` may know about a token: its own, or any where its registration says so.
#[must_use]
pub fn may_see(client: &Client, token: &ActiveToken) -> bool {
    client.introspect || token.claims.client_id == client.id
}

/// What `client` may know about a token.
#[must_use]
pub fn respond(client: &Client, token: Option<ActiveToken>) -> IntrospectionResponse {
    match token {
        Some(token) if may_see(client, &token) => IntrospectionResponse {
            active: true,
            username: token.username,
            token_type: token.access.then_some("Bearer"),
            claims: Some(token.claims),
        },
        _ => IntrospectionResponse::default(),
    }
}
