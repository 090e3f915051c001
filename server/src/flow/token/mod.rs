//! The token endpoint (RFC 6749 §3.2): the client first, then one file a grant.

mod begin;
mod client_credentials;
pub(super) mod code;
mod extension;
mod password;
pub(super) mod refresh;

use super::mint::TokenResponse;
use super::{Call, Core, clients};
use crate::oauth::client::GrantType;
use crate::oauth::client_auth::PresentedClient;
use crate::oauth::error::OAuthError;
use crate::oauth::grant;
use crate::oauth::params::Params;
use crate::oauth::token_request::{self, Grant, TokenRequest};

/// Answers a token request.
///
/// # Errors
/// By RFC 6749 §5.2; 429 and 503 with `Retry-After`.
pub async fn exchange(
    core: &Core,
    call: &Call,
    authorization: Option<&str>,
    params: &Params,
) -> Result<TokenResponse, OAuthError> {
    let grant_type = token_request::grant_type(params, &core.settings.extension_grants)?;
    let named = match grant_type {
        GrantType::Extension => params.optional("grant_type").unwrap_or_default().to_owned().into(),
        known => known.name().into(),
    };
    call.trail.note(|facts| facts.grant = Some(named));
    let presented = PresentedClient::read(authorization, params, core.settings.default_client.as_deref())?;
    let client = clients::authenticate(core, call, presented).await?;
    grant::permit(&client, grant_type)?;
    let request = TokenRequest::parse(grant_type, params)?;
    let scope = request.scope.as_ref();
    match request.grant {
        Grant::Password { username, password } => {
            password::exchange(core, call, &client, &username, &password, scope).await
        }
        Grant::RefreshToken { refresh_token } => refresh::exchange(core, call, &client, &refresh_token, scope).await,
        Grant::ClientCredentials => client_credentials::exchange(core, call, &client, scope).await,
        Grant::AuthorizationCode(grant) => code::exchange(core, call, &client, &grant).await,
        Grant::ChallengeAnswer { auth_session, response } => {
            password::answer(core, call, &client, &auth_session, &response, scope).await
        }
        Grant::Extension { name, params } => extension::exchange(core, call, &client, &name, params, scope).await,
    }
}
