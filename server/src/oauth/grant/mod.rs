//! One file a grant, each a pure `decide`.

pub mod authorization_code;
pub mod client_credentials;
pub mod extension;
pub mod password;
pub mod refresh_token;

use super::client::{Client, GrantType};
use super::error::{ErrorCode, OAuthError};

/// Whether `client` may use `grant` at all, decided after it was authenticated.
///
/// # Errors
/// `unauthorized_client`. The password grant is for trusted clients only: Pintle's one exception to RFC 9700 §2.4.
pub fn permit(client: &Client, grant: GrantType) -> Result<(), OAuthError> {
    let refuse = |why| Err(OAuthError::new(ErrorCode::UnauthorizedClient, why));
    if grant == GrantType::Extension {
        // Which one, `extension::permit` looks at.
        return Ok(());
    }
    if !client.may(grant) {
        return refuse("the client is not registered for this grant_type");
    }
    if grant == GrantType::Password && !client.trusted {
        return refuse("the password grant is for trusted clients only");
    }
    if grant == GrantType::ClientCredentials && !client.is_confidential() {
        return refuse("a public client has no credentials of its own");
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::oauth::client::ClientType;
    use crate::oauth::scope::Scope;

    pub(crate) fn client() -> Client {
        Client {
            id: "app".into(),
            name: "App".into(),
            client_type: ClientType::Confidential,
            secrets: vec![],
            trusted: true,
            introspect: false,
            grants: GrantType::ALL.to_vec(),
            extension_grants: vec![],
            scopes: Scope::new(["read", "write"]),
            redirect_uris: vec!["https://app.example/cb".into()],
            cors: vec![],
            access_lifetime: None,
        }
    }

    #[test]
    fn the_password_grant_is_for_trusted_clients_only() {
        assert!(permit(&client(), GrantType::Password).is_ok());
        let refused = permit(&Client { trusted: false, ..client() }, GrantType::Password).unwrap_err();
        assert_eq!(refused.code, ErrorCode::UnauthorizedClient);
    }

    #[test]
    fn a_grant_has_to_be_registered() {
        assert!(permit(&Client { grants: vec![], ..client() }, GrantType::RefreshToken).is_err());
        let public = Client { client_type: ClientType::Public, ..client() };
        assert!(permit(&public, GrantType::ClientCredentials).is_err());
    }
}
