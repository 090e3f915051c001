//! A login in several steps: what is asked for next, and where the login stands meanwhile.
//!
//! The client holds a random token, the store a record under its hash, sealed under the token: neither alone says
//! anything. A session has a few tries and a few minutes.

use super::{Committed, Core, MAX_RELOADS, committed, contended};
use crate::clock::UnixTime;
use crate::entropy;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::store::{Batch, Key, record, record::Record};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use pintle_plugin_api::Challenge;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::time::Duration;
use zeroize::Zeroizing;

/// How long a user may take for a step.
const LIFETIME: Duration = Duration::from_secs(300);
/// Answers to one challenge.
const TRIES: u8 = 3;
/// The most that a plugin may keep in a session, in bytes.
const MAX_STATE_BYTES: usize = 8 * 1024;
/// The most that is told to the client, in bytes.
const MAX_PARAMS_BYTES: usize = 8 * 1024;

/// A login that waits for its next step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Who may answer.
    pub client_id: String,
    /// The name that was typed.
    pub username: String,
    /// Who asked.
    pub backend: String,
    /// What was asked for.
    pub kind: String,
    /// The plugin's own.
    #[serde(with = "pintle_plugin_api::base64url")]
    pub state: Vec<u8>,
}

/// A session as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSession {
    #[serde(with = "pintle_plugin_api::base64url")]
    sealed: Vec<u8>,
    tries_left: u8,
    expires_at: UnixTime,
}

impl Record for StoredSession {
    const TABLE: &'static str = "challenge";
    const VERSION: u8 = 1;
}

fn session_key(core: &Core, token: &str) -> Key {
    StoredSession::key(&[&core.keys.mac("challenge", &[token.as_bytes()])])
}

fn expired() -> OAuthError {
    OAuthError::invalid_grant("the login has taken too long or too many tries; begin again")
}

/// Keeps where a login stands and says what is asked for next, as the error that the client gets.
///
/// # Errors
/// 503 when the store fails, or the plugin asks for more than is kept.
pub async fn begin(core: &Core, session: &Session, challenge: &Challenge) -> Result<OAuthError, OAuthError> {
    let params = params(challenge).map_err(|why| OAuthError::unavailable(format!("{}: {why}", session.backend)))?;
    let token = URL_SAFE_NO_PAD.encode(entropy::array::<32>(core.entropy.as_ref()));
    let plain = Zeroizing::new(serde_json::to_vec(session).map_err(OAuthError::server_error)?);
    let sealed = core.keys.seal_under(token.as_bytes(), &plain).map_err(OAuthError::server_error)?;
    let key = session_key(core, &token);
    let expires_at = core.clock.now().plus(LIFETIME);
    let stored = StoredSession { sealed, tries_left: TRIES, expires_at };
    let batch = Batch::new().expect_absent(key.clone());
    let batch = batch.put_record(key, &stored, Some(expires_at))?;
    core.store.commit(batch).await.map_err(OAuthError::unavailable)?;
    let more = Map::from_iter([
        ("auth_session".to_owned(), Value::from(token)),
        ("challenge".to_owned(), json!({ "kind": challenge.kind, "params": params })),
        ("expires_in".to_owned(), LIFETIME.as_secs().into()),
    ]);
    let why = "one more step is needed; answer with auth_session and challenge_response";
    Ok(OAuthError::new(ErrorCode::InsufficientAuthorization, why).with(more))
}

fn params(challenge: &Challenge) -> Result<Map<String, Value>, &'static str> {
    if challenge.kind.is_empty() || challenge.kind.len() > 64 {
        return Err("a challenge whose kind is empty or too long");
    }
    if challenge.state.len() > MAX_STATE_BYTES || challenge.params_json.len() > MAX_PARAMS_BYTES {
        return Err("a challenge that is too large");
    }
    if challenge.params_json.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_str(&challenge.params_json).map_err(|_| "a challenge whose params are no JSON object")
}

/// Takes one try of a session; the last one ends it.
///
/// # Errors
/// `invalid_grant` for a token that is not known (any more), or of another client's login; 503 when the store fails.
pub async fn take_try(core: &Core, client_id: &str, token: &str) -> Result<Session, OAuthError> {
    let key = session_key(core, token);
    for _ in 0..MAX_RELOADS {
        let loaded = record::load::<StoredSession>(core.store.as_ref(), &key).await?.ok_or_else(expired)?;
        // The store may be late to drop it.
        if core.clock.now() >= loaded.value.expires_at {
            return Err(expired());
        }
        let plain = core.keys.open_under(token.as_bytes(), &loaded.value.sealed).ok_or_else(expired)?;
        let session: Session = serde_json::from_slice(&plain).map_err(OAuthError::server_error)?;
        // Before anything is spent: another client cannot use up the tries.
        if session.client_id != client_id {
            return Err(expired());
        }
        let batch = Batch::new().expect_at(key.clone(), loaded.version);
        let batch = match loaded.value.tries_left.checked_sub(1) {
            None | Some(0) => batch.delete(key.clone()),
            Some(tries_left) => {
                let end = Some(loaded.value.expires_at);
                batch.put_record(key.clone(), &StoredSession { tries_left, ..loaded.value }, end)?
            }
        };
        if let Committed::Done = committed(core.store.commit(batch).await)? {
            return Ok(session);
        }
    }
    Err(contended())
}

/// Ends a session: its challenge was answered.
///
/// # Errors
/// 503 when the store fails.
pub async fn end(core: &Core, token: &str) -> Result<(), OAuthError> {
    let batch = Batch::new().delete(session_key(core, token));
    core.store.commit(batch).await.map(drop).map_err(OAuthError::unavailable)
}
