//! Checking a password.

use super::record::StoredPassword;
use super::{AccountError, AccountRecord, AccountTable, account_key};
use crate::store::record::Loaded;
use crate::store::{Batch, CommitError};
use pintle_plugin_api::AccountVerdict;
use zeroize::Zeroizing;

/// How often a login follows a password that changes under it.
const MAX_ROUNDS: usize = 3;

type Password = Zeroizing<Vec<u8>>;

impl AccountTable {
    /// Whether `password` is that of the user named `username`. Every answer costs one hash, for an unknown user, an
    /// account without a password and a disabled one too. (A hash made with other costs takes its own time until the
    /// first login replaces it.)
    ///
    /// What is accepted holds after the hash: a password that was changed, or an account that was disabled or removed
    /// meanwhile, is not.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`: neither says anything about the password.
    pub async fn verify(&self, username: &str, password: Password) -> Result<AccountVerdict, AccountError> {
        let Some(mut loaded) = self.load_by_username(username).await? else {
            self.hasher.verify_dummy(password).await?;
            return Ok(AccountVerdict::UnknownUser);
        };
        for _ in 0..MAX_ROUNDS {
            let Some(needs_rehash) = self.matches(&loaded.value, password.clone()).await? else {
                return Ok(AccountVerdict::Rejected);
            };
            let Some(now) = self.load(&loaded.value.id).await? else { return Ok(AccountVerdict::Rejected) };
            if now.value.disabled {
                return Ok(AccountVerdict::Rejected);
            }
            if now.value.password == loaded.value.password {
                if needs_rehash {
                    self.rehash(&now, password).await;
                }
                return Ok(AccountVerdict::Accepted(now.value.into()));
            }
            loaded = now;
        }
        Ok(AccountVerdict::Rejected)
    }

    /// `Some(needs_rehash)` when the password is the account's and may be used.
    async fn matches(&self, account: &AccountRecord, password: Password) -> Result<Option<bool>, AccountError> {
        match &account.password {
            Some(stored) if !account.disabled => {
                let verdict = self.hasher.verify(&stored.0, password).await?;
                Ok(verdict.matches.then_some(verdict.needs_rehash))
            }
            _ => {
                self.hasher.verify_dummy(password).await?;
                Ok(None)
            }
        }
    }

    /// Replaces the hash by one of today's costs, at the version that was read: it never undoes another change. The
    /// login does not depend on it, so a failure is only logged, and the next login tries again.
    async fn rehash(&self, loaded: &Loaded<AccountRecord>, password: Password) {
        match self.try_rehash(loaded, password).await {
            Ok(()) | Err(AccountError::Conflict | AccountError::Busy) => {}
            Err(error) => tracing::warn!(account = loaded.value.id, %error, "cannot renew a password hash"),
        }
    }

    async fn try_rehash(&self, loaded: &Loaded<AccountRecord>, password: Password) -> Result<(), AccountError> {
        let phc = self.hasher.hash(password).await?;
        let renewed = AccountRecord { password: Some(StoredPassword(phc)), ..loaded.value.clone() };
        let key = account_key(&renewed.id);
        let batch = Batch::new().expect_at(key.clone(), loaded.version);
        let batch = batch.put_record(key, &renewed, None)?;
        self.store.commit(batch).await.map(drop).map_err(CommitError::into)
    }
}
