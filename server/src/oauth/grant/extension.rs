//! A plugin's grant (RFC 6749 §4.5): what the core decides about it.

use crate::oauth::client::Client;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::scope::Scope;

/// Whether `client` may use the grant whose `grant_type` is `name`.
///
/// # Errors
/// `unauthorized_client`.
pub fn permit(client: &Client, name: &str) -> Result<(), OAuthError> {
    if client.extension_grants.iter().any(|registered| registered == name) {
        return Ok(());
    }
    Err(OAuthError::new(ErrorCode::UnauthorizedClient, "the client is not registered for this grant_type"))
}

/// The scope of what a plugin grants: never more than the client may have, nor than it asked for.
///
/// # Errors
/// `invalid_scope` when the client asks for what it may not have, or nothing of what it asked for is granted.
pub fn decide(client: &Client, requested: Option<&Scope>, granted: &Scope) -> Result<Scope, OAuthError> {
    let asked = super::password::decide(client, requested)?;
    let scope = asked.intersect(granted);
    if scope.is_empty() && !asked.is_empty() {
        return Err(OAuthError::invalid_scope("none of the requested scopes is granted"));
    }
    Ok(scope)
}

/// The error that a plugin answers with, if its code is one that a token endpoint may give: RFC 6749 §5.2, RFC 8628 §3.5,
/// OpenID Connect Core §3.1.2.6. Another one becomes `invalid_grant`.
#[must_use]
pub fn refusal(code: &str, description: String) -> OAuthError {
    let code = match code {
        "invalid_request" => ErrorCode::InvalidRequest,
        "invalid_scope" => ErrorCode::InvalidScope,
        "unauthorized_client" => ErrorCode::UnauthorizedClient,
        "authorization_pending" => ErrorCode::AuthorizationPending,
        "slow_down" => ErrorCode::SlowDown,
        "expired_token" => ErrorCode::ExpiredToken,
        "access_denied" => ErrorCode::AccessDenied,
        "interaction_required" => ErrorCode::InteractionRequired,
        _ => ErrorCode::InvalidGrant,
    };
    OAuthError::new(code, description)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::grant::tests::client;

    #[test]
    fn a_plugin_cannot_grant_more_than_the_client_may_have_or_asked_for() {
        let granted = Scope::new(["read", "write", "root"]);
        assert_eq!(decide(&client(), None, &granted).unwrap(), Scope::new(["read", "write"]));
        let asked = Scope::new(["read"]);
        assert_eq!(decide(&client(), Some(&asked), &granted).unwrap(), asked);
        assert_eq!(decide(&client(), Some(&asked), &Scope::new(["root"])).unwrap_err().code, ErrorCode::InvalidScope);
        assert!(decide(&client(), Some(&Scope::new(["root"])), &granted).is_err());
    }

    #[test]
    fn a_grant_of_a_plugin_has_to_be_registered() {
        assert!(permit(&client(), "urn:example:badge").is_err());
        let registered = Client { extension_grants: vec!["urn:example:badge".into()], ..client() };
        assert!(permit(&registered, "urn:example:badge").is_ok());
        assert!(permit(&registered, "urn:example:badg").is_err());
    }

    #[test]
    fn only_known_error_codes_of_a_plugin_reach_the_client() {
        assert_eq!(refusal("authorization_pending", String::new()).code.as_str(), "authorization_pending");
        assert_eq!(refusal("server_error", String::new()).code.as_str(), "invalid_grant");
        assert_eq!(refusal("x\"y", String::new()).code.as_str(), "invalid_grant");
    }
}
