//! Authorization requests (RFC 6749 §4.1.1), in the two steps that decide where an error may go.

use super::client::{Client, GrantType};
use super::error::{ErrorCode, OAuthError};
use super::params::Params;
use super::pkce::CodeChallenge;
use super::redirect_uri;
use super::scope::{self, Scope};

/// Where the answer goes. Until this is known an error is shown, never redirected (RFC 6749 §4.1.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnAddress {
    /// The redirect URI to use.
    pub redirect_uri: String,
    /// Whether the request had the parameter: then the token request repeats it.
    pub was_sent: bool,
    /// `state`, handed back as it came.
    pub state: Option<String>,
}

impl ReturnAddress {
    /// Reads the return address.
    ///
    /// # Errors
    /// `invalid_request` for a redirect URI that is not the client's.
    pub fn read(params: &Params, client: &Client) -> Result<Self, OAuthError> {
        let sent = params.optional("redirect_uri");
        Ok(Self {
            redirect_uri: redirect_uri::choose(&client.redirect_uris, sent)?,
            was_sent: sent.is_some(),
            state: params.optional("state").map(str::to_owned),
        })
    }

    /// The URL that carries `pairs` back (RFC 6749 §4.1.2), with `state` and `iss` (RFC 9207 §2).
    #[must_use]
    pub fn answer(&self, issuer: &str, pairs: &[(&str, &str)]) -> String {
        let mut pairs = pairs.to_vec();
        if let Some(state) = &self.state {
            pairs.push(("state", state));
        }
        pairs.push(("iss", issuer));
        redirect_uri::with_query(&self.redirect_uri, &pairs)
    }
}

/// An authorization request for a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationRequest {
    /// What is asked for; `None` for whatever the client may have.
    pub scope: Option<Scope>,
    /// RFC 7636 §4.3.
    pub code_challenge: Option<CodeChallenge>,
}

impl AuthorizationRequest {
    /// Reads what is asked of `client`; its errors go to the return address.
    ///
    /// # Errors
    /// `unsupported_response_type`, `unauthorized_client`, `invalid_scope`, `invalid_request`; a public client has to send a
    /// `code_challenge` (RFC 9700 §2.1.1).
    pub fn read(params: &Params, client: &Client) -> Result<Self, OAuthError> {
        if params.required("response_type")? != "code" {
            return Err(OAuthError::new(ErrorCode::UnsupportedResponseType, "response_type has to be 'code'"));
        }
        if !client.may(GrantType::AuthorizationCode) {
            let why = "the client is not registered for authorization_code";
            return Err(OAuthError::new(ErrorCode::UnauthorizedClient, why));
        }
        let method = params.optional("code_challenge_method");
        let code_challenge = match params.optional("code_challenge") {
            Some(challenge) => Some(CodeChallenge::parse(challenge, method)?),
            None if method.is_some() => {
                return Err(OAuthError::invalid_request("code_challenge_method without code_challenge"));
            }
            None if client.is_confidential() => None,
            None => return Err(OAuthError::invalid_request("a public client has to send a code_challenge")),
        };
        let scope = params.optional("scope").map(Scope::parse).transpose()?;
        scope::within(scope.as_ref(), &client.scopes)?;
        Ok(Self { scope, code_challenge })
    }

    /// What the code shall stand for, where the user's login is a token of the scope `login`.
    ///
    /// # Errors
    /// `invalid_scope` when no scope is named (KorAP: required) or one goes beyond the login's.
    pub fn scope_within(&self, login: &Scope) -> Result<Scope, OAuthError> {
        match &self.scope {
            Some(scope) => scope::within(Some(scope), login),
            None => Err(OAuthError::invalid_scope("parameter 'scope' is missing")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::client::ClientType;
    use crate::oauth::grant::tests::client;

    fn read(query: &str, client: &Client) -> Result<AuthorizationRequest, String> {
        let params = Params::parse(query.as_bytes()).unwrap();
        AuthorizationRequest::read(&params, client).map_err(|error| error.to_string())
    }

    #[test]
    fn a_public_client_has_to_use_pkce() {
        let public = Client { client_type: ClientType::Public, ..client() };
        assert!(read("response_type=code&scope=read", &client()).is_ok());
        assert!(read("response_type=code&scope=read", &public).unwrap_err().contains("code_challenge"));
    }

    #[test]
    fn other_response_types_and_scopes_are_refused() {
        assert!(read("response_type=token", &client()).unwrap_err().starts_with("unsupported_response_type"));
        assert!(read("scope=read", &client()).unwrap_err().starts_with("invalid_request"));
        assert!(read("response_type=code&scope=admin", &client()).unwrap_err().starts_with("invalid_scope"));
    }

    #[test]
    fn the_scope_stays_within_the_login() {
        let request = read("response_type=code&scope=read", &client()).unwrap();
        assert_eq!(request.scope_within(&Scope::new(["read", "authorize"])).unwrap(), Scope::new(["read"]));
        assert!(request.scope_within(&Scope::new(["authorize"])).is_err());
    }

    #[test]
    fn an_answer_carries_state_and_issuer() {
        let address =
            ReturnAddress { redirect_uri: "https://a/cb?k=v".into(), was_sent: true, state: Some("s&t".into()) };
        assert_eq!(
            address.answer("https://id", &[("code", "c")]),
            "https://a/cb?k=v&code=c&state=s%26t&iss=https%3A%2F%2Fid"
        );
    }
}
