//! The password grant: the chain of backends says who it is.

use super::begin::{Beginning, begin};
use crate::flow::login::Login;
use crate::flow::mint::{self, Bearer, TokenResponse};
use crate::flow::{Call, Core, contended, identity, login, sync};
use crate::oauth::client::{Client, GrantType};
use crate::oauth::error::OAuthError;
use crate::oauth::family::{AccountRef, Subject};
use crate::oauth::grant::password;
use crate::oauth::scope::Scope;
use zeroize::Zeroizing;

pub async fn exchange(
    core: &Core,
    call: &Call,
    client: &Client,
    username: &str,
    password: &Zeroizing<String>,
    requested: Option<&Scope>,
) -> Result<TokenResponse, OAuthError> {
    let scope = password::decide(client, requested)?;
    let started_ms = core.clock.now_ms();
    let login = login::by_password(core, call, client, username, password).await?;
    grant(core, call, client, scope, login, started_ms).await
}

/// Goes on with a login that led to a challenge.
pub async fn answer(
    core: &Core,
    call: &Call,
    client: &Client,
    auth_session: &Zeroizing<String>,
    response: &Zeroizing<String>,
    requested: Option<&Scope>,
) -> Result<TokenResponse, OAuthError> {
    let scope = password::decide(client, requested)?;
    let started_ms = core.clock.now_ms();
    let login = login::by_answer(core, call, client, auth_session, response).await?;
    grant(core, call, client, scope, login, started_ms).await
}

async fn grant(
    core: &Core,
    call: &Call,
    client: &Client,
    scope: Scope,
    login: Login,
    started_ms: u64,
) -> Result<TokenResponse, OAuthError> {
    let account = login.accepted.account;
    let reference = AccountRef { backend: login.backend, id: account.id.clone() };
    let identity = identity::ensure(core, &reference, &account).await?;
    // After the identity: one that ends meanwhile ends this login, too.
    sync::demand(core, &reference).await?;
    // The password was changed, or the account disabled, while it was being checked.
    if identity.revoked_at_ms > started_ms {
        return Err(OAuthError::invalid_grant("user name or password is wrong").because("revoked during the login"));
    }
    let subject = Subject {
        sub: identity.sub,
        account: reference,
        username: account.username.clone(),
        auth_time: core.clock.now(),
        amr: login.accepted.amr,
        acr: login.accepted.acr,
        epoch: identity.epoch,
    };
    let bearer = Bearer {
        client,
        subject: Some(&subject),
        account: Some(&account),
        grant: GrantType::Password,
        claims_json: "",
    };
    let granted = mint::evaluate(core, call, bearer, scope).await?;
    begin(core, call, bearer, granted, Beginning::default()).await?.ok_or_else(contended)
}
