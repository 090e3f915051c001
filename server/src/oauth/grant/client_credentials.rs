//! The client credentials grant (RFC 6749 §4.4): a machine in its own right.

use crate::oauth::client::Client;
use crate::oauth::error::OAuthError;
use crate::oauth::scope::{self, Scope};

/// What the client may have.
///
/// # Errors
/// `invalid_scope` when more is asked for than the client may have.
pub fn decide(client: &Client, requested: Option<&Scope>) -> Result<Scope, OAuthError> {
    scope::within(requested, &client.scopes)
}
