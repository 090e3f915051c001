//! Token requests (RFC 6749 §4.1.3, §4.3.2, §4.4.2, §6).

use super::client::GrantType;
use super::error::{ErrorCode, OAuthError};
use super::params::Params;
use super::pkce::CodeVerifier;
use super::scope::Scope;
use zeroize::Zeroizing;

/// The longest user name or password, in bytes: no plugin takes more.
const MAX_CREDENTIAL_BYTES: usize = 4 * 1024;

/// A token request whose client is read elsewhere.
pub struct TokenRequest {
    /// What is presented for a token.
    pub grant: Grant,
    /// `scope`, if sent.
    pub scope: Option<Scope>,
}

/// What is presented for a token.
pub enum Grant {
    /// RFC 6749 §4.3.2.
    Password {
        /// As typed.
        username: String,
        /// As typed.
        password: Zeroizing<String>,
    },
    /// RFC 6749 §6.
    RefreshToken {
        /// As issued.
        refresh_token: Zeroizing<String>,
    },
    /// RFC 6749 §4.4.2.
    ClientCredentials,
    /// RFC 6749 §4.1.3.
    AuthorizationCode(AuthorizationCodeGrant),
}

/// RFC 6749 §4.1.3, RFC 7636 §4.5.
pub struct AuthorizationCodeGrant {
    /// As issued.
    pub code: Zeroizing<String>,
    /// As sent at the authorization request, if it was.
    pub redirect_uri: Option<String>,
    /// For the challenge, if there was one.
    pub code_verifier: Option<CodeVerifier>,
}

impl Grant {
    /// The `grant_type`.
    #[must_use]
    pub const fn grant_type(&self) -> GrantType {
        match self {
            Self::Password { .. } => GrantType::Password,
            Self::RefreshToken { .. } => GrantType::RefreshToken,
            Self::ClientCredentials => GrantType::ClientCredentials,
            Self::AuthorizationCode(_) => GrantType::AuthorizationCode,
        }
    }
}

/// Reads `grant_type` alone, so that an unknown one is refused before the client is looked at.
///
/// # Errors
/// `invalid_request` when missing, `unsupported_grant_type` when unknown.
pub fn grant_type(params: &Params) -> Result<GrantType, OAuthError> {
    let name = params.required("grant_type")?;
    if let Some(known) = GrantType::from_name(name) {
        return Ok(known);
    }
    let trimmed = name.trim();
    let description = if trimmed != name && GrantType::from_name(trimmed).is_some() {
        format!(
            "grant_type is '{trimmed}' with white space around it: a body pasted from a document with line breaks has to \
             be joined to one line"
        )
    } else {
        let known: Vec<&str> = GrantType::ALL.iter().map(|grant| grant.name()).collect();
        format!("grant_type has to be one of: {}", known.join(", "))
    };
    Err(OAuthError::new(ErrorCode::UnsupportedGrantType, description))
}

impl TokenRequest {
    /// Parses what belongs to `grant_type`; other parameters are ignored (RFC 6749 §3.2).
    ///
    /// # Errors
    /// `invalid_request`, `invalid_scope`.
    pub fn parse(grant_type: GrantType, params: &Params) -> Result<Self, OAuthError> {
        let scope = params.optional("scope").map(Scope::parse).transpose()?;
        let secret = |name| params.required(name).map(|value| Zeroizing::new(value.to_owned()));
        let grant = match grant_type {
            GrantType::Password => {
                let (username, password) = (credential(params, "username")?, credential(params, "password")?);
                Grant::Password { username: username.to_owned(), password: Zeroizing::new(password.to_owned()) }
            }
            GrantType::RefreshToken => Grant::RefreshToken { refresh_token: secret("refresh_token")? },
            GrantType::ClientCredentials => Grant::ClientCredentials,
            GrantType::AuthorizationCode => Grant::AuthorizationCode(AuthorizationCodeGrant {
                code: secret("code")?,
                redirect_uri: params.optional("redirect_uri").map(str::to_owned),
                code_verifier: params.optional("code_verifier").map(CodeVerifier::parse).transpose()?,
            }),
        };
        Ok(Self { grant, scope })
    }
}

fn credential<'a>(params: &'a Params, name: &'static str) -> Result<&'a str, OAuthError> {
    let value = params.required(name)?;
    if value.len() > MAX_CREDENTIAL_BYTES {
        let description = format!("parameter '{name}' is longer than {MAX_CREDENTIAL_BYTES} bytes");
        return Err(OAuthError::invalid_request(description));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> String {
        grant_type(&Params::parse(body.as_bytes()).unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn white_space_around_a_known_grant_type_is_named() {
        assert!(refused("grant_type=password%0A").contains("'password' with white space"));
        assert!(refused("grant_type=password+++").starts_with("unsupported_grant_type"));
        assert!(refused("grant_type=implicit").contains("one of: authorization_code, client_credentials"));
        assert_eq!(refused(""), "invalid_request: parameter 'grant_type' is missing");
    }

    #[test]
    fn a_password_request_needs_both_parts() {
        let parse = |body: &str| {
            TokenRequest::parse(GrantType::Password, &Params::parse(body.as_bytes()).unwrap())
                .map(|_| ())
                .map_err(|error| error.to_string())
        };
        assert!(parse("username=a&password=b&redirect_uri=ignored").is_ok());
        assert_eq!(parse("username=a&password=").unwrap_err(), "invalid_request: parameter 'password' is empty");
        let (most, more) = ("x".repeat(4096), "x".repeat(4097));
        assert!(parse(&format!("username={most}&password={most}")).is_ok());
        for body in [format!("username={more}&password=b"), format!("username=a&password={more}")] {
            assert!(parse(&body).unwrap_err().ends_with("is longer than 4096 bytes"));
        }
        assert_eq!(parse("password=b").unwrap_err(), "invalid_request: parameter 'username' is missing");
    }
}
