//! Answers: JSON, never cached, with the challenges that the RFCs ask for.

use super::served::Served;
use crate::config::model::BearerErrors;
use crate::oauth::error::{ErrorCode, OAuthError};
use serde::Serialize;
use serde_json::json;
use warp::Rejection;
use warp::hyper::{self, StatusCode, header, header::HeaderValue};
use warp::reply::Response;

/// The protection space in challenges (RFC 9110 §11.5).
const REALM: &str = "pintle";

/// 200 with a JSON body that must not be cached (RFC 6749 §5.1).
///
/// # Errors
/// `server_error` if the body cannot be written as JSON.
pub fn json<T: Serialize>(body: &T) -> Result<Response, OAuthError> {
    let body = serde_json::to_vec(body).map_err(OAuthError::server_error)?;
    Ok(uncached(with_body(200, body)))
}

/// An empty answer that must not be cached.
#[must_use]
pub fn empty(status: u16) -> Response {
    uncached(with_status(status, Response::default()))
}

/// A redirect. 302 rather than 307: the browser continues with GET (RFC 9700 §4.12).
#[must_use]
pub fn redirect(location: &str) -> Response {
    let mut response = empty(302);
    match HeaderValue::from_str(location) {
        Ok(location) => {
            response.headers_mut().insert(header::LOCATION, location);
            response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
            response
        }
        Err(_) => plain_error(&OAuthError::invalid_request("the redirect_uri cannot be put into a header")),
    }
}

/// An error of an OAuth endpoint (RFC 6749 §5.2, RFC 6750 §3).
#[must_use]
pub fn error(app: &Served, error: &OAuthError) -> Response {
    let mut response = match error.code {
        ErrorCode::InvalidToken | ErrorCode::InsufficientScope | ErrorCode::MalformedBearer => bearer_error(app, error),
        _ => plain_error(error),
    };
    if error.code == ErrorCode::UnauthorizedClient {
        response = with_status(app.unauthorized_client_status, response);
        if response.status() == StatusCode::UNAUTHORIZED {
            challenge(&mut response, format!("Basic realm=\"{REALM}\", charset=\"UTF-8\""));
        }
    }
    response
}

/// An error in its plain shape, with a body of whatever sort the caller answers with.
#[must_use]
pub fn plain_error<B: From<Vec<u8>>>(error: &OAuthError) -> hyper::Response<B> {
    let mut body = json!({ "error": error.code.as_str(), "error_description": error.description() });
    for (name, value) in error.more.iter().flat_map(|more| more.iter()) {
        body[name] = value.clone();
    }
    let mut response = with_body(error.code.status(), body.to_string().into_bytes());
    if error.code == ErrorCode::InvalidClient {
        challenge(&mut response, format!("Basic realm=\"{REALM}\", charset=\"UTF-8\""));
    }
    if let Some(delay) = error.retry_after {
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    uncached(response)
}

/// A refused Bearer token. Without any token the answer has no error code (RFC 6750 §3.1).
fn bearer_error(app: &Served, error: &OAuthError) -> Response {
    let status = error.code.status();
    let korap = app.bearer_errors == BearerErrors::Korap;
    if error.description().is_empty() {
        return bearer_answer(status, None, "the request needs a Bearer token", korap);
    }
    bearer_answer(status, Some(error.code.as_str()), error.description(), korap)
}

/// `korap`: its web client refreshes when `errors[0][1]` says "expired" or "invalid".
fn bearer_answer(status: u16, code: Option<&str>, description: &str, korap: bool) -> Response {
    let mut body = json!({ "error_description": description });
    let mut text = format!("Bearer realm=\"{REALM}\"");
    if let Some(code) = code {
        body["error"] = json!(code);
        text = format!("{text}, error=\"{code}\", error_description=\"{description}\"");
    }
    if korap {
        let told = code.map_or_else(|| description.to_owned(), |code| format!("{code}: {description}"));
        body["errors"] = json!([[status, told]]);
    }
    let mut response = with_body(status, body.to_string().into_bytes());
    challenge(&mut response, text);
    uncached(response)
}

/// 404 for a path that is not configured.
#[must_use]
pub fn not_found() -> Response {
    plain_error(&OAuthError::new(ErrorCode::NotFound, "there is nothing at this path"))
}

/// 405 with `Allow`.
#[must_use]
pub fn method_not_allowed<B: From<Vec<u8>>>(allowed: &'static str) -> hyper::Response<B> {
    let why = format!("this path takes {allowed}");
    let mut response = plain_error(&OAuthError::new(ErrorCode::MethodNotAllowed, why));
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

/// 413.
#[must_use]
pub fn content_too_large(limit: usize) -> Response {
    let why = format!("the body is larger than {limit} bytes");
    plain_error(&OAuthError::new(ErrorCode::ContentTooLarge, why))
}

/// 500 for a request whose handling panicked.
#[must_use]
pub fn panicked<B: From<Vec<u8>>>() -> hyper::Response<B> {
    plain_error(&OAuthError::server_error("panicked"))
}

/// A body that broke off, or did not arrive in time.
#[must_use]
pub fn unread_body(timed_out: bool) -> Response {
    plain_error(&if timed_out {
        OAuthError::new(ErrorCode::RequestTimeout, "the body did not arrive in time")
    } else {
        OAuthError::invalid_request("the body could not be read")
    })
}

/// What warp itself rejects.
#[must_use]
pub fn framing(rejection: &Rejection) -> Response {
    if rejection.is_not_found() {
        return not_found();
    }
    plain_error(&OAuthError::invalid_request("the request could not be read"))
}

/// 200 with a JSON document that may be cached.
#[must_use]
pub fn cached_json(body: Vec<u8>, max_age_s: u64) -> Response {
    let mut response = with_body(200, body);
    if let Ok(value) = HeaderValue::from_str(&format!("public, max-age={max_age_s}")) {
        response.headers_mut().insert(header::CACHE_CONTROL, value);
    }
    response
}

fn with_body<B: From<Vec<u8>>>(status: u16, body: Vec<u8>) -> hyper::Response<B> {
    let mut response = with_status(status, hyper::Response::new(body.into()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn with_status<B>(status: u16, mut response: hyper::Response<B>) -> hyper::Response<B> {
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

fn challenge<B>(response: &mut hyper::Response<B>, text: String) {
    if let Ok(value) = HeaderValue::try_from(text) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
}

fn uncached<B>(mut response: hyper::Response<B>) -> hyper::Response<B> {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
