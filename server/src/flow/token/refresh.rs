//! The refresh grant.

use super::begin::respond;
use crate::flow::family::{Freshness, LoadedFamily};
use crate::flow::mint::{self, Anchor, Bearer, TokenResponse};
use crate::flow::records::family_key;
use crate::flow::{Call, Committed, Core, MAX_RELOADS, committed, contended, family};
use crate::oauth::client::{Client, GrantType};
use crate::oauth::error::OAuthError;
use crate::oauth::family::TokenFamily;
use crate::oauth::grant::refresh_token::{self, Decision};
use crate::oauth::handle::RefreshHandle;
use crate::oauth::scope::Scope;
use crate::store::Batch;

/// Reads a refresh token whose MAC is right.
pub fn known(core: &Core, text: &str) -> Option<RefreshHandle> {
    let (handle, mac) = RefreshHandle::parse(text)?;
    core.keys.mac_matches(mint::REFRESH_DOMAIN, &[&handle.body()], &mac).then_some(handle)
}

pub async fn exchange(
    core: &Core,
    call: &Call,
    client: &Client,
    refresh_token: &str,
    requested: Option<&Scope>,
) -> Result<TokenResponse, OAuthError> {
    let unknown = || OAuthError::invalid_grant("the refresh token is not known");
    let presented = known(core, refresh_token).ok_or_else(unknown)?;
    for _ in 0..MAX_RELOADS {
        let loaded = family::load(core, presented.family, Freshness::Now(call)).await?.ok_or_else(unknown)?;
        call.trail.token_of(presented.family, &loaded.family.client_id, loaded.family.subject.as_ref());
        let (now_ms, grace) = (core.clock.now_ms(), core.settings.grace);
        let decision =
            refresh_token::decide(presented, &loaded.family, loaded.standing, client, requested, grace, now_ms)?;
        let answer = match decision {
            Decision::Rotate { next, scope } => rotate(core, call, client, &loaded, presented, next, scope).await?,
            Decision::Repeat { scope } => {
                Some(answer(core, call, client, &loaded, presented, &loaded.family, scope).await?)
            }
            Decision::RevokeFamily => {
                family::revoke(core, presented.family).await?;
                call.trail.note(|facts| facts.replayed = true);
                return Err(OAuthError::invalid_grant("the refresh token was used before; log in again"));
            }
        };
        if let Some(answer) = answer {
            return Ok(answer);
        }
    }
    Err(contended())
}

/// `None` when another use was first. The token is made before the commit, so that a broken format costs no rotation.
async fn rotate(
    core: &Core,
    call: &Call,
    client: &Client,
    loaded: &LoadedFamily,
    presented: RefreshHandle,
    next: Box<TokenFamily>,
    scope: Scope,
) -> Result<Option<TokenResponse>, OAuthError> {
    let response = answer(core, call, client, loaded, presented, &next, scope).await?;
    let key = family_key(presented.family);
    let end = family::record_end(core, &next);
    let batch = Batch::new().expect_at(key.clone(), loaded.version).put_record(key, next.as_ref(), Some(end))?;
    Ok(match committed(core.store.commit(batch).await)? {
        Committed::Done => Some(response),
        Committed::Reload => None,
    })
}

/// Tokens of `family`'s generation.
async fn answer(
    core: &Core,
    call: &Call,
    client: &Client,
    loaded: &LoadedFamily,
    presented: RefreshHandle,
    family: &TokenFamily,
    scope: Scope,
) -> Result<TokenResponse, OAuthError> {
    let subject = family.subject.as_ref();
    let (account, claims_json) = (loaded.account.as_ref(), family.claims_json.as_str());
    let bearer = Bearer { client, subject, account, grant: GrantType::RefreshToken, claims_json };
    let granted = mint::evaluate(core, call, bearer, scope).await?;
    let (id, generation) = (presented.family, family.generation);
    let anchor =
        Anchor { family: id, generation, stateless: false, family_scope: &family.scope, issued_at: core.clock.now() };
    let access_token = mint::access_token(core, call, bearer, &granted, anchor).await?;
    Ok(respond(core, call, granted, access_token, Some((id, generation)), subject))
}
