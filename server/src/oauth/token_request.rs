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
    /// The answer to a challenge that a password request led to.
    ChallengeAnswer {
        /// As handed out with the challenge.
        auth_session: Zeroizing<String>,
        /// What the user has to prove themselves by.
        response: Zeroizing<String>,
    },
    /// RFC 6749 §4.5.
    Extension {
        /// The `grant_type`.
        name: String,
        /// What is the plugin's.
        params: Vec<(String, String)>,
    },
}

/// Parameters that a plugin's grant does not see: the core's own, and the client's authentication.
const OWN: [&str; 4] = ["grant_type", "scope", "client_id", "client_secret"];

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
            Self::Password { .. } | Self::ChallengeAnswer { .. } => GrantType::Password,
            Self::RefreshToken { .. } => GrantType::RefreshToken,
            Self::ClientCredentials => GrantType::ClientCredentials,
            Self::AuthorizationCode(_) => GrantType::AuthorizationCode,
            Self::Extension { .. } => GrantType::Extension,
        }
    }
}

/// Reads `grant_type` alone, so that an unknown one is refused before the client is looked at. `extensions`: those of
/// plugins.
///
/// # Errors
/// `invalid_request` when missing, `unsupported_grant_type` when unknown.
pub fn grant_type(params: &Params, extensions: &[String]) -> Result<GrantType, OAuthError> {
    let name = params.required("grant_type")?;
    let known = |name: &str| {
        let extension = || extensions.iter().any(|known| known == name).then_some(GrantType::Extension);
        GrantType::from_name(name).or_else(extension)
    };
    if let Some(known) = known(name) {
        return Ok(known);
    }
    let trimmed = name.trim();
    let description = if trimmed != name && known(trimmed).is_some() {
        format!(
            "grant_type is '{trimmed}' with white space around it: a body pasted from a document with line breaks has to \
             be joined to one line"
        )
    } else {
        let core = GrantType::ALL.iter().map(|grant| grant.name());
        let known: Vec<&str> = core.chain(extensions.iter().map(String::as_str)).collect();
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
            GrantType::Password if params.optional("auth_session").is_some() => Grant::ChallengeAnswer {
                auth_session: secret("auth_session")?,
                response: secret("challenge_response")?,
            },
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
            GrantType::Extension => Grant::Extension {
                name: params.required("grant_type")?.to_owned(),
                params: params.others(&OWN).map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            },
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
        grant_type(&Params::parse(body.as_bytes()).unwrap(), &[]).unwrap_err().to_string()
    }

    #[test]
    fn white_space_around_a_known_grant_type_is_named() {
        assert!(refused("grant_type=password%0A").contains("'password' with white space"));
        assert!(refused("grant_type=password+++").starts_with("unsupported_grant_type"));
        assert!(refused("grant_type=implicit").contains("one of: authorization_code, client_credentials"));
        assert_eq!(refused(""), "invalid_request: parameter 'grant_type' is missing");
    }

    #[test]
    fn a_plugins_grant_gets_its_own_parameters_and_no_secret_of_the_client() {
        let body = "grant_type=urn%3Aexample%3Abadge&client_id=a&client_secret=b&scope=read&badge=7&empty=";
        let params = Params::parse(body.as_bytes()).unwrap();
        let extensions = ["urn:example:badge".to_owned()];
        assert_eq!(grant_type(&params, &extensions).unwrap(), GrantType::Extension);
        assert!(grant_type(&params, &[]).is_err());
        match TokenRequest::parse(GrantType::Extension, &params).unwrap().grant {
            Grant::Extension { name, params } => {
                assert_eq!(name, "urn:example:badge");
                assert_eq!(params, [("badge".to_owned(), "7".to_owned())]);
            }
            _ => panic!("another grant"),
        }
    }

    #[test]
    fn an_answer_to_a_challenge_needs_the_answer() {
        let parse = |body: &str| {
            let params = Params::parse(body.as_bytes()).unwrap();
            TokenRequest::parse(GrantType::Password, &params).map(|request| request.grant.grant_type())
        };
        assert_eq!(parse("auth_session=s&challenge_response=1").unwrap(), GrantType::Password);
        let missing = parse("auth_session=s").unwrap_err().to_string();
        assert_eq!(missing, "invalid_request: parameter 'challenge_response' is missing");
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
