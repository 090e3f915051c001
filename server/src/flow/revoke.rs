//! Token revocation (RFC 7009), and ending all that a user or a client was given.

use super::records::{ClientEpoch, Denied, client_epoch_key, family_key};
use super::token::refresh;
use super::validate::{Known, denied_key, known_access_token};
use super::{Call, Committed, Core, MAX_RELOADS, clients, committed, contended, family, identity};
use crate::oauth::client::Client;
use crate::oauth::client_auth::PresentedClient;
use crate::oauth::error::OAuthError;
use crate::oauth::family::{AccountRef, TokenFamily};
use crate::oauth::handle::{AccessHandle, FamilyId};
use crate::oauth::params::Params;
use crate::oauth::revocation;
use crate::store::{Batch, record};

/// Answers a revocation request. A token that is unknown, or somebody else's, is answered alike (RFC 7009 §2.2).
///
/// # Errors
/// `invalid_client`, `invalid_request`, 503.
pub async fn revoke(core: &Core, call: &Call, authorization: Option<&str>, params: &Params) -> Result<(), OAuthError> {
    let presented = PresentedClient::read(authorization, params, core.settings.default_client.as_deref())?;
    let client = clients::authenticate(core, call, presented).await?;
    let outcome = token(core, call, params.required("token")?, Some(&client)).await?;
    call.trail.note(|facts| match outcome {
        Revocation::Done => {}
        Revocation::Unknown => (facts.not_revoked, facts.verdict) = (true, Some("unknown")),
        Revocation::Foreign => (facts.not_revoked, facts.verdict) = (true, Some("foreign")),
    });
    Ok(())
}

/// What became of a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// What hangs on the token has ended, if it had not before.
    Done,
    /// The server knows no such token, or none any more.
    Unknown,
    /// It is another client's.
    Foreign,
}

/// Revokes what hangs on a token: its family, or the token itself where it has none.
///
/// `client`: whose token it has to be; `None` for the operator.
///
/// # Errors
/// 503.
pub async fn token(core: &Core, call: &Call, token: &str, client: Option<&Client>) -> Result<Revocation, OAuthError> {
    if let Some(handle) = refresh::known(core, token) {
        return own_family(core, call, handle.family, client).await;
    }
    match known_access_token(core, call, token).await? {
        Some(Known::Access(handle, _)) => own_family(core, call, handle.family, client).await,
        Some(Known::Stateless(handle, claims)) => {
            call.trail.token_of(handle.family, &claims.client_id, None);
            if client.is_some_and(|client| !revocation::permitted(client, &claims.client_id)) {
                return Ok(Revocation::Foreign);
            }
            deny(core, &handle).await.map(|()| Revocation::Done)
        }
        None => Ok(Revocation::Unknown),
    }
}

async fn own_family(core: &Core, call: &Call, id: FamilyId, client: Option<&Client>) -> Result<Revocation, OAuthError> {
    let Some(loaded) = record::load::<TokenFamily>(core.store.as_ref(), &family_key(id)).await? else {
        return Ok(Revocation::Unknown);
    };
    let TokenFamily { client_id, subject, .. } = loaded.value;
    call.trail.token_of(id, &client_id, subject.as_ref());
    if client.is_some_and(|client| !revocation::permitted(client, &client_id)) {
        return Ok(Revocation::Foreign);
    }
    family::revoke(core, id).await.map(|()| Revocation::Done)
}

/// Remembers a stateless token until it would have expired.
async fn deny(core: &Core, handle: &AccessHandle) -> Result<(), OAuthError> {
    let batch = Batch::new().put_record(denied_key(handle), &Denied {}, Some(handle.expires_at))?;
    match committed(core.store.commit(batch).await)? {
        Committed::Done => Ok(()),
        Committed::Reload => Err(contended()),
    }
}

/// Ends everything that an account was given.
///
/// # Errors
/// 503.
pub async fn account(core: &Core, account: &AccountRef) -> Result<(), OAuthError> {
    for _ in 0..MAX_RELOADS {
        let batch = identity::end_all(core, account, Batch::new()).await?;
        if let Committed::Done = committed(core.store.commit(batch).await)? {
            return Ok(());
        }
    }
    Err(contended())
}

/// Ends everything that a client was given.
///
/// # Errors
/// 503.
pub async fn client(core: &Core, client_id: &str) -> Result<(), OAuthError> {
    let key = client_epoch_key(client_id);
    for _ in 0..MAX_RELOADS {
        let loaded = record::load::<ClientEpoch>(core.store.as_ref(), &key).await?;
        let epoch = loaded.as_ref().map_or(0, |loaded| loaded.value.epoch).wrapping_add(1);
        let batch = Batch::new().expect_as_loaded(key.clone(), loaded.map(|loaded| loaded.version)).put_record(
            key.clone(),
            &ClientEpoch { epoch },
            None,
        )?;
        if let Committed::Done = committed(core.store.commit(batch).await)? {
            return Ok(());
        }
    }
    Err(contended())
}
