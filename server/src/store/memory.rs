//! The engine without a disk: for tests, and for servers that may forget.

use super::{
    Batch, Change, CommitError, Key, SWEEP_EXAMINED, Store, StoreError, StoreStats, Stored, Version, Versioned,
};
use crate::clock::Clock;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};

/// Keeps everything in memory, and nothing beyond the process.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    records: BTreeMap<Key, Stored>,
    last_version: u64,
    commits: u64,
    sweep_from: Option<Key>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, table: Mutex::default() }
    }

    fn table(&self) -> Result<MutexGuard<'_, Table>, StoreError> {
        self.table.lock().map_err(|_| StoreError::new("a panic left the memory store half changed"))
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let now = self.clock.now();
        Ok(self.table()?.records.get(key).cloned().and_then(|stored| stored.read(now)))
    }

    async fn scan(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Versioned)>, StoreError> {
        let now = self.clock.now();
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let table = self.table()?;
        let records = table.records.range::<Key, _>((start, Bound::Unbounded));
        let within = records.take_while(|(key, _)| key.as_bytes().starts_with(prefix.as_bytes()));
        let live = within.filter(|(_, stored)| stored.is_live(now));
        Ok(live.filter_map(|(key, stored)| Some((key.clone(), stored.clone().read(now)?))).take(limit).collect())
    }

    async fn commit(&self, batch: Batch) -> Result<Version, CommitError> {
        batch.check_size()?;
        let mut table = self.table()?;
        let now = self.clock.now();
        if !batch.preconditions.iter().all(|(key, condition)| condition.holds(table.records.get(key), now)) {
            return Err(CommitError::Conflict);
        }
        table.last_version += 1;
        table.commits += 1;
        let version = Version(table.last_version);
        for (key, change) in batch.changes {
            match change {
                Change::Put { value, expires_at } => table.records.insert(key, Stored { value, version, expires_at }),
                Change::Delete => table.records.remove(&key),
            };
        }
        Ok(version)
    }

    async fn sweep(&self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let mut table = self.table()?;
        let start = table.sweep_from.take().map_or(Bound::Unbounded, Bound::Excluded);
        let step = table.records.range((start, Bound::Unbounded)).take(SWEEP_EXAMINED);
        let step: Vec<_> = step.map(|(key, stored)| (key.clone(), stored.is_live(now))).collect();
        if step.len() == SWEEP_EXAMINED {
            table.sweep_from = step.last().map(|(key, _)| key.clone());
        }
        let expired: Vec<_> = step.into_iter().filter(|(_, live)| !live).collect();
        for (key, _) in &expired {
            table.records.remove(key);
        }
        Ok(expired.len())
    }

    fn stats(&self) -> StoreStats {
        let commits = self.table().map_or(0, |table| table.commits);
        StoreStats { commits, ..StoreStats::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::{self, Engine};

    struct Memory;

    impl Engine for Memory {
        fn create(&self, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, StoreError> {
            Ok(Arc::new(MemoryStore::new(clock)))
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn the_memory_engine_keeps_the_stores_promises() {
        conformance::run(&Memory).await.unwrap();
    }
}
