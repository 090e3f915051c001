//! Token introspection (RFC 7662).

use super::validate::{ActiveAccess, AnyToken};
use super::{Call, Core, clients, enrich, validate};
use crate::oauth::client::Client;
use crate::oauth::client_auth::PresentedClient;
use crate::oauth::error::OAuthError;
use crate::oauth::introspection::{self, ActiveToken, IntrospectionResponse};
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
    let active = match validate::any_token(core, call, token).await? {
        Some(AnyToken::Access(active)) if introspection::may_see(&client, &active.token) => {
            Some(enriched(core, call, &client, *active).await?)
        }
        Some(token) => Some(token.into_token()),
        None => None,
    };
    let response = introspection::respond(&client, active);
    // What was told, not what was found: a client learns nothing of another's token.
    call.trail.note(|facts| facts.verdict = Some(if response.active { "active" } else { "inactive" }));
    Ok(response)
}

/// The token with what plugins say about its user.
async fn enriched(core: &Core, call: &Call, client: &Client, active: ActiveAccess) -> Result<ActiveToken, OAuthError> {
    let ActiveAccess { mut token, account, scope, .. } = active;
    if let Some(account) = account {
        let claims = enrich::claims(core, call, &client.id, &account, &scope, enrich::Target::Introspection).await?;
        for (name, value) in claims {
            token.claims.further.entry(name).or_insert(value);
        }
    }
    Ok(token)
}
