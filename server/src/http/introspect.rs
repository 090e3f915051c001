//! `POST {introspect}` (RFC 7662 §2).

use super::endpoint::Request;
use super::served::Served;
use super::{form, reply};
use crate::flow::{Call, introspect};
use crate::oauth::error::OAuthError;
use warp::hyper::header;
use warp::reply::Response;

pub async fn respond(app: &Served, request: &Request, call: &Call) -> Result<Response, OAuthError> {
    let params = form::params(request)?;
    let authorization = request.header(header::AUTHORIZATION)?;
    reply::json(&introspect::introspect(&app.core, call, authorization, &params).await?)
}
