//! The authorization code grant.

use super::begin::{Beginning, begin};
use crate::flow::family::Freshness;
use crate::flow::mint::{self, Bearer, TokenResponse};
use crate::flow::{Call, Core, MAX_RELOADS, contended, family};
use crate::oauth::client::{Client, GrantType};
use crate::oauth::code::StoredCode;
use crate::oauth::error::OAuthError;
use crate::oauth::grant::authorization_code::{self, Decision};
use crate::oauth::handle::FamilyId;
use crate::oauth::token_request::AuthorizationCodeGrant;
use crate::store::{Batch, Key, record, record::Record};

/// Where a code is kept: under a keyed hash, so that the store has no readable code.
pub fn code_key(core: &Core, code: &str) -> Key {
    StoredCode::key(&[&core.keys.mac("authorization-code", &[code.as_bytes()])])
}

pub async fn exchange(
    core: &Core,
    call: &Call,
    client: &Client,
    grant: &AuthorizationCodeGrant,
) -> Result<TokenResponse, OAuthError> {
    let key = code_key(core, &grant.code);
    for _ in 0..MAX_RELOADS {
        let loaded = record::load::<StoredCode>(core.store.as_ref(), &key).await?;
        let loaded = loaded.ok_or_else(|| OAuthError::invalid_grant("the code is not known"))?;
        call.trail.token_of(loaded.value.family, &loaded.value.client_id, Some(&loaded.value.subject));
        let now = core.clock.now();
        let (id, subject, scope, parent) = match authorization_code::decide(grant, &loaded.value, client, now)? {
            Decision::Issue { family, subject, scope, parent } => (family, subject, scope, parent),
            Decision::RevokeFamily(id) => return replayed(core, call, id).await,
        };
        let (standing, account) =
            family::standing(core, Freshness::Now(call), &client.id, Some(&subject), parent).await?;
        if standing.subject_epoch != Some(subject.epoch) || !standing.parent_alive || !standing.account_enabled {
            return Err(OAuthError::invalid_grant("the login that the code was got with has ended"));
        }
        let grant_type = GrantType::AuthorizationCode;
        let account = account.as_ref();
        let bearer = Bearer { client, subject: Some(&subject), account, grant: grant_type, claims_json: "" };
        let granted = mint::evaluate(core, call, bearer, scope).await?;
        // Kept as long as what it gives may live, so that a replay is still seen.
        let end = now.plus(core.settings.refresh_lifetime.max(granted.lifetime));
        let redeemed = StoredCode { redeemed: true, ..loaded.value };
        let batch =
            Batch::new().expect_at(key.clone(), loaded.version).put_record(key.clone(), &redeemed, Some(end))?;
        if let Some(answer) = begin(core, call, bearer, granted, Beginning { id: Some(id), parent, batch }).await? {
            return Ok(answer);
        }
    }
    Err(contended())
}

async fn replayed(core: &Core, call: &Call, id: FamilyId) -> Result<TokenResponse, OAuthError> {
    family::revoke(core, id).await?;
    call.trail.note(|facts| facts.replayed = true);
    Err(OAuthError::invalid_grant("the code was used before"))
}
