//! The core's own account table: what `builtin:accounts` and the `user` commands stand on.
//!
//! An account is one record under its id, and one more under its folded name that points to it; both are written and
//! removed in one batch, so a name has one owner at any time.

mod error;
mod import;
mod login;
mod record;
#[cfg(test)]
mod tests;
pub mod username;

pub use error::AccountError;
pub use import::ImportedAccount;
pub use record::AccountRecord;

use crate::clock::Clock;
use crate::entropy::{self, Entropy};
use crate::password::PasswordHasher;
use crate::store::record::{self as records, Loaded, Record};
use crate::store::{Batch, CommitError, Key, Store, StoreError};
use record::{AccountName, StoredPassword};
use std::sync::Arc;
use username::Username;
use zeroize::Zeroizing;

/// The longest password that can be set, in bytes of UTF-8.
pub const MAX_PASSWORD_BYTES: usize = 1024;

const MAX_TEXT_BYTES: usize = 512;
const MAX_GROUPS: usize = 256;

/// How often a change is tried again after a conflict about the account itself.
const MAX_TRIES: usize = 8;

/// What a new account starts with.
#[derive(Clone, Debug, Default)]
pub struct NewAccount {
    /// See [`Username::parse`].
    pub username: String,
    /// Without one, nobody can log in by password until one is set.
    pub password: Option<Zeroizing<String>>,
    /// A name to show: at most 512 bytes.
    pub display_name: Option<String>,
    /// An e-mail address: at most 512 bytes.
    pub email: Option<String>,
    /// Group names: at most 256 of at most 512 bytes.
    pub groups: Vec<String>,
}

/// See the module.
pub struct AccountTable {
    store: Arc<dyn Store>,
    hasher: Arc<PasswordHasher>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    min_length: usize,
}

