//! What is stored of an account.

use crate::clock::UnixTime;
use crate::store::record::Record;
use pintle_plugin_api::Account;
use serde::{Deserialize, Serialize};

/// An account, in table `account` under its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRecord {
    /// 32 hexadecimal digits, larger for an account made later. Never used again.
    pub id: String,
    /// The user name as it is shown; see [`super::username`] for when two are the same.
    pub username: String,
    /// Without one, nobody can log in to this account by password.
    pub(super) password: Option<StoredPassword>,
    /// A name to show.
    pub display_name: Option<String>,
    /// An e-mail address.
    pub email: Option<String>,
    /// A disabled account cannot log in.
    pub disabled: bool,
    /// Group names.
    pub groups: Vec<String>,
    /// When the account was made.
    pub created_at: UnixTime,
    /// When the password was last set; a rehash is not a change.
    pub password_set_at: Option<UnixTime>,
}

/// A PHC string, kept out of `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct StoredPassword(pub String);

impl std::fmt::Debug for StoredPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl AccountRecord {
    /// Whether a password is set.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// The Argon2 PHC string, for an export or for a move to another server. Never for a log or an answer.
    #[must_use]
    pub fn export_password_hash(&self) -> Option<&str> {
        self.password.as_ref().map(|password| password.0.as_str())
    }
}

impl Record for AccountRecord {
    const TABLE: &'static str = "account";
    const VERSION: u8 = 1;
}

impl From<AccountRecord> for Account {
    fn from(record: AccountRecord) -> Self {
        Self {
            id: record.id,
            username: record.username,
            display_name: record.display_name,
            email: record.email,
            email_verified: false,
            disabled: record.disabled,
            groups: record.groups,
            ..Self::default()
        }
    }
}

/// Whose a name is, in table `account_name` under the folded name: written and removed with the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AccountName {
    pub id: String,
}

impl Record for AccountName {
    const TABLE: &'static str = "account_name";
    const VERSION: u8 = 1;
}
