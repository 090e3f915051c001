//! What is kept of a sync: each account, and how far the plugin's runs have come.

use crate::clock::UnixTime;
use crate::oauth::family::AccountRef;
use crate::store::{Key, record::Record};
use pintle_plugin_api::Account;
use serde::{Deserialize, Serialize};

/// The copy of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncedAccount {
    /// As the source last named it.
    pub account: Account,
    /// The run that last named it.
    pub seen_in: u64,
    /// A tombstone: since then the source does not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_at: Option<UnixTime>,
}

impl SyncedAccount {
    /// Whether the account may be used.
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        self.gone_at.is_none() && !self.account.disabled
    }

    /// Whether it ends where the source says `named` of it now, nothing where it is gone: one more that a run may not do to
    /// too many.
    #[must_use]
    pub fn is_ended_by(&self, named: Option<&Account>) -> bool {
        self.gone_at.is_none() && named.is_none_or(|named| named.disabled && !self.account.disabled)
    }
}

impl Record for SyncedAccount {
    const TABLE: &'static str = "synced-account";
    const VERSION: u8 = 1;
}

/// Where an account's copy is kept.
#[must_use]
pub fn account_key(account: &AccountRef) -> Key {
    SyncedAccount::key(&[account.backend.as_bytes(), account.id.as_bytes()])
}

/// A plugin's runs. Every change of its accounts is committed together with this, at the version that was read: so there is
/// one run at a time, and its counts are exact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncState {
    /// Of the last run that began.
    pub number: u64,
    /// Accounts that are not gone.
    pub known: u64,
    /// The run in progress.
    #[serde(default)]
    pub run: Option<Run>,
    /// The last run that came to its end.
    #[serde(default)]
    pub last: Option<Ended>,
    /// When a full run last came to its end.
    #[serde(default)]
    pub full_at: Option<UnixTime>,
    /// Why the last try failed, until one succeeds.
    #[serde(default)]
    pub trouble: Option<Trouble>,
    /// Accounts that runs have ended which were given up, since one came to its end: the next one begins with them, so that
    /// trying again does not do bit by bit what is refused at once.
    #[serde(default)]
    pub ended_before: u64,
}

impl Record for SyncState {
    const TABLE: &'static str = "sync-state";
    const VERSION: u8 = 1;
}

/// Where a plugin's state is kept.
#[must_use]
pub fn state_key(plugin: &str) -> Key {
    SyncState::key(&[plugin.as_bytes()])
}

/// What a run asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// All accounts: those that are not named are gone.
    Full,
    /// What has changed since the last run.
    Incremental,
}

/// What a run does now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It asks the source, from this cursor on.
    Pulling(Option<String>),
    /// All is named: whether the others may be removed is to be decided.
    Judging,
    /// It removes what was not named, from after this id on.
    Removing(Option<String>),
}

/// A run in progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Larger for a later one.
    pub number: u64,
    /// What it asks for.
    pub kind: RunKind,
    /// When it began.
    pub began_at: UnixTime,
    /// Accounts that were known when it began.
    pub known_before: u64,
    /// Accounts that it was told of and that are not gone.
    pub seen: u64,
    /// Pages that it has committed.
    pub pages: u64,
    /// What it has changed.
    pub counts: Counts,
    /// [`SyncState::ended_before`] when it began.
    #[serde(default)]
    pub ended_before: u64,
    /// What it does now.
    pub phase: Phase,
    /// Where the next run begins, once the source has said it.
    #[serde(default)]
    pub next: Option<String>,
}

impl Run {
    /// Accounts that are removed or disabled by now: by it, and by those before it that were given up.
    #[must_use]
    pub const fn ended(&self) -> u64 {
        self.ended_before + self.counts.removed + self.counts.disabled
    }
}

/// What a run changed, in accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// New ones, and ones that came back.
    pub added: u64,
    /// Others than before, and not ended by it.
    pub changed: u64,
    /// Enabled ones that are disabled now.
    #[serde(default)]
    pub disabled: u64,
    /// As they were.
    pub unchanged: u64,
    /// Gone.
    pub removed: u64,
}

/// A run that came to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Its number.
    pub number: u64,
    /// What it asked for.
    pub kind: RunKind,
    /// When it ended.
    pub at: UnixTime,
    /// What it changed.
    pub counts: Counts,
    /// Where the next one begins; without it the next one is a full one.
    #[serde(default)]
    pub cursor: Option<String>,
}

/// Tries that failed, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// How many.
    pub failures: u32,
    /// When the last one was.
    pub at: UnixTime,
    /// Why it failed.
    pub why: String,
}
