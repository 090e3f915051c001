//! The traits that a plugin implements, one a kind, and what it gets from the host.

use crate::types::{
    Account, AccountVerdict, Attr, CallContext, Event, ExtensionOutcome, HttpRequest, HttpResponse, IssuedToken,
    Manifest, PluginError, ScopeDecision, ScopeQuery, SourcePage, TokenVerdict, VerifyOutcome, VerifyRequest,
};
use zeroize::Zeroizing;

/// The kinds by WIT name.
pub const NAMES: [&str; 8] = [
    "user-verifier",
    "scope-policy",
    "token-format",
    "directory",
    "claims",
    "account-source",
    "event-sink",
    "extension-grant",
];

/// What every plugin is: made from its config, asked for its manifest and health.
pub trait Plugin: Sized + Send + Sync + 'static {
    /// The host interfaces that it calls, by WIT name: of `kv`, `crypto`, `accounts`, `secrets` and `http`. Others answer
    /// `denied`, and the component does not import them. `log`, `clock`, `random` and `config` need no naming.
    const WANTS: &'static [&'static str] = &[];

    /// What the plugin says about itself.
    fn manifest() -> Manifest;

    /// Makes an instance from the operator's `config` table, given as JSON (`{}` where there is none).
    ///
    /// # Errors
    /// Every fault of the config, best with its key.
    fn create(config_json: &str) -> Result<Self, Vec<String>>;

    /// Whether the plugin could answer now.
    ///
    /// # Errors
    /// Why not.
    fn health(&self, _call: &Call<'_>) -> Result<(), PluginError> {
        Ok(())
    }
}

