//! Accounts that bring their password hashes.

use super::record::StoredPassword;
use super::{AccountError, AccountRecord, AccountTable, NewAccount, Username, check_fields};
use crate::store::Batch;
use zeroize::Zeroizing;

/// An account from elsewhere. What is `None` an account that is there already keeps.
#[derive(Clone, Default)]
pub struct ImportedAccount {
    /// See [`Username::parse`].
    pub username: String,
    /// An Argon2 PHC string, kept as it is: the first login hashes anew where its costs differ from ours.
    pub password_hash: Option<Zeroizing<String>>,
    /// As of [`NewAccount`].
    pub display_name: Option<String>,
    /// As of [`NewAccount`].
    pub email: Option<String>,
    /// As of [`NewAccount`].
    pub groups: Option<Vec<String>>,
    /// A disabled account cannot log in.
    pub disabled: Option<bool>,
}

impl AccountTable {
    /// Whether the account could be imported, but for its name, which may be taken.
    ///
    /// # Errors
    /// `BadUsername`, `BadField`, `BadHash`.
    pub fn check_import(&self, imported: &ImportedAccount) -> Result<(), AccountError> {
        Username::parse(&imported.username)?;
        check_fields(&NewAccount {
            display_name: imported.display_name.clone(),
            email: imported.email.clone(),
            groups: imported.groups.clone().unwrap_or_default(),
            ..NewAccount::default()
        })?;
        match &imported.password_hash {
            Some(hash) => self.hasher.check(hash).map_err(AccountError::BadHash),
            None => Ok(()),
        }
    }

    /// Makes the account.
    ///
    /// # Errors
    /// As [`Self::check_import`]; `NameTaken`, `Unavailable`.
    pub async fn import(&self, imported: ImportedAccount) -> Result<AccountRecord, AccountError> {
        self.check_import(&imported)?;
        let password = imported.password_hash.map(stored);
        let new = NewAccount {
            username: imported.username,
            password: None,
            display_name: imported.display_name,
            email: imported.email,
            groups: imported.groups.unwrap_or_default(),
        };
        self.insert(new, password, imported.disabled.unwrap_or_default()).await
    }

    /// Changes the account `id` to what is imported, but not its name, and commits `also` with it as
    /// [`Self::set_password`] does.
    ///
    /// # Errors
    /// As [`Self::check_import`]; `NotFound`, `Conflict`, `Unavailable`.
    pub async fn import_over(
        &self,
        id: &str,
        imported: &ImportedAccount,
        also: Batch,
    ) -> Result<AccountRecord, AccountError> {
        self.check_import(imported)?;
        let (password, now) = (imported.password_hash.clone().map(stored), self.clock.now());
        self.change(id, also, |account| {
            if let Some(password) = password.as_ref().filter(|password| account.password.as_ref() != Some(*password)) {
                account.password = Some(password.clone());
                account.password_set_at = Some(now);
            }
            let ImportedAccount { display_name, email, groups, disabled, .. } = imported.clone();
            account.display_name = display_name.or_else(|| account.display_name.take());
            account.email = email.or_else(|| account.email.take());
            account.groups = groups.unwrap_or_else(|| std::mem::take(&mut account.groups));
            account.disabled = disabled.unwrap_or(account.disabled);
        })
        .await
    }
}

fn stored(hash: Zeroizing<String>) -> StoredPassword {
    StoredPassword(hash.as_str().to_owned())
}
