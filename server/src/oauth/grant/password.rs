//! The resource owner password credentials grant (RFC 6749 §4.3), for trusted clients.

use crate::oauth::client::Client;
use crate::oauth::error::OAuthError;
use crate::oauth::scope::{self, Scope};

/// What a login by password may ask for; who the user is was found out before.
///
/// # Errors
/// `invalid_scope` when more is asked for than the client may have.
pub fn decide(client: &Client, requested: Option<&Scope>) -> Result<Scope, OAuthError> {
    scope::within(requested, &client.scopes)
}
