//! `user …`. What ends a user's access is committed together with what was given before (see [`end`]).

use super::{AdminError, PAGE, SecretText, json, page};
use crate::accounts::{AccountError, AccountRecord, NewAccount};
use crate::clock::UnixTime;
use crate::flow::records::{Identity, identity_key};
use crate::flow::{Core, identity};
use crate::oauth::family::AccountRef;
use crate::store::{Batch, record};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// How often a change is tried again when logins of the same user come between.
const MAX_TRIES: usize = 16;

/// A new account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewUser {
    /// The login name.
    pub username: String,
    /// Without one, nobody can log in by password until one is set.
    pub password: Option<SecretText>,
    /// A name to show.
    pub name: Option<String>,
    /// An address.
    pub email: Option<String>,
    /// Groups.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// What is shown of an account.
#[derive(Serialize)]
struct UserView {
    username: String,
    id: String,
    name: Option<String>,
    email: Option<String>,
    groups: Vec<String>,
    disabled: bool,
    has_password: bool,
    created_at: UnixTime,
    password_set_at: Option<UnixTime>,
    /// `sub` by backend, from the first login on.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    subjects: BTreeMap<String, String>,
}

impl From<AccountRecord> for UserView {
    fn from(account: AccountRecord) -> Self {
        Self {
            has_password: account.has_password(),
            username: account.username,
            id: account.id,
            name: account.display_name,
            email: account.email,
            groups: account.groups,
            disabled: account.disabled,
            created_at: account.created_at,
            password_set_at: account.password_set_at,
            subjects: BTreeMap::new(),
        }
    }
}

pub(super) async fn add(core: &Core, new: NewUser) -> Result<Value, AdminError> {
    let account = NewAccount {
        username: new.username,
        password: new.password.map(|password| password.0),
        display_name: new.name,
        email: new.email,
        groups: new.groups,
    };
    json(&UserView::from(core.accounts.create(account).await?))
}

pub(super) async fn list(core: &Core, after: Option<&str>) -> Result<Value, AdminError> {
    let accounts = core.accounts.list(after, PAGE).await?;
    page(accounts.into_iter().map(UserView::from).collect(), |user| user.id.clone())
}

pub(super) async fn show(core: &Core, user: &str) -> Result<Value, AdminError> {
    let account = find(core, user).await?;
    let mut subjects = BTreeMap::new();
    for reference in references(core, &account.id) {
        if let Some(identity) = record::load::<Identity>(core.store.as_ref(), &identity_key(&reference)).await? {
            subjects.insert(reference.backend, identity.value.sub);
        }
    }
    json(&UserView { subjects, ..account.into() })
}

pub(super) async fn passwd(core: &Core, user: &str, password: SecretText) -> Result<Value, AdminError> {
    let id = find(core, user).await?.id;
    end(core, &id, &Ending::Password(password)).await
}

pub(super) async fn set_disabled(core: &Core, user: &str, disabled: bool) -> Result<Value, AdminError> {
    let id = find(core, user).await?.id;
    if disabled {
        return end(core, &id, &Ending::Disabled).await;
    }
    json(&UserView::from(core.accounts.set_disabled(&id, false, Batch::new()).await?))
}

pub(super) async fn remove(core: &Core, user: &str) -> Result<Value, AdminError> {
    let id = find(core, user).await?.id;
    end(core, &id, &Ending::Removed).await
}

/// What ends an account's access as it was.
enum Ending {
    Password(SecretText),
    Disabled,
    Removed,
}

/// Makes the change in one commit with the end of everything that the account was given, so that there is no moment at
/// which one holds without the other.
async fn end(core: &Core, id: &str, ending: &Ending) -> Result<Value, AdminError> {
    for _ in 0..MAX_TRIES {
        let mut also = Batch::new();
        for reference in references(core, id) {
            also = identity::end_all(core, &reference, also).await?;
        }
        let changed = match ending {
            Ending::Password(password) => core.accounts.set_password(id, &password.0, also).await,
            Ending::Disabled => core.accounts.set_disabled(id, true, also).await,
            Ending::Removed => core.accounts.remove(id, also).await,
        };
        match changed {
            Ok(account) => return json(&UserView::from(account)),
            Err(AccountError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(AdminError::contended())
}

/// The account as each backend of the core's own knows it, or once did.
pub(super) fn references(core: &Core, id: &str) -> Vec<AccountRef> {
    let reference = |backend: &String| AccountRef { backend: backend.clone(), id: id.to_owned() };
    core.ever_own_backends.iter().map(reference).collect()
}

async fn find(core: &Core, user: &str) -> Result<AccountRecord, AdminError> {
    lookup(core, user).await?.ok_or_else(|| AdminError::not_found(format!("there is no user {user:?}")))
}

/// By name, or else by id.
pub(super) async fn lookup(core: &Core, user: &str) -> Result<Option<AccountRecord>, AdminError> {
    match core.accounts.by_username(user).await? {
        Some(account) => Ok(Some(account)),
        // No id is longer; a key of the store has a limit.
        None if user.len() <= 64 => Ok(core.accounts.by_id(user).await?),
        None => Ok(None),
    }
}
