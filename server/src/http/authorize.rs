//! `GET {authorize}` (RFC 6749 §3.1), the user's login being a Bearer token.

use super::endpoint::{Answer, Request};
use super::reply;
use super::served::Served;
use crate::flow::{Call, authorize};
use crate::oauth::error::OAuthError;
use crate::oauth::params::Params;
use warp::hyper::header;

pub async fn respond(app: &Served, request: &Request, call: &Call) -> Result<Answer, OAuthError> {
    let params = Params::parse(request.query.as_bytes())?;
    let authorization = request.header(header::AUTHORIZATION)?;
    let redirect = authorize::by_bearer_token(&app.core, call, authorization, &params).await?;
    Ok(Answer { response: reply::redirect(&redirect.location), refused: redirect.refused })
}
