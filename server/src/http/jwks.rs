//! `GET {jwks}` (RFC 7517 §5).

use super::reply;
use super::served::Served;
use warp::hyper::{header, header::HeaderValue};
use warp::reply::Response;

pub fn respond(app: &Served) -> Response {
    let keys = &app.core.keys;
    let mut response = reply::cached_json(keys.jwks().as_bytes().to_vec(), keys.jwks_max_age().as_secs());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
    response
}
