//! What plugins of the kind `claims` say about a user, within what they may say.

use super::{Call, Core, NamedClaims};
use crate::oauth::claims::is_reserved;
use crate::oauth::error::OAuthError;
use crate::oauth::scope::Scope;
use crate::plugin::CallError;
use pintle_plugin_api::{Account, PluginError};
use serde_json::{Map, Value};

/// The most claims of one source, in bytes of JSON: a token travels in a header.
const MAX_BYTES: usize = 4 * 1024;

/// For whom claims are asked.
#[derive(Clone, Copy)]
pub enum Target {
    /// An access token that carries its claims.
    AccessToken,
    /// An introspection answer.
    Introspection,
}

impl Target {
    const fn name(self) -> &'static str {
        match self {
            Self::AccessToken => "access-token",
            Self::Introspection => "introspection",
        }
    }
}

/// Asks every source; where two set a claim, the first one's stays.
///
/// # Errors
/// 503 when a source that is not optional fails.
pub async fn claims(
    core: &Core,
    call: &Call,
    client_id: &str,
    account: &Account,
    scope: &Scope,
    target: Target,
) -> Result<Map<String, Value>, OAuthError> {
    let mut all = Map::new();
    for source in &core.claims {
        let started = core.clock.monotonic();
        let asked = source.source.enrich(&call.context(Some(client_id)), account, scope.tokens(), target.name()).await;
        let answer = asked.and_then(|claims| permitted(source, claims));
        core.note_plugin(call, "claims", &source.name, started, &answer, "answered");
        match answer {
            Ok(claims) => claims.into_iter().for_each(|(name, value)| {
                all.entry(name).or_insert(value);
            }),
            Err(error) if source.optional => {
                tracing::warn!(plugin = source.name, error = %error.error, "optional claims are left out");
            }
            Err(ended) => return Err(OAuthError::unavailable(format!("plugin {}: {}", source.name, ended.error))),
        }
    }
    Ok(all)
}

/// The claims without the core's own, which are dropped: a plugin advises.
fn permitted(source: &NamedClaims, claims: Vec<(String, String)>) -> Result<Map<String, Value>, CallError> {
    let bytes: usize = claims.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_BYTES {
        return Err(PluginError::Internal(format!("claims of {bytes} bytes; at most {MAX_BYTES}")).into());
    }
    let mut permitted = Map::new();
    for (name, value) in claims {
        if is_reserved(&name) {
            tracing::warn!(plugin = source.name, "a claim that only the server may set is left out");
            continue;
        }
        let value = serde_json::from_str(&value)
            .map_err(|_| PluginError::Internal("the value of a claim is not JSON".to_owned()))?;
        permitted.insert(name, value);
    }
    Ok(permitted)
}

/// A JSON object of claims that came with an account or grant, without the core's own; none where it is no object.
#[must_use]
pub fn of_json(json: &str) -> Map<String, Value> {
    let mut claims: Map<String, Value> = serde_json::from_str(json).unwrap_or_default();
    claims.retain(|name, _| !is_reserved(name));
    claims
}
