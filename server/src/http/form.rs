//! Form bodies.

use super::endpoint::Request;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::params::Params;
use warp::hyper::header;

/// Parameters that must not stand in a URL, where logs and histories keep them (RFC 6749 §2.3.1, RFC 9700 §4.3).
const NEVER_IN_THE_URL: [&str; 6] = ["client_secret", "password", "refresh_token", "code", "token", "grant_type"];

/// The parameters of a POST request.
///
/// # Errors
/// `invalid_request` for another media type, for parameters in the URL, and as [`Params::parse`].
pub fn params(request: &Request) -> Result<Params, OAuthError> {
    let content_type = request.header(header::CONTENT_TYPE)?.unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let found = if media_type.is_empty() { "none".to_owned() } else { format!("'{}'", cut(media_type)) };
        let why = format!("Content-Type has to be application/x-www-form-urlencoded, found {found}");
        return Err(OAuthError::new(ErrorCode::UnsupportedMediaType, why));
    }
    let in_url = |name: &&&str| request.query.split('&').any(|pair| pair.split('=').next() == Some(name));
    if let Some(name) = NEVER_IN_THE_URL.iter().find(in_url) {
        let why = format!("parameter '{name}' belongs in the body, not in the URL");
        return Err(OAuthError::invalid_request(why));
    }
    Params::parse(&request.body)
}

fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}
