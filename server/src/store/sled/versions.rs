//! Versions: a number that only grows, over restarts too.
//!
//! The store keeps a bound, not the last version: a block of versions is reserved with the group that uses its first one,
//! so that most groups write no entry more. After a restart the next version is the bound; what is skipped is not missed.

use super::cell::INTERNAL;
use crate::store::{StoreError, Version};

const BLOCK: u64 = 1 << 16;

pub(super) struct Versions {
    /// The version given last.
    last: u64,
    /// No version of this or above was ever given before `reserve` wrote a larger bound.
    bound: u64,
}

fn key() -> Vec<u8> {
    [&[INTERNAL], b"versions".as_slice()].concat()
}

impl Versions {
    /// Goes on where the store left off.
    pub(super) fn open(db: &sled::Db) -> Result<Self, StoreError> {
        let Some(bound) = db.get(key()).map_err(StoreError::new)? else { return Ok(Self { last: 0, bound: 1 }) };
        let bound =
            <[u8; 8]>::try_from(&*bound).map_err(|_| StoreError::new("the store's version bound is damaged"))?;
        let bound = u64::from_be_bytes(bound);
        Ok(Self { last: bound.saturating_sub(1), bound })
    }

    pub(super) fn next(&mut self) -> Version {
        self.last += 1;
        Version(self.last)
    }

    /// Adds a new bound to `batch`, if versions given since the last call need one.
    pub(super) fn reserve(&mut self, batch: &mut sled::Batch) {
        if self.last >= self.bound {
            self.bound = self.last + BLOCK;
            batch.insert(key(), &self.bound.to_be_bytes());
        }
    }
}
