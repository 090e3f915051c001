//! What readers see: sled's tree, with the values before the group that is not synced yet laid over it.
//!
//! A read could also wait for the sync. The overlay is the cheaper of the two safe ways: a read never waits for the disk
//! to sync, and costs the committer one read of what it is about to replace, which applying needs in the cache anyway.

use super::cell;
use super::overlaid::{Overlaid, Source};
use crate::clock::UnixTime;
use crate::store::{Key, SWEEP_EXAMINED, StoreError, Stored, Version, Versioned};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Records by key; `None` where there is none.
pub(super) type Records = BTreeMap<Key, Option<Stored>>;

/// Expired records, each with the version that expired.
pub(super) type Expired = Vec<(Key, Version)>;

pub(super) struct Table {
    pub(super) db: sled::Db,
    /// What was there before the group that is applied and not yet synced. Held for writing while a group is applied, so
    /// that a reader sees all of it or nothing.
    before: RwLock<Records>,
    fault: OnceLock<StoreError>,
}

fn panicked<T>(_: T) -> StoreError {
    StoreError::new("a panic left the store in doubt: restart the server")
}

impl Table {
    pub(super) fn new(db: sled::Db) -> Self {
        Self { db, before: RwLock::default(), fault: OnceLock::new() }
    }

    /// From now on nothing is answered: what a failed sync left on the disk is not known, and asking again may lie.
    pub(super) fn fail(&self, fault: StoreError) -> StoreError {
        self.fault.get_or_init(|| fault).clone()
    }

    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.fault.get().map_or(Ok(()), |fault| Err(fault.clone()))
    }

    fn reading(&self) -> Result<RwLockReadGuard<'_, Records>, StoreError> {
        let before = self.before.read().map_err(panicked)?;
        self.check().map(|()| before)
    }

    fn writing(&self) -> Result<RwLockWriteGuard<'_, Records>, StoreError> {
        self.before.write().map_err(panicked)
    }

    /// Applies a group; readers go on seeing `before` until [`Self::synced`].
    pub(super) fn apply(&self, batch: sled::Batch, before: Records) -> Result<(), StoreError> {
        let mut shown = self.writing()?;
        *shown = before;
        self.db.apply_batch(batch).map_err(StoreError::new)
    }

    /// Shows the group that was applied last.
    pub(super) fn synced(&self) -> Result<(), StoreError> {
        self.writing()?.clear();
        Ok(())
    }

    pub(super) fn get(&self, key: &Key, now: UnixTime) -> Result<Option<Versioned>, StoreError> {
        let before = self.reading()?;
        let stored = match before.get(key) {
            Some(before) => before.clone(),
            None => cell::read(&self.db, key)?,
        };
        Ok(stored.and_then(|stored| stored.read(now)))
    }

    pub(super) fn scan(
        &self,
        prefix: &Key,
        after: Option<&Key>,
        limit: usize,
        now: UnixTime,
    ) -> Result<Vec<(Key, Versioned)>, StoreError> {
        let before = self.reading()?;
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let has_prefix = |key: &Key| key.as_bytes().starts_with(prefix.as_bytes());
        let heads = self.heads(start).take_while(|head| head.as_ref().map_or(true, |(key, _)| has_prefix(key)));
        let old = before.range::<Key, _>((start, Bound::Unbounded)).take_while(|(key, _)| has_prefix(key));
        let mut found = Vec::new();
        for record in Overlaid::new(heads, old) {
            if found.len() == limit {
                break;
            }
            let (key, stored) = match record? {
                (key, Source::Head(head)) if cell::without_value(&head)?.is_live(now) => {
                    let stored = cell::complete(&self.db, &key, &head)?;
                    (key, Some(stored))
                }
                (_, Source::Head(_)) => continue,
                (key, Source::Old(old)) => (key, old.cloned()),
            };
            found.extend(stored.and_then(|stored| stored.read(now)).map(|versioned| (key, versioned)));
        }
        Ok(found)
    }

    /// Looks at the next records from after `from` on: the expired ones, and where to go on (`None` at the end).
    ///
    /// May see what is not synced yet: the committer compares the versions again.
    pub(super) fn expired(&self, from: Option<&Key>, now: UnixTime) -> Result<(Expired, Option<Key>), StoreError> {
        self.check()?;
        let mut expired = Vec::new();
        let mut last = None;
        let mut examined = 0;
        for head in self.heads(from.map_or(Bound::Unbounded, Bound::Excluded)).take(SWEEP_EXAMINED) {
            let (key, head) = head?;
            let stored = cell::without_value(&head)?;
            if !stored.is_live(now) {
                expired.push((key.clone(), stored.version));
            }
            examined += 1;
            last = Some(key);
        }
        Ok((expired, last.filter(|_| examined == SWEEP_EXAMINED)))
    }

    fn heads(&self, start: Bound<&Key>) -> impl Iterator<Item = Result<(Key, sled::IVec), StoreError>> {
        let start = match start {
            Bound::Included(key) => Bound::Included(cell::head_key(key.as_bytes())),
            Bound::Excluded(key) => Bound::Excluded(cell::head_key(key.as_bytes())),
            Bound::Unbounded => Bound::Included(cell::head_key(&[])),
        };
        let end = Bound::Excluded(cell::heads_end());
        self.db.range::<Vec<u8>, _>((start, end)).filter_map(|entry| match entry {
            Ok((key, head)) => cell::record_key(&key).map(|key| Ok((key, head))),
            Err(error) => Some(Err(StoreError::new(error))),
        })
    }
}
