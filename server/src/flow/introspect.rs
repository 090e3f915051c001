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
    if !client.is_confidential() {
        return Err(OAuthError::invalid_client("introspection is for clients that authenticate"));
    }
    let token = params.required("token")?;
    let response = introspection::respond(&client, validate::any_token(core, call, token).await?);
    // What was told, not what was found: a client learns nothing of another's token.
    call.trail.note(|facts| facts.verdict = Some(if response.active { "active" } else { "inactive" }));
    Ok(response)
}
