//! `token …`: what a token is, and ending what was given.

use super::{AdminError, SecretText, json, users};
use crate::flow::records::{Identity, identity_key};
use crate::flow::revoke::{self, Revocation};
use crate::flow::validate::AnyToken;
use crate::flow::{Call, Core, identity, validate};
use crate::oauth::family::AccountRef;
use crate::oauth::introspection::IntrospectionResponse;
use crate::store::record;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Longer is no token and no name, and no key that the store takes.
const MAX_NAME_BYTES: usize = 256;

/// What to revoke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevokeTarget {
    /// A token, and its family if it has one.
    Token(SecretText),
    /// All of a user's: a name of the core's own accounts, a `sub`, or `backend/account id`.
    User(String),
    /// All of a client's.
    Client(String),
}

pub(super) async fn inspect(core: &Core, call: &Call, token: &SecretText) -> Result<Value, AdminError> {
    let active = validate::any_token(core, call, &token.0).await?.map(AnyToken::into_token);
    call.trail.note(|facts| facts.verdict = Some(if active.is_some() { "active" } else { "inactive" }));
    let answer = active.map_or_else(IntrospectionResponse::default, |token| IntrospectionResponse {
        active: true,
        username: token.username,
        token_type: token.access.then_some("Bearer"),
        claims: Some(token.claims),
    });
    json(&answer)
}

pub(super) async fn revoke(core: &Core, call: &Call, target: RevokeTarget) -> Result<Value, AdminError> {
    match target {
        RevokeTarget::Token(token) => {
            if revoke::token(core, call, &token.0, None).await? != Revocation::Done {
                return Err(AdminError::not_found("no token that this server knows: it may have expired"));
            }
            Ok(json!({ "revoked": "token" }))
        }
        RevokeTarget::User(user) => of_user(core, &user).await,
        RevokeTarget::Client(id) => {
            if id.len() > MAX_NAME_BYTES || core.clients.find(core.store.as_ref(), &id).await?.is_none() {
                return Err(AdminError::not_found(format!("there is no client {id:?}")));
            }
            revoke::client(core, &id).await?;
            Ok(json!({ "revoked": "client", "client": id }))
        }
    }
}

async fn of_user(core: &Core, user: &str) -> Result<Value, AdminError> {
    let accounts = accounts_of(core, user).await?;
    for account in &accounts {
        revoke::account(core, account).await?;
    }
    let accounts: Vec<String> = accounts.iter().map(|account| format!("{}/{}", account.backend, account.id)).collect();
    Ok(json!({ "revoked": "user", "accounts": accounts }))
}

async fn accounts_of(core: &Core, user: &str) -> Result<Vec<AccountRef>, AdminError> {
    let unknown = || {
        AdminError::not_found(format!(
            "no user {user:?}: neither a name of the server's own accounts, nor the sub of anybody who has logged in, \
             nor such an account as backend/id"
        ))
    };
    if user.len() > MAX_NAME_BYTES {
        return Err(unknown());
    }
    if let Some(account) = users::lookup(core, user).await? {
        return Ok(users::references(core, &account.id));
    }
    if let Some((account, _)) = identity::by_sub(core, user).await? {
        return Ok(vec![account]);
    }
    let (backend, id) = user.split_once('/').ok_or_else(unknown)?;
    let account = AccountRef { backend: backend.to_owned(), id: id.to_owned() };
    if record::load::<Identity>(core.store.as_ref(), &identity_key(&account)).await?.is_none() {
        return Err(unknown());
    }
    Ok(vec![account])
}
