//! Bearer tokens in requests (RFC 6750 §2.1). The form and query methods are left out on purpose (RFC 9700 §4.3.2).

use super::error::{ErrorCode, OAuthError};

/// The token in an `Authorization` header.
///
/// # Errors
/// `invalid_token` with an empty description stands for "none was sent" and is answered without an error code
/// (RFC 6750 §3.1); `invalid_request` when the header is not a Bearer token.
pub fn token(authorization: Option<&str>) -> Result<&str, OAuthError> {
    let Some(header) = authorization else { return Err(OAuthError::invalid_token("")) };
    let malformed =
        || OAuthError::new(ErrorCode::MalformedBearer, "the Authorization header is not 'Bearer' and a token");
    let (scheme, token) = header.split_once(' ').ok_or_else(malformed)?;
    let b64token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || !token.bytes().all(b64token) {
        return Err(malformed());
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bearer_header_has_a_token() {
        assert_eq!(token(Some("Bearer abc.d-e")).unwrap(), "abc.d-e");
        assert_eq!(token(Some("bearer abc")).unwrap(), "abc");
        assert!(token(Some("Basic abc")).unwrap_err().to_string().starts_with("invalid_request"));
        assert!(token(Some("Bearer a b")).is_err());
        assert!(token(None).unwrap_err().description().is_empty());
    }
}
