//! `user import` and `user export`: accounts with their password hashes, some at a time.

use super::{AdminError, ErrorKind, PAGE, SecretText, json, users};
use crate::accounts::{AccountError, AccountRecord, ImportedAccount};
use crate::clock::UnixTime;
use crate::flow::{Core, identity};
use crate::store::Batch;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashSet;

/// How often a change is tried again when logins of the same user come between.
const MAX_TRIES: usize = 16;

/// An account as it is exported and imported. What is left out stays as it is where the account is there already.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserRow {
    /// The login name.
    pub username: String,
    /// An Argon2 PHC string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<SecretText>,
    /// A name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// An address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    /// A disabled account cannot log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// Of an export; an import takes no heed of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Of an export; an import takes no heed of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<UnixTime>,
}

/// Some accounts to import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportUsers {
    /// The accounts.
    pub rows: Vec<UserRow>,
    /// Change those that are there already, instead of refusing them.
    #[serde(default)]
    pub update: bool,
    /// Change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

impl ImportUsers {
    /// For the audit log.
    pub(super) fn names(&self) -> String {
        let names: Vec<&str> = self.rows.iter().map(|row| row.username.as_str()).collect();
        names.join(" ")
    }
}

/// What became of a row.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Added,
    Updated,
    Refused(String),
}

pub(super) async fn export(core: &Core, after: Option<&str>) -> Result<Value, AdminError> {
    let accounts = core.accounts.list(after, PAGE).await?;
    let next = if accounts.len() < PAGE { None } else { accounts.last().map(|last| last.id.clone()) };
    let rows: Vec<UserRow> = accounts.into_iter().map(row).collect();
    Ok(json!({ "items": json(&rows)?, "next": next }))
}

fn row(account: AccountRecord) -> UserRow {
    UserRow {
        password_hash: account.export_password_hash().map(|phc| phc.to_owned().into()),
        username: account.username,
        name: account.display_name,
        email: account.email,
        groups: Some(account.groups),
        disabled: Some(account.disabled),
        id: Some(account.id),
        created_at: Some(account.created_at),
    }
}

/// The answer has an outcome for each row, in their order. Rows of different users are done at once, so that they share
/// the store's syncs; of two rows of one user the second comes second.
pub(super) async fn import(core: &Core, import: ImportUsers) -> Result<Value, AdminError> {
    let ImportUsers { rows, update, dry_run } = import;
    let mut names = HashSet::new();
    let is_first: Vec<bool> =
        rows.iter().map(|row| names.insert(crate::accounts::username::fold_typed(&row.username))).collect();
    let mut outcomes: Vec<Option<Outcome>> = rows.iter().map(|_| None).collect();
    let firsts = rows.iter().enumerate().filter(|(at, _)| is_first[*at]);
    let done = join_all(firsts.map(async |(at, row)| (at, one(core, row, update, dry_run).await))).await;
    for (at, outcome) in done {
        outcomes[at] = Some(outcome?);
    }
    for (at, row) in rows.iter().enumerate().filter(|(at, _)| !is_first[*at]) {
        let outcome = if dry_run && !update { Ok(taken()) } else { one(core, row, update, dry_run).await };
        outcomes[at] = Some(outcome?);
    }
    Ok(json!({ "outcomes": json(&outcomes)? }))
}

fn taken() -> Outcome {
    Outcome::Refused(AccountError::NameTaken.to_string())
}

/// A row that cannot be taken is an outcome; that the store does not answer is none.
async fn one(core: &Core, row: &UserRow, update: bool, dry_run: bool) -> Result<Outcome, AdminError> {
    match attempt(core, row, update, dry_run).await {
        Ok(outcome) => Ok(outcome),
        Err(error) if error.kind == ErrorKind::Unavailable => Err(error),
        Err(error) => Ok(Outcome::Refused(error.message)),
    }
}

async fn attempt(core: &Core, row: &UserRow, update: bool, dry_run: bool) -> Result<Outcome, AdminError> {
    let imported = ImportedAccount {
        username: row.username.clone(),
        password_hash: row.password_hash.as_ref().map(|hash| hash.0.clone()),
        display_name: row.name.clone(),
        email: row.email.clone(),
        groups: row.groups.clone(),
        disabled: row.disabled,
    };
    core.accounts.check_import(&imported)?;
    let known = core.accounts.by_username(&row.username).await?;
    match known {
        Some(_) if !update => Ok(taken()),
        _ if dry_run => Ok(if known.is_some() { Outcome::Updated } else { Outcome::Added }),
        Some(known) => change(core, &known, &imported).await.map(|()| Outcome::Updated),
        None => {
            core.accounts.import(imported).await?;
            Ok(Outcome::Added)
        }
    }
}

/// As `user passwd` and `user disable` do, another password and disabling end what the user was given.
async fn change(core: &Core, known: &AccountRecord, imported: &ImportedAccount) -> Result<(), AdminError> {
    let other_password = imported.password_hash.as_ref().is_some_and(|hash| known.export_password_hash() != Some(hash));
    let ends = other_password || (imported.disabled == Some(true) && !known.disabled);
    for _ in 0..MAX_TRIES {
        let mut also = Batch::new();
        if ends {
            for reference in users::references(core, &known.id) {
                also = identity::end_all(core, &reference, also).await?;
            }
        }
        match core.accounts.import_over(&known.id, imported, also).await {
            Ok(_) => return Ok(()),
            Err(AccountError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(AdminError::contended())
}
