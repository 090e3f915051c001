//! `GET /.well-known/…` (RFC 8414 §3, OpenID Connect Discovery §4): what the server has now, as clients come and go by
//! command.

use super::paths::url_of;
use super::reply;
use super::served::Served;
use crate::oauth::client::GrantType;
use crate::oauth::error::OAuthError;
use crate::oauth::metadata::{Facts, Metadata};
use warp::reply::Response;

/// How long clients may keep the document.
const MAX_AGE_S: u64 = 3600;

pub fn respond(app: &Served) -> Result<Response, OAuthError> {
    let document = serde_json::to_vec(&metadata(app)).map_err(OAuthError::server_error)?;
    Ok(reply::cached_json(document, MAX_AGE_S))
}

/// The document (RFC 8414 §2).
fn metadata(app: &Served) -> Metadata {
    let issuer = &app.core.settings.issuer;
    let url = |paths: &[String]| url_of(issuer, paths.first().map_or("", String::as_str));
    let clients = app.core.clients.union();
    let works = |grant: &GrantType| *grant != GrantType::AuthorizationCode || app.bearer_login;
    let core = GrantType::ALL.into_iter().filter(|grant| clients.may(*grant)).filter(works);
    let answered = &app.core.settings.extension_grants;
    let extensions = clients.extension_grants.iter().filter(|name| answered.contains(name)).cloned();
    Metadata::new(Facts {
        issuer: issuer.clone(),
        authorize: app.bearer_login.then(|| url(&app.paths.authorize)),
        token: url(&app.paths.token),
        // Also after the configured tokens have become opaque, as long as signed ones live.
        jwks: app.core.keys.publishes_any().then(|| url(&app.paths.jwks)),
        introspect: url(&app.paths.introspect),
        revoke: url(&app.paths.revoke),
        scopes: clients.scopes.tokens().to_vec(),
        grants: core.map(|grant| grant.name().to_owned()).chain(extensions).collect(),
    })
}
