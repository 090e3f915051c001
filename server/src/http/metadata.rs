//! `GET /.well-known/…` (RFC 8414 §3, OpenID Connect Discovery §4).

use super::reply;
use crate::app::App;
use crate::oauth::error::OAuthError;
use warp::reply::Response;

/// How long clients may keep the document.
const MAX_AGE_S: u64 = 3600;

pub fn respond(app: &App) -> Result<Response, OAuthError> {
    let document = serde_json::to_vec(&app.metadata()).map_err(OAuthError::server_error)?;
    Ok(reply::cached_json(document, MAX_AGE_S))
}
