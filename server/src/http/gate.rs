//! What is refused before a filter sees it: heads that are too large, and requests that name no path.
//!
//! The limits of the HTTP library are wider than these, as what it refuses itself it answers without a body.

use super::reply;
use crate::oauth::error::{ErrorCode, OAuthError};
use hyper::{HeaderMap, Method, Request, Response, Uri};

/// Largest request head, and largest URL: RFC 9110 §5.4 sets none; bearer tokens and cookies fit well.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Most header fields.
pub const MAX_HEADERS: usize = 64;

/// What any of our paths takes.
const METHODS: &str = "GET, HEAD, POST, OPTIONS";

/// The answer to a request that is not passed on.
pub fn refusal<T, B: From<Vec<u8>>>(request: &Request<T>) -> Option<Response<B>> {
    // This is no proxy; and filters rely on a path, which such a request has not.
    if request.method() == Method::CONNECT {
        return Some(reply::method_not_allowed(METHODS));
    }
    reason(request.uri(), request.headers()).map(|error| reply::plain_error(&error))
}

fn reason(uri: &Uri, headers: &HeaderMap) -> Option<OAuthError> {
    let Some(target) = uri.path_and_query().map(|target| target.as_str()) else {
        return Some(OAuthError::invalid_request("the request names no path"));
    };
    if target.len() > MAX_HEAD_BYTES {
        let why = format!("the URL is longer than {MAX_HEAD_BYTES} bytes");
        return Some(OAuthError::new(ErrorCode::UriTooLong, why));
    }
    if headers.len() > MAX_HEADERS {
        let why = format!("more than {MAX_HEADERS} header fields");
        return Some(OAuthError::new(ErrorCode::HeadTooLarge, why));
    }
    // As HTTP/1.1 writes them: ": " between, a line end behind.
    let fields: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    (target.len() + fields > MAX_HEAD_BYTES).then(|| {
        let why = format!("the URL and the header fields are longer than {MAX_HEAD_BYTES} bytes");
        OAuthError::new(ErrorCode::HeadTooLarge, why)
    })
}
