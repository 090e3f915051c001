//! The client credentials grant.

use super::begin::{Beginning, begin, respond};
use crate::flow::mint::{self, Anchor, Bearer, TokenResponse};
use crate::flow::{Call, Core, contended, family};
use crate::oauth::client::{Client, GrantType};
use crate::oauth::error::OAuthError;
use crate::oauth::grant::client_credentials;
use crate::oauth::scope::Scope;

pub async fn exchange(
    core: &Core,
    call: &Call,
    client: &Client,
    requested: Option<&Scope>,
) -> Result<TokenResponse, OAuthError> {
    let bearer = Bearer { client, subject: None, account: None, grant: GrantType::ClientCredentials, claims_json: "" };
    let scope = client_credentials::decide(client, requested)?;
    let granted = mint::evaluate(core, call, bearer, scope).await?;
    if !mint::issuing_format(core)?.self_contained {
        return begin(core, call, bearer, granted, Beginning::default()).await?.ok_or_else(contended);
    }
    // A token that carries its claims and can be revoked by its id alone needs no record: no write, no sync.
    let generation = family::client_epoch(core, &client.id).await?.unwrap_or_default();
    let anchor = Anchor {
        family: mint::new_family_id(core),
        generation,
        stateless: true,
        family_scope: &client.scopes,
        issued_at: core.clock.now(),
    };
    let access_token = mint::access_token(core, call, bearer, &granted, anchor).await?;
    Ok(respond(core, call, granted, access_token, None, None))
}
