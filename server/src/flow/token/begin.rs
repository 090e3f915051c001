//! Beginning a token family, and the answer of every grant.

use crate::flow::mint::{self, Anchor, Bearer, Granted, TokenResponse};
use crate::flow::records::{ClientEpoch, client_epoch_key, family_key};
use crate::flow::{Call, Committed, Core, committed};
use crate::oauth::client::GrantType;
use crate::oauth::error::OAuthError;
use crate::oauth::family::{Subject, TokenFamily};
use crate::oauth::handle::FamilyId;
use crate::store::{Batch, record};

/// What a new family has beside its bearer.
#[derive(Default)]
pub struct Beginning {
    /// Its id, where that was fixed before.
    pub id: Option<FamilyId>,
    /// The family that it hangs on.
    pub parent: Option<FamilyId>,
    /// Committed together with the family.
    pub batch: Batch,
}

/// Begins a family and answers with its first tokens; `None` when `beginning.batch` lost a race.
///
/// # Errors
/// 503 when the token format or the store fails.
pub async fn begin(
    core: &Core,
    call: &Call,
    bearer: Bearer<'_>,
    granted: Granted,
    beginning: Beginning,
) -> Result<Option<TokenResponse>, OAuthError> {
    let now = core.clock.now();
    let id = beginning.id.unwrap_or_else(|| mint::new_family_id(core));
    let refreshable = bearer.grant != GrantType::ClientCredentials && bearer.client.may(GrantType::RefreshToken);
    let access_end = now.plus(granted.lifetime);
    let epoch = record::load::<ClientEpoch>(core.store.as_ref(), &client_epoch_key(&bearer.client.id)).await?;
    call.trail.note(|facts| facts.family = Some(id.to_string()));
    let family = TokenFamily {
        client_id: bearer.client.id.clone(),
        client_epoch: epoch.map_or(0, |epoch| epoch.value.epoch),
        subject: bearer.subject.cloned(),
        grant: bearer.grant,
        scope: granted.scope.clone(),
        generation: 1,
        rotated_at_ms: core.clock.now_ms(),
        issued_at: now,
        expires_at: if refreshable { now.plus(core.settings.refresh_lifetime) } else { access_end },
        refreshable,
        revoked: false,
        parent: beginning.parent,
        claims_json: bearer.claims_json.to_owned(),
    };
    let anchor = Anchor { family: id, generation: 1, stateless: false, family_scope: &family.scope, issued_at: now };
    let access_token = mint::access_token(core, call, bearer, &granted, anchor).await?;
    let end = family.expires_at.max(access_end);
    // No precondition on the epochs: a revocation that comes between raises them, and the family is dead at birth.
    let batch = beginning.batch.expect_absent(family_key(id)).put_record(family_key(id), &family, Some(end))?;
    match committed(core.store.commit(batch).await)? {
        Committed::Reload => Ok(None),
        Committed::Done => {
            Ok(Some(respond(core, call, granted, access_token, refreshable.then_some((id, 1)), bearer.subject)))
        }
    }
}

/// The answer; `refresh`: the family and generation of the refresh token, if there is one.
pub fn respond(
    core: &Core,
    call: &Call,
    granted: Granted,
    access_token: String,
    refresh: Option<(FamilyId, u32)>,
    subject: Option<&Subject>,
) -> TokenResponse {
    let scope = granted.scope.to_string();
    call.trail.note(|facts| {
        facts.scope = Some(scope.clone());
        facts.sub = subject.map(|subject| subject.sub.clone());
        facts.username = facts.username.take().or_else(|| subject.map(|subject| subject.username.clone()));
    });
    TokenResponse {
        access_token,
        token_type: "Bearer",
        expires_in: granted.lifetime.as_secs(),
        refresh_token: refresh.map(|(family, generation)| mint::refresh_token(core, family, generation)),
        scope,
    }
}
