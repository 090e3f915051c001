//! Plugins as the server sees them: one trait a kind, which the linked-in, native and Wasm packagings implement.
//!
//! Plugins advise, the core enforces; and no failure here ever means "accept".

pub mod about;
pub mod breaker;
#[cfg(feature = "wasm")]
pub mod build;
pub mod builtin;
pub mod bundle;
pub mod chain;
mod fault;
pub mod host;
pub mod hosted;
pub mod issue;
pub mod kept;
pub mod last_run;
pub mod limits;
mod log_line;
pub mod native;
pub mod outbound;
pub mod own_code;
pub mod private_dir;
pub mod project;
pub mod registry;
pub mod schema;
pub mod seen;
pub mod services;
pub mod shadow;
pub mod supervision;
#[cfg(test)]
pub(crate) mod testing;
pub mod trial;
#[cfg(feature = "wasm")]
pub mod wasm;

pub use fault::{CallError, Fault};

use crate::password::Capacity;
use async_trait::async_trait;
use pintle_plugin_api::{
    Account, AccountVerdict, Attr, CallContext, Event, ExtensionOutcome, IssuedToken, PluginError, ScopeDecision,
    ScopeQuery, SourcePage, TokenVerdict, VerifyOutcome, VerifyRequest,
};

/// Kind `user-verifier`. `UnknownUser` lets the chain ask the next backend, `Rejected` stops it, an error is neither.
#[async_trait]
pub trait UserVerifier: Send + Sync {
    /// Asks whether the proof is the user's.
    async fn verify(&self, call: &CallContext, request: VerifyRequest) -> Result<VerifyOutcome, CallError>;
}

/// Kind `scope-policy`. The core intersects the decision with what the client may have, so a policy can never widen it.
#[async_trait]
pub trait ScopePolicy: Send + Sync {
    /// Asks what of the requested scopes may be granted.
    async fn evaluate(&self, call: &CallContext, query: ScopeQuery) -> Result<ScopeDecision, CallError>;
}

/// Kind `token-format`. The core compares the finished token's claims with its own before the token leaves.
#[async_trait]
pub trait TokenFormat: Send + Sync {
    /// Asks for a token with these claims; `key_id` is the key that `sign` will take.
    async fn issue(&self, call: &CallContext, claims_json: &str, key_id: &str) -> Result<IssuedToken, CallError>;

    /// Asks for the handle in a token.
    async fn validate(&self, call: &CallContext, token: &str) -> Result<TokenVerdict, CallError>;
}

/// Kind `directory`. `None` and a disabled account both mean that the user may not log in any more.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Asks for the account whose `by`, `id` or `username`, is `value`.
    async fn lookup(&self, call: &CallContext, by: &str, value: &str) -> Result<Option<Account>, CallError>;
}

/// Kind `claims`. The core drops what is its own to set.
#[async_trait]
pub trait ClaimsSource: Send + Sync {
    /// Asks for claims, each a name and a value as JSON. `target`: `access-token` or `introspection`.
    async fn enrich(
        &self,
        call: &CallContext,
        account: &Account,
        scopes: &[String],
        target: &str,
    ) -> Result<Vec<Attr>, CallError>;
}

/// Kind `account-source`. A failure leaves the core's copy as it is.
#[async_trait]
pub trait AccountSource: Send + Sync {
    /// Asks for the next page.
    async fn pull(&self, call: &CallContext, cursor: Option<String>, limit: u32) -> Result<SourcePage, CallError>;
}

/// Kind `event-sink`. What is not acknowledged is delivered again.
#[async_trait]
pub trait EventSink: Send + Sync {
    /// Hands events over; the answer has the ids of those that are delivered.
    async fn deliver(&self, call: &CallContext, batch: Vec<Event>) -> Result<Vec<String>, CallError>;
}

/// Kind `extension-grant`. The core narrows what is granted to what the client may have.
#[async_trait]
pub trait ExtensionGrant: Send + Sync {
    /// Asks for a decision on a token request.
    async fn exchange(
        &self,
        call: &CallContext,
        grant_type: &str,
        params: Vec<Attr>,
    ) -> Result<ExtensionOutcome, CallError>;
}

/// What the host interfaces of the WIT stand on; `app.rs` wires the real one, tests a small one. `plugin` is the name
/// of the plugin's entry in the config.
#[async_trait]
pub trait HostServices: Send + Sync + 'static {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;
    /// Milliseconds since an arbitrary start.
    fn monotonic_ms(&self) -> u64;
    /// Fills `bytes` from the operating system's generator.
    fn random(&self, bytes: &mut [u8]);
    /// The value of a plugin's key and its version.
    async fn kv_get(&self, plugin: &str, key: &str) -> Result<Option<(Vec<u8>, u64)>, PluginError>;
    /// Sets a plugin's key; `if_version` 0 for "absent". `Invalid("conflict")` when the version differs, `Denied` for a
    /// new key where there are `most_keys`.
    async fn kv_put(
        &self,
        plugin: &str,
        key: &str,
        value: Vec<u8>,
        ttl_s: Option<u32>,
        if_version: Option<u64>,
        most_keys: u64,
    ) -> Result<u64, PluginError>;
    /// Removes a plugin's key.
    async fn kv_delete(&self, plugin: &str, key: &str) -> Result<(), PluginError>;
    /// Checks a password against an Argon2 PHC string on the hashing threads, behind the server's own hashes. `Invalid`
    /// for one that costs too much.
    async fn password_verify(&self, phc: &str, password: &[u8]) -> Result<bool, PluginError>;
    /// How many may wait for the hashing threads; none where there are none.
    fn hashing(&self) -> Option<Capacity> {
        None
    }
    /// Whether passwords wait for the hashing threads.
    fn is_hashing_busy(&self) -> bool {
        false
    }
    /// Signs; the caller has checked that the input is what may be signed.
    fn sign(&self, key_id: &str, alg: &str, input: &[u8]) -> Result<Vec<u8>, PluginError>;
    /// Checks a signature; false for an unknown key.
    fn verify(&self, key_id: &str, alg: &str, input: &[u8], signature: &[u8]) -> Result<bool, PluginError>;
    /// Looks an account of the core's own table up by `id` or `username`.
    async fn account_lookup(&self, by: &str, value: &str) -> Result<Option<Account>, PluginError>;
    /// Checks a password of the core's own table, in the same time for an unknown user.
    async fn account_verify(&self, username: &str, password: &[u8]) -> Result<AccountVerdict, PluginError>;
}
