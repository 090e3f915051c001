//! Finding out what a token is and whether it works.

use super::family::Freshness;
use super::records::Denied;
use super::token::refresh;
use super::{Call, Core, NamedFormat, enrich, family, mint};
use crate::clock::UnixTime;
use crate::oauth::claims::{Claims, ClaimsContext};
use crate::oauth::error::OAuthError;
use crate::oauth::family::TokenFamily;
use crate::oauth::handle::{AccessHandle, AccessKind, FamilyId};
use crate::oauth::introspection::ActiveToken;
use crate::plugin::CallError;
use crate::store::{Key, record, record::Record};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use pintle_plugin_api::{Account, TokenVerdict};

/// A token that some format knows and whose handle is ours. It may have ended.
pub enum Known {
    /// An access token of a family, with its claims where it carries them.
    Access(AccessHandle, Option<Box<Claims>>),
    /// An access token without one, with its claims.
    Stateless(AccessHandle, Box<Claims>),
}

/// Asks the formats for the token's handle; `None` when nobody knows it.
///
/// # Errors
/// 503 when a format cannot say: never "not active" by mistake, never "active".
pub async fn known_access_token(core: &Core, call: &Call, token: &str) -> Result<Option<Known>, OAuthError> {
    for format in &core.formats {
        let started = core.clock.monotonic();
        let verdict = format.format.validate(&call.context(None), token).await;
        core.note_plugin(call, "token-format", &format.name, started, &verdict, validated(&verdict));
        match verdict {
            Ok(TokenVerdict::Mine(handle)) => return Ok(own_handle(core, format, &handle, token)),
            Ok(TokenVerdict::Invalid(_)) => return Ok(None),
            Ok(TokenVerdict::NotMine) => {}
            Err(error) => return Err(OAuthError::unavailable(format!("plugin {}: {error}", format.name))),
        }
    }
    Ok(None)
}

const fn validated(verdict: &Result<TokenVerdict, CallError>) -> &'static str {
    match verdict {
        Ok(TokenVerdict::Mine(_)) => "mine",
        Ok(TokenVerdict::NotMine) => "not-mine",
        Ok(TokenVerdict::Invalid(_)) => "invalid",
        Err(ended) => ended.fault.name(),
    }
}

/// The handle, if its MAC is right and it is of the sort that the format's tokens carry.
fn own_handle(core: &Core, format: &NamedFormat, handle: &str, token: &str) -> Option<Known> {
    let (handle, mac) = AccessHandle::parse(handle)?;
    if !core.keys.mac_matches(mint::ACCESS_DOMAIN, &[&handle.body()], &mac) {
        return None;
    }
    match (handle.kind, format.self_contained) {
        (AccessKind::Opaque, false) => Some(Known::Access(handle, None)),
        (AccessKind::SelfContained, true) => Some(Known::Access(handle, Some(Box::new(signed_claims(core, token)?)))),
        (AccessKind::Stateless, true) => Some(Known::Stateless(handle, Box::new(signed_claims(core, token)?))),
        _ => None,
    }
}

/// The claims of a JWS that the server signed. The format has said that it is valid; the core looks for itself.
fn signed_claims(core: &Core, token: &str) -> Option<Claims> {
    #[derive(serde::Deserialize)]
    struct Header {
        alg: String,
        kid: String,
    }
    let (input, signature) = token.rsplit_once('.')?;
    let (header, payload) = input.split_once('.')?;
    let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    let algorithm = crate::config::model::Algorithm::from_name(&header.alg)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    if !core.keys.verify(&header.kid, algorithm, input.as_bytes(), &signature) {
        return None;
    }
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    (claims.iss == core.settings.issuer).then_some(claims)
}

/// An access token that works, and its family if it has one.
pub struct ActiveAccess {
    /// What introspection would say.
    pub token: ActiveToken,
    /// Its family's id and record.
    pub family: Option<(FamilyId, TokenFamily)>,
    /// The user's account, as last seen.
    pub account: Option<Account>,
    /// The scope.
    pub scope: crate::oauth::scope::Scope,
}

/// The access token, if it works.
///
/// # Errors
/// 503 when that cannot be said.
pub async fn access_token(core: &Core, call: &Call, token: &str) -> Result<Option<ActiveAccess>, OAuthError> {
    match known_access_token(core, call, token).await? {
        Some(Known::Access(handle, claims)) => of_family(core, call, &handle, claims.as_deref()).await,
        Some(Known::Stateless(handle, claims)) => {
            call.trail.token_of(handle.family, &claims.client_id, None);
            stateless(core, &handle, *claims).await
        }
        None => Ok(None),
    }
}

/// A token of whatever sort that works.
pub enum AnyToken {
    /// An access token.
    Access(Box<ActiveAccess>),
    /// A refresh token.
    Refresh(Box<ActiveToken>),
}

impl AnyToken {
    /// What introspection would say.
    #[must_use]
    pub fn into_token(self) -> ActiveToken {
        match self {
            Self::Access(active) => active.token,
            Self::Refresh(token) => *token,
        }
    }
}

