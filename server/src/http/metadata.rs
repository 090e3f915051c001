//! `GET /.well-known/…` (RFC 8414 §3, OpenID Connect Discovery §4).

use super::reply;
use crate::app::App;
use warp::reply::Response;

/// How long clients may keep the document.
const MAX_AGE_S: u64 = 3600;

pub fn respond(app: &App) -> Response {
    reply::cached_json(app.metadata.document(app.core.keys.publishes_any()), MAX_AGE_S)
}
