//! The store: an ordered key-value table with optimistic transactions.
//!
//! Every engine keeps these promises, and `conformance` proves them: a commit is atomic, linearizable, and durable
//! before it returns; a version is never used twice; an expired record may go late and never early; what a read returns
//! is durable too (an engine that applies before it syncs lets the read wait).

pub mod conformance;
pub mod memory;
pub mod overlay;
pub mod record;
pub mod sled;

use crate::clock::UnixTime;
use async_trait::async_trait;
use std::error::Error;
use std::sync::Arc;

/// The largest value a store takes, in bytes: records are small, and one commit must not hold up the others for long.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

/// The longest key a store takes, in bytes. sled's inner nodes hold some 260 whole keys, and must stay below 128 KiB too.
pub const MAX_KEY_BYTES: usize = 400;

/// How many records one step of a sweep looks at, at most, without letting others in between.
const SWEEP_EXAMINED: usize = 512;

/// A key: bytes, ordered bytewise. `record` makes them from typed parts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<[u8]>);

impl Key {
    /// The key made of these bytes.
    #[must_use]
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Which write a value is from; larger for a later one, never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// A value and the version that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// The bytes as they were put.
    pub value: Vec<u8>,
    /// The version of that write.
    pub version: Version,
}

/// What must hold for a batch to be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// The key has no value, or an expired one.
    Absent,
    /// The key has a value, of whichever version.
    Present,
    /// The key's value is of this version.
    At(Version),
}

/// One change of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Sets the value; from `expires_at` on the record may be removed.
    Put {
        /// At most [`MAX_VALUE_BYTES`].
        value: Vec<u8>,
        /// Exclusive end of life; `None` for ever.
        expires_at: Option<UnixTime>,
    },
    /// Removes the record.
    Delete,
}

/// Preconditions and changes that are applied together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Checked first, all of them.
    pub preconditions: Vec<(Key, Precondition)>,
    /// Applied in order.
    pub changes: Vec<(Key, Change)>,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Requires that `key` has no value.
    #[must_use]
    pub fn expect_absent(mut self, key: Key) -> Self {
        self.preconditions.push((key, Precondition::Absent));
        self
    }

    /// Requires that `key` has a value.
    #[must_use]
    pub fn expect_present(mut self, key: Key) -> Self {
        self.preconditions.push((key, Precondition::Present));
        self
    }

    /// Requires that `key` is at `version`.
    #[must_use]
    pub fn expect_at(mut self, key: Key, version: Version) -> Self {
        self.preconditions.push((key, Precondition::At(version)));
        self
    }

    /// Requires that `key` is as it was loaded: at that version, or absent.
    #[must_use]
    pub fn expect_as_loaded(self, key: Key, loaded: Option<Version>) -> Self {
        match loaded {
            Some(version) => self.expect_at(key, version),
            None => self.expect_absent(key),
        }
    }

    /// Whether keys and values are small enough; every engine asks first.
    ///
    /// # Errors
    /// `TooLarge`.
    pub fn check_size(&self) -> Result<(), CommitError> {
        let keys = self.preconditions.iter().map(|(key, _)| key).chain(self.changes.iter().map(|(key, _)| key));
        for key in keys {
            within(key.as_bytes().len(), MAX_KEY_BYTES)?;
        }
        for (_, change) in &self.changes {
            if let Change::Put { value, .. } = change {
                within(value.len(), MAX_VALUE_BYTES)?;
            }
        }
        Ok(())
    }

    /// Sets `key` to `value`.
    #[must_use]
    pub fn put(mut self, key: Key, value: Vec<u8>, expires_at: Option<UnixTime>) -> Self {
        self.changes.push((key, Change::Put { value, expires_at }));
        self
    }

    /// Removes `key`.
    #[must_use]
    pub fn delete(mut self, key: Key) -> Self {
        self.changes.push((key, Change::Delete));
        self
    }
}

fn within(bytes: usize, most: usize) -> Result<(), CommitError> {
    if bytes > most { Err(CommitError::TooLarge(bytes)) } else { Ok(()) }
}

/// A record as the engines keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stored {
    value: Vec<u8>,
    version: Version,
    expires_at: Option<UnixTime>,
}

impl Stored {
    fn is_live(&self, now: UnixTime) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// What a reader gets at `now`.
    fn read(self, now: UnixTime) -> Option<Versioned> {
        self.is_live(now).then_some(Versioned { value: self.value, version: self.version })
    }
}

impl Precondition {
    fn holds(&self, stored: Option<&Stored>, now: UnixTime) -> bool {
        let live = stored.filter(|stored| stored.is_live(now));
        match self {
            Self::Absent => live.is_none(),
            Self::Present => live.is_some(),
            Self::At(version) => live.is_some_and(|stored| stored.version == *version),
        }
    }
}

/// The engine cannot answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the store is unavailable: {0}")]
pub struct StoreError(pub Arc<dyn Error + Send + Sync>);

impl StoreError {
    /// Wraps an engine's fault.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Arc::from(cause.into()))
    }
}

/// Why a batch was not applied. Nothing of it was.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// A precondition does not hold: load again and decide again.
    #[error("another commit was first")]
    Conflict,
    /// A value is larger than [`MAX_VALUE_BYTES`], or a key than [`MAX_KEY_BYTES`].
    #[error("a key or value of {0} bytes is larger than the store takes")]
    TooLarge(usize),
    /// The engine cannot answer. Whether the batch is applied after a restart is not known.
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}

/// Figures for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Bytes on disk (0 for memory).
    pub disk_bytes: u64,
    /// Batches committed since the start.
    pub commits: u64,
    /// Syncs since the start; `commits / syncs` is the mean group size.
    pub syncs: u64,
}

/// Is told the number of batches that one sync made durable. It must not wait.
pub type GroupObserver = Box<dyn Fn(u64) + Send + Sync>;

/// An engine.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The value of `key`; `None` also once it has expired.
    ///
    /// # Errors
    /// When the engine cannot answer.
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError>;

    /// At most `limit` records whose keys start with `prefix`, in key order, from after `after` on, expired ones left out.
    ///
    /// # Errors
    /// When the engine cannot answer.
    async fn scan(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Versioned)>, StoreError>;

    /// Applies `batch` if its preconditions hold, and returns once it is durable: with the version that its puts have now.
    ///
    /// # Errors
    /// `Conflict`, `TooLarge`, `Unavailable`.
    async fn commit(&self, batch: Batch) -> Result<Version, CommitError>;

    /// Removes some expired records, a small step; returns how many.
    ///
    /// # Errors
    /// When the engine cannot answer.
    async fn sweep(&self) -> Result<usize, StoreError>;

    /// Figures for the metrics.
    fn stats(&self) -> StoreStats;

    /// From now on tells `observer` how many batches each sync made durable, if the engine syncs. Once only.
    fn observe_groups(&self, _observer: GroupObserver) {}
}