/// The token, of whatever sort, if it works.
///
/// # Errors
/// 503 when that cannot be said.
pub async fn any_token(core: &Core, call: &Call, token: &str) -> Result<Option<AnyToken>, OAuthError> {
    match refresh_token(core, call, token).await? {
        Some(refresh) => Ok(Some(AnyToken::Refresh(Box::new(refresh)))),
        None => Ok(access_token(core, call, token).await?.map(|active| AnyToken::Access(Box::new(active)))),
    }
}

async fn of_family(
    core: &Core,
    call: &Call,
    handle: &AccessHandle,
    signed: Option<&Claims>,
) -> Result<Option<ActiveAccess>, OAuthError> {
    let Some(loaded) = family::load(core, handle.family, Freshness::LastSeen).await? else { return Ok(None) };
    let family = loaded.family;
    call.trail.token_of(handle.family, &family.client_id, family.subject.as_ref());
    if !family.accepts(handle, loaded.standing, core.settings.rotation_ends_access, core.clock.now()) {
        return Ok(None);
    }
    let scope = family.scope.masked(handle.scope_mask);
    let context = ClaimsContext {
        issuer: &core.settings.issuer,
        audience: &core.settings.audience,
        client_id: &family.client_id,
        subject: family.subject.as_ref(),
        scope: &scope,
    };
    let body = handle.body();
    let jti = crate::oauth::handle::seal(body.clone(), &core.keys.mac(mint::ACCESS_DOMAIN, &[&body]));
    let issued_at = signed.map_or_else(|| issued_at(&family, handle), |claims| claims.iat);
    let mut claims = Claims::new(context, public_id(handle, jti), issued_at, handle.expires_at);
    claims.further = enrich::of_json(&family.claims_json);
    let username = family.subject.as_ref().map(|subject| subject.username.clone());
    let token = ActiveToken { claims, username, access: true };
    Ok(Some(ActiveAccess { token, family: Some((handle.family, family)), account: loaded.account, scope }))
}

/// A self-contained token shows its `jti` to everyone who reads it; an opaque one *is* its handle, which introspection
/// must not hand to whoever asks.
fn public_id(handle: &AccessHandle, jti: String) -> String {
    match handle.kind {
        AccessKind::Opaque => format!("{}.{}", handle.family, handle.generation),
        AccessKind::SelfContained | AccessKind::Stateless => jti,
    }
}

/// When an opaque token was issued (RFC 7662 §2.2: `iat` is optional). Of the first generation there is one access token,
/// as old as the family. Of a later one there may be several, the younger ones given in the grace window.
fn issued_at(family: &TokenFamily, handle: &AccessHandle) -> Option<UnixTime> {
    (handle.generation == 1).then_some(family.issued_at)
}

/// Where a revoked stateless token is remembered.
pub(super) fn denied_key(handle: &AccessHandle) -> Key {
    Denied::key(&[&handle.family.0])
}

async fn stateless(core: &Core, handle: &AccessHandle, claims: Claims) -> Result<Option<ActiveAccess>, OAuthError> {
    let store = core.store.as_ref();
    let alive = core.clock.now() < handle.expires_at
        && handle.expires_at == claims.exp
        && family::client_epoch(core, &claims.client_id).await? == Some(handle.generation)
        && record::load::<Denied>(store, &denied_key(handle)).await?.is_none();
    let scope = crate::oauth::scope::Scope::new(claims.scope.split_ascii_whitespace());
    let token = ActiveToken { claims, username: None, access: true };
    Ok(alive.then_some(ActiveAccess { token, family: None, account: None, scope }))
}

/// The refresh token, if it works.
///
/// # Errors
/// 503 when that cannot be said.
async fn refresh_token(core: &Core, call: &Call, token: &str) -> Result<Option<ActiveToken>, OAuthError> {
    let Some(handle) = refresh::known(core, token) else { return Ok(None) };
    let Some(loaded) = family::load(core, handle.family, Freshness::LastSeen).await? else { return Ok(None) };
    let family = loaded.family;
    call.trail.token_of(handle.family, &family.client_id, family.subject.as_ref());
    let current = handle.generation == family.generation && family.refreshable;
    if !current || !family.is_alive(loaded.standing) || core.clock.now() >= family.expires_at {
        return Ok(None);
    }
    let context = ClaimsContext {
        issuer: &core.settings.issuer,
        audience: std::slice::from_ref(&core.settings.issuer),
        client_id: &family.client_id,
        subject: family.subject.as_ref(),
        scope: &family.scope,
    };
    let jti = format!("{}.{}", handle.family, handle.generation);
    let claims = Claims::new(context, jti, Some(UnixTime(family.rotated_at_ms / 1000)), family.expires_at);
    let username = family.subject.as_ref().map(|subject| subject.username.clone());
    Ok(Some(ActiveToken { claims, username, access: false }))
}
