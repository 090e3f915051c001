//! What the flows keep in the store.

use crate::clock::UnixTime;
use crate::oauth::client::{ClientType, GrantType};
use crate::oauth::code::StoredCode;
use crate::oauth::family::{AccountRef, TokenFamily};
use crate::oauth::handle::FamilyId;
use crate::store::{Key, record::Record};
use pintle_plugin_api::Account;
use serde::{Deserialize, Serialize};

impl Record for TokenFamily {
    const TABLE: &'static str = "family";
    const VERSION: u8 = 1;
}

impl Record for StoredCode {
    const TABLE: &'static str = "code";
    const VERSION: u8 = 1;
}

/// Where a family is kept.
#[must_use]
pub fn family_key(id: FamilyId) -> Key {
    TokenFamily::key(&[&id.0])
}

/// One account of one backend as the core knows it: it has the `sub`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// `sub`: random, never derived from the account.
    pub sub: String,
    /// Families of an earlier epoch have been revoked.
    pub epoch: u32,
    /// When that last happened, in milliseconds since the Unix epoch: a login that began before does not count.
    #[serde(default)]
    pub revoked_at_ms: u64,
    /// The account as it was at the last login, for policies at a refresh.
    pub account: Account,
    /// When the identity was made.
    pub created_at: UnixTime,
}

impl Record for Identity {
    const TABLE: &'static str = "identity";
    const VERSION: u8 = 1;
}

/// Where an account's identity is kept.
#[must_use]
pub fn identity_key(account: &AccountRef) -> Key {
    Identity::key(&[account.backend.as_bytes(), account.id.as_bytes()])
}

/// Finds the account of a `sub`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectIndex {
    /// Which account it is.
    pub account: AccountRef,
}

impl Record for SubjectIndex {
    const TABLE: &'static str = "subject";
    const VERSION: u8 = 1;
}

/// A name of a backend whose accounts are, or once were, the core's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnBackend {}

impl Record for OwnBackend {
    const TABLE: &'static str = "own-backend";
    const VERSION: u8 = 1;
}

/// A plugin that the operator has disabled, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisabledPlugin {}

impl Record for DisabledPlugin {
    const TABLE: &'static str = "disabled-plugin";
    const VERSION: u8 = 1;
}

/// Tokens that a client got in an earlier epoch have been revoked. No record: epoch 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientEpoch {
    /// The epoch.
    pub epoch: u32,
}

impl Record for ClientEpoch {
    const TABLE: &'static str = "client-epoch";
    const VERSION: u8 = 1;
}

/// Where a client's epoch is kept.
#[must_use]
pub fn client_epoch_key(client_id: &str) -> Key {
    ClientEpoch::key(&[client_id.as_bytes()])
}

/// A stateless token that was revoked, kept until it would have expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denied {}

impl Record for Denied {
    const TABLE: &'static str = "denied";
    const VERSION: u8 = 1;
}

/// A client added by command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredClient {
    /// A name for people.
    pub name: String,
    /// RFC 6749 §2.1.
    pub client_type: ClientType,
    /// Keyed hashes in base64url; the newest last, at most two.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// First-party.
    #[serde(default)]
    pub trusted: bool,
    /// May introspect tokens that are not its own.
    #[serde(default)]
    pub introspect: bool,
    /// What it may ask for.
    pub grants: Vec<GrantType>,
    /// Values of `grant_type` of plugins that it may ask for.
    #[serde(default)]
    pub extension_grants: Vec<String>,
    /// What it may have.
    pub scopes: Vec<String>,
    /// Where answers may go.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// Origins.
    #[serde(default)]
    pub cors: Vec<String>,
    /// When it was added.
    pub created_at: UnixTime,
}

impl Record for StoredClient {
    const TABLE: &'static str = "client";
    const VERSION: u8 = 1;
}
