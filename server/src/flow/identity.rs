//! Identities: the core gives an account of a backend its `sub` at the first login.

use super::records::{Identity, SubjectIndex, identity_key};
use super::{Committed, Core, MAX_RELOADS, committed, contended};
use crate::entropy;
use crate::oauth::error::OAuthError;
use crate::oauth::family::AccountRef;
use crate::store::{Batch, record, record::Record};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use pintle_plugin_api::Account;

/// Bytes of an account that are kept for policies at a refresh; a record has to stay under the store's limit.
const MAX_ACCOUNT_BYTES: usize = 32 * 1024;

/// The identity of `account`, made or brought up to date.
///
/// # Errors
/// When the store cannot answer.
pub async fn ensure(core: &Core, reference: &AccountRef, account: &Account) -> Result<Identity, OAuthError> {
    let key = identity_key(reference);
    let account = bounded(account);
    for _ in 0..MAX_RELOADS {
        let loaded = record::load::<Identity>(core.store.as_ref(), &key).await?;
        let (identity, batch) = match loaded {
            Some(loaded) if loaded.value.account == account => return Ok(loaded.value),
            Some(loaded) => (
                Identity { account: account.clone(), ..loaded.value },
                Batch::new().expect_at(key.clone(), loaded.version),
            ),
            None => {
                let sub = URL_SAFE_NO_PAD.encode(entropy::array::<16>(core.entropy.as_ref()));
                let subject_key = SubjectIndex::key(&[sub.as_bytes()]);
                let index = SubjectIndex { account: reference.clone() };
                let batch = Batch::new().expect_absent(key.clone()).expect_absent(subject_key.clone()).put_record(
                    subject_key,
                    &index,
                    None,
                )?;
                let created_at = core.clock.now();
                (Identity { sub, epoch: 0, revoked_at_ms: 0, account: account.clone(), created_at }, batch)
            }
        };
        let batch = batch.put_record(key.clone(), &identity, None)?;
        if let Committed::Done = committed(core.store.commit(batch).await)? {
            return Ok(identity);
        }
    }
    Err(contended())
}

/// The account as it is kept: without what is too much.
pub(super) fn bounded(account: &Account) -> Account {
    let size = |account: &Account| {
        account.claims_json.len()
            + account.groups.iter().map(|group| group.len() + 3).sum::<usize>()
            + account.ext.iter().map(|(name, value)| name.len() + value.len() + 6).sum::<usize>()
    };
    let mut account = account.clone();
    if size(&account) > MAX_ACCOUNT_BYTES {
        account.claims_json.clear();
        account.ext.clear();
    }
    if size(&account) > MAX_ACCOUNT_BYTES {
        tracing::warn!(account = %account.id, groups = account.groups.len(), "too many groups to keep: cut short");
        let mut room = MAX_ACCOUNT_BYTES;
        account.groups.retain(|group| {
            room = room.saturating_sub(group.len() + 3);
            room > 0
        });
    }
    account
}

/// Finds the identity of a `sub`.
///
/// # Errors
/// When the store cannot answer.
pub async fn by_sub(core: &Core, sub: &str) -> Result<Option<(AccountRef, Identity)>, OAuthError> {
    let store = core.store.as_ref();
    let Some(index) = record::load::<SubjectIndex>(store, &SubjectIndex::key(&[sub.as_bytes()])).await? else {
        return Ok(None);
    };
    let account = index.value.account;
    let identity = record::load::<Identity>(store, &identity_key(&account)).await?;
    Ok(identity.map(|identity| (account, identity.value)))
}

/// Adds to `batch` what ends everything that the account was given, if it was given anything.
///
/// # Errors
/// When the store cannot answer.
pub async fn end_all(core: &Core, account: &AccountRef, batch: Batch) -> Result<Batch, OAuthError> {
    let key = identity_key(account);
    match record::load::<Identity>(core.store.as_ref(), &key).await? {
        Some(loaded) => {
            let epoch = loaded.value.epoch.wrapping_add(1);
            let ended = Identity { epoch, revoked_at_ms: core.clock.now_ms(), ..loaded.value };
            Ok(batch.expect_at(key.clone(), loaded.version).put_record(key, &ended, None)?)
        }
        // Its first login may be under way: it must not be left out.
        None => Ok(batch.expect_absent(key)),
    }
}
