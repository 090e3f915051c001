//! A view of another store that keeps every write to itself: for commands that only look, and for rehearsals of a start.

use super::{
    Batch, Change, CommitError, Key, Precondition, SWEEP_EXAMINED, Store, StoreError, StoreStats, Stored, Version,
    Versioned,
};
use crate::clock::{Clock, UnixTime};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Versions of the overlay's own start here: the store below never counts so far.
const FIRST_VERSION: u64 = 1 << 63;

/// Reads from a store, with what was written since laid over it; what is below is never written, nor swept.
///
/// It keeps the promises of a [`Store`] as long as nobody else writes to the one below, save that nothing is durable.
pub struct OverlayStore {
    below: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// Held while the store below is read: a batch's preconditions and changes are one step.
    own: Mutex<Own>,
}

#[derive(Default)]
struct Own {
    /// `None`: removed.
    records: BTreeMap<Key, Option<Stored>>,
    commits: u64,
}

impl OverlayStore {
    /// An overlay in which nothing is written yet.
    #[must_use]
    pub fn new(below: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { below, clock, own: Mutex::default() }
    }

    async fn stored(&self, own: &Own, key: &Key) -> Result<Option<Stored>, StoreError> {
        match own.records.get(key) {
            Some(record) => Ok(record.clone()),
            None => Ok(self.below.get(key).await?.map(from_below)),
        }
    }

    async fn holds(
        &self,
        own: &Own,
        (key, condition): &(Key, Precondition),
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        Ok(condition.holds(self.stored(own, key).await?.as_ref(), now))
    }
}

/// Only what is live is read from below.
fn from_below(found: Versioned) -> Stored {
    Stored { value: found.value, version: found.version, expires_at: None }
}

#[async_trait]
impl Store for OverlayStore {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let own = self.own.lock().await;
        let now = self.clock.now();
        Ok(self.stored(&own, key).await?.and_then(|stored| stored.read(now)))
    }

    async fn scan(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Versioned)>, StoreError> {
        let own = self.own.lock().await;
        let now = self.clock.now();
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let within = own.records.range::<Key, _>((start, Bound::Unbounded));
        let within: Vec<_> = within.take_while(|(key, _)| key.as_bytes().starts_with(prefix.as_bytes())).collect();
        // Each own record hides one from below at most, so that `limit` of them are left.
        let below = self.below.scan(prefix, after, limit.saturating_add(within.len())).await?;
        let mut found: BTreeMap<Key, Versioned> = below.into_iter().collect();
        for (key, record) in within {
            match record.clone().and_then(|stored| stored.read(now)) {
                Some(versioned) => found.insert(key.clone(), versioned),
                None => found.remove(key),
            };
        }
        Ok(found.into_iter().take(limit).collect())
    }

    async fn commit(&self, batch: Batch) -> Result<Version, CommitError> {
        batch.check_size()?;
        let mut own = self.own.lock().await;
        let now = self.clock.now();
        for precondition in &batch.preconditions {
            if !self.holds(&own, precondition, now).await? {
                return Err(CommitError::Conflict);
            }
        }
        let version = Version(FIRST_VERSION + own.commits);
        own.commits += 1;
        for (key, change) in batch.changes {
            let record = match change {
                Change::Put { value, expires_at } => Some(Stored { value, version, expires_at }),
                Change::Delete => None,
            };
            own.records.insert(key, record);
        }
        Ok(version)
    }

    /// An expired record goes on hiding what lies below it.
    async fn sweep(&self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let mut own = self.own.lock().await;
        let expired = |record: &&mut Option<Stored>| record.as_ref().is_some_and(|stored| !stored.is_live(now));
        Ok(own.records.values_mut().filter(expired).take(SWEEP_EXAMINED).map(|record| *record = None).count())
    }

    fn stats(&self) -> StoreStats {
        self.below.stats()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::store::conformance::{self, Engine};
    use crate::store::memory::MemoryStore;
    use std::time::Duration;

    struct Overlay;

    impl Engine for Overlay {
        fn create(&self, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, StoreError> {
            Ok(Arc::new(OverlayStore::new(Arc::new(MemoryStore::new(clock.clone())), clock)))
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn an_overlay_keeps_the_stores_promises() {
        conformance::run(&Overlay).await.unwrap();
    }

    fn key(name: &str) -> Key {
        Key::new(name.as_bytes())
    }

    fn put(name: &str, value: &str, expires_at: Option<UnixTime>) -> Batch {
        Batch::new().put(key(name), value.into(), expires_at)
    }

    /// `a` to `d` below, and an overlay on them.
    async fn laid_over() -> (Arc<ManualClock>, Arc<MemoryStore>, OverlayStore) {
        let clock = Arc::new(ManualClock::at(UnixTime(1000)));
        let below = Arc::new(MemoryStore::new(clock.clone()));
        for name in ["a", "b", "c", "d"] {
            below.commit(put(name, "below", None)).await.unwrap();
        }
        (clock.clone(), below.clone(), OverlayStore::new(below, clock))
    }

    async fn seen(store: &dyn Store, after: Option<&str>, limit: usize) -> Vec<String> {
        let found = store.scan(&key(""), after.map(key).as_ref(), limit).await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        found.iter().map(|(key, found)| format!("{}={}", text(key.as_bytes()), text(&found.value))).collect()
    }

    #[tokio::test]
    async fn reads_pass_through_and_writes_stay() {
        let (_, below, overlay) = laid_over().await;
        let version = overlay.get(&key("a")).await.unwrap().unwrap().version;
        let batch = put("a", "own", None).expect_at(key("a"), version).delete(key("b")).expect_absent(key("aa"));
        overlay.commit(batch.put(key("aa"), b"own".into(), None)).await.unwrap();
        assert_eq!(seen(&overlay, None, 9).await, ["a=own", "aa=own", "c=below", "d=below"]);
        assert_eq!(seen(&overlay, None, 3).await, ["a=own", "aa=own", "c=below"]);
        assert_eq!(seen(&overlay, Some("aa"), 1).await, ["c=below"]);
        assert!(overlay.get(&key("b")).await.unwrap().is_none());
        let stale = overlay.commit(put("a", "late", None).expect_at(key("a"), version)).await;
        assert!(matches!(stale, Err(CommitError::Conflict)), "{stale:?}");
        assert_eq!(seen(&*below, None, 9).await, ["a=below", "b=below", "c=below", "d=below"]);
        assert_eq!(below.stats().commits, 4);
    }

    #[tokio::test]
    async fn what_expired_above_hides_what_lies_below() {
        let (clock, below, overlay) = laid_over().await;
        overlay.commit(put("a", "own", Some(UnixTime(1060)))).await.unwrap();
        clock.advance(Duration::from_secs(60));
        for swept in [1, 0] {
            assert!(overlay.get(&key("a")).await.unwrap().is_none());
            assert_eq!(seen(&overlay, None, 2).await, ["b=below", "c=below"]);
            assert_eq!(overlay.sweep().await.unwrap(), swept);
        }
        assert_eq!(seen(&*below, None, 1).await, ["a=below"]);
    }
}