/// Kind `user-verifier`: says whether a proof is a user's.
pub trait UserVerifier: Send + Sync {
    /// Whether the proof is the user's. The proof must not get into the log.
    ///
    /// # Errors
    /// Where there is no answer. It never means "accept".
    fn verify(&self, call: &Call<'_>, request: &VerifyRequest) -> Result<VerifyOutcome, PluginError>;
}

/// Kind `scope-policy`: narrows what was requested.
pub trait ScopePolicy: Send + Sync {
    /// What of the requested scopes may be granted.
    ///
    /// # Errors
    /// Where there is no answer: the core then denies.
    fn evaluate(&self, call: &Call<'_>, query: &ScopeQuery) -> Result<ScopeDecision, PluginError>;
}

/// Kind `token-format`: turns claims into a token and finds the handle in one.
pub trait TokenFormat: Send + Sync {
    /// Makes a token.
    ///
    /// `claims_json`: the claims; `jti` is the handle to embed. `key_id`: for `Host::sign`.
    ///
    /// # Errors
    /// Where there is no token: the request then fails.
    fn issue(&self, call: &Call<'_>, claims_json: &str, key_id: &str) -> Result<IssuedToken, PluginError>;

    /// Finds the handle in a token.
    ///
    /// # Errors
    /// Where it cannot be said whether the token is valid.
    fn validate(&self, call: &Call<'_>, token: &str) -> Result<TokenVerdict, PluginError>;
}

/// Kind `directory`: finds accounts without a proof.
pub trait Directory: Send + Sync {
    /// The account whose `by`, `id` or `username`, is `value`. `None`: there is none, and who had it may not log in.
    ///
    /// # Errors
    /// `invalid` for another `by`; where there is no answer.
    fn lookup(&self, call: &Call<'_>, by: &str, value: &str) -> Result<Option<Account>, PluginError>;
}

/// Kind `claims`: adds claims to what the core says about a user.
pub trait ClaimsSource: Send + Sync {
    /// Names of claims and their values as JSON. `target`: `access-token` or `introspection`. The core drops the claims
    /// that are its own to set.
    ///
    /// # Errors
    /// Where there is no answer: no token is then issued, unless the operator marked the source as optional.
    fn enrich(
        &self,
        call: &Call<'_>,
        account: &Account,
        scopes: &[String],
        target: &str,
    ) -> Result<Vec<Attr>, PluginError>;
}

/// Kind `account-source`: accounts that the core keeps a copy of.
pub trait AccountSource: Send + Sync {
    /// At most `limit` changes. A run that begins without a cursor names every account; those that it does not name are
    /// gone. Another one names what has changed since.
    ///
    /// # Errors
    /// Where there is no answer: the core keeps what it has, and tries again later.
    fn pull(&self, call: &Call<'_>, cursor: Option<&str>, limit: u32) -> Result<SourcePage, PluginError>;
}

/// Kind `event-sink`: is told what happened.
pub trait EventSink: Send + Sync {
    /// Returns the ids of the events that are delivered; the others come again. An event may come twice.
    ///
    /// # Errors
    /// Where none was delivered.
    fn deliver(&self, call: &Call<'_>, batch: &[Event]) -> Result<Vec<String>, PluginError>;
}

/// Kind `extension-grant`: a grant of its own (RFC 6749 §4.5).
pub trait ExtensionGrant: Send + Sync {
    /// The values of `grant_type` that it answers: absolute URIs.
    fn grant_types(&self) -> Vec<String>;

    /// Decides a token request. `params`: what the core does not take itself. They may hold secrets.
    ///
    /// # Errors
    /// Where there is no answer: the request then fails.
    fn exchange(&self, call: &Call<'_>, grant_type: &str, params: &[Attr]) -> Result<ExtensionOutcome, PluginError>;
}

/// One call: its context and the host.
pub struct Call<'a> {
    /// What is known about the call.
    pub context: &'a CallContext,
    /// What the host offers.
    pub host: &'a dyn Host,
}

/// The host interfaces of `wit/pintle.wit`. A function whose interface was not granted answers `denied`.
pub trait Host {
    /// `log.emit`. `level`: 1 error, 2 warning, 3 information, 4 debug, 5 trace.
    fn log(&self, level: u8, message: &str, fields: &[Attr]);
    /// `clock.now-ms`: milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;
    /// `clock.monotonic-ms`: milliseconds since an arbitrary start.
    fn monotonic_ms(&self) -> u64;
    /// `random.bytes`, at most 4096. Always `count` bytes: where the host gives none, the call is ended rather than left
    /// with a predictable value.
    fn random(&self, count: u32) -> Vec<u8>;
    /// `config.json`.
    fn config_json(&self) -> String;
    /// Whether the server has stopped waiting for this call; a long computation asks now and then.
    fn cancelled(&self) -> bool {
        false
    }
    /// `kv.get`: the value and its version.
    ///
    /// # Errors
    /// `denied`, `unavailable`.
    fn kv_get(&self, key: &str) -> Result<Option<(Vec<u8>, u64)>, PluginError>;
    /// `kv.put`; `if_version`: 0 for "absent". Returns the new version.
    ///
    /// # Errors
    /// `invalid("conflict")` where the version differs; `denied`, `unavailable`.
    fn kv_put(&self, key: &str, value: &[u8], ttl_s: Option<u32>, if_version: Option<u64>) -> Result<u64, PluginError>;
    /// `kv.delete`.
    ///
    /// # Errors
    /// `denied`, `unavailable`.
    fn kv_delete(&self, key: &str) -> Result<(), PluginError>;
    /// `crypto.password-verify` for an Argon2 PHC string.
    ///
    /// # Errors
    /// `invalid` for a malformed PHC string, `unavailable` when the hashing queue is full.
    fn password_verify(&self, phc: &str, password: &[u8]) -> Result<bool, PluginError>;
    /// `crypto.sign`, only inside `TokenFormat::issue`.
    ///
    /// # Errors
    /// `denied` outside of `issue` or for a payload that is not the host's.
    fn sign(&self, key_id: &str, alg: &str, input: &[u8]) -> Result<Vec<u8>, PluginError>;
    /// `crypto.verify`: false for an unknown key.
    ///
    /// # Errors
    /// `denied`.
    fn verify(&self, key_id: &str, alg: &str, input: &[u8], signature: &[u8]) -> Result<bool, PluginError>;
    /// `accounts.lookup`; `by`: `id` or `username`.
    ///
    /// # Errors
    /// `denied`, `unavailable`.
    fn account_lookup(&self, by: &str, value: &str) -> Result<Option<Account>, PluginError>;
    /// `accounts.verify`.
    ///
    /// # Errors
    /// `denied`, `unavailable`.
    fn account_verify(&self, username: &str, password: &[u8]) -> Result<AccountVerdict, PluginError>;
    /// `secrets.get`.
    ///
    /// # Errors
    /// `denied` for a name that the operator's entry does not have.
    fn secret(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, PluginError>;
    /// `http.send`. Any status is an answer; redirects are not followed.
    ///
    /// # Errors
    /// `denied` for what was not granted, `invalid` for a malformed request, `unavailable` without an answer.
    fn http_send(&self, request: &HttpRequest) -> Result<HttpResponse, PluginError>;
}
