//! Token introspection (RFC 7662).

use super::{Call, Core, clients, validate};
use crate::oauth::client_auth::PresentedClient;
use crate::oauth::error::OAuthError;
use crate::oauth::introspection::{self, IntrospectionResponse};
use crate::oauth::params::Params;

/// Answers an introspection request. The hint is not needed: a token tells what it is.
///
/// # Errors
/// `invalid_client`, also for a public client (RFC 7662 §2.1 asks for authentication); `invalid_request`; 503.
pub async fn introspect(
    core: &Core,
    call: &Call,
    authorization: Option<&str>,
    params: &Params,
) -> Result<IntrospectionResponse, OAuthError> {
    let presented = PresentedClient::read(authorization, params, None)?;
    let client = clients::authenticate(core, call, presented).await?;
    call.trail.note(|facts| facts.client = Some(client.id.clone()));
    if !client.is_confidential() {
        return Err(OAuthError::invalid_client("introspection is for clients that authenticate"));
    }
    let token = params.required("token")?;
    let active = match validate::refresh_token(core, token).await? {
        Some(refresh) => Some(refresh),
        None => validate::access_token(core, call, token).await?.map(|active| active.token),
    };
    Ok(introspection::respond(&client, active))
}
