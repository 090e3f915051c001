//! `GET /.well-known/…` (RFC 8414 §3, OpenID Connect Discovery §4).

use super::reply;
use super::served::Served;
use warp::reply::Response;

/// How long clients may keep the document.
const MAX_AGE_S: u64 = 3600;

pub fn respond(app: &Served) -> Response {
    reply::cached_json(app.metadata.clone(), MAX_AGE_S)
}
