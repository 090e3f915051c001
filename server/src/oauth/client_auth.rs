//! Client authentication as it is presented (RFC 6749 §2.3); whether a secret is right is `flow`'s to find out.

use super::error::OAuthError;
use super::params::{Params, decode_value};
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// By RFC 7591 §2's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuthMethod {
    /// HTTP Basic.
    ClientSecretBasic,
    /// `client_secret` in the body.
    ClientSecretPost,
    /// A public client names itself.
    None,
}

impl ClientAuthMethod {
    /// The name in metadata.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::None => "none",
        }
    }
}

/// Who a request says it is from.
pub struct PresentedClient {
    /// `client_id`.
    pub id: String,
    /// How it was presented.
    pub method: ClientAuthMethod,
    /// What is to be checked; never empty.
    pub secret: Option<Zeroizing<String>>,
}

impl PresentedClient {
    /// Reads the client from the `Authorization` header and the body.
    ///
    /// `default_client`: who it is from when neither names one.
    ///
    /// # Errors
    /// `invalid_client` for a header that cannot be read or a missing client; `invalid_request` for two methods at once or
    /// a `client_id` that contradicts the header (RFC 6749 §2.3).
    pub fn read(
        authorization: Option<&str>,
        params: &Params,
        default_client: Option<&str>,
    ) -> Result<Self, OAuthError> {
        let body_id = params.optional("client_id");
        let body_secret = params.optional("client_secret");
        if let Some(header) = authorization {
            let (id, secret) = basic(header)?;
            if body_id.is_some_and(|body_id| body_id != *id) {
                return Err(OAuthError::invalid_request("client_id in the body differs from the Authorization header"));
            }
            if body_secret.is_some() {
                return Err(OAuthError::invalid_request(
                    "client_secret beside an Authorization header: use one method",
                ));
            }
            // A public client that names itself by Basic sends an empty password, as widespread clients do.
            let (method, secret) = if secret.is_empty() {
                (ClientAuthMethod::None, None)
            } else {
                (ClientAuthMethod::ClientSecretBasic, Some(secret))
            };
            return Ok(Self { id: id.to_string(), method, secret });
        }
        match (body_id, body_secret) {
            (Some(id), Some(secret)) => Ok(Self {
                id: id.to_owned(),
                method: ClientAuthMethod::ClientSecretPost,
                secret: Some(Zeroizing::new(secret.to_owned())),
            }),
            (None, Some(_)) => Err(OAuthError::invalid_request("client_secret without client_id")),
            (Some(id), None) => Ok(Self { id: id.to_owned(), method: ClientAuthMethod::None, secret: None }),
            (None, None) => match default_client {
                Some(id) => Ok(Self { id: id.to_owned(), method: ClientAuthMethod::None, secret: None }),
                None => Err(OAuthError::invalid_client("the request names no client")),
            },
        }
    }
}

/// `Basic base64(form(id) ":" form(secret))` (RFC 6749 §2.3.1, RFC 7617 §2).
fn basic(header: &str) -> Result<(Zeroizing<String>, Zeroizing<String>), OAuthError> {
    let unreadable =
        || OAuthError::invalid_client("the Authorization header is not HTTP Basic with an id and a secret");
    let (scheme, encoded) = header.split_once(' ').ok_or_else(unreadable)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(OAuthError::invalid_client("clients authenticate by HTTP Basic or in the body"));
    }
    let bytes = Zeroizing::new(STANDARD.decode(encoded.trim()).map_err(|_| unreadable())?);
    let text = std::str::from_utf8(&bytes).map_err(|_| unreadable())?;
    let (id, secret) = text.split_once(':').ok_or_else(unreadable)?;
    let (id, secret) = (decode_value(id).ok_or_else(unreadable)?, decode_value(secret).ok_or_else(unreadable)?);
    if id.is_empty() { Err(unreadable()) } else { Ok((id, secret)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: Option<&str>, body: &str) -> Result<(String, ClientAuthMethod, Option<String>), String> {
        PresentedClient::read(header, &Params::parse(body.as_bytes()).unwrap(), Some("fallback"))
            .map(|client| (client.id, client.method, client.secret.map(|secret| secret.to_string())))
            .map_err(|error| error.to_string())
    }

    fn header(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn basic_is_form_decoded() {
        let (id, method, secret) = read(Some(&header("a%3Ab:s%2Bx+y")), "").unwrap();
        assert_eq!((id.as_str(), secret.as_deref()), ("a:b", Some("s+x y")));
        assert_eq!(method, ClientAuthMethod::ClientSecretBasic);
    }

    #[test]
    fn beside_basic_the_body_may_repeat_the_same_id_and_nothing_else() {
        let basic = header("a:s");
        assert!(read(Some(&basic), "client_id=a").is_ok());
        assert!(read(Some(&basic), "client_id=b").unwrap_err().starts_with("invalid_request"));
        assert!(read(Some(&basic), "client_id=a&client_secret=s").unwrap_err().starts_with("invalid_request"));
    }

    #[test]
    fn the_ways_to_present_a_client() {
        assert_eq!(read(None, "client_id=a&client_secret=s").unwrap().1, ClientAuthMethod::ClientSecretPost);
        assert_eq!(read(None, "client_id=a").unwrap(), ("a".into(), ClientAuthMethod::None, None));
        assert_eq!(read(None, "").unwrap().0, "fallback");
        assert_eq!(read(Some(&header("a:")), "").unwrap(), ("a".into(), ClientAuthMethod::None, None));
        assert!(read(None, "client_secret=s").is_err());
        for bad in ["Basic", "Basic !!", "Bearer abc", &header("nocolon"), &header(":x"), &header("%zz:x")] {
            assert!(read(Some(bad), "").unwrap_err().starts_with("invalid_client"), "{bad}");
        }
    }
}
