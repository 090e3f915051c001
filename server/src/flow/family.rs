//! Families in the store: loading one with all that it hangs on, beginning and ending one.

use super::records::{ClientEpoch, Identity, client_epoch_key, family_key, identity_key};
use super::{Call, Committed, Core, MAX_RELOADS, committed, contended, directory, sync};
use crate::oauth::error::OAuthError;
use crate::oauth::family::{AccountRef, Standing, Subject, TokenFamily};
use crate::oauth::handle::FamilyId;
use crate::store::{Batch, Version, record};
use pintle_plugin_api::Account;

/// A family and what it hangs on, as read.
pub struct LoadedFamily {
    /// The family.
    pub family: TokenFamily,
    /// The version that it was read at.
    pub version: Version,
    /// What it hangs on.
    pub standing: Standing,
    /// The user's account, fresh where it is the core's own, else as of the last login.
    pub account: Option<Account>,
}

/// How much is asked about the account that a family hangs on.
#[derive(Clone, Copy)]
pub enum Freshness<'a> {
    /// What the last login or look-up said: introspection asks often.
    LastSeen,
    /// What its backend says now, where it is a directory.
    Now(&'a Call),
}

/// Loads a family; `None` when there is no such family any more.
///
/// # Errors
/// When the store, or a directory that has to be asked, cannot answer.
pub async fn load(core: &Core, id: FamilyId, freshness: Freshness<'_>) -> Result<Option<LoadedFamily>, OAuthError> {
    let loaded = record::load::<TokenFamily>(core.store.as_ref(), &family_key(id)).await?;
    let Some(loaded) = loaded else { return Ok(None) };
    let family = loaded.value;
    let (standing, account) =
        standing(core, freshness, &family.client_id, family.subject.as_ref(), family.parent).await?;
    Ok(Some(LoadedFamily { family, version: loaded.version, standing, account }))
}

/// What a family of this client, user and parent hangs on, and the user's account.
///
/// # Errors
/// When the store cannot answer.
pub async fn standing(
    core: &Core,
    freshness: Freshness<'_>,
    client_id: &str,
    subject: Option<&Subject>,
    parent: Option<FamilyId>,
) -> Result<(Standing, Option<Account>), OAuthError> {
    let (subject_epoch, account_enabled, account) = match subject {
        Some(subject) => {
            let identity = record::load::<Identity>(core.store.as_ref(), &identity_key(&subject.account)).await?;
            match identity {
                Some(identity) => {
                    let (enabled, account) =
                        account_now(core, freshness, &subject.account, identity.value.account).await?;
                    (Some(identity.value.epoch), enabled, account)
                }
                None => (None, false, None),
            }
        }
        None => (None, true, None),
    };
    let client_epoch = client_epoch(core, client_id).await?;
    let parent_alive = parent_alive(core, parent).await?;
    Ok((Standing { subject_epoch, client_epoch, parent_alive, account_enabled }, account))
}

/// Whether the account may still log in, and the account as it is now. Nobody logs in through a backend that the chain
/// does not ask (any more). The core's own accounts are looked up, those of a directory where that is asked for; of another
/// backend's the last login is what is known.
async fn account_now(
    core: &Core,
    freshness: Freshness<'_>,
    reference: &AccountRef,
    last_seen: Account,
) -> Result<(bool, Option<Account>), OAuthError> {
    let extension = || core.extensions.iter().any(|extension| extension.name == reference.backend);
    if !core.users.asks(&reference.backend) && !extension() {
        return Ok((false, None));
    }
    if !sync::permits(core, reference).await? {
        return Ok((false, None));
    }
    if !core.own_backends.contains(&reference.backend) {
        return match freshness {
            Freshness::Now(call) if core.directories.knows(&reference.backend) => {
                let found = directory::lookup(core, call, reference).await?;
                Ok((found.as_ref().is_some_and(|account| !account.disabled), found))
            }
            _ => Ok((!last_seen.disabled, Some(last_seen))),
        };
    }
    let account = core.accounts.by_id(&reference.id).await.map_err(OAuthError::unavailable)?;
    Ok(match account {
        Some(record) => (!record.disabled, Some(Account::from(record))),
        None => (false, None),
    })
}

/// The client's epoch; `None` if there is no such client any more.
///
/// # Errors
/// When the store cannot answer.
pub async fn client_epoch(core: &Core, client_id: &str) -> Result<Option<u32>, OAuthError> {
    let store = core.store.as_ref();
    if core.clients.find(store, client_id).await?.is_none() {
        return Ok(None);
    }
    let loaded = record::load::<ClientEpoch>(store, &client_epoch_key(client_id)).await?;
    Ok(Some(loaded.map_or(0, |loaded| loaded.value.epoch)))
}

async fn parent_alive(core: &Core, parent: Option<FamilyId>) -> Result<bool, OAuthError> {
    let Some(parent) = parent else { return Ok(true) };
    // A login's family has no parent itself, so this goes one level up only.
    let Some(loaded) = record::load::<TokenFamily>(core.store.as_ref(), &family_key(parent)).await? else {
        return Ok(false);
    };
    let parent = loaded.value;
    let client_epoch = client_epoch(core, &parent.client_id).await?;
    Ok(!parent.revoked && core.clock.now() < parent.expires_at && client_epoch == Some(parent.client_epoch))
}

/// Ends a family, whatever races with it. One that is gone has ended already.
///
/// # Errors
/// When the store cannot answer.
pub async fn revoke(core: &Core, id: FamilyId) -> Result<(), OAuthError> {
    let key = family_key(id);
    for _ in 0..MAX_RELOADS {
        let Some(loaded) = record::load::<TokenFamily>(core.store.as_ref(), &key).await? else { return Ok(()) };
        if loaded.value.revoked {
            return Ok(());
        }
        let expires_at = record_end(core, &loaded.value);
        let revoked = TokenFamily { revoked: true, ..loaded.value };
        let batch =
            Batch::new().expect_at(key.clone(), loaded.version).put_record(key.clone(), &revoked, Some(expires_at))?;
        if let Committed::Done = committed(core.store.commit(batch).await)? {
            return Ok(());
        }
    }
    Err(contended())
}

/// Until when a family's record is needed: the end of its refresh token, or of the last access token if that is later.
#[must_use]
pub fn record_end(core: &Core, family: &TokenFamily) -> crate::clock::UnixTime {
    let client = core.clients.find_configured(&family.client_id);
    let lifetime = client.and_then(|client| client.access_lifetime).unwrap_or(core.settings.access_lifetime);
    family.expires_at.max(core.clock.now().plus(lifetime))
}