impl AccountTable {
    /// The table in `store`. `min_length`: the characters that a new password has at least.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        hasher: Arc<PasswordHasher>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        min_length: usize,
    ) -> Self {
        Self { store, hasher, clock, entropy, min_length }
    }

    /// Makes an account.
    ///
    /// # Errors
    /// `NameTaken`, `BadUsername`, `BadField`, `PasswordTooShort`, `PasswordTooLong`, `Busy`, `Unavailable`.
    pub async fn create(&self, new: NewAccount) -> Result<AccountRecord, AccountError> {
        let username = Username::parse(&new.username)?;
        check_fields(&new)?;
        // Before the hash is spent; the commit decides.
        if self.store.get(&AccountName::key(&[username.folded().as_bytes()])).await?.is_some() {
            return Err(AccountError::NameTaken);
        }
        let password = match &new.password {
            Some(password) => Some(self.hash(password).await?),
            None => None,
        };
        self.insert(new, password, false).await
    }

    /// Makes an account whose password, if any, is hashed.
    async fn insert(
        &self,
        new: NewAccount,
        password: Option<StoredPassword>,
        disabled: bool,
    ) -> Result<AccountRecord, AccountError> {
        let username = Username::parse(&new.username)?;
        let name_key = AccountName::key(&[username.folded().as_bytes()]);
        let now = self.clock.now();
        let account = AccountRecord {
            id: self.new_id(),
            username: username.as_str().to_owned(),
            password_set_at: password.as_ref().map(|_| now),
            password,
            display_name: new.display_name,
            email: new.email,
            disabled,
            groups: new.groups,
            created_at: now,
        };
        let id_key = account_key(&account.id);
        let batch = Batch::new()
            .expect_absent(name_key.clone())
            .expect_absent(id_key.clone())
            .put_record(name_key, &AccountName { id: account.id.clone() }, None)?
            .put_record(id_key, &account, None)?;
        match self.store.commit(batch).await {
            Ok(_) => Ok(account),
            // The id is 80 random bits in this millisecond: it was the name.
            Err(CommitError::Conflict) => Err(AccountError::NameTaken),
            Err(error) => Err(error.into()),
        }
    }

    /// The account with this id.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn by_id(&self, id: &str) -> Result<Option<AccountRecord>, StoreError> {
        Ok(self.load(id).await?.map(|loaded| loaded.value))
    }

    /// The account with this name, in whatever spelling counts as the same; `None` also for a text that is no name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn by_username(&self, username: &str) -> Result<Option<AccountRecord>, StoreError> {
        Ok(self.load_by_username(username).await?.map(|loaded| loaded.value))
    }

    /// At most `limit` accounts, the oldest first, from after the id `after` on.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, after: Option<&str>, limit: usize) -> Result<Vec<AccountRecord>, StoreError> {
        let after = after.map(account_key);
        let found = self.store.scan(&AccountRecord::key(&[]), after.as_ref(), limit).await?;
        found.iter().map(|(_, row)| records::decode(&row.value)).collect()
    }

    /// Sets a new password and commits `also` with it: the revocation of what the user was given, so that there is no
    /// moment at which one holds without the other. `also` should rest on its own preconditions.
    ///
    /// # Errors
    /// `NotFound`, `PasswordTooShort`, `PasswordTooLong`, `Conflict` (about `also`: build it anew), `Busy`, `Unavailable`.
    pub async fn set_password(
        &self,
        id: &str,
        password: &Zeroizing<String>,
        also: Batch,
    ) -> Result<AccountRecord, AccountError> {
        let stored = self.hash(password).await?;
        let now = self.clock.now();
        self.change(id, also, |account| {
            account.password = Some(stored.clone());
            account.password_set_at = Some(now);
        })
        .await
    }

    /// Disables or enables the account, and commits `also` with it as [`Self::set_password`] does.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Unavailable`.
    pub async fn set_disabled(&self, id: &str, disabled: bool, also: Batch) -> Result<AccountRecord, AccountError> {
        self.change(id, also, |account| account.disabled = disabled).await
    }

    /// Removes the account, which frees its name but not its id, and commits `also` with it as [`Self::set_password`]
    /// does. Returns what it was.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Unavailable`.
    pub async fn remove(&self, id: &str, also: Batch) -> Result<AccountRecord, AccountError> {
        self.commit_about(id, also, |account, batch| {
            let name_key = AccountName::key(&[folded(&account.username).as_bytes()]);
            Ok((batch.delete(account_key(&account.id)).delete(name_key), account))
        })
        .await
    }

    async fn change(
        &self,
        id: &str,
        also: Batch,
        change: impl Fn(&mut AccountRecord),
    ) -> Result<AccountRecord, AccountError> {
        self.commit_about(id, also, |mut account, batch| {
            change(&mut account);
            Ok((batch.put_record(account_key(&account.id), &account, None)?, account))
        })
        .await
    }

    /// Loads, lets `build` extend `also`, commits at the loaded version; again while somebody else changes the account.
    async fn commit_about(
        &self,
        id: &str,
        also: Batch,
        build: impl Fn(AccountRecord, Batch) -> Result<(Batch, AccountRecord), StoreError>,
    ) -> Result<AccountRecord, AccountError> {
        let mut refused_at = None;
        for _ in 0..MAX_TRIES {
            let loaded = self.load(id).await?.ok_or(AccountError::NotFound)?;
            if refused_at == Some(loaded.version) {
                // The account stands as it stood: the conflict is about `also`.
                return Err(AccountError::Conflict);
            }
            let batch = also.clone().expect_at(account_key(id), loaded.version);
            let (batch, account) = build(loaded.value, batch)?;
            match self.store.commit(batch).await {
                Ok(_) => return Ok(account),
                Err(CommitError::Conflict) => refused_at = Some(loaded.version),
                Err(error) => return Err(error.into()),
            }
        }
        Err(AccountError::Conflict)
    }

    async fn load(&self, id: &str) -> Result<Option<Loaded<AccountRecord>>, StoreError> {
        records::load(&*self.store, &account_key(id)).await
    }

    async fn load_by_username(&self, username: &str) -> Result<Option<Loaded<AccountRecord>>, StoreError> {
        let Ok(username) = Username::parse(username) else { return Ok(None) };
        let name_key = AccountName::key(&[username.folded().as_bytes()]);
        match records::load::<AccountName>(&*self.store, &name_key).await? {
            Some(name) => self.load(&name.value.id).await,
            None => Ok(None),
        }
    }

    async fn hash(&self, password: &Zeroizing<String>) -> Result<StoredPassword, AccountError> {
        if password.len() > MAX_PASSWORD_BYTES {
            return Err(AccountError::PasswordTooLong { max: MAX_PASSWORD_BYTES });
        }
        // A person's password is never empty, whatever is configured.
        if password.is_empty() || password.chars().count() < self.min_length {
            return Err(AccountError::PasswordTooShort { min: self.min_length.max(1) });
        }
        let bytes = Zeroizing::new(password.as_bytes().to_vec());
        Ok(StoredPassword(self.hasher.hash(bytes).await?))
    }

    /// 48 bits of milliseconds and 80 random ones, so that new accounts are neighbours in the store.
    fn new_id(&self) -> String {
        let mut bytes: [u8; 16] = entropy::array(&*self.entropy);
        bytes[..6].copy_from_slice(&self.clock.now_ms().to_be_bytes()[2..]);
        format!("{:032x}", u128::from_be_bytes(bytes))
    }
}

impl std::fmt::Debug for AccountTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountTable").finish_non_exhaustive()
    }
}

fn account_key(id: &str) -> Key {
    AccountRecord::key(&[id.as_bytes()])
}

/// A stored name was parsed before it was stored.
fn folded(username: &str) -> String {
    Username::parse(username).map_or_else(|_| username.to_owned(), |username| username.folded())
}

fn check_fields(new: &NewAccount) -> Result<(), AccountError> {
    let bad = |text: &String| text.len() > MAX_TEXT_BYTES || text.chars().any(char::is_control);
    if new.display_name.as_ref().is_some_and(bad) {
        return Err(AccountError::BadField("display name"));
    }
    if new.email.as_ref().is_some_and(bad) {
        return Err(AccountError::BadField("email"));
    }
    if new.groups.len() > MAX_GROUPS || new.groups.iter().any(bad) {
        return Err(AccountError::BadField("groups"));
    }
    Ok(())
}
