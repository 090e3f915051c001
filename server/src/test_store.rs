//! A store for unit tests: a map, with faults on demand.

use crate::clock::Clock;
use crate::store::{Batch, Change, CommitError, Key, Precondition, Store, StoreError, StoreStats, Version, Versioned};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

type Row = (Versioned, Option<u64>);
type Hook = Box<dyn FnOnce(&mut BTreeMap<Key, Row>) + Send>;

pub(crate) struct TestStore {
    rows: Mutex<BTreeMap<Key, Row>>,
    clock: Arc<dyn Clock>,
    version: AtomicU64,
    calls: AtomicU64,
    broken: AtomicBool,
    before_commit: Mutex<Option<Hook>>,
    held: watch::Sender<bool>,
}

impl TestStore {
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            rows: Mutex::default(),
            clock,
            version: AtomicU64::new(0),
            calls: AtomicU64::new(1),
            broken: AtomicBool::new(false),
            before_commit: Mutex::default(),
            held: watch::channel(false).0,
        })
    }

    /// Makes every call fail, or work again.
    pub fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    /// Makes commits wait, as for a slow disk, or go on.
    pub fn hold_commits(&self, held: bool) {
        self.held.send_replace(held);
    }

    /// Lets the next commit find that `batch` came first.
    pub fn before_next_commit(&self, batch: Batch) {
        let version = self.next_version();
        *self.before_commit.lock().unwrap() = Some(Box::new(move |rows| apply(rows, batch, version)));
    }

    pub fn commits(&self) -> u64 {
        self.version.load(Ordering::SeqCst)
    }

    /// Every key and value as text, to look for what must not be readable.
    pub fn dump(&self) -> String {
        let rows = self.rows.lock().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        rows.iter().map(|(key, (row, _))| text(key.as_bytes()) + &text(&row.value)).collect()
    }

    pub fn len(&self) -> usize {
        self.rows.lock().unwrap().len()
    }

    fn next_version(&self) -> Version {
        Version(self.version.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// Lets others go first, now more of them and now fewer, so that tests meet every order.
    async fn dawdle(&self) {
        for _ in 0..self.calls.fetch_add(1, Ordering::SeqCst) % 5 {
            tokio::task::yield_now().await;
        }
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.broken.load(Ordering::SeqCst) { Err(StoreError::new("broken for the test")) } else { Ok(()) }
    }

    fn live(&self, row: &Row) -> bool {
        row.1.is_none_or(|expires_at| self.clock.now().0 < expires_at)
    }
}

fn apply(rows: &mut BTreeMap<Key, Row>, batch: Batch, version: Version) {
    for (key, change) in batch.changes {
        match change {
            Change::Put { value, expires_at } => {
                rows.insert(key, (Versioned { value, version }, expires_at.map(|time| time.0)));
            }
            Change::Delete => {
                rows.remove(&key);
            }
        }
    }
}

#[async_trait]
impl Store for TestStore {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.check()?;
        self.dawdle().await;
        let found = self.rows.lock().unwrap().get(key).filter(|row| self.live(row)).map(|row| row.0.clone());
        self.dawdle().await;
        Ok(found)
    }

    async fn scan(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Versioned)>, StoreError> {
        self.check()?;
        let rows = self.rows.lock().unwrap();
        let found = rows.iter().filter(|(key, row)| {
            key.as_bytes().starts_with(prefix.as_bytes()) && after.is_none_or(|after| *key > after) && self.live(row)
        });
        Ok(found.take(limit).map(|(key, row)| (key.clone(), row.0.clone())).collect())
    }

    async fn commit(&self, batch: Batch) -> Result<Version, CommitError> {
        self.check()?;
        self.dawdle().await;
        let _ = self.held.subscribe().wait_for(|held| !held).await;
        let hook = self.before_commit.lock().unwrap().take();
        let mut rows = self.rows.lock().unwrap();
        if let Some(hook) = hook {
            hook(&mut rows);
        }
        for (key, precondition) in &batch.preconditions {
            let version = rows.get(key).filter(|row| self.live(row)).map(|row| row.0.version);
            let holds = match precondition {
                Precondition::Absent => version.is_none(),
                Precondition::Present => version.is_some(),
                Precondition::At(expected) => version == Some(*expected),
            };
            if !holds {
                return Err(CommitError::Conflict);
            }
        }
        let version = self.next_version();
        apply(&mut rows, batch, version);
        Ok(version)
    }

    async fn sweep(&self) -> Result<usize, StoreError> {
        Ok(0)
    }

    fn stats(&self) -> StoreStats {
        StoreStats::default()
    }
}
