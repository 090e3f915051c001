//! The authorization endpoint (RFC 6749 §3.1). Without pages: a trusted client's token stands for the user's login.

use super::records::family_key;
use super::token::code::code_key;
use super::{Call, Core, mint, validate};
use crate::entropy;
use crate::oauth::authorization_request::{AuthorizationRequest, ReturnAddress};
use crate::oauth::bearer;
use crate::oauth::client::{Client, GrantType};
use crate::oauth::code::StoredCode;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::family::Subject;
use crate::oauth::handle::FamilyId;
use crate::oauth::params::Params;
use crate::oauth::scope::Scope;
use crate::store::Batch;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// The scope that a token needs to stand for a login.
const LOGIN_SCOPE: &str = "authorize";

/// A user's login at the authorization endpoint, however it came about.
pub struct UserLogin {
    subject: Subject,
    scope: Scope,
    family: FamilyId,
}

/// What an authorization request is answered with, where the return address is known.
pub struct Redirect {
    /// Where to.
    pub location: String,
    /// Why there is an error and no code in it.
    pub refused: Option<OAuthError>,
}

/// Answers an authorization request.
///
/// # Errors
/// Only what must not be redirected: an unknown client, a wrong redirect URI, a token that is no login.
pub async fn by_bearer_token(
    core: &Core,
    call: &Call,
    authorization: Option<&str>,
    params: &Params,
) -> Result<Redirect, OAuthError> {
    let client_id = params.required("client_id")?;
    let client = core.clients.find(core.store.as_ref(), client_id).await?;
    let client = client.ok_or_else(|| OAuthError::invalid_request("client_id is not known"))?;
    call.trail.note(|facts| facts.client = Some(client.id.clone()));
    let address = ReturnAddress::read(params, &client)?;
    let login = bearer_login(core, call, bearer::token(authorization)?).await?;
    call.trail.note(|facts| {
        facts.sub = Some(login.subject.sub.clone());
        facts.username = Some(login.subject.username.clone());
    });
    let issuer = &core.settings.issuer;
    match grant_code(core, call, &client, &address, login, params).await {
        Ok(code) => Ok(Redirect { location: address.answer(issuer, &[("code", &code)]), refused: None }),
        Err(error) => {
            let pairs = [("error", error.code.as_str()), ("error_description", error.description())];
            Ok(Redirect { location: address.answer(issuer, &pairs), refused: Some(error) })
        }
    }
}

/// Whether `scope` has the word that stands for every scope, where the configuration knows one.
fn has_every_scope(core: &Core, scope: &Scope) -> bool {
    core.settings.every_scope.as_deref().is_some_and(|every| scope.contains(every))
}

/// The user whose login a token stands for.
async fn bearer_login(core: &Core, call: &Call, token: &str) -> Result<UserLogin, OAuthError> {
    let invalid = || OAuthError::invalid_token("the access token is invalid, expired or revoked");
    let active = validate::access_token(core, call, token).await?.ok_or_else(invalid)?;
    let no_login = || {
        let why = "the access token does not stand for a login: it has to be of a trusted client's password grant and have \
                   the scope 'authorize'";
        OAuthError::new(ErrorCode::InsufficientScope, why)
    };
    let (id, family) = active.family.ok_or_else(no_login)?;
    let holder = core.clients.find(core.store.as_ref(), &family.client_id).await?;
    let trusted = holder.is_some_and(|holder| holder.trusted) && family.grant == GrantType::Password;
    if !trusted || !(active.scope.contains(LOGIN_SCOPE) || has_every_scope(core, &active.scope)) {
        return Err(no_login());
    }
    let subject = family.subject.ok_or_else(invalid)?;
    Ok(UserLogin { subject, scope: active.scope, family: id })
}

async fn grant_code(
    core: &Core,
    call: &Call,
    client: &Client,
    address: &ReturnAddress,
    login: UserLogin,
    params: &Params,
) -> Result<String, OAuthError> {
    let request = AuthorizationRequest::read(params, client)?;
    let within = if has_every_scope(core, &login.scope) { &client.scopes } else { &login.scope };
    let scope = request.scope_within(within)?;
    // KorAP: a client that is not trusted may not ask for everything at once.
    if has_every_scope(core, &scope) && !client.trusted {
        return Err(OAuthError::invalid_scope("the scope that stands for every scope is for trusted clients"));
    }
    call.trail.note(|facts| facts.scope = Some(scope.to_string()));
    let code = URL_SAFE_NO_PAD.encode(entropy::array::<32>(core.entropy.as_ref()));
    let stored = StoredCode {
        client_id: client.id.clone(),
        redirect_uri: address.was_sent.then(|| address.redirect_uri.clone()),
        code_challenge: request.code_challenge,
        scope,
        subject: login.subject,
        family: mint::new_family_id(core),
        parent: Some(login.family),
        expires_at: core.clock.now().plus(core.settings.code_lifetime),
        redeemed: false,
    };
    call.trail.note(|facts| facts.family = Some(stored.family.to_string()));
    let key = code_key(core, &code);
    let batch = Batch::new().expect_absent(family_key(stored.family)).expect_absent(key.clone()).put_record(
        key,
        &stored,
        Some(stored.expires_at),
    )?;
    core.store.commit(batch).await.map_err(OAuthError::unavailable)?;
    Ok(code)
}
